"""The queue of a branch. One statement claims a ticket, so that two seats never get the same one.

Who changes a ticket holds the lock of its case first: abandoning, leaving and answering wait for each other and never deadlock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload

from console.cases.models import Case, CaseEvent, Status
from console.cases.trail import case_moving, hold, is_held
from console.cases.transitions import Action, IllegalTransition, apply
from console.config import WHOLE_DAY, VideoHours
from console.people import numbers
from console.problem import Problem
from console.rows import change
from console.stamp import Stamp

from . import appointments, order, witnesses
from .hours import Closed, closed_days, is_open
from .models import IS_WAITING, Priority, Seat, Ticket, TicketState
from .order import COUNTED, MOST_MISSED, REST

LISTED = 60
MISSED = "missed"  # why a place was given up, in the trail
MOST_JOINS = 20  # of one person within an HOUR
HOUR = timedelta(hours=1)
ANEW = {"populate_existing": True}


class AlreadyAnswered(Problem):
    """Somebody was faster, or the investor left."""

    status, code = 409, "already_answered"
    text = "这位投资者已被其他坐席接通，或已退出排队。请接通下一位。"


class JoinedEnough(Problem):
    """Every joining is a number and lines of a trail that stay: nobody makes them without end."""

    status, code = 429, "joined_enough"
    text = f"一小时内最多加入排队 {MOST_JOINS} 次，次数已用完。请稍后再加入，或预约视频时间。已填写的内容都会保留。"


class ForAnother(Problem):
    """A supervisor sent it to one witness (改派)."""

    status, code = 409, "for_another"
    text = "班长已把这位投资者改派给另一位认证人员。请接通下一位。"


class WhyMissing(Problem):
    status, code = 422, "why_missing"
    text = "不按顺序接通须填写原因，2 到 100 个字。原因会写入留痕。"


@dataclass(frozen=True)
class Place:
    """``ahead``: how many come before; ``waiting``: everybody at the branch, the asker included."""

    ahead: int
    waiting: int


# --- the investor's side


def join(session: Session, case: Case, stamp: Stamp, hours: VideoHours = WHOLE_DAY) -> Ticket:
    """Queue the case up at its branch. Who waits already keeps ticket and place, whichever device asks. Raises Closed, JoinedEnough."""
    if ticket := waiting_ticket(session, case):
        return ticket
    closed = closed_days(session, case.branch, stamp.at)
    if not is_open(hours, stamp.at, closed):
        raise Closed(hours, stamp.at, closed)
    _require_few(session, case, stamp.at)
    try:
        apply(case, Action.JOIN_QUEUE, stamp)
    except IllegalTransition:
        if ticket := waiting_ticket(session, case):  # a second device was faster by a moment
            return ticket
        raise
    kept = appointments.arrive(session, case, stamp)
    priority = Priority.APPOINTMENT if kept else Priority.MENDED if case.rejections else Priority.NORMAL
    number = numbers.ticket_no(session, case.branch_id, stamp.at)  # who joins here in the same moment waits for us now
    return _issue(session, case, priority, ticket_no=number, joined_at=_behind_all(session, case.branch_id, stamp.at))


def _require_few(session: Session, case: Case, at: datetime) -> None:
    joined = (
        select(func.count())
        .select_from(CaseEvent)
        .join(Case, Case.id == CaseEvent.case_id)
        .where(Case.investor_id == case.investor_id, CaseEvent.action == Action.JOIN_QUEUE, CaseEvent.at > at - HOUR)
    )
    if (session.scalar(joined) or 0) >= MOST_JOINS:
        raise JoinedEnough(case.case_no)


def _behind_all(session: Session, branch_id: int, at: datetime) -> datetime:
    """The time of joining orders the queue, and several processes give it: none before somebody's who waits already.

    A clock that is wrong, or was put back, lets nobody past others.
    """
    here = (Ticket.branch_id == branch_id, IS_WAITING)
    latest = (  # for each rank one look at the end of ix_tickets_waiting
        select(func.max(Ticket.joined_at)).where(*here, Ticket.rank == rank).scalar_subquery()
        for rank in sorted({priority.rank for priority in Priority})
    )
    return max([at, *(each for each in session.execute(select(*latest)).one() if each is not None)])


def leave(session: Session, case: Case, stamp: Stamp) -> None:
    """退出排队: the case is with the investor again and the place is gone."""
    apply(case, Action.LEAVE_QUEUE, stamp)


def put_back(session: Session, case: Case, answered: Ticket, stamp: Stamp, why: str = "") -> Ticket:
    """After a technical failure: before everybody else, with the same number and the time of the first joining."""
    apply(case, Action.RETURN_TO_QUEUE, stamp, detail={"why": why} if why else None)
    return _again(session, case, Priority.RETURNED, answered, missed=answered.missed)


def called_in_vain(session: Session, case: Case, answered: Ticket, stamp: Stamp, why: str) -> Ticket | None:
    """The investor was not there. At the head again, but others are answered first for a while; after MOST_MISSED times the place is
    gone (None) and the case is with the investor.
    """
    missed = answered.missed + 1
    apply(case, Action.RETURN_TO_QUEUE, stamp, detail={"why": why, "missed": missed})
    if missed >= MOST_MISSED:
        apply(case, Action.LEAVE_QUEUE, stamp, detail={"why": MISSED})
        return None
    rest = stamp.at + missed * REST
    return _again(session, case, Priority.RETURNED, answered, missed=missed, not_before=rest)


def was_called_in_vain(session: Session, case: Case) -> bool:
    """Whether the case's last place in the queue was given up because nobody came."""
    last = (
        select(CaseEvent)
        .where(CaseEvent.case_id == case.id, CaseEvent.action.in_((Action.LEAVE_QUEUE, Action.JOIN_QUEUE)))
        .order_by(CaseEvent.seq.desc())
        .limit(1)
    )
    line = session.scalar(last)
    return line is not None and line.detail.get("why") == MISSED


