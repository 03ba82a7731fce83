"""An open live page keeps itself up to date: what it is told, who is told nothing, what a browser shows."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select, update

from db.models import Event, PersonSession
from payments import lifecycle
from payments.access import guesses, signin, staff
from payments.access.people import SYSTEM, Role
from payments.lifecycle import Source
from tests.desk import make_event
from tests.samples import make_payment
from tests.served import Served, serving
from ui import board

pytestmark = pytest.mark.processes
HOSTILE = "<img src=x onerror=alert(1)> [a](http://evil.example)"


_NEW = count(1)


@dataclass
class Desk:
    """A door, and the events of it by their codes."""

    door: Served
    events: dict[str, int]

    def come_in(self, role: Role, *codes: str) -> str:
        """The cookie of somebody new who sees these events, or all of them."""
        email = f"{role}.{next(_NEW)}@example.org"
        with self.door.app.sessions.begin() as session:
            staff.create_person(
                session, SYSTEM, name="Somebody", email=email, role=role, now=self.door.app.now(),
                events=[self.events[code] for code in codes] or None,
            )  # fmt: skip
        return self.door.come_in(email)

    def pay(self, code: str, name: str) -> None:
        app = self.door.app
        with app.sessions.begin() as session:
            event = session.get_one(Event, self.events[code])
            payment = make_payment(session, event, now=app.now(), payer_name=name)
            lifecycle.receive(
                session, payment, kind="cash", source_reference=payment.reference, amount=payment.amount,
                now=app.now(), source=Source.DESK, actor="test",
            )  # fmt: skip

    def ask(self, cookie: str | None, known: str = "") -> requests.Response:
        """What a page is told that has shown what it shows for a moment."""
        time.sleep(board.RENEWED.total_seconds())
        return self.door.ask(f"/pulse?known={known}", cookie)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with serving(tmp_path_factory.mktemp("pulse")) as door:
        with door.app.sessions.begin() as session:
            events = {code: make_event(session, code, now=door.app.now()).id for code in ("expo", "gala")}
        yield Desk(door, events)


# -- what a page is told ----------------------------------------------------------------------------


def test_what_is_known_is_not_told_again_and_what_changed_is(desk):
    admin = desk.come_in(Role.ADMIN)
    told = desk.ask(admin).json()
    if (same := desk.ask(admin, told["key"])).status_code == 200:  # a minute or an hour began between the two
        told = same.json()
        same = desk.ask(admin, told["key"])
    assert (same.status_code, same.content) == (204, b"")
    assert re.fullmatch("[0-9]{2}:[0-9]{2}:[0-9]{2}", same.headers["X-At"])
    desk.pay("expo", "Zanele Mokoena")
    news = desk.ask(admin, told["key"]).json()
    assert news["key"] != told["key"]
    assert news["newest"]["rows"][0]["payer"] == "Zanele Mokoena"
    assert news["paid"][1].endswith("by Zanele Mokoena.")
    assert news["parts"]["headline"] != told["parts"]["headline"]


def test_a_page_hears_of_its_own_events_only(desk):
    organiser = desk.come_in(Role.ORGANISER, "gala")
    before = desk.ask(organiser).json()
    desk.pay("expo", "Secret Sipho")
    assert desk.ask(organiser, before["key"]).status_code == 204
    desk.pay("gala", "Lerato Dlamini")
    told = desk.ask(organiser, before["key"])
    assert "Lerato Dlamini" in told.text
    assert "Sipho" not in told.text


def test_a_key_of_others_is_nobodys_answer(desk):
    """Two who see different events, or may open different pages, are never taken for one another."""
    cookies = [desk.come_in(Role.ADMIN), desk.come_in(Role.VIEWER), desk.come_in(Role.VIEWER, "gala")]
    keys = {desk.ask(cookie).json()["key"] for cookie in cookies}
    assert len(keys) == len(cookies)


def test_the_funnel_is_told_apart_to_who_chose_so_and_to_nobody_else(desk):
    admin, organiser = desk.come_in(Role.ADMIN), desk.come_in(Role.ORGANISER, "gala")
    desk.pay("expo", "Zanele Mokoena")
    desk.pay("gala", "Lerato Dlamini")
    told = desk.ask(admin).json()
    assert "reached" in told["parts"]
    for by in ("event", "method", "hour"):
        apart = desk.ask(admin, f"{told['key']}&by={by}").json()
        assert apart["key"] != told["key"]
        assert "pd-funnels" in apart["parts"][f"reached_{by}"]
        assert "reached" not in apart["parts"]
    assert "Expo" in desk.ask(admin, "&by=event").text
    assert "Expo" not in desk.ask(organiser, "&by=event").text
    assert "reached" in desk.ask(admin, "&by=nonsense").json()["parts"]


def test_what_payers_typed_stands_in_no_html(desk):
    admin = desk.come_in(Role.ADMIN)
    payer = HOSTILE.replace("onerror", "onpayer")  # an event of another test may have the other name
    desk.pay("expo", payer)
    told = desk.ask(admin).json()
    assert told["newest"]["rows"][0]["payer"] == payer
    assert "onpayer" not in json.dumps(told["parts"])


def test_an_events_name_is_text(desk):
    app = desk.door.app
    with app.sessions.begin() as session:
        session.execute(update(Event).where(Event.id == desk.events["gala"]).values(name=HOSTILE))
    desk.pay("gala", "Thandi")
    aside = desk.ask(desk.come_in(Role.ADMIN)).json()["parts"]["aside"]
    assert "&lt;img src=x" in aside
    assert "<img" not in aside


# -- who is told nothing ----------------------------------------------------------------------------


def test_a_stranger_is_sent_to_sign_in_and_comes_back_to_a_page(desk):
    reply = desk.ask(None)
    assert (reply.status_code, reply.headers["Location"]) == (303, "/signin?next=/")


def test_whose_session_ended_hears_no_more(desk):
    admin = desk.come_in(Role.ADMIN)
    assert desk.ask(admin).status_code == 200
    with desk.door.app.sessions.begin() as session:
        signin.sign_out(session, admin, now=desk.door.app.now())
    assert desk.ask(admin).status_code == 303


def test_asking_keeps_nobody_signed_in(desk):
    viewer = desk.come_in(Role.VIEWER)
    away = desk.door.app.now() - timedelta(minutes=20)
    was_active(desk, viewer, away)
    assert desk.ask(viewer).status_code == 200
    with desk.door.app.sessions.read() as session:
        assert session.scalars(of_token(viewer)).one().active_at == away
    was_active(desk, viewer, desk.door.app.now() - signin.IDLE)
    assert desk.ask(viewer).status_code == 303


def was_active(desk: Desk, cookie: str, at: datetime) -> None:
    with desk.door.app.sessions.begin() as session:
        session.scalars(of_token(cookie)).one().active_at = at


def of_token(cookie: str):
    return select(PersonSession).where(PersonSession.token_hash == guesses.hash_of(cookie))


# -- what a browser shows ---------------------------------------------------------------------------


@pytest.fixture
def context(desk: Desk, browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    name, value = desk.door.cookie(desk.come_in(Role.ADMIN))["Cookie"].split("=", 1)
    context.add_cookies([{"name": name, "value": value, "url": desk.door.url}])
    yield context
    context.close()


def opened(context: BrowserContext, desk: Desk) -> Page:
    page = context.new_page()
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    page.goto(desk.door.url)
    expect(page.get_by_role("heading", name="Newest payments")).to_be_visible()
    return page


@pytest.mark.browser
def test_a_payment_shows_by_itself_until_the_session_ends(desk, context):
    """It is read aloud, its figures follow, and whoever is on one of them by keyboard stays there."""
    page = opened(context, desk)
    figure = page.locator("[data-live=headline] a.pd-value").first
    desk.pay("expo", "Before Anything")
    expect(page.get_by_text("Before Anything", exact=True)).to_be_visible()
    figure.focus()
    was = figure.inner_text()
    desk.pay("expo", "Palesa Nkosi")
    expect(page.get_by_text("Palesa Nkosi", exact=True)).to_be_visible()
    expect(page.locator("[role=status]", has_text="by Palesa Nkosi.")).to_have_count(1)
    expect(figure).not_to_have_text(was)
    expect(figure).to_be_focused()
    with desk.door.app.sessions.begin() as session:
        session.execute(update(PersonSession).values(revoked_at=desk.door.app.now()))
    expect(page.get_by_text("You are not signed in")).to_be_visible()


@pytest.mark.browser
def test_the_funnel_told_apart_keeps_itself_up_to_date(desk, context):
    desk.pay("gala", "Before Anything")
    page = opened(context, desk)
    page.get_by_role("radio", name="Method").or_(page.get_by_role("button", name="Method")).click()
    table = page.locator("[data-live=reached_method] table.pd-funnels")
    expect(table).to_be_visible()
    without_a_link = table.get_by_role("row", name="Cash").locator("a.pd-lost")
    expect(without_a_link).to_have_text(re.compile("−[0-9]+"))
    told = without_a_link.inner_text()
    desk.pay("expo", "Sizwe Ndlovu")
    expect(without_a_link).not_to_have_text(told)
    expect(page.locator("[data-live=reached]")).to_have_count(0)


@pytest.mark.browser
def test_where_the_pulse_cannot_be_reached_the_page_is_drawn_by_streamlit(desk, context):
    context.route("**/pulse*", lambda route: route.abort())
    page = opened(context, desk)
    desk.pay("expo", "Naledi Khumalo")
    expect(page.get_by_text("Naledi Khumalo", exact=True)).to_be_visible()


@contextmanager
def hanging(desk: Desk) -> Iterator[None]:
    """The door keeps every line and answers nobody."""
    os.kill(desk.door.process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(desk.door.process, signal.SIGCONT)


@pytest.mark.browser
def test_where_nothing_is_reached_the_page_says_since_when_and_goes_on_by_itself(desk, context):
    """The dot had gone on pulsing, green, over figures of a server that hung."""
    page = opened(context, desk)
    fresh, away = page.locator(".pd-fresh"), page.locator(".pd-fresh [role=status]")
    expect(away).to_be_empty()
    stands = fresh.inner_text()
    expect(fresh).not_to_have_text(stands)  # the script asks by now
    with hanging(desk):
        expect(away).to_have_text(re.compile("^not reached since [0-9:]{8}, trying again$"), timeout=15_000)
        assert away.inner_text().split()[3].rstrip(",") == page.locator("[data-live=at]").text_content()
        expect(page.get_by_text("updated")).to_be_hidden()
    expect(page.get_by_text("updated")).to_be_visible(timeout=40_000)
    expect(away).to_be_empty()


@pytest.mark.browser
def test_whoever_presses_what_cannot_be_sent_hears_so_until_it_is(desk, context):
    page = opened(context, desk)
    page.goto(f"{desk.door.url}/take")
    press = page.get_by_role("button", name="Create link")
    expect(press).to_be_visible()
    lost = page.locator(".pd-away")
    expect(lost).to_have_count(1)  # the script is here
    with hanging(desk):
        press.click()
        expect(lost).to_contain_text("look for it on the list before you take it again", timeout=25_000)
    expect(lost).to_be_empty()


@pytest.mark.browser
def test_back_from_a_number_the_address_of_the_page_is_its_own(desk, context):
    """It had kept the filter that the number led to, and a copied address lied."""
    page = opened(context, desk)
    desk.pay("expo", "Thabo Mbatha")
    expect(page.get_by_text("Thabo Mbatha", exact=True)).to_be_visible()
    page.locator("[data-live=headline] a.pd-value").first.click()
    expect(page).to_have_url(re.compile("/payments[?]"))
    page.go_back()
    expect(page.get_by_role("heading", name="Newest payments")).to_be_visible()
    expect(page).to_have_url(f"{desk.door.url}/")
