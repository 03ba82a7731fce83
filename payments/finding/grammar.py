"""A filter as people write it, and back::

    event:devconf status:pending >1000 paid:last-week method:cash -status:waived "van der Merwe"

Words are looked for, ``word:value`` is a condition, ``a,b`` is either of two, a minus takes away, quotation
marks keep words together. Whatever cannot be read is said: nothing of a question is ever left out.
``read(write(filter), today) == filter`` for every filter.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from db.money import CURRENCIES, Money
from payments.errors import InvalidInput, briefly
from payments.finding import when
from payments.finding.conditions import DAYS, NO_EVENT, ORIGINS, TAKEN, Filter
from payments.lifecycle import CLOSED, SETTLED, Method, Status
from payments.live.stages import NO_CODE, NO_LINK, NOT_MADE, UNREACHABLE, Stage
from payments.privacy import clean
from payments.selling.exchange import FOREIGN

LONGEST = 1_000
_AS_WORDS = "To look for it as words, put it in quotation marks."
#: Words for several statuses at once, beside each status's own.
GROUPS: Mapping[str, tuple[Status, ...]] = {
    "pending": (Status.CREATED, Status.OPEN, Status.CLAIMED, Status.PART_PAID),
    "closed": tuple(status for status in Status if status in CLOSED),
    "returned": tuple(status for status in Status if status in SETTLED - {Status.PAID}),
}
#: Why a payment failed, as people say it. Two digits are the card networks' own codes.
FAILURES: Mapping[str, str] = {
    "no-link": NO_LINK,
    "unreachable": UNREACHABLE,
    "not-made": NOT_MADE,
    "no-reason": NO_CODE,
    "declined": "05",
    "wrong-number": "14",
    "no-funds": "51",
    "expired-card": "54",
    "wrong-pin": "55",
    "over-limit": "61",
    "bank-away": "91",
}
_FAILURE_WORDS = {code: word for word, code in FAILURES.items()}
#: Before any other code of the gateway.
_CODE = "code-"
_NEEDS: Mapping[str, str] = {
    "attention": "attention",
    "review": "review_only",
    "answer": "outcome_unknown",
    "mail": "mail_failed",
}
#: In place of an event's code: those that have none.
NONE = "none"
#: Money came, whichever way.
_ANY = "any"
_FLAGS = {field: word for word, field in _NEEDS.items()}
_SIGN = re.compile(r"(?P<sign>[<>]=?|=)(?P<amount>.*)")
_TOKEN = re.compile(
    r"""(?P<minus>-(?=[^\s-]))?
        (?:(?P<key>as-of|[A-Za-z][A-Za-z_]*):(?=\S))?
        (?P<value>
            "[^"]*"(?=\s|$)
          | [<>]=?\s*[$€£]?[A-Za-z]{0,3}\ ?[0-9]{1,3}(?:\ [0-9]{3})+(?:[.,][0-9]{2})?(?=\s|$)
          | \S+
        )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class _Token:
    minus: bool
    key: str | None
    value: str
    quoted: bool


def read(text: str, today: date) -> Filter:
    """The filter somebody wrote; ``today`` is the business day that *yesterday* is before.

    Raises InvalidInput, with what is meant instead, for anything that cannot be read.
    """
    plain = clean(text, field="The search", longest=LONGEST).replace("\n", " ")
    found: dict[str, Any] = {}
    words: list[str] = []
    for token in _tokens(plain):
        if token.key is None and not token.quoted and (sign := _SIGN.fullmatch(token.value)):
            _refuse_minus(token, "an amount")
            _put_amount(found, sign["sign"], sign["amount"])
        elif token.key is not None:
            _put(found, token, today)
        elif token.minus:
            found["without"] = (*found.get("without", ()), token.value)
        else:
            words.append(f'"{token.value}"' if token.quoted else token.value)
    return Filter(text=" ".join(words), **found)


def write(wanted: Filter) -> str:
    """The one way a filter is written."""
    return " ".join(_parts(wanted))


