"""Lines of cells as the database makes them, guarded: quickly, since nearly no cell needs it.

A line is ``"cell"<BETWEEN>"cell"``, quotes doubled. Thousands of lines are looked through as one piece of
bytes; only a line in which a formula could start, by the coarsest look, is taken apart and passes ``guard``.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from payments.exports.cells import SEPARATORS, guard

#: Stands between the fields of a line until it is looked through; ``privacy.clean`` keeps it out of texts.
BETWEEN = "\x02"
#: Stands before a phone number, which is text and begins with ``+``, in place of the guard's apostrophe.
PHONE = "\x01"

#: What may come before the start of a formula, what may be one, and what may be either, as one byte each.
_BEFORE, _START, _EITHER = b"bse"
_PAIR = bytes((_BEFORE, _START))
_BEFORES, _STARTS = (bytes((_BEFORE,)), bytes((_EITHER,))), (bytes((_START,)), bytes((_EITHER,)))


def _classes() -> bytes:
    """For each byte what it is here: ``.`` for most. The first bytes of what is wide or unseen are starts."""
    found = bytearray(b"." * 256)
    for byte in f"{SEPARATORS} '".encode():
        found[byte] = _BEFORE
    for byte in b"=+-@%" + bytes({char.encode()[0] for char in "\u00a0\u3000\ufeff\u200b\u2212＝｜"}):
        found[byte] = _START
    for byte in b"|\t\n":
        found[byte] = _EITHER
    return bytes(found)


_CLASSES = _classes()


def guarded(lines: Sequence[bytes], texts: Sequence[bool], separator: bytes) -> bytes:
    """The lines as they stand in a file, CRLF at each end. ``texts`` says which cells come from outside.

    Raises ValueError for a line that cannot be taken apart.
    """
    checked = list(lines)
    for nth in _suspects(lines):
        checked[nth] = _guarded_line(lines[nth], texts)
    whole = b"\r\n".join(checked) + b"\r\n"
    return whole.replace(PHONE.encode(), b"'").replace(BETWEEN.encode(), separator)


def _suspects(lines: Sequence[bytes]) -> set[int]:
    """Which lines may need a guard: all that do, and some others."""
    whole = b"".join(lines)
    found = (
        {nth for nth, line in enumerate(lines) if b"\r" in line or b"\0" in line} if _is_odd(whole) else set()
    )
    ends = list(accumulate(map(len, lines)))
    classes = whole.translate(_CLASSES)
    for look in (_pair, _either):
        place = look(classes, 0)
        while place >= 0:
            nth = bisect_right(ends, place)
            found.add(nth)
            place = look(classes, ends[nth])
    return found


def _pair(classes: bytes, start: int) -> int:
    """Where the next start of a formula follows what may come before one; -1 where none does."""
    return classes.find(_PAIR, start)


def _either(classes: bytes, start: int) -> int:
    """Where the next byte that may be both stands beside its other half. There are few of them, and so a look
    at each takes far less than looking through all for three pairs more."""
    place = classes.find(_EITHER, start)
    while place >= 0:
        before, after = classes[place - 1 : place], classes[place + 1 : place + 2]
        if before in _BEFORES or after in _STARTS:
            return place
        place = classes.find(_EITHER, place + 1)
    return -1


def _is_odd(whole: bytes) -> bool:
    return b"\r" in whole or b"\0" in whole


def _guarded_line(line: bytes, texts: Sequence[bool]) -> bytes:
    cells = line.decode()[1:-1].split(f'"{BETWEEN}"')
    if len(cells) != len(texts):
        raise ValueError("a text holds a control character, and its line cannot be read")
    made = (_guarded_cell(cell) if text else cell for cell, text in zip(cells, texts, strict=True))
    between = f'"{BETWEEN}"'
    return f'"{between.join(made)}"'.encode()


def _guarded_cell(cell: str) -> str:
    return guard(cell.removeprefix(PHONE).replace('""', '"')).replace('"', '""')
