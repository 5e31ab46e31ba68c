"""Independent reviewers: who brought the client, and a supervisor's word where there is nobody else.

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # both databases take a reference with the column; SQLite cannot make the table anew under its triggers
    named = "CONSTRAINT {} REFERENCES staff (id)"
    op.execute(f"ALTER TABLE investors ADD COLUMN referrer_id INTEGER {named.format('fk_investors_referrer_id')}")
    op.execute(
        f"ALTER TABLE review_tasks ADD COLUMN waived_by_id INTEGER {named.format('fk_review_tasks_waived_by_id')}"
    )
    op.add_column("review_tasks", sa.Column("waived_why", sa.String(length=200), server_default="", nullable=False))
    op.create_index(
        "ix_review_tasks_decided",
        "review_tasks",
        ["branch_id", "decided_at"],
        sqlite_where=sa.text("decision IS NOT NULL"),
        postgresql_where=sa.text("decision IS NOT NULL"),
    )


def downgrade() -> None:
    raise RuntimeError("why somebody reviewed a case is kept as long as the law asks")
