"""What bank lines were matched with: by whom, why, and whether it still stands."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, case, cast, exists, func, or_, select
from sqlalchemy.orm import Session

from db.models import Match, MatchPart, Payment, StatementLine
from db.money import Money
from payments.access.people import Action, Person, check
from payments.reconciling.exceptions import Sign, signs_of
from payments.reconciling.parts import BY_HAND, BY_TWO


class Whose(StrEnum):
    """On whose word a line was matched."""

    ITSELF = "itself"
    PERSON = "person"
    TWO = "two"
    FORCED = "forced"  # one person's, though something spoke against it, or with a rest let off


@dataclass(frozen=True)
class Wanted:
    """Which matches. ``text`` is of what the bank wrote, a payer or a reference; days are the bank's."""

    whose: Whose | None = None
    text: str = ""
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class PartView:
    target: str
    amount: Money
    reference: str | None
    payer: str | None
    written_off: Money | None


@dataclass(frozen=True)
class MatchView:
    """Who matched what, and why; ``rule`` names a rule and its version. Undone ones stay."""

    id: int
    line_id: int
    on: date
    amount: Money
    text: str
    how: str
    way: str
    rule: str
    by: str
    why: str
    signs: tuple[Sign, ...]
    parts: tuple[PartView, ...]
    at: datetime
    undone_at: datetime | None
    undone_by: str | None
    undone_why: str | None
    whose: Whose


def list_matches(
    session: Session,
    person: Person,
    *,
    line_ids: Iterable[int] | None = None,
    limit: int = 50,
) -> list[MatchView]:
    """What was decided last first."""
    check(person, Action.SEE_BANK)
    wanted = _matches()
    if line_ids is not None:
        wanted = wanted.where(Match.line_id.in_(list(line_ids)))
    return _views(session, wanted.order_by(Match.id.desc()).limit(limit))


def find_matches(
    session: Session, person: Person, wanted: Wanted, *, offset: int = 0, limit: int = 50
) -> tuple[list[MatchView], int]:
    """So many from a place on, what was decided last first; and how many there are in all."""
    check(person, Action.SEE_BANK)
    found = _matches().where(*_conditions(wanted))
    count = session.scalar(found.with_only_columns(func.count(), maintain_column_froms=True)) or 0
    return _views(session, found.order_by(Match.id.desc()).offset(offset).limit(limit)), count


def _matches() -> Any:
    return select(Match, StatementLine, _whose()).join(StatementLine, StatementLine.id == Match.line_id)


def _whose() -> ColumnElement[str]:
    """As evidence is kept: what speaks against a match says that it does not agree."""
    let_off = exists().where(MatchPart.match_id == Match.id, MatchPart.written_off_minor > 0)
    against = and_(Match.way != BY_HAND, cast(Match.evidence, Text).like('%"agrees": false%'))
    return case(
        (Match.how == "auto", str(Whose.ITSELF)),
        (Match.way == BY_TWO, str(Whose.TWO)),
        (or_(let_off, against), str(Whose.FORCED)),
        else_=str(Whose.PERSON),
    )


def _conditions(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.whose is not None:
        yield _whose() == str(wanted.whose)
    if wanted.first is not None:
        yield StatementLine.on >= wanted.first
    if wanted.last is not None:
        yield StatementLine.on <= wanted.last
    if text := wanted.text.strip():
        of_payment = (
            select(MatchPart.match_id)
            .join(Payment, Payment.id == MatchPart.payment_id)
            .where(MatchPart.match_id == Match.id)
            .where(_holds(Payment.payer_name, text) | _holds(Payment.reference, text))
        )
        line = _holds(StatementLine.description, text) | _holds(StatementLine.reference, text)
        yield or_(line, of_payment.exists())


def _holds(column: Any, text: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column.icontains(text, autoescape=True)
    return found


def _views(session: Session, wanted: Any) -> list[MatchView]:
    rows = session.execute(wanted).all()
    parts: dict[int, list[PartView]] = defaultdict(list)
    of_these = (
        select(MatchPart, Payment.reference, Payment.payer_name)
        .outerjoin(Payment, Payment.id == MatchPart.payment_id)
        .where(MatchPart.match_id.in_([match.id for match, *_ in rows]))
    )
    for part, reference, payer in session.execute(of_these.order_by(MatchPart.id)):
        off = Money(part.written_off_minor, part.amount_currency) if part.written_off_minor else None
        parts[part.match_id].append(PartView(part.target, part.amount, reference, payer, off))
    return [
        MatchView(
            match.id, line.id, line.on, line.amount, line.told,
            match.how, match.way, match.rule, match.by, match.why,
            signs_of(match.evidence.get("evidence", ())), tuple(parts[match.id]), match.at,
            match.undone_at, match.undone_by, match.undone_why, Whose(whose),
        )
        for match, line, whose in rows
    ]  # fmt: skip
