"""Other systems: the keys they call with, where they are told of payments, and what became of it."""

from collections.abc import Callable

import streamlit as st

import bootstrap
import ui
import words
from payments.access import people
from payments.access.people import Action, Person
from payments.registering import api_keys
from payments.registering.api_keys import KeyView, Scope
from payments.second_person import approvals
from payments.second_person.approvals import ApprovalView, State, What
from payments.selling import events
from payments.selling.events import EventView
from payments.telling import notifying
from payments.telling.notifying import EndpointView, NotificationView
from words import approvals as approval_words

person = ui.require(Action.MANAGE_EVENTS)
app = bootstrap.app()
#: How a message stands: its word, colour and sign.
STATE = {
    "waiting": ("On its way", "blue", "schedule_send"),
    "delivered": ("Arrived", "green", "check"),
    "failed": ("Given up", "red", "error"),
}
#: What is drawn here once two allowed it, and what tells which it is.
DRAWN = {
    What.MAKE_KEY: ("event", "name", "scopes"),
    What.ADD_ENDPOINT: ("event", "url"),
    What.RENEW_SIGNING: ("url",),
}
SCOPES = {
    "Read and write": (Scope.READ, Scope.WRITE),
    "Read only": (Scope.READ,),
}


def shown_once(what: str, secret: str) -> None:
    """A secret that only its hash, or what encrypts it, is kept of: it is here until the next click."""
    with st.container(border=True):
        ui.plain(f"{what} Copy it now: it is not shown again.", "title")
        ui.copy(secret, key="systems_secret")


# -- keys ---------------------------------------------------------------------------------------------


def key_form(known: list[EventView]) -> None:
    with st.form("new_key", clear_on_submit=True):
        left, middle, right = st.columns(3)
        event = left.selectbox("Event", known, format_func=lambda one: one.name, key="key_event")
        name = middle.text_input("For which system", placeholder="Registration site", required=True)
        scopes = right.selectbox("It may", list(SCOPES), key="key_scopes")
        why = why_asked("key_why")
        label = "Ask for a key" if two else "Make a key"
        if st.form_submit_button(label, type="primary", icon=":material/key:"):
            if two:
                ask(api_keys.ask, event.code, name or "", SCOPES[scopes], why)
            else:
                make_key(event.code, name or "", SCOPES[scopes])


def why_asked(key: str) -> str:
    """The reason by which another person decides, where it takes two."""
    if not two:
        return ""
    told = st.text_input(
        "Why? Another person decides by it.", key=key, max_chars=1000, autocomplete="off", required=True
    )
    return told or ""


def ask(asking: Callable[..., object], *args: object, **more: object) -> None:
    """Ask a second person; what is asked for is drawn here once they have approved it."""

    def do(me: Person) -> None:
        app.sessions.run(lambda session: asking(session, me, *args, **more, now=app.now()))
        ui.tell("Asked. Once another person has approved it under Approvals, it is made here.")

    with ui.error_boundary():
        ui.go(do)
        st.rerun()


def approved() -> None:
    """What this person asked for and another allowed: it is shown to them, once."""
    with app.sessions.read() as session:
        mine = [
            one
            for one in approvals.open_requests(session, person, now=app.now())
            if one.what in DRAWN and one.requester_id == person.id
        ]
    for one in mine:
        with st.container(border=True, key=f"approved_{one.id}"):
            ui.plain(approval_words.ASKED[one.what][0], "title")
            ui.plain(" · ".join(said(one.bound[name]) for name in DRAWN[one.what]))
            if one.state is State.WAITING:
                ui.plain(
                    f"Another person decides under Approvals, until {ui.moment(one.expires_at)}.", "faint"
                )
            else:
                ui.plain(f"{one.decider} approved it. It is good until {ui.moment(one.expires_at)}.", "faint")
                if st.button("Make it now", key=f"draw_{one.id}", type="primary", icon=":material/key:"):
                    draw(one)


def said(value: object) -> str:
    return " and ".join(value) if isinstance(value, list) else str(value)


def draw(one: ApprovalView) -> None:
    told = one.bound
    if one.what is What.MAKE_KEY:
        make_key(told["event"], told["name"], tuple(Scope(each) for each in told["scopes"]))
    elif one.what is What.ADD_ENDPOINT:
        add_endpoint(told["event"], told["url"])
    else:
        renew_secret(told["endpoint"], told["url"], leaked=False)


