"""A minute on a bad network, through a real node."""

import asyncio
from itertools import pairwise

import av
import pytest

from bench.media import film
from tests.worker.media.lean import lean_peer, losing
from tests.worker.media.nodes import Desk, RunningNode
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
