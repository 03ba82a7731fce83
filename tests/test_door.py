"""Cash and card slips at the door: numbered without gaps, corrected by adding, tied to the ledger."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError

from db.models import AuditEntry, Event, Payment, PersonRow, Receipt, Reversal, Till, TillEntry, ZReport
from db.money import Money
from payments import obligations, timeline
from payments.access.people import Person, Role
from payments.asking import links
from payments.at_the_door import cash_up, door, shifts
from payments.at_the_door.door import Taking
from payments.at_the_door.shifts import Move
from payments.at_the_door.slips import Slip, SlipUsed
from payments.books import integrity
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.finding import as_of, conditions, needle, search
from payments.finding.search import Filter
from payments.lifecycle import Method, Source, Status
from payments.live import overview
from payments.obligations import Draft
from tests.desk import ADDRESSES, ADMIN, FakeGateway, make_event, payment_of
from tests.test_races import at_once

FLOAT = Money(50_000)
PRICE = Money(15_000)


def somebody(session, name, role=Role.ORGANISER, events=None, now=None) -> Person:
    row = PersonRow(
        email=f"{name.lower()}@example.org", name=name, role=role, all_events=events is None, created_at=now
    )
    session.add(row)
    session.flush()
    return Person(row.id, name, row.email, role, events)


@pytest.fixture
def people(sessions, now):
    with sessions.begin() as session:
        event = make_event(session, now=now)
        other = make_event(session, "gala", now=now)
        return {
            "aisha": somebody(session, "Aisha", events=frozenset({event.id}), now=now),
            "bongani": somebody(session, "Bongani", events=frozenset({event.id}), now=now),
            "stranger": somebody(session, "Carol", events=frozenset({other.id}), now=now),
            "finance": somebody(session, "Farai", Role.FINANCE, now=now),
            "viewer": somebody(session, "Vusi", Role.VIEWER, now=now),
        }


def opened(sessions, person, now, till="Main door", float_=FLOAT, event="devconf"):
    with sessions.begin() as session:
        return shifts.open_shift(session, person, event, till, float_, now=now)


def draft(sessions, person, amount=PRICE, name="Zanele Mokoena", **more) -> Draft:
    with sessions.read() as session:
        reference = obligations.draft_reference(session, person, "devconf", demo=True)
    return Draft(reference, "devconf", amount, name, **more)


def sold(sessions, person, shift, now, *, amount=PRICE, tendered=None, key=None, **more):
    wanted = more.pop("owed", None) or draft(sessions, person, amount)
    taking = Taking(key or wanted if isinstance(wanted, str) else wanted.reference, shift.id, wanted, amount,
                    tendered=tendered, **more)  # fmt: skip
    with sessions.begin() as session:
        return door.take(session, person, taking, now=now)


def corrected(sessions, person, shift, entry_id, now, why="Typed for the wrong person", key="fix"):
    with sessions.begin() as session:
        return door.correct(session, person, entry_id, why, shift_id=shift.id, key=key, now=now)


def sound(sessions):
    with sessions.read() as session:
        return integrity.examine(session)


def test_cash_pays_at_once_with_change_and_a_number(sessions, people, now):
    shift = opened(sessions, people["aisha"], now)
    taken = sold(sessions, people["aisha"], shift, now, tendered=Money(20_000))
    assert (taken.label, taken.change, taken.method) == ("Main door 000001", Money(5_000), Method.CASH)
    with sessions.read() as session:
        payment = payment_of(session, taken.reference)
        assert (payment.status, payment.method, payment.received) == (Status.PAID, "cash", PRICE)
        assert [entry.kind for entry in timeline.entries(session, payment)] == [
            "created",
            "receipt",
            "status",
        ]
    assert sound(sessions) == ()


def test_who_gives_no_name_is_a_walk_in(sessions, people, now):
    shift = opened(sessions, people["aisha"], now)
    taken = sold(sessions, people["aisha"], shift, now, owed=draft(sessions, people["aisha"], name=""))
    assert taken.payer_name == obligations.WALK_IN


def test_a_card_slip_keeps_its_number_machine_and_last_four(sessions, people, now):
    shift = opened(sessions, people["aisha"], now)
    taken = sold(sessions, people["aisha"], shift, now, slip=Slip("004711", "1234", "Speedpoint 2"))
    assert (taken.slip, taken.tendered) == (Slip("004711", "1234", "Speedpoint 2"), None)
    assert sound(sessions) == ()


SLIP = Slip("004711", "4242", "Speedpoint 2")


@pytest.mark.parametrize(
    "again",
    [
        pytest.param(SLIP, id="the same"),
        pytest.param(
            Slip("4711", "", "speedpoint  2"), id="without its zeros, the machine spelled otherwise"
        ),
        pytest.param(Slip("004711"), id="no machine named"),
    ],
)
@pytest.mark.parametrize("till", ["Main door", "Side door"])
def test_one_charge_of_a_card_pays_once(sessions, people, now, again, till):
    """It had made two people paid, and both could come in: a shop's slip copied, or typed a second time."""
    aisha, shift = people["aisha"], opened(sessions, people["aisha"], now)
    sold(sessions, aisha, shift, now, slip=SLIP, owed=draft(sessions, aisha, name="Card Person"))
    who, here = aisha, shift
    if till == "Side door":
        who, here = people["bongani"], opened(sessions, people["bongani"], now, till)
    with pytest.raises(SlipUsed, match=r"Main door 000001 already: .* from Card Person, .*, by Aisha\."):
        sold(sessions, who, here, now + timedelta(days=2), slip=again)
    with sessions.read() as session:
        assert session.scalar(select(func.count(TillEntry.id))) == 1
        assert session.scalar(select(func.count(Payment.id))) == 1
    assert sound(sessions) == ()


