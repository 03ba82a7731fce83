"""A statement of account as a PDF: A4, as many numbered pages as it takes."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from payments import dates
from payments.payers.payer_account import Account
from payments.payers.receipt_pdf import line, numbered, register, with_the_sum


def render(account: Account) -> bytes:
    """The same account is the same bytes."""
    from reportlab.lib.pagesizes import A4  # loaded when somebody wants the first one
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    register()
    out = BytesIO()
    page = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=16 * mm, rightMargin=16 * mm, topMargin=16 * mm, bottomMargin=18 * mm,
        title="Statement of account", author=account.organiser.name or "Paydesk", invariant=1,
    )  # fmt: skip
    foot = f"Statement of account, {dates.say_moment(account.as_of)} (SAST)"
    page.build(list(_parts(account)), canvasmaker=numbered(foot))
    return out.getvalue()


def _parts(account: Account) -> Iterator[Any]:
    from reportlab.platypus import Spacer

    if account.demo:
        yield line("DEMO: no real money moved", 9, bold=True, color="#7a3e00")
    yield line("Statement of account", 18, bold=True)
    yield line(f"As of {dates.say_moment(account.as_of)} (SAST)", 10)
    yield Spacer(1, 8)
    for text in (account.organiser.name, *account.organiser.address.splitlines()):
        yield line(text, 10, bold=text == account.organiser.name)
    yield Spacer(1, 8)
    for text in filter(None, (f"For {account.payer}", account.contact, *account.events)):
        yield line(text, 10)
    if account.left_out:
        yield line(f"{account.left_out} older payments are not on this page.", 10, bold=True)
    yield Spacer(1, 10)
    yield _lines(account)
    if account.places:
        yield Spacer(1, 12)
        yield _places(account)


def _lines(account: Account) -> Any:
    rows = [["Day", "What", "Reference", "Asked", "Paid", "Balance"]]
    rows += [
        [
            dates.say_days(one.on, one.on),
            one.what,
            one.reference,
            _sum(one.asked),
            _sum(one.paid),
            str(one.balance),
        ]
        for one in account.lines
    ]
    rows.append(["", "Still owed", "", str(account.asked), str(account.paid), str(account.balance)])
    return _table(rows, (24, 52, 32, 24, 24, 24), sums_from=3)


def _places(account: Account) -> Any:
    rows = [["Reference", "Person", "Price", "Paid", "Missing"]]
    rows += [
        [reference, place.name, str(place.amount), str(place.paid), str(place.missing)]
        for reference, place in account.places
    ]
    return _table(rows, (36, 72, 24, 24, 24), sums_from=2, bold_last=False)


def _sum(amount: Any) -> str:
    return str(amount) if amount else ""


def _table(
    rows: list[list[str]], widths_mm: tuple[int, ...], *, sums_from: int, bold_last: bool = True
) -> Any:
    from reportlab.lib.units import mm
    from reportlab.platypus import Table

    strong = {0, len(rows) - 1} if bold_last else {0}
    cells = [
        [line(text, 8, bold=at in strong, right=column >= sums_from) for column, text in enumerate(row)]
        for at, row in enumerate(rows)
    ]
    table = Table(cells, colWidths=[width * mm for width in widths_mm], hAlign="LEFT", repeatRows=1)
    table.setStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 2),
            ("RIGHTPADDING", (0, 0), (-1, -1), 2),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, "#b8bec8"),
            *(with_the_sum(len(rows)) if bold_last else ()),
        ]
    )
    return table
