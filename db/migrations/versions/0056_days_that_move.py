"""A saved view keeps the words of days that move with the day, such as *last week*."""

import sqlalchemy as sa
from alembic import op

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Beside the days themselves, which a release of before reads and writes: it shows those.
    with op.batch_alter_table("saved_views") as table:
        table.add_column(sa.Column("moving", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("saved_views") as table:
        table.drop_column("moving")
