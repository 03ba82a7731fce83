"""Several people on one payment: whose money is here is counted, to the cent, whichever way it came."""

import io
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader
from sqlalchemy import select, text

from db.models import AuditEntry, Payment
from db.money import Money
from payments import cancellation, lifecycle, obligations, references
from payments.access.people import Role
from payments.asking import links, part_links
from payments.asking.part_links import Wanted
from payments.at_the_door import admission, door, eft
from payments.at_the_door.admission import Light
from payments.at_the_door.door import Taking
from payments.at_the_door.slips import Slip
from payments.books import integrity
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.gateways import Answer
from payments.hearing import sync
from payments.lifecycle import Source, Status
from payments.obligations import Draft
from payments.payers import account_pdf, payer_account, places
from payments.payers.places import PlaceDraft
from payments.references import spoken
from tests.desk import ADDRESSES, ADMIN, issue, payment_of
from tests.test_claims import ACCOUNT
from tests.test_door import corrected, opened, people, sound
from tests.test_pages import all_html
from tests.test_pages import desk as page_desk

__all__ = ["page_desk", "people"]

PRICE = Money(30_000)
FIVE = tuple(PlaceDraft(PRICE, name) for name in ("Thandi", "Sipho", "", "Zanele", "Pieter"))
ALL = Money(150_000)


def group(sessions, person, **more) -> Draft:
    with sessions.read() as session:
        reference = obligations.draft_reference(session, person, "devconf", demo=True)
    return Draft(reference, "devconf", ALL, "Example School", "school@example.org", places=FIVE, **more)


def taken(sessions, person, shift, owed, amount, now, *, place=0, **more):
    key = f"{owed if isinstance(owed, str) else owed.reference}-{amount.minor}-{place}-{len(more)}"
    with sessions.begin() as session:
        return door.take(session, person, Taking(key, shift.id, owed, amount, place=place, **more), now=now)


def paid(sessions, reference):
    with sessions.read() as session:
        payment = payment_of(session, reference)
        return payment.status, [place.paid.minor for place in places.of(session, payment)]


def part_link(sessions, gateway, wanted, now, person=ADMIN):
    return part_links.make(sessions, {"ikhokha": gateway}, person, wanted, addresses=ADDRESSES, now=now)


def pays(sessions, gateway, link, now):
    return asks(sessions, gateway, link, Answer.PAID, "PAID", now)


def asks(sessions, gateway, link, answer, word, now):
    gateway.says(link.gateway_reference, answer, word)
    with sessions.read() as session:
        link_id = next(
            one.id for one in payment_of(session, link.reference).links
            if one.wire_reference == link.wire_reference
        )  # fmt: skip
    return sync.ask(sessions, {"ikhokha": gateway}, link_id, now=now)


# -- whose money it is ------------------------------------------------------------------------------

owed = st.lists(st.integers(1, 500), min_size=1, max_size=6)


@given(owed, st.dictionaries(st.integers(1, 6), st.integers(1, 900)), st.integers(0, 4_000))
def test_the_places_hold_what_is_here_and_never_more_than_they_cost(amounts, own, here):
    shared = places.shared(amounts, own, here)
    assert sum(shared) == min(here, sum(amounts))
    assert all(0 <= got <= amount for got, amount in zip(shared, amounts, strict=True))
    ours = [min(own.get(number, 0), amount) for number, amount in enumerate(amounts, 1)]
    if here >= sum(ours):
        assert all(got >= mine for got, mine in zip(shared, ours, strict=True)), "one's own money stays"


@pytest.mark.parametrize(
    "own, here, shared",
    [
        pytest.param({}, 0, (0, 0, 0), id="nothing"),
        pytest.param({}, 130, (100, 30, 0), id="a deposit goes in order"),
        pytest.param({3: 100}, 150, (50, 0, 100), id="the third has paid for herself"),
        pytest.param({3: 250}, 250, (100, 50, 100), id="what is too much for one goes to the others"),
        pytest.param({1: 100, 3: 100}, 120, (100, 0, 20), id="what was given back is missing at the last"),
        pytest.param({}, 900, (100, 100, 100), id="more than they cost"),
    ],
)
def test_money_is_shared_so(own, here, shared):
    assert places.shared((100, 100, 100), own, here) == shared


