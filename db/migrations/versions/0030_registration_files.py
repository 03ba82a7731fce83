"""Files of registrations that were brought, and what became of each row."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
WAITS = sa.text("outcome IN ('waiting', 'asking')")


def upgrade() -> None:
    op.create_table(
        "registration_files",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("headings", JSON, nullable=False),
        sa.Column("meant", JSON, nullable=False),
        sa.Column("brought_by", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["events.id"], name=op.f("fk_registration_files_event_id_events")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registration_files")),
    )
    op.create_index(op.f("ix_registration_files_event_id"), "registration_files", ["event_id"])
    _rows()


def _rows() -> None:
    op.create_table(
        "registration_rows",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("file_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("registration_id", sa.Text(), nullable=False),
        sa.Column("wanted", JSON, nullable=False),
        sa.Column("outcome", sa.String(length=9), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("reference", sa.String(length=24), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "outcome IN ('waiting', 'asking', 'new', 'changed', 'unchanged', 'refused')",
            name=op.f("ck_registration_rows_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["file_id"],
            ["registration_files.id"],
            name=op.f("fk_registration_rows_file_id_registration_files"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registration_rows")),
        sa.UniqueConstraint("file_id", "number", name=op.f("uq_registration_rows_file_id_number")),
    )
    op.create_index(
        "ix_registration_rows_waiting", "registration_rows", ["file_id", "id"],
        sqlite_where=WAITS, postgresql_where=WAITS,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("registration_rows")
    op.drop_table("registration_files")
