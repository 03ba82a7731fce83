"""What the desk remembers of a payer can be corrected: whose payer it is instead."""

import sqlalchemy as sa
from alembic import op

revision = "0058"
down_revision = "0057"
branch_labels = None
depends_on = None

TABLE = "memory_edits"
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("drop_id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        _to("drop_id", "memory_drops"),
        _to("payment_id", "payments"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memory_edits")),
        sa.UniqueConstraint("drop_id", name=op.f("uq_memory_edits_drop_id")),
    )
    op.create_index(op.f("ix_memory_edits_payment_id"), TABLE, ["payment_id"])


def downgrade() -> None:
    # Whoever goes back knows of each only that it was forgotten, as the release before did.
    op.drop_table(TABLE)


def _to(column: str, table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=op.f(f"fk_{TABLE}_{column}_{table}"))
