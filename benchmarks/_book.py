"""A whole book over ``_many``'s payments: receipts and what was taken back, refunds, timelines, the gateway's
payouts with their fees, the bank's lines and what they are matched with, and all running totals.

Everything is told by the payments themselves, set by set, so that a million takes minutes and the same count
is the same book. ``payments.books.totals`` finds nothing to complain about in it.
"""

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from benchmarks import _many
from db.session import Sessions, takes_long
from payments.finding import as_of, stood
from payments.keeping import upgrading
from tests.crowd import look_over

#: Just after the last invented payment: what a report is asked for on.
NOW = datetime(2026, 12, 26, 10, 0, tzinfo=UTC)
#: What the gateway captured up to here is in a payout, and the bank shows it.
_SETTLED_UP_TO = "2026-12-20"

#: Most pay at once, some after days, and who never does is let go of. In the last days all is at once, to be
#: over by ``NOW``.
_WAITED = "created_at < '2026-12-12 00:00:00'"
_PAID_LATER = f"""
    UPDATE payments SET paid_at = CASE id % 7 WHEN 1 THEN {{later:paid_at:1}} WHEN 2 THEN {{later:paid_at:3}}
        ELSE {{later:paid_at:10}} END
    WHERE paid_at IS NOT NULL AND id % 7 BETWEEN 1 AND 3 AND {_WAITED}
"""
#: How a paid payment came: one in ten cash, one in twenty by the card machine, one in five by EFT (a part of
#: those in the earlier system), the rest by the gateway, which for a few did not say yet how.
_PAYMENTS = """
    UPDATE payments SET
        method = CASE WHEN status NOT IN ('paid', 'refunded') THEN NULL
            WHEN id % 10 = 1 THEN 'cash' WHEN id % 20 = 2 THEN 'card_slip' WHEN id % 5 = 3 THEN 'eft'
            WHEN id % 50 = 4 THEN 'gateway' WHEN id % 4 = 0 THEN 'instant_eft' ELSE 'card' END,
        stage = CASE WHEN status IN ('paid', 'refunded') THEN 'paid' WHEN status = 'failed' THEN 'attempted'
            WHEN id % 3 = 0 THEN 'opened' ELSE 'issued' END,
        failure = CASE WHEN status <> 'failed' THEN '' WHEN id % 5 = 0 THEN '51' ELSE '05' END,
        origin = CASE WHEN id % 25 = 8 THEN 'legacy' WHEN id % 7 = 0 THEN 'api' ELSE 'desk' END,
        created_by = CASE id % 6 WHEN 0 THEN 'Aisha' WHEN 1 THEN 'Lwazi' WHEN 2 THEN 'Faith'
            ELSE 'Thandi' END,
        place_count = CASE WHEN id % 11 = 0 THEN 2 ELSE 0 END,
        refunded_minor = CASE WHEN status = 'refunded' THEN received_minor ELSE 0 END,
        review = CASE WHEN id % 97 = 0 THEN 'paid_late' END
"""
#: Events begin in each of twelve months: three of them are still to come.
_EVENTS = tuple(
    f"UPDATE events SET starts_on = '{month}-01', ends_on = '{month}-03' WHERE id % 12 = {nth}"
    for nth, month in enumerate(
        [*(f"2026-{month:02d}" for month in range(4, 13)), "2027-01", "2027-02", "2027-03"]
    )
)
#: A week after its event the desk waits for an unpaid link no more (``payments.selling.terms``).
_EXPIRED = """
    UPDATE payments SET status = 'expired' WHERE status IN ('open', 'failed')
        AND event_id IN (SELECT id FROM events WHERE ends_on < '2026-12-19')
"""
_KIND = "CASE WHEN p.method IN ('card', 'instant_eft') THEN 'gateway' ELSE p.method END"
_SOURCE = "CASE WHEN p.origin = 'legacy' AND p.method = 'eft' THEN 'legacy-' ELSE 's' END || p.id"
_RECEIPTS = (
    f"""
    INSERT INTO receipts
        (payment_id, kind, source_reference, amount_minor, amount_currency, received_at, recorded_by)
    SELECT p.id, {_KIND}, {_SOURCE}, p.received_minor, p.amount_currency, p.paid_at, 'Thandi'
    FROM payments p WHERE p.received_minor > 0 ORDER BY p.id
    """,
    # money that was found not to be here after all
    """
    INSERT INTO receipts
        (payment_id, kind, source_reference, amount_minor, amount_currency, received_at, recorded_by)
    SELECT id, 'eft', 'b' || id, amount_minor, amount_currency, {later:created_at:1}, 'Thandi'
    FROM payments WHERE status = 'open' AND id % 20 = 0 ORDER BY id
    """,
    """
    INSERT INTO reversals
        (receipt_id, payment_id, amount_minor, amount_currency, why, reversed_at, reversed_by)
    SELECT r.id, r.payment_id, r.amount_minor, r.amount_currency, 'bounced', {later:r.received_at:3}, 'Thandi'
    FROM receipts r JOIN payments p ON p.id = r.payment_id WHERE p.status = 'open' ORDER BY r.id
    """,
)
_REFUNDS = (
    """
    INSERT INTO people (id, email, name, role, all_events, created_at)
    VALUES (1, 'thandi@example.org', 'Thandi', 'finance', {yes}, '2026-01-01 00:00:00'),
        (2, 'aisha@example.org', 'Aisha', 'finance', {yes}, '2026-01-01 00:00:00')
    """,
    # one in five hundred that stands as paid was sent back by the bank
    """
    INSERT INTO approvals (what, subject, payment_id, scope, bound, digest, why, requester_id, requester_name,
        asked_at, expires_at, state, decider_id, decider_name, used_at)
    SELECT 'record_refund', reference, id, '*', '{}', 'd' || id, 'x', 1, 'Thandi', {later:paid_at:9},
        {later:paid_at:12}, 'used', 2, 'Aisha', {later:paid_at:10}
    FROM payments WHERE status = 'refunded' OR status = 'paid' AND id % 500 = 1 ORDER BY id
    """,
    """
    INSERT INTO refunds (payment_id, approval_id, method, amount_minor, amount_currency, refunded_on, done_by,
        source_reference, why, at, "by")
    SELECT p.id, a.id, 'eft', p.received_minor, p.amount_currency, {day:a.used_at}, 'Thandi', '', 'x',
        a.used_at, 'Aisha'
    FROM approvals a JOIN payments p ON p.id = a.payment_id ORDER BY a.id
    """,
    """
    INSERT INTO refund_returns (refund_id, payment_id, amount_minor, amount_currency, why, at, "by")
    SELECT r.id, r.payment_id, r.amount_minor, r.amount_currency, 'x', {later:r.at:4}, 'Aisha'
    FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE p.status = 'paid' ORDER BY r.id
    """,
)
_SOURCE_OF = "CASE origin WHEN 'legacy' THEN 'legacy' ELSE 'desk' END"
_TIMELINE = (
    f"""
    INSERT INTO timeline (payment_id, at, kind, source, actor, detail)
    SELECT id, created_at, 'created', {_SOURCE_OF}, created_by, '{{}}' FROM payments ORDER BY id
    """,
    f"""
    INSERT INTO timeline (payment_id, at, kind, source, actor, detail)
    SELECT id,
        CASE WHEN status IN ('expired', 'cancelled') AND {_WAITED} THEN {{later:created_at:9}}
            ELSE COALESCE(paid_at, created_at) END, 'status', {_SOURCE_OF}, 'Thandi',
        ('{{"was": "created", "became": "' || CASE status WHEN 'refunded' THEN 'paid' ELSE status END
            || '"}}'){{json}}
    FROM payments ORDER BY id
    """,
    """
    INSERT INTO timeline (payment_id, at, kind, source, actor, detail)
    SELECT p.id, r.at, 'status', 'desk', 'Thandi', '{"was": "paid", "became": "refunded"}'
    FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE p.status = 'refunded' ORDER BY r.id
    """,
)
_FEE, _VAT = "(r.amount_minor * 285 / 10000)", "(r.amount_minor * 285 / 10000 * 15 / 100)"
_PAYOUTS = (
    """
    INSERT INTO payout_files (id, kind, name, sha256, data, rows, named, imported_at, imported_by)
    VALUES (1, 'settlement', 'settled.csv', 'x', {nothing}, 0, '{"rows": []}', '2026-12-21 08:00:00',
        'Thandi')
    """,
    f"""
    INSERT INTO payout_lines (file_id, "row", kind, "on", reference, method, gross_minor, fee_minor,
        vat_minor, raw, reason, state, payment_id, receipt_id, made_at)
    SELECT 1, r.id, 'capture', {{day:r.received_at}}, p.reference, p.method, r.amount_minor, {_FEE}, {_VAT},
        '', '', 'stands', p.id, r.id, {{later:r.received_at:2}}
    FROM receipts r JOIN payments p ON p.id = r.payment_id
    WHERE r.kind = 'gateway' AND p.origin <> 'legacy' AND r.id % 33 <> 0
        AND r.received_at < '{_SETTLED_UP_TO} 00:00:00' ORDER BY r.id
    """,
    "UPDATE payout_files SET rows = (SELECT COUNT(*) FROM payout_lines)",
    """
    INSERT INTO payouts (key, source, file_id, last_on, paid_on, currency, gross_minor, fee_minor, vat_minor,
        payout_fee_minor, less_minor, difference_minor, net_minor, payout_fee_told, explained, made_at,
        made_by)
    SELECT r.amount_currency || l."on", 'settlement', 1, l."on", {next:l."on"}, r.amount_currency,
        SUM(l.gross_minor), SUM(l.fee_minor), SUM(l.vat_minor), 870, 0, 0,
        SUM(l.gross_minor) - SUM(l.fee_minor) - SUM(l.vat_minor) - 870, {yes}, 'file', MAX(l.made_at),
        'Thandi'
    FROM payout_lines l JOIN receipts r ON r.id = l.receipt_id GROUP BY l."on", r.amount_currency
    """,
    """
    UPDATE payout_lines SET payout_id = (
        SELECT o.id FROM payouts o JOIN receipts r ON r.id = payout_lines.receipt_id
        WHERE o.key = r.amount_currency || payout_lines."on"
    )
    """,
)
_LINE = (
    'account_id, key, ordinal, "on", amount_minor, amount_currency, fee_minor, description, reference, state'
)
_PART = "match_id, target, amount_minor, amount_currency, written_off_minor"
_BANK = (
    """
    INSERT INTO bank_accounts (id, name, bank, number, branch_code, holder, currency, created_at, created_by)
    VALUES (1, 'Main', 'FNB', '62000000001', '', '', 'ZAR', '2026-01-01 00:00:00', 'Thandi')
    """,
    f"""
    INSERT INTO statement_lines ({_LINE}, by_hand)
    SELECT 1, 'payout' || id, 1, {{next:paid_on}}, net_minor, currency, 0, 'IKHOKHA', key, 'matched', {{no}}
    FROM payouts ORDER BY id
    """,
    f"""
    INSERT INTO statement_lines ({_LINE}, by_hand)
    SELECT 1, 'eft' || r.id, 1, {{day:r.received_at}}, r.amount_minor, r.amount_currency, 0, 'EFT', '',
        'matched', {{no}}
    FROM receipts r JOIN payments p ON p.id = r.payment_id
    WHERE r.kind = 'eft' AND p.origin <> 'legacy' AND p.status <> 'open' ORDER BY r.id
    """,
    """
    INSERT INTO matches (line_id, how, way, rule, "by", why, evidence, at)
    SELECT id, CASE WHEN id % 3 = 0 THEN 'person' ELSE 'auto' END, 'reference', '', 'Thandi', '', '{}',
        {moment:"on"}
    FROM statement_lines ORDER BY id
    """,
    f"""
    INSERT INTO match_parts ({_PART}, payout_id)
    SELECT m.id, 'payout', l.amount_minor, l.amount_currency, 0, o.id
    FROM matches m JOIN statement_lines l ON l.id = m.line_id JOIN payouts o ON l.key = 'payout' || o.id
    """,
    f"""
    INSERT INTO match_parts ({_PART}, payment_id, receipt_id)
    SELECT m.id, 'payment', r.amount_minor, r.amount_currency, 0, r.payment_id, r.id
    FROM matches m JOIN statement_lines l ON l.id = m.line_id JOIN receipts r ON l.key = 'eft' || r.id
    """,
)
_HOURS = (
    """
    INSERT INTO made_hours SELECT {hour:created_at}, event_id, status, stage, failure, amount_currency,
        COUNT(*), SUM(amount_minor) FROM payments GROUP BY 1, 2, 3, 4, 5, 6
    """,
    """
    INSERT INTO paid_hours SELECT {hour:paid_at}, event_id, COALESCE(method, ''), amount_currency, COUNT(*),
        SUM(amount_minor) FROM payments WHERE paid_at IS NOT NULL GROUP BY 1, 2, 3, 4
    """,
)


