"""Statements and Reconcile, as people of each role use them."""

import re
from contextlib import contextmanager
from dataclasses import replace

import pytest
import streamlit as st
from sqlalchemy import select
from streamlit.runtime.scriptrunner import get_script_run_ctx

import words
from db.models import StatementLine
from db.money import Money
from payments.access.people import Role
from payments.bank import accounts, imports
from payments.deciding.attention import Age
from payments.errors import NotFound
from payments.lifecycle import Status
from payments.reconciling import exceptions, proposing, whose
from payments.statements import Mapping
from tests.desk import ADMIN, issue, payment_of
from tests.test_pages import Desk, all_html, component, desk, everything, harmless
from ui.pieces import escape

BENCH, STATEMENTS = "pages/finance/workbench.py", "pages/finance/statements.py"
PLAIN = Mapping(name="Plain", date=0, description=(1,), amount=2, heading=("Date", "Text", "Amount"))
__all__ = ["desk"]


def owes(desk: Desk, name: str = "**Zanele** <b>M</b>", minor: int = 150_000) -> str:
    return issue(desk.sessions, desk.gateway, now=desk.now, payer_name=name, amount=Money(minor)).reference


def banked(desk: Desk, *lines: tuple[str, str]) -> None:
    rows = "".join(f"2026-11-23,{what},{amount}\n" for what, amount in lines)
    with desk.sessions.begin() as session:
        account = accounts.create(session, ADMIN, name="Events", now=desk.now).id
        data = f"Date,Text,Amount\n{rows}".encode()
        imports.import_file(session, ADMIN, account, "a.csv", data, now=desk.now, mapping=PLAIN)
    proposing.propose(desk.sessions, ADMIN, now=desk.now)


def lines(at) -> list[dict]:
    return [line for each in component(at, "lines") for line in each["lines"]]


def waiting(desk: Desk) -> list[exceptions.ExceptionView]:
    with desk.sessions.read() as session:
        return exceptions.queue(session, ADMIN, now=desk.now)


def button(at, label):
    (found,) = [one for one in at.button if one.label.startswith(label)]
    return found


@pytest.mark.parametrize("role", [Role.FINANCE, Role.AUDITOR])
def test_who_may_look_sees_the_lines_and_only_the_office_may_accept(desk, role):
    one = owes(desk)
    banked(desk, (f"EFT <b>X</b> {one.replace('_', '')}", "1400.00"))
    desk.sign_in(role)
    at = desk.open(BENCH)
    assert not at.exception
    harmless(at)
    (line,) = lines(at)
    assert line["candidates"][0]["reference"] == one
    against = {sign["says"] for sign in line["candidates"][0]["signs"] if not sign["agrees"]}
    assert "amount R100.00 below" in against
    assert [deed[1] for deed in line["deeds"]] == (["accept", "more"] if role is Role.FINANCE else ["more"])
    assert "1 line waits · R1\u00a0400.00 at risk" in all_html(at)


