"""What a matched line brought too much can wait for a person: which part of it an exception is about."""

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

TABLE, COLUMN = "exceptions", "part_id"
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FOREIGN_KEY, INDEX = "fk_exceptions_part_id_match_parts", "ix_exceptions_part_id"


#: Of the table itself; what it refers to need not be looked at.
ALONE = {"resolve_fks": False}


def upgrade() -> None:
    with op.batch_alter_table(TABLE, reflect_kwargs=ALONE) as table:
        table.add_column(sa.Column(COLUMN, ROW_ID, nullable=True))
        table.create_foreign_key(FOREIGN_KEY, "match_parts", [COLUMN], ["id"])
        table.create_index(INDEX, [COLUMN])


def downgrade() -> None:
    # Whoever goes back knows no rest that waits: there it stands as surplus, which was decided.
    op.execute(
        f"UPDATE {TABLE} SET closed_at = opened_at, closed_by = 'migration'"  # noqa: S608
        f" WHERE {COLUMN} IS NOT NULL AND closed_at IS NULL"
    )
    with op.batch_alter_table(TABLE, reflect_kwargs=ALONE) as table:
        table.drop_index(INDEX)
        table.drop_constraint(FOREIGN_KEY, type_="foreignkey")
        table.drop_column(COLUMN)
