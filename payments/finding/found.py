"""What a filter finds for one person, and in which order: the same for pages, counts, rows and files.

Newest first is id order. What fits searched words best stands before it. Another order needs a list that is
not too long.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Select,
    case,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from db.among import among, told
from db.many import some_at_once
from db.models import Category, Event, Link, Payment, Standing
from db.money import CURRENCIES
from payments.access.people import Person
from payments.errors import InvalidInput, quoted
from payments.finding import by_index, conditions, needle
from payments.finding.by_index import Where
from payments.finding.conditions import Filter, words_part
from payments.finding.rows import PaymentRow, fetch, told_link

#: A count above this is told as "10 000+" until the exact one follows.
COUNT_CAP = 10_000
LARGEST_PAGE = 500
#: So many of the best stand on top of a list that was searched for; behind them the newest come first.
BEST = 50
#: The texts of so many that were searched for are read, to say which of them fit best. Of more, the newest
#: ``SOME`` are; what is missing from the best is then asked for, but where more than ``COUNT_CAP`` have the
#: words: the best of those are the best of the newest, at any size.
FEW, SOME = 1_000, 200
#: A status of so many payments may be read through for a search.
MERGED = 100_000
NEWEST, OLDEST = "newest", "oldest"
#: Other orders, each also with a minus before it for the largest first.
SORTS: Mapping[str, Any] = {
    "amount": Payment.amount_minor,
    "status": Payment.status,
    "payer": func.lower(Payment.payer_name),
    "event": Event.name,
    "method": Payment.method,
    "reference": Payment.reference,
    "received": func.nullif(Payment.received_minor, 0),
    "paid": Payment.paid_at,
    "asked": Link.asked_at,
    "category": Category.name,
    "email": func.nullif(func.lower(Payment.payer_email), ""),
    "phone": func.nullif(Payment.payer_phone, ""),
    "gateway": Link.gateway_reference,
    "note": func.nullif(func.lower(Payment.note), ""),
}
_OF_LINKS, _OF_NAMES = ("asked", "gateway"), ("event", "category")
#: A page, and one more that says whether another follows.
_START = 51


@dataclass(frozen=True)
class Page:
    """``more``: another page follows. ``rows[-1].id`` is where it goes on, as ``before_id``."""

    rows: tuple[PaymentRow, ...]
    number: int
    size: int
    more: bool


@dataclass(frozen=True)
class _Top:
    """How a list that was searched for begins: ``ids`` in its order, the ``best`` before the newest. Behind
    them it goes on below ``last``, None where there are no others."""

    ids: tuple[int, ...] = ()
    best: int = 0
    last: int | None = None


@dataclass(frozen=True)
class _Hits:
    """Ids that were searched for, all or some of them, and how many there are as ``capped``; None is not yet
    known."""

    ids: Sequence[int]
    count: int | None


class Found:
    """Conditions are made once, and what was searched for is read once, however often this is asked.

    It lives as long as its session's picture of the database.
    """

    def __init__(self, session: Session, person: Person, wanted: Filter) -> None:
        self._session = session
        self._person = person
        self._wanted = wanted
        self.where = conditions.where(session, person, wanted)
        self._counts: dict[Where, int] = {}
        self._read: dict[Where, _Hits] = {}
        self._texts: dict[int, needle.Known] = {}

    @cached_property
    def capped(self) -> int:
        """How many payments, told at once: ``COUNT_CAP + 1`` stands for more than the cap."""
        short = self.where.ways is None and len(self._start) < _START
        return len(self._start) if short else self._count(self.where)

    @cached_property
    def count_at_once(self) -> int:
        """How many payments: exact where the running totals know it, else as ``capped``."""
        standings = _standings(self._session, self._person, self._wanted)
        return self.capped if standings is None else standings

    @property
    def count(self) -> int:
        """How many payments, exactly. Nothing of them is added up, so that an index may do."""
        standings = _standings(self._session, self._person, self._wanted)
        counted = select(func.count()).select_from(Payment).where(*self.where.all())
        return self._session.scalar(counted) or 0 if standings is None else standings

    @property
    def best(self) -> tuple[int, ...]:
        """The ids on top of the list that was searched for; what else was found follows, the newest first."""
        if self.where.ways is None:
            return ()
        return self._top.ids[: self._top.best]

    def page(
        self,
        *,
        number: int = 1,
        size: int = 50,
        sort: str = NEWEST,
        newest_id: int | None = None,
        before_id: int | None = None,
    ) -> Page:
        """As ``search.page``."""
        if number < 1 or not 1 <= size <= LARGEST_PAGE:
            raise InvalidInput(f"Pages count from 1 and hold 1 to {LARGEST_PAGE} payments.")
        where = replace(self.where, at_most=newest_id, oldest=sort == OLDEST)
        where = where if before_id is None else where.beyond(before_id)
        offset = (number - 1) * size
        if sort not in (NEWEST, OLDEST):
            ids = self._sorted(where, sort)[offset : offset + size + 1]
        elif sort == NEWEST and before_id is None:
            ids = self._searched(where, offset, size + 1)
        else:
            rest = replace(where, excluding=self.best if sort == NEWEST else ())
            ids = self._newest(rest, size + 1, offset)
        return Page(tuple(fetch(self._session, ids[:size])), number, size, more=len(ids) > size)

    def rows(self, *, chunk: int = 500, sort: str = NEWEST) -> Iterator[PaymentRow]:
        """All of them in the order of the pages, a chunk in memory at a time. Refuses before the first."""
        if sort not in (NEWEST, OLDEST):
            return self._in_chunks(self._sorted(self.where, sort), chunk)
        if sort == NEWEST and self._is_few:
            return self._in_chunks(self._top.ids, chunk)
        first = self.best if sort == NEWEST else ()
        where = replace(self.where, oldest=sort == OLDEST, excluding=first)
        return self._all_rows(where, first, chunk)

    def order(self, sort: str) -> tuple[Any, ...]:
        """What a query of its own, joined as ``joined`` does, is sorted by. Raises InvalidInput."""
        check_sort(sort)
        name = sort.removeprefix("-")
        if self.capped > COUNT_CAP:
            raise InvalidInput(
                f"More than {COUNT_CAP} payments cannot be sorted by {name}. Narrow them down first, or take "
                f"the newest first."
            )
        by = SORTS[name]
        return by.is_(None), by.desc() if sort.startswith("-") else by, Payment.id.desc()

    # -- which ids --------------------------------------------------------------------------------

    @cached_property
    def _start(self) -> Sequence[int]:
        """The newest of what is only filtered. Where they are few they are all, and none is left to count."""
        return self._newest(self.where, _START)

    @cached_property
    def _top(self) -> _Top:
        return self._first(self.where)

    @property
    def _is_few(self) -> bool:
        """All that was searched for is known already."""
        return self.where.ways is not None and self._top.last is None

    def _first(self, where: Where) -> _Top:
        """What is known of a search, the best first, the surest of them on top, then the newest."""
        known, count = self._known(where), self._count(where)
        read = self._texts_of(known if len(known) <= FEW else known[:SOME])
        best: dict[int, None] = {}
        for way in where.surest:
            missing = BEST - len(best)
            others = [one for one in read if one[0] not in best]
            fits = [one[0] for one in needle.fitting(way, others)[:missing]]
            if len(fits) < missing and len(read) < count and not self._is_common:
                fits = self._newest(replace(where, ways=(way,), excluding=tuple(best)), missing)
            best |= dict.fromkeys(fits)
            if len(best) >= BEST:
                break
        ids = (*best, *(one for one in known if one not in best))
        return _Top(ids, len(best), None if count == len(known) else known[-1])

    def _texts_of(self, ids: Sequence[int]) -> list[needle.Known]:
        """What is known of these payments, in their order; of each it is read once."""
        unread = [payment_id for payment_id in ids if payment_id not in self._texts]
        if unread:
            sqlite = self.where.sqlite
            self._keep(self._session.execute(_TEXTS[sqlite], told(unread, sqlite=sqlite)).all())
        return [self._texts[payment_id] for payment_id in ids]

    def _keep(self, rows: Iterable[Any]) -> list[int]:
        """What is known of these payments, and which they are."""
        read: dict[int, needle.Known] = {row[0]: row for row in rows}
        self._texts |= read
        return [*read]

    @cached_property
    def _is_common(self) -> bool:
        """So many have the words that nobody could say who is meant: looking at each takes too long."""
        alone = replace(self.where, conditions=())
        if self.where.sqlite and self.where.conditions:
            return capped(self._session, replace(alone, roughly=True)) > COUNT_CAP
        return self._count(alone) > COUNT_CAP

    @cached_property
    def _is_merged(self) -> bool:
        """A common word, and one status that not too many have: to read an index of those takes less than to
        look each text up in it."""
        status = Filter(statuses=self._wanted.statuses)
        if self.where.events is not None or len(status.statuses) != 1:
            return False
        if words_part(self._wanted) != replace(self._wanted, statuses=()):
            return False
        held = _standings(self._session, self._person, status)
        return held is not None and held <= MERGED and self._is_common

    def _count(self, where: Where) -> int:
        """As ``capped``. Each question is asked once."""
        if where not in self._counts:
            known = None if where.ways is None else self._hits(where).count
            self._counts[where] = capped(self._session, where) if known is None else known
        return self._counts[where]

    def _hits(self, where: Where) -> _Hits:
        """What was searched for, each question asked once. In its order; of more than the cap none on
        PostgreSQL, which does not find it in order."""
        if where not in self._read:
            few = self._few(where)
            self._read[where] = self._many(where) if few is None else _Hits(few, len(few))
        return self._read[where]

    def _few(self, where: Where) -> Sequence[int] | None:
        """All of what takes long to find; None where SQLite does not find so few. Those that have the letters
        it tells much sooner, and the texts of a few are read anyway: so they are looked at here."""
        ways = where.ways or ()
        if not where.sqlite or not any(map(needle.takes_long, ways)):
            return None
        ids = self._session.scalars(replace(where, roughly=True).newest(FEW + 1)).all()
        if len(ids) > FEW:
            return None
        texts = self._texts_of(ids)
        fit = {one[0] for way in ways for one in needle.fitting(way, texts)}
        return [payment_id for payment_id in ids if payment_id in fit]

    def _many(self, where: Where) -> _Hits:
        """Counting costs SQLite less than telling ids, but for conditions, which it looks up for each."""
        most = FEW + 1 if where.sqlite and not where.conditions else COUNT_CAP + 1
        if where.sqlite:
            where = replace(where, merged=self._is_merged)
            ids = self._session.scalars(where.newest(most)).all()
            return _Hits(ids, len(ids) if len(ids) < most or len(ids) > COUNT_CAP else None)
        hits = where.hits(most).subquery().c.id
        in_one = case((func.count() < most, func.array_agg(hits)))  # thousands of rows take longer
        count, found = self._session.execute(select(func.count(), in_one).select_from(hits.table)).one()
        return _Hits(sorted(found or (), reverse=not where.oldest), count)

    def _known(self, where: Where) -> Sequence[int]:
        """As many as are known of those that were searched for, in their order: all, or the first."""
        hits = self._hits(where)
        if where.sqlite or self._count(where) <= COUNT_CAP:
            return hits.ids
        first = where.newest(SOME + 1).subquery().c.id  # with their texts, which are asked for next
        read = self._keep(self._session.execute(_TOLD.where(_PAYMENTS.id.in_(select(first)))).all())
        return sorted(read, reverse=not where.oldest)

    def _newest(self, where: Where, count: int, offset: int = 0) -> list[int]:
        """Ids in their order. Those of few texts PostgreSQL finds by all their words; those of many it meets
        soon enough on its way through the payments, as SQLite meets all."""
        if where.sqlite or where.ways is None or self._count(where) > COUNT_CAP:
            return by_index.newest(self._session, where, count, offset)
        return list(self._hits(where).ids[offset : offset + count])

    def _searched(self, where: Where, offset: int, count: int) -> list[int]:
        """Ids of a page, the best first."""
        if where.ways is None:
            begins = where == self.where and not offset and count <= _START
            return list(self._start[:count]) if begins else self._newest(where, count, offset)
        top = self._top if where == self.where else self._first(where)
        ids = list(top.ids[offset : offset + count])
        if top.last is not None and len(ids) < count:
            rest = replace(where.beyond(top.last), excluding=top.ids[: top.best])
            ids += self._newest(rest, count - len(ids), max(0, offset - len(top.ids)))
        return ids

    def _sorted(self, where: Where, sort: str) -> list[int]:
        """All ids in another order than they came in; nothing stands last, equals newest first."""
        order = self.order(sort)
        query = joined(select(Payment.id), links=of_links(sort), names=of_names(sort))
        return list(self._session.scalars(query.where(*where.all()).order_by(*order)))

    # -- rows -------------------------------------------------------------------------------------

    def _in_chunks(self, ids: Sequence[int], chunk: int) -> Iterator[PaymentRow]:
        return (row for some in some_at_once(ids, chunk) for row in fetch(self._session, some))

    def _all_rows(self, where: Where, first: tuple[int, ...], chunk: int) -> Iterator[PaymentRow]:
        yield from fetch(self._session, first)
        ids = self._newest(where, chunk)
        while ids:
            yield from fetch(self._session, ids)
            ids = self._newest(where.beyond(ids[-1]), chunk)


def joined(query: Select[Any], *, links: bool, names: bool) -> Select[Any]:
    """A query over payments with what a list may tell of each; ``names``: of its event and its category."""
    query = query.select_from(Payment)
    query = query.join(Payment.event).outerjoin(Payment.category) if names else query
    return query.outerjoin(Link, Link.id == told_link()) if links else query


def check_sort(sort: str) -> None:
    """Raises InvalidInput for an order there is not."""
    if sort not in (NEWEST, OLDEST) and sort.removeprefix("-") not in SORTS:
        raise InvalidInput(f"Payments are not sorted by {quoted(sort)}. There are {', '.join(SORTS)}.")


def of_links(sort: str) -> bool:
    """It takes the payments' links to sort so."""
    return sort.removeprefix("-") in _OF_LINKS


