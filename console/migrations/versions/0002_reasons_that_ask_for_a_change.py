"""A reason says whether the step it blames must be handed in changed.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("reasons", "rejection_reasons")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("must_change", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    for table in TABLES:
        op.drop_column(table, "must_change")
