"""An amount as banks write it, exactly: text to whole minor units with its sign, or ``ValueError``.

Digits are ASCII. A comma before exactly three digits groups thousands; before one or two it is the decimal
sign. What could be read in two ways (``1.234``, ``12.505``, ``0,123``) or says two things about its sign
(``-500.00 Cr``) is no amount.
"""

import re
from typing import NamedTuple

from payments.errors import quoted

_ODD_SPACES_AND_DASHES = str.maketrans(
    {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2007": " ", "\u2212": "-"}
)
_CURRENCIES = {
    "R": "ZAR", "ZAR": "ZAR", "$": "USD", "US$": "USD", "USD": "USD",
    "€": "EUR", "EUR": "EUR", "£": "GBP", "GBP": "GBP",
}  # fmt: skip
#: Cr and Dr, and what they are in Afrikaans: krediet and debiet.
MARKS = {"CR": 1, "KT": 1, "DR": -1, "DT": -1}

#: Nothing but a sign, digits and a decimal point: nine amounts in ten.
_PLAIN = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,2}))?")
_WHOLE = {
    ".": r"[0-9]+|[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]{0,2}(?: [0-9]{3})+",
    ",": r"[0-9]+|[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[1-9][0-9]{0,2}(?: [0-9]{3})+",
}
_STYLES = {
    ".": rf"(?:{_WHOLE['.']})(?:\.[0-9]{{1,2}})?|\.[0-9]{{1,2}}",
    ",": rf"(?:{_WHOLE[',']})(?:,[0-9]{{1,2}})?|,[0-9]{{1,2}}",
    # Each amount by itself. One dot before three digits is missing on purpose: thousands, or decimals?
    None: (
        r"(?:[0-9]+|[1-9][0-9]{0,2}(?: [0-9]{3})+)(?:[.,][0-9]{1,2})?"
        r"|[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]{1,2})?"
        r"|[1-9][0-9]{0,2}(?:\.[0-9]{3})+,[0-9]{1,2}|[1-9][0-9]{0,2}(?:\.[0-9]{3}){2,}"
        r"|[.,][0-9]{1,2}"
    ),
}
_SYMBOL = r"ZAR|US\$|USD|EUR|GBP|R|\$|€|£"
_AMOUNTS = {
    decimal: re.compile(
        rf"(?P<bracket>\()?(?P<before>[-+])? ?(?P<symbol>{_SYMBOL})? ?(?P<inside>[-+])? ?"
        rf"(?P<number>{number})"
        rf"(?P<after>[-+])?(?: ?(?P<behind>ZAR|USD|EUR|GBP))?(?P<closed>\))?(?: ?(?P<mark>CR|DR|KT|DT))?",
        re.IGNORECASE,
    )
    for decimal, number in _STYLES.items()
}


class Amount(NamedTuple):
    """Signed minor units, and the currency if the text names one."""

    minor: int
    currency: str | None


def read(text: str, decimal: str | None = None) -> Amount:
    """Read one amount; ``decimal`` is ``"."`` or ``","`` when the file is known to use only that."""
    if decimal != "," and (simple := _PLAIN.fullmatch(text)):
        sign, whole, cents = simple.groups()
        minor = int(whole) * 100 + int((cents or "0").ljust(2, "0"))
        return Amount(-minor if sign else minor, None)
    match = _AMOUNTS[decimal].fullmatch(text.translate(_ODD_SPACES_AND_DASHES).strip())
    if not match:
        raise ValueError(f"{quoted(text)} is not an amount")
    symbols = {_CURRENCIES[found.upper()] for found in (match["symbol"], match["behind"]) if found}
    if len(symbols) > 1:
        raise ValueError(f"{quoted(text)} names two currencies")
    minor = _minor(match["number"], text)
    return Amount(minor * _sign(match, text), symbols.pop() if symbols else None)


def _minor(number: str, text: str) -> int:
    whole, cents = number, ""
    if (place := max(number.rfind("."), number.rfind(","))) >= 0 and len(number) - place <= 3:
        whole, cents = number[:place], number[place + 1 :]
    digits = re.sub(r"[ .,]", "", whole) or "0"
    if len(digits) > 12:
        raise ValueError(f"{quoted(text)} is too large")
    return int(digits) * 100 + int(cents.ljust(2, "0"))


def _sign(match: re.Match[str], text: str) -> int:
    if bool(match["bracket"]) != bool(match["closed"]):
        raise ValueError(f"{quoted(text)} has half a pair of brackets")
    said = [match[place] for place in ("before", "inside", "after") if match[place]]
    if match["bracket"]:
        said.append("-")
    if len(said) > 1:
        raise ValueError(f"{quoted(text)} has two signs")
    mark = MARKS[match["mark"].upper()] if match["mark"] else None
    if said and mark is not None and (said[0] == "-") != (mark < 0):
        raise ValueError(f"{quoted(text)} contradicts itself")
    if mark is not None:
        return mark
    return -1 if said == ["-"] else 1
