"""坐席: who sits where in which state, who may answer, and whose page is the one that counts."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from console.people.audit import note_staff
from console.people.branches import served_branches
from console.people.models import Staff
from console.problem import NotThere, Problem
from console.stamp import Stamp

from . import service, witnesses
from .models import SEAT_STATE_TITLES, Seat, SeatInterval, SeatState, Ticket

SILENCE = timedelta(seconds=150)  # a page in the background may speak once a minute only; after this it has left
FREE_WITHOUT_PAGE = Seat.state.not_in((SeatState.OFFLINE, SeatState.IN_CALL))
CHOSEN_BY_HAND = (SeatState.ONLINE, SeatState.BREAK, SeatState.MEETING, SeatState.TRAINING, SeatState.OFFLINE)


class SeatLost(Problem):
    """The seat was taken over by another page of the same witness: this one is stale."""

    status, code = 409, "seat_lost"
    text = "您的坐席已在另一个页面打开，这次操作没有生效。请在那个页面继续，或刷新本页接回坐席。"


class TakenOver(SeatLost):
    """Not another page of the witness, but a supervisor made this one stale: the call is somebody else's now."""

    code = "taken_over"


class SeatBusy(Problem):
    status, code = 409, "seat_busy"
    text = "通话中不能切换坐席状态。请先给出结论，结束通话。"


class NotOnline(Problem):
    status, code = 409, "not_online"
    text = "上线后才能接通投资者。请先切换到“在线”。"


class NotYourBranch(NotThere):
    """A branch, or a ticket of one, that this person does not serve."""


# --- whose seat


def seat_of(session: Session, staff_id: int) -> Seat | None:
    return session.scalar(select(Seat).where(Seat.staff_id == staff_id).options(joinedload(Seat.branch)))


def there(session: Session, staff: Staff, stamp: Stamp) -> Seat:
    """The seat of this person, made if there never was one."""
    return seat_of(session, staff.id) or _made(session, staff, stamp)


def sit(session: Session, staff: Staff, stamp: Stamp) -> Seat:
    """A page takes the seat: from now on acts of any older page are refused (SeatLost)."""
    seat = _locked(session, staff.id) or _made(session, staff, stamp)
    seat.fence += 1
    seat.fenced_because = ""
    seat.seen_at = stamp.at
    session.flush()
    return seat


def fence_off(session: Session, seat: Seat, because: str, at: datetime) -> None:
    """The page that holds the seat holds it no more, and is told ``because``; the witness has 小休 until a page sits down again."""
    seat.fence += 1
    seat.fenced_because = because
    enter(session, seat, SeatState.BREAK, at)


def seated(session: Session, staff_id: int, fence: int) -> Seat:
    """The seat of this witness, locked, if ``fence`` is that of the page that holds it. Raises SeatLost, TakenOver."""
    seat = _locked(session, staff_id)
    if seat is None or seat.fence != fence:
        raise TakenOver(staff_id, text=seat.fenced_because) if seat and seat.fenced_because else SeatLost(staff_id)
    return seat


def hold(session: Session, staff_id: int) -> Seat | None:
    """Wait for anybody else who is changing this seat; it is held until the transaction ends."""
    return _locked(session, staff_id)


def _locked(session: Session, staff_id: int) -> Seat | None:
    found = select(Seat).where(Seat.staff_id == staff_id).with_for_update()
    return session.scalar(found, execution_options={"populate_existing": True})


def _made(session: Session, staff: Staff, stamp: Stamp) -> Seat:
    branches = served_branches(session, staff)
    if not branches:
        raise NotYourBranch(staff.id)
    seat = Seat(
        staff_id=staff.id, branch_id=branches[0].id, state=SeatState.OFFLINE, since=stamp.at, seen_at=stamp.at, fence=0
    )
    try:
        with session.begin_nested():
            session.add(seat)
            session.flush()
    except IntegrityError:  # a second page sat down in the same moment
        return session.scalars(select(Seat).where(Seat.staff_id == staff.id).with_for_update()).one()
    return seat


# --- states


def go(session: Session, staff: Staff, branch_id: int, state: SeatState, stamp: Stamp) -> Seat:
    """Change the seat's state (and branch); going online gives the page a new fence. Raises SeatBusy, NotYourBranch,
    what witnesses.py refuses.
    """
    if state not in CHOSEN_BY_HAND:
        raise ValueError(state)
    if branch_id not in {branch.id for branch in served_branches(session, staff)}:
        raise NotYourBranch(branch_id)
    seat = _locked(session, staff.id) or _made(session, staff, stamp)
    if seat.state is SeatState.IN_CALL:
        raise SeatBusy(staff.id)
    if state is SeatState.ONLINE:
        witnesses.require(staff, stamp.at)
        seat.fence += 1
    if (seat.state, seat.branch_id) != (state, branch_id):
        seat.branch_id = branch_id
        enter(session, seat, state, stamp.at)
        note_staff(session, session.get_one(Staff, staff.id), "seat_state", stamp, detail=SEAT_STATE_TITLES[state])
    seat.seen_at = stamp.at
    session.flush()
    return seat


