"""修改结算账户 as people live it: an investor on a phone, a witness and a reviewer at their desks, on a real instance."""

import re
import time

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from console.db import reading
from console.evidence import service as evidence
from console.video_seat.models import Recording

from .cast import PASSWORD, Cast
from .kept import assert_recordings_are_whole
from .people import PHONE_CAMERA, SLOWLY, Card
from .stage import Pictures

pytestmark = [pytest.mark.story, pytest.mark.early, pytest.mark.timeout(400)]


def test_a_settlement_account_is_changed(cast: Cast) -> None:
    zhou = cast.investor("周晚晴")
    zhou.choose("修改结算账户")
    zhou.sign_in(by_phone=False)
    zhou.try_a_text_file()
    zhou.photograph(Card.of(zhou.person, PHONE_CAMERA))
    zhou.read_the_undertaking()
    zhou.shot("photos")
    zhou.next()
    zhou.is_at("银行卡照片上传")
    zhou.add_a_card("招商银行", "6225880123453459")
    zhou.shot("cards")
    zhou.hand_in_the_cards()
    zhou.find_no_certificate()
    zhou.queue_up()
    assert zhou.waiting() == 1

    lu = cast.witness("luwenshan")
    lu.sign_in("/seat")
    lu.go_online()
    lu.sees_in_the_queue("周晚晴")
    lu.answer()
    zhou.agree_to_the_recording()
    lu.sees_the_investor()
    zhou.sees_the_witness()
    began = time.monotonic()
    lu.snapshot("人脸")
    lu.shot("seat-in-call")
    lu.reject("身份证正面模糊|证件照.*模糊|照片.*模糊", "卡号")

    # back to the first blamed step by itself, each reason at its step, the rest kept
    zhou.is_at("上传照片")
    lasted = time.monotonic() - began
    expect(zhou.page.get_by_text(re.compile("模糊|不清")).first).to_be_visible()
    zhou.shot("rejected-photos")
    zhou.page.goto(f"/case/{zhou.case_no}/progress")
    zhou.shot("task-list")
    zhou.page.goto(f"/case/{zhou.case_no}")
    zhou.photograph(Card.of(zhou.person))
    zhou.next()
    zhou.is_at("银行卡照片上传")
    expect(zhou.page.get_by_text(re.compile("卡号")).first).to_be_visible()
    zhou.shot("rejected-cards")
    zhou.refused_to_go_on_unchanged()
    zhou.remove_the_card("3459")
    zhou.add_a_card("招商银行", "6225880123456783")
    zhou.hand_in_the_cards()
    zhou.queue_up()

    # the web process dies while she waits: she keeps her place, and both pages find their way back by themselves
    killed = cast.running.kill("console.wsgi")
    cast.running.wait_for_another("console.wsgi", killed)
    assert zhou.waiting() == 1
    lu.sees_in_the_queue("周晚晴")
    lu.answer()
    zhou.agree_to_the_recording()
    lu.sees_the_investor()
    for what in ("人脸", "手持证件", "正面", "反面", "整幅"):
        lu.snapshot(what)
    lu.mark_everything()
    lu.pass_the_case()

    zhou.install_the_certificate(PASSWORD)
    zhou.sign(PASSWORD)
    expect(zhou.page.get_by_role("heading", name="修改结算账户申请已提交")).to_be_visible(timeout=SLOWLY)
    zhou.shot("submitted")

    herself = cast.reviewer("luwenshan2")
    herself.sign_in("/review")
    herself.open(zhou.case_no)
    herself.is_refused_as_the_maker()

    qin = cast.reviewer("qinlang")
    qin.sign_in("/review")
    qin.open(zhou.case_no)
    qin.claim()
    qin.plays_the_recording()
    expect(qin.page.get_by_text("有效").first).to_be_visible()
    qin.shot("review-case")
    qin.approve()

    expect(zhou.page.get_by_text("业务已办结")).to_be_visible(timeout=SLOWLY)
    zhou.page.goto("/my?tab=done")
    expect(zhou.page.get_by_text("已办结", exact=True)).to_be_visible()
    zhou.sees_what_the_counter_carried_out()
    zhou.shot("my-business-done")
    verified = cast.running.console("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert_recordings_are_whole(4, shortest=lasted)
    keep_a_recording(cast.pictures)


def keep_a_recording(pictures: Pictures) -> None:
    if pictures.folder is None:
        return
    with reading() as session:
        for recording in session.scalars(select(Recording)):
            name = f"recording-{recording.session_id}-{recording.side}-{recording.segment}.webm"
            (pictures.folder / name).write_bytes(evidence.clear_bytes(recording.evidence))
