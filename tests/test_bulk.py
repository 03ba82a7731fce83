"""One deed on many: told before, done row by row, gone on with after a break, and undone where it can be."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from db.models import AuditEntry, BulkRow, Case, OutboxMail, Payment, TimelineEntry
from db.money import Money
from payments import cancellation, lifecycle, notes
from payments.access.people import SYSTEM, Role
from payments.access.staff import create_person
from payments.books import integrity
from payments.deciding import attention, bulk, deeds, lookout
from payments.deciding.bulk import Filter
from payments.deciding.cases import Decision, Reason
from payments.deciding.deeds import NEEDS, ON_CASES, UNDOABLE, Deed, Given
from payments.errors import Conflict, GatewayUnavailable, InvalidInput, NotAllowed, NotFound
from payments.finding import conditions, filters, search
from payments.gateways import Answer
from payments.lifecycle import Kind, Source, Status
from payments.second_person import approvals, two_people
from payments.second_person.approvals import What
from payments.telling import outbox
from payments.watching import standstill
from tests.desk import issue, make_event, payment_of, proved
from tests.samples import make_payment
from tests.test_inbox import accept, process

WHY = "The sponsor has withdrawn."


@pytest.fixture
def event(sessions, now):
    with sessions.begin() as session:
        return make_event(session, now=now).id


@pytest.fixture
def finance(sessions, event, now):
    return person(sessions, Role.FINANCE, None, now)


def person(sessions, role, events, now):
    with sessions.begin() as session:
        return proved(
            create_person(
                session, SYSTEM, name=f"{role} person", email=f"{role}@example.org", role=role,
                events=events, now=now,
            )
        )  # fmt: skip


@pytest.fixture
def references(sessions, gateway, event, now):
    """Three open payments, and a fourth that is paid."""
    made = [issue(sessions, gateway, now=now, payer_name=f"Payer {nth}").reference for nth in range(4)]
    gateway.says("link00000000004", Answer.PAID, "PAID")
    process(sessions, gateway, accept(sessions, now, link="link00000000004", word="PAID"), now)
    return made


def look(sessions, who, deed, target=None, given=None):
    with sessions.read() as session:
        return bulk.preview(session, who, deed, target if target is not None else Filter(), given or Given())


def start(sessions, who, deed, now, target=None, given=None):
    with sessions.begin() as session:
        return bulk.start(
            session, who, deed, target if target is not None else Filter(), given or Given(), now=now
        )


def finish(sessions, gateway, who, run_id, now):
    for _ in range(50):
        told = bulk.step(sessions, {"ikhokha": gateway}, who, run_id, now=now)
        if not told.left:
            return told
    raise AssertionError("a run that does not end")


def run(sessions, gateway, who, deed, now, target=None, given=None):
    return finish(sessions, gateway, who, start(sessions, who, deed, now, target, given), now)


def results(sessions, who, run_id):
    with sessions.read() as session:
        return {one.reference: (one.outcome, one.why) for one in bulk.results(session, who, run_id)}


def statuses(sessions, references):
    with sessions.read() as session:
        return [payment_of(session, reference).status for reference in references]


def count(sessions, what, *where):
    with sessions.read() as session:
        return session.scalar(select(func.count()).select_from(what).where(*where))


# -- before ---------------------------------------------------------------------------------------------


def test_every_deed_says_what_it_needs():
    assert set(NEEDS) == set(Deed)
    assert set(Deed) >= UNDOABLE >= ON_CASES


def test_a_preview_tells_how_many_how_much_and_what_is_skipped_and_changes_nothing(
    sessions, finance, references
):
    told = look(sessions, finance, Deed.CANCEL, given=Given(WHY))
    assert (told.count, told.doing, told.sums) == (4, 3, {"ZAR": Money(45_000)})
    assert told.skipped == {"it is paid": 1}
    assert told.first == tuple((references[nth], f"Payer {nth}") for nth in (2, 1, 0))
    assert statuses(sessions, references) == ["open", "open", "open", "paid"]
    assert count(sessions, BulkRow) == 0


def test_what_was_agreed_to_is_done_and_nothing_that_came_after_it_was_looked_at(
    sessions, gateway, finance, references, now
):
    """Of nine that were shown two were paid before the click: seven were cancelled, without a word."""
    waiting = Filter(statuses=(Status.OPEN,))
    told = look(sessions, finance, Deed.CANCEL, waiting, Given(WHY))
    gateway.says("link00000000002", Answer.PAID, "PAID")
    process(sessions, gateway, accept(sessions, now, link="link00000000002", word="PAID"), now)
    later = issue(sessions, gateway, now=now, payer_name="Later").reference
    with sessions.begin() as session:
        run_id = bulk.start(session, finance, Deed.CANCEL, waiting, Given(WHY), now=now, seen=told)
    done = finish(sessions, gateway, finance, run_id, now)
    assert (told.doing, done.outcomes) == (3, {"done": 2, "skipped": 1})
    assert results(sessions, finance, run_id)[references[1]] == (
        "skipped", "by now it is not among those that match",
    )  # fmt: skip
    assert statuses(sessions, [references[1], later]) == ["paid", "open"]


def test_what_was_to_be_skipped_is_skipped_though_nothing_stands_in_its_way_by_now(
    sessions, gateway, finance, references, now
):
    """Ten are done where somebody agreed to nine, otherwise."""
    everything = Filter()
    told = look(sessions, finance, Deed.CANCEL, everything, Given(WHY))
    skipped = replace(told, agreed=dict([*told.agreed.items()][1:]))
    with sessions.begin() as session:
        run_id = bulk.start(session, finance, Deed.CANCEL, everything, Given(WHY), now=now, seen=skipped)
    done = finish(sessions, gateway, finance, run_id, now)
    assert done.outcomes["done"] == skipped.doing
    whys = {why for outcome, why in results(sessions, finance, run_id).values() if outcome == "skipped"}
    assert "it was to be left out when this was agreed to" in whys


def test_another_request_than_the_one_that_was_shown_is_not_approved(sessions, finance, references, now):
    told = bulk.Preview(Deed.APPROVE, (7,), {7: 3}, {}, {}, ())
    shown, other = (
        deeds.Subject(7, "R", 1, None, None, asked_id=at, asked_what=What.WAIVE, asked_by=0) for at in (3, 4)
    )
    given = Given(what=What.WAIVE)
    kept = [bulk._kept_from(finance, Deed.APPROVE, one, given, told) for one in (shown, other)]
    assert kept == [None, "another request about it waits by now"]


def test_more_than_one_run_takes_is_refused_and_never_cut(sessions, finance, references, now, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_AT_ONCE", 3)
    with pytest.raises(InvalidInput, match="Narrow the filter"):
        look(sessions, finance, Deed.ASK)
    with pytest.raises(InvalidInput, match="Narrow the filter"):
        start(sessions, finance, Deed.ASK, now)
    assert look(sessions, finance, Deed.ASK, Filter(statuses=(Status.OPEN,))).doing == 3


@pytest.mark.parametrize(
    "deed, given",
    [
        pytest.param(Deed.CANCEL, Given("no"), id="cancel without a reason"),
        pytest.param(Deed.NOTE, Given(" "), id="an empty note"),
        pytest.param(Deed.NOTE, Given("card 4111 1111 1111 1111"), id="a card number"),
        pytest.param(Deed.DECIDE, Given(WHY), id="no decision"),
        pytest.param(Deed.ASSIGN, Given(), id="nobody and no day"),
        pytest.param(Deed.WAIVE, Given("no"), id="waive without a reason"),
        pytest.param(Deed.MOVE, Given(WHY), id="move nowhere"),
        pytest.param(Deed.APPROVE, Given(), id="approve anything"),
    ],
)
def test_what_must_be_said_is_asked_for_before_anything_is_written(
    sessions, finance, references, now, deed, given
):
    target = (1,) if deed in ON_CASES else Filter()
    with pytest.raises(InvalidInput):
        look(sessions, finance, deed, target, given)
    with pytest.raises(InvalidInput):
        start(sessions, finance, deed, now, target, given)


@pytest.mark.parametrize("deed", Deed)
def test_a_viewer_does_nothing_to_many(sessions, references, now, deed):
    viewer = person(sessions, Role.VIEWER, None, now)
    given = Given(WHY, Decision.ACCEPTED, 1)
    with pytest.raises(NotAllowed):
        look(sessions, viewer, deed, (1,) if deed in ON_CASES else Filter(), given)


def test_an_organisers_all_is_their_own_events(sessions, gateway, references, now):
    with sessions.begin() as session:
        mine = make_event(session, "gala", now=now).id
    ours = issue(sessions, gateway, now=now, event="gala").reference
    organiser = person(sessions, Role.ORGANISER, [mine], now)
    told = run(sessions, gateway, organiser, Deed.NOTE, now, given=Given("Called."))
    assert told.outcomes == {"done": 1}
    assert list(results(sessions, organiser, told.id)) == [ours]


# -- row by row -------------------------------------------------------------------------------------------


def test_a_note_stands_on_each_timeline_with_its_own_audit_entry(sessions, gateway, finance, references, now):
    told = run(sessions, gateway, finance, Deed.NOTE, now, given=Given("Called,\nno answer."))
    assert told.outcomes == {"done": 4}
    assert told.finished_at == now
    assert count(sessions, TimelineEntry, TimelineEntry.kind == "note") == 4
    assert count(sessions, AuditEntry, AuditEntry.action == "add_note") == 4
    assert count(sessions, AuditEntry, AuditEntry.action.in_(["start_bulk", "finish_bulk"])) == 2


def test_cancelling_asks_first_and_what_was_paid_meanwhile_is_paid_and_not_cancelled(
    sessions, gateway, finance, references, now
):
    gateway.says("link00000000002", Answer.PAID, "PAID")
    asked = len(gateway.asked)
    told = run(sessions, gateway, finance, Deed.CANCEL, now, given=Given(WHY))
    assert told.outcomes == {"done": 2, "skipped": 2}
    assert statuses(sessions, references) == ["cancelled", "paid", "cancelled", "paid"]
    assert len(gateway.asked) == asked + 3
    said = results(sessions, finance, told.id)
    assert "cannot be cancelled: it is paid" in said[references[1]][1]
    assert said[references[3]] == ("skipped", "it is paid")


def test_a_gateway_that_does_not_answer_fails_the_row_and_cancels_nothing(
    sessions, gateway, finance, references, now
):
    gateway.failing = GatewayUnavailable("iKhokha cannot be reached.")
    told = run(sessions, gateway, finance, Deed.CANCEL, now, given=Given(WHY))
    assert told.outcomes == {"failed": 3, "skipped": 1}
    assert statuses(sessions, references) == ["open", "open", "open", "paid"]


def test_money_on_a_cancelled_payment_is_paid_late(sessions, gateway, finance, references, now):
    run(sessions, gateway, finance, Deed.CANCEL, now, given=Given(WHY))
    gateway.says("link00000000001", Answer.PAID, "PAID")
    process(sessions, gateway, accept(sessions, now, link="link00000000001", word="PAID"), now)
    with sessions.read() as session:
        payment = payment_of(session, references[0])
    assert (payment.status, payment.review) == ("paid", "paid_late")


def test_asking_again_writes_who_asked_and_takes_the_answer(sessions, gateway, finance, references, now):
    gateway.says("link00000000001", Answer.PAID, "PAID")
    told = run(sessions, gateway, finance, Deed.ASK, now)
    said = results(sessions, finance, told.id)
    assert said[references[0]] == ("done", "paid")
    assert said[references[1]] == ("done", "nothing new")
    assert said[references[3]] == ("skipped", "it has no link that waits for money")
    assert count(sessions, TimelineEntry, TimelineEntry.kind == "asked") == 3
    assert count(sessions, AuditEntry, AuditEntry.action == "ask_gateway") == 3


def test_a_confirmation_is_sent_again_unless_it_waits(sessions, gateway, finance, references, now):
    told = look(sessions, finance, Deed.RESEND)
    assert told.skipped == {"it has no mail yet": 3, "its mail waits to be sent already": 1}
    outbox.send_due(sessions, lambda message: None, "desk@example.org", now=now)
    told = run(sessions, gateway, finance, Deed.RESEND, now)
    assert told.outcomes == {"done": 1, "skipped": 3}
    assert count(sessions, OutboxMail, OutboxMail.state == "queued") == 1


def test_a_run_goes_on_where_it_was_and_does_no_row_twice(
    sessions, gateway, finance, references, now, monkeypatch
):
    monkeypatch.setattr(bulk, "QUICK_STEP", 2)
    run_id = start(sessions, finance, Deed.NOTE, now, given=Given("Called."))
    told = bulk.step(sessions, {}, finance, run_id, now=now)
    assert (told.left, told.finished_at) == (2, None)
    with sessions.read() as session:
        assert [one.id for one in bulk.unfinished(session, finance)] == [run_id]
    issue(sessions, gateway, now=now)  # what came later is not swept along
    told = finish(sessions, gateway, finance, run_id, now)
    assert told.outcomes == {"done": 4}
    bulk.step(sessions, {}, finance, run_id, now=now)
    assert count(sessions, TimelineEntry, TimelineEntry.kind == "note") == 4
    with sessions.read() as session:
        assert bulk.unfinished(session, finance) == ()


def test_the_outcome_of_a_row_is_committed_with_its_work(
    sessions, gateway, finance, references, now, monkeypatch
):
    run_id = start(sessions, finance, Deed.NOTE, now, given=Given("Called."))
    add, calls = notes.add, []

    def dies(*args, **more):
        add(*args, **more)
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(notes, "add", dies)
    with pytest.raises(KeyboardInterrupt):
        bulk.step(sessions, {}, finance, run_id, now=now)
    monkeypatch.setattr(notes, "add", add)
    assert count(sessions, TimelineEntry, TimelineEntry.kind == "note") == 2
    assert finish(sessions, gateway, finance, run_id, now).outcomes == {"done": 4}
    assert count(sessions, TimelineEntry, TimelineEntry.kind == "note") == 4


def test_a_run_is_its_starters_and_waits_while_the_desk_stands_still(sessions, finance, references, now):
    run_id = start(sessions, finance, Deed.NOTE, now, given=Given("Called."))
    other = person(sessions, Role.ADMIN, None, now)
    with pytest.raises(NotFound):
        bulk.step(sessions, {}, other, run_id, now=now)
    with sessions.begin() as session:
        standstill.begin(session, "The books do not add up.", now=now)
    with pytest.raises(Conflict):
        bulk.step(sessions, {}, finance, run_id, now=now)
    with sessions.read() as session:
        assert bulk.progress(session, finance, run_id).left == 4


# -- undone -----------------------------------------------------------------------------------------------


def undo(sessions, who, run_id, now):
    while bulk.undo_step(sessions, who, run_id, now=now).outcomes.get("done"):
        pass
    with sessions.read() as session:
        return bulk.progress(session, who, run_id).outcomes


def test_cancelled_payments_are_open_again_except_those_that_were_paid_since(
    sessions, gateway, finance, references, now
):
    told = run(sessions, gateway, finance, Deed.CANCEL, now, given=Given(WHY))
    assert told.undoable == 3
    gateway.says("link00000000001", Answer.PAID, "PAID")
    process(sessions, gateway, accept(sessions, now, link="link00000000001", word="PAID"), now)
    assert undo(sessions, finance, told.id, now) == {"undone": 2, "failed": 1, "skipped": 1}
    assert statuses(sessions, references) == ["paid", "open", "open", "paid"]


def test_what_was_done_last_is_at_hand_for_a_day_for_who_did_it(sessions, gateway, finance, references, now):
    """Undo had gone with its dialog."""
    other = person(sessions, Role.ADMIN, None, now)
    cancelled = run(sessions, gateway, finance, Deed.CANCEL, now, given=Given(WHY))
    run(sessions, gateway, other, Deed.NOTE, now, given=Given("Called."))
    start(sessions, finance, Deed.NOTE, now, given=Given("It is not over, and offered to go on."))

    def last(who, after, *among):
        with sessions.read() as session:
            told = bulk.last(session, who, among or Deed, now=now + after)
        return told and told.id

    assert last(finance, timedelta(hours=23)) == cancelled.id
    assert last(finance, timedelta(hours=24)) is None
    assert last(finance, timedelta(0), Deed.NOTE, Deed.MOVE) is None
    assert last(other, timedelta(0)) != cancelled.id
    later = run(sessions, gateway, finance, Deed.NOTE, now, given=Given("Called again."))
    assert last(finance, timedelta(0)) == later.id


@pytest.mark.parametrize("deed", [Deed.NOTE, Deed.ASK, Deed.RESEND])
def test_what_cannot_be_undone_says_so(sessions, gateway, finance, references, now, deed):
    told = run(sessions, gateway, finance, deed, now, given=Given("Called."))
    assert told.undoable == 0
    with pytest.raises(Conflict, match="cannot be undone"):
        bulk.undo_step(sessions, finance, told.id, now=now)


# -- cases ------------------------------------------------------------------------------------------------


@pytest.fixture
def stuck(sessions, gateway, event, now):
    """Three payments that nobody paid for two days, on the queue; their cases' ids."""
    for nth in range(3):
        reference = issue(sessions, gateway, now=now - timedelta(days=2), payer_name=f"Payer {nth}").reference
        with sessions.begin() as session:
            payment_of(session, reference).links[0].asked_at = now
    lookout.look(sessions, now=now)
    with sessions.read() as session:
        return tuple(session.scalars(select(Case.id).where(Case.reason == Reason.STUCK_PENDING)))


