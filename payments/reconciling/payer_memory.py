"""Who usually pays for whom: what the desk learned from matches that stand, its reasons, and forgetting it.

A payer is the words of a name in a bank's text, whom they pay for an e-mail address or phone number. What
a person struck out, by refusing a pair or by having it forgotten, is not known until a match says so anew.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select, union_all
from sqlalchemy.orm import Session

from db.models import Match, MatchPart, MatchRefusal, MemoryDrop, Payment, StatementLine
from payments import dates, holding, lifecycle
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import InvalidInput, NotFound
from payments.lifecycle import Kind, Source
from payments.live import tallies
from payments.matching.evidence import Kind as Sign
from payments.matching.memory import Confirmed, Memory, payer_key
from payments.matching.weigh import MEMORY_TELLS
from payments.privacy import reason
from payments.watching import standstill

#: How far back matches teach who pays for whom.
DAYS = 400
BY_ITSELF = "auto"
_SHOWN = 50
_TOLD = 5


@dataclass(frozen=True)
class Lesson:
    """A match that taught it."""

    line_id: int
    on: date
    text: str
    reference: str
    by: str


@dataclass(frozen=True)
class Remembered:
    """A payer and whom they pay for. ``seen``: matches that say so; ``used``: those in which it spoke.

    ``speaks``: it is evidence today; ``firm``: one of the two kinds that are enough together. ``lessons`` are
    the newest; ``line_id`` and ``payment_id`` name the pair.
    """

    payer: str
    people: tuple[str, ...]
    contact: str
    seen: int
    by_people: int
    used: int
    last_on: date
    speaks: bool
    firm: bool
    lessons: tuple[Lesson, ...]
    line_id: int
    payment_id: int


def recalled(session: Session, now: datetime) -> Memory:
    """What matching may know of payers today."""
    return Memory(
        Confirmed(row.description, contact, row.on, by_person=row.how != BY_ITSELF)
        for row, _, contact in _standing(session, now)
    )


def listed(
    session: Session, person: Person, *, now: datetime, text: str = ""
) -> tuple[list[Remembered], int]:
    """What is remembered, most often seen first, of payers or people whose words hold ``text``; and how many
    there are in all."""
    check(person, Action.SEE_BANK)
    pairs: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row, payer, contact in _standing(session, now):
        pairs[payer, contact].append(row)
    memory, today = recalled(session, now), dates.business_day(now)
    found = [(pair, rows) for pair, rows in pairs.items() if _fits(text, pair, rows)]
    found.sort(key=lambda one: (-len(one[1]), one[0]))
    shown = found[:_SHOWN]
    used = _used(session, [row.match_id for _, rows in shown for row in rows])
    return [_told(pair, rows, memory, today, used) for pair, rows in shown], len(found)


def forget(
    session: Session, person: Person, line_id: int, payment_id: int, why: str, *, now: datetime
) -> None:
    """Forget that this line's payer pays for this payment's person, until a match says so anew.

    Raises NotFound, NotAllowed, InvalidInput.
    """
    check(person, Action.RECONCILE)
    standstill.refuse(session)
    why = reason(why)
    line = session.get(StatementLine, line_id)
    if line is None:
        raise NotFound("There is no such line.")
    payment = holding.payment(session, payment_id)
    payer = payer_key(line.description)
    if not payer or not _contact(payment.payer_email, payment.payer_phone):
        raise InvalidInput("Nothing is remembered of this payer.")
    session.add(MemoryDrop(line_id=line_id, payment_id=payment_id, at=now, by=person.name))
    session.flush()
    lifecycle.note(
        session, payment, Kind.NOTE, now=now, source=Source.DESK, actor=person.name,
        text=f"Its payer is not remembered any more by the bank line of {line.on.isoformat()}: {why}",
    )  # fmt: skip
    audit.record(
        session, person, "forget_payer", payment.reference, now=now, event_id=payment.event_id, line=line_id,
        why=why,
    )  # fmt: skip
    tallies.bump(session)


# -- inside -------------------------------------------------------------------------------------------


def _standing(session: Session, now: datetime) -> Iterator[tuple[Any, str, str]]:
    """Matches of payments that stand and were not struck out later, each with its payer and contact."""
    query = (
        select(
            StatementLine.id.label("line_id"), StatementLine.description, StatementLine.on,
            Match.id.label("match_id"), Match.how, Match.at, Match.by, Payment.id.label("payment_id"),
            Payment.reference, Payment.payer_name, Payment.payer_email, Payment.payer_phone,
        )
        .join(Match, Match.line_id == StatementLine.id)
        .join(MatchPart, MatchPart.match_id == Match.id)
        .join(Payment, Payment.id == MatchPart.payment_id)
        .where(
            Match.undone_at.is_(None), MatchPart.target == "payment",
            StatementLine.on >= dates.business_day(now) - timedelta(days=DAYS),
        )
        .order_by(Match.id)
    )  # fmt: skip
    struck = _struck(session)
    for row in session.execute(query):
        payer, contact = payer_key(row.description), _contact(row.payer_email, row.payer_phone)
        if not payer or not contact:
            continue
        at = struck.get((payer, contact))
        if at is None or row.at > at:
            yield row, payer, contact


def _struck(session: Session) -> Mapping[tuple[str, str], datetime]:
    """Payer and contact of what people refused or had forgotten, with when they last did."""
    said = union_all(
        *(select(table.line_id, table.payment_id, table.at) for table in (MatchRefusal, MemoryDrop))
    ).subquery()
    query = (
        select(StatementLine.description, said.c.at, Payment.payer_email, Payment.payer_phone)
        .join(StatementLine, StatementLine.id == said.c.line_id)
        .join(Payment, Payment.id == said.c.payment_id)
        .order_by(said.c.at)
    )
    return {
        (payer_key(text), _contact(email, phone)): at for text, at, email, phone in session.execute(query)
    }


def _contact(email: str, phone: str) -> str:
    return email or phone


def _fits(text: str, pair: tuple[str, str], rows: Iterable[Any]) -> bool:
    wanted = text.strip().casefold()
    said = [*pair, *(row.payer_name for row in rows), *(row.description for row in rows)]
    return not wanted or any(wanted in one.casefold() for one in said)


def _used(session: Session, match_ids: Sequence[int]) -> Counter[int]:
    """The matches, among these, for which the memory spoke."""
    query = select(Match.id, Match.evidence).where(Match.id.in_(match_ids))
    return Counter(
        number
        for number, told in session.execute(query)
        if any(one["kind"] == Sign.MEMORY and one["agrees"] for one in told.get("evidence", ()))
    )


def _told(
    pair: tuple[str, str], rows: Sequence[Any], memory: Memory, today: date, used: Counter[int]
) -> Remembered:
    payer, contact = pair
    weight, _ = memory.recall(rows[-1].description, today).get(contact, (0, 0))
    newest = sorted(rows, key=lambda row: (row.on, row.match_id), reverse=True)
    return Remembered(
        payer=payer,
        people=tuple(dict.fromkeys(row.payer_name for row in newest)),
        contact=contact,
        seen=len(rows),
        by_people=sum(row.how != BY_ITSELF for row in rows),
        used=sum(used[row.match_id] for row in rows),
        last_on=newest[0].on,
        speaks=weight > 0,
        firm=weight >= MEMORY_TELLS,
        lessons=tuple(
            Lesson(row.line_id, row.on, row.description, row.reference, row.by) for row in newest[:_TOLD]
        ),
        line_id=newest[0].line_id,
        payment_id=newest[0].payment_id,
    )
