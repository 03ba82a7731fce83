"""The palette: go to any page or record, and do anything, from the keyboard or by one button.

It lists only what this person may open and do, and finds only payments of their events. What is picked
comes back from a browser, so it is looked at again before anything is done.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

import bootstrap
import words
from payments import dates
from payments.access import choices, staff
from payments.access.people import Action, Person
from payments.errors import InvalidInput, PaymentsError
from payments.finding import conditions, grammar, search, views
from payments.finding.search import Filter, PaymentRow
from payments.hearing import sync
from payments.privacy import fold
from payments.selling import events
from ui.components import component
from ui.here import error_boundary, require
from ui.key_sheet import KEYS
from ui.wish import address

#: Path below ``pages``, title, icon.
PageLine = tuple[str, str, str]
PAYMENTS = "monitor/payments"
SHORTEST, MOST = 2, 6


@dataclass(frozen=True)
class Item:
    """A line of the palette. ``id`` says what it is and which; ``href`` leads out of the dashboard, and
    ``keys`` opens the sheet that the browser has already."""

    id: str
    group: str
    title: str
    icon: str
    note: str = ""
    href: str | None = None


#: What can be done: its id, the words it is found by, the action it takes, the page it is done on.
DEEDS: tuple[tuple[str, str, str, Action, str], ...] = (
    ("take", "Take a payment", "qr_code_2", Action.ISSUE_LINK, "door/take"),
    ("decide", "Decide what needs a person", "gavel", Action.DECIDE, "monitor/attention"),
    ("export", "Export payments", "download", Action.EXPORT, PAYMENTS),
    ("process", "Process messages of the inbox again", "replay", Action.PROCESS_EVENTS, "monitor/inbox"),
    ("event", "Add or change an event", "event", Action.MANAGE_EVENTS, "admin/events"),
    ("person", "Add or change a person", "person_add", Action.MANAGE_PEOPLE, "admin/people"),
    ("check", "Examine the books", "rule", Action.MANAGE_SETTINGS, "admin/health"),
)
#: Other words by which people look for a deed or a page.
ALSO: Mapping[str, str] = {
    "do:take": "new link qr ask charge sell cash card slip register",
    "do:decide": "review problem resolve",
    "do:export": "excel csv xlsx spreadsheet file",
    "do:process": "webhook replay retry",
    "do:event": "new price category",
    "do:person": "new invite user colleague role access",
    "do:check": "integrity verify balance",
    "keys": "shortcuts hotkeys",
    "out:password": "new",
    "out:signout": "log out logout leave",
    "look": "theme mode night colours",
    "page:door/board": "scan check in admit entrance ticket",
    "page:door/shift": "till drawer count cash up close open",
    "page:finance/workbench": "match bank lines",
    "page:finance/statements": "upload import bank file csv",
    "page:finance/refunds": "money back return",
    "page:finance/registrations": "upload import sheet list",
    "page:you/account": "profile passkey second factor mail",
    "page:you/guide": "help manual how",
}
#: Found by its name, and nothing to do here.
TOLD = Item("look", "Do", "Light or dark follows your device", "dark_mode", "it is changed in its settings")
OUT = (
    Item("keys", "Do", "Show the keys of the desk", "keyboard"),
    Item("out:password", "Do", "Change my password", "key", href="/password"),
    Item("out:signout", "Do", "Sign out", "logout", href="/signout"),
)


@st.fragment
@error_boundary()
def palette(pages: Sequence[PageLine]) -> None:
    """Once a page, over everything. ``pages`` are those this person may open."""
    here = require(Action.SEE, active=False)
    if picked := st.session_state.pop("palette_picked", None):
        go(here, picked, pages)
    query = asked()
    with bootstrap.app().sessions.read() as session:
        start = [*recent(session, here, pages), *page_items(pages), *deed_items(here)]
        found, trouble = looked_for(session, here, query, pages)
    data = {
        "query": query,
        "trouble": trouble,
        "start": [asdict(item) for item in start],
        "found": [asdict(item) for item in found],
        "keys": KEYS,
    }
    with st.container(key="palette"):
        component("palette")(
            key="palette_box", data=data, on_picked_change=_picked, on_query_change=lambda: None
        )


def asked() -> str:
    """What is typed in it, as far as it was told here."""
    state = st.session_state.get("palette_box")
    query = getattr(state, "query", None)
    return " ".join(query.split())[:200] if isinstance(query, str) else ""


def _picked() -> None:
    picked = st.session_state.palette_box.picked
    if isinstance(picked, str):
        st.session_state.palette_picked = picked


# -- what it lists ------------------------------------------------------------------------------------


def page_items(pages: Sequence[PageLine]) -> Iterator[Item]:
    for path, title, icon in pages:
        yield Item(f"page:{path}", "Pages", title, icon)


def deed_items(person: Person) -> Iterator[Item]:
    for name, title, icon, action, _ in DEEDS:
        if person.may(action):
            yield Item(f"do:{name}", "Do", title, icon)
    yield from OUT


def recent(session: Any, person: Person, pages: Sequence[PageLine]) -> Iterator[Item]:
    """What was opened last, as far as it is still there and still this person's."""
    for what in choices.recent(session, person):
        kind, _, name = what.partition(":")
        if kind == "payment" and (row := search.find_one(session, person, name)):
            yield _payment(row, "Last opened")
        elif kind == "page":
            yield from (Item(what, "Last opened", title, icon) for path, title, icon in pages if path == name)


