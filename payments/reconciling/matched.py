"""What bank lines were matched with: by whom, why, and whether it still stands."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, case, cast, exists, func, or_, select
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import Match, MatchPart, Payment, StatementLine
from db.money import Money
from payments.access.people import Action, Person, check
from payments.bank.overlaps import MATCHED
from payments.finding import by_index
from payments.finding.needle import Way
from payments.privacy import fold
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
class Found:
    """A page of what was wanted, and how many there are in all. ``since``: a text was looked for in lines
    from this day on only, since there are too many; ``payers``: those of payments are all there."""

    matches: list["MatchView"]
    count: int
    since: date | None = None
    payers: bool = False


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
    standing: bool = False,
) -> list[MatchView]:
    """What was decided last first; ``standing``: none that was undone since, so one of each line at most."""
    check(person, Action.SEE_BANK)
    wanted = _matches().where(Match.undone_at.is_(None)) if standing else _matches()
    if line_ids is not None:
        wanted = wanted.where(Match.line_id.in_(list(line_ids)))
    return _views(session, wanted.order_by(Match.id.desc()).limit(limit))


def find_matches(
    session: Session, person: Person, wanted: Wanted, *, offset: int = 0, limit: int = 50
) -> Found:
    """So many from a place on, what was decided last first."""
    check(person, Action.SEE_BANK)
    if text := wanted.text.strip():
        return _with_text(session, wanted, text, offset, limit)
    found = _matches().where(*_conditions(wanted))
    count = session.scalar(found.with_only_columns(func.count(), maintain_column_froms=True)) or 0
    return Found(_views(session, found.order_by(Match.id.desc()).offset(offset).limit(limit)), count)


def _matches() -> Any:
    return select(Match, StatementLine, _whose()).join(StatementLine, StatementLine.id == Match.line_id)


def _whose() -> ColumnElement[str]:
    """As evidence is kept: what speaks against a match says that it does not agree."""
    some = select(MatchPart.id).where(MatchPart.match_id == Match.id, MatchPart.written_off_minor > 0)
    let_off = exists(some.correlate(Match))  # also in a query that joins parts of its own
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
    yield from _days(wanted)


def _days(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.first is not None:
        yield StatementLine.on >= wanted.first
    if wanted.last is not None:
        yield StatementLine.on <= wanted.last


# -- by a text ----------------------------------------------------------------------------------------

#: So many lines are looked through for a text, the newest: what banks write has no index.
LOOKED_THROUGH = 20_000
#: Of up to so many payments with a text, all matches are told; of one that more have, those of these lines.
FEW = 1_000


def _with_text(session: Session, wanted: Wanted, text: str, offset: int, limit: int) -> Found:
    """What is of a payment is found by the payments' own index, which has what the bank wrote of them as
    well; the rest line by line, as far back as ``LOOKED_THROUGH`` lines reach."""
    since = _since(session, wanted)
    payments = _payments_with(session, text) if since is not None else None
    ids = {*session.scalars(_of_lines(wanted, text, since))}
    if payments is None:
        ids |= {*session.scalars(_of_payments(wanted, text, since))}
    for some in some_at_once(payments or []):
        ids |= {*session.scalars(_of_payments(wanted, text, None).where(Payment.id.in_(some)))}
    page = sorted(ids, reverse=True)[offset : offset + limit]
    views = _views(session, _matches().where(Match.id.in_(page)).order_by(Match.id.desc()))
    return Found(views, len(ids), since, payments is not None)


def _since(session: Session, wanted: Wanted) -> date | None:
    """The day that as many lines as are looked through reach back to; None where they are not so many."""
    lines = select(StatementLine.on).where(StatementLine.state == MATCHED, *_days(wanted))
    return session.scalar(lines.order_by(StatementLine.on.desc()).offset(LOOKED_THROUGH).limit(1))


def _of_lines(wanted: Wanted, text: str, since: date | None) -> Any:
    line = _holds(StatementLine.description, text) | _holds(StatementLine.reference, text)
    query = select(Match.id).join(StatementLine, StatementLine.id == Match.line_id)
    return query.where(line, *_conditions(wanted), *_not_before(since))


def _of_payments(wanted: Wanted, text: str, since: date | None) -> Any:
    """Matches of payments that have it, in what the bank wrote of them, their payer or their reference."""
    line = _holds(StatementLine.description, text) | _holds(StatementLine.reference, text)
    whose = _holds(Payment.payer_name, text) | _holds(Payment.reference, text)
    return (
        select(Match.id)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .join(MatchPart, MatchPart.match_id == Match.id)
        .join(Payment, Payment.id == MatchPart.payment_id)
        .where(line | whose, *_conditions(wanted), *_not_before(since))
    )


def _payments_with(session: Session, text: str) -> Sequence[int] | None:
    """The payments that have this text; None: too many, or it is too short for an index."""
    folded = fold(text)
    if len(folded) < 3:
        return None
    sqlite = session.get_bind().dialect.name == "sqlite"
    where = by_index.Where(sqlite=sqlite, events=None, ways=(Way(words=((folded,),)),))
    found = session.scalars(where.some(FEW + 1) if sqlite else where.hits(FEW + 1)).all()
    return found if len(found) <= FEW else None


def _not_before(since: date | None) -> Iterator[ColumnElement[bool]]:
    if since is not None:
        yield StatementLine.on >= since


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
