"""How to reach a payer: an e-mail address, a phone number. Both in one spelling, so that they are found."""

import re
from dataclasses import dataclass

import phonenumbers

from payments.errors import InvalidInput, quoted
from payments.privacy import clean, clean_line

#: A South African number as it is kept: nothing is to be made of it, and taking numbers apart takes long.
_WRITTEN_OUT = re.compile(r"\+27[1-9][0-9]{8}")
#: A payer's name has one limit, wherever it is typed.
LONGEST_NAME = 120
_NAME = "The payer's name"
#: Room for a name, an e-mail address and a phone number, each as long as may be.
_LONGEST_LINE = 440
_EMAIL_IN_TEXT = re.compile(r"[^\s<>,;]+@[^\s<>,;]+\.[^\s<>,;]+")


@dataclass(frozen=True)
class Payer:
    """Who somebody is, as far as it was said."""

    name: str = ""
    email: str = ""
    phone: str = ""


def payer(text: str) -> Payer:
    """One line as it is typed at a door, ``Thandi M, 082 123 4567``, taken apart.

    The first e-mail address and the first whole phone number are taken as such; all else is the name, a
    nickname or a badge number. Who gave only an address or a number is called by it. Raises InvalidInput.
    """
    if len(text) > _LONGEST_LINE:  # whatever else is in it, its name is too long
        raise InvalidInput(f"{_NAME} is too long: {len(text)} characters, and {LONGEST_NAME} fit.")
    rest, email, phone = clean_line(text, field=_NAME, longest=2 * _LONGEST_LINE), "", ""
    if found := _EMAIL_IN_TEXT.search(rest):
        email, rest = email_address(found[0]), _without(rest, found.start(), found.end())
    for number in phonenumbers.PhoneNumberMatcher(rest, "ZA", max_tries=10):
        phone, rest = phone_number(number.raw_string), _without(rest, number.start, number.end)
        break
    return Payer(payer_name(rest) or email or phone, email, phone)


def payer_name(text: str) -> str:
    """A payer's name as it is kept, or "" for none. Raises InvalidInput."""
    return clean_line(text, field=_NAME, longest=LONGEST_NAME)


def _without(text: str, start: int, end: int) -> str:
    return " ".join(f"{text[:start]} {text[end:]}".split()).strip(" ,;<>()-")


def email_address(text: str) -> str:
    """An e-mail address in lower case, or "" for none."""
    plain = clean(text, field="The e-mail address", longest=254).lower()
    local, at, domain = plain.rpartition("@")
    good = local and at and "." in domain.strip(".") and not any(char.isspace() for char in plain)
    if plain and not (good and plain.count("@") == 1):
        raise InvalidInput(f"{quoted(plain)} is not an e-mail address. Write it like thandi@example.org.")
    return plain


def phone_number(text: str) -> str:
    """A phone number as ``+27821234567``, or "" for none. Without a country code it is South African."""
    plain = clean(text, field="The phone number", longest=40)
    if not plain or _WRITTEN_OUT.fullmatch(plain):
        return plain
    try:
        number = phonenumbers.parse(plain, "ZA")
    except phonenumbers.NumberParseException as error:
        raise InvalidInput(f"{quoted(plain)} is not a phone number. Write it like 082 123 4567.") from error
    if not phonenumbers.is_possible_number(number):
        raise InvalidInput(f"{quoted(plain)} has too few or too many digits for a phone number.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