def test_each_pill_of_the_bench_tells_how_many_lines_it_shows_and_how_much_is_in_them(desk):
    """Its doors are pills: what each tells is counted and added up in the list it leads to."""
    one = owes(desk)
    first, second = owes(desk, "Thandeka Mokoena"), owes(desk, "Thandeka Mokoena")
    assert first != second
    banked(
        desk, (f"EFT {one.replace('_', '')}", "1400.00"), ("EFT THANDEKA MOKOENA", "1500.00"),
        ("Rent 1", "77.10"), ("Rent 2", "88.20"),
    )  # fmt: skip
    desk.sign_in(Role.FINANCE)
    at = desk.open(BENCH)
    whole = lines(at)
    reasons = [label.partition(" · ") for label in at.pills(key="reason").options]
    assert sum(int(count) for _, _, count in reasons if count) == len(whole) == 4
    for word, _, count in reasons:
        if count:
            narrowed = lines(desk.open(BENCH, reason=word))
            assert {line["reason"]["word"] for line in narrowed} == {word}
            assert len(narrowed) == int(count)
    tie = desk.open(BENCH, reason="A tie")
    assert [re.search(r": (\d+)", label)[1] for label in tie.pills(key="line_age").options] == [
        "1",
        "0",
        "0",
        "0",
    ]
    tie.pills(key="line_age").select(Age.LONGER).run()
    assert (lines(tie), "4 other lines wait" in all_html(tie)) == ([], True)
    tie.pills(key="line_age").select(Age.DAY).run()
    assert len(lines(tie)) == 1
    tie.pills(key="reason").select("Nothing fits").run()
    assert (len(lines(tie)), tie.query_params["reason"]) == (2, "Nothing fits")
    tie.pills(key="reason").unselect("Nothing fits").run()
    assert (len(lines(tie)), "reason" in tie.query_params) == (4, False)
    for label in at.pills(key="line_age").options:
        age, count, *worth = re.split(r": | · ", label)
        at.pills(key="line_age").select(Age(age)).run()
        there = lines(at)
        assert len(there) == int(count)
        if there:
            assert worth == [words.sums({"ZAR": added_up(there)})]
        at.pills(key="line_age").unselect(Age(age)).run()
    assert f"4 lines wait · {words.sums({'ZAR': added_up(whole)})} at risk" in all_html(at)


def test_from_the_drawer_of_a_line_the_list_goes_on(desk):
    """Who worked through fifty lines had closed the drawer and opened the next one each time."""
    banked(desk, ("Rent 1", "77.10"), ("Rent 2", "88.20"))
    desk.sign_in(Role.FINANCE)
    first, second = (line["id"] for line in lines(desk.open(BENCH)))
    at = desk.open(BENCH, line=first)
    assert "1 of 2" in all_html(at)
    assert (at.button(key="line_before").disabled, at.button(key="line_next").disabled) == (True, False)
    at.button(key="line_next").click().run()
    assert "2 of 2" in all_html(at)
    assert "Rent 2" in all_html(at)
    assert at.query_params["line"] == second
    assert at.button(key="line_next").disabled


def test_a_line_that_waits_no_more_leads_on_from_its_drawer(desk, monkeypatch):
    """Somebody else had dealt with it meanwhile, and its drawer was a dead end."""
    banked(desk, ("Rent 1", "77.10"), ("Rent 2", "88.20"))
    desk.sign_in(Role.FINANCE)
    at = desk.open(BENCH)
    walk = [line["id"] for line in lines(at)]
    get = exceptions.get

    def meanwhile(session, person, line_id, *, now):
        if line_id == int(walk[0]):
            raise NotFound("This line does not wait for anybody.")
        return get(session, person, line_id, now=now)

    monkeypatch.setattr(exceptions, "get", meanwhile)
    at.query_params["line"] = walk[0]
    at.run()
    assert "does not wait" in at.error[0].value
    at.button(key="line_next").click().run()
    assert at.query_params["line"] == walk[1]
    assert not at.error


def added_up(some: list[dict]) -> Money:
    return Money(sum(Money.parse(line["amount"]).minor for line in some))


def test_an_empty_bench_says_where_lines_come_from(desk):
    desk.sign_in(Role.FINANCE)
    assert "Add one and import its statement" in all_html(desk.open(BENCH))


def test_a_tie_offers_each_payment_and_nothing_to_accept(desk):
    first, second = owes(desk, "Thandeka Mokoena"), owes(desk, "Thandeka Mokoena")
    banked(desk, ("EFT THANDEKA MOKOENA", "1500.00"))
    desk.sign_in(Role.FINANCE)
    (line,) = lines(desk.open(BENCH))
    assert {one["reference"] for one in line["candidates"]} == {first, second}
    assert [one["deed"].partition(":")[0] for one in line["candidates"]] == ["take", "take"]
    assert [deed[1] for deed in line["deeds"]] == ["more"]


