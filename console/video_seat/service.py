"""One recorded call: started by answering, acknowledged by the investor, proved item by item, ended by a verdict."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, selectinload

from console.businesses.steps import Desk
from console.cases import transitions
from console.cases.models import Case, Status
from console.cases.service import reasons_by_code
from console.cases.trail import Happening, hold, note
from console.cases.transitions import Action, apply
from console.evidence import service as evidence
from console.evidence.models import Evidence, Kind
from console.people.models import Staff
from console.problem import Problem
from console.queues import seats
from console.queues import service as queues
from console.queues.models import Seat, Ticket
from console.stamp import Stamp

from . import timeline
from .checklist import Item, items_of
from .models import CheckMark, CheckResult, Recording, Verdict, VideoSession

SNAPSHOTS = (Kind.SNAPSHOT_FACE, Kind.SNAPSHOT_ID, Kind.SNAPSHOT_FULL)
LONGEST_NOTE = 400


class CallOver(Problem):
    status, code = 409, "call_over"
    text = "通话已经结束，这次操作没有生效。请刷新页面。"


class NotAcknowledged(Problem):
    status, code = 409, "not_acknowledged"
    text = "投资者还没有确认您的姓名、执业资格证号并同意录音录像，请等待确认。"


class UnknownItem(Problem):
    status, code = 422, "unknown_item"
    text = "见证清单里没有这一项，请刷新页面。"


class SnapshotMissing(Problem):
    """The item is proved by a snapshot and there is none of this call."""

    status, code = 422, "snapshot_missing"

    def __init__(self, number: int, item: Item):
        key = "F" if Kind.SNAPSHOT_FACE in item.by_snapshot else "D"
        super().__init__(item.key, text=f"第 {number} 项“{item.title}”须有抓拍，请先按 {key} 抓拍，再标记。")


class ItemsMissing(Problem):
    """通过 is locked; ``text`` names the items that lock it."""

    status, code = 409, "items_missing"

    def __init__(self, locks: "Locks"):
        super().__init__(text=f"还不能通过。{locks.words}。")
        self.locks = locks


# --- the call


def start(session: Session, ticket: Ticket, seat: Seat, node: str, stamp: Stamp) -> VideoSession:
    """Open the call of a ticket that was just claimed, in the same transaction. ``node``: the media node that has a place for it."""
    staff = session.get_one(Staff, seat.staff_id)
    earlier = session.scalar(select(func.count()).where(VideoSession.case_id == ticket.case_id)) or 0
    call = VideoSession(
        session_no=f"{ticket.case.case_no}-{earlier + 1}",
        case=ticket.case,
        ticket_id=ticket.id,
        witness=staff,
        witness_person=staff.person,
        node=node,
        epoch=1,
        started_at=stamp.at,
    )
    session.add(call)
    session.flush()
    note(ticket.case, Happening.CALL_STARTED, stamp, session=call.session_no)
    return call


def live_call_of(session: Session, staff_id: int) -> VideoSession | None:
    """The call that this witness is in now."""
    return session.scalar(_calls().where(VideoSession.witness_id == staff_id, VideoSession.ended_at.is_(None)))


def live_call_on(session: Session, case: Case) -> VideoSession | None:
    """The call that this case is in now."""
    return session.scalar(_calls().where(VideoSession.case_id == case.id, VideoSession.ended_at.is_(None)))


def calls_of(session: Session, case: Case) -> list[VideoSession]:
    """Every call of the case, the latest first."""
    return list(session.scalars(_calls().where(VideoSession.case_id == case.id).order_by(VideoSession.id.desc())))


def _calls() -> Select[VideoSession]:
    return select(VideoSession).options(
        selectinload(VideoSession.marks), selectinload(VideoSession.witness), selectinload(VideoSession.case)
    )


def acknowledge(session: Session, call: VideoSession, stamp: Stamp) -> VideoSession:
    """The investor saw name and 执业资格证号 and agreed to the recording (V3). Said twice counts once."""
    hold(call.case)
    session.refresh(call, ["ended_at", "acknowledged_at"])
    _require_live(call)
    if call.acknowledged_at is None:
        call.acknowledged_at = stamp.at
        note(call.case, Happening.RECORDING_AGREED, stamp, session=call.session_no, witness=call.witness.licence_no)
    return call


def write_note(session: Session, call: VideoSession, text: str) -> None:
    """备注 of the witness; the investor never reads it."""
    _require_live(call)
    call.internal_note = text.strip()[:LONGEST_NOTE]


# --- evidence


def take_snapshot(
    session: Session,
    call: VideoSession,
    kind: Kind,
    picture: evidence.Sealed,
    width: int,
    height: int,
    at: datetime,
    stamp: Stamp,
) -> Evidence:
    """Keep the picture that the media node took."""
    _require_live(call)
    if kind not in SNAPSHOTS:
        raise ValueError(kind)
    kept = evidence.keep(
        session,
        call.case,
        kind,
        picture,
        stamp,
        media_type="image/png",
        width=width,
        height=height,
        facts={"session": call.session_no, "at": at.isoformat()},
    )
    evidence.note_kept(call.case, kept, stamp, Happening.SNAPSHOT_TAKEN)
    return kept


def snapshots(session: Session, call: VideoSession) -> list[Evidence]:
    """Those of this call, oldest first."""
    return [p for p in evidence.live(session, call.case, *SNAPSHOTS) if p.facts.get("session") == call.session_no]


def mark(
    session: Session,
    call: VideoSession,
    item_key: str,
    result: CheckResult,
    stamp: Stamp,
    *,
    at: datetime | None = None,
    snapshot: Evidence | None = None,
) -> CheckMark:
    """An item is in order, or is not, at this moment of the recording (``at``, default now).

    An item that is proved by a snapshot takes the latest fitting one of this call when none is named. Raises UnknownItem,
    SnapshotMissing, NotAcknowledged.
    """
    _require_live(call)
    number, item = _item(call, item_key)
    if call.acknowledged_at is None:
        raise NotAcknowledged(call.session_no)
    if item.by_snapshot:
        taken = [p for p in snapshots(session, call) if timeline.counts(call, p.kept_at)]
        fitting = [p for p in taken if p.kind in item.by_snapshot]
        if snapshot is not None and snapshot not in fitting:
            raise SnapshotMissing(number, item)
        snapshot = snapshot or (fitting[-1] if fitting else None)
        if snapshot is None and result is CheckResult.OK:
            raise SnapshotMissing(number, item)
    moment = min(max(at or stamp.at, call.acknowledged_at), stamp.at)
    made = CheckMark(item=item.key, result=result, at=moment, snapshot=snapshot, by=stamp.by)
    call.marks.append(made)
    session.flush()
    note(call.case, Happening.CHECK_MARKED, stamp, session=call.session_no, item=item.key, result=result.value)
    return made


def _item(call: VideoSession, key: str) -> tuple[int, Item]:
    for number, item in enumerate(items_of(call.case.business_code), 1):
        if item.key == key:
            return number, item
    raise UnknownItem(key)


def marks_of(call: VideoSession) -> dict[str, CheckMark]:
    """The mark that counts of each item that has one: the latest since the conversation began (again)."""
    return {made.item: made for made in call.marks if timeline.counts(call, made.at)}


class Locks:
    """Why 通过 is locked: numbers of the items with a problem, of those that nobody has proved yet, of those whose moment is on
    no recording; and what is wrong with the recording itself, in words.
    """

    def __init__(self, call: VideoSession):
        marks = marks_of(call)
        numbered = list(enumerate(items_of(call.case.business_code), 1))
        self.problems = [
            n for n, item in numbered if item.key in marks and marks[item.key].result is not CheckResult.OK
        ]
        self.missing = [n for n, item in numbered if item.key not in marks]
        self.unrecorded = [
            n for n, item in numbered if item.key in marks and timeline.uncovered(call, marks[item.key].at)
        ]
        self.flaws = timeline.flaws(call)

    def __bool__(self) -> bool:
        return bool(self.problems or self.missing or self.unrecorded or self.flaws)

    @property
    def words(self) -> str:
        parts = list(self.flaws)
        if self.unrecorded:
            parts.append(f"第 {_list(self.unrecorded)} 项发生在断线期间，请再问一次")
        if self.problems:
            parts.append(f"第 {_list(self.problems)} 项有问题")
        if self.missing:
            parts.append(f"{'另有 ' if parts else ''}{len(self.missing)} 项未完成：{_list(self.missing)}")
        return "，".join(parts)


def _list(numbers: Iterable[int]) -> str:
    return "、".join(str(n) for n in numbers)


# --- verdicts


def pass_video(session: Session, call: VideoSession, stamp: Stamp) -> None:
    """通过. Raises ItemsMissing while an item of the checklist has no proof or a problem."""
    _require_live(call)
    if locks := Locks(call):
        raise ItemsMissing(locks)
    apply(
        call.case,
        Action.PASS_VIDEO,
        stamp,
        detail={"content": {"session": call.session_no}, "session": call.session_no},
    )
    end(session, call, Verdict.PASSED, stamp)


def reject(
    session: Session, call: VideoSession, reason_codes: list[str], remark: str, internal_note: str, stamp: Stamp
) -> None:
    """驳回 to every step that the reasons blame. Raises UnknownReason."""
    _require_live(call)
    reasons = reasons_by_code(session, call.case, reason_codes)
    transitions.reject(
        call.case, reasons, stamp, desk=Desk.SEAT, remark=remark.strip(), internal_note=internal_note.strip()
    )
    end(session, call, Verdict.REFUSED if call.case.status is Status.REFUSED else Verdict.REJECTED, stamp)


def technical_failure(session: Session, call: VideoSession, stamp: Stamp) -> Ticket:
    """技术故障 is no rejection: the investor goes back to the head of the queue."""
    _require_live(call)
    ticket = queues.put_back(session, call.case, session.get_one(Ticket, call.ticket_id), stamp)
    end(session, call, Verdict.TECHNICAL_FAILURE, stamp)
    return ticket


def end(session: Session, call: VideoSession, verdict: Verdict, stamp: Stamp) -> None:
    """The call is over; the witness is online again. The media node is told by whoever commits this."""
    call.ended_at, call.verdict = stamp.at, verdict
    session.get_one(Ticket, call.ticket_id).ended_at = stamp.at
    note(call.case, Happening.CALL_ENDED, stamp, session=call.session_no, verdict=verdict.value)
    seats.free(session, call.witness_id, stamp.at)


def _require_live(call: VideoSession) -> None:
    if call.ended_at is not None:
        raise CallOver(call.session_no)


# --- recordings


def keep_recording(
    session: Session,
    session_no: str,
    side: str,
    segment: int,
    film: evidence.Sealed,
    started_at: datetime,
    duration_ms: int,
    stamp: Stamp,
    chain: dict[str, Any] | None = None,
) -> Recording:
    """Add one sealed segment. The same film twice is kept once. ``chain``: see console/evidence/film.py. Raises NoResultFound.

    A different film under a number that is taken (a node that started anew with an empty spool) gets the next free number:
    no second of a recording is given up for a number.
    """
    call = session.scalars(
        select(VideoSession).where(VideoSession.session_no == session_no).options(selectinload(VideoSession.recordings))
    ).one()
    hold(call.case)  # two runs of the job: one after the other
    session.refresh(call, ["recordings"])
    mine = [recording for recording in call.recordings if recording.side == side]
    for recording in mine:
        if recording.evidence.sha256 == film.kept.sha256:
            return recording
    taken = {recording.segment for recording in mine}
    number = segment if segment not in taken else max(taken) + 1
    facts = {"session": session_no, "side": side, "segment": number, "duration_ms": duration_ms}
    if chain:
        facts["chain"] = chain
    kept = evidence.keep(session, call.case, Kind.RECORDING, film, stamp, media_type="video/webm", facts=facts)
    made = Recording(side=side, segment=number, started_at=started_at, duration_ms=duration_ms, evidence=kept)
    call.recordings.append(made)
    session.flush()
    evidence.note_kept(call.case, kept, stamp, Happening.RECORDING_KEPT)
    return made


def is_kept(session: Session, session_no: str, side: str, sha256: str) -> bool:
    """Whether this film of the call is in the evidence already."""
    query = (
        select(Recording.id)
        .join(Recording.session)
        .join(Recording.evidence)
        .where(VideoSession.session_no == session_no, Recording.side == side, Evidence.sha256 == sha256)
    )
    return session.scalar(query.limit(1)) is not None


def clock_zero(call: VideoSession) -> datetime:
    """Where the call's clock shows 00:00: the first recorded frame, else the investor's consent, else the answering."""
    recorded = [recording.started_at for recording in call.recordings]
    return min(recorded) if recorded else call.acknowledged_at or call.started_at
