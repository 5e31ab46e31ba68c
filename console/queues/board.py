"""实时看板 (Q5): the numbers of a day, for each branch and for all together, in a handful of aggregate queries."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, literal, select
from sqlalchemy.orm import Session

from console.db import UtcDateTime
from console.local_time import midnight
from console.people.models import Branch, Staff

from . import promises
from .arrivals import FIRST_TIME, epoch, slot
from .models import IS_WAITING, Seat, SeatState, Ticket, TicketState
from .promises import Kept

HALF_HOUR = 1800
SHOWN_PROMISES = 12
LONG = {
    SeatState.IN_CALL: timedelta(minutes=20),
    SeatState.BREAK: timedelta(minutes=15),
}  # a supervisor looks after these


class Level(StrEnum):
    """How a branch stands: the word on its pill is LEVEL_TITLES."""

    OK = "ok"
    WAIT = "wait"
    BAD = "bad"
    NOBODY = "nobody"


LEVEL_TITLES = {Level.OK: "正常", Level.WAIT: "超警戒", Level.BAD: "超红线", Level.NOBODY: "无人在席"}


@dataclass(frozen=True)
class Rules:
    """``sla``: within this people should be answered, from it on waiting is amber; ``share`` of 100 are; from ``red`` on it is an alarm."""

    sla: timedelta
    share: int
    red: timedelta


@dataclass
class Line:
    """One branch, or all of them. Seconds; ``oldest``: since when the first of those who wait does."""

    waiting: int = 0
    oldest: datetime | None = None
    late: int = 0
    arrived: int = 0
    answered: int = 0
    left: int = 0
    within: int = 0
    decided: int = 0
    calls: int = 0
    call_seconds: float = 0.0
    seats: Counter[SeatState] = field(default_factory=Counter)

    @property
    def present(self) -> int:
        return sum(self.seats.values())

    @property
    def serving(self) -> int:
        return self.seats[SeatState.ONLINE] + self.seats[SeatState.IN_CALL]

    @property
    def share_within(self) -> int | None:
        """Of 100 whose time is up, so many were answered in time; None while nobody's is."""
        return round(100 * self.within / self.decided) if self.decided else None

    @property
    def share_left(self) -> float | None:
        return 100 * self.left / self.arrived if self.arrived else None

    @property
    def handling(self) -> float | None:
        return self.call_seconds / self.calls if self.calls else None

    def add(self, other: "Line") -> None:
        for name in ("waiting", "late", "arrived", "answered", "left", "within", "decided", "calls", "call_seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.seats.update(other.seats)
        self.oldest = min(filter(None, (self.oldest, other.oldest)), default=None)


@dataclass(frozen=True)
class BranchLine:
    branch_id: int
    name: str
    line: Line
    waited: float
    level: Level


@dataclass
class HalfHour:
    """From ``begins`` on: who came, who was answered, and the longest that somebody who came then has waited, in seconds; None: nobody
    came.
    """

    begins: datetime
    arrived: int = 0
    answered: int = 0
    longest: float | None = None


@dataclass(frozen=True)
class SeatCard:
    name: str
    branch: str
    state: SeatState
    since: datetime
    too_long: bool


@dataclass(frozen=True)
class Board:
    """``branches``: who waits longest first. ``slots``: the half hours of the day from the first with anybody in it until now.

    ``promises``: the latest whose wait is known; ``kept``: the share (0 to 1) of today's that were.
    """

    at: datetime
    rules: Rules
    total: Line
    branches: list[BranchLine]
    slots: list[HalfHour]
    seats: list[SeatCard]
    promises: list[Kept]
    kept: float | None

    @property
    def alerts(self) -> list[BranchLine]:
        return [each for each in self.branches if each.level in (Level.BAD, Level.NOBODY)]


def board(session: Session, branches: Sequence[Branch], at: datetime, rules: Rules) -> Board:
    """The day of ``at`` at these branches, which must be ones that the asker serves."""
    ids, since = [branch.id for branch in branches], midnight(at)
    lines: dict[int, Line] = {branch_id: Line() for branch_id in ids}
    slots: dict[int, HalfHour] = {}
    _waiting(session, lines, at, rules)
    _arrivals(session, lines, slots, since, at, rules)
    _calls(session, lines, slots, since, at)
    seats = _seats(session, lines, {branch.id: branch.name for branch in branches}, at)
    total = Line()
    for line in lines.values():
        total.add(line)
    rows = [_branch_line(branch, lines[branch.id], at, rules) for branch in branches]
    return Board(
        at=at,
        rules=rules,
        total=total,
        branches=sorted(rows, key=lambda row: -row.waited),
        slots=_without_gaps(slots, at),
        seats=seats,
        promises=promises.kept(session, ids, since, at, newest=SHOWN_PROMISES),
        kept=promises.share_kept(session, ids, since, at),
    )


def level_of(line: Line, waited: float, rules: Rules) -> Level:
    if line.waiting and not line.serving:
        return Level.NOBODY
    if waited >= rules.red.total_seconds():
        return Level.BAD
    return Level.WAIT if waited >= rules.sla.total_seconds() else Level.OK


def _branch_line(branch: Branch, line: Line, at: datetime, rules: Rules) -> BranchLine:
    waited = (at - line.oldest).total_seconds() if line.oldest else 0.0
    return BranchLine(branch.id, branch.name, line, waited, level_of(line, waited, rules))


def _waiting(session: Session, lines: dict[int, Line], at: datetime, rules: Rules) -> None:
    late = func.count().filter(Ticket.joined_at < at - rules.sla, FIRST_TIME)
    found = session.execute(
        select(Ticket.branch_id, func.count(), func.min(Ticket.joined_at), late)
        .where(Ticket.branch_id.in_(lines), IS_WAITING)
        .group_by(Ticket.branch_id)
    )
    for branch_id, waiting, oldest, overdue in found:
        line = lines[branch_id]
        line.waiting, line.oldest, line.late = waiting, oldest, overdue
        line.decided += overdue


def _arrivals(
    session: Session, lines: dict[int, Line], slots: dict[int, HalfHour], since: datetime, at: datetime, rules: Rules
) -> None:
    """Who came today, by half hour. In time: answered within the line; who left before it decided nothing."""
    nth = slot(Ticket.joined_at, HALF_HOUR)
    waited = epoch(func.coalesce(Ticket.answered_at, Ticket.ended_at, literal(at, UtcDateTime()))) - epoch(
        Ticket.joined_at
    )
    first = func.count().filter(FIRST_TIME)
    in_time = waited <= rules.sla.total_seconds()
    found = session.execute(
        select(
            Ticket.branch_id,
            nth,
            first,
            func.count().filter(Ticket.state == TicketState.LEFT),
            func.count().filter(FIRST_TIME, Ticket.answered_at.is_not(None), in_time),
            func.count().filter(FIRST_TIME, Ticket.answered_at.is_not(None)),
            func.count().filter(FIRST_TIME, Ticket.state == TicketState.LEFT, ~in_time),
            func.max(waited).filter(FIRST_TIME),
        )
        .where(Ticket.branch_id.in_(lines), Ticket.joined_at.between(since, at))
        .group_by(Ticket.branch_id, nth)
    )
    for branch_id, n, arrived, left, within, answered, gave_up, longest in found:
        line, half_hour = lines[branch_id], _slot(slots, n)
        line.arrived += arrived
        line.left += left
        line.within += within
        line.decided += answered + gave_up
        half_hour.arrived += arrived
        if longest is not None:
            half_hour.longest = max(half_hour.longest or 0.0, longest)


def _calls(session: Session, lines: dict[int, Line], slots: dict[int, HalfHour], since: datetime, at: datetime) -> None:
    nth = slot(Ticket.answered_at, HALF_HOUR)
    over = Ticket.ended_at.is_not(None)
    found = session.execute(
        select(
            Ticket.branch_id,
            nth,
            func.count(),
            func.count().filter(over),
            func.coalesce(func.sum(epoch(Ticket.ended_at) - epoch(Ticket.answered_at)).filter(over), 0.0),
        )
        .where(Ticket.branch_id.in_(lines), Ticket.answered_at.between(since, at))
        .group_by(Ticket.branch_id, nth)
    )
    for branch_id, n, answered, calls, seconds in found:
        line = lines[branch_id]
        line.answered += answered
        line.calls += calls
        line.call_seconds += float(seconds)
        _slot(slots, n).answered += answered


def _seats(session: Session, lines: dict[int, Line], names: dict[int, str], at: datetime) -> list[SeatCard]:
    """Everybody on a seat: calls first, the longest on top; then who is free, then pauses."""
    order = (SeatState.IN_CALL, SeatState.ONLINE, SeatState.BREAK, SeatState.MEETING, SeatState.TRAINING)
    found = session.execute(
        select(Seat.branch_id, Seat.state, Seat.since, Staff.name)
        .join(Staff, Staff.id == Seat.staff_id)
        .where(Seat.branch_id.in_(lines), Seat.state != SeatState.OFFLINE)
    ).all()
    for branch_id, state, _, _ in found:
        lines[branch_id].seats[state] += 1
    cards = [
        SeatCard(name, names[branch_id], state, since, too_long=state in LONG and at - since >= LONG[state])
        for branch_id, state, since, name in found
    ]
    return sorted(cards, key=lambda card: (order.index(card.state), card.since))


def _slot(slots: dict[int, HalfHour], n: int) -> HalfHour:
    return slots.setdefault(int(n), HalfHour(_begin(int(n))))


def _begin(n: int) -> datetime:
    return datetime.fromtimestamp(n * HALF_HOUR, UTC)


def _without_gaps(slots: dict[int, HalfHour], at: datetime) -> list[HalfHour]:
    last = int(at.timestamp()) // HALF_HOUR
    first = min([n for n in slots if n <= last], default=last)
    return [slots.get(n) or HalfHour(_begin(n)) for n in range(first, last + 1)]
