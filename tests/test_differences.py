"""What a payout brought less or more than it should is told with what may be behind it, and its rows."""

from datetime import date, timedelta

import pytest
from sqlalchemy import update

from db.models import Approval, Dispute, Refund
from db.money import Money
from payments.access.people import Role
from payments.errors import NotAllowed, NotFound
from payments.lump_sums import differences, explaining, payout_list, payout_watch
from payments.lump_sums.tariff import Rates, Tariff
from payments.money_back import disputes
from payments.payouts import causes
from payments.payouts.causes import Beside, Difference, Inside, Row, Sum, Took, Why
from payments.watching.alerts import Kind
from tests.desk import ADMIN, payment_of
from tests.test_approvals import somebody
from tests.test_pages import Desk, all_html, desk, harmless
from tests.test_payout_pages import PAGE, There
from tests.test_settlements import ORGANISER, Bench

__all__ = ["desk"]
FRIDAY = date(2026, 11, 20)
TARIFF = Tariff(Rates(date(2020, 1, 1)), Rates(date(2026, 12, 1), {"card": 295, "instant_eft": 200}))
#: R1500.00 by card cost R42.75 and R6.41 of VAT; by instant EFT R30.00 and R4.50.
CARD, EFT = (
    Took("REG_A", 1500_00, FRIDAY, "card", 49_16),
    Took("REG_B", 1500_00, FRIDAY, "instant_eft", 34_50),
)
INSIDE = Inside(FRIDAY, (CARD, EFT), 72_75, 10_91, 2_88)


def refund(minor, reference="REG_R", why=Why.REFUND) -> Sum:
    return Sum(why, minor, Row(reference, payment=reference))


def asked(off, inside=INSIDE, **beside) -> Difference:
    return causes.causes(
        Money(off), inside, Beside(**{name: tuple(some) for name, some in beside.items()}), TARIFF
    )


