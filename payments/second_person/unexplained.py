"""A payout that more is unexplained of than one person may accept: one asks, another approves.

What is asked for is bound to the line of the bank, or the daily statement, and to what would be written down:
the payments that are in it, the fees, and the sum that nothing explains.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import Payment, Payout, Receipt, Refund, StatementLine
from db.money import Money
from payments import dates
from payments.access.people import Action, Person, check
from payments.bank.overlaps import OPEN
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.lifecycle import Source
from payments.lump_sums import explained, explaining
from payments.lump_sums.explaining import Unexplained
from payments.lump_sums.tariff import METHODS
from payments.payouts import Capture, Explanation, Item, Less, Lump
from payments.reconciling.parts import locked_line
from payments.reconciling.reconciliation import PERSON
from payments.second_person import approvals
from payments.second_person.approvals import ApprovalView, Ask, What
from payments.watching import standstill

#: Payments that a request names; it is bound to all of them.
NAMED = 10


def ask(
    session: Session, person: Person, asked: Unexplained, choice: int, why: str, *, now: datetime
) -> ApprovalView:
    """Ask that a lump sum is written down with an explanation that leaves so much open.

    Raises NotFound, NotAllowed, InvalidInput, Conflict.
    """
    standstill.refuse(session)
    check(person, Action.RECONCILE)
    if not 0 <= choice < len(asked.found):
        raise NotFound("There is no such explanation.")
    chosen = asked.found[choice]
    if not explaining.takes_two(chosen):
        raise InvalidInput("One person may say that it is this.")
    sums = _of_line(session, asked.line_id) if asked.line_id else _of_statement(session, asked.payout_id or 0)
    if sums["came"] != _came(asked.amount, asked.on):
        raise Conflict("This sum is not as it was. Find what is in it again.")
    approvals.refuse_twice(session, asked.key, now=now)
    wanted = _bound(session, sums, chosen, as_good=len(asked.found))
    return approvals.ask(session, person, wanted, why, now=now)


def approve(session: Session, person: Person, approval_id: int, *, now: datetime) -> ApprovalView:
    """Write it down in the names of both, as it was asked for. Raises as ``two_people.approve``."""
    standstill.refuse(session)
    told = approvals.get(session, person, approval_id, now=now).bound
    sums = _of_line(session, told["line"]) if "line" in told else _of_statement(session, told["payout"])
    request = approvals.approve(session, person, approval_id, now=now)
    chosen = _explanation(session, told["made_of"])
    as_good = told.get("as_good", 1)
    wanted = _bound(session, sums, chosen, as_good=as_good)
    if wanted.digest != request.digest:
        raise Conflict(
            f"{request.subject} has changed since {request.requester} asked. Nothing was done: refuse this, "
            "and have it asked for again."
        )
    used = approvals.use(session, person, wanted, now=now)
    one = Unexplained(
        told.get("line"), told.get("payout"), chosen.lump.on, chosen.lump.amount, sums["text"], (chosen,)
    )
    both = f"{used.requester} and {used.decider}"
    hand = explained.Hand(PERSON, both, Source.DESK, now, used.why, two=True)
    (payout,) = explained.write_down(session, [(one, chosen)], hand)
    payout.explanation = {**(payout.explanation or {}), "as_good": as_good}
    audit.record(
        session, person, request.what, f"payout {payout.id}", now=now, approval=request.id,
        asked_by=request.requester, line=told.get("line"), says=chosen.says, why=request.why,
    )  # fmt: skip
    return used


# -- exactly what -------------------------------------------------------------------------------------


def _of_line(session: Session, line_id: int) -> dict[str, Any]:
    """The line as it is now, held. Raises Conflict unless it waits."""
    line: StatementLine = locked_line(session, line_id)
    if line.state != OPEN:
        raise Conflict("This line does not wait any more.")
    return {"line": line.id, "came": _came(line.amount, line.on), "text": line.told}


def _of_statement(session: Session, payout_id: int) -> dict[str, Any]:
    payout = session.scalar(select(Payout).where(Payout.id == payout_id).with_for_update())
    if payout is None or payout.undone_at is not None or payout.explained:
        raise Conflict("Somebody explained this payout already, or its import was undone.")
    assert payout.last_on is not None
    on = payout.paid_on or dates.next_bank_day(payout.last_on)
    return {
        "payout": payout.id,
        "came": _came(Money(payout.net_minor, payout.currency), on),
        "text": "iKhokha's daily statement",
    }


def _came(amount: Money, on: date) -> str:
    return f"{amount} on {on:%-d %b %Y}"


def _bound(session: Session, sums: Mapping[str, Any], chosen: Explanation, *, as_good: int) -> Ask:
    """What people read of it, and beside that what it is made of, to the last receipt. ``as_good``: of so
    many it was chosen."""
    subject = f"Bank line {sums['line']}" if "line" in sums else f"Payout {sums['payout']}"
    bound = {
        **sums,
        "days": ", ".join(dates.say_days(day, day) for day in chosen.days),
        "payments": _named(session, chosen.captures),
        "held": _named(session, chosen.held),
        "released": _named(session, chosen.released),
        "says": chosen.says,
        "unexplained": str(chosen.unexplained),
        "made_of": _made_of(chosen),
        **({"as_good": as_good} if as_good > 1 else {}),
    }
    return Ask(What.PAYOUT_DIFFERENCE, subject, bound, None, chosen.unexplained)


def _named(session: Session, captures: Sequence[Capture]) -> str:
    if not captures:
        return ""
    first = [one.id for one in captures[:NAMED]]
    found = select(Receipt.id, Payment.reference).join(Payment, Payment.id == Receipt.payment_id)
    rows = session.execute(found.where(Receipt.id.in_(first)))
    names = {row.id: row.reference for row in rows}
    told = ", ".join(f"{names[one.id]} {one.gross}" for one in captures[:NAMED] if one.id in names)
    more = len(captures) - NAMED
    return f"{len(captures)}: {told}" + (f" and {more} more" if more > 0 else "")


def _made_of(chosen: Explanation) -> dict[str, Any]:
    money = {
        "amount": chosen.lump.amount, "fees": chosen.fees, "payout_fee": chosen.payout_fee,
        "difference": chosen.difference,
    }  # fmt: skip
    return {
        **{name: [one.minor, one.currency] for name, one in money.items()},
        "on": chosen.lump.on.isoformat(),
        "days": [day.isoformat() for day in chosen.days],
        "captures": [[one.id, one.gross.minor] for one in chosen.captures],
        "held": [[one.id, one.gross.minor] for one in chosen.held],
        "released": [[one.id, one.gross.minor] for one in chosen.released],
        "held_among": [list(some) for some in chosen.held_among],
        "released_among": [list(some) for some in chosen.released_among],
        "refunds": [[one.id, one.amount.minor] for one in chosen.items],
        "points": chosen.points,
    }


def _explanation(session: Session, told: Mapping[str, Any]) -> Explanation:
    """The same again, of receipts and refunds as they are now. Raises Conflict when one is gone."""
    captures, held, released = (_captures(session, told[name]) for name in ("captures", "held", "released"))
    amount = Money(*told["amount"])
    return Explanation(
        Lump(0, date.fromisoformat(told["on"]), amount),
        tuple(map(date.fromisoformat, told["days"])),
        captures,
        held,
        released,
        _refunds(session, told["refunds"]),
        Money(*told["fees"]),
        Money(*told["payout_fee"]),
        Money(*told["difference"]),
        told["points"],
        tuple(tuple(some) for some in told["held_among"]),
        tuple(tuple(some) for some in told["released_among"]),
    )


def _captures(session: Session, told: Iterable[Sequence[int]]) -> tuple[Capture, ...]:
    ids = [one for one, _ in told]
    rows: dict[int, Capture] = {}
    for some in some_at_once(ids):
        query = select(Receipt, Payment.method).join(Payment, Payment.id == Receipt.payment_id)
        for receipt, method in session.execute(query.where(Receipt.id.in_(some))):
            on = dates.business_day(receipt.received_at)
            rows[receipt.id] = Capture(receipt.id, on, receipt.amount, method if method in METHODS else None)
    if len(rows) != len(set(ids)):
        raise Conflict("A payment of this explanation is not here any more. Have it asked for again.")
    return tuple(rows[one] for one in ids)


def _refunds(session: Session, told: Iterable[Sequence[int]]) -> tuple[Item, ...]:
    rows = [session.get_one(Refund, one) for one, _ in told]
    return tuple(Item(one.id, Less.REFUND, one.amount, one.refunded_on) for one in rows)
