"""Who usually pays for whom: what the desk learned from matches that stand, its reasons, and mending it.

A payer is the words of a name in a bank's text, whom they pay for an e-mail address or phone number. What
a person struck out, by refusing a pair or by having it forgotten, is not known until a match says so anew.
What a person corrected, only a person's match teaches back.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any

from sqlalchemy import literal, null, select, union_all
from sqlalchemy.orm import Session, aliased

from db.models import Match, MatchPart, MatchRefusal, MemoryDrop, MemoryEdit, Payment, StatementLine
from payments import dates, holding, lifecycle
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.finding import search
from payments.finding.filters import Filter
from payments.lifecycle import Kind, Source
from payments.live import tallies
from payments.matching.evidence import Kind as Sign
from payments.matching.memory import Confirmed, Memory, payer_key
from payments.matching.weigh import MEMORY_TELLS
from payments.privacy import reason
from payments.reconciling.parts import locked_line
from payments.watching import standstill

#: How far back matches teach who pays for whom.
DAYS = 400
BY_ITSELF, PERSON = "auto", "person"
#: People that a text finds at once.
FOUND = 6
_SHOWN = 50
_TOLD = 5
_Pair = tuple[str, str]  # payer and contact


@dataclass(frozen=True)
class Lesson:
    """A match that taught it."""

    line_id: int
    on: date
    text: str
    reference: str
    by: str


@dataclass(frozen=True)
class Correction:
    """A person's word that the payer pays for this one, and not for ``was``. It weighs what a match does that
    a person confirmed that day."""

    id: int
    on: date
    by: str
    was: str
    was_contact: str


@dataclass(frozen=True)
class Somebody:
    """Whom a payer may pay for, by the newest payment that tells of them."""

    payment_id: int
    name: str
    contact: str
    reference: str
    event: str


@dataclass(frozen=True)
class Remembered:
    """A payer and whom they pay for. ``seen``: matches that say so; ``used``: those in which it spoke.

    ``speaks``: it is evidence today; ``firm``: one of the two kinds that are enough together. ``lessons`` are
    the newest, ``taught_by`` names who made all of them; ``line_id`` and ``payment_id`` name the pair.
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
    taught_by: tuple[str, ...]
    corrections: tuple[Correction, ...]
    line_id: int
    payment_id: int


def recalled(session: Session, now: datetime) -> Memory:
    """What matching may know of payers today."""
    edits, matches = _learned(session, now)
    return _memory(chain(matches, ((row, *pair) for pair, rows in edits.items() for row in rows)))


def _memory(taught: Iterable[tuple[Any, str, str]]) -> Memory:
    return Memory(
        Confirmed(row.description, contact, _on(row), by_person=row.how != BY_ITSELF)
        for row, _, contact in taught
    )


def listed(
    session: Session, person: Person, *, now: datetime, text: str = ""
) -> tuple[list[Remembered], int]:
    """What is remembered, most often seen first, of payers or people whose words hold ``text``; and how many
    there are in all."""
    check(person, Action.SEE_BANK)
    edits, matches = _learned(session, now)
    pairs: dict[_Pair, list[Any]] = defaultdict(list, {pair: [*rows] for pair, rows in edits.items()})
    for row, payer, contact in matches:
        pairs[payer, contact].append(row)
    memory = _memory((row, *pair) for pair, rows in pairs.items() for row in rows)
    today = dates.business_day(now)
    found = [(pair, rows) for pair, rows in pairs.items() if _fits(text, pair, rows)]
    found.sort(key=lambda one: (-len(one[1]), one[0]))
    shown = found[:_SHOWN]
    used = _used(session, [row.match_id for _, rows in shown for row in rows if row.match_id])
    return [_told(pair, rows, memory, today, used) for pair, rows in shown], len(found)


def could_be(session: Session, person: Person, text: str) -> list[Somebody]:
    """People whom a payer may be corrected to, by their payments that a text finds; each once."""
    check(person, Action.RECONCILE)
    found: dict[str, Somebody] = {}
    for row in search.page(session, person, Filter(text=text), size=3 * FOUND).rows:
        if contact := _contact(row.payer_email, row.payer_phone):
            told = Somebody(row.id, row.payer_name, contact, row.reference, row.event_name)
            found.setdefault(contact, told)
    return list(found.values())[:FOUND]


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
    _tell(session, person, payment, "not remembered any more by {line}", line, why, now)
    audit.record(
        session, person, "forget_payer", payment.reference, now=now, event_id=payment.event_id, line=line_id,
        why=why,
    )  # fmt: skip
    tallies.bump(session)


