"""Lists, timelines and small helpers: components, real elements of the page, whose texts are set as text."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import quote

import streamlit as st
from streamlit.components.v2.get_bidi_component_manager import get_bidi_component_manager
from streamlit.components.v2.manifest_scanner import ComponentConfig, ComponentManifest

import words
from payments import dates, needle, search
from payments.audit_book import EntryView
from payments.lifecycle import Status
from payments.replay import MessageRow
from payments.search import PaymentRow
from payments.timeline import TimelineView
from ui.pieces import STATIC, clock, moment

_COMPONENTS = (
    "payments",
    "timeline",
    "share",
    "announce",
    "doors",
    "download",
    "palette",
    "hotkeys",
    "cases",
    "lines",
    "live",
    "payer",
    "month",
    "session",
    "passkey",
)


def component(name: str, *, css: str | None = "look.css") -> Any:
    """A component whose script is a file of ours: inline ones would need ``blob:`` in the page's policy."""
    manager = get_bidi_component_manager()
    if manager.get(f"paydesk.{name}") is None:
        configs = [ComponentConfig(each, "static/components") for each in _COMPONENTS]
        manager.register_from_manifest(ComponentManifest("paydesk", "1", configs), STATIC.parent)
    markup = '<div class="desk"></div>'
    return st.components.v2.component(f"paydesk.{name}", html=markup, css=css, js=f"{name}.js")


#: Every column a person may choose. ``reference`` is the row's handle and always there.
COLUMNS = {
    "when": "Created",
    "amount": "Amount",
    "status": "Status",
    "payer": "Payer",
    "event": "Event",
    "method": "Method",
    "reference": "Reference",
    "received": "Received",
    "paid": "Paid",
    "asked": "Checked",
    "category": "Category",
    "email": "E-mail",
    "phone": "Phone",
    "gateway": "At iKhokha",
    "note": "Note",
}
#: Those shown to whoever never chose.
USUAL = ("when", "amount", "status", "payer", "event", "method", "reference")
HANDLE = "reference"


def payments_list(
    rows: Iterable[PaymentRow],
    *,
    key: str,
    label: str,
    pick: Callable[[str], None],
    show: Sequence[str] = USUAL,
    without: Sequence[str] = (),
    bare: bool = False,
    marks: needle.Marks = needle.Marks(),
    sort: str | None = None,
    on_sort: Callable[[str], None] | None = None,
) -> None:
    """Payments as a table, on a phone as cards. ``pick`` is called with the reference that was chosen.

    ``show`` names columns of ``COLUMNS`` in their order.
    ``marks`` are pointed at in the texts; where none of them shows, the field that was found is. With
    ``sort`` the headings sort, and ``on_sort`` is called with the order that was asked for.
    """

    def sorted_by() -> None:
        wanted = st.session_state[key].sorted
        if on_sort is not None and isinstance(wanted, str):
            on_sort(wanted)

    def picked() -> None:
        reference = st.session_state[key].picked
        if isinstance(reference, str):
            pick(reference)

    data = listing(rows, label=label, show=show, without=without, bare=bare, marks=marks)
    data["sort"] = {"now": sort, "keys": SORT_KEYS} if sort else None
    component("payments")(key=key, data=data, on_picked_change=picked, on_sorted_change=sorted_by)


def listing(
    rows: Iterable[PaymentRow],
    *,
    label: str,
    show: Sequence[str] = USUAL,
    without: Sequence[str] = (),
    bare: bool = False,
    marks: needle.Marks = needle.Marks(),
    empty: str = "",
) -> dict[str, Any]:
    """What the list shows, as its script reads it. ``empty`` is said where there are no rows."""
    names = [name for name in show if name in COLUMNS and name not in without]
    names += [] if HANDLE in names else [HANDLE]
    return {
        "label": label,
        "columns": [[name, COLUMNS[name]] for name in names],
        "rows": [_line(row, marks) for row in rows],
        "bare": bare,
        "marks": {"words": marks.words, "bare": marks.bare},
        "empty": empty,
    }


def live_list(
    shown: Mapping[str, Any], paid: tuple[str, str], *, key: str, pick: Callable[[str], None]
) -> None:
    """A ``listing`` that stays up to date by itself, and with it each place that ``charts.draw`` named.

    ``paid`` is the payment that was paid last and the news of it, which is read aloud when it is another one.
    """

    def picked() -> None:
        reference = st.session_state[key].picked
        if isinstance(reference, str):
            pick(reference)

    data = {"newest": shown, "paid": paid}
    component("live")(key=key, data=data, on_picked_change=picked, on_again_change=lambda: None)


