"""An offer on the signalling socket needs a permit.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "call_permits",
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("side", sa.String(10), nullable=False),
        sa.Column("sign_in_id", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["video_sessions.id"], name=op.f("fk_call_permits_session_id")),
        sa.ForeignKeyConstraint(["sign_in_id"], ["sign_ins.id"], name=op.f("fk_call_permits_sign_in_id")),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_call_permits")),
    )
    op.create_index(op.f("ix_call_permits_expires_at"), "call_permits", ["expires_at"])


def downgrade() -> None:
    op.drop_table("call_permits")
