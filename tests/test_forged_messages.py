"""Messages that no page drew, over real WebSockets; and two people at once, each told of their own alone.

A browser says which widgets have which values, and Streamlit believes it. What is pressed here was drawn for
somebody else, or is no value that was offered.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from sqlalchemy import Table, select
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection

from db.models import ApiKey, Approval, AuditEntry, Base, Event, Payment
from payments.access import people, staff
from payments.access.people import SYSTEM, Role
from payments.second_person import approvals, two_people
from tests.desk import make_event
from tests.samples import make_many, make_payment
from tests.served import Served, serving, told

pytestmark = [pytest.mark.processes]

ADMIN, FINANCE, VIEWER = (f"{name}@example.org" for name in ("thandi", "pieter", "vusi"))
#: Each is here for one event, and neither for the other's.
AISHA, BONGANI, GUGU = (f"{name}@example.org" for name in ("aisha", "bongani", "gugu"))
PEOPLE = {
    ADMIN: (Role.ADMIN, None),
    FINANCE: (Role.FINANCE, None),
    VIEWER: (Role.VIEWER, None),
    AISHA: (Role.ORGANISER, 0),
    BONGANI: (Role.ORGANISER, 1),
    GUGU: (Role.ADMIN, 0),
}
#: Pages that organisers and viewers open.
MINE = ("payments", "approvals")


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two events of forty payments each, one of them asked to be marked as paid."""
    with serving(tmp_path_factory.mktemp("forged")) as served:
        now = served.app.now()
        with served.app.sessions.begin() as session:
            both = [make_event(session, code, now=now) for code in ("devconf", "gala")]
            make_many(session, both, now=now, count=80)
            for email, (role, nth) in PEOPLE.items():
                events = None if nth is None else [both[nth].id]
                staff.create_person(
                    session, SYSTEM, name=email.split("@")[0].title(), email=email, role=role, events=events,
                    now=now,
                )  # fmt: skip
        asked_paid(served)
        yield served


def asked_paid(served: Served) -> int:
    """The number of a request that finance decides upon: one more of Aisha's payments counts as paid."""
    now = served.app.now()
    with served.app.sessions.begin() as session:
        event = session.scalars(select(Event).where(Event.code == "devconf")).one()
        payment, asker = make_payment(session, event, now=now), people.system_person(session, AISHA)
        return two_people.ask_paid(
            session, asker, payment.reference, payment.amount, "Her bank's app shows it",
            now=now,
        ).id  # fmt: skip


# -- what pages draw, and what the database holds ------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """A widget as somebody was shown it."""

    id: str
    kind: str
    label: str
    page: str


def widgets(said: Iterable[ForwardMsg], page: str) -> Iterator[Drawn]:
    for message in said:
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        drawn = getattr(element, kind) if kind else None
        if getattr(drawn, "id", ""):
            yield Drawn(drawn.id, str(kind), getattr(drawn, "label", ""), page)


def shown_to(door: Served, email: str, pages: Iterable[str]) -> dict[str, Drawn]:
    """Every widget that this person is shown on these pages."""
    with door.socket(door.come_in(email)) as connection:
        return {drawn.id: drawn for page in pages for drawn in widgets(told(connection, page), page)}


def held(door: Served) -> dict[str, str]:
    """A hash of each table's rows: of all that could be changed, but for who is signed in since when, and how
    each likes their own lists."""
    with door.app.sessions.read() as session:
        return {
            table.name: hashlib.sha256(repr(session.execute(_rows(table)).all()).encode()).hexdigest()
            for table in Base.metadata.sorted_tables
            if table.name not in ("sessions", "audit", "meta", "choices")
        }


def _rows(table: Table):
    return select(table).order_by(*table.primary_key.columns)


def deeds(door: Served) -> list[str]:
    with door.app.sessions.read() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def pressed(drawn: Drawn) -> WidgetState:
    """As if it was pressed, or chosen and typed into."""
    if drawn.kind == "button":
        return WidgetState(id=drawn.id, trigger_value=True)
    return WidgetState(id=drawn.id, string_value="gala")


def forged(drawn: Drawn, word: str, index: int) -> WidgetState:
    """A value as a widget of this kind has them, of whatever was not offered."""
    state = WidgetState(id=drawn.id)
    if drawn.kind == "button_group":
        state.int_array_value.data.append(index)
    elif drawn.kind in ("multiselect", "date_input"):
        state.string_array_value.data.append(word)
    elif drawn.kind == "number_input":
        state.double_value = index
    elif drawn.kind == "radio":
        state.int_value = index
    else:
        state.string_value = word
    return state


# -- a widget of somebody else -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def theirs(door: Served) -> dict[str, Drawn]:
    """What admin and finance are shown where they decide and give."""
    finance = shown_to(door, FINANCE, ("approvals", "payouts", "rules"))
    return finance | shown_to(door, ADMIN, ("people", "systems", "events"))


