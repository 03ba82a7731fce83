"""What is odd about a proof of payment. Each finding is a reason to look, and none is proof of anything."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from db.money import Money
from payments.privacy import fold
from payments.proofs.pdf import Told


class Finding(StrEnum):
    ALREADY_USED = "already_used"  # the very same file, or picture, for another payment
    LOOKS_ALIKE = "looks_alike"
    REFERENCE_USED = "reference_used"  # another payment was claimed with this bank reference
    OTHER_AMOUNT = "other_amount"
    OTHER_DATE = "other_date"
    OTHER_BENEFICIARY = "other_beneficiary"
    EDITED = "edited"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Account:
    """Where the money should have gone."""

    holder: str
    number: str


#: Two pictures of one thing, packed anew or made smaller, differ in so many of 256 bits at most.
ALIKE = 6
#: A text shorter than this is a heading over a picture, and says nothing against anybody.
_A_TEXT = 60
_AMOUNT = re.compile(r"(?<![\d.,])\d{1,3}(?:[ \u00a0,.']?\d{3})*[.,]\d{2}(?![\d.,]*\d)")
_EDITORS = re.compile(
    r"photoshop|illustrator|acrobat pro|ilovepdf|smallpdf|sejda|pdfescape|canva|foxit phantom|nitro|pdf24|"
    r"pdffiller|dochub|inkscape|gimp|libreoffice|openoffice|microsoft.{0,12}word|wps",
    re.IGNORECASE,
)
_MONTHS = (
    "jan", "feb", "mar|mrt|maa", "apr", "may|mei", "jun", "jul", "aug", "sep", "oct|okt", "nov", "dec|des",
)  # fmt: skip
_ISO = re.compile(r"\b(20\d\d)([-/.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])\b")
_DAY_FIRST = re.compile(r"\b([0-3]?\d)[-/.]([01]?\d)[-/.](20\d\d)\b")
_NAMED = re.compile(r"\b([0-3]?\d)(?:st|nd|rd|th)?[ \-/.,]*([a-z]{3})[a-z]*[ \-/.,]*(20\d\d)\b")
_NAMED_FIRST = re.compile(r"\b([a-z]{3})[a-z]*[ .]*([0-3]?\d)(?:st|nd|rd|th)?[ ,]+(20\d\d)\b")
_MASKED = re.compile(r"[x*•]{2,}[ -]?(\d{3,5})\b")


def of_text(told: Told, amount: Money, paid_on: date, accounts: Sequence[Account]) -> Iterator[Finding]:
    """What a PDF's text and makers say against a claim. A text that names no amount says nothing of it."""
    if not told.readable:
        yield Finding.UNREADABLE
        return
    if told.changed_later or _EDITORS.search(told.programs):
        yield Finding.EDITED
    if len("".join(told.text.split())) < _A_TEXT:
        return
    amounts = amounts_in(told.text)
    if amounts and amount.minor not in amounts:
        yield Finding.OTHER_AMOUNT
    days = days_in(told.text)
    if days and paid_on not in days:
        yield Finding.OTHER_DATE
    if accounts and not any(_names(told.text, account) for account in accounts):
        yield Finding.OTHER_BENEFICIARY


def amounts_in(text: str) -> frozenset[int]:
    """Every amount with cents that a text names, in minor units, whichever signs it is written with."""
    return frozenset(int(re.sub(r"\D", "", found[0])) for found in _AMOUNT.finditer(text))


def days_in(text: str) -> frozenset[date]:
    """Every day that a text names. A day and a month of digits are read day first, as they are here."""
    plain = fold(text)
    named = [(y, _month(m), d) for d, m, y in _NAMED.findall(plain)]
    named += [(y, _month(m), d) for m, d, y in _NAMED_FIRST.findall(plain)]
    iso = [(y, int(m), d) for y, _, m, d in _ISO.findall(plain)]
    first = [(y, int(m), d) for d, m, y in _DAY_FIRST.findall(plain)]
    return frozenset(day for y, m, d in (*named, *iso, *first) if (day := _day(int(y), m, int(d))))


def _names(text: str, account: Account) -> bool:
    """Its number, as it is or masked but for its end, or all words of its holder."""
    plain = fold(text)
    digits = re.sub(r"(?<=\d)[ -](?=\d)", "", plain)
    if account.number in digits:
        return True
    if any(account.number.endswith(end) for end in _MASKED.findall(plain)):
        return True
    words = [word for word in re.findall(r"\w+", fold(account.holder)) if len(word) > 2]
    return bool(words) and all(re.search(rf"\b{re.escape(word)}", plain) for word in words)


def _month(name: str) -> int:
    return next((nth for nth, names in enumerate(_MONTHS, 1) if name in names.split("|")), 0)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
