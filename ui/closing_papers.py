"""What a day of Close is taken away as: the reconciliation statement, and a journal for the accountants."""

from datetime import date

import streamlit as st

import bootstrap
from payments import dates
from payments.access import choices
from payments.access.people import Action, Person
from payments.errors import Conflict
from payments.lump_sums import transit
from payments.sign_off import closing_papers, reconciled
from payments.sign_off.journal import Book, Package
from payments.sign_off.reconciled import Entry, Reconciled, Row
from ui.here import error_boundary, require
from ui.pieces import escape, facts, file_link, ledger, moment, plain

_BOOK = {
    Book.BANK: "The bank account",
    Book.CLEARING: "Clearing: payments of payers",
    Book.FEES: "Gateway fees",
    Book.VAT: "Input VAT",
    Book.CASH: "Cash on its way to the bank",
    Book.SURPLUS: "Owed back to payers",
    Book.SUSPENSE: "Suspense: not known yet",
}
_PACKAGE = {
    Package.XERO: "Xero: account codes",
    Package.SAGE: "Sage Accounting: account numbers",
    Package.QUICKBOOKS: "QuickBooks Online: account names",
}
_SHOWN = 40


def statement(here: Person, account_id: int, on: date) -> None:
    """From the bank's balance to the books, each entry with its rows, each row a door."""
    st.subheader("Reconciliation statement", anchor=False)
    app = bootstrap.app()
    try:
        with app.sessions.read() as session:
            told = reconciled.statement(session, here, account_id, on)
    except Conflict as missing:
        plain(str(missing), "faint")
        return
    with st.container(width=600):
        ledger(_lines(told))
    for entry in (*told.adjustments, *told.books):
        _entry(account_id, entry)
    file_link(f"/paper/{closing_papers.STATEMENT}/{account_id}/{on}/{on}", "Save the statement, PDF")


def _lines(told: Reconciled) -> list[tuple[str, str, str]]:
    rows = [(f"The bank, in the evening of {told.on:%-d %b %Y}", str(told.bank), "")]
    for entry in told.adjustments:
        word, amount = reconciled.step(entry.amount)
        rows.append((f"{word}: {entry.name}", str(amount), ""))
    for row in told.named:
        word, amount = reconciled.step(row.amount)
        rows.append((f"Differs, {word}: {row.text}", str(amount), "bad"))
    rows.append(("Our books", str(told.total), "sum"))
    rows += [(f"of it: {entry.name}", str(entry.amount), "") for entry in told.books]
    rows.append(("Difference", str(told.difference), "bad" if told.difference else "sum"))
    return rows


def _entry(account_id: int, entry: Entry) -> None:
    with st.expander(escape(f"{entry.name} · {entry.amount}")), st.container(key=f"lines_{entry.name[:12]}"):
        for row in entry.rows[:_SHOWN]:
            _door(account_id, row)
        if len(entry.rows) > _SHOWN:
            plain(f"The first {_SHOWN} of {len(entry.rows)}; the PDF lists them all.", "faint")


def _door(account_id: int, row: Row) -> None:
    """A line that waits opens where it is matched; a day opens here."""
    label = escape(f"{row.on:%-d %b %Y} · {row.amount} · {row.text}")
    if row.line_id is not None:
        st.page_link("pages/finance/workbench.py", label=label, query_params={"line": str(row.line_id)})
        return
    query = {"account": str(account_id), "day": row.on.isoformat()}
    st.page_link("pages/finance/closing.py", label=label, query_params=query)


def on_its_way(here: Person, on: date) -> None:
    """What the gateway holds of ours, through one day."""
    with bootstrap.app().sessions.read() as session:
        told = transit.roll_forward(session, here, on)
    if not (told.opening or told.captured or told.banked):
        return
    st.subheader("Captured and not on a statement here", anchor=False)
    with st.container(width=600):
        ledger(
            [
                ("Captured and not banked, in the morning", str(told.opening), ""),
                ("Captured on this day", str(told.captured), ""),
                ("Banked on this day, before fees", str(-told.banked), ""),
                ("In the evening", str(told.closing), "sum"),
            ]
        )
    plain(
        f"What was captured on this day is due at the bank from {told.expected_on:%a %-d %b %Y} on. All that "
        "the gateway took since the desk began counts until a statement here shows it, also from before the "
        "first one. Payouts says less under “On its way”: only the last weeks, and not what is late.",
        "faint",
    )


# -- the journal --------------------------------------------------------------------------------------


def journal(here: Person, account_id: int, first: date, last: date) -> None:
    """For days that are signed off. The package's names for the accounts are said once, and kept."""
    with bootstrap.app().sessions.read() as session:
        package, chart, month_first = closing_papers.chart_of(session, here)
    known = all(chart.names.values())
    if known:
        word = f"Save the journal for {_PACKAGE[package].partition(':')[0]}, CSV"
        file_link(f"/paper/{closing_papers.JOURNAL}/{account_id}/{first}/{last}", word)
    label = (
        "Your accounting package"
        if known
        else "Save a journal: say what your accounting package calls its accounts"
    )
    with st.expander(label, icon=":material/menu_book:"), st.form(f"ledger_{first}_{last}", border=False):
        chosen = st.selectbox(
            "Package",
            list(Package),
            index=list(Package).index(package),
            format_func=lambda one: _PACKAGE[one],
        )
        names = {book: st.text_input(_BOOK[book], chart.names[book], max_chars=80) for book in Book}
        tax = st.text_input("Tax rate of these lines, in Xero", chart.tax, max_chars=80)
        tracking = st.text_input("Tracking category of the event, in Xero", chart.tracking, max_chars=80)
        months = st.checkbox("It writes 12/31/2026: the month first", month_first)
        if st.form_submit_button("Keep these", type="primary"):
            with error_boundary():
                said = {"package": str(chosen), "tax": tax, "tracking": tracking}
                _keep({str(book): name for book, name in names.items()} | said, months=months)
                st.rerun()


def _keep(names: dict[str, str], *, months: bool) -> None:
    told = names | {"dates": closing_papers.MONTH_FIRST if months else ""}
    bootstrap.app().sessions.run(lambda session: choices.keep_ledger(session, require(Action.SEE_BANK), told))


def papers_taken(here: Person) -> None:
    """On Exports: journals and statements are files that left the desk as well; each with a door to Close."""
    if not here.may(Action.SEE_BANK):
        return
    with bootstrap.app().sessions.read() as session:
        made = closing_papers.made(session, here, limit=_SHOWN)
    if not made:
        return
    st.subheader("Journals and statements taken", anchor=False)
    for one in made:
        days = dates.say_days(one.first_on, one.last_on)
        st.page_link(
            "pages/finance/closing.py", icon=":material/description:",
            label=escape(f"{one.file_name} · {one.account}, {days} · {moment(one.at)} by {one.by}"),
            query_params={"account": str(one.account_id), "day": one.first_on.isoformat()},
        )  # fmt: skip
    if len(made) == _SHOWN:
        plain(f"The newest {_SHOWN}; Close lists them by account.", "faint")


def papers(here: Person, account_id: int) -> None:
    """What was taken away, the newest first."""
    with bootstrap.app().sessions.read() as session:
        made = closing_papers.made(session, here, account_id)
    if made:
        with st.expander("Papers made", icon=":material/description:"):
            for one in made:
                facts({one.file_name: f"{moment(one.at)} by {one.by} · SHA-256 {one.sha256}"})
