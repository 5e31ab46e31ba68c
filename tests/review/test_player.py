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
from console.video_seat.models import VideoSession
from tests import films
from tests.browser import launch_options
from tests.review.given import case_in_review
from worker import house
from worker.media.spool import sha256
from worker.recordings import keep
from worker.view import make

NOW = datetime.now(UTC)


@pytest.fixture
def page(app: Flask, world, as_staff, tmp_path: Path) -> Iterator[Page]:
    """The review of a call whose film was made."""
    house.use(world)
    with transaction() as session:
        case_no = case_in_review(session, at=NOW).case_no
        number = session.query(VideoSession).one().session_no
    for side in ("investor", "witness"):
        path = films.clapper(tmp_path / f"{side}.webm", seconds=3, claps=[1], started_at=NOW, size=(160, 120), fps=5)
        told = {"session_no": number, "side": side, "segment": 1, "path": str(path), "duration_ms": 2980}
        keep(**told, started_at=NOW.isoformat(), sha256=sha256(path))
    with transaction() as session:
        session.query(VideoSession).one().ended_at = NOW
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