def test_a_line_is_taken_apart_in_its_drawer(desk):
    one = owes(desk, "Zanele Mokoena")
    banked(desk, (f"EFT {one.replace('_', '')}", "1490.00"))
    desk.sign_in(Role.FINANCE)
    (waits,) = waiting(desk)
    at = desk.open(BENCH, line=str(waits.line_id))
    harmless(at)
    (amount,) = [field for field in at.text_input if field.label.startswith("For ")]
    assert amount.value == "1490.00"
    at.checkbox(key=f"off_{waits.line_id}").check()
    button(at, "Accept").click().run()
    assert "Say why it is written off" in at.error[0].value
    at.text_input(key=f"split_why_{waits.line_id}").set_value("The bank kept R10.")
    button(at, "Accept").click().run()
    assert not at.error
    with desk.sessions.read() as session:
        payment = payment_of(session, one)
        assert (payment.status, payment.written_off_minor) == (Status.PAID, 1000)
    assert "Nothing waits" in all_html(at)
    at.button(key="bench_undo_last").click().run()
    assert [view.reason for view in waiting(desk)] == [proposing.Reason.UNDONE]


def test_what_breaks_under_a_button_leaves_the_page_and_says_so(desk, monkeypatch):
    """A bug in what a button runs had left a page with nothing but its own text on it."""
    one = owes(desk, "Zanele Mokoena")
    banked(desk, (f"EFT {one.replace('_', '')}", "1490.00"))
    desk.sign_in(Role.FINANCE)
    at = desk.open(BENCH)

    def broken(*_given, **_named):
        raise ZeroDivisionError("R 1 490 of Zanele's")

    monkeypatch.setattr(proposing, "propose", broken)
    at.button(key="propose").click().run()
    assert not at.exception
    assert "Something broke on our side" in at.warning[0].value
    assert len(lines(at)) == 1


def test_a_line_that_nothing_fits_offers_whose_name_it_bears_and_one_click_takes_it(desk):
    owes(desk, "Zanele Mokoena", 90_000)
    one = owes(desk, "**Zanele** Mokoena", 45_000)
    owes(desk, "Zanele Mokoena", 45_100)
    owes(desk, "Farai Dlamini", 45_000)
    banked(desk, ("EFT ZANELE MOKOENA FOR US", "400.00"))
    desk.sign_in(Role.FINANCE)
    (waits,) = waiting(desk)
    assert waits.reason is proposing.Reason.NOTHING
    at = desk.open(BENCH, line=str(waits.line_id))
    harmless(at)
    offered = [each for each in at.button if (each.key or "").startswith("could_be_")]
    assert len(offered) == 3
    assert {each.label.replace("\\", "").rpartition("waits for ")[2] for each in offered} == {
        "R450.00",
        "R451.00",
        "R900.00",
    }
    assert "Farai" not in "".join(each.label for each in offered)
    next(each for each in offered if "R450" in each.label).click().run()
    button(at, "Accept").click().run()
    assert not at.error
    with desk.sessions.read() as session:
        assert payment_of(session, one).status == Status.PART_PAID


def test_who_a_line_could_be_of_is_looked_for_once_until_anything_changes(desk, monkeypatch):
    owes(desk, "Zanele Mokoena", 90_000)
    banked(desk, ("EFT ZANELE MOKOENA FOR US", "400.00"))
    desk.sign_in(Role.FINANCE)
    (waits,) = waiting(desk)
    looked, look = [], whose.by_name
    monkeypatch.setattr(whose, "by_name", lambda *asked: looked.append(1) or look(*asked))
    at = desk.open(BENCH, line=str(waits.line_id))
    at.run()
    assert len(looked) == 1
    owes(desk, "Zanele Mokoena", 45_000)
    at.run()
    assert len(looked) == 2
    assert len([each for each in at.button if (each.key or "").startswith("could_be_")]) == 2


def test_a_lump_sum_of_the_gateway_leads_to_where_it_is_explained(desk):
    banked(desk, ("IKHOKHA PAYOUT", "1450.00"))
    desk.sign_in(Role.FINANCE)
    (line,) = lines(desk.open(BENCH))
    assert line["deeds"][0] == ["Find what is in it", "payouts", "p", "other"]


