"""Refund runs: refunds that two people want, collected into one file for the bank.

A refund is in one run at a time, and in no second one once its run was sent. Until then a run can be called
back: its refunds wait again, and the run stays in the list with who and why. What became of each is said by
the bank's statement (``refund_lines``, ``refund_books``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import BankAccount, BatchLayout, PayeeDetails, Payment, RefundOrder, RefundRun
from db.money import Money
from payments import dates, holding
from payments.access.people import Action, Person, check, proven
from payments.bank import accounts
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.keeping.keyring import KeyRing
from payments.lifecycle import Source
from payments.live import tallies
from payments.money_back import bank_batches, refund_orders
from payments.money_back.bank_batches import Account, Batch, Credit, Field, Layout
from payments.money_back.refund_orders import State
from payments.privacy import reason
from payments.sheets.back import File
from payments.watching import standstill

MOST = 500


class RunState(StrEnum):
    MADE = "made"
    SENT = "sent"
    CALLED = "called"  # called back before it was sent


@dataclass(frozen=True)
class RunView:
    id: int
    account: str
    account_id: int
    pay_on: date
    state: RunState
    orders: int
    sum: Money
    made_at: datetime
    made_by: str
    ended_at: datetime | None
    ended_by: str | None
    ended_why: str | None

    @property
    def name(self) -> str:
        """What the bank knows it by."""
        return f"PAYDESK-REFUNDS-{self.id}"


def make(
    session: Session,
    person: Person,
    account_id: int,
    order_ids: Sequence[int],
    pay_on: date,
    *,
    now: datetime,
) -> int:
    """Collect refunds that are ready into a run from an account of ours. Returns its id.

    Raises NotFound, NotAllowed, InvalidInput (no bank day, or none chosen), Conflict (one is in a run).
    """
    check(person, Action.RECONCILE)
    proven(person, now=now)
    standstill.refuse(session)
    account = _account(session, account_id)
    if not 1 <= len(set(order_ids)) <= MOST:
        raise InvalidInput(f"Choose 1 to {MOST} refunds.")
    if pay_on < dates.business_day(now) or not dates.is_bank_day(pay_on):
        raise InvalidInput("Choose a day on which banks work, today or later.")
    rows = _held(session, sorted(set(order_ids)))
    busy = [order.bank_reference for order, _ in rows if order.state != State.READY]
    if busy:
        raise Conflict(f"{', '.join(busy)} went into a run, or was withdrawn, in the meantime. Look again.")
    total = sum(order.amount_minor for order, _ in rows)
    run = RefundRun(
        account_id=account.id, pay_on=pay_on, state=RunState.MADE, orders=len(rows), sum_minor=total,
        sum_currency="ZAR", made_at=now, made_by=person.name,
    )  # fmt: skip
    session.add(run)
    session.flush()
    for order, payment in rows:
        order.state, order.run_id = State.IN_RUN, run.id
        _note(session, person, order, payment, "in_run", run.id, now)
    audit.record(
        session, person, "make_refund_run", f"refund run {run.id}", now=now, refunds=len(rows),
        sum_minor=total, account=account.name,
    )  # fmt: skip
    return run.id


def call_back(session: Session, person: Person, run_id: int, why: str, *, now: datetime) -> None:
    """A run that was not sent is none; its refunds wait for another. Raises as ``make``, and Conflict."""
    why = reason(why)
    run, rows = _open_run(session, person, run_id)
    run.state, run.ended_at, run.ended_by, run.ended_why = RunState.CALLED, now, person.name, why
    for order, payment in rows:
        order.state, order.run_id = State.READY, None
        _note(session, person, order, payment, "called_back", run.id, now, why=why)
    audit.record(session, person, "call_back_refund_run", f"refund run {run.id}", now=now, why=why)


def sent(session: Session, person: Person, run_id: int, *, now: datetime) -> None:
    """The bank has the file: its statement now says what became of each. Raises NotFound, Conflict."""
    proven(person, now=now)
    run, rows = _open_run(session, person, run_id)
    run.state, run.ended_at, run.ended_by = RunState.SENT, now, person.name
    for order, payment in rows:
        order.state = State.SENT
        _note(session, person, order, payment, "sent", run.id, now)
    audit.record(session, person, "send_refund_run", f"refund run {run.id}", now=now, refunds=len(rows))


def _open_run(
    session: Session, person: Person, run_id: int
) -> tuple[RefundRun, list[tuple[RefundOrder, Payment]]]:
    check(person, Action.RECONCILE)
    standstill.refuse(session)
    ids = session.scalars(select(RefundOrder.id).where(RefundOrder.run_id == run_id)).all()
    rows = _held(session, sorted(ids))
    run = session.scalar(select(RefundRun).where(RefundRun.id == run_id).with_for_update())
    if run is None:
        raise NotFound("There is no such refund run.")
    if run.state != RunState.MADE:
        was = "sent to the bank" if run.state == RunState.SENT else "called back"
        raise Conflict(f"Run {run.id} was {was} by {run.ended_by} already.")
    return run, rows


def _held(session: Session, order_ids: Sequence[int]) -> list[tuple[RefundOrder, Payment]]:
    """Orders and their payments, held: payments first and by id, as everywhere. Raises NotFound."""
    known = select(RefundOrder.id, RefundOrder.payment_id).where(RefundOrder.id.in_(order_ids))
    of = {order_id: payment_id for order_id, payment_id in session.execute(known)}  # noqa: C416 - rows
    if set(order_ids) - of.keys():
        raise NotFound("One of the refunds is not there.")
    payments = {payment_id: holding.payment(session, payment_id) for payment_id in sorted(set(of.values()))}
    query = select(RefundOrder).where(RefundOrder.id.in_(order_ids)).order_by(RefundOrder.id)
    orders = session.scalars(query.with_for_update().execution_options(populate_existing=True))
    return [(order, payments[order.payment_id]) for order in orders]


def _note(
    session: Session,
    person: Person,
    order: RefundOrder,
    payment: Payment,
    step: str,
    run_id: int,
    now: datetime,
    **more: Any,
) -> None:
    by: dict[str, Any] = {"now": now, "source": Source.DESK, "actor": person.name}
    refund_orders.note(session, order, payment, step, by, run=run_id, **more)


def _account(session: Session, account_id: int) -> BankAccount:
    account = accounts.row(session, account_id)
    if account.currency != "ZAR" or not account.number or len(account.branch_code) != 6:
        raise InvalidInput(
            f"{account.name} needs its number and its six-digit branch code, and to be in rand: "
            f"see Statements."
        )
    return account


# -- the file -----------------------------------------------------------------------------------------


def file(
    session: Session, person: Person, run_id: int, format_: str, keys: KeyRing, *, now: datetime
) -> File:
    """The file for the bank, ``xml`` (pain.001) or ``csv``: it holds whole account numbers, so who took it is
    on the record. The same run gives the same file again.

    Raises NotFound, NotAllowed, ProveAgain, Conflict (called back), CannotOpen.
    """
    check(person, Action.RECONCILE)
    proven(person, now=now)
    run = session.get(RefundRun, run_id)
    if run is None or format_ not in ("xml", "csv"):
        raise NotFound("There is no such file.")
    if run.state == RunState.CALLED:
        raise Conflict(f"Run {run.id} was called back by {run.ended_by}: it must not be paid.")
    view = _view(run, accounts.row(session, run.account_id))
    batch = _batch(session, view, keys)
    audit.record(
        session, person, "take_refund_file", f"refund run {run.id}", now=now, format=format_,
        refunds=run.orders, sum_minor=run.sum_minor,
    )  # fmt: skip
    if format_ == "xml":
        return File(f"{view.name}.xml", "application/xml", bank_batches.pain_001(batch))
    data = bank_batches.as_csv(batch, layout_of(session, person, run.account_id))
    return File(f"{view.name}.csv", "text/csv", data)


def _batch(session: Session, view: RunView, keys: KeyRing) -> Batch:
    ours = accounts.row(session, view.account_id)
    query = (
        select(RefundOrder, PayeeDetails)
        .join(PayeeDetails, PayeeDetails.id == RefundOrder.details_id)
        .where(RefundOrder.run_id == view.id)
        .order_by(RefundOrder.id)
    )
    credits_ = tuple(
        Credit(order.bank_reference, order.amount, refund_orders.opened(details, keys))
        for order, details in session.execute(query)
    )
    payer = Account(ours.holder or ours.name, ours.bank, ours.number, ours.branch_code)
    return Batch(view.name, view.made_at, view.pay_on, payer, credits_)


def layout_of(session: Session, person: Person, account_id: int) -> Layout:
    """The columns that the account's bank wants; the usual ones where nobody has said."""
    check(person, Action.RECONCILE)
    row = session.get(BatchLayout, account_id)
    if row is None:
        return bank_batches.USUAL
    told = row.layout
    columns = tuple((heading, Field(field)) for heading, field in told["columns"])
    return Layout(columns, told["separator"], told["with_headings"])


