"""Many at once: a sheet of people to payment links, and the sheet back with them."""

import streamlit as st

import bootstrap
import ui
import words
from payments import sheets
from payments.access.people import Action
from payments.errors import PaymentsError
from payments.selling import events
from payments.selling.events import EventView, State
from payments.sheets import Preview, RowState, SheetView
from payments.sheets.reading import MOST_ROWS, Sheet, SheetRow
from words import files as file_words

person = ui.require(Action.ISSUE_LINK)
app = bootstrap.app()
SHOWN = 200


def choose_event(open_events: list[EventView]) -> str:
    by_code = {event.code: event for event in open_events}
    return st.selectbox(
        "Event", list(by_code), format_func=lambda code: by_code[code].name, key="sheet_event",
        persist_state="session",
    )  # fmt: skip


def bring(open_events: list[EventView]) -> None:
    """The first step: an event and a file."""
    code = choose_event(open_events)
    brought = ui.bring_file(
        f"A file of at most {words.number(MOST_ROWS)} people", ui.TABLE,
        key=f"sheet_file_{st.session_state.setdefault('sheet_turn', 0)}",
    )  # fmt: skip
    if brought is None:
        ui.plain(
            "The first row names the columns: name, email or phone for who pays; amount, or category as on "
            "the price list, for how much. A column people names several, with ; between, or says how many: "
            "a price is for each of them, an amount for all. A column id keeps two rows apart that are "
            "otherwise the same. Further columns come back as they are.",
            "faint",
        )
        ui.file_link("/example/people.csv", "An example to fill in")
        return
    try:
        with app.sessions.read() as session:
            sheet = sheets.read(session, person, code, brought.name, brought.getvalue(), now=app.now())
            preview = sheets.look(session, person, code, sheet)
    except PaymentsError as error:
        ui.problem(str(error))
        return
    look_through(code, preview)


# -- what it would do -------------------------------------------------------------------------------


def look_through(code: str, preview: Preview) -> None:
    st.subheader("What each row would become", anchor=False)
    alike = preview.of(RowState.ALIKE)
    ui.cards(
        card(preview, state)
        for state in (RowState.WAITING, RowState.KNOWN, RowState.ALIKE, RowState.WRONG)
        if preview.of(state) or state is RowState.WAITING
    )
    ui.plain(understood(preview.sheet), "faint")
    also_alike = bool(alike) and st.checkbox(
        f"Make links for the {words.number(len(alike))} who seem to have a payment of this event already",
        key="sheet_alike",
    )
    making = (RowState.WAITING, RowState.ALIKE) if also_alike else (RowState.WAITING,)
    count = len(preview.of(*making))
    with st.container(horizontal=True):
        with ui.error_boundary():
            if st.button(
                f"Make {words.count(count, 'link', 'links')} for {preview.sum(*making)}",
                type="primary", icon=":material/qr_code_2:", disabled=not count, key="sheet_make",
            ):  # fmt: skip
                begin(code, preview.sheet, also_alike=also_alike)
        st.button("Another file", key="sheet_another", on_click=another)
    show_rows(preview)


def card(preview: Preview, state: RowState) -> ui.Card:
    look, worth = file_words.SHEET_ROW[state], preview.sum(state)
    return ui.Card(
        look.word, look.icon, words.number(len(preview.of(state))), note=str(worth) if worth else ""
    )


def understood(sheet: Sheet) -> str:
    known = ", ".join(f"{column} from “{heading}”" for column, heading in sheet.meant.items())
    others = [heading for heading in sheet.headings if heading and heading not in sheet.meant.values()]
    rest = f" Not used, and given back as they are: {', '.join(others)}." if others else ""
    return f"Read as {known}.{rest}"