_UPDATED = """
    UPDATE payments SET updated_at = (SELECT MAX(t.at) FROM timeline t WHERE t.payment_id = payments.id)
"""
_STATEMENTS = (
    *_EVENTS, _EXPIRED, _PAID_LATER, _PAYMENTS, *_RECEIPTS, *_REFUNDS, *_TIMELINE, _UPDATED, *_PAYOUTS,
    *_BANK, *_HOURS,
)  # fmt: skip
_SUMS = "CAST(SUM(count) AS BIGINT), CAST(SUM(sum_minor) AS BIGINT)"
_ADDED_UP = (
    """
    INSERT INTO standings SELECT event_id, status, amount_currency, COUNT(*), SUM(amount_minor)
    FROM payments GROUP BY 1, 2, 3
    """,
    f"""
    INSERT INTO tallies SELECT hour, event_id, measure, key, currency, {_SUMS}
    FROM ({stood.happened("TRUE", "", "timeline")}) told GROUP BY 1, 2, 3, 4, 5
    """,
)
#: What the databases have different words for; ``x`` is a column, ``n`` a number of days.
_WORDS = {
    "sqlite": {
        "day": "date(x, '+2 hours')",
        "later": "(strftime('%Y-%m-%d %H:%M:%S', x, '+n days') || '.000000')",
        "next": "date(x, '+1 day')",
        "moment": "(x || ' 09:00:00.000000')",
        "hour": "(substr(x, 1, 13) || ':00:00.000000')",
        "yes": "1", "no": "0", "nothing": "x''", "json": "",
    },
    "postgresql": {
        "day": "CAST(x AT TIME ZONE 'Africa/Johannesburg' AS DATE)",
        "later": "(x + INTERVAL 'n days')",
        "next": "(x + 1)",
        "moment": "(x + TIME '09:00')",
        "hour": "date_trunc('hour', x, 'UTC')",
        "yes": "TRUE", "no": "FALSE", "nothing": "''", "json": "::json",
    },
}  # fmt: skip


def fill(engine: Engine, count: int) -> None:
    """``count`` payments and all that belongs to them, in an empty database with every table."""
    _many.fill(engine, count)
    database = engine.dialect.name
    with engine.begin() as connection:
        takes_long(connection)
        driver: Any = connection.connection.driver_connection
        for statement in _STATEMENTS:
            driver.execute(_said(statement, database))
        for statement in _ADDED_UP:
            driver.execute(as_of.filled(statement, database, NOW))
        if database == "postgresql":  # whoever is added next is not the first
            driver.execute("SELECT setval('people_id_seq', (SELECT max(id) FROM people))")
    upgrading.upgrade(Sessions(engine))  # it adds up the months
    if database == "postgresql":  # as its autovacuum does; nothing counts SQLite's rows at a desk
        look_over(engine)


def _said(statement: str, database: str) -> str:
    words = _WORDS[database]

    def word(found: re.Match[str]) -> str:
        name, column, days = found.groups()
        return (
            words[name].replace("x", column or "x", 1).replace("+n ", f"+{days} ").replace("'n ", f"'{days} ")
        )

    return re.sub(rf"\{{({'|'.join(words)})(?::([^:}}]+))?(?::(\d+))?\}}", word, statement)
