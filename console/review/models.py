"""复核任务: maker is never checker, in the service and in the database (triggers in console/schema.py)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from console.cases.models import Case
from console.db import Base
from console.people.models import Branch, Staff


class TaskState(StrEnum):
    OPEN = "open"
    CLAIMED = "claimed"
    DONE = "done"


class Decision(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"
    REFUSED = "refused"


DECISION_TITLES = {Decision.APPROVED: "通过", Decision.REJECTED: "驳回", Decision.REFUSED: "终止办理"}


class ReviewTask(Base):
    """One submission of one case to the counter. ``reviewer_person`` is who holds or decided it, by person.

    ``waived_by_id``, ``waived_why``: a supervisor lets somebody review it who is not independent (independence.py).
    ``assignee_id``: to whom a supervisor gave it. ``snoozed_until``: set aside till then, and it goes on falling due.
    """

    __tablename__ = "review_tasks"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    state: Mapped[TaskState] = mapped_column(default=TaskState.OPEN)
    submission: Mapped[int] = mapped_column(default=1)
    opened_at: Mapped[datetime]
    due_at: Mapped[datetime]
    reviewer_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    reviewer_person: Mapped[str | None] = mapped_column(String(40))
    lease_until: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    decision: Mapped[Decision | None]
    waived_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    waived_why: Mapped[str] = mapped_column(String(200), default="", server_default="")
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    snoozed_until: Mapped[datetime | None]
    snooze_reason: Mapped[str | None] = mapped_column(String(100))
    case: Mapped[Case] = relationship()
    branch: Mapped[Branch] = relationship()
    reviewer: Mapped[Staff | None] = relationship(foreign_keys=reviewer_id)
    waived_by: Mapped[Staff | None] = relationship(foreign_keys=waived_by_id)
    assignee: Mapped[Staff | None] = relationship(foreign_keys=assignee_id)
    __table_args__ = (
        Index(
            "uq_review_tasks_live",
            "case_id",
            unique=True,
            sqlite_where=text("state <> 'done'"),
            postgresql_where=text("state <> 'done'"),
        ),
        Index(
            "ix_review_tasks_inbox",
            "branch_id",
            "due_at",
            sqlite_where=text("state <> 'done'"),
            postgresql_where=text("state <> 'done'"),
        ),
        Index(
            "ix_review_tasks_decided",
            "branch_id",
            "decided_at",
            sqlite_where=text("decision IS NOT NULL"),
            postgresql_where=text("decision IS NOT NULL"),
        ),
    )


class SavedView(Base):
    """Filters of the list that a person keeps under a name. ``query``: what `Filters.address` gives."""

    __tablename__ = "review_views"
    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    name: Mapped[str] = mapped_column(String(20))
    query: Mapped[dict[str, Any]]
    saved_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("staff_id", "name"),)
