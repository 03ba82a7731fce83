"""What another system, or a row of a file, asks for of a registration: its texts, and what it chooses."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from db.models import Event
from db.money import Money
from payments import obligations, references
from payments.errors import InvalidInput
from payments.obligations import Draft
from payments.privacy import clean, reason
from payments.registering import registration_prices
from payments.registering.registration_prices import Chosen

#: What requests did not have in the beginning.
_SINCE = ("extras", "code", "by_list", "complimentary", "quoted", "quote_in")
_UNSEEN = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True)
class Wanted:
    """What a caller asks for. ``category`` is a name on the event's price list, ``return_url`` a page of the
    caller's that the payer finds on ours. Without ``amount`` it costs what the event's prices say."""

    registration_id: str
    amount: Money | None
    payer_name: str = ""
    payer_email: str = ""
    payer_phone: str = ""
    category: str = ""
    note: str = ""
    return_url: str = ""
    extras: tuple[tuple[str, int], ...] = ()  # by name, with how many
    code: str = ""
    complimentary: str = ""  # why nobody is to be asked to pay for it
    by_list: bool = False  # its amount is what the event's prices were seen to come to
    quoted: Money | None = None  # in another currency; ``amount`` is then what it was seen to be in rand
    quote_in: str = ""  # a currency: what its category costs there

    @property
    def digest(self) -> str:
        """Of all that it asks for; the same as before there were extras and codes where it has none."""
        told = {name: one for name, one in asdict(self).items() if one or name not in _SINCE}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def checked(session: Session, event: Event, wanted: Wanted, *, demo: bool) -> tuple[Wanted, Chosen]:
    """With its texts cleaned, and what it chooses of the prices. Raises InvalidInput."""
    own = wanted.registration_id
    if not own or len(own) > 100 or _UNSEEN.search(own) or own != clean(own, field="registration_id"):
        raise InvalidInput("registration_id is 1 to 100 characters, without spaces.")
    if wanted.amount is not None and wanted.amount.currency != event.currency:
        raise InvalidInput(f"{event.name} is priced in {event.currency}, not in {wanted.amount.currency}.")
    said = Money(1) if wanted.amount is None else wanted.amount
    nobodys = references.draw(demo=demo)  # only its texts and its amount are looked at
    draft = obligations.checked(
        Draft(
            nobodys, event.code, said, wanted.payer_name, wanted.payer_email, wanted.payer_phone,
            None, wanted.note,
        )
    )  # fmt: skip
    chosen = registration_prices.chosen(
        session, event, wanted.category, wanted.extras, wanted.code, wanted.amount, by_list=wanted.by_list,
        quoted=wanted.quoted, quote_in=wanted.quote_in,
    )  # fmt: skip
    tidy = replace(
        wanted, complimentary=reason(wanted.complimentary) if wanted.complimentary else "",
        payer_name=draft.payer_name, payer_email=draft.payer_email, payer_phone=draft.payer_phone,
        note=draft.note, return_url=_page(wanted.return_url, demo=demo),
    )  # fmt: skip
    return tidy, chosen


def _page(url: str, *, demo: bool) -> str:
    """A page that payers may be led on to: of https, or in demo mode of this machine."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and not parts.username and not _UNSEEN.search(url) and url.isascii()
        local = demo and parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost")
    except ValueError:
        good = local = False
    if not good or not (local or parts.scheme == "https"):
        raise InvalidInput("return_url must be a whole https address of a page of yours.")
    return url
