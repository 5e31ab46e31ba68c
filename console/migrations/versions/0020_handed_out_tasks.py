"""指派, 暂缓 and views that people keep of the task list.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # inline, for both databases: a table that SQLite copies loses its triggers
    op.execute(
        "ALTER TABLE review_tasks ADD COLUMN assignee_id INTEGER"
        " CONSTRAINT fk_review_tasks_assignee_id REFERENCES staff (id)"
    )
    op.add_column("review_tasks", sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("review_tasks", sa.Column("snooze_reason", sa.String(length=100), nullable=True))
    op.create_table(
        "review_views",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("query", sa.JSON(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_review_views_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_views")),
        sa.UniqueConstraint("staff_id", "name", name=op.f("uq_review_views_staff_id_name")),
    )


def downgrade() -> None:
    raise RuntimeError("who was given a task is kept as long as the law asks")
