"""Payouts as people of each role use them, and what is late or short told by itself."""

import html
import re
from datetime import UTC, date, datetime, timedelta

import pytest

from db.money import Money
from payments.access.choices import Mail
from payments.access.people import Role
from payments.lump_sums import fees, payout_watch
from payments.lump_sums.payout_watch import DayState
from payments.lump_sums.tariff import METHODS
from payments.matching.rules import ENOUGH, STANDARD
from payments.telling import morning
from payments.watching.alerts import Kind
from tests.desk import ADMIN
from tests.test_pages import Desk, all_html, component, desk, everything, harmless
from tests.test_settlements import HEADS, STATEMENT, Bench
from words import bank as bank_words

PAGE = "pages/finance/payouts.py"
__all__ = ["desk"]


class There(Bench):
    """The same bench on a desk that has its event already."""

    def __init__(self, desk: Desk) -> None:
        from payments.bank import accounts

        self.sessions, self.now, self.gateway = desk.sessions, desk.now, desk.gateway
        self.friday = desk.now - timedelta(days=3)
        self.files = 0
        with desk.sessions.begin() as session:
            self.account = accounts.create(session, ADMIN, name="Events", now=desk.now).id


def days(bench, now):
    with bench.sessions.read() as session:
        return {one.day: one for one in payout_watch.days(session, ADMIN, now=now)}


def alarms(bench, now):
    with bench.sessions.read() as session:
        return list(payout_watch.alarms(session, now=now))


def test_an_empty_page_says_how_payouts_come(desk):
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE)
    assert not at.exception
    assert "Import a file of iKhokha's under Files" in all_html(at)


def test_columns_of_a_banks_file_are_seen_as_they_will_come(desk):
    There(desk)
    desk.sign_in(Role.FINANCE)
    at = desk.open("pages/finance/refunds.py")
    shown = [code.value for code in at.code if "RF-SAMPLE-1" in code.value]
    assert len(shown) == 1
    assert '"1250.00"' in shown[0]
    wanted = "Acc = account number\nBr = branch code\nCents = amount in cents\nRef = reference"
    at.text_area(key="layout_1").set_value(wanted).run()
    (shown,) = (code.value for code in at.code if "RF-SAMPLE-1" in code.value)
    assert shown.splitlines()[1] == '"0012345678","051001","125000","RF-SAMPLE-1"'
    at.text_area(key="layout_1").set_value("Acc = shoe size").run()
    assert not at.exception
    assert "a column holds one of" in "".join(everything(at))


@pytest.mark.parametrize("role", [Role.FINANCE, Role.AUDITOR])
def test_a_payout_is_a_picture_with_its_rows(desk, role):
    bench = There(desk)
    one = bench.paid(name="**Zanele** <b>M</b>")
    bench.bring(bench.row(one), "2026-11-20,Refund,WEBSHOP-1,,-100.00,,,,P1", "what is this")
    bench.bank(bench.net())
    bench.propose()
    desk.sign_in(role)
    at = desk.open(PAGE)
    assert not at.exception
    harmless(at)
    assert "/payouts?payout=1" in all_html(at)
    at = desk.open(PAGE, payout="1")
    harmless(at)
    told = all_html(at)
    for words in ("Gross sales", "VAT on the fees", "Refunds", "Paid out", "to the cent", one):
        assert words in told
    assert bool([each for each in at.button if "Take it back" in each.label]) is (role is Role.FINANCE)


def test_each_payout_of_the_list_and_each_card_tells_what_it_leads_to(desk):
    """Doors of this page are rows: how many payments a payout has, how many are not ours, and its gross."""
    bench = There(desk)
    first, second, third = bench.paid(), bench.paid(name="Sipho Nkosi"), bench.paid(Money(900_00))
    bench.bring(bench.row(first), bench.row(second), "2026-11-20,Refund,WEBSHOP-1,,-100.00,,,,P1")
    bench.bring(bench.row(third, 900_00, number="P2"), bench.row("NOBODY", number="P2"), name="2.csv")
    bench.bank(Money(Money.parse(bench.net(2)).minor - 500).decimal)
    bench.propose()
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE)
    rows = rows_of(at)
    assert len(rows) == 2
    assert f"The newest {len(rows)} payouts" in all_html(at)
    for row in rows:
        (number,) = re.findall(r"/payouts[?]payout=(\d+)", row)
        cells = texts(row)
        inside = [texts(one) for one in rows_of(desk.open(PAGE, payout=number))]
        sales = [one for one in inside if one[1] == "Payment"]
        strangers = [one for one in sales if one[3] == "–"]
        told = f"{len(sales)}, {len(strangers)} not ours" if strangers else f"{len(sales)}"
        assert cells[6] == told
        assert Money.parse(cells[2]) == Money(sum(Money.parse(one[5]).minor for one in sales))


