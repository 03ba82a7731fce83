"""The shared look: who is here, money and moments, badges, lists, links to share, and what an error says.

Text of payers is never Markdown here: it goes through ``payments_list`` and the other components, which
set it as text, or through ``facts`` and ``plain``, which escape it. Only this file writes HTML.
"""

import html
import json
import logging
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import segno
import streamlit as st
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

import bootstrap
import words
from payments import dates, filters, people, signin
from payments.errors import NotAllowed, PaymentsError
from payments.lifecycle import Status
from payments.people import Action, Person
from payments.replay import MessageRow
from payments.search import Filter, PaymentRow
from payments.timeline import TimelineView

log = logging.getLogger("paydesk.ui")
HERE = Path(__file__).parent


# -- who is here ------------------------------------------------------------------------------------


def cookie(name: str) -> str | None:
    """A cookie of the browser. The one place that reads one; outside a browser there is none."""
    value = st.context.cookies.get(name)
    return value if isinstance(value, str) else None


def signed_in(*, active: bool = True) -> signin.SignedIn | None:
    """Who is here by the session's row, looked up on every run, so that ending it is felt at once.

    ``active`` is False for what a page does by itself: its ticks keep nobody signed in.
    """
    app = bootstrap.app()
    token = cookie(signin.cookie_name(app.settings.dashboard_url))
    return signin.who(app.sessions, token, now=app.now(), active=active)


def require(action: Action, *, active: bool = True) -> Person:
    """The person who is here and may do this; the first line of every page and fragment.

    Stops the run with a way to sign in, or with a sentence that says who may.
    """
    here = signed_in(active=active)
    if here is None:
        empty_state("You are not signed in", "Sign in to go on; you come back to this page.", "lock")
        st.html('<a class="pd-button" href="/signin">Sign in</a>')
        st.stop()
    try:
        people.check(here.person, action)
    except NotAllowed as refusal:
        empty_state("This page is not for your role", str(refusal), "block")
        st.stop()
    return here.person


@contextmanager
def error_boundary() -> Iterator[None]:
    """Our own errors become a sentence; anything else is a bug, logged under a number that is shown."""
    try:
        yield
    except PaymentsError as error:
        problem(str(error))
    except Exception:
        number = secrets.token_hex(4)
        log.exception("bug %s on a page", number)
        problem(
            f"Something broke on our side. Nothing was changed by it. Reload the page; "
            f"if it happens again, tell support the number {number}."
        )


def id_in(address: str) -> int:
    """The id that a part of an address names; 0, which nothing has, when it is none."""
    return int(address) if re.fullmatch("[0-9]{1,18}", address) else 0


# -- text, money, moments ---------------------------------------------------------------------------

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&^=@/\"'])")


def escape(text: str) -> str:
    """Text as itself where Streamlit reads Markdown: no emphasis, no pictures, no links.

    Addresses would become links even escaped; an invisible joiner inside them prevents that.
    """
    joined = re.sub(r"(?i)(:)(?=//)|(www)(?=\.)|(?=@)", lambda match: f"{match[0]}\u2060", text)
    return _MARKDOWN.sub(r"\\\1", " ".join(joined.split()))


def problem(sentence: str) -> None:
    st.error(escape(sentence), icon=":material/error:")


def moment(at: datetime | None) -> str:
    """``today 14:02``, ``yesterday 09:30``, ``3 Mar 2026, 17:45``; a dash for never."""
    return dates.say_moment(at, now=bootstrap.app().now()) if at else "–"


def clock(at: datetime) -> str:
    return at.astimezone(dates.SAST).strftime("%H:%M:%S")


def badge(status: Status) -> None:
    look = words.STATUS[status]
    st.badge(look.word, icon=f":material/{look.icon}:", color=look.tone)  # type: ignore[arg-type]


# -- pieces of HTML: the only ones in the project ---------------------------------------------------


def style() -> None:
    """Once a page: what Streamlit's theme cannot say (phone sizes, the mode's sign, our own pieces)."""
    st.html(HERE / "static" / "desk.css")


