"""PostgreSQL tells whoever listens that the counter of changes rose, once its transaction is committed.

By a trigger, so that it does not depend on who writes. NOTIFY makes commits wait for each other, over the
whole server: only what raises the counter notifies, and those wait for each other anyway, for its row.
"""

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute(
        "CREATE FUNCTION tell_changes() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NOTIFY paydesk_changes; RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER changes_told AFTER INSERT OR UPDATE ON counters FOR EACH ROW"
        " WHEN (NEW.name = 'changes') EXECUTE FUNCTION tell_changes()"
    )


def downgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute("DROP TRIGGER changes_told ON counters")
    op.execute("DROP FUNCTION tell_changes()")
