"""A quote in another currency is charged in rand at a rate somebody entered, and both stay as they were."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.models import AuditEntry, Payment, PaymentQuote
from db.money import Money
from payments import cancellation, obligations, timeline
from payments.access.people import Person, Role
from payments.asking import links, reissue
from payments.books import integrity
from payments.errors import Conflict, InvalidInput, NotAllowed
from payments.selling import exchange, quotes, rates
from payments.selling.events import event_row
from tests.desk import ADDRESSES, ADMIN, issue, make_event, payment_of
from tests.test_reconciliation import Bench, bare

FINANCE = Person(4, "Pieter Botha", "pieter@example.org", Role.FINANCE, None)
PART_TIME = Person(5, "Fatima Khan", "fatima@example.org", Role.FINANCE, frozenset({1}))
ORGANISER = Person(6, "Aisha Patel", "aisha@example.org", Role.ORGANISER, None)
DOLLARS = Money(250_00, "USD")
MID = 18_450_000


def enter(sessions, now, micro=MID, *, currency="USD", source="SARB mid 23 Nov", since=None, **more):
    with sessions.begin() as session:
        return rates.enter(
            session, more.pop("by", FINANCE), currency, micro, source, since or now, now=now, **more
        )


@pytest.fixture
def desk(sessions, now):
    """A desk with an event and the rate of this morning."""
    with sessions.begin() as session:
        make_event(session, now=now)
    enter(sessions, now, since=now - timedelta(hours=2))
    return sessions


def quoted(sessions, gateway, now, amount=DOLLARS, seen=Money(4612_50), **more):
    return issue(sessions, gateway, now=now, amount=seen, quoted=amount, **more)


# -- arithmetic -----------------------------------------------------------------------------------------


@given(minor=some.integers(1, 100_000_000), micro=some.integers(1, exchange.LARGEST_MICRO))
def test_what_is_charged_is_the_nearest_cent_and_half_a_cent_goes_up(minor, micro):
    charged = exchange.in_rand(Money(minor, "USD"), micro)
    exact = Fraction(minor * micro, exchange.MICRO)
    assert charged.currency == "ZAR"
    assert Fraction(-1, 2) < charged.minor - exact <= Fraction(1, 2)


@pytest.mark.parametrize(
    "minor, micro, charged",
    [
        pytest.param(250_00, 18_450_000, 4612_50, id="to the cent"),
        pytest.param(1, 18_500_000, 19, id="half a cent goes up"),
        pytest.param(1, 18_499_999, 18, id="a millionth less stays below"),
        pytest.param(3_33, 18_123_456, 60_35, id="six decimals"),
    ],
)
def test_charged_by_hand(minor, micro, charged):
    assert exchange.in_rand(Money(minor, "USD"), micro) == Money(charged)


@given(some.integers(1, exchange.LARGEST_MICRO))
def test_a_rate_is_read_as_it_is_written(micro):
    assert exchange.read(exchange.decimal(micro)) == micro
    assert exchange.read(f"R {exchange.decimal(micro).replace('.', ',')}") == micro


@pytest.mark.parametrize(
    "typed, micro",
    [
        ("18.45", MID),
        ("18,45", MID),
        (" R18.4500 ", MID),
        ("ZAR 18,45", MID),
        ("18", 18_000_000),
        ("1000", 10**9),
    ],
)
def test_rates_as_people_type_them(typed, micro):
    assert exchange.read(typed) == micro


@pytest.mark.parametrize(
    "typed",
    ["", "R", "0", "0.000000", "-18.45", "1e5", "1E1", "NaN", "inf", "18.45.1", "1,845.00", "18.1234567",
     "1000.01", "1845", "٣", "18 45", "$18", "18.", ".5", "9" * 400],
)  # fmt: skip
def test_what_is_no_rate_is_refused_in_a_sentence(typed):
    with pytest.raises(ValueError, match="is not a rate"):
        exchange.read(typed)


# -- rates ------------------------------------------------------------------------------------------------


def test_the_newest_that_holds_by_now_is_the_one(desk, now):
    tomorrow = now + timedelta(days=1)
    enter(desk, now, 18_500_000, since=tomorrow, source="SARB mid 24 Nov")
    enter(desk, now, 18_400_000, since=now - timedelta(days=1), source="late note of yesterday")
    with desk.read() as session:
        assert rates.newest(session, "USD", now=now).micro == MID
        assert rates.newest(session, "USD", now=tomorrow).micro == 18_500_000
        assert rates.newest(session, "EUR", now=now) is None
        told = [(one.micro, one.entered_by, one.source) for one in rates.history(session, FINANCE)]
    assert told == [
        (18_400_000, "Pieter Botha", "late note of yesterday"),
        (18_500_000, "Pieter Botha", "SARB mid 24 Nov"),
        (MID, "Pieter Botha", "SARB mid 23 Nov"),
    ]  # fmt: skip


def test_a_slip_is_corrected_by_another_of_the_same_moment(desk, now):
    since = now - timedelta(hours=2)
    enter(desk, now, 18_460_000, since=since)
    with desk.read() as session:
        assert rates.newest(session, "USD", now=now).micro == 18_460_000


def test_one_that_is_far_from_the_last_is_confirmed(desk, now):
    with pytest.raises(Conflict, match=r"R22\.2000 is 20\.3 % away from the last, R18\.4500"):
        enter(desk, now, 22_200_000)
    enter(desk, now, 22_140_000)  # 20 % exactly
    enter(desk, now, 18_450_000, sure=True)
    with desk.read() as session:
        assert len(rates.history(session, FINANCE)) == 3
        entries = session.query(AuditEntry).where(AuditEntry.action == "enter_rate").all()
    assert (entries[-1].detail["rate"], entries[-1].detail["was"]) == ("18.4500", "22.1400")


NO_RATES = (
    ({"micro": 0}, "more than nothing"),
    ({"micro": -MID}, "more than nothing"),
    ({"micro": exchange.LARGEST_MICRO + 1, "sure": True}, "more than nothing"),
    ({"source": "  "}, "where the rate is from"),
    ({"source": "x" * 121}, "120"),
    ({"currency": "ZAR"}, "one of USD"),
    ({"currency": "BTC"}, "one of USD"),
    ({"since": timedelta(days=-8)}, "Change the day"),
    ({"since": timedelta(days=32)}, "Change the day"),
)


def test_what_cannot_be_a_rate_is_refused(desk, now):
    for wrong, says in NO_RATES:
        change = wrong | {"since": now + wrong["since"]} if "since" in wrong else wrong
        with pytest.raises(InvalidInput, match=says):
            enter(desk, now, **change)
    with desk.read() as session:
        assert len(rates.history(session, FINANCE)) == 1


@pytest.mark.parametrize("person", [ORGANISER, PART_TIME])
def test_a_rate_is_for_all_events_so_whoever_enters_it_is_here_for_all(desk, now, person):
    with pytest.raises(NotAllowed):
        enter(desk, now, by=person)


def test_rates_and_quotes_are_only_ever_added(desk, gateway, now):
    quoted(desk, gateway, now)
    for change in (
        "UPDATE exchange_rates SET rate_micro = 1", "DELETE FROM exchange_rates",
        "UPDATE payment_quotes SET rate_source = 'x'", "DELETE FROM payment_quotes",
    ):  # fmt: skip
        with pytest.raises(DBAPIError), desk.begin() as session:
            session.execute(text(change))


# -- quoting ------------------------------------------------------------------------------------------------


def test_what_is_charged_is_rand_and_the_quote_is_kept_beside_it(desk, gateway, now):
    link = quoted(desk, gateway, now)
    assert link.amount == Money(4612_50)
    assert gateway.requests[-1].amount == Money(4612_50)
    enter(desk, now, 19_000_000)  # what comes later changes nothing of it
    with desk.read() as session:
        payment = payment_of(session, link.reference)
        kept = quotes.kept(session, payment)
        assert payment.amount == Money(4612_50)
        assert (kept.amount, kept.charged, kept.rate) == (DOLLARS, Money(4612_50), "18.4500")
        assert kept.text == "US$250.00 at R18.4500 (SARB mid 23 Nov, 23 Nov 2026, 10:00)"
        told = [view.title for view in timeline.entries(session, payment)]
        assert list(quotes.broken(session)) == []
    assert any(kept.text in one for one in told)


def test_an_amount_that_was_seen_and_holds_no_more_is_refused(desk, gateway, now):
    enter(desk, now, 18_500_000)
    with pytest.raises(Conflict, match=r"US\$250\.00 is R4.625\.00 by now, not R4.612\.50"):
        quoted(desk, gateway, now)
    with desk.read() as session:
        assert session.query(Payment).count() == 0


def test_the_same_form_twice_is_one_payment_and_another_quote_is_refused(desk, gateway, now):
    with desk.read() as session:
        reference = obligations.draft_reference(session, ADMIN, "devconf", demo=True)
    draft = obligations.Draft(reference, "devconf", Money(4612_50), "Wanjiru Kamau", quoted=DOLLARS)
    by = {"person": ADMIN, "addresses": ADDRESSES, "now": now}
    links.issue(desk, gateway, draft, **by)
    enter(desk, now, 18_500_000)
    assert links.issue(desk, gateway, draft, **by).amount == Money(4612_50)
    for other in (replace(draft, quoted=None), replace(draft, quoted=Money(250_01, "USD"))):
        with pytest.raises(Conflict, match="already issued"):
            links.issue(desk, gateway, other, **by)
    assert len(gateway.requests) == 1


@pytest.mark.parametrize(
    "days, said",
    [(7, None), (8, r"The last rate for USD is of 23 Nov 2026, 10:00.*Finance → Prices")],
)
def test_by_an_old_rate_nothing_is_quoted(desk, gateway, now, days, said):
    later = now + timedelta(days=days) - timedelta(hours=2)
    if said is None:
        quoted(desk, gateway, later)
        return
    with pytest.raises(Conflict, match=said):
        quoted(desk, gateway, later)
    enter(desk, later, source="SARB mid")
    quoted(desk, gateway, later)


NO_QUOTES = (
    (Money(10_00, "EUR"), Conflict, "no rate for EUR yet"),
    (Money(10_00), InvalidInput, "one of USD"),
    (Money(0, "USD"), InvalidInput, "It comes to R0.00"),
    (Money(-5, "USD"), InvalidInput, "It comes to"),
    (Money(60_000_00, "USD"), InvalidInput, "It comes to R1.107.000.00"),
)


def test_what_cannot_be_quoted_is_refused_with_the_next_step(desk, now):
    with desk.read() as session:
        for amount, error, said in NO_QUOTES:
            with pytest.raises(error, match=said):
                quotes.quote(session, ADMIN, "devconf", amount, now=now)


def test_an_event_that_is_not_in_rand_is_not_quoted(desk, now):
    with desk.begin() as session:
        make_event(session, "abroad", now=now).currency = "USD"
    with desk.read() as session:
        event = event_row(session, ADMIN, "abroad")
        with pytest.raises(InvalidInput, match="is in USD"):
            quotes.of(session, event, DOLLARS, now=now)


def test_a_closed_payment_gets_no_new_link_at_a_rate_that_is_over(desk, gateway, now):
    link = quoted(desk, gateway, now)
    gateways = {"ikhokha": gateway}
    cancellation.cancel(desk, gateways, ADMIN, link.reference, "They withdrew their paper", now=now)
    by = {"addresses": ADDRESSES}
    later = now + timedelta(days=7)
    with pytest.raises(Conflict, match="a rate of 23 Nov 2026, 10:00, which is over"):
        reissue.reissue(
            desk, gateways, ADMIN, link.reference, "They come after all", replaces=link.wire_reference,
            now=later, **by,
        )  # fmt: skip
    soon = now + timedelta(days=2)
    again = reissue.reissue(
        desk, gateways, ADMIN, link.reference, "They come after all", replaces=link.wire_reference, now=soon,
        **by,
    )  # fmt: skip
    assert again.amount == Money(4612_50)


def test_the_hourly_examination_sees_a_quote_that_is_not_what_was_charged(desk, gateway, now):
    quoted(desk, gateway, now)
    payment_id = issue_plain(desk, gateway, now)
    with desk.begin() as session:
        session.add(
            PaymentQuote(
                payment_id=payment_id, quoted_minor=100_00, quoted_currency="USD",
                rate_micro=MID, rate_source="SARB", rate_at=now, charged_minor=1845_00,
            )
        )  # fmt: skip
    with desk.read() as session:
        (rule,) = [rule for rule in integrity.RULES if rule.name == "quotes"]
        (found,) = rule.broken_by(session)
    assert "US$100.00 at R18.4500 is not what it was made for" in found


def issue_plain(sessions, gateway, now):
    reference = issue(sessions, gateway, now=now, amount=Money(150_00)).reference
    with sessions.read() as session:
        return payment_of(session, reference).id


def test_the_database_itself_refuses_another_product(desk, gateway, now):
    payment_id = issue_plain(desk, gateway, now)
    for charged in (1845_01, 1844_99, 0):
        quote = PaymentQuote(
            payment_id=payment_id, quoted_minor=100_00, quoted_currency="USD", rate_micro=MID,
            rate_source="SARB", rate_at=now, charged_minor=charged,
        )  # fmt: skip
        with pytest.raises(DBAPIError, match="charged"), desk.begin() as session:
            session.add(quote)


# -- what the bank then shows ---------------------------------------------------------------------------


@pytest.fixture
def bench(sessions, now):
    made = Bench(sessions, now)
    enter(sessions, now - timedelta(days=3))
    return made


def owes_dollars(bench, name="Wanjiru Kamau"):
    return quoted(bench.sessions, bench.gateway, bench.now - timedelta(days=3), payer_name=name).reference


def test_a_transfer_short_by_bank_charges_pays_a_quote_and_the_charges_are_written_off(bench):
    one = owes_dollars(bench)
    bench.bank((f"INWARD SWIFT W KAMAU {bare(one)}", "4410.20"))
    run = bench.propose()
    assert dict(run.accepted) == {"foreign transfer": 1}
    assert bench.status(one) == ("paid", 4410_20, 1)
    with bench.sessions.read() as session:
        assert payment_of(session, one).written_off_minor == 202_30
    bench.lawful()


def test_without_the_banks_word_a_short_line_that_names_a_quote_is_proposed_too(bench):
    """A quote is what makes it foreign: no rule of the line's text is needed."""
    one = owes_dollars(bench)
    plain = bench.owes("Sipho Dlamini", Money(4612_50))
    bench.bank((f"EFT KAMAU {bare(one)}", "4410.20"), (f"EFT DLAMINI {bare(plain)}", "4410.20"))
    bench.propose()
    assert bench.status(one)[0] == "paid"
    assert bench.status(plain)[0] != "paid", "what was asked for in rand is owed in rand"


