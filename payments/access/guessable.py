"""How early a password would be guessed, and why: by the lists and patterns that guessers use."""

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

#: Powers of ten of guesses that a password must stand: alone, and beside a code.
ALONE, BESIDE_A_CODE = 10, 6
#: No more is looked at, for the time it takes: whoever cannot guess the beginning cannot guess the whole.
_LOOKED_AT = 40
#: What is tried at this desk before anything else.
_OURS = ("paydesk", "ikhokha", "wagwoord", "mzansi", "changeme", "correcthorsebatterystaple")

_KNOWN, _SHORT = "known", "bruteforce"
_WHY: Mapping[str, str] = MappingProxyType(
    {
        _KNOWN: "without your name, your address and this desk's words too little of it is left",
        _SHORT: "it is too short for what it is made of",
        "passwords": "it is made of passwords that very many people use",
        "dictionary": "it is made of a common word or name",
        "spatial": "it runs along the keyboard",
        "repeat": "it says the same over and over",
        "sequence": "it counts, or runs through the alphabet",
        "date": "it is made of a date",
    }
)


def why_easy(password: str, about: Iterable[str], *, least: int) -> str | None:
    """Why a password would be among the first guesses; None when it stands ten to the power of ``least``.

    ``about`` is what anybody knows of its owner; neither that nor spaces and marks make it any better.
    """
    bare = "".join(char for char in password.casefold() if char.isalnum())
    if {password.casefold(), bare} & _most_used():
        return _WHY["passwords"]
    for text in (password, bare):
        if weakest := _weakest(text, least):
            return _WHY[weakest]
    return _WHY[_KNOWN] if _weakest(_without(bare, about), least) else None


@cache
def _most_used() -> frozenset[str]:
    """The thirty thousand passwords that were used most, of those that ever leaked."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])


def _without(bare: str, about: Iterable[str]) -> str:
    words = {word.casefold() for text in about for word in text.replace("@", " ").split() if len(word) > 2}
    for word in sorted({*_OURS, *words}, key=len, reverse=True):
        bare = bare.replace("".join(char for char in word if char.isalnum()), "")
    return bare


def _weakest(text: str, least: int) -> str | None:
    """What the longest part of a text is that falls too early."""
    from zxcvbn import zxcvbn  # its lists are large, and most processes never need them

    if not text:
        return _SHORT
    found: Mapping[str, Any] = zxcvbn(text[:_LOOKED_AT])
    if found["guesses_log10"] >= least:
        return None
    longest = max(found["sequence"], key=lambda match: len(match["token"]))
    kinds = (longest.get("dictionary_name"), longest["pattern"])
    return next((kind for kind in kinds if kind in _WHY), _SHORT)
