"""The player in a real Chromium: the film of both sides first, the recordings on request, at the same moment."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.serving import make_server

from console.db import transaction
from console.video_seat.models import CheckMark, CheckResult, VideoSession
from tests import films
from tests.browser import launch_options
from tests.review.given import case_in_review, video_of
from worker import house
from worker.media.spool import sha256
from worker.recordings import keep
from worker.view import make

NOW = datetime.now(UTC)


def recorded(number: str, folder: Path, *sides: str) -> None:
    """What the node keeps of this call: three seconds of each side."""
    for side in sides:
        path = films.clapper(
            folder / f"{number}-{side}.webm", seconds=3, claps=[1], started_at=NOW, size=(160, 120), fps=5
        )
        told = {"session_no": number, "side": side, "segment": 1, "path": str(path), "duration_ms": 2980}
        keep(**told, started_at=NOW.isoformat(), sha256=sha256(path))


@pytest.fixture
def page(app: Flask, world, as_staff, tmp_path: Path) -> Iterator[Page]:
    """The review of a case with two calls: of the first one there are recordings of the investor alone, of the second a film too."""
    house.use(world)
    with transaction() as session:
        case = case_in_review(session, at=NOW)
        first = session.query(VideoSession).one()
        first.acknowledged_at = NOW
        first.marks.append(CheckMark(item="field:name", result=CheckResult.OK, at=NOW, by="staff:1"))
        case_no, earlier, number = case.case_no, first.session_no, video_of(session, case, "luwenshan", NOW).session_no
    recorded(earlier, tmp_path, "investor")
    recorded(number, tmp_path, "investor", "witness")
    with transaction() as session:
        for call in session.query(VideoSession):
            call.ended_at = NOW
    make(number)
    house.forget()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address, cookie = f"http://127.0.0.1:{server.port}", as_staff("qinlang").get_cookie("desk")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**launch_options())  # type: ignore[arg-type]
        context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=address)
        context.add_cookies([{"name": "desk", "value": cookie.value, "url": address}])
        opened = context.new_page()
        opened.goto(f"/review/{case_no}")
        yield opened
        browser.close()
    server.shutdown()


def is_playing(page: Page, *sides: str) -> None:
    page.wait_for_function(
        "sides => sides.every((side) => {const v = document.querySelector(`video[data-side=${side}]`);"
        " return v.videoWidth > 0 && v.currentTime > 0.3 && v.offsetWidth > 0})",
        arg=list(sides),
    )


def test_the_film_plays_and_the_recordings_go_on_where_it_was(page: Page) -> None:
    player = page.get_by_role("region", name="双录")
    player.get_by_role("button", name="播放", exact=True).click()
    is_playing(page, "view")
    expect(player.get_by_text("正在显示：由原始录像合成的并排画面")).to_be_visible()
    player.get_by_role("button", name="原始录像").click()
    is_playing(page, "investor", "witness")
    expect(player.get_by_text("正在显示：原始录像")).to_be_visible()
    player.get_by_text("原件 2 段").click()
    player.get_by_role("button", name="核验录像").click()
    expect(player.get_by_text("3 段，与封存时一致")).to_have_count(2)


def test_another_call_is_played_in_the_same_place_and_a_moment_leads_into_its_own(page: Page) -> None:
    player = page.get_by_role("region", name="双录")
    player.get_by_role("navigation", name="选择一次通话").get_by_role("link", name="第 1 次").click()
    expect(player.get_by_text("正在显示：原始录像")).to_be_visible()
    player.get_by_role("button", name="播放", exact=True).click()
    is_playing(page, "investor")
    player.get_by_role("link", name="第 2 次").click()
    expect(player.get_by_text("正在显示：由原始录像合成的并排画面")).to_be_visible()
    page.locator("summary", has_text="视频验证").evaluate("summary => summary.parentElement.open = true")
    page.locator(".calls-x a.moment").first.click()
    expect(player.get_by_text("正在显示：原始录像")).to_be_visible()
    is_playing(page, "investor")


@pytest.mark.soak
def test_a_server_that_does_not_answer_is_named_and_can_be_tried_again(page: Page) -> None:
    page.route("**/evidence/*", lambda route: route.abort())
    page.reload()
    player = page.get_by_role("region", name="双录")
    expect(player.get_by_role("alert")).to_have_text("服务器没有应答，录像取不到。请检查网络后重试。")
    page.unroute("**/evidence/*")
    player.get_by_role("button", name="重试").click()
    is_playing(page, "view")
    expect(player.get_by_role("alert")).to_be_hidden()


@pytest.mark.soak
def test_a_file_that_cannot_be_played_is_verified_and_the_verdict_said(page: Page) -> None:
    page.route("**/evidence/*", lambda route: route.fulfill(status=200, content_type="video/webm", body="no film"))
    page.reload()
    said = page.get_by_role("region", name="双录").get_by_role("alert")
    expect(said).to_have_text("录像播放不了。原件全部与封存时一致。")
