"""Money that takes two people, and that no other way leads from claimed to paid."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from db.models import Admission, Receipt, Refund
from db.money import Money
from payments import timeline
from payments.access.people import Person, Role
from payments.at_the_door import claims
from payments.books import integrity
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.gateways import Answer
from payments.hearing import sync
from payments.lifecycle import Method, Status
from payments.proofs import files
from payments.second_person import approvals, two_people
from payments.second_person.two_people import Returned
from payments.selling import moves
from tests.desk import issue, make_event, payment_of
from tests.test_approvals import somebody
from tests.test_claims import KEYS, PAID_ON, photo

WHY = "Her bank's app shows it as gone out"
PRICE = Money(15_000)
PROOF = files.prepare(photo())


@pytest.fixture
def desk(sessions, gateway, now):
    with sessions.begin() as session:
        event = make_event(session, now=now)
        make_event(session, "gala", now=now)
        mine = frozenset({event.id})
        people = {
            "aisha": somebody(session, "Aisha", Role.ORGANISER, mine, now=now),
            "farai": somebody(session, "Farai", Role.FINANCE, now=now),
            "thandi": somebody(session, "Thandi", Role.ADMIN, now=now),
            "fikile": somebody(session, "Fikile", Role.FINANCE, mine, now=now),
            "vusi": somebody(session, "Vusi", Role.VIEWER, now=now),
            "audra": somebody(session, "Audra", Role.AUDITOR, now=now),
        }
    people["reference"] = issue(sessions, gateway, now=now).reference
    return people


def claimed(sessions, desk, now):
    with sessions.begin() as session:
        draft = claims.ClaimDraft("k1", desk["reference"], PRICE, PAID_ON)
        claims.record(session, desk["aisha"], draft, None, KEYS, now=now)


def paid(sessions, gateway, desk, now):
    with sessions.read() as session:
        link = payment_of(session, desk["reference"]).links[0].gateway_reference
    gateway.says(link, Answer.PAID, "PAID", currency="ZAR")
    sync.step(sessions, {"ikhokha": gateway}, now=now + timedelta(minutes=2))


def did(sessions, verb: Callable[..., Any], *given, **more):
    with sessions.begin() as session:
        return verb(session, *given, **more)


def asked_paid(sessions, desk, now, by="aisha", amount=PRICE):
    return did(sessions, two_people.ask_paid, desk[by], desk["reference"], amount, WHY, now=now)


def returned(desk, **more):
    values = {"amount": Money(5_000), "method": Method.GATEWAY, "refunded_on": PAID_ON, "done_by": "Thandi"}
    return Returned(desk["reference"], **values | more)


def standing(sessions, reference):
    with sessions.read() as session:
        payment = payment_of(session, reference)
        return Status(payment.status), payment.received_minor, payment.refunded_minor


def sound(sessions):
    with sessions.read() as session:
        return integrity.examine(session)


# -- marked as paid ------------------------------------------------------------------------------------


def test_two_people_make_what_is_claimed_paid_and_both_stand_on_it(sessions, desk, now):
    claimed(sessions, desk, now)
    request = asked_paid(sessions, desk, now)
    assert standing(sessions, desk["reference"]) == (Status.CLAIMED, 0, 0)
    did(sessions, two_people.approve, desk["farai"], request.id, now=now)
    assert standing(sessions, desk["reference"]) == (Status.PAID, 15_000, 0)
    with sessions.read() as session:
        receipt = session.scalars(select(Receipt)).one()
        payment = payment_of(session, desk["reference"])
        told = [entry.title for entry in timeline.entries(session, payment)]
    assert (receipt.kind, receipt.source_reference, receipt.recorded_by) == (
        "eft", f"approval-{request.id}", "Aisha and Farai",
    )  # fmt: skip
    assert "R150.00 received by EFT, on the word of Aisha and Farai." in told
    assert sound(sessions) == ()


def test_a_payment_that_changed_since_is_not_what_was_approved(sessions, gateway, desk, now):
    """The webhook comes while somebody reads the request: no second R150 is written down."""
    claimed(sessions, desk, now)
    request = asked_paid(sessions, desk, now)
    paid(sessions, gateway, desk, now)
    with pytest.raises(Conflict, match="has changed since Aisha asked"):
        did(sessions, two_people.approve, desk["farai"], request.id, now=now)
    assert standing(sessions, desk["reference"]) == (Status.PAID, 15_000, 0)
    with sessions.read() as session:
        assert approvals.get(session, desk["farai"], request.id, now=now).state is approvals.State.WAITING


def test_two_approvers_at_once_write_down_one_receipt(sessions, desk, now):
    claimed(sessions, desk, now)
    request = asked_paid(sessions, desk, now)

    def approve(who: Person) -> bool:
        try:
            did(sessions, two_people.approve, who, request.id, now=now)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(approve, (desk["farai"], desk["thandi"]))) == [False, True]
    with sessions.read() as session:
        assert len(session.scalars(select(Receipt)).all()) == 1


@pytest.mark.parametrize("amount", [Money(0), Money(15_001), Money(15_000, "USD")], ids=str)
def test_no_more_than_is_owed_is_marked_as_paid(sessions, desk, now, amount):
    with pytest.raises(InvalidInput, match=r"R150.00 is owed"):
        asked_paid(sessions, desk, now, amount=amount)


# -- waived ---------------------------------------------------------------------------------------------


def test_a_waiver_takes_two_and_is_no_revenue(sessions, gateway, desk, now):
    with pytest.raises(NotAllowed):
        did(sessions, two_people.ask_waiver, desk["aisha"], desk["reference"], WHY, now=now)
    request = did(sessions, two_people.ask_waiver, desk["farai"], desk["reference"], WHY, now=now)
    with pytest.raises(NotAllowed, match="another person"):
        did(sessions, two_people.approve, desk["farai"], request.id, now=now)
    did(sessions, two_people.approve, desk["fikile"], request.id, now=now)
    assert standing(sessions, desk["reference"]) == (Status.WAIVED, 0, 0)
    paid(sessions, gateway, desk, now)
    with sessions.read() as session:
        payment = payment_of(session, desk["reference"])
        assert (payment.status, payment.review) == (Status.PAID, "paid_late"), (
            "its link never stopped working"
        )
    with pytest.raises(Conflict, match="cannot be waived"):
        did(sessions, two_people.ask_waiver, desk["farai"], desk["reference"], WHY, now=now)
    assert sound(sessions) == ()


# -- given back -----------------------------------------------------------------------------------------


def test_a_refund_is_recorded_by_two_with_who_when_and_proof(sessions, gateway, desk, now):
    paid(sessions, gateway, desk, now)
    for amount, becomes in ((Money(5_000), Status.PART_REFUNDED), (Money(10_000), Status.REFUNDED)):
        request = did(
            sessions, two_people.ask_refund, desk["farai"], returned(desk, amount=amount), PROOF, KEYS, WHY,
            now=now,
        )  # fmt: skip
        did(sessions, two_people.approve, desk["thandi"], request.id, now=now)
        assert standing(sessions, desk["reference"])[0] is becomes
    with sessions.read() as session:
        refunds = session.scalars(select(Refund).order_by(Refund.id)).all()
    assert [(r.amount, r.done_by, r.by, r.proof_id is not None) for r in refunds] == [
        (amount, "Thandi", "Farai and Thandi", True) for amount in (Money(5_000), Money(10_000))
    ]
    assert sound(sessions) == ()
    with pytest.raises(DatabaseError), sessions.begin() as session:
        session.execute(text("UPDATE refunds SET amount_minor = 1"))


@pytest.mark.parametrize(
    "wrong, says",
    [
        pytest.param({"amount": Money(15_001)}, "at most", id="more than is here"),
        pytest.param({"amount": Money(0)}, "at most", id="nothing"),
        pytest.param({"method": Method.CASH}, "through the drawer", id="cash"),
        pytest.param({"refunded_on": date(2026, 11, 24)}, "once it was made", id="tomorrow"),
        pytest.param({"done_by": " "}, "who gave it back", id="nobody"),
    ],
)
def test_a_refund_that_cannot_be_is_refused(sessions, gateway, desk, now, wrong, says):
    paid(sessions, gateway, desk, now)
    with pytest.raises(InvalidInput, match=says):
        did(
            sessions, two_people.ask_refund, desk["farai"], returned(desk, **wrong), PROOF, KEYS, WHY, now=now
        )


def test_a_refund_without_a_proof_or_without_money_is_refused(sessions, gateway, desk, now):
    with pytest.raises(Conflict, match="Nothing of"):
        did(sessions, two_people.ask_refund, desk["farai"], returned(desk), PROOF, KEYS, WHY, now=now)
    paid(sessions, gateway, desk, now)
    with pytest.raises(InvalidInput, match="Add a proof"):
        did(sessions, two_people.ask_refund, desk["farai"], returned(desk), None, KEYS, WHY, now=now)


# -- moved to another event -----------------------------------------------------------------------------


def test_a_move_changes_the_event_and_nothing_of_the_money(sessions, gateway, desk, now):
    """Incident of the earlier system: who had paid was pending again after a move."""
    paid(sessions, gateway, desk, now)
    with sessions.read() as session:
        before = payment_of(session, desk["reference"])
    did(sessions, moves.move, desk["farai"], desk["reference"], "gala", WHY, now=now + timedelta(hours=3))
    with sessions.read() as session:
        after = payment_of(session, desk["reference"])
        assert (after.event.code, before.event_id != after.event_id) == ("gala", True)
        for same in (
            "status",
            "amount_minor",
            "received_minor",
            "method",
            "paid_at",
            "version",
            "created_at",
        ):
            assert getattr(after, same) == getattr(before, same), same
        told = [entry.title for entry in timeline.entries(session, after)]
    assert told[-1] == "Farai moved it from Devconf 2026 to Gala 2026."
    assert sound(sessions) == (), "totals of both events, by hour, status and method"
    with pytest.raises(NotFound), sessions.read() as session:
        claims.of_payment(session, desk["aisha"], desk["reference"], now=now)


def test_a_move_needs_both_events_and_fits_only_one_that_takes_this_currency(sessions, gateway, desk, now):
    for who, refusal in (("aisha", NotAllowed), ("fikile", NotFound), ("vusi", NotAllowed)):
        with pytest.raises(refusal):
            did(sessions, moves.move, desk[who], desk["reference"], "gala", WHY, now=now)
    with pytest.raises(Conflict, match="is there already"):
        did(sessions, moves.move, desk["farai"], desk["reference"], "devconf", WHY, now=now)
    with sessions.begin() as session:
        make_event(session, "abroad", now=now).currency = "USD"
    with pytest.raises(Conflict, match="takes USD"):
        did(sessions, moves.move, desk["farai"], desk["reference"], "abroad", WHY, now=now)
    with pytest.raises(InvalidInput):
        did(sessions, moves.move, desk["farai"], desk["reference"], "gala", "why", now=now)


def test_whoever_was_let_in_is_not_moved(sessions, desk, now):
    with sessions.begin() as session:
        payment = payment_of(session, desk["reference"])
        session.add(
            Admission(
                payment_id=payment.id, event_id=payment.event_id, name="Zanele", why="", admitted_at=now,
                admitted_by="Aisha",
            )
        )  # fmt: skip
    with pytest.raises(Conflict, match="was let in at Devconf"):
        did(sessions, moves.move, desk["farai"], desk["reference"], "gala", WHY, now=now)


def test_what_waited_for_approval_is_void_after_a_move(sessions, desk, now):
    claimed(sessions, desk, now)
    request = asked_paid(sessions, desk, now)
    did(sessions, moves.move, desk["farai"], desk["reference"], "gala", WHY, now=now)
    with pytest.raises(Conflict, match="has changed since"):
        did(sessions, two_people.approve, desk["farai"], request.id, now=now)
