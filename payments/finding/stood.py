"""What stands in the place of each table, so that its rows show as they stood at a past moment.

Written for SQLite and PostgreSQL alike. ``{at}`` is the moment, ``{real}`` where the tables themselves are,
``{hour:c}`` the UTC hour of a column, ``{month:c}`` the first day of its month in Johannesburg, ``x`` the
row. A name without ``{real}`` is what stands there already.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from db.models import (
    AmountChange,
    Base,
    Case,
    Link,
    Match,
    MatchPart,
    Payment,
    Payout,
    PayoutLine,
    Receipt,
    Refund,
    RefundReturn,
    Reversal,
    SurplusMove,
    TillEntry,
    TimelineEntry,
)


@dataclass(frozen=True)
class Stood:
    """``rows``: which of a table's rows were there, and what they are joined to. ``changed``: columns that
    stood otherwise; ``once``: columns that say nothing until the first of them is past."""

    table: type[Base]
    rows: str
    changed: Mapping[str, str] = field(default_factory=dict)
    once: tuple[str, ...] = ()

    @property
    def select(self) -> str:
        known = {name: f"CASE WHEN x.{self.once[0]} <= {{at}} THEN x.{name} END" for name in self.once}
        told = known | dict(self.changed)
        names = [one.name for one in self.table.__table__.c]
        columns = ", ".join(told.get(name, f'x."{name}"') + f' AS "{name}"' for name in names)
        return f"SELECT {columns} FROM {{real}}.{self.table.__tablename__} x {self.rows}"  # noqa: S608


#: When a record of the earlier system was imported: what it tells has days of its own, and came then.
_IMPORTED = """
    (SELECT i.imported_at FROM {real}.legacy_records l
     JOIN {real}.legacy_imports i ON i.id = l.import_id WHERE l.payment_id = PAYMENT)
"""


def _recorded(column: str, is_old: str, payment: str) -> str:
    imported = _IMPORTED.replace("PAYMENT", payment)
    return f"WHERE CASE WHEN {is_old} THEN COALESCE({imported}, {column}) ELSE {column} END <= {{at}}"


_STATUS = """
    COALESCE((
        SELECT t.detail ->> 'became' FROM timeline t WHERE t.payment_id = x.id AND t.kind = 'status'
        ORDER BY t.id DESC LIMIT 1
    ), 'created')
"""
#: After a receipt was last found not to be here, when the payment waited again: no other step leads so.
_PAID_AT = """
    (SELECT MIN(t.at) FROM timeline t
     WHERE t.payment_id = x.id AND t.kind = 'status' AND t.detail ->> 'became' = 'paid' AND t.id > COALESCE((
        SELECT MAX(b.id) FROM timeline b WHERE b.payment_id = x.id AND b.kind = 'status' AND (
            b.detail ->> 'was' = 'paid' AND b.detail ->> 'became' IN ('open', 'part_paid')
            OR b.detail ->> 'was' = 'part_paid' AND b.detail ->> 'became' = 'open'
        )
     ), 0))
"""
_RECEIVED = """
    (SELECT CAST(COALESCE(SUM(r.amount_minor), 0) AS BIGINT) FROM receipts r WHERE r.payment_id = x.id)
    - (SELECT CAST(COALESCE(SUM(v.amount_minor), 0) AS BIGINT) FROM reversals v WHERE v.payment_id = x.id)
"""
_REFUNDED = """
    (SELECT CAST(COALESCE(SUM(r.amount_minor), 0) AS BIGINT) FROM refunds r WHERE r.payment_id = x.id)
    - (SELECT CAST(COALESCE(SUM(b.amount_minor), 0) AS BIGINT) FROM refund_returns b
       WHERE b.payment_id = x.id AND b.undone_at IS NULL)
"""
_WRITTEN_OFF = """
    (SELECT CAST(COALESCE(SUM(o.written_off_minor), 0) AS BIGINT) FROM match_parts o
     JOIN matches m ON m.id = o.match_id
     WHERE o.payment_id = x.id AND o.written_off_minor > 0 AND m.undone_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM reversals v WHERE v.receipt_id = o.receipt_id))
"""
_REVIEW = """
    (SELECT c.reason FROM cases c
     WHERE c.payment_id = x.id AND c.closed_at IS NULL AND c.reason IN ({reviews})
     ORDER BY c.id DESC LIMIT 1)
