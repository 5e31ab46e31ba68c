"""Pictures of 调度, 改派 and what it means to the investor, and the board while somebody asks for help."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from console import db
from console.queues import seats
from console.queues.models import SeatState
from console.video_seat import helping, service
from tests.queues.given import crowd, online
from tests.world import stamp

from .cast import Cast
from .people import SLOWLY, Staff
from .stage import DESKTOP, Pictures
from .test_shots_queue import at_the_video, in_all_sizes, now

pytestmark = [pytest.mark.story, pytest.mark.shots, pytest.mark.timeout(300)]


def test_waiting_people_are_sent_elsewhere(
    cast: Cast, open_page: Callable[..., Page], desktops: Browser, pictures: Pictures
) -> None:
    with db.transaction() as session:
        online(session, "jianmingxuan", now())
        crowd(session, 3, now() - timedelta(minutes=9))
        seat = online(session, "luwenshan", now())
        mark = stamp(f"staff:{seat.staff_id}", now())
        ticket = seats.answer_next(session, seat, mark)
        assert ticket is not None
        call = service.start(session, ticket, seat, "", mark)
        helping.ask(session, call, "证件上的地址拿不准", mark)
        seats.enter(session, online(session, "weiyinuo", now()), SeatState.BREAK, now())
    zhou = at_the_video(cast, "周晚晴")
    zhou.queue_up()
    fang = Staff(open_page(desktops, DESKTOP), "fangyi", pictures)
    fang.sign_in("/board")
    expect(fang.page.get_by_text("求助班长").first).to_be_visible(timeout=SLOWLY)
    fang.shot_low_too("board-help")
    fang.page.get_by_role("link", name="去处理").click()
    row = fang.page.get_by_role("row").filter(has_text="周晚晴")
    expect(row).to_be_visible(timeout=SLOWLY)
    fang.shot("floor")
    row.get_by_role("button", name="改派…").click()
    dialog = fang.page.get_by_role("dialog", name="改派")
    branch = dialog.get_by_label("营业部")
    branch.select_option(value=branch.locator("option", has_text="杭州").get_attribute("value"))
    dialog.get_by_label("认证人员").select_option(label="简明轩")
    dialog.get_by_label("原因").fill("本部人手不足")
    fang.shot("floor-move")
    dialog.get_by_role("button", name=re.compile("^改派")).click()
    expect(fang.page.get_by_text("周晚晴已改派到杭州")).to_be_visible(timeout=SLOWLY)
    fang.shot("floor-moved")
    expect(zhou.page.get_by_text("已为您转到杭州")).to_be_visible(timeout=SLOWLY)
    assert zhou.waiting() == 1
    in_all_sizes(zhou, "moved")