def test_surplus_is_moved_to_another_payment_of_its_payer_and_taken_back(desk):
    one, other = owes(desk, "Zanele <b>M</b>"), owes(desk, "Zanele <b>M</b>", 60_000)
    banked(desk, (f"EFT {one.replace('_', '')}", "1800.00"))
    desk.sign_in(Role.FINANCE)
    (waits,) = waiting(desk)
    at = desk.open(BENCH, line=str(waits.line_id))
    at.text_input(key=f"split_why_{waits.line_id}").set_value("Paid for two.")
    button(at, "Accept").click().run()
    at = desk.open(BENCH, reason="Surplus")
    harmless(at)
    assert "R300.00 of it pays nothing yet" in all_html(at)
    (amount,) = [field for field in at.text_input if field.label == "How much"]
    assert amount.value == "300.00"
    amount.set_value("three")
    button(at, "Pay it").click().run()
    assert "three" in at.error[0].value
    (amount,) = [field for field in at.text_input if field.label == "How much"]
    amount.set_value("250")
    (why,) = [field for field in at.text_input if field.label == "Why?"]
    why.set_value("It was for both.")
    button(at, "Pay it").click().run()
    assert at.success[0].value.startswith("R250")
    assert at.button(key="bench_undo_last").label.startswith("Undo: R250")
    assert "R50.00 of it pays nothing yet" in all_html(at)
    with desk.sessions.read() as session:
        assert payment_of(session, other).received_minor == 250_00
    (why,) = [field for field in at.text_input if field.key.startswith("back_why")]
    why.set_value("It was for one.")
    button(at, "Take it back").click().run()
    assert "Taken back" in at.success[0].value
    assert "bench_undo_last" not in [one.key for one in at.button], "it had offered to take it back once more"
    (why,) = [field for field in at.text_input if field.key.startswith("move_why")]
    why.set_value("It was for both after all.")
    button(at, "Pay it").click().run()
    at.button(key="bench_undo_last").click().run()
    assert "Taken back" in at.success[0].value
    desk.sign_in(Role.AUDITOR)
    at = desk.open(BENCH, reason="Surplus")
    assert "R300.00 of it pays nothing yet" in all_html(at)
    assert not [one for one in at.button if one.label == "Pay it"]


def test_who_matched_what_and_why_is_listed(desk):
    one = owes(desk, "Zanele Mokoena")
    banked(desk, (f"EFT {one.replace('_', '')}", "1500.00"))
    desk.sign_in(Role.AUDITOR)
    told = "".join(everything(desk.open(BENCH, reason="Matched")))
    assert one in told
    assert "Paydesk" in told
    assert "exact reference: amount exact" in told, "what found it is said once"
    assert "reference exact" not in told
    journey = all_html(desk.open("pages/monitor/payments.py", payment=one))
    assert "on the statement" in journey


def sample(desk: Desk, tmp_path, name: str, text: str):
    (tmp_path / "statements").mkdir(exist_ok=True)
    (tmp_path / "statements" / f"{name}.csv").write_text(text)
    at = desk.open(STATEMENTS)
    at.button(key=f"sample_{name}").click().run()
    return at


def starting(buttons, word: str):
    """The one whose key begins so, and goes on with its file's."""
    (one,) = (each for each in buttons if str(each.key).startswith(word))
    return one


def is_import(node) -> bool:
    return node.type == "button" and str(node.key).startswith("import_")


def field(widgets, end: str):
    """The one of the mapping's; its key begins with its file's."""
    (one,) = (each for each in widgets if str(each.key).startswith("map_") and str(each.key).endswith(end))
    return one


@pytest.fixture
def account(desk):
    with desk.sessions.begin() as session:
        accounts.create(session, ADMIN, name="Events", now=desk.now)
    desk.sign_in(Role.FINANCE)


