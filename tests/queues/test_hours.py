"""Service hours of the video: outside of them nobody joins, who waits keeps the place (P2, P9)."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from console.cases.models import Status
from console.config import WHOLE_DAY, VideoHours
from console.local_time import LOCAL
from console.queues import hours
from console.queues import service as queues
from console.queues.models import Holiday
from tests.queues.given import at_the_video
from tests.world import stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")

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


@pytest.mark.parametrize(
    ("when", "at", "said"),
    [
        (WHOLE_DAY, "10:00", "现在不在视频服务时间，11月23日 00:00 开始排队。"),
        (DAY, "10:00", "现在不在视频服务时间，11月23日 09:00 开始排队。"),
        (NIGHT, "01:00", ""),  # this night began on the day before
        (NIGHT, "21:00", "现在不在视频服务时间，11月23日 20:00 开始排队。"),
    ],
)
def test_on_days_off_it_is_closed_until_the_next_day_of_work(when: VideoHours, at: str, said: str) -> None:
    days_off = {date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 22)}
    assert hours.closed_words(when, clock(at), days_off) == said


def test_on_a_day_off_of_the_branch_nobody_joins_there_and_others_do(session: Session) -> None:
    here, elsewhere = at_the_video(session, "周晚晴"), at_the_video(session, "闻子期")
    row = Holiday(broker_id=here.branch.broker_id, branch_id=here.branch_id, day=date(2026, 11, 20), title="搬迁")
    session.add(row)
    session.flush()
    with pytest.raises(hours.Closed) as refused:
        queues.join(session, here, stamp("investor:1", clock("10:00")))
    assert "明日 00:00" in refused.value.text
    queues.join(session, elsewhere, stamp("investor:3", clock("10:00")))
    row.active = False
    session.flush()
    queues.join(session, here, stamp("investor:1", clock("10:00")))


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