def looked_for(session: Any, person: Person, query: str, pages: Sequence[PageLine]) -> tuple[list[Item], str]:
    """What was found, and what could not be looked for."""
    if len(query) < SHORTEST:
        return [], "Type a little more." if query else ""
    try:
        wanted = meant(session, person, query)
    except InvalidInput as error:
        return list(find(session, person, query, pages, None)), str(error)
    return list(find(session, person, query, pages, wanted)), ""


def meant(session: Any, person: Person, query: str) -> Filter:
    """The payments that are meant, read as the box above their list reads it. Raises InvalidInput."""
    today = dates.business_day(bootstrap.app().now())
    return search.named(session, person, grammar.read(query, today))


def find(
    session: Any, person: Person, query: str, pages: Sequence[PageLine], wanted: Filter | None
) -> Iterator[Item]:
    """Whatever the words name: pages and deeds by the start of a word, then records."""
    named = [*page_items(pages), *deed_items(person), TOLD]
    yield from (item for item in named if _begins(f"{item.title} {ALSO.get(item.id, '')}", query))
    yield from _views(session, person, query)
    if wanted is not None:
        yield from _payments(session, person, query, wanted)
    for event in events.list_events(session, person):
        if fold(query) in fold(f"{event.code} {event.name}"):
            note = f"{event.code}, payments of this event"
            yield Item(f"event:{event.code}", "Events", event.name, "event", note)
    if person.may(Action.MANAGE_PEOPLE):
        yield from _people(session, person, query)


def _begins(title: str, query: str) -> bool:
    words_of = fold(title).split()
    return all(any(word.startswith(part) for word in words_of) for part in fold(query).split())


def _views(session: Any, person: Person, query: str) -> Iterator[Item]:
    for view in views.list_views(session, person, now=bootstrap.app().now()):
        if fold(query) in fold(view.name or ""):
            whose = "yours" if view.mine else f"shared by {view.owner}"
            yield Item(f"view:{view.token}", "Saved views", view.name or "", "bookmark", whose)


def _payments(session: Any, person: Person, query: str, wanted: Filter) -> Iterator[Item]:
    """Conditions are offered as the list they make, before the first of it; words as all that have them,
    behind the best of those."""
    filtered = wanted != conditions.words_part(wanted)
    if filtered and wanted.as_of is not None:  # which payments these are takes another picture of the books
        yield Item(f"filter:{query}", "Payments", f"Payments: {query}", "filter_list")
        return
    found = search.Found(session, person, wanted)
    page = found.page(size=MOST)
    rows = page.rows
    if filtered or page.more:
        count = found.count_at_once
        most = min(count, search.COUNT_CAP)
    if filtered:
        note = words.count(most, "payment", "payments") + (" or more" if count > most else "")
        yield Item(f"filter:{query}", "Payments", f"Payments: {query}", "filter_list", note)
    yield from (_payment(row, "Payments") for row in rows)
    if page.more and not filtered:
        title = f"All {words.number(most)}{'+' if count > most else ''} in Payments"
        yield Item(f"filter:{query}", "Payments", title, "filter_list", query)
    if len(rows) == 1 and person.may(Action.ASK_GATEWAY) and rows[0].wire_reference:
        title = f"Ask the gateway again about {rows[0].reference}"
        yield Item(f"ask:{rows[0].reference}", "Do", title, "sync", rows[0].payer_name)


def _payment(row: PaymentRow, group: str) -> Item:
    look = words.STATUS[row.status]
    note = f"{row.amount} · {look.word} · {row.reference} · {row.event_name}"
    return Item(f"payment:{row.reference}", group, row.payer_name, look.icon, note)


def _people(session: Any, person: Person, query: str) -> Iterable[Item]:
    found = (
        one
        for one in staff.list_people(session, person, now=bootstrap.app().now())
        if fold(query) in fold(f"{one.name} {one.email}")
    )
    for one in list(found)[:MOST]:
        note = f"{words.ROLE[one.role][0]} · {one.email}"
        yield Item(f"person:{one.id}", "People", one.name, "person", note)


# -- what is picked -----------------------------------------------------------------------------------


def go(person: Person, picked: str, pages: Sequence[PageLine]) -> None:
    """Open it, or do it. What is not this person's to open is not there."""
    kind, _, name = picked.partition(":")
    if kind in ("payment", "page"):
        bootstrap.app().sessions.run(lambda session: choices.opened(session, person, picked))
    match kind:
        case "page":
            _open(name, pages)
        case "do":
            _open(next((path for one, _, _, _, path in DEEDS if one == name), ""), pages)
        case "person":
            _open("admin/people", pages)
        case "event":
            _open(PAYMENTS, pages, **address(person, Filter(events=(name,))))
        case "filter":
            with bootstrap.app().sessions.read() as session:
                wanted = meant(session, person, name)
            _open(PAYMENTS, pages, **address(person, wanted))
        case "view":
            st.session_state.pop("view_token", None)  # it is opened anew, also when it is open already
            _open(PAYMENTS, pages, view=name)
        case "ask":
            st.session_state.drawer_said = ask_again(person, name)
            _open(PAYMENTS, pages, payment=name)
        case "payment":
            _open(PAYMENTS, pages, payment=name)


def _open(path: str, pages: Sequence[PageLine], **query: str) -> None:
    if path in {each for each, _, _ in pages}:
        st.switch_page(f"pages/{path}.py", query_params=query)


def ask_again(person: Person, reference: str) -> str:
    """Ask the gateway about a payment's newest link, and what came of it as a sentence."""
    app = bootstrap.app()
    try:
        with app.sessions.read() as session:
            links = search.get(session, person, reference).links
        if not links:
            return "This payment has no link to ask about."
        effect = sync.ask_for(app.sessions, app.gateways, person, links[-1].id, now=app.now())
    except PaymentsError as error:
        return str(error)
    return words.ANSWERED[effect]
