"""The palette: pages, records and things to do; only what somebody may open, and only of their events."""

import pytest
from sqlalchemy import select

from db.models import Event
from payments.access import choices, people, staff
from payments.access.people import POLICY, Action, Person, Role
from payments.finding import views
from payments.finding.search import Filter
from payments.lifecycle import Status
from tests.desk import ADMIN, issue, make_event
from tests.samples import make_payment
from tests.test_pages import PAGES, Desk, component, desk
from ui.palette import ALSO, DEEDS, looked_for, recent

__all__ = ["desk"]
#: Path, title, icon.
ALL_PAGES = [
    (page.removeprefix("pages/").removesuffix(".py"), "Needs attention" if "attention" in page else page, "x")
    for page in PAGES
]


@pytest.fixture
def mine(desk: Desk) -> int:
    """The id of an event beside the desk's first; each has a payment of its own."""
    with desk.sessions.begin() as session:
        event = make_event(session, "minefest", now=desk.now).id
    hidden = {"payer_email": "sipho@example.org", "payer_phone": "082 555 0199", "note": "Secret guest"}
    issue(desk.sessions, desk.gateway, now=desk.now, payer_name="Secret Sipho", **hidden)
    issue(desk.sessions, desk.gateway, now=desk.now, event="minefest", payer_name="Naledi Moloi")
    return event


def action_of(path: str) -> Action:
    return PAGES[f"pages/{path}.py"]


def organiser(event: int) -> Person:
    return Person(7, "Aisha Patel", "aisha@example.org", Role.ORGANISER, frozenset({event}))


def found(desk: Desk, person: Person, query: str) -> list[str]:
    with desk.sessions.read() as session:
        return [item.id for item in looked_for(session, person, query, ALL_PAGES)[0]]


def reference_of(desk: Desk, name: str) -> str:
    (one,) = [each for each in found(desk, ADMIN, name) if each.startswith("payment:")]
    return one.removeprefix("payment:")


@pytest.mark.parametrize("role", Role)
def test_it_lists_the_pages_and_the_deeds_of_a_role_and_no_others(desk, role):
    desk.sign_in(role)
    (shown,) = component(desk.open("pages/monitor/payments.py"), "palette")
    start = [item["id"] for item in shown["start"]]
    pages = {f"page:{path}" for path, _, _ in ALL_PAGES if role in POLICY[action_of(path)]}
    assert {one for one in start if one.startswith("page:")} == pages
    deeds = {f"do:{name}" for name, _, _, action, _ in DEEDS if role in POLICY[action]}
    assert {one for one in start if one.startswith("do:")} == deeds
    assert {"keys", "out:signout", "out:password"} <= set(start)


def test_every_deed_is_done_on_a_page_that_whoever_may_do_it_may_open():
    for name, _, _, action, path in DEEDS:
        assert POLICY[action] <= POLICY[action_of(path)], name


@pytest.mark.parametrize(
    "query, starts",
    [
        pytest.param("needs att", "page:monitor/attention", id="a page by the starts of its words"),
        pytest.param("examine", "do:check", id="a deed"),
        pytest.param("new link", "do:take", id="a deed by another name"),
        pytest.param("scan", "page:door/board", id="a page by another name"),
        pytest.param("dark", "look", id="what the desk does by itself"),
        pytest.param("sipho", "payment:", id="a payer"),
        pytest.param("0199", "payment:", id="the end of a phone number"),
        pytest.param("sipho@example.org", "payment:", id="an address"),
        pytest.param("minef", "event:minefest", id="an event"),
        pytest.param("unpaid", "view:", id="a saved view"),
        pytest.param("thandi", "person:", id="a colleague"),
    ],
)
def test_it_finds_whatever_the_words_name(desk, mine, query, starts):
    with desk.sessions.begin() as session:
        admin = staff.create_person(
            session, people.SYSTEM, name="Thandi Nkosi", email="thandi@example.org", role=Role.ADMIN,
            events=None, now=desk.now,
        )  # fmt: skip
        views.save(session, admin, "Unpaid sponsors", Filter(statuses=(Status.OPEN,)), now=desk.now)
    assert any(one.startswith(starts) for one in found(desk, admin, query))


