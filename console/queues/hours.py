"""服务时间 of the video (Settings.video_hours): in words, when it opens again, and the refusal outside of it."""

from datetime import datetime, timedelta

from console.config import VideoHours
from console.local_time import LOCAL, local_day
from console.problem import Problem


class Closed(Problem):
    """Nobody takes calls at this time of the day."""

    status, code = 409, "closed"

    def __init__(self, hours: VideoHours, at: datetime):
        super().__init__(text=f"{closed_words(hours, at)}已填写的内容都会保留。")


def words(hours: VideoHours) -> str:
    return "视频全天办理" if hours.opens == hours.closes else f"视频 {hours.opens:%H:%M} 至 {hours.closes:%H:%M}"


def is_open(hours: VideoHours, at: datetime) -> bool:
    return hours.covers(at.astimezone(LOCAL).time())


def opens_at(hours: VideoHours, at: datetime) -> datetime:
    """The next opening after ``at``, a time outside the hours."""
    now = at.astimezone(LOCAL)
    today = datetime.combine(now.date(), hours.opens, LOCAL)
    return today if today > now else today + timedelta(days=1)


def closed_words(hours: VideoHours, at: datetime) -> str:
    """'' while it is open, else a sentence with the next opening."""
    if is_open(hours, at):
        return ""
    opening = opens_at(hours, at)
    day = "今日" if opening.date() == local_day(at) else "明日"
    return f"现在不在视频服务时间，{day} {opening:%H:%M} 开始排队。"
