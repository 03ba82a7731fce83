"""Rules: what they fit, whether they would have been right, and when they are switched off."""

import re
from datetime import date

import pytest

from db.money import Money
from payments.errors import InvalidInput
from payments.matching.evidence import Line
from payments.matching.rules import (
    STANDARD,
    Account,
    All,
    AnyOf,
    Between,
    Contains,
    Decided,
    Field,
    Matches,
    Rule,
    Says,
    Sign,
    State,
    back_test,
    examples_that_fail,
    first_fitting,
    in_order,
    next_state,
)
from words.bank import STANDARD_RULE

OUT = Money(-69_00)
LINE = Line(1, date(2026, 3, 10), Money(1500_00), "EFT Karoo Venues CC", "INV 42", "62000")


@pytest.mark.parametrize(
    "condition, fits",
    [
        pytest.param(Contains("karoo"), True, id="contains, case aside"),
        pytest.param(Contains("karoo", Field.REFERENCE), False, id="in another field"),
        pytest.param(Contains("INV 42 EFT"), True, id="across both fields"),
        pytest.param(Matches(r"inv \d+"), True, id="expression"),
        pytest.param(Matches(r"^INV", Field.DESCRIPTION), False, id="expression in a field"),
        pytest.param(Between(Money(1500_00), Money(1500_00)), True, id="amount at both ends"),
        pytest.param(Between(Money(1500_01), Money(9999_00)), False, id="a cent too little"),
        pytest.param(Between(Money(1, "USD"), Money(9999_00, "USD")), False, id="another currency"),
        pytest.param(Sign(money_in=True), True, id="money in"),
        pytest.param(Sign(money_in=False), False, id="money out"),
        pytest.param(Account("62000"), True, id="account"),
        pytest.param(Account("63000"), False, id="another account"),
        pytest.param(All((Contains("karoo"), Sign(money_in=True))), True, id="and"),
        pytest.param(All((Contains("karoo"), Sign(money_in=False))), False, id="and, one fails"),
        pytest.param(AnyOf((Contains("fynbos"), Contains("karoo"))), True, id="or"),
        pytest.param(AnyOf(()), False, id="or of nothing"),
        pytest.param(All((AnyOf((Contains("x"), Contains("cc"))), Account("62000"))), True, id="nested"),
    ],
)
def test_what_a_condition_fits(condition, fits):
    assert condition.fits(LINE) is fits


def test_the_first_live_rule_in_order_decides():
    rules = [
        Rule("late", 30, Contains("karoo"), Says.CASH),
        Rule("shadow", 5, Contains("karoo"), Says.CARD, state=State.SHADOW),
        Rule("off", 6, Contains("karoo"), Says.CARD, state=State.OFF),
        Rule("early", 10, Contains("karoo"), Says.ASIDE),
    ]
    assert first_fitting(in_order(rules), LINE).name == "early"


def test_an_expression_that_takes_too_long_is_a_fault_of_its_rule():
    evil = Matches(r"(x|xx)+[yz]$")
    with pytest.raises(InvalidInput, match="takes too long"):
        evil.fits(Line(1, date(2026, 3, 10), Money(1), "x" * 60 + "!"))


@pytest.mark.parametrize("pattern", ["(", "[a", "a" * 201])
def test_what_is_no_expression_is_refused(pattern):
    with pytest.raises(InvalidInput):
        Matches(pattern)


def test_each_fee_that_the_words_name_is_one_by_the_rule():
    """An administration fee had stood there, which the expression does not know."""
    fees = next(rule for rule in STANDARD if rule.says is Says.ASIDE)
    named = re.split(", | or ", STANDARD_RULE[fees.name].partition("speaks of ")[2])
    texts = [re.sub("^(a|an) ", "", one) for one in named]
    assert len(texts) == 4
    assert [text for text in texts if not fees.condition.fits(Line(1, date(2026, 3, 10), OUT, text))] == []


@pytest.mark.parametrize("rule", STANDARD, ids=lambda rule: rule.name)
def test_standard_rules_fit_their_examples(rule):
    assert rule.must
    assert rule.must_not
    assert examples_that_fail(rule) == []


def test_examples_that_fail_are_named():
    rule = Rule("r", 1, Contains("fynbos"), Says.CASH, must=(LINE,), must_not=())
    assert examples_that_fail(rule) == [
        "It does not fit “INV 42 EFT Karoo Venues CC”, which it must: widen a condition."
    ]


def history(right: int, wrong: int, other: int) -> list[Decided]:
    return (
        [Decided(LINE, Says.ASIDE)] * right
        + [Decided(LINE, None)] * wrong
        + [Decided(Line(2, LINE.on, LINE.amount, "EFT"), None)] * other
    )


@pytest.mark.parametrize(
    "right, wrong, may",
    [
        pytest.param(409, 3, False, id="409 of 412: 99.3 %"),
        pytest.param(199, 1, True, id="199 of 200: 99.5 %"),
        pytest.param(198, 1, False, id="198 of 199: just under"),
        pytest.param(1, 0, True, id="one, and right"),
        pytest.param(0, 0, False, id="never fitted"),
    ],
)
def test_a_back_test_says_what_would_have_matched_and_whether_rightly(right, wrong, may):
    rule = Rule("karoo", 1, Contains("karoo"), Says.ASIDE)
    told = back_test(rule, history(right, wrong, 50))
    assert (told.lines, told.matched, told.agreed) == (right + wrong + 50, right + wrong, right)
    assert len(told.disagreed) == wrong
    assert told.may_go_live is may


@pytest.mark.parametrize(
    "state, verdicts, days, becomes",
    [
        pytest.param(State.LIVE, [True] * 199 + [False], 0, State.LIVE, id="live at 99.5 %"),
        pytest.param(State.LIVE, [True] * 198 + [False], 0, State.OFF, id="live under it: off"),
        pytest.param(State.LIVE, [True, False], 0, State.SHADOW, id="one of the first wrong: back to shadow"),
        pytest.param(State.LIVE, [False] + [True] * 400, 0, State.LIVE, id="an old mistake is forgotten"),
        pytest.param(State.LIVE, [], 0, State.LIVE, id="nothing judged yet"),
        pytest.param(State.SHADOW, [True] * 20, 14, State.LIVE, id="shadow, its days over and right"),
        pytest.param(State.SHADOW, [True] * 20, 13, State.SHADOW, id="shadow, a day early"),
        pytest.param(State.SHADOW, [True] * 19, 14, State.SHADOW, id="shadow, too few to tell"),
        pytest.param(State.SHADOW, [True] * 20 + [False], 14, State.SHADOW, id="shadow, and wrong once"),
        pytest.param(State.OFF, [True] * 400, 99, State.OFF, id="off stays off"),
    ],
)
def test_what_becomes_of_a_rule(state, verdicts, days, becomes):
    assert next_state(state, verdicts, shadow_days=days, wanted_days=14) is becomes
