"""A witness who closed the page leaves the seat: once no page of theirs has been open for the grace, however soon the heartbeat's silence.

One green thread in each web process; a page that is loaded again, or whose process was started again, is back long before.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import OperationalError

from console import live, runtime
from console.db import reading, transaction
from console.queues import seats
from console.queues.models import Seat
from console.stamp import Stamp

from . import presence

LOOK_EVERY = 3.0  # seconds
log = structlog.get_logger()


class Leaving:
    """One for a process. ``grace``: how long a witness may be without an open page."""

    def __init__(self, redis: Redis, grace: timedelta) -> None:
        self._redis = redis
        self._grace = grace
        self._open: set[int] = set()  # staff whose page was open at the last look
        self._gone: dict[int, float] = {}  # since when (monotonic) it is not any more

    def run(self, going: Callable[[], bool] = lambda: True) -> None:
        """For as long as ``going``. Without Redis or the database nobody leaves: the heartbeat alone tells then."""
        while going():
            runtime.sleep(LOOK_EVERY)
            try:
                self.look(datetime.now(UTC))
            except (RedisError, OperationalError) as error:
                log.warning("seats_not_looked_after", error=type(error).__name__)
                self._gone.clear()

    def look(self, now: datetime) -> list[Seat]:
        """Those who left by now. Raises RedisError, OperationalError."""
        with reading() as session:
            taken = seats.taken(session)
        here = {staff_id for staff_id in taken if presence.there(self._redis, presence.of_staff(staff_id))}
        for staff_id in taken - here:
            if staff_id in self._open:
                self._gone[staff_id] = time.monotonic()
        self._open = here
        self._gone = {each: since for each, since in self._gone.items() if each in taken - here}
        over = time.monotonic() - self._grace.total_seconds()
        due = [staff_id for staff_id, since in self._gone.items() if since <= over]
        if not due:
            return []
        with transaction() as session:
            left = seats.retire_silent(session, Stamp(by="system:leaving", at=now), self._grace, of=due)
        for branch_id in {seat.branch_id for seat in left}:
            live.seats_changed(branch_id)
        return left
