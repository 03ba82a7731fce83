"""A refund is taken off one payout that stands, and the database says so as well."""

from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

TABLE = "payout_lines"
ONCE, UNTIED = "uq_payout_lines_taken_off", "ix_payout_lines_untied"


def upgrade() -> None:
    # Two at once could take one off two payouts. The first keeps it; the other says what it was, and the
    # examination of the books names it until somebody takes that payout back.
    op.execute(
        f"UPDATE {TABLE} SET reason = 'Refund ' || refund_id || ' is taken off another payout already.',"  # noqa: S608
        " refund_id = NULL WHERE state = 'stands' AND refund_id IS NOT NULL AND EXISTS"
        f" (SELECT 1 FROM {TABLE} AS first WHERE first.refund_id = {TABLE}.refund_id"
        f" AND first.state = 'stands' AND first.id < {TABLE}.id)"
    )
    for name in (ONCE, UNTIED):  # somebody may have made one of this name by hand: ours takes its place
        op.execute(f"DROP INDEX IF EXISTS {name}")
    op.execute(
        f"CREATE UNIQUE INDEX {ONCE} ON {TABLE} (refund_id) WHERE state = 'stands' AND refund_id IS NOT NULL"
    )
    op.execute(
        f"CREATE INDEX {UNTIED} ON {TABLE} (id)"
        " WHERE state = 'stands' AND refund_id IS NULL AND kind IN ('refund', 'chargeback')"
    )


def downgrade() -> None:
    for name in (UNTIED, ONCE):
        op.execute(f"DROP INDEX IF EXISTS {name}")
