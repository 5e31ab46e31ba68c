"""What happened in a call, and since when a side of it is away.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

AWAY = ("investor_away_since", "witness_away_since")


def upgrade() -> None:
    for column in AWAY:
        op.add_column("video_sessions", sa.Column(column, sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "call_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["video_sessions.id"], name=op.f("fk_call_events_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_call_events")),
        sa.UniqueConstraint("session_id", "kind", "side", "at", name=op.f("uq_call_events_session_id_kind_side_at")),
    )


def downgrade() -> None:
    op.drop_table("call_events")
    for column in AWAY:
        op.drop_column("video_sessions", column)