def test_a_statement_is_looked_at_then_imported_and_undone_with_what_was_matched(desk, account, tmp_path):
    one = owes(desk, "Zanele Mokoena")
    reference = one.replace("_", "")
    text = f"Date,Description,Amount,Balance\n2026-11-23,EFT {reference},1500.00,1500.00\n2026-11-23,EFT,x,\n"
    at = sample(desk, tmp_path, "march", text)
    harmless(at)
    assert "3: 1 line, 1 that could not be read, 1 heading or total" in all_html(at)
    with desk.sessions.read() as session:
        assert session.scalars(select(StatementLine)).all() == []
    starting(at.button, "import_").click().run()
    assert "1 found their payment by themselves" in at.success[0].value
    assert "1 row could not be read and waits below" in at.success[0].value.replace("\\", "")
    assert any("row 3" in one.label for one in at.expander)
    with desk.sessions.read() as session:
        assert payment_of(session, one).status == Status.PAID
    at.toggle(key="going_1").set_value(True).run()
    assert "These matches are undone with the import" in at.warning[0].value
    (goes,) = component(at, "payments")[0]["rows"]
    assert (goes["payer"], goes["event"]) == (f"{one} · Zanele Mokoena", f"EFT {reference}")
    at.text_input(key="undo_file_why_1").set_value("It was the wrong month.")
    button(at, "Undo 1 match, and the import").click().run()
    assert not at.error
    with desk.sessions.read() as session:
        assert payment_of(session, one).status == Status.OPEN
        assert {line.state for line in session.scalars(select(StatementLine))} == {"gone"}


def test_an_account_that_was_just_added_is_the_one_a_file_comes_into(desk, account):
    """The file went into the one that had been chosen before it, when it named no number itself."""
    at = desk.open(STATEMENTS)
    at.text_input(key="new_account_name").set_value("Dollars")
    at.selectbox(key="new_account_currency").set_value("USD")
    button(at, "Add the account").click().run()
    assert not at.error
    with desk.sessions.read() as session:
        made = next(one for one in accounts.list_accounts(session, ADMIN) if one.name == "Dollars")
    assert (made.currency, at.selectbox(key="account").value) == ("USD", made.id)


def test_an_account_is_changed_taken_out_of_use_and_used_again_on_the_page(desk, account):
    at = desk.open(STATEMENTS)
    form = [one for one in at.text_input if one.label.startswith(("What colleagues", "Number"))]
    name, number = form[-2:]
    name.set_value("Fairs")
    number.set_value("62 000 004 217")
    button(at, "Save it").click().run()
    assert "It is saved" in at.success[0].value
    assert at.selectbox(key="account").options == ["Fairs …4217"]
    at.button(key="retire_1").click().run()
    assert "is out of use" in at.success[0].value
    assert "No bank account yet" in all_html(at)
    at.button(key="again_1").click().run()
    assert at.selectbox(key="account").options == ["Fairs …4217"]


def test_a_file_of_another_account_leads_to_it(desk, account, tmp_path):
    """It said to choose the account that it belongs to, also where there was none."""
    heads = "Account,Date,Description,Reference,Amount,Fees,Balance"
    text = f"{heads}\n1051000001,13/03/2026,Inward EFT,A,10.00,0.00,10.00\n"
    with desk.sessions.begin() as session:
        accounts.change(session, ADMIN, 1, name="Events", number="6212345678", now=desk.now)
    at = sample(desk, tmp_path, "other", text)
    assert "No account here has that number" in at.error[0].value
    assert at.text_input(key="its_account_number_1051000001").value == "1051000001"
    at.text_input(key="its_account_name").set_value("Refunds")
    starting(at.button, "FormSubmitter:its_account").click().run()
    assert not at.error
    assert at.selectbox(key="account").value == 2
    assert starting(at.button, "import_").label.endswith("into Refunds …0001")
    at.selectbox(key="account").select(1).run()
    assert "Choose Refunds" in at.error[0].value
    at.button(key="its_account").click().run()
    assert at.selectbox(key="account").value == 2
    assert not at.error


