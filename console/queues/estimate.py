"""预计等待, from today's calls at the branch. Nothing is shown while there is too little to go by."""

from datetime import datetime
from math import ceil, floor

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console.local_time import midnight

from .models import Seat, SeatState, Ticket

LEAST_CALLS = 3
SPREAD = 0.35  # calls differ: the range is the mean wait less and more this share


def wait_minutes(session: Session, branch_id: int, ahead: int, at: datetime) -> tuple[int, int] | None:
    """From and to, in minutes, for somebody with ``ahead`` people before; None without seats or with fewer than three calls today."""
    calls = session.execute(
        select(Ticket.answered_at, Ticket.ended_at).where(
            Ticket.branch_id == branch_id, Ticket.answered_at >= midnight(at), Ticket.ended_at.is_not(None)
        )
    ).all()
    lengths = [(ended - answered).total_seconds() for answered, ended in calls if answered and ended]
    seats = session.scalar(
        select(func.count()).where(Seat.branch_id == branch_id, Seat.state.in_((SeatState.ONLINE, SeatState.IN_CALL)))
    )
    if len(lengths) < LEAST_CALLS or not seats:
        return None
    minutes = sum(lengths) / len(lengths) * (ahead + 1) / seats / 60
    return max(1, floor(minutes * (1 - SPREAD))), max(2, ceil(minutes * (1 + SPREAD)))
