"""Rules that people write about bank lines, with every version they had."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "match_rules",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=6), nullable=False),
        sa.Column("shadow_days", sa.Integer(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('off', 'shadow', 'live')", name=op.f("ck_match_rules_state")),
        sa.CheckConstraint(
            "position BETWEEN 1 AND 9999 AND version >= 1 AND shadow_days >= 1",
            name=op.f("ck_match_rules_numbers"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_match_rules")),
        sa.UniqueConstraint("name", name=op.f("uq_match_rules_name")),
    )
    op.create_table(
        "match_rule_versions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("rule_id", ROW_ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("condition", JSON, nullable=False),
        sa.Column("says", sa.String(length=8), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("examples", JSON, nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rule_id"], ["match_rules.id"], name=op.f("fk_match_rule_versions_rule_id_match_rules")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_match_rule_versions")),
        sa.UniqueConstraint("rule_id", "version", name=op.f("uq_match_rule_versions_rule_id_version")),
    )
    _guard("match_rule_versions")


def downgrade() -> None:
    op.drop_table("match_rule_versions")
    op.drop_table("match_rules")


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
