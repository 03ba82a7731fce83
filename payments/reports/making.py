"""Making a report: who may read which, on which basis, and the one frozen object that comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Event
from db.session import reads_much
from payments.access.people import Action, Person, check
from payments.errors import InvalidInput
from payments.finding import as_of, conditions
from payments.reports import (
    fees,
    forecast,
    ledger,
    open_items,
    outcomes,
    registrations,
    revenue,
    statement,
    takings,
    transit,
)
from payments.reports.ledger import Scope
from payments.reports.period import Basis
from payments.reports.report import Asked, Headline, Kind, Report, Table
from payments.selling import events


@dataclass(frozen=True)
class About:
    """``bases``: those it can be on, the usual one first. ``needs``: what a person must be allowed."""

    title: str
    counts: str
    bases: tuple[Basis, ...]
    needs: Action = Action.EXPORT


_OF_MONEY = (Basis.CAPTURED, Basis.PAID, Basis.CREATED, Basis.SETTLED, Basis.BANKED, Basis.EVENT)
_RECEIPTS = (
    "Money that is here by receipts, less receipts that were taken back. Nothing that was only claimed, "
    "waived or is still waited for."
)
ABOUT: Mapping[Kind, About] = {
    Kind.TAKINGS: About("Daily takings", _RECEIPTS, _OF_MONEY),
    Kind.REVENUE: About(
        "Revenue",
        f"Gross: {_RECEIPTS[0].lower()}{_RECEIPTS[1:]} Less refunds, less what the gateway's own files say "
        "it kept and the VAT on that, is net.",
        _OF_MONEY,
    ),
    Kind.OPEN_ITEMS: About(
        "Open items",
        "Opening, and what was billed, less what was paid, and what was given back, less what is not asked "
        "for any more: waived, cancelled, expired, written off, given back. Each on the day it happened.",
        (Basis.CAPTURED,),
    ),
    Kind.FEES: About(
        "Fees and VAT",
        "Fees of captures and payouts as the gateway's own files tell them, and the VAT on the fees. What no "
        "file told yet is not counted.",
        (Basis.SETTLED, Basis.CAPTURED, Basis.BANKED, Basis.PAID, Basis.CREATED, Basis.EVENT),
    ),
    Kind.REGISTRATIONS: About(
        "Registrations",
        "Payments as they stand now, each once, with the people they are for, what they ask for and what is "
        "here of it.",
        (Basis.CREATED, Basis.PAID, Basis.EVENT),
    ),
    Kind.TRANSIT: About(
        "Money in transit",
        "What the gateway captured and no line of the bank shows yet, before fees. Expected from the next "
        "bank day on, by South African weekends and public holidays.",
        (Basis.CAPTURED,),
        Action.SEE_BANK,
    ),
    Kind.OUTCOMES: About(
        "Outcomes",
        "Payments as they stand now, each once. Times are from the moment a payment was asked for until it "
        "was paid, to the whole minute.",
        (Basis.CREATED,),
    ),
    Kind.STATEMENT: About(
        "Statement to the organiser",
        "Of one event: the balance before, and money that is here by receipts, less receipts that were taken "
        "back, less refunds, less what the gateway's own files say it kept and the VAT on that. Each on the "
        "day it happened.",
        (Basis.CAPTURED,),
    ),
    Kind.FORECAST: About(
        "Forecast",
        "What payments that are open now still ask for, and how much of that is expected by a day. It is "
        "learned from payments that ended: by how long each was open, how near its event was, and how it was "
        "asked for. In 8 of 10 cases what comes lies between “from” and “to”.",
        (Basis.CAPTURED,),
    ),
}
#: Those that are of one event.
OF_ONE_EVENT = (Kind.STATEMENT,)
#: What a basis counts on which day.
BASIS: Mapping[Basis, str] = {
    Basis.CREATED: "The day the payment was made",
    Basis.PAID: "The day the payment was paid in whole",
    Basis.CAPTURED: "The day the money was taken",
    Basis.SETTLED: "The day of the gateway's payout",
    Basis.BANKED: "The day the bank shows it",
    Basis.EVENT: "The first day of the event",
}


def basis_told(asked: Asked) -> str:
    """What puts something on a day of this report."""
    rolled = asked.kind in (Kind.OPEN_ITEMS, Kind.STATEMENT)
    if asked.kind is Kind.FORECAST:
        return "Open when it was made, expected by the end of each day"
    return "Each on the day it happened" if rolled else BASIS[asked.basis]


_REFUNDS = {
    True: "What was given back counts on the day it was.",
    False: "What was given back counts with its payment.",
}
_BANKED = (
    "Cash and card slips reach the bank in sums of many payments: what is not told by payment is not here."
)


def offered(person: Person) -> tuple[Kind, ...]:
    """The reports this person may read."""
    return tuple(kind for kind, about in ABOUT.items() if person.may(about.needs))


def make(session: Session, person: Person, asked: Asked, *, demo: bool, now: datetime) -> Report:
    """``session`` must be of the moment that is asked for (``as_of.read``). Raises NotAllowed, NotFound (the
    event), InvalidInput (a basis it cannot be on)."""
    as_of.refuse_another(session, asked.as_of)
    about = ABOUT[asked.kind]
    check(person, about.needs)
    if asked.basis not in about.bases:
        raise InvalidInput(f"“{about.title}” cannot be on the basis “{asked.basis}”. Choose another basis.")
    if asked.kind is Kind.TRANSIT and asked.event:
        raise InvalidInput("Payouts are of all events at once. Choose all events.")
    if asked.kind in OF_ONE_EVENT and not asked.event:
        raise InvalidInput(f"“{about.title}” is of one event. Choose the event.")
    reads_much(session)
    scope = _scope(session, person, asked)
    headline, tables, notes = _parts(session, person, asked, scope, asked.as_of or now)
    report = Report(
        asked, about.title, _event_name(session, person, asked), demo, now, _counted(asked, about), headline,
        tables, notes,
    )  # fmt: skip
    return report.stood if asked.as_of else report


_Parts = tuple[tuple[Headline, ...], tuple[Table, ...], tuple[str, ...]]


def _parts(session: Session, person: Person, asked: Asked, scope: Scope, now: datetime) -> _Parts:
    match asked.kind:
        case Kind.TAKINGS:
            return takings.make(session, scope)
        case Kind.REVENUE:
            return revenue.make(session, scope)
        case Kind.OPEN_ITEMS:
            return open_items.make(session, scope, now=now)
        case Kind.FEES:
            return fees.make(session, scope)
        case Kind.REGISTRATIONS:
            return registrations.make(session, scope)
        case Kind.TRANSIT:
            return transit.make(session, person, asked.period)
        case Kind.OUTCOMES:
            return outcomes.make(session, scope)
        case Kind.STATEMENT:
            return statement.make(session, scope)
        case Kind.FORECAST:
            return forecast.make(session, scope, conditions.scope_of(person), now=now)


def _scope(session: Session, person: Person, asked: Asked) -> Scope:
    mine = conditions.scope_of(person)
    if asked.event:
        mine = frozenset({events.event_row(session, person, asked.event).id})
    query = select(Event.id, Event.code, Event.name, Event.starts_on).order_by(Event.id)
    known = [row for row in session.execute(query) if mine is None or row.id in mine]
    return Scope(
        {row.id: (row.code, row.name) for row in known}, {row.id: row.starts_on for row in known},
        mine is None, asked.basis, asked.period, as_of=asked.as_of,
    )  # fmt: skip


def _event_name(session: Session, person: Person, asked: Asked) -> str:
    return events.get_event(session, person, asked.event).name if asked.event else ""


def _counted(asked: Asked, about: About) -> str:
    told = [about.counts]
    if asked.kind is Kind.REVENUE:
        told.append(_REFUNDS[asked.basis not in ledger.OF_PAYMENTS])
    if asked.basis is Basis.BANKED:
        told.append(_BANKED)
    return " ".join(told)