@pytest.mark.parametrize(
    "places_, sentence",
    [
        pytest.param((PlaceDraft(PRICE),), "does not add up", id="less than the payment"),
        pytest.param((PlaceDraft(Money(0)), PlaceDraft(ALL)), "above nothing", id="one for nothing"),
        pytest.param((PlaceDraft(Money(150_000, "USD")),), "currency", id="another currency"),
        pytest.param((PlaceDraft(Money(1)),) * 101, "100 people", id="too many"),
    ],
)
def test_places_that_are_not_the_payment_are_refused(places_, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        places.checked(places_, ALL)


# -- at the till ------------------------------------------------------------------------------------


def test_one_for_all_then_one_by_one_and_every_sum_is_exact(sessions, people, now):
    aisha = people["aisha"]
    shift, draft = opened(sessions, aisha, now), group(sessions, people["aisha"])
    first = taken(sessions, aisha, shift, draft, Money(40_000), now)
    assert first.balance == Money(110_000)
    assert paid(sessions, draft.reference) == (Status.PART_PAID, [30_000, 10_000, 0, 0, 0])
    taken(sessions, aisha, shift, draft.reference, PRICE, now, place=4, slip=Slip("0815"))
    assert paid(sessions, draft.reference) == (Status.PART_PAID, [30_000, 10_000, 0, 30_000, 0])
    with pytest.raises(InvalidInput, match=r"R200\.00 is missing for Sipho"):
        taken(sessions, aisha, shift, draft.reference, PRICE, now, place=2)
    with pytest.raises(NotFound, match="no place 6"):
        taken(sessions, aisha, shift, draft.reference, PRICE, now, place=6)
    taken(sessions, aisha, shift, draft.reference, Money(80_000), now)
    assert paid(sessions, draft.reference) == (Status.PAID, [30_000] * 5)
    assert sound(sessions) == ()


def test_what_is_taken_back_is_missing_where_it_was_paid(sessions, people, now):
    aisha = people["aisha"]
    shift, draft = opened(sessions, aisha, now), group(sessions, aisha)
    taken(sessions, aisha, shift, draft, PRICE, now)
    own = taken(sessions, aisha, shift, draft.reference, PRICE, now, place=5)
    corrected(sessions, aisha, shift, own.id, now)
    assert paid(sessions, draft.reference) == (Status.PART_PAID, [30_000, 0, 0, 0, 0])
    assert sound(sessions) == ()


def test_the_same_group_twice_is_one_payment_and_another_group_is_refused(sessions, people, now):
    aisha = people["aisha"]
    shift, draft = opened(sessions, aisha, now), group(sessions, aisha)
    assert taken(sessions, aisha, shift, draft, PRICE, now) == taken(
        sessions, aisha, shift, draft, PRICE, now
    )
    other = Draft(draft.reference, "devconf", ALL, "Example School", "school@example.org")
    with pytest.raises(Conflict, match="already issued"):
        taken(sessions, aisha, shift, other, ALL, now)


# -- by link ----------------------------------------------------------------------------------------


def test_links_for_places_stand_beside_each_other_and_none_is_late(sessions, people, gateway, now):
    whole = links.issue(sessions, gateway, group(sessions, ADMIN), person=ADMIN, addresses=ADDRESSES, now=now)
    reference = whole.reference
    fourth = part_link(sessions, gateway, Wanted(reference, 1, place=4), now)
    first = part_link(sessions, gateway, Wanted(reference, 2, place=1), now + timedelta(minutes=1))
    assert (fourth.amount, first.amount, fourth.place) == (PRICE, PRICE, 4)
    assert len(gateway.asked) == 2, "the link for all was asked about before each"
    later = now + timedelta(minutes=2)
    pays(sessions, gateway, fourth, later)
    assert paid(sessions, reference) == (Status.PART_PAID, [0, 0, 0, 30_000, 0])
    with sessions.read() as session:
        assert payment_of(session, reference).review is None
        assert not links.current(session, ADMIN, reference).fits, "all of it would be too much now"
        told = links.for_payer(session, fourth.return_token, now=later)
        assert (told.status, links.page_of(session, fourth.return_token)) == (Status.PAID, None)
        assert links.page_of(session, first.return_token) == first.url
    with pytest.raises(Conflict, match="Zanele is paid"):
        part_link(sessions, gateway, Wanted(reference, 3, place=4), later)
    assert sound(sessions) == ()


def test_one_who_could_not_pay_fails_by_themselves_and_the_group_goes_on(sessions, people, gateway, now):
    whole = links.issue(sessions, gateway, group(sessions, ADMIN), person=ADMIN, addresses=ADDRESSES, now=now)
    second = part_link(sessions, gateway, Wanted(whole.reference, 1, place=2), now)
    third = part_link(sessions, gateway, Wanted(whole.reference, 2, place=3), now)
    later = now + timedelta(minutes=2)

    def told(*links_):
        with sessions.read() as session:
            standing = [links.for_payer(session, link.return_token, now=later).status for link in links_]
            assert [links.page_of(session, link.return_token) for link in links_] == [
                link.url for link in links_
            ]
            return Status(payment_of(session, whole.reference).status), standing

    asks(sessions, gateway, second, Answer.ATTEMPT_FAILED, "FAILED", later)
    assert told(whole, second, third) == (Status.OPEN, [Status.OPEN, Status.FAILED, Status.OPEN])
    asks(sessions, gateway, whole, Answer.ATTEMPT_FAILED, "FAILED", later)
    assert told(whole, second, third) == (Status.FAILED, [Status.FAILED, Status.FAILED, Status.OPEN])
    pays(sessions, gateway, third, later + timedelta(minutes=2))
    assert paid(sessions, whole.reference) == (Status.PART_PAID, [0, 0, 30_000, 0, 0])
    assert told(second) == (Status.PART_PAID, [Status.FAILED])
    with sessions.read() as session:
        assert links.for_payer(session, third.return_token, now=later).status is Status.PAID
    assert sound(sessions) == ()


def test_a_part_link_sent_twice_is_one_and_asks_for_no_more_than_is_owed(sessions, people, gateway, now):
    whole = issue(sessions, gateway, now=now)
    wanted = Wanted(whole.reference, 1, amount=Money(5_000))
    part = part_link(sessions, gateway, wanted, now)
    assert part_link(sessions, gateway, wanted, now) == part
    assert (part.part, len(gateway.links)) == (True, 2)
    with pytest.raises(InvalidInput, match=r"R150\.00 is owed"):
        part_link(sessions, gateway, Wanted(whole.reference, 2, amount=Money(15_001)), now)
    pays(sessions, gateway, part, now + timedelta(minutes=2))
    with sessions.read() as session:
        payment = payment_of(session, whole.reference)
        assert (payment.status, payment.received, payment.review) == ("part_paid", Money(5_000), None)
    assert sound(sessions) == ()


def test_a_deposit_is_the_first_link_and_the_rest_is_owed(sessions, people, gateway, now):
    draft = group(sessions, ADMIN, deposit=Money(50_000))
    link = links.issue(sessions, gateway, draft, person=ADMIN, addresses=ADDRESSES, now=now)
    assert (link.amount, link.part, gateway.requests[0].amount) == (Money(50_000), True, Money(50_000))
    pays(sessions, gateway, link, now + timedelta(minutes=2))
    assert paid(sessions, draft.reference) == (Status.PART_PAID, [30_000, 20_000, 0, 0, 0])


def test_a_place_paid_at_the_gateway_before_its_next_link_gets_none(sessions, people, gateway, now):
    whole = links.issue(sessions, gateway, group(sessions, ADMIN), person=ADMIN, addresses=ADDRESSES, now=now)
    gateway.says(whole.gateway_reference, Answer.PAID, "PAID")
    with pytest.raises(Conflict, match="is paid"):
        part_link(sessions, gateway, Wanted(whole.reference, 1, place=2), now + timedelta(minutes=2))
    assert paid(sessions, whole.reference)[0] == Status.PAID


def test_who_may_not_ask_for_money_makes_no_part_link(sessions, people, gateway, now):
    whole = issue(sessions, gateway, now=now)
    for person, error in ((people["viewer"], NotAllowed), (people["stranger"], NotFound)):
        with pytest.raises(error):
            part_link(sessions, gateway, Wanted(whole.reference, 1, amount=Money(100)), now, person)


def test_one_of_several_pays_by_eft_and_the_banks_line_says_whose_it_is(sessions, people, now):
    draft = group(sessions, ADMIN)
    with sessions.begin() as session:
        eft.set_account(session, ADMIN, "devconf", ACCOUNT, now=now)
        reference = eft.ask(session, ADMIN, draft, now=now)
        sheet = eft.sheet(session, ADMIN, reference, 4, now=now)
        eft.shared(session, ADMIN, reference, "copy", place=4, now=now)
        with pytest.raises(NotFound, match="no place 6"):
            eft.sheet(session, ADMIN, reference, 6, now=now)
    assert (sheet.amount, sheet.whom, sheet.spoken) == (PRICE, "Zanele", f"{spoken(reference)} P4")
    assert "Zanele: please pay" in sheet.text
    with sessions.begin() as session:
        payment = payment_of(session, reference)
        line = f"IB PAYMENT FROM Z MOKOENA {sheet.spoken}"
        lifecycle.receive(
            session, payment, kind="eft", source_reference="line 1", amount=PRICE, now=now,
            source=Source.DESK, actor="Farai", place=places.said_by(session, payment, line),
        )  # fmt: skip
    assert paid(sessions, reference) == (Status.PART_PAID, [0, 0, 0, 30_000, 0])
    with sessions.read() as session, pytest.raises(Conflict, match="Zanele is paid already"):
        eft.sheet(session, ADMIN, reference, 4, now=now)


@pytest.mark.parametrize(
    "text, place",
    [
        ("DEMOREG7K2MPQ4 P4", 4),
        ("REG7K2MPQ4P4", 4),
        ("reg-7k2mpq4-p12 Thandi", 12),
        ("FNB APP DEMO_REG_7K2MPQ4 P 4", 4),
        ("REG7K2MPQ4", 0),
        ("REG7K2MPQ4 PAYMENT 4", 0),
        ("REG7K2MPQ4 P4 REG7K2MPQ4 P5", 0),
        ("REG7K2MPQ4 P1234", 0),
        ("REG7K2MPQ9 P4", 0),
    ],
)
def test_whose_money_a_banks_text_says_it_is(text, place):
    assert references.place_in(text, "DEMO_REG_7K2MPQ4") == place


# -- at the door ------------------------------------------------------------------------------------


def looked(sessions, person, words):
    with sessions.read() as session:
        return admission.look_up(session, person, "devconf", words)


def test_each_of_a_group_has_their_own_light_and_comes_in_once(sessions, people, now):
    aisha = people["aisha"]
    shift, draft = opened(sessions, aisha, now), group(sessions, aisha)
    taken(sessions, aisha, shift, draft, Money(40_000), now)
    lights = [(one.name, one.light, one.missing, one.owed.minor) for one in
              looked(sessions, aisha, "example school")]  # fmt: skip
    assert lights == [
        ("Thandi", Light.GREEN, "", 0),
        ("Sipho", Light.AMBER, "R200.00 is missing.", 20_000),
        ("Place 3", Light.RED, "Nothing has been paid for this place.", 30_000),
        ("Zanele", Light.RED, "Nothing has been paid for this place.", 30_000),
        ("Pieter", Light.RED, "Nothing has been paid for this place.", 30_000),
    ]
    (thandi,) = looked(sessions, aisha, "thandi")
    with sessions.begin() as session:
        assert admission.let_in(session, aisha, draft.reference, place=1, now=now).entrance.name == "Thandi"
        with pytest.raises(Conflict, match="Thandi was let in"):
            admission.let_in(session, aisha, draft.reference, place=1, now=now)
        with pytest.raises(InvalidInput, match="for 5 people"):
            admission.let_in(session, aisha, draft.reference, why="All of them", now=now)
        admission.let_in(session, aisha, draft.reference, place=2, why="Pays at noon", now=now)
        assert admission.undo(session, aisha, draft.reference, place=2, now=now).entrance is None
    with sessions.read() as session:
        full = admission.fullness(session, aisha, "devconf")
        assert (full.let_in, full.paid) == (1, 1), "Thandi, whose money is here, though not the others'"
    assert thandi.place == 1
    assert sound(sessions) == ()


def test_a_place_gets_a_name_and_is_found_by_it(sessions, people, now):
    aisha = people["aisha"]
    shift, draft = opened(sessions, aisha, now), group(sessions, aisha)
    taken(sessions, aisha, shift, draft, ALL, now)
    with sessions.begin() as session:
        admission.substitute(session, aisha, draft.reference, "Nomsa Khumalo", place=3, now=now)
    (nomsa,) = looked(sessions, aisha, "nomsa")
    assert (nomsa.place, nomsa.light, nomsa.row.payer_name) == (3, Light.GREEN, "Example School")
    with sessions.read() as session:
        assert admission.fullness(session, aisha, "devconf").paid == 5


# -- the books --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM places WHERE number = 5",
        "UPDATE places SET amount_minor = amount_minor + 1 WHERE number = 1",
        "UPDATE payments SET place_count = 4",
        "UPDATE receipts SET place = 9",
    ],
)
def test_places_that_are_not_what_the_payment_is_for_are_found(sessions, people, now, harm):
    aisha = people["aisha"]
    shift, draft = opened(sessions, aisha, now), group(sessions, aisha)
    taken(sessions, aisha, shift, draft, PRICE, now, place=1)
    with sessions.begin() as session:
        session.execute(text(harm))
    with sessions.read() as session:
        assert {finding.name for finding in integrity.examine(session)} == {"places"}