def rows_of(at) -> list[str]:
    """Rows of the page's last sheet: the list of payouts, or what is in one."""
    bodies = re.findall(r"<tbody>(.*?)</tbody>", all_html(at), re.DOTALL)
    return re.findall(r"<tr.*?</tr>", bodies[-1], re.DOTALL)


def texts(row: str) -> list[str]:
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in cells]


def test_what_is_tied_is_taken_back_with_a_reason(desk):
    bench = There(desk)
    one = bench.paid()
    bench.bring(bench.row(one))
    bench.bank(bench.net())
    bench.propose()
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE, payout="1")
    at.text_input(key="payout_why_1").set_value("Another payout.")
    next(each for each in at.button if each.label == "Take it back").click().run()
    assert not at.error
    assert bench.came(one)[0].banked_on is None
    assert "settled_on=datetime" in repr(bench.came(one)[0])
    bench.lawful()


def test_a_short_line_is_tied_on_the_page_with_a_reason(desk):
    bench = There(desk)
    one = bench.paid()
    bench.bring(bench.row(one))
    bench.bank(Money(Money.parse(bench.net()).minor - 500).decimal)
    bench.propose()
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE, payout="1")
    at.radio(key="tie_line_1").set_value(0)
    next(each for each in at.button if each.label == "This is its line").click().run()
    assert "Say why" in at.error[0].value
    at.text_input(key="tie_why_1").set_value("R5 short; iKhokha was asked.")
    next(each for each in at.button if each.label == "This is its line").click().run()
    assert not at.error
    assert "R5.00 short" in all_html(at)
    assert bench.came(one)[0].banked_on == date(2026, 11, 23)
    bench.lawful()


def test_a_lump_sum_is_explained_on_the_page(desk):
    bench = There(desk)
    for minor in (1500_00, 450_00, 900_00):
        bench.paid(Money(minor))
    bench.bank("2753.72")
    bench.propose()
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE)
    at.button(key="explain").click().run()
    assert "1 of 1 explained by themselves" in at.success[0].value
    assert "/payouts?payout=1" in all_html(at)


def test_payouts_of_a_night_say_what_they_are_together_and_are_taken_back_so(desk):
    bench = There(desk)
    paid = [bench.paid(), bench.paid(at=bench.friday + timedelta(days=1))]
    for what in ("IKHOKHA PAYOUT", "MAGTAPE CREDIT IKHOKHA PAYOUT"):
        bench.bank("1447.96", what)
    bench.propose()
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE)
    at.button(key="explain").click().run()
    assert "2 of 2 explained by themselves" in at.success[0].value
    assert "with payout 1" in all_html(at)
    told = all_html(desk.open(PAGE, payout="1"))
    for words in ("On the line of payout 2", "payout 2, of the same night", *paid):
        assert words in told
    assert not [words for words in ("Rounding", "as good") if words in told]
    at = desk.open(PAGE, payout="2")
    assert "Written down with payout 1" in all_html(at)
    at.text_input(key="payout_why_2").set_value("iKhokha says otherwise.")
    next(each for each in at.button if each.label == "Take it back").click().run()
    assert not at.error
    assert [bench.came(one)[0].payout_id for one in paid] == [None, None]
    bench.lawful()


def test_days_of_a_night_are_one_row_with_the_sums_of_all(desk):
    bench = There(desk)
    for day, what in enumerate(("IKHOKHA PAYOUT", "MAGTAPE CREDIT IKHOKHA PAYOUT")):
        bench.paid(at=bench.friday + timedelta(days=day))
        bench.bank("1447.96", what)
    bench.propose()
    bench.explain()
    desk.sign_in(Role.FINANCE)
    (told,) = [texts(row) for row in rows_of(desk.open(PAGE, show="Expected"))]
    assert told[:4] == ["Fri 20 Nov – Sat 21 Nov", "2", str(Money(3000_00)), str(Money(2895_92))]


def test_a_file_is_mapped_on_the_page_and_remembered(desk, tmp_path):
    bench = There(desk)
    one, other = bench.paid(), bench.paid()
    (tmp_path / "payouts").mkdir()
    heads = ",".join(HEADS)
    for name, row in (("first", bench.row(one)), ("second", bench.row(other, number="P2"))):
        (tmp_path / "payouts" / f"{name}.csv").write_text(f"{heads}\n{row}\n")
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE, show="Files")
    at.button(key="payout_sample_first").click().run()
    assert at.selectbox(key="payout_map_gross").value == 4
    at.button(key="keep_payouts").click().run()
    assert "1 payout written down, 1 payments settled" in at.success[0].value.replace("\\", "")
    at.button(key="payout_sample_second").click().run()
    assert not [each for each in at.selectbox if each.key == "payout_map_gross"]  # it is remembered
    at.button(key="keep_payouts").click().run()
    assert bench.came(other)[0].payout_id == 2
    bench.lawful()


