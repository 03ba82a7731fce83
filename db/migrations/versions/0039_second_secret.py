"""The secret before, which signs notifications as well for a while."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notify_endpoints", sa.Column("previous_sealed", sa.LargeBinary()))
    op.add_column("notify_endpoints", sa.Column("previous_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("notify_endpoints", "previous_until")
    op.drop_column("notify_endpoints", "previous_sealed")