def approving(shown: dict[str, Drawn], request: int) -> Drawn:
    """The button that approves this request."""
    return next(each for each in shown.values() if each.id.endswith(f"-approve_{request}"))


@pytest.mark.parametrize("who", [AISHA, VIEWER])
def test_whoever_presses_what_was_drawn_for_others_changes_nothing(
    door: Served, theirs: dict[str, Drawn], who: str
) -> None:
    """All of it at once, on pages that are theirs and on pages that are not."""
    with door.socket(door.come_in(who)) as connection:
        own = {drawn.id for page in MINE for drawn in widgets(told(connection, page), page)}
        foreign = [drawn for one, drawn in theirs.items() if one not in own]
        assert approving(theirs, 1) in foreign
        assert len(foreign) > 20, "there is something to forge"
        states = [pressed(drawn) for drawn in foreign]
        before, done = held(door), deeds(door)
        for page in (*MINE, "people", "systems"):
            told(connection, page, states)
        assert held(door) == before
        assert set(deeds(door)[len(done) :]) <= {"refused"}


def test_the_same_message_of_whoever_was_shown_the_button_does_it(door: Served) -> None:
    """So that the test above would see it if it were done."""
    request = asked_paid(door)
    with door.socket(door.come_in(FINANCE)) as connection:
        shown = {drawn.id: drawn for drawn in widgets(told(connection, "approvals"), "approvals")}
        told(connection, "approvals", [pressed(approving(shown, request))])
    with door.app.sessions.read() as session:
        assert session.get_one(Approval, request).state == approvals.State.USED


# -- a value that was not offered ----------------------------------------------------------------------

CHOICES = ("selectbox", "radio", "multiselect", "button_group", "date_input", "number_input")
#: Words and numbers that nobody was offered: another event, and places beyond any list.
OTHERS = [("gala", 1), ("Gala 2026", 99), ("x' OR '1'='1", -1)]


def test_a_value_that_was_not_offered_shows_and_changes_nothing_of_others(door: Served) -> None:
    with door.socket(door.come_in(AISHA)) as connection:
        before, strange, tried = held(door), references(door, "gala"), 0
        for page in ("payments", "take", "board", "exports"):
            choices = [each for each in widgets(told(connection, page), page) if each.kind in CHOICES]
            for word, index in OTHERS:
                claimed = [forged(each, word, index) for each in choices]
                for states in (*([one] for one in claimed), claimed):
                    said = "".join(map(str, told(connection, page, states)))
                    assert not [one for one in strange if one in said], (page, word)
                    tried += len(states)
        assert tried > 10
        assert held(door) == before


def test_a_key_for_an_event_that_was_not_offered_is_not_made(door: Served) -> None:
    """An admin of one event, whose list of events is changed on its way."""
    with door.socket(door.come_in(GUGU)) as connection:
        drawn = {each.label: each for each in widgets(told(connection, "systems"), "systems")}
        name = WidgetState(id=drawn["For which system"].id, string_value="Site")
        for word in ("Gala 2026", "Devconf 2026"):
            states = [name, WidgetState(id=drawn["Event"].id, string_value=word)]
            told(connection, "systems", states)
            make = next(each for label, each in drawn.items() if "key" in label and each.kind == "button")
            told(connection, "systems", [*states, WidgetState(id=make.id, trigger_value=True)])
    with door.app.sessions.read() as session:
        assert set(session.scalars(select(ApiKey.event_id))) <= {1}


# -- two at once ---------------------------------------------------------------------------------------


def references(door: Served, code: str) -> list[str]:
    """Whatever tells of a payment of this event."""
    with door.app.sessions.read() as session:
        found = select(Payment.reference).join(Payment.event).where(Payment.event.has(code=code))
        return list(session.scalars(found))


def test_two_people_of_two_events_are_told_nothing_of_each_others(
    door: Served, so_often: Callable[[int, int], int]
) -> None:
    """They rerun at the same time, page after page, so that what is kept for one is at hand for the other."""
    theirs = {AISHA: references(door, "devconf"), BONGANI: references(door, "gala")}
    pages = ("live", "payments", "attention", "take", "board")
    rounds = so_often(2, 20)

    def rerun(connection: ClientConnection, page: str) -> str:
        return "".join(map(str, told(connection, page)))

    seen: dict[str, set[str]] = {who: set() for who in theirs}
    with (
        ThreadPoolExecutor(2) as pool,
        door.socket(door.come_in(AISHA)) as first,
        door.socket(door.come_in(BONGANI)) as second,
    ):
        for nth in range(rounds * len(pages)):
            page = pages[nth % len(pages)]
            said = pool.map(rerun, (first, second), (page, page))
            for (who, own), whole in zip(theirs.items(), said, strict=True):
                other = {one for name, their in theirs.items() if name != who for one in their}
                assert not [one for one in other if one in whole], (
                    f"{who} was told of another event on {page}"
                )
                seen[who] |= {one for one in own if one in whole}
    assert all(len(own) > 10 for own in seen.values()), "each was told of their own"
