"""服务时间 of the video: Settings.video_hours less the 休息日 of the register; in words, when it opens again, the refusal outside of it.

``closed``: the days without video, as ``closed_days`` finds them. A service that goes past midnight belongs to the day on which it began.
"""

from collections.abc import Collection
from datetime import date, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from console.config import VideoHours
from console.local_time import LOCAL, local_day
from console.people.models import Branch
from console.problem import Problem

from .models import Holiday

FARTHEST = 400  # days that are looked at for the next opening


class Closed(Problem):
    """Nobody takes calls at this time of the day."""

    status, code = 409, "closed"

    def __init__(self, hours: VideoHours, at: datetime, closed: Collection[date] = ()):
        super().__init__(text=f"{closed_words(hours, at, closed)}已填写的内容都会保留。")


def holidays(session: Session, branch: Branch, since: date) -> dict[date, str]:
    """休息日 of this branch from ``since`` on, each with its name."""
    found = session.execute(
        select(Holiday.day, Holiday.title).where(
            Holiday.active,
            Holiday.broker_id == branch.broker_id,
            or_(Holiday.branch_id.is_(None), Holiday.branch_id == branch.id),
            Holiday.day >= since,
        )
    )
    return dict(found.all())


def closed_days(session: Session, branch: Branch, at: datetime) -> frozenset[date]:
    """The days without video that matter at ``at``: from the day before on."""
    return frozenset(holidays(session, branch, local_day(at) - timedelta(days=1)))


def words(hours: VideoHours) -> str:
    return "视频全天办理" if hours.opens == hours.closes else f"视频 {hours.opens:%H:%M} 至 {hours.closes:%H:%M}"


def is_open(hours: VideoHours, at: datetime, closed: Collection[date] = ()) -> bool:
    local = at.astimezone(LOCAL)
    past_midnight = hours.opens > hours.closes and local.time() < hours.closes
    day = local.date() - timedelta(days=1) if past_midnight else local.date()
    return hours.covers(local.time()) and day not in closed


def opens_at(hours: VideoHours, at: datetime, closed: Collection[date] = ()) -> datetime:
    """The next opening after ``at``, a time outside the hours."""
    now = at.astimezone(LOCAL)
    for days in range(FARTHEST):
        opening = datetime.combine(now.date() + timedelta(days=days), hours.opens, LOCAL)
        if opening > now and opening.date() not in closed:
            return opening
    raise ValueError(f"no opening within {FARTHEST} days")


def closed_words(hours: VideoHours, at: datetime, closed: Collection[date] = ()) -> str:
    """'' while it is open, else a sentence with the next opening."""
    if is_open(hours, at, closed):
        return ""
    opening = opens_at(hours, at, closed)
    days = (opening.date() - local_day(at)).days
    day = {0: "今日", 1: "明日"}.get(days, f"{opening.month}月{opening.day}日")
    return f"现在不在视频服务时间，{day} {opening:%H:%M} 开始排队。"
