"""What was overwritten is kept from now on, so that the desk is seen as it stood; reports that are kept."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
KNOWN_SINCE = "past_known_since"
ADD_ONLY = ("payment_pasts", "payout_pasts", "kept_reports")


def upgrade() -> None:
    _pasts()
    _kept()
    for column in ("made_at", "undone_at"):
        op.add_column("payout_lines", sa.Column(column, MOMENT, nullable=True))
    _only_added()
    _from_now_on()


def _pasts() -> None:
    op.create_table(
        "payment_pasts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("category_id", ROW_ID, nullable=True),
        sa.Column("method", sa.String(length=12), nullable=True),
        sa.Column("stage", sa.String(length=9), nullable=False),
        sa.Column("failure", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_payment_pasts_payment_id_payments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_pasts")),
    )
    op.create_index(
        op.f("ix_payment_pasts_payment_id_until_id"), "payment_pasts", ["payment_id", "until", "id"]
    )
    op.create_table(
        "payout_pasts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("payout_id", ROW_ID, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("payout_fee_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["payout_id"], ["payouts.id"], name=op.f("fk_payout_pasts_payout_id_payouts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_pasts")),
    )
    op.create_index(op.f("ix_payout_pasts_payout_id"), "payout_pasts", ["payout_id"])


def _kept() -> None:
    op.create_table(
        "kept_reports",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("reference", sa.String(length=24), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("basis", sa.String(length=10), nullable=False),
        sa.Column("first_on", sa.Date(), nullable=False),
        sa.Column("last_on", sa.Date(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("events", JSON, nullable=True),
        sa.Column("as_of", MOMENT, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", MOMENT, nullable=False),
        sa.Column("kept_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kept_reports")),
        sa.UniqueConstraint("reference", name=op.f("uq_kept_reports_reference")),
    )


def _only_added() -> None:
    for table in ADD_ONLY:
        if op.get_bind().dialect.name == "postgresql":
            op.execute(
                f"CREATE TRIGGER {table}_only_add BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
            )
            continue
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} rows are only ever added'); END"
            )


def _from_now_on() -> None:
    """Of a desk that has payments already, what was overwritten before this moment is not known."""
    db = op.get_bind()
    if db.execute(sa.text("SELECT 1 FROM payments LIMIT 1")).first() is not None:
        meta = sa.table("meta", sa.column("key"), sa.column("value"))
        moment = db.execute(sa.text("SELECT CURRENT_TIMESTAMP")).scalar_one()  # SQLite: words, of UTC
        told = f"{moment}+00:00" if isinstance(moment, str) else moment.isoformat()
        db.execute(meta.insert().values(key=KNOWN_SINCE, value=told))


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM meta WHERE key = 'past_known_since'"))
    for column in ("undone_at", "made_at"):
        op.drop_column("payout_lines", column)
    for table in ("kept_reports", "payout_pasts", "payment_pasts"):
        op.drop_table(table)
