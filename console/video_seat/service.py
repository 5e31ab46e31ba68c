"""One recorded call: started by answering, acknowledged by the investor, proved question by question, ended by a verdict."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, object_session, selectinload

from console.businesses.steps import Desk
from console.cases import transitions
from console.cases.models import Case, Status
from console.cases.service import reasons_by_code
from console.cases.trail import Happening, hold, note
from console.cases.transitions import Action, apply
from console.db import AS_OF
from console.evidence import service as evidence
from console.evidence.clarity import Clarity
from console.evidence.models import Evidence, Kind
from console.people.models import Staff
from console.problem import Problem
from console.queues import seats
from console.queues import service as queues
from console.queues.models import Seat, SeatState, Ticket
from console.stamp import Stamp

from . import facts, script, timeline
from .locks import Locks, marks_of
from .models import CheckMark, CheckResult, ReasonUse, Recording, Suspicion, Verdict, VideoSession
from .script import Item, items_of
from .snapshots import CHOSEN, SNAPSHOTS
from .words import NOTE, REMARK, WORDS, written


class CallOver(Problem):
    status, code = 409, "call_over"
    text = "通话已经结束，这次操作没有生效。请刷新页面。"


class NotAcknowledged(Problem):
    status, code = 409, "not_acknowledged"
    text = "投资者还没有确认您的姓名、执业资格证号并同意录音录像，请等待确认。"


class Agreed(Problem):
    """Who agreed to the recording leaves by hanging up."""

    status, code = 409, "agreed"
    text = "您已同意录音录像，通话正在进行。要离开请点挂断。"


class FieldsChanged(Problem):
    status, code = 409, "fields_changed"

    def __init__(self, titles: list[str]):
        text = f"{'、'.join(titles)}刚刚有变化，没有记下。页面已换成新的内容，请看过再记。"
        super().__init__(titles, text=text)


OWN_DEVICE = "own_device"  # the short reason of a fault at the seat itself


class UnknownItem(Problem):
    status, code = 422, "unknown_item"
    text = "见证清单里没有这一项，请刷新页面。"


class SnapshotMissing(Problem):
    """The item is proved by snapshots and this call has not all that are needed. ``taken``: those it has."""

    status, code = 422, "snapshot_missing"

    def __init__(self, item: Item, taken: list[Evidence]):
        needs = item.pictures
        each = f"{'、'.join(shot.title for shot in needs.shots)}各一张" if needs.every else ""
        keys = "、".join(f"{shot.key} {shot.title}" for shot in needs.lacking(taken) or needs.shots)
        told = f"第 {item.number} 项“{item.title}”须有{each}抓拍，请先抓拍（{keys}），再标记。"
        super().__init__(item.key, text=told)


class ProvesNothing(Problem):
    """No question of the call asks for such a picture, or the conversation began again since it was taken."""

    status, code = 422, "proves_nothing"
    text = "清单里没有要用这种抓拍证明的项目，或对话已重新开始，不能选用。"


class UnknownShortReason(Problem):
    """Nothing was chosen where something must be, or what is not on offer (any more)."""

    status, code = 422, "unknown_short_reason"
    text = "请至少选择一项；所选的可能已停用，请刷新后重选。"


class ItemsMissing(Problem):
    """通过 is locked; ``text`` names the items that lock it."""

    status, code = 409, "items_missing"

    def __init__(self, locks: Locks):
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
    script.bind(session, call, stamp)
    session.flush()
    asked = {"script": call.script_id, "seed": call.script_seed, "questions": [item.key for item in items_of(call)]}
    note(ticket.case, Happening.CALL_STARTED, stamp, session=call.session_no, **asked)
    return call


def live_call_of(session: Session, staff_id: int) -> VideoSession | None:
    """The call that this witness is in now."""
    return session.scalar(_calls().where(VideoSession.witness_id == staff_id, VideoSession.ended_at.is_(None)))


def live_call_on(session: Session, case: Case) -> VideoSession | None:
    """The call that this case is in now."""
    return session.scalar(_calls().where(VideoSession.case_id == case.id, VideoSession.ended_at.is_(None)))


def is_talking_to(staff: Staff, case: Case) -> bool:
    """Whether this witness is in a call with it: a case that overflowed from another branch is open for as long, and no longer."""
    session = object_session(case)
    live = VideoSession.ended_at.is_(None) & (VideoSession.witness_id == staff.id)
    return bool(session and session.scalar(select(VideoSession.id).where(live, VideoSession.case_id == case.id)))


def calls_of(session: Session, case: Case) -> list[VideoSession]:
    """Every call of the case, the latest first."""
    query = _calls().where(VideoSession.case_id == case.id).order_by(VideoSession.id.desc())
    if at := session.info.get(AS_OF):
        query = query.where(VideoSession.started_at <= at)
    return list(session.scalars(query))


def _calls() -> Select[VideoSession]:
    return select(VideoSession).options(
        selectinload(VideoSession.marks), selectinload(VideoSession.witness), selectinload(VideoSession.case)
    )


def acknowledge(session: Session, call: VideoSession, stamp: Stamp) -> VideoSession:
    """The investor saw name and 执业资格证号 and agreed to the recording (V3). Said twice counts once."""
    _as_it_stands(session, call)
    if not call.agreed:
        call.acknowledged_at = call.acknowledged_at or stamp.at
        for handed in call.take_overs[-1:]:
            handed.acknowledged_at = handed.acknowledged_at or stamp.at
        note(call.case, Happening.RECORDING_AGREED, stamp, session=call.session_no, witness=call.witness.licence_no)
    return call


def decline(session: Session, call: VideoSession, stamp: Stamp) -> None:
    """The investor does not agree to the recording: nobody's fault, and no verdict on the case, which is with the investor again.

    Raises CallOver, Agreed.
    """
    seats.hold(session, call.witness_id)  # before the case, as who gives a verdict does
    _as_it_stands(session, call)
    if call.agreed:
        raise Agreed(call.session_no)
    apply(call.case, Action.DECLINE_RECORDING, stamp, detail={"session": call.session_no})
    end(session, call, Verdict.DECLINED, stamp)


def _as_it_stands(session: Session, call: VideoSession) -> None:
    """Held, and read anew. Raises CallOver."""
    hold(call.case)
    session.refresh(call, ["ended_at", "acknowledged_at", "witness_id"])
    session.expire(call, ["witness", "take_overs"])
    _require_live(call)


def write_note(session: Session, call: VideoSession, text: str) -> None:
    """备注 of the witness; the investor never reads it. Raises TooLong."""
    _require_live(call)
    call.internal_note = written(text, NOTE, "internal_note", "备注")


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
    *,
    clarity: Clarity | None = None,
    press: str = "",
) -> Evidence:
    """Keep the picture that the media node took, with what was measured on it. ``press`` names the press of the button: the same
    one again gives the picture that it took.
    """
    if kind not in SNAPSHOTS:
        raise ValueError(kind)
    hold(call.case)  # two ways of one press: one after the other
    session.refresh(call, ["ended_at"])
    _require_live(call)
    if known := taken_by(session, call, press):
        return known
    facts: dict[str, Any] = {"session": call.session_no, "at": at.isoformat()}
    if press:
        facts["press"] = press
    if clarity:
        facts |= {"sharpness": clarity.sharpness, "glare": clarity.glare}
    kept = evidence.keep(
        session,
        call.case,
        kind,
        picture,
        stamp,
        media_type="image/png",
        width=width,
        height=height,
        facts=facts,
    )
    kept.warnings = clarity.warnings if clarity else []
    evidence.note_kept(call.case, kept, stamp, Happening.SNAPSHOT_TAKEN)
    _prove_better(session, call, stamp)
    return kept


def _prove_better(session: Session, call: VideoSession, stamp: Stamp) -> None:
    """What was marked in order with a picture that cannot be read is proved by one that can, as soon as there is one: the mark is
    written again, with the moment it had.
    """
    marks, taken = marks_of(call), that_count(call, snapshots(session, call))
    for item in items_of(call):
        made = marks.get(item.key)
        if made is None or made.result is not CheckResult.OK:
            continue
        better = item.pictures.improved(made.snapshots, taken)
        if {picture.id for picture in better} == {picture.id for picture in made.snapshots}:
            continue
        _prove_by(call, item, made, better, stamp, better=True)
    session.flush()


def _prove_by(
    call: VideoSession, item: Item, made: CheckMark, pictures: list[Evidence], stamp: Stamp, **why: bool
) -> None:
    """The same mark, with other pictures."""
    call.marks.append(CheckMark(item=item.key, result=made.result, at=made.at, by=stamp.by, snapshots=pictures))
    told = {"item": item.key, "result": made.result.value, "pictures": _names(pictures), **why}
    note(call.case, Happening.CHECK_MARKED, stamp, session=call.session_no, **told)


def choose_snapshot(session: Session, call: VideoSession, picture: Evidence, stamp: Stamp) -> None:
    """This picture of the call proves, before those taken or chosen until now; a mark that held another of its group is written again
    with the moment it had. What proves already is left as it is. Raises CallOver, ProvesNothing.
    """
    hold(call.case)
    session.refresh(call, ["ended_at"])
    _require_live(call)
    taken = snapshots(session, call)
    if picture not in choosable(call, taken):
        raise ProvesNothing(picture.public_id)
    asking = [item for item in items_of(call) if picture.kind in item.pictures.kinds]
    if all(item.number in proving(call, taken).get(picture.id, ()) for item in asking):
        return
    picture.facts = picture.facts | {CHOSEN: stamp.at.isoformat()}
    told = {"session": call.session_no, "kind": picture.kind.value, "evidence": picture.public_id}
    note(call.case, Happening.SNAPSHOT_CHOSEN, stamp, **told)
    marks = marks_of(call)
    for item in asking:
        made = marks.get(item.key)
        if made is not None and made.result is CheckResult.OK and picture not in made.snapshots:
            _prove_by(call, item, made, item.pictures.proofs(made.snapshots, picture), stamp, chosen=True)
    session.flush()


def proving(call: VideoSession, taken: list[Evidence]) -> dict[int, list[int]]:
    """By the id of a picture the numbers of the questions that it proves, or will when they are marked in order."""
    marks, found = marks_of(call), dict[int, list[int]]()
    counting = that_count(call, taken)
    for item in items_of(call):
        made = marks.get(item.key)
        ready = made is not None and made.result is CheckResult.OK
        for picture in made.snapshots if made is not None and ready else item.pictures.proofs(counting):
            found.setdefault(picture.id, []).append(item.number)
    return found


def choosable(call: VideoSession, taken: list[Evidence]) -> list[Evidence]:
    """Those with which a question of the call can be proved."""
    wanted = {kind for item in items_of(call) for kind in item.pictures.kinds}
    return [picture for picture in that_count(call, taken) if picture.kind in wanted]


def that_count(call: VideoSession, taken: list[Evidence]) -> list[Evidence]:
    """Those of the conversation that counts."""
    return [picture for picture in taken if timeline.counts(call, picture.kept_at)]


def _names(pictures: list[Evidence]) -> list[str]:
    return [picture.public_id for picture in pictures]


def taken_by(session: Session, call: VideoSession, press: str) -> Evidence | None:
    """The picture that this press of the button took, if it has."""
    return next((p for p in snapshots(session, call) if p.facts.get("press") == press), None) if press else None


def snapshots(session: Session, call: VideoSession) -> list[Evidence]:
    """Those of this call, oldest first."""
    return [p for p in evidence.live(session, call.case, *SNAPSHOTS) if p.facts.get("session") == call.session_no]


def ask(call: VideoSession, item_key: str) -> bool:
    """The witness asks this question now, whichever would be next. Whether that is new. Raises UnknownItem."""
    item = _item(call, item_key)
    new, call.asking = call.asking != item.key, item.key
    return new


def mark(
    session: Session,
    call: VideoSession,
    item_key: str,
    result: CheckResult,
    stamp: Stamp,
    *,
    at: datetime | None = None,
    snapshot: Evidence | None = None,
    reason: str = "",
    words: str = "",
) -> CheckMark:
    """An item is in order, or is not, at this moment of the recording (``at``, default now): then ``reason`` is the code of a short
    reason.

    An item that is proved by snapshots takes those of this call that were taken or chosen last; ``snapshot`` goes before others of
    its kind.
    Raises UnknownItem, UnknownShortReason, TooLong, SnapshotMissing, NotAcknowledged.
    """
    _require_live(call)
    item = _item(call, item_key)
    if not call.agreed:
        raise NotAcknowledged(call.session_no)
    fitting = item.pictures.of(that_count(call, snapshots(session, call))) if item.pictures else []
    if snapshot is not None and item.pictures and snapshot not in fitting:
        raise SnapshotMissing(item, fitting)
    if result is CheckResult.OK and item.pictures.lacking(fitting):
        raise SnapshotMissing(item, fitting)
    proofs = item.pictures.proofs(fitting, snapshot) or ([snapshot] if snapshot is not None else [])
    why = _why(session, ReasonUse.QUESTION, result, reason, words)
    made = _write_mark(session, call, item.key, result, at, stamp, snapshots=proofs, **why)
    call.asking = ""
    told: dict[str, Any] = {"item": item.key, "result": result.value}
    told |= ({"reason": reason} if why["reason"] else {}) | ({"pictures": _names(proofs)} if proofs else {})
    note(call.case, Happening.CHECK_MARKED, stamp, session=call.session_no, **told)
    return made


def check_fields(
    session: Session,
    call: VideoSession,
    names: list[str],
    result: CheckResult,
    stamp: Stamp,
    *,
    at: datetime | None = None,
    reason: str = "",
    words: str = "",
    seen: list[str] | None = None,
) -> list[CheckMark]:
    """Fields of 信息核验 are in order, or are not: then ``reason`` is the code of a short reason. ``seen``: the prints (facts.Fact.print)
    of what was looked at, field by field; without, it is what there is now.

    Raises UnknownItem, FieldsChanged, UnknownShortReason, TooLong, NotAcknowledged.
    """
    _require_live(call)
    if not call.agreed:
        raise NotAcknowledged(call.session_no)
    known = {fact.key: fact for fact in facts.of(session, call.case, stamp)}
    if not names or not set(names) <= known.keys() or len(seen or names) != len(names):
        raise UnknownItem(names)
    looked = zip(names, seen or (), strict=False)
    if changed := [known[name].title for name, print_ in looked if known[name].print != print_]:
        raise FieldsChanged(changed)
    why = _why(session, ReasonUse.FIELD, result, reason, words)
    found = [known[name] for name in names]
    made = [_write_mark(session, call, fact.item, result, at, stamp, seen=fact.seen, **why) for fact in found]
    told = {"fields": names, "result": result.value, "reason": reason}
    note(call.case, Happening.FIELD_CHECKED, stamp, session=call.session_no, **told)
    return made


def _why(session: Session, use: ReasonUse, result: CheckResult, reason: str, words: str) -> dict[str, Any]:
    """What a mark keeps of why it is not in order: a short reason, and words for who wants to. Raises UnknownShortReason, TooLong."""
    title = "" if result is CheckResult.OK else chosen(session, use, [reason])[0]
    return {"reason": title, "words": written(words, WORDS, "flag-words", "说明") or None}


def _write_mark(
    session: Session,
    call: VideoSession,
    item: str,
    result: CheckResult,
    at: datetime | None,
    stamp: Stamp,
    **more: Any,
) -> CheckMark:
    """At a moment of the recording, whatever the browser's clock says: what cannot be seen now was not seen a moment ago either."""
    moment = min(max(at or stamp.at, call.acknowledged_at or stamp.at), stamp.at)
    if timeline.uncovered(call, stamp.at) is not None:
        moment = stamp.at
    made = CheckMark(item=item, result=result, at=moment, by=stamp.by, **more)
    call.marks.append(made)
    session.flush()
    return made


