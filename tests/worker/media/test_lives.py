"""What happens to calls when people come back, networks break, and nodes are killed or sent home."""

import asyncio
import json
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from console.adapters.media import MediaRefused
from tests.servers import short_folder
from tests.worker.media.nodes import Desk, RunningNode, decoded, running_node, wait_until
from worker.media.announce import Announcer
from worker.media.node import Node
from worker.media.room import Refused
from worker.media.spool import Spool
from worker.robots.peer import SyntheticPeer

RED, BLUE, GREEN = (200, 60, 60), (60, 60, 200), (60, 180, 60)
ON_THE_WAY = 0.25  # seconds from the peer's camera to the node's file on a busy machine


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A spool that no other node looks after."""
    with short_folder() as folder:
        yield folder


def small_peer(desk: Desk, node: RunningNode, call: str, side: str, **how: object) -> SyntheticPeer:
    epoch = how.pop("epoch", 1)
    return SyntheticPeer(desk.signal(call, side, node.name, epoch), width=320, height=240, fps=10, **how)


def sees(peer: SyntheticPeer, channel: int) -> bool:
    colour = peer.seen_colour()
    return colour is not None and colour.index(max(colour)) == channel


async def until_sees(peer: SyntheticPeer, channel: int) -> None:
    async with asyncio.timeout(5):
        while not sees(peer, channel):
            await asyncio.sleep(0.05)


def test_who_comes_back_is_seen_again_and_recorded_as_a_second_segment(desk: Desk, node: RunningNode) -> None:
    async def come_back() -> tuple[int, int]:
        async with (
            small_peer(desk, node, "S-back", "investor", colour=RED) as investor,
            small_peer(desk, node, "S-back", "witness", colour=BLUE),
        ):
            await until_sees(investor, 2)
            await asyncio.sleep(0.7)
            before = (await investor.stats()).audio_frames
            async with small_peer(desk, node, "S-back", "witness", colour=GREEN, epoch=2) as again:
                await until_sees(investor, 1)
                await until_sees(again, 0)
                await asyncio.sleep(0.7)
                after = (await investor.stats()).audio_frames
                await asyncio.to_thread(desk.nodes.hang_up, "S-back", node=node.name)
        return before, after

    before, after = asyncio.run(come_back())
    assert after - before > 30
    assert set(desk.recordings("S-back")) == {"investor/1", "witness/1", "witness/2"}
    counted = node.legs_closed("S-back")
    assert {leg["refused"] for leg in counted.values()} == {0}


def test_an_offer_older_than_the_last_is_refused(desk: Desk, node: RunningNode) -> None:
    async def offer() -> str:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.addTransceiver("audio")
        await connection.setLocalDescription(await connection.createOffer())
        sdp = connection.localDescription.sdp
        await connection.close()
        return sdp

    sdp = asyncio.run(offer())
    desk.nodes.offer("S-old", "investor", sdp, node=node.name, epoch=3)
    with pytest.raises(MediaRefused) as refused:
        desk.nodes.offer("S-old", "investor", sdp, node=node.name, epoch=2)
    assert refused.value.code == "stale_epoch"
    desk.nodes.hang_up("S-old", node=node.name)


def test_the_same_command_twice_is_answered_the_same_and_makes_one_leg(desk: Desk, node: RunningNode) -> None:
    identity = uuid.uuid4().hex
    replies: list[bytes] = []

    async def send_twice(sdp: str) -> str:
        command = {"id": identity, "verb": "offer", "call": "S-twice", "side": "investor", "epoch": 1, "sdp": sdp}
        for _ in range(2):
            desk.redis.xadd(f"media:commands:{node.name}", {"body": json.dumps(command)})
        for _ in range(2):
            _key, reply = await asyncio.to_thread(desk.redis.brpop, [f"media:reply:{identity}"], timeout=4)
            replies.append(reply)
        return str(json.loads(replies[0])["sdp"])

    async def call() -> None:
        async with SyntheticPeer(send_twice, width=320, height=240):
            await asyncio.sleep(0.5)
            await asyncio.to_thread(desk.nodes.hang_up, "S-twice", node=node.name)

    asyncio.run(call())
    assert replies[0] == replies[1]
    assert list(desk.recordings("S-twice")) == ["investor/1"]
    assert list(node.legs_closed("S-twice")) == ["investor/1"]


def test_hanging_up_twice_or_without_a_call_does_no_harm(desk: Desk, node: RunningNode) -> None:
    assert desk.nodes.hang_up("S-twice", node=node.name)
    assert desk.nodes.hang_up("S-never", node=node.name)


@contextmanager
def cut_off_from_the_network(peer: SyntheticPeer) -> Iterator[None]:
    ice = peer.connection.getTransceivers()[0].sender.transport.transport
    send = ice._send

    async def into_the_void(data: bytes) -> None:
        await asyncio.sleep(0)

    ice._send = into_the_void
    yield
    ice._send = send


def test_a_broken_network_is_noticed_and_so_is_its_return_and_a_good_bye_at_once(desk: Desk, node: RunningNode) -> None:
    async def break_off() -> None:
        async with small_peer(desk, node, "S-gone", "investor") as investor:
            async with small_peer(desk, node, "S-gone", "witness"):
                await asyncio.sleep(0.5)
            await asyncio.to_thread(wait_until, lambda: ("witness", "lost") in desk.events("S-gone"), 1)
            await asyncio.to_thread(wait_until, lambda: "witness/1" in desk.recordings("S-gone"), 1)
            with cut_off_from_the_network(investor):
                await asyncio.to_thread(wait_until, lambda: ("investor", "lost") in desk.events("S-gone"), 6)
            await asyncio.to_thread(wait_until, lambda: desk.events("S-gone")[-1] == ("investor", "connected"), 3)

    asyncio.run(break_off())
    desk.nodes.hang_up("S-gone", node=node.name)
    assert set(desk.recordings("S-gone")) == {"investor/1", "witness/1"}


def test_a_killed_node_loses_less_than_a_second_of_each_track_and_its_successor_announces_the_rest(
    desk: Desk, media_redis: str, own_folder: Path
) -> None:
    with running_node(media_redis, own_folder, "node-2") as doomed:

        async def until_the_end() -> float:
            async with (
                small_peer(desk, doomed, "S-killed", "investor"),
                small_peer(desk, doomed, "S-killed", "witness"),
            ):
                await asyncio.sleep(3.3)
                doomed.kill()
                return time.time()

        killed_at = asyncio.run(until_the_end())
    assert not desk.recordings("S-killed")
    with running_node(media_redis, own_folder, "node-2") as successor:
        found = wait_until(lambda: len(desk.recordings("S-killed")) == 2 and desk.recordings("S-killed"))
        assert wait_until(lambda: successor.logged("recording announced"))
    for recording in found.values():
        began = datetime.fromisoformat(recording["started_at"]).timestamp()
        times = decoded(recording["path"])
        for track in ("video", "audio"):
            assert 0 < killed_at - (began + max(times[track])) < 1 + ON_THE_WAY, (recording["side"], track)
        assert abs(recording["duration_ms"] / 1000 - max(map(max, times.values()))) < 0.1
        assert not list(Path(recording["path"]).parent.glob("*.json"))


def test_below_its_disk_floor_a_node_takes_no_call_and_nobody_is_sent_there(
    desk: Desk, media_redis: str, own_folder: Path
) -> None:
    with running_node(media_redis, own_folder, "node-6", "--disk-floor", str(1 << 60)) as full:
        [state] = [each for each in desk.nodes.alive() if each.name == "node-6"]
        assert (state.free, state.draining) == (0, False)
        with pytest.raises(MediaRefused) as refused:
            desk.nodes.offer("S-full", "investor", "v=0", node="node-6", epoch=1)
        assert refused.value.code == "disk_low"
        assert full.logged("disk low")


class Filling(Spool):
    """A spool whose disk other people fill and empty."""

    left = 100

    def free_bytes(self) -> int:
        return self.left


def test_a_call_is_flagged_when_the_disk_falls_below_the_floor_and_again_when_there_is_room(
    media_redis: str, own_folder: Path
) -> None:
    def announcer() -> BlockingRedis:
        return BlockingRedis.from_url(media_redis)

    async def fill_and_empty() -> list[str]:
        async with Redis.from_url(media_redis) as redis:
            spool = Filling(own_folder / "media")
            node = Node("node-7", redis=redis, spool=spool, announcer=Announcer(announcer), capacity=5, disk_floor=50)
            node._open_room("S-flag")
            for left in (100, 40, 45, 52, 56):  # 10 % above the floor before it is taken back
                spool.left = left
                await node.beat()
            spool.left = 10
            await node.beat()
            with pytest.raises(Refused, match="disk_low"):
                node._open_room("S-next")
            await node.close()
            bodies = [json.loads(fields[b"body"]) for _, fields in await redis.xrange("media:happened")]
            return [body["event"] for body in bodies if body["call"] == "S-flag"]

    assert asyncio.run(fill_and_empty()) == ["disk_low", "disk_ok", "disk_low"]


def test_what_a_node_says_while_redis_is_away_is_said_later_in_order(media_redis: str, own_folder: Path) -> None:
    async def lose_and_find() -> list[str]:
        async with Redis.from_url("unix:///nowhere") as nowhere, Redis.from_url(media_redis) as redis:
            spool = Spool(own_folder / "media")
            announcer = Announcer(lambda: BlockingRedis.from_url(media_redis))
            node = Node("node-8", redis=nowhere, spool=spool, announcer=announcer, capacity=5)
            for event in ("connected", "recording", "lost"):
                node.publish("S-later", "investor", event)
            await asyncio.sleep(0.1)
            node._redis = redis
            await node.close()
            bodies = [json.loads(fields[b"body"]) for _, fields in await redis.xrange("media:happened")]
            return [body["event"] for body in bodies if body["call"] == "S-later"]

    assert asyncio.run(lose_and_find()) == ["connected", "recording", "lost"]


def test_a_node_sent_home_takes_no_new_calls_and_ends_with_its_last(
    desk: Desk, media_redis: str, media_folder: Path
) -> None:
    with running_node(media_redis, media_folder, "node-3") as leaving:

        async def last_call() -> None:
            async with small_peer(desk, leaving, "S-last", "investor") as peer:
                await asyncio.sleep(0.5)
                leaving.process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(wait_until, lambda: leaving.logged("draining"))
                with pytest.raises(MediaRefused) as refused:
                    await desk.signal("S-next", "investor", leaving.name)(peer.connection.localDescription.sdp)
                assert refused.value.code == "draining"
                assert [state.draining for state in desk.nodes.alive() if state.name == leaving.name] == [True]
                assert leaving.process.poll() is None
                assert await asyncio.to_thread(desk.nodes.hang_up, "S-last", node=leaving.name)

        asyncio.run(last_call())
        assert leaving.process.wait(5) == 0
    assert "investor/1" in desk.recordings("S-last")
    assert leaving.name not in [state.name for state in desk.nodes.alive()]


def test_a_node_that_ends_at_once_still_finishes_its_recordings(
    desk: Desk, media_redis: str, media_folder: Path
) -> None:
    with running_node(media_redis, media_folder, "node-4") as ending:

        async def cut_off() -> int:
            async with small_peer(desk, ending, "S-cut", "investor"):
                await asyncio.sleep(0.6)
                return await asyncio.to_thread(ending.stop)

        assert asyncio.run(cut_off()) == 0
    recording = desk.recordings("S-cut")["investor/1"]
    assert decoded(recording["path"])["video"]
