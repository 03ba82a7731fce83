"""Statements: a bank's file comes in, looked at first; what cannot be read waits; an import can go again."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

import bootstrap
import ui
import words
from payments import dates
from payments.access.people import Action, Person
from payments.bank import accounts, coverage, imports
from payments.bank.accounts import AccountView
from payments.bank.imports import FileView, Look
from payments.errors import OtherAccount, StatementFormatError, UnknownLayout
from payments.reconciling import proposing, reconciliation
from payments.statements import Mapping, PreviewRow, Quarantined, Statement
from words import bank as bank_words

person = ui.require(Action.SEE_BANK)
app = bootstrap.app()
WORKBENCH = "pages/finance/workbench.py"
TAKEN = ui.Taken(
    "CSV, Excel, OFX, QIF, MT940 or CAMT.053",
    ("csv", "txt", "tsv", "xlsx", "ofx", "qfx", "qif", "mt940", "940", "sta", "xml", "camt", "053"),
    "Download it from the bank as one of these.",
    "Download fewer days at once.",
)
REFUSED = (
    "Nothing of this file was taken in. Download it from the bank once more and bring it as it is: a "
    "spreadsheet that opened and saved it may have changed it."
)
SHOWN = 20
ON_A_PAGE = 50


def tell(sentence: str, *, bad: bool = False, bench: bool = False) -> None:
    st.session_state.statements_done = (sentence, bad, bench)


def last_done() -> None:
    if said := st.session_state.pop("statements_done", None):
        sentence, bad, bench = said
        (st.warning if bad else st.success)(ui.escape(sentence))
        if bench and (left := len(waiting())):  # another page would forget them
            ui.plain(f"{words.count(left, 'file waits', 'files wait')} below.", "faint")
        elif bench:
            st.page_link(WORKBENCH, label="Reconcile them", icon=":material/join:")


# -- a file comes in ----------------------------------------------------------------------------------


def bring(here: Person, account: AccountView) -> None:
    brought = ui.bring_files("Statements, one or several", TAKEN, key=f"file_{uploads()}")
    if not brought and app.settings.demo:
        samples()
    file_id, name, data = next_of(brought) if brought else ("", *st.session_state.get("sample", ("", b"")))
    if not name:
        return
    with ui.error_boundary():
        try:
            look_at(here, account, file_id, name, data)
        except OtherAccount as error:
            ui.problem(str(error))
            if here.may(Action.RECONCILE):
                ui.its_bank_account(error)
        except StatementFormatError as error:
            ui.problem(str(error))
            if data:
                ui.plain(REFUSED, "faint")


def next_of(brought: Sequence[UploadedFile]) -> tuple[str, str, bytes]:
    """Each file is looked at before it comes in, so several come one after the other."""
    left = waiting()
    one = left[0]
    if len(brought) > 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            ui.plain(f"{one.name}, {len(brought) - len(left) + 1} of {len(brought)}", "title")
            st.button(
                "Leave it out", key=f"leave_{one.file_id}", type="tertiary", icon=":material/close:",
                on_click=go_on, args=(one.file_id,),
            )  # fmt: skip
    return one.file_id, one.name, one.getvalue()


def go_on(file_id: str, *, came_in: bool = False) -> None:
    """This file is dealt with. Pressed twice it is the same one, and not the next, which nobody looked at."""
    st.session_state.files_done = {file_id: came_in} | done()
    for key in ("sample", "statement_read"):
        st.session_state.pop(key, None)


def done() -> dict[str, bool]:
    """Which of the files that were brought are dealt with, and whether they came in."""
    return st.session_state.get("files_done", {})


def waiting() -> list[UploadedFile]:
    """Those of them that are not."""
    brought = st.session_state.get(f"file_{uploads()}") or []
    return [one for one in brought if one.file_id not in done() and ui.is_taken(one.name, TAKEN)]


def uploads() -> int:
    """Rises once all that was brought is dealt with, so that the uploader is empty again."""
    return st.session_state.setdefault("uploads", 0)


def all_dealt_with() -> None:
    """Before the page is drawn: another uploader, once nothing waits in this one."""
    if not done() or waiting():
        return
    if (came := sum(done().values())) and "statements_done" not in st.session_state:
        tell(f"{words.count(came, 'file is', 'files are')} in.", bench=True)
    st.session_state.uploads, st.session_state.files_done = uploads() + 1, {}


def samples() -> None:
    """What a demo desk wrote for whoever tries it."""
    there = sorted((app.settings.data_dir / "statements").glob("*.csv"))
    if not there:
        return
    ui.plain(f"This demo desk has statements to try, in {there[0].parent}:", "faint")
    with st.container(horizontal=True):
        for path in there:
            st.button(
                path.stem, key=f"sample_{path.stem}", icon=":material/description:", on_click=use_sample,
                args=(path,),
            )  # fmt: skip


def use_sample(path: Path) -> None:
    st.session_state.sample = (path.name, path.read_bytes())


def look_at(here: Person, account: AccountView, file_id: str, name: str, data: bytes) -> None:
    """What the file says, before anything is imported; or what is to be said about it first."""
    order_key = f"order_{hashlib.sha256(data).hexdigest()}"
    order = st.session_state.get(order_key)
    rows: Sequence[PreviewRow] = ()
    try:
        statement, mapping = read(here, account, name, data, None, order)
    except UnknownLayout as unknown:
        mapped = ui.mapping_screen(name, data, unknown, currency=account.currency)
        if mapped is None:
            return
        columns, rows = mapped
        statement, mapping = read(here, account, name, data, columns, order)
    except StatementFormatError as error:
        if order is not None or "order" not in error.reason.lower():
            raise
        if (told := ui.date_order_asked(str(error), data)) is not None:
            st.session_state[order_key] = told
            st.rerun()
        return
    with app.sessions.read() as session:
        looked = imports.look(session, here, account.id, statement, data, mapping)
    shown(looked)
    if here.may(Action.RECONCILE):
        take_in(account, file_id, name, data, looked, order)
    first = rows or looked.statement.lines[:SHOWN]
    ui.preview_list(first, key="statement_preview", label="The first lines")
    if len(looked.statement.lines) > SHOWN:
        ui.plain(f"The first {SHOWN} of {words.number(len(looked.statement.lines))} lines.", "faint")


def read(
    here: Person, account: AccountView, name: str, data: bytes, mapping: Mapping | None, order: str | None
) -> tuple[Statement, Mapping | None]:
    """The statement, read once for each answer and not at each click."""
    key = (hashlib.sha256(data).hexdigest(), account.id, mapping, order)
    kept = st.session_state.get("statement_read")
    if kept is None or kept[0] != key:
        with st.spinner("Reading it …"), app.sessions.read() as session:
            found = imports.read(session, here, account.id, name, data, mapping=mapping, date_order=order)
        st.session_state.statement_read = kept = (key, found)
    return kept[1]


def shown(looked: Look) -> None:
    """What was read, row for row accounted for, and what is new of it."""
    one = looked.statement
    days = [line.date for line in one.lines]
    period = dates.say_days(min(days), max(days)) if days else None
    others = len(one.headers) + len(one.footers)
    st.subheader("What it says", anchor=False)
    ui.facts(
        {
            "Layout": bank_words.layout(one.layout),
            "Account in the file": one.account,
            "Period": period,
            "Opening": str(one.opening) if one.opening is not None else "not said",
            "Closing": str(one.closing) if one.closing is not None else "not said",
            "Rows": rows_told(one.rows, len(one.lines), len(one.quarantined), others),
        }
    )
    proved = ("good", "The balances prove the lines", "Opening and all lines make the closing balance.")
    unproved = ("poor", "The balances do not prove the lines", "Count them against the bank's own statement.")
    ui.checks([proved if one.balanced else unproved])
    if looked.alike:
        st.warning(
            f"{looked.alike} of the new lines have the date and amount of lines that are here, in other "
            "words. Is this the same statement in another layout? Then do not import it.",
            icon=":material/content_copy:",
        )
    if one.quarantined:
        unread_told(one.quarantined)


def unread_told(rows: Sequence[Quarantined]) -> None:
    """One list, not a box for each: the button stands below it."""
    st.warning(
        f"{words.count(len(rows), 'row cannot be read and waits', 'rows cannot be read and wait')} for a "
        "person once the file is in.",
        icon=":material/error:",
    )
    ui.facts({f"Row {row.row}": row.reason for row in rows[:SHOWN]})
    if len(rows) > SHOWN:
        ui.plain(f"And {words.number(len(rows) - SHOWN)} more; all stand below once the file is in.", "faint")


def rows_told(rows: int, lines: int, unread: int, others: int) -> str:
    """Each row of the file, accounted for."""
    parts = [words.count(lines, "line", "lines")]
    parts += [f"{words.number(unread)} that could not be read"] if unread else []
    parts += [words.count(others, "heading or total", "headings and totals")] if others else []
    return f"{words.number(rows)}: {', '.join(parts)}"


def take_in(
    account: AccountView, file_id: str, name: str, data: bytes, looked: Look, order: str | None
) -> None:
    if looked.known is not None:
        st.info(f"This file is here already, as import {looked.known}. Nothing would be added.")
        return
    new, old = words.count(len(looked.new), "line is", "lines are"), words.number(looked.already)
    ui.plain(f"{new} new; {old} here already.", "faint")
    word = f"Import {words.count(len(looked.new), 'line', 'lines')} into {account.told}"
    st.button(
        word, key=f"import_{file_id}", type="primary", icon=":material/login:", on_click=want,
        args=(account, file_id, name, data, looked, order),
    )  # fmt: skip


@dataclass
class Coming:
    """A file that somebody wants in, and what came of it.

    Streamlit breaks a run off for another press, at its next touch of the page or of the session's state, and
    draws the page meanwhile. So what came is kept here: whichever run is left tells it, and the file is taken
    in once.
    """

    account: AccountView
    file_id: str
    name: str
    data: bytes
    looked: Look
    order: str | None
    at_work: Lock = field(default_factory=Lock)
    over: bool = False
    said: str = ""
    fault: str | None = None


def want(*of: Any) -> None:
    """It is done as the page is drawn: a callback can show nothing meanwhile. Pressed twice it is one."""
    st.session_state.setdefault("import_wanted", Coming(*of))


def import_wanted() -> None:
    """What a press of the button asked for, said while it is done."""
    if (coming := st.session_state.get("import_wanted")) is None:
        return
    told = f"Taking in {ui.escape(coming.name)}, and looking for what its lines are for …"
    with st.spinner(told), coming.at_work:
        if not coming.over:
            coming.fault = ui.fault_of(lambda: import_it(coming))
            coming.over = True
    if coming.fault:
        tell(coming.fault, bad=True)
    else:
        go_on(coming.file_id, came_in=True)
        tell(coming.said, bench=True)
    st.session_state.pop("import_wanted", None)


def import_it(coming: Coming) -> None:
    """All of it or nothing; then what is safe is matched at once."""
    here, account, looked = ui.require(Action.RECONCILE), coming.account, coming.looked

    def all_of_it(session: Any) -> imports.Imported:
        came = imports.import_file(
            session, here, account.id, coming.name, coming.data, now=app.now(), mapping=looked.mapping,
            date_order=coming.order, statement=looked.statement,
        )  # fmt: skip
        if looked.mapping is not None:
            accounts.remember(session, here, account.id, looked.mapping, now=app.now())
        return came

    came = app.sessions.run(all_of_it)
    run = proposing.propose(app.sessions, here, now=app.now(), account_id=account.id)
    lines = f"{words.count(came.new, 'new line', 'new lines')}, {came.already} that were here"
    if came.file.waiting and not came.again:
        rows = words.count(
            came.file.waiting, "row could not be read and waits", "rows could not be read and wait"
        )
        lines += f"; {rows} below"
    coming.said = (
        f"{coming.name}{f' is here already, as import {came.file.id}' if came.again else f': {lines}'}. "
        f"{words.number(sum(run.accepted.values()))} found their payment by themselves. "
        f"Of this account {words.count(sum(run.waiting.values()), 'line waits', 'lines wait')} now."
    )


# -- what came in -------------------------------------------------------------------------------------


def came_in(here: Person) -> None:
    with app.sessions.read() as session:
        found = imports.files(session, here)
        missing = coverage.gaps(session, here)
    if not found:
        return
    st.subheader("Imports", anchor=False)
    for sentence in missing:
        st.warning(ui.escape(sentence), icon=":material/event_busy:")
    for file in found:
        one_file(here, file)


def one_file(here: Person, file: FileView) -> None:
    period = dates.say_days(file.first_on, file.last_on) if file.first_on and file.last_on else "no lines"
    gone = "Undone · " if file.undone_at else ""
    with st.expander(ui.escape(f"{gone}{file.name} · {file.account} · {period} · {file.new_lines} new")):
        ui.facts(
            {
                "Import": str(file.id),
                "Layout": bank_words.layout(file.layout),
                "Opening and closing": f"{file.opening} – {file.closing}" if file.opening else None,
                "Rows": rows_told(file.rows, file.lines, file.quarantined, file.named),
                "Imported": f"{ui.moment(file.imported_at)} by {file.imported_by}",
                "SHA-256": file.sha256,
            }
        )
        if file.undone_at is not None:
            ui.plain(f"Undone by {file.undone_by}, {ui.moment(file.undone_at)}: {file.undone_why}")
        elif here.may(Action.RECONCILE):
            going(here, file)


def going(here: Person, file: FileView) -> None:
    """Undoing an import: what is matched of it first, then what would go."""
    if not st.toggle("Undo this import", key=f"going_{file.id}"):
        return
    with app.sessions.read() as session:
        told = imports.undoing(session, here, file.id)
    if told.matched:
        matched(file, told)
    with st.form(f"undo_file_{file.id}", border=False):
        why = st.text_input("Why", key=f"undo_file_why_{file.id}", max_chars=500)
        matches = words.count(len(told.matched), "match", "matches")
        all_of_it = f"Undo {matches}, and the import" if told.matched else "Undo the import"
        if st.form_submit_button(f"{all_of_it}: {told.goes} lines go, {told.stays} stay", type="primary"):
            with ui.error_boundary():
                gone = take_back(told, why)
                tell(f"{words.count(gone, 'line is', 'lines are')} gone. What other files tell of stays.")
                st.rerun()


def matched(file: FileView, told: imports.Undoing) -> None:
    """All of what is matched, some at once: whoever undoes it says that it was looked at."""
    st.warning(
        f"{words.count(len(told.matched), 'line is', 'lines are')} matched. These matches are undone with "
        "the import; their payments wait for their money again."
    )
    pages = -(-len(told.matched) // ON_A_PAGE)
    place = st.container()
    number = st.pagination(pages, key=f"going_page_{file.id}") if pages > 1 else 1
    with place:
        first = (number - 1) * ON_A_PAGE
        shown_now = told.matched[first : first + ON_A_PAGE]
        ui.going_list(shown_now, key=f"going_list_{file.id}_{number}")
        if pages > 1:
            ui.plain(f"{first + 1}–{first + len(shown_now)} of {words.number(len(told.matched))}.", "faint")


def take_back(told: imports.Undoing, why: str) -> int:
    """All in one transaction: the matches of the lines that were listed, then the import."""
    here = ui.require(Action.RECONCILE)

    def all_of_it(session: Any) -> int:
        lines = [match.line_id for match in told.matched]
        reconciliation.undo_all(session, here, lines, why, now=app.now())
        return imports.undo(session, here, told.file.id, why, now=app.now())

    return app.sessions.run(all_of_it)


st.title("Statements", anchor=False)
# Each part has its place, whether it says anything or not: a panel that moved would be drawn anew, shut.
with st.container():
    import_wanted()
    all_dealt_with()
    ui.outcome()
    last_done()
with ui.error_boundary():
    with app.sessions.read() as read_session:
        known_accounts = accounts.list_accounts(read_session, person)
    with st.container():
        if person.may(Action.RECONCILE):
            into = ui.bank_account_chosen(person, known_accounts)
            if into is not None:
                bring(person, into)
        elif not known_accounts:
            ui.empty_state("No statements yet", "Finance imports them here.", "account_balance")
    with st.container():
        ui.unread_bank_rows(person)
    with st.container():
        came_in(person)
