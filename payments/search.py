"""One filter behind the screen, the totals, the export and the report.

Newest first is id order. Whoever asks sees only payments of their own events: that stands in ``_where``,
which everything here goes through, and an empty set of events means nothing at all.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal_column, or_, select, union_all
from sqlalchemy.orm import Session

from db.models import Category, Event, Link, OutboxMail, Payment
from db.money import Money
from payments import outbox, timeline
from payments.dates import Span
from payments.errors import InvalidInput, NotFound
from payments.lifecycle import Review, Status
from payments.people import Action, Person, check
from payments.privacy import clean, fold
from payments.references import readings

#: A count above this is told as "10 000+" until the exact one follows.
COUNT_CAP = 10_000
LARGEST_PAGE = 500
#: Lists of up to so many events are merged event by event.
MERGED_EVENTS = 50

#: Written out, not bound: a database takes a partial index only for the very words of its condition.
LINK_ASKED = Link.state == literal_column("'asked'")
MAIL_FAILED = OutboxMail.state == literal_column("'failed'")


@dataclass(frozen=True)
class Filter:
    """Which payments. Empty means all; what is set must all be true of a payment.

    ``text`` is anything somebody may know of a payment. ``events`` are codes. Hashable: it keys caches.
    """

    text: str = ""
    statuses: tuple[Status, ...] = ()
    methods: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    amount_from: Money | None = None
    amount_to: Money | None = None
    created: Span | None = None
    paid: Span | None = None
    review_only: bool = False
    outcome_unknown: bool = False  # a link was asked for and the gateway has not said whether it made it
    mail_failed: bool = False


@dataclass(frozen=True)
class PaymentRow:
    """A payment on a list. The gateway's words are of its paid link, else of its newest."""

    id: int
    reference: str
    status: Status
    method: str | None
    amount: Money
    received: Money
    payer_name: str
    payer_email: str
    payer_phone: str
    event_code: str
    event_name: str
    category: str | None
    gateway_reference: str | None
    wire_reference: str | None
    review: Review | None
    created_at: datetime
    paid_at: datetime | None
    asked_at: datetime | None
    mode: str
    note: str


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
    newest_id: int | None = None,
    before_id: int | None = None,
) -> Page:
    """The ``number``-th page, newest first.

    ``newest_id`` holds the list still while payments arrive; ``before_id`` goes on after a row already
    seen, at any depth for the same price.
    """
    if number < 1 or not 1 <= size <= LARGEST_PAGE:
        raise InvalidInput(f"Pages count from 1 and hold 1 to {LARGEST_PAGE} payments.")
    where = _where(session, person, filter)
    if newest_id is not None:
        where = where.but(Payment.id <= newest_id)
    if before_id is not None:
        where = where.but(Payment.id < before_id)
    found = _rows(session, where, limit=size + 1, offset=(number - 1) * size)
    return Page(tuple(found[:size]), number, size, more=len(found) > size)


def totals(session: Session, person: Person, filter: Filter) -> Totals:  # noqa: A002
    """How many payments and how much money, exactly: owed and received, currencies apart."""
    sums = select(
        Payment.amount_currency,
        func.count(),
        func.sum(Payment.amount_minor),
        func.sum(Payment.received_minor),
    )
    grouped = sums.where(*_where(session, person, filter).all()).group_by(Payment.amount_currency)
    rows = sorted(
        (currency, int(n), int(owed), int(here)) for currency, n, owed, here in session.execute(grouped)
    )
    return Totals(
        count=sum(row[1] for row in rows),
        sums={currency: Money(owed, currency) for currency, _, owed, _ in rows},
        received={currency: Money(here, currency) for currency, _, _, here in rows},
    )


def capped_count(session: Session, person: Person, filter: Filter) -> int:  # noqa: A002
    """How many payments, told at once: ``COUNT_CAP + 1`` stands for more than the cap."""
    some = select(Payment.id).where(*_where(session, person, filter).all()).limit(COUNT_CAP + 1)
    return session.scalar(select(func.count()).select_from(some.subquery())) or 0


def rows(
    session: Session,
    person: Person,
    filter: Filter,  # noqa: A002
    *,
    chunk: int = 500,
) -> Iterator[PaymentRow]:
    """All of them, newest first, a chunk in memory at a time. Refuses before the first row, not after."""
    return _all_rows(session, _where(session, person, filter), chunk)