def make_key(event_code: str, name: str, scopes: tuple[Scope, ...]) -> None:
    def do(me: Person) -> None:
        key = app.sessions.run(
            lambda session: api_keys.make(
                session, me, event_code, name, scopes, demo=app.settings.demo, now=app.now()
            )
        )
        st.session_state.systems_secret = (f"The key of {name}.", key)

    with ui.error_boundary():
        ui.go(do)
        st.rerun()


def key_card(key: KeyView) -> None:
    with st.container(border=True, height="stretch"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            ui.plain(key.name, "title")
            if key.revoked_at:
                st.badge("Revoked", icon=":material/block:", color="red")
            else:
                st.badge(" and ".join(key.scopes).capitalize(), icon=":material/key:", color="blue")
        ui.facts(
            {
                "Event": key.event_name,
                "Begins": f"pd_{app.settings.mode}_{key.handle}_…",
                "Made": f"{ui.moment(key.created_at)} by {key.created_by}",
                "Last used": ui.moment(key.used_at) if key.used_at else "never",
                "Revoked": f"{ui.moment(key.revoked_at)} by {key.revoked_by}" if key.revoked_at else None,
            }
        )
        if not key.revoked_at:
            st.space("stretch")
            with st.popover("Revoke", key=f"revoke_{key.id}", icon=":material/block:"):
                ui.plain("Whoever uses it is shut out at once. What was done with it stays.", "faint")
                st.button(
                    "Revoke this key", key=f"revoke_sure_{key.id}", type="primary", on_click=ui.act,
                    args=(f"The key of {key.name} is revoked.", api_keys.revoke, key.id),
                )  # fmt: skip


# -- notifications --------------------------------------------------------------------------------------


def endpoint_form(known: list[EventView]) -> None:
    with st.form("new_endpoint", clear_on_submit=True):
        left, right = st.columns([1, 2])
        event = left.selectbox("Event", known, format_func=lambda one: one.name, key="endpoint_event")
        url = right.text_input("Address", placeholder="https://register.example.org/paydesk", required=True)
        why = why_asked("endpoint_why")
        label = "Ask to send notifications there" if two else "Send notifications there"
        if st.form_submit_button(label, type="primary", icon=":material/webhook:"):
            if two:
                loopback = app.settings.notify_loopback
                ask(notifying.ask, event.code, url or "", why, loopback=loopback)
            else:
                add_endpoint(event.code, url or "")


def add_endpoint(event_code: str, url: str) -> None:
    def do(me: Person) -> None:
        secret = app.sessions.run(
            lambda session: notifying.add(
                session, me, event_code, url, app.keys, loopback=app.settings.notify_loopback, now=app.now()
            )
        )
        st.session_state.systems_secret = ("The secret that signs what is sent there.", secret)

    with ui.error_boundary():
        ui.go(do)
        st.rerun()


def renew_secret(endpoint_id: int, url: str, *, leaked: bool) -> None:
    def do(me: Person) -> None:
        secret = app.sessions.run(
            lambda session: notifying.renew_secret(
                session, me, endpoint_id, app.keys, leaked=leaked, now=app.now()
            )
        )
        st.session_state.systems_secret = (f"The new secret that signs what is sent to {url}.", secret)

    with ui.error_boundary():
        ui.go(do)
        st.rerun()


def endpoint_card(one: EndpointView) -> None:
    with st.container(border=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            ui.plain(one.url, "title")
            if one.stopped_at:
                st.badge("Stopped", icon=":material/block:", color="red")
            elif one.failed:
                st.badge(f"{one.failed} given up", icon=":material/error:", color="red")
            else:
                st.badge("In use", icon=":material/check:", color="green")
        ui.facts(
            {
                "Event": one.event_name,
                "Added": f"{ui.moment(one.created_at)} by {one.created_by}",
                "Stopped": f"{ui.moment(one.stopped_at)}: {one.stopped_why}" if one.stopped_at else None,
                "Secret before": both_sign(one),
                "Arrived": str(one.delivered),
                "On their way": str(one.waiting) if one.waiting else None,
                "Given up": str(one.failed) if one.failed else None,
            }
        )
        if not one.stopped_at:
            endpoint_buttons(one)
        if one.delivered or one.waiting or one.failed:
            messages(one)


def both_sign(one: EndpointView) -> str | None:
    if one.stopped_at or one.previous_until is None or one.previous_until <= app.now():
        return None
    return f"signs as well until {ui.moment(one.previous_until)}"


def endpoint_buttons(one: EndpointView) -> None:
    with st.container(horizontal=True):
        if one.failed:
            done = (f"What was given up is sent to {one.url} again.", notifying.resend_failed, one.id)
            st.button(
                "Send again what was given up", key=f"again_{one.id}", icon=":material/replay:",
                on_click=ui.act, args=done,
            )  # fmt: skip
        with st.popover("New secret", key=f"renew_{one.id}", icon=":material/autorenew:"):
            ui.plain(
                "The one in use signs beside the new one for a day, so that whoever listens can change it "
                "without losing a message.",
                "faint",
            )
            leaked = st.checkbox("It has leaked: it ends at once", key=f"leaked_{one.id}")
            why = "" if leaked else why_asked(f"renew_why_{one.id}")
            label = "Ask for a new secret" if two and not leaked else "Make a new secret"
            if st.button(label, key=f"renew_sure_{one.id}", type="primary"):
                if two and not leaked:
                    ask(notifying.ask_renewal, one.id, why)
                else:
                    renew_secret(one.id, one.url, leaked=leaked)
        with st.popover("Remove", key=f"remove_{one.id}", icon=":material/delete:"):
            ui.plain("Nothing is sent there any more; what is on its way is given up.", "faint")
            st.button(
                "Remove this address", key=f"remove_sure_{one.id}", type="primary", on_click=ui.act,
                args=(f"Nothing is sent to {one.url} any more.", notifying.remove, one.id),
            )  # fmt: skip


def messages(one: EndpointView) -> None:
    """The newest messages, looked up only when somebody wants to see them."""
    if not st.toggle("Show the messages", key=f"messages_{one.id}"):
        return
    with app.sessions.read() as session:
        found = notifying.recent(session, person, one.id)
    for each in found:
        word, colour, icon = STATE[each.state]
        head = f":{colour}[:material/{icon}:] {word} · {each.kind} · {each.reference}"
        with st.expander(f"{head} · {ui.moment(each.created_at)}"):
            message(each, stopped=one.stopped_at is not None)


def message(each: NotificationView, *, stopped: bool) -> None:
    ui.facts(
        {
            "Id": each.message_id,
            "Tried": words.count(len(each.tries), "time", "times"),
            "Next try": ui.moment(each.next_try_at) if each.next_try_at else None,
        }
    )
    for one in reversed(each.tries):
        answered = f"answered {one.status}" if one.status else "no answer"
        ui.plain(f"{ui.moment(one.at)}: {answered} in {one.took_ms} ms", "faint")
        if one.told:
            st.code(one.told, language=None, wrap_lines=True)
    st.code(each.body, language="json", wrap_lines=True)
    if not stopped:
        st.button(
            "Send again", key=f"resend_{each.id}", icon=":material/replay:", on_click=ui.act,
            args=(f"{each.kind} of {each.reference} is sent again.", notifying.resend, each.id),
        )  # fmt: skip


# -- the page -------------------------------------------------------------------------------------------

with app.sessions.read() as session:
    known_events = events.list_events(session, person)
    keys = api_keys.list_keys(session, person)
    endpoints = notifying.list_endpoints(session, person)
    two = people.takes_two(session)
st.title("Other systems", anchor=False)
ui.plain("A registration site asks for payments with a key, and is told when they are paid.", "faint")
ui.outcome()
if secret := st.session_state.pop("systems_secret", None):
    shown_once(*secret)
approved()
if not known_events:
    ui.empty_state("No events yet", "A key is for one event. Create it under Events first.", "event")
else:
    st.subheader("Keys", anchor=False)
    key_form(known_events)
    if keys:
        with st.grid(3, min_column_width=300):
            for key in keys:
                key_card(key)
    else:
        ui.empty_state("No keys yet", "Ask for one for each system, and give it to whoever runs it.", "key")
    st.subheader("Notifications", anchor=False)
    endpoint_form(known_events)
    for endpoint in endpoints:
        endpoint_card(endpoint)
    if not endpoints:
        ui.empty_state(
            "Nobody is told yet",
            "Give the address of a system that wants to hear of its payments.",
            "webhook",
        )
