"""Records of the system that came before, and which payments came of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
OLD = sa.text("origin = 'legacy'")


def upgrade() -> None:
    op.create_table(
        "legacy_imports",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("told", JSON, nullable=False),
        sa.Column("imported_at", MOMENT, nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legacy_imports")),
    )
    op.create_table(
        "legacy_records",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("import_id", ROW_ID, nullable=False),
        sa.Column("key", sa.String(length=130), nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=True),
        sa.Column("shape", sa.String(length=5), nullable=False),
        sa.Column("way", sa.String(length=7), nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("texts", JSON, nullable=False),
        sa.Column("told", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["legacy_imports.id"], name=op.f("fk_legacy_records_import_id_legacy_imports")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_legacy_records_payment_id_payments")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legacy_records")),
        sa.UniqueConstraint("key", name=op.f("uq_legacy_records_key")),
        sa.UniqueConstraint("payment_id", name=op.f("uq_legacy_records_payment_id")),
    )
    op.create_index(op.f("ix_legacy_records_import_id"), "legacy_records", ["import_id"])
    op.create_table(
        "legacy_issues",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("record_id", ROW_ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fault", sa.String(length=20), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_id"], ["legacy_records.id"], name=op.f("fk_legacy_issues_record_id_legacy_records")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legacy_issues")),
    )
    op.create_index(op.f("ix_legacy_issues_record_id"), "legacy_issues", ["record_id"])
    op.create_index(op.f("ix_legacy_issues_fault"), "legacy_issues", ["fault"])
    op.add_column("payments", sa.Column("origin", sa.String(length=6), server_default="desk", nullable=False))
    op.create_index("ix_payments_legacy", "payments", ["id"], sqlite_where=OLD, postgresql_where=OLD)


def downgrade() -> None:
    op.drop_index("ix_payments_legacy", "payments")
    op.drop_column("payments", "origin")
    for table in ("legacy_issues", "legacy_records", "legacy_imports"):
        op.drop_table(table)