def correct(
    session: Session,
    person: Person,
    line_id: int,
    payment_id: int,
    instead_id: int,
    why: str,
    *,
    now: datetime,
) -> int:
    """Say that this line's payer pays for the person of ``instead_id``, and not for this payment's. What was
    matched stays. Returns the correction, which ``take_back`` undoes.

    Raises NotFound, NotAllowed, InvalidInput; Conflict when it is not remembered any more.
    """
    check(person, Action.RECONCILE)
    standstill.refuse(session)
    why = reason(why)
    line = locked_line(session, line_id)
    held = {one: holding.payment(session, one) for one in sorted({payment_id, instead_id})}
    was, instead = held[payment_id], held[instead_id]
    payer = payer_key(line.description)
    pair, other = ((payer, _contact(one.payer_email, one.payer_phone)) for one in (was, instead))
    if not other[1]:
        raise InvalidInput(
            f"{instead.reference} has no e-mail address or phone number, by which somebody is remembered. "
            "Choose another payment of theirs, or add one to it first."
        )
    if pair == other:
        raise InvalidInput("It stands for this person already. Choose somebody else.")
    if not _is_known(session, pair, now):
        raise Conflict("This is not remembered any more: somebody changed it. Look again.")
    drop = MemoryDrop(line_id=line_id, payment_id=payment_id, at=now, by=person.name)
    session.add(drop)
    session.flush()
    edit = MemoryEdit(drop_id=drop.id, payment_id=instead_id, at=now, by=person.name)
    session.add(edit)
    session.flush()
    told = f"not remembered any more by {{line}}, which stands for {instead.reference} now"
    _tell(session, person, was, told, line, why, now)
    _tell(session, person, instead, f"remembered by {{line}}, and {was.reference} no more", line, why, now)
    _record(session, person, "correct_payer", edit, (was, instead), why, now)
    return edit.id


def take_back(session: Session, person: Person, edit_id: int, why: str, *, now: datetime) -> None:
    """Undo a correction: what it put aside is remembered as before.

    Raises NotFound, NotAllowed, InvalidInput; Conflict when it is undone, or something later says otherwise.
    """
    check(person, Action.RECONCILE)
    standstill.refuse(session)
    why = reason(why)
    found = session.execute(
        select(MemoryEdit, MemoryDrop).join(MemoryDrop).where(MemoryEdit.id == edit_id)
    ).first()
    if found is None:
        raise NotFound("There is no such correction.")
    _, drop = found
    line = locked_line(session, drop.line_id)
    held = select(MemoryEdit).where(MemoryEdit.id == edit_id).with_for_update()
    edit = session.scalars(held.execution_options(populate_existing=True)).one()
    pair = payer_key(line.description)
    payments = {one: holding.payment(session, one) for one in sorted({drop.payment_id, edit.payment_id})}
    was, instead = payments[drop.payment_id], payments[edit.payment_id]
    if edit.undone_at is not None:
        raise Conflict("This correction was taken back already.")
    later, _ = _struck(session)
    at = later.get((pair, _contact(instead.payer_email, instead.payer_phone)))
    if at is not None and at >= edit.at:
        raise Conflict("What this correction said was changed or forgotten since. Correct what stands now.")
    edit.undone_at, edit.undone_by = now, person.name
    session.flush()
    _tell(session, person, was, "remembered by {line} as before", line, why, now)
    _tell(session, person, instead, "not remembered any more by {line}, as before", line, why, now)
    _record(session, person, "undo_correct_payer", edit, (was, instead), why, now)


# -- inside -------------------------------------------------------------------------------------------


def _tell(
    session: Session,
    person: Person,
    payment: Payment,
    told: str,
    line: StatementLine,
    why: str,
    now: datetime,
) -> None:
    told = told.format(line=f"the bank line of {line.on.isoformat()}")
    lifecycle.note(
        session, payment, Kind.NOTE, now=now, source=Source.DESK, actor=person.name,
        text=f"Its payer is {told}: {why}",
    )  # fmt: skip


def _record(
    session: Session,
    person: Person,
    action: str,
    edit: MemoryEdit,
    of: tuple[Payment, Payment],
    why: str,
    now: datetime,
) -> None:
    was, instead = of
    audit.record(
        session, person, action, was.reference, now=now, event_id=was.event_id, instead=instead.reference,
        edit=edit.id, why=why,
    )  # fmt: skip
    tallies.bump(session)


def _is_known(session: Session, pair: _Pair, now: datetime) -> bool:
    edits, matches = _learned(session, now)
    return pair in edits or any((payer, contact) == pair for _, payer, contact in matches)


def _learned(
    session: Session, now: datetime
) -> tuple[dict[_Pair, list[Any]], Iterator[tuple[Any, str, str]]]:
    """Corrections that stand, by what they say; and matches that teach, each with its payer and contact."""
    struck, corrected = _struck(session)
    edits = _edits(session, struck, now=now)
    said = {pair: min(row.at for row in rows) for pair, rows in edits.items()}
    return edits, _standing(session, struck, corrected, said, now=now)


