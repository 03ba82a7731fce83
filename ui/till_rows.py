"""The figures of a shift and of one's day as doors, and the list that one of them opens."""

from collections.abc import Mapping
from datetime import date
from urllib.parse import urlencode

import streamlit as st

import bootstrap
import words
from payments.access.people import Action
from payments.at_the_door import till_rows
from payments.at_the_door.till_rows import Asked, Line, Which
from payments.live.figures import Summed
from ui import charts
from ui.charts import Leading
from ui.here import id_in, require
from ui.pieces import empty_state, moment, plain

_TITLES: Mapping[Which, str] = {
    Which.RECEIPTS: "All receipts",
    Which.CASH: "Cash taken",
    Which.GIVEN_BACK: "Cash given back",
    Which.CARD: "Card slips",
    Which.LINKS: "Links made",
    Which.PAID_LINKS: "Links that were paid",
    Which.UNCOUNTED: "Receipts that are still to be counted",
}
_OF_LINKS = (Which.LINKS, Which.PAID_LINKS)
_PAGES = {charts.PAYMENTS: "pages/monitor/payments.py", "shift": "pages/door/shift.py"}


def leading(summed: Summed, asked: Asked) -> Leading:
    """A figure that leads to its rows."""
    one = ("link", "links") if asked.which in _OF_LINKS else ("receipt", "receipts")
    told = {"rows": asked.which.value}
    told |= {"shift": str(asked.shift_id)} if asked.shift_id else {}
    told |= {"day": asked.day.isoformat()} if asked.day else {}
    told |= {"machine": asked.machine} if asked.machine else {}
    return Leading(summed.count, summed.sums, f"/shift?{urlencode(told)}", *one)


def asked_in(query: Mapping[str, str]) -> Asked | None:
    """What an address of the page asks for; None where it is the page itself, or nothing that there is."""
    try:
        which = Which(query.get("rows", ""))
        day = date.fromisoformat(query["day"]) if "day" in query else None
    except ValueError:
        return None
    return Asked(which, id_in(query.get("shift", "")), day, query.get("machine", ""))


def doors() -> None:
    """Once on the page."""
    charts.doors("shift_doors", charts.into(_PAGES))


def rows_view(asked: Asked) -> None:
    """The rows of one figure, with their count and sum, each with the way to its payment."""
    st.button("My shift", icon=":material/arrow_back:", on_click=st.query_params.clear)
    with bootstrap.app().sessions.read() as session:
        found = till_rows.of(session, require(Action.TAKE_MONEY), asked)
    title = _TITLES[asked.which] + (f", {asked.machine}" if asked.machine else "")
    plain(title, "title")
    if not found.lines:
        empty_state("Nothing of this kind", "What a figure counts shows here.", "receipt")
        return
    one, many = ("link", "links") if asked.which in _OF_LINKS else ("receipt", "receipts")
    told = words.count(found.all.count, one, many)
    blind = asked.which is Which.UNCOUNTED
    plain(told if blind else f"{told} · {words.sums(found.all.sums)}", "faint")
    heads = ["Receipt" if one == "receipt" else "What", "Made", "Payer", "Payment", "Note"]
    total = ["Together", "", "", "", ""]
    if not blind:
        heads.append("Amount")
        total.append(words.sums(found.all.sums))
    rows = (_row(line, blind=blind) for line in found.lines)
    charts.draw(charts.sheet(title, heads, rows, total if not blind else ()), live="till_rows")
    if any(not line.reference for line in found.lines):
        plain("A payment that belongs to another event by now is named there.", "faint")


def _row(line: Line, *, blind: bool) -> list[charts.Cell | str]:
    where = charts.address(charts.PAYMENTS, {"payment": line.reference}) if line.reference else ""
    row: list[charts.Cell | str] = [
        line.label, moment(line.at), line.payer or "–", (line.reference or "–", where), line.note or "–",
    ]  # fmt: skip
    return row if blind else [*row, str(line.amount)]
