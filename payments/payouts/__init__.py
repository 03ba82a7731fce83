"""Which captures make up a lump sum, when the gateway gives no breakdown.

A payout is a trading day's captures less fees, VAT and the payout's own fee; now and then a capture is held
back and follows later, and refunds, chargebacks and deductions are taken off. Prices are equal and methods
mostly unknown, so many sums fit to the cent by chance. What decides is therefore how likely an explanation
is: held captures, late days, known refunds that are not in it and odd mixes of methods all cost *points*.

One lump sum alone leaves much open: a capture held and a refund of its price differ by the fee only. What
was held comes with a later payout, and what was not taken off is taken off by the next, so all lump sums
that wait are explained together (``worlds``). All explanations as good as the best are told; a sum that only
an unlikely one fits stays unexplained. ``payouts.due`` tells what is late and short.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Protocol, TypeVar

from payments.lump_sums.tariff import Tariff
from payments.payouts.lumps import Capture, Explanation, Habits, Item, Less, Lump, as_one
from payments.payouts.worlds import SURE, explain_all, is_likely, worst

__all__ = [
    "Capture", "Explanation", "Habits", "Item", "Less", "Lump", "as_one", "explain", "explain_all",
    "in_order", "is_sure", "worst",
]  # fmt: skip


def explain(
    lump: Lump,
    captures: Collection[Capture],
    tariff: Tariff,
    *,
    held: Collection[Capture] = (),
    items: Collection[Item] = (),
    paid: Collection[date] = (),
    habits: Habits | None = None,
) -> list[Explanation]:
    """All equally good explanations of a lump sum, the likeliest first.

    ``captures`` are those no payout explains yet, ``held`` those that an earlier one left out, ``items`` what
    is still to be taken off, ``paid`` trading days whose payouts are decided. When nothing explains it, the
    nearest attempt comes back alone, with its difference; nothing at all when no trading day fits the date.
    """
    return explain_all([lump], captures, tariff, held=held, items=items, paid=paid, habits=habits)[lump.id]


def is_sure(found: Sequence[Explanation]) -> bool:
    """One composition alone is likely: far likelier than all others together, and than something unknown.

    What alone is no likelier than something unknown may be the best there is, and still be chance: then what
    really happened is not among what was asked. What is sure only with others of its night is not, by itself.
    """
    return bool(found) and not found[0].night and found[0].is_whole and _leads(found[0])


def _leads(best: Explanation) -> bool:
    return is_likely(best) and best.lead > SURE


class _Asked(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def on(self) -> date: ...


_Some = TypeVar("_Some", bound=_Asked)


def in_order(
    asked: Iterable[_Some], told: Mapping[int, Sequence[Explanation]], by_hand: Collection[int] = ()
) -> list[tuple[_Some, ...]]:
    """Those that are sure, each alone or with those of its night that it is sure with, up to the first day
    with one that is not, or that a person decides (``by_hand``): what follows waits with it.

    What an undecided payout held may be in any later one, so those are not taken before it is decided.
    """
    found: list[tuple[_Some, ...]] = []
    for _, day in groupby(sorted(asked, key=lambda one: (one.on, one.id)), key=lambda one: one.on):
        some = {one.id: one for one in day}
        sure: list[tuple[_Some, ...]] = [(one,) for one in some.values() if is_sure(told[one.id])]
        nights = dict.fromkeys(told[one][0].night for one in some if told[one])
        sure += [tuple(some[one] for one in night) for night in nights if night and some.keys() >= set(night)]
        sure = [group for group in sure if not any(one.id in by_hand for one in group)]
        found += sure
        if sum(map(len, sure)) < len(some):
            break
    return found