def owners(sessions, who, now):
    with sessions.read() as session:
        groups = attention.queue(session, who, now=now)
        return [(case.owner, case.due_on) for group in groups for case in group.cases]


def test_cases_are_decided_together_and_the_decision_is_undone_by_new_cases(
    sessions, gateway, finance, stuck, now
):
    given = Given(WHY, Decision.LEAVE_OPEN)
    told = run(sessions, gateway, finance, Deed.DECIDE, now, stuck, given)
    assert told.outcomes == {"done": 3}
    assert owners(sessions, finance, now) == []
    assert undo(sessions, finance, told.id, now) == {"undone": 3}
    assert len(owners(sessions, finance, now)) == 3
    assert count(sessions, Case, Case.decision == "leave_open") == 3
    assert count(sessions, Case) == 6


def test_a_decision_that_a_reason_does_not_offer_skips_the_case(sessions, gateway, finance, stuck, now):
    told = look(sessions, finance, Deed.DECIDE, stuck, Given(WHY, Decision.BOTH_MEANT))
    assert (told.doing, told.skipped) == (0, {"that is no decision for stuck pending": 3})


def test_cases_get_an_owner_and_back_what_they_had(sessions, gateway, finance, stuck, now):
    due = now.date() + timedelta(days=3)
    with sessions.begin() as session:
        attention.assign(session, finance, stuck[0], owner_id=None, due_on=due, note="Known.", now=now)
    told = run(sessions, gateway, finance, Deed.ASSIGN, now, stuck, Given(owner_id=finance.id))
    assert owners(sessions, finance, now) == [(finance.name, due), (finance.name, None), (finance.name, None)]
    assert count(sessions, TimelineEntry, TimelineEntry.kind == "assigned") == 4
    assert undo(sessions, finance, told.id, now) == {"undone": 3}
    assert owners(sessions, finance, now) == [(None, due), (None, None), (None, None)]


