"""What the addresses of the desk lead to, and what a tab is called: also where there is nothing, or nothing
for whoever asks."""

from collections.abc import Iterator

import pytest
import requests
from sqlalchemy import select

import menu
from db.models import Payment
from nowhere import PAGES
from payments.access import staff
from payments.access.people import SYSTEM, Person, Role
from tests.desk import make_event
from tests.samples import make_payment
from tests.served import Served, serving, told

pytestmark = pytest.mark.processes
BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("addresses")) as served:
        now = served.app.now()
        with served.app.sessions.begin() as session:
            make_payment(session, make_event(session, "expo", now=now), now=now, payer_name="Lerato")
            for role in Role:
                staff.create_person(
                    session, SYSTEM, name=role, email=f"{role}@example.org", role=role, events=None, now=now
                )
        yield served


def come_in(door: Served, role: Role) -> str:
    return door.come_in(f"{role}@example.org")


def opened(door: Served, cookie: str, path: str) -> requests.Response:
    return door.ask(path, cookie, headers=BROWSER)


def title(door: Served, cookie: str, page: str, query: str = "") -> str:
    """What the tab of a page is called in the end."""
    with door.socket(cookie) as connection:
        said = [each.page_config_changed for each in told(connection, page, query=query)]
    return [each.title for each in said if each.title][-1]


# -- what tabs are called -----------------------------------------------------------------------------


def test_each_page_names_its_tab(door):
    """All of them had been “Paydesk”: five open ones could not be told apart."""
    admin = come_in(door, Role.ADMIN)
    person = Person(1, "Somebody", "somebody@example.org", Role.ADMIN, None)
    theirs = [entry for _, entries in menu.of(person) for entry in entries]
    wrong = {}
    for entry in theirs:
        address = "" if entry.path == "monitor/live" else entry.path.rpartition("/")[2]
        if (called := title(door, admin, address)) != f"{entry.title} · Paydesk":
            wrong[entry.path] = called
    assert wrong == {}
    assert len(theirs) > 20


def test_a_tab_with_a_drawer_names_the_payment(door):
    admin = come_in(door, Role.ADMIN)
    with door.app.sessions.read() as session:
        reference = session.scalars(select(Payment.reference)).one()
    assert title(door, admin, "payments", f"payment={reference}") == f"{reference} · Payments · Paydesk"


# -- where there is nothing ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("/nonsense", None),
        ("/payment", "/payments"),
        ("/needs-attention", "/attention"),
        ("/payments/x", None),
        # what answers under a longer address, or under a shorter one
        ("/report", "/reports"),
        ("/bill", None),
        ("/bill/x", None),
        ("/receipt", None),
        ("/live/x", None),
        ("/pulse/x", None),
    ],
)
def test_an_address_without_a_page_says_so_and_where_to_go(door, path, near):
    """Streamlit had opened its first page under “Page not found”, and left it at that."""
    reply = opened(door, come_in(door, Role.ADMIN), path)
    assert reply.status_code == 404
    assert "There is no such page" in reply.text
    assert 'href="/"' in reply.text
    assert near is None or f'href="{near}"' in reply.text


def test_what_is_typed_into_an_address_is_text(door):
    reply = opened(door, come_in(door, Role.ADMIN), "/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    assert reply.status_code == 404
    assert "<script" not in reply.text


def test_a_page_of_other_roles_says_whose_it_is(door):
    viewer = come_in(door, Role.VIEWER)
    reply = opened(door, viewer, "/take")
    assert reply.status_code == 403
    assert "Take a payment is for admins, finance and organisers. Ask an admin" in reply.text
    assert "Health is for admins. Ask an admin" in opened(door, viewer, "/health").text
    assert opened(door, viewer, "/payment").text.count("<li>") == 1


@pytest.mark.parametrize("role", Role)
def test_everybodys_own_pages_open(door, role):
    cookie = come_in(door, role)
    person = Person(1, "Somebody", "somebody@example.org", role, None)
    for path, entry in PAGES.items():
        expected = 403 if not person.may(entry.action) else 307 if path == "live" else 200
        assert opened(door, cookie, f"/{path}").status_code == expected, path


def test_strangers_sign_in_first_and_learn_of_no_page(door):
    replies = [opened(door, "", path) for path in ("/payments", "/nonsense")]
    assert [reply.status_code for reply in replies] == [303, 303]


def test_what_a_page_fetches_is_not_taken_for_a_page(door):
    admin = come_in(door, Role.ADMIN)
    assert door.ask("/_stcore/health", admin, headers=BROWSER).text == "ok"
    assert door.ask("/pulse", admin, headers=BROWSER).status_code == 200
    assert "There is no such page" not in door.ask("/nonsense", admin).text
