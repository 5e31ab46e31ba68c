"""A call that breaks, in two real browsers: each side falls silent, a page is loaded again, nodes are killed, nobody comes back.

It takes minutes, so it is marked soak: `make soak`.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from console import db
from console.adapters.media import MediaNodes
from console.cases.models import Case
from console.video_seat import timeline
from console.video_seat.models import CallEventKind, VideoSession
from tests.queues.given import to_the_video
from tests.worker.media.nodes import wait_until

from .cast import Cast
from .people import SLOWLY, Investor, Witness
from .stage import Running

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]
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


def test_a_call_breaks_in_every_way_and_goes_on_until_nobody_comes_back(cast: Cast) -> None:
    lu, zhou = in_a_call(cast)
    pages = {HERS: lu.page, HIS: zhou.page}

    with frozen(cast.phones):
        cover = lu.page.locator("[data-peer] .line-down")
        expect(cover).to_contain_text("投资者的连接中断了", timeout=8_000)
        expect(cover).to_contain_text(re.compile(r"还剩 \d+ 秒"))
        lu.shot("investor-away")
    expect(cover).to_be_hidden(timeout=SLOWLY)
    expect(zhou.page.locator(".line-down")).to_be_hidden(timeout=SLOWLY)
    lu.shot("investor-back")

    zhou.page.reload()
    zhou.sees_the_witness()
    expect(lu.page.locator("[data-peer] .line-down")).to_be_hidden(timeout=SLOWLY)

    lu.page.reload()
    lu.sees_the_investor()
    expect(zhou.page.locator(".line-down")).to_be_hidden(timeout=SLOWLY)

    with frozen(cast.desktops):
        cover = zhou.page.locator(".line-down")
        expect(cover).to_contain_text("认证人员的连接中断了", timeout=8_000)
        zhou.shot("witness-away")
    expect(cover).to_be_hidden(timeout=SLOWLY)
    zhou.shot("witness-back")

    former = {selector: stream_of(page, selector) for selector, page in pages.items()}
    killed_at = time.monotonic()
    cast.running.kill("worker.media")
    assert seconds_until_new_pictures(pages, former, killed_at) < MOVES_WITHIN

    with db.reading() as session:
        call = session.get_one(VideoSession, the_call().id)
        gaps = [gap for gap in timeline.gaps(call, timeline.segments(call), call.events[-1].at) if gap.why == "line"]
    assert len(gaps) >= 3 and call.ended_at is None  # she was frozen, she reloaded, the node died

    with frozen(cast.phones):
        lu.page.wait_for_url(re.compile("/seat$"), timeout=45_000)
        expect(lu.page.get_by_text("的通话已交回队列")).to_be_visible(timeout=45_000)
        lu.shot("given-back")
    expect(zhou.page.get_by_text("上次通话中断超过 30 秒")).to_be_visible(timeout=SLOWLY)
    zhou.shot("back-in-the-queue")
    assert zhou.waiting() == 1
    assert [event.kind for event in the_call().events].count(CallEventKind.DROPPED) == 1


def test_a_killed_nodes_call_goes_on_at_another_node(cast: Cast) -> None:
    supervised = cast.running.pid_of("worker.media")
    nodes = MediaNodes(redis_of(cast.running))
    os.kill(supervised, signal.SIGSTOP)  # so that the call begins at the other one
    try:
        with another_node(cast.running, "second") as second:
            wait_until(lambda: [node.name for node in nodes.alive()] == ["second"], 20)
            lu, zhou = in_a_call(cast)
            os.kill(supervised, signal.SIGCONT)
            wait_until(lambda: len(nodes.alive()) == 2, 20)
            pages = {HERS: lu.page, HIS: zhou.page}
            former = {selector: stream_of(page, selector) for selector, page in pages.items()}
            killed_at = time.monotonic()
            os.killpg(second.pid, signal.SIGKILL)
            took = seconds_until_new_pictures(pages, former, killed_at)
    finally:
        os.kill(supervised, signal.SIGCONT)
    print(f"both pictures {took:.1f} s after the death of their node")
    assert took < MOVES_WITHIN
    assert the_call().epoch == 2 and the_call().ended_at is None


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


def redis_of(running: Running):  # type: ignore[no-untyped-def]
    from redis import Redis

    return Redis.from_url(f"unix://{next(Path(running.home).rglob('redis.sock'))}")
