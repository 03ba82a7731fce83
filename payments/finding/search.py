"""One filter behind the screen, the totals, the export and the report.

Newest first is id order. Whoever asks sees only payments of their own events: that stands in
``conditions.where``, which everything here goes through.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Link, OutboxMail, Payment
from db.money import Money
from payments import timeline
from payments.access.people import Person
from payments.errors import NotFound, briefly
from payments.finding import by_index, conditions
from payments.finding.conditions import LINK_ASKED, MAIL_DECIDED, MAIL_FAILED, Filter
from payments.finding.found import (
    BEST,
    COUNT_CAP,
    LARGEST_PAGE,
    NEWEST,
    OLDEST,
    SORTS,
    Found,
    Page,
    capped,
    sums,
)
from payments.finding.names import categories, named, organisers
from payments.finding.rows import PaymentRow, fetch
from payments.finding.rows import newest as last_rows
from payments.payers import places
from payments.privacy import clean
from payments.references import readings
from payments.selling import prices, quotes
from payments.telling import outbox

#: Of so many conditions each two are tried.
_LOOKED_AT = 7

__all__ = [
    "BEST", "COUNT_CAP", "LARGEST_PAGE", "LINK_ASKED", "MAIL_DECIDED", "MAIL_FAILED", "NEWEST",
    "OLDEST", "SORTS", "Filter", "Found", "Less", "LinkDetail", "Page", "PaymentDetail", "PaymentRow",
    "ReceiptDetail", "Totals", "arrived", "capped_count", "categories", "count_at_once", "explain_empty",
    "find_one", "get", "named", "newest", "newest_id", "organisers", "page", "parse", "rows", "totals",
]  # fmt: skip


@dataclass(frozen=True)
class Totals:
    """Exact, by currency, in the order of their codes; a currency that does not occur is not there."""

    count: int
    sums: Mapping[str, Money]
    received: Mapping[str, Money]


@dataclass(frozen=True)
class Less:
    """A filter with some of its conditions taken away: what is ``left``, and how many it finds (capped)."""

    dropped: tuple[Filter, ...]
    left: Filter
    count: int


@dataclass(frozen=True)
class LinkDetail:
    id: int
    wire_reference: str
    gateway: str
    gateway_reference: str | None
    url: str | None
    state: str
    amount: Money
    requested_at: datetime
    asked_at: datetime | None
    answer: str | None  # one of ``gateways.Answer``
    answer_word: str | None  # as the gateway said it
    next_ask_at: datetime | None
    place: int
    part: bool


@dataclass(frozen=True)
class ReceiptDetail:
    id: int
    kind: str
    source_reference: str
    amount: Money
    received_at: datetime
    recorded_by: str
    place: int


@dataclass(frozen=True)
class PaymentDetail:
    """One payment and everything that happened to it, oldest first."""

    row: PaymentRow
    event_id: int
    refunded: Money
    created_by: str
    updated_at: datetime
    links: tuple[LinkDetail, ...]
    receipts: tuple[ReceiptDetail, ...]
    mails: tuple[outbox.MailView, ...]
    timeline: tuple[timeline.TimelineView, ...]
    places: tuple[places.PlaceView, ...]
    lines: tuple[prices.Priced, ...] = ()  # what it was priced as
    quoted: quotes.Quoted | None = None  # as it was said in another currency


def page(
    session: Session,
    person: Person,
    filter: Filter,  # noqa: A002
    *,
    number: int = 1,
    size: int = 50,
    sort: str = NEWEST,
    newest_id: int | None = None,
    before_id: int | None = None,
) -> Page:
    """The ``number``-th page: what fits the words best, then the newest first, or in the order of ``sort``.

    ``newest_id`` holds the list still while payments arrive; ``before_id`` goes on after a row already
    seen, newest or oldest first, at any depth for the same price. Raises InvalidInput for a sort that needs
    a narrower filter.
    """
    found = Found(session, person, filter)
    return found.page(number=number, size=size, sort=sort, newest_id=newest_id, before_id=before_id)


def totals(session: Session, person: Person, filter: Filter) -> Totals:  # noqa: A002
    """How many payments and how much money, exactly: owed and received, currencies apart."""
    summed = sums(conditions.where(session, person, filter))
    rows = sorted(
        (currency, int(n), int(owed), int(here)) for currency, n, owed, here in session.execute(summed)
    )
    return Totals(
        count=sum(row[1] for row in rows),
        sums={currency: Money(owed, currency) for currency, _, owed, _ in rows},
        received={currency: Money(here, currency) for currency, _, _, here in rows},
    )


def count_at_once(session: Session, person: Person, filter: Filter) -> int:  # noqa: A002
    """How many payments: exact where the running totals know it, else as ``capped_count``."""
    return Found(session, person, filter).count_at_once


def capped_count(session: Session, person: Person, filter: Filter) -> int:  # noqa: A002
    """How many payments, told at once: ``COUNT_CAP + 1`` stands for more than the cap."""
    return Found(session, person, filter).capped


def explain_empty(session: Session, person: Person, filter: Filter) -> list[Less]:  # noqa: A002
    """Of a filter that finds nothing: which one of its conditions, were it taken away, would leave something.
    Where none does alone: what its words find by themselves, and the two that keep least away."""
    parts = conditions.parts(filter)
    alone = [_less(session, person, filter, one) for one in parts]
    if found := [less for less in alone if less.count]:
        return found
    rest = [one for one in parts if conditions.words_part(one) != one]
    words = [_less(session, person, filter, *rest)] if 0 < len(rest) < len(parts) else []
    pairs = [_less(session, person, filter, *two) for two in combinations(parts[:_LOOKED_AT], 2)]
    least = sorted((less for less in pairs if less.count), key=lambda less: less.count)[:1]
    found = [less for less in (*words, *least) if less.count]
    return list({less.left: less for less in found}.values())


def _less(session: Session, person: Person, wanted: Filter, *dropped: Filter) -> Less:
    left = wanted
    for one in dropped:
        left = conditions.minus(left, one)
    return Less(dropped, left, capped_count(session, person, left))


def rows(
    session: Session,
    person: Person,
    filter: Filter,  # noqa: A002
    *,
    chunk: int = 500,
    sort: str = NEWEST,
) -> Iterator[PaymentRow]:
    """All of them in the order of the pages, a chunk in memory at a time. Refuses before the first row."""
    return Found(session, person, filter).rows(chunk=chunk, sort=sort)


def arrived(session: Session, person: Person, filter: Filter, after_id: int) -> int:  # noqa: A002
    """How many have come since a list was held still, capped."""
    return capped(session, replace(conditions.where(session, person, filter), above=after_id))


def newest_id(session: Session) -> int:
    """The payment that came last of all: a list held still by it stays as it is."""
    return session.scalar(select(func.max(Payment.id))) or 0


def newest(session: Session, scope: frozenset[int] | None, count: int) -> tuple[PaymentRow, ...]:
    """The payments that came last, of the events in ``scope``; None is all of them, in one question."""
    if scope is None:
        return tuple(last_rows(session, count))
    return tuple(fetch(session, by_index.newest(session, conditions.within(session, scope), count)))


def parse(query: str) -> Filter:
    """The filter for what somebody typed or pasted: any identifier, or words. Raises InvalidInput."""
    return Filter(text=clean(query, field="The search", longest=200).replace("\n", " "))


def find_one(session: Session, person: Person, text: str) -> PaymentRow | None:
    """The payment of a whole reference, in any spelling; a link's reference finds its payment."""
    here = conditions.within(session, conditions.scope_of(person))
    theirs = here.but(Payment.reference.in_(readings(text))).all()
    ids = session.scalars(select(Payment.id).where(*theirs).order_by(Payment.id.desc()).limit(1)).all()
    return next(iter(fetch(session, ids)), None)


