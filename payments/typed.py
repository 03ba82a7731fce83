"""What people type, as what it means."""

from db.money import Money
from payments.errors import InvalidInput


def amount_typed(text: str, currency: str = "ZAR") -> Money:
    """An amount as a person types it. Raises InvalidInput."""
    try:
        return Money.parse(text, currency)
    except ValueError as error:
        raise InvalidInput(f"{error}.") from error
