"""What a witness looked at; how far each recording's chain was, told while it ran; reasons for withdrawing a challenge.

Revision ID: 0013
Revises: 0014
"""

import tomllib
from pathlib import Path

import sqlalchemy as sa
from alembic import op

from console import schema

revision = "0013"
down_revision = "0014"
branch_labels = None
depends_on = None

SEEDS = Path(__file__).parents[2] / "seeds"
USE = "challenge"


def upgrade() -> None:
    bind = op.get_bind()
    op.add_column("check_marks", sa.Column("seen", sa.LargeBinary(), nullable=True))
    op.create_table(
        "recording_anchors",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("side", sa.String(10), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("began", sa.DateTime(timezone=True), nullable=False),
        sa.Column("links", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("node", sa.String(60), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["video_sessions.id"], name=op.f("fk_recording_anchors_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_anchors")),
        sa.UniqueConstraint(
            *("session_id", "side", "began", "links"), name=op.f("uq_recording_anchors_session_id_side_began_links")
        ),
    )
    for statement in schema.insert_only("recording_anchors", bind.dialect.name):
        op.execute(statement)
    if bind.scalar(sa.text("SELECT count(*) FROM brokers")):  # a fresh instance is filled from the same file afterwards
        _reasons(bind)


def _reasons(bind: sa.Connection) -> None:
    tables = sa.MetaData()
    tables.reflect(bind, only=["short_reasons"])
    short = tables.tables["short_reasons"]
    there = set(bind.scalars(sa.select(short.c.code).where(short.c.use == USE)))  # 0004 may have taken them in
    told = tomllib.loads((SEEDS / "short_reasons.toml").read_text("utf-8"))[USE]
    rows = [{"use": USE, "position": n, "active": True, **each} for n, each in enumerate(told, 1)]
    if missing := [row for row in rows if row["code"] not in there]:
        bind.execute(sa.insert(short), missing)


def downgrade() -> None:
    raise RuntimeError("what a mark has seen and what was anchored are kept as long as the law asks")