def test_a_row_is_repaired_with_what_it_says_before_ones_eyes(desk, account, tmp_path):
    """Its form lay over it, and asked for the text that had been read of it."""
    text = "Date,Description,Amount,Balance\n2026-11-23,EFT,10.00,10.00\n2026-11-23,EFT S DLAMINI,x,\n"
    starting(sample(desk, tmp_path, "march", text).button, "import_").click().run()
    at = desk.open(STATEMENTS)
    (title,) = [one.label for one in at.expander if "row 3" in one.label]
    assert "cannot be read" in title
    assert "EFT S DLAMINI" not in all_html(at)  # the file is not read for rows that nobody opens
    at.session_state["row_1"] = True
    at.run()
    assert "EFT S DLAMINI" in all_html(at)
    assert at.text_input(key="row_text_1").value == "EFT S DLAMINI"
    at.text_input(key="row_amount_1").set_value("25.00")
    at.text_input(key="row_why_1").set_value("The bank said so by phone.")
    button(at, "It says this").click().run()
    assert not at.error
    with desk.sessions.read() as session:
        made = session.scalars(select(StatementLine).order_by(StatementLine.id.desc())).first()
        assert (made.amount_minor, made.description) == (25_00, "EFT S DLAMINI")


def dollars_came(desk, rows: str) -> None:
    """A file of an account that is held in dollars."""
    with desk.sessions.begin() as session:
        account = accounts.create(session, ADMIN, name="Dollars", currency="USD", now=desk.now)
        data = f"Date,Text,Amount\n{rows}".encode()
        mapping = replace(PLAIN, currency="USD")
        imports.import_file(session, ADMIN, account.id, "dollars.csv", data, now=desk.now, mapping=mapping)


def test_a_row_of_an_account_in_another_currency_is_repaired_in_it(desk, account):
    """Whatever was typed was taken for rand, and refused: the row waited for ever."""
    dollars_came(desk, "2026-11-23,EFT,10.00\n2026-11-23,EFT S DLAMINI,x\n")
    at = desk.open(STATEMENTS)
    at.session_state["row_1"] = True
    at.run()
    at.text_input(key="row_amount_1").set_value("-25.00")
    at.text_input(key="row_why_1").set_value("The bank said so by phone.")
    at.date_input(key="row_on_1").set_value(None)
    button(at, "It says this").click().run()
    assert at.error[0].value == escape("Say which day it was on.")
    at.date_input(key="row_on_1").set_value(desk.now.date())
    button(at, "It says this").click().run()
    assert not at.error
    with desk.sessions.read() as session:
        made = session.scalars(select(StatementLine).order_by(StatementLine.id.desc())).first()
        assert (made.amount_minor, made.amount_currency) == (-25_00, "USD")


def test_lines_of_two_currencies_that_are_chosen_are_not_added(desk, account):
    """Dollars had been told as rand, in one sum with them."""
    with desk.sessions.begin() as session:
        (rand,) = accounts.list_accounts(session, ADMIN)
        data = b"Date,Text,Amount\n2026-11-23,EFT,900.00\n"
        imports.import_file(session, ADMIN, rand.id, "rand.csv", data, now=desk.now, mapping=PLAIN)
    dollars_came(desk, "2026-11-23,EFT,12.00\n")
    proposing.propose(desk.sessions, ADMIN, now=desk.now)
    at = desk.open(BENCH)
    with desk.sessions.read() as session:
        at.session_state["lines_chosen"] = list(session.scalars(select(StatementLine.id)))
    at.run()
    (told,) = [one.value for one in at.markdown if "**2 lines chosen**" in one.value]
    assert escape("US$12.00 + R900.00") in told


