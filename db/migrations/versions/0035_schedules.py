"""Reports and views that go out by themselves, each time they went, and the links they were opened by."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
ON = sa.text("state = 'on'")
WAITS = sa.text("state = 'waiting'")


def upgrade() -> None:
    _schedules()
    _runs()
    _links()


def downgrade() -> None:
    for table in ("schedule_openings", "schedule_links", "schedule_runs", "schedules"):
        op.drop_table(table)


def _schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("plan", JSON, nullable=False),
        sa.Column("maker_id", ROW_ID, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=7), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.CheckConstraint("state IN ('on', 'paused', 'stopped', 'ended')", name=op.f("ck_schedules_state")),
        sa.CheckConstraint("(state = 'on') = (due_at IS NOT NULL)", name=op.f("ck_schedules_due")),
        _to("schedules", "maker_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    _index("schedules", "maker_id")
    op.create_index("ix_schedules_due", "schedules", ["due_at"], sqlite_where=ON, postgresql_where=ON)


def _runs() -> None:
    op.create_table(
        "schedule_runs",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("schedule_id", ROW_ID, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=7), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("try_at", MOMENT, nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("plan", JSON, nullable=True),
        sa.Column("made_at", MOMENT, nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("file_name", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("size_bytes", sa.Integer(), nullable=True),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'failed')", name=op.f("ck_schedule_runs_state")),
        sa.CheckConstraint("(state = 'waiting') = (try_at IS NOT NULL)", name=op.f("ck_schedule_runs_tries")),
        sa.CheckConstraint("state <> 'sent' OR sha256 IS NOT NULL", name=op.f("ck_schedule_runs_sent")),
        _to("schedule_runs", "schedule_id", "schedules"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule_runs")),
        sa.UniqueConstraint("schedule_id", "due_at", name=op.f("uq_schedule_runs_schedule_id_due_at")),
    )
    op.create_index(
        "ix_schedule_runs_waiting", "schedule_runs", ["try_at"], sqlite_where=WAITS, postgresql_where=WAITS
    )


def _links() -> None:
    op.create_table(
        "schedule_links",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("run_id", ROW_ID, nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        _to("schedule_links", "run_id", "schedule_runs"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule_links")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_schedule_links_token_hash")),
    )
    _index("schedule_links", "run_id")
    op.create_table(
        "schedule_openings",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("link_id", ROW_ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("what", sa.String(length=4), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.CheckConstraint("what IN ('page', 'file')", name=op.f("ck_schedule_openings_what")),
        _to("schedule_openings", "link_id", "schedule_links"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule_openings")),
    )
    _index("schedule_openings", "link_id")


def _index(table: str, column: str) -> None:
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column])


def _to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"))
