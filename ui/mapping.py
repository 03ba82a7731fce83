"""What the columns of a table mean: asked of a person, with twenty rows read anew at each answer.

The fields are each file's own: of several that come one after the other, nothing said of one is left for the
next.
"""

import hashlib
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import streamlit as st

from payments import statements
from payments.errors import InvalidInput, UnknownLayout
from payments.statements import Mapping, PreviewRow
from payments.statements.mapping import trimmed
from ui.lists import preview_list
from ui.pieces import plain, problem

_ORDERS = {None: "As the file proves", "dmy": "Day first", "mdy": "Month first", "ymd": "Year first"}
_DECIMALS = {None: "As the amounts show", ".": "1234.56", ",": "1234,56"}
_ONE, _TWO = "One column, signed", "Money in and money out"


def mapping_screen(
    name: str, data: bytes, unknown: UnknownLayout, *, currency: str
) -> tuple[Mapping, Sequence[PreviewRow]] | None:
    """The mapping as answered so far, with the first rows as they are read by it; None while it cannot be
    used, which is said on the page. The rows are for the page to show once, below what it asks."""
    plain(
        "No layout is known by these headings. Say once what the columns mean; it is remembered for this "
        "account.",
        "faint",
    )
    rows = [list(cells) for cells in unknown.rows]
    if not rows:
        problem("There is no row to look at.")
        return None
    fields = _fields(data)
    told = statements.suggest(list(enumerate(rows, 1)))
    guess = next((nth for nth, cells in enumerate(rows) if cells == told.get("heading")), 0)
    at = st.selectbox(
        "The row with the headings", range(len(rows)), index=guess, key=f"{fields}_heading",
        format_func=lambda nth: " | ".join(cell for cell in rows[nth] if cell)[:110] or "an empty row",
    )  # fmt: skip
    heading = trimmed(rows[at])
    # Headings of another language: what can be told is told, with the date first, as it mostly stands.
    known = told if told and at == guess else statements.suggest([(1, ["Date", *heading[1:]])])
    lines = rows[at + 1 :]
    answers = _columns(fields, heading, known | statements.by_content(lines, known), lines)
    if not answers["description"]:
        plain("Choose the column with what the bank says of a payment; the lines show here then.", "faint")
        return None
    layout = st.text_input("A name for this layout", PurePath(name).stem[:60], key=f"{fields}_name").strip()
    try:
        mapping = Mapping(
            name=layout or "Statement", heading=tuple(heading), currency=currency, **answers,
        )  # fmt: skip
    except InvalidInput as error:
        problem(str(error))
        return None
    seen = statements.preview(mapping, data, name)
    if seen.fault:
        problem(seen.fault)
        preview_list(seen.rows, key=f"{fields}_preview")
        return None
    return mapping, seen.rows


def _fields(data: bytes) -> str:
    """How the keys of a file's fields begin."""
    return f"map_{hashlib.sha256(data).hexdigest()[:16]}"


def _columns(
    fields: str, heading: Sequence[str], told: dict[str, Any], lines: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Which column holds what; -1 is none. Beside each heading stands what is first found below it."""
    names = {-1: "–"} | {nth: f"{nth + 1}. {cell}{_example(lines, nth)}" for nth, cell in enumerate(heading)}
    first, second = st.columns(2)

    def one(place: Any, label: str, key: str, *, needed: bool = False) -> int | None:
        choices = [nth for nth in names if nth >= 0 or not needed]
        index = choices.index(told[key]) if told.get(key) in choices else 0
        index = min(1, len(choices) - 1) if needed and key == "amount" and key not in told else index
        got = place.selectbox(
            label, choices, index=index, format_func=lambda nth: names[nth], key=f"{fields}_{key}"
        )
        return None if got == -1 else got

    def several(place: Any, label: str, key: str) -> tuple[int, ...]:
        usual = [nth for nth in told.get(key, ()) if nth in names]
        return tuple(
            place.multiselect(
                label, [nth for nth in names if nth >= 0], default=usual, format_func=lambda nth: names[nth],
                key=f"{fields}_{key}", placeholder="Choose columns",
            )
        )  # fmt: skip

    answers: dict[str, Any] = {"date": one(first, "Date", "date", needed=True)}
    answers["date_order"] = second.selectbox(
        "Order of dates", list(_ORDERS), format_func=_ORDERS.__getitem__, key=f"{fields}_order"
    )
    answers["description"] = several(first, "What the bank says", "description")
    answers["reference"] = several(second, "Reference", "reference")
    two = "amount" not in told and "money_in" in told
    how = first.radio("Amounts", [_ONE, _TWO], index=int(two), key=f"{fields}_amounts", horizontal=True)
    answers["decimal"] = second.selectbox(
        "Cents", list(_DECIMALS), format_func=_DECIMALS.__getitem__, key=f"{fields}_decimal"
    )
    if how == _ONE:
        answers["amount"] = one(first, "Amount", "amount", needed=True)
        answers["flipped"] = second.checkbox("Money out is written as positive", key=f"{fields}_flipped")
    else:
        answers["money_in"] = one(first, "Money in", "money_in", needed=True)
        answers["money_out"] = one(second, "Money out", "money_out", needed=True)
    answers["balance"] = one(first, "Balance", "balance")
    answers["fee"] = one(second, "Fee", "fee")
    return answers


def _example(lines: Sequence[Sequence[str]], column: int) -> str:
    found = next((cells[column] for cells in lines if column < len(cells) and cells[column].strip()), "")
    return f" ({found[:24]}{'…' * (len(found) > 24)})" if found else ""


def date_order_asked(sentence: str, data: bytes) -> str | None:
    """What 03/04/2026 means, when the file was refused because nothing in it proves that."""
    problem(sentence)
    got = st.radio(
        "How are its dates written?", ["dmy", "mdy"], index=None, horizontal=True,
        key=f"{_fields(data)}_order_asked",
        format_func={"dmy": "Day first: 3 April", "mdy": "Month first: 4 March"}.__getitem__,
    )  # fmt: skip
    plain("03/04/2026 would be read so.", "faint")
    return got
