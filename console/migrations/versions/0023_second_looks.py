"""复评: a share of what was decided is looked at a second time.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

from console import schema

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "second_looks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("branch_id", sa.Integer(), nullable=False),
        sa.Column("task_id", sa.Integer(), nullable=False),
        sa.Column("submission", sa.Integer(), nullable=False),
        sa.Column("first_id", sa.Integer(), nullable=False),
        sa.Column("first_person", sa.String(length=40), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_decision", sa.String(length=40), nullable=False),
        sa.Column("first_reasons", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("reviewer_id", sa.Integer(), nullable=True),
        sa.Column("reviewer_person", sa.String(length=40), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision", sa.String(length=40), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("note", sa.String(length=400), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_second_looks_case_id")),
        sa.ForeignKeyConstraint(["branch_id"], ["branches.id"], name=op.f("fk_second_looks_branch_id")),
        sa.ForeignKeyConstraint(["task_id"], ["review_tasks.id"], name=op.f("fk_second_looks_task_id")),
        sa.ForeignKeyConstraint(["first_id"], ["staff.id"], name=op.f("fk_second_looks_first_id")),
        sa.ForeignKeyConstraint(["reviewer_id"], ["staff.id"], name=op.f("fk_second_looks_reviewer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_second_looks")),
        sa.UniqueConstraint("task_id", name=op.f("uq_second_looks_task_id")),
    )
    op.create_index("ix_second_looks_branch", "second_looks", ["branch_id", "state", "first_at"])
    op.create_index(op.f("ix_second_looks_case_id"), "second_looks", ["case_id"])
    for statement in schema.second_looks(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    raise RuntimeError("what a second reviewer said is kept as long as the law asks")
