"""Service hours of the video: outside of them nobody joins, who waits keeps the place (P2, P9)."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from console.cases.models import Status
from console.config import WHOLE_DAY, VideoHours
from console.local_time import LOCAL
from console.queues import hours
from console.queues import service as queues
from tests.queues.given import at_the_video
from tests.world import stamp

DAY, NIGHT = VideoHours.parse("09:00-17:00"), VideoHours.parse("20:00-02:00")


def clock(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-20T{text}").replace(tzinfo=LOCAL)


@pytest.mark.parametrize(
    ("when", "at", "said"),
    [
        (WHOLE_DAY, "03:00", ""),
        (DAY, "09:00", ""),
        (DAY, "08:59", "现在不在视频服务时间，今日 09:00 开始排队。"),
        (DAY, "17:00", "现在不在视频服务时间，明日 09:00 开始排队。"),
        (NIGHT, "01:00", ""),
        (NIGHT, "12:00", "现在不在视频服务时间，今日 20:00 开始排队。"),
    ],
)
def test_what_is_closed_says_when_it_opens(when: VideoHours, at: str, said: str) -> None:
    assert hours.closed_words(when, clock(at)) == said


@pytest.mark.parametrize("at", ["08:59", "17:00", "23:59:59"])
def test_at_the_time_it_opens_it_is_open(at: str) -> None:
    opening = hours.opens_at(DAY, clock(at))
    assert hours.is_open(DAY, opening)
    assert not hours.is_open(DAY, opening - timedelta(seconds=1))


def test_outside_the_hours_nobody_joins(session: Session) -> None:
    case = at_the_video(session)
    with pytest.raises(hours.Closed) as refused:
        queues.join(session, case, stamp("investor:1", clock("18:30")), DAY)
    assert "明日 09:00" in refused.value.text
    assert case.status is Status.WITH_INVESTOR


def test_who_waits_when_it_closes_keeps_the_place(session: Session) -> None:
    case = at_the_video(session)
    ticket = queues.join(session, case, stamp("investor:1", clock("16:59")), DAY)
    assert queues.join(session, case, stamp("investor:1", clock("17:01")), DAY) is ticket
