"""The ids that a question finds, in their order: each part of it comes from an index, and they are merged."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    any_,
    bindparam,
    column,
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

from db.models import Payment
from payments.finding.needle import PHONE, AnyOf, Way

#: Lists of up to so many events are merged event by event.
MERGED_EVENTS = 50
#: Of more than a few events, a page is first looked for among so many payments that came last of all.
FEW_EVENTS, LATEST = 5, 2_000
#: A literal of fewer letters leaves too much to be looked at, when only every third of its threes is told.
_SHORT = 6
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
            before = [~has(alone[:nth], self.sqlite)] if nth else []
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
        conditions = [*self.conditions, *_conditions_of(way, self.sqlite)]
        events = _both(self.events, way.events)
        if way.words and self.sqlite:
            return [self._by_trigrams(way.words, events, conditions)]
        conditions += [has(literals, self.sqlite) for literals in way.words]
        ids = select(Payment.id.label("id")).where(*conditions, *self._bounds(Payment.id))
        if events is None:
            return [ids]
        if way.minor is not None and len(events) > FEW_EVENTS:
            return [ids.where((Payment.event_id + 0).in_(events))]  # an amount's own index is in this order
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


def newest(session: Session, where: Where, count: int, offset: int = 0) -> list[int]:
    """Ids as ``where.newest`` has them."""
    short_cut = where.latest(count + offset)
    lately = session.scalars(short_cut).all() if short_cut is not None else ()
    if len(lately) == count + offset:
        return list(lately[offset:])
    return list(session.scalars(where.newest(count, offset)).all())


# -- what a text may mean --------------------------------------------------------------------------


def _conditions_of(way: Way, sqlite: bool) -> list[ColumnElement[bool]]:
    conditions = [_is_one_of(way.ids, sqlite)] if way.ids else []
    conditions += [Payment.amount_minor == way.minor] if way.minor is not None else []
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


def _is_one_of(ids: tuple[int, ...], sqlite: bool) -> ColumnElement[bool]:
    """However many, they go over as one value."""
    if sqlite:
        return Payment.id.in_(select(func.json_each(json.dumps(ids)).table_valued("value").c.value))
    return Payment.id == any_(bindparam(None, list(ids), ARRAY(BigInteger), unique=True))


def _both(scope: tuple[int, ...] | None, events: frozenset[int] | None) -> tuple[int, ...] | None:
    if events is None:
        return scope
    return tuple(sorted(events if scope is None else events & frozenset(scope)))


def has(words: AnyOf, sqlite: bool) -> ColumnElement[bool]:
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
    """Three by three, wherever each stands: where they stand is most of what a phrase costs. Of a short one
    the last three as well, which would leave too much else; how a phone number begins every text has."""
    told = literal.removeprefix(PHONE)
    at = [*range(0, len(told) - 2, 3), *([len(told) - 3] if len(told) < _SHORT else [])]
    threes = (told[one : one + 3] for one in dict.fromkeys(at))
    return "(" + " AND ".join(map(_phrase, threes)) + ")"
