"""Every page, on a desk and on a phone, in light and dark: nothing sideways, nothing clipped, nothing
axe calls serious, nothing fetched from elsewhere; and sixty hostile names stay plain text."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

import bootstrap
import environment
import words
from db.money import Money
from payments import obligations
from payments.access import people
from payments.asking import links
from payments.finding.search import Filter
from payments.live.figures import Figure
from payments.live.stages import FURTHER
from tests.hostile import NAMES
from tests.running import ADMIN, Desk, running
from ui import charts

pytestmark = [pytest.mark.browser, pytest.mark.processes]

SCREENS = {"desk": (1440, 900), "phone": (390, 844)}
PAGES = [
    "",
    "payments",
    "attention",
    "approvals",
    "inbox",
    "workbench",
    "statements",
    "closing",
    "payouts",
    "rules",
    "memory",
    "refunds",
    "disputes",
    "registrations",
    "prices",
    "legacy",
    "audit",
    "reports",
    "schedules",
    "exports",
    "take",
    "board",
    "sheet",
    "shift",
    "events",
    "people",
    "systems",
    "settings",
    "account",
    "guide",
]
#: Streamlit's own: its sectioned navigation puts lists in lists.
NOT_OURS = ("[data-testid=stSidebarNav]", "[data-testid=stHeader]")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with running(tmp_path_factory.mktemp("looks")) as desk:
        _pay_as_the_hostile(desk)
        yield desk


def _pay_as_the_hostile(desk: Desk) -> None:
    app = bootstrap.build(environment.read_settings(desk.environ, None))
    with app.sessions.read() as session:
        admin = people.system_person(session, ADMIN)
    for nth, name in enumerate(NAMES):
        with app.sessions.read() as session:
            reference = obligations.draft_reference(session, admin, "DEVCONF", demo=True)
        draft = obligations.Draft(reference, "DEVCONF", Money(1_000 + nth), name, note=name)
        links.issue(
            app.sessions,
            app.gateways["ikhokha"],
            draft,
            person=admin,
            addresses=app.settings.addresses,
            now=app.now(),
        )
    app.sessions.engine.dispose()


@pytest.fixture(scope="module")
def state(browser: Browser, desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cookie of a signed-in admin."""
    kept = tmp_path_factory.mktemp("state") / "state.json"
    context = browser.new_context()
    page = context.new_page()
    page.goto(desk.sign_in_link(ADMIN))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Live")).to_be_visible(timeout=60_000)
    context.storage_state(path=kept)
    context.close()
    return kept


@pytest.fixture(params=SCREENS)
def context(request: pytest.FixtureRequest, browser: Browser, state: Path) -> Iterator[BrowserContext]:
    width, height = SCREENS[request.param]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="light", storage_state=state
    )
    yield context
    context.close()


def open_page(context: BrowserContext, desk: Desk, path: str) -> Page:
    return visit(context.new_page(), desk, path)


