"""Rules that people write: kept by version, tried before they act, off by themselves when they are wrong."""

from datetime import date, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.models import AuditEntry
from db.money import Money
from payments.access.people import Person, Role
from payments.errors import Conflict, InvalidInput, NotAllowed
from payments.matching import Line, Target
from payments.matching.rule_json import condition_from_json, condition_to_json
from payments.matching.rules import All, AnyOf, Between, Contains, Field, Matches, Says, Sign, State
from payments.reconciling import exceptions, reconciliation, rule_book
from payments.reconciling.parts import Part
from payments.reconciling.rule_book import RuleDraft
from tests.desk import ADMIN
from tests.test_reconciliation import Bench, bare

ORGANISER = Person(9, "Aisha", "aisha@example.org", Role.ORGANISER, None)


def example(what, minor=100_00):
    return Line(0, date(2026, 1, 5), Money(minor), what)


HIRE = RuleDraft(
    "hall hire", 100, All((Sign(money_in=True), Contains("karoo"))), Says.ASIDE, "hire comes back",
    (example("EFT KAROO VENUES"),), (example("EFT T KARO"), example("KAROO", -1)),
)  # fmt: skip


@pytest.fixture
def bench(sessions, now):
    return Bench(sessions, now)


def save(bench, draft=HIRE, **more):
    with bench.sessions.begin() as session:
        return rule_book.save(session, ADMIN, draft, now=bench.now, **more)


def of(bench, rule_id):
    with bench.sessions.read() as session:
        return next(one for one in rule_book.rules(session, ADMIN) if one.id == rule_id)


def tried(bench, draft=HIRE):
    with bench.sessions.read() as session:
        return rule_book.try_out(session, ADMIN, draft, now=bench.now)


def shadow(bench, rule_id, days=14, now=None):
    with bench.sessions.begin() as session:
        return rule_book.start_shadow(session, ADMIN, rule_id, days=days, now=now or bench.now)


def live(bench, rule_id, now):
    with bench.sessions.begin() as session:
        return rule_book.go_live(session, ADMIN, rule_id, now=now)


def aside(bench, line):
    """What a person makes of a line."""
    part = Part(Target.ASIDE, Money(1500_00))
    return bench.accept(line, part, why="The hall gave it back.")


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param(Contains("karoo", Field.REFERENCE), id="text"),
        pytest.param(Matches(r"\bk\w+"), id="expression"),
        pytest.param(Between(Money(1), Money(200_00)), id="amount"),
        pytest.param(All((Sign(money_in=False), AnyOf((Contains("a"), Contains("b"))))), id="and, or"),
    ],
)
def test_a_condition_is_kept_as_it_was(condition):
    assert condition_from_json(condition_to_json(condition)) == condition


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"all": []}, id="and of nothing"),
        pytest.param({"contains": " ", "field": "text"}, id="an empty text"),
        pytest.param({"matches": "(", "field": "text"}, id="no expression"),
        pytest.param({"from": 2, "to": 1, "currency": "ZAR"}, id="backwards"),
        pytest.param({"all": [{"all": [{"all": [{"all": [{"all": []}]}]}]}]}, id="too deep"),
    ],
)
def test_what_is_no_condition_is_refused(told):
    with pytest.raises(InvalidInput):
        condition_from_json(told)


@pytest.mark.parametrize(
    "change, says",
    [
        pytest.param({"must": (example("EFT X"),)}, "It does not fit", id="misses its example"),
        pytest.param(
            {"must_not": (example("KAROO"),)}, "must leave alone: narrow", id="fits what it must not"
        ),
        pytest.param({"must_not": ()}, "Give it a line", id="without examples"),
        pytest.param({"value": ""}, "why it is no payment", id="without a reason"),
        pytest.param({"name": "card machine"}, "already", id="the name of every desk's"),
    ],
)
def test_a_rule_that_is_wrong_is_not_kept(bench, change, says):
    with pytest.raises((InvalidInput, Conflict), match=says):
        save(bench, RuleDraft(**{**vars_of(HIRE), **change}))


def vars_of(draft):
    return {name: getattr(draft, name) for name in draft.__dataclass_fields__}


def test_each_version_stays_and_a_new_one_is_off(bench):
    number = save(bench)
    shadow(bench, number)
    save(bench, RuleDraft(**{**vars_of(HIRE), "value": "hall hire"}), rule_id=number)
    view = of(bench, number)
    assert (view.rule.version, view.rule.state, view.rule.value) == (2, State.OFF, "hall hire")
    with bench.sessions.begin() as session:
        assert session.scalar(text("SELECT count(*) FROM match_rule_versions")) == 2
        assert [entry.action for entry in session.query(AuditEntry)][-1] == "save_rule"
    with pytest.raises(DBAPIError, match="only ever added"), bench.sessions.begin() as session:
        session.execute(text("UPDATE match_rule_versions SET value = 'x'"))


