"""What was agreed after a payment was made: that it costs something else."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLE = "amount_changes"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("other_id", ROW_ID, nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_currency", sa.String(length=3), nullable=False),
        sa.Column("choice", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('replaced', 'asked', 'credited', 'agreed')", name=op.f(f"ck_{TABLE}_kind")
        ),
        sa.CheckConstraint(
            "(kind IN ('replaced', 'asked')) = (other_id IS NOT NULL)", name=op.f(f"ck_{TABLE}_other")
        ),
        sa.CheckConstraint("kind = 'credited' OR amount_minor >= 0", name=op.f(f"ck_{TABLE}_amount")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.id"], name=op.f(f"fk_{TABLE}_payment_id_payments")
        ),
        sa.ForeignKeyConstraint(["other_id"], ["payments.id"], name=op.f(f"fk_{TABLE}_other_id_payments")),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{TABLE}")),
        sa.UniqueConstraint("other_id", name=op.f(f"uq_{TABLE}_other_id")),
    )
    op.create_index(op.f(f"ix_{TABLE}_payment_id"), TABLE, ["payment_id"])
    _only_add()
    _known_already()


def downgrade() -> None:
    op.drop_table(TABLE)


def _only_add() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {TABLE}_only_add BEFORE UPDATE OR DELETE OR TRUNCATE ON {TABLE}"
            " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {TABLE}_no_{verb.lower()} BEFORE {verb} ON {TABLE}"
            f" BEGIN SELECT RAISE(ABORT, '{TABLE} rows are only ever added'); END"
        )


def _known_already() -> None:
    """Registrations whose amount changed before: each payment took the place of the one before it."""
    op.execute(
        "INSERT INTO amount_changes"
        " (payment_id, kind, other_id, amount_minor, amount_currency, choice, why, by, at)"
        " SELECT was.id, 'replaced', became.id, became.amount_minor, became.amount_currency, '{}',"
        " 'Another amount was asked for.', became.created_by, became.created_at"
        " FROM registrations one JOIN registrations two ON two.event_id = one.event_id"
        " AND two.registration_id = one.registration_id AND two.number = one.number + 1"
        " JOIN payments was ON was.reference = one.reference"
        " JOIN payments became ON became.reference = two.reference ORDER BY became.id"
    )
