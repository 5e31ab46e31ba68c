"""视频会话: one recorded call of one case, its checklist and its verdict."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from console.cases.models import Case
from console.db import Base
from console.evidence.models import Evidence
from console.people.models import Staff


class Verdict(StrEnum):
    PASSED = "passed"
    REJECTED = "rejected"
    REFUSED = "refused"
    TECHNICAL_FAILURE = "technical_failure"


VERDICT_TITLES = {
    Verdict.PASSED: "通过",
    Verdict.REJECTED: "驳回",
    Verdict.REFUSED: "终止办理",
    Verdict.TECHNICAL_FAILURE: "技术故障",
}


class VideoSession(Base):
    """``session_no`` names the room at the media node; ``node`` is where it runs; ``epoch`` grows when the room moves.

    ``investor_away_since`` and ``witness_away_since``: since when that side cannot be reached; the grace counts from there.
    """

    __tablename__ = "video_sessions"
    id: Mapped[int] = mapped_column(primary_key=True)
    session_no: Mapped[str] = mapped_column(String(32), unique=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"))
    witness_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    witness_person: Mapped[str] = mapped_column(String(40))
    node: Mapped[str | None] = mapped_column(String(60))
    epoch: Mapped[int] = mapped_column(default=1)
    started_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]  # the investor saw name and licence and agreed to the recording (V3)
    investor_away_since: Mapped[datetime | None]
    witness_away_since: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    verdict: Mapped[Verdict | None]
    internal_note: Mapped[str] = mapped_column(String(400), default="")
    case: Mapped[Case] = relationship()
    witness: Mapped[Staff] = relationship()
    marks: Mapped[list[CheckMark]] = relationship(back_populates="session", order_by="CheckMark.id")
    recordings: Mapped[list[Recording]] = relationship(back_populates="session", order_by="Recording.id")
    events: Mapped[list[CallEvent]] = relationship(back_populates="session", order_by="CallEvent.at, CallEvent.id")
    __table_args__ = (
        Index(
            "uq_video_sessions_live",
            "case_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index(
            "uq_video_sessions_witness_live",
            "witness_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )


class CheckResult(StrEnum):
    OK = "ok"
    PROBLEM = "problem"


class CheckMark(Base):
    """One item of 见证清单 with the moment (server time) or the snapshot that proves it (V6). The latest mark of an item counts."""

    __tablename__ = "check_marks"
    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("video_sessions.id"), index=True)
    item: Mapped[str] = mapped_column(String(40))
    result: Mapped[CheckResult]
    at: Mapped[datetime]
    snapshot_id: Mapped[int | None] = mapped_column(ForeignKey("evidence.id"))
    by: Mapped[str] = mapped_column(String(40))
    session: Mapped[VideoSession] = relationship(back_populates="marks")
    snapshot: Mapped[Evidence | None] = relationship()


class Recording(Base):
    """One segment of one side of a call."""

    __tablename__ = "recordings"
    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("video_sessions.id"))
    side: Mapped[str] = mapped_column(String(10))
    segment: Mapped[int]
    started_at: Mapped[datetime]
    duration_ms: Mapped[int]
    evidence_id: Mapped[int] = mapped_column(ForeignKey("evidence.id"))
    session: Mapped[VideoSession] = relationship(back_populates="recordings")
    evidence: Mapped[Evidence] = relationship()
    __table_args__ = (UniqueConstraint("session_id", "side", "segment"),)


class CallEventKind(StrEnum):
    """What can happen in a call. The first seven are the media node's words."""

    CONNECTED = "connected"
    LOST = "lost"
    RECORDING = "recording"
    RESIZED = "resized"
    RECORDING_FAILED = "recording_failed"
    DISK_LOW = "disk_low"
    DISK_OK = "disk_ok"
    PAGE_GONE = "page_gone"
    PAGE_BACK = "page_back"
    MOVED = "moved"
    RESUMED = "resumed"
    RESTARTED = "restarted"
    DROPPED = "dropped"
    TEXT_SENT = "text_sent"
    DIGITS_ASKED = "digits_asked"
    DIGITS_ANSWERED = "digits_answered"
    SMS_ASKED = "sms_asked"
    SMS_ANSWERED = "sms_answered"


class CallEvent(Base):
    """One thing that happened in a call, at server time. ``side`` is investor, witness or ''. Written by timeline.happened only."""

    __tablename__ = "call_events"
    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("video_sessions.id"))
    at: Mapped[datetime]
    kind: Mapped[CallEventKind]
    side: Mapped[str] = mapped_column(String(10), default="")
    facts: Mapped[dict[str, Any]]
    session: Mapped[VideoSession] = relationship(back_populates="events")
    __table_args__ = (UniqueConstraint("session_id", "kind", "side", "at"),)
