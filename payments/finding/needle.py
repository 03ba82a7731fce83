"""What somebody who searches may mean: words, a name, a phone number, an amount, a mistyped reference.

Knows no database. Texts are folded; the text of a payment has a field a line, with a line break before and
behind each, so that ``"\\nthandi"`` is a field that begins so and ``"0417\\n"`` one that ends so.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from db.money import Money
from payments.privacy import fold
from payments.references import DEMO_PREFIX, Reader, near, readings

#: A text is one of these literals, which are looked for as they stand.
AnyOf = tuple[str, ...]
#: Words that may also be an event or an amount: each doubles the ways. Beyond so many, they are words only
#: together with the event, payment by payment.
_DOUBLING = 3
#: The digits of a receipt's number as it is printed, and those of a card that a slip shows.
_OF_A_RECEIPT, _OF_A_CARD = 6, 4
#: How a text's phone number begins.
PHONE = "\n+"
#: A number is looked for anywhere from so many digits on.
_NUMBER = 4
#: What is not kept of a phone number, before those digits that are.
_NOT_KEPT = re.compile(r"^(?:(?:\+|00)270?|\+|0+)")


@dataclass(frozen=True)
class Way:
    """One thing a text may mean: of a payment that has all of it, it is true."""

    words: tuple[AnyOf, ...] = ()
    events: frozenset[int] | None = None
    minor: int | None = None
    references: tuple[str, ...] = ()
    #: The payer's phone number ends so.
    phones: tuple[str, ...] = ()
    #: It is one of these.
    ids: tuple[int, ...] = ()
    #: Each a word, or else one of the events.
    either: tuple[tuple[AnyOf, frozenset[int]], ...] = ()


def phrases(text: str) -> tuple[str, ...]:
    """The words of a text, and those between quotation marks as one."""
    found = (
        " ".join((quoted or word).replace('"', " ").split())
        for quoted, word in re.findall(r'"([^"]+)"|(\S+)', text)
    )
    return tuple(dict.fromkeys(part for part in found if part))


def literals(word: str) -> AnyOf:
    """What to look for: three characters or more anywhere, two at the start of a word, one by itself."""
    if len(word) > 2:
        return (word,)
    if len(word) == 2:
        return (f" {word}", f"\n{word}")
    return tuple(f"{before}{word}{behind}" for before in " \n" for behind in " \n")


@dataclass(frozen=True)
class Meaning:
    """``ways``: all that a text may mean. ``surest``: what must stand on top, the surest first: identifiers,
    words, what begins so, numbers that end so. Whatever fits one of these fits one of those."""

    ways: tuple[Way, ...]
    surest: tuple[Way, ...]


def read(
    text: str, events: Mapping[int, str], prefixes: Iterable[str], on_paper: tuple[int, ...] = ()
) -> Meaning:
    """What a text may mean. ``events``: folded code and name by id; ``prefixes``: of references;
    ``on_paper``: the payments whose ``paper`` says so."""
    plain = fold(text)
    if '"' in plain:
        squeezed, begun, repaired, minors = [], [], [], []
    else:
        squeezed, minors = _squeezed(plain), [Way(minor=minor) for minor in _amount(plain)]
        begun = [Way(words=((f"\n{number}",),)) for number in _begun(plain)]
        repaired = [Way(references=found)] if (found := near(plain, prefixes)) else []
    words = (plain,) if _is_number(plain) else phrases(plain)
    papers = [Way(ids=on_paper)] if on_paper else []
    ways = [*papers, *_by_words(words, events), *(Way(words=(literals(part),)) for part in squeezed), *begun]
    numbers = _numbers(words, squeezed)
    phones = [Way(words=(_ends(numbers),), phones=numbers)] if numbers else []
    as_money = re.search(r"[r.,]", plain)
    sure = [*minors, *phones] if as_money else [*phones, *minors]
    others = [Way(words=(_ends(numbers),))] if numbers else []
    surest = [*repaired, *papers, *sure, *begun, *_whole_words(words, squeezed), *others]
    return Meaning(tuple(dict.fromkeys([*ways, *minors, *repaired])), tuple(surest))


def _numbers(words: tuple[str, ...], squeezed: Iterable[str]) -> tuple[str, ...]:
    spellings = dict.fromkeys([" ".join(words), *squeezed])
    return tuple(one for one in spellings if re.fullmatch(r"\+?[0-9]{4,}", one))


def _ends(numbers: tuple[str, ...]) -> AnyOf:
    """A field that ends so."""
    return tuple(f"{number}\n" for number in numbers)


def _whole_words(words: tuple[str, ...], squeezed: Iterable[str]) -> Iterator[Way]:
    """All of a field, words of it, the start of a reference's letters, the start of words.

    A short word stands nowhere else than in its ways.
    """
    if not words or len(whole := " ".join(words)) < 2:
        return
    spellings = dict.fromkeys([whole, *squeezed])
    before = "\n -" if len(words[0]) > 2 else "\n "
    yield Way(words=(tuple(f"\n{one}\n" for one in spellings),))
    yield Way(words=(tuple(f"{a}{one}{b}" for one in spellings for a in before for b in "\n "),))
    if len(words) == 1 and len(whole) > 2:
        yield Way(words=(tuple(f"_{one}" for one in spellings),))
    if len(words[-1]) > 1:
        yield Way(words=(tuple(f"{a}{one}" for one in spellings for a in before),))


def takes_long(way: Way) -> bool:
    """Several words; or how a phone number begins, since nearly every text has its first letters."""
    return len(way.words) > 1 or any(one.startswith(PHONE) for literals in way.words for one in literals)


#: A payment's id, text, amount, reference, phone and event.
Known = tuple[int, str, int, str, str, int]


def fitting(way: Way, some: Sequence[Known]) -> list[Known]:
    """Those that are what a way means. Condition by condition: of hundreds of texts each is looked at for one
    page."""
    left = list(some)
    if way.events is not None:
        left = [one for one in left if one[5] in way.events]
    if way.minor is not None:
        left = [one for one in left if one[2] == way.minor]
    if way.phones:
        left = [one for one in left if one[4].endswith(way.phones)]
    if way.ids:
        left = [one for one in left if one[0] in way.ids]
    if way.references:
        left = [one for one in left if one[3] in way.references]
    for literals in way.words:
        if len(literals) == 1:
            [literal] = literals
            left = [one for one in left if literal in one[1]]
        else:
            left = [one for one in left if any(map(one[1].__contains__, literals))]
    for literals, events in way.either:
        left = [one for one in left if one[5] in events or any(map(one[1].__contains__, literals))]
    return left


def _by_words(words: tuple[str, ...], events: Mapping[int, str]) -> Iterator[Way]:
    choices: list[list[Way]] = []
    doubled = 0
    for word in words:
        named = frozenset(event_id for event_id, told in events.items() if word in told)
        meanings = [Way(words=(literals(word),))]
        if named and doubled < _DOUBLING:
            meanings.append(Way(events=named))
        elif named:
            meanings = [Way(either=((literals(word), named),))]
        if len(words) > 1 and doubled < _DOUBLING:
            meanings += [Way(minor=minor) for minor in _amount(word)]
        doubled += len(meanings) > 1
        choices.append(meanings)
    for chosen in product(*choices):
        together = _together(chosen)
        if together is not None:
            yield together


def _together(parts: tuple[Way, ...]) -> Way | None:
    """All of them at once; None when they cannot be."""
    of = [part.events for part in parts if part.events is not None]
    minors = {part.minor for part in parts if part.minor is not None}
    events = frozenset.intersection(*of) if of else None
    if len(minors) > 1 or events == frozenset():
        return None
    words = tuple(word for part in parts for word in part.words)
    either = tuple(pair for part in parts for pair in part.either)
    return Way(words, events, next(iter(minors), None), either=either)


def _squeezed(text: str) -> list[str]:
    """The text without separators, when that may be an identifier: a reference read aloud, a phone number.

    Numbers are kept as +27821234567, so a leading 0, 00 or +27 (0) is not looked for.
    """
    bare = _bare(text)
    if re.fullmatch(r"\+?[0-9]{4,15}", bare):
        national = _NOT_KEPT.sub("", bare)
        return [bare, national] if len(national) >= _NUMBER else [bare]
    return [bare] if len(bare) >= 4 and any(char.isdigit() for char in bare) else []


def _begun(text: str) -> list[str]:
    """How a phone number is kept that is being typed from its start: what stands behind its 0 is still too
    short to be looked for anywhere. From two digits on, so that the list does not empty meanwhile."""
    bare = _bare(text)
    if not re.fullmatch(r"(?:\+|0)[0-9]+", bare) or re.match(r"0[.,]", text):  # cents
        return []
    abroad = re.match(r"(?:\+|00)(?!2?7?$|27)", bare)
    short = _NOT_KEPT.sub("", bare)
    number = f"+{short}" if abroad else f"+27{short}"
    return [number] if 2 <= len(short) < _NUMBER and number != bare else []


def _bare(text: str) -> str:
    return re.sub(r"[\s_\-.()/]+", "", text)


def _is_number(text: str) -> bool:
    """Digits in groups, too many for an amount: a phone number, whose groups mean nothing alone."""
    return bool(re.fullmatch(r"[+(]?[0-9][0-9\s\-.()/]*", text)) and sum(map(str.isdigit, text)) > 8


def _amount(text: str) -> list[int]:
    try:
        return [Money.parse(text.upper()).minor]
    except ValueError:
        return []


@dataclass(frozen=True)
class Paper:
    """What somebody may hold who paid at a till: a card slip's number, however many zeros are before it; the
    last digits of a ``card``; the ``number`` of a receipt, of the till called so, or of any."""

    slips: tuple[str, ...] = ()
    card: str | None = None
    number: int | None = None
    till: str | None = None


def paper(text: str) -> Paper | None:
    """What a text may be on such a paper; None where it looks like nothing of it."""
    plain = fold(text)
    if re.fullmatch(r"[0-9]{4,40}", plain):
        bare = plain.lstrip("0")
        return Paper(
            slips=tuple(dict.fromkeys((plain, bare, bare.zfill(_OF_A_RECEIPT)))) if bare else (plain,),
            card=plain if len(plain) == _OF_A_CARD else None,
            number=int(plain) if len(plain) == _OF_A_RECEIPT else None,
        )
    if found := re.fullmatch(rf"(?P<till>.*[^0-9 ].*) (?P<number>[0-9]{{1,{_OF_A_RECEIPT}}})", plain):
        return Paper(number=int(found["number"]), till=found["till"])
    return None


def exact(text: str) -> tuple[str, ...]:
    """The whole references a text may be, which decide alone when there is one of them."""
    return readings(fold(text))


def pasted(text: str, prefixes: Iterable[str]) -> tuple[str, ...]:
    """The whole references within a longer text, such as a bank's line, whatever else it says."""
    if '"' in text or len(text.split()) < 2:
        return ()
    heads = [head for prefix in prefixes for head in (prefix, DEMO_PREFIX + prefix)]
    return tuple(Reader(heads).exact(text))


@dataclass(frozen=True)
class Marks:
    """What to point at in a text that was found: as it stands, and with separators aside."""

    words: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()


def marks(text: str) -> Marks:
    plain = fold(text)
    words = () if _is_number(plain) else tuple(word for word in phrases(plain) if len(word) > 1)
    return Marks(words, (*_squeezed(plain), *_begun(plain)) if '"' not in plain else ())


def points_at(found: Marks, text: str) -> bool:
    """Something of the text would be marked."""
    plain = fold(text)
    bare = _bare(plain)
    return any(word in plain for word in found.words) or any(word in bare for word in found.bare)
