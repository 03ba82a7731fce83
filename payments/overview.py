"""The live page at a glance, from running totals: its price does not grow with the number of payments."""

from collections import Counter as Sums
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from db.models import Case, Counter, InboxEvent, Link, OutboxMail, Payment, Standing, Tally, UnverifiedEvent
from db.money import Money
from payments import search, tallies
from payments.cases import Decision, Reason
from payments.dates import SAST, business_day, day_span
from payments.lifecycle import Status
from payments.replay import View
from payments.search import PaymentRow

#: The desk takes rand. Money of other currencies is told beside it, never added to it.
CURRENCY = "ZAR"
NEWEST = 50
#: An outcome or an event that waits longer than this is no longer simply on its way.
ON_ITS_WAY = timedelta(minutes=5)
#: A link that should have been asked about this long ago: the worker does not run, or cannot keep up.
ASKED_LATE = timedelta(minutes=15)


class Attention(StrEnum):
    """What needs a person, the most pressing first."""

    REVIEW = "review"
    OUTCOME_UNKNOWN = "outcome_unknown"
    UNHANDLED_EVENTS = "unhandled_events"
    UNASKED_LINKS = "unasked_links"
    UNMATCHED_EVENTS = "unmatched_events"
    UNREADABLE_EVENTS = "unreadable_events"
    UNVERIFIED_EVENTS = "unverified_events"
    FAILED_MAIL = "failed_mail"
    UNDECIDED = "undecided"  # what else stands on the queue, found by looking


@dataclass(frozen=True)
class AttentionItem:
    """``page`` is the page to look at; ``filter`` finds the payments that are meant, ``view`` messages."""

    kind: Attention
    count: int
    sentence: str
    page: str
    filter: search.Filter | None
    view: View | None = None


@dataclass(frozen=True)
class StatusNow:
    """How many payments are in a status now, what they ask for (by currency), and how many reached it
    today and yesterday up to the end of this hour."""

    status: Status
    count: int
    owed: Mapping[str, Money]
    reached_today: int
    reached_yesterday: int


@dataclass(frozen=True)
class MethodTaken:
    method: str
    count: int
    taken: Money
    taken_yesterday: Money


@dataclass(frozen=True)
class HourTaken:
    """One of the day's 24 hours in Johannesburg; ``yesterday`` is the whole hour of the day before."""

    hour_sast: int
    taken: Money
    yesterday: Money


@dataclass(frozen=True)
class Live:
    """What the live page shows. Totals are kept by the hour, so yesterday is counted up to the end of the
    hour it is now: ``yesterday_until`` says up to where."""

    version: int
    at: datetime
    yesterday_until: datetime
    taken_today: Money
    taken_yesterday: Money
    receipts_today: int
    other_currencies_today: tuple[Money, ...]
    by_method: tuple[MethodTaken, ...]
    by_status: tuple[StatusNow, ...]
    per_hour: tuple[HourTaken, ...]
    attention: tuple[AttentionItem, ...]
    newest: tuple[PaymentRow, ...]

    def status(self, status: Status) -> StatusNow:
        """The numbers of one status; all twelve are there."""
        return next(standing for standing in self.by_status if standing.status is status)


def version(session: Session) -> int:
    """Rises with every committed change that a live page could show."""
    return session.scalar(select(Counter.value).where(Counter.name == tallies.CHANGES)) or 0


def live(session: Session, scope: frozenset[int] | None, *, now: datetime) -> Live:
    """The picture of the events in ``scope``; None is all of them, an empty set is nothing.

    Events of the gateway that fit no payment belong to no event: only who sees all is told of them.
    """
    days = _Days(session, scope, now)
    return Live(
        version=version(session),
        at=now,
        yesterday_until=days.yesterday_until,
        taken_today=_rand(days.taken_today[CURRENCY]),
        taken_yesterday=_rand(days.taken_yesterday[CURRENCY]),
        receipts_today=days.receipts_today,
        other_currencies_today=tuple(
            Money(minor, currency)
            for currency, minor in sorted(days.taken_today.items())
            if currency != CURRENCY
        ),
        by_method=days.by_method(),
        by_status=_by_status(session, scope, days),
        per_hour=days.per_hour(),
        attention=tuple(_attention(session, scope, now)),
        newest=search.newest(session, scope, NEWEST),
    )


# -- today and yesterday ----------------------------------------------------------------------------


