"""What a payout brought less or more than it should, and what may be behind it, each with its rows."""

from payments.payouts.causes import Cause, Difference, Row
from ui import charts
from ui.pieces import plain


def difference(told: Difference, *, key: str) -> None:
    """What may explain it, as a table with doors; else what to do next."""
    if not told.causes:
        plain(told.says)
        return
    off = f"{-told.off} less" if told.off.minor < 0 else f"{told.off} more"
    rows = [line for one in told.causes for line in _lines(one)]
    title = f"What would make it {off}; which it was, iKhokha knows"
    charts.draw(charts.sheet(title, ["What it may be", "Comes to", "Look at"], rows), live=f"causes_{key}")
    if told.more:
        plain(f"{told.more} more would explain it as well.", "faint")


def _lines(one: Cause) -> list[list[charts.Cell | str]]:
    first, *others = [(row.text, _door(row)) for row in one.rows]
    lines: list[list[charts.Cell | str]] = [[one.says, str(one.amount), first]]
    lines += [["likewise", "", row] for row in others]
    if one.of > len(one.rows):
        lines.append([f"and {one.of - len(one.rows)} more", "", ""])
    return lines


def _door(row: Row) -> str:
    if row.payment:
        return f"/payments?payment={row.payment}"
    return f"/payouts?payout={row.payout}" if row.payout else "/payouts?show=Fees"