def _standing(
    session: Session,
    struck: Mapping[_Pair, datetime],
    corrected: Collection[_Pair],
    said: dict[_Pair, datetime],
    *,
    now: datetime,
) -> Iterator[tuple[Any, str, str]]:
    """Matches of payments that stand and were not struck out later. What was corrected, none teaches back
    that was made by itself before a person ``said`` so anew."""
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
    for row in session.execute(query):
        payer, contact = payer_key(row.description), _contact(row.payer_email, row.payer_phone)
        if not payer or not contact:
            continue
        pair = payer, contact
        at = struck.get(pair)
        if at is not None and row.at <= at:
            continue
        if pair in corrected:
            if row.how == BY_ITSELF and (pair not in said or row.at < said[pair]):
                continue
            said.setdefault(pair, row.at)
        yield row, payer, contact


def _edits(session: Session, struck: Mapping[_Pair, datetime], *, now: datetime) -> dict[_Pair, list[Any]]:
    """Corrections that stand, by the payer and the contact that they say."""
    was = aliased(Payment)
    query = (
        select(
            MemoryDrop.line_id, StatementLine.description, null().label("match_id"),
            literal(PERSON).label("how"), MemoryEdit.id.label("edit_id"), MemoryEdit.at, MemoryEdit.by,
            Payment.id.label("payment_id"), Payment.reference, Payment.payer_name, Payment.payer_email,
            Payment.payer_phone, was.payer_name.label("was"), was.payer_email.label("was_email"),
            was.payer_phone.label("was_phone"),
        )
        .join(MemoryDrop, MemoryDrop.id == MemoryEdit.drop_id)
        .join(StatementLine, StatementLine.id == MemoryDrop.line_id)
        .join(Payment, Payment.id == MemoryEdit.payment_id)
        .join(was, was.id == MemoryDrop.payment_id)
        .where(MemoryEdit.undone_at.is_(None), MemoryEdit.at >= now - timedelta(days=DAYS))
        .order_by(MemoryEdit.id)
    )  # fmt: skip
    found: dict[_Pair, list[Any]] = defaultdict(list)
    for row in session.execute(query):
        pair = payer_key(row.description), _contact(row.payer_email, row.payer_phone)
        at = struck.get(pair)
        if all(pair) and (at is None or row.at > at):
            found[pair].append(row)
    return dict(found)


def _on(row: Any) -> date:
    """The day of a match's line, or of a correction."""
    return row.on if row.match_id else dates.business_day(row.at)


def _struck(session: Session) -> tuple[Mapping[_Pair, datetime], Collection[_Pair]]:
    """Payer and contact of what people refused, had forgotten or corrected, with when they last did; and
    those that they corrected."""
    refused = select(MatchRefusal.line_id, MatchRefusal.payment_id, MatchRefusal.at, null().label("edit_id"))
    dropped = (
        select(MemoryDrop.line_id, MemoryDrop.payment_id, MemoryDrop.at, MemoryEdit.id)
        .outerjoin(MemoryEdit, MemoryEdit.drop_id == MemoryDrop.id)
        .where(MemoryEdit.undone_at.is_(None))
    )
    said = union_all(refused, dropped).subquery()
    query = (
        select(StatementLine.description, said.c.at, said.c.edit_id, Payment.payer_email, Payment.payer_phone)
        .join(StatementLine, StatementLine.id == said.c.line_id)
        .join(Payment, Payment.id == said.c.payment_id)
        .order_by(said.c.at)
    )
    struck, corrected = {}, set()
    for text, at, edit_id, email, phone in session.execute(query):
        pair = payer_key(text), _contact(email, phone)
        struck[pair] = at
        if edit_id is not None:
            corrected.add(pair)
    return struck, corrected


def _contact(email: str, phone: str) -> str:
    return email or phone


def _fits(text: str, pair: _Pair, rows: Iterable[Any]) -> bool:
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


def _told(pair: _Pair, rows: Sequence[Any], memory: Memory, today: date, used: Counter[int]) -> Remembered:
    payer, contact = pair
    weight, _ = memory.recall(rows[-1].description, today).get(contact, (0, 0))
    newest = sorted(rows, key=lambda row: (_on(row), row.match_id or 0), reverse=True)
    matches = [row for row in newest if row.match_id]
    return Remembered(
        payer=payer,
        people=tuple(dict.fromkeys(row.payer_name for row in newest)),
        contact=contact,
        seen=len(matches),
        by_people=sum(row.how != BY_ITSELF for row in matches),
        used=sum(used[row.match_id] for row in matches),
        last_on=_on(newest[0]),
        speaks=weight > 0,
        firm=weight >= MEMORY_TELLS,
        lessons=tuple(
            Lesson(row.line_id, row.on, row.description, row.reference, row.by) for row in matches[:_TOLD]
        ),
        taught_by=tuple(dict.fromkeys(row.by for row in matches)),
        corrections=tuple(
            Correction(row.edit_id, _on(row), row.by, row.was, _contact(row.was_email, row.was_phone))
            for row in newest
            if not row.match_id
        ),
        line_id=newest[0].line_id,
        payment_id=newest[0].payment_id,
    )