def test_a_file_with_nothing_in_it_is_said_to_be_empty(desk, tmp_path):
    There(desk)
    (tmp_path / "payouts").mkdir()
    (tmp_path / "payouts" / "nothing.csv").write_text("")
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE, show="Files")
    at.button(key="payout_sample_nothing").click().run()
    assert "It is empty" in at.error[0].value


def test_a_pasted_statement_is_kept(desk):
    bench = There(desk)
    bench.paid(Money(2850_00))
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE, show="Files")
    at.text_area(key="pasted_statement").set_value(STATEMENT)
    next(each for each in at.button if each.label == "Read and keep it").click().run()
    assert not at.error
    assert bench.net() == "2753.72"


def test_what_was_charged_too_much_becomes_a_letter(desk):
    bench = There(desk)
    one = bench.paid()
    bench.bring(bench.row(one, more=500))
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE, show="Fees")
    assert not at.exception
    assert one in letter(at).value
    assert "R5.75" in "".join(everything(at))
    letter(at).set_value(f"{letter(at).value}PS: by mail, please.").run()
    (copied,) = [each["copy"] for each in component(at, "share") if "To: iKhokha" in each["copy"]]
    assert copied.endswith("PS: by mail, please.")


def test_the_letter_claims_by_the_rates_that_hold_now(desk):
    """It had kept the sums of before, and *Copy* with it, whatever the table above it said."""
    bench = There(desk)
    bench.bring(bench.row(bench.paid(), more=500))
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE, show="Fees")
    assert "R5.75 in all" in letter(at).value
    with desk.sessions.begin() as session:
        least = dict.fromkeys(METHODS, 1)
        fees.add_rates(
            session, ADMIN, valid_from=date(2026, 11, 2), rate_bp=least, payout_fee_minor=0, now=desk.now
        )
    at.run()
    assert "R5.75 in all" not in letter(at).value
    (copied,) = [each["copy"] for each in component(at, "share") if "To: iKhokha" in each["copy"]]
    assert copied == letter(at).value


def letter(at):
    return next(each for each in at.text_area if each.label == "Draft")


# -- due, late, short ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "at, state",
    [
        pytest.param(datetime(2026, 11, 25, 15, 59, tzinfo=UTC), DayState.WAITS, id="a minute before"),
        pytest.param(datetime(2026, 11, 25, 16, 0, tzinfo=UTC), DayState.LATE, id="cut-off and an hour"),
    ],
)
def test_a_day_is_late_an_hour_after_the_cut_off_of_its_last_bank_day(bench, at, state):
    """Friday the 20th: Monday to Wednesday are its three bank days."""
    bench.paid()
    told = days(bench, at)[date(2026, 11, 20)]
    assert (told.due_on, told.latest_on, told.state) == (date(2026, 11, 23), date(2026, 11, 25), state)
    assert told.least < told.most  # by card from abroad, or by instant EFT


def test_nothing_is_late_on_a_desk_that_follows_no_payouts(bench):
    bench.paid()
    late = datetime(2026, 12, 3, 12, 0, tzinfo=UTC)
    assert alarms(bench, late) == []
    with bench.sessions.read() as session:
        assert not [one for one in morning.waits_for(session, ADMIN, Mail(), now=late) if "late" in one.short]
    thursday = bench.paid(at=bench.friday - timedelta(days=1))
    bench.bring(bench.row(thursday).replace("2026-11-20", "2026-11-19"))
    bench.bank(bench.net())
    bench.propose()
    (alarm,) = alarms(bench, late)
    assert alarm.kind is Kind.PAYOUT_LATE
    assert "20 Nov 2026" in alarm.sentence
    assert days(bench, late)[date(2026, 11, 19)].state is DayState.BANKED
    with bench.sessions.read() as session:
        (told,) = [one for one in morning.waits_for(session, ADMIN, Mail(), now=late) if "late" in one.short]
    assert told.short.removesuffix(" late") in told.told
    assert told.told.endswith("is late at the bank, the oldest since 25 Nov 2026.")


def test_what_is_told_and_does_not_come_is_late_too(bench):
    bench.bring(bench.row(bench.paid()))
    soon, late = datetime(2026, 11, 24, 12, 0, tzinfo=UTC), datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
    assert days(bench, soon)[date(2026, 11, 20)].state is DayState.ON_THE_WAY
    assert alarms(bench, soon) == []
    assert [alarm.kind for alarm in alarms(bench, late)] == [Kind.PAYOUT_LATE]


