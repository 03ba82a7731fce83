"""Passwords: which are good enough, and how they are kept. Nothing here knows who somebody is."""

import secrets
import threading
import unicodedata
from collections.abc import Iterable
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from payments.access import guessable
from payments.errors import InvalidInput

SHORTEST, LONGEST = 15, 128
#: How short a password may be of whoever gives a code as well.
WITH_CODE = 8

#: Argon2id, 64 MiB, three passes: about a quarter of a second.
_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
#: Two at once in a process, or a rush of sign-ins takes all its memory.
_TWO_AT_ONCE = threading.BoundedSemaphore(2)


def hashed(password: str, *, about: Iterable[str] = (), shortest: int = SHORTEST) -> str:
    """What is kept of a new password. ``about`` are words that anybody knows of the person.

    Raises InvalidInput saying what is wrong with it. Nothing is cut off.
    """
    plain = _normal(password)
    if not shortest <= len(plain) <= LONGEST:
        raise InvalidInput(
            f"A password has {shortest} to {LONGEST} characters, and this one {len(plain)}. "
            f"Three or four words that do not belong together are good."
        )
    least = guessable.ALONE if shortest >= SHORTEST else guessable.BESIDE_A_CODE
    if why := guessable.why_easy(plain, tuple(about), least=least):
        raise InvalidInput(
            f"This password is among the first that would be guessed: {why}. "
            f"Take three or four words that do not belong together."
        )
    return _hash(plain)


def fits(known: str | None, password: str) -> bool:
    """Whether this is the password. Takes as long when there is none to compare with."""
    plain = _normal(password)
    if len(plain) > LONGEST:
        known, plain = None, ""
    with _TWO_AT_ONCE:
        try:
            return _HASHER.verify(known or _nobodys(), plain) and known is not None
        except (VerifyMismatchError, InvalidHashError):
            return False


def renewed(known: str, password: str) -> str | None:
    """The same password hashed as we do today, when ``known`` is of earlier days; else None."""
    return _hash(_normal(password)) if _HASHER.check_needs_rehash(known) else None


def _normal(password: str) -> str:
    """One spelling of what looks the same; half characters cannot be encoded and become one mark."""
    text = unicodedata.normalize("NFC", password)
    return text.encode("utf-8", "replace").decode()


def _hash(plain: str) -> str:
    with _TWO_AT_ONCE:
        return _HASHER.hash(plain)


@cache
def _nobodys() -> str:
    """What unknown people's attempts are compared with."""
    return _HASHER.hash(secrets.token_urlsafe(16))
