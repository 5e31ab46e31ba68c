"""增开交易编码 as people live it, on PostgreSQL: profile, notices of suitability, score reports, reading."""

import re

import pytest
from playwright.sync_api import expect

from worker.robots import pictures as photographs

from .cast import PASSWORD, Cast
from .people import SLOWLY, Card

pytestmark = [pytest.mark.story, pytest.mark.early, pytest.mark.timeout(400)]


@pytest.mark.parametrize("running", ["postgresql"], indirect=True)
def test_a_trading_code_is_added(cast: Cast) -> None:
    xu = cast.investor("许砚青")
    xu.choose("增开交易编码")
    xu.sign_in(by_phone=True)
    xu.photograph(Card.of(xu.person))
    xu.read_the_undertaking()
    xu.next()
    xu.is_at("个人基本资料")
    xu.shot("profile")
    xu.next()

    # C3 who chooses crude oil answers both notices
    xu.is_at("交易所选择")
    xu.page.get_by_role("checkbox", name=re.compile("上海国际能源交易中心")).check()
    xu.shot("exchanges")
    xu.next()
    for which in ("第一次告知", "第二次告知"):
        notice = xu.page.get_by_role("alertdialog", name=which)
        expect(notice).to_be_visible(timeout=SLOWLY)
        xu.shot(which)
        notice.get_by_role("button", name="坚持开立交易编码").click()
        expect(notice).not_to_be_visible(timeout=SLOWLY)

    # a first crude-oil code asks for score reports
    xu.is_at("成绩报告单")
    for n in range(2):
        sheet = photographs.score_report(xu.person.name, 86 + n, "2026-11-0" + str(n + 1))
        xu.page.locator("input[type=file]").last.set_input_files(
            {"name": f"{n}.jpg", "mimeType": "image/jpeg", "buffer": sheet}
        )
        expect(xu.page.locator("[data-state=ready]")).to_have_count(n + 1, timeout=SLOWLY)
    xu.shot("score-reports")
    xu.next()
    xu.is_at("阅读相关协议")
    xu.next()
    expect(xu.page.get_by_text("请完整阅读该协议内容").first).to_be_visible()
    xu.read_everything()
    xu.is_at("阅读相关协议")
    xu.next()
    xu.queue_up()

    lu = cast.witness("luwenshan")
    lu.sign_in("/seat")
    lu.go_online()
    lu.answer()
    xu.agree_to_the_recording()
    lu.sees_the_investor()
    for what in ("人脸", "手持证件", "正面", "反面", "整幅"):
        lu.snapshot(what)
    lu.mark_everything()
    lu.shot("seat-in-call")
    lu.pass_the_case()

    xu.install_the_certificate(PASSWORD)
    xu.sign(PASSWORD)
    expect(xu.page.get_by_role("heading", name="增开交易编码申请已提交")).to_be_visible(timeout=SLOWLY)
    qin = cast.reviewer("qinlang")
    qin.sign_in("/review")
    qin.open(xu.case_no)
    qin.claim()
    qin.shot("review-case")
    qin.approve()
    expect(xu.page.get_by_text("业务已办结")).to_be_visible(timeout=SLOWLY)
    xu.page.goto("/my?tab=done")
    expect(xu.page.get_by_text("已办结", exact=True)).to_be_visible()
    xu.sees_what_the_counter_carried_out()
    assert cast.running.console("verify").returncode == 0