def test_a_person_of_another_event_decides_none_of_them(sessions, gateway, stuck, now):
    with sessions.begin() as session:
        mine = make_event(session, "gala", now=now).id
    other = person(sessions, Role.FINANCE, [mine], now)
    given = Given(WHY, Decision.LEAVE_OPEN)
    assert look(sessions, other, Deed.DECIDE, stuck, given).count == 0
    with pytest.raises(InvalidInput):
        start(sessions, other, Deed.DECIDE, now, stuck, given)


# -- one at a time ----------------------------------------------------------------------------------------


def test_a_payment_whose_link_is_not_confirmed_is_not_cancelled(sessions, gateway, finance, event, now):
    gateway.loses_answers = None
    reference = issue(sessions, gateway, now=now).reference
    with sessions.begin() as session:
        link = payment_of(session, reference).links[0]
        link.state, link.gateway_reference = "asked", None
    gateway.links.clear()
    with pytest.raises(Conflict, match="has not said"):
        cancellation.cancel(sessions, {"ikhokha": gateway}, finance, reference, WHY, now=now)
    assert statuses(sessions, [reference]) == ["open"]


def test_only_what_was_cancelled_is_taken_back(sessions, gateway, finance, references, now):
    with pytest.raises(Conflict, match="is not cancelled"), sessions.begin() as session:
        cancellation.reopen(session, finance, references[0], WHY, now=now)