"""
_UPDATED_AT = """
    CASE WHEN x.updated_at <= {at} THEN x.updated_at
    ELSE COALESCE((SELECT MAX(t.at) FROM timeline t WHERE t.payment_id = x.id), x.created_at) END
"""
_LINK_STATE = """
    CASE WHEN EXISTS (SELECT 1 FROM receipts r WHERE r.link_id = x.id) THEN 'paid'
    WHEN x.state = 'paid' THEN 'open' ELSE x.state END
"""
_PAYOUT_FEE = """
    COALESCE((
        SELECT w.payout_fee_minor FROM {real}.payout_pasts w WHERE w.payout_id = x.id AND w.until > {at}
        ORDER BY w.until, w.id LIMIT 1
    ), x.payout_fee_minor)
"""
_PAYMENT_PAST = """
    LEFT JOIN {real}.payment_pasts w ON w.id = (
        SELECT y.id FROM {real}.payment_pasts y WHERE y.payment_id = x.id AND y.until > {at}
        ORDER BY y.until, y.id LIMIT 1
    )
"""
_OVERWRITTEN = ("event_id", "category_id", "method", "stage", "failure")
_PAYMENT: Mapping[str, str] = {
    **{name: f"CASE WHEN w.id IS NULL THEN x.{name} ELSE w.{name} END" for name in _OVERWRITTEN},
    "status": _STATUS,
    "received_minor": _RECEIVED,
    "refunded_minor": _REFUNDED,
    "written_off_minor": _WRITTEN_OFF,
    "review": _REVIEW,
    "paid_at": _PAID_AT,
    "updated_at": _UPDATED_AT,
}
_UNDONE = ("undone_at", "undone_by", "undone_why")
#: In their order: each sees those before it.
TABLES: tuple[Stood, ...] = (
    Stood(TimelineEntry, _recorded("x.at", "x.source = 'legacy'", "x.payment_id")),
    Stood(
        Receipt, _recorded("x.received_at", "substr(x.source_reference, 1, 7) = 'legacy-'", "x.payment_id")
    ),
    Stood(Reversal, "WHERE x.reversed_at <= {at}"),
    Stood(Refund, "WHERE x.at <= {at}"),
    Stood(RefundReturn, "WHERE x.at <= {at}", once=("undone_at",)),
    Stood(AmountChange, "WHERE x.at <= {at}"),
    Stood(Match, "WHERE x.at <= {at}", once=_UNDONE),
    Stood(MatchPart, "WHERE EXISTS (SELECT 1 FROM matches m WHERE m.id = x.match_id)"),
    Stood(SurplusMove, "WHERE x.at <= {at}", once=_UNDONE),
    Stood(Case, "WHERE x.opened_at <= {at}", once=("closed_at", "closed_by", "decision", "decided_why")),
    Stood(Link, "WHERE x.requested_at <= {at}", {"state": _LINK_STATE}, once=("asked_at",)),
    Stood(Payout, "WHERE x.made_at <= {at}", {"payout_fee_minor": _PAYOUT_FEE}, once=_UNDONE),
    Stood(
        PayoutLine,
        "WHERE x.made_at IS NULL OR x.made_at <= {at}",
        {"state": "CASE WHEN x.undone_at > {at} THEN 'stands' ELSE x.state END"},
        once=("undone_at",),
    ),
    Stood(TillEntry, "WHERE x.at <= {at}"),  # by what stands on its paper its payment is found
    Stood(Payment, _PAYMENT_PAST + _recorded("x.created_at", "x.origin = 'legacy'", "x.id"), _PAYMENT),
)

_STANDINGS = """
    SELECT event_id, status, amount_currency AS currency, COUNT(*) AS count,
        CAST(SUM(amount_minor) AS BIGINT) AS sum_minor
    FROM payments GROUP BY event_id, status, amount_currency
"""
#: Payments that stood otherwise, or were not here yet: what they add to past hours was added since.
_SINCE = """
    SELECT w.payment_id FROM {real}.payment_pasts w WHERE w.until > {at}
    UNION SELECT p.id FROM {real}.payments p WHERE p.created_at > {at}
    UNION SELECT l.payment_id FROM {real}.legacy_records l
    JOIN {real}.legacy_imports i ON i.id = l.import_id WHERE i.imported_at > {at} AND l.payment_id IS NOT NULL
