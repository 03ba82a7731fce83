"""What a payment is for, as the lines of its bill: together they are its amount."""

from sqlalchemy.orm import Session

from db.models import Payment
from payments import references
from payments.selling import prices, quotes
from payments.vat import Item


def items_of(session: Session, payment: Payment, *, named: bool) -> list[Item]:
    """``named``: the payer stands on each line, since the paper is for several payments."""
    if lines := prices.kept(session, payment):
        who = f", {payment.payer_name} ({references.spoken(payment.reference)})" if named else ""
        return [Item(f"{line.what}{who}", line.unit, line.quantity, line.discount or None) for line in lines]
    what = payment.category.name if payment.category else payment.note or "Participation"
    if (quoted := quotes.kept(session, payment)) is not None:
        what = f"{what}, quoted {quoted.text}"
    who = f", {payment.payer_name} ({references.spoken(payment.reference)})" if named else ""
    if payment.places:
        return [Item(f"{what}: {place.name}{who}", place.amount) for place in payment.places]
    return [Item(f"{what}{who}", payment.amount)]
