"""Outcomes: how the payments of some days ended, why some failed, where payers stopped, how long it took."""

from collections import Counter as Sums
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import BigInteger, Integer, case, cast, exists, func, select
from sqlalchemy.orm import Session

from db.models import Match, MatchPart, Payment, Receipt
from payments.finding import grammar
from payments.finding.conditions import LEGACY, ORIGINS, Filter
from payments.lifecycle import Status
from payments.live.funnel import STATUSES, Outcome
from payments.live.stages import Stage
from payments.reports import ledger, reach
from payments.reports.ledger import GATEWAY, WAYS, Scope
from payments.reports.report import Cell, Column, Headline, Holds, Row, Table, added_up, count, text
from payments.reports.takings import HEADS

_OUTCOMES = {
    Outcome.PAID: "Paid",
    Outcome.WAITING: "Waiting",
    Outcome.FAILED: "Failed",
    Outcome.CLOSED: "Closed",
    Outcome.RETURNED: "Paid, and given back or disputed",
}
_OUTCOME = {status: outcome for outcome, statuses in STATUSES.items() for status in statuses}
_SUCCESS = (Outcome.PAID, Outcome.RETURNED)
_STAGES = {
    Stage.ASKED: "Asked for",
    Stage.ISSUED: "Got a link",
    Stage.OPENED: "Opened it",
    Stage.ATTEMPTED: "Tried to pay",
    Stage.PAID: "Paid by it",
}
_ORIGINS = {"desk": "This desk", "api": "Another system, by this desk", LEGACY: "The earlier system"}

#: Status, stage, failure, origin: how many.
_Counts = Sums[tuple[str, str, str, str]]


def make(session: Session, scope: Scope) -> tuple[tuple[Headline, ...], tuple[Table, ...], tuple[str, ...]]:
    details = reach.read(session, scope)
    found: _Counts = Sums()
    for (status, stage, why, origin, *_), n in details.items():
        found[status, stage, why, origin] += n
    before = _read(session, scope.on(scope.period.before))
    minutes = _minutes(session, scope)
    whole = _together(minutes.values())
    headline = (
        Headline("Payments", Cell(found.total(), _door(scope)), before.total(), True),
        Headline("Success rate", Cell(_rate(found)), _rate(before), True, Holds.PERCENT),
        Headline("Half had paid within", Cell(_share(whole, 50)), None, None, Holds.MINUTES),
        Headline("Nine in ten within", Cell(_share(whole, 90)), None, None, Holds.MINUTES),
    )
    tables = (
        _how_they_ended(scope, found), _why_they_failed(scope, found), _where_they_stopped(scope, found),
        *reach.tables(scope, details), _time_to_pay(minutes), _old_and_new(scope, found, minutes),
        _by_hand(session, scope),
    )  # fmt: skip
    return headline, tables, ()


def _door(scope: Scope, **more: Any) -> Filter:
    fields = {name: getattr(scope.door(), name) for name in ("created", "events")}
    return Filter(**fields | more)


def _read(session: Session, scope: Scope) -> _Counts:
    by = (Payment.status, Payment.stage, Payment.failure, Payment.origin)
    query = select(*by, func.count()).where(*ledger.of_payments(scope)).group_by(*by)
    return Sums(
        {(status, stage, why, origin): int(n) for status, stage, why, origin, n in session.execute(query)}
    )


def _rate(found: _Counts, origin: str = "") -> int | None:
    """Of a hundred percent, in hundredths of one: how many were paid, half up."""
    ours = [(status, n) for (status, _, _, one), n in found.items() if origin in ("", one)]
    whole = sum(n for _, n in ours)
    paid = sum(n for status, n in ours if _OUTCOME[Status(status)] in _SUCCESS)
    return (paid * 20_000 + whole) // (2 * whole) if whole else None


def _how_they_ended(scope: Scope, found: _Counts) -> Table:
    counts: Sums[Outcome] = Sums()
    for (status, *_), n in found.items():
        counts[_OUTCOME[Status(status)]] += n
    lines = [(name, counts[one], {"statuses": STATUSES[one]}) for one, name in _OUTCOMES.items()]
    return _counted(scope, "How they stand now", "Now", lines, found.total())


def _why_they_failed(scope: Scope, found: _Counts) -> Table:
    """Of those that stand as failed, the most frequent first: the gateway's code, or a word of ours."""
    counts: Sums[str] = Sums()
    for (status, _, why, _), n in found.items():
        counts[why] += n if status == Status.FAILED else 0
    lines = [
        (_reason(why), n, {"statuses": (Status.FAILED,), "failures": (why,)})
        for why, n in sorted(counts.items(), key=lambda one: (-one[1], one[0]))
        if n
    ]
    return _counted(scope, "Why they failed", "Reason", lines, counts.total())


def _reason(code: str) -> str:
    """``Declined (05)``; a code that nobody has a word for stays a code."""
    word = {code: word for word, code in grammar.FAILURES.items()}.get(code, "")
    told = word.replace("-", " ").capitalize()
    return f"{told} ({code})" if word and code.isdigit() else told or code


def _where_they_stopped(scope: Scope, found: _Counts) -> Table:
    """Of those that were not paid, how far their payers were seen to come. Cash and records have no link."""
    counts: Sums[str] = Sums()
    unpaid = tuple(one for one in Status if _OUTCOME[one] not in _SUCCESS)
    for (status, stage, _, origin), n in found.items():
        counts[stage] += n if status in unpaid and origin != LEGACY else 0
    lines = [
        (name, counts[stage], {"statuses": unpaid, "stages": (stage,), "not_origins": (LEGACY,)})
        for stage, name in _STAGES.items()
    ]
    return _counted(scope, "Where payers who have not paid stopped", "Came to", lines, counts.total())


