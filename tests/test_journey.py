"""The main job, end to end, in a real browser over real processes: issue, pay, see, find, export."""

import csv
import io
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from playwright.sync_api import TimeoutError as TimedOut
from pypdf import PdfReader

from payments.access import people
from payments.selling import organisers
from payments.selling.organisers import Organiser
from tests.running import ADMIN, ORGANISER, Desk, running

pytestmark = [pytest.mark.browser, pytest.mark.processes]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with running(tmp_path_factory.mktemp("desk")) as desk:
        yield desk


@pytest.fixture(autouse=True)
def calm(desk: Desk) -> None:
    """The simulator as it is by default."""
    desk.pull("reset")


@pytest.fixture(scope="module")
def admins(browser: Browser, desk: Desk) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    sign_in(context, desk, ADMIN)
    yield context
    context.close()


@pytest.fixture
def signed_in(admins: BrowserContext) -> Iterator[BrowserContext]:
    """No page of it stays open: each would be drawn anew with all that happens in the next test."""
    yield admins
    for page in admins.pages:
        page.close()


def sign_in(context: BrowserContext, desk: Desk, email: str) -> None:
    page = context.new_page()
    page.goto(desk.sign_in_link(email))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Live")).to_be_visible(timeout=20_000)
    page.close()


@pytest.fixture
def payer(browser: Browser) -> Iterator[Page]:
    """A payer's own phone: no cookie of ours."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    yield context.new_page()
    context.close()


def take(context: BrowserContext, desk: Desk, name: str, amount: str) -> tuple[Page, str, str]:
    """Create a link at the door; the page with its QR, the link's address, the payment's reference."""
    page = context.new_page()
    page.goto(f"{desk.dashboard}/take")
    page.get_by_text("Another amount").click()
    page.get_by_label("Amount in rand").fill(amount)
    page.get_by_label("Who pays").fill(f"{name} {name.split()[0].lower()}@example.org")
    page.get_by_role("button", name="Create link").click()
    expect(page.get_by_alt_text("QR code of the payment link")).to_be_visible(timeout=15_000)
    url = page.locator("[data-testid=stCode] code").inner_text()
    found = desk.manage("find", name)["rows"]
    assert len(found) == 1
    return page, url, found[0]["reference"]


def says_paid(door: Page, payer: str) -> None:
    """Of this payment: those of today stand below it."""
    expect(door.get_by_text(f"by {payer}").first).to_be_visible(timeout=5_000)


def test_from_a_link_issued_to_a_row_exported(signed_in: BrowserContext, desk: Desk, payer: Page) -> None:
    live = signed_in.new_page()
    live.goto(desk.dashboard)
    expect(live.get_by_role("heading", name="Live")).to_be_visible()
    door, url, reference = take(signed_in, desk, "Nomvula Dube", "1 234.56")
    gateway_reference = url.rpartition("/")[2]

    payer.goto(url)
    payer.get_by_role("button", name="Pay by card").click()
    paid_at = time.monotonic()
    says_paid(door, "Nomvula Dube")
    expect(live.get_by_text("R1\u00a0234.56").first).to_be_visible(timeout=5_000)
    assert time.monotonic() - paid_at < 10  # both within 5 s of the payment, waited for one after the other
    payer.wait_for_url("**/return/**", timeout=15_000)
    expect(payer.get_by_text("R1\u00a0234.56")).to_be_visible()
    assert "Nomvula" not in payer.content()

    search = signed_in.new_page()
    search.goto(f"{desk.dashboard}/payments")
    for words in (reference, "nomvula", "1234.56", gateway_reference):
        before = search.url
        search.get_by_label("Search").fill(words)
        search.get_by_label("Search").press("Enter")
        expect(search).not_to_have_url(before, timeout=10_000)  # what follows is the answer to these words
        expect(search.get_by_text("1 payment", exact=False).first).to_be_visible(timeout=10_000)
        expect(search.get_by_text("Nomvula Dube").first).to_be_visible()

    search.get_by_role("button", name="Export", exact=False).first.click()
    dialog = search.get_by_role("dialog")
    with search.expect_download(timeout=20_000) as download:
        dialog.get_by_role("button", name="Export 1 payment").click()
    expect(dialog.get_by_text("1 payment is in", exact=False)).to_be_visible(timeout=15_000)
    text = download.value.path().read_text("utf-8-sig")
    *rows, last = csv.DictReader(io.StringIO(text))
    assert last["reference"].startswith(
        "# end, 1 rows, ZAR 1234.56 asked, ZAR 1234.56 received, export DEMO_EXP"
    )
    assert [(row["reference"], row["amount"], row["currency"], row["payment_status"]) for row in rows] == [
        (reference, "1234.56", "ZAR", "paid")
    ]
    assert rows[0]["payment_id"] == gateway_reference


def test_instant_eft_pays_as_well(signed_in: BrowserContext, desk: Desk, payer: Page) -> None:
    door, url, reference = take(signed_in, desk, "Johan Botha", "99")
    payer.goto(url)
    payer.get_by_role("button", name="Pay by Instant EFT").click()
    says_paid(door, "Johan Botha")
    assert desk.manage("payment", reference)["received_minor"] == 9_900


def test_a_failed_attempt_is_told_and_the_same_link_still_pays(
    signed_in: BrowserContext, desk: Desk, payer: Page
) -> None:
    door, url, reference = take(signed_in, desk, "Lerato Molefe", "120.50")
    payer.goto(url)
    payer.get_by_role("button", name="Simulate a failed attempt").click()
    expect(door.get_by_text("The last attempt failed")).to_be_visible(timeout=5_000)
    payer.goto(url)
    payer.get_by_role("button", name="Pay by card").click()
    says_paid(door, "Lerato Molefe")
    kinds = [entry["kind"] for entry in desk.manage("payment", reference)["timeline"]]
    assert kinds.count("receipt") == 1


def test_a_cancelled_visit_leaves_the_link_payable(
    signed_in: BrowserContext, desk: Desk, payer: Page
) -> None:
    _door, url, reference = take(signed_in, desk, "Sibusiso Khumalo", "75")
    payer.goto(url)
    payer.get_by_role("button", name="Cancel").click()
    payer.wait_for_url("**/return/**", timeout=15_000)
    assert desk.manage("payment", reference)["status"] == "open"
    desk.pull(f"{url.rpartition('/')[2]}/pay")
    desk.wait_for(reference, "paid", seconds=10)


def test_a_webhook_that_never_comes_does_not_matter(
    signed_in: BrowserContext, desk: Desk, payer: Page
) -> None:
    desk.pull("switches", webhook="drop")
    door, url, reference = take(signed_in, desk, "Fatima Adams", "310")
    desk.pull(f"{url.rpartition('/')[2]}/pay")
    payment = desk.wait_for(reference, "paid", seconds=90)
    assert [entry["source"] for entry in payment["timeline"] if entry["kind"] == "receipt"] == ["poll"]
    says_paid(door, "Fatima Adams")


def test_two_hundred_rapid_clicks_make_one_link(signed_in: BrowserContext, desk: Desk) -> None:
    before = len(desk.links())
    page = signed_in.new_page()
    page.goto(f"{desk.dashboard}/take")
    page.get_by_text("Another amount").click()
    page.get_by_label("Amount in rand").fill("42")
    page.get_by_label("Who pays").fill("Impatient Mahlangu")
    button = page.get_by_role("button", name="Create link")
    button.evaluate("button => { for (let n = 0; n < 200; n++) button.click(); }")
    expect(page.get_by_alt_text("QR code of the payment link")).to_be_visible(timeout=15_000)
    assert desk.manage("find", "Impatient")["count"] == 1
    assert len(desk.links()) == before + 1


def test_a_sheet_becomes_links_and_comes_back_with_them(signed_in: BrowserContext, desk: Desk) -> None:
    people = "naam;selfoon;bedrag;table\n" + "".join(
        f"Gast {nth};08212345{nth:02d};R 250;{nth}\n" for nth in range(25)
    )
    page = signed_in.new_page()
    page.goto(f"{desk.dashboard}/sheet")
    upload = {"name": "gaste.csv", "mimeType": "text/csv", "buffer": f"{people}Niemand;;1.5;9\n".encode()}
    page.locator("input[type=file]").set_input_files(upload)  # type: ignore[arg-type]
    page.get_by_role("button", name="Make 25 links").click(timeout=15_000)
    with page.expect_download(timeout=30_000) as download:
        page.get_by_text("CSV", exact=True).click(timeout=30_000)
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig")), delimiter=";"))
    assert {row["paydesk_status"] for row in rows[:25]} == {"open"}
    assert len({row["paydesk_link"] for row in rows[:25]}) == 25
    assert (rows[25]["paydesk_link"], rows[25]["table"]) == ("", "9")
    assert "not an amount" in rows[25]["paydesk_problem"]


def test_a_forged_success_is_kept_and_never_believed(desk: Desk) -> None:
    link = desk.manage("link", "--event", "DEVCONF", "--amount", "50.00", "--payer", "Pravin Naidoo")
    body = {
        "paylinkID": link["gateway_reference"],
        "status": "SUCCESS",
        "externalTransactionID": link["reference"],
        "responseCode": "00",
    }
    headers = {"ik-appid": "demo", "ik-sign": "0" * 64}
    assert requests.post(desk.webhook, json=body, headers=headers, timeout=5).status_code == 401
    time.sleep(3)  # the one status query it may cause is answered by now
    assert desk.manage("payment", link["reference"])["status"] == "open"
    desk.pull(f"{link['gateway_reference']}/pay")  # the genuine one follows, with the very same body
    desk.wait_for(link["reference"], "paid", seconds=10)


def test_an_organiser_sees_nothing_of_another_event(browser: Browser, desk: Desk) -> None:
    other = desk.manage("link", "--event", "GALA", "--amount", "80", "--payer", "Gift Sithole")
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    sign_in(context, desk, ORGANISER)
    page = context.new_page()
    for path in ("", "payments", f"payments?payment={other['reference']}", "take"):
        page.goto(f"{desk.dashboard}/{path}")
        expect(page.get_by_text("Aisha Patel").first).to_be_visible(timeout=15_000)
        page.wait_for_timeout(1_500)
        assert "Gift Sithole" not in page.content()
        assert "Gala Dinner" not in page.content()
    exported = page.request.get(f"{desk.dashboard}/export?text=Gift")
    assert exported.ok
    assert exported.text().count("\r\n") == 1  # the headings
    assert page.request.get(f"{desk.dashboard}/people").ok
    page.goto(f"{desk.dashboard}/people")
    page.wait_for_timeout(1_500)
    assert "thandi@example.org" not in page.content()
    context.close()


def test_another_amount_is_shown_before_it_is_done_and_not_done_once_money_came(
    signed_in: BrowserContext, desk: Desk
) -> None:
    """Before money another payment takes its place; what was meant for it does nothing once it is paid."""
    _, _, reference = take(signed_in, desk, "Zodwa Khumalo", "1000")
    page = signed_in.new_page()
    page.goto(f"{desk.dashboard}/payments?payment={reference}")
    costs(page, "800", "asks for R800.00 in its place")
    in_its_place = page.get_by_role("button", name="In its place")
    send(page, in_its_place)
    in_its_place.click(timeout=15_000)
    expect(page.get_by_text(f"In place of: {reference}")).to_be_visible(timeout=15_000)
    other = page.url.rpartition("payment=")[2]
    costs(page, "700", "asks for R700.00 in its place")
    (row,) = desk.manage("find", other)["rows"]
    desk.pull(f"{row['gateway_reference']}/pay")
    while desk.manage("find", other)["rows"][0]["status"] != "paid":
        time.sleep(0.5)
    send(page, page.get_by_role("dialog").get_by_text("The gateway says it is paid", exact=False))
    assert page.get_by_text("asked for it; a second person decides").count() == 0
    (row,) = desk.manage("find", other)["rows"]
    assert (row["status"], row["amount_minor"]) == ("paid", 80_000)
    assert len(desk.manage("find", "Zodwa Khumalo")["rows"]) == 2


def costs(page: Page, amount: str, says: str) -> None:
    """The drawer's form, with an amount typed and what it would do shown."""
    box = page.get_by_role("textbox", name="What it costs in all from now on")
    opens = page.get_by_text("Change the amount", exact=True).first
    expect(box).to_be_hidden(timeout=20_000)  # that of the payment before, which this one takes the place of
    for _ in range(3):  # a drawer that is still being drawn closes what was opened: as people do, once more
        with suppress(TimedOut):
            if not opens.is_visible():
                page.get_by_role("dialog").get_by_role("button", name="Money", exact=True).click(
                    timeout=20_000
                )
            if not box.is_visible():
                opens.click(timeout=10_000)
            box.fill(amount, timeout=10_000)
            box.press("Enter", timeout=5_000)
            page.get_by_text(says).wait_for(timeout=15_000)
            break
    expect(page.get_by_text(says)).to_be_visible(timeout=15_000)
    page.get_by_label("Why does it cost something else?").fill("She is a member after all")


