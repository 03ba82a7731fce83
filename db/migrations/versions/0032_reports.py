"""What reports ask for: receipts by when they came, and what is not asked for any more by the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

NOT_ASKED = ("expired", "cancelled", "waived")


def upgrade() -> None:
    op.create_index("ix_receipts_received_at", "receipts", ["received_at"])
    connection = op.get_bind()
    sqlite = connection.dialect.name == "sqlite"
    timeline = sa.table(
        "timeline", sa.column("payment_id"), sa.column("at"), sa.column("kind"), sa.column("detail", sa.JSON)
    )
    payments = sa.table("payments", *map(sa.column, ("id", "event_id", "amount_minor", "amount_currency")))
    if sqlite:
        hour = sa.func.substr(timeline.c.at, 1, 13).concat(":00:00.000000")
    else:
        hour = sa.func.date_trunc("hour", timeline.c.at, "UTC")
    steps = []
    for end, sign in (("became", 1), ("was", -1)):
        status = timeline.c.detail[end].as_string()
        steps.append(
            sa.select(
                hour.label("hour"), payments.c.event_id, status.label("status"),
                payments.c.amount_currency, sa.literal(sign).label("sign"), payments.c.amount_minor,
            )
            .join(payments, payments.c.id == timeline.c.payment_id)
            .where(timeline.c.kind == "status", status.in_(NOT_ASKED))
        )  # fmt: skip
    told = sa.union_all(*steps).subquery().c
    by = (told.hour, told.event_id, told.status, told.amount_currency)
    counted = sa.select(
        told.hour, told.event_id, sa.literal("let_go").label("measure"), told.status, told.amount_currency,
        sa.func.sum(told.sign), sa.func.sum(told.sign * told.amount_minor),
    ).group_by(*by)  # fmt: skip
    names = ("hour", "event_id", "measure", "key", "currency", "count", "sum_minor")
    tallies = sa.table("tallies", *map(sa.column, names))
    connection.execute(sa.insert(tallies).from_select(names, counted))


def downgrade() -> None:
    op.execute("DELETE FROM tallies WHERE measure = 'let_go'")
    op.drop_index("ix_receipts_received_at", table_name="receipts")
