"""改派: a ticket may be sent to another branch's queue, or to one witness.

Revision ID: 0015
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("tickets") as tickets:
        tickets.add_column(sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True))
        tickets.add_column(sa.Column("for_id", sa.Integer(), nullable=True))
        tickets.create_foreign_key(op.f("fk_tickets_for_id"), "staff", ["for_id"], ["id"])
    here = sa.text("moved_at IS NOT NULL")
    op.create_index("ix_tickets_moved", "tickets", ["case_id"], sqlite_where=here, postgresql_where=here)


def downgrade() -> None:
    raise RuntimeError("why somebody was answered where they were is kept as long as the law asks")
