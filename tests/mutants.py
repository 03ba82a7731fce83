"""Bodies that were once messages: bytes flipped, cut, doubled and crossed, values replaced by hostile ones.

All of them come from one integer. What ever broke something is a file of ``corpus/``, and a parent here.
"""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.hook import event
from tests.hostile import NAMES

CORPUS = Path(__file__).parent / "corpus"
SAMPLES = Path(__file__).parent / "vectors" / "samples"
_VALUES: list[Any] = [
    None, True, -1, 0, 2**63, 10**400, 1e400, float("nan"), [], {}, [[[[[[[[[]]]]]]]]], {"a": {"b": 1}},
    "", " ", "\0", "\ud800", "\u202e", "a" * 300, "SUCCESS", "FAILURE", "success", "ＳＵＣＣＥＳＳ", "00",
    "4111 1111 1111 1111", "../../etc/passwd", *NAMES,
]  # fmt: skip
_KEYS = [
    "paylinkID",
    "status",
    "externalTransactionID",
    "responseCode",
    "text",
    "amount",
    "PaylinkID",
    "\0",
    "é",
]
_PIECES = [
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"{",
    b"}",
    b"[",
    b'"',
    b"\\ud800",
    b"NaN",
    b",",
    b"//",
]


def parents(link: str) -> list[bytes]:
    """Genuine messages about a link, the documented samples, and what broke something before."""
    ours = [
        event(link),
        event(link, word="FAILURE"),
        event(link, externalTransactionID="DEMO_X", text="Payment", responseCode="99"),
    ]
    return ours + [
        path.read_bytes() for folder in (SAMPLES, CORPUS) for path in sorted(folder.glob("*.json*"))
    ]


def mutants(seed: int, count: int, link: str) -> Iterator[bytes]:
    """So many, no two alike, none larger than the door takes."""
    dice, known, seen = random.Random(seed), parents(link), set[bytes]()
    while len(seen) < count:
        body = dice.choice(known)
        for _ in range(dice.choice((1, 1, 1, 2, 4))):
            body = dice.choice(_WAYS)(body, dice, known)
        if body not in seen and len(body) <= 64 * 1024:
            seen.add(body)
            yield body


def _flip(body: bytes, dice: random.Random, _: list[bytes]) -> bytes:
    if not body:
        return body
    place = dice.randrange(len(body))
    return body[:place] + bytes([body[place] ^ 1 << dice.randrange(8)]) + body[place + 1 :]


def _cut(body: bytes, dice: random.Random, _: list[bytes]) -> bytes:
    first, last = sorted(dice.randrange(len(body) + 1) for _ in range(2))
    return dice.choice((body[:first], body[first:], body[:first] + body[last:]))


def _insert(body: bytes, dice: random.Random, _: list[bytes]) -> bytes:
    place = dice.randrange(len(body) + 1)
    return body[:place] + dice.choice(_PIECES) * dice.choice((1, 1, 1, 40)) + body[place:]


def _cross(body: bytes, dice: random.Random, known: list[bytes]) -> bytes:
    other = dice.choice(known)
    return body[: dice.randrange(len(body) + 1)] + other[dice.randrange(len(other) + 1) :]


def _replace(body: bytes, dice: random.Random, _: list[bytes]) -> bytes:
    """A value of it is another one; what is no object stays as it is."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body
    if not isinstance(value, dict):
        return body
    value[dice.choice([*value, *_KEYS])] = dice.choice(_VALUES)
    # Half of the texts of JSON are escaped, half as they are; half a character can only be escaped.
    plain = json.dumps(value, ensure_ascii=False, separators=dice.choice(((",", ":"), (", ", ": "))))
    try:
        return plain.encode() if dice.random() < 0.5 else json.dumps(value).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def _twice(body: bytes, dice: random.Random, _: list[bytes]) -> bytes:
    return body + dice.choice((b"", b"\n", b" ")) + body


_WAYS: list[Callable[[bytes, random.Random, list[bytes]], bytes]] = [
    _flip, _cut, _insert, _cross, _replace, _replace, _replace, _twice,
]  # fmt: skip
