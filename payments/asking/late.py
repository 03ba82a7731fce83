"""Money that came late: for whom it may have been meant, when its payer was given another payment since."""

from sqlalchemy.orm import Session

from payments.access.people import Person
from payments.lifecycle import PENDING, Review
from payments.obligations import Draft, seen
from payments.payers import likeness
from payments.payers.likeness import Alike


def offered_to(session: Session, person: Person, reference: str) -> tuple[Alike, ...]:
    """Payments of the event that still wait for money and seem to be the same person's, the surest first.

    None for a payment that was not paid late. Nothing is moved: a person decides.
    """
    payment = seen(session, person, reference)
    if payment.review != Review.PAID_LATE:
        return ()
    draft = Draft(
        payment.reference, payment.event.code, payment.amount, payment.payer_name,
        payment.payer_email, payment.payer_phone,
    )  # fmt: skip
    return tuple(one for one in likeness.alike(session, person, draft) if one.status in PENDING)