def release(session: Session, case: Case, answered: Ticket, not_person: str, stamp: Stamp) -> Ticket:
    """After a supervisor looked at a suspicion: before everybody else, for anybody but ``not_person`` (Staff.person)."""
    apply(case, Action.RELEASE, stamp)
    return _again(session, case, Priority.CHECKED, answered, not_person=not_person)


def _again(session: Session, case: Case, priority: Priority, answered: Ticket, **more: Any) -> Ticket:
    """A new ticket with the number, the branch and the time of joining of an answered one; who may not answer that may not this."""
    same = ("ticket_no", "branch_id", "joined_at", "not_person", "moved_at")
    kept = {name: getattr(answered, name) for name in same}
    return _issue(session, case, priority, **kept | more)


def _issue(session: Session, case: Case, priority: Priority, **where: Any) -> Ticket:
    ticket = Ticket(case=case, priority=priority, rank=priority.rank, **{"branch_id": case.branch_id} | where)
    session.add(ticket)
    session.flush()
    return ticket


@case_moving.connect
def end_with_the_case(
    sender: object, *, session: Session, case: Case, line: CaseEvent, stamp: Stamp, **_: object
) -> None:
    """A case that left the queue, whoever moved it, waits no longer."""
    if line.before != Status.IN_QUEUE or case.status is Status.IN_QUEUE or line.action == Action.ANSWER:
        return  # an answered one was ended by the claim
    if ticket := waiting_ticket(session, case):
        ticket.state, ticket.ended_at = TicketState.LEFT, stamp.at


# --- looking


def waiting(session: Session, branch_id: int) -> int:
    """排队人数: everyone who waits at the branch, the asker included (manuals 2.5); nobody counts further than COUNTED."""
    return _count(session, _waiting_at([branch_id]))


def longest_wait(session: Session, branch_id: int) -> datetime | None:
    """Since when the one who has waited longest waits."""
    return session.scalar(_waiting_at([branch_id]).with_only_columns(func.min(Ticket.joined_at)))


def waiting_ticket(session: Session, case: Case) -> Ticket | None:
    return session.scalar(select(Ticket).where(Ticket.case_id == case.id, IS_WAITING))


def moved_to(session: Session, case_id: int, branch_id: int) -> set[int]:
    """Branches other than its own in whose queues the case waits, or waited, because a supervisor sent it there."""
    moved = select(Ticket.branch_id).where(Ticket.case_id == case_id, Ticket.moved_at.is_not(None))
    return set(session.scalars(moved)) - {branch_id}