@pytest.mark.parametrize(
    "query", ["secret", "sipho", "sipho@example.org", "0199", "+27825550199", "devconf", "developer", "guest"]
)
def test_an_organiser_finds_nothing_of_another_event(desk, mine, query):
    assert found(desk, organiser(mine), query) == []


def test_an_organiser_finds_no_reference_of_another_event_and_nobody_of_the_desk(desk, mine):
    theirs, other = reference_of(desk, "naledi"), reference_of(desk, "sipho")
    assert found(desk, organiser(mine), theirs)[0] == f"payment:{theirs}"
    assert found(desk, organiser(mine), other) == []
    assert [one for one in found(desk, organiser(mine), "person") if one.startswith("person:")] == []


def test_a_shared_view_is_found_only_by_who_may_open_it(desk, mine):
    with desk.sessions.begin() as session:
        finance = staff.create_person(
            session,
            people.SYSTEM,
            name="Sipho",
            email="s@example.org",
            role=Role.FINANCE,
            events=None,
            now=desk.now,
        )
        for name, wanted in (("Mine", Filter(events=("minefest",))), ("Theirs", Filter(text="secret"))):
            views.save(session, finance, f"View of {name}", wanted, shared_with=Role.ORGANISER, now=desk.now)
        (view,) = list(views.list_views(session, organiser(mine), now=desk.now))
    assert found(desk, organiser(mine), "view of") == [f"view:{view.token}"]
    assert len(found(desk, finance, "view of")) == 2


def test_asking_the_gateway_again_is_offered_for_one_payment_to_who_may(desk, mine):
    reference = reference_of(desk, "sipho")
    viewer = Person(8, "V", "v@example.org", Role.VIEWER, None)
    assert f"ask:{reference}" in found(desk, ADMIN, reference)
    assert f"ask:{reference}" not in found(desk, viewer, reference)


def test_what_is_typed_and_cannot_be_read_is_said(desk, mine):
    with desk.sessions.read() as session:
        assert looked_for(session, ADMIN, "n", ALL_PAGES) == ([], "Type a little more.")
        assert looked_for(session, ADMIN, "", ALL_PAGES) == ([], "")


def test_conditions_are_offered_as_the_list_they_make_with_its_count(desk, mine):
    query = "status:open event:minefest >1"
    with desk.sessions.read() as session:
        items, trouble = looked_for(session, ADMIN, query, ALL_PAGES)
        nobody, _ = looked_for(session, ADMIN, "status:failed", ALL_PAGES)
        past, _ = looked_for(session, ADMIN, "status:open as-of:yesterday", ALL_PAGES)
    offered, *rows = items
    assert (offered.id, offered.title) == (f"filter:{query}", f"Payments: {query}")
    assert (offered.note, trouble) == ("1 payment", "")
    assert [row.title for row in rows if row.group == "Payments"] == ["Naledi Moloi"]
    assert [(item.title, item.note) for item in nobody] == [("Payments: status:failed", "0 payments")]
    assert [item.id for item in past] == ["filter:status:open as-of:yesterday"]


def test_more_payments_than_it_shows_are_a_line_that_opens_all_of_them(desk, mine):
    """Six of thirty-five were shown, and no word of the rest."""
    with desk.sessions.begin() as session:
        event = session.scalars(select(Event)).first()
        for _ in range(35):
            make_payment(session, event, now=desk.now, payer_name="Lindokuhle Nkabinde")
    with desk.sessions.read() as session:
        items, _ = looked_for(session, ADMIN, "lindokuhle", ALL_PAGES)
        few, _ = looked_for(session, ADMIN, "naledi", ALL_PAGES)
    assert [item.title for item in items[6:]] == ["All 35 in Payments"]
    assert [item.id for item in few if item.id.startswith("filter:")] == []
    desk.sign_in(Role.VIEWER)
    at = pick(desk.open("pages/monitor/live.py"), items[6].id)
    assert at.session_state["wanted"] == Filter(text="lindokuhle")


def test_whatever_another_name_is_for_is_in_the_palette():
    with_names = {f"do:{name}" for name, *_ in DEEDS} | {f"page:{path}" for path, _, _ in ALL_PAGES}
    assert set(ALSO) - with_names == {"keys", "out:password", "out:signout", "look"}


