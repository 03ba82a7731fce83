"""Whose data it is: payments that may be one person's, and which rows of the desk belong to them.

Nothing is guessed: who looks is shown what the same address, number or name is on, and chooses.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, or_, select, true
from sqlalchemy.orm import Session

from db.models import Base, Payment, TimelineEntry
from db.money import Money
from payments import references
from payments.access.people import Action, Person, check, proven
from payments.books import audit
from payments.errors import InvalidInput, NotFound
from payments.lifecycle import Kind, Status
from payments.payers import contacts
from payments.personal_data import personal
from payments.privacy import fold

#: More payments than this are not one person's: say more.
MOST = 200


@dataclass(frozen=True)
class Sought:
    """What is known of a person; a name needs one of the others beside it, or a reference."""

    email: str = ""
    phone: str = ""
    name: str = ""
    reference: str = ""


@dataclass(frozen=True)
class Candidate:
    """A payment that may be theirs. ``fits`` says by what: an address or number is one person's, a name may
    be several people's."""

    payment_id: int
    reference: str
    event: str
    name: str
    email: str
    phone: str
    status: str
    amount: Money
    made_at: datetime
    fits: tuple[str, ...]
    erased: bool


def proved(person: Person, *, now: datetime) -> None:
    """What is held is only handed out by somebody who has just shown who they are. Raises ProveAgain."""
    check(person, Action.HANDLE_PRIVACY)
    proven(person, now=now)


def find(session: Session, person: Person, sought: Sought, *, now: datetime) -> list[Candidate]:
    """Payments that may be this person's, the newest first; that somebody looked stands in the audit.

    Raises InvalidInput (nothing to go by, or too many), NotAllowed.
    """
    check(person, Action.HANDLE_PRIVACY)
    asked = {
        "e-mail address": contacts.email_address(sought.email),
        "phone number": contacts.phone_number(sought.phone),
        "reference": sought.reference.strip(),
        "name": fold(sought.name),
    }
    if not any(asked.values()):
        raise InvalidInput("Write the person's e-mail address, phone number, or name with a reference.")
    rows = session.scalars(_asked_for(asked).order_by(Payment.id.desc()).limit(MOST + 1)).all()
    if len(rows) > MOST:
        raise InvalidInput(f"More than {MOST} payments fit. Say more: an address, a number, a reference.")
    audit.record(
        session, person, "find_subject", "payers", now=now, found=len(rows),
        by=", ".join(name for name, value in asked.items() if value),
    )  # fmt: skip
    return [_candidate(row, asked) for row in rows]


def _asked_for(asked: Mapping[str, str]) -> Select[Payment]:
    reached = [
        column == asked[name]
        for name, column in (("e-mail address", Payment.payer_email), ("phone number", Payment.payer_phone))
        if asked[name]
    ]
    if asked["reference"]:
        reached.append(Payment.reference.in_(references.readings(asked["reference"])))
    if asked["name"]:
        reached.append(Payment.search_text.contains(asked["name"], autoescape=True))
    return select(Payment).where(or_(*reached))


def _candidate(row: Payment, asked: Mapping[str, str]) -> Candidate:
    said = {"e-mail address": row.payer_email, "phone number": row.payer_phone}
    fits = tuple(name for name, value in said.items() if value and value == asked[name])
    if row.reference in references.readings(asked["reference"]):
        fits = (*fits, "reference")
    if asked["name"] and asked["name"] in row.search_text:
        fits = (*fits, "name")
    return Candidate(
        row.id, row.reference, row.event.name, row.payer_name, row.payer_email, row.payer_phone, row.status,
        row.amount, row.created_at, fits, row.erased_at is not None,
    )  # fmt: skip


def chosen(session: Session, person: Person, refs: Iterable[str]) -> list[Payment]:
    """The payments that a person chose as one payer's. Raises InvalidInput, NotFound, NotAllowed."""
    check(person, Action.HANDLE_PRIVACY)
    wanted = tuple(dict.fromkeys(refs))
    if not wanted:
        raise InvalidInput("Choose the payments that are this person's.")
    rows = session.scalars(select(Payment).where(Payment.reference.in_(wanted)).order_by(Payment.id)).all()
    if missing := set(wanted) - {row.reference for row in rows}:
        raise NotFound(f"There is no payment {', '.join(sorted(missing))} here.")
    return list(rows)


# -- which rows are theirs ----------------------------------------------------------------------------

#: Payments that are somebody's: their ids, and their references where only those are kept.
Theirs = tuple[Sequence[int], Sequence[str]]


def table(name: str) -> Table:
    return Base.metadata.tables[name]


def rows_of(name: str, theirs: Theirs) -> ColumnElement[bool]:
    """Which rows of a table belong to these payments."""
    of = _BELONGS.get(name)
    return of(theirs) if of else table(name).c.payment_id.in_(theirs[0])


def _through(name: str, column: str, other: str, key: str = "id") -> Callable[[Theirs], ColumnElement[bool]]:
    """Rows that name a row of another table that is theirs."""

    def of(theirs: Theirs) -> ColumnElement[bool]:
        there = table(other)
        return table(name).c[column].in_(select(there.c[key]).where(rows_of(other, theirs)))

    return of


def _sheet_rows(theirs: Theirs) -> ColumnElement[bool]:
    rows, sheets, drawn = table("sheet_rows"), table("sheets"), table("sheet_payments")
    same = (drawn.c.event_id == sheets.c.event_id) & (drawn.c.key == rows.c.key)
    return rows.c.id.in_(
        select(rows.c.id)
        .join(sheets, sheets.c.id == rows.c.sheet_id)
        .join(drawn, same)
        .where(drawn.c.reference.in_(theirs[1]))
    )


