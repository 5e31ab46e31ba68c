"""建议坐席: how many seats the next hours need, from who came on this weekday at these hours before."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, func, select, union_all
from sqlalchemy.orm import Session

from console.local_time import LOCAL

from . import erlang
from .arrivals import FIRST_TIME, epoch, slot
from .models import Ticket

WEEKS = 8
LEAST_DAYS = 2  # days of this weekday on which anybody came at these hours
LEAST_CALLS = 5
HOURS = 3
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Suggestion:
    """``seats``: for each of the hours, None where there is too little to go by. ``days``: on how many days it rests."""

    branch_id: int
    seats: tuple[int | None, ...]
    days: int


def hours_from(at: datetime) -> list[datetime]:
    """The beginnings of this hour and the next ones."""
    first = at.astimezone(LOCAL).replace(minute=0, second=0, microsecond=0)
    return [first + HOUR * n for n in range(HOURS)]


def suggestions(
    session: Session, branch_ids: Sequence[int], at: datetime, sla: timedelta, share: float
) -> list[Suggestion]:
    """For each branch; ``share`` (0 to 1) are to be answered within ``sla``. A day on which nobody came at these hours was a day off."""
    first = hours_from(at)[0]
    days = [first - timedelta(weeks=n) for n in range(1, WEEKS + 1)]
    came: dict[int, dict[int, dict[int, int]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    calls: dict[int, int] = defaultdict(int)
    seconds: dict[int, float] = defaultdict(float)
    for branch_id, hour, people, answered, length in _history(session, branch_ids, days):
        week, nth = divmod(round((hour - int(first.timestamp())) / 3600), 7 * 24)
        came[branch_id][week][nth] += people
        calls[branch_id] += answered
        seconds[branch_id] += length or 0.0

    def suggested(branch_id: int) -> Suggestion:
        weeks, answered = came[branch_id], calls[branch_id]
        if len(weeks) < LEAST_DAYS or answered < LEAST_CALLS:
            return Suggestion(branch_id, (None,) * HOURS, len(weeks))
        handling = seconds[branch_id] / answered
        rates = [sum(week[nth] for week in weeks.values()) / len(weeks) for nth in range(HOURS)]
        needed = tuple(erlang.seats_needed(rate, handling, sla.total_seconds(), share) for rate in rates)
        return Suggestion(branch_id, needed, len(weeks))

    return [suggested(branch_id) for branch_id in branch_ids]


def _history(
    session: Session, branch_ids: Sequence[int], days: Sequence[datetime]
) -> Sequence[tuple[int, int, int, int, float | None]]:
    """(branch, begin of the hour as seconds since 1970, people, calls, their seconds together)."""
    hour = slot(Ticket.joined_at, 3600)
    answered = Ticket.answered_at.is_not(None) & Ticket.ended_at.is_not(None)

    def of(day: datetime) -> Select[int, int, int, int, float | None]:
        """One day a question: all in one, and SQLite reads every ticket of these branches."""
        return (
            select(
                Ticket.branch_id,
                hour,
                func.count(),
                func.count().filter(answered),
                func.sum(epoch(Ticket.ended_at) - epoch(Ticket.answered_at)).filter(answered),
            )
            .where(Ticket.branch_id.in_(branch_ids), FIRST_TIME)
            .where(Ticket.joined_at >= day, Ticket.joined_at < day + HOURS * HOUR)
            .group_by(Ticket.branch_id, hour)
        )

    found = session.execute(union_all(*(of(day) for day in days)))
    return [(branch, int(begin) * 3600, people, calls, length) for branch, begin, people, calls, length in found]