class _Days:
    """The tallies of today and yesterday, read in one statement and added up."""

    def __init__(self, session: Session, scope: frozenset[int] | None, now: datetime) -> None:
        self.today = day_span(business_day(now)).start
        self.yesterday_until = tallies.hour_of(now) + timedelta(hours=1) - timedelta(days=1)
        self.taken_today: Sums[str] = Sums()
        self.taken_yesterday: Sums[str] = Sums()
        self.receipts_today = 0
        self.reached_today: Sums[str] = Sums()
        self.reached_yesterday: Sums[str] = Sums()
        self._methods: dict[str, Sums[str]] = {}
        self._hours: Sums[tuple[bool, int]] = Sums()
        for row in session.execute(self._query(scope)):
            self._add(row, today=row.hour >= self.today)

    def _query(self, scope: frozenset[int] | None) -> Any:
        what = (Tally.hour, Tally.measure, Tally.key, Tally.currency)
        sums = select(
            *what, func.sum(Tally.count).label("count"), func.sum(Tally.sum_minor).label("sum_minor")
        )
        since = self.today - timedelta(days=1)
        until = self.today + timedelta(days=1)
        return sums.where(
            Tally.hour >= since, Tally.hour < until, *_in_scope(Tally.event_id, scope)
        ).group_by(*what)

    def _add(self, row: Any, *, today: bool) -> None:
        count, minor = int(row.count), int(row.sum_minor)
        by_now = today or row.hour < self.yesterday_until
        if row.measure == tallies.STATUS:
            reached = self.reached_today if today else self.reached_yesterday
            reached[row.key] += count * by_now
            return
        taken = self.taken_today if today else self.taken_yesterday
        taken[row.currency] += minor * by_now
        self.receipts_today += count * today
        if row.currency == CURRENCY:
            method = self._methods.setdefault(row.key, Sums())
            method["count"] += count * today
            method["today" if today else "yesterday"] += minor * by_now
            self._hours[today, row.hour.astimezone(SAST).hour] += minor

    def by_method(self) -> tuple[MethodTaken, ...]:
        """The methods of today and yesterday, the most money first."""
        rows = (
            MethodTaken(method, sums["count"], _rand(sums["today"]), _rand(sums["yesterday"]))
            for method, sums in self._methods.items()
        )
        return tuple(sorted(rows, key=lambda row: (-row.taken.minor, row.method)))

    def per_hour(self) -> tuple[HourTaken, ...]:
        return tuple(
            HourTaken(hour, _rand(self._hours[True, hour]), _rand(self._hours[False, hour]))
            for hour in range(24)
        )


def _by_status(session: Session, scope: frozenset[int] | None, days: _Days) -> tuple[StatusNow, ...]:
    sums = select(
        Standing.status, Standing.currency, func.sum(Standing.count), func.sum(Standing.sum_minor)
    ).group_by(Standing.status, Standing.currency)
    counts: Sums[str] = Sums()
    owed: dict[str, dict[str, Money]] = {}
    for status, currency, count, minor in session.execute(sums.where(*_in_scope(Standing.event_id, scope))):
        counts[status] += int(count)
        if count:
            owed.setdefault(status, {})[currency] = Money(int(minor), currency)
    return tuple(
        StatusNow(
            status=status,
            count=counts[status],
            owed=owed.get(status, {}),
            reached_today=days.reached_today[status],
            reached_yesterday=days.reached_yesterday[status],
        )
        for status in Status
    )


def _rand(minor: int) -> Money:
    return Money(minor, CURRENCY)


def _in_scope(column: Any, scope: frozenset[int] | None) -> list[ColumnElement[bool]]:
    return [] if scope is None else [column.in_(sorted(scope))]


# -- what needs a person ----------------------------------------------------------------------------


def _attention(session: Session, scope: frozenset[int] | None, now: datetime) -> Iterator[AttentionItem]:
    """What is not nothing, the most pressing first."""
    counts = _payment_counts(session, scope, now)
    if scope is None:
        counts |= _gateway_counts(session, now)
    for kind in Attention:
        if count := counts.get(kind, 0):
            page, one, many = TOLD[kind]
            sentence = (one if count == 1 else many).format(count=f"{count:,}".replace(",", "\u00a0"))
            yield AttentionItem(kind, count, sentence, page, _FILTERS.get(kind), _INBOX.get(kind))


