"""Registrations: a file of another system becomes payments, looked at row by row before it does."""

import hashlib
from collections.abc import Iterable, Mapping

import streamlit as st

import bootstrap
import ui
import words
from payments.access.people import Action, Person
from payments.registering import registration_files
from payments.registering.registration_changes import Becomes
from payments.registering.registration_files import COLUMNS, FileView, Looked, Preview
from payments.selling import events
from payments.selling.events import EventView, State
from payments.sheets.reading import MOST_ROWS, Column
from words import files as file_words

person = ui.require(Action.RECORD)
app = bootstrap.app()


def turn() -> int:
    """Rises with each import, so that the uploader is empty again."""
    return st.session_state.setdefault("registrations_turn", 0)


def bring(here: Person, open_events: list[EventView]) -> None:
    """An event and a file, what its columns mean, and what each row would become."""
    names = {event.code: event.name for event in open_events}
    code = st.selectbox(
        "Event", list(names), format_func=names.__getitem__, key="registrations_event",
        persist_state="session",
    )  # fmt: skip
    brought = ui.bring_file(
        f"A file of at most {words.number(MOST_ROWS)} registrations",
        ui.TABLE,
        key=f"registrations_file_{turn()}",
    )
    if brought is None:
        ui.plain(
            "One registration a row, known by its id: a new one becomes a payment with its link, one that is "
            "here is brought up to date, and what was paid is never altered. Nothing is done before you have "
            "looked.",
            "faint",
        )
        ui.file_link("/example/registrations.csv", "An example to fill in")
        return
    with ui.error_boundary():
        preview = looked(here, code, brought.name, brought.getvalue())
        if preview is not None:
            look_through(here, preview)


def looked(here: Person, code: str, name: str, data: bytes) -> Preview | None:
    """The preview, made once for a file and what its columns mean; None while they do not say enough."""
    there = registration_files.opened(here, name, data)
    with app.sessions.read() as session:
        told = registration_files.suggest(session, here, code, there)
    file = hashlib.sha256(data).hexdigest()
    meant = ui.column_screen(there, told, COLUMNS, needs=Column.ID, key=f"columns_{file[:12]}")
    if Column.ID not in meant:
        ui.plain("Say which column is the registration id: rows are known by it.", "faint")
        return None
    key = (code, file, tuple(meant.items()), turn())
    kept = st.session_state.get("registrations_looked")
    if kept is None or kept[0] != key:
        with st.spinner("Looking at each row …"), app.sessions.read() as session:
            preview = registration_files.look(
                session, here, code, there, data, meant, demo=app.settings.demo, now=app.now()
            )
        kept = (key, preview)
        st.session_state.registrations_looked = kept
    found: Preview = kept[1]
    return found


def look_through(here: Person, preview: Preview) -> None:
    st.subheader("What each row would become", anchor=False)
    ui.cards(
        ui.Card(look.word, look.icon, words.number(len(preview.of(becomes))))
        for becomes, look in file_words.BECOMES.items()
    )
    count = len(preview.applying)
    label = f"Bring in {words.count(count, 'row', 'rows')}, {preview.sum}"
    with st.container(horizontal=True):
        if st.button(
            label if count else "Nothing to bring in",
            type="primary", icon=":material/group_add:", disabled=not count, key="registrations_do",
        ):  # fmt: skip
            begin(here, preview)
        st.button("Another file", key="registrations_another", on_click=another)
    which = choose({str(one): len(preview.of(one)) for one in Becomes}, "registrations_which")
    show_looked([row for row in preview.rows if which in (None, row.change.becomes)])


def choose(counts: Mapping[str, int], key: str) -> str | None:
    """Which rows are listed: those of one outcome, or all."""
    there = [one for one, count in counts.items() if count]
    if len(there) < 2:
        return None
    return st.segmented_control(
        "Show", there, format_func=lambda one: f"{outcome_word(one)} {words.number(counts[one])}",
        label_visibility="collapsed", key=key,
    )  # fmt: skip


