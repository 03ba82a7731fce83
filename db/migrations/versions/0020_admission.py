"""Who was let in at the door."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0015"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
IN = sa.text("undone_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "admissions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("admitted_at", MOMENT, nullable=False),
        sa.Column("admitted_by", sa.Text(), nullable=False),
        sa.Column("undone_at", MOMENT, nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.CheckConstraint("(undone_at IS NULL) = (undone_by IS NULL)", name=op.f("ck_admissions_undone")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_admissions_payment_id_payments")
        ),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_admissions_event_id_events")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admissions")),
    )
    op.create_index(op.f("ix_admissions_payment_id"), "admissions", ["payment_id"])
    op.create_index(op.f("ix_admissions_event_id"), "admissions", ["event_id"])
    op.create_index(
        "uq_admissions_in", "admissions", ["payment_id"], unique=True, sqlite_where=IN, postgresql_where=IN
    )


def downgrade() -> None:
    op.drop_table("admissions")
