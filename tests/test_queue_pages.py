"""Inbox and Needs attention, as people of each role use them."""

import re
from datetime import timedelta

import pytest

import ui
from payments import cancellation, lifecycle
from payments.access.people import Role
from payments.deciding import attention, lookout
from payments.deciding.attention import Age
from payments.deciding.cases import Decision
from payments.gateways import Answer, GatewayEvent
from payments.hearing import inbox, sync
from payments.hearing.replay import View
from payments.lifecycle import Method, Review, Source
from tests.desk import ADMIN, issue, make_event, payment_of, proved
from tests.test_inbox import message
from tests.test_pages import Desk, all_html, component, desk, everything, harmless

ATTENTION, INBOX = "pages/monitor/attention.py", "pages/monitor/inbox.py"
LINK = "link00000000001"
WHY = "iKhokha says so in writing."
OFFICE = (Role.ADMIN, Role.FINANCE)
__all__ = ["desk"]


@pytest.fixture
def flagged(desk: Desk) -> str:
    """The reference of a payment that the gateway says was paid with too little."""
    reference = issue(desk.sessions, desk.gateway, now=desk.now, payer_name="**Zanele** <b>M</b>").reference
    desk.gateway.says(LINK, Answer.PAID, "PAID", amount_minor=1)
    inbox.process(desk.sessions, {"ikhokha": desk.gateway}, ring(desk), now=desk.now)
    return reference


def ring(desk: Desk, link: str = LINK, word: str = "SUCCESS") -> int:
    with desk.sessions.begin() as session:
        event = GatewayEvent(link, None, word, "00")
        return inbox.accept(session, message(desk.now, f'{{"{link}": "{word}"}}'.encode()), event)


def unreadable(desk: Desk) -> int:
    with desk.sessions.begin() as session:
        kept = inbox.accept(session, message(desk.now, b"<script>evil()</script> **evil**"), None)
    lookout.look(desk.sessions, now=desk.now)
    return kept


def button(at, label):
    (found,) = [one for one in at.button if one.label == label]
    return found


def queued(at) -> list[dict]:
    """The cases on the page, in its order."""
    return [case for each in component(at, "cases") for case in each["cases"]]


def shown(at) -> str:
    return "".join(everything(at))


# -- needs attention --------------------------------------------------------------------------------


PAYMENTS = "pages/monitor/payments.py"


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        ({"amount_minor": 1}, "asked R150.00 · gateway says R0.01"),
        ({"amount_minor": None}, "asked R150.00 · gateway says no amount"),
        ({"currency": "USD"}, "asked R150.00 · gateway says USD"),
        ({"reference": "**evil**_2222222"}, "gateway says **evil**_2222222"),
    ],
)
def test_both_that_are_to_be_compared_stand_in_the_row_and_in_the_box_of_the_drawer(desk, lie, told):
    """Only ours had; the gateway's was as received, behind two folds."""
    view = issue(desk.sessions, desk.gateway, now=desk.now)
    desk.gateway.says(LINK, Answer.PAID, "PAID", **lie)
    inbox.process(desk.sessions, {"ikhokha": desk.gateway}, ring(desk), now=desk.now)
    desk.sign_in(Role.FINANCE)
    (case,) = queued(desk.open(ATTENTION))
    assert told in case["standing"]
    if "reference" in lie:
        assert f"ours {view.wire_reference} · " in case["standing"]
    (box,) = desk.open(PAYMENTS, payment=view.reference).warning
    assert ui.escape(told.rpartition("gateway says ")[2]) in box.value


def test_only_what_can_wait_is_still_waiting_and_the_gateways_word_is_told_in_ours(desk):
    """A cancelled one was “still waiting. It said FAILURE.”, and on its way to be paid."""
    reference = issue(desk.sessions, desk.gateway, now=desk.now).reference

    def answered(answer: Answer, word: str) -> str:
        desk.gateway.says(LINK, answer, word)
        sync.ask(desk.sessions, {"ikhokha": desk.gateway}, 1, now=desk.now)
        return all_html(desk.open(PAYMENTS, payment=reference))

    desk.sign_in(Role.FINANCE)
    assert "still waiting. The gateway says it is not paid yet." in answered(Answer.OPEN, "PENDING")
    failed = answered(Answer.ATTEMPT_FAILED, "FAILURE")
    assert "The gateway says the last attempt failed." in failed
    assert "still waiting" not in failed
    cancellation.cancel(desk.sessions, {"ikhokha": desk.gateway}, proved(ADMIN), reference, WHY, now=desk.now)
    cancelled = all_html(desk.open(PAYMENTS, payment=reference))
    assert "still waiting" not in cancelled
    assert re.search("<strong>Paid</strong><span>cancelled</span>", cancelled)


