"""What a browser keeps for us for some minutes and brings back, sealed: nobody reads or changes it."""

import base64
import binascii
from datetime import UTC, datetime, timedelta

from payments.errors import CannotOpen
from payments.keeping.keyring import KeyRing

_MOMENT_BYTES = 8


def give(plain: bytes, keys: KeyRing, place: str, *, now: datetime) -> str:
    """``place`` says what it is for and whose; it opens as nothing else. Raises CannotOpen without a key."""
    dated = int(now.timestamp()).to_bytes(_MOMENT_BYTES) + plain
    return base64.urlsafe_b64encode(keys.seal(dated, place)).decode()


def take(ticket: str, keys: KeyRing, place: str, *, lasts: timedelta, now: datetime) -> bytes | None:
    """What was given, or nothing: it is too old, of a time to come, for something else, or never was."""
    try:
        dated = keys.open(base64.urlsafe_b64decode(ticket.encode("utf-8", "replace")), place)
    except (binascii.Error, CannotOpen):
        return None
    at = datetime.fromtimestamp(int.from_bytes(dated[:_MOMENT_BYTES]), UTC)
    fresh = timedelta(0) <= now - at + timedelta(seconds=1) <= lasts
    return dated[_MOMENT_BYTES:] if fresh else None
