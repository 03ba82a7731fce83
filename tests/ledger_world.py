"""A world of payments as a ledger knows them: three events, and all that the desk does with their money."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.models import (
    Approval,
    BankAccount,
    Match,
    MatchPart,
    Payment,
    Payout,
    PayoutLine,
    PersonRow,
    Receipt,
    Refund,
    RefundReturn,
    Reversal,
    StatementLine,
)
from db.money import Money
from db.session import Sessions, open_engine
from payments import dates, lifecycle
from payments.lifecycle import CLOSED, TRANSITIONS, Kind, Source, Status
from payments.money_back import reversals
from tests.desk import make_event
from tests.samples import make_payment

BY: dict[str, Any] = {"source": Source.DESK, "actor": "Thandi"}
KINDS = ("gateway", "cash", "card_slip", "eft")


def sast(
    day: int, hour: int = 12, minute: int = 0, second: int = 0, micro: int = 0, month: int = 3
) -> datetime:
    return datetime(2026, month, day, hour, minute, second, micro, tzinfo=dates.SAST).astimezone(UTC)


class World:
    """Payments of three events, made and changed by what the desk itself does them with."""

    def __init__(self, session: Session, now: datetime) -> None:
        self.session = session
        self.events = [make_event(session, code, now=now) for code in ("devconf", "gala", "expo")]
        self.events[1].starts_on = self.events[1].ends_on = date(2026, 3, 1)
        self.events[2].currency = "USD"
        self.people = [
            PersonRow(
                email=f"p{n}@example.org", name=f"P{n}", role="finance", all_events=True, created_at=now
            )
            for n in range(2)
        ]
        session.add_all(self.people)
        session.flush()
        self.number = 0

    def owes(self, at: datetime, minor: int = 10_000, event: int = 0, **values: Any) -> Payment:
        fields: dict[str, Any] = {"status": Status.CREATED, "amount_minor": minor} | values
        payment = make_payment(self.session, self.events[event], now=at, **fields)
        lifecycle.note(self.session, payment, Kind.CREATED, now=at, **BY)
        return payment

    def pays(
        self, payment: Payment, at: datetime, minor: int | None = None, kind: str = "gateway"
    ) -> Receipt:
        self.number += 1
        amount = Money(payment.amount_minor if minor is None else minor, payment.amount_currency)
        lifecycle.receive(
            self.session, payment, kind=kind, source_reference=f"s{self.number}", amount=amount, now=at, **BY
        )
        return self.session.scalars(select(Receipt).order_by(Receipt.id.desc()).limit(1)).one()

    def refunds(self, payment: Payment, on: date, minor: int, at: datetime | None = None) -> None:
        self.number += 1
        asker, decider = (person.id for person in self.people)
        at = at or dates.day_span(on).start + timedelta(hours=11)
        approval = Approval(
            what="record_refund", subject=payment.reference, payment_id=payment.id, scope="*", bound={},
            digest=f"{self.number:064d}", why="x", requester_id=asker, requester_name="P0", asked_at=at,
            expires_at=at, state="used", decider_id=decider, decider_name="P1", used_at=at,
        )  # fmt: skip
        self.session.add(approval)
        self.session.flush()
        self.session.add(
            Refund(
                payment_id=payment.id, approval_id=approval.id, method="eft", refunded_on=on, done_by="P0",
                amount=Money(minor, payment.amount_currency), source_reference="", why="x", at=at, by="P1",
            )
        )  # fmt: skip
        payment.refunded_minor += minor
        self.session.flush()
        whole = payment.refunded_minor == payment.received_minor
        to = Status.REFUNDED if whole else Status.PART_REFUNDED
        if payment.status != to:
            lifecycle.advance(self.session, payment, to, now=at, **BY)

    def sends_back(self, payment: Payment, at: datetime) -> None:
        """The bank does, with the payment's one refund."""
        refund = self.session.scalars(select(Refund).where(Refund.payment_id == payment.id)).one()
        self.session.add(
            RefundReturn(
                refund_id=refund.id, payment_id=payment.id, amount_minor=refund.amount_minor,
                amount_currency=refund.amount_currency, why="x", at=at, by="P1",
            )
        )  # fmt: skip
        payment.refunded_minor = 0
        lifecycle.refund_came_back(self.session, payment, now=at, **BY)

    def becomes(self, payment: Payment, to: Status, at: datetime) -> None:
        lifecycle.advance(self.session, payment, to, now=at, **BY)

    def takes_back(self, receipt: Receipt, at: datetime) -> None:
        payment = self.session.get_one(Payment, receipt.payment_id)
        reversals.reverse(self.session, payment, receipt, "x", now=at, **BY)

    def settles(self, receipts: Sequence[Receipt], last_on: date, paid_on: date | None) -> Payout:
        """The gateway does, in one payout; its file may not tell the day it was paid."""
        gross = sum(one.amount_minor for one in receipts)
        none = ("fee", "vat", "payout_fee", "less", "difference")
        told = {f"{name}_minor": 0 for name in none} | {"gross_minor": gross, "net_minor": gross}
        payout = Payout(
            key=f"p{receipts[0].id}", source="bank", currency=receipts[0].amount_currency, last_on=last_on,
            paid_on=paid_on, payout_fee_told=False, made_at=sast(1), made_by="P0", **told,
        )  # fmt: skip
        payout.lines = [
            PayoutLine(
                row=one.id, kind="capture", state="stands", gross_minor=one.amount_minor,
                payment_id=one.payment_id, receipt_id=one.id,
            )
            for one in receipts
        ]  # fmt: skip
        self.session.add(payout)
        self.session.flush()
        return payout

    def banks(self, what: Payout | Receipt, on: date, *, counted_on: date | None, undone: bool) -> None:
        """A line of the bank is for it; ``counted_on``: its own day was signed off before."""
        self.number += 1
        if isinstance(what, Payout):
            part = {"target": "payout", "payout_id": what.id, "amount": Money(what.net_minor, what.currency)}
        else:
            part = {"target": "payment", "payment_id": what.payment_id, "receipt_id": what.id}
            part["amount"] = what.amount
        line = StatementLine(
            account_id=self._account(), key=f"l{self.number}", ordinal=1, on=on, amount=part["amount"],
            state="open" if undone else "matched",
        )  # fmt: skip
        gone = {"undone_at": sast(1), "undone_by": "P0", "undone_why": "x"} if undone else {}
        match = Match(
            line=line, how="person", way="x", by="P0", evidence={}, at=sast(1), booked_on=counted_on, **gone
        )
        match.parts = [MatchPart(**part)]
        self.session.add_all([line, match])
        self.session.flush()

    def _account(self) -> int:
        known = self.session.scalars(select(BankAccount.id)).first()
        if known is not None:
            return known
        account = BankAccount(name="Main", bank="FNB", number="62000000001", currency="ZAR", created_by="P0",
                              created_at=sast(1))  # fmt: skip
        self.session.add(account)
        self.session.flush()
        return account.id


