"""Saved views and choices: the question is kept, never the rows, and it is asked of one's own events."""

from dataclasses import fields, replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode

import pytest
from sqlalchemy import func, select

from db.models import AuditEntry, SavedView
from db.money import Money
from payments.access import choices
from payments.access.people import SYSTEM, Role
from payments.access.staff import create_person
from payments.dates import Span, business_day, day_span
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.finding import search, views
from payments.finding.filters import from_query, to_query
from payments.finding.search import Filter
from payments.finding.when import moving, still
from payments.lifecycle import Status
from payments.live.stages import Stage
from payments.watching import standstill
from tests.desk import make_event
from tests.samples import make_payment


@pytest.fixture
def events(sessions, now):
    with sessions.begin() as session:
        made = [make_event(session, code, now=now) for code in ("devconf", "gala")]
        for event in made:
            make_payment(session, event, now=now, payer_name=f"Zanele of {event.code}")
        return [event.id for event in made]


@pytest.fixture
def somebody(sessions, events, now):
    """Makes a person of a role, for all events or those of these indexes."""

    def make(role, which=None, name="Sipho Dlamini"):
        with sessions.begin() as session:
            return create_person(
                session, SYSTEM, name=name, email=f"{name.split()[0]}.{role}@example.org".lower(), role=role,
                events=None if which is None else [events[nth] for nth in which], now=now,
            )  # fmt: skip

    return make


def save(sessions, person, name="Unpaid", wanted=None, **other):
    with sessions.begin() as session:
        return views.save(session, person, name, wanted or Filter(), **other)


def names(sessions, person, now):
    with sessions.read() as session:
        return [view.name for view in views.list_views(session, person, now=now)]


def whole_filter(now):
    span = Span(now - timedelta(days=1), now)
    return Filter(
        text="Thandéka & “Zoë”", without=("O'Neil", "A&B"), statuses=(Status.OPEN, Status.FAILED),
        methods=("cash",), events=("devconf",), categories=("Early bird",), organisers=("Sipho",),
        mode="demo", amount_from=Money(1_000), amount_to=Money(2_000), created=span, paid=span, settled=span,
        captured=span, banked=span, refunded=span, taken=("cash",),
        attention=True, review_only=True, outcome_unknown=True, mail_failed=True,
        not_statuses=(Status.PAID,), not_methods=("eft",), not_events=("gala",),
        not_categories=("Sponsor",), not_organisers=("Aisha",), stages=(Stage.PAID,), failures=("51",),
        not_stages=(Stage.ISSUED,), not_failures=("05",), origins=("legacy",), not_origins=("desk",),
        quoted=("USD",), not_quoted=("GBP",),
        as_of=now,
    )  # fmt: skip


def test_a_view_keeps_the_whole_filter_its_order_and_its_columns(sessions, somebody, now):
    wanted, finance = whole_filter(now), somebody(Role.FINANCE)
    assert all(getattr(wanted, field.name) != field.default for field in fields(Filter))
    saved = save(sessions, finance, wanted=wanted, sort="amount", columns=("when", "amount"), now=now)
    with sessions.read() as session:
        opened = views.get(session, finance, saved.token, now=now)
    assert opened == saved
    assert (opened.filter, opened.sort, opened.columns) == (wanted, "amount", ("when", "amount"))


def test_the_same_name_again_is_the_same_view(sessions, somebody, now):
    finance = somebody(Role.FINANCE)
    first = save(sessions, finance, " Unpaid  ", now=now)
    second = save(sessions, finance, "Unpaid", Filter(text="x"), now=now)
    assert (second.token, second.filter) == (first.token, Filter(text="x"))
    assert names(sessions, finance, now) == ["Unpaid"]


def test_a_view_is_its_owners_until_it_is_shared_with_a_role(sessions, somebody, now):
    finance, viewer = somebody(Role.FINANCE), somebody(Role.VIEWER, name="Aisha Patel")
    auditor = somebody(Role.AUDITOR, name="Ravi Naidoo")
    token = save(sessions, finance, now=now).token
    assert names(sessions, viewer, now) == []
    with sessions.begin() as session:
        views.share(session, finance, token, Role.VIEWER, now=now)
    assert (names(sessions, viewer, now), names(sessions, auditor, now)) == (["Unpaid"], [])
    with sessions.read() as session:
        (view,) = views.list_views(session, viewer, now=now)
    assert (view.mine, view.owner, view.shared_with) == (False, "Sipho Dlamini", Role.VIEWER)
    with pytest.raises(NotFound), sessions.begin() as session:
        views.remove(session, viewer, token, now=now)
    with sessions.begin() as session:
        views.share(session, finance, token, None, now=now)
    assert names(sessions, viewer, now) == []


def test_only_the_office_shares(sessions, somebody, now):
    organiser = somebody(Role.ORGANISER, [0])
    with pytest.raises(NotAllowed):
        save(sessions, organiser, shared_with=Role.VIEWER, now=now)
    token = save(sessions, organiser, now=now).token
    with pytest.raises(NotAllowed), sessions.begin() as session:
        views.share(session, organiser, token, Role.VIEWER, now=now)


