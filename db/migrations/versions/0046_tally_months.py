"""The tallies of each month, added up: what was open when a period began is few rows for any years."""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "tally_months",
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("measure", sa.String(8), nullable=False),
        sa.Column("key", sa.String(14), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sum_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_tally_months_event_id_events")),
        sa.PrimaryKeyConstraint(
            "month", "event_id", "measure", "key", "currency", name=op.f("pk_tally_months")
        ),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    month = (
        "strftime('%Y-%m-01', hour, '+2 hours')"
        if sqlite
        else "CAST(date_trunc('month', hour AT TIME ZONE 'Africa/Johannesburg') AS DATE)"
    )
    op.execute(
        f"INSERT INTO tally_months SELECT {month}, event_id, measure, key, currency,"  # noqa: S608
        " CAST(SUM(count) AS BIGINT), CAST(SUM(sum_minor) AS BIGINT) FROM tallies GROUP BY 1, 2, 3, 4, 5"
    )


def downgrade() -> None:
    op.drop_table("tally_months")
