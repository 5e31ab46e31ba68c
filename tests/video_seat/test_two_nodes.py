"""Two real media nodes, a call of two real peers on one of them, and its death."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import select

from console import db, live
from console.video_seat import timeline
from console.video_seat.line import Terms
from console.video_seat.listening import Listener
from console.video_seat.models import VideoSession
from tests.queues.given import at_the_video
from tests.servers import short_folder
from tests.video_seat.conftest import Socket, Witness
from tests.video_seat.test_sockets import the_call
from tests.worker.media.nodes import RunningNode, peers_on_loopback, running_node, wait_until
from worker.robots.peer import SyntheticPeer

AGAIN_WITHIN = 10.0  # seconds, both pictures and both voices
SMALL = {"width": 320, "height": 240, "fps": 10}
Offer = Callable[[str], Awaitable[str]]


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as path:
        yield path


@contextmanager
def listening(redis: Redis) -> Iterator[None]:
    """As the web process does it."""
    going = [True]
    thread = Thread(target=Listener(redis, Terms(timedelta(seconds=30))).run, args=(lambda: bool(going),))
    thread.start()
    try:
        yield
    finally:
        going.clear()
        thread.join()


def offers_of(page: Socket, **more: object) -> Offer:
    """How a browser's offer travels; refused ones come as an error."""

    async def offer(sdp: str) -> str:
        answer = await asyncio.to_thread(page.offer, sdp, **more)
        return str(answer["sdp"])

    return offer


async def hear_each_other(*peers: SyntheticPeer) -> None:
    """Each gets a picture and sound that it did not have before."""
    before = [await peer.stats() for peer in peers]
    async with asyncio.timeout(20):
        for peer, first in zip(peers, before, strict=True):
            while (now := await peer.stats()).frames <= first.frames or now.audio_frames <= first.audio_frames + 5:
                await asyncio.sleep(0.05)


async def moved(page: Socket, deadline: float) -> None:
    while not any(push["event"] == "moved" for push in page.heard("call")):
        assert time.monotonic() < deadline, "nobody said that the call has moved"
        await asyncio.sleep(0.05)


@pytest.mark.soak
def test_both_sides_of_a_call_are_at_another_node_within_seconds_of_the_death_of_theirs(
    app: Flask,
    redis: Redis,
    redis_url: str,
    folder: Path,
    as_staff: Callable[[str], FlaskClient],
    as_investor: Callable[[str], FlaskClient],
) -> None:
    with db.transaction() as session:
        at_the_video(session, "周晚晴")
    seat, page = Witness(app, as_staff("luwenshan")), Socket(app, as_investor("周晚晴"), live.PORTAL)
    with (
        peers_on_loopback(),
        running_node(redis_url, folder, "n1") as one,
        running_node(redis_url, folder, "n2") as two,
    ):
        page.ask("join_queue")
        call = seat.sit().act("answer_next")["call"]
        page.ask("acknowledge")
        nodes = {node.name: node for node in (one, two)}
        there = the_call().node or ""
        with listening(redis):
            took = asyncio.run(dies_in_the_call(nodes[there], seat, page, call))
        with db.reading() as session:
            now = session.scalars(select(VideoSession)).one()
            gaps = [gap for gap in timeline.gaps(now, timeline.segments(now)) if gap.why is timeline.Why.LINE]
        assert took < AGAIN_WITHIN
        assert (now.epoch, now.ended_at) == (2, None) and now.node in nodes and now.node != there
        assert timedelta(seconds=1) < gaps[0].ended - gaps[0].began < timedelta(seconds=AGAIN_WITHIN + 2)


async def dies_in_the_call(node: RunningNode, seat: Witness, page: Socket, call: str) -> float:
    """Seconds from the kill until both hear and see each other again."""
    his, hers = offers_of(page), offers_of(seat, call=call)
    async with SyntheticPeer(his, **SMALL) as zhou, SyntheticPeer(hers, **SMALL) as lu:
        await hear_each_other(zhou, lu)
        await asyncio.sleep(1.2)
        for each in (seat, page):
            each.heard("call")
        await asyncio.to_thread(node.kill)
        died = time.monotonic()
        for each in (seat, page):
            await moved(each, died + AGAIN_WITHIN)
        told = time.monotonic() - died
        async with SyntheticPeer(his, **SMALL) as zhou_again, SyntheticPeer(hers, **SMALL) as lu_again:
            await hear_each_other(zhou_again, lu_again)
            took = time.monotonic() - died
            await asyncio.to_thread(wait_until, lambda: the_call().investor_away_since is None, 5)
    print(f"told after {told:.1f} s, media again after {took:.1f} s")
    return took
