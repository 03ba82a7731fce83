"""The live page at a glance, from running totals: its price does not grow with the number of payments."""

from collections import Counter as Sums
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import CompoundSelect, Select, func, literal, select, union_all
from sqlalchemy.orm import Session

from db.models import Case, InboxEvent, Link, OutboxMail, Payment, Standing, UnverifiedEvent
from db.types import UtcDateTime
from payments.dates import business_day, day_span
from payments.deciding.cases import Reason
from payments.finding import search
from payments.finding.search import PaymentRow
from payments.hearing.replay import View
from payments.lifecycle import Review, Status
from payments.live import tallies
from payments.live.figures import Figure, Pile
from payments.live.funnel import STATUSES, Made, Outcome, made
from payments.live.takings import Takings, in_scope, takings

WAITED = STATUSES[Outcome.WAITING]
NEWEST = 20
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
    """``page`` is the page to look at; ``filter`` finds the payments that are meant, ``view`` messages,
    ``reason`` cases: as many as ``count``, where the sentence names it."""

    kind: Attention
    count: int
    sentence: str
    page: str
    filter: search.Filter | None
    view: View | None = None
    reason: Reason | None = None


@dataclass(frozen=True)
class Live:
    """What the live page shows, at one version of the desk. All twelve statuses are there."""

    at: datetime
    takings: Takings
    made: Made
    by_status: Mapping[Status, Figure]
    waiting: Figure
    attention: tuple[AttentionItem, ...]
    newest: tuple[PaymentRow, ...]

    def figures(self) -> Iterator[Figure]:
        """Every number of the page that stands for payments."""
        yield from (self.takings.today, self.takings.before, self.made.all, self.waiting)
        yield from (figure for hour in self.takings.per_hour for figure in (hour.today, hour.before))
        yield from (figure for _, figure in (*self.takings.by_method, *self.takings.by_event))
        yield from (figure for step in self.made.steps for figure in (step.reached, step.stayed))
        yield from (figure for _, figure in self.made.failures)
        yield from self.made.outcomes.values()
        yield from (figure for hour in self.made.per_hour for figure in hour.outcomes.values())
        yield from self.by_status.values()


def version(session: Session, scope: frozenset[int] | None = None) -> int:
    """Rises with every committed change that a live page of these events could show; None is all of them."""
    return tallies.version(session, scope)


def live(session: Session, scope: frozenset[int] | None, *, now: datetime) -> Live:
    """The picture of the events in ``scope``; None is all of them, an empty set is nothing.

    Events of the gateway that fit no payment belong to no event: only who sees all is told of them.
    """
    by_status, waiting = _by_status(session, scope)
    today = list(tallies.of_day(session, scope, day_span(business_day(now))))
    return Live(
        at=now,
        takings=takings(session, scope, today, now=now),
        made=made(today, now=now),
        by_status=by_status,
        waiting=waiting,
        attention=tuple(_attention(session, scope, now)),
        newest=search.newest(session, scope, NEWEST),
    )


def _by_status(session: Session, scope: frozenset[int] | None) -> tuple[dict[Status, Figure], Figure]:
    """Each status as it is now, and all that is waited for together."""
    what = (Standing.status, Standing.currency)
    sums = select(*what, func.sum(Standing.count), func.sum(Standing.sum_minor)).group_by(*what)
    piles = {status: Pile() for status in Status}
    waited = Pile()
    for status, currency, count, minor in session.execute(sums.where(*in_scope(Standing.event_id, scope))):
        for pile in (piles[Status(status)], waited if status in WAITED else Pile()):
            pile.add(count, minor, currency)
    by_status = {status: pile.figure(search.Filter(statuses=(status,))) for status, pile in piles.items()}
    return by_status, waited.figure(search.Filter(statuses=WAITED))


# -- what needs a person ----------------------------------------------------------------------------


def _attention(session: Session, scope: frozenset[int] | None, now: datetime) -> Iterator[AttentionItem]:
    """What is not nothing, the most pressing first."""
    counts, cases = _counts(session, scope, now)
    for kind in Attention:
        for reason in _REASONS.get(kind, ()):
            if count := cases.get(reason, 0):
                told = f"{_number(count)} payment{'s' if count > 1 else ''}: {_WHY[reason]}."
                yield AttentionItem(kind, count, told, "attention", None, reason=reason)
        if count := counts.get(kind, 0):
            page, one, many = TOLD[kind]
            sentence = (one if count == 1 else many).format(count=_number(count))
            yield AttentionItem(kind, count, sentence, page, _FILTERS.get(kind), _INBOX.get(kind))


def _number(count: int) -> str:
    return f"{count:,}".replace(",", "\u00a0")


def _counts(
    session: Session, scope: frozenset[int] | None, now: datetime
) -> tuple[Mapping[Attention, int], Mapping[str, int]]:
    """How many wait of each kind, and how many cases for each reason.

    A link is asked for in seconds, and a message acted on: the first that waits longer brings up all of them.
    """
    late = select(func.count(Link.id)).where(Link.next_ask_at < now - ASKED_LATE)
    counts = Sums({Attention.UNASKED_LINKS: session.scalar(_of_events(late, scope)) or 0})
    cases: Sums[str] = Sums()
    stuck = set()
    for word, which, count, since in session.execute(_waiting(scope, now)):
        kind = Attention(word)
        if kind is Attention.UNDECIDED:
            cases[which] = count
            continue
        counts[kind] += count
        if unfit := _UNFIT.get(which):
            counts[unfit] += count
        elif since is not None and since < now - ON_ITS_WAY:
            stuck.add(kind)
    for kind in {Attention.OUTCOME_UNKNOWN, Attention.UNHANDLED_EVENTS} - stuck:
        counts[kind] = 0
    return counts, cases


