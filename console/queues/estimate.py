"""预计等待: a range from how long people really keep a seat. Nothing is said while there is too little to go by.

How long: the branch's calls of today; with too few of them those of its last week, then all branches of the broker today, then theirs of
four weeks. How many: the place in the order that is really served, and the seats that really serve. How sure: the deviation of those same
calls, so that four of five people wait as long as they were told (promises.py and ``console simulate`` measure whether they do).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil, floor, sqrt
from statistics import fmean, median, pvariance

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from console.local_time import midnight
from console.people.models import Branch

from .models import Seat, SeatState, Ticket
from .seats import SILENCE

LEAST_CALLS = 5
SAMPLE = 60  # the newest calls tell about now
LONGEST = 4  # times the median: a call forgotten open, or a pause for lunch, says nothing about the next one
BACK_AND_FORTH = timedelta(minutes=10)  # between two calls of one witness while people waited; more is an absence
NORMAL_90 = 1.2816  # of the normal distribution: four of five lie between the 10 % and the 90 % quantile


@dataclass(frozen=True)
class Handling:
    """How long one investor keeps a seat from the next: mean in seconds, variance in seconds²."""

    mean: float
    variance: float

    @classmethod
    def of(cls, lengths: Sequence[float], pauses: Sequence[float] = ()) -> "Handling | None":
        """From seconds of calls and of the pauses after them; None with fewer than LEAST_CALLS calls."""
        if len(lengths) < LEAST_CALLS:
            return None
        cut = LONGEST * median(lengths)
        kept = [min(length, cut) for length in lengths]
        mean, variance = fmean(kept), pvariance(kept)
        if pauses:
            mean, variance = mean + fmean(pauses), variance + pvariance(pauses)
        return cls(mean, variance) if mean > 0 else None


@dataclass(frozen=True)
class Serving:
    """The seats of a branch that take calls now: all of them, and those that are free."""

    seats: int
    free: int


def wait_minutes(session: Session, branch_id: int, ahead: int, at: datetime) -> tuple[int, int] | None:
    """From and to, in minutes, for somebody with ``ahead`` people before; None without seats or with too few calls to go by."""
    serving = serving_now(session, branch_id, at)
    if not serving.seats:
        return None
    known = handling(session, branch_id, at)
    return in_minutes(wait_range(known, ahead, serving)) if known else None


def in_minutes(seconds: tuple[float, float]) -> tuple[int, int]:
    """Whole minutes around the range; never less than one, never nothing between."""
    low = max(1, floor(seconds[0] / 60))
    return low, max(low + 1, ceil(seconds[1] / 60))


def wait_range(handling: Handling, ahead: int, serving: Serving) -> tuple[float, float]:
    """10 % and 90 % quantile in seconds of the wait until ``ahead + 1 - free`` calls have ended on ``serving.seats`` seats.

    Calls on several seats are renewal processes side by side, each looked at in the midst of a call. Ends of long lines vary like sums of
    calls, first ends like order statistics of evenly spread ones; the mean and variance below are exact for both. The shape is a gamma
    distribution, its quantiles by Wilson and Hilferty (1931).
    """
    ends = ahead + 1 - serving.free
    if ends <= 0:
        return 0.0, 0.0
    seats, step = serving.seats, handling.mean / serving.seats
    vary = handling.variance / handling.mean**2
    even = max(0.0, 1 - vary)  # how much calls are all alike: then the ends are spread evenly over one call
    first = min(ends, (seats + 1) / 2)
    mean = step * (ends - even * first / (seats + 1))
    spread = first * (seats + 1 - first) * seats**2 / ((seats + 1) ** 2 * (seats + 2))
    return _gamma_range(mean, step**2 * (ends * vary + even * spread))


def _gamma_range(mean: float, variance: float) -> tuple[float, float]:
    if variance <= 0:
        return mean, mean
    shape = mean**2 / variance
    low, high = (max(0.0, 1 - 1 / (9 * shape) + z / (3 * sqrt(shape))) ** 3 for z in (-NORMAL_90, NORMAL_90))
    return mean * low, mean * high


# --- what is known


def serving_now(session: Session, branch_id: int, at: datetime) -> Serving:
    """Online seats whose page is heard, and those in a call: nobody else takes the next one."""
    heard = (Seat.state == SeatState.ONLINE) & (Seat.seen_at >= at - SILENCE)
    states = session.scalars(
        select(Seat.state).where(Seat.branch_id == branch_id, or_(heard, Seat.state == SeatState.IN_CALL))
    ).all()
    return Serving(len(states), states.count(SeatState.ONLINE))


def handling(session: Session, branch_id: int, at: datetime) -> Handling | None:
    """From the nearest calls of which there are enough: this branch today, this week; the whole broker today, in four weeks."""
    here = Ticket.branch_id == branch_id
    broker = select(Branch.broker_id).where(Branch.id == branch_id).scalar_subquery()
    anywhere = Ticket.branch_id.in_(select(Branch.id).where(Branch.broker_id == broker))
    today, week, weeks = midnight(at), at - timedelta(days=7), at - timedelta(days=28)
    for where, since in ((here, today), (here, week), (anywhere, today), (anywhere, weeks)):
        if known := _handling_of(session, where, since, at):
            return known
    return None


def _handling_of(session: Session, where: ColumnElement[bool], since: datetime, at: datetime) -> Handling | None:
    calls = session.execute(
        select(Ticket.joined_at, Ticket.answered_at, Ticket.ended_at, Ticket.answered_by)
        .where(where, Ticket.answered_at >= since, Ticket.answered_at <= at, Ticket.ended_at.is_not(None))
        .order_by(Ticket.answered_at.desc())
        .limit(SAMPLE)
    ).all()
    made = [(j, a, e, by) for j, a, e, by in calls if a is not None and e is not None]
    return Handling.of([(ended - answered).total_seconds() for _, answered, ended, _ in made], pauses(made))


def pauses(calls: Iterable[tuple[datetime, datetime, datetime, int | None]]) -> list[float]:
    """Seconds that a witness took between two calls while somebody waited; ``calls``: joined, answered, ended, by whom."""
    by_witness: dict[int | None, list[tuple[datetime, datetime, datetime]]] = defaultdict(list)
    for joined, answered, ended, by in calls:
        by_witness[by].append((answered, ended, joined))
    found = []
    for made in by_witness.values():
        made.sort()
        for (_, ended, _), (answered, _, joined) in pairwise(made):
            if joined <= ended <= answered <= ended + BACK_AND_FORTH:
                found.append((answered - ended).total_seconds())
    return found
