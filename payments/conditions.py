"""Which payments: a filter, and what it asks of the database.

Whoever asks sees only payments of their own events: that stands in ``where``, which every list, count and
sum goes through, and an empty set of events means nothing at all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    column,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    table,
    text,
    union,
    union_all,
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
)
from db.money import Money
from payments import as_of, money_days, needle, tallies
from payments.cases import Decision, Reason
from payments.dates import Span
from payments.errors import InvalidInput
from payments.lifecycle import Status
from payments.needle import AnyOf, Way, literals
from payments.people import Action, Person, check
from payments.privacy import fold
from payments.stages import Stage

#: Where a payment comes from.
DESK, API, LEGACY = "desk", "api", "legacy"
ORIGINS = (DESK, API, LEGACY)
#: What a receipt can be of: by which way its money came.
TAKEN = ("gateway", "cash", "card_slip", "eft")
#: Fields of a filter that are days, as people speak of them.
DAYS = ("created", "paid", "captured", "settled", "banked", "refunded")
#: The event of payments that have none: records of the earlier system that name no event.
NO_EVENT = "EARLIER"
#: Lists of up to so many events are merged event by event.
MERGED_EVENTS = 50
#: Of more than a few events, a page is first looked for among so many payments that came last of all.
FEW_EVENTS, LATEST = 5, 2_000

#: Written out, not bound: a database takes a partial index only for the very words of its condition.
LINK_ASKED = Link.state == literal_column("'asked'")
LET_GO = Payment.status.in_([literal_column(f"'{one}'") for one in tallies.NOT_ASKED])
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


def words_part(wanted: Filter) -> Filter:
    """What is looked for and what is left out as words."""
    return Filter(text=wanted.text, without=wanted.without)


def parts(wanted: Filter) -> list[Filter]:
    """Each thing a filter asks for, alone; together they are the filter, at whichever moment."""
    alone = [Filter(text=wanted.text)] if wanted.text else []
    alone += [Filter(without=(word,)) for word in wanted.without]
    rest = [field for field in fields(Filter) if field.name not in ("text", "without", "as_of")]
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


#: SQLite's index of three letters over ``payments.search_text``, kept by triggers. Its ids come in order.
_TRIGRAMS = table("payments_fts", column("rowid"))
_FOUND: ColumnElement[str] = literal_column("payments_fts")


@dataclass(frozen=True)
class Where:
    """``events`` are the only ones a payment may be of; None is any, and none of them finds nothing.

    ``ways`` are what a text may mean: one of them must hold; None is no text. ``surest`` are narrower ones,
    which come first in a list. Ids up to ``at_most``, between ``above`` and ``below``, and none of
    ``excluding``; the newest first, or the ``oldest``. ``roughly``, on SQLite: all that have the words, and
    some that only have their letters. ``spread``, on SQLite: the events hold so much of everything that it is
    read sooner as it lies than event by event. ``merged``, on SQLite: what fits the conditions is read in
    its order beside what has the words, and not looked up for each text.
    """

    sqlite: bool
    events: tuple[int, ...] | None
    conditions: tuple[ColumnElement[bool], ...] = ()
    ways: tuple[Way, ...] | None = None
    surest: tuple[Way, ...] = ()
    oldest: bool = False
    at_most: int | None = None
    above: int | None = None
    below: int | None = None
    excluding: tuple[int, ...] = ()
    roughly: bool = False
    spread: bool = False
    merged: bool = False

    def but(self, *more: ColumnElement[bool]) -> "Where":
        return replace(self, conditions=(*self.conditions, *more))

    def beyond(self, last_id: int) -> "Where":
        """What comes after an id in this order."""
        return replace(self, above=last_id) if self.oldest else replace(self, below=last_id)

    def newest(self, limit: int, offset: int = 0) -> Select[int]:
        """Ids, the newest first or the oldest. Those of each way and each event come from an index and are
        merged: a list of few events costs no more than one of all."""
        return self._first(self._ids(limit + offset), limit, offset)

    def latest(self, limit: int) -> Select[int] | None:
        """The newest ids, as far as they are among the ``LATEST`` of all; None where that is no short cut.

        Whoever is here for many events by name mostly finds a page there, and forty parts to merge take
        longer to write than to read.
        """
        many = self.events is not None and len(self.events) > FEW_EVENTS and limit <= LATEST // 4
        if not many or self.ways is not None or self.oldest or self.above is not None:
            return None
        tops = [top for top in (self.at_most, self.below) if top is not None]
        top = min(tops) if tops else select(func.max(Payment.id)).scalar_subquery()
        theirs = (Payment.event_id + 0).in_(self.events or ())  # a sum: not event by event
        lately = (Payment.id > top - LATEST, theirs, *self.conditions, *self._bounds(Payment.id))
        return self._first(self._in_order(select(Payment.id.label("id")).where(*lately)), limit)

    def some(self, limit: int) -> Select[int]:
        """Any ids, at most so many: to be counted."""
        return self._first(self._ids(limit).order_by(None), limit)

    def hits(self, limit: int) -> Select[int]:
        """For PostgreSQL, any ids as ``some``, each way's from its own index.

        It guesses badly how many texts hold a word, and would rather look through all payments from the
        newest on; a part written apart it plans as if all of it were wanted, and stops when enough is read.
        Where a word behind a space is enough, one behind a line break is not looked for.
        """
        parts = []
        for way in self._meant():
            for part in self._apart(way):
                ids = select(part.cte(nesting=True).prefix_with("MATERIALIZED", dialect="postgresql").c.id)
                parts.append(select(ids.limit(limit).subquery().c.id))
        together = union if self.ways is not None and len(self.ways) > 1 else union_all
        return self._first(select(together(*parts).subquery().c.id), limit)

    def _apart(self, way: Way) -> Iterator[Select[int]]:
        """What one literal of a single word finds and none before it, literal by literal."""
        [alone] = way.words if len(way.words) == 1 else [()]
        if len(alone) < 2:
            yield from self._of_way(way, None)
            return
        for nth, literal in enumerate(alone):
            before = [~_has(alone[:nth], self.sqlite)] if nth else []
            yield from self.but(*before)._of_way(replace(way, words=((literal,),)), None)

    def all(self) -> list[ColumnElement[bool]]:
        """What a payment must be, for a query of its own over payments."""
        if self.ways is not None:
            return [Payment.id.in_(self._ids(None).order_by(None))]
        event_id = Payment.event_id + 0 if self.spread else Payment.event_id  # a sum has no index
        ours = [] if self.events is None else [event_id.in_(self.events)]
        return [*ours, *self.conditions, *self._bounds(Payment.id)]

    def _ids(self, last: int | None) -> Select[int]:
        """The ids, ``last`` of each part at most; None is all of them."""
        parts = [part for way in self._meant() for part in self._of_way(way, last)]
        if not parts:
            parts = [select(Payment.id.label("id")).where(false())]
        if len(parts) == 1:
            return self._in_order(parts[0])
        if last is not None:
            parts = [select(self._first(self._in_order(part), last).subquery().c.id) for part in parts]
        together = union if self.ways is not None and len(self.ways) > 1 else union_all
        ids = select(together(*parts).subquery().c.id)
        return self._in_order(ids)

    def _meant(self) -> tuple[Way, ...]:
        """Without a text, everything is meant; a text without a meaning means nothing."""
        return (Way(),) if self.ways is None else self.ways

    def _in_order(self, ids: Select[int]) -> Select[int]:
        by = ids.selected_columns[0]
        return ids.order_by(by if self.oldest else by.desc())

    def _first(self, ids: Select[int], limit: int, offset: int = 0) -> Select[int]:
        """For SQLite, SQLAlchemy writes an OFFSET behind each LIMIT, and then SQLite looks into wide rows for
        what an index covers."""
        if self.sqlite and not offset:
            return ids.suffix_with(text(f"LIMIT {limit:d}"))
        return ids.limit(limit).offset(offset)

    def _of_way(self, way: Way, last: int | None) -> list[Select[int]]:
        conditions = [*self.conditions, *_way_conditions(way)]
        events = _both(self.events, way.events)
        if way.words and self.sqlite:
            return [self._by_trigrams(way.words, events, conditions)]
        conditions += [_has(literals, self.sqlite) for literals in way.words]
        ids = select(Payment.id.label("id")).where(*conditions, *self._bounds(Payment.id))
        if events is None:
            return [ids]
        if last is None or len(events) > MERGED_EVENTS:
            return [ids.where(Payment.event_id.in_(events))]
        return [ids.where(Payment.event_id == event_id) for event_id in events]

    def _by_trigrams(
        self, words: tuple[AnyOf, ...], events: tuple[int, ...] | None, conditions: list[ColumnElement[bool]]
    ) -> Select[int]:
        rowid = _TRIGRAMS.c.rowid
        expression = _expression(words, _letters if self.roughly else _phrase)
        ids = select(rowid.label("id")).where(_FOUND.op("MATCH")(expression), *self._bounds(rowid))
        if events is not None:
            conditions = [Payment.event_id.in_(events), *conditions]
        if not conditions:
            return ids.select_from(_TRIGRAMS)
        if self.merged:
            both = ids.select_from(_TRIGRAMS).intersect(select(Payment.id).where(*conditions))
            return select(both.subquery().c.id)
        # In this form a condition that an index covers is looked up there and not in the wide rows.
        fits = select(Payment.id).where(Payment.id == rowid, *conditions).correlate(_TRIGRAMS)
        return ids.select_from(_TRIGRAMS).where(fits.exists())

    def _bounds(self, ids: ColumnElement[int] | InstrumentedAttribute[int]) -> list[ColumnElement[bool]]:
        bounds = [ids <= self.at_most] if self.at_most is not None else []
        bounds += [ids < self.below] if self.below is not None else []
        bounds += [ids > self.above] if self.above is not None else []
        return bounds + ([ids.not_in(self.excluding)] if self.excluding else [])


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
    conditions += [~_has(literals(fold(word)), here.sqlite) for word in wanted.without if fold(word)]
    return _known_as(session, here.but(*conditions), wanted.text)


def newest(session: Session, where: Where, count: int, offset: int = 0) -> list[int]:
    """Ids as ``where.newest`` has them."""
    short_cut = where.latest(count + offset)
    lately = session.scalars(short_cut).all() if short_cut is not None else ()
    if len(lately) == count + offset:
        return list(lately[offset:])
    return list(session.scalars(where.newest(count, offset)).all())


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
    meant = needle.read(words, told, prefixes)
    return replace(here, ways=meant.ways, surest=meant.surest)


def _references(session: Session, some: Sequence[str]) -> tuple[str, ...]:
    """Those of them that there are."""
    if not some:  # mostly: then making the statement would be for nothing
        return ()
    return tuple(session.scalars(select(Payment.reference).where(Payment.reference.in_(some))))


def _way_conditions(way: Way) -> list[ColumnElement[bool]]:
    conditions = [Payment.amount_minor == way.minor] if way.minor is not None else []
    conditions += [Payment.reference.in_(way.references)] if way.references else []
    if way.phones:
        conditions.append(or_(*(Payment.payer_phone.endswith(one) for one in way.phones)))  # digits and +
    return conditions + [
        or_(
            Payment.event_id.in_(events),
            *(Payment.search_text.contains(one, autoescape=True) for one in words),
        )
        for words, events in way.either
    ]


def _both(scope: tuple[int, ...] | None, events: frozenset[int] | None) -> tuple[int, ...] | None:
    if events is None:
        return scope
    return tuple(sorted(events if scope is None else events & frozenset(scope)))


def _has(words: AnyOf, sqlite: bool) -> ColumnElement[bool]:
    """Looks into the text of a payment: on PostgreSQL by its index of three letters."""
    if sqlite:
        return or_(*(func.instr(Payment.search_text, word) > 0 for word in words))
    return or_(*(Payment.search_text.contains(word, autoescape=True) for word in words))


def _expression(words: tuple[AnyOf, ...], told: Callable[[str], str]) -> str:
    """In the words of SQLite's index, each literal as it is ``told``."""
    return " AND ".join("(" + " OR ".join(map(told, literals)) + ")" for literals in words)


def _phrase(literal: str) -> str:
    """Letter by letter. In quotation marks nothing has a meaning."""
    return '"' + literal.replace('"', '""') + '"'


def _letters(literal: str) -> str:
    """Three by three, wherever each stands: where they stand is most of what a phrase costs."""
    threes = (literal[at : at + 3] for at in range(0, len(literal) - 2, 3))
    return "(" + " AND ".join(map(_phrase, threes)) + ")"
