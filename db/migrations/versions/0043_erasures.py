"""Requests of the people whose data is held, what was erased, and a door in the triggers for that alone.

Triggers on rows that are only added let their personal columns, and no others, be overwritten while a row
stands in ``erasure_door``.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
#: The personal columns of each table that is otherwise only added.
PERSONAL = {
    "timeline": ("detail",),
    "match_refusals": ("why",),
    "claims": ("bank_reference", "folded_reference"),
    "claim_drops": ("why",),
    "refunds": ("why",),
    "reversals": ("why",),
    "till_entries": ("why",),
    "papers": ("body",),
    "amount_changes": ("why",),
}
#: What a line of a bank says of people, and what it says of money.
LINE_PERSONAL = ("description", "reference")
LINE_SAID = (
    "account_id", "key", "ordinal", '"on"', "amount_minor", "amount_currency", "fee_minor", "balance_minor",
)  # fmt: skip
#: Rows that change in certain ways only. Of these columns nothing does, while the door is open.
KEPT = {
    "approvals_as_asked": (
        "what", "subject", "payment_id", "scope", "digest", "amount_minor", "amount_currency", "requester_id",
        "requester_name", "asked_at", "expires_at", "state", "decider_id", "decider_name", "used_at",
    ),
    "matches_locked": ("line_id", "how", "way", "rule", "by", "at", "undone_at", "undone_by", "booked_on"),
}  # fmt: skip
OPEN = "EXISTS (SELECT 1 FROM erasure_door)"
SHUT = "personal data is only overwritten when it is erased"


def upgrade() -> None:
    _tables()
    op.add_column("payments", sa.Column("erased_at", sa.DateTime(timezone=True)))
    if _postgres():
        op.execute(
            "CREATE FUNCTION only_erased() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF NOT {OPEN} THEN RAISE EXCEPTION '{SHUT}'; END IF; RETURN NULL; END $$"
        )
    for table, personal in PERSONAL.items():
        _only_add(table, _others(table, personal))
        _shut_unless_open(table, personal)
    _as_said(LINE_SAID)
    _shut_unless_open("statement_lines", LINE_PERSONAL)
    for name in KEPT:
        _let_through(name)


def downgrade() -> None:
    for table in (*PERSONAL, "statement_lines"):
        op.execute(f"DROP TRIGGER {table}_erased" + (f" ON {table}" if _postgres() else ""))
    for table in PERSONAL:
        _only_add(table, "")
    _as_said((*LINE_SAID, *LINE_PERSONAL))
    for name in KEPT:
        _let_through(name, no_more=True)
    if _postgres():
        op.execute("DROP FUNCTION only_erased()")
    op.drop_column("payments", "erased_at")
    for table in ("erasure_door", "erasures", "subject_requests"):
        op.drop_table(table)


def _postgres() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _tables() -> None:
    op.create_table(
        "subject_requests",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("payments", JSON, nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(7), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("ended_by", sa.Text()),
        sa.Column("ended_why", sa.Text()),
        sa.Column("outcome", JSON),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subject_requests")),
        sa.CheckConstraint(
            "kind IN ('export', 'correction', 'erasure')", name=op.f("ck_subject_requests_kind")
        ),
        sa.CheckConstraint("state IN ('open', 'done', 'refused')", name=op.f("ck_subject_requests_state")),
        sa.CheckConstraint("(state = 'open') = (ended_at IS NULL)", name=op.f("ck_subject_requests_ended")),
    )
    op.create_index("ix_subject_requests_state", "subject_requests", ["state", "due_on"])
    op.create_table(
        "erasures",
        sa.Column("payment_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("cause", sa.String(7), nullable=False),
        sa.Column("request_id", ROW_ID),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_erasures")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f("fk_erasures_payment_id_payments")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["subject_requests.id"], name=op.f("fk_erasures_request_id_subject_requests")
        ),
        sa.CheckConstraint("cause IN ('request', 'term')", name=op.f("ck_erasures_cause")),
    )
    op.create_index(op.f("ix_erasures_request_id"), "erasures", ["request_id"])
    op.create_table(
        "erasure_door",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("filling", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure_door")),
    )


def _others(table: str, personal: tuple[str, ...]) -> str:
    """The columns of a table that no door opens."""
    names = [each["name"] for each in sa.inspect(op.get_bind()).get_columns(table)]
    return ", ".join(f'"{name}"' for name in names if name not in personal)


def _only_add(table: str, columns: str) -> None:
    """Rows of this table are only added; with ``columns``, only those of it never change."""
    of = f" OF {columns}" if columns else ""
    if _postgres():
        op.execute(f"DROP TRIGGER {table}_only_add ON {table}")
        op.execute(
            f"CREATE TRIGGER {table}_only_add BEFORE UPDATE{of} OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
        )
        return
    op.execute(f"DROP TRIGGER {table}_no_update")
    op.execute(
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE{of} ON {table}"
        f" BEGIN SELECT RAISE(ABORT, '{table} rows are only ever added'); END"
    )


def _as_said(columns: tuple[str, ...]) -> None:
    op.execute("DROP TRIGGER statement_lines_as_said" + (" ON statement_lines" if _postgres() else ""))
    refusal = (
        " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
        if _postgres()
        else " BEGIN SELECT RAISE(ABORT, 'what a statement line says never changes'); END"
    )
    op.execute(
        f"CREATE TRIGGER statement_lines_as_said BEFORE UPDATE OF {', '.join(columns)} ON statement_lines"
        f"{refusal}"
    )


def _shut_unless_open(table: str, personal: tuple[str, ...]) -> None:
    how = (
        "FOR EACH STATEMENT EXECUTE FUNCTION only_erased()"
        if _postgres()
        else f"WHEN NOT {OPEN} BEGIN SELECT RAISE(ABORT, '{SHUT}'); END"
    )
    op.execute(f"CREATE TRIGGER {table}_erased BEFORE UPDATE OF {', '.join(personal)} ON {table} {how}")


def _let_through(name: str, *, no_more: bool = False) -> None:
    """A trigger that judges each row lets one pass whose kept columns stay, while the door is open."""
    same = "IS NOT DISTINCT FROM" if _postgres() else "IS"
    passes = f"{OPEN} AND " + " AND ".join(f'OLD."{column}" {same} NEW."{column}"' for column in KEPT[name])
    if _postgres():
        old, new = "$ BEGIN ", f"$ BEGIN IF TG_OP = 'UPDATE' AND {passes} THEN RETURN NEW; END IF; "
        there = f"SELECT pg_get_functiondef('{name}'::regproc)"
    else:
        name = name.replace("matches_locked", "matches_update_locked")
        old, new = " WHEN ", f" WHEN NOT ({passes}) AND ("
        there = f"SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = '{name}'"  # noqa: S608
    made = op.get_bind().exec_driver_sql(there).scalar_one()
    made = made.replace(new, old, 1) if no_more else made.replace(old, new, 1)
    if not _postgres():
        end = ") BEGIN SELECT", " BEGIN SELECT"
        made = made.replace(*end, 1) if no_more else made.replace(*reversed(end), 1)
        op.execute(f"DROP TRIGGER {name}")
    op.get_bind().exec_driver_sql(made)