@pytest.mark.parametrize(
    "other, later",
    [
        pytest.param(Slip("004712", "4242", "Speedpoint 2"), timedelta(), id="another number"),
        pytest.param(Slip("004711", "4242", "Speedpoint 3"), timedelta(), id="another machine"),
        pytest.param(SLIP, timedelta(days=7), id="a week later"),
    ],
)
def test_another_charge_is_taken(sessions, people, now, other, later):
    aisha, shift = people["aisha"], opened(sessions, people["aisha"], now)
    sold(sessions, aisha, shift, now, slip=SLIP)
    assert sold(sessions, aisha, shift, now + later, slip=other).number == 2


def test_a_slip_of_another_event_or_one_that_was_taken_back_is_taken(sessions, people, now):
    farai, shift = people["finance"], opened(sessions, people["finance"], now)
    taken = sold(sessions, farai, shift, now, slip=SLIP)
    corrected(sessions, farai, shift, taken.id, now)
    assert sold(sessions, farai, shift, now, slip=SLIP).number == 3
    gala = opened(sessions, people["stranger"], now, "Gala", event="gala")
    with sessions.read() as session:
        reference = obligations.draft_reference(session, people["stranger"], "gala", demo=True)
    wanted = Draft(reference, "gala", PRICE, "Lerato Maseko")
    assert sold(sessions, people["stranger"], gala, now, slip=SLIP, owed=wanted).number == 1


def test_a_machine_that_numbers_anew_is_said_to_and_it_is_written_down_so(sessions, people, now):
    aisha, shift = people["aisha"], opened(sessions, people["aisha"], now)
    sold(sessions, aisha, shift, now, slip=SLIP)
    taken = sold(sessions, aisha, shift, now, slip=SLIP, another_charge=True)
    fresh = sold(sessions, aisha, shift, now, slip=Slip("9"), another_charge=True)
    with sessions.read() as session:
        told = [entry.title for entry in timeline.entries(session, payment_of(session, taken.reference))]
        assert "Aisha noted: Slip 004711 of Speedpoint 2 is another charge than that of receipt Main door " \
            "000001: the machine numbers anew." in told  # fmt: skip
        rows = select(AuditEntry.subject, AuditEntry.detail).where(AuditEntry.action == "take_card_slip")
        also_on = {subject: detail.get("also_on") for subject, detail in session.execute(rows)}
        assert (also_on[taken.reference], also_on[fresh.reference]) == ("Main door 000001", None)
    assert sound(sessions) == ()


