"""One filter behind the screen, the totals, the export and the report.

Newest first is id order. Whoever asks sees only payments of their own events: that stands in
``conditions.where``, which everything here goes through.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Event, Link, OutboxMail, Payment, Standing
from db.money import Money
from payments import conditions, outbox, timeline
from payments.conditions import LINK_ASKED, MAIL_DECIDED, MAIL_FAILED, Filter, Where
from payments.errors import InvalidInput, NotFound
from payments.names import categories, named, organisers
from payments.people import Person
from payments.privacy import clean
from payments.references import readings
from payments.rows import PaymentRow, fetch

#: A count above this is told as "10 000+" until the exact one follows.
COUNT_CAP = 10_000
LARGEST_PAGE = 500
#: So many of the best stand on top of a list that was searched for; behind them the newest come first.
BEST = 50
NEWEST, OLDEST = "newest", "oldest"
#: Other orders, each also with a minus before it for the largest first.
SORTS: Mapping[str, Any] = {
    "amount": Payment.amount_minor,
    "status": Payment.status,
    "payer": func.lower(Payment.payer_name),
    "event": Event.name,
    "method": Payment.method,
    "reference": Payment.reference,
    "paid": Payment.paid_at,
}
__all__ = [
    "BEST", "COUNT_CAP", "LARGEST_PAGE", "LINK_ASKED", "MAIL_DECIDED", "MAIL_FAILED", "NEWEST", "OLDEST",
    "SORTS", "Filter", "LinkDetail", "Page", "PaymentDetail", "PaymentRow", "ReceiptDetail", "Totals",
    "arrived", "best", "capped_count", "categories", "count_at_once", "explain_empty", "find_one", "get",
    "named", "newest", "newest_id", "organisers", "page", "parse", "rows", "totals",
]  # fmt: skip


@dataclass(frozen=True)
class Page:
    """``more``: another page follows. ``rows[-1].id`` is where it goes on, as ``before_id``."""

    rows: tuple[PaymentRow, ...]
    number: int
    size: int
    more: bool


@dataclass(frozen=True)
class Totals:
    """Exact, by currency, in the order of their codes; a currency that does not occur is not there."""

    count: int
    sums: Mapping[str, Money]
    received: Mapping[str, Money]


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
    answer_word: str | None
    next_ask_at: datetime | None


@dataclass(frozen=True)
class ReceiptDetail:
    id: int
    kind: str
    source_reference: str
    amount: Money
    received_at: datetime
    recorded_by: str


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
    if number < 1 or not 1 <= size <= LARGEST_PAGE:
        raise InvalidInput(f"Pages count from 1 and hold 1 to {LARGEST_PAGE} payments.")
    where = conditions.where(session, person, filter)
    where = replace(where, at_most=newest_id, oldest=sort == OLDEST)
    where = where if before_id is None else where.beyond(before_id)
    offset = (number - 1) * size
    if sort not in (NEWEST, OLDEST):
        ids = _sorted(session, where, sort)[offset : offset + size + 1]
    else:
        first = _best(session, where, filter.text) if sort == NEWEST else ()
        ids = list(first[offset : offset + size + 1]) if before_id is None else []
        rest = replace(where, excluding=first).newest(size + 1 - len(ids), max(0, offset - len(first)))
        ids += session.scalars(rest) if len(ids) <= size else ()
    return Page(tuple(fetch(session, ids[:size])), number, size, more=len(ids) > size)


def totals(session: Session, person: Person, filter: Filter) -> Totals:  # noqa: A002
    """How many payments and how much money, exactly: owed and received, currencies apart."""
    sums = select(
        Payment.amount_currency,
        func.count(),
        func.sum(Payment.amount_minor),
        func.sum(Payment.received_minor),
    )
    where = conditions.where(session, person, filter)
    grouped = sums.where(*where.all()).group_by(Payment.amount_currency)
    rows = sorted(
        (currency, int(n), int(owed), int(here)) for currency, n, owed, here in session.execute(grouped)
    )
    return Totals(
        count=sum(row[1] for row in rows),
        sums={currency: Money(owed, currency) for currency, _, owed, _ in rows},
        received={currency: Money(here, currency) for currency, _, _, here in rows},
    )


def count_at_once(session: Session, person: Person, filter: Filter) -> int:  # noqa: A002
    """How many payments: exact where the running totals know it, else as ``capped_count``."""
    standings = _standings(session, person, filter)
    return capped_count(session, person, filter) if standings is None else standings


def capped_count(session: Session, person: Person, filter: Filter) -> int:  # noqa: A002
    """How many payments, told at once: ``COUNT_CAP + 1`` stands for more than the cap."""
    return _capped(session, conditions.where(session, person, filter))


def explain_empty(session: Session, person: Person, filter: Filter) -> list[tuple[Filter, int]]:  # noqa: A002
    """Which of its conditions, were it taken away, would leave something, and how much (capped)."""
    each = ((one, conditions.minus(filter, one)) for one in conditions.parts(filter))
    counted = [(one, capped_count(session, person, less)) for one, less in each]
    return [(one, count) for one, count in counted if count]


def rows(
    session: Session,
    person: Person,
    filter: Filter,  # noqa: A002
    *,
    chunk: int = 500,
    sort: str = NEWEST,
) -> Iterator[PaymentRow]:
    """All of them in the order of the pages, a chunk in memory at a time. Refuses before the first row."""
    where = replace(conditions.where(session, person, filter), oldest=sort == OLDEST)
    if sort in (NEWEST, OLDEST):
        first = _best(session, where, filter.text) if sort == NEWEST else ()
        return _all_rows(session, replace(where, excluding=first), first, chunk)
    ids = _sorted(session, where, sort)
    return (row for at in range(0, len(ids), chunk) for row in fetch(session, ids[at : at + chunk]))


def arrived(session: Session, person: Person, filter: Filter, after_id: int) -> int:  # noqa: A002
    """How many have come since a list was held still, capped."""
    return _capped(session, replace(conditions.where(session, person, filter), above=after_id))


def newest_id(session: Session) -> int:
    """The payment that came last of all: a list held still by it stays as it is."""
    return session.scalar(select(func.max(Payment.id))) or 0


def newest(session: Session, scope: frozenset[int] | None, count: int) -> tuple[PaymentRow, ...]:
    """The payments that came last, of the events in ``scope``; None is all of them."""
    return tuple(fetch(session, session.scalars(conditions.within(session, scope).newest(count)).all()))


def parse(query: str) -> Filter:
    """The filter for what somebody typed or pasted: any identifier, or words. Raises InvalidInput."""
    return Filter(text=clean(query, field="The search", longest=200).replace("\n", " "))


def find_one(session: Session, person: Person, text: str) -> PaymentRow | None:
    """The payment of a whole reference, in any spelling; a link's reference finds its payment."""
    here = conditions.within(session, conditions.scope_of(person))
    ids = session.scalars(here.but(Payment.reference.in_(readings(text))).newest(1)).all()
    return next(iter(fetch(session, ids)), None)