SHORT = [
    pytest.param(
        -50_00, {"sums": [refund(50_00)]}, ["the refund of R50.00 (REG_R), in no payout yet"], id="refund"
    ),
    pytest.param(
        -50_00, {"sums": [refund(50_00, why=Why.CHARGEBACK)]},
        ["the chargeback of R50.00 (REG_R), in no payout yet"], id="chargeback",
    ),
    pytest.param(
        -80_00, {"sums": [refund(50_00), refund(30_00, "REG_S"), refund(7_00, "REG_T")]},
        ["the refund of R30.00 (REG_S) and the refund of R50.00 (REG_R), in no payout yet"], id="two refunds",
    ),
    pytest.param(-1450_84, {}, ["REG_A of R1\u00a0500.00 held back, R1\u00a0450.84 after fees"], id="held"),
    pytest.param(-10_91, {}, ["VAT on its fees once more"], id="VAT on the fees"),
    pytest.param(-2_88, {}, ["a fee of the payout once more"], id="payout fee"),
    pytest.param(
        -14_66, {},
        ["all of its payments at the rate of cards", "REG_B of R1\u00a0500.00 at the rate of cards"],
        id="method",
    ),
    pytest.param(-1_73, {}, ["fees at the rates of 1 Dec 2026"], id="rates of another day"),
    pytest.param(
        -99_00, {"deductions": [Sum(Why.DEDUCTION, 99_00, Row("payout 3", payout=3))]},
        ["the deduction of R99.00 (payout 3), as another payout was less by"], id="deduction",
    ),
    pytest.param(-123_45, {"sums": [refund(50_00)]}, [], id="nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("off", "beside", "says"), SHORT)
def test_what_came_too_little_is_explained_by_what_is_known(off, beside, says):
    told = asked(off, **beside)
    assert [one.says for one in told.causes] == says
    assert all(one.amount == Money(-off) and one.rows for one in told.causes)
    assert told.says.startswith("It may be " if says else "Nothing known here explains it. Ask iKhokha where")


OVER = [
    pytest.param(1450_84, {"captures": [Took("REG_X", 1500_00, FRIDAY, "card")]},
                 ["REG_X of R1\u00a0500.00 in no payout yet, R1\u00a0450.84 after fees"], id="held before"),
    pytest.param(10_91, {}, ["no VAT on its fees"], id="no VAT"),
    pytest.param(2_88, {}, ["no fee of the payout"], id="no payout fee"),
    pytest.param(83_66, {}, ["no fees of its payments"], id="no fees"),
    pytest.param(450_00, {}, ["the refund of R450.00 (REG_R), not taken off after all"], id="not taken off"),
    pytest.param(123_45, {}, [], id="nothing"),
]  # fmt: skip


@pytest.mark.parametrize(("off", "beside", "says"), OVER)
def test_what_came_too_much_is_explained_likewise(off, beside, says):
    inside = Inside(FRIDAY, (CARD, EFT), 72_75, 10_91, 2_88, (refund(450_00),))
    told = asked(off, inside, **beside)
    assert [one.says for one in told.causes] == says
    assert says or "what it is for" in told.says


def test_all_that_is_as_good_is_told_five_at_most_and_how_many_more():
    many = [refund(50_00, f"REG_{nth}") for nth in range(7)]
    (one,) = asked(-50_00, sums=many).causes
    assert (one.says, len(one.rows), one.of) == ("1 of 7 with a refund of R50.00, in no payout yet", 5, 7)
    pairs = [refund(minor * 100, f"REG_{minor}") for minor in (1, 2, 3, 4, 5, 6, 94, 95, 96, 97, 98, 99)]
    told = asked(-100_00, sums=pairs)
    assert len(told.causes) == 5
    assert told.more > 0
    assert f"{told.more} more would explain it as well" in told.says


def test_to_the_cent_comes_before_what_rounding_leaves():
    near, exact = refund(50_01, "REG_N"), refund(50_00, "REG_E")
    assert [one.rows[0].payment for one in asked(-50_00, sums=[near, exact]).causes] == ["REG_E"]
    assert [one.rows[0].payment for one in asked(-50_00, sums=[near]).causes] == ["REG_N"]


def test_a_method_that_had_no_rate_on_a_captures_day_is_none_of_its_causes():
    """Who was asked for it raised, and with it every alarm of the desk."""
    two = Rates(date(2020, 1, 1), {"card": 285, "instant_eft": 200}), Rates(date(2026, 11, 21))
    inside = Inside(date(2026, 11, 21), (CARD,), 42_75, 6_41, 2_88)
    assert causes.causes(Money(-12_34), inside, Beside(), Tariff(*two)).causes == ()


def test_several_captures_of_one_price_are_held_together():
    some = tuple(Took(f"REG_{nth}", 1500_00, FRIDAY) for nth in range(4))
    (told,) = asked(-2 * 1450_84, Inside(FRIDAY, some, 171_00, 25_64, 2_88)).causes
    assert told.says == "2 of 4 payments of R1\u00a0500.00 held back, R1\u00a0450.84 after fees each"


# -- from the desk ------------------------------------------------------------------------------------


def refunded(bench, reference, minor) -> None:
    """Two people wrote down that the gateway gave so much back."""
    moment = bench.now
    with bench.sessions.begin() as session:
        asker, decider = (somebody(session, name, Role.FINANCE, now=moment).id for name in ("Ayo", "Busi"))
        payment = payment_of(session, reference)
        approval = Approval(
            what="record_refund", subject=reference, payment_id=payment.id, scope="*", bound={},
            digest="1" * 64, why="x", requester_id=asker, requester_name="Ayo", asked_at=moment,
            expires_at=moment, state="used", decider_id=decider, decider_name="Busi", used_at=moment,
        )  # fmt: skip
        session.add(approval)
        session.flush()
        session.add(
            Refund(
                payment_id=payment.id, approval_id=approval.id, method="gateway", refunded_on=FRIDAY,
                done_by="Ayo", amount=Money(minor), source_reference="", why="x", at=moment, by="Busi",
            )
        )  # fmt: skip


def contested(bench, reference, minor, case="CB-1") -> None:
    with bench.sessions.begin() as session:
        told = disputes.Told(reference, Money(minor), disputes.Why.FRAUD, case, FRIDAY, date(2026, 11, 30))
        disputes.record(session, ADMIN, told, now=bench.now)


def lost(bench, reference, minor) -> None:
    """Two people wrote down as well what the gateway took for it."""
    contested(bench, reference, minor)
    refund = bench.given_back(reference, minor)
    with bench.sessions.begin() as session:
        ended = {"state": "lost", "ended_at": bench.now, "ended_by": "A", "refund_id": refund.id}
        session.execute(update(Dispute).values(**ended))


def of_payout(bench, off, payout=1) -> Difference:
    with bench.sessions.read() as session:
        return differences.of_payout(session, ADMIN, payout, Money(off))


def told_short(bench) -> list[payout_watch.Short]:
    with bench.sessions.read() as session:
        return payout_watch.short(session, ADMIN)


def alarm(bench) -> str:
    with bench.sessions.read() as session:
        (one,) = [one for one in payout_watch.alarms(session, now=bench.now) if one.kind is Kind.PAYOUT_SHORT]
    return one.sentence


def banked_short(bench, minor) -> None:
    bench.bank(Money(Money.parse(bench.net()).minor - minor).decimal)
    bench.propose()


@pytest.fixture
def bench(sessions, now):
    return Bench(sessions, now)


def test_a_short_payout_names_the_refund_that_no_payout_was_less_by(bench):
    one, back = bench.paid(), bench.paid(Money(450_00))
    bench.bring(bench.row(one))
    refunded(bench, back, 50_00)
    banked_short(bench, 50_00)
    assert f"It may be the refund of R50.00 ({back}), in no payout yet." in alarm(bench)
    (short,) = told_short(bench)
    assert (short.payout_id, short.missing) == (1, Money(50_00))
    assert short.difference is not None
    assert [row.payment for cause in short.difference.causes for row in cause.rows] == [back]


def test_a_dispute_is_told_until_a_payout_was_less_by_it(bench):
    one, other = bench.paid(), bench.paid(Money(450_00))
    bench.bring(bench.row(one))
    contested(bench, other, 60_00)
    (cause,) = of_payout(bench, -60_00).causes
    assert (cause.why, cause.rows[0].payment) == (Why.DISPUTE, other)
    assert cause.says.startswith("the dispute of R60.00")
    with bench.sessions.begin() as session:  # a chargeback is what is lost, and no earlier
        disputes.lose(session, ADMIN, 1, "The bank decided so.", now=bench.now)
    (cause,) = of_payout(bench, -60_00).causes
    assert cause.why is Why.CHARGEBACK
    assert cause.says == f"the chargeback of R60.00 ({other}), in no payout yet"
    gone = "2026-11-20,Chargeback,CB-1,,-60.00,0.00,0.00,-60.00,P2"
    bench.bring(bench.row(other, 450_00, number="P2"), gone, name="b.csv")
    assert of_payout(bench, -60_00).causes == ()
    (cause,) = of_payout(bench, 60_00, payout=2).causes  # and there it may not have been taken off
    assert cause.says.endswith("not taken off after all")


def test_a_dispute_that_a_file_calls_a_refund_is_told_no_more(bench):
    one, other = bench.paid(), bench.paid(Money(450_00))
    bench.bring(bench.row(one))
    lost(bench, other, 60_00)
    (cause,) = of_payout(bench, -60_00).causes
    assert (cause.why, cause.rows[0].payment) == (Why.CHARGEBACK, other)
    gone = f"2026-11-20,Refund,{other},,-60.00,0.00,0.00,-60.00,P2"
    bench.bring(bench.row(other, 450_00, number="P2"), gone, name="b.csv")
    assert of_payout(bench, -60_00).causes == ()


def test_a_dispute_that_was_written_down_as_a_refund_is_weighed_once(bench):
    lost(bench, bench.paid(), 35_00)
    bench.bank(Money(1447_96 - 2 * 35_00).decimal)
    bench.propose()
    with bench.sessions.read() as session:
        (waits,) = explaining.explain(session, ADMIN)
    assert waits.perhaps is not None
    assert waits.perhaps.causes == (), "it is taken off as its refund, and once more as the dispute"


def test_a_capture_of_the_file_that_was_held_back_a_deduction_and_fees_are_told(bench):
    one, other = bench.paid(), bench.paid(Money(450_00))
    sim = "2026-11-20,Deduction,SIM card,,-99.00,0.00,0.00,-99.00,P0"
    bench.bring(bench.row(other, 450_00, number="P0"), sim, name="a.csv")
    bench.bring(bench.row(one), name="b.csv")
    assert [cause.rows[0].payment for cause in of_payout(bench, -1450_84, payout=2).causes] == [one]
    (again,) = of_payout(bench, -99_00, payout=2).causes
    assert (again.why, again.rows[0].payout) == (Why.DEDUCTION, 1)
    assert [cause.says for cause in of_payout(bench, -6_41, payout=2).causes] == ["VAT on its fees once more"]
    late = bench.paid(Money(300_00), at=bench.friday)
    (brought,) = of_payout(bench, 290_17, payout=2).causes  # R8.55 of a card and R1.28 of VAT
    assert brought.rows[0].payment == late


def test_what_nothing_explains_says_what_to_do_next(bench):
    bench.bring(bench.row(bench.paid()))
    banked_short(bench, 5_00)
    assert "Nothing known here explains it. Ask iKhokha where the rest is" in alarm(bench)


def test_a_lump_sum_that_nothing_explains_is_told_with_what_may_be_behind_it(bench):
    one = bench.paid()
    contested(bench, one, 60_00)
    bench.bank(Money(1447_96 - 60_00).decimal)
    bench.propose()
    bench.explain()
    with bench.sessions.read() as session:
        (asked_about,) = explaining.explain(session, ADMIN)
    told = asked_about.perhaps
    assert told is not None
    # at the dearest rate R53.10 is short; with the dispute it is a card's
    assert [cause.says for cause in told.causes] == [f"the dispute of R60.00 ({one}), with R49.16 of fees"]
    assert [row.payment for cause in told.causes for row in cause.rows] == [one]
    bench.bring(bench.row("NOBODY").replace("2026-11-20", "2026-11-02"))  # payouts are followed here
    assert f"It may be the dispute of R60.00 ({one}), with R49.16 of fees." in alarm(bench)


def test_what_was_accepted_with_a_rest_is_told_with_what_may_be_behind_it(bench):
    """At the dearest rate R28.10 is left; with the dispute, once it is known, it is a card's."""
    one = bench.paid()
    bench.bank(Money(1447_96 - 35_00).decimal)
    bench.propose()
    with bench.sessions.read() as session:
        (waits,) = explaining.explain(session, ADMIN)
    with bench.sessions.begin() as session:
        number = explaining.accept(session, ADMIN, waits, 0, now=bench.now, why="iKhokha was asked.")
        off = payout_list.detail(session, ADMIN, number).row.unexplained
    assert off == Money(-28_10)
    assert of_payout(bench, off.minor, number).causes == ()
    contested(bench, one, 35_00)
    (cause,) = of_payout(bench, off.minor, number).causes
    assert (cause.says, cause.amount) == (
        f"the dispute of R35.00 ({one}), with R49.16 of fees",
        Money(35_00),
    )


def test_a_lump_sum_less_by_a_deduction_as_another_had_names_that_payout(bench):
    bench.paid()
    one = bench.paid(Money(450_00), at=bench.friday - timedelta(days=2))
    sim = "2026-11-20,Deduction,SIM card,,-99.00,0.00,0.00,-99.00,P0"
    rows = bench.row(one, 450_00, number="P0"), sim
    bench.bring(*(row.replace("2026-11-20", "2026-11-18") for row in rows))
    bench.bank(Money(1447_96 - 99_00).decimal)
    bench.propose()
    bench.explain()
    with bench.sessions.read() as session:
        (waits,) = explaining.explain(session, ADMIN)
    assert waits.perhaps is not None
    assert [row.payout for cause in waits.perhaps.causes for row in cause.rows] == [1]


def test_who_may_not_see_the_bank_is_told_nothing_of_it(bench):
    bench.bring(bench.row(bench.paid()))
    with bench.sessions.read() as session:
        for ask in (
            lambda: differences.of_payout(session, ORGANISER, 1, Money(-1_00)),
            lambda: payout_watch.short(session, ORGANISER),
        ):
            with pytest.raises(NotAllowed):
                ask()
        with pytest.raises(NotFound):
            differences.of_payout(session, ADMIN, 9, Money(-1_00))


def test_the_page_shows_it_where_the_alarm_sends_and_on_the_payout(desk: Desk):
    desk.sign_in(Role.FINANCE)
    there = There(desk)
    one, back = there.paid(), there.paid(Money(450_00), name="**Thando** <b>M</b>")
    there.bring(there.row(one))
    refunded(there, back, 50_00)
    banked_short(there, 50_00)
    for at in (desk.open(PAGE), desk.open(PAGE, payout="1")):
        harmless(at)
        said = all_html(at)
        assert "R50.00 short on 23 Nov 2026" in said
        assert "the refund of R50.00" in said
        assert f"/payments?payment={back}" in said
    assert "1 line of the bank" in all_html(desk.open(PAGE, show="Expected"))
    assert "the refund of R50.00" in all_html(desk.open(PAGE, show="Expected"))
