"""视频会话: the question that the witness chose out of turn stands on the call, so that both pages show it.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "video_sessions", sa.Column("asking", sa.String(length=40), server_default=sa.text("''"), nullable=False)
    )


def downgrade() -> None:
    op.drop_column("video_sessions", "asking")
