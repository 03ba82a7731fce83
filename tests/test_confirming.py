"""Confirming that it is oneself, in a browser: the step is done, and the cookie of before opens nothing."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import update

from db.models import PersonSession
from payments import people
from payments.people import SYSTEM, Role
from tests.served import Served, serving

pytestmark = [pytest.mark.browser, pytest.mark.processes]

WITHIN_MS = 30_000
ADMIN = "naledi.sees@example.org"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("confirming")) as served:
        now = served.app.now()
        with served.app.sessions.begin() as session:
            for name, email in (("Naledi", ADMIN), ("Bongani", "bongani.goes@example.org")):
                people.create_person(
                    session, SYSTEM, name=name, email=email, role=Role.ADMIN, events=None, now=now
                )
        yield served


@pytest.fixture
def context(door: Served, browser: Browser) -> Iterator[BrowserContext]:
    """Naledi's browser; she came in longer ago than five minutes."""
    name, token = door.cookie(door.come_in(ADMIN))["Cookie"].split("=", 1)
    with door.app.sessions.begin() as session:
        session.execute(update(PersonSession).values(proved_at=None))
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        context.add_cookies([{"name": name, "value": token, "url": door.url}])
        yield context


def cookie_of(context: BrowserContext) -> str:
    (found,) = (one for one in context.cookies() if one["name"] == "paydesk")
    return found["value"]


def opened(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    return page


def test_a_step_is_confirmed_and_done_and_the_cookie_of_before_opens_nothing(
    door: Served, context: BrowserContext
):
    other = opened(context, f"{door.url}/account")
    expect(other.get_by_role("heading", name="Your account")).to_be_visible(timeout=WITHIN_MS)
    page = opened(context, f"{door.url}/people")
    before = cookie_of(context)
    expect(page.get_by_text("bongani.goes@example.org")).to_be_visible(timeout=WITHIN_MS)
    page.get_by_role("button", name="Access").first.click()
    page.get_by_role("button", name="Disable").click()
    page.get_by_role("button", name="Confirm and go on").click(timeout=WITHIN_MS)
    expect(page.get_by_text("Bongani is shut out.")).to_be_visible(timeout=WITHIN_MS)
    expect(page.get_by_role("button", name="Confirm and go on")).to_have_count(0)
    assert door.ask("/", before).status_code == 303
    assert cookie_of(context) != before
    assert "paydesk=" not in page.evaluate("document.cookie"), "a script can read it"
    assert door.ask("/", cookie_of(context)).status_code == 200
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_text(re.compile("may sign in again"))).to_be_visible(timeout=WITHIN_MS)

    with other.expect_navigation(url=f"{door.url}/account", timeout=WITHIN_MS):
        other.get_by_role("link", name="People").click()
    expect(other.get_by_role("heading", name="Your account")).to_be_visible(timeout=WITHIN_MS)
