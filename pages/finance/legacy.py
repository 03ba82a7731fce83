"""Earlier records: what the system before this one kept comes in, looked at first; what is odd is listed."""

import hashlib

import streamlit as st

import bootstrap
import ui
import words
from db.money import CURRENCIES
from payments import dates, legacy
from payments.access.people import Action, Person
from payments.finding import search
from payments.finding.conditions import NO_EVENT, Filter
from payments.legacy import Fault, Report

person = ui.require(Action.SEE_BANK)
app = bootstrap.app()
SHOWN = 50
#: A page holds its file in memory; the command line reads larger ones.
TAKEN = ui.Taken(
    "JSON or CSV", ("json", "csv"), "Ask for the earlier system's records as one of these.",
    "Whoever runs the desk brings it in: manage.py import-legacy FILE --currency ZAR.",
)  # fmt: skip
#: What a person calls each fault; what is not here is called as it is kept.
FAULT = {
    Fault.NO_RECORD: "Not a record",
    Fault.AMOUNT_MISSING: "No amount",
    Fault.AMOUNT_ZERO: "Amount is nothing",
    Fault.AMOUNT_UNREADABLE: "Amount unreadable",
    Fault.CURRENCY_DIFFERS: "Another currency",
    Fault.RAND_UNKNOWN: "Rand charged unknown",
    Fault.EXTRAS_APART: "Extras beside the fee",
    Fault.STATUS_UNKNOWN: "Unknown status",
    Fault.STATUS_TWICE: "Two statuses",
    Fault.DATE_MISSING: "No date",
    Fault.DATE_UNREADABLE: "Date unreadable",
    Fault.NAME_MISSING: "No name",
    Fault.EMAIL_UNREADABLE: "E-mail unreadable",
    Fault.PHONE_UNREADABLE: "Phone unreadable",
    Fault.TEXT_CUT: "Text cut",
    Fault.EVENT_MISSING: "No event",
    Fault.PROOF_MISSING: "Proof file not available",
    Fault.REFERENCE_TWICE: "Reference on several",
    Fault.KEY_TWICE: "Id twice in the file",
    Fault.CHANGED: "Changed since",
}