# -- statement of account ---------------------------------------------------------------------------


def account(sessions, person, reference, now):
    with sessions.begin() as session:
        return payer_account.hand_out(session, person, reference, now=now)


def test_an_account_adds_up_line_by_line_to_what_is_still_owed(sessions, people, gateway, now):
    aisha, finance = people["aisha"], people["finance"]
    shift, draft = opened(sessions, aisha, now), group(sessions, aisha)
    wrong = taken(sessions, aisha, shift, draft, Money(70_000), now)
    corrected(sessions, aisha, shift, wrong.id, now)
    taken(sessions, aisha, shift, draft.reference, Money(40_000), now)
    gone = issue(sessions, gateway, now=now, payer_email="school@example.org")
    cancellation.cancel(sessions, {"ikhokha": gateway}, ADMIN, gone.reference, "They come by car.", now=now)
    issue(sessions, gateway, now=now, payer_email="other@example.org")
    told = account(sessions, finance, draft.reference, now)
    assert [(line.asked.minor, line.paid.minor, line.balance.minor) for line in told.lines] == [
        (150_000, 0, 150_000),
        (0, 70_000, 80_000),
        (0, 40_000, 40_000),
        (0, -70_000, 110_000),
        (15_000, 0, 125_000),
        (-15_000, 0, 110_000),
    ]
    assert (told.asked, told.paid, told.balance) == (ALL, Money(40_000), Money(110_000))
    assert [place.missing.minor for _, place in told.places] == [0, 20_000, 30_000, 30_000, 30_000]
    file = account_pdf.render(told)
    (page,) = PdfReader(io.BytesIO(file)).pages
    assert "Page 1 of 1" in page.extract_text()


