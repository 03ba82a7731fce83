"""How far each payer came, why a payment failed, and running totals by the hour a payment was made or paid.

What can be known of payments that were there before is read from their timelines and links. The failure of
an older payment is told without the gateway's code, which only stands on messages.
"""

import sqlalchemy as sa
from alembic import op

from db.migrations.quicker import without_indexes

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)

#: From the least to the most: the last that holds counts.
STAGES = {
    "issued": "EXISTS (SELECT 1 FROM links WHERE payment_id = payments.id AND state IN ('open', 'paid'))",
    "opened": "EXISTS (SELECT 1 FROM timeline WHERE payment_id = payments.id AND kind = 'returned')",
    "attempted": "EXISTS (SELECT 1 FROM timeline WHERE payment_id = payments.id AND kind = 'status'"
    ' AND CAST(detail AS TEXT) LIKE \'%"became": "failed"%\' AND CAST(detail AS TEXT) LIKE \'%"word":%\')',
    "paid": "EXISTS (SELECT 1 FROM receipts WHERE payment_id = payments.id AND link_id IS NOT NULL)",
}
FAILURES = {
    "no_link": "status = 'failed' AND stage = 'asked'",
    "no_code": "status = 'failed' AND stage IN ('issued', 'opened', 'attempted')",
}


#: PostgreSQL's index of three letters. The step after this one makes it anew: kept up through the changes of
#: both, it would take most of their time.
TEXTS = "ix_payments_search_text"


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.drop_index(TEXTS, "payments")
    op.add_column("payments", sa.Column("stage", sa.String(9), server_default="asked", nullable=False))
    op.add_column("payments", sa.Column("failure", sa.String(12), server_default="", nullable=False))
    reached = " ".join(f"WHEN {holds} THEN '{stage}'" for stage, holds in reversed(STAGES.items()))
    any_of = " OR ".join(STAGES.values())
    with without_indexes("payments"):
        op.execute(f"UPDATE payments SET stage = CASE {reached} END WHERE {any_of}")  # noqa: S608 our own words
        for failure, condition in FAILURES.items():
            op.execute(f"UPDATE payments SET failure = '{failure}' WHERE {condition}")  # noqa: S608
    _totals()
    _count()


def downgrade() -> None:
    op.drop_table("paid_hours")
    op.drop_table("made_hours")
    op.drop_column("payments", "failure")
    op.drop_column("payments", "stage")
    if op.get_bind().dialect.name != "sqlite":
        op.execute(f"CREATE INDEX IF NOT EXISTS {TEXTS} ON payments USING gin (search_text gin_trgm_ops)")


def _totals() -> None:
    op.create_table(
        "made_hours",
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("status", sa.String(length=14), nullable=False),
        sa.Column("stage", sa.String(length=9), nullable=False),
        sa.Column("failure", sa.String(length=12), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sum_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_made_hours_event_id_events")),
        sa.PrimaryKeyConstraint(
            "hour", "event_id", "status", "stage", "failure", "currency", name=op.f("pk_made_hours")
        ),
    )
    op.create_table(
        "paid_hours",
        sa.Column("hour", MOMENT, nullable=False),
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("method", sa.String(length=12), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sum_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_paid_hours_event_id_events")),
        sa.PrimaryKeyConstraint("hour", "event_id", "method", "currency", name=op.f("pk_paid_hours")),
    )


def _count() -> None:
    """SQLite keeps moments as text, ``2026-11-23 10:00:00.000000``; PostgreSQL as moments."""
    sqlite = op.get_bind().dialect.name == "sqlite"

    def hour(column: str) -> str:
        if sqlite:
            return f"substr({column}, 1, 13) || '\\:00\\:00.000000'"
        return f"date_trunc('hour', {column}, 'UTC')"

    op.execute(
        f"INSERT INTO made_hours SELECT {hour('created_at')}, event_id, status, stage, failure,"  # noqa: S608
        " amount_currency, count(*), sum(amount_minor) FROM payments GROUP BY 1, 2, 3, 4, 5, 6"
    )
    op.execute(
        f"INSERT INTO paid_hours SELECT {hour('paid_at')}, event_id, coalesce(method, ''),"  # noqa: S608
        " amount_currency, count(*), sum(amount_minor) FROM payments WHERE paid_at IS NOT NULL"
        " GROUP BY 1, 2, 3, 4"
    )