def test_of_a_payment_paid_past_the_gateway_its_link_is_not_said_to_be_unpaid(desk):
    """The drawer said “The gateway says it is not paid yet.” under *Paid*."""
    reference = issue(desk.sessions, desk.gateway, now=desk.now).reference
    desk.gateway.says(LINK, Answer.OPEN, "PENDING")
    sync.ask(desk.sessions, {"ikhokha": desk.gateway}, 1, now=desk.now)
    with desk.sessions.begin() as session:
        lifecycle.receive(
            session, payment_of(session, reference), kind=Method.CASH, source_reference="roll-1-000001",
            amount=payment_of(session, reference).amount, now=desk.now, source=Source.DESK, actor="Thandi",
        )  # fmt: skip
    desk.sign_in(Role.FINANCE)
    said = all_html(desk.open(PAYMENTS, payment=reference))
    assert "Paid by cash, not with the link." in said
    assert "not paid yet" not in said


@pytest.mark.parametrize("role", Role)
def test_everybody_sees_what_waits_and_only_the_office_decides(desk, flagged, role):
    unreadable(desk)
    desk.sign_in(role)
    at = desk.open(ATTENTION)
    assert not at.exception
    assert flagged in shown(at)
    assert [head.value for head in at.subheader] == [
        "Amount differs · 1 · R150.00 at risk", "Cannot be read · 1",
    ]  # fmt: skip
    payment, message = queued(at)
    assert bool(payment["decisions"]) is bool(message["decisions"]) is (role in OFFICE)
    assert message["goes"] == ("Open message" if role in (*OFFICE, Role.AUDITOR) else None)
    assert payment["goes"] == "Open payment"
    assert payment["ask"] == ("Ask gateway" if role in (*OFFICE, Role.ORGANISER) else None)


def test_a_person_of_another_event_sees_an_empty_queue(desk, flagged):
    unreadable(desk)
    with desk.sessions.begin() as session:
        mine = make_event(session, "minefest", now=desk.now).id
    desk.sign_in(Role.FINANCE, [mine])
    at = desk.open(ATTENTION)
    assert "Nothing needs you" in all_html(at)
    assert flagged not in shown(at)
    at = desk.open(ATTENTION, case="1")
    assert "There is no such case here" in at.error[0].value
    assert flagged not in shown(at)


def test_a_decision_is_made_in_the_drawer(desk, flagged):
    desk.sign_in(Role.FINANCE)
    at = desk.open(ATTENTION, case="1")
    harmless(at)
    button(at, "Decide").click().run()
    assert "Say why" in at.error[0].value
    at.text_area(key="why_1").set_value(WHY)
    button(at, "Decide").click().run()
    assert not at.error
    assert "Nothing needs you" in all_html(at)
    with desk.sessions.read() as session:
        (case,) = attention.decided(session, ADMIN, now=desk.now)
        assert payment_of(session, flagged).review is None
    assert (case.decided_why, case.closed_by) == (WHY, "finance person")
    assert WHY in all_html(desk.open(ATTENTION, reason="Decided"))


def test_a_decision_is_undone_right_after_it_and_later_with_a_reason(desk, flagged):
    desk.sign_in(Role.FINANCE)
    at = desk.open(ATTENTION, case="1")
    at.text_area(key="why_1").set_value(WHY)
    button(at, "Decide").click().run()
    at.button(key="undo_decision").click().run()
    assert "on the queue again" in at.success[0].value
    assert [case["id"] for case in queued(at)] == ["2"]
    at = desk.open(ATTENTION, case="2")
    at.text_area(key="why_2").set_value(WHY)
    button(at, "Decide").click().run()
    at = desk.open(ATTENTION, reason="Decided")
    at.text_area(key="back_why_2").set_value("They wrote again.")
    next(each for each in at.button if each.label == "Put it back on the queue").click().run()
    assert not at.error
    assert [case["id"] for case in queued(desk.open(ATTENTION))] == ["3"]


def test_an_undo_that_is_refused_is_told_as_such(desk, flagged):
    """It had stood there as a success, with its sign."""
    desk.sign_in(Role.FINANCE)
    at = desk.open(ATTENTION, case="1")
    at.text_area(key="why_1").set_value(WHY)
    button(at, "Decide").click().run()
    with desk.sessions.begin() as session:
        attention.reopen(session, ADMIN, 1, "They wrote again.", now=desk.now)
    at.button(key="undo_decision").click().run()
    assert at.error
    assert not at.success


def test_a_case_can_be_chosen_only_by_who_may_decide_it(desk, flagged):
    desk.sign_in(Role.VIEWER)
    at = desk.open(ATTENTION)
    at.session_state["cases_chosen"] = [1]
    at.run()
    assert [one.label for one in at.button if "together" in one.label] == []


