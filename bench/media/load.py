"""The callers of a bench, in a process of their own so that nobody counts what they cost: `python -m bench.media.load FILM HOST`.

Requests: `open` a set of calls at a target, `play` and `pause` it, `count` what was sent and received so far, `close` it.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pylibsrtp
import uvloop
from redis import Redis

from bench.media import answering
from bench.media.caller import Caller, Counter, Sender, Sending, make_room
from bench.media.film import Film
from bench.media.janus import JanusUser
from console.adapters.media import MediaNodes
from worker.media import hosts, stubs

SIDES = ("investor", "witness")
AT_ONCE = 8  # calls that connect at the same time
BARE_PAYLOAD_TYPES = {"video": 97, "audio": 96}


class BareCaller:
    """A caller without ICE and DTLS: SRTP keys are handed over (AEAD_AES_256_GCM, as aiortc negotiates), then only packets."""

    srtp = "SRTP_AEAD_AES_256_GCM"

    def __init__(self, film: Film) -> None:
        self.counter = Counter()
        self.counter.video_payload_types.add(BARE_PAYLOAD_TYPES["video"])
        self.counter.audio_payload_types.add(BARE_PAYLOAD_TYPES["audio"])
        self.sender: Sender | None = None
        self.key_out = os.urandom(44)
        self._film = film
        self._srtp = pylibsrtp.Session(
            pylibsrtp.Policy(
                key=self.key_out,
                ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
                srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
            )
        )
        self._transport: Any = None

    async def connect(self, host: str, port: int) -> None:
        """To the loop's socket for this side."""
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Arriving(self.counter), remote_addr=(host, port)
        )
        make_room(self._transport)
        streams = {kind: Sending(os.getpid() << 4 | 1, number) for kind, number in BARE_PAYLOAD_TYPES.items()}
        streams["audio"].ssrc += 1
        self.sender = Sender(self._film, self, self.counter, video=streams["video"], audio=streams["audio"])

    @property
    def port(self) -> int:
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def send_rtp(self, packet: bytes) -> None:
        self._transport.sendto(self._srtp.protect(packet))

    def send_rtcp(self, packet: bytes) -> None:
        """A bare loop forwards packets and knows no reports."""

    async def close(self) -> None:
        if self.sender is not None:
            self.sender.pause()
        self._transport.close()


class _Arriving(asyncio.DatagramProtocol):
    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._counter.packet(data)


class Calls:
    """The calls at one target."""

    def __init__(self, target: dict[str, Any], film: Film, host: str) -> None:
        self._target, self._film, self._host = target, film, host
        self._callers: dict[str, Caller | BareCaller] = {}
        self._users: list[JanusUser] = []
        self._redis = Redis.from_url(target["redis"]) if target["kind"] == "node" else None

    async def open(self, names: list[str]) -> None:
        """Connect both sides of each call."""
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(name: str) -> None:
            async with gate:
                await getattr(self, f"_open_{self._target['kind']}")(name)

        await asyncio.gather(*(one(name) for name in names))

    async def _open_node(self, name: str) -> None:
        assert self._redis is not None
        nodes = MediaNodes(self._redis)
        for side in SIDES:
            caller = self._callers[f"{name}/{side}"] = Caller(self._film)
            reach = _to_node(nodes, self._target["node"], name, side)
            await caller.call(reach)

    async def _open_relay(self, name: str) -> None:
        callers = []
        for side in SIDES:
            caller = self._callers[f"{name}/{side}"] = Caller(self._film)
            offer = await caller.offer()
            reply = await _ask_socket(self._target["socket"], call=name, side=side, sdp=offer)
            await caller.take_answer(reply["sdp"])
            callers.append(caller)
        for caller in callers:
            await caller.connected()

    async def _open_bare(self, name: str) -> None:
        for side in SIDES:
            caller = self._callers[f"{name}/{side}"] = BareCaller(self._film)
            reply = await _ask_socket(self._target["socket"], call=name, side=side, key_in=caller.key_out.hex())
            await caller.connect(self._host, reply["port"])
            await _ask_socket(self._target["socket"], call=name, side=side, to=[self._host, caller.port])

    async def _open_janus(self, name: str) -> None:
        users = [JanusUser(self._target["url"], f"{name}-{side}") for side in SIDES]
        self._users += users
        callers = [Caller(self._film) for _ in SIDES]
        for side, caller in zip(SIDES, callers, strict=True):
            self._callers[f"{name}/{side}"] = caller
        for user in users:
            await user.register()
        await users[0].call(users[1].name, await callers[0].offer())
        await users[1].accept(await callers[1].answer(await users[1].offered()))
        await callers[0].take_answer(await users[0].accepted())
        for caller in callers:
            await caller.connected()
        for user in users:
            await user.record(f"{self._target['folder']}/{user.name}")

    def play(self) -> None:
        for caller in self._callers.values():
            assert caller.sender is not None
            caller.sender.play()

    def pause(self) -> None:
        for caller in self._callers.values():
            assert caller.sender is not None
            caller.sender.pause()

    def counted(self) -> dict[str, Any]:
        """Totals of all callers until now, and the pictures and sounds that each has sent."""
        callers = self._callers.values()
        senders = {name: caller.sender for name, caller in self._callers.items() if caller.sender is not None}
        return {
            "at": time.monotonic(),
            "frames": sum(caller.counter.seen.frames for caller in callers),
            "packets": sum(caller.counter.seen.packets for caller in callers),
            "missing": sum(caller.counter.seen.missing for caller in callers),
            "sent": {name: [sender.frames, sender.sounds] for name, sender in senders.items()},
            "key_requests": sum(sender.key_requests for sender in senders.values()),
            "repeated": sum(sender.repeated for sender in senders.values()),
            "srtp": sorted({caller.srtp for caller in callers}),
        }

    async def close(self) -> None:
        """Everybody hangs up."""
        for user in self._users:
            await user.close()
        await asyncio.gather(*(caller.close() for caller in self._callers.values()))
        if self._redis is not None:
            self._redis.close()


def _to_node(nodes: MediaNodes, node: str, call: str, side: str) -> Any:
    return lambda sdp: asyncio.to_thread(nodes.offer, call, side, sdp, node=node, epoch=1)


async def _ask_socket(path: str, **what: Any) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(json.dumps(what).encode() + b"\n")
    reply: dict[str, Any] = json.loads(await reader.readline())
    writer.close()
    return reply


class Load:
    """All sets of calls of this process, by name."""

    def __init__(self, film: Film, host: str) -> None:
        self._film, self._host = film, host
        self._sets: dict[str, Calls] = {}

    async def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        verb, name = request["do"], request["set"]
        if verb == "open":
            calls = self._sets[name] = Calls(request["target"], self._film, self._host)
            await calls.open(request["calls"])
            return {}
        calls = self._sets[name]
        if verb == "play":
            calls.play()
        elif verb == "pause":
            calls.pause()
        elif verb == "close":
            await self._sets.pop(name).close()
            return {}
        return calls.counted()


def main() -> None:
    film, host = Film.load(Path(sys.argv[1])), sys.argv[2]
    stubs.install()
    hosts.gather_only_on([host])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(answering.serve(Load(film, host).answer))


if __name__ == "__main__":
    main()