def chosen(session: Session, use: ReasonUse, codes: list[str]) -> list[str]:
    """The titles of these short reasons. Raises UnknownShortReason, also when there are none."""
    known = {reason.code: reason.title for reason in script.short_reasons(session, use)}
    if not codes or not set(codes) <= known.keys():
        raise UnknownShortReason(codes)
    return [known[code] for code in dict.fromkeys(codes)]


def _item(call: VideoSession, key: str) -> Item:
    for item in items_of(call):
        if item.key == key:
            return item
    raise UnknownItem(key)


# --- verdicts


def pass_video(session: Session, call: VideoSession, stamp: Stamp) -> None:
    """通过. Raises ItemsMissing while a question or a differing field has no proof, or has a problem."""
    _require_live(call)
    if locks := Locks(session, call, stamp):
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
    """驳回 to every step that the reasons blame. Raises UnknownReason, TooLong."""
    _require_live(call)
    reasons = reasons_by_code(session, call.case, reason_codes)
    transitions.reject(
        call.case,
        reasons,
        stamp,
        desk=Desk.SEAT,
        remark=written(remark, REMARK, "remark", "写给投资者的补充说明"),
        internal_note=written(internal_note, NOTE, "internal_note", "内部备注"),
    )
    end(session, call, Verdict.REFUSED if call.case.status is Status.REFUSED else Verdict.REJECTED, stamp)


