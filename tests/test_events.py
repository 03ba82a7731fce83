"""Events and their price lists: who may change them, and what a change never touches."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select

from db.models import AuditEntry, Category, Payment
from db.money import LARGEST_MINOR, Money
from db.session import Sessions
from payments.access.people import Person, Role
from payments.dates import business_day
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.live import overview
from payments.selling.events import (
    EventDraft,
    Price,
    State,
    get_event,
    list_events,
    nearest_first,
    save_event,
)
from tests.desk import ADMIN, make_event
from tests.samples import make_payment

GALA = EventDraft(
    code="gala-2026",
    name="Winter Gala",
    starts_on=date(2026, 7, 3),
    ends_on=date(2026, 7, 4),
    state=State.OPEN,
    reference_prefix="gala",
    categories=(Price("Table of ten", Money(1_250_050)), Price("Seat", Money(150_000))),
)


def save(sessions: Sessions, now: datetime, draft: EventDraft = GALA, person: Person = ADMIN):
    with sessions.begin() as session:
        return save_event(session, person, draft, now=now)


def audit(sessions: Sessions) -> list[AuditEntry]:
    with sessions.read() as session:
        return list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


def test_a_new_event_is_kept_as_it_was_wanted(sessions: Sessions, now: datetime):
    saved = save(sessions, now)
    with sessions.read() as session:
        event = get_event(session, ADMIN, "GALA-2026")
    assert event == saved
    assert (event.code, event.state, event.reference_prefix) == ("gala-2026", State.OPEN, "GALA")
    assert [(line.name, line.price, line.active) for line in event.categories] == [
        ("Table of ten", Money(1_250_050), True),
        ("Seat", Money(150_000), True),
    ]


def test_the_same_code_in_another_case_is_the_same_event(sessions: Sessions, now: datetime):
    first = save(sessions, now)
    second = save(sessions, now, replace(GALA, code="Gala-2026", name="Summer Gala"))
    assert (second.id, second.code, second.name) == (first.id, "gala-2026", "Summer Gala")


def test_prices_are_replaced_by_name_in_the_order_of_the_draft(sessions: Sessions, now: datetime):
    seat = save(sessions, now).categories[1]
    draft = replace(
        GALA, categories=(Price("seat", Money(160_000)), Price("Balcony", Money(90_000), active=False))
    )
    lines = save(sessions, now, draft).categories
    assert [(line.name, line.price.minor, line.active) for line in lines] == [
        ("seat", 160_000, True),
        ("Balcony", 90_000, False),
    ]
    assert lines[0].id == seat.id


def test_a_category_that_payments_were_taken_for_is_put_away_and_not_deleted(
    sessions: Sessions, now: datetime
):
    event = save(sessions, now)
    with sessions.begin() as session:
        row = session.scalars(select(Category).where(Category.name == "Seat")).one()
        make_payment(session, row.event, now=now, category_id=row.id)
    lines = save(sessions, now, replace(GALA, categories=(Price("Standing", Money(100)),))).categories
    assert [(line.name, line.active) for line in lines] == [("Standing", True), ("Seat", False)]
    assert lines[1].id == event.categories[1].id


def test_a_new_price_or_name_changes_no_payment(sessions: Sessions, now: datetime):
    save(sessions, now)
    with sessions.begin() as session:
        row = session.scalars(select(Category).where(Category.name == "Seat")).one()
        make_payment(session, row.event, now=now, category_id=row.id, amount_minor=150_000)
    dearer = tuple(replace(line, price=line.price * 2) for line in GALA.categories)
    save(sessions, now, replace(GALA, name="Grand Gala", reference_prefix="GRAND", categories=dearer))
    with sessions.read() as session:
        payment = session.scalars(select(Payment)).one()
        assert (payment.amount, payment.reference.startswith("DEMO_REG_")) == (Money(150_000), True)


def test_the_currency_of_an_event_with_payments_stays(sessions: Sessions, now: datetime):
    save(sessions, now, replace(GALA, categories=()))
    dollars = replace(GALA, currency="USD", categories=())
    assert save(sessions, now, dollars).currency == "USD"
    with sessions.begin() as session:
        make_payment(session, make_event(session, now=now), now=now)
    with pytest.raises(Conflict, match="ZAR"):
        save(sessions, now, replace(dollars, code="devconf"))


@pytest.mark.parametrize(
    "change, told",
    [
        pytest.param({"code": ""}, "code", id="no code"),
        pytest.param({"code": "gala/2026"}, "code", id="a code that breaks an address"),
        pytest.param({"code": "gala--x"}, "code", id="two dashes"),
        pytest.param({"code": "gálà"}, "code", id="a code nobody can type"),
        pytest.param({"name": "  "}, "name is missing", id="no name"),
        pytest.param({"name": "4111 1111 1111 1111"}, "card number", id="a card number"),
        pytest.param({"ends_on": date(2026, 7, 2)}, "ends before", id="ends before it starts"),
        pytest.param({"state": "maybe"}, "maybe", id="an unknown state"),
        pytest.param({"currency": "XXX", "categories": ()}, "currency", id="an unknown currency"),
        pytest.param({"currency": "USD"}, "priced in ZAR", id="prices in another currency"),
        pytest.param({"reference_prefix": "DEMO"}, "prefix", id="the prefix of demo mode"),
        pytest.param({"reference_prefix": "1A"}, "prefix", id="a prefix that starts with a digit"),
        pytest.param({"categories": (Price("", Money(1)),)}, "missing", id="a category without a name"),
        pytest.param(
            {"categories": (Price("A", Money(1)), Price("a ", Money(2)))}, "twice", id="a name twice"
        ),
        pytest.param({"categories": (Price("A", Money(-1)),)}, "price", id="a price below nothing"),
        pytest.param({"categories": (Price("A", Money(LARGEST_MINOR + 1)),)}, "price", id="a typing error"),
        pytest.param(
            {"categories": tuple(Price(str(n), Money(n)) for n in range(101))}, "100", id="a long list"
        ),
    ],
)
def test_what_cannot_be_an_event_is_refused_with_what_to_change(
    sessions: Sessions, now: datetime, change, told: str
):
    with pytest.raises(InvalidInput, match=told):
        save(sessions, now, replace(GALA, **change))
    assert audit(sessions) == []


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMIN}))
def test_only_an_admin_changes_events(sessions: Sessions, now: datetime, role: Role):
    person = Person(2, "Sipho Dube", "sipho@example.org", role, None)
    with pytest.raises(NotAllowed):
        save(sessions, now, person=person)
    save(sessions, now)
    with pytest.raises(NotAllowed):
        save(sessions, now, person=person)


def test_an_admin_of_one_event_does_not_change_another(sessions: Sessions, now: datetime):
    save(sessions, now)
    other = Person(2, "Sipho Dube", "sipho@example.org", Role.ADMIN, frozenset({999}))
    with pytest.raises(NotAllowed):
        save(sessions, now, person=other)


def test_a_change_is_audited_with_what_was_and_what_became(sessions: Sessions, now: datetime):
    save(sessions, now)
    save(sessions, now, replace(GALA, name="Summer Gala"))
    created, changed = audit(sessions)
    assert (created.action, created.subject, created.actor) == ("create_event", "gala-2026", ADMIN.email)
    assert (changed.action, changed.event_id) == ("change_event", created.event_id)
    assert changed.detail == {"was": {"name": "Winter Gala"}, "became": {"name": "Summer Gala"}}


def test_saving_an_event_as_it_is_changes_nothing(sessions: Sessions, now: datetime):
    first = save(sessions, now)
    assert save(sessions, now) == first
    assert len(audit(sessions)) == 1


def test_open_pages_learn_of_a_change(sessions: Sessions, now: datetime):
    save(sessions, now)
    with sessions.read() as session:
        assert overview.version(session) == 1


def test_a_person_of_one_event_sees_that_event_only(sessions: Sessions, now: datetime):
    gala = save(sessions, now)
    with sessions.begin() as session:
        make_event(session, "devconf", now=now)
    person = Person(2, "Sipho Dube", "sipho@example.org", Role.ORGANISER, frozenset({gala.id}))
    nobody = replace(person, events=frozenset())
    with sessions.read() as session:
        assert [event.code for event in list_events(session, person)] == ["gala-2026"]
        assert list_events(session, nobody) == []
        with pytest.raises(NotFound):
            get_event(session, person, "devconf")


def test_events_are_listed_the_latest_first_and_by_state(sessions: Sessions, now: datetime):
    save(sessions, now)
    with sessions.begin() as session:
        make_event(session, "devconf", now=now)
        make_event(session, "expo", now=now, state="draft")
    with sessions.read() as session:
        assert [event.code for event in list_events(session, ADMIN)] == ["devconf", "expo", "gala-2026"]
        assert [event.code for event in list_events(session, ADMIN, states=(State.DRAFT,))] == ["expo"]


def test_at_a_door_the_running_event_is_first_then_the_next_then_the_last(sessions: Sessions, now: datetime):
    today = business_day(now)
    days = {
        "last": (-9, -8),
        "before": (-30, -29),
        "far": (80, 81),
        "next": (1, 2),
        "runs": (-1, 0),
        "begins": (0, 4),
    }
    for code, (first, last) in days.items():
        begins, ends = (today + timedelta(days=count) for count in (first, last))
        save(sessions, now, replace(GALA, code=code, starts_on=begins, ends_on=ends))
    with sessions.read() as session:
        listed = nearest_first(list_events(session, ADMIN), now=now)
    assert [event.code for event in listed] == ["begins", "runs", "next", "far", "last", "before"]
