"""Claims with their proofs, refunds, and which bank account an event's payers pay into.

What somebody claimed, took back or recorded as given back is only ever added to.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0020"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
LARGEST_MINOR = 100_000_000
ACTIVE = sa.text("active")
ADD_ONLY = ("claims", "claim_drops", "refunds")


def upgrade() -> None:
    _event_accounts()
    _claims()
    _proofs()
    _refunds()
    _guards()


def downgrade() -> None:
    for table in ("refunds", "proofs", "claim_drops", "claims", "event_accounts"):
        op.drop_table(table)


def _amount(table: str) -> list[sa.Column | sa.CheckConstraint]:
    return [
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_currency", sa.String(length=3), nullable=False),
        sa.CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name=op.f(f"ck_{table}_amount")),
    ]


def _to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"))


def _event_accounts() -> None:
    op.create_table(
        "event_accounts",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("event_id", ROW_ID, nullable=False),
        sa.Column("account_id", ROW_ID, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('cheque', 'savings')", name=op.f("ck_event_accounts_kind")),
        _to("event_accounts", "event_id", "events"),
        _to("event_accounts", "account_id", "bank_accounts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_accounts")),
    )
    op.create_index(op.f("ix_event_accounts_event_id"), "event_accounts", ["event_id"])
    op.create_index(
        "uq_event_accounts_active",
        "event_accounts",
        ["event_id"],
        unique=True,
        sqlite_where=ACTIVE,
        postgresql_where=ACTIVE,
    )


def _claims() -> None:
    op.create_table(
        "claims",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("key", sa.String(length=43), nullable=False),
        *_amount("claims"),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("bank_reference", sa.String(length=60), nullable=False),
        sa.Column("folded_reference", sa.String(length=60), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        _to("claims", "payment_id", "payments"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claims")),
        sa.UniqueConstraint("key", name=op.f("uq_claims_key")),
    )
    for column in ("payment_id", "folded_reference"):
        op.create_index(op.f(f"ix_claims_{column}"), "claims", [column])
    op.create_table(
        "claim_drops",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("claim_id", ROW_ID, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        _to("claim_drops", "claim_id", "claims"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim_drops")),
        sa.UniqueConstraint("claim_id", name=op.f("uq_claim_drops_claim_id")),
    )


def _proofs() -> None:
    op.create_table(
        "proofs",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("claim_id", ROW_ID, nullable=True),
        sa.Column("kind", sa.String(length=4), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("pixels_sha256", sa.String(length=64), nullable=True),
        sa.Column("look", sa.String(length=64), nullable=True),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("findings", JSON, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('jpeg', 'pdf')", name=op.f("ck_proofs_kind")),
        sa.CheckConstraint("(kind = 'jpeg') = (pixels_sha256 IS NOT NULL)", name=op.f("ck_proofs_pixels")),
        _to("proofs", "payment_id", "payments"),
        _to("proofs", "claim_id", "claims"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proofs")),
    )
    for column in ("payment_id", "claim_id", "sha256", "pixels_sha256"):
        op.create_index(op.f(f"ix_proofs_{column}"), "proofs", [column])


def _refunds() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("payment_id", ROW_ID, nullable=False),
        sa.Column("approval_id", ROW_ID, nullable=False),
        sa.Column("proof_id", ROW_ID, nullable=True),
        sa.Column("method", sa.String(length=12), nullable=False),
        *_amount("refunds"),
        sa.Column("refunded_on", sa.Date(), nullable=False),
        sa.Column("done_by", sa.Text(), nullable=False),
        sa.Column("source_reference", sa.String(length=64), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.CheckConstraint("method IN ('gateway', 'card_slip', 'eft')", name=op.f("ck_refunds_method")),
        _to("refunds", "payment_id", "payments"),
        _to("refunds", "approval_id", "approvals"),
        _to("refunds", "proof_id", "proofs"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
        sa.UniqueConstraint("approval_id", name=op.f("uq_refunds_approval_id")),
    )
    op.create_index(op.f("ix_refunds_payment_id"), "refunds", ["payment_id"])


def _guards() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in ADD_ONLY:
            op.execute(
                f"CREATE TRIGGER {table}_only_add BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION only_add()"
            )
        return
    for table in ADD_ONLY:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} rows are only ever added'); END"
            )
