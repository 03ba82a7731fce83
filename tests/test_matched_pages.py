"""Matched on Reconcile: all of it can be reached, and on whose word each stands is shown and asked for."""

import sys
from datetime import date

from db.money import Money
from payments.access.people import Role
from payments.bank import accounts, imports
from payments.matching import Target
from payments.reconciling import matched, proposing, reconciliation
from payments.reconciling.matched import Wanted, Whose
from payments.reconciling.parts import BY_HAND, BY_TWO, Decided, Part
from tests.desk import ADMIN, payment_of
from tests.test_pages import Desk, all_html, desk, everything
from tests.test_queue_pages import PAYMENTS
from tests.test_reconcile_pages import BENCH, PLAIN, banked, owes, waiting

__all__ = ["desk"]
AGAINST = {"evidence": [{"kind": "name", "agrees": False, "says": "the name is another's"}]}


def found(desk: Desk, wanted: Wanted = Wanted()) -> list[str]:
    with desk.sessions.read() as session:
        told = matched.find_matches(session, ADMIN, wanted)
    assert told.count == len(told.matches)
    return sorted(row.whose for row in told.matches)


def accept(desk: Desk, view, part: Part, way: str, evidence, *, two: bool = False) -> None:
    decided = Decided(view.line_id, (part,), way, evidence, why="Looked at, and it is so.")
    with desk.sessions.begin() as session:
        how = {"how": "person", "by": "Farai", "source": "desk", "now": desk.now}
        reconciliation.write(session, decided, **how, two=two)


def test_on_whose_word_a_line_was_matched_is_shown_and_asked_for(desk):
    one, other = owes(desk, "Nazeem Jacobs", 10_000), owes(desk, "Lerato Botha", 20_000)
    exact = owes(desk, "Sipho Venter", 30_000)
    banked(
        desk, ("ABC", "90.00"), ("DEF", "200.00"), ("GHI", "50.00"), ("JKL", "60.00"),
        (f"SIPHO VENTER {exact.replace('_', '')}", "300.00"),
    )  # fmt: skip
    with desk.sessions.read() as session:
        ids = {reference: payment_of(session, reference).id for reference in (one, other)}
    views = {view.text: view for view in waiting(desk)}
    off = Part(Target.PAYMENT, Money(90_00), ids[one], Money(10_00))
    accept(desk, views["ABC"], off, BY_HAND, {})
    accept(desk, views["DEF"], Part(Target.PAYMENT, Money(200_00), ids[other]), "exact reference", AGAINST)
    accept(desk, views["GHI"], Part(Target.ASIDE, Money(50_00)), BY_HAND, AGAINST)
    accept(desk, views["JKL"], Part(Target.ASIDE, Money(60_00)), BY_TWO, {}, two=True)
    assert found(desk) == ["forced", "forced", "itself", "person", "two"]
    assert [found(desk, Wanted(one)) for one in Whose] == [["itself"], ["person"], ["two"], ["forced"] * 2]
    assert found(desk, Wanted(text="botha")) == ["forced"]
    assert found(desk, Wanted(text="jkl")) == ["two"]
    assert found(desk, Wanted(Whose.FORCED, text="botha")) == ["forced"]
    assert found(desk, Wanted(Whose.PERSON, text="botha")) == []
    day = views["ABC"].on
    assert (len(found(desk, Wanted(first=day, last=day))), found(desk, Wanted(last=day.replace(day=1)))) == (
        5, [],
    )  # fmt: skip
    desk.sign_in(Role.FINANCE)
    at = desk.open(BENCH, reason="Matched")
    assert not at.exception
    said = "".join(everything(at))
    assert said.count("Against: the name is another") == 1, "of what was typed, evidence is of something else"
    assert "Forced" in said
    assert f"payment={one}" in said, "the payment a line was found to be for is opened from there"


