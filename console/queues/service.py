"""The queue of a branch. One statement claims a ticket, so that two seats never get the same one."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from .models import Ticket, TicketState


def waiting(session: Session, branch_id: int) -> int:
    """排队人数: everyone who waits at the branch, the asker included (manuals 2.5)."""
    count = select(func.count()).where(Ticket.branch_id == branch_id, Ticket.state == TicketState.WAITING)
    return session.scalar(count) or 0
