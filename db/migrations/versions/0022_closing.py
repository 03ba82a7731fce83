"""Closing: sign-offs of days and months, and triggers that lock what was signed off.

What a signed day holds refuses change on both databases: its lines, their matches and parts, the receipts
that these brought. What comes for it later names another day it is booked on, ``booked_on``.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
LOCKS = sa.text("state IN ('signed', 'approved', 'reopening')")
ADD_ONLY = ("sign_off_steps", "closing_papers")
BOOKED = ("statement_lines", "matches")
REFUSAL = "this day is signed off: reopen it first, or book it on an open day"
#: What never changes of a sign-off, whatever becomes of it.
FIXED = (
    "account_id", "period", "first_on", "last_on", "figures", "digest", "note", "signed_at", "signer_id",
    "signer_name",
)  # fmt: skip
STEPS = (
    "(OLD.state = 'signed' AND NEW.state IN ('approved', 'refused'))"
    " OR (OLD.state = 'approved' AND NEW.state = 'reopening' AND NEW.approver_id = OLD.approver_id)"
    " OR (OLD.state = 'reopening' AND NEW.state = 'approved' AND NEW.approver_id = OLD.approver_id)"
    " OR (OLD.state = 'reopening' AND NEW.state = 'reopened' AND NEW.approver_id = OLD.approver_id"
    " AND NEW.reopen_asker_id = OLD.reopen_asker_id)"
)
NOT_AS_SIGNED = "a sign-off stays as it was signed, and takes one step at a time"


def upgrade() -> None:
    _sign_offs()
    _sign_off_steps()
    _day_drafts()
    _closing_papers()
    for table in BOOKED:
        op.add_column(table, sa.Column("booked_on", sa.Date(), nullable=True))
    there = sa.text("booked_on IS NOT NULL")
    for name, table in (("ix_statement_lines_booked", "statement_lines"), ("ix_matches_booked", "matches")):
        op.create_index(name, table, ["booked_on"], sqlite_where=there, postgresql_where=there)
    if op.get_bind().dialect.name == "postgresql":
        _postgres_guards()
    else:
        _sqlite_guards()


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in LOCKED:
            op.execute(f"DROP TRIGGER {table}_locked ON {table}")
            op.execute(f"DROP FUNCTION {table}_locked()")
        for table in BOOKED:
            op.execute(f"DROP TRIGGER {table}_no_truncate_locked ON {table}")
    else:
        for table, verbs in LOCKED.items():
            for verb in verbs:
                op.execute(f"DROP TRIGGER {table}_{verb.lower()}_locked")
    op.drop_index("ix_matches_booked", "matches")
    op.drop_index("ix_statement_lines_booked", "statement_lines")
    for table in BOOKED:
        op.drop_column(table, "booked_on")
    for table in ("closing_papers", "day_drafts", "sign_off_steps", "sign_offs"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION sign_offs_as_asked()")


def _to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"))


def _sign_offs() -> None:
    checks = {
        "period": "period IN ('day', 'month')",
        "span": "first_on <= last_on AND (period = 'month' OR first_on = last_on)",
        "state": "state IN ('signed', 'refused', 'approved', 'reopening', 'reopened')",
        "second_person": "approver_id IS NULL OR approver_id <> signer_id",
        "second_to_reopen": "reopener_id IS NULL OR reopener_id <> reopen_asker_id",
        "approved": "state NOT IN ('approved', 'reopening', 'reopened') OR approver_id IS NOT NULL",
        "reopening": "state NOT IN ('reopening', 'reopened')"
        " OR (reopen_asker_id IS NOT NULL AND reopen_why <> '')",
        "reopened": "(state = 'reopened') = (reopener_id IS NOT NULL)",
    }
    op.create_table(
        "sign_offs",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("account_id", ROW_ID, nullable=False),
        sa.Column("period", sa.String(length=5), nullable=False),
        sa.Column("first_on", sa.Date(), nullable=False),
        sa.Column("last_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=9), nullable=False),
        sa.Column("figures", JSON, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", MOMENT, nullable=False),
        sa.Column("signer_id", ROW_ID, nullable=False),
        sa.Column("signer_name", sa.Text(), nullable=False),
        sa.Column("approved_at", MOMENT, nullable=True),
        sa.Column("approver_id", ROW_ID, nullable=True),
        sa.Column("approver_name", sa.Text(), nullable=True),
        sa.Column("reopen_why", sa.Text(), nullable=True),
        sa.Column("reopen_asker_id", ROW_ID, nullable=True),
        sa.Column("reopen_asker_name", sa.Text(), nullable=True),
        sa.Column("reopened_at", MOMENT, nullable=True),
        sa.Column("reopener_id", ROW_ID, nullable=True),
        sa.Column("reopener_name", sa.Text(), nullable=True),
        *(sa.CheckConstraint(rule, name=op.f(f"ck_sign_offs_{name}")) for name, rule in checks.items()),
        _to("sign_offs", "account_id", "bank_accounts"),
        *(
            _to("sign_offs", column, "people")
            for column in ("signer_id", "approver_id", "reopen_asker_id", "reopener_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_offs")),
    )
    op.create_index(
        "uq_sign_offs_standing", "sign_offs", ["account_id", "period", "first_on"], unique=True,
        sqlite_where=LOCKS, postgresql_where=LOCKS,
    )  # fmt: skip
    op.create_index(op.f("ix_sign_offs_account_id_last_on"), "sign_offs", ["account_id", "last_on"])


def _sign_off_steps() -> None:
    op.create_table(
        "sign_off_steps",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("sign_off_id", ROW_ID, nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        _to("sign_off_steps", "sign_off_id", "sign_offs"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_off_steps")),
    )
    op.create_index(op.f("ix_sign_off_steps_sign_off_id"), "sign_off_steps", ["sign_off_id"])


def _day_drafts() -> None:
    op.create_table(
        "day_drafts",
        sa.Column("account_id", ROW_ID, nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("figures", JSON, nullable=False),
        sa.Column("blockers", sa.Integer(), nullable=False),
        _to("day_drafts", "account_id", "bank_accounts"),
        sa.PrimaryKeyConstraint("account_id", "on", name=op.f("pk_day_drafts")),
    )


def _closing_papers() -> None:
    op.create_table(
        "closing_papers",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("reference", sa.String(length=24), nullable=False),
        sa.Column("kind", sa.String(length=9), nullable=False),
        sa.Column("account_id", ROW_ID, nullable=False),
        sa.Column("first_on", sa.Date(), nullable=False),
        sa.Column("last_on", sa.Date(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('statement', 'journal')", name=op.f("ck_closing_papers_kind")),
        _to("closing_papers", "account_id", "bank_accounts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_closing_papers")),
        sa.UniqueConstraint("reference", name=op.f("uq_closing_papers_reference")),
    )
    op.create_index(op.f("ix_closing_papers_sha256"), "closing_papers", ["sha256"])


# -- what is locked -----------------------------------------------------------------------------------


def _locked(account: str, day: str) -> str:
    return (
        "EXISTS (SELECT 1 FROM sign_offs s WHERE s.state IN ('signed', 'approved', 'reopening')"  # noqa: S608
        f" AND s.account_id = {account} AND s.first_on <= {day} AND s.last_on >= {day})"
    )


def _line(row: str) -> str:
    """A line counts in its day unless it is gone."""
    day = f'coalesce({row}.booked_on, {row}."on")'
    return f"({row}.state <> 'gone' AND {_locked(f'{row}.account_id', day)})"


def _match(row: str) -> str:
    return _of_line(row, f"l.id = {row}.line_id")


def _of_line(match: str, of: str, joins: str = "") -> str:
    day = f'coalesce({match}.booked_on, l.booked_on, l."on")'
    held = _locked("l.account_id", day)
    return f"EXISTS (SELECT 1 FROM {joins}statement_lines l WHERE {of} AND {held})"  # noqa: S608


def _part(row: str) -> str:
    return _of_line("m", f"m.id = {row}.match_id AND l.id = m.line_id", "matches m, ")


def _receipt(row: str) -> str:
    of = f"p.receipt_id = {row}.id AND m.id = p.match_id AND m.undone_at IS NULL AND l.id = m.line_id"
    return _of_line("m", of, "match_parts p, matches m, ")


#: A line whose day is locked changes its state only with a match that is booked on an open day.
_BY_A_LATE_MATCH = (
    "(OLD.state <> 'gone' AND NEW.state <> 'gone' AND OLD.booked_on IS {same} NEW.booked_on"  # noqa: S608
    " AND EXISTS (SELECT 1 FROM matches m WHERE m.line_id = NEW.id AND m.booked_on IS NOT NULL"
    f" AND NOT {_locked('NEW.account_id', 'm.booked_on')}))"
)
_LINE_MOVES = "(OLD.state <> NEW.state OR OLD.booked_on IS {other} NEW.booked_on)"

#: Table → verb → what must not be so.
LOCKED = {
    "statement_lines": {
        "INSERT": _line("NEW"),
        "UPDATE": f"{_LINE_MOVES} AND ({_line('OLD')} OR {_line('NEW')}) AND NOT {_BY_A_LATE_MATCH}",
        "DELETE": _line("OLD"),
    },
    "matches": {
        "INSERT": _match("NEW"),
        "UPDATE": f"({_match('OLD')} OR {_match('NEW')})",
        "DELETE": _match("OLD"),
    },
    "match_parts": {"INSERT": _part("NEW")},
    "receipts": {"UPDATE": _receipt("OLD"), "DELETE": _receipt("OLD")},
}


def _sqlite_guards() -> None:
    for table, verbs in LOCKED.items():
        for verb, wrong in verbs.items():
            op.execute(
                f"CREATE TRIGGER {table}_{verb.lower()}_locked BEFORE {verb} ON {table}"
                f" WHEN {wrong.format(same='', other='NOT')} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )
    for table in ADD_ONLY:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} rows are only ever added'); END"
            )
    changed = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in FIXED)
    op.execute(
        f"CREATE TRIGGER sign_offs_as_asked BEFORE UPDATE ON sign_offs WHEN {changed} OR NOT ({STEPS})"
        f" BEGIN SELECT RAISE(ABORT, '{NOT_AS_SIGNED}'); END"
    )
    op.execute(
        "CREATE TRIGGER sign_offs_no_delete BEFORE DELETE ON sign_offs"
        " BEGIN SELECT RAISE(ABORT, 'sign_offs rows are only ever added'); END"
    )


def _postgres_guards() -> None:
    for table, verbs in LOCKED.items():
        tests = " ".join(
            f"IF TG_OP = '{verb}' AND ({wrong.format(same='NOT DISTINCT FROM', other='DISTINCT FROM')})"
            f" THEN RAISE EXCEPTION '{REFUSAL}'; END IF;"
            for verb, wrong in verbs.items()
        )
        op.execute(
            f"CREATE FUNCTION {table}_locked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {tests}"
            " IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_locked BEFORE {' OR '.join(verbs)} ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION {table}_locked()"
        )
    for table in BOOKED:
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate_locked BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
        )
    for table in ADD_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_only_add BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
        )
    changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in FIXED)
    op.execute(
        "CREATE FUNCTION sign_offs_as_asked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF {changed} OR NOT ({STEPS}) THEN RAISE EXCEPTION '{NOT_AS_SIGNED}'; END IF; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER sign_offs_as_asked BEFORE UPDATE ON sign_offs"
        " FOR EACH ROW EXECUTE FUNCTION sign_offs_as_asked()"
    )
    op.execute(
        "CREATE TRIGGER sign_offs_no_delete BEFORE DELETE OR TRUNCATE ON sign_offs"
        " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
    )