def of_names(sort: str) -> bool:
    """It takes the names of events or of categories."""
    return sort.removeprefix("-") in _OF_NAMES


#: Made once, of columns alone: what the ORM does to each row takes longer than reading it. A list of ids goes
#: over as one value: of hundreds, making the statement would take longer.
_PAYMENTS = Payment.__table__.c
_TOLD = select(
    _PAYMENTS.id, _PAYMENTS.search_text, _PAYMENTS.amount_minor, _PAYMENTS.reference, _PAYMENTS.payer_phone,
    _PAYMENTS.event_id,
)  # fmt: skip
_TEXTS = {sqlite: _TOLD.where(among(_PAYMENTS.id, sqlite=sqlite)) for sqlite in (True, False)}


def sums(where: Where) -> Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]]:
    """Currency, how many, owed and received, for each currency of what fits.

    SQLite would put all of it in order by its currency first, in memory, however much it is: each currency
    there may be is added up by itself, in the same reading.
    """
    how = (func.count(), func.sum(Payment.amount_minor), func.sum(Payment.received_minor))
    if not where.sqlite:
        return select(Payment.amount_currency, *how).where(*where.all()).group_by(Payment.amount_currency)
    each = [
        value.filter(Payment.amount_currency == currency).label(f"{currency}_{nth}")
        for currency in CURRENCIES
        for nth, value in enumerate(how)
    ]
    read = select(*each).where(*where.all()).cte("read").c
    return union_all(
        *(
            select(literal(currency), *(read[f"{currency}_{nth}"] for nth in range(len(how)))).where(
                read[f"{currency}_0"] > 0
            )
            for currency in CURRENCIES
        )
    )


def capped(session: Session, where: Where) -> int:
    return session.scalar(select(func.count()).select_from(where.some(COUNT_CAP + 1).subquery())) or 0


def _standings(session: Session, person: Person, wanted: Filter) -> int | None:
    """The count of a filter by statuses and events alone, from the running totals; None for any other."""
    if replace(wanted, statuses=(), events=(), not_statuses=(), not_events=()) != Filter():
        return None
    kept = select(func.coalesce(func.sum(Standing.count), 0)).join(Event, Event.id == Standing.event_id)
    scope = conditions.scope_of(person)
    if scope is not None:
        kept = kept.where(Standing.event_id.in_(scope))
    if wanted.statuses:
        kept = kept.where(Standing.status.in_([str(status) for status in wanted.statuses]))
    if wanted.not_statuses:
        kept = kept.where(Standing.status.not_in([str(status) for status in wanted.not_statuses]))
    if wanted.events:
        kept = kept.where(Event.code.in_(wanted.events))
    if wanted.not_events:
        kept = kept.where(Event.code.not_in(wanted.not_events))
    return int(session.scalar(kept) or 0)
