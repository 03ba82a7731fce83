"""The one folded text a payment is found by: kept on its row, searched by ``search``."""

from db.models import Payment
from payments.privacy import fold
from payments.references import spoken


def of(payment: Payment) -> str:
    """Everything somebody may know of a payment, folded, a field a line."""
    parts = [
        payment.reference,
        spoken(payment.reference),
        payment.payer_name,
        payment.payer_email,
        payment.payer_phone,
        payment.note,
        *(spoken(link.wire_reference) for link in payment.links),
        *(part for link in payment.links for part in (link.wire_reference, link.gateway_reference)),
    ]
    return "\n".join(dict.fromkeys(fold(part) for part in parts if part))
