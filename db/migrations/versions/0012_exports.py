"""Exports: each file that was taken out, with its hash; and presets, how people like their files."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("reference", sa.String(length=24), nullable=False),
        sa.Column("person_id", ROW_ID, nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("wanted", JSON, nullable=False),
        sa.Column("layout", JSON, nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("rows_done", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("sums", JSON, nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('asked', 'running', 'whole', 'broken')", name=op.f("ck_exports_state")),
        sa.CheckConstraint("(state = 'whole') = (sha256 IS NOT NULL)", name=op.f("ck_exports_whole")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_exports_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exports")),
        sa.UniqueConstraint("reference", name=op.f("uq_exports_reference")),
    )
    op.create_index(op.f("ix_exports_actor"), "exports", ["actor"])
    op.create_index(op.f("ix_exports_sha256"), "exports", ["sha256"])
    op.create_table(
        "export_presets",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("person_id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("role", sa.String(length=12), nullable=True),
        sa.Column("layout", JSON, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_export_presets_person_id_people")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_presets")),
        sa.UniqueConstraint("person_id", "name", name=op.f("uq_export_presets_person_id_name")),
    )


def downgrade() -> None:
    op.drop_table("export_presets")
    op.drop_table("exports")
