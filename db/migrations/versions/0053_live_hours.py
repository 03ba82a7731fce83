"""What the live page shows of all events together: reading it does not grow with a day's payments."""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

_SUMS = "currency, CAST(sum(count) AS bigint), CAST(sum(sum_minor) AS bigint)"


def upgrade() -> None:
    op.create_table(
        "live_hours",
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("measure", sa.String(length=5), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sum_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "measure", "key", "currency", name=op.f("pk_live_hours")),
    )
    day = "date_trunc('day', hour, 'Africa/Johannesburg')"
    if op.get_bind().dialect.name == "sqlite":
        day = "strftime('%Y-%m-%d 22\\:00\\:00.000000', hour, '+2 hours', '-1 day')"
    for hour, measure, key, table in (
        ("hour", "made", "status || ' ' || stage || ' ' || failure", "made_hours"),
        ("hour", "paid", "method", "paid_hours"),
        (day, "event", "CAST(event_id AS text)", "paid_hours"),
    ):
        op.execute(
            f"INSERT INTO live_hours SELECT {hour}, '{measure}', {key}, {_SUMS} FROM {table}"  # noqa: S608
            " GROUP BY 1, 2, 3, 4 ORDER BY 1"
        )


def downgrade() -> None:
    op.drop_table("live_hours")