def test_a_decision_is_undone_by_a_new_case_with_the_same_finding(sessions, finance, stuck, now):
    with sessions.begin() as session:
        attention.decide(session, finance, stuck[0], Decision.LEAVE_OPEN, WHY, now=now)
    with sessions.begin() as session:
        again = attention.reopen(session, finance, stuck[0], "It was the wrong line.", now=now)
    with sessions.read() as session:
        old, new = (attention.get(session, finance, one, now=now) for one in (stuck[0], again))
    assert (old.decision, old.decided_why) == (Decision.LEAVE_OPEN, WHY)
    assert (new.closed_at, new.found, new.reason) == (None, old.found, old.reason)
    for case_id in (again, stuck[0]):
        with pytest.raises(Conflict), sessions.begin() as session:
            attention.reopen(session, finance, case_id, "It was the wrong line.", now=now)


@pytest.mark.parametrize(
    "waited, bucket",
    [
        pytest.param(timedelta(hours=23, minutes=59), attention.Age.DAY, id="a minute short of a day"),
        pytest.param(timedelta(days=1), attention.Age.THREE_DAYS, id="a day"),
        pytest.param(timedelta(days=3), attention.Age.WEEK, id="three days"),
        pytest.param(timedelta(days=7), attention.Age.LONGER, id="a week"),
    ],
)
def test_a_case_ages_from_bucket_to_bucket_with_its_money(sessions, finance, stuck, now, waited, bucket):
    later = now + waited
    with sessions.read() as session:
        told = attention.aging(attention.queue(session, finance, now=later), now=later)
    assert [one.age for one in told] == list(attention.Age)
    assert {one.age: one.count for one in told if one.count} == {bucket: 3}
    assert next(one.at_risk for one in told if one.count) == {"ZAR": Money(45_000)}


