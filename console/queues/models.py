"""排队 and 坐席: the queue's truth is here, never in Redis."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from console.cases.models import Case
from console.db import Base
from console.people.models import Branch, Broker, Staff
from console.rows import spelled_out
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
    ``moved_at``: when a supervisor sent it here or to one witness, ``for_id`` (改派).
    """

    __tablename__ = "tickets"
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_no: Mapped[str] = mapped_column(String(8))
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
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
    moved_at: Mapped[datetime | None]
    for_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    case: Mapped[Case] = relationship()
    branch: Mapped[Branch] = relationship()
    meant_for: Mapped[Staff | None] = relationship(foreign_keys=for_id)
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
        Index(
            "ix_tickets_moved",
            "case_id",
            sqlite_where=text("moved_at IS NOT NULL"),
            postgresql_where=text("moved_at IS NOT NULL"),
        ),
        # the time comes first: with the branch first SQLite takes them for who waits, and reads the tickets of years
        Index("ix_tickets_joined", "joined_at", "branch_id"),
        Index("ix_tickets_answered", "answered_at", "branch_id"),
    )


IS_WAITING = spelled_out(Ticket.state, TicketState.WAITING)


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
    """坐席 of one witness at one branch. ``fence`` grows at every going online: an older page's acts are refused; ``fenced_because`` is
    what that page is told when it was no page of the witness's that made it grow.
    """

    __tablename__ = "seats"
    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), unique=True)
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    state: Mapped[SeatState] = mapped_column(default=SeatState.OFFLINE)
    since: Mapped[datetime]
    seen_at: Mapped[datetime]
    fence: Mapped[int] = mapped_column(default=0)
    fenced_because: Mapped[str] = mapped_column(String(120), default="", server_default="")
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
    active: Mapped[bool] = mapped_column(default=True)
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


# --- appointments


WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")


class Roster(Base):
    """排班: so many seats of a branch take appointments from one time of the (Shanghai) day to another, on a weekday (0: Monday) or on
    one day. A day that has rows of its own goes by them alone. Rows of the same day add up.
    """

    __tablename__ = "rosters"
    id: Mapped[int] = mapped_column(primary_key=True)
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"), index=True)
    weekday: Mapped[int | None]
    day: Mapped[date | None]
    starts_at: Mapped[str] = mapped_column(String(5))
    ends_at: Mapped[str] = mapped_column(String(5))
    seats: Mapped[int]
    branch: Mapped[Branch] = relationship()
    __table_args__ = (
        CheckConstraint("(weekday IS NULL) <> (day IS NULL)", name="weekday_or_day"),
        CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
        CheckConstraint("seats BETWEEN 0 AND 99", name="seats"),
        CheckConstraint("starts_at < ends_at", name="ends_after_it_starts"),
    )

    def __str__(self) -> str:
        when = self.day.isoformat() if self.day is not None else WEEKDAYS[self.weekday or 0]
        return f"{when} {self.starts_at} 至 {self.ends_at}"


class Holiday(Base):
    """休息日: no video on this (Shanghai) day, at one branch or, with no branch, at all of the broker's."""

    __tablename__ = "holidays"
    id: Mapped[int] = mapped_column(primary_key=True)
    broker_id: Mapped[int] = mapped_column(ForeignKey("brokers.id"))
    branch_id: Mapped[int | None] = mapped_column(ForeignKey("branches.id"))
    day: Mapped[date]
    title: Mapped[str] = mapped_column(String(40))
    active: Mapped[bool] = mapped_column(default=True)
    broker: Mapped[Broker] = relationship()
    branch: Mapped[Branch | None] = relationship()
    __table_args__ = (
        UniqueConstraint("broker_id", "day", "branch_id"),
        Index(
            "uq_holidays_everywhere",
            "broker_id",
            "day",
            unique=True,
            sqlite_where=text("branch_id IS NULL"),
            postgresql_where=text("branch_id IS NULL"),
        ),
    )

    def __str__(self) -> str:
        return f"{self.day.isoformat()} {self.title}"


class AppointmentState(StrEnum):
    """``kept``: in the queue in time; ``served``: answered; ``missed``: not in the queue in time."""

    BOOKED = "booked"
    KEPT = "kept"
    CANCELLED = "cancelled"
    MISSED = "missed"
    SERVED = "served"


APPOINTMENT_TITLES = {
    AppointmentState.BOOKED: "已预约",
    AppointmentState.KEPT: "已到",
    AppointmentState.CANCELLED: "已取消",
    AppointmentState.MISSED: "未到",
    AppointmentState.SERVED: "已接通",
}
LIVE = text("state IN ('booked', 'kept')")


class Appointment(Base):
    """预约视频. ``place``: which of the slot's places, from 0; nobody else may have it while this one is live (booked or kept).

    ``changes``: how often its time was changed. ``reminded_at``: the message before the slot was claimed by one sweep.
    """

    __tablename__ = "appointments"
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    slot_at: Mapped[datetime]
    minutes: Mapped[int]
    place: Mapped[int]
    state: Mapped[AppointmentState] = mapped_column(default=AppointmentState.BOOKED)
    booked_at: Mapped[datetime]
    booked_by: Mapped[str] = mapped_column(String(40))
    changes: Mapped[int] = mapped_column(default=0)
    reminded_at: Mapped[datetime | None]
    arrived_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(String(40))
    case: Mapped[Case] = relationship()
    branch: Mapped[Branch] = relationship()
    __table_args__ = (
        CheckConstraint("place >= 0", name="place"),
        Index(
            "uq_appointments_live_place",
            "branch_id",
            "slot_at",
            "place",
            unique=True,
            sqlite_where=LIVE,
            postgresql_where=LIVE,
        ),
        Index("uq_appointments_live_case", "case_id", unique=True, sqlite_where=LIVE, postgresql_where=LIVE),
        Index("ix_appointments_day", "branch_id", "slot_at"),
    )

    @property
    def is_live(self) -> bool:
        return self.state in (AppointmentState.BOOKED, AppointmentState.KEPT)


class SlotHold(Base):
    """保留: one place of a slot is nobody else's until ``held_until``; an investor has one at most."""

    __tablename__ = "slot_holds"
    id: Mapped[int] = mapped_column(primary_key=True)
    investor_id: Mapped[int] = mapped_column(ForeignKey("investors.id"), unique=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    slot_at: Mapped[datetime]
    place: Mapped[int]
    held_until: Mapped[datetime]
    __table_args__ = (UniqueConstraint("branch_id", "slot_at", "place"),)
