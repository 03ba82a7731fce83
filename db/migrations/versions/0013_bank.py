"""The bank: our accounts, statement files and their lines, what each is for, what waits for a person.

What was found and refused is only ever added, a line never changes what it says, and the database refuses
anything else. A payment may be let off a small rest: ``written_off_minor``.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0014"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
STANDS = sa.text("undone_at IS NULL")
OPEN = sa.text("closed_at IS NULL")
ADD_ONLY = ("line_sightings", "match_parts", "match_refusals")
#: What a line says; its state may change.
SAID = (
    "account_id", "key", "ordinal", '"on"', "amount_minor", "amount_currency", "fee_minor", "balance_minor",
    "description", "reference",
)  # fmt: skip


def upgrade() -> None:
    _bank_accounts()
    _statement_mappings()
    _statement_files()
    _statement_lines()
    _line_sightings()
    _quarantined_rows()
    _matches()
    _match_parts()
    _match_refusals()
    _exceptions()
    op.add_column(
        "payments", sa.Column("written_off_minor", sa.BigInteger(), server_default="0", nullable=False)
    )
    _guards()


def downgrade() -> None:
    op.drop_column("payments", "written_off_minor")
    for table in (
        "exceptions", "match_refusals", "match_parts", "matches", "quarantined_rows", "line_sightings",
        "statement_lines", "statement_files", "statement_mappings", "bank_accounts",
    ):  # fmt: skip
        op.drop_table(table)


def _amount() -> list[sa.Column]:
    return [
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_currency", sa.String(length=3), nullable=False),
    ]


def _to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"))


def _bank_accounts() -> None:
    op.create_table(
        "bank_accounts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("bank", sa.String(length=60), nullable=False),
        sa.Column("number", sa.String(length=34), nullable=False),
        sa.Column("branch_code", sa.String(length=12), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("retired_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_bank_accounts_name")),
    )


def _statement_mappings() -> None:
    op.create_table(
        "statement_mappings",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("account_id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("mapping", JSON, nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        _to("statement_mappings", "account_id", "bank_accounts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_mappings")),
        sa.UniqueConstraint("account_id", "name", name=op.f("uq_statement_mappings_account_id_name")),
    )
    op.create_index(op.f("ix_statement_mappings_account_id"), "statement_mappings", ["account_id"])


def _statement_files() -> None:
    op.create_table(
        "statement_files",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("account_id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("layout", sa.String(length=100), nullable=False),
        sa.Column("mapping", JSON, nullable=True),
        sa.Column("date_order", sa.String(length=3), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("opening_minor", sa.BigInteger(), nullable=True),
        sa.Column("closing_minor", sa.BigInteger(), nullable=True),
        sa.Column("first_on", sa.Date(), nullable=True),
        sa.Column("last_on", sa.Date(), nullable=True),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("new_lines", sa.Integer(), nullable=False),
        sa.Column("named", JSON, nullable=False),
        sa.Column("imported_at", MOMENT, nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.Column("undone_at", MOMENT, nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.Column("undone_why", sa.Text(), nullable=True),
        sa.CheckConstraint("rows >= 0 AND new_lines >= 0", name=op.f("ck_statement_files_rows")),
        _to("statement_files", "account_id", "bank_accounts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_files")),
    )
    op.create_index(
        "uq_statement_files_standing",
        "statement_files",
        ["account_id", "sha256"],
        unique=True,
        sqlite_where=STANDS,
        postgresql_where=STANDS,
    )


def _statement_lines() -> None:
    op.create_table(
        "statement_lines",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("account_id", ROW_ID, nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        *_amount(),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=7), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.CheckConstraint("state IN ('open', 'matched', 'gone')", name=op.f("ck_statement_lines_state")),
        sa.CheckConstraint("ordinal >= 1", name=op.f("ck_statement_lines_ordinal")),
        _to("statement_lines", "account_id", "bank_accounts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_lines")),
        sa.UniqueConstraint(
            "account_id", "key", "ordinal", name=op.f("uq_statement_lines_account_id_key_ordinal")
        ),
    )
    op.create_index(
        op.f("ix_statement_lines_account_id_on_id"), "statement_lines", ["account_id", "on", "id"]
    )
    op.create_index(op.f("ix_statement_lines_state_on_id"), "statement_lines", ["state", "on", "id"])


def _line_sightings() -> None:
    op.create_table(
        "line_sightings",
        sa.Column("file_id", ROW_ID, nullable=False),
        sa.Column("line_id", ROW_ID, nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        _to("line_sightings", "file_id", "statement_files"),
        _to("line_sightings", "line_id", "statement_lines"),
        sa.PrimaryKeyConstraint("file_id", "line_id", name=op.f("pk_line_sightings")),
    )
    op.create_index(op.f("ix_line_sightings_line_id"), "line_sightings", ["line_id"])


def _quarantined_rows() -> None:
    op.create_table(
        "quarantined_rows",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("file_id", ROW_ID, nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("on", sa.Date(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("line_id", ROW_ID, nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_why", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'repaired') = (line_id IS NOT NULL)", name=op.f("ck_quarantined_rows_repaired")
        ),
        sa.CheckConstraint("state IN ('waits', 'repaired', 'aside')", name=op.f("ck_quarantined_rows_state")),
        _to("quarantined_rows", "file_id", "statement_files"),
        _to("quarantined_rows", "line_id", "statement_lines"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantined_rows")),
    )
    op.create_index(op.f("ix_quarantined_rows_file_id"), "quarantined_rows", ["file_id"])
    op.create_index(op.f("ix_quarantined_rows_line_id"), "quarantined_rows", ["line_id"])


def _matches() -> None:
    op.create_table(
        "matches",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("line_id", ROW_ID, nullable=False),
        sa.Column("how", sa.String(length=6), nullable=False),
        sa.Column("way", sa.String(length=24), nullable=False),
        sa.Column("rule", sa.String(length=80), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("evidence", JSON, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("undone_at", MOMENT, nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.Column("undone_why", sa.Text(), nullable=True),
        sa.CheckConstraint("how IN ('auto', 'person')", name=op.f("ck_matches_how")),
        sa.CheckConstraint("(undone_at IS NULL) = (undone_by IS NULL)", name=op.f("ck_matches_undone")),
        _to("matches", "line_id", "statement_lines"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_matches")),
    )
    op.create_index(op.f("ix_matches_line_id"), "matches", ["line_id"])
    op.create_index(
        "uq_matches_standing",
        "matches",
        ["line_id"],
        unique=True,
        sqlite_where=STANDS,
        postgresql_where=STANDS,
    )


def _match_parts() -> None:
    op.create_table(
        "match_parts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("match_id", ROW_ID, nullable=False),
        sa.Column("target", sa.String(length=8), nullable=False),
        *_amount(),
        sa.Column("payment_id", ROW_ID, nullable=True),
        sa.Column("receipt_id", ROW_ID, nullable=True),
        sa.Column("written_off_minor", sa.BigInteger(), nullable=False),
        sa.Column("bag_id", ROW_ID, nullable=True),
        sa.Column("other_line_id", ROW_ID, nullable=True),
        sa.CheckConstraint("(target = 'bag') = (bag_id IS NOT NULL)", name=op.f("ck_match_parts_bag")),
        sa.CheckConstraint(
            "(target = 'line') = (other_line_id IS NOT NULL)", name=op.f("ck_match_parts_line")
        ),
        sa.CheckConstraint(
            "target <> 'payment' OR receipt_id IS NOT NULL", name=op.f("ck_match_parts_receipt")
        ),
        sa.CheckConstraint(
            "target IN ('payment', 'bag', 'line', 'surplus', 'aside')", name=op.f("ck_match_parts_target")
        ),
        sa.CheckConstraint(
            "written_off_minor >= 0 AND (written_off_minor = 0 OR target = 'payment')",
            name=op.f("ck_match_parts_written_off"),
        ),
        _to("match_parts", "bag_id", "cash_moves"),
        _to("match_parts", "match_id", "matches"),
        _to("match_parts", "other_line_id", "statement_lines"),
        _to("match_parts", "payment_id", "payments"),
        _to("match_parts", "receipt_id", "receipts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_match_parts")),
    )
    op.create_index(op.f("ix_match_parts_bag_id"), "match_parts", ["bag_id"])
    op.create_index(op.f("ix_match_parts_match_id"), "match_parts", ["match_id"])
    op.create_index(op.f("ix_match_parts_other_line_id"), "match_parts", ["other_line_id"])
    op.create_index(op.f("ix_match_parts_payment_id"), "match_parts", ["payment_id"])
    op.create_index(op.f("ix_match_parts_receipt_id"), "match_parts", ["receipt_id"])


def _match_refusals() -> None:
    op.create_table(
        "match_refusals",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("line_id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        _to("match_refusals", "line_id", "statement_lines"),
        _to("match_refusals", "payment_id", "payments"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_match_refusals")),
        sa.UniqueConstraint("line_id", "payment_id", name=op.f("uq_match_refusals_line_id_payment_id")),
    )
    op.create_index(op.f("ix_match_refusals_payment_id"), "match_refusals", ["payment_id"])


def _exceptions() -> None:
    op.create_table(
        "exceptions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("line_id", ROW_ID, nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("suggestion", JSON, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("owner_id", ROW_ID, nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name=op.f("ck_exceptions_closed")),
        _to("exceptions", "line_id", "statement_lines"),
        _to("exceptions", "owner_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exceptions")),
    )
    op.create_index(op.f("ix_exceptions_line_id"), "exceptions", ["line_id"])
    op.create_index(
        "uq_exceptions_open", "exceptions", ["line_id"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    )


def _guards() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in ADD_ONLY:
            op.execute(
                f"CREATE TRIGGER {table}_only_add BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
            )
        op.execute(
            f"CREATE TRIGGER statement_lines_as_said BEFORE UPDATE OF {', '.join(SAID)} ON statement_lines"
            " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
        )
        return
    for table in ADD_ONLY:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} rows are only ever added'); END"
            )
    op.execute(
        f"CREATE TRIGGER statement_lines_as_said BEFORE UPDATE OF {', '.join(SAID)} ON statement_lines"
        " BEGIN SELECT RAISE(ABORT, 'what a statement line says never changes'); END"
    )
