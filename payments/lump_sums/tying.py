"""A payout tied to a line of the bank by a person: where no line, or more than one, comes to just its net."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import BankAccount, LineException, Payout, StatementLine
from db.money import Money
from payments import dates
from payments.access.people import Action, Person, check
from payments.bank.overlaps import OPEN
from payments.books import audit
from payments.errors import Conflict, NotFound
from payments.lifecycle import Source
from payments.lump_sums import banked
from payments.matching import Target, Way
from payments.reconciling.parts import Decided, Part
from payments.reconciling.reconciliation import PERSON, write


@dataclass(frozen=True)
class LineChoice:
    """An open line of the bank that may be a payout's; ``off`` is what it has beyond the payout's net."""

    line_id: int
    on: date
    amount: Money
    text: str
    account: str
    off: Money


def lines_for(session: Session, person: Person, payout_id: int) -> list[LineChoice]:
    """Open lines that the bank calls a payout, in the days this one may come; the nearest sum first."""
    check(person, Action.SEE_BANK)
    payout = session.get(Payout, payout_id)
    if payout is None or payout.undone_at is not None or payout.last_on is None:
        raise NotFound("There is no such payout.")
    net = Money(payout.net_minor, payout.currency)
    query = (
        select(StatementLine, BankAccount.name)
        .join(LineException, LineException.line_id == StatementLine.id)
        .join(BankAccount, BankAccount.id == StatementLine.account_id)
        .where(LineException.closed_at.is_(None), StatementLine.state == OPEN)
        .where(LineException.reason.in_(("payout", "undone")), StatementLine.amount_minor > 0)
        .where(StatementLine.on > payout.last_on, StatementLine.amount_currency == net.currency)
        .where(StatementLine.on <= dates.next_bank_day(payout.last_on, banked.LATEST_BANK_DAY))
    )
    found = [
        LineChoice(line.id, line.on, line.amount, line.description, account, line.amount - net)
        for line, account in session.execute(query)
    ]
    return sorted(found, key=lambda one: (abs(one.off.minor), one.on, one.line_id))


def tie(
    session: Session, person: Person, payout_id: int, line_id: int, *, now: datetime, why: str = ""
) -> int:
    """A person's word that a line of the bank is this payout; returns the match. What it has beyond the net,
    or lacks, is set apart, with a reason. Raises Conflict, InvalidInput, NotFound."""
    check(person, Action.RECONCILE)
    choice = next((one for one in lines_for(session, person, payout_id) if one.line_id == line_id), None)
    if choice is None:
        raise Conflict("This line is not open any more, or comes too late for this payout.")
    parts = [Part(Target.PAYOUT, choice.amount - choice.off, payout_id=payout_id)]
    if choice.off:
        parts.append(Part(Target.ASIDE, choice.off))
    evidence = {"evidence": [{"kind": "amount", "agrees": not choice.off, "says": f"payout {payout_id}"}]}
    decided = Decided(line_id, tuple(parts), Way.PAYOUT, evidence, why=why.strip())
    match = write(session, decided, how=PERSON, by=person.name, source=Source.DESK, now=now)
    audit.record(
        session, person, "tie_payout", f"payout {payout_id}", now=now, line=line_id, match=match.id,
        off=choice.off.minor, why=why,
    )  # fmt: skip
    return match.id
