"""Which payments: a filter, and what it asks of the database.

Whoever asks sees only payments of their own events: that stands in ``where``, which every list, count and
sum goes through, and an empty set of events means nothing at all.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, literal_column, or_, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.models import Case, Category, Event, Link, OutboxMail, Payment
from db.money import Money
from payments.cases import Decision, Reason
from payments.dates import Span
from payments.errors import InvalidInput
from payments.lifecycle import Status
from payments.people import Action, Person, check
from payments.privacy import fold
from payments.references import readings
from payments.stages import Stage

#: Lists of up to so many events are merged event by event.
MERGED_EVENTS = 50

#: Written out, not bound: a database takes a partial index only for the very words of its condition.
LINK_ASKED = Link.state == literal_column("'asked'")
MAIL_FAILED = OutboxMail.state == literal_column("'failed'")
#: A mail that somebody decided is not needed any more troubles nobody.
MAIL_DECIDED = exists().where(
    Case.payment_id == OutboxMail.payment_id,
    Case.reason == Reason.MAIL_FAILED,
    Case.decision == Decision.NOT_NEEDED,
)


@dataclass(frozen=True)
class Filter:
    """Which payments. Empty means all; what is set must all be true of a payment.

    ``text`` is anything somebody may know of a payment, with ``"words that stand together"`` in quotation
    marks; ``without`` are words it must not have. Of several statuses, methods, events … one must fit, and
    none of the ``not_`` ones; a payment without a method has none of them. ``events`` are codes,
    ``categories`` and ``organisers`` names. Hashable: it keys caches.
    """

    text: str = ""
    without: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    methods: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    organisers: tuple[str, ...] = ()  # whoever asked for it
    stages: tuple[Stage, ...] = ()  # how far its payer came
    failures: tuple[str, ...] = ()  # why it failed last: the gateway's code, or a word of ``payments.stages``
    mode: str | None = None
    amount_from: Money | None = None
    amount_to: Money | None = None
    created: Span | None = None
    paid: Span | None = None
    attention: bool = False  # somebody must decide something about it
    review_only: bool = False
    outcome_unknown: bool = False  # a link was asked for and the gateway has not said whether it made it
    mail_failed: bool = False  # a mail was given up, and nobody decided that it is not needed
    not_statuses: tuple[Status, ...] = ()
    not_methods: tuple[str, ...] = ()
    not_events: tuple[str, ...] = ()
    not_categories: tuple[str, ...] = ()
    not_organisers: tuple[str, ...] = ()
    not_stages: tuple[Stage, ...] = ()
    not_failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Where:
    """``events`` are the only ones a payment may be of; None is any, and none of them finds nothing."""

    events: tuple[int, ...] | None
    conditions: tuple[ColumnElement[bool], ...] = ()

    def all(self) -> list[ColumnElement[bool]]:
        ours = [] if self.events is None else [Payment.event_id.in_(self.events)]
        return [*ours, *self.conditions]

    def but(self, *more: ColumnElement[bool]) -> "Where":
        return Where(self.events, (*self.conditions, *more))

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


def where(session: Session, person: Person, wanted: Filter) -> Where:
    """Every condition of a filter, within the person's events."""
    events = scope_of(person)
    if wanted.events:
        named = frozenset(session.scalars(select(Event.id).where(Event.code.in_(wanted.events))))
        events = named if events is None else events & named
    conditions = [*_words_of(wanted), *_amounts(wanted.amount_from, wanted.amount_to)]
    for span, column in ((wanted.created, Payment.created_at), (wanted.paid, Payment.paid_at)):
        if span is not None:
            conditions += [column >= span.start, column < span.end]
    conditions += _troubles(wanted)
    if text := fold(wanted.text):
        conditions.append(_known_as(session, text))
    conditions += [~_contains(fold(word)) for word in wanted.without if fold(word)]
    return within(events).but(*conditions)


def scope_of(person: Person) -> frozenset[int] | None:
    check(person, Action.SEE)
    return person.events


def within(scope: frozenset[int] | None) -> Where:
    return Where(None if scope is None else tuple(sorted(scope)))


