"""Taking payments out: the dialog that makes a file, the list of files made, and proving one."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import streamlit as st

import bootstrap
import words
from payments import dates
from payments.access.people import Action, Person
from payments.exports import layout as layouts
from payments.exports import presets, records, run, verify
from payments.exports.layout import COLUMNS, Format, Layout, Separator, Zone
from payments.exports.presets import Preset
from payments.exports.records import ExportView
from payments.finding import as_of, filters, grammar, search
from payments.finding.search import Filter, Totals
from payments.live import overview
from payments.second_person.approvals import State
from payments.sign_off.closing_papers import PaperView
from ui.chips import event_names
from ui.components import download
from ui.here import error_boundary, require
from ui.payments_list import ORDERS
from ui.pieces import checks, empty_state, escape, facts, file_link, moment, plain, problem
from ui.proving import confirm_here, go
from ui.uploads import Taken, bring_file
from words import approvals as approval_words
from words import files as file_words
from words import filters as filter_words

USUAL = "Usual columns"
#: People cannot see a header of HTTP: their file says itself that it is whole.
USUAL_LAYOUT = Layout(ending=True)
#: Above so many rows an Excel file takes minutes, and people are told.
SLOW_IN_EXCEL = 50_000
#: MB that are held in memory while a file is proved; larger ones on the command line.
PROVED = Taken(
    "CSV, Excel or PDF", ("csv", "xlsx", "pdf"), "The desk makes no other files.",
    "Whoever runs the desk proves it: manage.py verify-export FILE.", most_mb=100,
)  # fmt: skip
#: After so long a file that is still being written is not: its server went down.
LONGEST = timedelta(hours=6)


def export_button(wanted: Filter, sort: str) -> None:
    """Opens the dialog for what is filtered now, in the order of the list."""
    if st.button("Export", icon=":material/download:", key="export_open"):
        st.session_state.exporting = wanted
        st.session_state.export_sort = sort
        _another()
        st.rerun()


def export_dialog() -> None:
    """The dialog, when it is open; the last line of a page with ``export_button``."""
    if "exporting" in st.session_state:
        _dialog(st.session_state.exporting)


def _close() -> None:
    for key in ("exporting", "export_asked"):
        st.session_state.pop(key, None)


@st.dialog("Export payments", width="medium", on_dismiss=_close)
@error_boundary()
def _dialog(wanted: Filter) -> None:
    here = require(Action.EXPORT)
    confirm_here()
    with bootstrap.app().sessions.read() as session:
        version = overview.version(session)
        kept = presets.list_presets(session, here)
    totals = _totals(here, version, here.events, bootstrap.app().settings.mode, wanted)
    plain(words.count(totals.count, "payment", "payments"), "amount")
    plain(f"{words.sums(totals.sums)} asked · {words.sums(totals.received)} received", "faint")
    chosen = _layout(kept)
    if chosen.sort != search.NEWEST:
        plain(f"In the order of the list: {ORDERS[chosen.sort].lower()}.", "faint")
    if asked := st.session_state.get("export_asked"):
        _progress(asked, totals.count)
    else:
        _ready(here, wanted, chosen, totals.count)
    _keep(here, kept, chosen)


@st.cache_data(max_entries=100, show_spinner="Adding up …")
def _totals(_here: Person, version: int, scope: frozenset[int] | None, mode: str, wanted: Filter) -> Totals:
    """Added up once for everybody who may see the same."""
    app = bootstrap.app()
    with as_of.read(app.sessions, wanted.as_of, now=app.now()) as session:
        return search.totals(session, _here, wanted)


# -- what the file is -------------------------------------------------------------------------------


def _layout(kept: list[Preset]) -> Layout:
    """What is chosen; another choice makes another file."""
    if "export_format" not in st.session_state:
        _show(USUAL_LAYOUT)
    kept = [*kept, *presets.PROFILES]
    names = {preset.id: _name(preset) for preset in kept}
    st.selectbox(
        "Preset",
        [0, *names],
        format_func=lambda id_: names.get(id_, USUAL),
        key="export_preset",
        on_change=_show_preset,
        args=({preset.id: preset.layout for preset in kept},),
    )
    changed: dict[str, Any] = {"on_change": _another}
    st.segmented_control(
        "Format",
        list(Format),
        format_func=file_words.FORMAT.__getitem__,
        required=True,
        key="export_format",
        **changed,
    )
    st.multiselect(
        "Columns, in this order",
        list(COLUMNS),
        format_func=file_words.column_told,
        placeholder="Choose at least one",
        key="export_columns",
        **changed,
    )
    with st.expander("Options", icon=":material/tune:"):
        _options(csv=st.session_state.export_format == Format.CSV, changed=changed)
    return _chosen()


def _name(preset: Preset) -> str:
    return preset.name if preset.own else f"{preset.name} (of {preset.owner})"


def _options(*, csv: bool, changed: dict[str, Any]) -> None:
    st.segmented_control(
        "Clock of the columns Paid and Created, and of the file's name",
        list(Zone),
        format_func=file_words.ZONE.__getitem__,
        required=True,
        key="export_zone",
        **changed,
    )
    st.selectbox(
        "Between the cells",
        list(Separator),
        format_func=file_words.SEPARATOR.__getitem__,
        disabled=not csv,
        key="export_separator",
        **changed,
    )
    st.toggle("Mark that tells Excel the letters (BOM)", disabled=not csv, key="export_bom", **changed)
    st.toggle("First lines say what the file is", disabled=not csv, key="export_opening", **changed)
    st.toggle(
        "Last line says count and sums, so that a cut shows", disabled=not csv, key="export_ending", **changed
    )
    if not csv:
        st.caption("An Excel file has its totals under the rows, and a sheet that says what it is.")


def _show(chosen: Layout) -> None:
    """A layout as the state of the controls."""
    st.session_state.update(
        {f"export_{name}": getattr(chosen, name) for name in layouts.NAMES if name != "sort"}
    )
    st.session_state.export_columns = list(chosen.columns)


def _show_preset(by_id: dict[int, Layout]) -> None:
    _show(by_id.get(st.session_state.export_preset, USUAL_LAYOUT))
    _another()


def _another() -> None:
    st.session_state.pop("export_asked", None)


def _chosen() -> Layout:
    values = {name: st.session_state[f"export_{name}"] for name in layouts.NAMES}
    return Layout(**values | {"columns": tuple(values["columns"])})


# -- making it --------------------------------------------------------------------------------------


def _ready(here: Person, wanted: Filter, chosen: Layout, rows: int) -> None:
    if taken := layouts.personal(chosen.columns):
        told = ", ".join(file_words.COLUMN[name].lower() for name in taken)
        st.caption(f":material/person: The file tells of people ({told}). Keep it where few can read it.")
    if chosen.format is Format.XLSX and rows > SLOW_IN_EXCEL:
        st.caption(":material/schedule: So many rows take a few minutes as an Excel file; CSV takes seconds.")
    st.button(
        f"Export {words.count(rows, 'payment', 'payments')}",
        type="primary",
        icon=":material/download:",
        width="stretch",
        key="export_go",
        on_click=_ask,
        args=(wanted, chosen),
    )


def _ask(wanted: Filter, chosen: Layout) -> None:
    app = bootstrap.app()

    def ask(me: Person) -> None:
        asked = app.sessions.run(
            lambda session: records.ask(session, me, wanted, chosen, demo=app.settings.demo, now=app.now())
        )
        st.session_state.export_asked = asked.reference

    with error_boundary():
        go(ask, inside=True)


def _progress(reference: str, expected: int) -> None:
    """How far the file is, asked every second until it has ended."""
    view = _record(reference)
    if view.state == records.ASKED and not _approved(view):
        return
    if view.state == records.ASKED:
        download(f"/export/{reference}", key=f"download_{reference}")
    ended = view.state in (records.WHOLE, records.BROKEN)
    st.fragment(_how_far, run_every=None if ended else "1s")(reference, expected, ticking=not ended)
    if ended:
        st.button("Export again", icon=":material/refresh:", on_click=_another, width="stretch")


def _record(reference: str) -> ExportView:
    with bootstrap.app().sessions.read() as session:
        return records.get(session, require(Action.EXPORT, active=False), reference)


def _approved(view: ExportView) -> bool:
    """It takes no second person, or one has approved it. Else how that stands is told."""
    if view.asked_rows is None:
        return True
    app, here = bootstrap.app(), require(Action.EXPORT)
    with app.sessions.read() as session:
        approval = records.second(session, here, view.reference, now=app.now())
    if approval is None:
        _ask_second(here, view)
    elif approval.state is State.WAITING:
        st.info(
            f"A second person is asked, until {moment(approval.expires_at)}. Once they have approved it, "
            "fetch the file under Exports.", icon=":material/how_to_reg:",
        )  # fmt: skip
    return approval is not None and approval.state is State.APPROVED


def _ask_second(here: Person, view: ExportView) -> None:
    st.warning(
        f"{words.count(view.asked_rows or 0, 'payment', 'payments')} with columns that tell of payers: a "
        "second person approves such a file. Without those columns it comes at once.",
        icon=":material/how_to_reg:",
    )
    with st.form("export_second", border=False):
        why = st.text_area(
            "What is it for? Whoever approves it reads this.", key="export_why", max_chars=1000
        )
        if st.form_submit_button("Ask a second person", type="primary", shortcut="Mod+Enter"):
            app = bootstrap.app()
            with error_boundary():
                app.sessions.run(
                    lambda session: records.ask_second(session, here, view.reference, why, now=app.now())
                )
                st.rerun(scope="fragment")


def waiting_files(here: Person) -> None:
    """One's own files that wait for a second person, or are approved and wait to be fetched."""
    app = bootstrap.app()
    with app.sessions.read() as session:
        found = records.waiting(session, here, now=app.now())
    if not found:
        return
    st.subheader("Waiting for a second person", anchor=False)
    for view, approval in found:
        with st.container(border=True):
            plain(f"{words.count(view.asked_rows or 0, 'payment', 'payments')}, {view.reference}", "title")
            plain(
                f"{approval_words.APPROVAL[approval.state].word}, good until {moment(approval.expires_at)}",
                "faint",
            )
            if approval.state is State.APPROVED:
                file_link(f"/export/{view.reference}", "Fetch the file, once")