def newest(session: Session, scope: frozenset[int] | None, count: int) -> tuple[PaymentRow, ...]:
    """The payments that came last, of the events in ``scope``; None is all of them."""
    return tuple(_rows(session, _within(scope), limit=count))


def parse(query: str) -> Filter:
    """The filter for what somebody typed or pasted: any identifier, or words. Raises InvalidInput."""
    return Filter(text=clean(query, field="The search", longest=200).replace("\n", " "))


def find_one(session: Session, person: Person, text: str) -> PaymentRow | None:
    """The payment of a whole reference, in any spelling; a link's reference finds its payment."""
    exact = _within(_scope_of(person)).but(Payment.reference.in_(readings(text)))
    return next(iter(_rows(session, exact, limit=1)), None)


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


# -- which payments ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Where:
    """``events`` are the only ones a payment may be of; None is any, and none of them finds nothing."""

    events: tuple[int, ...] | None
    conditions: tuple[ColumnElement[bool], ...] = ()

    def all(self) -> list[ColumnElement[bool]]:
        ours = [] if self.events is None else [Payment.event_id.in_(self.events)]
        return [*ours, *self.conditions]

    def but(self, *more: ColumnElement[bool]) -> "_Where":
        return _Where(self.events, (*self.conditions, *more))

    def newest(self, limit: int, offset: int) -> Select[int]:
        """Ids, newest first. Each event's own newest come from an index and are merged: a list of few events
        costs no more than one of all."""
        last = limit + offset
        if self.events is None or not 1 <= len(self.events) <= MERGED_EVENTS:
            ids = select(Payment.id).where(*self.all())
        else:
            each = (
                select(Payment.id)
                .where(Payment.event_id == event_id, *self.conditions)
                .order_by(Payment.id.desc())
                .limit(last)
                .subquery()
                for event_id in self.events
            )
            merged = union_all(*(select(few.c.id) for few in each)).subquery()
            ids = select(merged.c.id)
        return ids.order_by(ids.selected_columns.id.desc()).limit(limit).offset(offset)


def _where(session: Session, person: Person, wanted: Filter) -> _Where:
    """Every condition of a filter, within the person's events."""
    events = _scope_of(person)
    if wanted.events:
        named = frozenset(session.scalars(select(Event.id).where(Event.code.in_(wanted.events))))
        events = named if events is None else events & named
    conditions: list[ColumnElement[bool]] = []
    if wanted.statuses:
        conditions.append(Payment.status.in_([str(status) for status in wanted.statuses]))
    if wanted.methods:
        conditions.append(Payment.method.in_([str(method) for method in wanted.methods]))
    conditions += _amounts(wanted.amount_from, wanted.amount_to)
    for span, column in ((wanted.created, Payment.created_at), (wanted.paid, Payment.paid_at)):
        if span is not None:
            conditions += [column >= span.start, column < span.end]
    if wanted.review_only:
        conditions.append(Payment.review.is_not(None))
    if wanted.outcome_unknown:
        conditions.append(Payment.id.in_(select(Link.payment_id).where(LINK_ASKED)))
    if wanted.mail_failed:
        conditions.append(Payment.id.in_(select(OutboxMail.payment_id).where(MAIL_FAILED)))
    if text := fold(wanted.text):
        conditions.append(_known_as(session, text))
    return _within(events).but(*conditions)


def _scope_of(person: Person) -> frozenset[int] | None:
    check(person, Action.SEE)
    return person.events


def _within(scope: frozenset[int] | None) -> _Where:
    return _Where(None if scope is None else tuple(sorted(scope)))


def _amounts(least: Money | None, most: Money | None) -> list[ColumnElement[bool]]:
    if least and most and least.currency != most.currency:
        raise InvalidInput("The two amounts are of different currencies. Give both in one.")
    conditions = [Payment.amount_currency == bound.currency for bound in (least, most) if bound is not None]
    if least is not None:
        conditions.append(Payment.amount_minor >= least.minor)
    if most is not None:
        conditions.append(Payment.amount_minor <= most.minor)
    return conditions