@pytest.fixture(scope="module")
def fresh(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Sessions]]:
    """Makes an empty desk, as often as it is asked."""
    engines: list[Engine] = []
    tmp_path = tmp_path_factory.mktemp("fresh")

    def new() -> Sessions:
        path = tmp_path / f"desk{len(engines)}.db"
        shutil.copyfile(sqlite_template, path)
        engines.append(open_engine(f"sqlite:///{path}"))
        return Sessions(engines[-1])

    yield new
    for engine in engines:
        engine.dispose()


def live(world: World, dice: Random) -> None:
    """A few weeks around a month's end of a leap year's absence, with all that happens to payments."""
    for _ in range(dice.randrange(5, 24)):
        at = sast(1, month=2) + timedelta(minutes=dice.randrange(60 * 24 * 60))
        earlier = dice.random() < 0.15
        payment = world.owes(
            at, dice.randrange(2, 90_000), dice.randrange(3), origin="legacy" if earlier else "desk"
        )
        payment.created_by = dice.choice(("Thandi", "Aisha"))
        for _ in range(dice.randrange(4)):
            at += timedelta(minutes=dice.choice((0, 1, 60, 60 * 24, 60 * 24 * 20)))
            _step(world, dice, payment, at)


def pay_out(world: World, dice: Random) -> None:
    """Most receipts come into a payout or onto a line of the bank, some days later; some of it is undone."""
    by_currency: dict[str, list[Receipt]] = {}
    for one in world.session.scalars(select(Receipt).order_by(Receipt.id)):
        if dice.random() < 0.8:
            by_currency.setdefault(one.amount_currency, []).append(one)

    def later(at: datetime | date) -> date:
        return (dates.business_day(at) if isinstance(at, datetime) else at) + timedelta(dice.randrange(9))

    def bank(what: Payout | Receipt, on: date) -> None:
        counted_on = on + timedelta(dice.choice((30, 60))) if dice.random() < 0.4 else None
        world.banks(what, on, counted_on=counted_on, undone=dice.random() < 0.4)

    for receipts in by_currency.values():
        while settled := [one for one in receipts if one.kind == "gateway"][: dice.randrange(1, 4)]:
            receipts[:] = [one for one in receipts if one not in settled]
            day = later(max(one.received_at for one in settled))
            payout = world.settles(settled, day, later(day) if dice.random() < 0.5 else None)
            if dice.random() < 0.8:
                bank(payout, later(day))
        for one in receipts:
            if one.kind == "eft":
                bank(one, later(one.received_at))


def _step(world: World, dice: Random, payment: Payment, at: datetime) -> None:
    status = Status(payment.status)
    here = payment.received_minor - payment.refunded_minor
    choice = dice.random()
    if choice < 0.5:
        minor = dice.choice((1, payment.amount_minor, payment.amount_minor + 1))
        world.pays(payment, at, minor, dice.choice(KINDS))
    elif choice < 0.65 and status in (Status.PAID, Status.PART_PAID, Status.PART_REFUNDED) and here:
        world.refunds(payment, dates.business_day(at), dice.choice((1, here)))
    elif choice < 0.75 and status in lifecycle.REOPENED and not payment.refunded_minor:
        gone = set(world.session.scalars(select(Reversal.receipt_id)))
        receipts = world.session.scalars(select(Receipt).where(Receipt.payment_id == payment.id))
        if left := [one for one in receipts if one.id not in gone]:
            world.takes_back(dice.choice(left), at)
    elif others := sorted(TRANSITIONS[status] & {*CLOSED, Status.OPEN, Status.FAILED}):
        world.becomes(payment, dice.choice(others), at)