def _words_of(wanted: Filter) -> list[ColumnElement[bool]]:
    """What a payment is, and is not."""
    events, categories = (
        select(Event.id).where(Event.code.in_(wanted.not_events)),
        select(Category.id).where(Category.name.in_(wanted.categories)),
    )
    not_categories = select(Category.id).where(Category.name.in_(wanted.not_categories))
    asked: list[tuple[Any, ColumnElement[bool]]] = [
        (wanted.statuses, Payment.status.in_(_values(wanted.statuses))),
        (wanted.methods, Payment.method.in_(_values(wanted.methods))),
        (wanted.organisers, Payment.created_by.in_(wanted.organisers)),
        (wanted.categories, Payment.category_id.in_(categories)),
        (wanted.stages, Payment.stage.in_(_values(wanted.stages))),
        (wanted.failures, Payment.failure.in_(wanted.failures)),
        (wanted.mode, Payment.mode == wanted.mode),
        (wanted.not_statuses, Payment.status.not_in(_values(wanted.not_statuses))),
        (wanted.not_methods, _none_of(Payment.method, _values(wanted.not_methods))),
        (wanted.not_events, Payment.event_id.not_in(events)),
        (wanted.not_organisers, Payment.created_by.not_in(wanted.not_organisers)),
        (wanted.not_stages, Payment.stage.not_in(_values(wanted.not_stages))),
        (wanted.not_failures, Payment.failure.not_in(wanted.not_failures)),
        (wanted.not_categories, _none_of(Payment.category_id, not_categories)),
    ]
    return [condition for given, condition in asked if given]


def _values(words: Sequence[str]) -> list[str]:
    return [str(word) for word in words]


def _none_of(column: InstrumentedAttribute[Any], values: Any) -> ColumnElement[bool]:
    """None of these, which is also true where there is nothing."""
    return or_(column.is_(None), column.not_in(values))


def _troubles(wanted: Filter) -> list[ColumnElement[bool]]:
    open_case = select(Case.payment_id).where(Case.closed_at.is_(None), Case.payment_id.is_not(None))
    given_up = select(OutboxMail.payment_id).where(MAIL_FAILED, ~MAIL_DECIDED)
    asked = [
        (wanted.attention, Payment.id.in_(open_case)),
        (wanted.review_only, Payment.review.is_not(None)),
        (wanted.outcome_unknown, Payment.id.in_(select(Link.payment_id).where(LINK_ASKED))),
        (wanted.mail_failed, Payment.id.in_(given_up)),
    ]
    return [condition for given, condition in asked if given]


def _amounts(least: Money | None, most: Money | None) -> list[ColumnElement[bool]]:
    if least and most and least.currency != most.currency:
        raise InvalidInput("The two amounts are of different currencies. Give both in one.")
    conditions = [Payment.amount_currency == bound.currency for bound in (least, most) if bound is not None]
    if least is not None:
        conditions.append(Payment.amount_minor >= least.minor)
    if most is not None:
        conditions.append(Payment.amount_minor <= most.minor)
    return conditions


# -- what somebody knows of a payment -----------------------------------------------------------------


def _known_as(session: Session, text: str) -> ColumnElement[bool]:
    """What somebody knows of a payment: a whole reference decides alone, anything else may be a part."""
    references = readings(text)
    if references:
        exact = session.scalars(select(Payment.id).where(Payment.reference.in_(references))).all()
        if exact:
            return Payment.id.in_(exact)
    ways = [and_(*(_has_word(session, word) for word in phrases(text)))]
    ways += [_contains(part) for part in _squeezed(text)]
    amount = _as_amount(text)
    if amount is not None:
        ways.append(Payment.amount_minor == amount.minor)
    return or_(*ways)


def phrases(text: str) -> tuple[str, ...]:
    """The words of a text, and those between quotation marks as one."""
    found = (
        " ".join((quoted or word).replace('"', " ").split())
        for quoted, word in re.findall(r'"([^"]+)"|(\S+)', text)
    )
    return tuple(dict.fromkeys(part for part in found if part))


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
