"""Short reasons for an answer that is not in order, for an instance that was at work before.

Revision ID: 0010
Revises: 0009
"""

import tomllib
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SEEDS = Path(__file__).parents[2] / "seeds"
USE = "question"


def upgrade() -> None:
    bind = op.get_bind()
    if not bind.scalar(sa.text("SELECT count(*) FROM brokers")):
        return  # a fresh instance is filled from the same file afterwards
    tables = sa.MetaData()
    tables.reflect(bind, only=["short_reasons"])
    short = tables.tables["short_reasons"]
    there = set(bind.scalars(sa.select(short.c.code).where(short.c.use == USE)))  # 0004 may have taken them in
    told = tomllib.loads((SEEDS / "short_reasons.toml").read_text("utf-8"))[USE]
    rows = [{"use": USE, "position": n, "active": True, **each} for n, each in enumerate(told, 1)]
    if missing := [row for row in rows if row["code"] not in there]:
        bind.execute(sa.insert(short), missing)


def downgrade() -> None:
    op.execute("DELETE FROM short_reasons WHERE use = 'question'")