def get(session: Session, person: Person, reference: str) -> PaymentDetail:
    """A payment by its reference, in any spelling. Raises NotFound, also for another event's payment."""
    row = find_one(session, person, reference)
    if row is None:
        raise NotFound(f"There is no payment {reference} here. Check the reference, or search for the payer.")
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
            ReceiptDetail(r.id, r.kind, r.source_reference, r.amount, r.received_at, r.recorded_by)
            for r in payment.receipts
        ),
        mails=tuple(outbox.view(mail) for mail in session.scalars(mails)),
        timeline=timeline.entries(session, payment),
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
        answer_word=link.answer_word,
        next_ask_at=link.next_ask_at,
    )


# -- which ids --------------------------------------------------------------------------------------


def best(session: Session, person: Person, filter: Filter) -> tuple[int, ...]:  # noqa: A002
    """The ids on top of the list that was searched for; what else was found follows, the newest first."""
    return _best(session, conditions.where(session, person, filter), filter.text)


def _best(session: Session, where: Where, text: str) -> tuple[int, ...]:
    """The few that fit the words best, the surest first."""
    found: dict[int, None] = {}
    for tier in conditions.best_first(session, where, text):
        found |= dict.fromkeys(session.scalars(tier.newest(BEST)))
        if len(found) >= BEST:
            break
    return tuple(found)[:BEST]


def _sorted(session: Session, where: Where, sort: str) -> list[int]:
    """All ids in another order than they came in; nothing stands last, equals newest first."""
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise InvalidInput(f"Payments are not sorted by {name!r}. There are {', '.join(SORTS)}.")
    if _capped(session, where) > COUNT_CAP:
        raise InvalidInput(
            f"More than {COUNT_CAP} payments cannot be sorted by {name}. Narrow them down first, or take "
            f"the newest first."
        )
    by = SORTS[name]
    query = select(Payment.id).join(Payment.event).where(*where.all())
    order = (by.is_(None), by.desc() if sort.startswith("-") else by, Payment.id.desc())
    return list(session.scalars(query.order_by(*order)))


def _capped(session: Session, where: Where) -> int:
    return session.scalar(select(func.count()).select_from(where.some(COUNT_CAP + 1).subquery())) or 0


def _all_rows(session: Session, where: Where, first: tuple[int, ...], chunk: int) -> Iterator[PaymentRow]:
    yield from fetch(session, first)
    ids = session.scalars(where.newest(chunk)).all()
    while ids:
        yield from fetch(session, ids)
        ids = session.scalars(where.beyond(ids[-1]).newest(chunk)).all()


def _standings(session: Session, person: Person, wanted: Filter) -> int | None:
    """The count of a filter by statuses and events alone, from the running totals; None for any other."""
    if replace(wanted, statuses=(), events=(), not_statuses=(), not_events=()) != Filter():
        return None
    kept = select(func.coalesce(func.sum(Standing.count), 0)).join(Event, Event.id == Standing.event_id)
    scope = conditions.scope_of(person)
    asked = [
        (scope is not None, Standing.event_id.in_(scope or ())),
        (wanted.statuses, Standing.status.in_([str(status) for status in wanted.statuses])),
        (wanted.not_statuses, Standing.status.not_in([str(status) for status in wanted.not_statuses])),
        (wanted.events, Event.code.in_(wanted.events)),
        (wanted.not_events, Event.code.not_in(wanted.not_events)),
    ]
    return int(session.scalar(kept.where(*(condition for given, condition in asked if given))) or 0)
