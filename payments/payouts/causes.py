"""What may be behind a payout that brought less or more than it should, from what is known of it.

Each cause comes to the difference, to the cent or, where none does, within what rounding leaves. All that are
as good are told; which it was is for whoever asks the gateway.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import combinations_with_replacement

from db.money import Money
from payments.lump_sums.tariff import METHODS, ROUNDING_MINOR, Tariff, share

#: Causes told of one difference, and rows told of one cause.
MOST = 5
#: So many refunds and chargebacks may make a difference together; more would make any sum.
TOGETHER = 3
#: Of more different sums than this, some three come to anything.
_WEIGHED = 40
_NAMED = {"card": "cards", "instant_eft": "instant EFT", "international_card": "international cards"}


class Why(StrEnum):
    REFUND = "refund"
    CHARGEBACK = "chargeback"
    DISPUTE = "dispute"  # not lost, as far as is known here: a chargeback may have come all the same
    DEDUCTION = "deduction"
    CAPTURE = "capture"
    FEE = "fee"


@dataclass(frozen=True, slots=True)
class Row:
    """Where it is looked up: a payment by its reference, or a payout by its number; neither: the rates."""

    text: str
    payment: str = ""
    payout: int | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    """A refund, chargeback, dispute or deduction: what it takes off."""

    why: Why
    minor: int
    row: Row


@dataclass(frozen=True, slots=True)
class Took:
    """A capture. ``charged`` is its fee with VAT, None where nobody told it; ``method`` likewise."""

    reference: str
    gross: int
    on: date
    method: str | None = None
    charged: int | None = None


@dataclass(frozen=True, slots=True)
class Inside:
    """What is said to be in a payout. ``fee`` and ``vat`` are of its captures, ``own`` its own with VAT."""

    day: date
    captures: tuple[Took, ...]
    fee: int
    vat: int
    own: int
    taken: tuple[Sum, ...] = ()


@dataclass(frozen=True, slots=True)
class Beside:
    """What is in no payout yet: what it will be less by, and what it may bring; and deductions of others."""

    sums: tuple[Sum, ...] = ()
    captures: tuple[Took, ...] = ()
    deductions: tuple[Sum, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """``says`` it in a few words. ``rows`` are at most five of ``of``."""

    why: Why
    amount: Money
    says: str
    rows: tuple[Row, ...]
    of: int


@dataclass(frozen=True, slots=True)
class Difference:
    """``off`` is what came less what should have: below nought it is short. ``more`` causes are as good as
    those told."""

    off: Money
    causes: tuple[Cause, ...]
    more: int = 0

    @property
    def says(self) -> str:
        if not self.causes:
            asks = "where the rest is" if self.off.minor < 0 else "what it is for"
            return (
                f"Nothing known here explains it. Ask iKhokha {asks}, with the payout's day and both amounts."
            )
        more = f"; {self.more} more would explain it as well" if self.more else ""
        return f"It may be {'; or '.join(one.says for one in self.causes)}{more}."


def causes(off: Money, inside: Inside, beside: Beside, tariff: Tariff) -> Difference:
    """All that explains a difference as well as anything: what is known first, then fees, then captures."""
    short, wanted = off.minor < 0, abs(off.minor)
    found = [*(_short if short else _over)(wanted, inside, beside, tariff, off.currency)]
    near = [(abs(minor - wanted), cause) for minor, cause in found if abs(minor - wanted) <= ROUNDING_MINOR]
    least = min((gap for gap, _ in near), default=0)
    best = list(dict.fromkeys(cause for gap, cause in near if gap == least))
    return Difference(off, tuple(best[:MOST]), max(0, len(best) - MOST))


_Found = Iterator[tuple[int, Cause]]


def _short(wanted: int, inside: Inside, beside: Beside, tariff: Tariff, currency: str) -> _Found:
    yield from _sums(wanted, beside.sums, "in no payout yet", currency)
    yield from _fees(inside, tariff, currency, sign=1)
    yield from _captured(wanted, inside.captures, "held back", tariff, currency)
    yield from _sums(wanted, beside.deductions, "as another payout was less by", currency, most=1)


def _over(wanted: int, inside: Inside, beside: Beside, tariff: Tariff, currency: str) -> _Found:
    yield from _sums(wanted, inside.taken, "not taken off after all", currency)
    yield from _fees(inside, tariff, currency, sign=-1)
    yield from _captured(wanted, beside.captures, "in no payout yet", tariff, currency)


# -- refunds, chargebacks, deductions -----------------------------------------------------------------


def _sums(wanted: int, some: Iterable[Sum], how: str, currency: str, *, most: int = TOGETHER) -> _Found:
    """What comes to it alone, or up to three together; those of one sum are told apart by nothing."""
    groups: dict[tuple[Why, int], list[Row]] = defaultdict(list)
    for one in some:
        if 0 < one.minor <= wanted + ROUNDING_MINOR:
            groups[one.why, one.minor].append(one.row)
    for size in range(1, most + 1 if len(groups) <= _WEIGHED else 2):
        for picked in combinations_with_replacement(sorted(groups), size):
            count = {each: picked.count(each) for each in dict.fromkeys(picked)}
            minor = sum(each[1] for each in picked)
            if abs(minor - wanted) > ROUNDING_MINOR or any(
                n > len(groups[each]) for each, n in count.items()
            ):
                continue
            told = " and ".join(
                _told(n, groups[each], f"{each[0]} of {Money(each[1], currency)}")
                for each, n in count.items()
            )
            rows = [row for each in count for row in groups[each]]
            yield minor, Cause(picked[0][0], Money(minor, currency), f"{told}, {how}", *_first(rows))


def said(one: Sum, currency: str) -> str:
    """One of them, by itself."""
    if one.why is Why.FEE:
        return f"a fee of the payout once more, {Money(one.minor, currency)}"
    return f"the {one.why} of {Money(one.minor, currency)} ({one.row.text})"


def _told(n: int, rows: Sequence[Row], what: str) -> str:
    if len(rows) == 1:
        return f"the {what} ({rows[0].text})"
    return f"{n} of {len(rows)} with a {what}"


def _first(rows: Sequence[Row]) -> tuple[tuple[Row, ...], int]:
    return tuple(rows[:MOST]), len(rows)


# -- captures -----------------------------------------------------------------------------------------


def _captured(wanted: int, some: Iterable[Took], how: str, tariff: Tariff, currency: str) -> _Found:
    """Captures of one price, one or several of them: what each leaves after fees."""
    groups: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for one in some:
        for net in _nets(one, tariff, currency):
            groups[one.gross, net].append(Row(one.reference, payment=one.reference))
    for (gross, net), rows in sorted(groups.items()):
        n = max(1, round(wanted / net)) if net > 0 else 0
        if not n or n > len(rows) or abs(n * net - wanted) > ROUNDING_MINOR:
            continue
        price, left = Money(gross, currency), Money(net, currency)
        each = f"{left} after fees" + (" each" if n > 1 else "")
        told = rows[0].text if len(rows) == 1 else f"{n} of {len(rows)} payments"
        says = f"{told} of {price} {how}, {each}"
        yield n * net, Cause(Why.CAPTURE, Money(n * net, currency), says, *_first(rows))


def _nets(one: Took, tariff: Tariff, currency: str) -> set[int]:
    if one.charged is not None:
        return {one.gross - one.charged}
    known = (one.method,) if one.method in METHODS else METHODS
    return {_net(one, method, tariff, currency) for method in known if method in tariff.on(one.on).rate_bp}


def _net(one: Took, method: str | None, tariff: Tariff, currency: str) -> int:
    return tariff.net(Money(one.gross, currency), method or "", one.on).minor


# -- fees ---------------------------------------------------------------------------------------------


def _fees(inside: Inside, tariff: Tariff, currency: str, *, sign: int) -> _Found:
    """What the payout would differ by at other fees. ``sign`` 1: charged more than is said; −1: less."""

    def cause(minor: int, says: str, rows: Sequence[Row] = ()) -> tuple[int, Cause]:
        shown = rows or [Row("Rates and fees")]
        return sign * minor, Cause(Why.FEE, Money(abs(minor), currency), says, *_first(shown))

    rates = tariff.on(inside.day)
    own = tariff.payout_fee(inside.day)
    if sign > 0:
        vat = inside.vat or share(inside.fee, rates.vat_bp)
        yield cause(vat, "VAT on its fees" + (" once more" if inside.vat else ", which nothing tells"))
        once = "a fee of the payout" + (" once more" if inside.own else ", which nothing tells")
        yield cause(own.total_minor, once)
        yield cause(own.vat_minor, "VAT on the payout's own fee once more")
    else:
        yield cause(-inside.vat, "no VAT on its fees")
        yield cause(-inside.own, "no fee of the payout")
        yield cause(-own.vat_minor if inside.own else 0, "no VAT on the payout's own fee")
        yield cause(-inside.fee - inside.vat, "no fees of its payments")
    for minor, says, rows in _at_other_rates(inside, tariff, currency):
        yield cause(minor, says, rows)


def _at_other_rates(
    inside: Inside, tariff: Tariff, currency: str
) -> Iterator[tuple[int, str, Sequence[Row]]]:
    """How much more all captures, or some of one price, would cost by another method or the rates of another
    day. Of captures that nobody told the method of, only what all of them would is known."""
    charged, some = inside.fee + inside.vat, inside.captures
    if not some:
        return
    for since in tariff.days:
        known = all(one.method in tariff.on(since).rate_bp for one in some)
        if known and since != tariff.on(inside.day).valid_from:
            whole = sum(_cost(one, one.method, since, tariff, currency) for one in some)
            yield whole - charged, f"fees at the rates of {since:%-d %b %Y}", ()
    for method in METHODS:
        if all(method in tariff.on(one.on).rate_bp for one in some):
            whole = sum(_cost(one, method, one.on, tariff, currency) for one in some)
            yield whole - charged, f"all of its payments at the rate of {_NAMED[method]}", ()
            yield from _one_by(method, some, tariff, currency)


def _one_by(
    method: str, some: Iterable[Took], tariff: Tariff, currency: str
) -> Iterator[tuple[int, str, Sequence[Row]]]:
    """One payment that was charged by another method."""
    groups: Mapping[tuple[int, int], list[Row]] = defaultdict(list)
    for one in some:
        if one.charged is not None and one.method not in (None, method):
            more = _cost(one, method, one.on, tariff, currency) - one.charged
            groups[one.gross, more].append(Row(one.reference, payment=one.reference))
    for (gross, more), rows in sorted(groups.items()):
        told = rows[0].text if len(rows) == 1 else f"1 of {len(rows)} payments"
        yield more, f"{told} of {Money(gross, currency)} at the rate of {_NAMED[method]}", rows


def _cost(one: Took, method: str | None, on: date, tariff: Tariff, currency: str) -> int:
    return tariff.fee(Money(one.gross, currency), method or "", on).total_minor
