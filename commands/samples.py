"""Statements for whoever tries a demo desk: its own open payments, as a bank would show them paid."""

from pathlib import Path

from sqlalchemy import select

from bootstrap import App
from db.models import Payment, PaymentQuote
from environment import Settings
from payments import dates
from payments.errors import Conflict

#: So many payers of each file; most pages of a statement hold no more.
PAYERS = 40


def folder(settings: Settings) -> Path:
    """Where a demo desk's statements lie."""
    return settings.data_dir / "statements"


def write(app: App) -> list[Path]:
    """Write statements that fit this desk. Raises Conflict on a live one, and where nobody owes anything."""
    if not app.settings.demo:
        raise Conflict("This desk is live. Invented statements are for demo desks only.")
    from simulator import bank, handout

    with app.sessions.read() as session:
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
    if not rows:
        raise Conflict("Nobody owes this desk anything, so no statement fits it. `manage.py seed` fills it.")
    owed = [
        handout.Owed(reference, name, minor, dates.business_day(since), abroad=quoted is not None)
        for reference, name, minor, since, quoted in rows
    ]
    last = dates.business_day(app.now())
    first, second = handout.lines(owed[:PAYERS], last), handout.lines(owed[PAYERS:], last, seed=7)
    known, broken = bank.fnb(first), bank.fnb(first[:12]).replace(first[5].balance.decimal, "1.01")
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
