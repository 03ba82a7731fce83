"""Reports in a browser: a figure is a door to its rows, with the same count and sum, and its files arrive."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from db.money import Money
from payments import lifecycle
from payments.access import staff
from payments.access.people import SYSTEM, Role
from payments.lifecycle import Source
from tests.desk import make_event
from tests.samples import make_payment
from tests.served import Served, serving
from ui import charts
from ui.charts import Told

pytestmark = [pytest.mark.browser, pytest.mark.processes]

WITHIN_MS = 90_000
TAKEN = (150_000, 45_050, 99)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Three payments in cash and one that is open."""
    with serving(tmp_path_factory.mktemp("reports")) as served:
        now = served.app.now()
        with served.app.sessions.begin() as session:
            event = make_event(session, now=now)
            for number, minor in enumerate(TAKEN):
                payment = make_payment(session, event, now=now, amount_minor=minor)
                lifecycle.receive(
                    session, payment, kind="cash", source_reference=f"s{number}", amount=payment.amount,
                    now=now, source=Source.DESK, actor="Thandi",
                )  # fmt: skip
            make_payment(session, event, now=now)
            staff.create_person(
                session, SYSTEM, name="Refilwe", email="refilwe.reads@example.org", role=Role.FINANCE,
                events=None, now=now,
            )  # fmt: skip
        yield served


@pytest.fixture
def page(door: Served, browser: Browser) -> Iterator[Page]:
    name, token = door.cookie(door.come_in("refilwe.reads@example.org"))["Cookie"].split("=", 1)
    with browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True) as context:
        context.add_cookies([{"name": name, "value": token, "url": door.url}])
        yield context.new_page()


def test_a_figure_is_a_door_to_its_rows_and_the_files_of_a_report_arrive(door: Served, page: Page):
    together = str(Money(sum(TAKEN)))
    page.goto(f"{door.url}/reports?report=takings&period=this-year")
    figure = page.locator(".pd-card a.pd-door", has_text=together)
    expect(figure).to_be_visible(timeout=WITHIN_MS)
    for word, start in (
        ("Save as PDF", b"%PDF"),
        ("Save for Excel", b"PK"),
        ("Save as CSV", b"\xef\xbb\xbf"),
    ):
        with page.expect_download(timeout=WITHIN_MS) as got:
            page.get_by_role("link", name=word).click()
        assert Path(got.value.path()).read_bytes().startswith(start)
        assert re.match(r"takings-captured-.*DEMO_RPT_", got.value.suggested_filename)
    figure.click()
    told = page.get_by_text(
        re.compile(rf"3 payments · {re.escape(together)} asked · {re.escape(together)} received")
    )
    expect(told).to_be_visible(timeout=WITHIN_MS)
    expect(page).to_have_url(re.compile(r"/payments\?.*captured"))


def test_a_large_sum_is_set_smaller_since_it_breaks_nowhere():
    sums = {
        words: charts.told_figures([Told("Gross", words)])
        for words in (
            "R215\u00a0147.76",
            "R623\u00a0000\u00a0000.00",
            "R369\u00a0913.00 to R500\u00a0470.00",
        )
    }
    assert ["pd-long" in drawn for drawn in sums.values()] == [False, True, False]