def send(page: Page, done: Locator) -> None:
    """The form of a popover, until what it does is seen: a press on what is being drawn anew is lost."""
    press = page.get_by_test_id("stPopoverBody").get_by_test_id("stFormSubmitButton").get_by_role("button")
    press.click()
    for _ in range(2):
        with suppress(TimedOut):
            done.wait_for(timeout=15_000)
            return
        with suppress(TimedOut):
            press.click(timeout=5_000)
    expect(done).to_be_visible(timeout=15_000)


def test_an_invoice_is_issued_from_the_drawer_and_its_second_print_says_copy(
    signed_in: BrowserContext, desk: Desk
) -> None:
    with desk.changing() as (session, now):
        admin = replace(people.system_person(session, ADMIN), proved_at=now)
        organisers.save(session, admin, "DEVCONF", Organiser("Example Club", "1 Side Road, Durban"), now=now)
    _, _, reference = take(signed_in, desk, "Lindiwe Sithole", "4800")
    page = signed_in.new_page()
    page.goto(f"{desk.dashboard}/payments?payment={reference}")
    page.get_by_text("Make a quotation or an invoice").click(timeout=20_000)
    choose(page, "What", "Invoice, a tax invoice")
    page.get_by_label("Name or company").fill("Example Attorneys")
    page.get_by_role("button", name="Issue it").click()
    expect(page.get_by_text("It is issued, and stands below with its number.")).to_be_visible(timeout=15_000)
    issued = page.get_by_text("to Example Attorneys", exact=False).first
    expect(issued).to_be_visible()
    assert "COPY" not in printed(page, "PDF")
    page.reload()
    again = printed(page, "Copy")
    assert "COPY" in again
    assert "Example Attorneys" in again
    assert "4 800.00" in again.replace("\u00a0", " ")


def choose(page: Page, name: str, option: str) -> None:
    """A choice of a box. Its list closes when the drawer is drawn anew, and is opened once more."""
    wanted = page.get_by_role("option", name=option)
    for _ in range(3):
        with suppress(TimedOut):
            if not wanted.is_visible():
                page.get_by_role("combobox", name=name, exact=True).click(timeout=20_000)
            wanted.click(timeout=10_000)
            return
    raise AssertionError(f"{option} could not be chosen of {name}")


def printed(page: Page, word: str) -> str:
    """What stands on the paper that this link gives."""
    with page.expect_download(timeout=20_000) as download:
        page.get_by_role("link", name=word, exact=True).click(timeout=20_000)
    return "".join(sheet.extract_text() for sheet in PdfReader(download.value.path()).pages)
