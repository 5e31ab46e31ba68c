"""A question may need several kinds of picture together; a mark keeps every picture that proves it.

Questions from before go on needing one of their kinds.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("questions", sa.Column("every_kind", sa.Boolean(), server_default=sa.false(), nullable=False))
    kept = op.get_bind().execute(sa.text("SELECT id, snapshot_id FROM check_marks WHERE snapshot_id IS NOT NULL")).all()
    with op.batch_alter_table("check_marks") as marks:  # SQLite cannot drop a column that refers to another table
        marks.drop_constraint("fk_check_marks_snapshot_id", type_="foreignkey")
        marks.drop_column("snapshot_id")
    table = op.create_table(
        "mark_snapshots",
        sa.Column("mark_id", sa.Integer(), nullable=False),
        sa.Column("evidence_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["mark_id"], ["check_marks.id"], name=op.f("fk_mark_snapshots_mark_id")),
        sa.ForeignKeyConstraint(["evidence_id"], ["evidence.id"], name=op.f("fk_mark_snapshots_evidence_id")),
        sa.PrimaryKeyConstraint("mark_id", "evidence_id", name=op.f("pk_mark_snapshots")),
    )
    if kept:
        op.bulk_insert(table, [{"mark_id": mark, "evidence_id": picture} for mark, picture in kept])


def downgrade() -> None:
    raise RuntimeError("what proves an item is kept as long as the law asks")
