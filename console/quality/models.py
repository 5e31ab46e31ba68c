"""复评: the second look at a decided submission, which changes nothing of the case."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from console.cases.models import Case
from console.db import Base
from console.people.models import Branch, Staff
from console.review.models import Decision, TaskState


class SecondLook(Base):
    """One drawn decision (``first_…``, at ``first_at``) and what the second reviewer says. Reasons: code to title, as they read then.

    The database lets nobody be second who made or decided any of the case, and keeps what was said (console/schema.py).
    """

    __tablename__ = "second_looks"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    task_id: Mapped[int] = mapped_column(ForeignKey("review_tasks.id"), unique=True)
    submission: Mapped[int] = mapped_column()
    first_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    first_person: Mapped[str] = mapped_column(String(40))
    first_at: Mapped[datetime]
    first_decision: Mapped[Decision]
    first_reasons: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[TaskState] = mapped_column(default=TaskState.OPEN)
    reviewer_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    reviewer_person: Mapped[str | None] = mapped_column(String(40))
    lease_until: Mapped[datetime | None]
    decided_at: Mapped[datetime | None]
    decision: Mapped[Decision | None]
    reasons: Mapped[dict[str, Any]] = mapped_column(default=dict)
    note: Mapped[str] = mapped_column(String(400), default="")
    case: Mapped[Case] = relationship()
    branch: Mapped[Branch] = relationship()
    first: Mapped[Staff] = relationship(foreign_keys=first_id)
    reviewer: Mapped[Staff | None] = relationship(foreign_keys=reviewer_id)
    __table_args__ = (Index("ix_second_looks_branch", "branch_id", "state", "first_at"),)

    @property
    def agrees(self) -> bool:
        """Whether both let it pass or both did not; reasons are not compared."""
        return (self.decision is Decision.APPROVED) == (self.first_decision is Decision.APPROVED)