def test_several_cases_are_decided_at_once_told_before_and_undone(desk, flagged):
    other = issue(desk.sessions, desk.gateway, now=desk.now).reference
    with desk.sessions.begin() as session:
        payment = payment_of(session, other)
        lifecycle.flag(session, payment, Review.OVERPAID, now=desk.now, source=Source.POLL, actor="iKhokha")
    desk.sign_in(Role.FINANCE)
    at = desk.open(ATTENTION)
    at.session_state["cases_chosen"] = [int(case["id"]) for case in queued(at)]
    at.run()
    at.button(key="together").click().run()
    at.selectbox(key="bulk_decision").select(Decision.ACCEPTED).run()
    at.text_area(key="bulk_text").set_value(WHY).run()
    at.button(key="bulk_look").click().run()
    assert "Decide: 1 of 2" in all_html(at)
    assert "1 skipped: that is no decision for" in all_html(at)
    with desk.sessions.read() as session:
        assert attention.decided(session, ADMIN, now=desk.now) == ()
    at.button(key="bulk_do").click().run()
    assert "Decide: 1 done, 1 skipped" in all_html(at)
    at.button(key="bulk_undo").click().run()
    assert "1 skipped, 1 undone" in all_html(at)
    assert len(queued(desk.open(ATTENTION))) == 2


def test_the_queue_can_be_narrowed_to_how_long_cases_wait(desk, flagged):
    desk.sign_in(Role.FINANCE)
    at = desk.open(ATTENTION)
    at.pills(key="age").select(Age.LONGER).run()
    assert queued(at) == []
    at.pills(key="age").select(Age.DAY).run()
    assert [case["id"] for case in queued(at)] == ["1"]


def test_each_pill_and_each_heading_of_the_queue_tells_how_many_cases_it_shows(desk, flagged):
    """The queue's doors are pills and buttons: what each tells is counted in the list it leads to."""
    unreadable(desk)
    for nth in range(7):
        reference = issue(desk.sessions, desk.gateway, now=desk.now, payer_name=f"Payer {nth}").reference
        with desk.sessions.begin() as session:
            late = payment_of(session, reference)
            lifecycle.flag(session, late, Review.PAID_LATE, now=desk.now, source=Source.DESK, actor="T")
    desk.sign_in(Role.FINANCE)
    at = desk.open(ATTENTION)
    told = ages(at)
    assert sum(told.values()) == 9
    for age, count in told.items():
        at.pills(key="age").select(age).run()
        assert sum(counts(at).values()) == count
        at.pills(key="age").unselect(age).run()
    whole = counts(at)
    assert sorted(whole.values()) == [1, 1, 7]
    assert len(queued(at)) == 7  # of seven the first five
    button(at, "Show all 7").click().run()
    assert len(queued(at)) == 7
    for word, count in whole.items():
        narrowed = desk.open(ATTENTION, reason=word)
        assert counts(narrowed) == {word: count}
        assert len(queued(narrowed)) == count


def test_the_ages_of_the_queue_tell_what_they_show_of_the_reason_that_is_chosen(desk, flagged):
    """A pill that told of all reasons would lead to fewer than it says. Who narrows to nothing hears so."""
    unreadable(desk)
    reference = issue(desk.sessions, desk.gateway, now=desk.now - timedelta(days=5)).reference
    with desk.sessions.begin() as session:
        before, late = desk.now - timedelta(days=5), payment_of(session, reference)
        lifecycle.flag(session, late, Review.PAID_LATE, now=before, source=Source.DESK, actor="T")
    desk.sign_in(Role.FINANCE)
    whole = desk.open(ATTENTION)
    told = {Age.DAY: 2, Age.THREE_DAYS: 0, Age.WEEK: 1, Age.LONGER: 0}
    assert ages(whole) == told
    for word in counts(whole):
        at = desk.open(ATTENTION, reason=word)
        of_reason = ages(at)
        assert sum(of_reason.values()) == 1
        for age, count in of_reason.items():
            at.pills(key="age").select(age).run()
            assert sum(counts(at).values()) == len(queued(at)) == count
            assert ("3 other cases wait" in all_html(at)) is (count == 0)
            at.pills(key="age").unselect(age).run()
    at = desk.open(ATTENTION, of=reference)
    assert ages(at) == {Age.DAY: 0, Age.THREE_DAYS: 0, Age.WEEK: 1, Age.LONGER: 0}


def ages(at) -> dict[Age, int]:
    """What the pill of each age tells."""
    return {Age(label.partition(":")[0]): int(re.findall(r": (\d+)", label)[0]) for label in labels(at)}


def labels(at) -> list[str]:
    return list(at.pills(key="age").options)


def counts(at) -> dict[str, int]:
    """What the heading of each group tells."""
    parts = [heading.value.replace("\\", "").split(" · ") for heading in at.subheader]
    return {word: int(count) for word, count, *_ in parts}


