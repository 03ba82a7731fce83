"""Passwords: which are good enough, and how they are kept. Nothing here knows who somebody is."""

import secrets
import threading
import unicodedata
from collections.abc import Iterable
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from payments.errors import InvalidInput

SHORTEST, LONGEST = 15, 128
#: How short a password may be of whoever gives a code as well.
WITH_CODE = 8

#: Argon2id, 64 MiB, three passes: about a quarter of a second.
_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
#: Two at once in a process, or a rush of sign-ins takes all its memory.
_TWO_AT_ONCE = threading.BoundedSemaphore(2)

#: What everybody's first guess is made of, the longest first. Of such a password too little is left.
_COMMON = (
    "correcthorsebatterystaple", "administrator", "password", "passw0rd", "p@ssword", "wagwoord", "football",
    "princess", "sunshine", "superman", "whatever", "changeme", "iloveyou", "letmein", "welcome", "ikhokha",
    "paydesk", "azerty", "dragon", "monkey", "master", "secret", "shadow", "mzansi", "default", "abc123",
    "admin", "login", "hello", "test", "pass", "user", "123", "2024", "2025", "2026", "2027",
)  # fmt: skip
#: What fingers find by themselves, in both directions.
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm",
    "1q2w3e4r5t6y7u8i9o0p", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "qazwsxedcrfvtgbyhnujmikolp",
)  # fmt: skip
_WALKS = _ROWS + tuple(row[::-1] for row in _ROWS)
_SHORTEST_WALK = 4
_LEAST_OWN = 6


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
    if _is_easy(plain.casefold(), about):
        raise InvalidInput(
            "This password is among the first that would be guessed. "
            "Take three or four words that do not belong together."
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


def _is_easy(folded: str, about: Iterable[str]) -> bool:
    words = {word.casefold() for text in about for word in text.replace("@", " ").split() if len(word) > 2}
    left = _without_walks(folded)
    for word in sorted({*_COMMON, *words}, key=len, reverse=True):
        left = left.replace(word, "")
    return len({char for char in left if char.isalnum()}) < _LEAST_OWN or _repeats(folded)


def _without_walks(text: str) -> str:
    """What is left without the stretches that lie side by side on a keyboard or in the alphabet."""
    left, at = "", 0
    while at < len(text):
        end = at
        while end < len(text) and any(text[at : end + 1] in walk for walk in _WALKS):
            end += 1
        if end - at < _SHORTEST_WALK:
            end = at + 1
            left += text[at]
        at = end
    return left


def _repeats(text: str) -> bool:
    """A short text over and over: found where it occurs in its own double, apart from both ends."""
    return (text + text).find(text, 1) <= len(text) // 2


def _hash(plain: str) -> str:
    with _TWO_AT_ONCE:
        return _HASHER.hash(plain)


@cache
def _nobodys() -> str:
    """What unknown people's attempts are compared with."""
    return _HASHER.hash(secrets.token_urlsafe(16))