# -- reading ----------------------------------------------------------------------------------------


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        value = match["value"]
        quoted = len(value) > 1 and value[0] == value[-1] == '"'
        if value.startswith('"') and not quoted:
            raise InvalidInput("A quotation mark is not closed. Put one at the end of the words as well.")
        empty = quoted and not value[1:-1].strip()
        _refuse_bare(f"{match['key']}:" if empty or not value.strip(",") else value)
        if empty and not match["key"]:
            continue
        yield _Token(
            bool(match["minus"]),
            match["key"],
            " ".join(value.strip('"').split()) if quoted else value,
            quoted,
        )


def _refuse_bare(word: str) -> None:
    if _is_bare(word):
        raise InvalidInput(
            f"Nothing stands behind “{word}”. Write what it shall be right behind it, like "
            f"{word}{_LIKE[_key(word[:-1])]}. {_AS_WORDS}"
        )


def _is_bare(word: str) -> bool:
    """It would be a condition, had it anything behind it."""
    return word.endswith(":") and _key(word[:-1]) in KEYS


def _key(name: str) -> str:
    return _ALIASES.get(name.lower(), name.lower())


def _refuse_minus(token: _Token, what: str) -> None:
    if token.minus:
        raise InvalidInput(f"A minus cannot stand before {what}. Write the other bound instead.")


def _meant(word: str, known: Iterable[str], behind: str = "") -> str:
    spelt = {one.lower(): one for one in known}
    near = get_close_matches(word.lower(), spelt, 1)
    return f"Did you mean “{spelt[near[0]]}{behind}”? " if near else ""


def _no_such(told: str, word: str, known: Iterable[str], more: str = "") -> InvalidInput:
    """``told``: what the word is not."""
    some = list(known)
    listed = f"{', '.join(some)} and {more}" if more else _listed(some)
    return InvalidInput(f"{told} {_meant(word, some)}There are {listed}. {_AS_WORDS}")


def _put(found: dict[str, Any], token: _Token, today: date) -> None:
    key = _key(token.key or "")
    values = [token.value] if token.quoted else [part for part in token.value.split(",") if part]
    if key in _SEVERAL:
        field, reading = _SEVERAL[key]
        name = f"not_{field}" if token.minus else field
        more = (one for part in values for one in reading(part.strip('"')))
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), *more)))
        return
    if key not in _SINGLE:
        raise InvalidInput(
            f"“{briefly(token.key or '')}:” is not something to filter by. {_meant(key, KEYS, ':')}"
            f"Known are {_listed(KEYS)}. {_AS_WORDS}"
        )
    _refuse_minus(token, f"{key}:")
    _SINGLE[key](found, key, token.value, today)


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}"


def _statuses(word: str) -> tuple[Status, ...]:
    plain = word.lower().replace("-", "_")
    if plain in GROUPS:
        return GROUPS[plain]
    return (_one_of(Status, plain, word, "status", GROUPS),)


def _methods(word: str) -> tuple[Method, ...]:
    return (_one_of(Method, word.lower().replace("-", "_"), word, "method"),)


def _stages(word: str) -> tuple[Stage, ...]:
    return (_one_of(Stage, word.lower(), word, "stage"),)


def _failures(word: str) -> tuple[str, ...]:
    """A word, or a code of the gateway: one that has a digit needs no ``code-`` before it."""
    plain = word.lower().replace("_", "-")
    if plain in FAILURES:
        return (FAILURES[plain],)
    if not plain.startswith(_CODE) and not any(map(str.isdigit, word)):
        raise _no_such(f"“{briefly(word)}” is no failure.", plain, FAILURES, "the gateway's codes")
    return (word[len(_CODE) :] if plain.startswith(_CODE) else word,)


def _origins(word: str) -> tuple[str, ...]:
    if word.lower() not in ORIGINS:
        raise _no_such(f"“{briefly(word)}” is no origin.", word, ORIGINS)
    return (word.lower(),)


def _quoted(word: str) -> tuple[str, ...]:
    if word.lower() == _ANY:
        return FOREIGN
    if word.upper() not in FOREIGN:
        raise _no_such(f"“{briefly(word)}” is nothing to quote in.", word, (*FOREIGN, _ANY))
    return (word.upper(),)


