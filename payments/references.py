"""References people read aloud, type and mistype: a prefix, six characters and one check character.

The alphabet has no 0, 1, I, L or O. The check character catches every single mistyped character and
every exchange of two neighbours: position weights are distinct and non-zero modulo 31, a prime. It also says
what a mistyped one may have been: for each place that could be wrong, one character fits. So a damaged
reference is healed by asking for a dozen that may be meant, not by comparing it with all there are.
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
DEMO_PREFIX = "DEMO_"
#: What stands before the number of a paper at a demo desk.
DEMO_PAPERS = "DEMO-"
DEFAULT_PREFIX = "REG"
_BODY_LENGTH = 6
#: Four digits in a row, for a year, and no more: with the seven that follow it would look like a card number.
_PREFIX = re.compile(r"(?!.*[0-9]{5})[A-Z][A-Z0-9]{1,7}", re.ASCII)
#: What people and bank apps put into a reference, or leave out.
_SEPARATORS = re.compile(r"[\s_\-.]+")


def draw(prefix: str = DEFAULT_PREFIX, *, demo: bool) -> str:
    """A new reference, unguessable enough not to be met by chance (31⁶ ≈ 890 million a prefix)."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(_BODY_LENGTH))
    return with_check(prefix, body, demo=demo)


def with_check(prefix: str, body: str, *, demo: bool) -> str:
    """The whole reference of a six-character body."""
    return f"{DEMO_PREFIX if demo else ''}{prefix}_{body}{check_character(body)}"


def check_character(body: str) -> str:
    weighted = sum((place + 1) * ALPHABET.index(char) for place, char in enumerate(body))
    return ALPHABET[-weighted % len(ALPHABET)]


def is_prefix(text: str) -> bool:
    """Two to eight capital letters or digits, a letter first, no five digits in a row, and not DEMO."""
    return bool(_PREFIX.fullmatch(text)) and not text.startswith("DEMO")


def is_reference(text: str) -> bool:
    """Exactly a reference of ours, check character included."""
    core = text.removeprefix(DEMO_PREFIX)
    prefix, _, tail = core.partition("_")
    body = tail[:_BODY_LENGTH]
    return (
        is_prefix(prefix)
        and len(tail) == _BODY_LENGTH + 1
        and all(char in ALPHABET for char in tail)
        and check_character(body) == tail[-1]
    )


def readings(text: str) -> tuple[str, ...]:
    """The references a text may mean, whatever happened to its case and separators; mostly none.

    A link's own reference (``REG_7K2MPQ4-2``) means its payment's. Without ``DEMO`` both modes are meant:
    a database holds only one of them.
    """
    bare = _SEPARATORS.sub("", text.upper())
    found: list[str] = []
    for link_digits in range(4):
        whole = bare[: len(bare) - link_digits]
        if not link_digits or (bare[-link_digits:].isascii() and bare[-link_digits:].isdigit()):
            core = whole.removeprefix("DEMO")
            plain = f"{core[: -_BODY_LENGTH - 1]}_{core[-_BODY_LENGTH - 1 :]}"
            if is_reference(plain):
                found += [plain] if core == whole else []
                found.append(DEMO_PREFIX + plain)
    return tuple(found)


def near(text: str, prefixes: Iterable[str]) -> tuple[str, ...]:
    """The references a mistyped one may have been: one character wrong, missing or too many, two neighbours
    exchanged, or another prefix; mostly none. They are candidates to look up: few of them exist.
    """
    bare = _SEPARATORS.sub("", text.upper()).removeprefix("DEMO")
    found: set[str] = set()
    for prefix in prefixes:
        typed = bare.removeprefix(prefix)
        if bare.startswith(prefix) and len(typed) <= _LENGTH + 1:
            found |= {f"{prefix}_{tail}" for tail in _mended(typed, ends=True)}
    tail = bare[-_BODY_LENGTH - 1 :]
    if readings(text):
        found |= {f"{prefix}_{tail}" for prefix in prefixes}
    found -= set(readings(text))
    return tuple(sorted(found | {DEMO_PREFIX + reference for reference in found}))


