"""A node: its rooms, its places, its heartbeat, and its orderly end."""

import asyncio
import json
import logging
import resource
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from worker.media.announce import Announcer
from worker.media.commands import Command
from worker.media.lag import Lag
from worker.media.room import HangUp, Offer, Refused, Room, TakeSnapshot
from worker.media.spool import Note, Spool

NODES_KEY = "media:nodes"
EVENTS_CHANNEL = "media:events"
HAPPENED_KEY = "media:happened"  # the same events, kept for who was not listening
HAPPENED_LENGTH = 20_000  # events, about
ANCHORS_KEY = (
    "media:anchors"  # how far the chains of running recordings are, kept by the web side where no node can change it
)
ANCHORS_LENGTH = 500  # messages, about: a later one says all that those before it said
ANCHOR_EVERY = 5.0  # seconds
HEARTBEAT = 1.0  # seconds
HEARTBEAT_EXPIRES = 4  # seconds
UNSENT = 5_000  # events kept while Redis is away
RETRY_AFTER = 0.5  # seconds
GOODBYE = 5.0  # seconds for the last events
SPARE = 1.1  # times the floor, before a node that was full takes calls again
SWEEP = 15.0  # seconds between looks for recordings whose announcement failed
SEGMENTS_EXPIRE = 7 * 24 * 3600  # seconds

log = logging.getLogger(__name__)


def node_key(node: str) -> str:
    """The hash with a node's heartbeat."""
    return f"media:node:{node}"


