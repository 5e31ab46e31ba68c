"""A minute on a bad network, through a real node."""

import asyncio
import time
from itertools import pairwise
from pathlib import Path

import av
import pytest
from playwright.async_api import async_playwright

from bench.media import film
from tests.browser import launch_options
from tests.worker.media.lean import lean, lean_peer, losing
from tests.worker.media.nodes import Desk, RunningNode
from worker.media.leg import Leg
from worker.media.recorder import Recorder
from worker.media.spool import Spool
from worker.robots.peer import PeerStats, SyntheticPeer

LOSS, BAD_SECONDS, GOOD_SECONDS = 0.05, 60.0, 1.5
LARGEST_GAP = 0.001  # of the pictures


@pytest.mark.soak
def test_five_percent_lost_each_way_for_a_minute_leaves_no_gap_in_the_recorded_picture(
    desk: Desk, node: RunningNode
) -> None:
    async def talk() -> tuple[int, dict[str, int], list[PeerStats]]:
        investor = lean_peer(film.make())
        await investor.call(desk.signal("S-minute", "investor", node.name))
        seen: list[PeerStats] = []
        async with SyntheticPeer(
            desk.signal("S-minute", "witness", node.name), width=320, height=240, fps=10
        ) as witness:
            investor.sender.play()
            await asyncio.sleep(GOOD_SECONDS)
            with losing(LOSS, investor.connection, witness.connection) as fallen:
                for _ in range(6):
                    await asyncio.sleep(BAD_SECONDS / 6)
                    seen.append(await witness.stats())
            await asyncio.sleep(GOOD_SECONDS)
            investor.sender.pause()
            await asyncio.sleep(GOOD_SECONDS)
            sent = investor.sender.frames
            await asyncio.to_thread(desk.nodes.hang_up, "S-minute", node=node.name)
        await investor.close()
        return sent, fallen, seen

    sent, fallen, seen = asyncio.run(asyncio.wait_for(talk(), 110))
    assert 0.04 < fallen["lost"] / (fallen["lost"] + fallen["passed"]) < 0.06
    recordings = desk.recordings("S-minute")
    assert set(recordings) == {"investor/1", "witness/1"}  # neither side had to come back
    assert ("investor", "lost") not in desk.events("S-minute")
    assert ("witness", "lost") not in desk.events("S-minute")
    with av.open(recordings["investor/1"]["path"]) as container:
        held = sum(bool(packet.size) for packet in container.demux(video=0))
    assert sent > 14 * BAD_SECONDS
    assert sent - held <= LARGEST_GAP * sent
    counted = node.legs_closed("S-minute")
    assert counted["investor/1"]["repaired"] > 50
    assert counted["witness/1"]["retransmitted"] > 50
    shown = [now.frames - then.frames for then, now in pairwise(seen)]
    assert min(shown) > 0.8 * 15 * BAD_SECONDS / 6  # the witness sees a moving picture all the time


SCRIPTS = Path("console/static/js")
PAGE = "http://localhost/js/lossy.html"  # never fetched; a name that browsers give a microphone
CALL = """
import { Call } from "./call.js";
window.call = new Call({ localVideo: null, remoteVideo: null, permit: async () => "", signal: (sdp) => answer(sdp) });
window.started = call.start();
"""


class Nobody:
    """Hears of the leg, see `leg.Watcher`."""

    def leg_connected(self, leg: Leg) -> None: ...

    def leg_closed(self, leg: Leg) -> None: ...


@pytest.mark.soak
def test_a_browser_that_loses_five_percent_leaves_no_gap_in_the_recorded_sound_and_hears_without_gaps(
    tmp_path: Path,
) -> None:
    async def talk() -> tuple[dict[str, int], dict[str, int], dict[str, float]]:
        recorder = Recorder(
            Spool(tmp_path),
            session_no="S-sound",
            side="investor",
            segment=1,
            on_picture=lambda width, height: None,
            on_failure=lambda: None,
        )
        leg = Leg("sound", segment=1, recorder=recorder, watcher=Nobody())
        leg.feed(leg)  # the browser hears itself
        leg.heard_from(leg)
        async with async_playwright() as playwright:
            options = await asyncio.to_thread(launch_options)
            browser = await playwright.chromium.launch(**options)  # type: ignore[arg-type]
            page = await (await browser.new_context()).new_page()
            await page.route(
                "**/js/*.js", lambda route: route.fulfill(path=SCRIPTS / route.request.url.rsplit("/", 1)[1])
            )
            await page.route(PAGE, lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
            await page.goto(PAGE)
            await page.expose_function("answer", lambda sdp: leg.answer(sdp))
            await page.add_script_tag(content=CALL, type="module")
            await page.wait_for_function("window.call?.state === 'connected'")
            with losing(LOSS, leg._connection) as fallen:
                for _ in range(20):
                    await asyncio.sleep(1)
                    leg.tick(time.monotonic())
            heard = await page.evaluate(HEARD)
            await browser.close()
        lost = {kind: assembler.lost for kind, assembler in leg._assemblers.items()}
        await leg.close()
        return fallen, lost, heard

    with lean():
        fallen, lost, heard = asyncio.run(asyncio.wait_for(talk(), 110))
    assert fallen["lost"] > 100
    assert lost == {"audio": 0, "video": 0}
    assert heard["packetsLost"] <= 2
    assert heard["retransmitted"] > 20


HEARD = """async () => {
  const all = [...(await call.peer.getStats()).values()].filter((each) => each.kind === "audio");
  const [inbound] = all.filter((each) => each.type === "inbound-rtp");
  const [outbound] = all.filter((each) => each.type === "outbound-rtp");
  return { packetsLost: inbound.packetsLost, retransmitted: outbound.retransmittedPacketsSent };
}"""
