"""What a payer is shown and sent: the screen that turns green, the ways to share, their language."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import func, select

from db.models import AuditEntry, OutboxMail, TimelineEntry
from db.money import Money
from payments import lifecycle
from payments.access.people import Person, Role
from payments.asking import links, sharing
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.lifecycle import Source
from payments.payers import payer_language, payer_words
from payments.payers.payer_words import Language, Text
from payments.selling import terms
from payments.selling.terms import Terms
from tests.desk import ADMIN, issue, make_event, payment_of
from tests.running import ORGANISER, Desk, running
from tests.test_pages import component
from tests.test_pages import desk as page_desk

__all__ = ["page_desk"]

# -- the words --------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", Language)
def test_every_text_is_there_in_each_language_with_the_same_blanks(language):
    def blanks(text: str) -> set[str]:
        return {part.partition("}")[0] for part in text.split("{")[1:]}

    assert set(payer_words.TEXTS[language]) == set(Text)
    for text in Text:
        assert blanks(payer_words.TEXTS[language][text]) == blanks(payer_words.TEXTS[Language.ENGLISH][text])


def test_a_text_is_unread_until_a_speaker_signs_it_and_again_once_it_is_changed(sessions, now, monkeypatch):
    with sessions.begin() as session:
        assert payer_language.is_read(session, Language.ENGLISH)
        assert not payer_language.is_read(session, Language.ZULU)
        payer_language.sign(session, ADMIN, Language.ZULU, "Nomvula Dube", now=now)
    with sessions.read() as session:
        assert payer_language.readings(session)[Language.ZULU].speaker == "Nomvula Dube"
        assert not payer_language.is_read(session, Language.XHOSA)
        changed = {**payer_words.TEXTS[Language.ZULU], Text.PAID: "Other words"}
        monkeypatch.setitem(payer_words.TEXTS, Language.ZULU, changed)
        assert not payer_language.is_read(session, Language.ZULU)


def test_a_speaker_stands_by_the_texts_once_and_nobody_takes_their_place(sessions, now):
    """The button pressed twice writes nothing twice, and another name does not push the first one out."""
    with sessions.begin() as session:
        for name in ("Nomvula Dube", "  Nomvula   Dube "):
            payer_language.sign(session, ADMIN, Language.ZULU, name, now=now)
        with pytest.raises(Conflict, match="Nomvula Dube read these texts"):
            payer_language.sign(session, ADMIN, Language.ZULU, "Somebody Else", now=now)
    with sessions.read() as session:
        signed = select(func.count(AuditEntry.id)).where(AuditEntry.action == "sign_texts")
        assert session.scalar(signed) == 1


def test_only_an_admin_says_that_a_speaker_has_read_them(sessions, now):
    finance = Person(5, "Sipho", "sipho@example.org", Role.FINANCE, None)
    for person, speaker, error in (
        (finance, "Nomvula", NotAllowed),
        (ADMIN, "  ", InvalidInput),
        (ADMIN, "12 -", InvalidInput),
    ):
        with pytest.raises(error), sessions.begin() as session:
            payer_language.sign(session, person, Language.ZULU, speaker, now=now)


# -- sharing ------------------------------------------------------------------------------------------


@pytest.fixture
def link(sessions, gateway, now):
    with sessions.begin() as session:
        make_event(session, now=now)
    return issue(sessions, gateway, now=now)


def test_a_message_is_in_the_language_of_its_event(sessions, link, now):
    with sessions.read() as session:
        told = sharing.invitation(session, ADMIN, link.reference)
    assert told.text.startswith("Devconf 2026: please pay R150.00 here: https://")
    assert "_" not in told.text.rpartition(" ")[2]  # a reference as bank apps take it
    assert told.is_read
    with sessions.begin() as session:
        terms.save(session, ADMIN, "devconf", Terms(language=Language.XHOSA), now=now)
    with sessions.read() as session:
        told = sharing.invitation(session, ADMIN, link.reference)
    assert "nceda uhlawule" in told.text
    assert not told.is_read


def test_a_link_is_mailed_from_the_desk_once_at_a_time(sessions, link, now):
    with sessions.begin() as session:
        sharing.mail(session, ADMIN, link.reference, now=now)
    with pytest.raises(Conflict, match="already"), sessions.begin() as session:
        sharing.mail(session, ADMIN, link.reference, now=now)
    with sessions.begin() as session:
        (mail,) = session.scalars(select(OutboxMail))
        assert (mail.recipient, mail.subject) == ("zanele@example.org", "Your payment link for Devconf 2026")
        assert link.url in mail.body
        mail.state = "sent"
        sharing.mail(session, ADMIN, link.reference, now=now)
    with sessions.read() as session:
        shared = [row for row in session.scalars(select(TimelineEntry)) if row.kind == "shared"]
    assert [row.detail["how"] for row in shared] == ["mail", "mail"]


def test_who_may_mail_a_link_and_where_to(sessions, gateway, link, now):
    nobody = issue(sessions, gateway, now=now, payer_email="")
    viewer = Person(8, "Sipho", "sipho@example.org", Role.VIEWER, None)
    stranger = Person(9, "Aisha", "aisha@example.org", Role.ORGANISER, frozenset())
    for person, reference, error in (
        (viewer, link.reference, NotAllowed),
        (stranger, link.reference, NotFound),
        (ADMIN, nobody.reference, InvalidInput),
    ):
        with pytest.raises(error), sessions.begin() as session:
            sharing.mail(session, person, reference, now=now)


def test_a_link_for_more_than_is_owed_is_not_sent_on(sessions, link, now):
    with sessions.begin() as session:
        lifecycle.receive(
            session, payment_of(session, link.reference), kind="cash", source_reference="till-1",
            amount=Money(5_000), now=now, source=Source.DESK, actor="Thandi",
        )  # fmt: skip
        assert links.page_of(session, link.return_token) is None
        with pytest.raises(Conflict, match="for the rest"):
            sharing.invitation(session, ADMIN, link.reference)


def test_the_page_offers_each_way_and_tells_the_timeline(page_desk):
    link = issue(page_desk.sessions, page_desk.gateway, now=page_desk.now, payer_phone="082 123 4567")
    page_desk.sign_in(Role.ORGANISER)
    at = page_desk.open("pages/monitor/payments.py", payment=link.reference)
    (shown,) = component(at, "share")
    ways = {way["how"]: way["url"] for way in shown["ways"]}
    assert list(ways) == ["whatsapp", "sms", "email", "copy", "device"]
    assert ways["whatsapp"].startswith("https://wa.me/27821234567?text=Devconf%202026")
    assert ways["sms"].startswith("sms:%2B27821234567?body=")
    assert ways["email"].startswith("mailto:zanele%40example.org?subject=")
    at.button(key="drawer_share_mail").click().run()
    assert not at.error
    with page_desk.sessions.read() as session:
        assert session.scalar(select(OutboxMail.recipient)) == "zanele@example.org"


# -- the payer's screen -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with running(tmp_path_factory.mktemp("payer")) as desk:
        yield desk


@pytest.fixture
def phone(browser: Browser, running_desk: Desk) -> Iterator[BrowserContext]:
    """In the dark theme, to see that the screen is white all the same."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, color_scheme="dark")
    page = context.new_page()
    page.goto(running_desk.sign_in_link(ORGANISER))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Live")).to_be_visible(timeout=30_000)
    page.close()
    yield context
    context.close()