def technical_failure(session: Session, call: VideoSession, stamp: Stamp, *, why: str = "") -> Ticket:
    """技术故障 is no rejection: the investor goes back to the head of the queue. ``why``: the code of a short reason, when a
    person says it. Whose own devices failed is on 小休 afterwards, so that nobody is called at that seat. Raises UnknownShortReason.
    """
    _require_live(call)
    call.grounds = chosen(session, ReasonUse.FAULT, [why]) if why else []
    ticket = queues.put_back(session, call.case, session.get_one(Ticket, call.ticket_id), stamp)
    end(session, call, Verdict.TECHNICAL_FAILURE, stamp)
    if why == OWN_DEVICE and (seat := seats.hold(session, call.witness_id)):
        seats.enter(session, seat, SeatState.BREAK, stamp.at)
    return ticket


def suspect(session: Session, call: VideoSession, signs: list[str], words: str, stamp: Stamp) -> Suspicion:
    """可疑: the case leaves the queue and waits for a supervisor's decision. Raises UnknownShortReason, TooLong."""
    _require_live(call)
    call.grounds = chosen(session, ReasonUse.SIGN, signs)
    apply(call.case, Action.SUSPECT, stamp, detail={"session": call.session_no, "why": "、".join(call.grounds)})
    raised = Suspicion(
        session=call,
        branch_id=call.case.branch_id,
        words=written(words, NOTE, "words", "说明") or None,
        raised_by=call.witness_id,
        raised_person=call.witness_person,
        raised_at=stamp.at,
    )
    session.add(raised)
    end(session, call, Verdict.SUSPICIOUS, stamp)
    return raised


def suspicion_of(session: Session, call: VideoSession) -> Suspicion | None:
    return session.scalar(select(Suspicion).where(Suspicion.session_id == call.id))


def end(session: Session, call: VideoSession, verdict: Verdict, stamp: Stamp) -> None:
    """The call is over; the witness is online again. The media node is told by whoever commits this."""
    call.ended_at, call.verdict = stamp.at, verdict
    session.get_one(Ticket, call.ticket_id).ended_at = stamp.at
    told = {"session": call.session_no, "verdict": verdict.value} | (
        {"why": "、".join(call.grounds)} if call.grounds else {}
    )
    note(call.case, Happening.CALL_ENDED, stamp, **told)
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