def test_it_is_tried_on_what_people_did(bench):
    first, second, third, _ = bench.bank(
        ("KAROO VENUES 1", "1500.00"), ("KAROO VENUES 2", "1500.00"), ("KAROO VENUES 3", "1500.00"),
        ("OTHER", "1500.00"),
    )  # fmt: skip
    aside(bench, first)
    aside(bench, second)
    assert tried(bench).says == (
        "It would have matched 3 of 4 lines of the last 12 months: 2 agree with what people did, 0 disagree; "
        "of 1 nobody said what they are."
    )
    payment = bench.id_of(bench.owes())
    bench.accept(third, Part(Target.PAYMENT, Money(1500_00), payment))
    found = tried(bench)
    assert (found.test.agreed, [one.says for one in found.test.disagreed]) == (2, [Says.PAYER])
    with pytest.raises(Conflict, match="A rule must agree"):
        shadow(bench, save(bench))


def test_in_the_shadow_it_does_nothing_and_then_it_acts(bench):
    number = save(bench)
    (line,) = bench.bank(("KAROO VENUES", "1500.00"))
    shadow(bench, number, days=14)
    bench.propose()
    assert [one.line_id for one in bench.waits()] == [line]
    aside(bench, line)
    with pytest.raises(Conflict, match="stays in the shadow until"):
        live(bench, number, bench.now + timedelta(days=13))
    live(bench, number, bench.now + timedelta(days=14))
    bench.bank(("KAROO VENUES AGAIN", "900.00"))
    assert dict(bench.propose().accepted) == {"rule": 1}
    assert bench.matches()[0].rule == "hall hire v1"
    bench.lawful()


def test_an_exact_open_reference_outranks_a_rule(bench):
    number, one = save(bench), bench.owes()
    (line,) = bench.bank(("KAROO VENUES", "1500.00"))
    shadow(bench, number, days=1)
    aside(bench, line)
    live(bench, number, bench.now + timedelta(days=1))
    bench.bank((f"KAROO {bare(one)}", "1500.00"))
    assert dict(bench.propose().accepted) == {"exact reference": 1}
    assert bench.status(one)[0] == "paid"


def test_a_live_rule_that_people_undo_goes_off_by_itself(bench):
    number = save(bench)
    (line,) = bench.bank(("KAROO VENUES", "1500.00"))
    shadow(bench, number, days=1)
    aside(bench, line)
    live(bench, number, bench.now + timedelta(days=1))
    bench.now += timedelta(days=2)
    bench.bank(("KAROO VENUES AGAIN", "900.00"))
    bench.propose()
    with bench.sessions.begin() as session:
        reconciliation.undo(session, ADMIN, bench.matches()[0].id, "It was a payment.", now=bench.now)
    bench.bank(("KAROO VENUES ONCE MORE", "800.00"))
    assert not bench.propose().accepted
    assert of(bench, number).rule.state is not State.LIVE
    with bench.sessions.read() as session:
        assert len(exceptions.queue(session, ADMIN, now=bench.now)) == 2


def test_an_expression_that_takes_too_long_switches_its_rule_off_and_nothing_else(bench):
    slow = RuleDraft(
        "slow", 100, Matches(r"(x|xx)+[yz]$"), Says.ASIDE, "nothing", (example("xxy"),), (example("abc"),)
    )
    number = save(bench, slow)
    with bench.sessions.begin() as session:
        session.execute(text("UPDATE match_rules SET state = 'live'"))
    one = bench.owes()
    bench.bank((f"{bare(one)}", "1500.00"), ("x" * 80, "1500.00"))
    assert dict(bench.propose().accepted) == {"exact reference": 1}
    view = of(bench, number)
    assert view.rule.state is State.OFF
    assert "takes too long" in view.why


def test_who_may_look_may_try_and_only_the_office_may_write(bench):
    with bench.sessions.begin() as session:
        with pytest.raises(NotAllowed):
            rule_book.rules(session, ORGANISER)
        with pytest.raises(NotAllowed):
            rule_book.save(session, ORGANISER, HIRE, now=bench.now)
        auditor = Person(8, "Farai", "farai@example.org", Role.AUDITOR, None)
        assert rule_book.try_out(session, auditor, HIRE, now=bench.now).lines == 0
        with pytest.raises(NotAllowed):
            rule_book.save(session, auditor, HIRE, now=bench.now)