def test_rows_that_cannot_be_read_are_one_list_before_the_button(desk, account, tmp_path):
    """Eleven boxes had pushed it off the screen, and the twenty-first row was not told of."""
    rows = "".join(f"2026-11-23,EFT {nth},x,\n" for nth in range(25))
    at = sample(desk, tmp_path, "march", f"Date,Description,Amount,Balance\n2026-11-23,A,1.00,1.00\n{rows}")
    assert not at.error
    assert [one.value for one in at.warning] == [
        "25 rows cannot be read and wait for a person once the file is in."
    ]
    assert "Row 3" in all_html(at)
    assert "And 5 more" in all_html(at)


def test_the_panel_of_an_import_stays_where_it_is(desk, account, tmp_path):
    """With the sentence above it gone it was another panel, and shut, at the first press inside it."""
    text = "Date,Description,Amount,Balance\n2026-11-23,EFT,1500.00,1500.00\n"
    at = sample(desk, tmp_path, "march", text)
    starting(at.button, "import_").click().run()
    assert at.success
    before = place_of(at.main, at.expander[0])
    at.toggle(key="going_1").set_value(True).run()
    assert not at.success
    assert place_of(at.main, at.expander[0]) == before


def place_of(block, wanted) -> list[int]:
    """Where a block stands, by which a browser knows it."""
    for nth, child in block.children.items():
        if child is wanted:
            return [nth]
        if hasattr(child, "children") and (below := place_of(child, wanted)):
            return [nth, *below]
    return []


def test_while_a_statement_comes_in_the_page_says_so(desk, account, tmp_path, monkeypatch):
    """For seven seconds only the button had been darker."""
    told, spinner, import_file = [], st.spinner, imports.import_file

    @contextmanager
    def said(text, **how):
        with spinner(text, **how):
            told.append(text)
            yield
            told.append("over")

    def takes_long(*args, **how):
        told.append("works")
        return import_file(*args, **how)

    text = "Date,Description,Amount,Balance\n2026-11-23,EFT,1500.00,1500.00\n"
    at = sample(desk, tmp_path, "march", text)
    monkeypatch.setattr(st, "spinner", said)
    monkeypatch.setattr(imports, "import_file", takes_long)
    starting(at.button, "import_").click().run()
    assert told[0].startswith("Taking in march")
    assert told[1:] == ["works", "over"]
    assert "1 new line" in at.success[0].value


def test_a_press_while_a_statement_comes_in_loses_neither_it_nor_what_came_of_it(
    desk, account, tmp_path, monkeypatch
):
    """The lines came in and nothing said so: the run that took them in was broken off for the press."""
    text = "Date,Description,Amount,Balance\n2026-11-23,EFT,1500.00,1500.00\n"
    at = sample(desk, tmp_path, "march", text)
    taken, import_file = [], imports.import_file

    def pressed_meanwhile(*args, **how):
        taken.append(args)
        came = import_file(*args, **how)
        context = get_script_run_ctx()
        assert context is not None
        assert context.script_requests is not None
        context.script_requests.request_stop()
        return came

    monkeypatch.setattr(imports, "import_file", pressed_meanwhile)
    starting(at.button, "import_").click().run()
    assert not at.success
    at.run()
    assert "1 new line" in at.success[0].value
    assert len(taken) == 1


def test_all_that_an_undone_import_takes_its_matches_from_can_be_seen(desk):
    """It ended at twenty, without a word of the rest."""
    owed = [owes(desk, "Zanele Mokoena", 1_000 + nth) for nth in range(51)]
    banked(desk, *((f"EFT {one.replace('_', '')}", f"{10 + nth / 100:.2f}") for nth, one in enumerate(owed)))
    desk.sign_in(Role.FINANCE)
    at = desk.open(STATEMENTS)
    at.toggle(key="going_1").set_value(True).run()
    seen = [row["payer"] for row in component(at, "payments")[0]["rows"]]
    assert len(seen) == 50
    assert "1–50 of 51." in all_html(at)
    at.session_state["going_page_1"] = 2
    at.run()
    seen += [row["payer"] for row in component(at, "payments")[0]["rows"]]
    assert seen == [f"{one} · Zanele Mokoena" for one in owed]


