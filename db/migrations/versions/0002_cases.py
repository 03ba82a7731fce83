"""Cases that a person must decide, and messages that a person decided to ignore.

A payment that was flagged before gets its case, so that nothing leaves the queue by an upgrade.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
OPEN = sa.text("closed_at IS NULL")
IGNORED = sa.text("ignored_by IS NOT NULL")


def upgrade() -> None:
    op.add_column("inbox", sa.Column("ignored_by", sa.Text(), nullable=True))
    op.add_column("inbox", sa.Column("ignored_why", sa.Text(), nullable=True))
    op.create_index("ix_inbox_ignored", "inbox", ["id"], sqlite_where=IGNORED, postgresql_where=IGNORED)
    _cases()
    op.execute(
        "INSERT INTO cases (reason, payment_id, detail, opened_at, note)"
        " SELECT review, id, '{}', updated_at, '' FROM payments WHERE review IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_table("cases")
    op.drop_index("ix_inbox_ignored", "inbox")
    op.drop_column("inbox", "ignored_why")
    op.drop_column("inbox", "ignored_by")


def _cases() -> None:
    op.create_table(
        "cases",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("reason", sa.String(length=30), nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=True),
        sa.Column("inbox_id", ROW_ID, nullable=True),
        sa.Column("detail", JSON, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("owner_id", ROW_ID, nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.Column("decision", sa.String(length=30), nullable=True),
        sa.Column("decided_why", sa.Text(), nullable=True),
        sa.CheckConstraint("(payment_id IS NULL) <> (inbox_id IS NULL)", name=op.f("ck_cases_subject")),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (decision IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL)"
            " AND (closed_at IS NULL) = (decided_why IS NULL)",
            name=op.f("ck_cases_decided"),
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_cases_payment_id_payments")),
        sa.ForeignKeyConstraint(["inbox_id"], ["inbox.id"], name=op.f("fk_cases_inbox_id_inbox")),
        sa.ForeignKeyConstraint(["owner_id"], ["people.id"], name=op.f("fk_cases_owner_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
    )
    op.create_index(op.f("ix_cases_payment_id"), "cases", ["payment_id"])
    op.create_index(op.f("ix_cases_inbox_id"), "cases", ["inbox_id"])
    for subject in ("payment", "inbox"):
        op.create_index(
            f"uq_cases_open_{subject}",
            "cases",
            [f"{subject}_id", "reason"],
            unique=True,
            sqlite_where=OPEN,
            postgresql_where=OPEN,
        )
