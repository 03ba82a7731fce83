"""Approvals: what one person asked for and another allowed. What was asked stays as it was asked.

The database itself refuses to change a request, to delete one, and to decide twice upon one.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
OPEN = sa.text("state IN ('waiting', 'approved')")
#: What never changes, whatever becomes of a request.
FIXED = (
    "what", "subject", "payment_id", "scope", "bound", "digest", "amount_minor", "amount_currency", "why",
    "requester_id", "requester_name", "asked_at", "expires_at",
)  # fmt: skip
#: A request that ended stays ended; one that was approved is used once, withdrawn, or expires.
STEPS = (
    "(OLD.state = 'waiting' AND NEW.state IN ('approved', 'refused', 'withdrawn', 'expired'))"
    " OR (OLD.state = 'approved' AND NEW.state IN ('used', 'withdrawn', 'expired')"
    " AND NEW.decider_id = OLD.decider_id)"
)


def upgrade() -> None:
    op.create_table(
        "approvals",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=40), nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=True),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("bound", JSON, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("amount_currency", sa.String(length=3), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("requester_id", ROW_ID, nullable=False),
        sa.Column("requester_name", sa.Text(), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("decider_id", ROW_ID, nullable=True),
        sa.Column("decider_name", sa.Text(), nullable=True),
        sa.Column("decided_why", sa.Text(), nullable=True),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'approved', 'refused', 'withdrawn', 'expired', 'used')",
            name=op.f("ck_approvals_state"),
        ),
        sa.CheckConstraint(
            "decider_id IS NULL OR decider_id <> requester_id", name=op.f("ck_approvals_second_person")
        ),
        sa.CheckConstraint(
            "state IN ('withdrawn', 'expired')"
            " OR (state IN ('approved', 'refused', 'used')) = (decider_id IS NOT NULL)",
            name=op.f("ck_approvals_decided"),
        ),
        sa.CheckConstraint("(state = 'used') = (used_at IS NOT NULL)", name=op.f("ck_approvals_used")),
        sa.CheckConstraint(
            "(amount_minor IS NULL) = (amount_currency IS NULL)", name=op.f("ck_approvals_amount")
        ),
        *(
            sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_approvals_{column}_{other}"))
            for column, other in (
                ("payment_id", "payments"), ("requester_id", "people"), ("decider_id", "people"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )  # fmt: skip
    for column in ("payment_id", "requester_id", "expires_at"):
        op.create_index(op.f(f"ix_approvals_{column}"), "approvals", [column])
    op.create_index(
        "uq_approvals_open", "approvals", ["digest"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    )
    _guards()


def downgrade() -> None:
    op.drop_table("approvals")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION approvals_as_asked()")


def _guards() -> None:
    changed = " OR ".join(f"OLD.{column} IS {{}} NEW.{column}" for column in FIXED)
    refusal = "a request stays as it was asked, and is decided once"
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION approvals_as_asked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF {changed.format(*['DISTINCT FROM'] * len(FIXED))} OR NOT ({STEPS})"
            f" THEN RAISE EXCEPTION '{refusal}'; END IF; RETURN NEW; END $$"
        )
        op.execute(
            "CREATE TRIGGER approvals_as_asked BEFORE UPDATE ON approvals"
            " FOR EACH ROW EXECUTE FUNCTION approvals_as_asked()"
        )
        op.execute(
            "CREATE TRIGGER approvals_no_delete BEFORE DELETE OR TRUNCATE ON approvals"
            " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
        )
        return
    op.execute(
        "CREATE TRIGGER approvals_as_asked BEFORE UPDATE ON approvals"
        f" WHEN {changed.format(*['NOT'] * len(FIXED))} OR NOT ({STEPS})"
        f" BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
    )
    op.execute(
        "CREATE TRIGGER approvals_no_delete BEFORE DELETE ON approvals"
        " BEGIN SELECT RAISE(ABORT, 'approvals rows are only ever added'); END"
    )