"""


#: What ``tallies`` counts, row by row: of the tables that are ``{of}``, and of a ``{timeline}``.
_HAPPENED = """
    SELECT {hour:x.received_at} AS hour, p.event_id, 'taken' AS measure, x.kind AS key,
        x.amount_currency AS currency, 1 AS count, x.amount_minor AS sum_minor
    FROM {of}receipts x JOIN {of}payments p ON p.id = x.payment_id WHERE {which:x.received_at}
    UNION ALL
    SELECT {hour:x.reversed_at}, p.event_id, 'taken', r.kind, x.amount_currency, -1, -x.amount_minor
    FROM {of}reversals x JOIN {of}payments p ON p.id = x.payment_id JOIN {of}receipts r ON r.id = x.receipt_id
    WHERE {which:x.reversed_at}
    UNION ALL
    SELECT {hour:x.at}, p.event_id, 'status', COALESCE(x.detail ->> 'became', 'created'),
        p.amount_currency, 1, p.amount_minor
    FROM {timeline} x JOIN {of}payments p ON p.id = x.payment_id
    WHERE x.kind IN ('created', 'status') AND {which:x.at}
    UNION ALL
    SELECT {hour:x.at}, p.event_id, 'let_go', x.detail ->> 'became', p.amount_currency, 1, p.amount_minor
    FROM {timeline} x JOIN {of}payments p ON p.id = x.payment_id
    WHERE x.kind = 'status' AND x.detail ->> 'became' IN ({not_asked}) AND {which:x.at}
    UNION ALL
    SELECT {hour:x.at}, p.event_id, 'let_go', x.detail ->> 'was', p.amount_currency, -1, -p.amount_minor
    FROM {timeline} x JOIN {of}payments p ON p.id = x.payment_id
    WHERE x.kind = 'status' AND x.detail ->> 'was' IN ({not_asked}) AND {which:x.at}
"""
_SUM_OF = "event_id, measure, key, currency"


def happened(which: str, of: str, timeline: str, sign: str = "") -> str:
    """``which``: of the moments it happened at, each called MOMENT."""
    rows = _HAPPENED.replace("{of}", of).replace("{timeline}", timeline)
    rows = re.sub(r"{which:([a-z._]+)}", lambda at: which.replace("MOMENT", at[1]), rows)
    return f"SELECT hour, {_SUM_OF}, {sign}count AS count, {sign}sum_minor AS sum_minor FROM ({rows}) told"  # noqa: S608


_LATE = "MOMENT >= {its_hour}"
_BEFORE = f"MOMENT < {{its_hour}} AND x.payment_id IN ({_SINCE})"
#: Beside what is kept of hours that were over: what had happened in the one that was not, and payments that
#: stood otherwise, as they did instead of as they do.
_OTHERWISE = f"""
    WITH late AS MATERIALIZED (SELECT payment_id, at, kind, detail FROM timeline WHERE at >= {{its_hour}})
    {happened(_LATE, "", "late")}
    UNION ALL {happened(_BEFORE, "", "timeline")}
    UNION ALL {happened(_BEFORE, "{real}.", "{real}.timeline", "-")}
"""  # noqa: S608
_TALLY = f"{_SUM_OF}, count, sum_minor"
_TALLIES = f"""
    SELECT hour, {_TALLY} FROM {{real}}.tallies WHERE hour < {{its_hour}}
    UNION ALL SELECT hour, {_TALLY} FROM tallied_otherwise
"""  # noqa: S608
_TALLY_MONTHS = f"""
    SELECT month, {_TALLY} FROM {{real}}.tally_months WHERE month < {{its_month}}
    UNION ALL SELECT {{month:hour}}, {_TALLY} FROM {{real}}.tallies
    WHERE hour >= {{its_month_began}} AND hour < {{its_hour}}
    UNION ALL SELECT {{month:hour}}, {_TALLY} FROM tallied_otherwise
"""  # noqa: S608
#: Running totals as they stood; of one hour or month there may be several rows. The second is no table.
ADDED_UP: tuple[tuple[str, str], ...] = (
    ("standings", _STANDINGS), ("tallied_otherwise", _OTHERWISE), ("tallies", _TALLIES),
    ("tally_months", _TALLY_MONTHS),
)  # fmt: skip
