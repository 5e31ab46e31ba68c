"""视频会话: one recorded call of one case, the questions it asks, their answers and its verdict; the registers behind them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    false,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from console.cases.models import Case
from console.db import Base
from console.evidence.models import Evidence
from console.people.models import Branch, Staff
from console.vault import EncryptedJSON, EncryptedText


class Verdict(StrEnum):
    PASSED = "passed"
    REJECTED = "rejected"
    REFUSED = "refused"
    TECHNICAL_FAILURE = "technical_failure"
    SUSPICIOUS = "suspicious"
    DECLINED = "declined"


VERDICT_TITLES = {
    Verdict.PASSED: "通过",
    Verdict.REJECTED: "驳回",
    Verdict.REFUSED: "终止办理",
    Verdict.TECHNICAL_FAILURE: "技术故障",
    Verdict.SUSPICIOUS: "可疑，报班长",
    Verdict.DECLINED: "不同意录音录像",
}
DECIDING = (Verdict.PASSED, Verdict.REJECTED, Verdict.REFUSED)  # after any other the case is decided later


# --- registers


class QuestionSet(Base):
    """话术: the questions of one business. What was asked lies in its versions."""

    __tablename__ = "question_sets"
    id: Mapped[int] = mapped_column(primary_key=True)
    business_code: Mapped[str] = mapped_column(String(40), unique=True)
    title: Mapped[str] = mapped_column(String(60))
    versions: Mapped[list[QuestionVersion]] = relationship(
        back_populates="question_set", order_by="QuestionVersion.number"
    )

    def __str__(self) -> str:
        return self.title


class QuestionVersion(Base):
    """A draft until ``published_at``; from then on its questions never change (the database refuses).

    ``draw``: how many of the random pool a call asks. In force is the published version with the latest ``effective_from`` that
    has come and was not retired.
    """

    __tablename__ = "question_versions"
    id: Mapped[int] = mapped_column(primary_key=True)
    set_id: Mapped[int] = mapped_column(ForeignKey("question_sets.id"))
    number: Mapped[int]
    draw: Mapped[int] = mapped_column(default=0)
    effective_from: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
    published_by: Mapped[str] = mapped_column(String(40), default="")
    retired_at: Mapped[datetime | None]
    question_set: Mapped[QuestionSet] = relationship(back_populates="versions")
    questions: Mapped[list[Question]] = relationship(
        back_populates="version", order_by="(Question.position, Question.id)"
    )
    __table_args__ = (UniqueConstraint("set_id", "number"),)

    def __str__(self) -> str:
        return f"{self.question_set} v{self.number}"


class Question(Base):
    """One question of a version. ``say`` and ``cue`` may hold {broker} {witness} {licence} {business}.

    ``drawn``: of the random pool. ``expects``: what counts as an answer. ``step``, ``field``: what its answer vouches for.
    ``kinds``: it counts only with a snapshot of one of these kinds, with ``every_kind`` of each of them; with none, with a moment of
    the recording. ``frame``: the investor's page draws a frame to hold the card into.
    """

    __tablename__ = "questions"
    id: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("question_versions.id"))
    key: Mapped[str] = mapped_column(String(40))
    position: Mapped[int] = mapped_column(default=0)
    drawn: Mapped[bool] = mapped_column(default=False)
    required: Mapped[bool] = mapped_column(default=True)
    title: Mapped[str] = mapped_column(String(60))
    say: Mapped[str] = mapped_column(String(300))
    cue: Mapped[str] = mapped_column(String(120))
    expects: Mapped[str] = mapped_column(String(200), default="")
    step: Mapped[str] = mapped_column(String(40), default="")
    field: Mapped[str] = mapped_column(String(20), default="")
    kinds: Mapped[list[str]] = mapped_column(default=list)
    every_kind: Mapped[bool] = mapped_column(default=False, server_default=false())
    frame: Mapped[bool] = mapped_column(default=False)
    version: Mapped[QuestionVersion] = relationship(back_populates="questions")
    __table_args__ = (UniqueConstraint("version_id", "key"),)

    def __str__(self) -> str:
        return self.title


class ReasonUse(StrEnum):
    """Where a short reason is offered."""

    SIGN = "sign"
    FAULT = "fault"
    FIELD = "field"
    QUESTION = "question"
    PHRASE = "phrase"
    CHALLENGE = "challenge"


REASON_USE_TITLES = {
    ReasonUse.SIGN: "可疑迹象",
    ReasonUse.FAULT: "技术故障",
    ReasonUse.FIELD: "信息不符",
    ReasonUse.QUESTION: "问答有问题",
    ReasonUse.PHRASE: "发给投资者",
    ReasonUse.CHALLENGE: "口令撤回",
}


class ShortReason(Base):
    """A word to choose instead of typing it. Decisions keep the word as it read then."""

    __tablename__ = "short_reasons"
    id: Mapped[int] = mapped_column(primary_key=True)
    use: Mapped[ReasonUse]
    code: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(String(60))
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)
    __table_args__ = (UniqueConstraint("use", "code"),)

    def __str__(self) -> str:
        return self.title


# --- the call


class VideoSession(Base):
    """``session_no`` names the room at the media node; ``node`` is where it runs; ``epoch`` grows when the room moves.

    ``asking``: the question that the witness chose out of turn, until one is marked.
    ``investor_away_since`` and ``witness_away_since``: since when that side cannot be reached; the grace counts from there.
    """

    __tablename__ = "video_sessions"
    id: Mapped[int] = mapped_column(primary_key=True)
    session_no: Mapped[str] = mapped_column(String(32), unique=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), index=True)
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
    grounds: Mapped[list[str]] = mapped_column(default=list)
    script_id: Mapped[int | None] = mapped_column(ForeignKey("question_versions.id"))
    script_seed: Mapped[str] = mapped_column(String(32), default="")
    asking: Mapped[str] = mapped_column(String(40), default="", server_default="")
    case: Mapped[Case] = relationship()
    witness: Mapped[Staff] = relationship()
    script: Mapped[QuestionVersion | None] = relationship()
    asked: Mapped[list[AskedQuestion]] = relationship(order_by="AskedQuestion.position")
    marks: Mapped[list[CheckMark]] = relationship(back_populates="session", order_by="CheckMark.id")
    recordings: Mapped[list[Recording]] = relationship(back_populates="session", order_by="Recording.id")
    events: Mapped[list[CallEvent]] = relationship(back_populates="session", order_by="CallEvent.at, CallEvent.id")
    take_overs: Mapped[list[TakeOver]] = relationship(back_populates="session", order_by="TakeOver.id", lazy="selectin")
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

    @property
    def agreed(self) -> bool:
        """Whether the investor agreed to be recorded, and knows who witnesses now."""
        return self.acknowledged_at is not None and all(last.acknowledged_at for last in self.take_overs[-1:])

    @property
    def held_since(self) -> datetime:
        """Since when the call is in the hands of its witness."""
        return self.take_overs[-1].at if self.take_overs else self.started_at


class TakeOver(Base):
    """接管: from here on the call has another witness; `VideoSession.witness` is the last one. What the one before marked stays.

    ``acknowledged_at``: the investor saw name and licence of the new one.
    """

    __tablename__ = "take_overs"
    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("video_sessions.id"), index=True)
    at: Mapped[datetime]
    from_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    from_person: Mapped[str] = mapped_column(String(40))
    to_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    to_person: Mapped[str] = mapped_column(String(40))
    why: Mapped[str] = mapped_column(String(100))
    acknowledged_at: Mapped[datetime | None]
    session: Mapped[VideoSession] = relationship(back_populates="take_overs")
    former: Mapped[Staff] = relationship(foreign_keys=from_id)
    successor: Mapped[Staff] = relationship(foreign_keys=to_id)
    __table_args__ = (CheckConstraint("from_person <> to_person", name="another_person"),)


class HelpRequest(Base):
    """求助班长 of a witness in a call. A supervisor answers with ``words``, or takes the call over; a call that ended needs none."""

    __tablename__ = "help_requests"
    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("video_sessions.id"), index=True)
    reason: Mapped[str] = mapped_column(EncryptedText("help_requests.reason"))
    asked_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    asked_at: Mapped[datetime]
    words: Mapped[str | None] = mapped_column(EncryptedText("help_requests.words"))
    closed_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    closed_at: Mapped[datetime | None]
    session: Mapped[VideoSession] = relationship()
    asker: Mapped[Staff] = relationship(foreign_keys=asked_by)
    closer: Mapped[Staff | None] = relationship(foreign_keys=closed_by)
    __table_args__ = (
        Index(
            "uq_help_requests_open",
            "session_id",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
    )


def was_witnessed_by(case_id: Any, person: str) -> ColumnElement[bool]:
    """Whether this person (Staff.person) ever had a call of the case, to its end or until it was taken over: a maker, who is no checker."""
    of_case = select(VideoSession.id).where(VideoSession.case_id == case_id)
    handed_on = of_case.join(TakeOver).where(TakeOver.from_person == person)
    return or_(of_case.where(VideoSession.witness_person == person).exists(), handed_on.exists())


class CallPermit(Base):
    """接通凭证: one offer of this side of the call may be made with it, by this sign-in (permits.py). ``token``: its SHA-256."""

    __tablename__ = "call_permits"
    token: Mapped[str] = mapped_column(String(64), primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("video_sessions.id"))
    side: Mapped[str] = mapped_column(String(10))
    sign_in_id: Mapped[int] = mapped_column(ForeignKey("sign_ins.id"))
    expires_at: Mapped[datetime] = mapped_column(index=True)


class AskedQuestion(Base):
    """A question that this call asks, at its place (from 1)."""

    __tablename__ = "asked_questions"
    session_id: Mapped[int] = mapped_column(ForeignKey("video_sessions.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    question_id: Mapped[int] = mapped_column(ForeignKey("questions.id"))
    question: Mapped[Question] = relationship(lazy="joined")


class CheckResult(StrEnum):
    OK = "ok"
    PROBLEM = "problem"


class CheckMark(Base):
    """A question of the call (``item`` is its key) or a field of 信息核验 (``field:name``), looked at: with the moment (server time)
    and the snapshots that prove it (V6). The latest mark of an item counts. ``reason`` and ``words`` say what is wrong; ``seen``: what
    there was to look at of a field (facts.Fact.seen).
    """

    __tablename__ = "check_marks"
    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("video_sessions.id"), index=True)
    item: Mapped[str] = mapped_column(String(40))
    result: Mapped[CheckResult]
    at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(String(60), default="")
    words: Mapped[str | None] = mapped_column(EncryptedText("check_mark.words"))
    seen: Mapped[dict[str, str] | None] = mapped_column(EncryptedJSON("check_mark.seen"))
    by: Mapped[str] = mapped_column(String(40))
    session: Mapped[VideoSession] = relationship(back_populates="marks")
    snapshots: Mapped[list[Evidence]] = relationship(
        secondary="mark_snapshots", order_by="Evidence.id", lazy="selectin"
    )


class MarkSnapshot(Base):
    """A picture that proves a mark."""

    __tablename__ = "mark_snapshots"
    mark_id: Mapped[int] = mapped_column(ForeignKey("check_marks.id"), primary_key=True)
    evidence_id: Mapped[int] = mapped_column(ForeignKey("evidence.id"), primary_key=True)


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


class RecordingAnchor(Base):
    """How far the chain of a running recording was, as its node told it then: link number ``links`` (from 1) ended in ``hash``.
    Insert-only, and not on the node: who alters the recording afterwards cannot alter this (anchors.py).

    ``began``: the recording's own beginning, which tells it from another of the same side and segment; ``at_ms``: where in it the last
    link begins.
    """

    __tablename__ = "recording_anchors"
    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("video_sessions.id"))
    side: Mapped[str] = mapped_column(String(10))
    segment: Mapped[int]
    began: Mapped[datetime]
    links: Mapped[int]
    at_ms: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
    node: Mapped[str] = mapped_column(String(60))
    heard_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("session_id", "side", "began", "links"),)


class CallEventKind(StrEnum):
    """What can happen in a call. Up to DISK_OK the media node's words, but for DAMAGED: the file is not what the node wrote."""

    CONNECTED = "connected"
    LOST = "lost"
    RECORDING = "recording"
    RESIZED = "resized"
    RECORDING_FAILED = "recording_failed"
    DAMAGED = "damaged"
    DISK_LOW = "disk_low"
    DISK_OK = "disk_ok"
    PAGE_GONE = "page_gone"
    PAGE_BACK = "page_back"
    HUNG_UP = "hung_up"
    MOVED = "moved"
    RESUMED = "resumed"
    RESTARTED = "restarted"
    TAKEN_OVER = "taken_over"
    DROPPED = "dropped"
    MUTED = "muted"
    UNMUTED = "unmuted"
    CAMERA_OFF = "camera_off"
    CAMERA_ON = "camera_on"
    TEXT_SENT = "text_sent"
    DIGITS_ASKED = "digits_asked"
    DIGITS_ANSWERED = "digits_answered"
    SMS_ASKED = "sms_asked"
    SMS_ANSWERED = "sms_answered"
    CHALLENGE_WITHDRAWN = "challenge_withdrawn"


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