def enter(session: Session, seat: Seat, state: SeatState, at: datetime) -> None:
    """Be in ``state`` from ``at`` on; the interval before it is closed."""
    for interval in session.scalars(
        select(SeatInterval).where(SeatInterval.seat_id == seat.id, SeatInterval.ended_at.is_(None))
    ):
        interval.ended_at = at
    session.add(SeatInterval(seat_id=seat.id, branch_id=seat.branch_id, state=state, started_at=at))
    seat.state, seat.since = state, at
    session.flush()


def heartbeat(session: Session, staff_id: int, fence: int, stamp: Stamp) -> Seat:
    """The page that holds the seat is there. Raises SeatLost."""
    seat = seated(session, staff_id, fence)
    seat.seen_at = stamp.at
    return seat


def taken(session: Session) -> set[int]:
    """The staff whose seats would be free if they left."""
    return set(session.scalars(select(Seat.staff_id).where(FREE_WITHOUT_PAGE)))


def retire_silent(
    session: Session, stamp: Stamp, silence: timedelta = SILENCE, *, of: Collection[int] | None = None
) -> list[Seat]:
    """Seats whose page fell silent go offline as of when it was last heard; a call stays with its witness until it is ended.

    ``of``: only those of these members of staff.
    """
    found = select(Seat).where(FREE_WITHOUT_PAGE, Seat.seen_at < stamp.at - silence)
    if of is not None:
        found = found.where(Seat.staff_id.in_(of))
    silent = session.scalars(found.with_for_update(skip_locked=True)).all()
    for seat in silent:
        enter(session, seat, SeatState.OFFLINE, max(seat.seen_at, seat.since))
    return list(silent)


def team(session: Session, branch_id: int) -> list[Seat]:
    """Everybody on a seat of the branch: online ones first, then calls, then pauses; offline ones are left out."""
    order = [SeatState.ONLINE, SeatState.IN_CALL, SeatState.BREAK, SeatState.MEETING, SeatState.TRAINING]
    found = session.scalars(
        select(Seat)
        .where(Seat.branch_id == branch_id, Seat.state != SeatState.OFFLINE)
        .options(joinedload(Seat.staff))
        .order_by(Seat.id)
    )
    return sorted(found, key=lambda seat: order.index(seat.state))


# --- answering


def answer_next(session: Session, seat: Seat, stamp: Stamp) -> Ticket | None:
    """接通下一位. None when nobody waits. Raises NotOnline, LicenceMissing, Marketing."""
    _require_online(session, seat, stamp)
    ticket = service.claim_next(session, seat, stamp)
    if ticket is not None:
        enter(session, seat, SeatState.IN_CALL, stamp.at)
    return ticket


def answer(session: Session, seat: Seat, ticket_id: int, stamp: Stamp, why: str = "") -> Ticket:
    """Pick one from the list. Raises AlreadyAnswered, WhyMissing, NotOnline, what witnesses.py refuses; NotYourBranch for another
    branch's ticket.
    """
    _require_online(session, seat, stamp)
    ticket = session.get(Ticket, ticket_id)
    served = {branch.id for branch in served_branches(session, _staff(session, seat))}
    if ticket is None or not (ticket.branch_id in served or service.is_sent_here(session, seat, ticket, stamp.at)):
        raise NotYourBranch(ticket_id)
    claimed = service.claim(session, seat, ticket, stamp, why)
    enter(session, seat, SeatState.IN_CALL, stamp.at)
    return claimed


def free(session: Session, staff_id: int, at: datetime) -> None:
    """The call is over: the witness is online again."""
    seat = _locked(session, staff_id)
    if seat is not None and seat.state is SeatState.IN_CALL:
        enter(session, seat, SeatState.ONLINE, at)


def _require_online(session: Session, seat: Seat, stamp: Stamp) -> None:
    if seat.state is not SeatState.ONLINE:
        raise NotOnline(seat.staff_id)
    witnesses.require(_staff(session, seat), stamp.at)


def _staff(session: Session, seat: Seat) -> Staff:
    return session.get_one(Staff, seat.staff_id)
