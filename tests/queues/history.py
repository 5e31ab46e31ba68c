"""Tickets of the past, written as they are when they are over."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from console.cases.models import Case
from console.queues.models import Priority, Ticket, TicketState
from tests.world import given_case


def called(
    session: Session, branch_id: int, at: datetime, *, minutes: float = 6, waited: float = 2, by: int | None = None
) -> Ticket:
    """Somebody who joined ``waited`` minutes before ``at``, was answered then and called for so many minutes."""
    ended = at + timedelta(minutes=minutes)
    return _kept(session, branch_id, at, waited, TicketState.ANSWERED, answered_at=at, answered_by=by, ended_at=ended)


def left(session: Session, branch_id: int, at: datetime, *, waited: float = 2) -> Ticket:
    """Somebody who gave up at ``at`` after so many minutes."""
    return _kept(session, branch_id, at, waited, TicketState.LEFT, ended_at=at)


def _kept(session: Session, branch_id: int, at: datetime, waited: float, state: TicketState, **more: object) -> Ticket:
    case = session.scalars(select(Case).limit(1)).first() or given_case(session, "许砚青", at=at)
    values: dict[str, object] = {"priority": Priority.NORMAL, "rank": Priority.NORMAL.rank} | more
    ticket = Ticket(
        case_id=case.id,
        branch_id=branch_id,
        ticket_no="A001",
        joined_at=at - timedelta(minutes=waited),
        state=state,
        **values,
    )
    session.add(ticket)
    session.flush()
    return ticket