def mode_banner(mode: str) -> None:
    """Demo stands on every page, over everything else."""
    if mode == "demo":
        st.html('<div class="pd-mode" role="note">DEMO <span>· no real money</span></div>')


def sign_out() -> None:
    st.html(
        '<a class="pd-out" href="/password">Password</a> · <a class="pd-out" href="/signout">Sign out</a>'
    )


def _icon(name: str) -> str:
    return f'<span class="pd-icon" aria-hidden="true" translate="no">{html.escape(name)}</span>'


def plain(text: str, look: str = "") -> None:
    """Any text, as itself; ``look`` is one of our style names."""
    st.html(f'<div class="pd-plain {look}">{html.escape(text)}</div>')


def facts(values: Mapping[str, str | None]) -> None:
    """Labels and values; what is empty is left out."""
    rows = "".join(
        f"<div><dt>{html.escape(label)}</dt><dd>{html.escape(value)}</dd></div>"
        for label, value in values.items()
        if value
    )
    st.html(f'<dl class="pd-facts">{rows}</dl>')


def empty_state(title: str, next_step: str, icon: str = "inbox") -> None:
    """Nothing here, and what to do about it."""
    st.html(
        f'<div class="pd-empty">{_icon(icon)}'
        f"<strong>{html.escape(title)}</strong><p>{html.escape(next_step)}</p></div>"
    )


_CHECK = {"good": ("Good", "check_circle"), "poor": ("Look", "warning"), "bad": ("Wrong", "error")}


def checks(lines: Iterable[tuple[str, str, str]]) -> None:
    """A self-check: state, what is meant, what to do; each in word, sign and colour."""
    drawn = []
    for state, title, remedy in lines:
        word, icon = _CHECK[state]
        drawn.append(
            f'<div class="pd-check {state}">{_icon(icon)}<span><strong>{html.escape(title)}</strong><br>'
            f'{html.escape(remedy)}</span><span class="pd-word">{word}</span></div>'
        )
    st.html("".join(drawn))


@dataclass(frozen=True)
class Card:
    """One number that matters. ``better`` colours the change: None for neither good nor bad."""

    title: str
    icon: str
    value: str
    change: str = ""
    better: bool | None = None
    note: str = ""


def trouble(title: str, told: str, *, bad: bool) -> None:
    """Something is wrong with the desk: over everything else on a page, and read aloud when it appears."""
    tone, icon = ("bad", "error") if bad else ("poor", "warning")
    st.html(
        f'<div class="pd-trouble {tone}" role="alert">{_icon(icon)}'
        f"<span><strong>{html.escape(title)}</strong> {html.escape(told)}</span></div>"
    )


def cards(shown: Iterable[Card]) -> None:
    """Numbers side by side; on a phone two in a row, the first over the whole width, none of them cut."""
    drawn = []
    for card in shown:
        title, value, change, note = map(html.escape, (card.title, card.value, card.change, card.note))
        tone = {True: "good", False: "bad", None: "even"}[card.better]
        told = f'<span class="pd-change {tone}">{change}</span> ' if change else ""
        drawn.append(
            f'<div class="pd-card"><div class="pd-title">{_icon(card.icon)}{title}</div>'
            f'<div class="pd-value">{value}</div><div class="pd-note">{told}{note}</div></div>'
        )
    st.html(f'<div class="pd-cards">{"".join(drawn)}</div>')


def bars(lines: Iterable[tuple[str, str, int]]) -> None:
    """Label, value, and its share in percent as the length of a bar."""
    drawn = "".join(
        f'<li><span>{html.escape(label)}</span><span class="pd-number">{html.escape(value)}</span>'
        f'<span class="pd-bar" aria-hidden="true"><span style="width:{share:d}%"></span></span></li>'
        for label, value, share in lines
    )
    st.html(f'<ul class="pd-bars">{drawn}</ul>')


