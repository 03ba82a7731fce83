"""An index of payments that were let go, by when: a forecast asks for those of the last weeks."""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

NAME, LET_GO = "ix_payments_let_go", sa.text("status IN ('expired', 'cancelled', 'waived')")


def upgrade() -> None:
    op.create_index(NAME, "payments", ["status", "updated_at"], sqlite_where=LET_GO, postgresql_where=LET_GO)


def downgrade() -> None:
    op.drop_index(NAME, "payments")