def remember_layout(
    session: Session, person: Person, account_id: int, layout: Layout, *, now: datetime
) -> None:
    """What the account's bank wants. Raises NotFound, NotAllowed."""
    check(person, Action.RECONCILE)
    layout.check()
    account = accounts.row(session, account_id, lock=True)
    row = session.get(BatchLayout, account_id)
    if row is None:
        row = BatchLayout(account_id=account_id)
        session.add(row)
    row.layout = {
        "columns": [[heading, str(field)] for heading, field in layout.columns],
        "separator": layout.separator, "with_headings": layout.with_headings,
    }  # fmt: skip
    row.made_at, row.made_by = now, person.name
    audit.record(
        session, person, "remember_batch_layout", account.name, now=now, columns=row.layout["columns"]
    )
    tallies.bump(session)


# -- looking ------------------------------------------------------------------------------------------


def recent(session: Session, person: Person, *, limit: int = 30) -> tuple[RunView, ...]:
    """The newest runs first, those that were called back too."""
    check(person, Action.SEE_BANK)
    query = (
        select(RefundRun, BankAccount)
        .join(BankAccount, BankAccount.id == RefundRun.account_id)
        .order_by(RefundRun.id.desc())
    )
    return tuple(_view(run, account) for run, account in session.execute(query.limit(limit)))


def _view(run: RefundRun, account: BankAccount) -> RunView:
    return RunView(
        run.id, account.name, run.account_id, run.pay_on, RunState(run.state), run.orders,
        Money(run.sum_minor, run.sum_currency), run.made_at, run.made_by, run.ended_at, run.ended_by,
        run.ended_why,
    )  # fmt: skip
