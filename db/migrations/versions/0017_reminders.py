"""Reminders: when each event sends them, which were sent, and who wants none."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "reminder_plans",
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("days", sa.Text(), nullable=False),
        sa.Column("quiet_from", sa.String(length=5), nullable=False),
        sa.Column("quiet_until", sa.String(length=5), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_reminder_plans_event_id_events")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_reminder_plans")),
    )
    op.create_table(
        "reminders",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("person_hash", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("outcome", sa.String(length=9), nullable=False),
        sa.Column("queued_at", MOMENT, nullable=False),
        sa.CheckConstraint("outcome IN ('queued', 'withdrawn')", name=op.f("ck_reminders_outcome")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_reminders_payment_id_payments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reminders")),
        sa.UniqueConstraint("payment_id", "step", name=op.f("uq_reminders_payment_id_step")),
        sa.UniqueConstraint("person_hash", "day", name=op.f("uq_reminders_person_hash_day")),
    )
    op.create_table(
        "opt_outs",
        sa.Column("person_hash", sa.String(length=64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("person_hash", name=op.f("pk_opt_outs")),
    )


def downgrade() -> None:
    op.drop_table("opt_outs")
    op.drop_table("reminders")
    op.drop_table("reminder_plans")
