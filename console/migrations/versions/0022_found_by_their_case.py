"""What belongs to a case, an investor or a photo is found by it without reading the years before.

Revision ID: 0022
Revises: 0021
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

FOUND_BY = {
    "cases": "investor_id",
    "case_steps": "case_id",
    "rejections": "case_id",
    "rejection_reasons": "rejection_id",
    "bank_cards": "investor_id",
    "certificates": "case_id",
    "evidence": "of_id",
    "review_tasks": "case_id",
    "tickets": "case_id",
    "signatures": "case_id",
    "video_sessions": "case_id",
}


def upgrade() -> None:
    for table, column in FOUND_BY.items():
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
    op.create_index(op.f("ix_video_sessions_ticket_id"), "video_sessions", ["ticket_id"])


def downgrade() -> None:
    for table, column in FOUND_BY.items():
        op.drop_index(op.f(f"ix_{table}_{column}"), table)
    op.drop_index(op.f("ix_video_sessions_ticket_id"), "video_sessions")