def test_an_account_holds_nothing_of_another_event_and_is_written_down(sessions, people, gateway, now):
    here = issue(sessions, gateway, now=now)
    issue(sessions, gateway, now=now, event="gala")
    assert len(account(sessions, ADMIN, here.reference, now).events) == 2
    assert account(sessions, people["aisha"], here.reference, now).events == ("Devconf 2026",)
    with pytest.raises(NotFound):
        account(sessions, people["stranger"], here.reference, now)
    with pytest.raises(NotAllowed):
        account(sessions, people["viewer"], here.reference, now)
    with sessions.read() as session:
        actions = select(AuditEntry.actor).where(AuditEntry.action == "print_account")
        assert session.scalars(actions).all() == [ADMIN.email, "aisha@example.org"]


# -- the page ---------------------------------------------------------------------------------------


def test_three_people_and_a_part_of_it_are_asked_for_on_the_page(page_desk):
    page_desk.sign_in(Role.ORGANISER)
    at = page_desk.open("pages/door/take.py")
    at.number_input(key="take_people").set_value(3).run()
    at.text_area(key="take_names").set_value("Thandi\nSipho")
    at.text_input(key="take_part").set_value("2000").run()
    at.text_input(key="take_who").set_value("Example School")
    at.button[0].click().run()
    assert not at.exception
    assert not at.error, at.error[0].value
    with page_desk.sessions.read() as session:
        payment = session.scalars(select(Payment)).one()
        assert (payment.amount, payment.place_count, payment.links[0].amount) == (
            Money(450_000), 3, Money(200_000),
        )  # fmt: skip
        assert [place.name for place in payment.places] == ["Thandi", "Sipho", "Place 3"]
    assert "R1 500.00 missing" in all_html(at).replace("\xa0", " ")
    at.selectbox(key=f"part_place_{payment.reference}").set_value(2).run()
    at.button[-2].click().run()
    assert not at.error, at.error[0].value
    with page_desk.sessions.read() as session:
        assert [link.place for link in session.scalars(select(Payment)).one().links] == [0, 2]
    assert "Sipho (Example School)" in all_html(at)
