"""References people read aloud, type and mistype: a prefix, six characters and one check character.

The alphabet has no 0, 1, I, L or O. The check character catches every single mistyped character and
every exchange of two neighbours: position weights are distinct and non-zero modulo 31, a prime.
"""

import re
import secrets
from collections.abc import Iterable, Iterator

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
DEMO_PREFIX = "DEMO_"
DEFAULT_PREFIX = "REG"
_BODY_LENGTH = 6
#: Four digits in a row, for a year, and no more: with the seven that follow it would look like a card number.
_PREFIX = re.compile(r"(?!.*[0-9]{5})[A-Z][A-Z0-9]{1,7}", re.ASCII)
#: What people and bank apps put into a reference, or leave out.
_SEPARATORS = re.compile(r"[\s_\-.]+")


def draw(prefix: str = DEFAULT_PREFIX, *, demo: bool) -> str:
    """A new reference, unguessable enough not to be met by chance (31⁶ ≈ 890 million a prefix)."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(_BODY_LENGTH))
    return with_check(prefix, body, demo=demo)


def with_check(prefix: str, body: str, *, demo: bool) -> str:
    """The whole reference of a six-character body."""
    return f"{DEMO_PREFIX if demo else ''}{prefix}_{body}{check_character(body)}"


def check_character(body: str) -> str:
    weighted = sum((place + 1) * ALPHABET.index(char) for place, char in enumerate(body))
    return ALPHABET[-weighted % len(ALPHABET)]


def is_prefix(text: str) -> bool:
    """Two to eight capital letters or digits, a letter first, no five digits in a row, and not DEMO."""
    return bool(_PREFIX.fullmatch(text)) and not text.startswith("DEMO")


def is_reference(text: str) -> bool:
    """Exactly a reference of ours, check character included."""
    core = text.removeprefix(DEMO_PREFIX)
    prefix, _, tail = core.partition("_")
    body = tail[:_BODY_LENGTH]
    return (
        is_prefix(prefix)
        and len(tail) == _BODY_LENGTH + 1
        and all(char in ALPHABET for char in tail)
        and check_character(body) == tail[-1]
    )


def readings(text: str) -> tuple[str, ...]:
    """The references a text may mean, whatever happened to its case and separators; mostly none.

    A link's own reference (``REG_7K2MPQ4-2``) means its payment's. Without ``DEMO`` both modes are meant:
    a database holds only one of them.
    """
    bare = _SEPARATORS.sub("", text.upper())
    found: list[str] = []
    for link_digits in range(4):
        whole = bare[: len(bare) - link_digits]
        if not link_digits or (bare[-link_digits:].isascii() and bare[-link_digits:].isdigit()):
            core = whole.removeprefix("DEMO")
            plain = f"{core[: -_BODY_LENGTH - 1]}_{core[-_BODY_LENGTH - 1 :]}"
            if is_reference(plain):
                found += [plain] if core == whole else []
                found.append(DEMO_PREFIX + plain)
    return tuple(found)


def near(text: str, prefixes: Iterable[str]) -> tuple[str, ...]:
    """The references a mistyped one may have been: one character wrong, missing or too many, two neighbours
    exchanged, or another prefix; mostly none. They are candidates to look up: few of them exist.
    """
    bare = _SEPARATORS.sub("", text.upper()).removeprefix("DEMO")
    found: set[str] = set()
    for prefix in prefixes:
        if bare.startswith(prefix):
            found |= {f"{prefix}_{tail}" for tail in _repaired(bare.removeprefix(prefix))}
    tail = bare[-_BODY_LENGTH - 1 :]
    if readings(text):
        found |= {f"{prefix}_{tail}" for prefix in prefixes}
    found -= set(readings(text))
    return tuple(sorted(found | {DEMO_PREFIX + reference for reference in found}))


def _repaired(tail: str) -> Iterator[str]:
    """Tails with a right check character, a single mistake away."""
    length = _BODY_LENGTH + 1
    if len(tail) not in (length - 1, length, length + 1) or not tail.isascii() or not tail.isalnum():
        return
    tries: set[str] = set()
    if len(tail) == length:
        tries |= {tail[:n] + char + tail[n + 1 :] for n in range(length) for char in ALPHABET}
        tries |= {tail[:n] + tail[n + 1] + tail[n] + tail[n + 2 :] for n in range(length - 1)}
    elif len(tail) < length:
        tries |= {tail[:n] + char + tail[n:] for n in range(length) for char in ALPHABET}
    else:
        tries |= {tail[:n] + tail[n + 1 :] for n in range(length + 1)}
    for one in tries:
        if all(char in ALPHABET for char in one) and check_character(one[:-1]) == one[-1]:
            yield one


def spoken(reference: str) -> str:
    """Without separators, as bank apps want it: ``REG_7K2MPQ4`` → ``REG7K2MPQ4``."""
    return reference.replace("_", "").replace("-", "")


def wire_reference(reference: str, nth: int) -> str:
    """What the gateway is told: the payment's own reference for its first link, then ``-2``, ``-3`` …"""
    return reference if nth == 1 else f"{reference}-{nth}"
