"""Several people on one payment, money for one of them or for a part, and who of them was let in."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SEVERAL, IN = sa.text("place_count > 0"), sa.text("undone_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "places",
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_currency", sa.String(length=3), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("ck_places_number")),
        sa.CheckConstraint("amount_minor BETWEEN 1 AND 100000000", name=op.f("ck_places_amount")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_places_payment_id_payments")),
        sa.PrimaryKeyConstraint("payment_id", "number", name=op.f("pk_places")),
    )
    op.add_column("payments", _number("place_count"))
    op.create_index(
        "ix_payments_places", "payments", ["event_id"], sqlite_where=SEVERAL, postgresql_where=SEVERAL
    )
    op.add_column("links", _number("place"))
    op.add_column("links", sa.Column("part", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("receipts", _number("place"))
    op.add_column("admissions", _number("place"))
    op.drop_index("uq_admissions_in", "admissions")
    _one_entrance(["payment_id", "place"])


def downgrade() -> None:
    op.drop_index("uq_admissions_in", "admissions")
    _one_entrance(["payment_id"])
    op.drop_column("admissions", "place")
    op.drop_column("receipts", "place")
    op.drop_column("links", "part")
    op.drop_column("links", "place")
    op.drop_index("ix_payments_places", "payments")
    op.drop_column("payments", "place_count")
    op.drop_table("places")


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)


def _one_entrance(columns: list[str]) -> None:
    op.create_index(
        "uq_admissions_in", "admissions", columns, unique=True, sqlite_where=IN, postgresql_where=IN
    )
