"""排队 and 坐席: the queue's truth is here, never in Redis."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from console.cases.models import Case
from console.db import Base
from console.people.models import Branch, Staff


class TicketState(StrEnum):
    WAITING = "waiting"
    ANSWERED = "answered"
    LEFT = "left"


class Priority(StrEnum):
    """Why somebody comes before the oldest; ``rank`` orders them, lower first."""

    RETURNED = "returned"
    CHECKED = "checked"
    MENDED = "mended"
    NORMAL = "normal"

    @property
    def rank(self) -> int:
        return {"returned": 0, "checked": 0, "mended": 1, "normal": 2}[self.value]


PRIORITY_TITLES = {
    Priority.RETURNED: "掉线优先",
    Priority.CHECKED: "核实优先",
    Priority.MENDED: "驳回优先",
    Priority.NORMAL: "",
}


class Ticket(Base):
    """排队号: one place in a branch's queue. Order: ``rank``, then ``joined_at``, then ``id``.

    ``not_person``: whoever this is (Staff.person) may not answer it, because they raised a suspicion about it.
    """

    __tablename__ = "tickets"
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_no: Mapped[str] = mapped_column(String(8))
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    state: Mapped[TicketState] = mapped_column(default=TicketState.WAITING)
    priority: Mapped[Priority] = mapped_column(default=Priority.NORMAL)
    rank: Mapped[int] = mapped_column(default=2)
    joined_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ended_at: Mapped[datetime | None]
    not_person: Mapped[str | None] = mapped_column(String(40))
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
