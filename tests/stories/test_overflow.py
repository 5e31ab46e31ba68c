"""An investor waits at a branch where nobody sits; a witness of another branch sees and answers by the overflow rule.

It takes long, so it is marked soak; `make shots` takes its pictures.
"""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from console import db
from console.cases.models import Case
from console.evidence.models import Evidence, Variant
from console.people.models import Branch
from console.queues.models import OverflowRule, Ticket
from tests.queues.given import to_the_video

from .cast import Cast
from .people import SLOWLY, Card, Investor, Witness
from .test_shots_queue import now

pytestmark = [pytest.mark.soak, pytest.mark.shots, pytest.mark.timeout(300)]
NOT_HERS = 404
MINUTES = 1  # the least that a rule may say


def hangzhou_helps_shanghai() -> None:
    with db.transaction() as session:
        here, there = (session.scalars(select(Branch).where(Branch.code == code)).one() for code in ("SH01", "HZ01"))
        session.add(OverflowRule(branch=here, to_branch=there, after_minutes=MINUTES))


def has_waited(minutes: int) -> None:
    with db.transaction() as session:
        session.scalars(select(Ticket)).one().joined_at = now() - timedelta(minutes=minutes, seconds=5)


def opens_the_photo(witness: Witness, url: str) -> int:
    """The status of the answer to her browser, with her session."""
    return witness.page.request.get(url).status


def with_photos_at_the_video(cast: Cast) -> tuple[Investor, str]:
    """→ the investor and the address of a photo of hers."""
    zhou = cast.investor("周晚晴")
    zhou.choose("修改结算账户")
    zhou.sign_in(by_phone=False)
    zhou.photograph(Card.of(zhou.person))
    with db.transaction() as session:
        case = session.scalars(select(Case).where(Case.case_no == zhou.case_no)).one()
        photos = select(Evidence.public_id).where(Evidence.case_id == case.id, Evidence.variant == Variant.ORIGINAL)
        photo = session.scalars(photos).first()
        to_the_video(case, now())
    zhou.page.goto(f"/case/{zhou.case_no}")
    return zhou, f"/evidence/{photo}"


def test_who_waits_too_long_is_answered_from_another_branch_and_is_known_there_for_the_call_only(cast: Cast) -> None:
    hangzhou_helps_shanghai()
    jian = cast.witness("jianmingxuan")
    jian.sign_in("/seat")
    jian.go_online()
    zhou, photo = with_photos_at_the_video(cast)
    zhou.queue_up()
    jian.page.reload()
    queue = jian.page.locator("[data-part=queue]")
    expect(queue).to_contain_text("现在没有人排队")
    assert opens_the_photo(jian, photo) == NOT_HERS

    has_waited(MINUTES)
    jian.page.reload()
    expect(queue).to_contain_text("其他营业部溢出")
    expect(jian.page.get_by_role("region", name="下一位")).to_contain_text("上海陆家嘴营业部")
    jian.sees_in_the_queue("周晚晴")
    jian.shot_low_too("overflow-waiting")
    assert opens_the_photo(jian, photo) == NOT_HERS, "waiting alone opens nothing"

    jian.answer()
    zhou.agree_to_the_recording()
    zhou.sees_the_witness()
    jian.sees_the_investor()
    expect(queue).to_contain_text("上海陆家嘴营业部溢出")
    jian.shot_low_too("overflow-call")
    assert opens_the_photo(jian, photo) == 200

    jian.reject("身份证照片模糊")
    expect(zhou.page.locator("body")).to_contain_text(re.compile("未通过|重新"), timeout=SLOWLY)
    zhou.shot("overflow-over")
    jian.shot("overflow-over")
    assert opens_the_photo(jian, photo) == NOT_HERS