def test_what_is_above_a_quote_is_set_apart_and_waits_for_a_person(bench):
    one = owes_dollars(bench)
    bench.bank((f"INWARD SWIFT W KAMAU {bare(one)}", "4650.00"))
    run = bench.propose()
    assert (dict(run.accepted), run.rests) == ({"foreign transfer": 1}, 1)
    assert bench.status(one) == ("paid", 4612_50, 1)
    (rest,) = bench.waits()
    assert (rest.reason, rest.amount, rest.line_amount) == ("surplus", Money(37_50), Money(4650_00))
    bench.lawful()


def test_a_foreign_transfer_without_a_reference_is_held_against_the_quotes_by_name(bench):
    one = owes_dollars(bench)
    owes_dollars(bench, "Sipho Dlamini")
    bench.owes("Wanjiru Kamau", Money(4612_50))  # in rand: bank charges do not explain what it lacks
    bench.bank(("INWARD SWIFT FROM W KAMAU NAIROBI", "4410.20"))
    assert dict(bench.propose().accepted) == {"foreign transfer": 1}
    assert bench.status(one)[0] == "paid"


def test_of_two_quotes_that_it_may_be_none_is_taken(bench):
    both = {owes_dollars(bench), owes_dollars(bench)}
    bench.bank(("INWARD SWIFT FROM W KAMAU NAIROBI", "4410.20"))
    assert not bench.propose().accepted
    (case,) = bench.waits()
    assert (case.reason, {one.reference for one in case.candidates}) == ("tie", both)


def test_what_is_missing_beyond_charges_is_still_owed(bench):
    one = owes_dollars(bench)
    bench.bank((f"INWARD SWIFT W KAMAU {bare(one)}", "3000.00"))
    bench.propose()
    assert bench.status(one)[0] != "paid"
    bench.lawful()
