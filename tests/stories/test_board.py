"""A supervisor's board follows, without a reload, what an investor and a witness do in other browsers, and raises the alarm.

It takes long, so it is marked soak; `make shots` takes its pictures.
"""

from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from console import db
from console.queues.models import Ticket

from .cast import Cast
from .people import SLOWLY, Staff
from .test_shots_queue import at_the_video, now

pytestmark = [pytest.mark.soak, pytest.mark.shots, pytest.mark.timeout(300)]
PAST_THE_RED_LINE = timedelta(minutes=25)


def shows(board: Staff, **numbers: str) -> None:
    for title, number in numbers.items():
        tile = board.page.locator("#b-kpis dl > div").filter(has=board.page.get_by_text(title, exact=True))
        expect(tile.locator("dd")).to_have_text(number, timeout=SLOWLY)


def test_the_board_follows_an_investor_who_joins_is_answered_and_ends(cast: Cast) -> None:
    fang: Staff = cast.witness("fangyi")
    fang.sign_in("/board")
    expect(fang.page.locator("html")).to_have_attribute("data-live", "online", timeout=SLOWLY)
    fang.page.evaluate("document.documentElement.dataset.sameDocument = 'yes'")
    shows(fang, 排队="0", 通话中="0", 今日接听="0")
    alarm = fang.page.locator("#b-alerts .note.bad")
    expect(alarm).to_have_count(0)

    zhou = at_the_video(cast, "周晚晴")
    zhou.queue_up()
    shows(fang, 排队="1", 通话中="0", 今日接听="0")
    expect(alarm).to_contain_text("没有坐席在线", timeout=SLOWLY)
    fang.shot_low_too("board-nobody")

    with db.transaction() as session:
        session.scalars(select(Ticket)).one().joined_at = now() - PAST_THE_RED_LINE
    lu = cast.witness("luwenshan")
    lu.sign_in("/seat")
    lu.go_online()
    expect(alarm).to_contain_text("分钟红线", timeout=SLOWLY)
    fang.shot_low_too("board-alarm")

    lu.answer()
    shows(fang, 排队="0", 通话中="1", 今日接听="1")
    expect(alarm).to_have_count(0)
    zhou.agree_to_the_recording()
    zhou.sees_the_witness()
    lu.sees_the_investor()
    fang.shot_low_too("board-in-call")

    lu.reject("身份证照片模糊")
    shows(fang, 排队="0", 通话中="0", 今日接听="1")
    fang.shot("board-ended")
    assert fang.page.evaluate("document.documentElement.dataset.sameDocument") == "yes", "the page was loaded anew"
