"""Payouts for a demo desk: what its pretend gateway took these weeks, as it would pay it out and tell of it.

Fees are the simulator's own arithmetic. A few things are wrong on purpose: fees too high, a capture held
back, a payout that is short, one that no file tells of.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from sqlalchemy import select

from bootstrap import App
from commands import season
from db.models import Event, Link, Receipt
from db.money import Money
from payments import dates
from payments.access import people
from payments.access.people import Person
from payments.at_the_door import eft
from payments.bank import accounts, imports
from payments.lump_sums import settlements
from payments.matching import Target
from payments.payouts.files import PayoutMapping
from payments.reconciling import proposing, reconciliation
from payments.reconciling.exceptions import queue
from payments.reconciling.parts import Decided, Part
from payments.selling.events import State
from payments.statements import Mapping

DAYS = 24
ACCOUNT = "Payouts account"
#: Where payers of its events send their EFTs too.
TOLD = eft.Account("FNB", "Paydesk Demo Conferences", "62000004217", "250655")
HEADS = ("Date", "Type", "Reference", "Method", "Gross", "Fee", "VAT", "Net", "Payout no")
MAPPING = PayoutMapping(
    "iKhokha settlement", HEADS, on=0, kind=1, reference=2, method=3, gross=4, fee=5, vat=6, net=7, payout=8
)
_BANK = ("Date", "Description", "Amount")
_SHORT = 120_00
_SIM = Money(69_00)


@dataclass(frozen=True)
class Taken:
    """What the pretend gateway took: how much, and how it was really paid."""

    reference: str
    on: date
    gross: Money
    method: str


@dataclass(frozen=True)
class Row:
    taken: Taken
    fee: Money
    vat: Money

    @property
    def net(self) -> Money:
        return self.taken.gross - self.fee - self.vat


def write(app: App, ledger_file: Path) -> None:
    """Write and import them. A desk whose last weeks were quiet gets none."""
    by_day = _taken(app, ledger_file)
    today = dates.business_day(app.now())
    paid = [day for day in sorted(by_day) if dates.next_bank_day(day, 2) <= today]
    if len(paid) < 3:
        return
    alone = paid[-2]  # only the bank tells of it
    payouts = {day: list(_rows(by_day[day], nth)) for nth, day in enumerate(paid)}
    text = _settlement({day: payouts[day] for day in paid[:-1] if day != alone})
    place = app.settings.data_dir / "payouts"
    place.mkdir(parents=True, exist_ok=True)
    (place / "earlier days.csv").write_text(text, encoding="utf-8")
    newest = _settlement({paid[-1]: payouts[paid[-1]]})  # for whoever tries it
    (place / "newest day.csv").write_text(newest, encoding="utf-8")
    with app.sessions.begin() as session:
        finance = people.system_person(session, season.FINANCE)
        told, _ = settlements.read(session, finance, "earlier days.csv", text.encode(), mapping=MAPPING)
        settlements.import_file(session, finance, told, text.encode(), now=app.now(), mapping=MAPPING)
        settlements.remember(session, finance, MAPPING, now=app.now())
    _bank(app, finance, {day: _net(rows, nth) for nth, (day, rows) in enumerate(payouts.items())}, paid[1])


def _taken(app: App, ledger_file: Path) -> dict[date, list[Taken]]:
    from simulator.ledger import Ledger

    with Ledger(ledger_file) as ledger, app.sessions.read() as session:
        since = dates.day_span(dates.business_day(app.now()) - timedelta(days=DAYS)).start
        query = (
            select(Receipt, Link.wire_reference)
            .join(Link, Link.id == Receipt.link_id)
            .where(Receipt.kind == "gateway", Receipt.received_at >= since)
            .order_by(Receipt.id)
        )
        found: dict[date, list[Taken]] = defaultdict(list)
        for receipt, reference in session.execute(query):
            link = ledger.find_by_reference(reference)
            day = dates.business_day(receipt.received_at)
            method = (link.method if link else None) or "card"
            found[day].append(Taken(reference, day, receipt.amount, method))
    return found


def _rows(taken: Sequence[Taken], nth: int) -> Iterator[Row]:
    """A day's captures with their fees: one held back now and then, one charged as if from abroad."""
    from simulator.settlements import fee_minor

    for place, one in enumerate(taken):
        if nth % 4 == 3 and place == len(taken) - 1 and len(taken) > 2:
            continue
        method = "international_card" if place % 11 == 5 else one.method
        fee, vat = fee_minor(one.gross.minor, method)
        yield Row(one, Money(fee), Money(vat))


def _net(rows: Sequence[Row], nth: int) -> Money:
    from simulator.settlements import payout_fee_minor

    less = payout_fee_minor() + (_SIM.minor if nth == 0 else 0)
    return Money(sum(row.net.minor for row in rows) - less)


def _settlement(payouts: dict[date, list[Row]]) -> str:
    lines: list[Sequence[str]] = [HEADS]
    for nth, (day, rows) in enumerate(payouts.items()):
        number = f"IK{day:%y%m%d}"
        for row in rows:
            one = row.taken
            sums = (one.gross.decimal, row.fee.decimal, row.vat.decimal, row.net.decimal)
            lines.append(
                (day.isoformat(), "Sale", one.reference, one.method.replace("_", " "), *sums, number)
            )
        if nth == 0 and len(payouts) > 1:
            lines.append((day.isoformat(), "SIM fee", "", "", f"-{_SIM.decimal}", "", "", "", number))
    return _csv(lines)


def _bank(app: App, finance: Person, nets: dict[date, Money], short: date) -> None:
    """The bank's lines, matched as ever; the one that is short is taken by a person, with the reason."""
    lines: list[Sequence[str]] = [_BANK]
    for nth, (day, net) in enumerate(nets.items()):
        on = dates.next_bank_day(day, 1 + nth % 2)
        came = net - Money(_SHORT) if day == short else net
        lines.append((on.isoformat(), "MAGTAPE CREDIT IKHOKHA PAYOUT", came.decimal))
    mapping = Mapping(name="Payouts account", date=0, description=(1,), amount=2, heading=_BANK)
    with app.sessions.begin() as session:
        account = accounts.create(
            session, finance, name=ACCOUNT, bank=TOLD.bank, holder=TOLD.holder, number=TOLD.number,
            branch_code=TOLD.branch_code, now=app.now(),
        )  # fmt: skip
        for code in session.scalars(select(Event.code).where(Event.state == State.OPEN)).all():
            eft.set_account(session, people.SYSTEM, code, TOLD, now=app.now())
        data = _csv(lines).encode()
        imports.import_file(
            session, finance, account.id, "payouts account.csv", data, now=app.now(), mapping=mapping
        )
    proposing.propose(app.sessions, finance, now=app.now(), account_id=account.id)
    _take_short(app, finance, nets[short])


def _take_short(app: App, finance: Person, net: Money) -> None:
    from payments.lump_sums import payout_list

    with app.sessions.begin() as session:
        payout = next(
            (one for one in payout_list.listing(session, finance) if one.net == net and not one.banked_on),
            None,
        )
        waits = queue(session, finance, now=app.now(), limit=100)
        line = next((one for one in waits if one.amount == net - Money(_SHORT)), None)
        if payout is None or line is None:
            return
        parts = (Part(Target.PAYOUT, net, payout_id=payout.id), Part(Target.ASIDE, -Money(_SHORT)))
        why = "R120 short; iKhokha was asked why."
        decided = Decided(line.line_id, parts, "payout", line.suggestion, why=why)
        reconciliation.accept(session, finance, decided, now=app.now())


def _csv(rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()