#: The orders a list and its file may have.
ORDERS: Mapping[str, str] = {
    search.NEWEST: "Newest first",
    search.OLDEST: "Oldest first",
    "-amount": "Largest amount",
    "amount": "Smallest amount",
    "payer": "Payer, A to Z",
    "-payer": "Payer, Z to A",
    "event": "Event, A to Z",
    "-event": "Event, Z to A",
    "status": "Status, A to Z",
    "-status": "Status, Z to A",
    "method": "Method, A to Z",
    "-method": "Method, Z to A",
    "-paid": "Paid last",
    "paid": "Paid first",
    "reference": "Reference, A to Z",
    "-reference": "Reference, Z to A",
    "-received": "Received most",
    "received": "Received least",
    "-asked": "Checked last",
    "asked": "Checked first",
    "category": "Category, A to Z",
    "-category": "Category, Z to A",
    "email": "E-mail, A to Z",
    "-email": "E-mail, Z to A",
    "phone": "Phone, smallest",
    "-phone": "Phone, largest",
    "gateway": "At iKhokha, A to Z",
    "-gateway": "At iKhokha, Z to A",
    "note": "Note, A to Z",
    "-note": "Note, Z to A",
}

#: The order a column's heading asks for, the smallest first and the largest first.
SORT_KEYS = {
    "when": (search.OLDEST, search.NEWEST),
    **{name: (name, f"-{name}") for name in search.SORTS},
}


def _where_found(row: PaymentRow, marks: needle.Marks, shown: Iterable[str | None]) -> str | None:
    """The field that was found, where none that is shown would be marked."""
    if marks == needle.Marks() or any(needle.points_at(marks, text) for text in shown if text):
        return None
    hidden = {
        "Phone": row.payer_phone,
        "E-mail": row.payer_email,
        "iKhokha's reference": row.gateway_reference,
        "Note": row.note,
    }
    return next(
        (f"{name}: {text}" for name, text in hidden.items() if text and needle.points_at(marks, text)), None
    )


