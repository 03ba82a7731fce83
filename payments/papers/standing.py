"""What of a payment is on invoices: each rand at most once, less what was credited."""

from collections.abc import Collection, Mapping

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from db.models import PaperPart, PaperRow
from payments.papers.bodies import PaperKind

#: An invoice adds, a credit note takes away.
_SIGNED = case((PaperRow.kind == PaperKind.INVOICE, PaperPart.amount_minor), else_=-PaperPart.amount_minor)
_BILLS = (PaperKind.INVOICE, PaperKind.CREDIT_NOTE)


def billed(session: Session, payment_ids: Collection[int]) -> Mapping[int, int]:
    """What of each payment stands on invoices, in minor units; those with nothing are left out."""
    query = (
        select(PaperPart.payment_id, func.sum(_SIGNED))
        .join(PaperRow, PaperRow.id == PaperPart.paper_id)
        .where(PaperPart.payment_id.in_(payment_ids), PaperRow.kind.in_(_BILLS))
        .group_by(PaperPart.payment_id)
    )
    return {payment_id: int(minor) for payment_id, minor in session.execute(query) if minor}


def left_of(session: Session, invoice: PaperRow) -> Mapping[int, int]:
    """What of an invoice is not credited yet, by payment; those with nothing left are left out."""
    its = (PaperRow.id == invoice.id) | (PaperRow.credits_id == invoice.id)
    query = (
        select(PaperPart.payment_id, func.sum(_SIGNED))
        .join(PaperRow, PaperRow.id == PaperPart.paper_id)
        .where(its)
        .group_by(PaperPart.payment_id)
    )
    return {payment_id: int(minor) for payment_id, minor in session.execute(query) if minor}


def invoices(session: Session, payment_id: int) -> tuple[str, ...]:
    """The numbers of all invoices that ever were of a payment, the newest first."""
    query = (
        select(PaperRow.label)
        .join(PaperPart, PaperPart.paper_id == PaperRow.id)
        .where(PaperPart.payment_id == payment_id, PaperRow.kind == PaperKind.INVOICE)
        .order_by(PaperRow.id.desc())
    )
    return tuple(session.scalars(query))