def test_a_text_is_looked_for_as_far_back_as_so_many_lines_reach_and_that_is_said(desk, monkeypatch):
    """It was looked for in every match there ever was, twice for each page."""
    monkeypatch.setattr(matched, "LOOKED_THROUGH", 2)
    old = owes(desk, "Lerato Botha", 20_000)
    rows = (
        (f"2026-03-02,EFT BOTHA {old.replace('_', '')}", "200.00"), ("2026-03-03,FEE BOTHAVILLE", "-1.00"),
        *((f"2026-11-{day},BANK FEE", "-2.00") for day in (20, 21, 22)),
    )  # fmt: skip
    with desk.sessions.begin() as session:
        account = accounts.create(session, ADMIN, name="Events", now=desk.now).id
        data = "\n".join(("Date,Text,Amount", *(",".join(row) for row in rows))).encode()
        imports.import_file(session, ADMIN, account, "a.csv", data, now=desk.now, mapping=PLAIN)
    proposing.propose(desk.sessions, ADMIN, now=desk.now)
    for view in waiting(desk):
        accept(desk, view, Part(Target.ASIDE, view.amount), BY_HAND, {})

    def told(**wanted) -> tuple:
        with desk.sessions.read() as session:
            one = matched.find_matches(session, ADMIN, Wanted(**wanted))
        return [match.on.isoformat()[5:] for match in one.matches], one.since, one.payers

    since = date(2026, 11, 20)
    assert told(text="botha") == (["03-02"], since, True), "the payment's own index has what paid it"
    assert told(text="EFT BOTHA") == (["03-02"], since, True)
    march = {"first": date(2026, 3, 1), "last": date(2026, 3, 31)}
    assert told(text="botha", **march) == (["03-03", "03-02"], None, False)
    assert len(told(text="fee")[0]) == 3
    monkeypatch.setattr(matched, "FEW", 0)
    assert told(text="botha") == ([], since, False)
    desk.sign_in(Role.FINANCE)
    at = desk.open(BENCH, reason="Matched")
    at.text_input(key="match_text").set_value("botha").run()
    assert "Lines were looked through from 20 Nov 2026 on. Days look further back." in all_html(at)


def test_of_a_line_that_was_undone_often_only_what_stands_is_asked_for(desk):
    """Rules showed ten for each line in all, and one that was undone oftener pushed another's out."""
    banked(desk, ("AGAIN", "10.00"), ("ONCE", "20.00"))
    often, once = sorted(waiting(desk), key=lambda view: view.text)
    accept(desk, once, Part(Target.ASIDE, Money(20_00)), BY_HAND, {})
    for nth in range(3):
        accept(desk, often, Part(Target.ASIDE, Money(10_00)), BY_HAND, {})
        if nth < 2:
            with desk.sessions.begin() as session:
                (match, *_) = matched.list_matches(session, ADMIN, line_ids=[often.line_id])
                reconciliation.undo(session, ADMIN, match.id, "Not so.", now=desk.now)
    lines = [often.line_id, once.line_id]
    with desk.sessions.read() as session:
        views = matched.list_matches(session, ADMIN, line_ids=lines, limit=2, standing=True)
    assert [view.line_id for view in views] == lines


def test_what_is_matched_is_reached_page_by_page(desk, monkeypatch):
    monkeypatch.setattr(sys.modules["ui.matches"], "SHOWN", 2)
    banked(desk, *((f"LINE {nth}", "10.00") for nth in range(3)))
    for view in waiting(desk):
        accept(desk, view, Part(Target.ASIDE, Money(10_00)), BY_HAND, {})
    desk.sign_in(Role.FINANCE)
    at = desk.open(BENCH, reason="Matched")
    assert "1–2 of 3 matches" in all_html(at)
    at.button(key="matches_older").click().run()
    assert "3–3 of 3 matches" in all_html(at)
    assert "LINE 0" in "".join(everything(at))


def test_the_money_of_a_payment_tells_its_bank_line_and_leads_to_it_for_who_may_see_it(desk):
    """It said “match-42-1”, which is nobody's but the desk's."""
    paid = owes(desk, "Sipho Venter", 30_000)
    banked(desk, (f"SIPHO VENTER {paid.replace('_', '')}", "300.00"), ("ANOTHER", "1.00"))
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAYMENTS, payment=paid)
    said = all_html(at)
    assert "Bank line of 23 Nov 2026, R300.00, on the word of" in said
    assert "match-" not in said
    assert f"reason=Matched&find={paid}" in "".join(everything(at))
    bench = desk.open(BENCH, reason="Matched", find=paid)
    assert not bench.exception
    assert "1–1 of 1 match" in all_html(bench)
    assert bench.text_input(key="match_text").value == paid
    desk.sign_in(Role.ORGANISER)
    at = desk.open(PAYMENTS, payment=paid)
    assert "Bank line of 23 Nov 2026, on the word of" in all_html(at)
    assert "find=" not in "".join(everything(at))