def show_rows(preview: Preview) -> None:
    """What needs a look comes first."""
    order = (RowState.WRONG, RowState.ALIKE, RowState.WAITING, RowState.KNOWN)
    rows = sorted(preview.rows, key=lambda each: (order.index(each.outcome), each.row.number))
    st.dataframe(
        [
            {
                "Row": each.row.number,
                "What becomes of it": file_words.SHEET_ROW[each.outcome].word,
                "Who": who(each.row),
                "Amount": str(each.row.wanted.amount) if each.row.wanted else "",
                "Why": each.why,
            }
            for each in rows
        ],
        hide_index=True,
        height="content" if len(rows) < 12 else 420,
    )


def who(row: SheetRow) -> str:
    if row.wanted is None:
        return " ".join(row.cells)[:80]
    several = row.wanted.people
    return f"{row.wanted.name}, for {len(several)} people" if several else row.wanted.name


def another() -> None:
    st.session_state.sheet_turn += 1
    st.session_state.pop("sheet_running", None)


def begin(code: str, sheet: Sheet, *, also_alike: bool) -> None:
    sheet_id = app.sessions.run(
        lambda session: sheets.start(
            session, person, code, sheet, also_alike=also_alike, demo=app.settings.demo, now=app.now()
        )
    )
    another()
    st.session_state.sheet_running = sheet_id
    st.rerun()


# -- the making -------------------------------------------------------------------------------------


def run(sheet_id: int) -> None:
    """A step a run of the page: each is kept before the next, and who closes the page goes on later."""
    with app.sessions.read() as session:
        view = sheets.get(session, person, sheet_id)
    if not view.outcomes.get(RowState.WAITING):
        done(view)
        return
    gone = view.total - view.left
    st.progress(
        gone * 100 // view.total,
        f"{words.number(gone)} of {words.number(view.total)}. You can close this page and go on later.",
    )
    sheets.step(
        app.sessions,
        app.gateways["ikhokha"],
        person,
        sheet_id,
        addresses=app.settings.addresses,
        now=app.now(),
    )
    st.rerun()


def done(view: SheetView) -> None:
    with st.container(border=True, key="sheet_done"):
        ui.plain(f"{view.file} · {view.event_name}", "title")
        ui.plain(told(view))
        with st.container(horizontal=True):
            ui.file_link(f"/sheet/{view.id}.xlsx", "The sheet with its links, Excel")
            ui.file_link(f"/sheet/{view.id}.csv", "CSV")
            if view.outcomes.get(RowState.FAILED):
                st.button(
                    "Try the failed ones again", icon=":material/refresh:", key=f"sheet_retry_{view.id}",
                    on_click=again, args=(view.id,),
                )  # fmt: skip
            st.button("Another sheet", key="sheet_next", on_click=another)
        with app.sessions.read() as session:
            rows = sheets.made(session, person, view.id)
        failed = [row for row in rows if row.outcome in (RowState.FAILED, RowState.WRONG)]
        for row in failed[:SHOWN]:
            ui.plain(f"Row {row.number}: {row.why}", "faint")
        if len(failed) > SHOWN:
            ui.plain(f"{words.number(len(failed) - SHOWN)} more stand in the file.", "faint")


def told(view: SheetView) -> str:
    return ", ".join(
        f"{words.number(count)} {file_words.SHEET_ROW[outcome].word.lower()}"
        for outcome, count in view.outcomes.items()
        if count
    )


def again(sheet_id: int) -> None:
    with ui.error_boundary():
        app.sessions.run(lambda session: sheets.retry(session, person, sheet_id, now=app.now()))
    open_sheet(sheet_id)


def open_sheet(sheet_id: int) -> None:
    st.session_state.sheet_running = sheet_id


st.title("Many at once", anchor=False)
with app.sessions.read() as session:
    there = events.list_events(session, person, states=(State.OPEN,))
    brought_before = sheets.recent(session, person)
open_events = events.nearest_first(there, now=app.now())
running = st.session_state.get("sheet_running")
if running:
    with ui.error_boundary():
        run(running)
elif not open_events:
    ui.empty_state("No event takes payments now", "An admin opens one under Events.", "event_busy")
else:
    bring(open_events)
if brought_before and not running:
    ui.brought_before(brought_before, "Earlier sheets", told, open_sheet, key="sheet_open")
