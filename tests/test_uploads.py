"""A file that is not taken is told in a sentence, and before it what is, and how large."""

import tomllib
from pathlib import Path

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.testing.v1 import AppTest

from payments.access.people import Role
from payments.bank import accounts, imports
from tests.desk import ADMIN
from tests.test_pages import Desk, all_html, desk, everything
from ui import uploads

__all__ = ["desk"]
STATEMENTS = "pages/finance/statements.py"
#: Pages with the kinds they take, and the address that shows where to bring them.
TAKEN = {
    STATEMENTS: ("CSV, Excel, OFX, QIF, MT940 or CAMT.053", {}),
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


def test_of_a_proof_is_said_what_is_taken_and_how_large_in_our_words():
    def page() -> None:
        from ui.claims import ask_proof

        ask_proof("proof")

    at = AppTest.from_function(page).run()
    assert not at.exception
    assert "JPEG, PNG or PDF, up to 8 MB." in "".join(everything(at))


def test_an_ending_in_capital_letters_is_the_same(desk):
    at = opened(desk, STATEMENTS)
    at.file_uploader[0].upload("MARCH.CSV", b"Date,Description,Amount\n").run()
    assert not any("was not read" in error.value for error in at.error)


def test_several_statements_come_in_one_after_the_other_each_looked_at(desk):
    """Twelve months of an account had been brought one by one, each with its own walk to the uploader."""
    at = opened(desk, STATEMENTS)
    heads = "Date,Description,Amount,Balance"
    march = f"{heads}\n2026/03/16,A,10.00,10.00\n2026/03/17,B,5.00,15.00\n".encode()
    april = f"{heads}\n2026/04/16,C,7.00,22.00\n".encode()
    there = at.file_uploader[0]
    there.upload("march.csv", march)
    there.upload("april.csv", april)
    there.upload("notes.doc", b"x").run()
    assert "notes" in at.error[0].value
    assert "march.csv, 1 of 2" in all_html(at)
    starting(at, "import_").click().run()
    assert "2 new lines" in at.success[0].value
    assert "april.csv, 2 of 2" in all_html(at)
    assert "1 file waits below" in all_html(at)
    assert not at.get("page_link")  # the next page would forget april.csv
    starting(at, "leave_").click().run()
    assert not at.exception
    assert "of 2" not in all_html(at)
    assert not at.file_uploader[0].value
    assert "1 file is in" in at.success[0].value
    assert at.get("page_link")


def three_months(desk: Desk):
    at, heads = opened(desk, STATEMENTS), "Date,Description,Amount,Balance"
    for nth, month in enumerate(("march", "april", "may"), 3):
        there = at.file_uploader[0].upload(
            f"{month}.csv", f"{heads}\n2026/0{nth}/16,A,1.00,{nth}.00\n".encode()
        )
    there.run()
    return at


def starting(at, word: str):
    """The one button of the file that is looked at."""
    (one,) = (each for each in at.button if str(each.key).startswith(word))
    return one


@pytest.mark.parametrize("word", ["import_", "leave_"])
def test_the_buttons_of_a_file_are_not_those_of_the_next(desk, word):
    """A second press that came a moment later took the next file in, though nobody had looked at it."""
    at = three_months(desk)
    before = starting(at, word)
    before.click().run()
    assert "april.csv, 2 of 3" in all_html(at)
    assert starting(at, word).proto.id != before.proto.id


@pytest.mark.parametrize(
    "meanwhile, told",
    [
        pytest.param((imports, "import_file"), "1 new line", id="while it is taken in"),
        pytest.param((accounts, "list_accounts"), "is here already", id="before the next one is drawn"),
    ],
)
def test_pressed_twice_it_is_one_file_and_the_others_wait(desk, monkeypatch, meanwhile, told):
    """By Streamlit's own queue: the second press runs the callback of the first once more."""
    at, usual, presses = three_months(desk), getattr(*meanwhile), []
    button = starting(at, "import_").proto.id

    def press_again(*args, **how):
        came = usual(*args, **how)
        if not presses:
            presses.append(WidgetStates(widgets=[WidgetState(id=button, trigger_value=True)]))
            run = get_script_run_ctx()
            again = RerunData(widget_states=presses[0], page_script_hash=run.page_script_hash)
            run.script_requests.request_rerun(again)
        return came

    monkeypatch.setattr(*meanwhile, press_again)
    starting(at, "import_").click().run()
    assert presses
    assert not at.exception
    assert told in at.success[0].value
    assert "april.csv, 2 of 3" in all_html(at)
    with desk.sessions.read() as session:
        assert [one.name for one in imports.files(session, ADMIN)] == ["march.csv"]


def test_who_takes_the_last_that_waits_out_of_the_uploader_hears_what_is_in(desk):
    at = three_months(desk)
    for _ in range(2):
        starting(at, "import_").click().run()
    there = at.file_uploader[0]
    there._files = [one for one in there._get_files_to_register() if one[1] != "may.csv"]
    there.run()
    assert not at.exception
    assert not at.file_uploader[0].value
    assert "2 files are in" in at.success[0].value
    assert at.get("page_link")


def test_what_was_said_of_one_files_columns_is_not_said_of_the_next(desk):
    at = opened(desk, STATEMENTS)
    there = at.file_uploader[0]
    there.upload("german.csv", b"Wann,Was,Wieviel,Saldo\n2026/03/16,A,10.00,10.00\n2026/03/17,B,5.00,15.00\n")
    there.upload(
        "french.csv", b"Jour,Quoi,Lieu,Combien\n2026/04/16,Loyer,Paris,7.00\n2026/04/17,Pain,Lille,3.00\n"
    )
    there.run()
    field(at, "Order of dates").set_value("ymd").run()
    starting(at, "leave_").click().run()
    assert not at.exception
    asked = ("A name for this layout", "Order of dates", "Amount")
    assert [field(at, label).value for label in asked] == ["french", None, 3]


def field(at, label: str):
    return next(one for one in (*at.selectbox, *at.text_input) if one.label == label)


def test_the_server_takes_no_more_than_pages_say():

    config = tomllib.loads(Path(".streamlit/config.toml").read_text(encoding="utf-8"))
    assert config["server"]["maxUploadSize"] == uploads.LARGEST_MB