class Outcome(StrEnum):
    """What a supervisor decided about a suspicion."""

    REQUEUED = "requeued"
    REJECTED = "rejected"
    REFUSED = "refused"


OUTCOME_TITLES = {Outcome.REQUEUED: "放回队首", Outcome.REJECTED: "驳回", Outcome.REFUSED: "终止办理"}


class Suspicion(Base):
    """可疑: what a witness told the supervisor about a call. Whoever raised it never decides it (the database refuses).

    The signs are the call's ``grounds``. ``words`` and ``decision_words`` never reach the investor.
    """

    __tablename__ = "suspicions"
    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("video_sessions.id"), unique=True)
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    words: Mapped[str | None] = mapped_column(EncryptedText("suspicion.words"))
    raised_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    raised_person: Mapped[str] = mapped_column(String(40))
    raised_at: Mapped[datetime]
    outcome: Mapped[Outcome | None]
    decision_words: Mapped[str | None] = mapped_column(EncryptedText("suspicion.decision_words"))
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    decided_person: Mapped[str | None] = mapped_column(String(40))
    decided_at: Mapped[datetime | None]
    session: Mapped[VideoSession] = relationship()
    branch: Mapped[Branch] = relationship()
    raiser: Mapped[Staff] = relationship(foreign_keys=raised_by)
    decider: Mapped[Staff | None] = relationship(foreign_keys=decided_by)
    __table_args__ = (
        CheckConstraint("decided_person IS NULL OR decided_person <> raised_person", name="four_eyes"),
        Index(
            "ix_suspicions_open",
            "branch_id",
            "raised_at",
            sqlite_where=text("outcome IS NULL"),
            postgresql_where=text("outcome IS NULL"),
        ),
    )
