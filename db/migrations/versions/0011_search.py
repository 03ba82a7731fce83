"""Search holds its manners at any size: an index of three letters on SQLite, and an index for each filter.

The text a payment is found by gets a line break before its first field and behind its last, so that where a
field begins and ends can be looked for.
"""

from alembic import op

from db.migrations.quicker import without_indexes

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

#: What a list can be filtered by, the newest first.
INDEXES = {
    "ix_payments_method_id": ["method", "id"],
    "ix_payments_created_by_id": ["created_by", "id"],
    "ix_payments_category_id_id": ["category_id", "id"],
    "ix_payments_created_at_id": ["created_at", "id"],
    "ix_payments_paid_at_id": ["paid_at", "id"],
}
#: What those supersede.
SUPERSEDED = {"ix_payments_created_at": ["created_at"], "ix_payments_paid_at": ["paid_at"]}


TEXTS = "ix_payments_search_text"


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    if not sqlite:  # made anew it takes a part of the time that changing every text in it does
        op.drop_index(TEXTS, "payments", if_exists=True)  # a desk may have been taken back to here
    with without_indexes("payments"):
        op.execute(
            "UPDATE payments SET search_text = '\n' || search_text || '\n'"
            " WHERE substr(search_text, 1, 1) <> '\n'"
        )
    if not sqlite:
        op.execute(f"CREATE INDEX {TEXTS} ON payments USING gin (search_text gin_trgm_ops)")
    for name, columns in INDEXES.items():
        op.create_index(name, "payments", columns)
    for name in SUPERSEDED:
        op.drop_index(name, "payments")
    if sqlite:
        _trigrams()


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in ("insert", "update", "delete"):
            op.execute(f"DROP TRIGGER payments_fts_{name}")
        op.execute("DROP TABLE payments_fts")
    for name, columns in SUPERSEDED.items():
        op.create_index(name, "payments", columns)
    for name in INDEXES:
        op.drop_index(name, "payments")


def _trigrams() -> None:
    """An index beside the table, without a text of its own, kept by triggers in the payment's transaction."""
    op.execute(
        "CREATE VIRTUAL TABLE payments_fts USING fts5(search_text, content='payments', content_rowid='id',"
        " tokenize='trigram remove_diacritics 1')"
    )
    op.execute("INSERT INTO payments_fts(payments_fts, rank) VALUES ('automerge', 16)")
    op.execute("INSERT INTO payments_fts(payments_fts) VALUES ('rebuild')")
    forget = (
        "INSERT INTO payments_fts(payments_fts, rowid, search_text)"
        " VALUES ('delete', old.id, old.search_text);"
    )
    learn = "INSERT INTO payments_fts(rowid, search_text) VALUES (new.id, new.search_text);"
    op.execute(f"CREATE TRIGGER payments_fts_insert AFTER INSERT ON payments BEGIN {learn} END")
    op.execute(f"CREATE TRIGGER payments_fts_delete AFTER DELETE ON payments BEGIN {forget} END")
    op.execute(
        "CREATE TRIGGER payments_fts_update AFTER UPDATE OF id, search_text ON payments"
        f" WHEN old.search_text <> new.search_text OR old.id <> new.id BEGIN {forget} {learn} END"
    )