def test_a_shared_view_shows_whoever_opens_it_their_own_events(sessions, somebody, now):
    finance, organiser = somebody(Role.FINANCE), somebody(Role.ORGANISER, [1], name="Aisha Patel")
    wanted = Filter(statuses=(Status.OPEN,))
    token = save(sessions, finance, wanted=wanted, shared_with=Role.ORGANISER, now=now).token
    seen = {}
    for person in (finance, organiser):
        with sessions.read() as session:
            asked = views.get(session, person, token, now=now).filter
            seen[person.name] = [row.event_code for row in search.rows(session, person, asked)]
    assert seen == {"Sipho Dlamini": ["gala", "devconf"], "Aisha Patel": ["gala"]}


#: A filter, the events (by index) of whoever saved it and of whoever was given it, and whether it opens.
OPENS = [
    pytest.param(Filter(text="zanele"), None, None, True, id="a payer's words, both see all"),
    pytest.param(Filter(text="zanele"), None, [0, 1], False, id="a payer's words of whoever sees all"),
    pytest.param(Filter(text="zanele"), [0], [0, 1], True, id="a payer's words, the reader sees more"),
    pytest.param(Filter(text="zanele"), [0], [0], True, id="a payer's words, the same events"),
    pytest.param(Filter(text="zanele"), [0], [1], False, id="a payer's words of another event"),
    pytest.param(Filter(text="zanele"), [0, 1], [1], False, id="a payer's words, one of two events"),
    pytest.param(Filter(without=("zanele",)), None, [1], False, id="a payer's words that are left out"),
    pytest.param(Filter(statuses=(Status.OPEN,)), None, [1], True, id="nobody's words"),
    pytest.param(Filter(events=("gala",)), None, [1], True, id="an event of the reader"),
    pytest.param(Filter(events=("gala", "devconf")), None, [1], False, id="also an event of others"),
    pytest.param(Filter(not_events=("devconf",)), None, [1], False, id="an event of others left out"),
    pytest.param(Filter(categories=("Of nobody",)), None, [1], False, id="a category of others"),
    pytest.param(Filter(text="zanele"), [], [1], True, id="words of whoever saw nothing"),
]  # fmt: skip


@pytest.mark.parametrize("wanted, author_sees, reader_sees, opens", OPENS)
def test_a_view_opens_only_for_those_who_see_all_that_it_tells_of(
    sessions, somebody, now, wanted, author_sees, reader_sees, opens
):
    author = somebody(Role.FINANCE, author_sees)
    reader = somebody(Role.ORGANISER, reader_sees, name="Aisha Patel")
    token = save(sessions, author, wanted=wanted, shared_with=Role.ORGANISER, now=now).token
    with sessions.begin() as session:
        address = views.keep(session, author, wanted, now=now)
    assert names(sessions, reader, now) == (["Unpaid"] if opens else [])
    for given in (token, address):
        with sessions.read() as session:
            if opens:
                assert views.get(session, reader, given, now=now).filter == wanted
            else:
                with pytest.raises(NotFound):
                    views.get(session, reader, given, now=now)


def test_what_a_view_was_written_with_counts_not_what_its_owner_sees_later(sessions, somebody, now):
    finance, viewer = somebody(Role.FINANCE), somebody(Role.VIEWER, [1], name="Aisha Patel")
    token = save(sessions, finance, wanted=Filter(text="zanele"), now=now).token
    of_one = replace(finance, events=viewer.events)
    with sessions.begin() as session:
        views.share(session, of_one, token, Role.VIEWER, now=now)
    assert (names(sessions, of_one, now), names(sessions, viewer, now)) == (["Unpaid"], [])


def test_the_address_of_a_view_with_a_name_opens_it_for_nobody_it_is_not_shared_with(sessions, somebody, now):
    finance, admin = somebody(Role.FINANCE), somebody(Role.ADMIN, name="Aisha Patel")
    token = save(sessions, finance, shared_with=Role.VIEWER, now=now).token
    with pytest.raises(NotFound), sessions.read() as session:
        views.get(session, admin, token, now=now)


def test_days_that_were_asked_for_by_a_word_move_with_the_day_and_others_stay(sessions, somebody, now):
    """A view of *last week* showed for ever the week before it was saved."""
    finance, later = somebody(Role.FINANCE), now + timedelta(days=40)
    today, that_day = business_day(now), business_day(later)
    wanted = Filter(paid=moving("last-week", today), created=day_span(today))
    saved = save(sessions, finance, wanted=wanted, shared_with=Role.FINANCE, now=now)
    assert saved.filter == wanted
    with sessions.read() as session:
        assert views.get(session, finance, saved.token, now=now) == saved
        opened = views.get(session, finance, saved.token, now=later)
        assert views.list_views(session, finance, now=later) == (opened,)
    assert opened.filter == Filter(paid=moving("last-week", that_day), created=day_span(today))
    assert opened.filter.paid != wanted.paid