def _how_far(reference: str, expected: int, *, ticking: bool) -> None:
    view = _record(reference)
    if ticking and view.state in (records.WHOLE, records.BROKEN):
        st.rerun()
    if view.state == records.WHOLE and view.contents:
        rows = view.contents.rows
        is_in = "is in" if rows == 1 else "are in"
        st.success(
            f"{words.count(rows, 'payment', 'payments')} {is_in} {escape(view.file_name)}.",
            icon=":material/check_circle:",
        )
        facts({"Export": view.reference, "SHA-256": view.sha256, **_sums(view.contents)})
    elif view.state == records.BROKEN:
        problem(f"The file broke off and is not to be used. {view.problem or ''}")
    elif view.state == records.RUNNING:
        done = min(view.rows_done, expected)
        told = f"{words.number(view.rows_done)} of {words.count(expected, 'payment', 'payments')}"
        st.progress(done / max(expected, 1), text=f"Writing: {told}")
    else:
        st.progress(0.0, text="The file begins to come. Your browser may ask where to put it.")
        file_link(f"/export/{reference}", "It did not begin? Fetch it here")


def _sums(contents: run.Contents) -> dict[str, str]:
    return {"Asked": words.sums(contents.sums), "Received": words.sums(contents.received)}


# -- presets ----------------------------------------------------------------------------------------