def get(session: Session, person: Person, reference: str) -> PaymentDetail:
    """A payment by its reference, in any spelling. Raises NotFound, also for another event's payment."""
    row = find_one(session, person, reference)
    if row is None:
        told = f"There is no payment {briefly(reference)} here."
        raise NotFound(f"{told} Check the reference, or search for the payer.")
    payment = session.get_one(Payment, row.id)
    mails = select(OutboxMail).where(OutboxMail.payment_id == row.id).order_by(OutboxMail.id)
    return PaymentDetail(
        row=row,
        event_id=payment.event_id,
        refunded=Money(payment.refunded_minor, payment.amount_currency),
        created_by=payment.created_by,
        updated_at=payment.updated_at,
        links=tuple(_link_detail(link) for link in payment.links),
        receipts=tuple(
            ReceiptDetail(r.id, r.kind, r.source_reference, r.amount, r.received_at, r.recorded_by, r.place)
            for r in payment.receipts
        ),
        mails=tuple(outbox.view(mail) for mail in session.scalars(mails)),
        timeline=timeline.entries(session, payment),
        places=places.of(session, payment),
        lines=prices.kept(session, payment),
        quoted=quotes.kept(session, payment),
    )


def _link_detail(link: Link) -> LinkDetail:
    return LinkDetail(
        id=link.id,
        wire_reference=link.wire_reference,
        gateway=link.gateway,
        gateway_reference=link.gateway_reference,
        url=link.url,
        state=link.state,
        amount=link.amount,
        requested_at=link.requested_at,
        asked_at=link.asked_at,
        answer=link.answer,
        answer_word=link.answer_word,
        next_ask_at=link.next_ask_at,
        place=link.place,
        part=link.part,
    )