def waiting_list(session: Session, branch_ids: Iterable[int]) -> list[Ticket]:
    """Who waits at these branches in the order of being answered, with case and investor; the first LISTED."""
    whole = (joinedload(Ticket.case).joinedload(Case.investor), joinedload(Ticket.branch), joinedload(Ticket.meant_for))
    return list(session.scalars(_waiting_at(branch_ids).options(*whole).order_by(*order.ORDER).limit(LISTED)))


def next_for(session: Session, seat: Seat, at: datetime) -> Ticket | None:
    """Whom 接通下一位 would give this seat now."""
    for head in order.heads(session, seat, at):
        if found := session.scalar(head, order.asked(seat, at)):
            return found
    return None


def is_sent_here(session: Session, seat: Seat, ticket: Ticket, at: datetime) -> bool:
    """Whether this seat may answer it by the overflow rules by now."""
    sent = select(Ticket.id).where(Ticket.id == ticket.id, order.sent_here(session, seat, at))
    return session.scalar(sent) is not None


def overflowing(session: Session, seat: Seat, at: datetime) -> list[Ticket]:
    """Who waits elsewhere and may be answered here by now, in order, with case and investor; the first LISTED."""
    found = select(Ticket).where(IS_WAITING, order.sent_here(session, seat, at))
    whole = (joinedload(Ticket.case).joinedload(Case.investor), joinedload(Ticket.branch))
    return list(session.scalars(found.options(*whole).order_by(*order.ORDER).limit(LISTED)))


def place(session: Session, ticket: Ticket) -> Place:
    """Where ``ticket`` stands now; who was answered or left counts no more, and nobody counts further than COUNTED."""
    ahead, waiting = session.execute(order.PLACE, order.standing(ticket)).one()
    return Place(min(COUNTED, ahead), waiting)


def _count(session: Session, tickets: Select[Ticket]) -> int:
    # in this order PostgreSQL takes the index
    some = tickets.with_only_columns(Ticket.id).order_by(*order.ORDER).limit(COUNTED)
    return session.scalar(select(func.count()).select_from(some.subquery())) or 0


def _waiting_at(branch_ids: Iterable[int]) -> Select[Ticket]:
    return select(Ticket).where(Ticket.branch_id.in_(tuple(branch_ids)), IS_WAITING)


# --- the witness's side: seats.py says who may answer


def claim_next(session: Session, seat: Seat, stamp: Stamp) -> Ticket | None:
    """接通下一位: the first that this person may answer becomes theirs, of the seat's own branch before those that others send here.

    None when there is nobody.
    """
    for head in order.heads(session, seat, stamp.at, to_claim=True):
        if found := session.execute(head, order.asked(seat, stamp.at), execution_options=ANEW).first():
            is_held(found.Case)
            return _claim(session, seat, found.Ticket, stamp)
    return None


def claim(session: Session, seat: Seat, ticket: Ticket, stamp: Stamp, why: str = "") -> Ticket:
    """Somebody picked from the list (Q3): ``why`` is needed unless it is the head.

    Raises AlreadyAnswered, WhyMissing, ForAnother, NotYours, Reviewed.
    """
    hold(ticket.case)
    session.refresh(ticket, ["state"])
    if ticket.state is not TicketState.WAITING:
        raise AlreadyAnswered(ticket.ticket_no)
    witnesses.require_for(session, seat.staff, ticket)
    meant = select(Ticket.id).where(Ticket.id == ticket.id, order.MEANT_FOR)
    if session.scalar(meant, {"me": seat.staff_id}) is None:
        raise ForAnother(ticket.ticket_no)
    why = why.strip()
    if session.scalar(order.AHEAD, order.standing(ticket)) and not 2 <= len(why) <= 100:
        raise WhyMissing(ticket.ticket_no)
    return _claim(session, seat, ticket, stamp, why)


def _claim(session: Session, seat: Seat, ticket: Ticket, stamp: Stamp, why: str = "") -> Ticket:
    """The one statement in which a ticket gets its witness; of two who ask at once one gets it."""
    because = order.because(ticket, seat, stamp.at, why)
    mine = change(ticket, state=TicketState.ANSWERED, answered_at=stamp.at, answered_by=seat.staff_id, because=because)
    told = {"ticket": ticket.ticket_no, "because": because} | ({"why": why} if why else {})
    apply(ticket.case, Action.ANSWER, stamp, detail=told, also=[mine])
    return ticket
