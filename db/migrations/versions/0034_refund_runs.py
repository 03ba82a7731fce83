"""Refunds that are to be made by EFT, the runs they go to the bank in, and what came back."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
STANDS = sa.text("undone_at IS NULL")


def upgrade() -> None:
    _details()
    _runs()
    _orders()
    _returns()
    op.create_table(
        "batch_layouts",
        sa.Column("account_id", ROW_ID, nullable=False),
        sa.Column("layout", JSON, nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        _to("batch_layouts", "account_id", "bank_accounts"),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_batch_layouts")),
    )


def downgrade() -> None:
    for table in ("batch_layouts", "refund_returns", "refund_orders", "refund_runs", "payee_details"):
        op.drop_table(table)


def _details() -> None:
    op.create_table(
        "payee_details",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("masked", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        _to("payee_details", "payment_id", "payments"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payee_details")),
    )
    _index("payee_details", "payment_id")


def _runs() -> None:
    op.create_table(
        "refund_runs",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("account_id", ROW_ID, nullable=False),
        sa.Column("pay_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=6), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("sum_minor", sa.BigInteger(), nullable=False),
        sa.Column("sum_currency", sa.String(length=3), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("ended_why", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('made', 'sent', 'called')", name=op.f("ck_refund_runs_state")),
        sa.CheckConstraint("(state = 'made') = (ended_at IS NULL)", name=op.f("ck_refund_runs_ended")),
        _to("refund_runs", "account_id", "bank_accounts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_runs")),
    )


def _orders() -> None:
    op.create_table(
        "refund_orders",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("approval_id", ROW_ID, nullable=False),
        sa.Column("details_id", ROW_ID, nullable=False),
        *_amount(),
        sa.Column("bank_reference", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("run_id", ROW_ID, nullable=True),
        sa.Column("refund_id", ROW_ID, nullable=True),
        sa.Column("match_id", ROW_ID, nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('ready', 'in_run', 'sent', 'paid', 'returned', 'withdrawn')",
            name=op.f("ck_refund_orders_state"),
        ),
        sa.CheckConstraint(
            "(state IN ('ready', 'withdrawn')) = (run_id IS NULL)", name=op.f("ck_refund_orders_run")
        ),
        sa.CheckConstraint(
            "state NOT IN ('paid', 'returned') OR refund_id IS NOT NULL",
            name=op.f("ck_refund_orders_refund"),
        ),
        sa.CheckConstraint("amount_minor BETWEEN 1 AND 100000000", name=op.f("ck_refund_orders_amount")),
        _to("refund_orders", "payment_id", "payments"),
        _to("refund_orders", "approval_id", "approvals"),
        _to("refund_orders", "details_id", "payee_details"),
        _to("refund_orders", "run_id", "refund_runs"),
        _to("refund_orders", "refund_id", "refunds"),
        _to("refund_orders", "match_id", "matches"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_orders")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_refund_orders_approval_id")),
        sa.UniqueConstraint("refund_id", name=op.f("uq_refund_orders_refund_id")),
    )
    for column in ("payment_id", "run_id", "match_id"):
        _index("refund_orders", column)
    op.create_index("ix_refund_orders_state", "refund_orders", ["state"])


def _returns() -> None:
    op.create_table(
        "refund_returns",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("refund_id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        *_amount(),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("undone_at", MOMENT, nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refund_returns_amount")),
        _to("refund_returns", "refund_id", "refunds"),
        _to("refund_returns", "payment_id", "payments"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_returns")),
    )
    for column in ("refund_id", "payment_id"):
        _index("refund_returns", column)
    op.create_index(
        "uq_refund_returns_standing", "refund_returns", ["refund_id"], unique=True,
        sqlite_where=STANDS, postgresql_where=STANDS,
    )  # fmt: skip


def _amount() -> tuple[sa.Column[int], sa.Column[str]]:
    return (
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_currency", sa.String(length=3), nullable=False),
    )


def _index(table: str, column: str) -> None:
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def _to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"))
