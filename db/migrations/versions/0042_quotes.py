"""Rates of exchange, prices in other currencies, and payments that were quoted in another currency."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LARGEST_MINOR, LARGEST_RATE_MICRO = 100_000_000, 1_000_000_000


def upgrade() -> None:
    _rates()
    _prices()
    _quotes()
    for table in ("exchange_rates", "payment_quotes"):
        _only_add(table)


def downgrade() -> None:
    op.drop_table("payment_quotes")
    op.drop_table("quote_prices")
    op.drop_table("exchange_rates")


def _check(table: str, name: str, rule: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{name}"))


def _rates() -> None:
    op.create_table(
        "exchange_rates",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("rate_micro", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("holds_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entered_by", sa.Text(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        _check("exchange_rates", "currency", "currency <> 'ZAR'"),
        _check("exchange_rates", "rate", f"rate_micro BETWEEN 1 AND {LARGEST_RATE_MICRO}"),
        _check("exchange_rates", "source", "source <> ''"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exchange_rates")),
    )
    op.create_index(
        op.f("ix_exchange_rates_currency_holds_from"), "exchange_rates", ["currency", "holds_from"]
    )


def _prices() -> None:
    op.create_table(
        "quote_prices",
        sa.Column("category_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        _check("quote_prices", "currency", "currency <> 'ZAR'"),
        _check("quote_prices", "price", f"price_minor BETWEEN 1 AND {LARGEST_MINOR}"),
        sa.ForeignKeyConstraint(
            ["category_id"], ["categories.id"], name=op.f("fk_quote_prices_category_id_categories")
        ),
        sa.PrimaryKeyConstraint("category_id", "currency", name=op.f("pk_quote_prices")),
    )


def _quotes() -> None:
    op.create_table(
        "payment_quotes",
        sa.Column("payment_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("quoted_minor", sa.BigInteger(), nullable=False),
        sa.Column("quoted_currency", sa.String(length=3), nullable=False),
        sa.Column("rate_micro", sa.BigInteger(), nullable=False),
        sa.Column("rate_source", sa.Text(), nullable=False),
        sa.Column("rate_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("charged_minor", sa.BigInteger(), nullable=False),
        _check("payment_quotes", "currency", "quoted_currency <> 'ZAR'"),
        _check("payment_quotes", "quoted", f"quoted_minor BETWEEN 1 AND {LARGEST_MINOR}"),
        _check("payment_quotes", "rate", f"rate_micro BETWEEN 1 AND {LARGEST_RATE_MICRO}"),
        _check("payment_quotes", "source", "rate_source <> ''"),
        _check(
            "payment_quotes", "charged",
            "charged_minor = (quoted_minor * rate_micro + 500000) / 1000000",
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_payment_quotes_payment_id_payments")
        ),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_payment_quotes")),
    )  # fmt: skip


def _only_add(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {table}_only_add BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
            f" BEGIN SELECT RAISE(ABORT, '{table} rows are only ever added'); END"
        )
