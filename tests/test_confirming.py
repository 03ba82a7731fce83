"""Confirming that it is oneself, in a browser: the step is done, and the cookie of before opens nothing."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import update

from db.models import PersonSession
from payments.access import staff
from payments.access.people import SYSTEM, Role
from tests.desk import make_event
from tests.samples import make_payment
from tests.served import Served, serving

pytestmark = [pytest.mark.browser, pytest.mark.processes]

WITHIN_MS = 15_000
ADMIN = "naledi.sees@example.org"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("confirming")) as served:
        now = served.app.now()
        with served.app.sessions.begin() as session:
            for name, email in (("Naledi", ADMIN), ("Bongani", "bongani.goes@example.org")):
                staff.create_person(
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


def cookie_of(context: BrowserContext, host: str = "127.0.0.1") -> str:
    (found,) = (one for one in context.cookies() if (one["name"], one["domain"]) == ("paydesk", host))
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


def test_what_a_dialog_asks_for_is_in_sight_of_who_pressed_its_last_button(
    door: Served, context: BrowserContext
):
    """On a phone the question stood above the screen: the button went dark, and nothing seemed to happen."""
    now = door.app.now()
    with door.app.sessions.begin() as session:
        make_payment(session, make_event(session, now=now), now=now)
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 700})
    page.goto(f"{door.url}/payments")
    page.get_by_role("button", name="Export").click(timeout=WITHIN_MS)
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Options", exact=True).click()
    last = dialog.get_by_role("button", name="Export 1 payment")
    last.scroll_into_view_if_needed()
    page.mouse.move(195, 350)
    page.mouse.wheel(0, 3000)
    last.click()
    expect(dialog.get_by_role("button", name="Confirm and go on")).to_be_in_viewport(timeout=WITHIN_MS)


# -- passkeys, by a device inside the browser -----------------------------------------------------------


class Device:
    """Chromium's own virtual device: it keeps passkeys, and says yes for its user."""

    def __init__(self, page: Page) -> None:
        self._cdp = page.context.new_cdp_session(page)
        self._cdp.send("WebAuthn.enable")
        kind = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
            "hasUserVerification": True, "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        made = self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": kind})
        self._id = {"authenticatorId": made["authenticatorId"]}

    def held(self) -> int:
        return len(self._cdp.send("WebAuthn.getCredentials", self._id)["credentials"])

    def knows_its_user(self, yes: bool) -> None:
        self._cdp.send("WebAuthn.setUserVerified", self._id | {"isUserVerified": yes})


def test_a_passkey_is_added_signs_in_confirms_and_once_removed_does_neither(
    door: Served, browser: Browser, context: BrowserContext
):
    desk = f"http://localhost:{door.port}"
    context.add_cookies([{"name": "paydesk", "value": cookie_of(context), "url": desk}])
    page = opened(context, f"{desk}/passkeys")
    device = Device(page)
    page.get_by_label("A name for it").fill("Blue <b>phone</b>")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("Blue <b>phone</b>")).to_be_visible()
    assert device.held() == 1
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_label("A name for it").fill("again")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("has a passkey for this desk already")).to_be_visible()

    page.goto(f"{desk}/signout")
    page.get_by_role("button", name="Sign out").click()
    device.knows_its_user(False)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_text("Nothing was confirmed")).to_be_visible(timeout=WITHIN_MS)
    device.knows_its_user(True)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", level=1).first).to_be_visible(timeout=WITHIN_MS)
    expect(page.get_by_text(ADMIN)).to_be_visible(timeout=WITHIN_MS)

    with door.app.sessions.begin() as session:
        session.execute(update(PersonSession).values(proved_at=None))
    page.goto(f"{desk}/people")
    before = cookie_of(context, "localhost")
    page.get_by_role("button", name="Access").first.click(timeout=WITHIN_MS)
    page.get_by_role("button", name="Make a sign-in link").click()
    page.get_by_role("button", name="Confirm with a passkey").click(timeout=WITHIN_MS)
    expect(page.get_by_text("is not shown again")).to_be_visible(timeout=WITHIN_MS)
    assert door.ask("/", before).status_code == 303

    with door.app.sessions.begin() as session:
        session.execute(update(PersonSession).values(proved_at=None))
    page.goto(f"{desk}/passkeys")
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Confirm with a passkey").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Blue")).to_have_count(0)
    page.goto(f"{desk}/signout")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("alert").first).to_contain_text("not known here any more")

    page.goto(f"{door.url}/signin")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_have_count(0)