def test_a_case_gets_an_owner_and_a_due_date(desk, flagged):
    desk.sign_in(Role.FINANCE)
    at = desk.open(ATTENTION, case="1")
    at.selectbox[0].select("finance person")
    at.date_input[0].set_value(desk.now.date() + timedelta(days=2))
    at.text_area(key="note_1").set_value("Mailed iKhokha.")
    button(at, "Save").click().run()
    assert not at.error
    (case,) = queued(at)
    assert "owner finance person · due 25 Nov 2026" in case["standing"]
    assert case["note"] == "Mailed iKhokha."


def test_the_live_page_leads_to_the_queue(desk, flagged):
    unreadable(desk)
    desk.sign_in(Role.AUDITOR)
    at = desk.open("pages/monitor/live.py")
    assert not at.exception
    ways = re.findall(r'href="/((?:attention|inbox)[^"]*)"', all_html(at))
    assert ways == ["attention?reason=Amount+differs", "inbox?show=Unreadable"]


# -- the inbox --------------------------------------------------------------------------------------


def test_each_pill_lists_its_messages(desk, flagged):
    unreadable(desk)
    desk.sign_in(Role.AUDITOR)
    counts = {View.ALL: 2, View.HANDLED: 1, View.UNREADABLE: 1, View.IGNORED: 0, View.BAD_SIGNATURE: 0}
    for view, count in counts.items():
        at = desk.open(INBOX, show=view.replace("_", " ").capitalize())
        assert not at.exception
        assert f"**{count} message" in at.markdown[0].value, view
    assert "None of these" in all_html(at)


def test_the_drawer_shows_a_message_as_it_came_and_nothing_in_it_becomes_markup(desk):
    inbox_id = unreadable(desk)
    desk.sign_in(Role.AUDITOR)
    at = desk.open(INBOX, message=str(inbox_id))
    assert at.code[0].value == "<script>evil()</script> **evil**"
    assert [one.label for one in at.button if one.label in ("Process again", "Ignore it")] == []
    harmless(at)


@pytest.mark.parametrize("number", ["404", "u1", "evil", "", "-1", "9" * 30])
def test_a_message_that_is_not_there_is_a_sentence(desk, number):
    desk.sign_in(Role.ADMIN)
    at = desk.open(INBOX, message=number)
    assert not at.exception
    assert len(at.error) == bool(number)
    if number:
        assert "no such message" in at.error[0].value


def test_process_again_says_what_changed(desk):
    reference = issue(desk.sessions, desk.gateway, now=desk.now).reference
    inbox_id = ring(desk)
    desk.gateway.says(LINK, Answer.PAID, "PAID")
    desk.sign_in(Role.FINANCE)
    at = desk.open(INBOX, message=str(inbox_id))
    button(at, "Process again").click().run()
    assert "Waiting → Paid" in at.info[0].value
    with desk.sessions.read() as session:
        assert payment_of(session, reference).status == "paid"


def test_a_message_is_ignored_with_a_reason_and_taken_up_again(desk):
    inbox_id = unreadable(desk)
    desk.sign_in(Role.FINANCE)
    at = desk.open(INBOX, message=str(inbox_id))
    button(at, "Ignore it").click().run()
    assert "Say why" in at.error[0].value
    at.text_area(key="ignore_why").set_value(WHY)
    button(at, "Ignore it").click().run()
    assert not at.error
    assert WHY in all_html(at)
    button(at, "Take it up again").click().run()
    assert "waits to be acted on" in at.info[0].value


def test_a_span_is_first_looked_at_and_then_processed(desk):
    reference = issue(desk.sessions, desk.gateway, now=desk.now).reference
    ring(desk)
    desk.gateway.says(LINK, Answer.PAID, "PAID")
    desk.sign_in(Role.FINANCE)
    at = desk.open(INBOX)
    button(at, "See what would change").click().run()
    assert at.subheader[0].value == "What would change"
    assert f"{reference}: Waiting → Paid" in all_html(at)
    with desk.sessions.read() as session:
        assert payment_of(session, reference).status == "open"
    button(at, "Process 1 message now").click().run()
    assert at.subheader[0].value == "What was done"
    with desk.sessions.read() as session:
        assert payment_of(session, reference).status == "paid"


def test_no_payers_name_becomes_markup_on_the_queue(desk):
    name = "**evil** <script>evil()</script>"
    reference = issue(desk.sessions, desk.gateway, now=desk.now, payer_name=name).reference
    with desk.sessions.begin() as session:
        payment = payment_of(session, reference)
        lifecycle.flag(session, payment, Review.OVERPAID, now=desk.now, source=Source.POLL, actor="iKhokha")
    desk.sign_in(Role.ADMIN)
    harmless(desk.open(ATTENTION))
    harmless(desk.open(ATTENTION, case="1"))