def _one_of(enum: type[Any], plain: str, word: str, key: str, more: Iterable[str] = ()) -> Any:
    try:
        return enum(plain)
    except ValueError as error:
        known = [*more, *(str(one) for one in enum)]
        raise _no_such(f"“{briefly(word)}” is no {key}.", plain, known) from error


def _as_is(word: str) -> tuple[str, ...]:
    return (word,)


def _events(word: str) -> tuple[str, ...]:
    return (NO_EVENT if word.lower() == NONE else word,)


def _once(found: dict[str, Any], name: str, value: Any) -> None:
    if found.setdefault(name, value) != value:
        raise InvalidInput(f"Two different values are given for {name.replace('_', ' ')}. Leave one out.")


def _put_need(found: dict[str, Any], key: str, value: str, today: date) -> None:
    for word in value.lower().split(","):
        if word not in _NEEDS:
            raise _no_such(f"“needs:{briefly(word)}” is not known.", word, _NEEDS)
        found[_NEEDS[word]] = True


def _put_mode(found: dict[str, Any], key: str, value: str, today: date) -> None:
    if value.lower() not in ("demo", "live"):
        raise _no_such(f"“{briefly(value)}” is no mode.", value, ("demo", "live"))
    _once(found, "mode", value.lower())


def _put_taken(found: dict[str, Any], key: str, value: str, today: date) -> None:
    asked = value.lower().replace("-", "_").split(",")
    if unknown := [word for word in asked if word not in (*TAKEN, _ANY)]:
        raise _no_such(f"“taken:{briefly(unknown[0])}” is not known.", unknown[0], (*TAKEN, _ANY))
    _once(found, key, TAKEN if _ANY in asked else tuple(dict.fromkeys(asked)))


def _put_span(found: dict[str, Any], key: str, value: str, today: date) -> None:
    _once(found, key, when.read_span(value.strip('"').lower(), key, today))


def _put_as_of(found: dict[str, Any], key: str, value: str, today: date) -> None:
    _once(found, "as_of", when.read_moment(value, today))


def _put_between(found: dict[str, Any], key: str, value: str, today: date) -> None:
    least, dots, most = value.partition("..")
    if not dots:
        _put_amount(found, "=", value)
        return
    if least:
        _put_amount(found, ">=", least)
    if most:
        _put_amount(found, "<=", most)


def _put_amount(found: dict[str, Any], sign: str, text: str) -> None:
    bound = amount(text)
    if sign in ("=", ">=", ">"):
        _once(found, "amount_from", Money(bound.minor + (sign == ">"), bound.currency))
    if sign in ("=", "<=", "<"):
        _once(found, "amount_to", Money(bound.minor - (sign == "<"), bound.currency))


_SYMBOLS = {"$": "USD", "€": "EUR", "£": "GBP"}


def amount(text: str) -> Money:
    """``1500``, ``R1 500.00``, ``USD 20`` or ``$20``. Raises InvalidInput."""
    plain = text.strip().strip('"').upper()
    currency = "ZAR"
    for sign, code in [*_SYMBOLS.items(), *((code, code) for code in CURRENCIES)]:
        if plain.startswith(sign):
            currency, plain = code, plain.removeprefix(sign).strip()
            break
    try:
        return Money.parse(plain, currency)
    except ValueError as error:
        told = f"“{briefly(text)}” is not an amount. Write it like 150 or 1500.00. {_AS_WORDS}"
        raise InvalidInput(told) from error


