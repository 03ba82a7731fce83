"""A file that is not taken is told in a sentence, and before it what is, and how large."""

import tomllib
from pathlib import Path

import pytest

from payments import accounts
from payments.people import Role
from tests.desk import ADMIN
from tests.test_pages import Desk, all_html, desk, everything
from ui import uploads

__all__ = ["desk"]
#: Pages with the kinds they take, and the address that shows where to bring them.
TAKEN = {
    "pages/finance/statements.py": ("CSV, Excel, OFX, QIF, MT940 or CAMT.053", {}),
    "pages/finance/payouts.py": ("CSV or Excel", {"show": "Files"}),
    "pages/finance/registrations.py": ("CSV or Excel", {}),
    "pages/finance/legacy.py": ("JSON or CSV", {}),
    "pages/door/sheet.py": ("CSV or Excel", {}),
    "pages/finance/exports.py": ("CSV, Excel or PDF", {}),
}


def opened(desk: Desk, page: str):
    with desk.sessions.begin() as session:
        accounts.create(session, ADMIN, name="Events", now=desk.now)
    desk.sign_in(Role.ADMIN)
    return desk.open(page, **TAKEN[page][1])


@pytest.mark.parametrize("page", TAKEN)
def test_what_is_taken_is_said_before_a_file_and_after_a_wrong_one(desk, page):
    at, kinds = opened(desk, page), TAKEN[page][0]
    (there,) = at.file_uploader
    most = 100 if page.endswith("exports.py") else uploads.LARGEST_MB
    assert f"{kinds}, up to {most} MB." in "".join(everything(at))
    there.upload("holiday.<b>mov</b>", b"\x00\x01").run()
    assert not at.exception
    (said,) = (error.value for error in at.error)
    assert "was not read" in said
    assert kinds in said.replace("\\", "")
    assert "<b>" not in said.replace("\\<", "")


def test_an_ending_in_capital_letters_is_the_same(desk):
    at = opened(desk, "pages/finance/statements.py")
    at.file_uploader[0].upload("MARCH.CSV", b"Date,Description,Amount\n").run()
    assert not any("was not read" in error.value for error in at.error)


def test_several_statements_come_in_one_after_the_other_each_looked_at(desk):
    """Twelve months of an account had been brought one by one, each with its own walk to the uploader."""
    at = opened(desk, "pages/finance/statements.py")
    heads = "Date,Description,Amount,Balance"
    march = f"{heads}\n2026/03/16,A,10.00,10.00\n2026/03/17,B,5.00,15.00\n".encode()
    april = f"{heads}\n2026/04/16,C,7.00,22.00\n".encode()
    there = at.file_uploader[0]
    there.upload("march.csv", march)
    there.upload("april.csv", april)
    there.upload("notes.doc", b"x").run()
    assert "notes" in at.error[0].value
    assert "march.csv, 1 of 2" in all_html(at)
    at.button(key="import").click().run()
    assert "2 new lines" in at.success[0].value
    assert "april.csv, 2 of 2" in all_html(at)
    at.button(key="leave_file").click().run()
    assert not at.exception
    assert "of 2" not in all_html(at)
    assert not at.file_uploader[0].value


def test_the_server_takes_no_more_than_pages_say():

    config = tomllib.loads(Path(".streamlit/config.toml").read_text(encoding="utf-8"))
    assert config["server"]["maxUploadSize"] == uploads.LARGEST_MB
