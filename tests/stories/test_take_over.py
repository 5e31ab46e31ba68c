"""A witness asks for help, a supervisor answers, then takes the running call over and finishes it: three people, two Chromiums.

It takes long, so it is marked soak; `make shots` takes its pictures.
"""

import re

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from console import db
from console.cases.models import Case, Status
from console.video_seat import timeline
from console.video_seat.models import CheckMark, VideoSession

from .breaking import in_a_call
from .cast import Cast
from .people import SLOWLY, Investor, Witness

pytestmark = [pytest.mark.soak, pytest.mark.shots, pytest.mark.timeout(300)]


def asks_for_help(witness: Witness, why: str) -> None:
    witness.page.keyboard.press("h")
    dialog = witness.page.get_by_role("dialog", name="求助班长")
    dialog.get_by_label("要班长帮什么").fill(why)
    witness.shot("help-asking")
    dialog.get_by_role("button", name=re.compile("^求助")).click()
    expect(witness.page.locator("[data-part=help]")).to_contain_text("已求助班长", timeout=SLOWLY)
    witness.shot("help-asked")


def stands_before_nothing(investor: Investor) -> None:
    """Once the investor has agreed the card is gone, and the call is what is seen and pressed."""
    expect(investor.page.locator("[data-consent]")).to_be_hidden(timeout=SLOWLY)
    expect(investor.page.locator("[data-room]")).to_be_visible()
    on_top = investor.page.evaluate(
        "() => { const box = document.querySelector('[data-mute]').getBoundingClientRect();"
        " return !!document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)?.closest('[data-mute]') }"
    )
    assert on_top, "something lies over the buttons of the call"


def test_a_supervisor_helps_and_then_takes_the_call_over(cast: Cast) -> None:
    fang = cast.witness("fangyi")
    fang.sign_in("/seat/dispatch")
    expect(fang.page.get_by_text("现在没有通话")).to_be_visible()
    fang.shot("dispatch-empty")
    lu, zhou = in_a_call(cast)
    stands_before_nothing(zhou)
    lu.check_the_fields()

    asks_for_help(lu, "证件上的地址拿不准")
    asked = fang.page.get_by_role("region", name="求助")
    expect(asked).to_contain_text("证件上的地址拿不准", timeout=SLOWLY)
    fang.shot("dispatch-help")
    asked.get_by_label("给陆文珊的回复").fill("以反面签发机关为准，照常核对")
    asked.get_by_role("button", name="回复").click()
    expect(lu.page.locator("[data-part=help]")).to_contain_text("方毅：以反面签发机关为准", timeout=SLOWLY)
    lu.shot("help-answered")

    asks_for_help(lu, "投资者有异议，请接管")
    expect(asked).to_contain_text("请接管", timeout=SLOWLY)
    asked.get_by_role("button", name="接管…").click()
    dialog = fang.page.get_by_role("dialog", name="接管通话")
    dialog.get_by_label("原因").fill("认证人员求助")
    fang.shot("take-over-dialog")
    dialog.get_by_role("button", name=re.compile("^接管")).click()
    fang.page.wait_for_url(re.compile("/seat$"), timeout=SLOWLY)

    expect(zhou.page.get_by_role("heading", name="认证人员已更换")).to_be_visible(timeout=SLOWLY)
    expect(zhou.page.locator("[data-consent]")).to_contain_text("方毅")
    expect(zhou.page.locator("[data-consent]")).to_contain_text("F0300001")
    zhou.shot("taken-over-consent")
    expect(fang.page.get_by_text("您接管了陆文珊的通话")).to_be_visible()
    fang.shot("taken-over-waiting")
    expect(lu.page.get_by_text("方毅已接管周晚晴的通话")).to_be_visible(timeout=SLOWLY)
    lu.shot("taken-over-from-me")

    zhou.button("我已核对，同意录音录像").click()
    zhou.sees_the_witness()
    stands_before_nothing(zhou)
    fang.sees_the_investor()
    expect(fang.page.get_by_text("您接管了陆文珊的通话")).to_be_hidden()
    zhou.shot("taken-over-call")
    fang.shot("taken-over-call")
    zhou.page.reload()
    zhou.sees_the_witness()
    stands_before_nothing(zhou)

    for picture in ("人脸", "正面", "反面"):
        fang.snapshot(picture)
    fang.mark_everything()
    fang.pass_the_case()
    with db.reading() as session:
        call = session.scalars(select(VideoSession)).one()
        assert session.scalars(select(Case)).one().status is Status.WITH_INVESTOR
        assert {mark.by for mark in session.scalars(select(CheckMark))} == {
            f"staff:{staff.id}" for staff, _ in timeline.witnesses_of(call)
        }
        pieces = timeline.segments(call)
        assert len(pieces) >= 2 and [gap.why for gap in timeline.gaps(call, pieces)].count(timeline.Why.TAKEN_OVER) == 1