_SEVERAL: Mapping[str, tuple[str, Callable[[str], tuple[Any, ...]]]] = {
    "status": ("statuses", _statuses),
    "method": ("methods", _methods),
    "event": ("events", _events),
    "category": ("categories", _as_is),
    "by": ("organisers", _as_is),
    "stage": ("stages", _stages),
    "failure": ("failures", _failures),
    "origin": ("origins", _origins),
    "quoted": ("quoted", _quoted),
}
_SINGLE: Mapping[str, Callable[[dict[str, Any], str, str, date], None]] = {
    "amount": _put_between,
    **dict.fromkeys(DAYS, _put_span),
    "taken": _put_taken,
    "needs": _put_need,
    "mode": _put_mode,
    "as-of": _put_as_of,
}
_ALIASES = {"organiser": "by", "organizer": "by", "is": "needs", "price": "category"}
#: What a condition can be about.
KEYS = (*_SEVERAL, *_SINGLE)
#: What may stand behind each, to be shown.
_LIKE: Mapping[str, str] = {
    "status": "paid",
    "method": "cash",
    "event": "devconf",
    "category": "student",
    "by": "aisha",
    "stage": "opened",
    "failure": "declined",
    "origin": "api",
    "quoted": "eur",
    "amount": "150",
    **dict.fromkeys(DAYS, "yesterday"),
    "taken": "cash",
    "needs": "attention",
    "mode": "live",
    "as-of": "yesterday",
}

# -- writing ----------------------------------------------------------------------------------------


def _parts(wanted: Filter) -> Iterator[str]:
    yield from _text(wanted.text)
    yield from (f'-"{word}"' if word.startswith("-") else f"-{_word(word)}" for word in wanted.without)
    for minus in ("", "-"):
        for key, (field, _) in _SEVERAL.items():
            values = getattr(wanted, f"{'not_' if minus else ''}{field}")
            yield from (f"{minus}{key}:{written}" for written in _values(key, values))
    yield from _amounts(wanted.amount_from, wanted.amount_to)
    for name in DAYS:
        if (span := getattr(wanted, name)) is not None:
            yield f"{name}:{when.span_words(span)}"
    if wanted.taken:
        yield f"taken:{_ANY if wanted.taken == TAKEN else ','.join(wanted.taken)}"
    needs = [_FLAGS[field.name] for field in fields(Filter) if field.name in _FLAGS]
    if needs := [word for word in needs if getattr(wanted, _NEEDS[word])]:
        yield f"needs:{','.join(needs)}"
    if wanted.mode:
        yield f"mode:{wanted.mode}"
    if wanted.as_of:
        yield f"as-of:{when.moment_words(wanted.as_of)}"


def _text(text: str) -> Iterator[str]:
    """The words as they stand; what would be read as a condition is put in quotation marks."""
    for quoted, word in re.findall(r'"([^"]+)"|(\S+)', text):
        yield _word(quoted) if quoted and not word else _word(word)


def _word(word: str) -> str:
    plain = word.strip('"')
    alone = list(_TOKEN.finditer(plain))
    same = len(alone) == 1 and alone[0]["value"] == plain and not _SIGN.fullmatch(plain)
    same = same and not _is_bare(plain)
    return plain if same and " " not in plain else f'"{plain}"'


def _values(key: str, values: tuple[Any, ...]) -> list[str]:
    """Plain ones together, those with spaces or commas one by one; a group by its name."""
    if not values:
        return []
    for name, group in GROUPS.items():
        if key == "status" and values == group:
            return [name]
    words = [value.value if isinstance(value, StrEnum) else value for value in values]
    if key == "event":
        words = [NONE if word == NO_EVENT else word for word in words]
    if key == "failure":
        words = [_FAILURE_WORDS.get(word, f"{_CODE}{word}") for word in words]
    if all(re.fullmatch(r"[^\s,\"]+", word) for word in words):
        return [",".join(words)]
    return [f'"{word}"' for word in words]


def _amounts(least: Money | None, most: Money | None) -> Iterator[str]:
    if least is not None and least == most:
        yield f"={amount_words(least)}"
        return
    if least is not None and least.minor % 100 == 1:  # nobody means a cent
        yield f">{amount_words(Money(least.minor - 1, least.currency))}"
    elif least is not None:
        yield f">={amount_words(least)}"
    if most is not None:
        yield f"<={amount_words(most)}"


def amount_words(money: Money) -> str:
    """As ``amount`` reads it."""
    plain = money.decimal.removesuffix(".00")
    return plain if money.currency == "ZAR" else f"{money.currency}{plain}"
