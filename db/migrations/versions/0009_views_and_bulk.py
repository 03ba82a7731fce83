"""Saved views, choices of each person, and actions on many rows with what became of each."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
WAITS = sa.text("outcome = 'waiting'")


def upgrade() -> None:
    _views()
    _choices()
    _bulk_runs()
    _bulk_rows()


def downgrade() -> None:
    for table in ("bulk_rows", "bulk_runs", "choices", "saved_views"):
        op.drop_table(table)


def _views() -> None:
    op.create_table(
        "saved_views",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("token", sa.String(length=22), nullable=False),
        sa.Column("owner_id", ROW_ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("sort", sa.String(length=40), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("shared_with", sa.String(length=12), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["people.id"], name=op.f("fk_saved_views_owner_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_views")),
        sa.UniqueConstraint("token", name=op.f("uq_saved_views_token")),
        sa.UniqueConstraint("owner_id", "name", name=op.f("uq_saved_views_owner_id_name")),
    )
    op.create_index(op.f("ix_saved_views_owner_id"), "saved_views", ["owner_id"])


def _choices() -> None:
    op.create_table(
        "choices",
        sa.Column("person_id", ROW_ID, nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_choices_person_id_people")),
        sa.PrimaryKeyConstraint("person_id", "key", name=op.f("pk_choices")),
    )


def _bulk_runs() -> None:
    op.create_table(
        "bulk_runs",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("deed", sa.String(length=20), nullable=False),
        sa.Column("person_id", ROW_ID, nullable=False),
        sa.Column("given", JSON, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_bulk_runs_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_runs")),
    )
    op.create_index(op.f("ix_bulk_runs_person_id"), "bulk_runs", ["person_id"])


def _bulk_rows() -> None:
    op.create_table(
        "bulk_rows",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("run_id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=True),
        sa.Column("case_id", ROW_ID, nullable=True),
        sa.Column("outcome", sa.String(length=8), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("was", JSON, nullable=True),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.CheckConstraint("(payment_id IS NULL) <> (case_id IS NULL)", name=op.f("ck_bulk_rows_subject")),
        sa.CheckConstraint(
            "outcome IN ('waiting', 'done', 'skipped', 'failed', 'undone')", name=op.f("ck_bulk_rows_outcome")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["bulk_runs.id"], name=op.f("fk_bulk_rows_run_id_bulk_runs")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_bulk_rows_payment_id_payments")
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_bulk_rows_case_id_cases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_rows")),
        sa.UniqueConstraint("run_id", "payment_id", name=op.f("uq_bulk_rows_run_id_payment_id")),
        sa.UniqueConstraint("run_id", "case_id", name=op.f("uq_bulk_rows_run_id_case_id")),
    )
    op.create_index(
        "ix_bulk_rows_waiting", "bulk_rows", ["run_id", "id"], sqlite_where=WAITS, postgresql_where=WAITS
    )
