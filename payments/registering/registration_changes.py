"""What a registration that is wanted again would change of its payment: nothing, something, or it may not."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from db.models import Payment
from db.money import Money
from payments.errors import Conflict, InvalidInput
from payments.lifecycle import NEVER_MADE, Status
from payments.selling import agreed
from payments.selling.agreed import Deed, Member

#: Closed by somebody's decision or by time: a file does not ask for it again behind their back.
SHUT = frozenset({Status.EXPIRED, Status.CANCELLED})
DETAILS = ("payer_name", "payer_email", "payer_phone")
_SAID = {"payer_name": "name", "payer_email": "e-mail", "payer_phone": "phone"}


class Becomes(StrEnum):
    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True)
class Change:
    """``told`` says what changes, or why it may not."""

    becomes: Becomes
    told: str = ""


class Wished(Protocol):
    """What is looked at of ``registration_requests.Wanted``."""

    @property
    def payer_name(self) -> str: ...
    @property
    def payer_email(self) -> str: ...
    @property
    def payer_phone(self) -> str: ...


class Costs(Protocol):
    """What is looked at of ``registration_prices.Cost``."""

    @property
    def amount(self) -> Money: ...
    @property
    def other(self) -> bool: ...
    @property
    def choice(self) -> object: ...


def told_by(payment: Payment, wanted: Wished) -> dict[str, Any]:
    """Who pays by what a file says: an empty cell changes nothing, nor does a name that is only the address
    or the number again."""
    said = {"payer_email": wanted.payer_email or payment.payer_email}
    said["payer_phone"] = wanted.payer_phone or payment.payer_phone
    stand_in = wanted.payer_name in ("", wanted.payer_email, wanted.payer_phone)
    said["payer_name"] = payment.payer_name if stand_in else wanted.payer_name
    return said


def judge(payment: Payment, event_id: int, wanted: Wished, cost: Costs, family: Sequence[Member]) -> Change:
    """What a row of a file may do to a payment as it is, and to its ``family`` of differences. ``wanted`` is
    filled in where the row is empty."""
    if payment.event_id != event_id:
        return Change(Becomes.REFUSED, f"{payment.reference} was moved to another event.")
    status = Status(payment.status)
    if status in SHUT:
        return Change(
            Becomes.REFUSED,
            f"{payment.reference} is {status}. Reissue it on the payment if it is wanted after all, "
            f"or take the row out.",
        )
    if cost.other:
        return _other_amount(payment, cost, family)
    new = [_SAID[name] for name in DETAILS if getattr(wanted, name) != getattr(payment, name)]
    if new:
        return Change(Becomes.CHANGED, f"Another {' and '.join(new)}.")
    if status in (Status.CREATED, Status.FAILED) and all(link.state in NEVER_MADE for link in payment.links):
        return Change(Becomes.CHANGED, "It has no link yet: one is asked for.")
    return Change(Becomes.UNCHANGED, f"{payment.reference} is {status.replace('_', ' ')}.")


def _other_amount(payment: Payment, cost: Costs, family: Sequence[Member]) -> Change:
    try:
        steps = agreed.plan(family, cost.amount, anew=cost.choice is not None)
    except (Conflict, InvalidInput) as error:
        return Change(Becomes.REFUSED, str(error))
    if steps and steps[0].deed is Deed.REPLACE:
        return Change(
            Becomes.CHANGED,
            f"{payment.amount} becomes {cost.amount}: {payment.reference} is cancelled, and another "
            f"payment takes its place.",
        )
    told = agreed.told(steps) or "It is for something else, of the same sum."
    return Change(Becomes.CHANGED, told)