@pytest.mark.parametrize(
    "text, says",
    [
        pytest.param("Date,Description,Amount,Balance\n2026-11-23,A,1.00,1.00\n2026-11-23,B,1.00,3.00\n",
                     "row 3: The balance is broken", id="a broken balance"),
        pytest.param("Date,Description,Amount,Balance\n03/04/2026,A,1.00,1.00\n",
                     "no row of the file proves which", id="dates that can be two days"),
        pytest.param("", "It is empty", id="nothing in it"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_trusted_is_refused_with_its_row(desk, account, tmp_path, text, says):
    at = sample(desk, tmp_path, "bad", text)
    assert says.replace(":", "\\:") in at.error[0].value or says in at.error[0].value
    assert not [one for one in at.button if one.key.startswith("import_")]
    asked_instead = "proves which" in says or not text
    assert ("Download it from the bank once more" in all_html(at)) is not asked_instead


def test_what_no_row_proves_a_person_says(desk, account, tmp_path):
    at = sample(desk, tmp_path, "bad", "Date,Description,Amount,Balance\n03/04/2026,A,1.00,1.00\n")
    assert "03/04/2026 would be read so." in all_html(at)  # its backslashes had stood on the page
    field(at.radio, "_order_asked").set_value("dmy").run()
    assert "3 Apr 2026" in all_html(at)
    assert starting(at.button, "import_")


def test_columns_that_nobody_knows_are_said_once(desk, account, tmp_path):
    odd = "Wanneer,Wat,Hoeveel\n2026-11-23,EFT <b>A</b>,150.00\n"
    at = sample(desk, tmp_path, "odd", odd)
    harmless(at)
    assert field(at.selectbox, "_date").options[0] == "1. Wanneer (2026-11-23)"
    assert field(at.multiselect, "_description").value == [1]  # by what the cells show
    assert field(at.selectbox, "_amount").value == 2
    field(at.multiselect, "_description").set_value([]).run()
    assert not at.error
    assert "Choose the column with what the bank says" in all_html(at)
    field(at.multiselect, "_description").set_value([1]).run()
    (rows,) = (one["rows"] for one in component(at, "payments"))  # once, below the button
    assert rows[0]["amount"] == "R150.00"
    assert "odd, columns said by a person" in all_html(at)
    drawn = [node.type for node in at._tree if node.type == "bidi_component" or is_import(node)]
    assert drawn[-2:] == ["button", "bidi_component"]
    starting(at.button, "import_").click().run()
    assert not at.error
    again = sample(desk, tmp_path, "more", odd + "2026-11-24,EFT B,10.00\n")
    assert starting(again.button, "import_").label.startswith("Import 1 line")


def test_the_one_payment_that_a_text_finds_is_chosen_beside_what_was_suggested(desk):
    one, other = owes(desk, "Thandeka Mokoena"), owes(desk, "Lerato Botha", 9_900)
    banked(desk, (f"EFT {one.replace('_', '')}", "1400.00"))
    desk.sign_in(Role.FINANCE)
    (line,) = lines(desk.open(BENCH))
    at = desk.open(BENCH, line=line["id"])
    at.text_input(key=f"find_{line['id']}").set_value(other).run()
    with desk.sessions.read() as session:
        wanted = payment_of(session, other).id
    assert at.multiselect(key=f"picked_{line['id']}_{other}").value == [wanted]
    assert "1 payment found that can take money; it is chosen below." in all_html(at)


def test_without_a_payment_what_is_left_over_is_nobodys_surplus(desk):
    one = owes(desk, "Thandeka Mokoena")
    banked(desk, ("CATERER", "2400.00"), (f"EFT {one.replace('_', '')}", "1400.00"))
    desk.sign_in(Role.FINANCE)
    for line in lines(desk.open(BENCH)):
        at = desk.open(BENCH, line=line["id"])
        (rest,) = [each for each in at.radio if each.label == "What is left over"]
        known = bool(line["candidates"])
        assert rest.value == ("Surplus: the payer's, to refund or to move" if known else "No payment of ours")
