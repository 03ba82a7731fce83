"""The example of a registration site against a demo desk: register, pay, be told, be complete."""

import sqlite3
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select
from werkzeug.serving import BaseWSGIServer, make_server

from db.models import Notification, Payment
from tests.hook import wait_until
from tests.ports import free_port
from tests.running import PROJECT, Desk, running

pytestmark = [pytest.mark.browser, pytest.mark.processes]


@dataclass
class Site:
    """The example, running, and the desk that it takes payments through."""

    url: str
    database: Path
    desk: Desk

    def completions(self, own_id: str) -> int:
        with sqlite3.connect(self.database) as opened:
            query = "SELECT count(*) FROM completions WHERE registration = ?"
            return int(opened.execute(query, (own_id,)).fetchone()[0])

    def payments(self) -> list[str]:
        with self.desk.reading() as session:
            return list(session.scalars(select(Payment.reference).order_by(Payment.id)))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with running(folder / "desk") as desk:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        settings = _keys(desk, f"{url}/paydesk") | {
            "PAYDESK_URL": f"http://127.0.0.1:{desk.environ['WEBHOOK_PORT']}",
            "SITE_DB": str(folder / "site.db"),
        }
        server = _served(settings, port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Site(url, folder / "site.db", desk)
        server.shutdown()
        thread.join()
        server.server_close()


def _keys(desk: Desk, url: str) -> dict[str, str]:
    key = desk.manage("api-key", "DEVCONF", "Registration site")["key"]
    return {"PAYDESK_KEY": key, "PAYDESK_SECRET": desk.manage("notify", "DEVCONF", url)["secret"]}


def _served(settings: dict[str, str], port: int) -> BaseWSGIServer:
    sys.path.insert(0, str(PROJECT / "examples"))
    try:
        from registration_site import create_site
    finally:
        sys.path.remove(str(PROJECT / "examples"))
    return make_server("127.0.0.1", port, create_site(settings), threaded=True)


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    yield context
    context.close()


def register(site: Site, context: BrowserContext, name: str) -> tuple[Page, str]:
    """On the gateway's page; and the site's own id, as our page would lead back to it."""
    page = context.new_page()
    page.goto(site.url)
    page.get_by_label("Name").fill(name)
    page.get_by_label("E-mail").fill("thandi@example.org")
    page.get_by_role("button", name="Register and pay").click()
    expect(page.get_by_role("button", name="Pay by card")).to_be_visible(timeout=30_000)
    with sqlite3.connect(site.database) as opened:
        query = "SELECT id FROM registrations WHERE name = ? ORDER BY rowid DESC"
        return page, str(opened.execute(query, (name,)).fetchone()[0])


def test_register_pay_come_back_and_be_complete(site, visitor):
    page, own_id = register(site, visitor, "Thandi Nkosi")
    page.get_by_role("button", name="Pay by card").click()
    back = page.get_by_role("link", name="Back to the registration")
    expect(back).to_be_visible(timeout=30_000)
    wait_until(lambda: site.completions(own_id), seconds=60)
    back.click()
    expect(page.get_by_role("status")).to_have_text("Your registration is complete.", timeout=30_000)
    with site.desk.reading() as session:
        told = session.scalars(select(Notification.body).where(Notification.kind == "payment.paid")).all()
    assert sum(own_id in body for body in told) == 1


def test_who_closes_the_browser_right_after_paying_is_complete_too(site, browser):
    context = browser.new_context()
    page, own_id = register(site, context, "Sipho Dlamini")
    with page.expect_request(lambda request: request.method == "POST"):
        page.get_by_role("button", name="Pay by card").click(no_wait_after=True)
    context.close()
    wait_until(lambda: site.completions(own_id), seconds=60)


def test_one_registration_asked_for_fifty_times_at_once_is_paid_and_completed_once(site, visitor):
    before = len(site.payments())
    answer = requests.post(
        site.url, {"name": "Zanele", "email": "zanele@example.org"}, allow_redirects=False, timeout=30
    )
    pay = site.url + answer.headers["Location"]
    with ThreadPoolExecutor(50) as crowd:
        asked = list(crowd.map(lambda _: requests.get(pay, allow_redirects=False, timeout=60), range(50)))
    (link,) = {one.headers["Location"] for one in asked}
    assert {one.status_code for one in asked} == {303}
    assert len(site.payments()) == before + 1
    site.desk.pull(f"{link.rpartition('/')[2]}/pay")
    own_id = pay.split("/")[-2]
    wait_until(lambda: site.completions(own_id), seconds=60)
    with site.desk.reading() as session:
        paid = list(session.scalars(select(Notification).where(Notification.body.contains(own_id))))
    assert [one.kind for one in paid] == ["payment.paid"]


def test_what_was_not_signed_with_our_secret_completes_nothing(site):
    forged = {"webhook-id": "msg_1", "webhook-timestamp": "1790000000", "webhook-signature": "v1,AAAA"}
    body = b'{"type":"payment.paid","data":{"complete":true,"registration_id":"R-1"}}'
    assert requests.post(f"{site.url}/paydesk", body, headers=forged, timeout=10).status_code == 401
    assert site.completions("R-1") == 0
