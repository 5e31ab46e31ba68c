"""The main job as people live it: an investor on a phone, a witness and a reviewer at their desks, on a real instance."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from console.db import reading
from console.evidence import service as evidence
from console.seed import DEMO_INVESTORS
from console.video_seat.models import Recording
from worker.robots import pictures as photographs

from .conftest import DESKTOP, PHONE, Pictures, Running
from .people import SLOWLY, Card, Investor, Reviewer, Witness, with_the_house_open

pytestmark = [pytest.mark.story, pytest.mark.timeout(400)]
PASSWORD = "小船-Lantern-42"
OpenPage = Callable[..., Page]


@pytest.fixture
def cast(
    running: Running, phones: Browser, desktops: Browser, open_page: OpenPage, pictures: Pictures, tmp_path: Path
) -> "Cast":
    with_the_house_open(running)
    return Cast(running, phones, desktops, open_page, pictures, tmp_path)


class Cast:
    """Who plays. Everybody has a browser context of their own; phones and desks are two Chromiums."""

    def __init__(
        self,
        running: Running,
        phones: Browser,
        desktops: Browser,
        open_page: OpenPage,
        pictures: Pictures,
        folder: Path,
    ):
        self.running, self.phones, self.desktops, self.open_page = running, phones, desktops, open_page
        self.pictures, self.folder = pictures, folder

    def investor(self, name: str) -> Investor:
        person = next(each for each in DEMO_INVESTORS if each.name == name)
        return Investor(self.open_page(self.phones, PHONE, phone=True), person, self.pictures, self.folder)

    def witness(self, username: str) -> Witness:
        return Witness(self.open_page(self.desktops, DESKTOP), username, self.pictures)

    def reviewer(self, username: str) -> Reviewer:
        return Reviewer(self.open_page(self.desktops, DESKTOP), username, self.pictures)


def test_a_settlement_account_is_changed(cast: Cast) -> None:
    zhou = cast.investor("周晚晴")
    zhou.choose("修改结算账户")
    zhou.sign_in(by_phone=False)
    zhou.try_a_text_file()
    zhou.photograph(Card.of(zhou.person, photographs.PLAIN.but(orientation=6)))
    zhou.read_the_undertaking()
    zhou.shot("photos")
    zhou.next()
    zhou.is_at("银行卡照片上传")
    zhou.add_a_card("招商银行", "6225880123456783")
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
    zhou.hand_in_the_cards()
    zhou.queue_up()

    lu.sees_in_the_queue("周晚晴")
    lu.answer()
    zhou.agree_to_the_recording()
    lu.sees_the_investor()
    for what in ("人脸", "证件", "整幅"):
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

    zhou.page.goto("/my?tab=done")
    expect(zhou.page.get_by_text("已办结", exact=True)).to_be_visible()
    zhou.shot("my-business-done")
    verified = cast.running.console("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert_recordings_are_whole(4, shortest=lasted)
    keep_a_recording(cast.pictures)


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
    for what in ("人脸", "证件", "整幅"):
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
    xu.page.goto("/my?tab=done")
    expect(xu.page.get_by_text("已办结", exact=True)).to_be_visible()
    assert cast.running.console("verify").returncode == 0


def assert_recordings_are_whole(expected: int, *, shortest: float) -> None:
    """Every recording decodes to its end with picture and sound; each is as long as the database says, to a second."""
    with reading() as session:
        kept = list(session.scalars(select(Recording).order_by(Recording.id)))
        assert len(kept) >= expected
        for recording in kept:
            clear = evidence.clear_bytes(recording.evidence)
            video, audio, end = decoded(clear)
            assert video > 10 and audio > 50
            assert abs(end - recording.duration_ms / 1000) < 1
        assert max(r.duration_ms for r in kept) / 1000 > shortest - 1


def decoded(webm: bytes) -> tuple[int, int, float]:
    """Frames of picture, frames of sound, seconds to the end of the last one."""
    import io

    pictures_, sounds, end = 0, 0, 0.0
    with av.open(io.BytesIO(webm)) as container:
        for frame in container.decode(container.streams.video[0], container.streams.audio[0]):
            end = max(end, float(frame.time or 0))
            if isinstance(frame, av.VideoFrame):
                pictures_ += 1
            else:
                sounds += 1
    return pictures_, sounds, end


def keep_a_recording(pictures: Pictures) -> None:
    if pictures.folder is None:
        return
    with reading() as session:
        for recording in session.scalars(select(Recording)):
            name = f"recording-{recording.session_id}-{recording.side}-{recording.segment}.webm"
            (pictures.folder / name).write_bytes(evidence.clear_bytes(recording.evidence))
