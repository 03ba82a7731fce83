"""Which payments: a filter, and what it asks of the database.

Whoever asks sees only payments of their own events: that stands in ``where``, which every list, count and
sum goes through, and an empty set of events means nothing at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    union,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.models import (
    Case,
    Category,
    Event,
    Link,
    OutboxMail,
    Payment,
    PaymentQuote,
    Standing,
    Till,
    TillEntry,
)
from db.money import Money
from payments import money_days
from payments.access.people import Action, Person, check
from payments.dates import Span
from payments.deciding.cases import Decision, Reason
from payments.errors import InvalidInput
from payments.finding import as_of, needle, when
from payments.finding.by_index import FEW_EVENTS, Where, has
from payments.finding.needle import Way, literals
from payments.lifecycle import Status
from payments.live import tallies
from payments.live.stages import Stage
from payments.privacy import fold

#: Where a payment comes from.
DESK, API, LEGACY = "desk", "api", "legacy"
ORIGINS = (DESK, API, LEGACY)
#: What a receipt can be of: by which way its money came.
TAKEN = ("gateway", "cash", "card_slip", "eft")
#: Fields of a filter that are days, as people speak of them.
DAYS = ("created", "paid", "captured", "settled", "banked", "refunded")
#: The event of payments that have none: records of the earlier system that name no event.
NO_EVENT = "EARLIER"
#: Written out, not bound: a database takes a partial index only for the very words of its condition.
LINK_ASKED = Link.state == literal_column("'asked'")
LET_GO = Payment.status.in_([literal_column(f"'{one}'") for one in tallies.NOT_ASKED])
SLIPPED = TillEntry.slip_number != literal_column("''")
CARDED = TillEntry.card_last4 != literal_column("''")
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
    ``categories`` and ``organisers`` names. Days may be ``when.Moving``, as of the day this was read on;
    beside ``as_of`` they stand still. Hashable: it keys caches.
    """

    text: str = ""
    without: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    methods: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    organisers: tuple[str, ...] = ()  # whoever asked for it
    stages: tuple[Stage, ...] = ()  # how far its payer came
    failures: tuple[str, ...] = ()  # why it failed last: the gateway's code, or a word of ``live.stages``
    origins: tuple[str, ...] = ()  # ``ORIGINS``: this desk, another system, the earlier one
    quoted: tuple[str, ...] = ()  # currencies it was quoted in; it is charged in rand
    mode: str | None = None
    amount_from: Money | None = None
    amount_to: Money | None = None
    created: Span | None = None
    paid: Span | None = None
    captured: Span | None = None  # money of it was taken, or found not to be here, on these days
    settled: Span | None = None  # its money came in a payout of these days
    banked: Span | None = None  # the bank shows money of it on these days
    refunded: Span | None = None  # money of it was given back on these days
    taken: tuple[str, ...] = ()  # of ``TAKEN``: its money came so, on the days that are asked for
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
    not_origins: tuple[str, ...] = ()
    not_quoted: tuple[str, ...] = ()
    as_of: datetime | None = None  # all of it as it stood then; ``as_of.read`` opens a session on that

    def __post_init__(self) -> None:
        if self.as_of is not None:  # days that moved on would leave the moment behind
            for name in DAYS:
                if isinstance(span := getattr(self, name), when.Moving):
                    object.__setattr__(self, name, when.still(span))

    def on_day(self, today: date) -> "Filter":
        """The same question on this day."""
        moved = {
            name: when.on_day(span, today)
            for name in DAYS
            if isinstance(span := getattr(self, name), when.Moving)
        }
        return replace(self, **moved) if moved else self  # type: ignore[arg-type]


def words_part(wanted: Filter) -> Filter:
    """What is looked for and what is left out as words."""
    return Filter(text=wanted.text, without=wanted.without)


def parts(wanted: Filter) -> list[Filter]:
    """Each thing a filter asks for, alone; together they are the filter, at whichever moment."""
    alone = [Filter(text=wanted.text)] if wanted.text else []
    alone += [Filter(without=(word,)) for word in wanted.without]
    told = {"text", "without", "as_of"}
    if wanted.amount_from is not None and wanted.amount_from == wanted.amount_to:  # one amount, exactly
        alone.append(Filter(amount_from=wanted.amount_from, amount_to=wanted.amount_to))
        told |= {"amount_from", "amount_to"}
    rest = [field for field in fields(Filter) if field.name not in told]
    given = ((field, getattr(wanted, field.name)) for field in rest)
    return alone + [Filter(**{field.name: value}) for field, value in given if value != field.default]


