"""Card machines' batches of closed shifts, and the bank lines that bring them."""

import json
from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WAS = "target IN ('payment', 'bag', 'line', 'surplus', 'aside', 'payout')"
IS = "target IN ('payment', 'bag', 'card', 'line', 'surplus', 'aside', 'payout')"
PARTS = "match_parts"


def upgrade() -> None:
    op.create_table(
        "card_batches",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("z_report_id", ROW_ID, nullable=False),
        sa.Column("machine", sa.String(length=40), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_currency", sa.String(length=3), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_card_batches_amount")),
        sa.ForeignKeyConstraint(
            ["z_report_id"], ["z_reports.id"], name=op.f("fk_card_batches_z_report_id_z_reports")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_card_batches")),
        sa.UniqueConstraint("z_report_id", "machine", name=op.f("uq_card_batches_z_report_id_machine")),
    )
    _guard("card_batches")
    _of_earlier_reports()
    _alter(_with_batches)


def downgrade() -> None:
    _alter(_without_batches)
    op.drop_table("card_batches")


def _of_earlier_reports() -> None:
    """What the reports that are here say of their machines."""
    connection = op.get_bind()
    table = sa.table(
        "card_batches", *map(sa.column, ("z_report_id", "machine", "amount_minor", "amount_currency"))
    )
    for report, body in connection.execute(sa.text("SELECT id, body FROM z_reports ORDER BY id")).all():
        told = json.loads(body)
        rows = [
            {
                "z_report_id": report,
                "machine": one["name"],
                "amount_minor": one["counted_minor"],
                "amount_currency": told["currency"],
            }
            for one in told["machines"]
            if one["counted_minor"] > 0
        ]
        if rows:
            connection.execute(table.insert(), rows)


def _alter(change: Callable[[], None]) -> None:
    """SQLite makes the table anew: triggers on it go with it, and those that name it are in the way."""
    if op.get_bind().dialect.name == "postgresql":
        change()
        return
    named = sa.text(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND (tbl_name = :parts OR sql LIKE :like)"
    )
    triggers = op.get_bind().execute(named, {"parts": PARTS, "like": f"%{PARTS}%"}).all()
    for name, _ in triggers:
        op.execute(f"DROP TRIGGER {name}")
    change()
    for _, made in triggers:
        op.get_bind().exec_driver_sql(made)


def _with_batches() -> None:
    with op.batch_alter_table(PARTS) as parts:
        parts.add_column(sa.Column("card_batch_id", ROW_ID, nullable=True))
        parts.drop_constraint(op.f("ck_match_parts_target"), type_="check")
        parts.create_check_constraint(op.f("ck_match_parts_target"), IS)
        parts.create_check_constraint(
            op.f("ck_match_parts_card"), "(target = 'card') = (card_batch_id IS NOT NULL)"
        )
        parts.create_foreign_key(
            op.f("fk_match_parts_card_batch_id_card_batches"), "card_batches", ["card_batch_id"], ["id"]
        )
    op.create_index(op.f("ix_match_parts_card_batch_id"), PARTS, ["card_batch_id"])


def _without_batches() -> None:
    op.drop_index(op.f("ix_match_parts_card_batch_id"), PARTS)
    with op.batch_alter_table(PARTS) as parts:
        parts.drop_constraint(op.f("fk_match_parts_card_batch_id_card_batches"), type_="foreignkey")
        parts.drop_constraint(op.f("ck_match_parts_card"), type_="check")
        parts.drop_constraint(op.f("ck_match_parts_target"), type_="check")
        parts.create_check_constraint(op.f("ck_match_parts_target"), WAS)
        parts.drop_column("card_batch_id")


def _guard(table: str) -> None:
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
