"""Two hundred random states of the filter: what lists, counts, sums and files say is what plain Python finds
over the same payments, in the same order, for an admin and for an organiser.
"""

from collections import Counter as Sums
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import (
    BankAccount,
    Case,
    Category,
    Event,
    Link,
    Match,
    MatchPart,
    OutboxMail,
    Payment,
    Payout,
    PayoutLine,
    Receipt,
    Reversal,
    StatementLine,
)
from db.money import Money
from db.session import Sessions
from payments.access.people import Person, Role
from payments.dates import Span, business_day, day_span
from payments.exports.layout import Layout
from payments.finding import needle, search
from payments.finding.conditions import ORIGINS, TAKEN
from payments.finding.search import Filter, Totals
from payments.lifecycle import Method, Status
from payments.live.stages import Stage
from payments.privacy import fold
from tests.desk import ADMIN, make_event
from tests.samples import make_many
from tests.test_exports import read_back, written
from words import filters as filter_words

STATES = 200
#: Few columns: making the statement of many takes longer than the rest, and other tests read those.
COUNTED = Layout(columns=("reference", "amount", "currency"))
ORDERS = (search.OLDEST, *search.SORTS, *(f"-{name}" for name in search.SORTS))
TEXTS = (
    "nkosi", "van merwe", '"van der merwe"', "example.org", "150", "R150", "gala", "zoe", "4", "no", "ou",
    "x", "devconf nkosi", "payer12", "+2782", '"two lines"', "1500 naidoo", "no such payer", "gw0000", "pa",
    "%", "\\",
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """A payment and everything a filter asks about, read without any of the search."""

    payment: Payment
    event: str
    told: str
    category: str | None
    in_case: bool
    asked: bool
    mail_failed: bool
    settled: date | None
    moved: tuple[tuple[str, str, datetime], ...]  # money of it: which day of a filter, by which way, and when


@pytest.fixture
def desk(sessions: Sessions, now: datetime) -> Iterator[Session]:
    with sessions.begin() as session:
        events = [make_event(session, code, now=now) for code in ("devconf", "gala", "expo")]
        events[2].currency = "USD"
        dice = Random(11)
        payouts = [_payout(session, nth, now) for nth in range(6)]
        account = BankAccount(name="Main", currency="ZAR", created_at=now, created_by="A")
        session.add(account)
        session.flush()
        for nth, payout in enumerate(payouts[:4]):
            _bank(session, account, now - timedelta(days=nth * 9), undone=nth == 3, payout_id=payout.id)
        for payment in make_many(session, events, now=now, count=220, seed=3):
            payment.created_by = dice.choice(("Aisha", "Sipho Dube", "Zanele"))
            event = next(one for one in events if one.id == payment.event_id)
            payment.category_id = dice.choice([None, *(category.id for category in event.categories)])
            if dice.random() < 0.2:
                _trouble(session, payment, dice, now)
            if dice.random() < 0.4:
                _pay_out(
                    session, payment, dice.choice(payouts), "stands" if dice.random() < 0.8 else "undone"
                )
            elif dice.random() < 0.4:
                _by_hand(session, account, payment, dice, now)
    with sessions.read() as session:
        yield session


def _trouble(session: Session, payment: Payment, dice: Random, now: datetime) -> None:
    """A case open or decided, mail given up or sent, a link nobody heard of."""
    decided = {"closed_at": now, "closed_by": "A", "decision": "accepted", "decided_why": "x"}
    closed = decided if dice.random() < 0.4 else {}
    session.add(Case(reason="duplicate", payment_id=payment.id, detail={}, opened_at=now, note="", **closed))
    session.add(
        OutboxMail(
            key=f"paid:{payment.id}", payment_id=payment.id, recipient="a@example.org", subject="", body="",
            message_id="x", state=dice.choice(("failed", "sent")), created_at=now,
        )
    )  # fmt: skip
    for link in payment.links:
        link.state = dice.choice(("asked", "open"))


def _payout(session: Session, nth: int, now: datetime) -> Payout:
    """Of every other the file told the day; the others are of the last day they are about."""
    day = business_day(now) - timedelta(days=nth * 11)
    days = {"last_on": day - timedelta(days=2), "paid_on": day} if nth % 2 else {"last_on": day}
    none = ("gross", "fee", "vat", "payout_fee", "less", "difference", "net")
    told = {f"{name}_minor": 0 for name in none} | days
    payout = Payout(
        key=f"p{nth}", source="bank", currency="ZAR", payout_fee_told=False, made_at=now, made_by="A", **told
    )
    session.add(payout)
    session.flush()
    return payout


def _pay_out(session: Session, payment: Payment, payout: Payout, state: str) -> None:
    receipt = Receipt(
        payment_id=payment.id, kind="gateway", source_reference=f"r{payment.id}",
        amount=Money(1, payment.amount_currency), received_at=payment.created_at, recorded_by="A",
    )  # fmt: skip
    session.add(receipt)
    session.flush()
    session.add(
        PayoutLine(
            payout_id=payout.id, row=payment.id, kind="capture", state=state, payment_id=payment.id,
            receipt_id=receipt.id,
        )
    )  # fmt: skip


def _by_hand(session: Session, account: BankAccount, payment: Payment, dice: Random, now: datetime) -> None:
    """Cash, or money that a line of the bank is for; some of it was not here after all."""
    at = now - timedelta(days=dice.randrange(90))
    receipt = Receipt(
        payment_id=payment.id, kind=dice.choice(("cash", "eft", "card_slip")), received_at=at,
        source_reference=f"h{payment.id}", amount=Money(1, payment.amount_currency), recorded_by="A",
    )  # fmt: skip
    session.add(receipt)
    session.flush()
    if receipt.kind == "eft":
        _bank(session, account, at, undone=dice.random() < 0.2, payment=payment, receipt_id=receipt.id)
    elif dice.random() < 0.3:
        back = at + timedelta(days=dice.randrange(20))
        session.add(
            Reversal(
                receipt_id=receipt.id, payment_id=payment.id, amount=receipt.amount, why="x",
                reversed_at=back, reversed_by="A",
            )
        )  # fmt: skip


def _bank(
    session: Session, account: BankAccount, at: datetime, *, undone: bool, payment: Payment | None = None,
    **part: int,
) -> None:  # fmt: skip
    """A line of the bank on a day, and what it is for."""
    line = StatementLine(
        account_id=account.id, key=str(part), ordinal=1, on=business_day(at), amount=Money(1), state="matched"
    )
    gone = {"undone_at": at, "undone_by": "A", "undone_why": "x"} if undone else {}
    match = Match(line=line, how="person", way="x", by="A", evidence={}, at=at, **gone)
    target = {"target": "payment", "payment_id": payment.id} if payment else {"target": "payout"}
    match.parts = [MatchPart(amount=Money(1), **target, **part)]
    session.add_all([line, match])


def _moved(session: Session) -> dict[int, list[tuple[str, str, datetime]]]:
    """By payment: each receipt's way, and the moments of what became of it."""
    found: dict[int, list[tuple[str, str, datetime]]] = defaultdict(list)
    receipts = {one.id: one for one in session.scalars(select(Receipt))}
    for one in receipts.values():
        found[one.payment_id].append(("captured", one.kind, one.received_at))
    for back in session.scalars(select(Reversal)):
        found[back.payment_id].append(("captured", receipts[back.receipt_id].kind, back.reversed_at))
    lines = session.scalars(select(PayoutLine).where(PayoutLine.state == "stands")).all()
    for line in lines:
        payout = session.get_one(Payout, line.payout_id)
        day = day_span(payout.paid_on or payout.last_on or date.min).start
        found[line.payment_id or 0].append(("settled", receipts[line.receipt_id or 0].kind, day))
    for part in session.scalars(select(MatchPart).join(Match, MatchPart.match_id == Match.id)):
        if part.match.undone_at is None:
            inside = [one.receipt_id for one in lines if part.payout_id and one.payout_id == part.payout_id]
            for receipt in (receipts[one] for one in (*inside, part.receipt_id) if one):
                day = day_span(part.match.line.on).start
                found[receipt.payment_id].append(("banked", receipt.kind, day))
    return found


def known(session: Session) -> list[Known]:
    """Everything, newest first."""
    events = {event.id: event for event in session.scalars(select(Event))}
    names = dict(session.execute(select(Category.id, Category.name)).all())
    cases = set(session.scalars(select(Case.payment_id).where(Case.closed_at.is_(None))))
    asked = set(session.scalars(select(Link.payment_id).where(Link.state == "asked")))
    lines = select(PayoutLine.payment_id, Payout).join(Payout, Payout.id == PayoutLine.payout_id)
    settled = {
        payment_id: payout.paid_on or payout.last_on
        for payment_id, payout in session.execute(lines.where(PayoutLine.state == "stands"))
    }
    mails = set(session.scalars(select(OutboxMail.payment_id).where(OutboxMail.state == "failed")))
    moved = _moved(session)
    return [
        Known(
            payment,
            events[payment.event_id].code,
            f"{fold(events[payment.event_id].code)}\n{fold(events[payment.event_id].name)}",
            names.get(payment.category_id),
            payment.id in cases,
            payment.id in asked,
            payment.id in mails,
            settled.get(payment.id),
            tuple(moved[payment.id]),
        )
        for payment in session.scalars(select(Payment).order_by(Payment.id.desc()))
    ]


def random_filter(dice: Random, now: datetime) -> Filter:
    """Mostly a few conditions; the more there are, the less is found."""

    def maybe(share: float, value: Any, otherwise: Any) -> Any:
        return value if dice.random() < share else otherwise

    def some(values: tuple[str, ...], most: int = 2) -> tuple[str, ...]:
        return tuple(dice.sample(values, dice.randint(1, most)))

    def span() -> Span:
        start = now - timedelta(days=dice.randint(0, 90), hours=dice.randint(0, 23))
        return Span(start, start + timedelta(days=dice.choice((1, 7, 30, 90))))

    currency = dice.choice(("ZAR", "ZAR", "USD"))
    events = ("devconf", "gala", "expo", "none")
    return Filter(
        text=maybe(0.45, dice.choice(TEXTS), ""),
        without=maybe(0.1, (dice.choice(("nkosi", "zoe", "two lines", "pa")),), ()),
        statuses=maybe(0.25, some(tuple(Status), 5), ()),
        methods=maybe(0.15, some(tuple(Method), 3), ()),
        events=maybe(0.25, some(events), ()),
        categories=maybe(0.15, some(("Regular", "Student", "Gone")), ()),
        organisers=maybe(0.15, some(("Aisha", "Sipho Dube", "Nobody")), ()),
        stages=maybe(0.1, some(tuple(Stage), 4), ()),
        not_failures=maybe(0.05, ("",), ()),
        origins=maybe(0.05, some(ORIGINS), ()),
        not_origins=maybe(0.03, some(ORIGINS, 1), ()),
        mode=maybe(0.1, dice.choice(("demo", "demo", "live")), None),
        amount_from=maybe(0.15, Money(dice.choice((0, 1, 15_000, 150_000)), currency), None),
        amount_to=maybe(0.15, Money(dice.choice((1, 15_000, 150_000, 99_999_999)), currency), None),
        created=maybe(0.2, span(), None),
        paid=maybe(0.15, span(), None),
        captured=maybe(0.1, span(), None),
        settled=maybe(0.1, span(), None),
        banked=maybe(0.05, span(), None),
        taken=maybe(0.1, some(TAKEN), ()),
        attention=dice.random() < 0.08,
        review_only=dice.random() < 0.08,
        outcome_unknown=dice.random() < 0.05,
        mail_failed=dice.random() < 0.05,
        not_statuses=maybe(0.15, some(tuple(Status), 3), ()),
        not_methods=maybe(0.15, some(tuple(Method)), ()),
        not_events=maybe(0.1, some(events), ()),
        not_categories=maybe(0.1, ("Student",), ()),
        not_organisers=maybe(0.1, ("Aisha",), ()),
    )


def fits(one: Known, wanted: Filter) -> bool:
    payment = one.payment
    amount = Money(payment.amount_minor, payment.amount_currency)

    def within(span: Span | None, at: datetime | None) -> bool:
        return span is None or (at is not None and span.start <= at < span.end)

    def bounded(bound: Money | None, smaller: Money, larger: Money) -> bool:
        return bound is None or (bound.currency == amount.currency and smaller.minor <= larger.minor)

    def chosen(yes: tuple[str, ...], no: tuple[str, ...], value: str | None) -> bool:
        return (not yes or value in yes) and value not in no

    return all(
        (
            not wanted.text or means(one, wanted.text),
            not any(has(payment.search_text, fold(word)) for word in wanted.without),
            chosen(wanted.statuses, wanted.not_statuses, payment.status),
            chosen(wanted.methods, wanted.not_methods, payment.method),
            chosen(wanted.events, wanted.not_events, one.event),
            chosen(wanted.categories, wanted.not_categories, one.category),
            chosen(wanted.organisers, wanted.not_organisers, payment.created_by),
            chosen(wanted.stages, wanted.not_stages, payment.stage),
            chosen(wanted.failures, wanted.not_failures, payment.failure),
            chosen(wanted.origins, wanted.not_origins, payment.origin),
            wanted.mode in (None, payment.mode),
            bounded(wanted.amount_from, wanted.amount_from or amount, amount),
            bounded(wanted.amount_to, amount, wanted.amount_to or amount),
            within(wanted.created, payment.created_at),
            within(wanted.paid, payment.paid_at),
            money_moved(one, wanted),
            one.in_case or not wanted.attention,
            payment.review is not None or not wanted.review_only,
            one.asked or not wanted.outcome_unknown,
            one.mail_failed or not wanted.mail_failed,
        )
    )


def money_moved(one: Known, wanted: Filter) -> bool:
    """Each day that is asked for has money of this payment, come by one of the ways that are."""
    kinds = wanted.taken or TAKEN

    def on(basis: str, span: Span | None) -> bool:
        moments = [at for what, kind, at in one.moved if what == basis and kind in kinds]
        return span is None or any(span.start <= at < span.end for at in moments)

    bases = ("captured", "settled", "banked")
    days_fit = all(on(basis, getattr(wanted, basis)) for basis in bases)
    dated = wanted.captured or wanted.settled or wanted.banked
    came = any(what == "captured" and kind in kinds for what, kind, _ in one.moved)
    return days_fit and (not wanted.taken or bool(dated) or came)


def has(text: str, word: str) -> bool:
    """Anywhere, two letters where a word begins, one by itself."""
    if len(word) > 2:
        return word in text
    words = [part for line in text.split("\n") for part in line.split(" ")]
    return any(part.startswith(word) if len(word) == 2 else part == word for part in words)


def means(one: Known, text: str) -> bool:
    """Each word stands in it, names its event, or is its amount; or the whole is its amount or a number."""
    payment, plain = one.payment, fold(text)
    amounts = {word: _minor(word) for word in (plain, *needle.phrases(plain))}

    def word_fits(word: str) -> bool:
        named = word in one.told
        return has(payment.search_text, word) or named or amounts[word] == payment.amount_minor

    bare = "".join(char for char in plain if char not in " _-.()/")
    squeezed = bool(
        '"' not in plain
        and len(bare) >= 4
        and any(map(str.isdigit, bare))
        and (bare in payment.search_text or bare.lstrip("+0") in payment.search_text)
    )
    return all(map(word_fits, needle.phrases(plain))) or squeezed or amounts[plain] == payment.amount_minor


def _minor(word: str) -> int | None:
    try:
        return Money.parse(word.upper()).minor
    except ValueError:
        return None


def added_up(found: list[Known]) -> Totals:
    sums: dict[str, list[int]] = {}
    for one in found:
        both = sums.setdefault(one.payment.amount_currency, [0, 0])
        both[0] += one.payment.amount_minor
        both[1] += one.payment.received_minor
    return Totals(
        len(found),
        {currency: Money(owed, currency) for currency, (owed, _) in sorted(sums.items())},
        {currency: Money(here, currency) for currency, (_, here) in sorted(sums.items())},
    )


def test_two_hundred_random_filters_find_count_and_add_up_the_same_as_plain_python(
    desk: Session, now: datetime
):
    everything, dice, found_some = known(desk), Random(20261125), 0
    gala = desk.scalars(select(Event.id).where(Event.code == "gala")).one()
    mine = Person(2, "Sipho Dube", "sipho@example.org", Role.ORGANISER, frozenset([gala]))
    states = STATES if desk.get_bind().dialect.name == "sqlite" else STATES // 4
    for nth in range(states):
        wanted = random_filter(dice, now)
        expected = [one for one in everything if fits(one, wanted)]
        found_some += len(expected) > 1
        theirs = [one for one in expected if one.event == "gala"]
        for person, seen in ((ADMIN, expected), (mine, theirs)):
            _same(desk, person, wanted, seen, f"{nth}: {wanted}")
            if nth % 4 == 0:
                _same_in_other_orders(desk, person, wanted, seen, f"{nth}: {wanted}")
    assert found_some > states // 5  # many find enough that an order and a sum can be wrong


def _same(session: Session, person: Person, wanted: Filter, expected: list[Known], told: str) -> None:
    ids = [one.payment.id for one in expected]
    rows = [row.id for row in search.rows(session, person, wanted, chunk=61)]
    assert sorted(rows, reverse=True) == ids, told
    first = rows[: search.BEST] if wanted.text else []
    rest = [row for row in rows if row not in first]
    assert rest == sorted(rest, reverse=True), told
    pages = [
        search.page(session, person, wanted, number=number + 1, size=40)
        for number in range(len(ids) // 40 + 1)
    ]
    assert [row.id for page in pages for row in page.rows] == rows, told
    assert search.totals(session, person, wanted) == added_up(expected), told
    assert search.count_at_once(session, person, wanted) == len(ids), told
    filed = read_back(written(session, wanted, COUNTED, person))
    references = {one.payment.id: one.payment.reference for one in expected}
    assert [line["reference"] for line in filed] == [references[row] for row in rows], told
    owed = Sums[str]()
    for line in filed:
        owed[line["currency"]] += int(line["amount"].replace(".", ""))
    assert {currency: Money(minor, currency) for currency, minor in owed.items()} == added_up(
        expected
    ).sums, told


def _same_in_other_orders(
    session: Session, person: Person, wanted: Filter, expected: list[Known], told: str
) -> None:
    ids = [one.payment.id for one in expected]
    assert search.capped_count(session, person, wanted) == len(ids), told
    oldest = [row.id for row in search.rows(session, person, wanted, sort=search.OLDEST)]
    assert oldest == ids[::-1], told
    amounts = [one.payment for one in expected]
    dearest = sorted(amounts, key=lambda payment: (-payment.amount_minor, -payment.id))
    rows = [row.id for row in search.rows(session, person, wanted, sort="-amount")]
    assert rows == [payment.id for payment in dearest], told
    _same_in_a_file(session, person, wanted, Random(told).choice(ORDERS), told)


def _same_in_a_file(session: Session, person: Person, wanted: Filter, sort: str, told: str) -> None:
    shown = [row.reference for row in search.rows(session, person, wanted, sort=sort)]
    pages = search.page(session, person, wanted, sort=sort, size=500).rows
    assert [row.reference for row in pages] == shown, (sort, told)
    filed = read_back(written(session, wanted, replace(COUNTED, sort=sort), person))
    assert [line["reference"] for line in filed] == shown, (sort, told)


def test_what_left_nothing_over_is_named_and_taking_it_away_finds_some(desk: Session, now: datetime):
    wanted = Filter(text="nkosi", statuses=(Status.PAID,), events=("none",))
    (less,) = search.explain_empty(desk, ADMIN, wanted)
    assert (less.dropped, less.left) == ((Filter(events=("none",)),), replace(wanted, events=()))
    assert search.capped_count(desk, ADMIN, less.left) == less.count > 0


def test_where_two_conditions_each_leave_nothing_over_the_words_alone_are_offered_and_the_smallest_pair(
    desk: Session,
):
    """With two such it was said that nothing helps."""
    wanted = Filter(text="nkosi", statuses=(Status.PAID,), events=("none",), categories=("Nowhere",))
    words, pair = search.explain_empty(desk, ADMIN, wanted)
    assert words.left == Filter(text="nkosi")
    assert pair.dropped == (Filter(events=("none",)), Filter(categories=("Nowhere",)))
    assert pair.left == Filter(text="nkosi", statuses=(Status.PAID,))
    assert 0 < pair.count < words.count
    assert [filter_words.less(one) for one in (words, pair)] == [
        "Only “nkosi”", "Without Event: none and Category: Nowhere",
    ]  # fmt: skip
    alone = search.explain_empty(desk, ADMIN, replace(wanted, statuses=()))
    assert [less.left for less in alone] == [Filter(text="nkosi")]
    assert search.explain_empty(desk, ADMIN, replace(wanted, text="nobody at all")) == []
