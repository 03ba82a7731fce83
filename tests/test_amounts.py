"""Another amount than was agreed: what is cancelled, asked for or owed back, and that the books still tie."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from db.models import AmountChange, Category, OutboxMail, PricePeriod, Registration
from db.money import LARGEST_MINOR, Money
from payments import lifecycle, timeline
from payments.access.people import Role
from payments.at_the_door import admission
from payments.at_the_door.admission import Light
from payments.books import integrity
from payments.deciding import attention
from payments.deciding.cases import Reason
from payments.errors import Conflict, GatewayUnavailable, InvalidInput, NotAllowed
from payments.gateways import Answer
from payments.hearing import sync
from payments.lifecycle import Source, Status
from payments.money_back import crediting, reversals
from payments.papers import handing, issuing, standing
from payments.papers.bodies import BillTo, PaperKind
from payments.payers import payer_account
from payments.payers.places import PlaceDraft
from payments.reports import open_items
from payments.reports.ledger import Scope
from payments.reports.period import Basis, Period
from payments.second_person import two_people
from payments.second_person.two_people import Returned
from payments.selling import agreed, amounts, families, organisers, prices, seats
from payments.selling.agreed import Deed, Member
from payments.selling.amounts import Wanted
from payments.selling.prices import Choice
from tests.desk import ADDRESSES, issue, make_event, payment_of
from tests.test_approvals import somebody
from tests.test_papers import REGISTERED
from tests.test_two_people import KEYS, PROOF

WHY = "Her membership was found to have ended"
PRICE = Money(150_000)


@pytest.fixture
def desk(sessions, now):
    with sessions.begin() as session:
        event = make_event(session, now=now)
        organisers.save(
            session, somebody(session, "Thandi", Role.ADMIN, now=now), "devconf", REGISTERED, now=now
        )
        return {
            "aisha": somebody(session, "Aisha", Role.ORGANISER, frozenset({event.id}), now=now),
            "farai": somebody(session, "Farai", Role.FINANCE, now=now),
            "fikile": somebody(session, "Fikile", Role.FINANCE, now=now),
            "vusi": somebody(session, "Vusi", Role.VIEWER, now=now),
        }


def change(sessions, gateway, person, reference, minor, now, **more):
    wanted = Wanted(Money(minor), more.pop("why", WHY), **{k: more.pop(k) for k in ("tell",) if k in more})
    gateways = {"ikhokha": gateway}
    return amounts.change(sessions, gateways, person, reference, wanted, addresses=ADDRESSES, now=now, **more)


def pay(sessions, gateway, reference, now):
    """Its payer pays on the newest link, and the gateway is asked."""
    with sessions.read() as session:
        link = payment_of(session, reference).links[-1]
        link_id, known = link.id, link.gateway_reference
    gateway.says(known, Answer.PAID, "PAID", currency="ZAR")
    sync.ask(sessions, {"ikhokha": gateway}, link_id, now=now)


def credit(sessions, desk, reference, minor, now):
    with sessions.begin() as session:
        asked = two_people.ask_credit(session, desk["farai"], reference, Money(minor), WHY, now=now)
    with sessions.begin() as session:
        two_people.approve(session, desk["fikile"], asked.id, now=now)


def give_back(sessions, desk, reference, minor, now):
    with sessions.begin() as session:
        returned = Returned(reference, Money(minor), lifecycle.Method.GATEWAY, now.date(), "Farai")
        asked = two_people.ask_refund(session, desk["farai"], returned, PROOF, KEYS, WHY, now=now)
        two_people.approve(session, desk["fikile"], asked.id, now=now)


def row(sessions, reference):
    with sessions.read() as session:
        payment = payment_of(session, reference)
        return Status(payment.status), payment.amount_minor, payment.received_minor


def light(sessions, desk, reference):
    with sessions.read() as session:
        return admission.guest(session, desk["farai"], reference).light


def agreed_of(sessions, desk, reference):
    with sessions.read() as session:
        return families.of(session, desk["farai"], reference)


def cases_of(sessions, desk, now):
    with sessions.read() as session:
        groups = attention.queue(session, desk["farai"], now=now)
    return [case for group in groups if group.reason is Reason.CREDIT_OWED for case in group.cases]


def scope_of(event, now):
    days = Period(now.date() - timedelta(days=9), now.date() + timedelta(days=9))
    return Scope({event.id: (event.code, event.name)}, {}, True, Basis.CREATED, days)


def ties(sessions, desk, reference, now):
    """What the books say is open is what was agreed, less what is here; and every rule holds."""
    with sessions.read() as session:
        assert integrity.examine(session) == ()
    with sessions.read() as session:
        payment = payment_of(session, reference)
        whole = families.whole(session, payment)
        here = sum(one.received_minor - one.refunded_minor for one in whole)
        open_minor = families.total(session, payment).minor - here
        account = payer_account._account(session, desk["farai"], payment, now + timedelta(minutes=1))
        assert account.balance.minor == open_minor
        rolls = open_items.read(session, scope_of(payment.event, now))
        assert sum(roll.closing for roll in rolls.values()) == open_minor
        billed = standing.billed(session, [one.id for one in whole])
        for one in families.members(session, payment):
            number = payment_of(session, one.reference).id
            assert one.status in lifecycle.CLOSED or billed.get(number, 0) <= one.keeps.minor


# -- what follows, as a table ---------------------------------------------------------------------------


def member(reference, status, amount, received=0, refunded=0, credited=0):
    return Member(reference, status, *(Money(one) for one in (amount, received, refunded, credited)))


WAITS = member("A", Status.OPEN, 1000)
PAID = member("A", Status.PAID, 1000, 1000)
MORE = member("B", Status.OPEN, 200)
MORE_PAID = member("B", Status.PAID, 200, 200)
CREDITED = member("A", Status.PAID, 1000, 1000, 0, 300)


@pytest.mark.parametrize(
    ("family", "wanted", "steps"),
    [
        pytest.param([WAITS], 1000, [], id="the same"),
        pytest.param([WAITS], 900, [("replace", "A", 900)], id="less before"),
        pytest.param([member("A", Status.CANCELLED, 1000)], 1, [("replace", "A", 1)], id="closed"),
        pytest.param([PAID], 1001, [("ask", "A", 1)], id="a cent more"),
        pytest.param([PAID], 999, [("credit", "A", 1)], id="a cent less"),
        pytest.param([PAID, MORE], 1200, [], id="its difference counts"),
        pytest.param([PAID, MORE], 1300, [("drop", "B", 200), ("ask", "A", 300)], id="more again"),
        pytest.param([PAID, MORE], 1000, [("drop", "B", 200)], id="as it was"),
        pytest.param([PAID, MORE], 900, [("drop", "B", 200), ("credit", "A", 100)], id="and below"),
        pytest.param([PAID, MORE_PAID], 900, [("credit", "B", 200), ("credit", "A", 100)], id="newest first"),
        pytest.param([CREDITED], 800, [("take_back", "A", 100)], id="owed back, and asked for"),
        pytest.param([CREDITED], 1100, [("take_back", "A", 300), ("ask", "A", 100)], id="and more"),
        pytest.param(
            [member("A", Status.PART_REFUNDED, 1000, 1000, 300, 300)], 1000, [("ask", "A", 300)],
            id="what was given back is asked for anew",
        ),
        pytest.param([member("A", Status.PART_PAID, 1000, 400)], 1200, [("ask", "A", 200)], id="part paid"),
    ],
)  # fmt: skip
def test_what_brings_a_payment_to_another_amount(family, wanted, steps):
    found = [(step.deed, step.reference, step.amount.minor) for step in agreed.plan(family, Money(wanted))]
    assert found == steps


@pytest.mark.parametrize(
    ("family", "wanted", "says"),
    [
        pytest.param([PAID], Money(0), "complimentary", id="nothing"),
        pytest.param([PAID], Money(-5), "between R0.01", id="below nothing"),
        pytest.param([PAID], Money(LARGEST_MINOR + 1), "between R0.01", id="too much"),
        pytest.param([PAID], Money(5, "USD"), "asked in ZAR", id="another currency"),
        pytest.param([member("A", Status.DISPUTED, 1000, 1000)], Money(5), "disputed", id="disputed"),
        pytest.param(
            [PAID, member("B", Status.DISPUTED, 9, 9)], Money(5), "B is disputed", id="its difference"
        ),
        pytest.param([member("A", Status.CLAIMED, 1000)], Money(5), "says that A is paid", id="claimed"),
        pytest.param([member("A", Status.WAIVED, 1000)], Money(5), "is waived", id="waived"),
        pytest.param([member("A", Status.REFUNDED, 9, 9, 9)], Money(5), "given back whole", id="given back"),
        pytest.param(
            [member("A", Status.PART_PAID, 1000, 400)], Money(900), "R4.00 of R10.00 here", id="half here"
        ),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(family, wanted, says):
    with pytest.raises((InvalidInput, Conflict), match=says):
        agreed.plan(family, wanted)


def done(family, steps):
    """The family once the steps are taken."""
    here = {one.reference: one for one in family}
    for step in steps:
        one = here[step.reference]
        match step.deed:
            case Deed.REPLACE:
                return [replace(one, amount=step.amount)]
            case Deed.DROP:
                here[step.reference] = replace(one, status=Status.CANCELLED)
            case Deed.CREDIT:
                here[step.reference] = replace(one, credited=one.credited + step.amount)
            case Deed.TAKE_BACK:
                here[step.reference] = replace(one, credited=one.credited - step.amount)
            case Deed.ASK:
                here[f"D{len(here)}"] = member(f"D{len(here)}", Status.OPEN, step.amount.minor)
    return list(here.values())


AMOUNTS = st.integers(1, 5_000)


@given(first=AMOUNTS, wishes=st.lists(st.tuples(AMOUNTS, st.booleans(), st.booleans()), max_size=8))
def test_however_often_it_changes_it_costs_what_was_agreed_and_no_paid_amount_moves(first, wishes):
    family = [member("A", Status.OPEN, first)]
    for wanted, then_paid, then_back in wishes:
        family = done(family, agreed.plan(family, Money(wanted)))
        assert agreed.total(family) == Money(wanted)
        assert agreed.plan(family, Money(wanted)) == ()
        if then_paid:
            family = [
                replace(one, status=Status.PAID, received=one.amount) if one.waits else one for one in family
            ]
        if then_back:
            family = [_given_back(one) for one in family]
        assert agreed.total(family) == Money(wanted)
        assert sum(one.waits for one in family) <= 1


def _given_back(one):
    if not one.owed_back or one.credited == one.received:
        return one
    return replace(one, status=Status.PART_REFUNDED, refunded=one.credited)


# -- before money came ------------------------------------------------------------------------------------


def test_before_money_another_payment_takes_its_place_and_the_payer_is_told(sessions, gateway, desk, now):
    before = issue(sessions, gateway, now=now, amount=PRICE).reference
    done = change(sessions, gateway, desk["aisha"], before, 130_000, now, tell=True)
    assert row(sessions, before) == (Status.CANCELLED, 150_000, 0)
    assert row(sessions, done.asks) == (Status.OPEN, 130_000, 0)
    with sessions.read() as session:
        assert payment_of(session, done.asks).links[0].url
        mail = session.scalars(select(OutboxMail)).one()
        told = [view.title for view in timeline.entries(session, payment_of(session, before))]
    assert "R1 300.00" in mail.body.replace("\xa0", " ")
    assert gateway.asked, "the old link is asked about first"
    assert any(done.asks in one and WHY in one for one in told)
    ties(sessions, desk, done.asks, now)
    with pytest.raises(Conflict, match="Take it up again"):
        change(sessions, gateway, desk["aisha"], before, 140_000, now)


def test_money_on_the_old_link_is_kept_and_told_as_late(sessions, gateway, desk, now):
    before = issue(sessions, gateway, now=now, amount=PRICE).reference
    change(sessions, gateway, desk["aisha"], before, 130_000, now)
    pay(sessions, gateway, before, now)
    with sessions.read() as session:
        late = payment_of(session, before)
        assert (late.status, late.review, late.amount_minor) == ("paid", "paid_late", 150_000)


def test_what_was_paid_just_now_is_not_cancelled(sessions, gateway, desk, now):
    before = issue(sessions, gateway, now=now, amount=PRICE)
    gateway.says(before.gateway_reference, Answer.PAID, "PAID", currency="ZAR")
    with pytest.raises(Conflict):
        change(sessions, gateway, desk["aisha"], before.reference, 130_000, now)
    assert row(sessions, before.reference) == (Status.PAID, 150_000, 150_000)


def test_a_gateway_that_cannot_be_asked_changes_nothing(sessions, gateway, desk, now):
    before = issue(sessions, gateway, now=now, amount=PRICE).reference
    gateway.failing = GatewayUnavailable("away")
    with pytest.raises(GatewayUnavailable):
        change(sessions, gateway, desk["aisha"], before, 130_000, now)
    with sessions.read() as session:
        assert session.scalars(select(AmountChange)).all() == []
    assert row(sessions, before)[0] is Status.OPEN


def test_two_who_change_it_at_once_make_one_payment(sessions, gateway, desk, now):
    before = issue(sessions, gateway, now=now, amount=PRICE).reference

    def once(_):
        try:
            return change(sessions, gateway, desk["aisha"], before, 130_000, now).asks
        except Conflict as error:
            return str(error)

    with ThreadPoolExecutor(4) as several:
        list(several.map(once, range(4)))
    with sessions.read() as session:
        (made,) = session.scalars(select(AmountChange)).all()
        assert made.amount_minor == 130_000


def test_its_seats_stay_its_own_for_less_and_for_more(sessions, gateway, desk, now):
    with sessions.begin() as session:
        regular = session.scalars(select(Category).order_by(Category.position)).first()
        session.add(
            PricePeriod(
                category_id=regular.id, name="Early", price_minor=100_000, seats=1, position=1, active=True
            )
        )
        choice = Choice(regular.id)
    first = issue(sessions, gateway, now=now, amount=Money(100_000), choice=choice).reference
    for minor in (80_000, 120_000):
        first = change(sessions, gateway, desk["aisha"], first, minor, now).asks
        with sessions.read() as session:
            payment = payment_of(session, first)
            period = session.scalars(select(PricePeriod)).one()
            assert sum(line.amount.minor for line in prices.kept(session, payment)) == minor
            assert seats.left(session, payment.event_id, period) == 0
            assert families.choice_of(session, payment) == choice
        ties(sessions, desk, first, now)


def test_each_of_several_people_has_their_share_of_it(sessions, gateway, desk, now):
    several = (PlaceDraft(Money(10_000), "Zola"), PlaceDraft(Money(5_000), "Themba"))
    before = issue(sessions, gateway, now=now, amount=Money(15_000), places=several).reference
    after = change(sessions, gateway, desk["aisha"], before, 10_001, now).asks
    with sessions.read() as session:
        payment = payment_of(session, after)
        assert [(one.name, one.amount.minor) for one in payment.places] == [
            ("Zola", 6_667),
            ("Themba", 3_334),
        ]
    ties(sessions, desk, after, now)


# -- after money came -------------------------------------------------------------------------------------


def test_more_is_asked_for_by_a_payment_of_its_own(sessions, gateway, desk, now):
    first = issue(sessions, gateway, now=now, amount=PRICE).reference
    pay(sessions, gateway, first, now)
    done = change(sessions, gateway, desk["aisha"], first, 170_000, now)
    assert row(sessions, first) == (Status.PAID, 150_000, 150_000)
    assert row(sessions, done.asks) == (Status.OPEN, 20_000, 0)
    assert agreed_of(sessions, desk, first).total == Money(170_000)
    assert [one.reference for one in agreed_of(sessions, desk, done.asks).related] == [first]
    ties(sessions, desk, first, now)
    again = change(sessions, gateway, desk["aisha"], done.asks, 170_000, now)
    assert again == amounts.Changed((), "")
    pay(sessions, gateway, done.asks, now)
    ties(sessions, desk, first, now)


def test_less_takes_two_people_and_is_owed_back_until_it_is_given_back(sessions, gateway, desk, now):
    first = issue(sessions, gateway, now=now, amount=PRICE).reference
    pay(sessions, gateway, first, now)
    with pytest.raises(Conflict, match="takes two people"):
        change(sessions, gateway, desk["farai"], first, 130_000, now)
    with sessions.begin() as session, pytest.raises(NotAllowed):
        two_people.ask_credit(session, desk["aisha"], first, Money(130_000), WHY, now=now)
    credit(sessions, desk, first, 130_000, now)
    assert row(sessions, first) == (Status.PAID, 150_000, 150_000)
    assert agreed_of(sessions, desk, first).owed_back == Money(20_000)
    assert [case.at_risk for case in cases_of(sessions, desk, now)] == [Money(20_000)]
    ties(sessions, desk, first, now)
    give_back(sessions, desk, first, 20_000, now)
    assert agreed_of(sessions, desk, first).owed_back == Money(0)
    assert cases_of(sessions, desk, now) == []
    ties(sessions, desk, first, now)
    assert light(sessions, desk, first) == Light.GREEN, "they paid all that it costs"
    give_back(sessions, desk, first, 10_000, now)  # more than was credited
    assert light(sessions, desk, first) == Light.AMBER
    assert agreed_of(sessions, desk, first).total == Money(120_000)
    ties(sessions, desk, first, now)


def test_an_invoice_is_credited_with_it_by_just_the_difference(sessions, gateway, desk, now):
    first = issue(sessions, gateway, now=now, amount=PRICE).reference
    pay(sessions, gateway, first, now)
    with sessions.begin() as session:
        to = BillTo("University of Example", "Private Bag X1", "4987654321")
        wanted = issuing.Wanted("k1", PaperKind.INVOICE, (first,), to)
        issuing.issue(session, desk["farai"], wanted, now=now)
    credit(sessions, desk, first, 130_000, now)
    with sessions.read() as session:
        note, invoice = handing.of_payment(session, desk["farai"], first)
    assert (note.kind, note.total, invoice.left) == (PaperKind.CREDIT_NOTE, Money(20_000), Money(130_000))
    ties(sessions, desk, first, now)


def test_what_changed_between_asking_and_approving_is_not_credited(sessions, gateway, desk, now):
    first = issue(sessions, gateway, now=now, amount=PRICE).reference
    pay(sessions, gateway, first, now)
    with sessions.begin() as session:
        asked = two_people.ask_credit(session, desk["farai"], first, Money(130_000), WHY, now=now)
    change(sessions, gateway, desk["aisha"], first, 170_000, now)
    with sessions.begin() as session, pytest.raises(Conflict):
        two_people.approve(session, desk["fikile"], asked.id, now=now)
    with sessions.begin() as session, pytest.raises(NotAllowed):
        two_people.approve(session, desk["farai"], asked.id, now=now)
    with sessions.begin() as session, pytest.raises(Conflict, match="still asks for"):
        two_people.ask_credit(session, desk["farai"], first, Money(130_000), WHY, now=now)
    assert agreed_of(sessions, desk, first).owed_back == Money(0)


def test_money_that_is_taken_back_owes_nothing_back(sessions, gateway, desk, now):
    first = issue(sessions, gateway, now=now, amount=PRICE).reference
    pay(sessions, gateway, first, now)
    credit(sessions, desk, first, 130_000, now)
    with sessions.begin() as session:
        payment = payment_of(session, first)
        act = {"now": now, "source": Source.DESK, "actor": "Thandi"}
        reversals.reverse(session, payment, payment.receipts[0], "It bounced at the bank.", **act)
    assert agreed_of(sessions, desk, first).owed_back == Money(0)
    assert cases_of(sessions, desk, now) == []
    with sessions.read() as session:
        assert families.total(session, payment_of(session, first)) == PRICE


def test_who_may_not_ask_for_money_changes_no_amount(sessions, gateway, desk, now):
    first = issue(sessions, gateway, now=now, amount=PRICE).reference
    with pytest.raises(NotAllowed):
        change(sessions, gateway, desk["vusi"], first, 130_000, now)
    with pytest.raises(InvalidInput, match="Say why"):
        change(sessions, gateway, desk["aisha"], first, 130_000, now, why="no")


def test_a_registration_is_known_by_whatever_asks_for_it(sessions, gateway, desk, now):
    first = issue(sessions, gateway, now=now, amount=PRICE).reference
    with sessions.begin() as session:
        payment = payment_of(session, first)
        payment.origin = "api"
        session.add(
            Registration(
                event_id=payment.event_id, registration_id="R1", number=1, reference=first, return_url="",
                created_at=now,
            )
        )  # fmt: skip
    second = change(sessions, gateway, desk["aisha"], first, 130_000, now).asks
    pay(sessions, gateway, second, now)
    third = change(sessions, gateway, desk["aisha"], second, 140_000, now).asks
    with sessions.read() as session:
        rows = session.scalars(select(Registration).order_by(Registration.number)).all()
        assert [one.reference for one in rows] == [first, second, third]
        assert all(one.change for one in rows), "whoever registered it reads of each"


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_changes_payments_and_refunds_ties(sessions, gateway, desk, now, seed):
    """Billed, paid, refunded and let go leave what is open, whatever came in what order."""
    drawn = Random(seed)
    reference = issue(sessions, gateway, now=now, amount=PRICE).reference
    for _ in range(8):
        wanted = drawn.choice((90_000, 130_001, 150_000, 199_999))
        with sessions.read() as session:
            payment = families.first_of(session, payment_of(session, reference))
            reference, waiting = (
                payment.reference,
                [one.reference for one in families.members(session, payment) if one.waits],
            )
            owed = [
                (one.reference, crediting.owed(session, one).minor)
                for one in families.whole(session, payment)
            ]
        match drawn.choice(("change", "change", "pay", "give back")):
            case "change":
                try:
                    reference = (
                        change(sessions, gateway, desk["farai"], reference, wanted, now).asks or reference
                    )
                except Conflict:
                    with sessions.read() as session:
                        steps = amounts.foresee(session, desk["farai"], reference, Money(wanted))
                    assert amounts.takes_two(steps)
                    if len({step.deed for step in steps}) == 1:
                        credit(sessions, desk, reference, wanted, now)
            case "pay":
                for one in waiting:
                    pay(sessions, gateway, one, now)
            case _:
                for one, minor in owed:
                    if minor:
                        give_back(sessions, desk, one, minor, now)
        ties(sessions, desk, reference, now)