def test_a_short_payout_is_told_at_once_with_what_is_missing(bench):
    bench.bring(bench.row(bench.paid()))
    bench.bank(Money(Money.parse(bench.net()).minor - 500).decimal)
    bench.propose()
    (alarm,) = alarms(bench, bench.now)
    assert alarm.kind is Kind.PAYOUT_SHORT
    assert "R5.00 short" in alarm.sentence


def test_a_lump_sum_that_nothing_explains_is_told_with_the_nearest_attempt(bench):
    for minor in (1500_00, 1200_00):
        bench.paid(Money(minor))
    bench.bank("2000.00")
    bench.propose()
    bench.explain()
    bench.bring(bench.row("NOBODY").replace("2026-11-20", "2026-11-02"))  # payouts are followed here
    short = [alarm for alarm in alarms(bench, bench.now) if alarm.kind is Kind.PAYOUT_SHORT]
    assert [("R2" in alarm.sentence, "unexplained" in alarm.sentence) for alarm in short] == [(True, True)]


@pytest.fixture
def bench(sessions, now):
    return Bench(sessions, now)


# -- rules --------------------------------------------------------------------------------------------

RULES = "pages/finance/rules.py"


def test_a_rule_is_written_counted_and_put_into_the_shadow(desk):
    bench = There(desk)
    bench.bank("12.00", "**HALL** REFUND <b>1</b>")
    desk.sign_in(Role.FINANCE)
    at = desk.open(RULES)
    own = all_html(at)
    for rule in STANDARD:  # in words, and as a line of the bank: no expression
        assert bank_words.STANDARD_RULE[rule.name] in own
        assert rule.must[0].text.strip() in own
    assert "\\b" not in own
    assert f"goes live by itself, when people agreed with it in 99.5 % of {ENOUGH} lines" in own
    assert f"goes back into the shadow where fewer than {ENOUGH} lines judge it" in own
    at.button(key="rule_new").click().run()
    assert not at.error  # nothing was typed, so nothing is wrong
    assert at.button(key="rule_save").disabled
    assert "Write what the line must have" in all_html(at)
    at.text_input(key="rule_form_new_name").set_value("hall")
    at.text_input(key="rule_form_new_value").set_value("hire comes back")
    at.text_input(key="rule_form_new_0_value").set_value("hall | venue")
    at.text_area(key="rule_form_new_must").set_value("HALL REFUND ; 12.00").run()
    at.button(key="rule_save").click().run()
    assert "Give it a line" in at.error[0].value  # beside the button, and what was typed stays
    at.text_area(key="rule_form_new_must_not").set_value("EFT SIPHO").run()
    assert not at.error  # it was said of what stood there before
    assert "It would have matched 1 of 1 lines of the last 12 months" in all_html(at)
    assert "**HALL** REFUND &lt;b&gt;1&lt;/b&gt; · not matched" in all_html(at) or "not matched" in all_html(
        at
    )
    at.button(key="rule_save").click().run()
    assert not at.exception
    told = all_html(at)
    assert "the text has “hall”" in told
    harmless(at)
    at.button(key="rule_shadow_1").click().run()
    assert "In the shadow for 14 days" in at.success[0].value
    assert "rule_live_1" not in {each.key for each in at.button}  # it must not yet, so it is not offered
    at.button(key="rule_edit_1").click().run()
    assert at.text_input(key="rule_form_1_0_value").value == "hall | venue"
    assert at.text_area(key="rule_form_1_must").value == "HALL REFUND ; 12.00"
    for _ in range(2):
        at.button(key="rule_form_1_more").click().run()
    for nth in (1, 2):
        at.selectbox(key=f"rule_form_1_{nth}_group").set_value("group A")
    at.selectbox(key="rule_form_1_2_kind").set_value("Amount is").run()
    at.text_input(key="rule_form_1_1_value").set_value("refund")
    at.text_input(key="rule_form_1_2_value").set_value("900 – 1000").run()
    at.button(key="rule_save").click().run()
    grouped = "(the text has “refund” or the amount is R900.00 to R1\u00a0000.00)"
    assert f"(the text has “hall” or the text has “venue”) and {grouped}" in all_html(at)
    at.button(key="rule_edit_1").click().run()
    assert [at.selectbox(key=f"rule_form_1_{nth}_group").value for nth in range(3)] == [
        "alone", "group A", "group A",
    ]  # fmt: skip


def test_an_auditor_reads_rules_and_changes_none(desk):
    There(desk)
    desk.sign_in(Role.AUDITOR)
    at = desk.open(RULES)
    assert not at.exception
    assert [each.label for each in at.button if each.label == "New rule"] == []