@pytest.mark.parametrize("tills", [1, 2])
def test_one_slip_typed_by_several_at_once_is_on_one_receipt(sessions, people, now, tills):
    places = [(people["aisha"], opened(sessions, people["aisha"], now))]
    if tills == 2:
        places.append((people["bongani"], opened(sessions, people["bongani"], now, "Side door")))
    for nth in range(12):
        works = [
            partial(sold, sessions, who, shift, now, slip=Slip(f"{nth:06d}", "", "M"))
            for who, shift in places * (2 // tills * 2)
        ]
        outcomes = at_once(works)
        assert sorted(type(one).__name__ for one in outcomes) == ["SlipUsed"] * (len(works) - 1) + ["Taken"]
    assert sound(sessions) == ()


@pytest.mark.parametrize(
    "typed, found",
    [
        pytest.param("004711", [2], id="the slip's number"),
        pytest.param("4711", [2], id="without its zeros"),
        pytest.param("4242", [2], id="the card's last four"),
        pytest.param("000002", [4, 2], id="a receipt's number, of whichever till"),
        pytest.param("Side door 000002", [4], id="as it is printed"),
        pytest.param("side DOOR 2", [4], id="as it is said"),
        pytest.param("Side door 000003", [], id="a number that till has not had"),
        pytest.param("Back door 000002", [], id="a till there is not"),
    ],
)
def test_who_holds_a_slip_or_a_receipt_is_found_by_what_stands_on_it(sessions, people, now, typed, found):
    aisha, bongani = people["aisha"], people["bongani"]
    main, side = opened(sessions, aisha, now), opened(sessions, bongani, now, "Side door")
    slip = Slip("004711", "4242", "Speedpoint 2")
    taken = [sold(sessions, aisha, main, now), sold(sessions, aisha, main, now, slip=slip)]
    taken += [sold(sessions, bongani, side, now) for _ in range(2)]
    with sessions.read() as session:
        rows = search.page(session, aisha, Filter(text=typed)).rows
        assert search.totals(session, aisha, Filter(text=typed)).count == len(found)
        assert search.page(session, people["stranger"], Filter(text=typed)).rows == ()
    assert [row.reference for row in rows] == [taken[nth - 1].reference for nth in found]


@pytest.mark.parametrize(
    "typed, indexes", [("4242", ("slip_number", "card_last4")), ("000042", ("slip_number", "number"))]
)
def test_what_stands_on_a_paper_of_the_till_is_found_by_an_index(sessions, typed, indexes):
    with sessions.read() as session:
        held = conditions.shows(needle.paper(typed))
        sql = str(held.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SET LOCAL enable_seqscan = off"))
            plan = str(session.execute(text(f"EXPLAIN {sql}")).all())
        else:
            plan = str(session.execute(text(f"EXPLAIN QUERY PLAN {sql}")).all())
    assert [f"ix_till_entries_{name}" in plan for name in indexes] == [True, True]


@pytest.mark.parametrize(
    "taking, sentence",
    [
        pytest.param({"tendered": Money(10_000)}, "less than", id="less handed over than taken"),
        pytest.param({"amount": Money(20_000)}, "is owed", id="more cash than owed"),
        pytest.param({"amount": Money(0)}, "More than nothing", id="nothing"),
        pytest.param({"slip": Slip("")}, "number that the slip shows", id="a slip without a number"),
        pytest.param({"slip": Slip("1", "12345")}, "last four", id="more than four digits of a card"),
        pytest.param({"slip": Slip("4111 1111 1111 1111")}, "card number", id="a card number as slip"),
    ],
)
def test_what_cannot_be_taken_is_refused_and_leaves_no_number(sessions, people, now, taking, sentence):
    shift = opened(sessions, people["aisha"], now)
    wanted = draft(sessions, people["aisha"])
    with pytest.raises(InvalidInput, match=sentence):
        sold(sessions, people["aisha"], shift, now, owed=wanted, **taking)
    assert sold(sessions, people["aisha"], shift, now).number == 1
    assert sound(sessions) == ()


def test_the_same_form_twice_is_one_receipt(sessions, people, now):
    shift, wanted = opened(sessions, people["aisha"], now), draft(sessions, people["aisha"])
    first = sold(sessions, people["aisha"], shift, now, owed=wanted, key="form")
    assert sold(sessions, people["aisha"], shift, now, owed=wanted, key="form") == first
    with pytest.raises(Conflict, match="sent before"):
        sold(sessions, people["aisha"], shift, now, owed=wanted, key="form", amount=Money(100))


def test_fifty_clicks_at_once_are_one_receipt(sessions, people, now):
    shift, wanted = opened(sessions, people["aisha"], now), draft(sessions, people["aisha"])

    def click(_):
        return sold(sessions, people["aisha"], shift, now, owed=wanted, key="form").number

    with ThreadPoolExecutor(8) as hands:
        assert set(hands.map(click, range(50))) == {1}
    assert sound(sessions) == ()


def test_a_card_that_was_charged_is_written_down_though_the_payment_is_settled(sessions, people, now):
    shift = opened(sessions, people["aisha"], now)
    first = sold(sessions, people["aisha"], shift, now)
    with pytest.raises(Conflict, match="has its money already"):
        sold(sessions, people["aisha"], shift, now, owed=first.reference, key="cash again")
    sold(sessions, people["aisha"], shift, now, owed=first.reference, key="card", slip=Slip("12"))
    with sessions.read() as session:
        payment = payment_of(session, first.reference)
        assert (payment.status, payment.review, payment.received_minor) == ("paid", "overpaid", 30_000)


def test_a_correction_takes_the_money_back_and_the_payment_is_owed_again(sessions, people, now):
    shift = opened(sessions, people["aisha"], now)
    taken = sold(sessions, people["aisha"], shift, now)
    fixed = corrected(sessions, people["aisha"], shift, taken.id, now)
    assert (fixed.number, fixed.amount, fixed.reverses) == (2, -PRICE, 1)
    with sessions.read() as session:
        payment = payment_of(session, taken.reference)
        assert (payment.status, payment.received_minor, payment.paid_at) == (Status.OPEN, 0, None)
        live = overview.live(session, None, now=now)
        assert live.takings.today.count == 0
    assert sold(sessions, people["aisha"], shift, now, owed=taken.reference, key="again").number == 3
    assert sound(sessions) == ()


@pytest.mark.parametrize("twice", ["corrected again", "its correction corrected"])
def test_a_receipt_is_corrected_once(sessions, people, now, twice):
    shift = opened(sessions, people["aisha"], now)
    taken = sold(sessions, people["aisha"], shift, now)
    fixed = corrected(sessions, people["aisha"], shift, taken.id, now)
    wrong = taken.id if twice == "corrected again" else fixed.id
    with pytest.raises(Conflict):
        corrected(sessions, people["aisha"], shift, wrong, now, key="other")


def test_organisers_correct_their_own_and_finance_everybodys(sessions, people, now):
    shift = opened(sessions, people["aisha"], now)
    taken = sold(sessions, people["aisha"], shift, now)
    hers = opened(sessions, people["bongani"], now, till="Side door")
    with pytest.raises(Conflict, match="Aisha took this"):
        corrected(sessions, people["bongani"], hers, taken.id, now)
    theirs = opened(sessions, people["finance"], now, till="Office")
    assert corrected(sessions, people["finance"], theirs, taken.id, now).label == "Office 000001"
    assert sound(sessions) == ()


def test_part_payments_leave_a_balance(sessions, people, now):
    shift, wanted = opened(sessions, people["aisha"], now), draft(sessions, people["aisha"])
    first = sold(sessions, people["aisha"], shift, now, owed=wanted, amount=Money(5_000))
    assert first.balance == Money(10_000)
    assert sold(sessions, people["aisha"], shift, now, owed=first.reference, amount=Money(10_000), key="2")
    with sessions.read() as session:
        assert payment_of(session, first.reference).status == Status.PAID


# -- shifts -----------------------------------------------------------------------------------------


def test_one_shift_a_till_and_one_a_person(sessions, people, now):
    opened(sessions, people["aisha"], now)
    with pytest.raises(Conflict, match="Aisha has an open shift"):
        opened(sessions, people["bongani"], now)
    with pytest.raises(Conflict, match="You have an open shift"):
        opened(sessions, people["aisha"], now, till="Side door")


def test_nobody_takes_money_in_anothers_shift(sessions, people, now):
    shift = opened(sessions, people["aisha"], now)
    with pytest.raises(NotFound):
        sold(sessions, people["bongani"], shift, now, owed=draft(sessions, people["bongani"]))
    with pytest.raises(Conflict, match="Aisha's shift"):
        sold(sessions, people["finance"], shift, now, owed=draft(sessions, people["finance"]))


@pytest.mark.parametrize("who, refusal", [("stranger", NotFound), ("viewer", NotAllowed)])
def test_who_may_not_take_money_opens_no_till(sessions, people, now, who, refusal):
    with pytest.raises(refusal):
        opened(sessions, people[who], now)


def test_the_count_is_blind_and_a_variance_is_explained_never_forced(sessions, people, now):
    aisha, shift = people["aisha"], opened(sessions, people["aisha"], now)
    sold(sessions, aisha, shift, now)
    with sessions.begin() as session:
        assert cash_up.counted(session, aisha, shift.id) is None
        shifts.move_cash(
            session, aisha, shift.id, Move.DROP, Money(40_000), key="d", now=now, bag_number="B7"
        )
        shifts.move_cash(
            session, aisha, shift.id, Move.DROP, Money(40_000), key="d", now=now, bag_number="B7"
        )
        found = cash_up.count(session, aisha, shift.id, {20_000: 1, 1_000: 4}, now=now)
    assert (found.expected, found.counted, found.variance) == (Money(25_000), Money(24_000), -Money(1_000))
    with pytest.raises(Conflict, match="was counted"):
        sold(sessions, aisha, shift, now)
    with pytest.raises(InvalidInput, match="It does not agree"), sessions.begin() as session:
        cash_up.close(session, aisha, shift.id, now=now)
    with sessions.begin() as session:
        report = cash_up.close(session, aisha, shift.id, now=now, why="Ten rand short, found no cause")
    assert (report.number, report.genuine, report.told["variance_minor"]) == (1, True, -1_000)
    assert report.told["moves"] == [{"kind": "drop", "minor": 40_000, "bag": "B7", "why": ""}]
    assert sound(sessions) == ()


def test_a_card_machines_own_total_is_held_against_its_slips(sessions, people, now):
    aisha, shift = people["aisha"], opened(sessions, people["aisha"], now)
    sold(sessions, aisha, shift, now, slip=Slip("1", machine="Speedpoint 2"))
    with sessions.begin() as session:
        found = cash_up.count(
            session,
            aisha,
            shift.id,
            {20_000: 2, 10_000: 1},
            now=now,
            machines={"Speedpoint 2": Money(14_000)},
        )
    assert [(each.name, each.variance) for each in found.machines] == [("Speedpoint 2", -Money(1_000))]
    assert not found.agrees


def test_counting_again_keeps_both_counts_and_the_last_one_counts(sessions, people, now):
    aisha, shift = people["aisha"], opened(sessions, people["aisha"], now)
    for pieces in ({20_000: 2}, {20_000: 2, 10_000: 1}):
        with sessions.begin() as session:
            found = cash_up.count(session, aisha, shift.id, pieces, now=now)
    assert (found.counts, found.variance) == (2, Money(0))


@pytest.mark.parametrize("table", ["till_entries", "cash_moves", "drawer_counts", "z_reports", "reversals"])
@pytest.mark.parametrize("change", ["UPDATE {} SET at = at", "DELETE FROM {}"])
def test_the_database_refuses_changes_of_a_roll(sessions, people, now, table, change):
    aisha, shift = people["aisha"], opened(sessions, people["aisha"], now)
    taken = sold(sessions, aisha, shift, now)
    corrected(sessions, aisha, shift, taken.id, now)
    with sessions.begin() as session:
        shifts.move_cash(session, aisha, shift.id, Move.TOP_UP, Money(1_000), key="t", now=now)
        cash_up.count(session, aisha, shift.id, {1_000: 51}, now=now)
        cash_up.close(session, aisha, shift.id, now=now)
    statement = change.format(table).replace("at = at", "amount_minor = 1" if "rev" in table else "at = at")
    with pytest.raises(DatabaseError, match="only ever added"), sessions.begin() as session:
        session.execute(text(statement))


def test_a_report_that_was_changed_is_found(sessions, people, now):
    aisha, shift = people["aisha"], opened(sessions, people["aisha"], now)
    with sessions.begin() as session:
        cash_up.count(session, aisha, shift.id, {20_000: 2, 10_000: 1}, now=now)
        cash_up.close(session, aisha, shift.id, now=now)
        report = session.scalars(select(ZReport)).one()
        report_id, body = report.id, report.body.replace("50000", "40000")
    with sessions.begin() as session:
        if session.get_bind().dialect.name == "sqlite":
            session.execute(text("DROP TRIGGER z_reports_no_update"))
        else:
            session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE z_reports SET body = :b WHERE id = :i"), {"b": body, "i": report_id})
    assert any("not as it was signed" in row for finding in sound(sessions) for row in finding.rows)


def test_a_link_and_cash_for_one_payment_go_together(sessions, people, now):
    """Part by cash at the door, the rest by link: the link asks for what is left."""
    shift = opened(sessions, people["aisha"], now)
    wanted = draft(sessions, people["aisha"])
    sold(sessions, people["aisha"], shift, now, owed=wanted, amount=Money(5_000))
    link = links.issue(sessions, FakeGateway(), wanted, person=ADMIN, addresses=ADDRESSES, now=now)
    assert link.amount == Money(10_000)


def test_a_day_of_six_hundred_walk_ins_by_eight_people_at_once_adds_up(sessions, people, now):
    """Receipts = shifts = payments by method, with corrections and a drawer that is short, to the cent."""
    with sessions.begin() as session:
        team = [somebody(session, f"Helper{nth}", now=now) for nth in range(8)]
    open_shifts = [opened(sessions, each, now, till=f"Till {nth}") for nth, each in enumerate(team)]

    def work(nth: int) -> tuple[int, int]:
        dice, cash, card = random.Random(nth), 0, 0
        for customer in range(75):
            amount = Money(dice.choice([15_000, 45_000, 150_000]))
            slip = Slip(f"{nth}-{customer}", machine="M1") if dice.random() < 0.3 else None
            at = now + timedelta(seconds=customer)
            taken = sold(sessions, team[nth], open_shifts[nth], at, amount=amount, slip=slip)
            if dice.random() < 0.05:
                corrected(sessions, team[nth], open_shifts[nth], taken.id, at, key=f"fix {nth} {customer}")
            elif slip:
                card += amount.minor
            else:
                cash += amount.minor
        return cash, card

    with ThreadPoolExecutor(8) as hands:
        truth = list(hands.map(work, range(8)))
    for nth, (cash, card) in enumerate(truth):
        short = 1_000 if nth == 3 else 0
        with sessions.begin() as session:
            pieces = {1_000: (FLOAT.minor + cash - short) // 1_000}
            found = cash_up.count(session, team[nth], open_shifts[nth].id, pieces, now=now,
                                 machines={"M1": Money(card)})  # fmt: skip
            assert found.variance.minor == -short
            cash_up.close(session, team[nth], open_shifts[nth].id, now=now, why="Ten rand short, no idea why")
    with sessions.read() as session:
        rolls = session.scalar(select(func.sum(TillEntry.amount_minor)))
        ledger = session.scalar(select(func.sum(Receipt.amount_minor))) - session.scalar(
            select(func.sum(Reversal.amount_minor))
        )
        assert rolls == ledger == sum(map(sum, truth))
        told = [json.loads(report.body) for report in session.scalars(select(ZReport))]
        closed_cash = sum(body["cash_sales_minor"] + body["cash_corrections_minor"] for body in told)
        assert len(told) == 8
        for method, sum_minor in (("cash", closed_cash), ("card_slip", sum(card for _, card in truth))):
            received = select(func.sum(Payment.received_minor)).where(Payment.method == method)
            assert session.scalar(received) == sum_minor, method
        assert session.scalar(select(func.count()).select_from(Till)) == 8
    assert sound(sessions) == ()


@pytest.mark.parametrize("text", ["004711", "4242", "Main door 000001"])
def test_as_of_a_moment_before_it_a_slip_finds_nobody(sessions, people, now, text):
    aisha = people["aisha"]
    with sessions.begin() as session:
        owed = obligations.create(
            session, session.scalars(select(Event).where(Event.code == "devconf")).one(),
            obligations.checked(draft(sessions, aisha)), person=aisha, now=now, source=Source.DESK,
        )  # fmt: skip
        reference = owed.reference
    later = now + timedelta(hours=2)
    sold(sessions, aisha, opened(sessions, aisha, later), later, owed=reference, slip=SLIP)
    for moment, found in ((now + timedelta(hours=1), 0), (later, 1)):
        with as_of.read(sessions, moment, now=later) as session:
            assert search.totals(session, aisha, Filter(text=text, as_of=moment)).count == found
