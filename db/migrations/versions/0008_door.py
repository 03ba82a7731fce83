"""The door: tills, shifts, numbered receipts and their corrections, cash without a payer, counts, reports.

What a till wrote is only ever added to, and the database refuses anything else.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0003"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
LARGEST_MINOR = 100_000_000
STILL = sa.text("closed_at IS NULL")
ADD_ONLY = ("reversals", "till_entries", "cash_moves", "drawer_counts", "z_reports")


def upgrade() -> None:
    _reversals()
    _tills()
    _shifts()
    _entries()
    _moves()
    _counts()
    _reports()
    _guards()


def downgrade() -> None:
    for table in ("z_reports", "drawer_counts", "cash_moves", "till_entries", "shifts", "tills", "reversals"):
        op.drop_table(table)


def _amount() -> list[sa.Column]:
    return [
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_currency", sa.String(length=3), nullable=False),
    ]


def _to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"))


def _reversals() -> None:
    op.create_table(
        "reversals",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("receipt_id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        *_amount(),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("reversed_at", MOMENT, nullable=False),
        sa.Column("reversed_by", sa.Text(), nullable=False),
        sa.CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name=op.f("ck_reversals_amount")),
        _to("reversals", "receipt_id", "receipts"),
        _to("reversals", "payment_id", "payments"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reversals")),
        sa.UniqueConstraint("receipt_id", name=op.f("uq_reversals_receipt_id")),
    )
    op.create_index(op.f("ix_reversals_payment_id"), "reversals", ["payment_id"])


def _tills() -> None:
    op.create_table(
        "tills",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.Column("next_report", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _to("tills", "event_id", "events"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tills")),
        sa.UniqueConstraint("event_id", "name", name=op.f("uq_tills_event_id_name")),
    )


def _shifts() -> None:
    op.create_table(
        "shifts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("till_id", ROW_ID, nullable=False),
        sa.Column("person_id", ROW_ID, nullable=False),
        sa.Column("person_name", sa.Text(), nullable=False),
        sa.Column("float_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("counted_at", MOMENT, nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.CheckConstraint(f"float_minor BETWEEN 0 AND {LARGEST_MINOR}", name=op.f("ck_shifts_float")),
        _to("shifts", "till_id", "tills"),
        _to("shifts", "person_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shifts")),
    )
    for column in ("till", "person"):
        op.create_index(op.f(f"ix_shifts_{column}_id"), "shifts", [f"{column}_id"])
        op.create_index(
            f"uq_shifts_open_{column}",
            "shifts",
            [f"{column}_id"],
            unique=True,
            sqlite_where=STILL,
            postgresql_where=STILL,
        )


def _entries() -> None:
    op.create_table(
        "till_entries",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("till_id", ROW_ID, nullable=False),
        sa.Column("shift_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=43), nullable=False),
        sa.Column("method", sa.String(length=12), nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("receipt_id", ROW_ID, nullable=False),
        sa.Column("reverses_id", ROW_ID, nullable=True),
        *_amount(),
        sa.Column("tendered_minor", sa.BigInteger(), nullable=True),
        sa.Column("slip_number", sa.String(length=40), nullable=False),
        sa.Column("card_last4", sa.String(length=4), nullable=False),
        sa.Column("machine", sa.String(length=40), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.CheckConstraint("method IN ('cash', 'card_slip')", name=op.f("ck_till_entries_method")),
        sa.CheckConstraint(
            "(reverses_id IS NULL) = (amount_minor > 0) AND amount_minor <> 0",
            name=op.f("ck_till_entries_sign"),
        ),
        sa.CheckConstraint(
            "tendered_minor IS NULL OR tendered_minor >= amount_minor", name=op.f("ck_till_entries_tendered")
        ),
        _to("till_entries", "till_id", "tills"),
        _to("till_entries", "shift_id", "shifts"),
        _to("till_entries", "payment_id", "payments"),
        _to("till_entries", "receipt_id", "receipts"),
        _to("till_entries", "reverses_id", "till_entries"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_till_entries")),
        sa.UniqueConstraint("key", name=op.f("uq_till_entries_key")),
        sa.UniqueConstraint("reverses_id", name=op.f("uq_till_entries_reverses_id")),
        sa.UniqueConstraint("till_id", "number", name=op.f("uq_till_entries_till_id_number")),
    )
    for column in ("shift_id", "payment_id", "receipt_id", "at"):
        op.create_index(op.f(f"ix_till_entries_{column}"), "till_entries", [column])


def _moves() -> None:
    op.create_table(
        "cash_moves",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("shift_id", ROW_ID, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        *_amount(),
        sa.Column("bag_number", sa.String(length=40), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=43), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('drop', 'top_up', 'pay_out')", name=op.f("ck_cash_moves_kind")),
        sa.CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name=op.f("ck_cash_moves_amount")),
        _to("cash_moves", "shift_id", "shifts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cash_moves")),
        sa.UniqueConstraint("key", name=op.f("uq_cash_moves_key")),
    )
    op.create_index(op.f("ix_cash_moves_shift_id"), "cash_moves", ["shift_id"])


def _counts() -> None:
    op.create_table(
        "drawer_counts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("shift_id", ROW_ID, nullable=False),
        sa.Column("pieces", JSON, nullable=False),
        sa.Column("counted_minor", sa.BigInteger(), nullable=False),
        sa.Column("batches", JSON, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.CheckConstraint("counted_minor >= 0", name=op.f("ck_drawer_counts_counted")),
        _to("drawer_counts", "shift_id", "shifts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drawer_counts")),
    )
    op.create_index(op.f("ix_drawer_counts_shift_id"), "drawer_counts", ["shift_id"])


def _reports() -> None:
    op.create_table(
        "z_reports",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("till_id", ROW_ID, nullable=False),
        sa.Column("shift_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("business_day", sa.Date(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        _to("z_reports", "till_id", "tills"),
        _to("z_reports", "shift_id", "shifts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_z_reports")),
        sa.UniqueConstraint("shift_id", name=op.f("uq_z_reports_shift_id")),
        sa.UniqueConstraint("till_id", "number", name=op.f("uq_z_reports_till_id_number")),
    )
    op.create_index(op.f("ix_z_reports_business_day"), "z_reports", ["business_day"])


def _guards() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in ADD_ONLY:
            op.execute(
                f"CREATE TRIGGER {table}_only_add BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
            )
        return
    for table in ADD_ONLY:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} rows are only ever added'); END"
            )
