"""The one JSON parser that bytes from outside may reach: strict, and bounded in every direction."""

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from payments.errors import InvalidInput

DEEPEST = 8
MOST_KEYS = 32
LONGEST_TEXT = 256
LONGEST_NUMBER = 24
_UNSAFE = re.compile("[\0\ud800-\udfff]")


def loads(body: bytes, *, longest_text: int = LONGEST_TEXT) -> Any:
    """The value in a UTF-8 body. Numbers with a fraction or exponent come as ``Decimal``, never as float.

    Raises InvalidInput for anything two readers could take differently (a key given twice, NaN, a byte
    order mark, NUL, a lone surrogate) and for what is too deep, too wide or too long.
    """
    try:
        value = _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InvalidInput("The body is not UTF-8.") from error
    except json.JSONDecodeError as error:
        raise InvalidInput(f"The body is not JSON: {error.msg} at {error.pos}.") from error
    except RecursionError as error:
        raise InvalidInput(f"The body is nested deeper than {DEEPEST} levels.") from error
    _check(value, longest_text)
    return value


def dumps(value: Any) -> str:
    """The text JavaScript's ``JSON.stringify`` makes of the same value, as far as both agree.

    Raises TypeError for a ``Decimal``: every language writes fractions its own way.
    """
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MOST_KEYS:
        raise InvalidInput(f"An object has more than {MOST_KEYS} keys.")
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidInput("A key is given twice.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidInput(f"{name} is not a JSON number.")


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise InvalidInput(f"A number has more than {LONGEST_NUMBER} characters.")
    return int(text)


def _fraction(text: str) -> Decimal:
    if len(text) > LONGEST_NUMBER:
        raise InvalidInput(f"A number has more than {LONGEST_NUMBER} characters.")
    try:
        return Decimal(text)
    except ArithmeticError as error:
        raise InvalidInput("A number's exponent is out of all reason.") from error


#: Made once: making it costs more than reading a message does.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_refuse_constant,
    parse_int=_whole,
    parse_float=_fraction,
)


def _check(value: Any, longest_text: int) -> None:
    """Texts and depth, walked level by level without recursion: the depth is not known yet."""
    level, depth = [value], 1
    while level:
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item, longest_text)
            elif isinstance(item, dict | list):
                if depth > DEEPEST:
                    raise InvalidInput(f"The body is nested deeper than {DEEPEST} levels.")
                deeper += item
                if isinstance(item, dict):
                    deeper += item.values()
        level, depth = deeper, depth + 1


def _check_text(text: str, longest: int) -> None:
    if len(text) > longest:
        raise InvalidInput(f"A text is longer than {longest} characters.")
    if _UNSAFE.search(text):
        raise InvalidInput("A text holds NUL or half a character.")
