"""Where the marks of the two small pictures go, in units of their viewBox; the templates only write them down."""

from dataclasses import dataclass

from console.queues.board import Board, Level, Line
from console.queues.models import SeatState

WAITS_LEFT, WAITS_WIDE, WAITS_ROW, MOST_ROWS = 96, 240, 22, 5  # of the bars
TOLD_LEFT, TOLD_WIDE, TOLD_TOP, TOLD_TALL = 30, 366, 10, 102  # of the promises
SEATS_WIDE, GAP = 150, 2
KINDS = (
    (SeatState.IN_CALL, "act"),
    (SeatState.ONLINE, "ok"),
    (SeatState.BREAK, "wait"),
    (SeatState.MEETING, "idle"),
    (SeatState.TRAINING, "idle"),
)


@dataclass(frozen=True)
class Bar:
    name: str
    seconds: float
    kind: str
    y: int
    width: float


@dataclass(frozen=True)
class Waits:
    """``amber`` and ``red``: where the two lines stand; ``floor``: down to where."""

    bars: list[Bar]
    amber: float
    red: float
    more: int
    floor: int = 8 + WAITS_ROW * MOST_ROWS


def waits(board: Board) -> Waits:
    """The branches where people wait longest."""
    red, amber = board.rules.red.total_seconds(), board.rules.sla.total_seconds()
    longest = max([red * 1.2, *(row.waited for row in board.branches)])
    shown = [row for row in board.branches if row.line.waiting][:MOST_ROWS]
    kinds = {Level.BAD: "bad", Level.NOBODY: "bad", Level.WAIT: "wait"}
    bars = [
        Bar(row.name, row.waited, kinds.get(row.level, "mid"), 8 + WAITS_ROW * n, row.waited / longest * WAITS_WIDE)
        for n, row in enumerate(shown)
    ]
    rest = sum(1 for row in board.branches if row.line.waiting) - len(shown)
    return Waits(bars, WAITS_LEFT + amber / longest * WAITS_WIDE, WAITS_LEFT + red / longest * WAITS_WIDE, rest)


@dataclass(frozen=True)
class Told:
    """One promise: a bar from ``top`` of ``tall`` at ``x``, what came of it at ``y``."""

    x: float
    top: float
    tall: float
    y: float
    inside: bool


@dataclass(frozen=True)
class Promised:
    marks: list[Told]
    ticks: list[tuple[float, int]]


def promised(board: Board) -> Promised:
    """The latest promises in minutes; the axis ends at a multiple of 15 minutes, or of 3 for short waits."""
    most = max([each.high for each in board.promises] + [each.wait / 60 for each in board.promises], default=0)
    step = next(step for step in (1, 2, 5, 10, 20, 40, 80, 160, 10_000) if step * 3 >= most)

    def y(minutes: float) -> float:
        return round(TOLD_TOP + TOLD_TALL * (1 - minutes / (step * 3)), 1)

    pitch = TOLD_WIDE / 12
    marks = [
        Told(
            x=round(TOLD_LEFT + pitch * (n + 0.5), 1),
            top=y(each.high),
            tall=round(y(0 if each.low == 1 else each.low) - y(each.high), 1),
            y=y(each.wait / 60),
            inside=each.inside,
        )
        for n, each in enumerate(board.promises)
    ]
    return Promised(marks, [(y(step * n), step * n) for n in range(4)])


def seat_bar(line: Line) -> list[tuple[str, float, float]]:
    """(kind, x, width) of the stretches of a branch's seats."""
    counts = [(kind, line.seats[state]) for state, kind in KINDS if line.seats[state]]
    if not counts:
        return []
    unit = (SEATS_WIDE - GAP * (len(counts) - 1)) / line.present
    stretches, x = [], 0.0
    for kind, count in counts:
        stretches.append((kind, round(x, 1), round(unit * count, 1)))
        x += unit * count + GAP
    return stretches