def test_conditions_of_the_palette_count_only_what_somebody_may_see(desk, mine):
    with desk.sessions.read() as session:
        offered, *rows = looked_for(session, organiser(mine), "status:open", ALL_PAGES)[0]
    assert offered.note == "1 payment"
    assert [row.title for row in rows if row.group == "Payments"] == ["Naledi Moloi"]


@pytest.mark.parametrize(
    "query, said",
    [
        pytest.param("colour:blue", "“colour:” is not something to filter by", id="an unknown word"),
        pytest.param("status:", "Nothing stands behind “status:”", id="a condition without a value"),
        pytest.param("event:devcon2030", "There is no event “devcon2030” here", id="an event nobody knows"),
        pytest.param("4111 1111 1111 1111", "card number", id="a card number"),
    ],
)
def test_what_the_box_refuses_the_palette_refuses_in_the_same_words(desk, mine, query, said):
    with desk.sessions.read() as session:
        items, trouble = looked_for(session, ADMIN, query, ALL_PAGES)
    assert said in trouble
    assert items == []


def test_picked_conditions_open_the_list_filtered_by_them(desk, mine):
    desk.sign_in(Role.VIEWER)
    at = pick(desk.open("pages/monitor/live.py"), "filter:status:open event:mine naledi")
    assert not at.exception
    assert at.title[0].value == "Payments"
    wanted = Filter(text="naledi", statuses=(Status.OPEN,), events=("minefest",))
    assert at.session_state["wanted"] == wanted


def pick(at, item: str):
    at.session_state["palette_picked"] = item
    return at.run()


def test_a_picked_payment_opens_in_its_drawer_and_is_remembered(desk, mine):
    reference = reference_of(desk, "naledi")
    desk.sign_in(Role.VIEWER)
    at = pick(desk.open("pages/monitor/live.py"), f"payment:{reference}")
    assert not at.exception
    assert at.title[0].value == "Payments"
    assert at.query_params["payment"] in (reference, [reference])
    (shown,) = component(desk.open("pages/monitor/live.py"), "palette")
    assert (shown["start"][0]["id"], shown["start"][0]["group"]) == (f"payment:{reference}", "Last opened")


@pytest.mark.parametrize(
    "item", ["page:admin/people", "do:person", "person:1", "page:../dashboard", "evil", ""]
)
def test_what_is_not_theirs_to_open_is_not_there_whoever_sends_it(desk, item):
    desk.sign_in(Role.VIEWER)
    at = pick(desk.open("pages/monitor/live.py"), item)
    assert not at.exception
    assert at.title[0].value == "Live"


def test_a_payment_opened_last_is_forgotten_with_the_access_to_it(desk, mine):
    with desk.sessions.begin() as session:
        person = staff.create_person(
            session,
            people.SYSTEM,
            name="A",
            email="a@example.org",
            role=Role.VIEWER,
            events=[mine],
            now=desk.now,
        )
        for name in ("naledi", "sipho"):
            choices.opened(session, person, f"payment:{reference_of_now(session, name)}")
    with desk.sessions.read() as session:
        shown = [item.title for item in recent(session, person, ALL_PAGES)]
    assert shown == ["Naledi Moloi"]


def reference_of_now(session, name: str) -> str:
    ids = [item.id for item in looked_for(session, ADMIN, name, ())[0] if item.group == "Payments"]
    return ids[0].removeprefix("payment:")


def test_an_event_that_is_picked_is_all_that_the_list_is_filtered_by(desk, mine):
    desk.sign_in(Role.VIEWER)
    at = pick(desk.open("pages/monitor/payments.py", q="status:failed"), "event:minefest")
    assert not at.exception
    assert at.session_state["wanted"] == Filter(events=("minefest",))


def test_a_view_that_is_open_already_can_be_picked_again(desk, mine):
    desk.sign_in(Role.FINANCE)
    wanted = Filter(events=("minefest",), text="naledi")
    with desk.sessions.begin() as session:
        finance = people.system_person(session, "finance@example.org")
        token = views.save(session, finance, "Unpaid", wanted, now=desk.now).token
    at = desk.open("pages/monitor/payments.py", view=token)
    for _ in range(2):
        at = pick(at, f"view:{token}")
        assert at.session_state["wanted"] == wanted
        assert at.session_state["view_open"].token == token
