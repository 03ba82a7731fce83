"""The desk by keyboard alone, in a real browser: the palette, lists, the drawer, the queue, many at once."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

import bootstrap
import environment
from db.models import Event, Payment
from db.money import Money
from payments import lifecycle, obligations
from payments.access import people
from payments.asking import links
from payments.bank import accounts, imports
from payments.lifecycle import Review, Source
from payments.reconciling import proposing
from payments.statements import Mapping
from simulator.families import surnames
from tests.running import ADMIN, ORGANISER, Desk, running
from tests.samples import make_payment

pytestmark = [pytest.mark.browser, pytest.mark.processes]
#: Payers of the conference, the newest last; one of the gala, which is not the organiser's.
PAYERS = ("Nomvula Dube", "Pieter van der Merwe", "<img src=x onerror=alert(1)> Zola")
GALA_PAYER = "Secret Sipho"
WHY = "The payer sent a screenshot of it."
SLOW_MS = 20_000
SURNAMES = [one for one in surnames() if " " not in one]


@pytest.fixture(scope="module")
def count(request: pytest.FixtureRequest) -> int:
    """How many lines the bank has: fifty to be worked through with ``--chaos``."""
    return (50 if request.config.getoption("--chaos") else 8) + LEFT


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, count: int) -> Iterator[Desk]:
    with running(tmp_path_factory.mktemp("keys")) as desk:
        _furnish(desk, count)
        yield desk


def _furnish(desk: Desk, count: int) -> None:
    """Four cases of payments by hand, links that the gateway knows, and a case about one of those."""
    app = bootstrap.build(environment.read_settings(desk.environ, None))
    now = app.now()
    with app.sessions.begin() as session:
        admin = people.system_person(session, ADMIN)
        event = session.query(Event).filter_by(code="DEVCONF").one()
        for nth in range(4):
            made = now - timedelta(days=2, minutes=nth)
            payment = make_payment(session, event, now=made, payer_name=f"Case {nth}", status="paid")
            reason = Review.OVERPAID if nth < 3 else Review.PAID_LATE
            lifecycle.flag(session, payment, reason, now=made, source=Source.POLL, actor="iKhokha")
    _bank_lines(app, admin, count)  # before the others, which stand above them in the list
    for nth, (name, code) in enumerate([(GALA_PAYER, "GALA"), *((each, "DEVCONF") for each in PAYERS)]):
        with app.sessions.read() as session:
            reference = obligations.draft_reference(session, admin, code, demo=True)
        draft = obligations.Draft(reference, code, Money(1_000 + nth), name)
        links.issue(
            app.sessions, app.gateways["ikhokha"], draft, person=admin, addresses=app.settings.addresses,
            now=app.now(),
        )  # fmt: skip
    with app.sessions.begin() as session:
        asked = session.query(Payment).filter_by(payer_name=PAYERS[0]).one()
        lifecycle.flag(
            session, asked, Review.CURRENCY_MISMATCH, now=app.now(), source=Source.POLL, actor="iKhokha"
        )
    app.sessions.engine.dispose()


#: Of ten lines of the bank: one is a stranger's, two are of two payers who look alike, and seven are a rand
#: short, so that a person has to say that they are parts. Three are left for the tests after.
STRANGER, ALIKE, LEFT = (5,), (2, 6), 3


def _bank_lines(app: bootstrap.App, admin: people.Person, count: int) -> None:
    today = app.now().date().isoformat()
    rows = "Date,Text,Amount\n"
    with app.sessions.begin() as session:
        event = session.query(Event).filter_by(code="GALA").one()
        for nth in range(count):
            made = app.now() - timedelta(days=1)
            if nth % 10 in STRANGER:
                rows += f"{today},EFT STATIONERS {nth},{nth + 1}.00\n"
                continue
            payers = 2 if nth % 10 in ALIKE else 1
            name = f"Thandeka {SURNAMES[nth % len(SURNAMES)]}" if payers == 2 else f"Payer {nth}"
            owed = [make_payment(session, event, now=made, payer_name=name) for _ in range(payers)]
            if payers == 2:
                rows += f"{today},EFT {name.upper()},{owed[0].amount.decimal}\n"
            else:
                bare = owed[0].reference.replace("_", "")
                rows += f"{today},EFT {bare},{Money(owed[0].amount_minor - 100).decimal}\n"
        account = accounts.create(session, admin, name="Events", now=app.now()).id
        mapping = Mapping(
            name="Plain", date=0, description=(1,), amount=2, heading=("Date", "Text", "Amount")
        )
        imports.import_file(session, admin, account, "a.csv", rows.encode(), now=app.now(), mapping=mapping)
    proposing.propose(app.sessions, admin, now=app.now())


def _state(browser: Browser, desk: Desk, email: str, kept: Path) -> Path:
    context = browser.new_context()
    page = context.new_page()
    page.goto(desk.sign_in_link(email))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Live")).to_be_visible(timeout=SLOW_MS)
    context.storage_state(path=kept)
    context.close()
    return kept


@pytest.fixture(scope="module")
def admin(browser: Browser, desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    state = _state(browser, desk, ADMIN, tmp_path_factory.mktemp("admin") / "state.json")
    context = browser.new_context(viewport={"width": 1440, "height": 900}, storage_state=state)
    context.set_default_timeout(SLOW_MS)
    yield context
    context.close()


def open_page(context: BrowserContext, desk: Desk, path: str) -> Page:
    page = context.new_page()
    page.on("dialog", lambda dialog: pytest.fail(f"a name opened a dialog: {dialog.message}"))
    page.goto(f"{desk.dashboard}/{path}")
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_role("button", name="Go to or do something")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("[data-testid=stStatusWidget]")).to_have_count(0, timeout=SLOW_MS)
    return page


def palette(page: Page) -> Locator:
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Go to or do")
    expect(box).to_be_focused()
    return box


def option(page: Page, text: str) -> Locator:
    return page.get_by_role("option").filter(has_text=text).first


def chosen(page: Page) -> Locator:
    return page.locator("[role=option][aria-selected=true]")


def drawer(page: Page) -> Locator:
    return page.get_by_role("dialog").filter(has_text="What happened")


def opened(page: Page, reference: str) -> None:
    """The drawer is at this payment and listens: its last part, the timeline, is there."""
    expect(drawer(page)).to_contain_text(reference, timeout=SLOW_MS)
    expect(drawer(page).get_by_text(re.compile("asked for R"))).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("[data-testid=stStatusWidget]")).to_have_count(0, timeout=SLOW_MS)


# -- the palette --------------------------------------------------------------------------------------


def test_the_palette_goes_to_a_page_by_arrows_and_enter_and_esc_leaves_it(admin, desk):
    page = open_page(admin, desk, "payments")
    box = palette(page)
    first = chosen(page).inner_text()
    page.keyboard.press("ArrowDown")
    expect(chosen(page)).not_to_have_text(first)
    page.keyboard.press("ArrowUp")
    expect(chosen(page)).to_contain_text(first.strip().splitlines()[-1])
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    palette(page)
    page.keyboard.type("needs att")
    expect(chosen(page)).to_contain_text("Needs attention", timeout=SLOW_MS)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Needs attention", level=1)).to_be_visible(timeout=SLOW_MS)
    page.close()


def test_the_palette_opens_a_payment_found_by_its_payer_and_its_name_stays_text(admin, desk):
    page = open_page(admin, desk, "attention")
    palette(page)
    page.keyboard.type("zola")
    expect(option(page, PAYERS[2])).to_be_visible(timeout=SLOW_MS)
    page.keyboard.press("Enter")
    expect(drawer(page)).to_contain_text(PAYERS[2], timeout=SLOW_MS)
    assert page.locator("img[src=x]").count() == 0
    page.close()


def test_the_palette_of_an_organiser_finds_only_their_events(browser, desk, tmp_path):
    state = _state(browser, desk, ORGANISER, tmp_path / "organiser.json")
    context = browser.new_context(storage_state=state)
    page = open_page(context, desk, "payments")
    expect(page.locator("[data-desk-list] button").first).to_be_visible(timeout=SLOW_MS)
    palette(page)
    expect(option(page, "Payments")).to_be_visible()
    assert option(page, "People").is_hidden()
    page.keyboard.type("nomvula")
    expect(option(page, "Nomvula Dube")).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("combobox", name="Go to or do").fill("sipho")
    expect(page.get_by_text("Nothing fits.")).to_be_visible(timeout=SLOW_MS)
    assert GALA_PAYER not in page.content()
    context.close()


def test_the_sheet_of_keys_opens_by_its_key_and_never_while_somebody_types(admin, desk):
    page = open_page(admin, desk, "payments")
    sheet = page.locator("dialog[aria-label=Keys]")
    page.keyboard.press("?")
    expect(sheet).to_be_visible()
    expect(sheet).to_contain_text("Go to a page or a payment")
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    page.keyboard.press("/")
    search = page.get_by_role("searchbox")
    expect(search).to_be_focused()
    page.keyboard.type("j?k")
    expect(search).to_have_value("j?k")
    expect(sheet).to_be_hidden()
    page.keyboard.press("Escape")
    page.locator("h1").click()
    palette(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(sheet).to_be_visible()
    page.close()


# -- lists and the drawer -----------------------------------------------------------------------------


def test_a_list_and_its_drawer_are_walked_by_keys(admin, desk):
    page = open_page(admin, desk, "payments")
    rows = page.locator("[data-desk-list] button[data-row]")
    expect(rows.first).to_be_visible(timeout=SLOW_MS)
    references = [rows.nth(nth).get_attribute("data-row") for nth in range(3)]
    page.keyboard.press("j")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    opened(page, references[1])
    for key, nth in (("j", 2), ("k", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("n", 2), ("p", 1), ("p", 0)):
        page.keyboard.press(key)
        opened(page, references[nth])
        expect(page).to_have_url(re.compile(f"payment={references[nth]}"), timeout=SLOW_MS)
    page.keyboard.press("Escape")
    expect(drawer(page)).to_have_count(0, timeout=SLOW_MS)
    page.keyboard.press("/")
    expect(page.get_by_label("Search", exact=True)).to_be_focused()
    page.keyboard.press("ArrowDown")  # out of the search, onto the first of what it found
    expect(rows.nth(0)).to_be_focused()
    page.close()


def test_all_that_match_are_cancelled_with_a_preview_and_undone(admin, desk):
    page = open_page(admin, desk, "payments?q=status%3Aopen%20event%3ADEVCONF")
    page.get_by_role("button", name="Do to all").click()
    expect(page.get_by_text("All 3 payments that match")).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("dialog").get_by_text("Cancel", exact=True).click()
    page.get_by_label("Why is nobody waiting for them any more?").fill("The event has moved.")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="See what it would do").click()
    expect(page.get_by_text("Cancel: 3 of 3")).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("button", name="Cancel 3 payments").click()
    expect(page.get_by_text("Cancel: 3 done")).to_be_visible(timeout=30_000)
    expect(page.get_by_role("dialog").locator("tbody tr")).to_have_count(3)
    assert {row["status"] for row in desk.manage("find", "Nomvula")["rows"]} == {"cancelled"}
    page.get_by_role("button", name="Undo 3").click()
    expect(page.get_by_text("Cancel: 3 undone")).to_be_visible(timeout=30_000)
    assert {row["status"] for row in desk.manage("find", "Nomvula")["rows"]} == {"open"}
    page.close()


def test_payments_are_chosen_by_box_and_by_key_and_none_opens_by_it(admin, desk):
    page = open_page(admin, desk, "payments?q=status%3Aopen%20event%3ADEVCONF")
    rows, boxes = page.locator("tbody tr"), page.locator("td.tick input")
    expect(boxes).to_have_count(3, timeout=SLOW_MS)
    boxes.nth(2).click()
    expect(page.get_by_text("1 payment chosen")).to_be_visible(timeout=SLOW_MS)
    page.keyboard.press("k")
    page.keyboard.press("x")
    expect(page.get_by_text("2 payments chosen")).to_be_visible(timeout=SLOW_MS)
    assert [boxes.nth(nth).is_checked() for nth in range(3)].count(True) == 2
    expect(drawer(page)).to_have_count(0)
    page.get_by_role("button", name="Do to these").click()
    expect(page.get_by_text("The 2 payments that you chose")).to_be_visible(timeout=SLOW_MS)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0, timeout=SLOW_MS)
    page.get_by_role("button", name="Choose none").click()
    expect(page.get_by_text("payments chosen")).to_have_count(0, timeout=SLOW_MS)
    for nth in range(3):
        expect(boxes.nth(nth)).not_to_be_checked(timeout=SLOW_MS)
    rows.nth(0).locator("td.payer").click()
    expect(drawer(page)).to_be_visible(timeout=SLOW_MS)
    page.close()


# -- the queue ----------------------------------------------------------------------------------------


def test_a_case_is_decided_by_keys_alone_and_the_decision_undone(admin, desk):
    page = open_page(admin, desk, "attention?reason=Paid+late")
    case = page.locator("button.case")
    expect(case).to_have_count(1, timeout=SLOW_MS)
    page.keyboard.press("j")
    expect(case).to_be_focused()
    page.keyboard.press("2")
    why = page.get_by_label("Why, for whoever reads it later")
    expect(why).to_be_focused(timeout=SLOW_MS)
    expect(page.get_by_test_id("stRadio").get_by_role("radio").nth(1)).to_be_checked()
    page.keyboard.type(WHY)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Decided, and taken off the queue")).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("It is on the queue again")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("button.case")).to_have_count(1, timeout=SLOW_MS)
    page.close()


def test_several_cases_are_chosen_by_keys_and_decided_together(admin, desk):
    page = open_page(admin, desk, "attention?reason=Overpaid")
    cases, boxes = page.locator("button.case"), page.locator(".choose input")
    expect(cases).to_have_count(3, timeout=SLOW_MS)
    boxes.nth(2).click()  # keys go on from a box that was clicked: they had been taken for typing in it
    expect(page.get_by_text("1 case chosen")).to_be_visible(timeout=SLOW_MS)
    page.keyboard.press("k")
    expect(cases.nth(1)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("1 case chosen")).to_have_count(0, timeout=SLOW_MS)
    page.keyboard.press("k")
    page.keyboard.press("k")
    page.keyboard.press("x")
    expect(page.get_by_text("1 case chosen")).to_be_visible(timeout=SLOW_MS)
    expect(cases.nth(0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("2 cases chosen")).to_be_visible(timeout=SLOW_MS)
    assert [boxes.nth(nth).is_checked() for nth in range(3)] == [True, True, False]
    page.get_by_role("button", name="Decide or assign together").click()
    page.get_by_label("Why, for whoever reads it later").fill(WHY)
    page.keyboard.press("Tab")
    page.get_by_role("button", name="See what it would do").click()
    expect(page.get_by_text(re.compile("Decide: 2 of 2"))).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("button", name="Decide 2 cases").click()
    expect(page.get_by_text("Decide: 2 done")).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("button", name="Close").click()
    expect(page.locator("button.case")).to_have_count(1, timeout=SLOW_MS)
    page.close()


def test_the_gateway_is_asked_and_the_payment_opened_from_the_queue_by_keys(admin, desk):
    page = open_page(admin, desk, "attention?reason=Currency+differs")
    expect(page.locator("button.case")).to_have_count(1, timeout=SLOW_MS)
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.locator("li .said")).to_contain_text("The gateway was asked", timeout=SLOW_MS)
    expect(page.locator("button.case")).to_be_focused()
    page.keyboard.press("o")
    expect(drawer(page)).to_contain_text(PAYERS[0], timeout=SLOW_MS)
    page.close()


# -- bank lines ---------------------------------------------------------------------------------------


def test_bank_lines_are_worked_through_as_fast_as_somebody_types(admin, desk, count):
    """What is pressed before the desk has answered waits its turn; the last one is undone by Ctrl+Z."""
    page = open_page(admin, desk, "workbench")
    lines = page.locator("ul.lines li[data-id]")
    expect(lines.nth(min(count, 50) - 3)).to_be_visible()  # others may have been dealt with already
    waiting = page.get_by_text(re.compile("lines wait ·")).first.inner_text()
    there = int(waiting.split()[0])
    began, done = time.monotonic(), Counter[str]()
    page.keyboard.press("j")
    for _ in range(there - LEFT):
        done[_by_one_key(page)] += 1
    expect(lines).to_have_count(LEFT, timeout=count * 14_400)
    print(f"\n{there - LEFT} bank lines by keys alone in {time.monotonic() - began:.0f} s: {dict(done)}")
    assert set(done) == {"a", "1", "o"}
    expect(page.get_by_text(re.compile("^Accepted"))).to_be_visible()
    page.keyboard.press("Control+z")
    expect(lines).to_have_count(LEFT + 1, timeout=SLOW_MS)
    expect(page.get_by_text("both stand in its history")).to_be_visible()
    expect(lines.first.get_by_text("Undone")).to_be_visible()
    page.close()


def test_what_is_done_while_the_desk_is_busy_is_not_put_aside_by_what_comes_after(admin, desk):
    """Of two values that a component sends during one run of the page, only the newer arrives."""
    page = open_page(admin, desk, "workbench")
    lines = page.locator("ul.lines li[data-id]")
    accepts = lines.filter(has=page.locator("[data-deed=accept]"))
    expect(accepts.nth(2)).to_be_visible()
    first, second, third = (accepts.nth(nth).get_attribute("data-id") for nth in range(3))
    lines.first.evaluate(
        """(line, ids) => {
            const at = (id) => line.parentNode.querySelector(`[data-id="${id}"]`);
            const [chosen, accepted, also] = ids.map(at);
            chosen.querySelector("input").click();
            accepted.querySelector("[data-deed=accept]").click();
            also.querySelector("input").click();
        }""",
        [second, first, third],
    )
    expect(page.locator(f"ul.lines li[data-id='{first}']")).to_have_count(0, timeout=SLOW_MS)
    expect(page.get_by_text("2 lines chosen")).to_be_visible(timeout=SLOW_MS)
    page.close()


def _by_one_key(page: Page) -> str:
    """Deal with the line that has the focus as its keys offer; who knows none sets it apart in its drawer."""
    here = page.locator("ul.lines li[data-id]:focus-within")
    offered = here.locator(".deed kbd").all_text_contents()
    key = next(one for one in ("a", "1", "o") if one in offered)
    number = here.get_attribute("data-id")
    page.keyboard.press(key)
    if key == "o":
        drawer_ = page.get_by_role("dialog").filter(has_text="What it is for")
        expect(drawer_).to_contain_text("EFT STATIONERS", timeout=4 * SLOW_MS)
        why = drawer_.get_by_role("textbox", name="Why", exact=True)
        while not why.evaluate("field => field.getRootNode().activeElement === field"):
            page.keyboard.press("Tab")
        page.keyboard.type("Stationery, paid back to us.")
        page.keyboard.press("Control+Enter")
        expect(page.locator(f"ul.lines li[data-id='{number}']")).to_have_count(0, timeout=4 * SLOW_MS)
        expect(drawer_).to_have_count(0, timeout=SLOW_MS)
        page.keyboard.press("j")
    return key


def test_a_bank_line_is_split_in_its_drawer(admin, desk):
    page = open_page(admin, desk, "workbench")
    page.keyboard.press("j")
    page.keyboard.press("o")
    line = page.get_by_role("dialog").filter(has_text="What it is for")
    amount = line.get_by_role("textbox", name="For Payer")
    expect(amount).to_have_value(re.compile("[0-9]"))
    line.get_by_text("Write off what a payment still lacks").click()
    expect(line.get_by_role("checkbox", name="Write off")).to_be_checked()
    line.get_by_role("textbox", name="Why").fill("The bank kept a rand.")
    line.get_by_role("button", name="Accept").click()
    expect(page.get_by_text(re.compile("^Accepted"))).to_be_visible()
    page.close()


# -- the days of a month ------------------------------------------------------------------------------


def test_days_are_walked_by_the_arrows_and_opened_by_enter_within_the_page(admin, desk):
    page = open_page(admin, desk, "closing")
    day = page.locator(".pd-month a")
    expect(day.last).to_be_visible()
    page.evaluate("window.stays = true")
    page.locator(".pd-month a[tabindex='0']").focus()  # the one stop of the Tab key
    if day.count() > 1:
        page.keyboard.press("ArrowLeft")
        expect(day.nth(day.count() - 2)).to_be_focused()
        page.keyboard.press("ArrowRight")
    expect(day.last).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".pd-month a[aria-current]")).to_be_focused()
    expect(page).to_have_url(re.compile(r"day=\d{4}-\d\d-\d\d"))
    assert page.evaluate("window.stays")
    page.close()