def bring(here: Person) -> bool:
    """A file, its currency, what would come of it, and the button that does it; whether there is a file."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    brought = ui.bring_file("The earlier system's records", TAKEN, key=f"legacy_{turn()}", at=left)
    currency = right.selectbox(
        "Its amounts are in", CURRENCIES, index=None, placeholder="Choose", key=f"legacy_in_{turn()}"
    )
    if brought is None:
        return False
    if currency is None:
        ui.plain("Say what its amounts are in: the records do not, and nothing is assumed.", "faint")
        return True
    with ui.error_boundary():
        report = looked(here, brought.name, brought.getvalue(), currency)
        told(report)
        if report.new or report.changed:
            take_in(here, brought.name, brought.getvalue(), report)
        else:
            st.info("Every record of this file is here already. There is nothing to bring in.")
    return True


def turn() -> int:
    """Rises with each import, so that the uploader is empty again."""
    return st.session_state.setdefault("legacy_turn", 0)


def looked(here: Person, name: str, data: bytes, currency: str) -> Report:
    """The report, made once for a file and a currency and not at each click."""
    key = (hashlib.sha256(data).hexdigest(), currency, turn())
    kept = st.session_state.get("legacy_looked")
    if kept is None or kept[0] != key:
        with st.spinner("Reading it …"), app.sessions.read() as session:
            kept = (key, legacy.look(session, here, name, data, currency))
        st.session_state.legacy_looked = kept
    return kept[1]


def told(report: Report) -> None:
    ui.facts(
        {
            "Records in the file": words.number(report.records),
            "New": words.number(report.new),
            "Here already": words.number(report.known),
            "Changed since": words.number(report.changed) if report.changed else None,
            "Become payments": words.number(report.payments),
            "Trials, never counted": words.number(report.demo) if report.demo else None,
            "Not records": words.number(report.faulty) if report.faulty else None,
            "Events that are made": ", ".join(report.events) or None,
        }
    )
    ui.facts(
        {
            words.STATUS[status].word: f"{words.count(count, 'payment', 'payments')}, {report.sums[status]}"
            for status, count in report.statuses.items()
        }
    )
    if report.issues:
        counted: dict[Fault, int] = {}
        for _, issue in report.issues:
            counted[issue.fault] = counted.get(issue.fault, 0) + 1
        said = ", ".join(f"{FAULT[fault].lower()} {count}" for fault, count in counted.items())
        st.warning(f"Some records want a look: {said}. All of them come in, and are listed below.")


def take_in(here: Person, name: str, data: bytes, report: Report) -> None:
    if not here.may(Action.RECONCILE):
        return
    label = f"Bring in {words.count(report.new, 'record', 'records')}"
    if not st.button(label, type="primary", icon=":material/archive:"):
        return
    bar = st.progress(0.0, "Writing them down …")
    here = ui.require(Action.RECONCILE)

    def show(done: int, total: int) -> None:
        bar.progress(done / total, f"{words.number(done)} of {words.number(total)}")

    done = legacy.import_file(
        app.sessions, here, name, data, report.currency, demo=app.settings.demo, now=app.now(), progress=show
    )
    ui.tell(
        f"{words.count(done.payments, 'payment', 'payments')} came in from {name}. "
        "They are among all others, with the sign Earlier record."
    )
    st.session_state.legacy_turn = turn() + 1
    st.rerun()


def brought_before(here: Person, *, busy: bool) -> None:
    with app.sessions.read() as session:
        there = legacy.imports(session, here)
    if busy and not there:
        return
    if not there:
        ui.empty_state(
            "No earlier records yet",
            "Bring the file of the system before this one: it is looked at first, and changes nothing until"
            " you say so.",
            "archive",
        )
        return
    st.subheader("Brought in")
    for one in there:
        by = f"{dates.say_moment(one.imported_at, now=app.now())} by {one.imported_by}"
        ui.plain(
            f"{one.name}: {words.count(one.records, 'record', 'records')}, {one.new} of them new, in"
            f" {one.currency}, {by}"
        )
    st.page_link(
        "pages/monitor/payments.py", label="See their payments", icon=":material/list:",
        query_params={"q": "origin:legacy"},
    )  # fmt: skip
    issues(here)


def issues(here: Person) -> None:
    """What wants a look, by kind, with the record as it came."""
    with app.sessions.read() as session:
        _, counted = legacy.issues(session, here, limit=0)
    if not counted:
        return
    st.subheader("What wants a look")
    kinds = sorted(counted, key=lambda fault: -counted[fault])
    fault = st.selectbox(
        "Kind",
        kinds,
        format_func=lambda one: f"{FAULT[one]} ({words.number(counted[one])})",
        key="legacy_kind",
    )
    pages = -(-counted[fault] // SHOWN)
    page = st.number_input(f"Page, of {pages}", 1, pages, key=f"legacy_page_{fault}") if pages > 1 else 1
    with app.sessions.read() as session:
        found, _ = legacy.issues(session, here, fault=fault, limit=SHOWN, offset=(int(page) - 1) * SHOWN)
    for one in found:
        with st.expander(f"{ui.escape(one.name or one.key)}: {ui.escape(one.sentence)}"):
            ui.facts({"Record": one.key, "Payment": one.reference or "none"})
            st.code(one.raw, language="json", wrap_lines=True)
            if one.reference:
                st.page_link(
                    "pages/monitor/payments.py", label="Open the payment", icon=":material/open_in_new:",
                    query_params={"payment": one.reference},
                )  # fmt: skip


def without_event(here: Person) -> None:
    """Those that name no event wait under one of their own until somebody says whose they are."""
    with app.sessions.read() as session:
        count = search.totals(session, here, Filter(events=(NO_EVENT,))).count
    if not (count or here.may(Action.RECORD)):
        return
    st.subheader("Without an event", anchor=False)
    if count:
        ui.plain(
            f"{words.count(count, 'payment names', 'payments name')} no event. Open them, narrow the list to "
            "those of one event, and choose Move under Several at once. What was paid stays as it is."
        )
        st.page_link(
            "pages/monitor/payments.py", label="See those without an event", icon=":material/list:",
            query_params={"q": "event:none"},
        )  # fmt: skip
    else:
        ui.plain("Every payment belongs to an event.", "faint")
    if here.may(Action.RECORD):
        ui.bulk_dialog(here)
        ui.moved_before(here)


st.title("Earlier records", anchor=False)
ui.outcome()
with ui.error_boundary():
    busy = person.may(Action.RECONCILE) and bring(person)
    brought_before(person, busy=busy)
with ui.error_boundary():
    without_event(person)
