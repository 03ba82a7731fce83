"""What a bank line brought too much, dealt with by keys in a real browser."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import bootstrap
from db.models import Event
from db.money import Money
from payments.access import people
from payments.bank import accounts, imports
from payments.reconciling import proposing
from payments.statements import Mapping
from tests.running import ADMIN, Desk, running
from tests.samples import make_payment
from tests.test_keys import SLOW_MS, _state, open_page

pytestmark = [pytest.mark.browser, pytest.mark.processes]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with running(tmp_path_factory.mktemp("rests")) as desk:
        _furnish(desk)
        yield desk


def _furnish(desk: Desk) -> None:
    """Thandeka owes two payments, and brings R100 more than the one that her line names."""
    app = bootstrap.build(bootstrap.read_settings(desk.environ, None))
    now = app.now()
    with app.sessions.begin() as session:
        admin = people.system_person(session, ADMIN)
        event = session.query(Event).filter_by(code="GALA").one()
        one, _ = (
            make_payment(
                session, event, now=now - timedelta(days=1), payer_name="Thandeka Mokoena",
                payer_email="thandeka@example.org", payer_phone="",
            )
            for _ in range(2)
        )  # fmt: skip
        brings = (one.amount + Money(100_00)).decimal
        rows = f"Date,Text,Amount\n{now:%Y-%m-%d},T MOKOENA {one.reference.replace('_', '')},{brings}\n"
        account = accounts.create(session, admin, name="Events", now=now).id
        plain = Mapping(name="Plain", date=0, description=(1,), amount=2, heading=("Date", "Text", "Amount"))
        imports.import_file(session, admin, account, "a.csv", rows.encode(), now=now, mapping=plain)
    proposing.propose(app.sessions, admin, now=now)
    app.sessions.engine.dispose()


def test_the_rest_pays_another_payment_by_one_key_and_comes_back_by_another(
    browser: Browser, desk: Desk, tmp_path: Path
) -> None:
    state = _state(browser, desk, ADMIN, tmp_path / "state.json")
    context = browser.new_context(viewport={"width": 1440, "height": 900}, storage_state=state)
    context.set_default_timeout(SLOW_MS)
    page = open_page(context, desk, "workbench")
    lines = page.locator("ul.lines li[data-id]")
    expect(lines).to_have_count(1)
    expect(lines.first).to_contain_text("the rest of R")
    expect(lines.first).to_contain_text("Pay another, give back, assign")
    page.keyboard.press("j")
    page.keyboard.press("1")
    expect(lines).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(lines).to_have_count(1)
    expect(page.get_by_text("what came too much waits again")).to_be_visible()
    context.close()
