"""Settings: the mode, what to tell iKhokha, what came last, and whether this desk is fit."""

from collections.abc import Iterator

import streamlit as st

import bootstrap
import ui
from payments.access.people import Action
from payments.errors import GatewayError
from payments.watching import health, vitals
from payments.watching.vitals import Vitals

person = ui.require(Action.MANAGE_SETTINGS)
app = bootstrap.app()
settings = app.settings
#: A reference no payment has: an answer about it shows that the gateway knows our keys.
NOBODYS = "PAYDESK_CHECK"
MODE = {
    "demo": "Demo: the gateway, the payers and their money are pretended. For live mode set IKHOKHA_APP_ID "
    "and IKHOKHA_SECRET_KEY, and point DATABASE_URL at a new database.",
    "live": "Live: payments are real.",
}


# -- is this desk fit? ------------------------------------------------------------------------------


@st.cache_data(ttl="1m", max_entries=1, show_spinner="Asking the gateway …")
def gateway_fault() -> str:
    """What is wrong with the gateway, "" for nothing; asked once a minute at most."""
    try:
        app.gateways["ikhokha"].status_by_reference(NOBODYS)
    except GatewayError as error:
        return str(error)
    return ""


def self_check(found: Vitals) -> Iterator[tuple[str, str, str]]:
    """State, what is meant, and what to do about it."""
    ready = health.readiness(app.sessions, now=app.now())
    kind = app.sessions.engine.dialect.name
    yield ("bad", "Database", " ".join(ready.faults)) if ready.faults else (
        "good", "Database", f"{kind}: up to date, and keeps what it is told."
    )  # fmt: skip
    fault = gateway_fault()
    yield ("bad", "Gateway", fault) if fault else ("good", "Gateway", "It answers, and knows our keys.")
    yield webhook_check(found)
    yield worker_check(found)
    if not settings.mail_url:
        yield (
            "poor",
            "Mail",
            "MAIL_URL is empty: confirmations wait, unsent. Set it to smtp://user:password@host:587.",
        )
    elif found.mail_failed:
        yield "poor", "Mail", f"{found.mail_failed} could not be sent. See Health."
    else:
        yield "good", "Mail", f"{found.mail_queued} wait to be sent."


def webhook_check(found: Vitals) -> tuple[str, str, str]:
    if not settings.demo and not settings.webhook_url.startswith("https://"):
        return "bad", "Webhook address", "It is not https. Set IKHOKHA_WEBHOOK_URL to a public https address."
    if found.last_event_at is None:
        return "poor", "Webhook", "No message came yet. Give the address below to iKhokha and take a payment."
    return "good", "Webhook", f"The last message came {ui.moment(found.last_event_at)}."


def worker_check(found: Vitals) -> tuple[str, str, str]:
    if not found.pulse.alive(now=app.now()):
        seen = (
            f"It was last seen {ui.moment(found.pulse.seen_at)}."
            if found.pulse.seen_at
            else "It never ran here."
        )
        return "bad", "Worker", f"{seen} Start it: python manage.py worker."
    if found.pulse.trouble:
        return "poor", "Worker", found.pulse.trouble
    return "good", "Worker", f"It runs, and was last seen {ui.moment(found.pulse.seen_at)}."


# -- the page ---------------------------------------------------------------------------------------


@st.fragment(run_every="15s")
@ui.error_boundary()
def health_card() -> None:
    here = ui.require(Action.MANAGE_SETTINGS, active=False)
    with app.sessions.read() as session:
        found = vitals.vitals(session, here, now=app.now())
    ui.checks(self_check(found))
    names = {
        "events_unhandled": "Messages to act on",
        "links_due": "Links to ask about",
        "links_unknown": "Links with no answer yet",
    }
    waiting = {names.get(name, name): str(depth) for name, depth in found.waiting.items()}
    ui.plain("What waits", "title")
    ui.facts(waiting | {"Mails to send": str(found.mail_queued)})


def addresses() -> None:
    for label, address, use in (
        ("Webhook", settings.webhook_url, "iKhokha knocks here when a payment changes."),
        ("Return page", settings.return_url, "Payers come back here."),
        ("Failure page", settings.failure_url, "After an attempt that failed."),
        ("Cancel page", settings.cancel_url, "After they turned back."),
    ):
        ui.plain(f"{label}: {use}", "faint")
        ui.copy(address, key=f"copy_{label}")


def latest_messages() -> None:
    with app.sessions.read() as session:
        found = vitals.messages(session, person)
    if not found:
        ui.empty_state("No message yet", "What the gateway sends is listed here as it came.", "notifications")
    for nth, message in enumerate(found):
        proof = "" if message.proved else " · not proved to be the gateway's"
        seen = f" · seen {message.seen_count} times" if message.seen_count > 1 else ""
        with st.expander(
            f"{ui.moment(message.received_at)} · {ui.escape(message.word or 'no word')}{proof}{seen}"
        ):
            ui.facts({"Link": message.gateway_reference, "What became of it": message.effect})
            st.code(message.body, language=None, wrap_lines=True)
        if nth == 9:
            break


st.title("Settings", anchor=False)
st.info(MODE[settings.mode], icon=":material/science:" if settings.demo else ":material/verified:")
left, right = st.columns(2)
with left.container(border=True):
    st.subheader("Is this desk fit?", anchor=False)
    health_card()
with right.container(border=True):
    st.subheader("What to tell iKhokha", anchor=False)
    addresses()
with st.container(border=True):
    st.subheader("What payers read", anchor=False)
    ui.plain("English is the desk's own. The others are drafts until a speaker has read them.", "faint")
    with ui.error_boundary():
        ui.languages()
with st.container(border=True):
    st.subheader("The latest messages of the gateway", anchor=False)
    with ui.error_boundary():
        latest_messages()
