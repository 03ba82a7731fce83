"""Papers: quotations, pro-forma invoices, invoices and credit notes, with numbers that have no gap.

A paper, its parts and its prints are only ever added; a sequence rises by one, and is never deleted.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
ADD_ONLY = ("paper_series", "papers", "paper_parts", "paper_prints")
NOT_THE_NEXT = "numbers of papers rise by one, and none is taken back"
STEP = "NEW.last_number = OLD.last_number + 1 AND NEW.series_id = OLD.series_id AND NEW.kind = OLD.kind"
ORGANISERS = ("registration", "contact", "supplier_number")


def upgrade() -> None:
    for name in ORGANISERS:
        op.add_column("organisers", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    _sequences()
    _papers()
    _parts_and_prints()
    if op.get_bind().dialect.name == "postgresql":
        _postgres_guards()
    else:
        _sqlite_guards()


def downgrade() -> None:
    for table in ("paper_prints", "paper_parts", "papers", "paper_sequences", "paper_series"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION paper_sequences_as_asked()")
    for name in ORGANISERS:
        op.drop_column("organisers", name)


def _to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"))


def _sequences() -> None:
    op.create_table(
        "paper_series",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("begun_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_paper_series")),
        sa.UniqueConstraint("key", name=op.f("uq_paper_series_key")),
    )
    op.create_table(
        "paper_sequences",
        sa.Column("series_id", ROW_ID, nullable=False),
        sa.Column("kind", sa.String(length=11), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        _to("paper_sequences", "series_id", "paper_series"),
        sa.PrimaryKeyConstraint("series_id", "kind", name=op.f("pk_paper_sequences")),
    )


def _papers() -> None:
    checks = {
        "kind": "kind IN ('quotation', 'pro_forma', 'invoice', 'credit_note')",
        "credits": "(kind = 'credit_note') = (credits_id IS NOT NULL)",
        "total": "total_minor >= 1 AND vat_minor BETWEEN 0 AND total_minor",
        "number": "number >= 1",
    }
    op.create_table(
        "papers",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("series_id", ROW_ID, nullable=False),
        sa.Column("kind", sa.String(length=11), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("credits_id", ROW_ID, nullable=True),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_currency", sa.String(length=3), nullable=False),
        sa.Column("vat_minor", sa.BigInteger(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("issued_at", MOMENT, nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_papers_{name}")) for name, rule in checks.items()),
        _to("papers", "series_id", "paper_series"),
        _to("papers", "event_id", "events"),
        _to("papers", "credits_id", "papers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_papers")),
        sa.UniqueConstraint("label", name=op.f("uq_papers_label")),
        sa.UniqueConstraint("key", name=op.f("uq_papers_key")),
        sa.UniqueConstraint("series_id", "kind", "number", name=op.f("uq_papers_series_id_kind_number")),
    )
    op.create_index(op.f("ix_papers_event_id"), "papers", ["event_id"])
    op.create_index(op.f("ix_papers_credits_id"), "papers", ["credits_id"])


def _parts_and_prints() -> None:
    op.create_table(
        "paper_parts",
        sa.Column("paper_id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor >= 1", name=op.f("ck_paper_parts_amount")),
        _to("paper_parts", "paper_id", "papers"),
        _to("paper_parts", "payment_id", "payments"),
        sa.PrimaryKeyConstraint("paper_id", "payment_id", name=op.f("pk_paper_parts")),
    )
    op.create_index(op.f("ix_paper_parts_payment_id"), "paper_parts", ["payment_id"])
    op.create_table(
        "paper_prints",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("paper_id", ROW_ID, nullable=False),
        sa.Column("mail_key", sa.Text(), nullable=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        _to("paper_prints", "paper_id", "papers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_paper_prints")),
        sa.UniqueConstraint("paper_id", "mail_key", name=op.f("uq_paper_prints_paper_id_mail_key")),
    )
    op.create_index(op.f("ix_paper_prints_paper_id"), "paper_prints", ["paper_id"])


def _sqlite_guards() -> None:
    for table in ADD_ONLY:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} rows are only ever added'); END"
            )
    op.execute(
        f"CREATE TRIGGER paper_sequences_as_asked BEFORE UPDATE ON paper_sequences WHEN NOT ({STEP})"
        f" BEGIN SELECT RAISE(ABORT, '{NOT_THE_NEXT}'); END"
    )
    op.execute(
        "CREATE TRIGGER paper_sequences_no_delete BEFORE DELETE ON paper_sequences"
        f" BEGIN SELECT RAISE(ABORT, '{NOT_THE_NEXT}'); END"
    )


def _postgres_guards() -> None:
    for table in ADD_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_only_add BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
        )
    op.execute(
        "CREATE FUNCTION paper_sequences_as_asked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF NOT ({STEP}) THEN RAISE EXCEPTION '{NOT_THE_NEXT}'; END IF; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER paper_sequences_as_asked BEFORE UPDATE ON paper_sequences"
        " FOR EACH ROW EXECUTE FUNCTION paper_sequences_as_asked()"
    )
    op.execute(
        "CREATE TRIGGER paper_sequences_no_delete BEFORE DELETE OR TRUNCATE ON paper_sequences"
        " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
    )
