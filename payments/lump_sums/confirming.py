"""A file of the gateway that tells what the bank's line was explained by: the same, or another opinion.

It confirms the explanation, to the cent and the last capture, or it is refused. Several files may confirm
one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from db.models import Payout, PayoutFile, PayoutLine
from payments.access.people import Action, Person, check
from payments.lump_sums import banked, explained, fees, went_back
from payments.lump_sums.captures import STANDS, Capture, find_captures
from payments.lump_sums.tariff import Tariff
from payments.payouts.files import FileLine, GatewayFile, LineKind, by_payout, sums_of


def confirmed(
    session: Session,
    lines: Sequence[FileLine],
    captures: Mapping[int, Capture | str],
    elsewhere: Mapping[int, int],
    tariff: Tariff,
) -> Payout | None:
    """The payout that the bank's line was explained by and that these rows tell again: exactly its captures,
    what was taken off it besides fees, and its sum to the cent. A fee of the payout that no row tells is the
    tariff's. None where the explanation left something open: there the rows may tell what it was."""
    found = [captures.get(line.row) for line in lines if line.kind is LineKind.CAPTURE]
    receipts = {one.receipt_id for one in found if isinstance(one, Capture)}
    numbers = {elsewhere.get(one) for one in receipts}
    number = next(iter(numbers), None)
    if len(receipts) != len(found) or len(numbers) != 1 or number is None:
        return None
    payout = session.get_one(Payout, number)
    if payout.source != explained.BANK or len(banked.night_of(payout)) > 1 or banked.unexplained(payout):
        return None
    if any(line.kind in (LineKind.CHARGEBACK, LineKind.DEDUCTION) for line in lines):
        return None  # no explanation knows of any, and a chargeback is somebody's to decide
    inside = select(PayoutLine.receipt_id).where(
        PayoutLine.payout_id == number, PayoutLine.state == STANDS, PayoutLine.receipt_id.is_not(None)
    )
    sums = sums_of(lines)
    rest = sums["gross_minor"] - sums["fee_minor"] - sums["vat_minor"] - sums["less_minor"]
    own = sums["payout_fee_minor"]
    if own is None:
        own = tariff.payout_fee(max(line.on for line in lines if line.on)).total_minor
    fits = rest - own == payout.net_minor and sums["less_minor"] == payout.less_minor
    fits = fits and went_back.are_those_of(session, lines, number)
    return payout if fits and set(session.scalars(inside)) == receipts else None


def refusal(session: Session, person: Person, told: GatewayFile) -> str | None:
    """Why these payouts would be refused, before anybody keeps them; None where nothing is known."""
    check(person, Action.RECONCILE)
    captures, elsewhere = find_captures(session, told.lines)
    tariff = fees.tariff(session)
    for _, lines in by_payout(told.lines):
        if confirmed(session, lines, captures, elsewhere, tariff) is not None:
            continue
        if (says := went_back.refusal(session, lines)) is not None:
            return says
        for line in lines:
            one = captures.get(line.row)
            if not isinstance(one, Capture) or (other := elsewhere.get(one.receipt_id)) is None:
                continue
            if session.get_one(Payout, other).source == explained.BANK:
                return (
                    f"Row {line.row}: {line.reference} is in payout {other}, which was explained from the "
                    "bank's line with other payments or another sum, or without knowing all that was taken "
                    "off. Take that payout back on its page, if this file is right."
                )
    return None


def add(payout: Payout, file: PayoutFile) -> None:
    """This file, too, tells what the payout was explained by."""
    files = [*banked.confirmed_by(payout), {"file": file.id, "name": file.name}]
    payout.explanation = {**_without(payout), "confirmed": files}


def held(session: Session, file_id: int) -> list[Payout]:
    """The payouts that this file confirms, held: what other files confirm stands on the same row."""
    some = select(Payout).where(cast(Payout.explanation, Text).like('%"confirmed%')).order_by(Payout.id)
    known = [one.id for one in session.scalars(some) if _tells(one, file_id)]
    query = select(Payout).where(Payout.id.in_(known)).order_by(Payout.id).with_for_update()
    return list(session.scalars(query.execution_options(populate_existing=True)))


def forget(payouts: Iterable[Payout], file_id: int) -> None:
    """An import that is undone confirms nothing; what other files confirm stays. The payouts are held."""
    for payout in payouts:
        left = [one for one in banked.confirmed_by(payout) if one["file"] != file_id]
        payout.explanation = {**_without(payout), **({"confirmed": left} if left else {})}


def _tells(payout: Payout, file_id: int) -> bool:
    return any(one["file"] == file_id for one in banked.confirmed_by(payout))


def _without(payout: Payout) -> dict[str, Any]:
    told = payout.explanation or {}
    return {key: value for key, value in told.items() if not key.startswith("confirmed")}
