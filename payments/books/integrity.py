"""What must always hold, as named questions to the database whose answer must be: nothing.

Asked when the worker starts, every hour and on demand. An answer that is not empty makes the desk stand
still (``standstill``) until a later check passes, or until an admin decides that what was found may stay.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    Engine,
    and_,
    case,
    exists,
    func,
    not_,
    or_,
    select,
    union_all,
)
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import Session, aliased

from db.models import (
    Link,
    Meta,
    Payment,
    Receipt,
    Refund,
    RefundReturn,
    Reversal,
    TimelineEntry,
)
from db.session import Sessions, takes_long
from payments.access.people import Action, Person, check
from payments.at_the_door import tills
from payments.bank import bank_books
from payments.books import audit, chain, db_guards, totals
from payments.books.db_guards import ROWS_TOLD
from payments.errors import Conflict, InvalidInput
from payments.lifecycle import Kind, Method, Status
from payments.live import tallies
from payments.lump_sums import payout_books
from payments.money_back import crediting, dispute_books
from payments.papers import numbering
from payments.payers import places
from payments.reconciling import surplus
from payments.selling import prices, quotes
from payments.watching import standstill

#: A decision to go on with what was found is explained in so many characters at least.
SHORTEST_REASON = 10
_LAST, _ACCEPTED = "integrity", "integrity_accepted"


@dataclass(frozen=True)
class Finding:
    """A rule that does not hold, and the rows that break it, as people find them."""

    name: str
    sentence: str
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """The last check. ``accepted``: an admin has decided that just these findings may stay."""

    at: datetime
    findings: tuple[Finding, ...]
    accepted: bool = False

    @property
    def sound(self) -> bool:
        return not self.findings


@dataclass(frozen=True)
class Rule:
    name: str
    sentence: str
    broken_by: Callable[[Session], Iterable[str]]


def examine(session: Session) -> tuple[Finding, ...]:
    """Ask every question, of one picture of the database. The session must be fresh; or on a connection of
    the caller, whose transaction sees to the picture."""
    bind = session.get_bind()
    if bind.dialect.name == "postgresql" and isinstance(bind, Engine):
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    takes_long(session)
    findings = []
    for rule in RULES:
        rows, readable = _ask(session, rule)
        if rows:
            findings.append(Finding(rule.name, rule.sentence, rows))
        if not readable:
            break
    return tuple(findings)


def _ask(session: Session, rule: Rule) -> tuple[tuple[str, ...], bool]:
    """The rows that break a rule, and whether the database could be read to the end."""
    try:
        return tuple(islice(rule.broken_by(session), ROWS_TOLD)), True
    except OperationalError:  # busy or away, which says nothing of what it holds
        raise
    except DatabaseError as error:
        return (f"the database cannot be read: {error.orig}",), False


def run(sessions: Sessions, *, now: datetime) -> Report:
    """Examine, write down what was found, and stand still or go on accordingly."""
    with sessions.read() as session:
        findings = examine(session)
    with sessions.begin() as session:
        accepted = bool(findings) and _accepted(session) == _told(findings)
        session.merge(Meta(key=_LAST, value=json.dumps({"at": now.isoformat(), "found": _told(findings)})))
        if findings and not accepted:
            standstill.begin(session, _reason(findings), now=now)
        else:
            standstill.end(session)
        tallies.bump(session)
    return Report(now, findings, accepted)


def last(session: Session) -> Report | None:
    """What the last check found; None before the first."""
    row = session.get(Meta, _LAST)
    if row is None:
        return None
    told = json.loads(row.value)
    findings = tuple(Finding(name, sentence, tuple(rows)) for name, sentence, rows in told["found"])
    accepted = bool(findings) and _accepted(session) == told["found"]
    return Report(datetime.fromisoformat(told["at"]), findings, accepted)


def check_now(sessions: Sessions, person: Person, *, now: datetime) -> Report:
    """The same check, because somebody at the desk wants it."""
    check(person, Action.MANAGE_SETTINGS)
    return run(sessions, now=now)


def accept(session: Session, person: Person, reason: str, *, now: datetime) -> None:
    """Let the desk go on with what the last check found; anything else it finds stops it again.

    Raises NotAllowed, InvalidInput for a reason that explains nothing, Conflict when nothing stands still.
    """
    check(person, Action.MANAGE_SETTINGS)
    if len(reason.strip()) < SHORTEST_REASON:
        raise InvalidInput(f"Say in {SHORTEST_REASON} characters or more why the desk may go on.")
    report = last(session)
    if report is None or standstill.current(session) is None:
        raise Conflict("The desk is not read-only; there is nothing to decide.")
    session.merge(Meta(key=_ACCEPTED, value=json.dumps(_told(report.findings))))
    standstill.end(session)
    names = [finding.name for finding in report.findings]
    audit.record(
        session, person, "accept_findings", "integrity", now=now, reason=reason.strip(), findings=names
    )
    tallies.bump(session)


def _accepted(session: Session) -> Any:
    row = session.get(Meta, _ACCEPTED)
    return json.loads(row.value) if row else None


def _told(findings: Iterable[Finding]) -> list[list[Any]]:
    return [[finding.name, finding.sentence, list(finding.rows)] for finding in findings]


def _reason(findings: tuple[Finding, ...]) -> str:
    more = f" And {len(findings) - 1} more of its rules are broken." if len(findings) > 1 else ""
    return f"{findings[0].sentence}{more}"


# -- money: receipts, what they add up to, and what a status says of it -----------------------------


def _one_receipt(session: Session) -> Iterator[str]:
    twice = select(Receipt.kind, Receipt.source_reference, func.count()).group_by(
        Receipt.kind, Receipt.source_reference
    )
    for kind, reference, count in session.execute(twice.having(func.count() > 1)):
        yield f"{kind} {reference}: {count} receipts"


def _refunds_within(session: Session) -> Iterator[str]:
    too_much = or_(Payment.refunded_minor > Payment.received_minor, Payment.refunded_minor < 0)
    query = select(Payment.reference, Payment.received_minor, Payment.refunded_minor).where(too_much)
    for reference, received, refunded in session.execute(query):
        yield f"{reference}: received {received}, refunded {refunded}"


def _returned(session: Session) -> Iterator[str]:
    given = (
        select(Refund.payment_id, func.sum(Refund.amount_minor).label("minor"))
        .group_by(Refund.payment_id)
        .subquery()
    )
    back = (
        select(RefundReturn.payment_id, func.sum(RefundReturn.amount_minor).label("minor"))
        .where(RefundReturn.undone_at.is_(None))
        .group_by(RefundReturn.payment_id)
        .subquery()
    )
    total = func.coalesce(given.c.minor, 0) - func.coalesce(back.c.minor, 0)
    query = (
        select(Payment.reference, Payment.refunded_minor, total)
        .outerjoin(given, given.c.payment_id == Payment.id)
        .outerjoin(back, back.c.payment_id == Payment.id)
        .where(Payment.refunded_minor != total)
    )
    for reference, refunded, refunds in session.execute(query):
        yield f"{reference}: says {refunded} given back, its refunds say {refunds}"


def _received(session: Session) -> Iterator[str]:
    here = select(Receipt.payment_id, Receipt.amount_minor, Receipt.amount_currency)
    gone = select(Reversal.payment_id, -Reversal.amount_minor, Reversal.amount_currency)
    all_ = union_all(here, gone).subquery()
    sums = (
        select(
            all_.c.payment_id,
            func.sum(all_.c.amount_minor).label("minor"),
            func.min(all_.c.amount_currency).label("lowest"),
            func.max(all_.c.amount_currency).label("highest"),
        )
        .group_by(all_.c.payment_id)
        .subquery()
    )
    total = func.coalesce(sums.c.minor, 0)
    foreign = or_(sums.c.lowest != Payment.amount_currency, sums.c.highest != Payment.amount_currency)
    query = (
        select(Payment.reference, Payment.received_minor, total)
        .outerjoin(sums, sums.c.payment_id == Payment.id)
        .where(or_(Payment.received_minor != total, foreign))
    )
    for reference, received, receipts in session.execute(query):
        yield f"{reference}: says {received}, its receipts say {receipts}"


def _confirmed(session: Session) -> Iterator[str]:
    """Each source: a receipt of the gateway and the paid link that it came by say the same."""
    same = and_(
        Link.payment_id == Receipt.payment_id,
        Link.gateway_reference == Receipt.source_reference,
        Link.amount_minor == Receipt.amount_minor,
        Link.amount_currency == Receipt.amount_currency,
        Link.state == "paid",
    )
    unfit = (
        select(Receipt.id, Receipt.source_reference)
        .outerjoin(Link, Link.id == Receipt.link_id)
        .where(Receipt.kind == Method.GATEWAY, or_(Link.id.is_(None), not_(func.coalesce(same, False))))
    )
    for receipt, reference in session.execute(unfit):
        yield f"receipt {receipt} of {reference}: its link says otherwise"
    by_link = exists().where(Receipt.link_id == Link.id, Receipt.payment_id == Link.payment_id)
    unpaid = select(Link.wire_reference).where(Link.state == "paid", ~by_link)
    for reference in session.scalars(unpaid):
        yield f"link {reference}: paid, and no receipt of it"


def _status_of_money(session: Session) -> Iterator[str]:
    received, refunded = Payment.received_minor, Payment.refunded_minor
    owed = Payment.amount_minor - Payment.written_off_minor
    fits = case(
        (Payment.status == Status.PAID, and_(received >= owed, Payment.paid_at.is_not(None))),
        (Payment.status == Status.PART_PAID, and_(received > 0, received < owed)),
        (Payment.status == Status.PART_REFUNDED, and_(refunded > 0, refunded < received)),
        (Payment.status == Status.REFUNDED, and_(received > 0, refunded == received)),
        (Payment.status == Status.DISPUTED, received > 0),
        else_=and_(received == 0, refunded == 0),
    )
    query = select(Payment.reference, Payment.status, owed, received, refunded).where(not_(fits))
    for reference, status, amount, got, back in session.execute(query):
        yield f"{reference}: {status}, of {amount} received {got}, refunded {back}"


def _status_of_timeline(session: Session) -> Iterator[str]:
    """Each change of a status is told once, and the last one told is the one a payment has."""
    told = (
        select(
            TimelineEntry.payment_id,
            func.count().label("changes"),
            func.max(TimelineEntry.id).label("last"),
        )
        .where(TimelineEntry.kind == Kind.STATUS)
        .group_by(TimelineEntry.payment_id)
        .subquery()
    )
    entry = aliased(TimelineEntry)
    became = func.coalesce(entry.detail["became"].as_string(), Status.CREATED.value)
    query = (
        select(Payment.reference, Payment.status, became, Payment.version, func.coalesce(told.c.changes, 0))
        .outerjoin(told, told.c.payment_id == Payment.id)
        .outerjoin(entry, entry.id == told.c.last)
        .where(or_(Payment.status != became, Payment.version != func.coalesce(told.c.changes, 0)))
    )
    for reference, status, said, version, changes in session.execute(query):
        yield f"{reference}: {status} after {version} changes; its timeline tells {changes}, the last {said}"


RULES = (
    Rule("database", "The database's own check finds damage.", db_guards.pages),
    Rule("audit", "An entry of the audit is not as it was written, or is gone.", chain.broken_by),
    Rule("guards", "The database has lost a rule by which it refuses what is wrong.", db_guards.guards),
    Rule("orphans", "A row points to another that is not there.", db_guards.orphans),
    Rule("one_receipt", "The same money was written down twice.", _one_receipt),
    Rule("refunds", "More was given back than had come in.", _refunds_within),
    Rule("returned", "A payment's sum given back is not what its refunds add up to.", _returned),
    Rule("received", "A payment's sum received is not what its receipts add up to.", _received),
    Rule("confirmed", "A receipt is not what the gateway confirmed.", _confirmed),
    Rule("tills", "A till's roll is not what its receipts and reports say.", tills.broken),
    Rule("papers", "Papers are not numbered without a gap, or not as they were issued.", numbering.broken),
    Rule("prices", "What a payment was priced as is not its amount.", prices.broken),
    Rule("credits", "More is credited of a payment than it is for, or less than nothing.", crediting.broken),
    Rule("quotes", "A quote is not, at its rate, what its payment was made for.", quotes.broken),
    Rule("places", "The places of a payment for several are not what it is for.", places.broken),
    Rule("files", "Rows of a statement file are lost, or its lines do not add up.", bank_books.files),
    Rule("lines", "A line of the bank is not as its files and matches say.", bank_books.lines),
    Rule("matches", "A match does not add up to its line, or to the money it brought.", bank_books.matches),
    Rule("surplus", "Surplus that was moved is not what it paid, or more than there was.", surplus.broken),
    Rule("payouts", "A payout is not what its file, its captures or the bank say.", payout_books.broken),
    Rule(
        "disputes", "A dispute does not hold its payment, or is written down otherwise.", dispute_books.broken
    ),
    Rule("signed", "A day or month that was signed off is not what was signed.", bank_books.signed),
    Rule("status", "A payment's status is not what its money says.", _status_of_money),
    Rule("timeline", "A payment's status is not what its timeline tells.", _status_of_timeline),
    Rule("standings", "The totals by status are not what the payments add up to.", totals.standings),
    Rule(
        "hours", "The payments by the hour they were made or paid are not what they add up to.", totals.hours
    ),
    Rule("taken", "The money taken by the hour is not what the receipts add up to.", totals.taken),
    Rule("reached", "The payments by the hour are not what the timelines add up to.", totals.reached),
    Rule("let_go", "What is not asked for any more is not what the timelines add up to.", totals.let_go),
    Rule(
        "together",
        "What is kept of all events together is not what the events' hours add up to.",
        totals.together,
    ),
    Rule("months", "What is kept by the month is not what the hours add up to.", totals.months),
)