def _waiting(scope: frozenset[int] | None, now: datetime) -> CompoundSelect[Any]:
    """Of what kind, which of these, how many, and since when. One question, not five: each by itself finds
    next to nothing, and the way to PostgreSQL and back is what it takes. The links to be asked about are not
    in it: for their moment all would be planned anew, every time."""
    links, mails = func.count(Link.payment_id.distinct()), func.count(OutboxMail.payment_id.distinct())
    asked = _wait(Attention.OUTCOME_UNKNOWN, links, since=func.min(Link.requested_at))
    cases = _wait(Attention.UNDECIDED, func.count(Case.id), Case.reason).group_by(Case.reason)
    of_events = (
        asked.where(search.LINK_ASKED),
        _wait(Attention.FAILED_MAIL, mails).where(search.MAIL_FAILED, ~search.MAIL_DECIDED),
        cases.where(Case.payment_id.is_not(None), Case.closed_at.is_(None)),
    )
    if scope is not None:
        return union_all(*(_of_events(part, scope) for part in of_events))
    # unhandled ones are few and have an index of their own; unverified ones are bounded
    effect, events, oldest = InboxEvent.effect, func.count(InboxEvent.id), func.min(InboxEvent.received_at)
    unhandled = _wait(Attention.UNHANDLED_EVENTS, events, effect, oldest).group_by(effect)
    forged = _wait(Attention.UNVERIFIED_EVENTS, func.count(UnverifiedEvent.id))
    today = day_span(business_day(now)).start
    return union_all(
        *of_events,
        unhandled.where(InboxEvent.handled_at.is_(None)),
        forged.where(UnverifiedEvent.last_seen_at >= today),
    )


def _wait(
    kind: Attention, count: Any, which: Any = literal(""), since: Any = literal(None, UtcDateTime)
) -> Select[*tuple[Any, ...]]:
    return select(literal(str(kind)), which, count, since)


def _of_events(query: Select[*tuple[Any, ...]], scope: frozenset[int] | None) -> Select[*tuple[Any, ...]]:
    """What belongs to payments of these events. Who sees all needs no payment for that."""
    if scope is None:
        return query
    # a sum, so that no database starts at the event's payments
    return query.join(Payment).where(*in_scope(Payment.event_id + 0, scope))


#: Reasons of the queue that have no other line here: flags, and what is found by looking.
_REASONS = {
    Attention.REVIEW: tuple(Reason(review) for review in Review),
    Attention.UNDECIDED: (
        Reason.DUPLICATE,
        Reason.STUCK_PENDING,
        Reason.DOUBTFUL_CLAIM,
        Reason.CLAIM_OVERDUE,
    ),
}
_WHY: Mapping[Reason, str] = {
    Reason.AMOUNT_MISMATCH: "the gateway names another amount",
    Reason.CURRENCY_MISMATCH: "the gateway names another currency",
    Reason.REFERENCE_MISMATCH: "the gateway's answer names another payment",
    Reason.UNCLEAR_STATUS: "the gateway answered with a word nobody here knows",
    Reason.OVERPAID: "more came than was asked for",
    Reason.PAID_LATE: "paid after it was closed",
    Reason.GATEWAY_TOOK_IT_BACK: "the gateway said paid, and now says otherwise",
    Reason.BANK_TOOK_IT_BACK: "the bank took the money back",
    Reason.SUCCESS_UNCONFIRMED: "a message said paid, and the gateway's status does not",
    Reason.DUPLICATE: "the same payer may have paid twice",
    Reason.STUCK_PENDING: "open for longer than is usual",
    Reason.DOUBTFUL_CLAIM: "the proof does not fit what the payer says",
    Reason.CLAIM_OVERDUE: "the payer says it was sent, and it has not come",
}
_UNFIT = {"unmatched": Attention.UNMATCHED_EVENTS, "unreadable": Attention.UNREADABLE_EVENTS}
_INBOX = {
    Attention.UNHANDLED_EVENTS: View.UNHANDLED,
    Attention.UNMATCHED_EVENTS: View.UNKNOWN_PAYMENT,
    Attention.UNREADABLE_EVENTS: View.UNREADABLE,
    Attention.UNVERIFIED_EVENTS: View.BAD_SIGNATURE,
}
_FILTERS = {
    Attention.OUTCOME_UNKNOWN: search.Filter(outcome_unknown=True),
    Attention.FAILED_MAIL: search.Filter(mail_failed=True),
}
#: The page to look at, and the sentence for one and for many. A number stands only where that page lists
#: exactly so many.
TOLD: Mapping[Attention, tuple[str, str, str]] = {
    Attention.OUTCOME_UNKNOWN: (
        "payments",
        "The gateway has not said whether it made the link of {count} payment. It is looked up; do not make "
        "another.",
        "The gateway has not said whether it made the links of {count} payments. They are looked up; do not "
        "make others.",
    ),
    Attention.UNHANDLED_EVENTS: (
        "inbox",
        "{count} message of the gateway waits to be acted on. Is the worker running?",
        "{count} messages of the gateway wait to be acted on. Is the worker running?",
    ),
    Attention.UNASKED_LINKS: (
        "settings",
        *("The gateway should have been asked about links long ago. Is the worker running?",) * 2,
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
        *("Messages came today that were not proved to be the gateway's. They changed nothing.",) * 2,
    ),
    Attention.FAILED_MAIL: (
        "payments",
        "The mail of {count} payment could not be sent. Open it to send the mail again.",
        "The mail of {count} payments could not be sent. Open them to send it again.",
    ),
}