def visit(page: Page, desk: Desk, path: str) -> Page:
    """In a page that was here before the browser need not compile all of Streamlit anew."""
    page.emulate_media(color_scheme="light")
    with _what_it_lacked(page):
        page.goto(f"{desk.dashboard}/{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=60_000)
    expect(page.locator("[data-testid=stStatusWidget]")).to_have_count(0, timeout=60_000)
    page.evaluate(_SETTLED)
    return page


@contextmanager
def _what_it_lacked(page: Page) -> Iterator[None]:
    """A page without a heading tells what of it was refused or broke off, and what it shows instead."""
    lacked: list[str] = []
    listening: dict[str, Callable[[Any], None]] = {
        "response": lambda one: lacked.append(f"{one.status} {one.url}") if one.status >= 400 else None,
        "requestfailed": lambda one: lacked.append(f"{one.failure} {one.url}"),
        "pageerror": lambda one: lacked.append(str(one)),
    }
    for what, hear in listening.items():
        page.on(what, hear)  # type: ignore[call-overload]
    try:
        yield
    except AssertionError as error:
        error.add_note(f"{page.url} lacked {lacked}; it shows: {page.locator('body').inner_text()[:300]!r}")
        raise
    finally:
        for what, hear in listening.items():
            page.remove_listener(what, hear)


#: Components draw themselves once they are loaded; a quarter of a second without a change is the end of it.
_SETTLED = """() => new Promise(done => {
    let calm;
    const wait = () => { clearTimeout(calm); calm = setTimeout(done, 250); };
    new MutationObserver(wait).observe(document.body, {subtree: true, childList: true, characterData: true});
    wait();
})"""


def test_every_page_fits_its_screen_and_can_be_used_by_everybody(context: BrowserContext, desk: Desk) -> None:
    strangers: list[str] = []
    context.on(
        "request", lambda request: strangers.append(request.url) if _is_strange(request.url, desk) else None
    )
    page = context.new_page()
    for path in PAGES:
        visit(page, desk, path)
        assert page.get_by_text("Something broke on our side").count() == 0, path
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert page.evaluate(_SIDEWAYS) == [], path
        assert _serious(page) == [], path
        paper = page.locator("[data-testid=stApp]")
        day = paper.evaluate("paper => getComputedStyle(paper).backgroundColor")
        page.emulate_media(color_scheme="dark")
        expect(paper).not_to_have_css("background-color", day)
        assert _serious(page, _COLOURS) == [], f"{path} in the dark"
    assert strangers == []


def test_what_the_colours_of_a_chart_mean_stands_above_it(context: BrowserContext, desk: Desk) -> None:
    """The signs of another page's calendar, shown on phones alone, took this one's off the desk."""
    page = open_page(context, desk, "")
    meanings = page.locator(".pd-block .pd-legend")
    expect(meanings).not_to_have_count(0)
    for one in meanings.all():
        expect(one).to_be_visible()


@pytest.mark.parametrize("width, room", [(1440, 313), (390, 326)])
def test_the_funnel_told_apart_fits_its_card_and_its_noughts_stand_with_the_numbers(
    context: BrowserContext, width: int, room: int
) -> None:
    """``room`` is what its card leaves there. A nought leads nowhere, so that nothing made it as tall."""

    def step(count: int, stayed: int) -> charts.Reach:
        figures = (Figure(each, {}, Filter()) for each in (count, stayed))
        return next(figures), "no further", next(figures)

    rows = [
        ("Joburg Tech Week 2026", [step(95, 2), step(81, 14), step(76, 5), step(70, 6)]),
        ("Durban Jazz and Poetry Weekend 2027", [step(3, 0), step(0, 3), step(0, 0), step(0, 0)]),
    ]
    heads = ["Event", *(words.STAGE[stage][0] for stage in FURTHER)]
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    drawn = charts.funnels("How far payers came today, by event", heads, rows)
    look = (Path(__file__).parent.parent / "static" / "desk.css").read_text(encoding="utf-8")
    body = (
        f'<body style="font-family: sans-serif"><div class="pd-blocks" style="width:{room}px">{drawn}</div>'
    )
    page.set_content(f"<style>{look}</style>{body}")
    assert page.locator(".pd-scroll").evaluate("box => box.scrollWidth - box.clientWidth") == 0
    assert page.locator("td").first.evaluate("cell => parseFloat(getComputedStyle(cell).paddingLeft)") < 3
    numbers = page.locator("tbody tr:nth-child(2) td > :first-child").all()
    middles = {round(box["y"] + box["height"] / 2) for box in (one.bounding_box() for one in numbers) if box}
    assert len(numbers) == 4
    assert len(middles) == 1
    page.close()


#: What is cut off by the edge of the screen and cannot be scrolled to.
_SIDEWAYS = """() => [...document.querySelectorAll('[data-testid=stMain] *')].filter(e => {
    const box = e.getBoundingClientRect();
    if (!box.width || box.right <= window.innerWidth + 1) return false;
    for (let up = e.parentElement; up && up.dataset.testid !== 'stMain'; up = up.parentElement)
        if (getComputedStyle(up).overflowX !== 'visible') return false;
    return true;
}).map(e => e.outerHTML.slice(0, 120))"""


def _is_strange(url: str, desk: Desk) -> bool:
    return not url.startswith((desk.dashboard, desk.dashboard.replace("http", "ws"), "data:", "blob:"))


#: Of axe's rules those that can tell light from dark.
_COLOURS: dict[str, Any] = {"runOnly": ["color-contrast", "link-in-text-block"]}
#: What fits is not gathered node by node: on a long list that takes longer than finding what does not.
_FAULTS: dict[str, Any] = {"resultTypes": ["violations"]}


def _serious(page: Page, options: Mapping[str, Any] = MappingProxyType({})) -> list[tuple[str, str]]:
    """What axe holds against the page each time it looks: while a part is drawn anew Streamlit fades it."""
    for _ in range(4):
        found = _scan(page, options)
        if not found:
            break
        page.wait_for_timeout(1_500)
    return found


def _scan(page: Page, options: Mapping[str, Any]) -> list[tuple[str, str]]:
    context = {"include": [["body"]], "exclude": [[selector] for selector in NOT_OURS]}
    found = Axe().run(page, context=context, options={**_FAULTS, **options}).response
    return [
        (one["id"], node["html"][:150])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def test_hostile_names_stay_text(browser: Browser, state: Path, desk: Desk) -> None:
    """No element made of a name, no request of a name's, no dialog."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, storage_state=state)
    strangers: list[str] = []
    context.on(
        "request", lambda request: strangers.append(request.url) if _is_strange(request.url, desk) else None
    )
    for path in ("", "payments", "payments?page=2", "take"):
        page = open_page(context, desk, path)
        page.on("dialog", lambda dialog: pytest.fail(f"a name opened a dialog: {dialog.message}"))
        assert (
            page.locator("[data-testid=stMain] a[href*=evil], img[src*=evil], iframe, [onerror]").count() == 0
        )
        page.close()
    newest = desk.manage("find", "", "--limit", "60")["rows"]
    for row in newest[:3]:
        page = open_page(context, desk, f"payments?payment={row['reference']}")
        expect(page.get_by_role("dialog")).to_be_visible(timeout=15_000)
        assert page.locator("[role=dialog] a[href*=evil], [role=dialog] img[src*=evil]").count() == 0
        page.close()
    assert strangers == []
    context.close()
