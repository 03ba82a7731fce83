"""Statements for whoever tries a demo desk: its own open payments, as a bank would show them paid."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bootstrap import App
from db.models import BankAccount, Payment, PaymentQuote, StatementFile, StatementLine
from environment import Settings
from payments import dates
from payments.bank.overlaps import GONE
from payments.errors import Conflict

if TYPE_CHECKING:
    from simulator import handout

#: So many payers of each file; most pages of a statement hold no more.
PAYERS = 40


def folder(settings: Settings) -> Path:
    """Where a demo desk's statements lie."""
    return settings.data_dir / "statements"


def _owed(session: Session) -> "list[handout.Owed]":
    """Who owes something and paid nothing of it, the newest first."""
    from simulator import handout

    rows = session.execute(
        select(
            Payment.reference,
            Payment.payer_name,
            Payment.amount_minor,
            Payment.created_at,
            PaymentQuote.quoted_minor,
        )
        .outerjoin(PaymentQuote, PaymentQuote.payment_id == Payment.id)
        .where(Payment.status.in_(("open", "claimed", "failed", "expired")))
        .where(Payment.received_minor == 0)
        .order_by(Payment.id.desc())
        .limit(2 * PAYERS)
    ).all()
    return [
        handout.Owed(reference, name, minor, dates.business_day(since), abroad=quoted is not None)
        for reference, name, minor, since, quoted in rows
    ]


@dataclass(frozen=True)
class _SoFar:
    """Of the desk's first account: its number, the day and balance that statements reach, and its lines after
    it.

    Those that no balance was told of, as the seeded payouts, come once more in the next statement, which so
    tells the balance of every day that has a line.
    """

    number: str
    reached: date
    opening_minor: int
    lines: list[tuple[date, int, str, str]]


def _so_far(session: Session) -> _SoFar:
    from simulator import handout

    account = select(func.min(BankAccount.id)).where(BankAccount.retired_at.is_(None)).scalar_subquery()
    number = session.scalar(select(BankAccount.number).where(BankAccount.id == account)) or ""
    file, line = StatementFile, StatementLine
    told = session.execute(
        select(file.last_on, file.closing_minor)
        .where(
            file.account_id == account, file.undone_at.is_(None), file.last_on.is_not(None),
            file.closing_minor.is_not(None),
        )
        .order_by(file.last_on.desc(), file.id.desc())
        .limit(1)
    ).first()  # fmt: skip
    since, opening = (told.last_on, told.closing_minor) if told else (date.min, handout.OPENING_MINOR)
    lines = session.execute(
        select(line.on, line.amount_minor, line.description, line.reference)
        .where(line.account_id == account, line.state != GONE, line.on > since)
        .order_by(line.on, line.id)
    ).all()
    told_of = [(on, minor, text, reference) for on, minor, text, reference in lines]
    return _SoFar(number, since, opening, told_of)


def write(app: App) -> list[Path]:
    """Write statements that fit this desk. Raises Conflict on a live one, and where nobody owes anything."""
    if not app.settings.demo:
        raise Conflict("This desk is live. Invented statements are for demo desks only.")
    from simulator import bank, handout

    with app.sessions.read() as session:
        owed = _owed(session)
        there = _so_far(session)
    if not owed:
        raise Conflict("Nobody owes this desk anything, so no statement fits it. `manage.py seed` fills it.")
    last = dates.business_day(app.now())
    # A statement tells whole days; today's is still going on.
    since = min(there.reached + timedelta(days=1), last)
    first = handout.lines(owed[:PAYERS], last, first=since, opening=there.opening_minor, known=there.lines)
    # Goes on where the first one ends: balances of an account lead from one statement to the next.
    closing = first[-1].balance.minor
    second = handout.lines(owed[PAYERS:], last, seed=7, first=last, opening=closing)
    number = {"number": there.number} if there.number else {}  # a statement of another account is refused
    known = bank.fnb(first, **number)
    broken = bank.fnb(first[:12], **number).replace(first[5].balance.decimal, "1.01")
    files = {
        "1 known layout.csv": known,
        "2 unknown layout.csv": bank.generic(second).replace("Date,Description", "Wanneer,Wat", 1),
        "3 broken balance.csv": broken,
    }
    place = folder(app.settings)
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8")
    return [place / name for name in files]
