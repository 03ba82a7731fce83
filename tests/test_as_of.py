"""As of: whatever was stored at a moment, report or list, is found again byte for byte when it is asked for
as of that moment, whatever happened since."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from io import BytesIO
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db.models import (
    BankAccount,
    Base,
    Case,
    Event,
    Match,
    MatchPart,
    Meta,
    Payment,
    Payout,
    PayoutLine,
    PersonRow,
    Receipt,
    Reversal,
    StatementLine,
)
from db.money import Money
from db.session import Sessions
from payments import dates, legacy, lifecycle
from payments.deciding.cases import Decision
from payments.errors import InvalidInput, NotFound
from payments.exports import child, run
from payments.exports.layout import Layout
from payments.finding import as_of, search
from payments.finding.conditions import Filter
from payments.finding.search import PaymentRow, Totals
from payments.lifecycle import CLOSED, TRANSITIONS, Review, Status
from payments.live import stages
from payments.live.stages import Stage
from payments.lump_sums import captures
from payments.reports import asking, files, keeping, making, papers
from payments.reports.making import ABOUT, OF_ONE_EVENT
from payments.reports.period import Basis, Period
from payments.reports.report import Asked, Kind
from payments.selling import moves
from tests.desk import ADMIN
from tests.ledger_world import BY, KINDS, World, fresh, sast
from tests.test_legacy import as_file, record

__all__ = ["fresh"]
MARCH = Period(date(2026, 3, 1), date(2026, 3, 31))
#: Every report, on each of its bases.
REPORTS = tuple(
    Asked(kind, basis, MARCH, "devconf" if kind in OF_ONE_EVENT else "")
    for kind in Kind
    for basis in ABOUT[kind].bases
)
LISTS = (
    Filter(),
    Filter(statuses=(Status.PAID, Status.PART_PAID)),
    Filter(not_statuses=(Status.PAID,), events=("devconf",)),
    Filter(review_only=True),
    Filter(attention=True),
    Filter(methods=("card",)),
    Filter(stages=(Stage.ATTEMPTED,), failures=("05",)),
    Filter(paid=MARCH.span, taken=("gateway",)),
    Filter(banked=MARCH.span),
    Filter(settled=MARCH.span),
    Filter(refunded=MARCH.span),
)


class Desk(World):
    """A world in which what happens, happens to any payment at any time: each moment is one transaction."""

    account_id: int

    @classmethod
    def open(cls, session: Session, now: datetime) -> None:
        cls(session, now)
        session.add(BankAccount(name="Main", currency="ZAR", created_at=now, created_by="A"))

    @classmethod
    def again(cls, session: Session, number: int) -> "Desk":
        """The same world in another transaction; ``number`` keeps what it draws apart."""
        desk = cls.__new__(cls)
        desk.session, desk.number = session, number * 100
        desk.events = list(session.scalars(select(Event).order_by(Event.id)))
        desk.people = list(session.scalars(select(PersonRow).order_by(PersonRow.id)))
        desk.account_id = session.scalars(select(BankAccount.id)).one()
        return desk

    def settles(self, at: datetime, dice: Random) -> None:
        """A payout with some captures in it, and what it cost."""
        taken = select(PayoutLine.receipt_id).where(PayoutLine.state == "stands")
        gone = select(Reversal.receipt_id)
        free = self.session.scalars(
            select(Receipt).where(
                Receipt.kind == "gateway", Receipt.id.not_in(taken), Receipt.id.not_in(gone),
                Receipt.amount_currency == "ZAR",
            )
        ).all()  # fmt: skip
        some = [one for one in free if dice.random() < 0.6]
        gross = sum(one.amount_minor for one in some)
        if not some:
            return
        self.number += 1
        payout = Payout(
            key=f"p{self.number}", source="settlement", first_on=dates.business_day(at),
            last_on=dates.business_day(at), currency="ZAR", gross_minor=gross, fee_minor=len(some),
            vat_minor=0, payout_fee_minor=7, less_minor=0, difference_minor=0,
            net_minor=gross - len(some) - 7, payout_fee_told=True, explained="file", made_at=at, made_by="A",
        )  # fmt: skip
        self.session.add(payout)
        self.session.flush()
        lines = [
            PayoutLine(
                payout_id=payout.id, row=n, kind="capture", method=dice.choice(("card", "")), state="stands",
                gross_minor=one.amount_minor, fee_minor=1, payment_id=one.payment_id, receipt_id=one.id,
                made_at=at,
            )
            for n, one in enumerate(some)
        ]  # fmt: skip
        self.session.add_all(lines)
        self.session.flush()
        captures.settle(self.session, [(line, payout.id) for line in lines], BY | {"now": at})

    def unsettles(self, at: datetime, dice: Random) -> None:
        payouts = self.session.scalars(select(Payout).where(Payout.undone_at.is_(None))).all()
        if payouts:
            payout = dice.choice(payouts)
            captures.unsettle(self.session, payout, "x", BY | {"now": at})
            payout.undone_at, payout.undone_by, payout.undone_why = at, "A", "x"

    def banks(self, at: datetime, dice: Random) -> None:
        """A line of the bank for a payout or for an EFT, with a cent that is let off."""
        matched = select(MatchPart.receipt_id).where(MatchPart.receipt_id.is_not(None))
        efts = self.session.scalars(
            select(Receipt).where(Receipt.kind == "eft", Receipt.id.not_in(matched))
        ).all()
        payouts = self.session.scalars(select(Payout).where(Payout.undone_at.is_(None))).all()
        target: dict[str, Any]
        if efts and dice.random() < 0.6:
            receipt = dice.choice(efts)
            target = {
                "target": "payment", "payment_id": receipt.payment_id, "receipt_id": receipt.id,
                "written_off_minor": 1,
            }  # fmt: skip
            self.session.get_one(Payment, receipt.payment_id).written_off_minor += 1
        elif payouts:
            target = {"target": "payout", "payout_id": dice.choice(payouts).id}
        else:
            return
        self.number += 1
        line = StatementLine(
            account_id=self.account_id, key=f"k{self.number}", ordinal=1, on=dates.business_day(at),
            amount=Money(1), state="matched",
        )  # fmt: skip
        match = Match(line=line, how="person", way="x", by="A", evidence={}, at=at)
        match.parts = [MatchPart(amount=Money(1), **target)]
        self.session.add(match)

    def unmatches(self, at: datetime, dice: Random) -> None:
        """With the money it brought, as ``reconciliation`` does."""
        standing = self.session.scalars(select(Match).where(Match.undone_at.is_(None))).all()
        if not standing:
            return
        match = dice.choice(standing)
        for part in match.parts:
            receipt = self.session.get_one(Receipt, part.receipt_id) if part.receipt_id else None
            if receipt is not None and not self._loses(receipt, at):
                return
        match.undone_at, match.undone_by, match.undone_why = at, "A", "x"

    def _loses(self, receipt: Receipt, at: datetime) -> bool:
        """Whether a receipt is gone now: what was given back of it stands in the way."""
        if self.session.scalar(select(Reversal.id).where(Reversal.receipt_id == receipt.id)) is not None:
            return True
        payment = self.session.get_one(Payment, receipt.payment_id)
        if payment.received_minor - receipt.amount_minor < payment.refunded_minor:
            return False
        parts = select(MatchPart).join(Match).where(MatchPart.receipt_id == receipt.id)
        for part in self.session.scalars(parts.where(Match.undone_at.is_(None))):
            payment.written_off_minor -= part.written_off_minor
        self.takes_back(receipt, at)
        return True

    def happens(self, at: datetime, dice: Random) -> None:
        payments = self.session.scalars(select(Payment).order_by(Payment.id)).all()
        if len(payments) < 3 or dice.random() < 0.25:
            self.owes(at, dice.randrange(2, 90_000), dice.randrange(3))
            return
        if dice.random() < 0.35:
            dice.choice((self.settles, self.unsettles, self.banks, self.unmatches))(at, dice)
            return
        self._happens_to(dice.choice(payments), at, dice)

    def _happens_to(self, payment: Payment, at: datetime, dice: Random) -> None:
        status = Status(payment.status)
        here = payment.received_minor - payment.refunded_minor
        what = dice.randrange(10)
        if what < 4:
            minor = dice.choice((1, payment.amount_minor, payment.amount_minor + 1))
            self.pays(payment, at, minor, dice.choice(KINDS))
        elif what == 4 and here and status in (Status.PAID, Status.PART_PAID, Status.PART_REFUNDED):
            self.refunds(payment, dates.business_day(at), dice.choice((1, here)), at)
        elif what == 5 and payment.refunded_minor == 0:
            receipts = self.session.scalars(select(Receipt).where(Receipt.payment_id == payment.id)).all()
            if receipts:
                self._loses(dice.choice(receipts), at)
        elif what == 6:
            stages.came_to(self.session, payment, dice.choice(list(Stage)), now=at)
            stages.failed_for(self.session, payment, dice.choice(("05", "51", "")), now=at)
        elif what == 7:
            to = [one.code for one in self.events if one.currency == payment.amount_currency]
            code = dice.choice(to)
            if code != payment.event.code:
                moves.move(self.session, ADMIN, payment.reference, code, "It was booked wrongly.", now=at)
        elif what == 8:
            lifecycle.flag(self.session, payment, dice.choice(list(Review)), now=at, **BY)
            self._decides(payment, at, dice)
        elif others := sorted(TRANSITIONS[status] & {*CLOSED, Status.OPEN, Status.FAILED, Status.DISPUTED}):
            self.becomes(payment, dice.choice(others), at)

    def _decides(self, payment: Payment, at: datetime, dice: Random) -> None:
        opened = self.session.scalars(
            select(Case).where(Case.payment_id == payment.id, Case.closed_at.is_(None), Case.opened_at < at)
        ).all()
        if opened:
            case = dice.choice(opened)
            lifecycle.close_case(self.session, case, Decision.HEALED, "x", now=at, **BY)


# -- a history, and what was stored along it ----------------------------------------------------------

#: What a session shows: each report's file, and each list with its sums.
Shown = tuple[dict[Asked, bytes], dict[Filter, tuple[list[PaymentRow], Totals]]]


def shown(session: Session, moment: datetime, past: datetime | None = None) -> Shown:
    """As it is stored at a moment; ``past``: as of when it is asked for, later."""
    kept = {}
    for asked in REPORTS:
        made = making.make(session, ADMIN, replace(asked, as_of=past), demo=True, now=moment)
        kept[asked] = files.as_csv(replace(made, asked=asked))
    lists = {}
    for one in LISTS:
        wanted = replace(one, as_of=past)
        rows = [without_link(row) for row in search.rows(session, ADMIN, wanted)]
        lists[one] = rows, search.totals(session, ADMIN, wanted)
        assert search.count_at_once(session, ADMIN, wanted) == len(rows)
    return kept, lists


def without_link(row: PaymentRow) -> PaymentRow:
    """What the gateway calls it stands as today."""
    return replace(row, gateway_reference=None, wire_reference=None, asked_at=None)


def live(sessions: Sessions, dice: Random, steps: int, stops: int) -> dict[datetime, Shown]:
    """So many steps through time, each a transaction; at some moments all is stored."""
    at = sast(1, 6)
    with sessions.begin() as session:
        Desk.open(session, at)
    stored = {}
    for nth in range(steps):
        at += timedelta(minutes=dice.choice((1, 50, 60 * 7, 60 * 30)), microseconds=dice.randrange(10**6))
        with sessions.begin() as session:
            Desk.again(session, nth).happens(at, dice)
        if nth % (steps // stops) == 0:
            moment = at + timedelta(seconds=dice.randrange(1, 50))
            with sessions.read() as session:
                stored[moment] = shown(session, moment)
    return stored


def the_same(sessions: Sessions, stored: dict[datetime, Shown]) -> None:
    now = max(stored) + timedelta(days=400)
    for moment, (reports, lists) in stored.items():
        with as_of.read(sessions, moment, now=now) as session:
            again, rows = shown(session, moment, moment)
        for asked, data in reports.items():
            assert again[asked].decode() == data.decode(), (moment, asked)
        for wanted, told in lists.items():
            assert rows[wanted] == told, (moment, wanted)


def test_what_was_stored_along_a_history_is_found_again_byte_for_byte(sessions: Sessions):
    stored = live(sessions, Random(8), steps=48, stops=2)
    first, *_, last = stored.values()
    assert first != last
    the_same(sessions, stored)


@settings(max_examples=2)
@given(seed=st.integers(0, 10**6))
def test_so_it_is_for_any_history(fresh: Callable[[], Sessions], seed: int):
    sessions = fresh()
    the_same(sessions, live(sessions, Random(seed), steps=30, stops=1))


def test_as_of_the_last_change_each_table_is_as_it_is(sessions: Sessions):
    live(sessions, Random(3), steps=80, stops=1)
    now = sast(1, month=12)
    with sessions.read() as here, as_of.read(sessions, now, now=now) as there:
        for name, _ in as_of.views("sqlite", now):
            if name not in Base.metadata.tables:
                continue  # what other views are made of
            table = Base.metadata.tables[name]
            keys = [*table.primary_key.columns]
            question = select(table).order_by(*keys)
            rows = [tuple(row) for row in here.execute(question)]
            again = [tuple(row) for row in there.execute(question)]
            if name in ("tallies", "tally_months", "standings"):
                rows, again = (_sums(some) for some in (rows, again))
            assert again == rows, name


def _sums(rows: list[tuple[Any, ...]]) -> dict[tuple[Any, ...], list[int]]:
    """By what they are of; what comes to nothing may have a row or none."""
    found: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    for *what, count, minor in rows:
        sums = found[tuple(what)]
        sums[0], sums[1] = sums[0] + count, sums[1] + minor
    return {what: sums for what, sums in found.items() if any(sums)}


# -- what is asked for, and what is refused -----------------------------------------------------------


@pytest.fixture
def desk(sessions: Sessions) -> Desk:
    """One payment of R100, asked for at noon of the first and paid in cash at noon of the second."""
    with sessions.begin() as session:
        Desk.open(session, sast(1, 6))
    with sessions.begin() as session:
        made = Desk.again(session, 1)
        payment = made.owes(sast(1))
        made.pays(payment, sast(2), kind="cash")
    return made


def takings(as_of_: datetime | None = None) -> Asked:
    return Asked(Kind.TAKINGS, Basis.CAPTURED, MARCH, as_of=as_of_)


def test_recorded_at_the_moment_itself_is_there_and_an_instant_later_is_not(sessions: Sessions, desk: Desk):
    paid = Filter(statuses=(Status.PAID,))
    for moment, count in ((sast(2), 1), (sast(2) - timedelta(microseconds=1), 0)):
        with as_of.read(sessions, moment, now=sast(9)) as session:
            assert search.totals(session, ADMIN, replace(paid, as_of=moment)).count == count


def test_a_refund_written_down_later_is_of_its_own_day_only_once_it_is_known(sessions: Sessions, desk: Desk):
    with sessions.begin() as session:
        again = Desk.again(session, 2)
        again.refunds(session.scalars(select(Payment)).one(), date(2026, 3, 3), 4_000, sast(8))
    refunded = Filter(refunded=dates.day_span(date(2026, 3, 3)))
    for moment, count in ((sast(7), 0), (sast(8), 1)):
        with as_of.read(sessions, moment, now=sast(9)) as session:
            assert search.totals(session, ADMIN, replace(refunded, as_of=moment)).count == count
            payment = search.page(session, ADMIN, Filter(as_of=moment)).rows[0]
            assert payment.status == (Status.PART_REFUNDED if count else Status.PAID)


def test_records_of_the_earlier_system_are_here_from_their_import_on(sessions: Sessions, desk: Desk):
    data = as_file(record(payment_status="verified", created_at="2025-12-01T10:00:00"))
    legacy.import_file(sessions, ADMIN, "old.json", data, "ZAR", demo=True, now=sast(5))
    for moment, count in ((sast(4), 1), (sast(5), 2)):
        with as_of.read(sessions, moment, now=sast(9)) as session:
            assert search.totals(session, ADMIN, Filter(as_of=moment)).count == count


def test_a_name_is_as_today(sessions: Sessions, desk: Desk):
    with sessions.begin() as session:
        session.scalars(select(Payment)).one().payer_name = "Aisha Peters"
    with as_of.read(sessions, sast(3), now=sast(9)) as session:
        assert search.page(session, ADMIN, Filter(as_of=sast(3))).rows[0].payer_name == "Aisha Peters"


def test_nothing_can_be_written_there(sessions: Sessions, desk: Desk):
    with as_of.read(sessions, sast(3), now=sast(9)) as session, pytest.raises(DBAPIError):
        session.execute(update(Payment).values(note="x"))


def test_who_reads_after_it_reads_what_is_there_now(sessions: Sessions, desk: Desk):
    with as_of.read(sessions, sast(1), now=sast(9)) as session:
        assert search.totals(session, ADMIN, Filter(as_of=sast(1))).received["ZAR"] == Money(0)
    for _ in range(8):  # each connection of the pool, and what it prepared
        with sessions.read() as session:
            assert search.totals(session, ADMIN, Filter()).received["ZAR"] == Money(10_000)


@pytest.mark.parametrize(
    ("session_of", "asked"),
    [pytest.param(sast(3), None, id="now, of the past"), pytest.param(None, sast(3), id="the past, of now"),
     pytest.param(sast(3), sast(2), id="another past")],
)  # fmt: skip
def test_one_moment_is_never_answered_with_another(sessions, desk, session_of, asked):
    with as_of.read(sessions, session_of, now=sast(9)) as session:
        with pytest.raises(InvalidInput, match="Go back to now"):
            search.totals(session, ADMIN, Filter(as_of=asked))
        with pytest.raises(InvalidInput, match="Go back to now"):
            making.make(session, ADMIN, takings(asked), demo=True, now=sast(9))


def test_what_is_to_come_and_what_was_overwritten_is_not_told(sessions: Sessions, desk: Desk):
    with pytest.raises(InvalidInput, match="still to come"), as_of.read(sessions, sast(9), now=sast(8)):
        pass
    with sessions.begin() as session:
        session.add(Meta(key=as_of.KNOWN_SINCE, value=sast(2).isoformat()))
    with as_of.read(sessions, sast(2), now=sast(9)):
        pass
    with (
        pytest.raises(InvalidInput, match="not known before 2 Mar 2026, 12:00"),
        as_of.read(sessions, sast(1), now=sast(9)),
    ):
        pass


@pytest.mark.parametrize("wanted", [Filter(mail_failed=True), Filter(outcome_unknown=True)], ids=str)
def test_what_no_past_is_kept_of_is_refused(sessions, desk, wanted):
    with (
        as_of.read(sessions, sast(3), now=sast(9)) as session,
        pytest.raises(InvalidInput, match="only known of now"),
    ):
        search.totals(session, ADMIN, replace(wanted, as_of=sast(3)))


# -- files --------------------------------------------------------------------------------------------


def test_a_file_says_as_of_when_it_is_and_its_doors_lead_there(sessions: Sessions, desk: Desk):
    end = dates.day_span(date(2026, 3, 1)).end - timedelta(microseconds=1)
    told = {"kind": "takings", "period": "2026-03", "as-of": "2026-03-01", "format": "csv"}
    file = papers.hand_out(sessions, ADMIN, told, demo=True, now=sast(9))
    assert "-as-of-2026-03-01-2359-" in file.name
    assert "# As it stood on,2026-03-01 23:59:59 SAST. Names" in file.data.decode().replace('"', "")
    with as_of.read(sessions, sast(3), now=sast(9)) as session:
        report = making.make(session, ADMIN, takings(sast(3)), demo=True, now=sast(9))
        doors = [cell.door for table in report.tables for row in table.rows for cell in row if cell.door]
        assert {door.as_of for door in (*doors, report.headline[0].now.door)} == {sast(3)}
        assert search.totals(session, ADMIN, doors[0]).count == 1
    assert asking.read("takings", "", "2026-03", "", date(2026, 3, 9), "2026-03-01").as_of == end


def test_an_export_of_a_moment_is_the_same_file_whenever_it_is_taken(sessions: Sessions, desk: Desk):
    kept = []
    with sessions.begin() as session:
        for name, wanted in (("then", Filter()), ("later", Filter(as_of=sast(3)))):
            if name == "later":
                Desk.again(session, 5).becomes(
                    session.scalars(select(Payment)).one(), Status.DISPUTED, sast(4)
                )
                session.commit()
            kept.append(exported(sessions, wanted))
    assert kept[0] == kept[1]


def exported(sessions: Sessions, wanted: Filter) -> bytes:
    chosen = Layout(columns=("reference", "received", "payment_status", "payment_date"), ending=True)
    with as_of.read(sessions, wanted.as_of, now=sast(9)) as session:
        job = run.job(session, ADMIN, wanted, chosen, "EXP_TEST", now=sast(9))
    out = BytesIO()
    child.write(job, out)
    frames, at = b"", 0
    data = out.getvalue()
    while at < len(data):
        letter, length = data[at : at + 1], int.from_bytes(data[at + 1 : at + 5], "big")
        frames += data[at + 5 : at + 5 + length] if letter == b"D" else b""
        at += 5 + length
    return frames


# -- kept reports -------------------------------------------------------------------------------------


def test_a_kept_report_is_found_again_and_says_what_happened_since(sessions: Sessions, desk: Desk):
    kept = keeping.keep(sessions, ADMIN, takings(), demo=True, now=sast(3))
    same = keeping.compare(sessions, ADMIN, kept.reference, demo=True, now=sast(4))
    assert (same.same_bytes, same.then, same.since) == (True, (), ())
    with sessions.begin() as session:
        again = Desk.again(session, 2)
        again.pays(again.owes(sast(5)), sast(5), 2_500, "cash")
    found = keeping.compare(sessions, ADMIN, kept.reference, demo=True, now=sast(9))
    assert (found.same_bytes, found.then) == (True, ())
    whole = next(one for one in found.since if one.line == "Taken in ZAR")
    assert (whole.was[0], whole.now[0]) == (str(Money(10_000)), str(Money(12_500)))
    assert any(one.line == "2026-03-05" and one.was == () for one in found.since)
    with sessions.read() as session:
        file = keeping.file(session, ADMIN, kept.reference)
        assert kept.sha256 in file.data.decode()
        assert [one.reference for one in keeping.recent(session, ADMIN)] == [kept.reference]


def test_what_was_altered_behind_the_desk_shows(sessions: Sessions, desk: Desk):
    kept = keeping.keep(sessions, ADMIN, takings(), demo=True, now=sast(3))
    with sessions.begin() as session:
        session.execute(update(Receipt).values(amount_minor=9_999))
    found = keeping.compare(sessions, ADMIN, kept.reference, demo=True, now=sast(4))
    assert not found.same_bytes
    assert found.then == found.since != ()


def test_a_kept_report_is_for_those_who_may_see_all_of_it(sessions: Sessions, desk: Desk):
    with sessions.read() as session:
        first, second = session.scalars(select(Event.id).order_by(Event.id).limit(2))
    mine = replace(ADMIN, id=0, events=frozenset({first}))
    kept = keeping.keep(sessions, mine, takings(), demo=True, now=sast(3))
    others = replace(mine, events=frozenset({second}))
    with sessions.read() as session:
        assert keeping.recent(session, others) == []
        assert len(keeping.recent(session, ADMIN)) == len(keeping.recent(session, mine)) == 1
        with pytest.raises(NotFound):
            keeping.file(session, others, kept.reference)
    with pytest.raises(NotFound):
        keeping.compare(sessions, others, kept.reference, demo=True, now=sast(4))
