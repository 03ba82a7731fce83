"""A paper as a PDF: A4, with our own fonts in it, as many numbered pages as its lines take.

What payers typed is drawn as text, and never read as markup.
"""

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from payments import dates
from payments.papers.bodies import Body, PaperKind
from payments.papers.handing import Handed
from payments.payers.receipt_pdf import line, numbered, register

_WIDTH_MM = 178
_RED, _GREY = "#a3120a", "#4a5260"


def render(handed: Handed) -> bytes:
    """The same paper is the same bytes."""
    from reportlab.lib.pagesizes import A4  # loaded when somebody wants the first one
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    register()
    body, out = handed.body, BytesIO()

    paper = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=16 * mm, rightMargin=16 * mm, topMargin=16 * mm, bottomMargin=20 * mm,
        title=f"{body.title} {body.label}", author=body.supplier.name, invariant=1,
    )  # fmt: skip
    foot = f"{body.title} {body.label}{', COPY' if handed.copy else ''}"
    paper.build(list(_parts(body, copy=handed.copy)), canvasmaker=numbered(foot))
    return out.getvalue()


def _parts(body: Body, *, copy: bool) -> Iterator[Any]:
    from reportlab.platypus import KeepTogether, Spacer

    if body.demo:
        yield line("DEMO: no real money moved", 9, bold=True, color="#7a3e00")
    if copy:
        yield line("COPY", 20, bold=True, color=_RED)
    yield _columns([line(body.title, 20, bold=True)], [line(f"No. {body.label}", 11, bold=True, right=True)])
    yield Spacer(1, 12)
    yield _columns(list(_supplier(body)), list(_bill_to(body)))
    yield Spacer(1, 10)
    yield _facts(body)
    yield Spacer(1, 12)
    yield _lines(body)
    yield Spacer(1, 6)
    yield KeepTogether([_sums(body), Spacer(1, 12), *_last_words(body)])


def _supplier(body: Body) -> Iterator[Any]:
    supplier = body.supplier
    yield line("From", 8, color=_GREY)
    yield line(supplier.name, 10, bold=True)
    told = [
        *supplier.address.splitlines(),
        f"VAT number {supplier.vat_number}" if supplier.vat_number else "",
        f"Registration number {supplier.registration}" if supplier.registration else "",
        f"Supplier number {supplier.supplier_number}" if supplier.supplier_number else "",
        supplier.contact,
    ]
    yield from (line(text, 9) for text in told if text)


def _bill_to(body: Body) -> Iterator[Any]:
    to = body.bill_to
    yield line("To" if body.kind is PaperKind.QUOTATION else "Bill to", 8, color=_GREY)
    yield line(to.name, 10, bold=True)
    told = [
        f"Attention: {to.attention}" if to.attention else "",
        *to.address.splitlines(),
        f"VAT number {to.vat_number}" if to.vat_number else "",
        to.email,
    ]
    yield from (line(text, 9) for text in told if text)


def _facts(body: Body) -> Any:
    until = "Good until" if body.kind is PaperKind.QUOTATION else "Due on"
    owed = body.received.minor < body.bill.total.minor
    told = [
        ("Date of issue", dates.say_days(body.issued_on, body.issued_on)),
        (until, dates.say_days(body.until, body.until) if body.until and owed else ""),
        ("Your order number", body.bill_to.po_number),
        ("Event", body.event),
        ("Payment reference", ", ".join(body.references)),
        ("Credits invoice", body.credits),
        ("Reason", body.why),
        ("In place of", f"abridged tax invoice {body.replaces}" if body.replaces else ""),
    ]
    rows = [[line(name, 9, color=_GREY), line(value, 9)] for name, value in told if value]
    return _table(rows, (38, _WIDTH_MM - 38))


