"""What the columns of a file of the gateway mean: asked of a person, and read anew at each answer."""

from pathlib import PurePath

import streamlit as st

from payments.errors import InvalidInput, StatementFormatError, UnknownLayout
from payments.payouts import files
from payments.payouts.files import GatewayFile, PayoutMapping
from ui.pieces import escape, plain, problem

#: Which column is asked for, and whether a file cannot be read without it.
_ASKED = (
    ("on", "Trading date", True),
    ("reference", "Our reference, or iKhokha's", True),
    ("gross", "Amount paid by the payer", True),
    ("fee", "Fee", False),
    ("vat", "VAT on the fee", False),
    ("net", "What is left", False),
    ("method", "How it was paid", False),
    ("kind", "Sale, refund or deduction", False),
    ("payout", "Number of the payout", False),
    ("paid_on", "Date of the payout", False),
)
_ORDERS = {None: "As the file proves", "dmy": "Day first", "mdy": "Month first", "ymd": "Year first"}


def payout_mapping_screen(
    name: str, data: bytes, unknown: UnknownLayout
) -> tuple[GatewayFile, PayoutMapping] | None:
    """The file as answered so far; None while it cannot be read, which is said on the page."""
    plain("iKhokha publishes no format. Say once what the columns mean; it is remembered.", "faint")
    rows = [list(cells) for cells in unknown.rows]
    if not rows:
        problem("There is no row to look at.")
        return None
    guess = max(range(len(rows)), key=lambda nth: len(files.suggest(rows[nth])))
    at = st.selectbox(
        "The row with the headings", range(len(rows)), index=guess, key="payout_heading",
        format_func=lambda nth: " | ".join(cell for cell in rows[nth] if cell)[:110] or "an empty row",
    )  # fmt: skip
    heading = list(rows[at])
    while heading and not heading[-1].strip():
        heading.pop()
    answers = _columns(heading)
    left, right = st.columns(2)
    with_vat = left.checkbox("The fee holds its VAT", key="payout_with_vat")
    order = right.selectbox(
        "Order of dates", list(_ORDERS), format_func=lambda one: _ORDERS[one], key="payout_order"
    )
    title = st.text_input("A name for this layout", PurePath(name).stem[:60], key="payout_map_name").strip()
    try:
        mapping = PayoutMapping(
            title or "Settlement", tuple(heading), fee_with_vat=with_vat, date_order=order, **answers
        )
        return files.read(name, data, mapping), mapping
    except InvalidInput as error:
        problem(str(error))
    except StatementFormatError as error:
        problem(str(error))
    return None


def _columns(heading: list[str]) -> dict[str, int]:
    told = files.suggest(heading)
    names = {-1: "–"} | {nth: f"{nth + 1}. {escape(cell)}" for nth, cell in enumerate(heading)}
    places = st.columns(2)
    answers: dict[str, int] = {}
    for nth, (key, label, needed) in enumerate(_ASKED):
        choices = [one for one in names if one >= 0 or not needed]
        index = choices.index(told[key]) if told.get(key) in choices else 0
        got = places[nth % 2].selectbox(
            label, choices, index=index, format_func=lambda one: names[one], key=f"payout_map_{key}"
        )
        if got is not None and got >= 0:
            answers[key] = got
    return answers
