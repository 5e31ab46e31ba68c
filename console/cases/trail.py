"""The trail of a case (留痕) and how a written line is announced once it is committed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, partial
from typing import Any

from blinker import Signal
from sqlalchemy import (
    BindParameter,
    Integer,
    Row,
    ScalarSelect,
    Select,
    String,
    bindparam,
    event,
    func,
    literal_column,
    select,
)
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm import object_session

from console.businesses.steps import Step
from console.chain import START
from console.db import Session, afterwards
from console.rows import ONE, New, Write, as_written, inserting, write
from console.stamp import Stamp

from .models import Case, CaseEvent, Status, StepDone

# built once: building a statement costs several times what running one of these does
HELD: BindParameter[int] = bindparam("case", type_=Integer())
LOCK = select(Case.status, Case.version, Case.known_facts).where(Case.id == HELD).with_for_update()
LAST = select(CaseEvent.seq, CaseEvent.hash).where(CaseEvent.case_id == HELD).order_by(CaseEvent.seq.desc()).limit(ONE)
DONE = select(StepDone.step).where(StepDone.case_id == HELD, StepDone.reopened_at.is_(None))
WRITTEN = (*CaseEvent.sealed_fields, "seq", "prev_hash", "hash")
WRITE = inserting(CaseEvent, WRITTEN)
Last = tuple[int, str]  # a line's seq and hash

case_moved = Signal("Sent after commit, once for each new CaseEvent, with what is `Told`.")
case_moving = Signal(
    "Sent inside the transaction, with session, case, line, stamp and what is known (`known_of`; None when the case does not move):"
    " for what must be true together with the move."
)


@dataclass(frozen=True)
class Told:
    """A line of a trail, and the case after it: whoever is told need not look. ``step``: where it stands, if the line moved it."""

    event_id: int
    action: str
    case_id: int
    case_no: str
    branch_id: int
    status: Status
    step: str | None


class Happening(StrEnum):
    """Lines that do not move the case."""

    OPEN = "open"
    PHOTO_KEPT = "photo_kept"
    PHOTO_REMOVED = "photo_removed"
    NOTICE_ANSWERED = "notice_answered"
    DOCUMENT_READ = "document_read"
    DOCUMENT_SIGNED = "document_signed"
    CERTIFICATE_ISSUED = "certificate_issued"
    CERTIFICATE_REVOKED = "certificate_revoked"
    CALL_STARTED = "call_started"
    RECORDING_AGREED = "recording_agreed"
    CALL_ENDED = "call_ended"
    HELP_ASKED = "help_asked"
    HELP_ANSWERED = "help_answered"
    TAKEN_OVER = "taken_over"
    RECORDING_KEPT = "recording_kept"
    SNAPSHOT_TAKEN = "snapshot_taken"
    SNAPSHOT_CHOSEN = "snapshot_chosen"
    CHECK_MARKED = "check_marked"
    FIELD_CHECKED = "field_checked"
    CHALLENGED = "challenged"
    URGENT_ASKED = "urgent_asked"
    URGENT_GRANTED = "urgent_granted"
    URGENT_DECLINED = "urgent_declined"
    REASSIGNED = "reassigned"
    APPOINTMENT_BOOKED = "appointment_booked"
    APPOINTMENT_CHANGED = "appointment_changed"
    APPOINTMENT_CANCELLED = "appointment_cancelled"
    APPOINTMENT_KEPT = "appointment_kept"
    APPOINTMENT_MISSED = "appointment_missed"
    APPOINTMENT_SERVED = "appointment_served"
    TASK_CLAIMED = "task_claimed"
    TASK_RELEASED = "task_released"
    TASK_REDATED = "task_redated"
    INDEPENDENCE_WAIVED = "independence_waived"
    TASK_ASSIGNED = "task_assigned"
    TASK_SNOOZED = "task_snoozed"
    TASK_WOKEN = "task_woken"
    COUNTER_DONE = "counter_done"
    COUNTER_REFUSED = "counter_refused"
    COUNTER_ASKED_AGAIN = "counter_asked_again"
    DATA_REVEALED = "data_revealed"
    DOSSIER_MADE = "dossier_made"


HAPPENING_TITLES = {
    Happening.OPEN: "发起申请",
    Happening.PHOTO_KEPT: "保存照片",
    Happening.PHOTO_REMOVED: "移除照片",
    Happening.NOTICE_ANSWERED: "答复适当性告知",
    Happening.DOCUMENT_READ: "读完协议",
    Happening.DOCUMENT_SIGNED: "签署协议",
    Happening.CERTIFICATE_ISSUED: "安装数字证书",
    Happening.CERTIFICATE_REVOKED: "吊销数字证书",
    Happening.CALL_STARTED: "视频开始",
    Happening.RECORDING_AGREED: "同意录音录像",
    Happening.CALL_ENDED: "视频结束",
    Happening.HELP_ASKED: "求助班长",
    Happening.HELP_ANSWERED: "班长回复求助",
    Happening.TAKEN_OVER: "接管通话",
    Happening.RECORDING_KEPT: "双录归档",
    Happening.SNAPSHOT_TAKEN: "抓拍",
    Happening.SNAPSHOT_CHOSEN: "选用抓拍",
    Happening.CHECK_MARKED: "见证清单记录",
    Happening.FIELD_CHECKED: "信息核验记录",
    Happening.CHALLENGED: "视频口令",
    Happening.URGENT_ASKED: "请求加急",
    Happening.URGENT_GRANTED: "同意加急",
    Happening.URGENT_DECLINED: "不同意加急",
    Happening.REASSIGNED: "改派排队",
    Happening.APPOINTMENT_BOOKED: "预约视频",
    Happening.APPOINTMENT_CHANGED: "改约视频",
    Happening.APPOINTMENT_CANCELLED: "取消视频预约",
    Happening.APPOINTMENT_KEPT: "按预约到场",
    Happening.APPOINTMENT_MISSED: "未按预约到场",
    Happening.APPOINTMENT_SERVED: "预约已接通",
    Happening.TASK_CLAIMED: "领取复核任务",
    Happening.TASK_RELEASED: "退回复核任务",
    Happening.TASK_REDATED: "复核到期改时间",
    Happening.INDEPENDENCE_WAIVED: "班长授权复核",
    Happening.TASK_ASSIGNED: "指派复核任务",
    Happening.TASK_SNOOZED: "暂缓复核任务",
    Happening.TASK_WOKEN: "恢复复核任务",
    Happening.COUNTER_DONE: "柜台办妥",
    Happening.COUNTER_REFUSED: "柜台退回",
    Happening.COUNTER_ASKED_AGAIN: "重新报送柜台",
    Happening.DATA_REVEALED: "查看完整信息",
    Happening.DOSSIER_MADE: "导出卷宗",
}


def hold(case: Case) -> None:
    """Wait for anybody else who is changing this case, then see it as they left it; it is held until the transaction ends.

    Whatever changes a case holds it first and checks afterwards. Holding it again costs nothing.
    """
    session = object_session(case)
    if session is None or case.id is None:
        return
    session.flush()
    if case.id in _held(session):
        return
    locked = session.connection().execute(LOCK, {"case": case.id}).one()
    as_written(case, **locked._mapping)
    if "entries" in case.__dict__:
        for entry in case.entries:
            session.expire(entry)
        session.refresh(case, ["entries"])
    if "rejections" in case.__dict__:
        session.expire(case, ["rejections"])
    is_held(case)


def is_held(case: Case) -> None:
    """Said by `hold`, and by whoever locked and read the case with a statement of their own."""
    _held(session_of(case))[case.id] = None


def _held(session: OrmSession) -> dict[int, Last | None]:
    """Cases held by this transaction, with the last line of their trail as soon as it is known: nobody else writes one."""
    held: dict[int, Last | None] = session.info.setdefault("held", {})
    return held


# no bound value: SQLAlchemy would write it into the statement anew each time.
BLANK: Any = literal_column("' '", String())
# What is asked of a case together with its last line when it moves, by name; others add theirs before anything moves.
asked_too: dict[str, ScalarSelect[Any]] = {
    "done": select(func.aggregate_strings(DONE.subquery().c.step, BLANK)).scalar_subquery()
}


def known_of(case: Case) -> Row[Any] | None:
    """The last line of the case that is held, and `asked_too`."""
    return session_of(case).connection().execute(_known(), {"case": case.id}).first()


@cache
def _known() -> Select[Any]:
    return LAST.add_columns(*(asked.label(name) for name, asked in asked_too.items()))


def standing_at(case: Case, known: Row[Any] | None = None) -> Step | None:
    """`Case.current_step`, for whoever needs nothing else of what was entered: the contents stay sealed."""
    if "entries" in case.__dict__:
        return case.current_step
    if known is not None:
        return case.step_after((known.done or "").split())
    return case.step_after(set(session_of(case).connection().scalars(DONE, {"case": case.id})))


def session_of(case: Case) -> OrmSession:
    session = object_session(case)
    if session is None:
        raise ValueError("a case that is in no session has no trail")
    return session


def note(case: Case, what: Happening, stamp: Stamp, **detail: Any) -> CaseEvent:
    """Something happened to the case that does not move it. ``detail`` holds ids and codes, never personal data."""
    hold(case)
    return write_line(case, what, case.status, stamp, after=case.status, step=None, detail=detail)


def write_line(
    case: Case,
    action: StrEnum,
    before: str,
    stamp: Stamp,
    *,
    after: str,
    step: str | None,
    detail: Mapping[str, Any],
    also: Iterable[Write] = (),
    known: Row[Any] | None = None,
    now: Step | None = None,
) -> CaseEvent:
    """``also``: the rows whose change the line tells of; ``now``: where the case stands after it."""
    session = session_of(case)
    session.flush()
    held = _held(session)
    last: Any = (
        known or held.get(case.id) or session.connection().execute(LAST, {"case": case.id}).first() or (0, START)
    )
    line = CaseEvent(
        case_id=case.id,
        action=str(action),
        before=str(before),
        after=str(after),
        step=step,
        detail=dict(detail),
        by=stamp.by,
        address=stamp.address,
        at=stamp.at,
    )
    line.follow(last[0], last[1])
    line.id = write(session, *also, New(line, WRITE, WRITTEN))[-1]
    if case.id in held:
        held[case.id] = (line.seq, line.hash)
    told = Told(line.id, line.action, case.id, case.case_no, case.branch_id, case.status, now.key if now else None)
    session.info.setdefault("lines", []).append(told)
    case_moving.send(None, session=session, case=case, line=line, stamp=stamp, known=known)
    return line


@event.listens_for(Session, "after_commit")
def _announce(session: OrmSession) -> None:
    if session.in_nested_transaction():  # a savepoint ended, nothing is committed yet
        return
    session.info.pop("held", None)
    for told in session.info.pop("lines", ()):
        afterwards(session, partial(case_moved.send, None, told=told))


@event.listens_for(Session, "after_rollback")
def _forget(session: OrmSession) -> None:
    session.info.pop("lines", None)


@event.listens_for(Session, "after_soft_rollback")
def _let_go(session: OrmSession, ended: object) -> None:
    """A savepoint's end too gives back the locks that were taken since."""
    session.info.pop("held", None)
