"""``console simulate``: the same people with one seat, two seats …; a table and a picture of what they would wait."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from html import escape

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console.config import VideoHours
from console.local_time import LOCAL, local_day

from .arrivals import FIRST_TIME
from .models import Ticket
from .simulator import Accuracy, Arrival, Recorded, Shifts, Summary, play, summary

SLOTS = 48  # half hours of a day
ROSTER = re.compile(r"([01]\d|2[0-3]):([03]0)=(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Row:
    """``name``: a number of seats, or a roster as it was typed."""

    name: str
    summary: Summary


class Unreadable(ValueError):
    """What was typed; the message says how it should read."""


def try_out(days: Sequence[Sequence[Arrival]], shifts: Iterable[tuple[str, Shifts]], sla: float) -> list[Row]:
    """Every day played with each of the shifts; ``sla`` in seconds. A day begins with an empty queue."""
    rows = []
    for name, roster in shifts:
        found = summary([outcome for day in days for outcome in play(day, roster)], sla)
        if found is not None:
            rows.append(Row(name, found))
    return rows


# --- what was recorded


def recorded_days(session: Session, branch_ids: Sequence[int], first: date, last: date) -> dict[date, list[Recorded]]:
    """The tickets of each local day with any, both days included; who came back from a call came only once."""
    begin, end = edges(first, last)
    found = session.execute(
        select(Ticket.joined_at, Ticket.answered_at, func.coalesce(Ticket.ended_at, Ticket.answered_at))
        .where(Ticket.branch_id.in_(branch_ids), Ticket.joined_at.between(begin, end), FIRST_TIME)
        .where(Ticket.ended_at.is_not(None))
        .order_by(Ticket.joined_at)
    )
    days: dict[date, list[Recorded]] = defaultdict(list)
    for joined, answered, ended in found:
        day = local_day(joined)
        at = (joined - datetime.combine(day, time.min, LOCAL)).total_seconds()
        waited = ((answered or ended) - joined).total_seconds()
        days[day].append(Recorded(at, waited, (ended - answered).total_seconds() if answered else None))
    return dict(days)


def edges(first: date, last: date) -> tuple[datetime, datetime]:
    """From the first moment of the one local day to the last of the other."""
    return datetime.combine(first, time.min, LOCAL), datetime.combine(last, time.max, LOCAL)


# --- what was typed


def by_half_hour(text: str, hours: VideoHours) -> list[float]:
    """``6`` or ``09:00=6,11:30=2.5``: a number for each of the 48 half hours, each until the next one; 0 outside of ``hours``."""
    values = [0.0] * SLOTS
    for slot, value in _steps(text):
        values[slot:] = [value] * (SLOTS - slot)
    return [value if hours.covers(time(n // 2, n % 2 * 30)) else 0.0 for n, value in enumerate(values)]


def rosters(text: str) -> list[tuple[str, Shifts]]:
    """``3``, ``1-8`` or ``09:00=3,12:00=2,13:00=4`` (seats from that time on)."""
    if match := re.fullmatch(r"(\d+)(?:-(\d+))?", text):
        first, last = int(match[1]), int(match[2] or match[1])
        if 1 <= first <= last <= 500:
            return [(str(seats), Shifts.steady(seats)) for seats in range(first, last + 1)]
    elif "=" in text:
        steps = _steps(text)
        return [(text, Shifts(tuple(slot * 1800.0 for slot, _ in steps), tuple(int(seats) for _, seats in steps)))]
    raise Unreadable(f"{text!r} must read like 3, 1-8 or 09:00=3,12:00=2")


def _steps(text: str) -> list[tuple[int, float]]:
    """(half hour of the day, value), in order."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return [(0, float(text))]
    steps = []
    for part in text.split(","):
        match = ROSTER.fullmatch(part.strip())
        if match is None:
            raise Unreadable(f"{part.strip()!r} must read like 09:30=6: a half hour and a number")
        steps.append((int(match[1]) * 2 + (match[2] == "30"), float(match[3])))
    return sorted(steps)


# --- what comes out


def table(rows: Sequence[Row], sla_minutes: int) -> str:
    """Waits as mm:ss."""
    heads = ("seats", "people", "mean", "median", "p90", "left", f"within {sla_minutes} min", "ETA error", "ETA kept")
    lines = [heads, *(_line(row) for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(heads))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _line(row: Row) -> tuple[str, ...]:
    found, told = row.summary, row.summary.accuracy
    waits = (f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}" for seconds in (found.mean, found.median, found.p90))
    shares = (f"{found.abandoned:.1%}", f"{found.within:.1%}")
    eta = (f"{told.error:.1f} min", f"{told.inside:.0%}") if told else ("-", "-")
    return (row.name, str(found.people), *waits, *shares, *eta)


def said_of(told: Accuracy | None) -> str:
    """How good the promises were that were made in those days."""
    if told is None:
        return "promises made then: none"
    return f"promises made then: {told.count}, half of them off by at most {told.error:.1f} min, {told.inside:.0%} kept"


def plot(rows: Sequence[Row], sla_minutes: int) -> str:
    """An SVG: mean and 90 % wait in minutes for each row, and the line to keep."""
    width, height, left, bottom = 96 + 72 * len(rows), 320, 56, 48
    top = max([sla_minutes * 1.2, *(row.summary.p90 / 60 for row in rows)]) or 1
    tall = height - bottom - 40

    def y(minutes: float) -> float:
        return height - bottom - minutes / top * tall

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="12" role="img">',
        f"<title>Wait in minutes by number of seats: {escape('; '.join(_said(row) for row in rows))}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/><g fill="#56636a" text-anchor="end">',
    ]
    for n in range(5):
        minutes = top * n / 4
        parts.append(f'<text x="{left - 8}" y="{y(minutes) + 4:.1f}">{minutes:.0f}</text>')
        parts.append(f'<path d="M{left} {y(minutes):.1f}H{width - 16}" stroke="#dfe5e7"/>')
    parts.append('</g><g text-anchor="middle" fill="#1d2a30">')
    for n, row in enumerate(rows):
        x, mean, most = left + 20 + 72 * n, row.summary.mean / 60, row.summary.p90 / 60
        parts.append(f'<rect x="{x}" y="{y(most):.1f}" width="40" height="{most / top * tall:.1f}" fill="#bcdcd9"/>')
        parts.append(f'<rect x="{x}" y="{y(mean):.1f}" width="40" height="{mean / top * tall:.1f}" fill="#0b6464"/>')
        parts.append(f'<text x="{x + 20}" y="{height - bottom + 18}">{escape(row.name[:9])}</text>')
        parts.append(f'<text x="{x + 20}" y="{y(most) - 6:.1f}">{most:.1f}</text>')
    line = y(sla_minutes)
    parts.append(f'</g><path d="M{left} {line:.1f}H{width - 16}" stroke="#b36b00" stroke-dasharray="4 3"/>')
    parts.append(f'<text x="{left}" y="20" fill="#56636a">minutes; dark: mean, light: 90 %, line: {sla_minutes}</text>')
    parts.append(f'<text x="{left}" y="{height - 8}" fill="#56636a">seats</text></svg>')
    return "\n".join(parts) + "\n"


def _said(row: Row) -> str:
    return f"{row.name}: mean {row.summary.mean / 60:.1f}, 90 % {row.summary.p90 / 60:.1f}"
