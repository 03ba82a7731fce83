"""How alike a bank's text and a person's name are, in hundredths. Boilerplate weighs nothing."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

from rapidfuzz.distance import JaroWinkler

#: Words that say nothing of who paid: company forms, bank boilerplate, what everybody pays for.
STOP_WORDS = frozenset(
    """
    PTY LTD CC NPC NPO INC BK EDMS BPK PLC LLC SOC TRUST HOLDINGS GROUP SA RSA PAYMENT PAYMENTS PAID PAY
    PMT PYMT PAYER FROM TO BY THE AND FOR OF VIA ON EFT CREDIT CR DEBIT DEP DEPOSIT TRANSFER TRF TFR
    TRANSACTION INTERNET ONLINE BANKING IB IBANK IMMEDIATE RTC RTGS PAYSHAP REALTIME REAL TIME MAGTAPE
    ACB CAPITEC FNB ABSA NEDBANK STANDARD BANK INVESTEC TYMEBANK DISCOVERY APP APPLICATION MOBILE
    CELLPHONE REF REFERENCE INV INVOICE ACC ACCOUNT NO NR NUMBER SWIFT INWARD FOREX OUR YOUR CONFERENCE
    CONF EVENT REGISTRATION REG REGFEE FEE FEES TICKET TICKETS WORKSHOP GALA DINNER BANQUET SUMMIT EXPO
    DELEGATE STUDENT MEMBER BETALING INBETALING INTALA DEMO DIGITAL CLEARING UNPAID RETURNED REVERSAL
    REVERSED RD FUNDS CASH KONTANT CARD SETTLEMENT BATCH
    """.split()  # noqa: SIM905 - a hundred words read better as words
)
TITLES = frozenset(("MR", "MRS", "MS", "MISS", "DR", "PROF", "REV", "MNR", "MEV", "ADV"))
#: Parts of surnames that many share.
_PARTICLES = frozenset(("VAN", "DER", "DEN", "DE", "DU", "LE", "LA", "VON", "TER"))
_SAYING_NOTHING = STOP_WORDS | TITLES | _PARTICLES
#: What stands behind a first word of plain letters.
_BEHIND = (" ", "-", ".")
_WORD = re.compile(r"[A-Z0-9]+")
_ALIKE = 93  # from here two spellings are one word: MOKOENA and MOKEONA, not MOLEFE and MOLOI
_LEAST_CUT = 4


@dataclass(frozen=True, slots=True)
class Likeness:
    """``score`` 100: first name and surname; 85: initial and surname; 60: surname alone; 25: at odds."""

    score: int
    words: frozenset[str]  # of the text, that it rests on


NOTHING = Likeness(0, frozenset())


def plain(text: str) -> str:
    """Capital letters without accents: ``Thandéka O'Connor`` → ``THANDEKA OCONNOR``."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return text.upper().replace("'", "")


def words(text: str) -> list[str]:
    """The words of a text that may be of a name, in order."""
    return [word for word in _WORD.findall(plain(text)) if word not in _SAYING_NOTHING and word.isalpha()]


def surname(name: str) -> str:
    """What a book files a payer under; "" when the name has no word that tells."""
    found = words(name)
    return found[-1] if found else ""


def initial(name: str) -> str:
    """The first letter of a first name, as a book files payers (``db.filed``); "" when it takes a closer look
    to tell which word that is: behind a word that says nothing, with an accent, of a name of one word."""
    plainly = name.lower()
    behind = plainly.lstrip(ascii_lowercase)
    first = plainly[: len(plainly) - len(behind)]
    return first[:1].upper() if behind[:1] in _BEHIND and first.upper() not in _SAYING_NOTHING else ""


def initials_beside(surname: str, text: Sequence[str]) -> frozenset[str]:
    """What the first name of whoever has this surname begins with, in the words of a text; nothing when the
    text tells no first name, so that ``likeness`` rests on the surname alone."""
    others = [word for word in text if word != surname]
    if _another_first_name(text, surname) or any(len(word) <= 2 for word in others):
        return frozenset(word[0] for word in others)
    return frozenset()


def likeness(text: Sequence[str], name: Sequence[str]) -> Likeness:
    """Of ``words()`` of a text and of a name."""
    if not text or not name:
        return NOTHING
    last = _best(name[-1], text)
    rest = [word for word in text if word != last]
    if not last:
        first = _best(name[0], text) if len(name) > 1 else ""
        return Likeness(30, frozenset((first,))) if first else NOTHING
    if len(name) == 1:
        return Likeness(100, frozenset((last,)))
    first = _best(name[0], rest)
    if first:
        return Likeness(100 if (first, last) == (name[0], name[-1]) else 93, frozenset((first, last)))
    initials = [word for word in rest if len(word) <= 2]
    fitting = [word for word in initials if word[0] == name[0][0]]
    if fitting:
        return Likeness(85, frozenset((fitting[0], last)))
    if initials or _another_first_name(text, last):
        return Likeness(25, frozenset((last,)))
    return Likeness(60, frozenset((last,)))


def _another_first_name(text: Sequence[str], last: str) -> bool:
    """A longer word stands right before the surname: somebody else's first name."""
    place = text.index(last)
    return place > 0 and len(text[place - 1]) > 2


def _best(wanted: str, text: Sequence[str]) -> str:
    """The word of a text that is this one, perhaps mistyped, or cut where the text ends."""
    if wanted in text:
        return wanted
    if len(wanted) < _LEAST_CUT:
        return ""
    last = text[-1] if text else ""
    if _LEAST_CUT <= len(last) < len(wanted) and wanted.startswith(last):
        return last
    for word in text:
        if (
            abs(len(word) - len(wanted)) <= 1
            and word[0] == wanted[0]
            and 100 * JaroWinkler.normalized_similarity(word, wanted) >= _ALIKE
        ):
            return word
    return ""
