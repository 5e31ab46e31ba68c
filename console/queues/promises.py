"""What people were told on joining, kept beside their ticket, so that it can be held against what came of it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, Index, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from console.db import Base

from . import estimate, service
from .arrivals import epoch
from .models import Ticket
from .simulator import Accuracy, accuracy


class WaitPromise(Base):
    """预计等待 as it was told at ``made_at``: ``low`` to ``high`` minutes with ``ahead`` people before. Never changed."""

    __tablename__ = "wait_promises"
    ticket_id: Mapped[int] = mapped_column(ForeignKey("tickets.id"), primary_key=True)
    branch_id: Mapped[int] = mapped_column(ForeignKey("branches.id"))
    made_at: Mapped[datetime]
    ahead: Mapped[int]
    low: Mapped[int]
    high: Mapped[int]
    __table_args__ = (Index("ix_wait_promises_made", "branch_id", "made_at"),)


@dataclass(frozen=True)
class Kept:
    """A promise (minutes) and the wait (seconds) that came of it."""

    low: int
    high: int
    wait: float

    @property
    def inside(self) -> bool:
        return accuracy([((self.low, self.high), self.wait)]).inside == 1  # type: ignore[union-attr]


def promise(session: Session, ticket: Ticket, at: datetime) -> WaitPromise | None:
    """Keep what somebody who just joined is told; the first promise counts. None while there is too little to go by."""
    if made := session.get(WaitPromise, ticket.id):
        return made
    ahead = service.place(session, ticket).ahead
    told = estimate.wait_minutes(session, ticket.branch_id, ahead, at)
    if told is None:
        return None
    made = WaitPromise(
        ticket_id=ticket.id, branch_id=ticket.branch_id, made_at=at, ahead=ahead, low=told[0], high=told[1]
    )
    try:
        with session.begin_nested():
            session.add(made)
            session.flush()
    except IntegrityError:  # a second device joined in the same moment
        return session.get(WaitPromise, ticket.id)
    return made


def kept(
    session: Session, branch_ids: Collection[int], since: datetime, until: datetime, *, newest: int | None = None
) -> list[Kept]:
    """Promises made in this time to people who were answered, oldest first; with ``newest`` only so many of the last ones."""
    answered = Ticket.answered_at
    found = session.execute(
        select(WaitPromise.low, WaitPromise.high, WaitPromise.made_at, answered)
        .join(Ticket, Ticket.id == WaitPromise.ticket_id)
        .where(*_answered(branch_ids, since, until))
        .order_by(WaitPromise.made_at.desc(), WaitPromise.ticket_id.desc())
        .limit(newest)
    ).all()
    return [Kept(low, high, (at - made).total_seconds()) for low, high, made, at in reversed(found) if at is not None]


def share_kept(
    session: Session, branch_ids: Collection[int], since: datetime, until: datetime, *, least: int = 1
) -> float | None:
    """The share (0 to 1) of these that were kept, counted by the database; None with fewer than ``least``.

    The rule is simulator.accuracy's.
    """
    minutes = (epoch(Ticket.answered_at) - epoch(WaitPromise.made_at)) / 60
    inside = (minutes <= WaitPromise.high) & ((minutes >= WaitPromise.low) | (WaitPromise.low == 1))
    count, good = session.execute(
        select(func.count(), func.count().filter(inside))
        .select_from(WaitPromise)
        .join(Ticket, Ticket.id == WaitPromise.ticket_id)
        .where(*_answered(branch_ids, since, until))
    ).one()
    return good / count if count >= least else None


def _answered(branch_ids: Collection[int], since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    made = WaitPromise.made_at.between(since, until)
    return WaitPromise.branch_id.in_(branch_ids), made, Ticket.answered_at.is_not(None)


def score(promises: Iterable[Kept]) -> Accuracy | None:
    """How good they were; None without any."""
    return accuracy(((each.low, each.high), each.wait) for each in promises)