def _payment_counts(session: Session, scope: frozenset[int] | None, now: datetime) -> dict[Attention, int]:
    ours = _in_scope(Payment.event_id + 0, scope)  # a sum, so that no database starts at the event's payments
    by_link = select(func.count()).select_from(Link).join(Link.payment).where(*ours)
    by_mail = select(func.count()).select_from(OutboxMail).join(Payment).where(*ours, ~_MAIL_DECIDED)
    by_case = select(func.count()).select_from(Case).join(Payment).where(*ours, Case.closed_at.is_(None))
    return {
        Attention.REVIEW: _count(session, select(func.count()).where(Payment.review.is_not(None), *ours)),
        Attention.OUTCOME_UNKNOWN: _count(
            session, by_link.where(search.LINK_ASKED, Link.requested_at < now - ON_ITS_WAY)
        ),
        Attention.UNASKED_LINKS: _count(session, by_link.where(Link.next_ask_at < now - ASKED_LATE)),
        Attention.FAILED_MAIL: _count(session, by_mail.where(search.MAIL_FAILED)),
        Attention.UNDECIDED: _count(session, by_case.where(Case.reason.in_(_FOUND_BY_LOOKING))),
    }


def _gateway_counts(session: Session, now: datetime) -> dict[Attention, int]:
    """Unhandled events are few and have an index of their own; unverified ones are bounded."""
    unhandled = select(InboxEvent.effect, InboxEvent.received_at).where(InboxEvent.handled_at.is_(None))
    counts: Sums[Attention] = Sums()
    for effect, received_at in session.execute(unhandled):
        kind = _UNFIT.get(effect or "")
        if kind or received_at < now - ON_ITS_WAY:
            counts[kind or Attention.UNHANDLED_EVENTS] += 1
    today = UnverifiedEvent.last_seen_at >= day_span(business_day(now)).start
    counts[Attention.UNVERIFIED_EVENTS] = _count(session, select(func.count()).where(today))
    return dict(counts)


def _count(session: Session, query: Any) -> int:
    return int(session.scalar(query) or 0)


_FOUND_BY_LOOKING = (Reason.DUPLICATE, Reason.STUCK_PENDING)
#: A mail that somebody decided is not needed any more troubles nobody.
_MAIL_DECIDED = exists().where(
    Case.payment_id == OutboxMail.payment_id,
    Case.reason == Reason.MAIL_FAILED,
    Case.decision == Decision.NOT_NEEDED,
)
_UNFIT = {"unmatched": Attention.UNMATCHED_EVENTS, "unreadable": Attention.UNREADABLE_EVENTS}
_INBOX = {
    Attention.UNHANDLED_EVENTS: View.UNHANDLED,
    Attention.UNMATCHED_EVENTS: View.UNKNOWN_PAYMENT,
    Attention.UNREADABLE_EVENTS: View.UNREADABLE,
    Attention.UNVERIFIED_EVENTS: View.BAD_SIGNATURE,
}
_FILTERS = {
    Attention.REVIEW: search.Filter(review_only=True),
    Attention.OUTCOME_UNKNOWN: search.Filter(outcome_unknown=True),
    Attention.FAILED_MAIL: search.Filter(mail_failed=True),
}
#: The page to look at, and the sentence for one and for many.
TOLD: Mapping[Attention, tuple[str, str, str]] = {
    Attention.REVIEW: (
        "attention",
        "{count} payment does not fit what the gateway said.",
        "{count} payments do not fit what the gateway said.",
    ),
    Attention.OUTCOME_UNKNOWN: (
        "payments",
        "The gateway has not said whether it made {count} link. It is looked up; do not make another.",
        "The gateway has not said whether it made {count} links. They are looked up; do not make others.",
    ),
    Attention.UNHANDLED_EVENTS: (
        "inbox",
        "{count} message of the gateway waits to be acted on. Is the worker running?",
        "{count} messages of the gateway wait to be acted on. Is the worker running?",
    ),
    Attention.UNASKED_LINKS: (
        "settings",
        "{count} link should have been asked about long ago. Is the worker running?",
        "{count} links should have been asked about long ago. Is the worker running?",
    ),
    Attention.UNMATCHED_EVENTS: (
        "inbox",
        "{count} message of the gateway fits no payment here.",
        "{count} messages of the gateway fit no payment here.",
    ),
    Attention.UNREADABLE_EVENTS: (
        "inbox",
        "{count} message of the gateway is signed but cannot be read.",
        "{count} messages of the gateway are signed but cannot be read.",
    ),
    Attention.UNVERIFIED_EVENTS: (
        "inbox",
        "{count} message today was not proved to be the gateway's. It changed nothing.",
        "{count} messages today were not proved to be the gateway's. They changed nothing.",
    ),
    Attention.FAILED_MAIL: (
        "payments",
        "{count} mail could not be sent. Open its payment to send it again.",
        "{count} mails could not be sent. Open their payments to send them again.",
    ),
    Attention.UNDECIDED: (
        "attention",
        "{count} payment is stuck or looks paid twice.",
        "{count} payments are stuck or look paid twice.",
    ),
}
