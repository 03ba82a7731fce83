"""How long does a queue at the door wait? A phone far from the desk, 20 000 payments in the event.

``docs/performance.md`` explains the figures; one JSON line. First what the desk itself takes to say who
somebody may be, on each database; then a browser as large as a phone, every byte of which takes 200 ms to the
desk and 200 ms back (``tests/slow_network.py``), from the first tap to what is waited for. A hand is charged
half a second a tap, and two for an amount.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import environment

sys.path[0] = str(Path(__file__).parent.parent)

from playwright.sync_api import BrowserContext, Page, expect, sync_playwright
from sqlalchemy import insert, select

import bootstrap
from db.migrate import migrate
from db.models import Event, Payment, Standing
from db.money import Money
from db.session import Sessions, open_engine
from payments import obligations, references
from payments.access.people import SYSTEM
from payments.at_the_door import admission
from payments.finding import search_text
from payments.obligations import Draft
from payments.payers import likeness
from tests import postgres
from tests.conftest import QUIET_BROWSER
from tests.install_browser import installed
from tests.running import ORGANISER, Desk, demo_environ, furnish, running
from tests.slow_network import far_away

PAYMENTS, ROUND_TRIP_S, TIMES = 20_000, 0.4, 5
LINK_GOAL_S, CASH_GOAL_S, BOARD_GOAL_S = 10, 6, 2
TAP_S, AMOUNT_S = 0.5, 2
FIRST = ("Thandi", "Sipho", "Lerato", "Pieter", "Nomvula", "Zanele", "Ayesha", "Johan", "Naledi", "Bongani")
LAST = (
    "Mokoena",
    "Dlamini",
    "van der Merwe",
    "Khumalo",
    "Naidoo",
    "Molefe",
    "Botha",
    "Nkosi",
    "Patel",
    "Zulu",
)
#: What is typed at a door: three letters, a name, a name that was begun, part of a number, nobody.
ASKED = ("tha", "sip", "merwe", "Thandi Mok", "naledi z", "00017", "qqq")
#: What is asked for, and notes that are more than it.
PRICES, NOTES = ("Student", "Regular"), ("R500.00", "R2\xa0000.00")
#: Names that no reference holds by chance.
NAMES = ("Sipho", "Lerato", "Thandi", "Johan", "naledi z")
WAIT_MS = 60_000


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--payments", type=int, default=PAYMENTS)
    options.add_argument("--databases", default="sqlite,postgresql")
    options.add_argument("--no-browser", action="store_true")
    given = options.parse_args()
    told: dict[str, Any] = {
        "benchmark": "door", "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_before": round(os.getloadavg()[0], 1), "payments": given.payments,
        "round_trip_s": ROUND_TRIP_S,
    }  # fmt: skip
    for kind in given.databases.split(","):
        with tempfile.TemporaryDirectory(prefix="paydesk-door-") as folder, ExitStack() as stack:
            told[kind] = asked_of_the_desk(Path(folder), kind, given.payments, stack)
    if not given.no_browser:
        told["phone"] = on_a_phone(given.payments)
    print(json.dumps(told))


# -- what the desk takes -----------------------------------------------------------------------------


def asked_of_the_desk(folder: Path, kind: str, count: int, stack: ExitStack) -> dict[str, Any]:
    url = stack.enter_context(postgres.server()) if kind == "postgresql" else f"sqlite:///{folder}/desk.db"
    environ = demo_environ(folder, DATABASE_URL=url)
    if kind == "sqlite":
        migrate(open_engine(url))
    furnish(environ)
    sessions = Sessions(open_engine(url))
    stack.callback(sessions.engine.dispose)
    fill(sessions, count)

    def look(text: str) -> Callable[[], object]:
        def ask() -> object:
            with sessions.read() as session:
                admission.fullness(session, SYSTEM, "DEVCONF")
                return admission.look_up(session, SYSTEM, "DEVCONF", text)

        return ask

    board = {text: timed(look(text)) for text in ASKED}
    with sessions.read() as session:
        reference = obligations.draft_reference(session, SYSTEM, "DEVCONF", demo=True)
    draft = Draft(reference, "DEVCONF", Money(150_000), "Nomvula Khumallo", payer_phone="0825550101")

    def again() -> object:
        with sessions.read() as session:
            return likeness.alike(session, SYSTEM, draft)

    worst = max(board.values())
    return {
        "board_ms": board, "board_worst_of_goal": round(worst / BOARD_GOAL_S / 1_000, 3),
        "same_person_ms": timed(again),
    }  # fmt: skip


def timed(ask: Callable[[], object]) -> float:
    """Median milliseconds; the first time warms up."""
    ask()
    took = []
    for _ in range(TIMES * 2):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1_000)
    return round(median(took), 1)


def fill(sessions: Sessions, count: int) -> None:
    """``count`` payments of one event with their totals, two thirds of them paid."""
    dice, now = Random(20261125), datetime.now(UTC)
    with sessions.begin() as session:
        event = session.scalars(select(Event).where(Event.code == "DEVCONF")).one()
        taken: set[str] = set()
        rows = [_payment(dice, event, number, count, now, taken) for number in range(count)]
        for at in range(0, count, 1_000):
            session.execute(insert(Payment), rows[at : at + 1_000])
        for status in ("paid", "open"):
            ours = [row for row in rows if row["status"] == status]
            session.add(
                Standing(
                    event_id=event.id, status=status, currency="ZAR", count=len(ours),
                    sum_minor=len(ours) * 150_000,
                )
            )  # fmt: skip
    with sessions.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")


def _payment(
    dice: Random, event: Event, number: int, count: int, now: datetime, taken: set[str]
) -> dict[str, Any]:
    reference = references.draw(event.reference_prefix, demo=True)
    while reference in taken:
        reference = references.draw(event.reference_prefix, demo=True)
    taken.add(reference)
    name, email = f"{dice.choice(FIRST)} {dice.choice(LAST)}", f"payer{number}@example.org"
    phone, paid = f"+2782{number:07d}", number % 3 > 0
    made = now - timedelta(seconds=60 * (count - number))
    return {
        "reference": reference, "event_id": event.id, "mode": "demo", "status": "paid" if paid else "open",
        "method": "gateway" if paid else None, "amount_minor": 150_000, "amount_currency": "ZAR",
        "received_minor": 150_000 if paid else 0, "refunded_minor": 0, "payer_name": name,
        "payer_email": email, "payer_phone": phone, "note": "", "version": 0, "created_by": "Benchmark",
        "created_at": made, "updated_at": made, "paid_at": made if paid else None,
        "search_text": search_text.folded(reference, name, email, phone, "", []),
    }  # fmt: skip


# -- what a phone waits for --------------------------------------------------------------------------


def on_a_phone(count: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="paydesk-door-") as folder, running(Path(folder)) as desk:
        app = bootstrap.build(environment.read_settings(desk.environ, None))
        fill(app.sessions, count)
        app.sessions.engine.dispose()
        with far_away(round_trip_s=ROUND_TRIP_S) as way, browser(way) as context:
            page = signed_in(context, desk)
            open_a_shift(page, desk)
            told: dict[str, Any] = {"first_page": opened(page, desk, "take", "Create link")}
            told |= {
                "link": of_goal(LINK_GOAL_S, 2, False, [link_by_price(page, nth) for nth in range(TIMES)]),
                "link_own_amount": of_goal(
                    LINK_GOAL_S, 3, True, [link_by_amount(page) for _ in range(TIMES)]
                ),
                "cash": of_goal(CASH_GOAL_S, 3, False, cash(page)),
            }
            told["board_page"] = opened(page, desk, "board", None)
            told["board"] = of_goal(BOARD_GOAL_S, 0, False, [looked_up(page, word) for word in NAMES])
            return told


def opened(page: Page, desk: Desk, address: str, button: str | None) -> float:
    """Seconds until a page of the desk can be used, its files kept by the browser already."""
    began = time.perf_counter()
    page.goto(f"{desk.dashboard}/{address}")
    there = (
        page.get_by_role("button", name=button) if button else page.get_by_label("Name, phone or reference")
    )
    expect(there).to_be_visible(timeout=WAIT_MS)
    return round(time.perf_counter() - began, 1)


def of_goal(goal_s: float, taps: int, amount: bool, took_s: list[float]) -> dict[str, Any]:
    """``seen_s``: what the desk and the way to it took. ``charged_s``: with the time of a hand."""
    hand = taps * TAP_S + (AMOUNT_S if amount else 0)
    middle = median(took_s)
    return {
        "seen_s": round(middle, 1), "worst_seen_s": round(max(took_s), 1), "taps": taps,
        "charged_s": round(middle + hand, 1), "goal_s": goal_s,
        "of_goal": round((middle + hand) / goal_s, 2),
    }  # fmt: skip


@contextmanager
def browser(way: str) -> Iterator[BrowserContext]:
    program = installed()
    if program is None:
        sys.exit("no browser is installed: `make test` installs one")
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=program, args=QUIET_BROWSER)
        yield one.new_context(viewport={"width": 390, "height": 844}, has_touch=True, proxy={"server": way})
        one.close()


def signed_in(context: BrowserContext, desk: Desk) -> Page:
    page = context.new_page()
    page.goto(desk.sign_in_link(ORGANISER))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Live")).to_be_visible(timeout=WAIT_MS)
    return page


def open_a_shift(page: Page, desk: Desk) -> None:
    page.goto(f"{desk.dashboard}/shift")
    page.get_by_label("Till", exact=True).fill("Main door", timeout=WAIT_MS)
    page.get_by_label("Till", exact=True).press("Enter")
    page.get_by_label("Float: what is in the drawer now").fill("500")
    page.get_by_role("button", name="Open the shift").click()
    expect(page.get_by_text("Nothing taken yet")).to_be_visible(timeout=WAIT_MS)


def link_by_price(page: Page, nth: int) -> float:
    """Another price than the last one's, *Create link*; until the code can be scanned."""
    began = time.perf_counter()
    page.get_by_text(PRICES[nth % 2]).click()
    return _made(page, began)


