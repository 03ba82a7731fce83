"""The figures of a shift and of one's day as doors, and the list that one of them opens."""

from collections.abc import Mapping
from urllib.parse import urlencode

import streamlit as st

import bootstrap
import words
from payments.access.people import Action
from payments.at_the_door import till_rows
from payments.at_the_door.till_rows import Asked, Line, Which
from payments.dates import day_in
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
    if (rows := query.get("rows")) not in list(Which):
        return None
    machine = query.get("machine", "")
    if "\0" in machine:  # no machine is called so, and PostgreSQL would not even look
        return None
    return Asked(Which(rows), id_in(query.get("shift", "")), day_in(query.get("day", "")), machine)


def doors() -> None:
    """Once on the page."""
    charts.doors("shift_doors", charts.into(_PAGES))


def rows_view(asked: Asked) -> None:
    """The rows of one figure, with their count and sum, each with the way to its payment."""
    st.button("Back to My shift", icon=":material/arrow_back:", on_click=st.query_params.clear)
    with bootstrap.app().sessions.read() as session:
        found = till_rows.of(session, require(Action.TAKE_MONEY), asked)
    plain(_TITLES[asked.which] + (f", {asked.machine}" if asked.machine else ""), "title")
    if not found.lines:
        empty_state("Nothing of this kind", "What a figure counts shows here.", "receipt")
        return
    links, sums = asked.which in _OF_LINKS, words.sums(found.all.sums)
    told = words.count(found.all.count, *(("link", "links") if links else ("receipt", "receipts")))
    if links:
        heads, rows = ["Payment", "Made", "Payer", "Received"], map(_link, found.lines)
    else:
        heads, rows = ["Receipt", "Taken", "Payer", "Payment", "Note", "Amount"], map(_receipt, found.lines)
    blind = asked.which is Which.UNCOUNTED
    total = () if blind else ["Together", *[""] * (len(heads) - 2), sums]
    caption = f"{told}, to be counted first" if blind else f"{told} · {sums}"
    charts.draw(charts.sheet(caption, heads, rows, total), live="till_rows")
    if any(not line.reference for line in found.lines):
        plain("A payment that belongs to another event by now is named there.", "faint")


def _payment(line: Line) -> charts.Cell:
    where = charts.address(charts.PAYMENTS, {"payment": line.reference}) if line.reference else ""
    return line.reference or "–", where


def _link(line: Line) -> list[charts.Cell | str]:
    return [_payment(line), moment(line.at), line.payer or "–", _amount(line)]


def _receipt(line: Line) -> list[charts.Cell | str]:
    taken = [line.label, moment(line.at), line.payer or "–"]
    return [*taken, _payment(line), line.note or "–", _amount(line)]


def _amount(line: Line) -> str:
    return str(line.amount) if line.amount is not None else "–"