def test_days_beside_a_past_moment_stand_still(sessions, somebody, now):
    finance = somebody(Role.FINANCE)
    wanted = Filter(paid=moving("last-week", business_day(now)), as_of=now)
    token = save(sessions, finance, wanted=wanted, now=now).token
    with sessions.read() as session:
        opened = views.get(session, finance, token, now=now + timedelta(days=40))
    assert opened.filter == wanted
    assert wanted.paid == still(moving("last-week", business_day(now)))


def test_a_release_of_before_reads_the_days_of_a_view_and_what_it_writes_holds(sessions, somebody, now):
    """It knows no words for days: it finds the days they meant, and days of its own do not move."""
    finance = somebody(Role.FINANCE)
    token = save(sessions, finance, wanted=Filter(paid=moving("today", business_day(now))), now=now).token
    with sessions.begin() as session:
        row = session.scalars(select(SavedView)).one()
        assert from_query(parse_qsl(row.query)) == Filter(paid=day_span(business_day(now)))
        own = Filter(paid=day_span(business_day(now) - timedelta(days=3)))
        row.query = urlencode(to_query(own))
    with sessions.read() as session:
        assert views.get(session, finance, token, now=now).filter == own


def test_a_removed_view_is_gone_and_each_change_is_audited(sessions, somebody, now):
    finance = somebody(Role.FINANCE)
    token = save(sessions, finance, now=now).token
    with sessions.begin() as session:
        views.remove(session, finance, token, now=now)
    with pytest.raises(NotFound), sessions.read() as session:
        views.get(session, finance, token, now=now)
    with sessions.read() as session:
        told = session.scalars(
            select(AuditEntry.action).where(AuditEntry.action.like("%_view")).order_by(AuditEntry.id)
        ).all()
    assert told == ["save_view", "remove_view"]


@pytest.mark.parametrize("name", ["", "  ", "x" * 61], ids=["empty", "blank", "too long"])
def test_a_view_needs_a_name_that_fits(sessions, somebody, now, name):
    with pytest.raises(InvalidInput):
        save(sessions, somebody(Role.FINANCE), name, now=now)


def test_an_address_gets_a_token_that_nobody_guesses_and_the_same_question_the_same_one(
    sessions, somebody, now
):
    viewer = somebody(Role.VIEWER)
    with sessions.begin() as session:
        tokens = [views.keep(session, viewer, Filter(text=text), now=now) for text in ("a", "b", "a")]
    assert tokens[0] == tokens[2] != tokens[1]
    assert all(len(token) == 16 for token in tokens)
    assert names(sessions, viewer, now) == []


def test_views_without_a_name_make_room_for_newer_ones(sessions, somebody, now, monkeypatch):
    monkeypatch.setattr(views, "MOST_UNNAMED", 3)
    viewer = somebody(Role.VIEWER)
    save(sessions, viewer, "Kept", now=now)
    for nth in range(5):
        with sessions.begin() as session:
            views.keep(session, viewer, Filter(text=str(nth)), now=now + timedelta(minutes=nth))
    with sessions.read() as session:
        kept = session.execute(select(SavedView.name, SavedView.query).order_by(SavedView.id)).all()
    assert [tuple(row) for row in kept] == [
        ("Kept", ""), (None, "text=2"), (None, "text=3"), (None, "text=4"),
    ]  # fmt: skip


def test_while_the_desk_stands_still_views_are_not_saved_and_addresses_still_work(sessions, somebody, now):
    finance = somebody(Role.FINANCE)
    with sessions.begin() as session:
        standstill.begin(session, "The books do not add up.", now=now)
    with pytest.raises(Conflict):
        save(sessions, finance, now=now)
    with sessions.begin() as session:
        assert views.keep(session, finance, Filter(text="a"), now=now)
    with sessions.read() as session:
        assert session.scalar(select(func.count(SavedView.id))) == 1


def test_each_person_has_their_own_columns(sessions, somebody):
    one, other = somebody(Role.FINANCE), somebody(Role.VIEWER, name="Aisha Patel")
    with sessions.begin() as session:
        choices.choose_columns(session, one, "payments", ("amount", "payer"))
        choices.choose_columns(session, one, "payments", ("payer", "amount"))
    with sessions.read() as session:
        assert choices.columns(session, one, "payments") == ("payer", "amount")
        assert choices.columns(session, other, "payments") == ()


def test_what_was_opened_last_comes_first_once(sessions, somebody, monkeypatch):
    monkeypatch.setattr(choices, "RECENT", 3)
    person = somebody(Role.VIEWER)
    for what in ("a", "b", "c", "a", "d"):
        with sessions.begin() as session:
            choices.opened(session, person, what)
    with sessions.read() as session:
        assert choices.recent(session, person) == ("d", "a", "c")
