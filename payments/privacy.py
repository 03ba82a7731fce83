"""Text from outside: what must never be kept, and what would break what keeps it.

Card numbers are refused where a person can type again and masked where a machine has spoken.
The rule: 13 to 19 digits, separators allowed, of an issuer's range, that pass the Luhn check, and are
no valid South African ID number (which has 13 digits and its own check).
"""

import re
import unicodedata
from collections.abc import Iterator

from stdnum import luhn
from stdnum.za import idnr

from payments.errors import InvalidInput

#: Digits with at most one separator between two of them. A longer gap ends a number.
_RUN = re.compile(r"(?<![0-9])[0-9](?:[ .\-_/,:*|]?[0-9]){12,18}(?![0-9])", re.ASCII)
#: Invisible, but letters of some scripts and some emoji are made with them.
_JOINERS = "\u200c\u200d"
_SECURITY_CODE = re.compile(
    r"\b(cvv2?|cvc2?|cid|csc|security code)\b(\W{0,4})[0-9]{3,4}\b", re.ASCII | re.IGNORECASE
)
#: The networks' published ranges (ISO/IEC 7812): Visa 4; Mastercard 51–55, 2221–2720; American Express 34, 37;
#: Diners 30, 36, 38; Discover and UnionPay 6; JCB 3528–3589; Maestro 50, 56–58, 6.
_ISSUER = re.compile(
    r"4|5[0-8]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|3[47]|3[068]|35(?:2[89]|[3-8])|6",
    re.ASCII,
)


def clean(text: str, *, field: str, longest: int = 200) -> str:
    """What a person typed, fit to keep: NFC, no control characters, no outer or doubled spaces.

    Raises InvalidInput for a card number or a text that is too long; never cuts.
    """
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").split("\n")
    plain = "\n".join(" ".join(line.split()) for line in lines)
    plain = "".join(char for char in plain if char == "\n" or _is_kept(char)).strip(" \n" + _JOINERS)
    if len(plain) > longest:
        raise InvalidInput(f"{field} is too long: {len(plain)} characters, and {longest} fit.")
    if has_card_number(plain):
        raise InvalidInput(f"{field} holds a card number. Take it out: card numbers are never kept here.")
    return plain


def _is_kept(char: str) -> bool:
    """Not a control, half a character, or one that only turns the direction of what follows."""
    return char in _JOINERS or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co", "Cn")


def has_card_number(text: str) -> bool:
    return any(True for _ in _card_spans(_fold(text)[0]))


def mask_card_numbers(text: str) -> str:
    """The text with every card number as ``****1111`` and a security code beside it dropped."""
    folded, places = _fold(text)
    spans = list(_card_spans(folded))
    if not spans:
        return text
    out, at = [], 0
    for start, end, last4 in spans:
        out += [text[at : places[start]], "****", last4]
        at = places[end - 1] + 1
    return _SECURITY_CODE.sub(r"\1\2***", "".join([*out, text[at:]]))


def mask_card_bytes(body: bytes) -> bytes:
    """The same for a body as received, whatever its encoding: bytes that are no text stay as they are."""
    text = body.decode("utf-8", "surrogateescape")
    return mask_card_numbers(text).encode("utf-8", "surrogateescape")


def fold(text: str) -> str:
    """For searching: case, accents and width aside (``Thandéka`` and ``thandeka`` are one)."""
    bare = (
        char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char)
    )
    return " ".join("".join(bare).split())


def _fold(text: str) -> tuple[str, list[int]]:
    """Digits of any script and width as ASCII, invisible characters gone; and where each came from."""
    out: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        if unicodedata.category(char) == "Cf":
            continue
        for plain in unicodedata.normalize("NFKC", char):
            digit = unicodedata.decimal(plain, None)
            out.append(str(digit) if digit is not None else _SEPARATORS.get(plain, plain))
            places.append(place)
    return "".join(out), places


#: Every space and dash that people put into a card number, as the plain one.
_SEPARATORS = {
    **dict.fromkeys(
        "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t\n\r",
        " ",
    ),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u00ad\ufe63\uff0d", "-"),
    "\u00b7": ".",
    "\u2022": ".",
}


def _card_spans(folded: str) -> Iterator[tuple[int, int, str]]:
    for match in _RUN.finditer(folded):
        digits = re.sub(r"[^0-9]", "", match[0])
        if _ISSUER.match(digits) and luhn.is_valid(digits) and not _is_id_number(digits):
            yield match.start(), match.end(), digits[-4:]


def _is_id_number(digits: str) -> bool:
    return len(digits) == 13 and idnr.is_valid(digits)