def _lines(body: Body) -> Any:
    """Each line with what it costs; without VAT and its VAT apart, where there is some."""
    with_vat = body.bill.rate_bp > 0
    less = any(one.discount for one in body.bill.lines)
    heads = ["Description", "Quantity", "Price", *(["Discount"] if less else [])]
    heads += ["Without VAT", "VAT", "With VAT"] if with_vat else ["Amount"]
    rows = [heads]
    for one in body.bill.lines:
        row = [one.what, str(one.quantity), str(one.unit)]
        row += [str(one.discount) if one.discount else ""] if less else []
        row += [str(one.net), str(one.vat), str(one.gross)] if with_vat else [str(one.gross)]
        rows.append(row)
    sums = [22] * (len(heads) - 2)
    cells = [
        [line(text, 8, bold=not at, right=column > 0) for column, text in enumerate(row)]
        for at, row in enumerate(rows)
    ]
    return _table(cells, (_WIDTH_MM - 16 - sum(sums), 16, *sums), heads=1)


def _sums(body: Body) -> Any:
    """What s. 20(4)(g) asks for: the value, the VAT, and both together."""
    bill, credit = body.bill, body.kind is PaperKind.CREDIT_NOTE
    told = []
    if bill.rate_bp:
        told += [("Total without VAT", bill.net), (f"VAT at {_percent(bill.rate_bp)}", bill.vat)]
    told.append((_WHOLE[body.kind] if not bill.rate_bp else f"{_WHOLE[body.kind]}, with VAT", bill.total))
    if body.received.minor > 0 and not credit:
        rest = bill.total - body.received
        told.append(("Received until the date of issue", body.received))
        told.append(("Still owed", rest) if rest.minor >= 0 else ("Received too much", -rest))
    strong = {_WHOLE[body.kind], f"{_WHOLE[body.kind]}, with VAT", "Still owed"}
    rows = [
        [line(name, 10, bold=name in strong), line(str(sum_), 10, bold=name in strong, right=True)]
        for name, sum_ in told
    ]
    return _table(rows, (70, 36), right=True)


_WHOLE = {
    PaperKind.QUOTATION: "Total",
    PaperKind.PRO_FORMA: "Total to pay",
    PaperKind.INVOICE: "Total",
    PaperKind.CREDIT_NOTE: "Total credited",
}


def _last_words(body: Body) -> Iterator[Any]:
    from reportlab.platypus import Spacer

    if body.bank and body.received.minor < body.bill.total.minor:
        bank = body.bank
        yield line("How to pay by EFT", 10, bold=True)
        yield line(
            f"{bank.holder}, {bank.bank}, {bank.kind} account {bank.number}, branch code {bank.branch_code}",
            9,
        )
        yield line(f"Reference, exactly so: {body.references[0]}", 9, bold=True)
        yield Spacer(1, 8)
    if body.note:
        yield from (line(text, 9) for text in body.note.splitlines())
        yield Spacer(1, 8)
    yield line(_closing(body), 8, color=_GREY)


def _closing(body: Body) -> str:
    if body.kind is PaperKind.PRO_FORMA:
        return "Made before payment: this is no tax invoice, and no VAT can be claimed on it."
    if body.kind is PaperKind.QUOTATION:
        return "A quotation is no invoice: nothing is owed by it until it is accepted."
    return "" if body.bill.rate_bp else "The supplier is not registered for VAT: no VAT is charged."


def _percent(rate_bp: int) -> str:
    whole, part = divmod(rate_bp, 100)
    return f"{whole}{f'.{part:02d}'.rstrip('0') if part else ''} %"


def _columns(left: list[Any], right: list[Any]) -> Any:
    from reportlab.lib.units import mm
    from reportlab.platypus import Table

    table = Table([[left, right]], colWidths=[_WIDTH_MM / 2 * mm] * 2, hAlign="LEFT")
    table.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)])
    return table


def _table(
    cells: list[list[Any]], widths_mm: tuple[float, ...], *, heads: int = 0, right: bool = False
) -> Any:
    from reportlab.lib.units import mm
    from reportlab.platypus import Table

    widths = [width * mm for width in widths_mm]
    table = Table(cells, colWidths=widths, hAlign="RIGHT" if right else "LEFT", repeatRows=heads)
    table.setStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 2 if heads else 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), 2),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, "#b8bec8"),
        ]
    )
    return table
