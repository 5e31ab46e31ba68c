"""What a seat's page asks for, whichever way it asks (socket event or form): one transaction each, then the pushes.

Every act names the ``fence`` of the page; a stale page is refused (SeatLost).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from console import live, runtime
from console.access import may_see, me, my_staff, stamp
from console.db import reading, transaction
from console.evidence import clarity
from console.evidence import service as evidence
from console.evidence.models import Evidence, Kind
from console.people import messages
from console.people.models import Staff
from console.queues import news, seats
from console.queues.models import Seat, SeatState, Ticket
from console.stamp import Stamp

from . import challenges, controls, handover, helping, line, listening, service, signalling, texts, timeline
from .challenges import Challenge
from .models import CheckResult, HelpRequest, ReasonUse, TakeOver, VideoSession

T = TypeVar("T")
Verdict = Callable[[Session, VideoSession, Stamp], T]


# --- the seat


def sit() -> Seat:
    """This page takes the seat; an older page of the same witness is told to stop."""
    with transaction() as session:
        seat = seats.sit(session, session.get_one(Staff, my_staff().id), stamp())
    live.seat_taken(seat.staff_id, seat.fence)
    return seat


def go(fence: int, state: SeatState, branch_id: int | None) -> Seat:
    with transaction() as session:
        seat = seats.seated(session, my_staff().id, fence)
        before = seat.branch_id
        staff = session.get_one(Staff, seat.staff_id)
        seat = seats.go(session, staff, branch_id if branch_id is not None else before, state, stamp())
    for branch in {before, seat.branch_id}:
        live.seats_changed(branch)
    return seat


def heartbeat(fence: int) -> Seat:
    with transaction() as session:
        return seats.heartbeat(session, my_staff().id, fence, stamp())


# --- answering


def answer_next(fence: int) -> VideoSession | None:
    return _answer(fence, seats.answer_next)


def answer(fence: int, ticket_id: int, why: str) -> VideoSession | None:
    return _answer(fence, lambda session, seat, mark: seats.answer(session, seat, ticket_id, mark, why))


def _answer(fence: int, claim: Callable[[Session, Seat, Stamp], Ticket | None]) -> VideoSession | None:
    """Ticket and call come into being together; without a place at a media node nobody is answered."""
    with signalling.media().reserved() as place, transaction() as session:
        seat = seats.seated(session, my_staff().id, fence)
        ticket = claim(session, seat, stamp())
        if ticket is None:
            return None
        call = service.start(session, ticket, seat, place.node, stamp())
        place.taken = True
    live.call_changed(call.case.case_no, call.witness_id, "answered", session_no=call.session_no)
    if ticket.branch_id != call.case.branch_id:  # a supervisor had sent it there
        news.changed(ticket.branch_id)
    live.seats_changed(seat.branch_id)
    return call


# --- in the call


def my_call(session: Session, session_no: str) -> VideoSession:
    """The call of this number if it is the asking witness's own; else a 404 like any other. Raises TakenOver when it was theirs,
    CallOver when its case was open to them for the length of the call and is shut again.
    """
    call = session.scalar(
        select(VideoSession).where(VideoSession.session_no == session_no, VideoSession.witness_id == my_staff().id)
    )
    if call is None and (handed := handover.from_me(session, session_no, my_staff().id)) is not None:
        raise seats.TakenOver(session_no, text=handover.words(handed))
    if call is None:
        raise NotFound
    if not may_see(me(), call.case):
        raise NotFound if call.ended_at is None else service.CallOver(session_no)
    return call


@contextmanager
def _holding(fence: int, session_no: str) -> Iterator[tuple[Session, VideoSession]]:
    """A transaction in which the page holds the seat and the call is this witness's."""
    with transaction() as session:
        call = my_call(session, session_no)  # the gate comes first: whose call it is not, learns nothing else
        seats.seated(session, my_staff().id, fence)
        session.refresh(call)
        yield session, call


def permit(fence: int, session_no: str) -> str:
    """What the next offer of the witness's leg needs. Raises CallOver."""
    return signalling.permit(_going_on(fence, session_no), timeline.WITNESS)


def offer(fence: int, session_no: str, sdp: str, permit: str) -> str:
    """The witness's leg. Raises CallOver, PermitRefused."""
    return signalling.connect(_going_on(fence, session_no), timeline.WITNESS, sdp, permit)


def _going_on(fence: int, session_no: str) -> VideoSession:
    with _holding(fence, session_no) as (_, call):
        if call.ended_at is not None:
            raise service.CallOver(session_no)
    return call


def line_of(fence: int, session_no: str) -> dict[str, Any]:
    """Who is away from the call, how long it waits for them, and what each side has turned off. Raises CallOver."""
    with _holding(fence, session_no) as (_, call):
        if call.ended_at is not None:
            raise service.CallOver(session_no)
        return listening.line_state(call, signalling.terms(), stamp().at) | {"switches": controls.shown(call)}