def _known_as(session: Session, text: str) -> ColumnElement[bool]:
    """What somebody knows of a payment: a whole reference decides alone, anything else may be a part."""
    references = readings(text)
    if references:
        exact = session.scalars(select(Payment.id).where(Payment.reference.in_(references))).all()
        if exact:
            return Payment.id.in_(exact)
    ways = [and_(*(_has_word(session, word) for word in text.split()))]
    ways += [_contains(part) for part in _squeezed(text)]
    amount = _as_amount(text)
    if amount is not None:
        ways.append(Payment.amount_minor == amount.minor)
    return or_(*ways)


def _has_word(session: Session, word: str) -> ColumnElement[bool]:
    events = [
        event_id
        for event_id, code, name in session.execute(select(Event.id, Event.code, Event.name))
        if word in fold(code) or word in fold(name)
    ]
    return or_(_contains(word), Payment.event_id.in_(events)) if events else _contains(word)


def _contains(part: str) -> ColumnElement[bool]:
    """The one place that looks into the text kept for searching."""
    return Payment.search_text.contains(part, autoescape=True)


def _squeezed(text: str) -> list[str]:
    """The text without separators, when that may be an identifier: a reference read aloud, a phone number.

    Numbers are kept as +27821234567, so a leading 0, 00 or +27 (0) is not looked for.
    """
    bare = re.sub(r"[\s_\-.()/]+", "", text)
    if re.fullmatch(r"\+?[0-9]{4,15}", bare):
        national = re.sub(r"^(?:(?:\+|00)270?|\+|0+)", "", bare)
        return [bare, national] if len(national) >= 4 else [bare]
    return [bare] if len(bare) >= 4 and any(char.isdigit() for char in bare) else []


def _as_amount(text: str) -> Money | None:
    try:
        return Money.parse(text.upper())
    except ValueError:
        return None


# -- rows -------------------------------------------------------------------------------------------


_COLUMNS = (
    Payment.id,
    Payment.reference,
    Payment.status,
    Payment.method,
    Payment.amount_minor,
    Payment.amount_currency,
    Payment.received_minor,
    Payment.payer_name,
    Payment.payer_email,
    Payment.payer_phone,
    Payment.review,
    Payment.created_at,
    Payment.paid_at,
    Payment.mode,
    Payment.note,
    Event.code.label("event_code"),
    Event.name.label("event_name"),
    Category.name.label("category"),
)


def _rows(session: Session, where: _Where, *, limit: int, offset: int = 0) -> list[PaymentRow]:
    """Two statements: the payments, then the links of those."""
    ids = where.newest(limit, offset).subquery()
    query = (
        select(*_COLUMNS).join(ids, ids.c.id == Payment.id).join(Payment.event).outerjoin(Payment.category)
    )
    found = session.execute(query.order_by(Payment.id.desc())).all()
    links = _links(session, [payment.id for payment in found])
    return [_row(payment, links.get(payment.id)) for payment in found]


def _all_rows(session: Session, where: _Where, chunk: int) -> Iterator[PaymentRow]:
    found = _rows(session, where, limit=chunk)
    while found:
        yield from found
        found = _rows(session, where.but(Payment.id < found[-1].id), limit=chunk)


def _links(session: Session, payment_ids: list[int]) -> dict[int, Any]:
    """The link to tell of for each payment: the paid one, else the newest."""
    query = select(Link.payment_id, Link.gateway_reference, Link.wire_reference, Link.asked_at).where(
        Link.payment_id.in_(payment_ids)
    )
    ordered = query.order_by(case((Link.state == "paid", 1), else_=0), Link.id)
    return {link.payment_id: link for link in session.execute(ordered)}


def _row(payment: Any, link: Any) -> PaymentRow:
    currency = payment.amount_currency
    return PaymentRow(
        id=payment.id,
        reference=payment.reference,
        status=Status(payment.status),
        method=payment.method,
        amount=Money(payment.amount_minor, currency),
        received=Money(payment.received_minor, currency),
        payer_name=payment.payer_name,
        payer_email=payment.payer_email,
        payer_phone=payment.payer_phone,
        event_code=payment.event_code,
        event_name=payment.event_name,
        category=payment.category,
        gateway_reference=link.gateway_reference if link else None,
        wire_reference=link.wire_reference if link else None,
        review=Review(payment.review) if payment.review else None,
        created_at=payment.created_at,
        paid_at=payment.paid_at,
        asked_at=link.asked_at if link else None,
        mode=payment.mode,
        note=payment.note,
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
