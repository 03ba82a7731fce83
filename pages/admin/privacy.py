"""Privacy: what people ask about their own data, how far each is, what is let go, and who saw what."""

from collections.abc import Callable
from datetime import date, timedelta
from urllib.parse import urlencode

import streamlit as st

import bootstrap
import ui
import words
from payments import dates
from payments.access.people import Action, Person, is_proven
from payments.payers.contacts import Payer
from payments.personal_data import retention, subject_requests, subjects
from payments.personal_data.subject_requests import Kind, RequestView
from payments.personal_data.subjects import Candidate, Sought
from payments.second_person.approvals import ApprovalView, State
from words import privacy as privacy_words

person = ui.require(Action.HANDLE_PRIVACY)
app = bootstrap.app()


# -- a new request ------------------------------------------------------------------------------------


def ask_who(here: Person) -> None:
    """Who somebody is said to be, and the payments that may be theirs: a person chooses."""
    with st.form("who", border=False):
        left, right = st.columns(2)
        email = left.text_input("E-mail address", max_chars=254, key="who_email")
        phone = right.text_input("Phone number", max_chars=40, key="who_phone")
        name = left.text_input("Name", max_chars=120, key="who_name")
        reference = right.text_input("Reference of a payment", max_chars=40, key="who_reference")
        if st.form_submit_button("Find their payments", icon=":material/search:"):
            look_for(here, Sought(email, phone, name, reference))
    found: list[Candidate] | None = st.session_state.get("privacy_found")
    if found is not None:
        choose(found)


def look_for(here: Person, sought: Sought) -> None:
    st.session_state.pop("privacy_found", None)
    with ui.error_boundary():
        st.session_state.privacy_found = app.sessions.run(
            lambda session: subjects.find(session, here, sought, now=app.now())
        )


def choose(found: list[Candidate]) -> None:
    if not found:
        ui.empty_state(
            "Nobody like that is here",
            "Try the address or number they paid with, or a reference.",
            "search_off",
        )
        return
    ui.plain("Which of these are theirs? A name alone may be several people's.", "faint")
    with st.form("theirs", border=False):
        ticked = [one.reference for one in found if candidate(one)]
        kind = st.segmented_control(
            "What they ask for", list(Kind), format_func=privacy_words.KIND.__getitem__, default=Kind.EXPORT,
            required=True, key="privacy_kind",
        )  # fmt: skip
        told = st.text_area(
            "How they asked, and how you know that it is them",
            placeholder="By mail on 20 November, from the address the payment has",
            max_chars=500, key="privacy_told",
        )  # fmt: skip
        if st.form_submit_button("Open the request", type="primary", icon=":material/add_task:"):
            begin(kind, ticked, told or "")


def candidate(one: Candidate) -> bool:
    sure = any(fit != "name" for fit in one.fits)
    left, right = st.columns([1, 2], vertical_alignment="center")
    ticked = left.checkbox(
        one.reference, value=sure and not one.erased, disabled=one.erased, key=f"theirs_{one.payment_id}"
    )
    with right:
        said = ", ".join(part for part in (one.name, one.email, one.phone) if part)
        ui.plain(said)
        fits = "Erased already." if one.erased else f"Same {' and '.join(one.fits)}."
        ui.plain(f"{one.event}, {one.amount}, {one.status}, {ui.moment(one.made_at)}. {fits}", "faint")
    return ticked


def begin(kind: Kind, references: list[str], told: str) -> None:
    def do(me: Person) -> None:
        app.sessions.run(
            lambda session: subject_requests.open_request(session, me, kind, references, told, now=app.now())
        )
        st.session_state.pop("privacy_found", None)
        ui.tell("The request is open. It is due within thirty days.")

    with ui.error_boundary():
        ui.go(do)
        st.rerun()


# -- the requests -------------------------------------------------------------------------------------


def card(request: RequestView, here: Person) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            ui.plain(f"{request.id}. {privacy_words.KIND[request.kind]}", "title")
            label, icon, colour = privacy_words.STATE[
                "late" if request.overdue(now=app.now()) else request.state
            ]
            st.badge(label, icon=f":material/{icon}:", color=colour)
        ui.facts(
            {
                "Payments": ", ".join(request.references),
                "How they asked": request.told or None,
                "Opened": f"{ui.moment(request.opened_at)} by {request.opened_by}",
                "Due": dates.say_days(request.due_on, request.due_on) if request.state == "open" else None,
                "Ended": f"{ui.moment(request.ended_at)} by {request.ended_by}" if request.ended_at else None,
                "Why": request.ended_why,
                "Came to": privacy_words.outcome(request.outcome) or None,
            }
        )
        if request.state == "open":
            _STEPS[request.kind](request, here)
            refusal(request)
        elif request.kind is Kind.EXPORT:
            ui.file_link(f"/subject/{request.id}.zip", "Take it again")


