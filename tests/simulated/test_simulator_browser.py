"""The payer's page in a real browser, by hand: on a phone and a desk, in light and dark."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from payments.gateways import LinkRequest
from payments.gateways.ikhokha import IKhokha
from simulator.server import Running
from tests.fault_server import FaultServer, reply
from tests.simulated.helpers import CONFIG, client, draw_reference, wanted

pytestmark = pytest.mark.browser

SHOP = reply(200, b"<!doctype html><title>Shop</title><h1>The shop</h1>", content_type="text/html")


@pytest.fixture(
    params=[(390, 844, "light"), (390, 844, "dark"), (1440, 900, "light"), (1440, 900, "dark")],
    ids=["phone light", "phone dark", "desk light", "desk dark"],
)
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, height, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    yield context.new_page()
    context.close()


@pytest.fixture
def shop() -> Iterator[FaultServer]:
    """Where payers come back to."""
    with FaultServer(SHOP) as server:
        yield server


def wanted_from(shop: FaultServer) -> LinkRequest:
    there = f"{shop.origin}/return"
    return replace(wanted(draw_reference()), success_url=there, failure_url=there, cancel_url=there)


def check_looks(page: Page) -> None:
    """Nothing axe objects to, and nothing that makes the page scroll sideways."""
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


RESULTS = {
    "Simulate a failed attempt": "Payment failed",
    "Cancel": "Payment cancelled",
    "Pay by Instant EFT": "Payment successful",
}


def test_every_page_can_be_read(page: Page, gateway: IKhokha, shop: FaultServer) -> None:
    url = gateway.issue(wanted_from(shop)).url
    for button, heading in RESULTS.items():
        page.goto(url)
        check_looks(page)
        page.get_by_role("button", name=button).click()
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        check_looks(page)
    page.goto(url)
    expect(page.get_by_role("heading", name="already been paid")).to_be_visible()
    check_looks(page)


def test_the_result_leads_back_to_the_shop_by_itself(browser: Browser, shop: FaultServer) -> None:
    with Running(replace(CONFIG, return_after_s=1)) as simulator:
        page = browser.new_page()
        page.goto(client(simulator).issue(wanted_from(shop)).url)
        page.get_by_role("button", name="Pay by card").click()
        page.wait_for_url(f"{shop.origin}/return")
        page.close()


def test_a_failed_attempt_can_be_followed_by_a_good_one(
    browser: Browser, gateway: IKhokha, shop: FaultServer
) -> None:
    page = browser.new_page()
    page.goto(gateway.issue(wanted_from(shop)).url)
    page.get_by_role("button", name="Simulate a failed attempt").click()
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_role("status")).to_contain_text("did not go through")
    page.get_by_role("button", name="Pay by card").click()
    expect(page.get_by_role("heading", name="Payment successful")).to_be_visible()
    page.close()
