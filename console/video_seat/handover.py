"""接管: a supervisor goes on with a call that somebody else began. Same investor, same room, another witness.

The investor sees the new name and licence and agrees anew before anything more is recorded; what was marked stays and stays its maker's.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from console.cases.models import Case
from console.cases.trail import Happening, note
from console.local_time import LOCAL
from console.people.branches import served_branches
from console.people.models import Staff
from console.problem import Problem
from console.queues import seats, witnesses
from console.queues.models import Seat, SeatState, Ticket
from console.stamp import Stamp

from . import helping, line
from .line import Terms
from .models import CallEventKind, TakeOver, VideoSession
from .service import CallOver

SHORTEST, LONGEST = 2, 100


class WhyMissing(Problem):
    status, code = 422, "why_missing"
    text = f"请写明接管的原因，{SHORTEST} 到 {LONGEST} 个字。原因会写入留痕。"


class YoursAlready(Problem):
    """By person, whatever the account."""

    status, code = 409, "yours_already"
    text = "这次通话本来就是您的，不需要接管。请在坐席页面继续。"


class InACall(Problem):
    status, code = 409, "in_a_call"
    text = "您正在另一次通话中，先给出结论再接管。"


class TakenAlready(Problem):
    status, code = 409, "taken_already"
    text = "另一位班长刚刚接管了这次通话，您的操作没有生效。"


def going_on(session: Session, staff: Staff) -> list[VideoSession]:
    """The calls of the branches that this person serves, the longest first."""
    branches = [branch.id for branch in served_branches(session, staff)]
    whole = joinedload(VideoSession.case)
    found = (
        select(VideoSession)
        .join(VideoSession.case)
        .where(VideoSession.ended_at.is_(None), Case.branch_id.in_(branches))
        .options(whole.joinedload(Case.investor), whole.joinedload(Case.branch), joinedload(VideoSession.witness))
    )
    return list(session.scalars(found.order_by(VideoSession.started_at, VideoSession.id)))


def take_over(session: Session, call: VideoSession, staff: Staff, why: str, terms: Terms, stamp: Stamp) -> TakeOver:
    """From now on the call is ``staff``'s. Taking over twice is done once.

    Raises CallOver, WhyMissing, YoursAlready, TakenAlready, InACall, and what witnesses.py refuses.
    """
    session_no = call.session_no
    why = " ".join(why.split())
    if not SHORTEST <= len(why) <= LONGEST:
        raise WhyMissing(session_no)
    witnesses.require(staff, stamp.at)
    ticket = session.get_one(Ticket, call.ticket_id)
    former_id = call.witness_id
    mine = _both_seats(session, former_id, staff, stamp)
    if line.held(session, session_no) is None:
        raise CallOver(session_no)
    if call.witness_id == staff.id and call.take_overs:
        return call.take_overs[-1]
    if call.witness_id != former_id:
        raise TakenAlready(session_no)
    if call.witness_person == staff.person:
        raise YoursAlready(session_no)
    if mine.state is SeatState.IN_CALL:
        raise InACall(session_no)
    witnesses.require_for(session, staff, ticket)
    return _hand_over(session, call, mine, staff, why, terms, stamp)


def _both_seats(session: Session, former_id: int, staff: Staff, stamp: Stamp) -> Seat:
    """Held, before case and call as by who gives a verdict; of two always the same first. The supervisor's."""
    seats.there(session, staff, stamp)
    held = {each: seats.hold(session, each) for each in sorted({former_id, staff.id})}
    mine = held[staff.id]
    assert mine is not None
    return mine


def _hand_over(
    session: Session, call: VideoSession, mine: Seat, staff: Staff, why: str, terms: Terms, stamp: Stamp
) -> TakeOver:
    former = call.witness
    made = TakeOver(
        at=stamp.at,
        from_id=former.id,
        from_person=call.witness_person,
        to_id=staff.id,
        to_person=staff.person,
        former=former,
        successor=staff,
        why=why,
    )
    call.take_overs.append(made)
    call.witness, call.witness_person = staff, staff.person
    session.flush()
    line.heard(session, call, CallEventKind.TAKEN_OVER, stamp.at, "", stamp.at, terms)
    if (theirs := seats.seat_of(session, former.id)) is not None:
        seats.fence_off(session, theirs, words(made), stamp.at)
    mine.seen_at = stamp.at
    seats.enter(session, mine, SeatState.IN_CALL, stamp.at)
    told = {"session": call.session_no, "from": former.id, "to": staff.id, "why": why}
    note(call.case, Happening.TAKEN_OVER, stamp, **told)
    helping.close(session, call, staff, stamp)
    return made


def words(made: TakeOver) -> str:
    """For the witness before."""
    at = made.at.astimezone(LOCAL)
    return (
        f"{made.successor.name}已于 {at:%H:%M:%S} 接管这次通话，这次操作没有生效。您的坐席转为小休，已做的标记都保留。"
    )


def from_me(session: Session, session_no: str, staff_id: int) -> TakeOver | None:
    """Whether, and how, this call was taken over from this witness."""
    found = (
        select(TakeOver)
        .join(TakeOver.session)
        .where(VideoSession.session_no == session_no, TakeOver.from_id == staff_id)
        .options(joinedload(TakeOver.successor))
        .order_by(TakeOver.id.desc())
    )
    return session.scalars(found).first()