def export_step(request: RequestView, here: Person) -> None:
    ui.plain(
        "One file: everything held on them, to read and for machines, with the proofs they sent.", "faint"
    )
    if st.session_state.get("privacy_proved") == request.id and is_proven(here, now=app.now()):
        ui.file_link(f"/subject/{request.id}.zip", "Take the file")
        return
    st.button(
        "Make the file", type="primary", icon=":material/folder_zip:", key=f"make_{request.id}",
        on_click=ui.attempt, args=(lambda me: ready(me, request.id),),
    )  # fmt: skip


def ready(me: Person, request_id: int) -> None:
    """The file is made when it is fetched; that takes a fresh proof, which is asked for here."""
    subjects.proved(me, now=app.now())
    st.session_state.privacy_proved = request_id


def correction_step(request: RequestView, _here: Person) -> None:
    with st.form(f"correct_{request.id}", border=False):
        ui.plain("What is empty stays as it is. Papers that were issued stay as they are.", "faint")
        name = st.text_input("Name", max_chars=120, key=f"right_name_{request.id}")
        email = st.text_input("E-mail address", max_chars=254, key=f"right_email_{request.id}")
        phone = st.text_input("Phone number", max_chars=40, key=f"right_phone_{request.id}")
        if st.form_submit_button("Correct all of them", type="primary", icon=":material/edit:"):
            payer = Payer(name or "", email or "", phone or "")

            def do(me: Person) -> None:
                app.sessions.run(
                    lambda session: subject_requests.correct(session, me, request.id, payer, now=app.now())
                )
                ui.tell("Corrected.")

            with ui.error_boundary():
                ui.go(do)
                st.rerun()


def erasure_step(request: RequestView, here: Person) -> None:
    with app.sessions.read() as session:
        fates, hindered = subject_requests.preview(session, here, request.id, now=app.now())
        approval = subject_requests.standing(session, here, request.id, now=app.now())
    with st.expander("What goes, and what stays", icon=":material/checklist:"):
        for some in (subject_requests.goes(fates), subject_requests.stays(fates)):
            for title, said in privacy_words.fates(some):
                ui.plain(title, "title")
                ui.plain(said, "faint")
    if hindered:
        ui.trouble("It cannot be done now.", hindered, bad=False)
    elif approval is None or approval.state in (State.REFUSED, State.EXPIRED, State.WITHDRAWN):
        ask_second(request)
    else:
        _approved(request, approval, here)


def ask_second(request: RequestView) -> None:
    with st.form(f"second_{request.id}", border=False):
        why = st.text_input(
            "Why it may be erased", placeholder="They asked, and nothing is owed any more", max_chars=500,
            key=f"second_why_{request.id}",
        )  # fmt: skip
        if st.form_submit_button("Ask a second person", type="primary", icon=":material/how_to_reg:"):

            def do(me: Person) -> None:
                app.sessions.run(
                    lambda session: subject_requests.ask_erasure(
                        session, me, request.id, why or "", now=app.now()
                    )
                )
                ui.tell("Asked. Somebody else decides under Approvals, within a day.")

            with ui.error_boundary():
                ui.go(do)
                st.rerun()


def _approved(request: RequestView, approval: ApprovalView, _here: Person) -> None:
    if approval.state is State.WAITING:
        ui.plain(f"{approval.requester} asked for it. Another person decides under Approvals.", "faint")
        return
    ui.plain(f"{approval.decider} approved it. It cannot be taken back.", "faint")

    def do(me: Person) -> None:
        subject_requests.carry_out(app.sessions, me, request.id, app.stones, now=app.now())
        ui.tell("Erased. What stays, and why, stands under What is held.")

    st.button(
        "Erase now", type="primary", icon=":material/delete_forever:", key=f"erase_{request.id}",
        on_click=ui.attempt, args=(do,),
    )  # fmt: skip


