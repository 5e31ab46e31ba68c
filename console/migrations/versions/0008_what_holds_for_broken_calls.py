"""What holds for calls that break, where a branch differs from the house.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("branches", sa.Column("call_grace", sa.Integer(), nullable=True))
    op.add_column("branches", sa.Column("after_drop", sa.String(length=10), nullable=True))


def downgrade() -> None:
    op.drop_column("branches", "after_drop")
    op.drop_column("branches", "call_grace")