# -- what takes a second person, and another event ----------------------------------------------------


def test_many_are_waived_once_a_second_person_approves_them_all(sessions, gateway, finance, references, now):
    second = another(sessions, now)
    asked = run(sessions, gateway, finance, Deed.WAIVE, now, given=Given(WHY))
    assert asked.outcomes == {"done": 3, "skipped": 1}
    assert statuses(sessions, references) == ["open", "open", "open", "paid"]
    given = Given(what=What.WAIVE)
    assert look(sessions, finance, Deed.APPROVE, given=given).skipped["you asked for it yourself"] == 3
    told = look(sessions, second, Deed.APPROVE, given=given)
    assert (told.doing, told.sums) == (3, {"ZAR": Money(45_000)})
    assert look(sessions, second, Deed.APPROVE, given=Given(what=What.MARK_PAID)).doing == 0
    done = run(sessions, gateway, second, Deed.APPROVE, now, given=given)
    assert (done.outcomes, done.undoable) == ({"done": 3, "skipped": 1}, 0)
    assert statuses(sessions, references) == ["waived", "waived", "waived", "paid"]


def another(sessions, now):
    with sessions.begin() as session:
        made = create_person(
            session, SYSTEM, name="Farai", email="farai@example.org", role=Role.FINANCE, events=None, now=now
        )
    return proved(made)


