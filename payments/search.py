"""One filter behind the screen, the totals, the export and the report.

Newest first is id order. Whoever asks sees only payments of their own events: that stands in
``conditions.where``, which everything here goes through.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from db.models import Category, Event, Link, OutboxMail, Payment
from db.money import Money
from payments import conditions, outbox, timeline
from payments.conditions import LINK_ASKED, MAIL_DECIDED, MAIL_FAILED, Filter, Where
from payments.errors import InvalidInput, NotFound
from payments.lifecycle import Review, Status
from payments.people import Person
from payments.privacy import clean, fold
from payments.references import readings

#: A count above this is told as "10 000+" until the exact one follows.
COUNT_CAP = 10_000
LARGEST_PAGE = 500
__all__ = [
    "COUNT_CAP", "LARGEST_PAGE", "LINK_ASKED", "MAIL_DECIDED", "MAIL_FAILED", "Filter", "LinkDetail", "Page",
    "PaymentDetail", "PaymentRow", "ReceiptDetail", "Totals", "capped_count", "categories", "find_one", "get",
    "named", "newest", "organisers", "page", "parse", "rows", "totals",
]  # fmt: skip


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
    where = conditions.where(session, person, filter)
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
    grouped = sums.where(*conditions.where(session, person, filter).all()).group_by(Payment.amount_currency)
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
    some = select(Payment.id).where(*conditions.where(session, person, filter).all()).limit(COUNT_CAP + 1)
    return session.scalar(select(func.count()).select_from(some.subquery())) or 0


def rows(
    session: Session,
    person: Person,
    filter: Filter,  # noqa: A002
    *,
    chunk: int = 500,
) -> Iterator[PaymentRow]:
    """All of them, newest first, a chunk in memory at a time. Refuses before the first row, not after."""
    return _all_rows(session, conditions.where(session, person, filter), chunk)


def newest(session: Session, scope: frozenset[int] | None, count: int) -> tuple[PaymentRow, ...]:
    """The payments that came last, of the events in ``scope``; None is all of them."""
    return tuple(_rows(session, conditions.within(scope), limit=count))


def parse(query: str) -> Filter:
    """The filter for what somebody typed or pasted: any identifier, or words. Raises InvalidInput."""
    return Filter(text=clean(query, field="The search", longest=200).replace("\n", " "))


def find_one(session: Session, person: Person, text: str) -> PaymentRow | None:
    """The payment of a whole reference, in any spelling; a link's reference finds its payment."""
    exact = conditions.within(conditions.scope_of(person)).but(Payment.reference.in_(readings(text)))
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


# -- words that stand for something here ------------------------------------------------------------


def named(session: Session, person: Person, wanted: Filter) -> Filter:
    """The filter with events, categories and organisers as they are spelled here: case, accents and, for an
    event, the rest of its name aside. Raises InvalidInput for one that is not here, or could be several.
    """
    known: dict[str, Mapping[str, tuple[str, ...]]] = {
        "events": {code: (code, name) for code, name in _events(session, person)},
        "categories": {name: (name,) for name in categories(session, person)},
        "organisers": {name: (name,) for name in organisers(session, person)},
    }
    changes = {
        f"{sign}{field}": tuple(_one_named(word, field, names) for word in getattr(wanted, f"{sign}{field}"))
        for field, names in known.items()
        for sign in ("", "not_")
        if getattr(wanted, f"{sign}{field}")
    }
    return replace(wanted, **changes)  # type: ignore[arg-type]


_ONE = {"events": "event", "categories": "category", "organisers": "person who asked for a payment"}


def _one_named(word: str, field: str, names: Mapping[str, tuple[str, ...]]) -> str:
    plain = fold(word)
    whole = [key for key, spellings in names.items() if plain in map(fold, spellings)]
    part = [key for key, spellings in names.items() if any(plain in fold(one) for one in spellings)]
    found = whole or part
    if len(found) == 1:
        return found[0]
    here = ", ".join(sorted(found or names)[:12]) or "none"
    if found:
        raise InvalidInput(f"“{word}” could be {here}. Write which one.")
    raise InvalidInput(f"There is no {_ONE[field]} “{word}” here. There are: {here}.")


def _events(session: Session, person: Person) -> list[tuple[str, str]]:
    return [(code, name) for code, name in session.execute(_in_scope(person, select(Event.code, Event.name)))]


def _in_scope(person: Person, query: Any) -> Any:
    scope = conditions.scope_of(person)
    return query if scope is None else query.where(Event.id.in_(scope))


def categories(session: Session, person: Person) -> tuple[str, ...]:
    """Names on the price lists of the person's events."""
    query = _in_scope(person, select(Category.name).join(Category.event).distinct().order_by(Category.name))
    return tuple(session.scalars(query))


def organisers(session: Session, person: Person) -> tuple[str, ...]:
    """Names of those who asked for a payment of the person's events."""
    scope = conditions.scope_of(person)
    first = select(func.min(Payment.created_by).label("name"))
    if scope is not None:
        ours = select(Payment.created_by).where(Payment.event_id.in_(scope)).distinct()
        return tuple(sorted(session.scalars(ours)))
    names = first.cte("names", recursive=True)  # from name to name along their index, past the rows of each
    following = select(func.min(Payment.created_by)).where(Payment.created_by > names.c.name)
    names = names.union_all(select(following.scalar_subquery()).where(names.c.name.is_not(None)))
    return tuple(session.scalars(select(names.c.name).where(names.c.name.is_not(None))))


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


def _rows(session: Session, where: Where, *, limit: int, offset: int = 0) -> list[PaymentRow]:
    """Two statements: the payments, then the links of those."""
    ids = where.newest(limit, offset).subquery()
    query = (
        select(*_COLUMNS).join(ids, ids.c.id == Payment.id).join(Payment.event).outerjoin(Payment.category)
    )
    found = session.execute(query.order_by(Payment.id.desc())).all()
    links = _links(session, [payment.id for payment in found])
    return [_row(payment, links.get(payment.id)) for payment in found]


def _all_rows(session: Session, where: Where, chunk: int) -> Iterator[PaymentRow]:
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
