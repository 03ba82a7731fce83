"""Rows of a bank's file that could not be read wait until a person says what they say, or sets them aside."""

from typing import Any

import streamlit as st

import bootstrap
import words
from payments.access.people import Action, Person
from payments.bank import quarantine
from payments.errors import InvalidInput
from payments.typed import amount_typed
from ui.here import error_boundary, require
from ui.pieces import escape, plain
from ui.proving import tell


def unread_bank_rows(here: Person) -> None:
    with bootstrap.app().sessions.read() as session:
        rows = quarantine.waiting_rows(session, here)
    if not rows:
        return
    st.subheader(f"Rows that could not be read · {words.number(len(rows))}", anchor=False)
    for row in rows:
        title = escape(f"{row.file}, row {row.row} · {row.reason}")
        panel = st.expander(title, key=f"row_{row.id}", on_change="rerun")
        if not panel.open:
            continue
        with panel:
            if here.may(Action.RECONCILE):
                _repair(row, _said_in(here, row))
            else:
                plain(row.raw)


def _said_in(here: Person, row: quarantine.RowView) -> str:
    """Once for each row that is opened: its file is read for it."""
    key = f"row_said_{row.id}"
    if key not in st.session_state:
        with bootstrap.app().sessions.read() as session:
            st.session_state[key] = quarantine.said(session, here, row.id)
    return str(st.session_state[key])


def _repair(row: quarantine.RowView, said: str) -> None:
    """With the row as it stood, from which one types."""
    with st.form(f"repair_{row.id}", border=False):
        plain(row.raw)
        on = st.date_input("Date", row.on, format="DD/MM/YYYY", key=f"row_on_{row.id}")
        amount = st.text_input(
            "Amount; money out begins with a minus", row.amount.decimal if row.amount is not None else "",
            key=f"row_amount_{row.id}",
        )  # fmt: skip
        text = st.text_input("What the bank says", said[:200], key=f"row_text_{row.id}", max_chars=200)
        why = st.text_input("How you know, or why it is nothing", key=f"row_why_{row.id}", max_chars=500)
        mended = st.form_submit_button("It says this", type="primary")
        aside = st.form_submit_button("Set it aside")
    if not (mended or aside):
        return
    with error_boundary():
        app, here = bootstrap.app(), require(Action.RECONCILE)

        def decide(session: Any) -> None:
            if aside:
                quarantine.set_aside(session, here, row.id, why, now=app.now())
            else:
                if on is None:
                    raise InvalidInput("Say which day it was on.")
                minus = amount.strip().startswith("-")
                typed = amount_typed(amount.strip().removeprefix("-"), row.currency)
                quarantine.repair(
                    session, here, row.id, on=on, amount=-typed if minus else typed,
                    description=text, why=why, now=app.now(),
                )  # fmt: skip

        app.sessions.run(decide)
        tell("Decided, and kept with the row.")
        st.rerun()
