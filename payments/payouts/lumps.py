"""What goes into a payout, what it is explained by, and how it usually goes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from db.money import Money
from payments.lump_sums.tariff import ROUNDING_MINOR


class Less(StrEnum):
    """What a payout may be less by, besides fees."""

    REFUND = "refund"
    CHARGEBACK = "chargeback"
    DEDUCTION = "deduction"  # a SIM card, a cash advance


@dataclass(frozen=True, slots=True)
class Lump:
    """A payout as the bank shows it: one sum. Where the gateway's daily roll-up is at hand, what it tells."""

    id: int
    on: date
    amount: Money
    gross: Money | None = None
    fees: Money | None = None  # of the captures, with VAT, without the payout's own


@dataclass(frozen=True, slots=True)
class Capture:
    """A payment the gateway took. ``method`` None: nobody has told yet how it was paid."""

    id: int
    on: date  # trading day
    gross: Money
    method: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """Something known that a payout will be less by; ``amount`` positive, as it is taken off."""

    id: int
    kind: Less
    amount: Money
    on: date


@dataclass(frozen=True, slots=True)
class Habits:
    """How it usually goes: what is likely when several explanations fit. Shares are of one.

    These are a start; payouts with a settlement file show what holds for this desk.
    """

    instant_eft: float = 0.25  # of captures; the rest is by local card
    international_card: float = 0.03
    held_a_day: float = 0.5
    released: tuple[float, ...] = (0.2,)  # of what is held, with each payout
    taken_off: tuple[float, ...] = (0.8, 0.9)  # of what is known, with the next payout
    by_bank_days: tuple[float, ...] = (0.6, 0.3, 0.1)  # after one, two, three
    day_joined: float = 0.0005  # a trading day comes with the next one and is not too small to be paid alone
    late: float = 0.005
    out_of_order: float = 0.01  # a later trading day is paid before it
    rounded_off: float = 0.1  # a sum is off by a cent or two

    def seen(self, payouts: int, off: int) -> "Habits":
        """After so many explained payouts, ``off`` of which were off by a cent or two. The gateway does not
        tell how it rounds, but it rounds one way. What is assumed at first weighs as ten payouts do."""
        return replace(self, rounded_off=(1 + off) / (10 + payouts))


#: Trading days, how many captures of each price, and how many of each sum taken off.
Composition = tuple[tuple[date, ...], frozenset[tuple[int, int]], frozenset[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Explanation:
    """gross − fees − payout fee − items + difference = lump sum, to the cent.

    ``captures`` are in it; ``held`` are of its days and are not, ``released`` were held before. A held or
    released one may be any other of its price as well: ``held_among`` and ``released_among`` have them all.
    Of refunds of one amount the oldest is named.
    """

    lump: Lump
    days: tuple[date, ...]
    captures: tuple[Capture, ...]
    held: tuple[Capture, ...]
    released: tuple[Capture, ...]
    items: tuple[Item, ...]
    fees: Money  # with VAT, as the lump sum implies them
    payout_fee: Money
    difference: Money
    points: int  # −2 ln of how likely it is, in hundredths: less is better
    held_among: tuple[tuple[int, ...], ...] = ()
    released_among: tuple[tuple[int, ...], ...] = ()
    lead: int = 0  # by so many points it is likelier than everything else together
    #: Lump sums of its night, itself among them, that lead together: what they brought is sure, and which of
    #: them brought which is only the likeliest.
    night: tuple[int, ...] = ()
    #: Of a night written down as one, in the difference: what the others' lines brought of this; negative,
    #: what this line brought of another's.
    beside: Money | None = None

    @property
    def gross(self) -> Money:
        return Money(sum(one.gross.minor for one in self.captures), self.lump.amount.currency)

    @property
    def unexplained(self) -> Money:
        return self.difference + self.beside if self.beside else self.difference

    @property
    def is_whole(self) -> bool:
        """Everything is explained but a cent or two of rounding."""
        return abs(self.unexplained.minor) <= ROUNDING_MINOR

    @property
    def composition(self) -> Composition:
        return composition([self])

    @property
    def says(self) -> str:
        """The whole sum as a sentence."""
        if self.beside and self.beside.minor < 0:
            return f"{-self.beside} of what another line of that night is written down with"
        less = "".join(f" − {item.kind.value} {item.amount}" for item in self.items)
        beside = f" − {self.beside} on other lines of that night" if self.beside else ""
        rest = f", {self.unexplained} unexplained" if self.unexplained else ""
        return f"{self.gross} − fees {self.fees} − payout fee {self.payout_fee}{less}{beside}{rest}"


def composition(found: Iterable[Explanation]) -> Composition:
    """What money can tell apart of one, or of several together: their days, how many of each price, and of
    each sum taken off."""
    days: list[date] = []
    prices: Counter[int] = Counter()
    items: Counter[int] = Counter()
    for one in found:
        days += one.days
        prices.update(capture.gross.minor for capture in one.captures)
        items.update(item.amount.minor for item in one.items)
    return tuple(sorted(days)), frozenset(prices.items()), frozenset(items.items())


def as_one(night: Sequence[Explanation]) -> list[Explanation]:
    """What a night brought, as it is written down where nobody knows which line brought which: all of it with
    the largest sum, and with each other only that it is a part of that."""
    first, *others = sorted(night, key=lambda one: (-one.lump.amount.minor, one.lump.id))
    captures = tuple(sorted((each for one in night for each in one.captures), key=lambda each: each.id))
    held = [pair for one in night for pair in zip(one.held, one.held_among, strict=True)]
    left_out = [(each, among) for each, among in held if each not in captures]
    back = [pair for one in night for pair in zip(one.released, one.released_among, strict=True)]
    held_by_one = {each for each, _ in held}  # and brought by another: between themselves
    earlier = [(each, among) for each, among in back if each not in held_by_one]
    beside = _total(one.lump.amount for one in others)
    whole = replace(
        first, captures=captures, items=tuple(item for one in night for item in one.items),
        held=tuple(each for each, _ in left_out), held_among=tuple(among for _, among in left_out),
        released=tuple(each for each, _ in earlier), released_among=tuple(among for _, among in earlier),
        fees=_total(one.fees for one in night), payout_fee=_total(one.payout_fee for one in night),
        difference=_total(one.difference for one in night) - beside, beside=beside,
    )  # fmt: skip
    nothing = Money(0, first.lump.amount.currency)
    return [
        whole,
        *(
            replace(
                one, captures=(), items=(), held=(), held_among=(), released=(), released_among=(),
                fees=nothing, payout_fee=nothing, difference=one.lump.amount, beside=-one.lump.amount,
            )
            for one in others
        ),
    ]  # fmt: skip


def _total(amounts: Iterable[Money]) -> Money:
    some = list(amounts)
    return Money(sum(one.minor for one in some), some[0].currency)
