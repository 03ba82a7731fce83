"""The gateway's daily statement, as somebody copies it from its page or a mail: a day's sales in one sum."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from payments.errors import StatementFormatError, quoted
from payments.payouts.files import Fault, FileKind, FileLine, GatewayFile, LineKind, Named, apart, rand
from payments.statements import amounts, days
from payments.statements.draft import masked

#: The lines of the gateway's daily statement, by how they begin.
_LABELS: tuple[tuple[str, str], ...] = (
    ("on", r"recon(ciliation)? date"),
    ("paid_on", r"(paid|payout|payment|settlement) (on|date)"),
    ("gross", r"gross sales?"),
    ("fees", r"(transaction )?fees?( \(?incl[^)]*\)?)?"),
    ("advance", r"cash[- ]advance( deductions?)?"),
    ("net", r"net sales?"),
    ("other", r"(other )?deductions?"),
    ("paid", r"amount paid( to you)?"),
)
_LABELLED = [
    (key, re.compile(rf"\s*(?:{pattern})\s*[:\t]*\s*(.*)", re.IGNORECASE)) for key, pattern in _LABELS
]


def read_rollup(text: str, *, vat_bp: int = 1500, date_order: str | None = None) -> GatewayFile:
    """The gateway's daily statement, copied from its page or mail: one or more days, each from its date on.

    A day whose sums do not make what was paid could not be read. Raises ``StatementFormatError`` when there
    is no day in it.
    """
    named: list[Named] = []
    blocks: list[list[tuple[int, str, str, str]]] = []
    rows = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        rows += 1
        key, value = _labelled(line)
        if key == "on":
            blocks.append([])
        elif key is None or not blocks:
            named.append(Named(number, "other words", masked(line.strip())))
            continue
        else:
            named.append(Named(number, f"{key} of row {blocks[-1][0][0]}", masked(line.strip())))
        blocks[-1].append((number, key, value, line.strip()))
    if not blocks:
        reason = "There is no day in it. Copy the statement from its “Recon date” down to “Amount paid”."
        raise StatementFormatError("the pasted text", None, reason)
    order = date_order or _order_told(blocks)
    lines = tuple(_rolled(block, order, vat_bp) for block in blocks)
    return GatewayFile("Pasted statement", FileKind.ROLLUP, lines, tuple(named), rows)


def _labelled(line: str) -> tuple[str | None, str]:
    for key, pattern in _LABELLED:
        if match := pattern.fullmatch(line):
            value = match[match.lastindex or 0].strip()
            if value and (any(char.isdigit() for char in value)):
                return key, value
    return None, ""


def _order_told(blocks: Sequence[Sequence[tuple[int, str, str, str]]]) -> str:
    told = [
        (number, value) for block in blocks for number, key, value, _ in block if key in ("on", "paid_on")
    ]
    try:
        return days.order_of(told)
    except days.OrderUnknown as error:
        reason = f"The order of its dates is not known: {error.reason}."
        raise StatementFormatError("the pasted text", error.row, reason) from error


def _rolled(block: Sequence[tuple[int, str, str, str]], order: str, vat_bp: int) -> FileLine:
    told = {key: value for _, key, value, _ in block}
    raw = masked(" · ".join(text for *_, text in block))
    common: dict[str, Any] = {"row": block[0][0], "reference": "", "method": "", "payout": "", "raw": raw}
    try:
        return FileLine(kind=LineKind.ROLLUP, **common, **_sums(told, order, vat_bp))
    except Fault as fault:
        nothing: dict[str, Any] = {"on": None, "gross": 0, "fee": 0, "vat": 0, "paid_on": None}
        return FileLine(kind=LineKind.UNREAD, reason=str(fault), **common, **nothing)


def _sums(told: Mapping[str, str], order: str, vat_bp: int) -> dict[str, Any]:
    minor = {key: _minor(told, key) for key in ("gross", "fees", "advance", "net", "other", "paid")}
    if minor["gross"] is None or minor["paid"] is None or minor["fees"] is None:
        raise Fault("It needs gross sales, transaction fees and the amount paid.")
    gross, paid, fees = minor["gross"], minor["paid"], abs(minor["fees"])
    advance, other = abs(minor["advance"] or 0), abs(minor["other"] or 0)
    if minor["net"] is not None and gross - fees - advance != minor["net"]:
        raise Fault(f"Gross less fees is {rand(gross - fees - advance)}, and net sales say {told['net']}.")
    if gross - fees - advance - other != paid:
        left = rand(gross - fees - advance - other)
        raise Fault(f"Gross less fees and deductions is {left}, and it says {told['paid']} was paid.")
    fee, vat = apart(fees, vat_bp)
    try:
        on = days.read(told["on"], order)
        paid_on = days.read(told["paid_on"], order) if "paid_on" in told else None
    except ValueError as error:
        raise Fault(f"Its date cannot be read: {error}.") from None
    return {"on": on, "gross": gross, "fee": fee, "vat": vat, "less": advance + other, "paid_on": paid_on}


def _minor(told: Mapping[str, str], key: str) -> int | None:
    if key not in told:
        return None
    try:
        return amounts.read(told[key]).minor
    except ValueError:
        raise Fault(f"The amount {quoted(masked(told[key]))} cannot be read.") from None
