"""When a task is due: so many working hours after it was opened, in the branch's service hours, Monday to Friday."""

from datetime import datetime, time, timedelta

from console.people.models import Branch
from console.people.numbers import LOCAL

PROMISE = timedelta(hours=2)  # what the house promises for 复核


def due_at(branch: Branch, opened_at: datetime, promise: timedelta = PROMISE) -> datetime:
    """An aware time. A branch whose hours make no sense (opens after it closes) counts the clock straight on."""
    opens, closes = time.fromisoformat(branch.opens_at), time.fromisoformat(branch.closes_at)
    if opens >= closes:
        return opened_at + promise
    now, left = opened_at.astimezone(LOCAL), promise
    while True:
        start = max(now, datetime.combine(now.date(), opens, LOCAL))
        end = datetime.combine(now.date(), closes, LOCAL)
        if now.weekday() < 5 and start < end:
            if left <= end - start:
                return (start + left).astimezone(opened_at.tzinfo)
            left -= end - start
        now = datetime.combine(now.date() + timedelta(days=1), time(0), LOCAL)
