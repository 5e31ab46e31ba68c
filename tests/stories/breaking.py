"""What breaks a call in a story, and how one is begun that may break."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Browser, Page
from redis import Redis
from sqlalchemy import select

from console import db
from console.cases.models import Case
from console.video_seat.models import VideoSession
from tests.queues.given import to_the_video

from .cast import Cast
from .people import SLOWLY, Investor, Witness
from .stage import Running

MOVES_WITHIN = 10.0  # seconds from the death of a node to both pictures
HERS, HIS = "[data-peer] video", "[data-remote]"
FRESH = """([selector, former]) => {
    const video = document.querySelector(selector);
    return video?.srcObject && video.srcObject.id !== former && video.getVideoPlaybackQuality().totalVideoFrames > 2;
}"""


@contextmanager
def frozen(browser: Browser) -> Iterator[None]:
    """Everything of this browser stands still, as a phone does that lost its network or was put to sleep."""
    processes = family(browser)
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)


def family(browser: Browser) -> list[int]:
    """The browser's processes, by what it told the DevTools protocol."""
    session = browser.new_browser_cdp_session()
    told = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return [each["id"] for each in told]


@contextmanager
def another_node(running: Running, name: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "console.cli", "media", "--node", name]
    with (running.home / f"{name}.log").open("wb") as log:
        node = subprocess.Popen(command, env=running.environment, stderr=log, stdout=log, start_new_session=True)
    try:
        yield node
    finally:
        with suppress(ProcessLookupError):
            os.killpg(node.pid, signal.SIGKILL)
        node.wait()


def stream_of(page: Page, selector: str) -> str:
    return str(page.evaluate("s => document.querySelector(s).srcObject?.id ?? ''", selector))


def seconds_until_new_pictures(pages: dict[str, Page], former: dict[str, str], since: float) -> float:
    """How long after ``since`` each page shows moving pictures over a new connection; the later of the two."""
    for selector, page in pages.items():
        page.wait_for_function(FRESH, arg=[selector, former[selector]], timeout=SLOWLY, polling=100)
    return time.monotonic() - since


def in_a_call(cast: Cast) -> tuple[Witness, Investor]:
    zhou = cast.investor("周晚晴")
    zhou.choose("修改结算账户")
    zhou.sign_in(by_phone=False)
    with db.transaction() as session:
        to_the_video(session.scalars(select(Case).where(Case.case_no == zhou.case_no)).one())
    zhou.page.goto(f"/case/{zhou.case_no}")
    zhou.queue_up()
    lu = cast.witness("luwenshan")
    lu.sign_in("/seat")
    lu.go_online()
    lu.sees_in_the_queue("周晚晴")
    lu.answer()
    zhou.agree_to_the_recording()
    lu.sees_the_investor()
    zhou.sees_the_witness()
    return lu, zhou


def the_call() -> VideoSession:
    with db.reading() as session:
        call = session.scalars(select(VideoSession).order_by(VideoSession.id.desc())).first()
        assert call is not None
        assert call.events and call.recordings is not None  # loaded while it can be
        return call


def redis_of(running: Running) -> Redis:
    return Redis.from_url(f"unix://{next(Path(running.home).rglob('redis.sock'))}")
