"""When a task is due: so many working hours after it was opened, in the branch's service hours, Monday to Friday less its days off."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from console.local_time import LOCAL
from console.people.models import Branch

PROMISE = timedelta(hours=2)  # what the house promises for 复核


def due_at(
    branch: Branch, opened_at: datetime, promise: timedelta = PROMISE, days_off: Collection[date] = ()
) -> datetime:
    """An aware time. ``days_off``: local days on which nobody works (console.queues.hours.holidays). A branch whose hours make no
    sense (opens after it closes) counts the clock straight on.
    """
    opens, closes = time.fromisoformat(branch.opens_at), time.fromisoformat(branch.closes_at)
    if opens >= closes:
        return opened_at + promise
    now, left = opened_at.astimezone(LOCAL), promise
    while True:
        start = max(now, datetime.combine(now.date(), opens, LOCAL))
        end = datetime.combine(now.date(), closes, LOCAL)
        if now.weekday() < 5 and now.date() not in days_off and start < end:
            if left <= end - start:
                return (start + left).astimezone(opened_at.tzinfo)
            left -= end - start
        now = datetime.combine(now.date() + timedelta(days=1), time(0), LOCAL)


@dataclass(frozen=True)
class Sla:
    """How a due time reads: ``kind`` ok, wait (less than an hour) or bad (over); ``used`` of the promise, 0 to 1."""

    words: str
    kind: str
    used: float


def sla(due: datetime, now: datetime, promise: timedelta = PROMISE) -> Sla:
    left = due - now
    minutes = abs(int(left.total_seconds() // 60))
    span = f"{minutes} 分钟" if minutes < 60 else f"{minutes // 60} 小时 {minutes % 60:02d} 分"
    if minutes >= 48 * 60:
        span = f"{minutes // (24 * 60)} 天"
    if left <= timedelta(0):
        return Sla(f"超时 {span}", "bad", 1.0)
    kind = "wait" if left <= timedelta(hours=1) else "ok"
    return Sla(span, kind, min(1.0, max(0.05, 1 - left / promise)))
