"""受理单: one investor's application for one business, what was done at each step, and its trail."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from console.businesses import BUSINESSES
from console.businesses.steps import Business, Facts, Step
from console.chain import Chained
from console.db import Base
from console.people.models import Branch, Investor
from console.vault import EncryptedJSON


class Status(StrEnum):
    WITH_INVESTOR = "with_investor"
    IN_QUEUE = "in_queue"
    IN_VIDEO = "in_video"
    HELD = "held"
    IN_REVIEW = "in_review"
    COMPLETED = "completed"
    REFUSED = "refused"
    ABANDONED = "abandoned"


STATUS_TITLES = {
    Status.WITH_INVESTOR: "办理中",
    Status.IN_QUEUE: "视频排队中",
    Status.IN_VIDEO: "视频验证中",
    Status.HELD: "资料核实中",
    Status.IN_REVIEW: "复核中",
    Status.COMPLETED: "已办结",
    Status.REFUSED: "已终止",
    Status.ABANDONED: "已放弃",
}
ENDED = frozenset({Status.COMPLETED, Status.REFUSED, Status.ABANDONED})
IN_FLIGHT_SQL = "status NOT IN ('completed', 'refused', 'abandoned')"


class Case(Base):
    __tablename__ = "cases"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_no: Mapped[str] = mapped_column(String(20), unique=True)
    business_code: Mapped[str] = mapped_column(String(40))
    investor_id: Mapped[int] = mapped_column(ForeignKey("investors.id"), index=True)
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    status: Mapped[Status] = mapped_column(default=Status.WITH_INVESTOR)
    known_facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    opened_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column()
    investor: Mapped[Investor] = relationship()
    branch: Mapped[Branch] = relationship()
    entries: Mapped[list[StepDone]] = relationship(back_populates="case", order_by="StepDone.id")
    events: Mapped[list[CaseEvent]] = relationship(back_populates="case", order_by="CaseEvent.seq")
    rejections: Mapped[list[Rejection]] = relationship(back_populates="case", order_by="Rejection.id")
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 SQLAlchemy types it
    __table_args__ = (
        # 若客户存在待完成业务，则无法进行其他业务操作 (both manuals, 我的业务)
        Index(
            "uq_cases_in_flight",
            "investor_id",
            unique=True,
            sqlite_where=text(IN_FLIGHT_SQL),
            postgresql_where=text(IN_FLIGHT_SQL),
        ),
        Index("ix_cases_branch_status", "branch_id", "status"),
    )

    @property
    def business(self) -> Business:
        return BUSINESSES[self.business_code]

    @property
    def facts(self) -> Facts:
        return Facts(**self.known_facts)

    @property
    def path(self) -> tuple[Step, ...]:
        return self.business.path(self.facts)

    @property
    def done(self) -> dict[str, StepDone]:
        """The steps that are done now, by key."""
        return {entry.step: entry for entry in self.entries if entry.reopened_at is None}

    @property
    def current_step(self) -> Step | None:
        """Where the case stands: the first step not done. Derived, never stored."""
        return self.step_after(self.done)

    def step_after(self, done: Container[str]) -> Step | None:
        """Where it stands when the steps with these keys are done."""
        return next((step for step in self.path if step.key not in done), None)

    @property
    def open_reasons(self) -> list[RejectionReason]:
        """Why steps are open again: reasons not mended yet, oldest first."""
        return [reason for rejection in self.rejections for reason in rejection.reasons if reason.mended_at is None]

    def data_of(self, key: str) -> Any:
        """What the investor entered at a step that is done, else None."""
        entry = self.done.get(key)
        return entry.content if entry else None


class StepDone(Base):
    """One finishing of one step, with what was entered. Reopening marks it; nothing is deleted."""

    __tablename__ = "case_steps"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    step: Mapped[str] = mapped_column(String(40))
    content: Mapped[Any] = mapped_column(EncryptedJSON("case_step.content"), nullable=True)
    by: Mapped[str] = mapped_column(String(40))
    done_at: Mapped[datetime]
    reopened_at: Mapped[datetime | None]
    case: Mapped[Case] = relationship(back_populates="entries")
    __table_args__ = (
        Index(
            "uq_case_steps_live",
            "case_id",
            "step",
            unique=True,
            sqlite_where=text("reopened_at IS NULL"),
            postgresql_where=text("reopened_at IS NULL"),
        ),
    )


class StepDraft(Base):
    """What the investor has entered at a step that is not finished: save and resume. It survives a reopening, to be mended."""

    __tablename__ = "case_drafts"
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    step: Mapped[str] = mapped_column(String(40), primary_key=True)
    content: Mapped[Any] = mapped_column(EncryptedJSON("case_draft.content"))
    saved_at: Mapped[datetime]


class CaseEvent(Chained, Base):
    """留痕: one line of the trail of a case; never updated, never deleted (the database refuses). Also the outbox of what to announce."""

    __tablename__ = "case_events"
    sealed_fields: ClassVar = ("case_id", "action", "before", "after", "step", "detail", "by", "address", "at")
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    action: Mapped[str] = mapped_column(String(40))
    before: Mapped[str] = mapped_column(String(20))
    after: Mapped[str] = mapped_column(String(20))
    step: Mapped[str | None] = mapped_column(String(40))
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    by: Mapped[str] = mapped_column(String(40))
    address: Mapped[str] = mapped_column(String(45), default="")
    at: Mapped[datetime]
    case: Mapped[Case] = relationship(back_populates="events")
    __table_args__ = (UniqueConstraint("case_id", "seq"),)


class Reason(Base):
    """不通过原因 in the register: which step it blames and what the investor reads.

    ``must_change``: the step is not taken again as it was. Others can be mended outside of it (an ID renewed at the branch, risks
    understood) or say something about a step where nothing is entered.
    """

    __tablename__ = "reasons"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(String(40))
    business_code: Mapped[str] = mapped_column(String(40))
    step: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(String(60))
    investor_text: Mapped[str] = mapped_column(String(200))
    tip: Mapped[str] = mapped_column(String(200), default="")
    final: Mapped[bool] = mapped_column(default=False)
    must_change: Mapped[bool] = mapped_column(default=False)
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)
    __table_args__ = (UniqueConstraint("business_code", "code"),)

    def __str__(self) -> str:
        return self.title


class Rejection(Base):
    """驳回: one decision, with its reasons. ``internal_note`` never reaches the investor."""

    __tablename__ = "rejections"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    desk: Mapped[str] = mapped_column(String(20))
    by: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]
    remark: Mapped[str] = mapped_column(String(200), default="")
    internal_note: Mapped[str] = mapped_column(String(400), default="")
    case: Mapped[Case] = relationship(back_populates="rejections")
    reasons: Mapped[list[RejectionReason]] = relationship(back_populates="rejection", order_by="RejectionReason.id")


class RejectionReason(Base):
    """A reason as it read when it was given: the register may change later, the decision does not."""

    __tablename__ = "rejection_reasons"
    id: Mapped[int] = mapped_column(primary_key=True)
    rejection_id: Mapped[int] = mapped_column(ForeignKey("rejections.id"), index=True)
    code: Mapped[str] = mapped_column(String(40))
    step: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(String(60))
    investor_text: Mapped[str] = mapped_column(String(200))
    tip: Mapped[str] = mapped_column(String(200), default="")
    must_change: Mapped[bool] = mapped_column(default=False)
    mended_at: Mapped[datetime | None]
    rejection: Mapped[Rejection] = relationship(back_populates="reasons")