def minus(wanted: Filter, condition: Filter) -> Filter:
    """The filter without one of its conditions."""
    if condition.without:
        return replace(
            wanted, without=tuple(word for word in wanted.without if word not in condition.without)
        )
    asked = (field for field in fields(Filter) if getattr(condition, field.name) != field.default)
    nothing: dict[str, Any] = {field.name: field.default for field in asked}
    return replace(wanted, **nothing)


def where(session: Session, person: Person, wanted: Filter) -> Where:
    """Every condition of a filter, within the person's events. Raises InvalidInput for a filter of another
    moment than the session's."""
    as_of.refuse_another(session, wanted.as_of)
    if wanted.as_of is not None:
        _refuse_of_today(wanted)
    events = scope_of(person)
    if wanted.events:
        named = frozenset(session.scalars(select(Event.id).where(Event.code.in_(wanted.events))))
        events = named if events is None else events & named
    conditions = [*_words_of(session, wanted), *_words_not_of(session, wanted)]
    conditions += _amounts(wanted.amount_from, wanted.amount_to)
    for span, moment in ((wanted.created, Payment.created_at), (wanted.paid, Payment.paid_at)):
        if span is not None:
            conditions += [moment >= span.start, moment < span.end]
    conditions += money_days.asked(
        wanted.captured, wanted.settled, wanted.banked, wanted.refunded, wanted.taken
    )
    conditions += _troubles(wanted)
    here = within(session, events)
    here = replace(here, spread=here.sqlite and _hold_much(session, here.events))
    conditions += [~has(literals(fold(word)), here.sqlite) for word in wanted.without if fold(word)]
    return _known_as(session, here.but(*conditions), wanted.text)


def _refuse_of_today(wanted: Filter) -> None:
    """How a link or a mail stood then is not kept."""
    if wanted.outcome_unknown or wanted.mail_failed:
        raise InvalidInput(
            "Which links the gateway had not answered for, and which mails had been given up, is only known "
            "of now. Take this condition away, or go back to now."
        )


def scope_of(person: Person) -> frozenset[int] | None:
    check(person, Action.SEE)
    return person.events


def within(session: Session, scope: frozenset[int] | None) -> Where:
    sqlite = session.get_bind().dialect.name == "sqlite"
    return Where(sqlite, None if scope is None else tuple(sorted(scope)))


def _hold_much(session: Session, events: tuple[int, ...] | None) -> bool:
    """Whether many events hold a quarter of all payments or more, by the running totals."""
    if events is None or len(events) <= FEW_EVENTS:
        return False
    theirs = func.sum(Standing.count).filter(Standing.event_id.in_(events))
    held, whole = session.execute(select(theirs, func.sum(Standing.count))).one()
    return bool(held) and held * 4 >= whole


def _words_of(session: Session, wanted: Filter) -> Iterator[ColumnElement[bool]]:
    """What a payment is, and is not. Only what is asked for is made: making takes time."""
    if wanted.statuses:
        yield Payment.status.in_(_values(wanted.statuses))
    if wanted.methods:
        yield Payment.method.in_(_values(wanted.methods))
    if wanted.organisers:
        yield Payment.created_by.in_(wanted.organisers)
    if wanted.categories:
        yield Payment.category_id.in_(_categories(session, wanted.categories))
    if wanted.stages:
        yield Payment.stage.in_(_values(wanted.stages))
    if wanted.failures:
        yield Payment.failure.in_(wanted.failures)
    yield from _origins(wanted)
    if wanted.quoted:
        yield Payment.id.in_(_quoted_in(wanted.quoted))
    if wanted.mode:
        yield Payment.mode == wanted.mode