def freshness(at: datetime) -> None:
    """That the page is alive, and how old what it shows is."""
    st.html(
        f'<div class="pd-fresh"><span class="pd-pulse" aria-hidden="true"></span>updated {clock(at)}</div>',
        width="content",
    )


def status_panel(status: Status, sentence: str) -> None:
    """How a payment stands, large enough to be read across a counter."""
    look, tone = words.STATUS[status], "pd-paid" if status is Status.PAID else "pd-wait"
    st.html(
        f'<div class="{tone}">{_icon(look.icon)}<strong>{look.word}</strong>{html.escape(sentence)}</div>'
    )


def export_link(wanted: Filter, rows: int) -> None:
    """The file of exactly what is filtered; a plain link to the server, which streams it at any size."""
    query = html.escape(urlencode(filters.to_query(wanted)))
    label = html.escape(f"Export CSV, {words.count(rows, 'payment', 'payments')}")
    st.html(
        f'<a class="pd-button" href="/export?{query}" download aria-label="{label}">Export CSV</a>',
        width="content",
    )


def qr(url: str, about: str) -> None:
    """The code a payer's camera reads; white around it in every theme, or cameras do not find it."""
    picture = segno.make(url, error="m").svg_data_uri(scale=8, border=2, light="#fff")
    st.html(f'<img class="pd-qr" src="{html.escape(picture)}" alt="{html.escape(about)}">')


# -- components: real elements of the page, whose texts are set as text ------------------------------

_COMPONENTS = ("payments", "timeline", "share", "announce")


def _component(name: str) -> Any:
    """A component whose script is a file of ours: inline ones would need ``blob:`` in the page's policy."""
    manager = get_bidi_component_manager()
    if manager.get(f"paydesk.{name}") is None:
        configs = [ComponentConfig(each, "static/components") for each in _COMPONENTS]
        manager.register_from_manifest(ComponentManifest("paydesk", "1", configs), HERE)
    markup = '<div class="desk"></div>'
    return st.components.v2.component(f"paydesk.{name}", html=markup, css="look.css", js=f"{name}.js")


COLUMNS = {
    "when": "Created",
    "amount": "Amount",
    "status": "Status",
    "payer": "Payer",
    "event": "Event",
    "method": "Method",
    "reference": "Reference",
}


def payments_list(
    rows: Iterable[PaymentRow],
    *,
    key: str,
    label: str,
    pick: Callable[[str], None],
    without: Sequence[str] = (),
    bare: bool = False,
) -> None:
    """Payments as a table, on a phone as cards. ``pick`` is called with the reference that was chosen."""

    def picked() -> None:
        reference = st.session_state[key].picked
        if isinstance(reference, str):
            pick(reference)

    columns = [[name, title] for name, title in COLUMNS.items() if name not in without]
    data = {"label": label, "columns": columns, "rows": [_line(row) for row in rows], "bare": bare}
    _component("payments")(key=key, data=data, on_picked_change=picked)


def _line(row: PaymentRow) -> dict[str, Any]:
    look = words.STATUS[row.status]
    part = row.received if row.received and row.received != row.amount else None
    return {
        "reference": row.reference,
        "when": moment(row.created_at),
        "amount": str(row.amount),
        "received": f"{part} received" if part else None,
        "status": look.__dict__,
        "flag": {"word": words.REVIEW[row.review][0], "icon": "flag", "tone": "orange"}
        if row.review
        else None,
        "payer": row.payer_name,
        "contact": row.payer_email or row.payer_phone or None,
        "event": row.event_name,
        "category": row.category,
        "method": words.method_word(row.method),
    }


MESSAGE_COLUMNS = {
    "when": "Received",
    "status": "What it led to",
    "payer": "Message",
    "event": "Payment",
    "reference": "Number",
}


