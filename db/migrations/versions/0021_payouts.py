"""Payouts of the gateway: its files, what is in each payout, its rates, and the payouts' bank lines."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0018"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
STANDS = sa.text("undone_at IS NULL")
SETTLED = sa.text("state = 'stands' AND receipt_id IS NOT NULL")
WAS = "target IN ('payment', 'bag', 'line', 'surplus', 'aside')"
IS = "target IN ('payment', 'bag', 'line', 'surplus', 'aside', 'payout')"


def upgrade() -> None:
    _fee_rates()
    _payout_mappings()
    _payout_files()
    _payouts()
    _payout_lines()
    _alter(_with_payouts)


def downgrade() -> None:
    _alter(_without_payouts)
    for table in ("payout_lines", "payouts", "payout_files", "payout_mappings", "fee_rates"):
        op.drop_table(table)


def _to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"))


def _minor(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _undone() -> list[sa.Column]:
    return [
        sa.Column("undone_at", MOMENT, nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.Column("undone_why", sa.Text(), nullable=True),
    ]


def _fee_rates() -> None:
    op.create_table(
        "fee_rates",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("rate_bp", JSON, nullable=False),
        sa.Column("vat_bp", sa.Integer(), nullable=False),
        _minor("least_fee_minor"),
        _minor("payout_fee_minor"),
        _minor("least_payout_minor"),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fee_rates")),
        sa.UniqueConstraint("valid_from", name=op.f("uq_fee_rates_valid_from")),
    )


def _payout_mappings() -> None:
    op.create_table(
        "payout_mappings",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("mapping", JSON, nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_mappings")),
        sa.UniqueConstraint("name", name=op.f("uq_payout_mappings_name")),
    )


def _payout_files() -> None:
    op.create_table(
        "payout_files",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("mapping", JSON, nullable=True),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("named", JSON, nullable=False),
        sa.Column("imported_at", MOMENT, nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        *_undone(),
        sa.CheckConstraint("kind IN ('settlement', 'rollup')", name=op.f("ck_payout_files_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_files")),
    )
    op.create_index(
        "uq_payout_files_standing", "payout_files", ["sha256"], unique=True, sqlite_where=STANDS,
        postgresql_where=STANDS,
    )  # fmt: skip


def _payouts() -> None:
    op.create_table(
        "payouts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("file_id", ROW_ID, nullable=True),
        sa.Column("first_on", sa.Date(), nullable=True),
        sa.Column("last_on", sa.Date(), nullable=True),
        sa.Column("paid_on", sa.Date(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        *map(
            _minor,
            (
                "gross_minor", "fee_minor", "vat_minor", "payout_fee_minor", "less_minor", "difference_minor",
                "net_minor",
            ),
        ),
        sa.Column("payout_fee_told", sa.Boolean(), nullable=False),
        sa.Column("explained", sa.String(length=6), nullable=False),
        sa.Column("explanation", JSON, nullable=True),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        *_undone(),
        sa.CheckConstraint("source IN ('settlement', 'rollup', 'bank')", name=op.f("ck_payouts_source")),
        sa.CheckConstraint("explained IN ('', 'file', 'auto', 'person')", name=op.f("ck_payouts_explained")),
        sa.CheckConstraint(
            "gross_minor - fee_minor - vat_minor - payout_fee_minor - less_minor + difference_minor"
            " = net_minor",
            name=op.f("ck_payouts_adds_up"),
        ),
        _to("payouts", "file_id", "payout_files"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payouts")),
    )  # fmt: skip
    op.create_index(op.f("ix_payouts_file_id"), "payouts", ["file_id"])
    op.create_index(op.f("ix_payouts_last_on"), "payouts", ["last_on"])
    op.create_index(
        "uq_payouts_standing", "payouts", ["key"], unique=True, sqlite_where=STANDS, postgresql_where=STANDS
    )


def _payout_lines() -> None:
    op.create_table(
        "payout_lines",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("file_id", ROW_ID, nullable=True),
        sa.Column("payout_id", ROW_ID, nullable=True),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("on", sa.Date(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("method", sa.String(length=20), nullable=False),
        *map(_minor, ("gross_minor", "fee_minor", "vat_minor")),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=6), nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=True),
        sa.Column("receipt_id", ROW_ID, nullable=True),
        sa.Column("refund_id", ROW_ID, nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_why", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('capture', 'refund', 'chargeback', 'deduction', 'payout_fee', 'rollup', 'unread')",
            name=op.f("ck_payout_lines_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('stands', 'waits', 'aside', 'undone')", name=op.f("ck_payout_lines_state")
        ),
        sa.CheckConstraint(
            "(state IN ('waits', 'aside')) = (kind = 'unread') OR state = 'undone'",
            name=op.f("ck_payout_lines_waits"),
        ),
        *(
            _to("payout_lines", column, other)
            for column, other in (
                ("file_id", "payout_files"), ("payout_id", "payouts"), ("payment_id", "payments"),
                ("receipt_id", "receipts"), ("refund_id", "refunds"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_lines")),
    )  # fmt: skip
    for column in ("file_id", "payout_id", "payment_id"):
        op.create_index(op.f(f"ix_payout_lines_{column}"), "payout_lines", [column])
    op.create_index(
        "uq_payout_lines_settled", "payout_lines", ["receipt_id"], unique=True, sqlite_where=SETTLED,
        postgresql_where=SETTLED,
    )  # fmt: skip


def _alter(change: Callable[[str], None]) -> None:
    """SQLite makes the table anew, without its triggers: they are put back."""
    change("match_parts")
    if op.get_bind().dialect.name == "postgresql":
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER match_parts_no_{verb.lower()} BEFORE {verb} ON match_parts"
            " BEGIN SELECT RAISE(ABORT, 'match_parts rows are only ever added'); END"
        )


def _with_payouts(table: str) -> None:
    with op.batch_alter_table(table) as parts:
        parts.add_column(sa.Column("payout_id", ROW_ID, nullable=True))
        parts.drop_constraint(op.f("ck_match_parts_target"), type_="check")
        parts.create_check_constraint(op.f("ck_match_parts_target"), IS)
        parts.create_check_constraint(
            op.f("ck_match_parts_payout"), "(target = 'payout') = (payout_id IS NOT NULL)"
        )
        parts.create_foreign_key(op.f("fk_match_parts_payout_id_payouts"), "payouts", ["payout_id"], ["id"])
    op.create_index(op.f("ix_match_parts_payout_id"), table, ["payout_id"])


def _without_payouts(table: str) -> None:
    op.drop_index(op.f("ix_match_parts_payout_id"), table)
    with op.batch_alter_table(table) as parts:
        parts.drop_constraint(op.f("fk_match_parts_payout_id_payouts"), type_="foreignkey")
        parts.drop_constraint(op.f("ck_match_parts_payout"), type_="check")
        parts.drop_constraint(op.f("ck_match_parts_target"), type_="check")
        parts.create_check_constraint(op.f("ck_match_parts_target"), WAS)
        parts.drop_column("payout_id")
