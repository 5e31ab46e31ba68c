"""A node that needs a key frame asks until it gets one."""

import asyncio
from itertools import pairwise

from bench.media.film import Film
from tests.worker.media.lean import lean_peer
from tests.worker.media.nodes import Desk, RunningNode
from worker.media import rtcp
from worker.media.leg import KEY_REQUEST_INTERVAL
from worker.media.streams import LONGEST_REPAIRABLE_GAP

KEY = bytes.fromhex("1002009d012a") + (320).to_bytes(2, "little") + (240).to_bytes(2, "little") + bytes(40)
LATER = b"\x11" + bytes(60)
NO_MORE_KEYS = Film([[KEY], *[[LATER]] * 1000], [b"\xfc\xff\xfe"])


def test_a_request_for_a_key_frame_that_gets_lost_is_repeated_until_one_comes(desk: Desk, node: RunningNode) -> None:
    asked: list[float] = []

    async def lose_much() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        peer = lean_peer(NO_MORE_KEYS)
        await peer.call(desk.signal("S-key", "investor", node.name))
        sender = peer.sender
        hear = sender.feedback

        def lose(data: bytes) -> None:
            asked.extend(loop.time() for packet in rtcp.parse(data) if rtcp.is_key_request(packet))

        sender.play()
        await asyncio.sleep(2.5 * KEY_REQUEST_INTERVAL)
        sender.feedback = lose
        peer.streams["video"].sequence += LONGEST_REPAIRABLE_GAP + 10
        async with asyncio.timeout(5):
            while len(asked) < 3:
                await asyncio.sleep(0.02)
        sender.feedback = hear
        before = sender.key_requests
        await asyncio.sleep(3 * KEY_REQUEST_INTERVAL)
        await asyncio.to_thread(desk.nodes.hang_up, "S-key", node=node.name)
        await peer.close()
        return before, sender.key_requests

    before, after = asyncio.run(lose_much())
    assert after == before + 1  # answered, and that was enough
    assert all(later - earlier > 0.8 * KEY_REQUEST_INTERVAL for earlier, later in pairwise(asked))
