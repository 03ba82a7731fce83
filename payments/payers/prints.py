"""Papers that are handed out: the first is the original, every other one a copy."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import PaperPrint, ReceiptPrint


def handed_out(
    session: Session,
    prints: type[PaperPrint] | type[ReceiptPrint],
    mail_key: str | None,
    *,
    by: str,
    now: datetime,
    **of: int,
) -> bool:
    """Write down that a paper is handed out, and return whether that makes a copy; ``of`` says which one.

    With a mail it is the same one however often that is tried. Whoever calls holds the payments it is about.
    """
    all_of_it = select(func.min(prints.id)).filter_by(**of)
    first = session.scalar(all_of_it)
    known = session.scalar(all_of_it.filter_by(mail_key=mail_key)) if mail_key else None
    if known is None:
        session.add(prints(**of, mail_key=mail_key, at=now, by=by))
        return first is not None
    return known != first
