"""Terms: what each event settles with its payers, how long links live, in which language."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0019"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "event_terms",
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("expire_days", sa.Integer(), nullable=True),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.CheckConstraint("expire_days BETWEEN 0 AND 365", name=op.f("ck_event_terms_expire_days")),
        sa.CheckConstraint("language IN ('en', 'af', 'zu', 'xh')", name=op.f("ck_event_terms_language")),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_event_terms_event_id_events")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_event_terms")),
    )


def downgrade() -> None:
    op.drop_table("event_terms")