def outcome_word(outcome: str) -> str:
    return file_words.BECOMES[Becomes(outcome)].word if outcome in set(Becomes) else "Waiting"


def show_looked(rows: list[Looked]) -> None:
    order = (Becomes.REFUSED, Becomes.CHANGED, Becomes.NEW, Becomes.UNCHANGED)
    first = sorted(rows, key=lambda row: (order.index(row.change.becomes), row.number))
    table(
        {
            "Row": row.number,
            "Registration": row.registration_id,
            "Outcome": outcome_word(row.change.becomes),
            "Why": row.change.told,
            "Who": row.name,
            "Amount": str(row.amount) if row.amount else "",
            "Quoted": str(row.wanted.quoted) if row.wanted and row.wanted.quoted else "",
        }
        for row in first
    )


def table(rows: Iterable[Mapping[str, object]]) -> None:
    lines = list(rows)
    st.dataframe(
        lines, hide_index=True, height="content" if len(lines) < 12 else 420,
        column_config={
            "Row": st.column_config.NumberColumn(width=60),
            "Outcome": st.column_config.TextColumn(width=110),
            "Why": st.column_config.TextColumn(width=460),
        },
    )  # fmt: skip


def begin(here: Person, preview: Preview) -> None:
    file_id = app.sessions.run(
        lambda session: registration_files.start(session, here, preview, now=app.now())
    )
    another()
    st.session_state.registrations_running = file_id
    st.rerun()


def another() -> None:
    st.session_state.registrations_turn = turn() + 1
    for name in ("registrations_running", "registrations_looked"):
        st.session_state.pop(name, None)


# -- the doing ----------------------------------------------------------------------------------------


def run(here: Person, file_id: int) -> None:
    """A step a run of the page: each is kept before the next, and who closes the page goes on later."""
    with app.sessions.read() as session:
        view = registration_files.get(session, here, file_id)
    if not view.outcomes.get("waiting"):
        done(here, view)
        return
    gone = view.total - view.left
    st.progress(
        gone * 100 // view.total,
        f"{words.number(gone)} of {words.number(view.total)}. You can close this page and go on later.",
    )
    registration_files.step(
        app.sessions, app.gateways, here, file_id, addresses=app.settings.addresses,
        demo=app.settings.demo, now=app.now(),
    )  # fmt: skip
    st.rerun()


def done(here: Person, view: FileView) -> None:
    with st.container(border=True, key="registrations_done"):
        ui.plain(f"{view.file} · {view.event_name}", "title")
        ui.plain(f"{words.count(view.total, 'row', 'rows')}: {told(view)}")
        st.button("Another file", key="registrations_next", on_click=another)
    which = choose(view.outcomes, "registrations_became")
    with app.sessions.read() as session:
        rows = registration_files.results(session, here, view.id, outcome=which)
    table(
        {
            "Row": row.number,
            "Registration": row.registration_id,
            "Outcome": outcome_word(row.outcome),
            "Why": row.why,
            "Payment": row.reference,
        }
        for row in rows
    )


def told(view: FileView) -> str:
    return ", ".join(
        f"{words.number(view.outcomes[one])} {outcome_word(one).lower()}"
        for one in (*Becomes, "waiting", "asking")
        if view.outcomes.get(one)
    )


def open_file(file_id: int) -> None:
    st.session_state.registrations_running = file_id


st.title("Registrations", anchor=False)
with app.sessions.read() as session:
    there = events.list_events(session, person, states=(State.OPEN,))
    brought_before = registration_files.recent(session, person)
open_events = events.nearest_first(there, now=app.now())
running = st.session_state.get("registrations_running")
if running:
    with ui.error_boundary():
        run(person, running)
elif not open_events:
    ui.empty_state("No event takes payments now", "An admin opens one under Events.", "event_busy")
else:
    bring(person, open_events)
if brought_before and not running:
    ui.brought_before(brought_before, "Brought in before", told, open_file, key="registrations_open")
