"""A call that breaks, in two real browsers: each side falls silent, a page is loaded again, nodes are killed, nobody comes back.

It takes minutes, so it is marked soak: `make soak`.
"""

import os
import re
import signal
import time

import pytest
from playwright.sync_api import expect

from console import db
from console.adapters.media import MediaNodes
from console.video_seat import timeline
from console.video_seat.models import CallEventKind, VideoSession
from tests.worker.media.nodes import wait_until

from .breaking import (
    HERS,
    HIS,
    MOVES_WITHIN,
    another_node,
    frozen,
    in_a_call,
    redis_of,
    seconds_until_new_pictures,
    stream_of,
    the_call,
)
from .cast import Cast
from .people import SLOWLY

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


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
