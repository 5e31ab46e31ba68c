"""What people were told on joining, and indexes for the numbers of a day.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wait_promises",
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("branch_id", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ahead", sa.Integer(), nullable=False),
        sa.Column("low", sa.Integer(), nullable=False),
        sa.Column("high", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["branch_id"], ["branches.id"], name=op.f("fk_wait_promises_branch_id")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_wait_promises_ticket_id")),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_wait_promises")),
    )
    op.create_index("ix_wait_promises_made", "wait_promises", ["branch_id", "made_at"])
    op.create_index("ix_tickets_joined", "tickets", ["joined_at", "branch_id"])
    op.create_index("ix_tickets_answered", "tickets", ["answered_at", "branch_id"])


def downgrade() -> None:
    op.drop_index("ix_tickets_answered", "tickets")
    op.drop_index("ix_tickets_joined", "tickets")
    op.drop_table("wait_promises")
