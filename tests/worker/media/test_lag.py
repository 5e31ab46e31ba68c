"""How late the node's event loop is, as its heartbeat tells."""

import asyncio
import json
import time

from tests.worker.media.nodes import Desk, RunningNode, wait_until
from worker.media.lag import EDGES_MS, Lag
from worker.media.node import node_key


def test_a_sample_counts_where_its_lateness_falls() -> None:
    lag = Lag()
    for late_ms in (0.2, 1.0, 1.1, 19.0, 5000.0):
        lag.note(late_ms)
    assert {edge: count for edge, count in zip([*EDGES_MS, None], lag.counts, strict=True) if count} == {
        1: 2,
        2: 1,
        20: 1,
        None: 1,
    }


def test_a_loop_that_is_held_up_is_seen_to_be_late() -> None:
    async def hold_up() -> list[int]:
        lag = Lag()
        watching = asyncio.create_task(lag.watch())
        await asyncio.sleep(0)
        time.sleep(0.3)
        await asyncio.sleep(0.02)
        watching.cancel()
        return lag.counts

    assert sum(asyncio.run(hold_up())[EDGES_MS.index(100) + 1 :]) == 1


def test_the_heartbeat_tells_how_late_the_loop_was(desk: Desk, node: RunningNode) -> None:
    def told() -> int:
        return sum(json.loads(desk.redis.hget(node_key(node.name), "late")))

    before = told()
    assert wait_until(lambda: told() > before, 5)
