"""Surplus that pays another payment of its payer, locked with its day; what the payer memory is to forget."""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

TABLE, DROPS = "surplus_moves", "memory_drops"
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LARGEST_MINOR = 100_000_000
REFUSAL = "a day that is signed off stays as it is; reopen it first"
#: What is told in words may be erased; the rest of a row is locked with its day.
FIXED = (
    "part_id", "payment_id", "receipt_id", "amount_minor", "amount_currency", "booked_on", "at", "by",
    "undone_at", "undone_by",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("part_id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("receipt_id", ROW_ID, nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_currency", sa.String(length=3), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.Column("undone_why", sa.Text(), nullable=True),
        sa.CheckConstraint(
            f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name=op.f("ck_surplus_moves_amount")
        ),
        sa.CheckConstraint("(undone_at IS NULL) = (undone_by IS NULL)", name=op.f("ck_surplus_moves_undone")),
        _to("part_id", "match_parts"),
        _to("payment_id", "payments"),
        _to("receipt_id", "receipts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_surplus_moves")),
        sa.UniqueConstraint("receipt_id", name=op.f("uq_surplus_moves_receipt_id")),
    )
    op.create_index(op.f("ix_surplus_moves_part_id"), TABLE, ["part_id"])
    op.create_index(op.f("ix_surplus_moves_payment_id"), TABLE, ["payment_id"])
    op.create_index(
        "ix_surplus_moves_booked", TABLE, ["booked_on"], sqlite_where=sa.text("booked_on IS NOT NULL"),
        postgresql_where=sa.text("booked_on IS NOT NULL"),
    )  # fmt: skip
    _memory()
    _postgres() if op.get_bind().dialect.name == "postgresql" else _sqlite()


def downgrade() -> None:
    op.drop_table(DROPS)
    op.drop_table(TABLE)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION surplus_moves_locked()")


def _memory() -> None:
    op.create_table(
        DROPS,
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("line_id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        _to("line_id", "statement_lines", DROPS),
        _to("payment_id", "payments", DROPS),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memory_drops")),
    )
    op.create_index(op.f("ix_memory_drops_payment_id"), DROPS, ["payment_id"])


def _to(column: str, table: str, of: str = TABLE) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=op.f(f"fk_{of}_{column}_{table}"))


def _locked(row: str) -> str:
    """Whether the day on which a row is booked is signed off."""
    day = f'coalesce({row}.booked_on, m.booked_on, l.booked_on, l."on")'
    return (
        "EXISTS (SELECT 1 FROM match_parts p JOIN matches m ON m.id = p.match_id"  # noqa: S608
        " JOIN statement_lines l ON l.id = m.line_id JOIN sign_offs s ON s.account_id = l.account_id"
        f" WHERE p.id = {row}.part_id AND s.state IN ('signed', 'approved', 'reopening')"
        f" AND s.first_on <= {day} AND s.last_on >= {day})"
    )


def _events() -> tuple[tuple[str, str], ...]:
    return (
        ("INSERT", _locked("NEW")),
        (f"UPDATE OF {', '.join(FIXED)}", f"{_locked('OLD')} OR {_locked('NEW')}"),
        ("DELETE", _locked("OLD")),
    )


def _sqlite() -> None:
    for event, wrong in _events():
        verb = event.partition(" ")[0].lower()
        op.execute(
            f"CREATE TRIGGER {TABLE}_{verb}_locked BEFORE {event} ON {TABLE} WHEN {wrong}"
            f" BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {DROPS}_no_{verb.lower()} BEFORE {verb} ON {DROPS}"
            f" BEGIN SELECT RAISE(ABORT, '{DROPS} rows are only ever added'); END"
        )


def _postgres() -> None:
    tests = " ".join(
        f"IF TG_OP = '{event.partition(' ')[0]}' AND ({wrong}) THEN RAISE EXCEPTION '{REFUSAL}'; END IF;"
        for event, wrong in _events()
    )
    op.execute(
        f"CREATE FUNCTION {TABLE}_locked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {tests}"
        " IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {TABLE}_locked BEFORE INSERT OR UPDATE OF {', '.join(FIXED)} OR DELETE ON {TABLE}"
        f" FOR EACH ROW EXECUTE FUNCTION {TABLE}_locked()"
    )
    op.execute(
        f"CREATE TRIGGER {DROPS}_only_add BEFORE UPDATE OR DELETE OR TRUNCATE ON {DROPS}"
        " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
    )