def _keep(here: Person, kept: list[Preset], chosen: Layout) -> None:
    """Columns and options under a name."""
    with st.expander("Keep these columns and options", icon=":material/bookmark_add:"):
        name = st.text_input("Name of the preset", key="export_name", max_chars=60)
        role = words.ROLE[here.role][0].lower()
        shared = st.toggle(f"Everybody with the role {role} may use it", key="export_shared")
        own = {preset.id: preset.name for preset in kept if preset.own}
        picked = own.get(st.session_state.export_preset)
        with st.container(horizontal=True):
            st.button("Keep", disabled=not name, on_click=_save, args=(here, name, chosen, shared))
            if picked is not None:
                st.button(f"Forget “{escape(picked)}”", on_click=_forget, args=(here, picked))


def _save(here: Person, name: str, chosen: Layout, shared: bool) -> None:
    app = bootstrap.app()
    with error_boundary():
        app.sessions.run(
            lambda session: presets.save(session, here, name, chosen, shared=shared, now=app.now())
        )
        st.toast(f"Kept as {escape(name)}.", icon=":material/bookmark_added:")


def _forget(here: Person, name: str) -> None:
    app = bootstrap.app()
    with error_boundary():
        app.sessions.run(lambda session: presets.forget(session, here, name, now=app.now()))
    st.session_state.export_preset = 0