def _surplus_moves(theirs: Theirs) -> ColumnElement[bool]:
    """Of the payment that was paid, and of who brought too much: the part names them, or its line does."""
    moves, parts = table("surplus_moves"), table("match_parts")
    lines = select(parts.c.match_id).where(parts.c.payment_id.in_(theirs[0]))
    unnamed = parts.c.payment_id.is_(None) & parts.c.match_id.in_(lines)
    brought = select(parts.c.id).where(or_(parts.c.payment_id.in_(theirs[0]), unnamed))
    return or_(moves.c.payment_id.in_(theirs[0]), moves.c.part_id.in_(brought))


def _nobodys(theirs: Theirs) -> ColumnElement[bool]:
    return ~true()


_BELONGS: Mapping[str, Callable[[Theirs], ColumnElement[bool]]] = {
    "payments": lambda theirs: table("payments").c.id.in_(theirs[0]),
    "claim_drops": _through("claim_drops", "claim_id", "claims"),
    "notification_tries": _through("notification_tries", "notification_id", "notifications"),
    "legacy_issues": _through("legacy_issues", "record_id", "legacy_records"),
    "registrations": lambda theirs: table("registrations").c.reference.in_(theirs[1]),
    "registration_rows": lambda theirs: table("registration_rows").c.reference.in_(theirs[1]),
    "sheet_payments": lambda theirs: table("sheet_payments").c.reference.in_(theirs[1]),
    "sheet_rows": _sheet_rows,
    "matches": _through("matches", "id", "match_parts", "match_id"),
    "statement_lines": _through("statement_lines", "id", "matches", "line_id"),
    "exceptions": _through("exceptions", "line_id", "matches", "line_id"),
    "surplus_moves": _surplus_moves,
    "papers": _through("papers", "id", "paper_parts", "paper_id"),
    "unverified_events": _nobodys,
    "opt_outs": _nobodys,
}


# -- what they are called -----------------------------------------------------------------------------


class Names:
    """A person's name, address and number, as they stand in texts of others: ``without`` takes them out."""

    def __init__(self, said: Iterable[str], word: str) -> None:
        said = tuple(said)
        patterns = [_pattern(one) for one in sorted({one for one in said if len(one) > 2}, key=len)[::-1]]
        self._found = re.compile("|".join(patterns), re.IGNORECASE) if patterns else None
        self._word = word
        #: What is looked for where nothing says whose it is: an address, the digits of a number, a name of
        #: two words or more.
        self.signs = tuple({sign for one in said for sign in _signs(one)})

    def without(self, value: Any) -> Any:
        """The same text or JSON, without them. What a machine reads is left as it is."""
        if self._found is None or value is None:
            return value
        if isinstance(value, str):
            return value if value in _OURS else self._found.sub(self._word, value)
        if isinstance(value, Mapping):
            return {
                name: self._word if name in _WHOSE and one else self.without(one)
                for name, one in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.without(one) for one in value]
        return value


#: Words of our own that a name might be as well: a payment's status is read from its timeline.
_OURS = frozenset(str(status) for status in Status)
#: What stands under these names in a JSON column is somebody's, whatever it is.
_WHOSE = frozenset({"payer", "holder", "to"})


def called(session: Session, payments: Sequence[Payment], word: str) -> Names:
    """What these payments say of who pays and who comes."""
    said: set[str] = set()
    for payment in payments:
        said |= {payment.payer_name, payment.payer_email, payment.payer_phone}
        said |= {place.name for place in payment.places}
    ids = [payment.id for payment in payments]
    renamed = select(TimelineEntry.detail).where(
        TimelineEntry.payment_id.in_(ids), TimelineEntry.kind == Kind.RENAMED
    )
    for detail in session.scalars(renamed):
        said |= {one for one in (detail.get("was"), detail.get("name")) if isinstance(one, str)}
    for column in (table("admissions").c.name, table("outbox").c.recipient):
        said |= set(session.scalars(select(column).where(column.table.c.payment_id.in_(ids))))
    return Names(said - {"", word}, word)


def _signs(said: str) -> Iterator[str]:
    """In lower case, and as JSON has it on SQLite, which writes letters beyond ASCII as numbers."""
    if re.fullmatch(r"\+\d{6,15}", said):
        yield said[-9:]
    elif "@" in said or len(said.split()) > 1:
        yield said.lower()
        yield json.dumps(said)[1:-1].lower()
        yield json.dumps(said.lower())[1:-1]


def _pattern(said: str) -> str:
    """A name whatever its spaces, accents and case; a number however it is grouped."""
    if re.fullmatch(r"\+\d{6,15}", said):
        country, rest = ("27", said[3:]) if said.startswith("+27") else ("", said[1:])
        digits = r"[\s().-]{0,3}".join(rest)
        lead = rf"(?:\+?{country}|0)[\s().-]{{0,3}}" if country else r"\+?"
        return rf"(?<!\d){lead}{digits}(?!\d)"
    parts = [rf"(?:{re.escape(part)}|{re.escape(fold(part))})" for part in said.split()]
    return r"(?<!\w)" + r"\s+".join(parts) + r"(?!\w)"


#: What stands in the place of a name.
ERASED = "Erased"


def held_tables() -> tuple[str, ...]:
    return tuple(name for name in personal.tables() if _BELONGS.get(name) is not _nobodys)
