"""The line of a payout that a receipt is in is found whatever its state is, as a look at the past asks."""

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_payout_lines_receipt_id"), "payout_lines", ["receipt_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_payout_lines_receipt_id"), "payout_lines")
