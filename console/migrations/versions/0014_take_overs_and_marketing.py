"""求助 and 接管 in a running call; marketing staff never witnesses.

Revision ID: 0014
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

from console import schema

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("staff", sa.Column("marketing", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("seats", sa.Column("fenced_because", sa.String(length=120), server_default="", nullable=False))
    op.create_table(
        "take_overs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_id", sa.Integer(), nullable=False),
        sa.Column("from_person", sa.String(length=40), nullable=False),
        sa.Column("to_id", sa.Integer(), nullable=False),
        sa.Column("to_person", sa.String(length=40), nullable=False),
        sa.Column("why", sa.String(length=100), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("from_person <> to_person", name=op.f("ck_take_overs_another_person")),
        sa.ForeignKeyConstraint(["session_id"], ["video_sessions.id"], name=op.f("fk_take_overs_session_id")),
        sa.ForeignKeyConstraint(["from_id"], ["staff.id"], name=op.f("fk_take_overs_from_id")),
        sa.ForeignKeyConstraint(["to_id"], ["staff.id"], name=op.f("fk_take_overs_to_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_take_overs")),
    )
    op.create_index(op.f("ix_take_overs_session_id"), "take_overs", ["session_id"])
    op.create_index(op.f("ix_take_overs_from_id"), "take_overs", ["from_id"])
    op.create_table(
        "help_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("asked_by", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=True),
        sa.Column("closed_by", sa.Integer(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["video_sessions.id"], name=op.f("fk_help_requests_session_id")),
        sa.ForeignKeyConstraint(["asked_by"], ["staff.id"], name=op.f("fk_help_requests_asked_by")),
        sa.ForeignKeyConstraint(["closed_by"], ["staff.id"], name=op.f("fk_help_requests_closed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_help_requests")),
    )
    op.create_index(op.f("ix_help_requests_session_id"), "help_requests", ["session_id"])
    op.create_index(
        "uq_help_requests_open",
        "help_requests",
        ["session_id"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    for statement in schema.witnesses(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    raise RuntimeError("who witnessed a call is kept as long as the law asks")
