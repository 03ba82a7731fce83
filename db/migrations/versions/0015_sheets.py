"""Sheets of people who are to pay, and which payment each row became."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0013"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
WAITS = sa.text("outcome IN ('waiting', 'asking')")


def upgrade() -> None:
    _sheets()
    _rows()
    op.create_table(
        "sheet_payments",
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_sheet_payments_event_id_events")),
        sa.PrimaryKeyConstraint("event_id", "key", name=op.f("pk_sheet_payments")),
        sa.UniqueConstraint("reference", name=op.f("uq_sheet_payments_reference")),
    )


def downgrade() -> None:
    for table in ("sheet_payments", "sheet_rows", "sheets"):
        op.drop_table(table)


def _sheets() -> None:
    op.create_table(
        "sheets",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("headings", JSON, nullable=False),
        sa.Column("brought_by", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_sheets_event_id_events")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sheets")),
    )
    op.create_index(op.f("ix_sheets_event_id"), "sheets", ["event_id"])


def _rows() -> None:
    op.create_table(
        "sheet_rows",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("sheet_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("cells", JSON, nullable=False),
        sa.Column("wanted", JSON, nullable=False),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "outcome IN ('waiting', 'asking', 'made', 'failed', 'wrong', 'known', 'alike')",
            name=op.f("ck_sheet_rows_outcome"),
        ),
        sa.ForeignKeyConstraint(["sheet_id"], ["sheets.id"], name=op.f("fk_sheet_rows_sheet_id_sheets")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sheet_rows")),
        sa.UniqueConstraint("sheet_id", "number", name=op.f("uq_sheet_rows_sheet_id_number")),
    )
    op.create_index(
        "ix_sheet_rows_waiting", "sheet_rows", ["sheet_id", "id"], sqlite_where=WAITS, postgresql_where=WAITS
    )
