"""The audit's chain: each entry from now on carries a mac over itself and the one before."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # ADD COLUMN on both databases, never a table made anew: its rows stay, and so do its triggers.
    op.add_column("audit", sa.Column("mac", sa.String(length=64), nullable=True))
    op.add_column("audit", sa.Column("mac_key", sa.String(length=20), nullable=True))


def downgrade() -> None:
    op.drop_column("audit", "mac_key")
    op.drop_column("audit", "mac")
