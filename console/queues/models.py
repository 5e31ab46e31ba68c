"""排队 and 坐席: the queue's truth is here, never in Redis."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from console.cases.models import Case
from console.db import Base
from console.people.models import Branch, Staff
from console.vault import EncryptedText


class TicketState(StrEnum):
    WAITING = "waiting"
    ANSWERED = "answered"
    LEFT = "left"


class Priority(StrEnum):
    """Why somebody comes before the oldest; ``rank`` orders them, lower first."""

    RETURNED = "returned"
    CHECKED = "checked"
    URGENT = "urgent"
    APPOINTMENT = "appointment"
    MENDED = "mended"
    NORMAL = "normal"

    @property
    def rank(self) -> int:
        return {"returned": 0, "checked": 0, "urgent": 10, "appointment": 20, "mended": 30, "normal": 40}[self.value]


PRIORITY_TITLES = {
    Priority.RETURNED: "掉线优先",
    Priority.CHECKED: "核实优先",
    Priority.URGENT: "加急",
    Priority.APPOINTMENT: "预约",
    Priority.MENDED: "驳回优先",
    Priority.NORMAL: "",
}


class Ticket(Base):
    """排队号: one place in a branch's queue. Order: ``rank``, then ``joined_at``, then ``id``.

    ``not_person``: whoever this is (Staff.person) may not answer it, because they raised a suspicion about it. ``missed``: how often
    the investor was called and did not come; until ``not_before`` nobody calls again. ``because``: why this one was answered then.
    """

    __tablename__ = "tickets"
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_no: Mapped[str] = mapped_column(String(8))
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    state: Mapped[TicketState] = mapped_column(default=TicketState.WAITING)
    priority: Mapped[Priority] = mapped_column(default=Priority.NORMAL)
    rank: Mapped[int] = mapped_column(default=Priority.NORMAL.rank)
    joined_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ended_at: Mapped[datetime | None]
    not_person: Mapped[str | None] = mapped_column(String(40))
    missed: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None]
    because: Mapped[str | None] = mapped_column(String(200))
    case: Mapped[Case] = relationship()
    branch: Mapped[Branch] = relationship()
    __table_args__ = (
        Index(
            "uq_tickets_waiting_case",
            "case_id",
            unique=True,
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        Index(
            "ix_tickets_waiting",
            "branch_id",
            "rank",
            "joined_at",
            "id",
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
    )


class SeatState(StrEnum):
    ONLINE = "online"
    BREAK = "break"
    MEETING = "meeting"
    TRAINING = "training"
    OFFLINE = "offline"
    IN_CALL = "in_call"


SEAT_STATE_TITLES = {
    SeatState.ONLINE: "在线",
    SeatState.BREAK: "小休",
    SeatState.MEETING: "会议",
    SeatState.TRAINING: "培训",
    SeatState.OFFLINE: "离线",
    SeatState.IN_CALL: "通话中",
}


class Seat(Base):
    """坐席 of one witness at one branch. ``fence`` grows at every going online: an older page's acts are refused."""

    __tablename__ = "seats"
    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), unique=True)
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    state: Mapped[SeatState] = mapped_column(default=SeatState.OFFLINE)
    since: Mapped[datetime]
    seen_at: Mapped[datetime]
    fence: Mapped[int] = mapped_column(default=0)
    staff: Mapped[Staff] = relationship()
    branch: Mapped[Branch] = relationship()


class SeatInterval(Base):
    """How long a seat was in a state; the open one has no ``ended_at``."""

    __tablename__ = "seat_intervals"
    id: Mapped[int] = mapped_column(primary_key=True)
    seat_id: Mapped[int] = mapped_column(ForeignKey("seats.id"), index=True)
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    state: Mapped[SeatState]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class OverflowRule(Base):
    """溢出规则: who waits at ``branch`` so long may be answered by seats of ``to_branch`` that have nobody of their own."""

    __tablename__ = "overflow_rules"
    id: Mapped[int] = mapped_column(primary_key=True)
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    to_branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    after_minutes: Mapped[int]
    branch: Mapped[Branch] = relationship(foreign_keys=branch_id)
    to_branch: Mapped[Branch] = relationship(foreign_keys=to_branch_id)
    __table_args__ = (
        UniqueConstraint("branch_id", "to_branch_id"),
        CheckConstraint("branch_id <> to_branch_id", name="elsewhere"),
        CheckConstraint("after_minutes BETWEEN 1 AND 240", name="minutes"),
    )


class UrgentRequest(Base):
    """请求加急 of somebody who waits; a supervisor grants it (``granted``) or declines it with ``words`` for the investor."""

    __tablename__ = "urgent_requests"
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), index=True)
    investor_id: Mapped[int] = mapped_column(ForeignKey("investors.id"), index=True)
    reason: Mapped[str] = mapped_column(EncryptedText("urgent_requests.reason"))
    asked_at: Mapped[datetime]
    granted: Mapped[bool | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    words: Mapped[str | None] = mapped_column(String(200))
    ticket: Mapped[Ticket] = relationship()
    __table_args__ = (
        Index(
            "uq_urgent_requests_open",
            "ticket_id",
            unique=True,
            sqlite_where=text("granted IS NULL"),
            postgresql_where=text("granted IS NULL"),
        ),
    )
