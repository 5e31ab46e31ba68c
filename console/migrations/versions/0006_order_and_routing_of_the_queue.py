"""Why a ticket was answered, who was called and did not come, overflow between branches, 请求加急.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

RANKS = {"returned": 0, "checked": 0, "mended": 30, "normal": 40}
FORMER = {"returned": 0, "checked": 0, "mended": 1, "normal": 2}


def upgrade() -> None:
    op.add_column("tickets", sa.Column("missed", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("tickets", sa.Column("not_before", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tickets", sa.Column("because", sa.String(length=200), nullable=True))
    _rank(RANKS)
    op.create_table(
        "overflow_rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("branch_id", sa.Integer(), nullable=False),
        sa.Column("to_branch_id", sa.Integer(), nullable=False),
        sa.Column("after_minutes", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.CheckConstraint("branch_id <> to_branch_id", name=op.f("ck_overflow_rules_elsewhere")),
        sa.CheckConstraint("after_minutes BETWEEN 1 AND 240", name=op.f("ck_overflow_rules_minutes")),
        sa.ForeignKeyConstraint(["branch_id"], ["branches.id"], name=op.f("fk_overflow_rules_branch_id")),
        sa.ForeignKeyConstraint(["to_branch_id"], ["branches.id"], name=op.f("fk_overflow_rules_to_branch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_overflow_rules")),
        sa.UniqueConstraint("branch_id", "to_branch_id", name=op.f("uq_overflow_rules_branch_id_to_branch_id")),
    )
    op.create_table(
        "urgent_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("investor_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Integer(), nullable=True),
        sa.Column("words", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["decided_by"], ["staff.id"], name=op.f("fk_urgent_requests_decided_by")),
        sa.ForeignKeyConstraint(["investor_id"], ["investors.id"], name=op.f("fk_urgent_requests_investor_id")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_urgent_requests_ticket_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_urgent_requests")),
    )
    op.create_index(op.f("ix_urgent_requests_ticket_id"), "urgent_requests", ["ticket_id"])
    op.create_index(op.f("ix_urgent_requests_investor_id"), "urgent_requests", ["investor_id"])
    op.create_index(
        "uq_urgent_requests_open",
        "urgent_requests",
        ["ticket_id"],
        unique=True,
        sqlite_where=sa.text("granted IS NULL"),
        postgresql_where=sa.text("granted IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("urgent_requests")
    op.drop_table("overflow_rules")
    _rank(FORMER)
    for name in ("because", "not_before", "missed"):
        op.drop_column("tickets", name)


def _rank(ranks: dict[str, int]) -> None:
    tickets = sa.table("tickets", sa.column("priority", sa.String), sa.column("rank", sa.Integer))
    for priority, rank in ranks.items():
        op.execute(sa.update(tickets).where(tickets.c.priority == priority).values(rank=rank))
