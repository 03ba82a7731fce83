"""What somebody typed of a line's parts, as parts that add up to it."""

from collections.abc import Iterable

from payments.exceptions import Candidate, ExceptionView
from payments.matching import Target
from payments.parts import Part
from payments.typed import amount_typed


def parts_typed(
    view: ExceptionView, amounts: dict[int, str], found: dict[int, Candidate], rest: Target, *, off: bool
) -> Iterable[Part]:
    left = view.amount
    for payment_id, typed in amounts.items():
        amount = amount_typed(typed, view.amount.currency)
        lacks = found[payment_id].rest - amount
        written_off = lacks if off and lacks.minor > 0 else None
        yield Part(Target.PAYMENT, amount, payment_id, written_off)
        left = left - amount
    if left:
        yield Part(rest, left, next(iter(amounts), None) if rest is Target.SURPLUS else None)
