"""One payment, and whatever may happen to it in any order: a model that knows what payers paid agrees."""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select

from db.models import Case, OutboxMail, Receipt, TimelineEntry
from payments import cancellation, lifecycle
from payments.asking import reissue
from payments.errors import Conflict
from payments.gateways import Answer
from payments.hearing import sync
from payments.lifecycle import CLOSED, SETTLED, TRANSITIONS, Review, Source, Status
from tests.desk import ADDRESSES, ADMIN, issue, make_event, payment_of

WHY = "Because this history has it so."
#: What the gateway says of a link when it is asked; the amounts of the last two do not fit.
SAYS = {
    "open": (Answer.OPEN, "UNPAID", {}),
    "failed": (Answer.ATTEMPT_FAILED, "FAILURE", {}),
    "refunded": (Answer.UNCLEAR, "REFUNDED", {}),
    "paid": (Answer.PAID, "PAID", {}),
    "a cent less": (Answer.PAID, "PAID", {"amount_minor": 14_999}),
    "in dollars": (Answer.PAID, "PAID", {"currency": "USD"}),
}
FITS = {"amount_minor": 15_000, "currency": None}
#: Where a person or the clock may lead it, past the rules of who may.
ENDS = (Status.CLAIMED, Status.EXPIRED, Status.WAIVED, Status.CREATED)


class Histories(RuleBasedStateMachine):
    """``paid``: the links of which the gateway said so, and what it said fitted."""

    def __init__(self, sessions, gateway, now):
        super().__init__()
        self.sessions, self.gateway, self.now = sessions, gateway, now
        self.gateways = {gateway.name: gateway}

    @initialize(twice=st.booleans())
    def begin(self, twice):
        view = issue(self.sessions, self.gateway, now=self.now)
        self.reference, self.links = view.reference, [view.gateway_reference]
        self.paid: list[str] = []
        self.late = False
        if twice:
            self.somebody_gives_another_link()

    @rule(which=st.sampled_from(([0], [1], [0, 1], [1, 0])), late=st.booleans())
    def payers_pay(self, which, late):
        """What matters most comes often."""
        if late and Status.EXPIRED in TRANSITIONS[self.status()]:
            self.it_is_led_elsewhere(Status.EXPIRED)
        for nth in which:
            self.the_gateway_says(nth, "paid")

    @rule(nth=st.integers(0, 2), says=st.sampled_from(sorted(SAYS)))
    def the_gateway_says(self, nth, says):
        link = self.links[nth % len(self.links)]
        answer, word, other = SAYS[says]
        self.gateway.says(link, answer, word, **FITS | other)
        if says == "paid" and link not in self.paid:
            self.paid.append(link)
            self.late |= self.status() in CLOSED
        for each in self.asked():
            sync.ask(self.sessions, self.gateways, each, now=self.pass_time())

    @rule()
    def somebody_cancels(self):
        self.tries(lambda now: cancellation.cancel(
            self.sessions, self.gateways, ADMIN, self.reference, WHY, now=now,
        ))  # fmt: skip

    @rule()
    def somebody_gives_another_link(self):
        with self.sessions.read() as session:
            newest = payment_of(session, self.reference).links[-1].wire_reference
        self.tries(lambda now: reissue.reissue(
            self.sessions, self.gateways, ADMIN, self.reference, WHY,
            replaces=newest, addresses=ADDRESSES, now=now,
        ))  # fmt: skip
        with self.sessions.read() as session:
            self.links = [link.gateway_reference for link in payment_of(session, self.reference).links]

    @rule(to=st.sampled_from(ENDS))
    def it_is_led_elsewhere(self, to):
        def lead(now):
            with self.sessions.begin() as session:
                payment = payment_of(session, self.reference)
                lifecycle.advance(session, payment, to, now=now, source=Source.DESK, actor="Thandi")

        legal = to in TRANSITIONS[self.status()]
        assert self.tries(lead) == legal

    @invariant()
    def the_books_are_what_payers_paid(self):
        with self.sessions.read() as session:
            payment = payment_of(session, self.reference)
            of_it = select(func.count()).where(Receipt.payment_id == payment.id)
            mails = select(func.count()).where(OutboxMail.payment_id == payment.id)
            reasons = set(session.scalars(select(Case.reason).where(Case.payment_id == payment.id)))
            assert payment.received_minor == 15_000 * len(self.paid)
            assert session.scalar(of_it) == len(self.paid)
            assert session.scalar(mails) == bool(self.paid)
            assert (payment.status in SETTLED) == bool(self.paid)
            assert (Review.OVERPAID in reasons) == (len(self.paid) > 1)
            assert Review.PAID_LATE in reasons or not self.late

    @invariant()
    def each_step_was_a_legal_one(self):
        with self.sessions.read() as session:
            payment = payment_of(session, self.reference)
            told = select(TimelineEntry.detail).where(
                TimelineEntry.payment_id == payment.id, TimelineEntry.kind == "status"
            )
            steps = [(one["was"], one["became"]) for one in session.scalars(told.order_by(TimelineEntry.id))]
        assert all(became in TRANSITIONS[Status(was)] for was, became in steps)
        assert [was for was, _ in steps[1:]] == [became for _, became in steps[:-1]]

    # -- small things ----------------------------------------------------------------------------------

    def tries(self, work):
        """Whether it was done. A refusal is a refusal, and changes nothing."""
        try:
            work(self.pass_time())
        except Conflict:
            return False
        return True

    def pass_time(self):
        self.now += timedelta(minutes=2)
        return self.now

    def status(self):
        with self.sessions.read() as session:
            return Status(payment_of(session, self.reference).status)

    def asked(self):
        with self.sessions.read() as session:
            return [link.id for link in payment_of(session, self.reference).links if link.next_ask_at]


@pytest.mark.timeout(1_800)  # --chaos
def test_whatever_happens_in_any_order_the_books_are_what_payers_paid(sessions, gateway, now, so_often):
    with sessions.begin() as session:
        make_event(session, now=now)
    run_state_machine_as_test(
        lambda: Histories(sessions, gateway, now),
        settings=settings(max_examples=so_often(10, 300), stateful_step_count=12),
    )
