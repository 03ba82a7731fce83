"""The gateway's files on a page: brought, looked at first, what could not be read, and taken back whole."""

from typing import Any

import streamlit as st

import bootstrap
import words
from db.money import Money
from payments.access.people import Action, Person
from payments.errors import UnknownLayout
from payments.lump_sums import confirming, settlements
from payments.lump_sums.settlements import FileView, Imported
from payments.payouts.files import GatewayFile, LineKind, PayoutMapping
from payments.reconciling import proposing
from ui.here import error_boundary, require
from ui.payout_mapping import payout_mapping_screen
from ui.pieces import escape, facts, moment, plain, problem
from ui.proving import tell
from ui.uploads import Taken, bring_file

TAKEN = Taken(
    "CSV or Excel", ("csv", "txt", "tsv", "xlsx"), "Download it from iKhokha as one of these.",
    "Download fewer days at once.",
)  # fmt: skip
SHOWN = 10


def bring(here: Person) -> None:
    """A file or a pasted statement: what it says, before anything is written down."""
    if not here.may(Action.RECONCILE):
        return
    st.subheader("Bring what iKhokha says", anchor=False)
    brought = bring_file("A settlement or payout file", TAKEN, key=f"payout_file_{_uploads()}")
    name, data = (brought.name, brought.getvalue()) if brought else _sample()
    if name:
        with error_boundary():
            _look(here, name, data)
    with st.expander("Paste the daily statement instead", icon=":material/content_paste:"):
        with st.form("paste_statement", border=False):
            pasted = st.text_area(
                "From iKhokha's page or mail, from “Recon date” down to “Amount paid”", height=200,
                key="pasted_statement",
            )  # fmt: skip
            read = st.form_submit_button("Read and keep it")
        if read and pasted.strip():
            with error_boundary():
                told = settlements.read_text(pasted)
                _take_in(told, pasted.encode(), None)


def _uploads() -> int:
    return st.session_state.setdefault("payout_uploads", 0)


def _sample() -> tuple[str, bytes]:
    """A file that a demo desk wrote for whoever tries it."""
    app = bootstrap.app()
    there = sorted((app.settings.data_dir / "payouts").glob("*.csv")) if app.settings.demo else []
    if there:
        plain(f"This demo desk has files to try, in {there[0].parent}:", "faint")
        with st.container(horizontal=True):
            for path in there:
                if st.button(path.stem, key=f"payout_sample_{path.stem}", icon=":material/description:"):
                    st.session_state.payout_sample = (path.name, path.read_bytes())
    kept: tuple[str, bytes] = st.session_state.get("payout_sample", ("", b""))
    return kept


def _look(here: Person, name: str, data: bytes) -> None:
    try:
        with bootstrap.app().sessions.read() as session:
            told, mapping = settlements.read(session, here, name, data)
    except UnknownLayout as unknown:
        mapped = payout_mapping_screen(name, data, unknown)
        if mapped is None:
            return
        told, mapping = mapped
    _shown(told)
    with bootstrap.app().sessions.read() as session:
        refused = confirming.refusal(session, here, told)
    if refused:
        problem(refused)
        return
    if st.button("Keep these payouts", type="primary", icon=":material/login:", key="keep_payouts"):
        _take_in(told, data, mapping)


def _shown(told: GatewayFile) -> None:
    captures = [line for line in told.lines if line.kind is LineKind.CAPTURE]
    net = Money(sum(line.net for line in told.lines))
    gross = Money(sum(line.gross for line in captures))
    facts(
        {
            "Rows": f"{told.rows} = {len(told.lines) - len(told.unread)} lines + {len(told.unread)} that "
            f"cannot be read + {len(told.named)} headings and totals",
            "Payments": f"{words.number(len(captures))}, {gross}",
            "Left after fees": str(net),
        }
    )
    for line in told.unread[:SHOWN]:
        problem(f"Row {line.row} waits for a person: {line.reason}")


def _take_in(told: GatewayFile, data: bytes, mapping: PayoutMapping | None) -> None:
    app, here = bootstrap.app(), require(Action.RECONCILE)

    def all_of_it(session: Any) -> Imported:
        came = settlements.import_file(session, here, told, data, now=app.now(), mapping=mapping)
        if mapping is not None:
            settlements.remember(session, here, mapping, now=app.now())
        return came

    came = app.sessions.run(all_of_it)
    run = proposing.propose(app.sessions, here, now=app.now())  # lines of the bank that waited for it
    st.session_state.payout_uploads = _uploads() + 1
    st.session_state.pop("payout_sample", None)
    if came.again:
        tell(f"This is here already, as import {came.file_id}. Nothing was added.")
    else:
        tell(
            f"{words.count(came.payouts, 'payout', 'payouts')} written down, {came.captures} payments "
            f"settled, {came.strangers} that are not ours, {came.known} were here, {came.unread} rows wait. "
            f"{words.count(run.accepted['payout'], 'line', 'lines')} of the bank tied."
        )
    st.rerun()


def unread_rows(here: Person) -> None:
    with bootstrap.app().sessions.read() as session:
        rows = settlements.unread(session, here)
    if not rows:
        return
    st.subheader(f"Rows that could not be read · {words.number(len(rows))}", anchor=False)
    for row in rows:
        with st.container(border=True):
            plain(f"{row.file}, row {row.row}", "title")
            plain(row.raw)
            plain(row.reason, "faint")
            if here.may(Action.RECONCILE):
                with st.popover("Set it aside", icon=":material/do_not_disturb_on:"):
                    _aside(row.id)


def _aside(row_id: int) -> None:
    with st.form(f"payout_row_{row_id}", border=False):
        why = st.text_input("Why it is nothing", key=f"payout_row_why_{row_id}", max_chars=500)
        if st.form_submit_button("Set it aside"):
            with error_boundary():
                app, here = bootstrap.app(), require(Action.RECONCILE)
                app.sessions.run(
                    lambda session: settlements.set_aside(session, here, row_id, why, now=app.now())
                )
                tell("Set aside, and kept with its reason.")
                st.rerun()


def imports_list(here: Person) -> None:
    with bootstrap.app().sessions.read() as session:
        found = settlements.files(session, here)
    if not found:
        return
    st.subheader("Imports", anchor=False)
    for file in found:
        _one(here, file)


def _one(here: Person, file: FileView) -> None:
    gone = "Undone · " if file.undone_at else ""
    payouts = words.count(file.payouts, "payout", "payouts")
    with st.expander(escape(f"{gone}{file.name} · {payouts} · {moment(file.imported_at)}")):
        facts(
            {
                "Import": str(file.id),
                "Rows": f"{file.rows} = {file.lines} lines, {file.waiting} of them waiting, "
                f"+ {file.named} others",
                "Imported": f"{moment(file.imported_at)} by {file.imported_by}",
            }
        )
        if file.undone_at is not None:
            plain(f"Undone by {file.undone_by}, {moment(file.undone_at)}: {file.undone_why}")
            return
        if not here.may(Action.RECONCILE):
            return
        with st.form(f"undo_payouts_{file.id}", border=False):
            why = st.text_input("Why it is taken back", key=f"undo_payouts_why_{file.id}", max_chars=500)
            if st.form_submit_button("Undo this import"):
                with error_boundary():
                    _undo(file.id, why)


def _undo(file_id: int, why: str) -> None:
    app, here = bootstrap.app(), require(Action.RECONCILE)
    gone = app.sessions.run(lambda session: settlements.undo(session, here, file_id, why, now=app.now()))
    tell(f"{words.count(gone, 'payout is', 'payouts are')} gone; their payments count as not paid out.")
    st.rerun()
