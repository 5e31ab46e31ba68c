"""What everybody at a branch is told of its queue: at most once a second, however much happens there and in however many processes.

Each message is whole: how many wait, and the tickets of the first places. Whoever missed one knows all of it from the next.
"""

import time
from dataclasses import dataclass, field

import structlog
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import OperationalError, TimeoutError
from sqlalchemy.orm import Session

from console import live, runtime
from console.db import reading

from . import order, service
from .models import IS_WAITING, Ticket

EVERY = 1.0  # seconds
FIRST = 50  # places that are told; whoever stands further back asks now and then
KEY = "queue:told:"
log = structlog.get_logger()


@dataclass
class Pace:
    """Whose turn it is to speak of a branch: one process in ``every`` seconds. Without Redis each process keeps to it by itself."""

    every: float = 0.0
    redis: Redis | None = None
    due: set[int] = field(default_factory=set)  # branches of which this process will speak anyway
    _last: dict[int, float] = field(default_factory=dict)

    def wait(self, branch_id: int) -> float:
        """Seconds until one may ask again; 0.0: it is this process's turn."""
        if not self.every:
            return 0.0
        if self.redis is not None:
            try:
                return self._wait_for_others(self.redis, f"{KEY}{branch_id}")
            except RedisError:
                pass
        now = time.monotonic()
        left = self._last.get(branch_id, now - self.every) + self.every - now
        if left <= 0:
            self._last[branch_id] = now
        return max(0.0, left)

    def _wait_for_others(self, redis: Redis, key: str) -> float:
        if redis.set(key, 1, nx=True, px=int(self.every * 1000)):
            return 0.0
        return max(1, int(redis.pttl(key))) / 1000


_pace = [Pace()]


def keep_pace(redis: Redis | None, every: float = EVERY) -> None:
    """For a process that stays. One that is gone before the second is over (a job, a command) speaks at once."""
    _pace[0] = Pace(every, redis)


def changed(branch_id: int) -> None:
    """The queue of this branch is another one: now, or when its second is over."""
    pace = _pace[0]
    if branch_id in pace.due:
        return
    wait = pace.wait(branch_id)
    if not wait:
        tell(branch_id)
        return
    pace.due.add(branch_id)
    runtime.spawn(_tell_later, pace, branch_id, wait)


def tell(branch_id: int) -> None:
    """As it is now; losing it loses nothing but a hint."""
    try:
        with reading() as session:
            waiting, first = service.waiting(session, branch_id), first_places(session, branch_id)
    except (OperationalError, TimeoutError) as error:
        log.warning("queue_not_told", error=type(error).__name__)
        return
    live.queue_changed(branch_id, waiting, first)


def first_places(session: Session, branch_id: int) -> list[int]:
    """Ids of tickets, the first to be answered first. (Their numbers begin anew every day.)"""
    here = select(Ticket.id).where(Ticket.branch_id == branch_id, IS_WAITING)
    return list(session.scalars(here.order_by(*order.ORDER).limit(FIRST)))


def _tell_later(pace: Pace, branch_id: int, wait: float) -> None:
    while wait:
        runtime.sleep(wait)
        wait = pace.wait(branch_id)
    pace.due.discard(branch_id)  # before looking: what changes from here on is told again
    tell(branch_id)