def ground(page: Page) -> str:
    return page.get_by_role("dialog").evaluate("one => getComputedStyle(one).backgroundColor")


@pytest.mark.browser
@pytest.mark.processes
def test_the_payers_screen_is_white_says_what_failed_and_turns_green(
    phone: BrowserContext, running_desk: Desk
) -> None:
    page = phone.new_page()
    page.add_init_script(
        "window.rung = 0; const start = OscillatorNode.prototype.start;"
        "OscillatorNode.prototype.start = function (...at)"
        " { window.rung += 1; return start.apply(this, at); }"
    )
    page.goto(f"{running_desk.dashboard}/take")
    page.get_by_label("Who pays (optional)").fill("Nomvula Dube")
    page.get_by_role("button", name="Create link").click()
    page.get_by_role("button", name="Show the code to the payer").click(timeout=20_000)
    screen = page.get_by_role("dialog")
    code = screen.get_by_alt_text("The code to scan")
    expect(code).to_be_visible()
    box = code.bounding_box()
    assert box is not None
    assert box["width"] > 300
    assert 0 <= box["x"] <= 390 - box["width"]
    assert ground(page) == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    link_id = running_desk.links()[-1]["paylinkID"]
    running_desk.pull(f"{link_id}/fail")
    expect(screen.get_by_text("did not go through")).to_be_visible(timeout=6_000)
    running_desk.pull(f"{link_id}/pay")
    began = time.monotonic()
    expect(screen.get_by_text("Paid. Thank you!")).to_be_visible(timeout=5_000)
    print(f"from the payment to green: {time.monotonic() - began:.1f} s")
    assert ground(page) == "rgb(0, 102, 47)"
    ends = time.monotonic() + 5
    while not page.evaluate("window.rung"):  # asked from here: the page's policy forbids it to ask itself
        assert time.monotonic() < ends, "nothing rang"
        time.sleep(0.1)

    screen.get_by_role("button", name="Next payer").click()
    expect(page.get_by_role("button", name="Create link")).to_be_visible(timeout=15_000)
    expect(page.get_by_role("dialog")).to_have_count(0)