def spoken(reference: str) -> str:
    """Without separators, as bank apps want it: ``REG_7K2MPQ4`` → ``REG7K2MPQ4``."""
    return reference.replace("_", "").replace("-", "")


def of_place(reference: str, place: int) -> str:
    """What one of several people writes into their bank's app: ``REG7K2MPQ4 P4``."""
    return f"{reference} P{place}" if place else reference


def place_in(text: str, reference: str) -> int:
    """Whose money a bank's text says it is (``of_place``), by the place's number; 0: nobody's of several."""
    signs = spoken(reference.removeprefix(DEMO_PREFIX))
    pattern = r"[\s_\-.]*".join(map(re.escape, signs)) + r"[\s_\-.]*P\s?([1-9][0-9]{0,2})(?![0-9])"
    found = set(re.findall(pattern, text.upper()))
    return int(found.pop()) if len(found) == 1 else 0


def wire_reference(reference: str, nth: int) -> str:
    """What the gateway is told: the payment's own reference for its first link, then ``-2``, ``-3`` …"""
    return reference if nth == 1 else f"{reference}-{nth}"


# -- healing: what a damaged text may have meant ------------------------------------------------------


#: How many bodies there are: a guess hits a given payment by chance once in so many times.
SPACE = len(ALPHABET) ** _BODY_LENGTH


class Fault(StrEnum):
    """What happened to a reference between the payer's eye and the bank's statement."""

    NONE = "exact"
    PREFIX = "prefix lost or mistyped"
    TYPED = "one character mistyped"
    SWAPPED = "two neighbours exchanged"
    LOST = "one character lost"
    DOUBLED = "one character too many"
    ZEROS = "leading zeros lost"
    CUT = "cut short"
    TWICE = "two characters mistyped"
    PAPER = "number of its invoice or quotation"  # no reference at all, and nothing checks its digits


@dataclass(frozen=True, slots=True)
class Guess:
    """How a text may mean a reference. ``space`` to one is the chance that one try hits a given payment."""

    fault: Fault
    space: int = SPACE


@dataclass(frozen=True, slots=True)
class Fragment:
    """The beginning of a reference, as far as a cut text shows it."""

    beginning: str
    known: int  # characters after the prefix

    @property
    def space(self) -> int:
        return int(len(ALPHABET) ** min(self.known, _BODY_LENGTH))


_VALUE = {char: value for value, char in enumerate(ALPHABET)}
_WEIGHTS = (*range(1, _BODY_LENGTH + 1), 1)
#: Which character a place needs, by what the others add to the check.
_RIGHT = [
    [ALPHABET[-others * pow(weight, -1, len(ALPHABET)) % len(ALPHABET)] for others in range(len(ALPHABET))]
    for weight in _WEIGHTS
]
_LENGTH = _BODY_LENGTH + 1
_NOT_ALNUM = re.compile(r"[^A-Z0-9]+")
_NOT_ALNUM_NOR_END = re.compile(r"[^A-Z0-9\n]+")
#: What is written for what: in a prefix both are read alike.
_LOOK_ALIKES = str.maketrans("OILSBZ", "011582")
_LEAST_CUT = 3


