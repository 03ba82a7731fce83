"""Prices: periods with a last day and seats, extras, discount codes, and what each payment was priced as."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LARGEST_MINOR = 100_000_000


def upgrade() -> None:
    _periods()
    _extras_and_codes()
    _lines()


def downgrade() -> None:
    for table in ("payment_lines", "discount_codes", "extras", "price_periods"):
        op.drop_table(table)


def _to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"))


def _check(table: str, name: str, rule: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{name}"))


def _periods() -> None:
    op.create_table(
        "price_periods",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("category_id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("seats", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        _check("price_periods", "price", f"price_minor BETWEEN 1 AND {LARGEST_MINOR}"),
        _check("price_periods", "seats", "seats >= 1"),
        _check("price_periods", "ends", "until IS NOT NULL OR seats IS NOT NULL"),
        _to("price_periods", "category_id", "categories"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_periods")),
        sa.UniqueConstraint("category_id", "name", name=op.f("uq_price_periods_category_id_name")),
    )


def _extras_and_codes() -> None:
    op.create_table(
        "extras",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        _check("extras", "seats", "seats >= 1"),
        _check("extras", "price", f"price_minor BETWEEN 0 AND {LARGEST_MINOR}"),
        _to("extras", "event_id", "events"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extras")),
        sa.UniqueConstraint("event_id", "name", name=op.f("uq_extras_event_id_name")),
    )
    op.create_table(
        "discount_codes",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("percent_bp", sa.Integer(), nullable=False),
        sa.Column("off_minor", sa.BigInteger(), nullable=False),
        sa.Column("since", sa.Date(), nullable=True),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("most", sa.Integer(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        _check(
            "discount_codes", "off",
            "percent_bp BETWEEN 0 AND 9999 AND off_minor >= 0 AND (percent_bp > 0) <> (off_minor > 0)",
        ),
        _check("discount_codes", "most", "most >= 1"),
        _check("discount_codes", "days", "until >= since"),
        _to("discount_codes", "event_id", "events"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discount_codes")),
        sa.UniqueConstraint("event_id", "code", name=op.f("uq_discount_codes_event_id_code")),
    )  # fmt: skip


def _lines() -> None:
    to = {"period_id": "price_periods", "extra_id": "extras", "code_id": "discount_codes"}
    op.create_table(
        "payment_lines",
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("unit_minor", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("seats_left", sa.Integer(), nullable=True),
        sa.Column("code", sa.String(length=40), nullable=False),
        *(sa.Column(column, ROW_ID, nullable=True) for column in to),
        _check(
            "payment_lines", "line",
            "unit_minor >= 0 AND quantity >= 1 AND discount_minor BETWEEN 0 AND unit_minor * quantity",
        ),
        _check("payment_lines", "number", "number >= 1"),
        _to("payment_lines", "payment_id", "payments"),
        *(_to("payment_lines", column, other) for column, other in to.items()),
        sa.PrimaryKeyConstraint("payment_id", "number", name=op.f("pk_payment_lines")),
    )  # fmt: skip
    for column in to:
        op.create_index(op.f(f"ix_payment_lines_{column}"), "payment_lines", [column])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE TRIGGER payment_lines_only_add BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_lines"
            " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER payment_lines_no_{verb.lower()} BEFORE {verb} ON payment_lines"
            " BEGIN SELECT RAISE(ABORT, 'payment_lines rows are only ever added'); END"
        )
