"""A payment is found by what stands on its paper: a receipt's number, a slip's, the last digits of a card."""

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

TABLE = "till_entries"
SHOWN = ("slip_number", "card_last4")


def upgrade() -> None:
    op.create_index("ix_till_entries_number", TABLE, ["number"])
    for name in SHOWN:
        shown = sa.text(f"{name} <> ''")
        op.create_index(f"ix_till_entries_{name}", TABLE, [name], sqlite_where=shown, postgresql_where=shown)


def downgrade() -> None:
    for name in ("number", *SHOWN):
        op.drop_index(f"ix_till_entries_{name}", TABLE)