def refusal(request: RequestView) -> None:
    with st.popover("Refuse", icon=":material/block:", key=f"refuse_{request.id}"):
        ui.plain("Tell them why, and that they may complain to the Information Regulator.", "faint")
        why = st.text_input("Why", max_chars=500, key=f"refuse_why_{request.id}")

        def do(me: Person) -> None:
            app.sessions.run(
                lambda session: subject_requests.refuse(session, me, request.id, why or "", now=app.now())
            )
            ui.tell("Refused, and written down.")

        st.button("Refuse it", key=f"refuse_it_{request.id}", on_click=ui.attempt, args=(do,))


_STEPS: dict[Kind, Callable[[RequestView, Person], None]] = {
    Kind.EXPORT: export_step, Kind.CORRECTION: correction_step, Kind.ERASURE: erasure_step,
}  # fmt: skip


# -- retention, and who saw what ----------------------------------------------------------------------


def letting_go(here: Person) -> None:
    with app.sessions.read() as session:
        last, begun = retention.last(session, here), retention.begun(session)
    ui.plain(privacy_words.terms(app.settings.terms), "faint")
    if not begun:
        ui.plain("Nothing goes by itself yet. Look at what would go, then have it begin.")
    elif last is None:
        ui.plain("Nothing was let go yet: the worker looks once a day, soon after midnight.")
    else:
        said = (
            ", ".join(f"{words.number(number)} {what}" for what, number in retention.told(last)) or "nothing"
        )
        ui.plain(f"{ui.moment(last.at)}: {said}.")
    with st.container(horizontal=True):
        asked = st.button("What would go now", icon=":material/preview:", key="retention_dry")
        if not begun:
            _offer_to_begin()
    if asked:
        with ui.error_boundary(), app.sessions.read() as session:
            report = retention.dry_run(session, here, app.settings.terms, now=app.now())
            said = ", ".join(f"{words.number(n)} {what}" for what, n in retention.told(report)) or "nothing"
            waits = words.count(report.held_back, "payer waits", "payers wait")
            held = f" {waits} for something that is not over." if report.held_back else ""
            ui.plain(f"It would be: {said}.{held}")


def _offer_to_begin() -> None:
    with st.popover("Begin…", icon=":material/event_repeat:"):
        ui.plain("The worker then lets go once a day of all whose time is over. It does not come back.")
        st.button(
            "Let go from now on", type="primary", key="retention_begin", on_click=ui.attempt, args=(_begin,)
        )


def _begin(me: Person) -> None:
    app.sessions.run(lambda session: retention.begin(session, me, now=app.now()))
    ui.tell("From tonight on, what is held too long goes by itself.")


def who_saw() -> None:
    """The list for the Regulator: from a moment to a moment, of an account or an address."""
    ui.plain("Who saw, took, mailed or changed whose data, from the audit, as the Regulator asks.", "faint")
    today = dates.business_day(app.now())
    left, right = st.columns(2)
    days = left.date_input(
        "Days", (today - timedelta(days=1), today), max_value=today, format="DD/MM/YYYY", key="breach_days"
    )
    account = right.text_input(
        "Account", placeholder="Part of an address", max_chars=200, key="breach_account"
    )
    host = left.text_input("Signed in from", placeholder="An IP address", max_chars=64, key="breach_host")
    span: tuple[date, ...] = days if isinstance(days, tuple) else (days,)
    if span:
        asked = {"first": span[0], "last": span[-1], "account": account.strip(), "host": host.strip()}
        ui.file_link(
            f"/access.csv?{urlencode({k: v for k, v in asked.items() if v})}", "Save the list as CSV"
        )


def held() -> None:
    for heading, lines in privacy_words.catalogue().items():
        ui.plain(heading, "title")
        for line in lines:
            ui.plain(line, "faint")


st.title("Privacy", anchor=False)
ui.outcome()
with app.sessions.read() as session:
    requests = subject_requests.listed(session, person)
waiting = [one for one in requests if one.state == "open"]
ended = [one for one in requests if one.state != "open"]
if not waiting:
    ui.empty_state(
        "Nobody waits for an answer",
        "When somebody asks what is held on them, to correct it, or to have it erased, open a request.",
        "privacy_tip",
    )
for one in waiting:
    card(one, person)
with st.expander(
    "Somebody asks about their data",
    icon=":material/person_search:",
    expanded=bool(st.session_state.get("privacy_found")),
):
    ask_who(person)
st.subheader("Let go as its time is over", anchor=False)
letting_go(person)
if person.may(Action.SEE_AUDIT):
    st.subheader("Who saw what", anchor=False)
    who_saw()
with st.expander("What is held, and how it goes", icon=":material/database:"):
    held()
if ended:
    st.subheader("Ended", anchor=False)
    for one in ended:
        card(one, person)