class Node:
    """Runs rooms for the calls it is told about. Also the rooms' `Surroundings`."""

    def __init__(
        self, name: str, *, redis: Redis, spool: Spool, announcer: Announcer, capacity: int, disk_floor: int = 0
    ) -> None:
        self.name = name
        self.spool = spool
        self.draining = False
        self.disk_low = False
        self.lag = Lag()
        self._disk_floor = disk_floor
        self._redis = redis
        self._announcer = announcer
        self._capacity = capacity
        self._rooms: dict[str, Room] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._unsent: deque[tuple[str, int, str]] = deque(maxlen=UNSENT)  # stream, its length, body
        self._sending: asyncio.Task[None] | None = None
        self._cpu = (time.monotonic(), _cpu_seconds())

    # -- commands

    async def handle(self, command: Command) -> dict[str, Any]:
        """Run one command. Raises `Refused`."""
        room = self._rooms.get(command.call)
        if command.verb == "hang_up":
            return await room.ask(HangUp()) if room is not None else {}
        if command.verb == "offer":
            room = room or self._open_room(command.call)
            return await room.ask(Offer(command.side, command.sdp, command.epoch))
        if room is None:
            raise Refused("no_call")
        return await room.ask(TakeSnapshot(command.side))

    def _open_room(self, call: str) -> Room:
        if self.draining:
            raise Refused("draining")
        if self.disk_low:
            raise Refused("disk_low")
        if len(self._rooms) >= self._capacity:
            raise Refused("full")
        room = self._rooms[call] = Room(call, self)
        self._empty.clear()
        return room

    # -- what rooms need

    async def next_segment(self, call: str, side: str) -> int:
        """See `room.Surroundings`. Counted in Redis, so that a call that moves to another node goes on counting."""
        key = f"media:segments:{call}:{side}"
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.incr(key)
            pipe.expire(key, SEGMENTS_EXPIRE)
            counted, _ = await pipe.execute()
        return self.spool.free_segment(call, side, counted)

    def publish(self, call: str, side: str, event: str, **more: object) -> None:
        """See `room.Surroundings`. In order, and nothing is lost while Redis is away for a while."""
        at = datetime.now(UTC).isoformat()
        body = {"node": self.name, "call": call, "side": side, "event": event, "at": at, **more}
        log.info("event", extra={"call": call, "side": side, "event": event})
        self._say(HAPPENED_KEY, HAPPENED_LENGTH, body)

    def anchor(self, heads: list[dict[str, object]]) -> None:
        """See `room.Surroundings`."""
        self._say(ANCHORS_KEY, ANCHORS_LENGTH, {"node": self.name, "heads": heads})

    def _say(self, stream: str, length: int, body: dict[str, Any]) -> None:
        self._unsent.append((stream, length, json.dumps(body)))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_events())

    async def _send_events(self) -> None:
        while self._unsent:
            stream, length, body = self._unsent[0]
            try:
                async with self._redis.pipeline(transaction=True) as pipe:
                    pipe.xadd(stream, {"body": body}, maxlen=length, approximate=True)
                    if stream == HAPPENED_KEY:
                        pipe.publish(EVENTS_CHANNEL, body)
                    await pipe.execute()
            except RedisError as error:
                log.warning("event not published yet", extra={"reason": type(error).__name__})
                await asyncio.sleep(RETRY_AFTER)
            else:
                self._unsent.popleft()

    async def announce(self, note: Note) -> None:
        """See `room.Surroundings`. What fails now is found again by the next sweep."""
        try:
            await asyncio.to_thread(self._announcer.announce, note)
        except (RedisError, OSError):
            log.exception("recording not announced yet", extra={"call": note.take.session_no, "side": note.take.side})

    def room_ended(self, room: Room) -> None:
        """See `room.Surroundings`."""
        if self._rooms.get(room.call) is room:
            del self._rooms[room.call]
        if not self._rooms:
            self._empty.set()

    # -- the node's own life

    async def sign_on(self) -> None:
        """The first heartbeat; and word to whoever believes that a former life of this node still has its calls."""
        since: float | None = None
        try:
            since = await self._redis.zscore(NODES_KEY, self.name)
        except RedisError as error:
            log.warning("former life not looked up", extra={"reason": type(error).__name__})
        await self.beat()
        before = {"since": datetime.fromtimestamp(since, UTC).isoformat()} if since is not None else {}
        self.publish("", "", "started", **before)

    async def sweep(self) -> None:
        """Until cancelled: announce what was left behind, at once and then every `SWEEP` seconds."""
        while True:
            try:
                count = await asyncio.to_thread(self._announcer.sweep, self.spool)
                if count:
                    log.info("left recordings announced", extra={"count": count})
            except (RedisError, OSError):
                log.exception("sweep failed")
            await asyncio.sleep(SWEEP)

    async def anchoring(self) -> None:
        """Until cancelled: tell every `ANCHOR_EVERY` seconds how far the chains are. While Redis is away the next time says it all."""
        while True:
            await asyncio.sleep(ANCHOR_EVERY)
            heads = [head for room in self._rooms.values() for head in room.anchors()]
            if heads and not self._unsent:
                self.anchor(heads)

    async def heartbeat(self) -> None:
        """Until cancelled: say every `HEARTBEAT` seconds that this node lives, and how busy it is."""
        while True:
            await self.beat()
            await asyncio.sleep(HEARTBEAT)

    async def beat(self) -> None:
        """One heartbeat; a Redis that is away is only noted."""
        self._look_at_disk()
        calls = len(self._rooms)
        state: dict[Any, Any] = {
            "free": 0 if self.disk_low else max(0, self._capacity - calls),
            "calls": calls,
            "cpu": round(self._cpu_load(), 3),
            "draining": int(self.draining),
            "disk_low": int(self.disk_low),
            "late": json.dumps(self.lag.counts),
        }
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(node_key(self.name), mapping=state)
                pipe.expire(node_key(self.name), HEARTBEAT_EXPIRES)
                pipe.zadd(NODES_KEY, {self.name: time.time()})
                await pipe.execute()
        except RedisError as error:
            log.warning("heartbeat not delivered", extra={"reason": type(error).__name__})

    def _look_at_disk(self) -> None:
        """Below the floor no call is taken and those that run are flagged, until there is room again (with some to spare)."""
        try:
            free = self.spool.free_bytes()
        except OSError as error:
            log.warning("disk not looked at", extra={"reason": type(error).__name__})
            return
        low = free < (self._disk_floor * SPARE if self.disk_low else self._disk_floor)
        if low != self.disk_low:
            self.disk_low = low
            log.warning("disk low" if low else "disk has room again", extra={"free": free, "floor": self._disk_floor})
            for call in self._rooms:
                self.publish(call, "", "disk_low" if low else "disk_ok")

    def _cpu_load(self) -> float:
        """Cores used since the last heartbeat."""
        (before, spent_before), (now, spent) = self._cpu, (time.monotonic(), _cpu_seconds())
        self._cpu = (now, spent)
        return (spent - spent_before) / (now - before) if now > before else 0.0

    async def drain(self, limit: float) -> None:
        """Take no new calls and wait up to `limit` seconds for the present ones to end."""
        self.draining = True
        log.info("draining", extra={"calls": len(self._rooms)})
        await self.beat()
        try:
            async with asyncio.timeout(limit):
                await self._empty.wait()
        except TimeoutError:
            log.warning("drain limit reached", extra={"calls": len(self._rooms)})

    async def close(self) -> None:
        """End every call, hand its recordings over, and sign off."""
        self.draining = True
        for room in list(self._rooms.values()):
            await room.end()
        if self._sending is not None:
            await asyncio.wait({self._sending}, timeout=GOODBYE)
            self._sending.cancel()
        try:
            await self._redis.delete(node_key(self.name))
            await self._redis.zrem(NODES_KEY, self.name)
        except RedisError as error:
            log.warning("not signed off", extra={"reason": type(error).__name__})


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