class Reader:
    """Reads references out of what people and banks write, knowing the prefixes in use.

    ``heads`` is what stands before the last underscore of the references there are: ``REG``,
    ``DEMO_REG``. Nothing is looked up here: whether a guess is anybody's reference, the caller asks.
    """

    def __init__(self, heads: Iterable[str]) -> None:
        self._heads: dict[str, list[str]] = {}
        for head in heads:
            for bare in {spoken(head), spoken(head.removeprefix(DEMO_PREFIX))}:
                self._heads.setdefault(bare, []).append(head)
        by_length = sorted(self._heads, key=len, reverse=True)
        anyhead = "|".join(map(re.escape, by_length)) or r"(?!)"
        self._exact = re.compile(f"(?=({anyhead})([{ALPHABET}]{{{_LENGTH}}}))|\n")
        self._all = sorted({head for heads in self._heads.values() for head in heads})
        alike = "|".join(sorted({bare.translate(_LOOK_ALIKES) for bare in by_length}, key=len, reverse=True))
        self._alike = re.compile(alike or r"(?!)")
        self._by_alike: dict[str, list[str]] = {}
        for bare in by_length:
            self._by_alike.setdefault(bare.translate(_LOOK_ALIKES), []).extend(self._heads[bare])

    def exact(self, text: str) -> list[str]:
        """References as they stand in a text, whatever became of case and separators, each once."""
        return self.exact_in_each([text])[0]

    def exact_in_each(self, texts: Sequence[str]) -> list[list[str]]:
        """``exact`` of many texts. They are read as one, a line for each: a call for each would take longer
        than reading them."""
        found: list[list[str]] = [[] for _ in texts]
        lines = "\n".join(text.replace("\n", " ") for text in texts)
        place = 0
        for head, tail in self._exact.findall(_NOT_ALNUM_NOR_END.sub("", lines.upper())):
            if not head:
                place += 1
            elif is_tail(tail):
                found[place] += [f"{whole}_{tail}" for whole in self._heads[head]]
        return [list(dict.fromkeys(some)) if len(some) > 1 else some for some in found]

    def guesses(self, text: str) -> dict[str, Guess]:
        """What a text without an exact reference may mean, by reference: mostly a dozen, of which none or
        one exists."""
        bare = _bare(text)
        found: dict[str, Guess] = {}
        regions = self._regions(bare)
        for heads, region in regions:
            _note(found, heads, _mended(region))
            _note_numbers(found, heads, region)
        for tail in _whole_tails(bare):
            _note(found, self._all, {tail: Fault.PREFIX})
        for word in _NOT_ALNUM.split(text.upper()) if not regions else ():
            if _LENGTH - 1 <= len(word) <= _LENGTH + 9 and _mixed(word):
                typed = word if len(word) <= _LENGTH + 1 else word[-_LENGTH:]
                _note(found, self._all, _mended(typed, ends=True))
        return found

    def regions(self, text: str) -> list[tuple[str, str]]:
        """Each prefix in a text, as references have it, with the seven characters after it."""
        found = self._regions(_bare(text))
        return [(head, region[:_LENGTH]) for heads, region in found for head in heads]

    def fragments(self, text: str) -> list[Fragment]:
        """Beginnings of references at the very end of a text, where a statement cut it."""
        found = []
        for heads, region in self._regions(_bare(text)):
            if _LEAST_CUT <= len(region) < _LENGTH and all(char in _VALUE for char in region):
                found += [Fragment(f"{head}_{region}", len(region)) for head in heads]
        return found

    def tails(self, text: str) -> list[str]:
        """What stands where tails should, right or wrong: at least four characters after a prefix."""
        regions = self._regions(_bare(text))
        return [region for _, region in regions if len(region) > _LEAST_CUT and _is_meant(region)]

    def _regions(self, bare: str) -> list[tuple[list[str], str]]:
        """What stands after each prefix, one character more than a reference has."""
        alike = bare.translate(_LOOK_ALIKES)
        return [
            (self._by_alike[match.group()], bare[match.end() : match.end() + _LENGTH + 1])
            for match in self._alike.finditer(alike)
        ]


@lru_cache(maxsize=4096)
def _bare(text: str) -> str:
    """Capital letters and digits alone. A line is read in several ways, one after the other."""
    return _NOT_ALNUM.sub("", text.upper())


#: What each character adds to the check, at each of the six places.
_1, _2, _3, _4, _5, _6 = (
    {char: weight * value for char, value in _VALUE.items()} for weight in range(1, _BODY_LENGTH + 1)
)
_WINDOW = re.compile(f"(?=([{ALPHABET}]{{{_LENGTH}}}))")


