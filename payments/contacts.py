"""How to reach a payer: an e-mail address, a phone number. Both in one spelling, so that they are found."""

import phonenumbers

from payments.errors import InvalidInput
from payments.privacy import clean


def email_address(text: str) -> str:
    """An e-mail address in lower case, or "" for none."""
    plain = clean(text, field="The e-mail address", longest=254).lower()
    local, at, domain = plain.rpartition("@")
    good = local and at and "." in domain.strip(".") and not any(char.isspace() for char in plain)
    if plain and not (good and plain.count("@") == 1):
        raise InvalidInput(f"{plain!r} is not an e-mail address. Write it like thandi@example.org.")
    return plain


def phone_number(text: str) -> str:
    """A phone number as ``+27821234567``, or "" for none. Without a country code it is South African."""
    plain = clean(text, field="The phone number", longest=40)
    if not plain:
        return ""
    try:
        number = phonenumbers.parse(plain, "ZA")
    except phonenumbers.NumberParseException as error:
        raise InvalidInput(f"{plain!r} is not a phone number. Write it like 082 123 4567.") from error
    if not phonenumbers.is_possible_number(number):
        raise InvalidInput(f"{plain!r} has too few or too many digits for a phone number.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