def messages_list(rows: Iterable[MessageRow], *, key: str, pick: Callable[[str], None]) -> None:
    """Messages of the gateway as a table, on a phone as cards. ``pick`` is called with a message's number,
    which begins with ``u`` for one that was not proved."""

    def picked() -> None:
        number = st.session_state[key].picked
        if isinstance(number, str):
            pick(number)

    columns = [list(column) for column in MESSAGE_COLUMNS.items()]
    data = {"label": "Messages", "columns": columns, "rows": [_message(row) for row in rows], "bare": False}
    _component("payments")(key=key, data=data, on_picked_change=picked)


def _message(row: MessageRow) -> dict[str, Any]:
    look = words.EFFECT[row.effect] if row.proved else words.NOT_PROVED
    seen = f"seen {words.count(row.seen_count, 'time', 'times')}" if row.seen_count > 1 else None
    return {
        "reference": f"{'' if row.proved else 'u'}{row.id}",
        "when": moment(row.received_at),
        "status": look.__dict__,
        "payer": row.word or ("–" if row.proved else row.why),
        "contact": row.gateway_reference,
        "event": row.reference or row.told_reference or "–",
        "category": seen,
    }


def timeline(entries: Sequence[TimelineView], *, key: str) -> None:
    """The newest day first, within a day in order of what happened last."""
    newest_first = reversed(entries)
    days = [
        {"day": dates.say_days(day, day), "entries": [_happening(entry) for entry in group]}
        for day, group in groupby(newest_first, key=lambda entry: dates.business_day(entry.at))
    ]
    _component("timeline")(key=key, data={"days": days})


def _happening(entry: TimelineView) -> dict[str, Any]:
    icon, tone = words.KIND.get(entry.kind, ("circle", "gray"))
    if entry.kind == "status" and entry.detail.get("became") in tuple(Status):
        look = words.STATUS[Status(entry.detail["became"])]
        icon, tone = look.icon, look.tone
    detail = "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in entry.detail.items())
    return {
        "at": clock(entry.at),
        "title": entry.title,
        "who": f"{entry.actor}, {words.SOURCE.get(entry.source, entry.source)}",
        "icon": icon,
        "tone": tone,
        "detail": detail or None,
        "raw": _readable(entry.raw) if entry.raw else None,
    }


def _readable(raw: str) -> str:
    """JSON with line breaks; anything else as it came."""
    try:
        return json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    except ValueError:
        return raw


def share(
    url: str,
    message: str,
    *,
    key: str,
    phone: str = "",
    email: str = "",
    tell: Callable[[str], None] | None = None,
) -> None:
    """Copy a link, or send it by WhatsApp, SMS or e-mail. ``tell`` hears which way was used."""

    def shared() -> None:
        how = st.session_state[key].shared
        if tell and how in {way["how"] for way in ways}:
            tell(how)

    text, number = quote(f"{message} {url}"), phone.lstrip("+")
    subject = quote("Your payment link")
    ways: list[dict[str, str | None]] = [
        {"how": "copy", "word": "Copy link", "icon": "content_copy", "url": None},
        {"how": "whatsapp", "word": "WhatsApp", "icon": "chat", "url": f"https://wa.me/{number}?text={text}"},
        {"how": "sms", "word": "SMS", "icon": "sms", "url": f"sms:{quote(phone)}?body={text}"},
        {
            "how": "email",
            "word": "E-mail",
            "icon": "mail",
            "url": f"mailto:{quote(email)}?subject={subject}&body={text}",
        },
    ]
    _component("share")(
        key=key, data={"ways": ways, "copy": url, "tell": tell is not None}, on_shared_change=shared
    )


def copy(text: str, *, key: str) -> None:
    """Text to be taken elsewhere, with a button that copies it."""
    ways = [{"how": "copy", "word": "Copy", "icon": "content_copy", "url": None}]
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.code(text, language=None, wrap_lines=True)
        _component("share")(key=key, data={"ways": ways, "copy": text, "tell": False}, width=110)


def announce(news: str, *, key: str, ring: bool = False) -> None:
    """Read aloud by a screen reader when it changes; with a soft ring when asked for."""
    _component("announce")(key=key, data={"text": news, "ring": ring})