def is_tail(tail: str) -> bool:
    """Six characters and the check character that belongs to them, all of the alphabet."""
    a, b, c, d, e, f, check = tuple(tail)  # written out: it is asked several times of each line
    try:
        return (_1[a] + _2[b] + _3[c] + _4[d] + _5[e] + _6[f] + _VALUE[check]) % len(ALPHABET) == 0
    except KeyError:
        return False


_GUESS = {fault: Guess(fault) for fault in Fault}


def _note(found: dict[str, Guess], heads: Iterable[str], tails: Mapping[str, Fault]) -> None:
    for head in heads:
        for tail, fault in tails.items():
            found.setdefault(f"{head}_{tail}", _GUESS[fault])


def _note_numbers(found: dict[str, Guess], heads: Iterable[str], region: str) -> None:
    """Older references are numbers: ``REG_000042``, of which a spreadsheet leaves ``REG42``."""
    digits = re.match(r"[0-9]*", region)
    number = digits.group().lstrip("0") if digits else ""
    if number and len(number) <= _LENGTH:
        for head in heads:
            for width in range(len(number), 9):
                reference = f"{head}_{number.zfill(width)}"
                found.setdefault(reference, Guess(Fault.ZEROS, 10 ** len(number)))


def _whole_tails(bare: str) -> Iterator[str]:
    """Seven characters in a row that fit their check character, whatever stands before them."""
    for tail in _WINDOW.findall(bare):
        if is_tail(tail) and not tail.isdigit():
            yield tail


def _is_meant(region: str) -> bool:
    """A reference was meant here, right or wrong, and not the rest of a word such as REGistration."""
    tail = region[:_LENGTH]
    whole = len(tail) == _LENGTH and is_tail(tail)
    return whole or _mixed(region)


def _mixed(word: str) -> bool:
    """Has letters and digits: few words do, five of six references do."""
    return not word.isalpha() and not word.isdigit()


def _mended(region: str, *, ends: bool = False) -> dict[str, Fault]:
    """Every tail that one slip turns into the beginning of a region; with ``ends``, into all of it."""
    found: dict[str, Fault] = {}
    if len(region) >= _LENGTH and not (ends and len(region) > _LENGTH):
        typed = region[:_LENGTH]
        if is_tail(typed):
            found[typed] = Fault.PREFIX  # as it stands: only what is before it was odd
        for place in range(_LENGTH - 1):
            swapped = typed[:place] + typed[place + 1] + typed[place] + typed[place + 2 :]
            if is_tail(swapped):
                found.setdefault(swapped, Fault.SWAPPED)
        found = dict.fromkeys(_filled(typed), Fault.TYPED) | found
    if len(region) > _LENGTH:
        for place in range(_LENGTH + 1):
            shorter = region[:place] + region[place + 1 : _LENGTH + 1]
            if is_tail(shorter):
                found.setdefault(shorter, Fault.DOUBLED)
    if len(region) >= _LENGTH - 1 and not (ends and len(region) > _LENGTH - 1):
        typed = region[: _LENGTH - 1]
        for place in range(_LENGTH):
            for longer in _filled(f"{typed[:place]}?{typed[place:]}"):
                found.setdefault(longer, Fault.LOST)
    return found


def _filled(typed: str) -> Iterator[str]:
    """Each tail that differs from seven characters in one place: the check leaves one for each place.

    A character that is none of ours is where the slip must be.
    """
    values = [_VALUE.get(char) for char in typed]
    strange = values.count(None)
    if strange > 1:
        return
    worth = [weight * (value or 0) for weight, value in zip(_WEIGHTS, values, strict=True)]
    total = sum(worth)
    for place in (values.index(None),) if strange else range(_LENGTH):
        right = _RIGHT[place][(total - worth[place]) % len(ALPHABET)]
        yield typed[:place] + right + typed[place + 1 :]
