"""改派: a supervisor sends somebody who waits to another branch's queue, or to one witness, with a reason.

Number and time of joining stay, so whoever waited longer there is answered sooner there too. What was sent to a witness is nobody
else's as long as that witness is not offline (order.py).
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from console.cases.trail import Happening, hold, note
from console.people.branches import served_branches
from console.people.models import Branch, Staff
from console.problem import NotThere, Problem
from console.stamp import Stamp

from . import witnesses
from .models import Seat, SeatState, Ticket, TicketState

SHORTEST, LONGEST = 2, 100


class WhyMissing(Problem):
    status, code = 422, "why_missing"
    text = f"请写明改派的原因，{SHORTEST} 到 {LONGEST} 个字。原因会写入留痕。"


class NotWaiting(Problem):
    status, code = 409, "not_waiting"
    text = "这位投资者已经接通，或已退出排队，没有改派。"


class NowhereElse(Problem):
    status, code = 422, "nowhere_else"
    text = "这位投资者已经在那里排队，请另选营业部或认证人员。"


class NoSuchWitness(Problem):
    status, code = 422, "no_such_witness"
    text = "这位认证人员现在不在席，或不在所选营业部。请另选。"


@dataclass(frozen=True)
class Target:
    """Where a ticket may be sent: a branch, and who is on a seat there."""

    branch: Branch
    seats: list[Seat]


def targets(session: Session, staff: Staff) -> list[Target]:
    """Of the broker: whoever may send somebody away may send them to any branch."""
    branches = session.scalars(select(Branch).where(Branch.broker_id == staff.broker_id).order_by(Branch.id)).all()
    on_seats = session.scalars(
        select(Seat).where(Seat.state != SeatState.OFFLINE).options(joinedload(Seat.staff)).order_by(Seat.id)
    ).all()
    return [Target(branch, [seat for seat in on_seats if seat.branch_id == branch.id]) for branch in branches]


def reassign(
    session: Session, ticket_id: int, staff: Staff, branch_id: int, witness_id: int | None, why: str, stamp: Stamp
) -> Ticket:
    """``witness_id``: whose it is; None: anybody's at that branch.

    Raises NotThere, WhyMissing, NotWaiting, NowhereElse, NoSuchWitness, and what witnesses.py refuses.
    """
    ticket = session.get(Ticket, ticket_id)
    if ticket is None or ticket.branch_id not in {branch.id for branch in served_branches(session, staff)}:
        raise NotThere(ticket_id)
    why = " ".join(why.split())
    if not SHORTEST <= len(why) <= LONGEST:
        raise WhyMissing(ticket_id)
    hold(ticket.case)
    session.refresh(ticket, ["state", "branch_id", "for_id"], with_for_update=True)
    if ticket.state is not TicketState.WAITING:
        raise NotWaiting(ticket_id)
    branch = session.get(Branch, branch_id)
    if branch is None or branch.broker_id != staff.broker_id:
        raise NotThere(branch_id)
    if (ticket.branch_id, ticket.for_id) == (branch_id, witness_id):
        raise NowhereElse(ticket_id)
    if witness_id is not None:
        _require_there(session, ticket, branch, witness_id, stamp)
    before = ticket.branch_id
    ticket.branch, ticket.for_id, ticket.moved_at = branch, witness_id, stamp.at
    session.flush()
    told = {"ticket": ticket.ticket_no, "from": before, "to": branch_id, "why": why}
    note(ticket.case, Happening.REASSIGNED, stamp, **told | ({"witness": witness_id} if witness_id else {}))
    return ticket


def _require_there(session: Session, ticket: Ticket, branch: Branch, witness_id: int, stamp: Stamp) -> None:
    seat = session.scalar(select(Seat).where(Seat.staff_id == witness_id).options(joinedload(Seat.staff)))
    if seat is None or seat.branch_id != branch.id or seat.state is SeatState.OFFLINE:
        raise NoSuchWitness(witness_id)
    witnesses.require(seat.staff, stamp.at)
    witnesses.require_for(session, seat.staff, ticket)
