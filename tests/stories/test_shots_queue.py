"""Pictures of waiting, of 请求加急 and of 预约视频, on phones, and of the live board: what the stories pass too quickly to be looked at."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from console import db
from console.cases.models import Case
from console.local_time import local_day
from console.people.models import Branch
from console.queues import seats, urgent
from console.queues.models import Holiday, SeatState, UrgentRequest
from tests.queues.given import crowd, online, to_the_video
from tests.world import staff_named, stamp

from .cast import Cast
from .people import SLOWLY, Investor, Staff
from .stage import DESKTOP, PHONE, Pictures

pytestmark = [pytest.mark.story, pytest.mark.shots, pytest.mark.timeout(300)]
SIZES = {"phone": PHONE, "small": {"width": 360, "height": 740}, "landscape": {"width": 844, "height": 390}}
SHANGHAI = "SH01"


def now() -> datetime:
    return datetime.now(UTC)


def at_the_video(cast: Cast, name: str) -> Investor:
    investor = cast.investor(name)
    investor.choose("修改结算账户")
    investor.sign_in(by_phone=False)
    with db.transaction() as session:
        to_the_video(session.scalars(select(Case).where(Case.case_no == investor.case_no)).one(), now())
    investor.page.goto(f"/case/{investor.case_no}")
    return investor


def in_all_sizes(investor: Investor, what: str) -> None:
    """Whole pages: what is below the fold is looked at as well. No size makes the page wider than the screen."""
    for size, viewport in SIZES.items():
        investor.page.set_viewport_size(viewport)  # type: ignore[arg-type]
        assert investor.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), (what, size)
        investor.shot(f"{what}-{size}")
    investor.page.set_viewport_size(PHONE)  # type: ignore[arg-type]


def decided(investor: Investor, granted: bool) -> None:
    """A supervisor decides the open request of this investor."""
    with db.transaction() as session:
        request = session.scalars(select(UrgentRequest).where(UrgentRequest.granted.is_(None))).one()
        fangyi = staff_named(session, "fangyi")
        mark = stamp(f"staff:{fangyi.id}", now())
        if granted:
            urgent.grant(session, request.id, fangyi, mark)
        else:
            urgent.decline(session, request.id, fangyi, "今天办理的人都急，请按顺序等候，预计 20 分钟内接通", mark)
    investor.page.reload()


def asks_for_urgency(investor: Investor, reason: str) -> None:
    page = investor.page
    page.locator("summary").filter(has_text="请求加急").click()
    page.get_by_label("加急的原因").fill(reason)
    in_all_sizes(investor, "urgent-open")
    investor.button("提交请求").click()
    expect(page.get_by_text("加急请求已提交")).to_be_visible(timeout=SLOWLY)


def test_waiting_and_asking_for_urgency(cast: Cast) -> None:
    with db.transaction() as session:
        seats.enter(session, online(session, at=now()), SeatState.IN_CALL, now())
        crowd(session, 4, now() - timedelta(minutes=9))
    zhou = at_the_video(cast, "周晚晴")
    expect(zhou.button("开始视频通话")).to_be_enabled(timeout=SLOWLY)
    in_all_sizes(zhou, "before")
    zhou.queue_up()
    in_all_sizes(zhou, "waiting")
    asks_for_urgency(zhou, "下午两点的航班，起飞前需要办完")
    in_all_sizes(zhou, "urgent-sent")
    decided(zhou, granted=False)
    expect(zhou.page.get_by_text("班长没有同意加急")).to_be_visible()
    in_all_sizes(zhou, "urgent-declined")
    asks_for_urgency(zhou, "航班提前到一点，家里只有我一个人")
    decided(zhou, granted=True)
    expect(zhou.page.get_by_text("班长已同意加急")).to_be_visible()
    assert zhou.waiting() == 5
    in_all_sizes(zhou, "urgent-granted")


def test_an_appointment_from_the_calendar_to_its_end(cast: Cast) -> None:
    zhou = at_the_video(cast, "周晚晴")
    page = zhou.page
    page.get_by_role("link", name="预约视频").click()
    zhou.is_at("选择视频时间")
    in_all_sizes(zhou, "calendar")
    zhou.button("选定这个时间").click()
    expect(page.get_by_text("请选择一个时间").first).to_be_visible()
    in_all_sizes(zhou, "calendar-nothing-chosen")
    slots = page.locator("details[open] .slot-list input:enabled")
    slots.first.check()
    in_all_sizes(zhou, "calendar-chosen")
    zhou.button("选定这个时间").click()
    expect(page.get_by_text("已为您保留 3 分钟")).to_be_visible(timeout=SLOWLY)
    in_all_sizes(zhou, "calendar-held")
    zhou.button("确认预约").click()
    expect(page.get_by_text("预约成功")).to_be_visible(timeout=SLOWLY)
    in_all_sizes(zhou, "booked")
    page.get_by_role("link", name="改约").click()
    zhou.is_at("改约")
    in_all_sizes(zhou, "change")
    slots.last.check()
    zhou.button("选定这个时间").click()
    zhou.button("确认改约").click()
    expect(page.get_by_text("已改约")).to_be_visible(timeout=SLOWLY)
    zhou.button("取消预约").click()
    expect(page.get_by_role("alertdialog", name="取消预约")).to_be_visible()
    in_all_sizes(zhou, "cancel")
    page.get_by_role("button", name="保留预约").click()
    page.goto(f"/case/{zhou.case_no}/video")
    expect(page.get_by_text("您已预约")).to_be_visible()
    in_all_sizes(zhou, "before-with-appointment")


def test_a_day_without_video(cast: Cast) -> None:
    with db.transaction() as session:
        branch = session.scalars(select(Branch).where(Branch.code == SHANGHAI)).one()
        session.add(Holiday(broker_id=branch.broker_id, day=local_day(now()), title="系统维护"))
    zhou = at_the_video(cast, "周晚晴")
    expect(zhou.button("开始视频通话")).to_be_disabled()
    expect(zhou.page.get_by_text("网络").first).to_be_visible()
    in_all_sizes(zhou, "closed")
    zhou.page.get_by_role("link", name="预约视频").click()
    in_all_sizes(zhou, "closed-calendar")


def test_a_call_on_a_phone_held_upright_and_on_its_side(cast: Cast) -> None:
    zhou = at_the_video(cast, "周晚晴")
    zhou.queue_up()
    lu = cast.witness("luwenshan")
    lu.sign_in("/seat")
    lu.go_online()
    lu.sees_in_the_queue("周晚晴")
    lu.answer()
    expect(zhou.page.get_by_role("heading", name="认证人员已接通")).to_be_visible(timeout=SLOWLY)
    in_all_sizes(zhou, "consent")
    zhou.button("不同意").click()
    sheet = zhou.page.get_by_role("dialog").or_(zhou.page.get_by_role("alertdialog")).filter(has_text="不同意录音录像")
    expect(sheet).to_be_visible()
    in_all_sizes(zhou, "decline")
    sheet.get_by_role("button", name="结束通话").click()
    expect(zhou.page.get_by_text("您没有同意录音录像")).to_be_visible(timeout=SLOWLY)
    in_all_sizes(zhou, "declined")
    expect(lu.page.get_by_text("周晚晴不同意录音录像")).to_be_visible(timeout=SLOWLY)
    lu.shot("declined")
    zhou.queue_up()
    lu.answer()
    zhou.agree_to_the_recording()
    zhou.sees_the_witness()
    expect(zhou.page.locator("[data-network]")).to_have_text(re.compile("良好|一般|较差"), timeout=SLOWLY)
    in_all_sizes(zhou, "call")
    zhou.button("设备").click()
    in_all_sizes(zhou, "devices")
    zhou.button("完成").click()
    lu.page.keyboard.press("k")
    lu.page.keyboard.press("1")
    expect(zhou.page.get_by_text("请大声读出这些数字")).to_be_visible(timeout=SLOWLY)
    in_all_sizes(zhou, "digits")
    lu.page.keyboard.press("Shift+Y")
    expect(zhou.page.get_by_text("请大声读出这些数字")).to_be_hidden(timeout=SLOWLY)
    expect(lu.page.locator(".dare")).to_contain_text("读对", timeout=SLOWLY)
    zhou.page.evaluate("document.querySelector('[data-frame]').hidden = false")
    in_all_sizes(zhou, "frame")
    zhou.page.evaluate(
        "for (const each of ['code', 'frame', 'cue-box']) document.querySelector(`[data-${each}]`).hidden = each !== 'code'"
    )
    in_all_sizes(zhou, "code")  # no second message within the minute of signing in: only its form is shown
    zhou.page.reload()
    zhou.sees_the_witness()
    zhou.button("挂断").click()
    zhou.page.get_by_role("button", name="离开", exact=True).click()
    expect(zhou.page.get_by_text("您已离开通话")).to_be_visible()
    in_all_sizes(zhou, "left")
    expect(lu.page.locator("[data-peer] [data-network]")).to_have_text("中断", timeout=SLOWLY)
    expect(lu.page.locator("[data-peer] .line-down")).to_contain_text("投资者已离开通话")
    lu.shot("left")


@pytest.mark.parametrize("username", ["fangyi", "admin"])
def test_the_live_board(
    cast: Cast, open_page: Callable[..., Page], desktops: Browser, pictures: Pictures, username: str
) -> None:
    with db.transaction() as session:
        seats.enter(session, online(session, at=now()), SeatState.IN_CALL, now() - timedelta(minutes=6))
        online(session, "weiyinuo", now())
        crowd(session, 6, now() - timedelta(minutes=12))
    person = Staff(open_page(desktops, DESKTOP), username, pictures)
    person.sign_in("/board")
    expect(person.page.get_by_text(re.compile("实时看板")).first).to_be_visible()
    person.page.wait_for_load_state("networkidle")
    person.shot("board")
    person.page.set_viewport_size({"width": 1280, "height": 720})
    person.shot("board-small")
