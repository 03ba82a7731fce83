"""Rules as plain JSON: how they are kept and sent. What is not exactly a rule is refused, never guessed."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from db.money import CURRENCIES, Money
from payments.errors import InvalidInput, quoted
from payments.matching.evidence import Line
from payments.matching.rules import (
    Account,
    All,
    AnyOf,
    Between,
    Condition,
    Contains,
    Field,
    Matches,
    Sign,
)

#: Conditions within conditions, and how many in all: more no person reads.
DEEPEST, MOST = 3, 40


def condition_to_json(one: Condition) -> dict[str, Any]:
    match one:
        case Contains():
            return {"contains": one.text, "field": str(one.field)}
        case Matches():
            return {"matches": one.pattern, "field": str(one.field)}
        case Between():
            return {"from": one.least.minor, "to": one.most.minor, "currency": one.least.currency}
        case Sign():
            return {"money_in": one.money_in}
        case Account():
            return {"account": one.account}
        case All():
            return {"all": [condition_to_json(each) for each in one.conditions]}
        case AnyOf():
            return {"any": [condition_to_json(each) for each in one.conditions]}


def condition_from_json(told: Mapping[str, Any], depth: int = 0) -> Condition:
    """Raises ``InvalidInput``: it is no condition, lies too deep, or its expression cannot be used."""
    if depth > DEEPEST:
        raise InvalidInput("Conditions lie too deep within each other.")
    match told:
        case {"contains": str(text), "field": str(field)} if text.strip():
            return Contains(text, _field(field))
        case {"matches": str(pattern), "field": str(field)} if pattern.strip():
            return Matches(pattern, _field(field))
        case {"from": int(least), "to": int(most), "currency": str(currency)}:
            if not 0 <= least <= most or currency not in CURRENCIES:
                raise InvalidInput("An amount lies from one sum to another that is not smaller.")
            return Between(Money(least, currency), Money(most, currency))
        case {"money_in": bool(money_in)}:
            return Sign(money_in)
        case {"account": str(account)} if account:
            return Account(account)
        case {"all": list(some)} if some and len(some) <= MOST:
            return All(tuple(condition_from_json(each, depth + 1) for each in some))
        case {"any": list(some)} if some and len(some) <= MOST:
            return AnyOf(tuple(condition_from_json(each, depth + 1) for each in some))
    raise InvalidInput("This is no condition: give it a text, an expression, an amount, a way or an account.")


def _field(text: str) -> Field:
    try:
        return Field(text)
    except ValueError:
        raise InvalidInput(f"{quoted(text)} is no field of a line.") from None


def example_to_json(line: Line) -> dict[str, Any]:
    return {"text": line.description, "minor": line.amount.minor, "account": line.account}


def example_from_json(told: Mapping[str, Any]) -> Line:
    match told:
        case {"text": str(text), "minor": int(minor), "account": str(account)} if text.strip():
            return Line(0, date(2026, 1, 5), Money(minor), text, "", account)
    raise InvalidInput("An example is a text with an amount.")
