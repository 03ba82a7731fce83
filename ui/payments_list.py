"""Payments as a list: its columns, its orders, and what a line says."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

import words
from payments.finding import needle, search
from payments.finding.search import PaymentRow
from ui.components import component
from ui.lists import hears
from ui.pieces import moment

#: Every column a person may choose. ``reference`` is the row's handle and always there.
COLUMNS = {
    "when": "Created",
    "amount": "Amount",
    "status": "Status",
    "payer": "Payer",
    "event": "Event",
    "method": "Method",
    "reference": "Reference",
    "received": "Received",
    "paid": "Paid",
    "asked": "Checked",
    "category": "Category",
    "email": "E-mail",
    "phone": "Phone",
    "gateway": "At iKhokha",
    "note": "Note",
}
#: Those shown to whoever never chose.
USUAL = ("when", "amount", "status", "payer", "event", "method", "reference")
HANDLE = "reference"


def payments_list(
    rows: Iterable[PaymentRow],
    *,
    key: str,
    label: str,
    pick: Callable[[str], None],
    show: Sequence[str] = USUAL,
    without: Sequence[str] = (),
    bare: bool = False,
    marks: needle.Marks = needle.Marks(),
    sort: str | None = None,
    on_sort: Callable[[str], None] | None = None,
    chosen: Iterable[int] = (),
    on_chosen: Callable[[int, str], None] | None = None,
) -> None:
    """Payments as a table, on a phone as cards. ``pick`` is called with the reference that was chosen.

    ``show`` names columns of ``COLUMNS`` in their order.
    ``marks`` are pointed at in the texts; where none of them shows, the field that was found is. With
    ``sort`` the headings sort, and ``on_sort`` hears of the order that was asked for. With ``on_chosen``
    each row has a box, ticked for the ids in ``chosen``; it hears of an id, and ``choose`` or ``leave``.
    """

    def sorted_by() -> None:
        wanted = st.session_state[key].sorted
        if on_sort is not None and isinstance(wanted, str):
            on_sort(wanted)

    def picked() -> None:
        reference = st.session_state[key].picked
        if isinstance(reference, str):
            pick(reference)

    data = listing(rows, label=label, show=show, without=without, bare=bare, marks=marks)
    data["sort"] = {"now": sort, "keys": SORT_KEYS} if sort else None
    heard: dict[str, Callable[[], None]] = {}
    if on_chosen is not None:
        data["chosen"] = sorted(chosen)
        data["heard"], heard["on_told_change"] = hears(key, on_chosen)
    component("payments")(key=key, data=data, on_picked_change=picked, on_sorted_change=sorted_by, **heard)


def listing(
    rows: Iterable[PaymentRow],
    *,
    label: str,
    show: Sequence[str] = USUAL,
    without: Sequence[str] = (),
    bare: bool = False,
    marks: needle.Marks = needle.Marks(),
    empty: str = "",
) -> dict[str, Any]:
    """What the list shows, as its script reads it. ``empty`` is said where there are no rows."""
    names = [name for name in show if name in COLUMNS and name not in without]
    names += [] if HANDLE in names else [HANDLE]
    return {
        "label": label,
        "columns": [[name, COLUMNS[name]] for name in names],
        "rows": [_line(row, marks) for row in rows],
        "bare": bare,
        "marks": {"words": marks.words, "bare": marks.bare},
        "empty": empty,
    }


def live_list(
    shown: Mapping[str, Any], paid: tuple[str, str], *, key: str, pick: Callable[[str], None]
) -> None:
    """A ``listing`` that stays up to date by itself, and with it each place that ``charts.draw`` named.

    ``paid`` is the payment that was paid last and the news of it, which is read aloud when it is another one.
    """

    def picked() -> None:
        reference = st.session_state[key].picked
        if isinstance(reference, str):
            pick(reference)

    data = {"newest": shown, "paid": paid}
    component("live")(key=key, data=data, on_picked_change=picked, on_again_change=lambda: None)


#: The orders a list and its file may have.
ORDERS: Mapping[str, str] = {
    search.NEWEST: "Newest first",
    search.OLDEST: "Oldest first",
    "-amount": "Largest amount",
    "amount": "Smallest amount",
    "payer": "Payer, A to Z",
    "-payer": "Payer, Z to A",
    "event": "Event, A to Z",
    "-event": "Event, Z to A",
    "status": "Status, A to Z",
    "-status": "Status, Z to A",
    "method": "Method, A to Z",
    "-method": "Method, Z to A",
    "-paid": "Paid last",
    "paid": "Paid first",
    "reference": "Reference, A to Z",
    "-reference": "Reference, Z to A",
    "-received": "Received most",
    "received": "Received least",
    "-asked": "Checked last",
    "asked": "Checked first",
    "category": "Category, A to Z",
    "-category": "Category, Z to A",
    "email": "E-mail, A to Z",
    "-email": "E-mail, Z to A",
    "phone": "Phone, smallest",
    "-phone": "Phone, largest",
    "gateway": "At iKhokha, A to Z",
    "-gateway": "At iKhokha, Z to A",
    "note": "Note, A to Z",
    "-note": "Note, Z to A",
}


#: The order a column's heading asks for, the smallest first and the largest first.
SORT_KEYS = {
    "when": (search.OLDEST, search.NEWEST),
    **{name: (name, f"-{name}") for name in search.SORTS},
}


def _where_found(row: PaymentRow, marks: needle.Marks, shown: Iterable[str | None]) -> str | None:
    """The field that was found, where none that is shown would be marked."""
    if marks == needle.Marks() or any(needle.points_at(marks, text) for text in shown if text):
        return None
    hidden = {
        "Phone": row.payer_phone,
        "E-mail": row.payer_email,
        "iKhokha's reference": row.gateway_reference,
        "Note": row.note,
    }
    return next(
        (f"{name}: {text}" for name, text in hidden.items() if text and needle.points_at(marks, text)), None
    )


def _line(row: PaymentRow, marks: needle.Marks) -> dict[str, Any]:
    look = words.STATUS[row.status]
    part = row.received if row.received and row.received != row.amount else None
    contact = row.payer_email or row.payer_phone or None
    return {
        "found": _where_found(row, marks, (row.reference, row.payer_name, contact, row.event_name)),
        "id": row.id,
        "reference": row.reference,
        "when": moment(row.created_at, brief=True),
        "amount": str(row.amount),
        "received": f"{part} received" if part else None,
        "status": look.__dict__,
        "flag": {"word": words.REVIEW[row.review][0], "icon": "flag", "tone": "orange"}
        if row.review
        else None,
        "old": words.OLD.__dict__ if row.origin == "legacy" else None,
        "payer": row.payer_name,
        "contact": contact,
        "event": row.event_name,
        "category": row.category,
        "method": words.method_word(row.method),
        "more": {
            "received": str(row.received) if row.received else None,
            "paid": moment(row.paid_at, brief=True) if row.paid_at else None,
            "asked": moment(row.asked_at, brief=True) if row.asked_at else None,
            "category": row.category,
            "email": row.payer_email or None,
            "phone": row.payer_phone or None,
            "gateway": row.gateway_reference,
            "note": " ".join(row.note.split())[:120] or None,
        },
    }