# -- files made, and proving one --------------------------------------------------------------------

_VERDICT = {
    verify.Word.GENUINE: ("good", "This is our file, unchanged."),
    verify.Word.CHANGED: ("bad", "This file was changed or cut after it left the desk."),
    verify.Word.UNKNOWN: ("poor", "This is no file of this desk that you may see."),
}


def verify_a_file(here: Person) -> None:
    """Somebody brings a file: is it one of ours, as it left?"""
    st.subheader("Verify a file", anchor=False)
    brought = bring_file(
        "A file that somebody sent you: an export, a journal or a reconciliation statement", PROVED,
        key="verify_file",
    )  # fmt: skip
    if brought is None:
        return
    with st.spinner("Reading it …"), bootstrap.app().sessions.read() as session:
        verdict = verify.verify(session, here, brought, brought.name)
    state, title = _VERDICT[verdict.word]
    checks([(state, title, _remedy(verdict))])
    for difference in verdict.differences:
        plain(difference)
    if verdict.export:
        facts(_told(verdict.export, event_names(here)))
    if verdict.paper:
        facts(_paper_told(verdict.paper))


def _paper_told(paper: PaperView) -> dict[str, str | None]:
    return {
        "Paper": f"{paper.reference}, {paper.kind}",
        "Account": paper.account,
        "Days": dates.say_days(paper.first_on, paper.last_on),
        "File": paper.file_name,
        "Made": f"{moment(paper.at)} by {paper.by}",
        "SHA-256": paper.sha256,
    }


def _remedy(verdict: verify.Verdict) -> str:
    if verdict.word is verify.Word.GENUINE:
        return "Every byte is as it was exported."
    if verdict.word is verify.Word.CHANGED:
        return f"It claims to be {verdict.claims}. Do not rely on it; export again."
    claim = f" It claims to be {verdict.claims}." if verdict.claims else ""
    return f"It was opened and saved, or never ours.{claim} Ask for the file as it was exported."


def export_list(here: Person) -> None:
    """Files, the newest first: one's own, for an admin and an auditor everybody's."""
    st.subheader("Files made", anchor=False)
    with bootstrap.app().sessions.read() as session:
        found = records.recent(session, here)
    if not found:
        empty_state("No files yet", "Open Payments, filter, and choose Export.", "download")
    names = event_names(here)
    for view in found:
        look = file_words.EXPORT[_state(view)]
        rows = words.count(view.contents.rows, "payment", "payments") if view.contents else look.word
        label = f"{moment(view.asked_at)} · {rows} · {view.actor}"
        with st.expander(escape(label), icon=f":material/{look.icon}:"):
            facts({"State": look.word} | _told(view, names))


def _state(view: ExportView) -> str:
    """A file whose server went down is not being written."""
    late = view.state == records.RUNNING and bootstrap.app().now() - view.asked_at > LONGEST
    return records.BROKEN if late else view.state


def _wanted(wanted: Filter, names: Mapping[str, str]) -> str:
    """What was asked for, in words; a payer's own are not told."""
    conditions = filters.conditions(filters.public_part(wanted))
    told = [filter_words.condition(one, names) for one in conditions]
    told += ["words that are not told here"] if filters.private_part(wanted) != Filter() else []
    told += [f"as it stood {moment(wanted.as_of)}"] if wanted.as_of else []
    return " · ".join(told) or "All payments"


def _told(view: ExportView, names: Mapping[str, str]) -> dict[str, str | None]:
    columns = " · ".join(file_words.COLUMN[name] for name in view.layout.columns)
    size = f"{words.number(view.size_bytes)} bytes" if view.size_bytes is not None else None
    return {
        "Export": view.reference,
        "By": view.actor,
        "Asked for": moment(view.asked_at),
        "File": view.file_name,
        "Filter": _wanted(view.wanted, names),
        "As typed": grammar.write(filters.public_part(view.wanted)) or None,
        "Payments": words.number(view.contents.rows) if view.contents else None,
        **(_sums(view.contents) if view.contents else {}),
        "Columns": columns,
        "Order": ORDERS[view.layout.sort],
        "Size": size,
        "SHA-256": view.sha256,
        "What went wrong": view.problem,
    }