def _origins(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    """Those that are left. One alone is written out, as its partial index is."""
    asked = {origin for origin in ORIGINS if origin in (wanted.origins or ORIGINS)} - set(wanted.not_origins)
    if not asked:
        yield false()
    elif len(asked) == 1:
        yield Payment.origin == literal_column(f"'{asked.pop()}'")
    elif len(asked) < len(ORIGINS):
        yield Payment.origin.in_(sorted(asked))


def _words_not_of(session: Session, wanted: Filter) -> Iterator[ColumnElement[bool]]:
    if wanted.not_statuses:
        yield Payment.status.not_in(_values(wanted.not_statuses))
    if wanted.not_methods:
        yield _none_of(Payment.method, _values(wanted.not_methods))
    if wanted.not_events:
        yield Payment.event_id.not_in(select(Event.id).where(Event.code.in_(wanted.not_events)))
    if wanted.not_organisers:
        yield Payment.created_by.not_in(wanted.not_organisers)
    if wanted.not_stages:
        yield Payment.stage.not_in(_values(wanted.not_stages))
    if wanted.not_failures:
        yield Payment.failure.not_in(wanted.not_failures)
    if wanted.not_categories:
        yield _none_of(Payment.category_id, _categories(session, wanted.not_categories))
    if wanted.not_quoted:
        yield Payment.id.not_in(_quoted_in(wanted.not_quoted))


def _quoted_in(currencies: Sequence[str]) -> Select[int]:
    return select(PaymentQuote.payment_id).where(PaymentQuote.quoted_currency.in_(currencies))


def _categories(session: Session, names: Sequence[str]) -> Sequence[int]:
    """Their ids, read first: a database that knows how many these are takes their index if that is best."""
    return session.scalars(select(Category.id).where(Category.name.in_(names))).all()


def _values(words: Sequence[str]) -> list[str]:
    return [str(word) for word in words]


def _none_of(column: InstrumentedAttribute[Any], values: Any) -> ColumnElement[bool]:
    """None of these, which is also true where there is nothing."""
    return or_(column.is_(None), column.not_in(values))


def _troubles(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    if wanted.attention:
        yield Payment.id.in_(
            select(Case.payment_id).where(Case.closed_at.is_(None), Case.payment_id.is_not(None))
        )
    if wanted.review_only:
        yield Payment.review.is_not(None)
    if wanted.outcome_unknown:
        yield Payment.id.in_(select(Link.payment_id).where(LINK_ASKED))
    if wanted.mail_failed:
        yield Payment.id.in_(select(OutboxMail.payment_id).where(MAIL_FAILED, ~MAIL_DECIDED))


def _amounts(least: Money | None, most: Money | None) -> Iterator[ColumnElement[bool]]:
    if least and most and least.currency != most.currency:
        raise InvalidInput("The two amounts are of different currencies. Give both in one.")
    yield from (Payment.amount_currency == bound.currency for bound in (least, most) if bound is not None)
    if least is not None and least == most:
        yield Payment.amount_minor == least.minor  # a database counts on fewer of one amount than of a range
        return
    if least is not None:
        yield Payment.amount_minor >= least.minor
    if most is not None:
        yield Payment.amount_minor <= most.minor


# -- what somebody knows of a payment ---------------------------------------------------------------


def _known_as(session: Session, here: Where, words: str) -> Where:
    """A whole reference decides alone, by itself or in a longer text; anything else may be a part."""
    if not fold(words):
        return here
    if found := _references(session, needle.exact(words)):
        return replace(here, ways=(Way(references=found),))
    events = session.execute(select(Event.id, Event.code, Event.name, Event.reference_prefix)).all()
    told = {event.id: f"{fold(event.code)}\n{fold(event.name)}" for event in events}
    prefixes = tuple(dict.fromkeys(event.reference_prefix for event in events))
    if found := _references(session, needle.pasted(words, prefixes)):
        return replace(here, ways=(Way(references=found),))
    meant = needle.read(words, told, prefixes, _on_paper(session, needle.paper(words)))
    return replace(here, ways=meant.ways, surest=meant.surest)


def _on_paper(session: Session, held: needle.Paper | None) -> tuple[int, ...]:
    """The payments that a slip or receipt of a till is of, whether it was corrected since or not."""
    if held is None:
        return ()
    if held.till is None:
        return tuple(sorted(session.scalars(shows(held))))
    each = select(TillEntry.payment_id, Till.name).join(Till, Till.id == TillEntry.till_id)
    numbered = session.execute(each.where(TillEntry.number == held.number))
    return tuple(sorted({payment_id for payment_id, name in numbered if fold(name) == held.till}))


def shows(held: needle.Paper) -> CompoundSelect[int]:
    """The payments of what shows any of it, each from an index of its own."""
    of = select(TillEntry.payment_id)
    parts = [of.where(SLIPPED, TillEntry.slip_number.in_(held.slips))]
    parts += [of.where(CARDED, TillEntry.card_last4 == held.card)] if held.card is not None else []
    parts += [of.where(TillEntry.number == held.number)] if held.number is not None else []
    return union(*parts)


def _references(session: Session, some: Sequence[str]) -> tuple[str, ...]:
    """Those of them that there are."""
    if not some:  # mostly: then making the statement would be for nothing
        return ()
    return tuple(session.scalars(select(Payment.reference).where(Payment.reference.in_(some))))