def _line(row: PaymentRow, marks: needle.Marks) -> dict[str, Any]:
    look = words.STATUS[row.status]
    part = row.received if row.received and row.received != row.amount else None
    contact = row.payer_email or row.payer_phone or None
    return {
        "found": _where_found(row, marks, (row.reference, row.payer_name, contact, row.event_name)),
        "reference": row.reference,
        "when": moment(row.created_at),
        "amount": str(row.amount),
        "received": f"{part} received" if part else None,
        "status": look.__dict__,
        "flag": {"word": words.REVIEW[row.review][0], "icon": "flag", "tone": "orange"}
        if row.review
        else None,
        "old": words.OLD.__dict__ if row.origin == "legacy" else None,
        "payer": row.payer_name,
        "contact": contact,
        "event": row.event_name,
        "category": row.category,
        "method": words.method_word(row.method),
        "more": {
            "received": str(row.received) if row.received else None,
            "paid": moment(row.paid_at) if row.paid_at else None,
            "asked": moment(row.asked_at) if row.asked_at else None,
            "category": row.category,
            "email": row.payer_email or None,
            "phone": row.payer_phone or None,
            "gateway": row.gateway_reference,
            "note": " ".join(row.note.split())[:120] or None,
        },
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
    component("payments")(key=key, data=data, on_picked_change=picked)


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


def cases_list(
    cases: Iterable[Mapping[str, Any]],
    *,
    key: str,
    label: str,
    chosen: Iterable[int],
    tell: Callable[[int, str], None],
) -> None:
    """What waits for a decision, a row a case. ``tell`` hears of which case, and what: ``open``, ``assign``,
    ``ask``, ``goes``, ``choose``, ``leave``, or ``decide:`` with the number of the decision from 0."""

    data = {"cases": list(cases), "label": label, "chosen": list(chosen)}
    _with_deeds("cases", key, data, tell)


def _with_deeds(name: str, key: str, data: dict[str, Any], tell: Callable[[int, str], None]) -> None:
    """A list whose deeds come in the order in which they were done, none twice and none left out.

    A message holds every deed that was not heard yet, as its number and what it is: see ``deeds.js``.
    """
    heard = f"{key}_heard"

    def told() -> None:
        for number, deed in _deeds(st.session_state[key].told):
            if number > st.session_state.get(heard, 0):
                st.session_state[heard] = number  # first: one that fails is not tried for ever
                row, _, what = deed.partition(":")
                tell(int(row), what)

    data["heard"] = st.session_state.get(heard, 0)
    component(name)(key=key, data=data, on_told_change=told)


_DEED = re.compile(r"[0-9]{1,18}:.*")


def _deeds(told: object) -> list[tuple[int, str]]:
    """What a browser says was done; what is none of our own is passed over."""
    if not isinstance(told, list):
        return []
    return [
        (number, deed)
        for number, deed in (pair for pair in told if isinstance(pair, list) and len(pair) == 2)
        if isinstance(number, int) and isinstance(deed, str) and _DEED.fullmatch(deed)
    ]


def preview_list(rows: Iterable[Any], *, key: str, label: str = "As it would be read") -> None:
    """Lines of a file as they are read: ``statements.Line`` or ``statements.PreviewRow``."""
    data = {
        "label": label,
        "columns": [["when", "Date"], ["amount", "Amount"], ["payer", "What the bank says"],
                    ["event", "Reference"], ["reference", "Row"]],
        "rows": [_read_line(row) for row in rows],
        "bare": False,
    }  # fmt: skip
    if data["rows"]:
        component("payments")(key=key, data=data)


def _read_line(row: Any) -> dict[str, Any]:
    errors = getattr(row, "errors", {})
    return {
        "reference": str(row.row),
        "when": f"{row.date:%-d %b %Y}" if row.date else "cannot be read",
        "amount": str(row.amount) if row.amount is not None else "cannot be read",
        "payer": row.description or "–",
        "contact": "; ".join(f"{column}: {why}" for column, why in errors.items()) or None,
        "event": row.reference or "–",
    }


def lines_list(
    lines: Iterable[Mapping[str, Any]],
    *,
    key: str,
    label: str,
    chosen: Iterable[int],
    tell: Callable[[int, str], None],
) -> None:
    """Bank lines beside what they may be for. ``tell`` hears of which line, and what: ``open``, ``accept``,
    ``take:`` with a payment's id, ``choose``, ``leave``, ``more``."""

    data = {"lines": list(lines), "label": label, "chosen": list(chosen)}
    _with_deeds("lines", key, data, tell)


def timeline(entries: Sequence[TimelineView], *, key: str) -> None:
    """The newest day first, within a day in order of what happened last."""
    newest_first = reversed(entries)
    days = [
        {"day": dates.say_days(day, day), "entries": [_happening(entry) for entry in group]}
        for day, group in groupby(newest_first, key=lambda entry: dates.business_day(entry.at))
    ]
    component("timeline")(key=key, data={"days": days})


def record(entries: Sequence[EntryView], *, key: str) -> None:
    """Entries of the audit, by day; they come newest first."""
    days = [
        {"day": dates.say_days(day, day), "entries": [_entry(entry) for entry in group]}
        for day, group in groupby(entries, key=lambda entry: dates.business_day(entry.at))
    ]
    component("timeline")(key=key, data={"days": days})


def _entry(entry: EntryView) -> dict[str, Any]:
    told = {"entry": entry.id, "event": entry.event or None, **entry.detail}
    return {
        "at": clock(entry.at),
        "title": f"{words.action(entry.action)} · {entry.subject}",
        "who": entry.actor,
        "icon": "link" if entry.chained else "link_off",
        "tone": "gray",
        "detail": "\n".join(
            f"{name.replace('_', ' ')}: {value}" for name, value in told.items() if value is not None
        ),
        "raw": None,
    }


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


def share_text(
    text: str,
    *,
    key: str,
    subject: str,
    phone: str = "",
    email: str = "",
    tell: Callable[[str], None] | None = None,
) -> None:
    """Copy a text, or send it by WhatsApp, SMS or e-mail, or print it: how to pay by EFT. ``tell`` hears
    which way was used."""
    print_it = {"how": "print", "word": "Print", "icon": "print", "url": None}
    _share([{**_COPY, "word": "Copy all"}, *_apps(text, subject, phone, email), print_it], text, key, tell)


_COPY: Mapping[str, str | None] = {"how": "copy", "word": "Copy", "icon": "content_copy", "url": None}


def _apps(text: str, subject: str, phone: str, email: str) -> list[Mapping[str, str | None]]:
    """What opens an app with the text in it, addressed where an address is known."""
    said, about, number = quote(text), quote(subject), phone.lstrip("+")
    return [
        {"how": "whatsapp", "word": "WhatsApp", "icon": "chat", "url": f"https://wa.me/{number}?text={said}"},
        {"how": "sms", "word": "SMS", "icon": "sms", "url": f"sms:{quote(phone)}?body={said}"},
        {
            "how": "email",
            "word": "E-mail",
            "icon": "mail",
            "url": f"mailto:{quote(email)}?subject={about}&body={said}",
        },
    ]


def _share(
    ways: Sequence[Mapping[str, str | None]], copied: str, key: str, tell: Callable[[str], None] | None
) -> None:
    def shared() -> None:
        how = st.session_state[key].shared
        if tell and how in {way["how"] for way in ways}:
            tell(how)

    data = {"ways": [dict(way) for way in ways], "copy": copied, "tell": tell is not None}
    component("share")(key=key, data=data, on_shared_change=shared)


def copy(text: str, *, key: str) -> None:
    """Text to be taken elsewhere, with a button that copies it."""
    ways = [{"how": "copy", "word": "Copy", "icon": "content_copy", "url": None}]
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.code(text, language=None, wrap_lines=True)
        component("share")(key=key, data={"ways": ways, "copy": text, "tell": False}, width=110)


def hotkeys(keys: Mapping[str, str], *, key: str, focus: str | None = None) -> None:
    """Keys that click the button with this widget key, while nobody types and nothing lies over it.

    ``focus`` is the key of a field that whoever comes here is taken to, once.
    """
    wanted = {"name": focus, "token": focus} if focus else None
    with st.container(key=f"hotkeys_{key}"):
        component("hotkeys")(key=f"hotkeys_box_{key}", data={"keys": dict(keys), "focus": wanted})


def announce(news: str, *, key: str, ring: bool = False) -> None:
    """Read aloud by a screen reader when it changes; with a soft ring when asked for."""
    component("announce")(key=key, data={"text": news, "ring": ring})


def download(address: str, *, key: str) -> None:
    """The browser begins to fetch a file of ours, once for each address."""
    component("download")(key=key, data={"address": address})