def ice(fence: int, session_no: str) -> list[dict[str, Any]]:
    """The relays that the witness may use. Raises CallOver."""
    _going_on(fence, session_no)
    return signalling.ice_servers(f"witness-{session_no}")


def take_snapshot(fence: int, session_no: str, kind: Kind, press: str = "") -> Evidence:
    """``press``: see service.take_snapshot. What cannot be read is kept as well, with its warnings."""
    with reading() as session:
        call = my_call(session, session_no)
        if known := service.taken_by(session, call, press):
            return known
    taken = signalling.media().snapshot(session_no, call.node or "")
    picture = Path(taken.path)
    try:
        seen = runtime.offload(clarity.of_file, picture, kind)
        with (
            picture.open("rb") as file,
            evidence.sealed(file) as sealed,
            _holding(fence, session_no) as (session, call),
        ):
            size = (taken.width, taken.height)
            return service.take_snapshot(
                session, call, kind, sealed, *size, taken.at, stamp(), clarity=seen, press=press
            )
    finally:
        picture.unlink(missing_ok=True)


def choose_snapshot(fence: int, session_no: str, public_id: str) -> None:
    """Raises NotFound for what is no picture of this call."""
    with _holding(fence, session_no) as (session, call):
        service.choose_snapshot(session, call, _picture(session, call, public_id), stamp())
        case_no, staff_id = call.case.case_no, call.witness_id
    live.call_changed(case_no, staff_id, "marked", session_no=session_no)


def _picture(session: Session, call: VideoSession, public_id: str) -> Evidence:
    for picture in service.snapshots(session, call):
        if picture.public_id == public_id:
            return picture
    raise NotFound


def ask(fence: int, session_no: str, item: str) -> None:
    """Both pages show this question now."""
    with _talking(fence, session_no) as (_, call):
        new = service.ask(call, item)
    if new:
        live.call_changed(call.case.case_no, call.witness_id, "asked", session_no=session_no)


def mark(
    fence: int,
    session_no: str,
    item: str,
    result: CheckResult,
    at: datetime | None,
    snapshot: str | None,
    reason: str = "",
    words: str = "",
) -> None:
    with _holding(fence, session_no) as (session, call):
        picture = _picture(session, call, snapshot) if snapshot else None
        service.mark(session, call, item, result, stamp(), at=at, snapshot=picture, reason=reason, words=words)
        case_no, staff_id = call.case.case_no, call.witness_id
    live.call_changed(case_no, staff_id, "marked", session_no=session_no)


def check_fields(
    fence: int,
    session_no: str,
    names: list[str],
    result: CheckResult,
    at: datetime | None,
    reason: str = "",
    words: str = "",
    *,
    seen: list[str],
) -> None:
    with _holding(fence, session_no) as (session, call):
        service.check_fields(session, call, names, result, stamp(), at=at, reason=reason, words=words, seen=seen)
        case_no, staff_id = call.case.case_no, call.witness_id
    live.call_changed(case_no, staff_id, "checked", session_no=session_no)


def write_note(fence: int, session_no: str, text: str) -> None:
    with _holding(fence, session_no) as (session, call):
        service.write_note(session, call, text)


# --- towards the investor


@contextmanager
def _talking(fence: int, session_no: str) -> Iterator[tuple[Session, VideoSession]]:
    """A transaction that holds the call itself as well, once the investor has agreed to it. Raises CallOver, NotAcknowledged."""
    with _holding(fence, session_no) as (session, _):
        call = line.held(session, session_no)
        if call is None:
            raise service.CallOver(session_no)
        if not call.agreed:
            raise service.NotAcknowledged(session_no)
        yield session, call


def switch(fence: int, session_no: str, states: controls.States) -> bool:
    """The witness's microphone and camera, as the page has them now. Whether that was new."""
    with _holding(fence, session_no) as (session, _):
        call = line.held(session, session_no)
        if call is None:
            raise service.CallOver(session_no)
        changed = controls.report(session, call, timeline.WITNESS, states, stamp())
    if changed:
        tell_switches(call)
    return changed


def tell_switches(call: VideoSession) -> None:
    """To both ends, after the commit."""
    told = {"session_no": call.session_no, "switches": controls.shown(call)}
    live.call_changed(call.case.case_no, call.witness_id, "switched", **told)


def say(fence: int, session_no: str, text_id: str, words: str) -> texts.Text:
    with _talking(fence, session_no) as (session, call):
        sent = texts.send(session, call, text_id, words, stamp())
    live.call_changed(call.case.case_no, call.witness_id, "text", session_no=session_no)
    return sent


def ask_digits(fence: int, session_no: str, challenge_id: str) -> Challenge:
    with _talking(fence, session_no) as (session, call):
        asked = challenges.ask_digits(session, call, challenge_id, stamp())
    tell_challenge(call)
    return asked


def judge_digits(fence: int, session_no: str, challenge_id: str, right: bool) -> Challenge:
    with _talking(fence, session_no) as (session, call):
        judged = challenges.judge_digits(session, call, challenge_id, right, stamp())
    tell_challenge(call)
    return judged