def _counted(
    scope: Scope, title: str, first: str, lines: Iterable[tuple[str, int, dict[str, Any]]], whole: int
) -> Table:
    columns = (text(first), count("Payments"), Column("Share", Holds.PERCENT))
    rows = tuple(
        (
            Cell(name),
            Cell(n, _door(scope, **more) if n else None),
            Cell((n * 20_000 + whole) // (2 * whole) if whole else None),
        )
        for name, n, more in lines
    )
    return Table(title, columns, rows, added_up(rows, "Together", columns), drawn=1)


# -- how long -----------------------------------------------------------------------------------------

#: Whole minutes from asking to paid: how many payments took so many.
_Minutes = Mapping[int, int]
#: By way, with the origin beside it.
_Taken = dict[tuple[str, str], _Minutes]


def _minutes(session: Session, scope: Scope) -> _Taken:
    """Added up by the minute, so that a year of payments is a few thousand rows."""
    took = _whole_minutes(session).label("took")
    method = case((Payment.origin == LEGACY, ledger.EARLIER), else_=Payment.method)
    query = (
        select(method, Payment.origin, took, func.count())
        .where(*ledger.of_payments(scope), Payment.paid_at.is_not(None))
        .group_by(method, Payment.origin, took)
    )
    found: defaultdict[tuple[str, str], Sums[int]] = defaultdict(Sums)
    for way, origin, minutes, n in session.execute(query):
        found[way or "", origin][max(0, int(minutes))] += int(n)
    return dict(found)


def _whole_minutes(session: Session) -> Any:
    if session.get_bind().dialect.name == "sqlite":
        seconds = func.unixepoch(Payment.paid_at) - func.unixepoch(Payment.created_at)
        return cast(seconds / 60, Integer)
    return cast(func.floor(func.extract("epoch", Payment.paid_at - Payment.created_at) / 60), BigInteger)


def _together(some: Iterable[_Minutes]) -> _Minutes:
    whole: Sums[int] = Sums()
    for one in some:
        whole.update(one)
    return whole


def _share(took: _Minutes, percent: int) -> int | None:
    """The fewest minutes within which so many of a hundred had paid: the nearest rank."""
    rank, so_far = -(-sum(took.values()) * percent // 100), 0
    for minutes in sorted(took):
        so_far += took[minutes]
        if so_far >= rank:
            return minutes
    return None


_TIMES = (count("Paid"), Column("Half within", Holds.MINUTES), Column("Nine in ten within", Holds.MINUTES))


def _times(took: _Minutes) -> tuple[Cell, ...]:
    return Cell(sum(took.values())), Cell(_share(took, 50)), Cell(_share(took, 90))


def _time_to_pay(minutes: _Taken) -> Table:
    rows: list[Row] = []
    for way in WAYS:
        took = _together(one for (each, _), one in minutes.items() if each == way)
        if took:
            rows.append((Cell(HEADS[str(way)]), *_times(took)))
    total = (Cell("Together"), *_times(_together(minutes.values())))
    return Table("From asking to paid", (text("Paid by"), *_TIMES), tuple(rows), total)


def _old_and_new(scope: Scope, found: _Counts, minutes: _Taken) -> Table:
    columns = (text("Recorded by"), count("Payments"), Column("Success rate", Holds.PERCENT), *_TIMES)
    rows = []
    for origin in ORIGINS:
        number = sum(n for (*_, one), n in found.items() if one == origin)
        if number:
            took = _together(one for (_, each), one in minutes.items() if each == origin)
            cells = (Cell(number, _door(scope, origins=(origin,))), Cell(_rate(found, origin)), *_times(took))
            rows.append((Cell(_ORIGINS[origin]), *cells))
    return Table("The old way and the new", columns, tuple(rows))


def _by_hand(session: Session, scope: Scope) -> Table:
    """Receipts that nobody had to touch, and those that somebody wrote down, matched or vouched for."""
    matched = exists().where(
        MatchPart.receipt_id == Receipt.id, Match.id == MatchPart.match_id, Match.undone_at.is_(None),
        Match.how == "auto",
    )  # fmt: skip
    by_itself = case((ledger.way().in_(GATEWAY), 1), (matched, 1), else_=0)
    query = (
        select(func.count(), func.sum(by_itself))
        .select_from(Receipt)
        .join(Payment, Payment.id == Receipt.payment_id)
        .where(*ledger.of_payments(scope))
    )
    whole, alone = (int(number or 0) for number in session.execute(query).one())
    counts = {True: alone, False: whole - alone}
    names = ((True, "By itself: the gateway's word, or a bank line that was safe"), (False, "By a person"))
    columns = (text("Confirmed"), count("Receipts"), Column("Share", Holds.PERCENT))
    rows = tuple((Cell(name), Cell(counts[key]), Cell(_of(counts[key], whole))) for key, name in names)
    return Table(
        "Confirmed by itself, and by hand", columns, rows, added_up(rows, "Together", columns), drawn=1
    )


def _of(part: int, whole: int) -> int | None:
    return (part * 20_000 + whole) // (2 * whole) if whole else None
