"""What a person feels, in a real Chromium: how soon the other is seen, and how soon a snapshot is there."""

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import Page, async_playwright
from redis import Redis

from bench.media.contest import LOOPBACK
from console.adapters.media import MediaNodes
from tests.browser import ChromiumMissing, launch_options
from tests.worker.media.nodes import RunningNode
from worker.media import hosts, stubs
from worker.media.leg import KEY_REQUEST_INTERVAL, Leg
from worker.media.recorder import Recorder
from worker.media.spool import Spool

ADDRESS = "http://localhost/bench"  # never fetched; a name that browsers give a camera
PAGE = Path(__file__).with_name("page.html")
FPS = 15
PATIENCE = 10.0  # seconds
SIDES = ("investor", "witness")
APART = KEY_REQUEST_INTERVAL + 0.3  # seconds between two requests for a key frame, and at any moment between two frames


@asynccontextmanager
async def tabs(count: int) -> AsyncIterator[list[Page]]:
    """Tabs of one Chromium whose cameras are on. Raises `ChromiumMissing`."""
    options: dict[str, Any] = await asyncio.to_thread(launch_options, f"--use-fake-device-for-media-stream=fps={FPS}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**options)
        pages = []
        for _ in range(count):
            page = await (await browser.new_context()).new_page()
            await page.route(ADDRESS, lambda route: route.fulfill(path=PAGE))
            await page.goto(ADDRESS)
            await page.evaluate("fps => prepare(fps)", FPS)
            pages.append(page)
        try:
            yield pages
        finally:
            await browser.close()


# -- the first picture


def first_frame(node: RunningNode, redis_url: str, rounds: int) -> dict[str, Any]:
    """From the word to connect until both see each other: over the node, and straight, in turns."""
    return asyncio.run(_first_frame(node, redis_url, rounds))


async def _first_frame(node: RunningNode, redis_url: str, rounds: int) -> dict[str, Any]:
    ours, straight = [], []
    with Redis.from_url(redis_url) as redis:
        nodes = MediaNodes(redis)
        async with tabs(2) as pages:
            for number in range(rounds + 1):  # the first one warms everything up
                over_node = await _over_node(pages, nodes, node.name, f"first-{number}")
                over_nothing = await _straight(pages)
                if number:
                    ours.append(over_node)
                    straight.append(over_nothing)
    mine, other = statistics.median(ours), statistics.median(straight)
    return {
        "figure": "first_frame",
        "ours": round(mine),
        "peer": round(other),
        "peer_name": "two tabs connected straight",
        "ratio": round(mine / other, 3),
        "unit": "ms from answering to the first remote frame on both sides",
        "delivered_ours": len(ours),
        "delivered_peer": len(straight),
        "limit": 1.5,
        "ok": mine / other <= 1.5,
        "rounds_ours": [round(each) for each in ours],
        "rounds_peer": [round(each) for each in straight],
    }


async def _over_node(pages: list[Page], nodes: MediaNodes, node: str, call: str) -> float:
    async def connect(page: Page, side: str) -> float:
        offer = await page.evaluate("offer()")
        answer = await asyncio.to_thread(nodes.offer, call, side, offer["sdp"], node=node, epoch=1)
        await page.evaluate("sdp => takeAnswer(sdp)", answer)
        return float(offer["began"])

    began = await asyncio.gather(*(connect(page, side) for page, side in zip(pages, SIDES, strict=True)))
    took = await _seen(pages) - min(began)
    await asyncio.to_thread(nodes.hang_up, call, node=node)
    return took


async def _straight(pages: list[Page]) -> float:
    offer = await pages[0].evaluate("offer()")
    answer = await pages[1].evaluate("sdp => answer(sdp)", offer["sdp"])
    await pages[0].evaluate("sdp => takeAnswer(sdp)", answer)
    return await _seen(pages) - float(offer["began"])


async def _seen(pages: list[Page]) -> float:
    """When the later of the two saw the first picture (ms). Both hang up then."""
    async with asyncio.timeout(PATIENCE):
        shown = await asyncio.gather(*(page.evaluate("firstFrame()") for page in pages))
    for page in pages:
        await page.evaluate("hangUp()")
    return float(max(shown))


# -- snapshots


class _Unwatched:
    """A watcher whom nothing concerns, see `leg.Watcher`."""

    def leg_connected(self, leg: Leg) -> None:
        """See `leg.Watcher`."""

    def leg_closed(self, leg: Leg) -> None:
        """See `leg.Watcher`."""


def snapshots(node: RunningNode, redis_url: str, rounds: int) -> dict[str, Any]:
    """The command for a snapshot until its PNG is there, beside the bare PLI until the whole key frame is there, in turns."""
    stubs.install()
    hosts.gather_only_on([LOOPBACK])
    return asyncio.run(_snapshots(node, redis_url, rounds))


async def _snapshots(node: RunningNode, redis_url: str, rounds: int) -> dict[str, Any]:
    ours, bare, call = [], [], "snap"
    with Redis.from_url(redis_url) as redis, TemporaryDirectory(prefix="wd-") as folder:
        nodes = MediaNodes(redis)
        async with tabs(2) as (to_node, to_us):
            offer = await to_node.evaluate("offer()")
            answer = await asyncio.to_thread(nodes.offer, call, SIDES[0], offer["sdp"], node=node.name, epoch=1)
            await to_node.evaluate("sdp => takeAnswer(sdp)", answer)
            recorder = Recorder(
                Spool(Path(folder)),
                session_no=call,
                side=SIDES[0],
                segment=1,
                on_picture=lambda width, height: None,
                on_failure=lambda: None,
            )
            leg = Leg("bench", segment=1, recorder=recorder, watcher=_Unwatched())
            offer = await to_us.evaluate("offer()")
            await to_us.evaluate("sdp => takeAnswer(sdp)", await leg.answer(offer["sdp"]))
            await asyncio.sleep(3 * APART)
            for number in range(rounds + 1):  # the first one warms everything up
                began = time.monotonic()
                await asyncio.to_thread(nodes.snapshot, call, SIDES[0], node=node.name)
                taken = time.monotonic() - began
                await asyncio.sleep(APART + random.random() / FPS)
                began = time.monotonic()
                await leg.next_key_frame(PATIENCE)
                fetched = time.monotonic() - began
                await asyncio.sleep(APART + random.random() / FPS)
                if number:
                    ours.append(1000 * taken)
                    bare.append(1000 * fetched)
            await asyncio.to_thread(nodes.hang_up, call, node=node.name)
            await leg.close()
    mine, other = statistics.median(ours), statistics.median(bare)
    return {
        "figure": "snapshot",
        "ours": round(mine, 1),
        "peer": round(other, 1),
        "peer_name": "PLI to key frame, bare",
        "ratio": round(mine / other, 3),
        "unit": "ms",
        "delivered_ours": len(ours),
        "delivered_peer": len(bare),
        "limit": 2.0,
        "ok": mine / other <= 2.0,
        "rounds_ours": [round(each) for each in ours],
        "rounds_peer": [round(each) for each in bare],
    }


__all__ = ["ChromiumMissing", "first_frame", "snapshots"]