def withdraw_challenge(fence: int, session_no: str, challenge_id: str, reason: str) -> Challenge:
    """``reason``: the code of a short reason."""
    with _talking(fence, session_no) as (session, call):
        (why,) = service.chosen(session, ReasonUse.CHALLENGE, [reason])
        withdrawn = challenges.withdraw(session, call, challenge_id, why, stamp())
    tell_challenge(call)
    return withdrawn


def ask_sms(fence: int, session_no: str, challenge_id: str) -> Challenge:
    """The message leaves after the commit: a code that nobody kept is not sent."""
    with _talking(fence, session_no) as (session, call):
        asked, text = challenges.ask_sms(session, call, challenge_id, stamp())
        phone = call.case.investor.phone
    if text:
        messages.sender(signalling.settings()).send(phone, text)
    tell_challenge(call)
    return asked


def tell_challenge(call: VideoSession) -> None:
    """A hint to both ends: they ask what it is now."""
    live.call_changed(call.case.case_no, call.witness_id, "challenge", session_no=call.session_no)


# --- a supervisor in it


def ask_help(fence: int, session_no: str, reason: str) -> HelpRequest:
    with _holding(fence, session_no) as (session, call):
        return helping.ask(session, call, reason, stamp())


def answer_help(request_id: int, words: str) -> HelpRequest:
    """By a supervisor, in no seat's name."""
    with transaction() as session:
        request = helping.answer(session, request_id, session.get_one(Staff, my_staff().id), words, stamp())
        call = request.session
        case_no, staff_id = call.case.case_no, request.asked_by
    live.call_changed(case_no, staff_id, "helped", session_no=call.session_no)
    return request


def take_over(session_no: str, why: str) -> TakeOver:
    """接管. Nothing that the former witness's page sends from here on reaches the node; both ends connect anew."""
    with transaction() as session:
        call = session.scalar(select(VideoSession).where(VideoSession.session_no == session_no))
        if call is None or not may_see(me(), call.case):
            raise NotFound
        staff = session.get_one(Staff, my_staff().id)
        made = handover.take_over(session, call, staff, why, signalling.terms(), stamp())
        branches = {
            call.case.branch_id,
            *session.scalars(select(Seat.branch_id).where(Seat.staff_id.in_((made.from_id, staff.id)))),
        }
    signalling.media().hang_up(call.session_no, call.node)
    for each in (made.from_id, made.to_id):
        live.call_changed(call.case.case_no, each, "taken_over", session_no=call.session_no, to=made.to_id)
    for branch in branches:
        live.seats_changed(branch)
    return made


# --- verdicts


def pass_video(fence: int, session_no: str, note: str = "") -> VideoSession:
    with reading() as session:
        my_call(session, session_no)
    signalling.catch_up()  # what the node said until now: no gap is passed over because nobody had heard of it yet
    return _end(fence, session_no, service.pass_video, note)


def technical_failure(fence: int, session_no: str, why: str = "", note: str = "") -> VideoSession:
    return _end(
        fence, session_no, lambda session, call, mark: service.technical_failure(session, call, mark, why=why), note
    )


def suspect(fence: int, session_no: str, signs: list[str], words: str) -> VideoSession:
    return _end(fence, session_no, lambda session, call, mark: service.suspect(session, call, signs, words, mark))


def reject(fence: int, session_no: str, codes: list[str], remark: str, internal_note: str) -> VideoSession:
    return _end(
        fence, session_no, lambda session, call, mark: service.reject(session, call, codes, remark, internal_note, mark)
    )


def _end(fence: int, session_no: str, verdict: Verdict[Any], note: str = "") -> VideoSession:
    """``note``: 备注, written over that of the call when there is one."""
    with _holding(fence, session_no) as (session, call):
        if note.strip():
            service.write_note(session, call, note)
        verdict(session, call, stamp())
        branch_id = call.case.branch_id
    tell_ended(call, branch_id)
    return call


def tell_ended(call: VideoSession, branch_id: int) -> None:
    """After the commit: to the media node and both ends."""
    signalling.media().hang_up_soon(call.session_no, call.node)
    live.call_changed(call.case.case_no, call.witness_id, "ended", session_no=call.session_no)
    live.seats_changed(branch_id)


def afterwards(fence: int, then: str) -> str:
    """What the witness wants after a verdict: ``next`` 接下一位, ``break`` 小休, '' nothing; a seat that the verdict itself put on 小休
    stays there. What came of it otherwise, in words, or ''.
    """
    with reading() as session:
        seat = seats.seat_of(session, my_staff().id)
    if seat is not None and seat.state is SeatState.BREAK:
        return "您的坐席已转为小休，请检查设备后再上线。"
    if then == "next" and answer_next(fence) is None:
        return "现在没有人排队，您仍在线。"
    if then == "break":
        go(fence, SeatState.BREAK, None)
    return ""


def ticket_of(session: Session, call: VideoSession) -> Ticket:
    return session.get_one(Ticket, call.ticket_id)
