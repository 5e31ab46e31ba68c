"""Rosters, holidays and appointments.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

LIVE = sa.text("state IN ('booked', 'kept')")
EVERYWHERE = sa.text("branch_id IS NULL")


def upgrade() -> None:
    op.create_table(
        "rosters",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("branch_id", sa.Integer(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=True),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("starts_at", sa.String(length=5), nullable=False),
        sa.Column("ends_at", sa.String(length=5), nullable=False),
        sa.Column("seats", sa.Integer(), nullable=False),
        sa.CheckConstraint("(weekday IS NULL) <> (day IS NULL)", name=op.f("ck_rosters_weekday_or_day")),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_rosters_weekday")),
        sa.CheckConstraint("seats BETWEEN 0 AND 99", name=op.f("ck_rosters_seats")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_rosters_ends_after_it_starts")),
        sa.ForeignKeyConstraint(["branch_id"], ["branches.id"], name=op.f("fk_rosters_branch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rosters")),
    )
    op.create_index(op.f("ix_rosters_branch_id"), "rosters", ["branch_id"])
    op.create_table(
        "holidays",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("broker_id", sa.Integer(), nullable=False),
        sa.Column("branch_id", sa.Integer(), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("title", sa.String(length=40), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["broker_id"], ["brokers.id"], name=op.f("fk_holidays_broker_id")),
        sa.ForeignKeyConstraint(["branch_id"], ["branches.id"], name=op.f("fk_holidays_branch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holidays")),
        sa.UniqueConstraint("broker_id", "day", "branch_id", name=op.f("uq_holidays_broker_id_day_branch_id")),
    )
    op.create_index(
        "uq_holidays_everywhere",
        "holidays",
        ["broker_id", "day"],
        unique=True,
        sqlite_where=EVERYWHERE,
        postgresql_where=EVERYWHERE,
    )
    _appointments()


def _appointments() -> None:
    op.create_table(
        "appointments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("branch_id", sa.Integer(), nullable=False),
        sa.Column("slot_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("booked_by", sa.String(length=40), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(length=40), nullable=True),
        sa.CheckConstraint("place >= 0", name=op.f("ck_appointments_place")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_appointments_case_id")),
        sa.ForeignKeyConstraint(["branch_id"], ["branches.id"], name=op.f("fk_appointments_branch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointments")),
    )
    op.create_index(op.f("ix_appointments_case_id"), "appointments", ["case_id"])
    op.create_index("ix_appointments_day", "appointments", ["branch_id", "slot_at"])
    for name, columns in (
        ("uq_appointments_live_place", ["branch_id", "slot_at", "place"]),
        ("uq_appointments_live_case", ["case_id"]),
    ):
        op.create_index(name, "appointments", columns, unique=True, sqlite_where=LIVE, postgresql_where=LIVE)


def downgrade() -> None:
    for table in ("appointments", "holidays", "rosters"):
        op.drop_table(table)
