"""What bank lines were matched with: by whom, why, and whether it still stands."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Match, MatchPart, Payment, StatementLine
from db.money import Money
from payments.access.people import Action, Person, check
from payments.reconciling.exceptions import Sign, signs_of


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


def list_matches(
    session: Session,
    person: Person,
    *,
    how: str | None = None,
    line_ids: Iterable[int] | None = None,
    limit: int = 50,
) -> list[MatchView]:
    """What was decided last first."""
    check(person, Action.SEE_BANK)
    wanted = select(Match, StatementLine).join(StatementLine, StatementLine.id == Match.line_id)
    if how is not None:
        wanted = wanted.where(Match.how == how)
    if line_ids is not None:
        wanted = wanted.where(Match.line_id.in_(list(line_ids)))
    rows = session.execute(wanted.order_by(Match.id.desc()).limit(limit)).all()
    parts: dict[int, list[PartView]] = defaultdict(list)
    of_these = (
        select(MatchPart, Payment.reference, Payment.payer_name)
        .outerjoin(Payment, Payment.id == MatchPart.payment_id)
        .where(MatchPart.match_id.in_([match.id for match, _ in rows]))
    )
    for part, reference, payer in session.execute(of_these.order_by(MatchPart.id)):
        off = Money(part.written_off_minor, part.amount_currency) if part.written_off_minor else None
        parts[part.match_id].append(PartView(part.target, part.amount, reference, payer, off))
    return [
        MatchView(
            match.id, line.id, line.on, line.amount, line.told,
            match.how, match.way, match.rule, match.by, match.why,
            signs_of(match.evidence.get("evidence", ())), tuple(parts[match.id]), match.at,
            match.undone_at, match.undone_by, match.undone_why,
        )
        for match, line in rows
    ]  # fmt: skip