def test_a_request_that_came_after_the_list_was_made_is_not_approved_with_it(
    sessions, gateway, finance, references, now
):
    second = another(sessions, now)
    run(sessions, gateway, finance, Deed.WAIVE, now, given=Given(WHY))
    waits = start(sessions, second, Deed.APPROVE, now, given=Given(what=What.WAIVE))
    with sessions.begin() as session:
        first = approvals.open_requests(session, finance, now=now)[0]
        approvals.withdraw(session, finance, first.id, now=now)
        two_people.ask_waiver(session, finance, first.subject, "Another reason altogether.", now=now)
    finish(sessions, gateway, second, waits, now)
    assert results(sessions, second, waits)[first.subject] == (
        "skipped", "another request about it waits by now",
    )  # fmt: skip
    assert sorted(statuses(sessions, references)) == ["open", "paid", "waived", "waived"]


def test_what_was_asked_for_many_is_taken_back_while_nobody_has_decided(
    sessions, gateway, finance, references, now
):
    another(sessions, now)
    asked = run(sessions, gateway, finance, Deed.WAIVE, now, given=Given(WHY))
    assert bulk.undo_step(sessions, finance, asked.id, now=now).outcomes["undone"] == 3
    with sessions.read() as session:
        assert approvals.open_requests(session, finance, now=now) == ()


