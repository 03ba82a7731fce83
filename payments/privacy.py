"""Text from outside: what must never be kept, and what would break what keeps it.

Card numbers are refused where a person can type again and masked where a machine has spoken.
The rule: 13 to 19 digits, separators allowed, of an issuer's range and length, that pass the Luhn check,
and are no valid South African ID number (which has 13 digits and its own check).
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from stdnum import luhn
from stdnum.za import idnr

from payments.errors import InvalidInput

#: Groups of digits with at most three characters between them that are neither letter nor digit.
_RUN = re.compile(r"[0-9]+(?:[\W_]{1,3}[0-9]+)*")
_GROUP = re.compile(r"[0-9]+")
#: Without a stretch like this there is no card number: room for the shortest one, and no letter in it.
_ROOM = re.compile(r"[0-9][0-9\W_]{12}", re.ASCII)
#: The networks' ranges (ISO/IEC 7812) with the lengths they issue. Without the lengths twice as many
#: numbers that are no card's would raise an alarm.
_ISSUERS = (
    (r"4", {13, 16, 19}),  # Visa
    (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", {16}),  # Mastercard
    (r"3[47]", {15}),  # American Express
    (r"30[0-5]|3[689]", {14, 16}),  # Diners Club
    (r"35(?:2[89]|[3-8])", {16, 17, 18, 19}),  # JCB
    (r"5[0678]|6[0-57]", {16, 17, 18, 19}),  # Maestro, Discover, UnionPay, RuPay
)
_SHORTEST, _LONGEST = 13, 19
_BEGINS = re.compile("|".join(issuer for issuer, _ in _ISSUERS))
#: Who issues numbers of this length: one look, since a file has a hundred thousand rows of digits.
_ISSUED = {
    length: re.compile("|".join(issuer for issuer, lengths in _ISSUERS if length in lengths))
    for length in range(_SHORTEST, _LONGEST + 1)
}
_NAMED_CODE = re.compile(r"(\b(?:cvv2?|cvc2?|cvn|cid|csc|security code)\b\W{0,6})\d{3,4}\b", re.IGNORECASE)
#: What is typed after a number: its expiry month and year, then the code.
_FOLLOWING_CODE = re.compile(r"\A(\W{1,3}(?:0[1-9]|1[0-2])\W{0,3}(?:20)?\d{2}\W{1,3})\d{3,4}\b")
_WITHOUT_CODE = r"\1***"
#: Letters that show nothing, which NFKC leaves in place.
_BLANK_LETTERS = "\u115f\u1160"
#: Invisible, but letters of some scripts and some emoji are made with them.
_JOINERS = "\u200c\u200d"


#: Words of visible ASCII with single spaces between them: nothing is to be cleaned, and looking takes long.
PLAIN = re.compile(r"[!-~]+(?: [!-~]+)*")
#: A reason explains something from so many characters on.
SHORTEST_REASON = 5


def clean(text: str, *, field: str, longest: int = 200) -> str:
    """What a person typed, fit to keep: NFC, no control characters, no outer or doubled spaces.

    Raises InvalidInput for a card number or a text that is too long; never cuts.
    """
    plain = text if PLAIN.fullmatch(text) else _plain(text)
    if len(plain) > longest:
        raise InvalidInput(f"{field} is too long: {len(plain)} characters, and {longest} fit.")
    if has_card_number(plain):
        raise InvalidInput(f"{field} holds a card number. Take it out: card numbers are never kept here.")
    return plain


def clean_line(text: str, *, field: str, longest: int = 200) -> str:
    """``clean``, as one line. Raises as it does."""
    return clean(text, field=field, longest=longest).replace("\n", " ")


def _plain(text: str) -> str:
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").split("\n")
    plain = "\n".join(" ".join(line.split()) for line in lines)
    return "".join(char for char in plain if char == "\n" or _is_kept(char)).strip(" \n" + _JOINERS)


def reason(why: str) -> str:
    """A reason that explains something to whoever reads it later. Raises InvalidInput."""
    why = clean(why, field="The reason", longest=500)
    if len(why) < SHORTEST_REASON:
        raise InvalidInput("Say why, in a few words, for whoever reads it later.")
    return why


def _is_kept(char: str) -> bool:
    """Not a control, half a character, or one that only turns the direction of what follows."""
    return char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn")


def has_card_number(text: str) -> bool:
    if text.isascii() and not _ROOM.search(text):  # nearly every text, and looking closer takes long
        return False
    return any(True for _ in _card_spans(_fold(text)[0]))


def mask_card_numbers(text: str) -> str:
    """The text with every card number as ``****1111`` and the security code beside it as ``***``."""
    if text.isascii() and not _ROOM.search(text):  # nearly every text, and looking closer takes long
        return text
    folded, places = _fold(text)
    masked = text
    for start, end, last4 in reversed(list(_card_spans(folded))):
        before, after = masked[: places[start]], masked[places[end - 1] + 1 :]
        masked = f"{before}****{last4}{_FOLLOWING_CODE.sub(_WITHOUT_CODE, after)}"
    return text if masked == text else _NAMED_CODE.sub(_WITHOUT_CODE, masked)


def mask_card_bytes(body: bytes) -> bytes:
    """The same for a body as received, whatever its encoding: bytes that are no text stay as they are."""
    text = body.decode("utf-8", "surrogateescape")
    return mask_card_numbers(text).encode("utf-8", "surrogateescape")


def fold(text: str) -> str:
    """For searching: case, accents and width aside (``Thandéka`` and ``thandeka`` are one).

    Taken apart before and after: a letter for mathematics is first a plain capital, and then a small one.
    """
    if text.isascii():
        return " ".join(text.lower().split())
    small = unicodedata.normalize("NFKD", text).casefold()
    bare = (char for char in unicodedata.normalize("NFKD", small) if not unicodedata.combining(char))
    return " ".join("".join(bare).split())


def _fold(text: str) -> tuple[str, Sequence[int]]:
    """Digits of any script and width as ASCII, what cannot be seen gone; and where each came from."""
    if text.isascii():
        return text, range(len(text))
    out: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        for plain in unicodedata.normalize("NFKC", char):
            if unicodedata.category(plain) in ("Cf", "Mn", "Me") or plain in _BLANK_LETTERS:
                continue
            digit = unicodedata.decimal(plain, None)
            out.append(plain if digit is None else str(digit))
            places.append(place)
    return "".join(out), places


def _card_spans(folded: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and last four digits of each card number. One begins and ends with a group of digits."""
    for run in _RUN.finditer(folded):
        if run.end() - run.start() < _SHORTEST:
            continue
        groups = list(_GROUP.finditer(folded, run.start(), run.end()))
        whole = "".join([group[0] for group in groups])
        first = at = 0
        while first < len(groups) and len(whole) - at >= _SHORTEST:
            count, digits = _card_in(groups[first:]) if _BEGINS.match(whole, at) else (0, "")
            if count:
                yield groups[first].start(), groups[first + count - 1].end(), digits[-4:]
            at += len(digits) if count else len(groups[first][0])
            first += count or 1


def _card_in(groups: list[re.Match[str]]) -> tuple[int, str]:
    """How many of the first groups make a card number, the most that do, and its digits; 0 for none."""
    digits, found = "", (0, "")
    for count, group in enumerate(groups, 1):
        digits += group[0]
        if len(digits) > _LONGEST or _is_id_number(group[0]):
            break
        if _is_card(digits):
            found = (count, digits)
    return found


def _is_card(digits: str) -> bool:
    issued = _ISSUED.get(len(digits))
    return (
        issued is not None
        and issued.match(digits) is not None
        and luhn.is_valid(digits)
        and not _is_id_number(digits)
    )


def _is_id_number(digits: str) -> bool:
    return len(digits) == 13 and idnr.is_valid(digits)