def link_by_amount(page: Page) -> float:
    page.get_by_text(PRICES[0]).click()
    expect(page.get_by_label("Amount in rand")).to_have_count(0, timeout=WAIT_MS)
    began = time.perf_counter()
    page.get_by_text("Another amount").click()
    page.get_by_label("Amount in rand").fill("275", timeout=WAIT_MS)
    return _made(page, began)


def _made(page: Page, began: float) -> float:
    page.get_by_role("button", name="Create link").click()
    expect(page.get_by_alt_text("QR code of the payment link")).to_be_visible(timeout=WAIT_MS)
    took = time.perf_counter() - began
    page.get_by_role("button", name="Next payer").click()
    expect(page.get_by_role("button", name="Create link")).to_be_visible(timeout=WAIT_MS)
    return took


def cash(page: Page) -> list[float]:
    """Another price than the last one's, what was handed over, *Take cash*; until the change is told."""
    page.get_by_text("Cash", exact=True).click()
    took = []
    for nth in range(TIMES):
        expect(page.get_by_role("button", name="Take cash")).to_be_visible(timeout=WAIT_MS)
        began = time.perf_counter()
        page.get_by_text(PRICES[nth % 2]).click()
        page.get_by_role("radio", name=NOTES[nth % 2], exact=True).or_(
            page.get_by_text(NOTES[nth % 2], exact=True)
        ).first.click(timeout=WAIT_MS)
        page.get_by_role("button", name="Take cash").click()
        expect(page.get_by_text("Give back")).to_be_visible(timeout=WAIT_MS)
        took.append(time.perf_counter() - began)
        page.get_by_role("button", name="Next payer").click()
    return took


def looked_up(page: Page, word: str) -> float:
    field = page.get_by_label("Name, phone or reference")
    field.fill(word, timeout=WAIT_MS)
    began = time.perf_counter()
    field.press("Enter")
    expect(page.locator(".st-key-board [data-testid=stButton]").first).to_contain_text(
        word[:3], ignore_case=True, timeout=WAIT_MS
    )
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