def test_many_move_to_another_event_and_back(sessions, gateway, finance, references, now):
    with sessions.begin() as session:
        make_event(session, "gala", now=now)
    told = run(sessions, gateway, finance, Deed.MOVE, now, given=Given(WHY, event_code="gala"))
    assert told.outcomes == {"done": 4}
    assert look(sessions, finance, Deed.MOVE, given=Given(WHY, event_code="gala")).doing == 0
    assert look(sessions, finance, Deed.NOTE, Filter(events=("gala",)), Given("Moved.")).doing == 4
    assert bulk.undo_step(sessions, finance, told.id, now=now).outcomes == {"undone": 4}
    assert look(sessions, finance, Deed.NOTE, Filter(events=("devconf",)), Given("Back.")).doing == 4
    with sessions.read() as session:
        assert integrity.examine(session) == ()


def test_payments_without_an_event_are_assigned_with_a_history_and_nothing_paid_is_touched(
    sessions, gateway, finance, now
):
    def money() -> list[tuple]:
        with sessions.read() as session:
            rows = session.scalars(select(Payment).order_by(Payment.id))
            return [(row.status, row.received_minor, row.refunded_minor, row.paid_at) for row in rows]

    with sessions.begin() as session:
        make_event(session, "gala", now=now)
        none = make_event(session, conditions.NO_EVENT, now=now)
        for _ in range(2):
            payment = make_payment(session, none, now=now, status=Status.CREATED)
            lifecycle.note(session, payment, Kind.CREATED, now=now, source=Source.DESK, actor="Thandi")
        lifecycle.receive(
            session, payment, kind="cash", source_reference="s1", amount=payment.amount, now=now,
            source=Source.DESK, actor="Thandi",
        )  # fmt: skip
    before, wanted = money(), filters.from_page({"q": "event:none"}, now.date())
    told = run(sessions, gateway, finance, Deed.MOVE, now, wanted, Given(WHY, event_code="gala"))
    assert (told.outcomes, money()) == ({"done": 2}, before)
    with sessions.read() as session:
        assert search.totals(session, finance, wanted).count == 0
        assert [one.id for one in bulk.finished(session, finance, Deed.MOVE)] == [told.id]
        assert bulk.finished(session, finance, Deed.NOTE) == ()
    with sessions.read() as session:
        assert integrity.examine(session) == ()
    assert bulk.undo_step(sessions, finance, told.id, now=now).outcomes == {"undone": 2}
    with sessions.read() as session:
        assert search.totals(session, finance, wanted).count == 2
