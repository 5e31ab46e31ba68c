"""A node: its rooms, its places, its heartbeat, and its orderly end."""

import asyncio
import json
import logging
import resource
import time
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from worker.media.announce import Announcer
from worker.media.commands import Command
from worker.media.room import HangUp, Offer, Refused, Room, TakeSnapshot
from worker.media.spool import Note, Spool

NODES_KEY = "media:nodes"
EVENTS_CHANNEL = "media:events"
HEARTBEAT = 2.0  # seconds
HEARTBEAT_EXPIRES = 6  # seconds
SWEEP = 15.0  # seconds between looks for recordings whose announcement failed
SEGMENTS_EXPIRE = 7 * 24 * 3600  # seconds

log = logging.getLogger(__name__)


def node_key(node: str) -> str:
    """The hash with a node's heartbeat."""
    return f"media:node:{node}"


class Node:
    """Runs rooms for the calls it is told about. Also the rooms' `Surroundings`."""

    def __init__(self, name: str, *, redis: Redis, spool: Spool, announcer: Announcer, capacity: int) -> None:
        self.name = name
        self.spool = spool
        self.draining = False
        self._redis = redis
        self._announcer = announcer
        self._capacity = capacity
        self._rooms: dict[str, Room] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._background: set[asyncio.Task[None]] = set()
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
        """See `room.Surroundings`."""
        at = datetime.now(UTC).isoformat()
        body = json.dumps({"call": call, "side": side, "event": event, "at": at, **more})
        log.info("event", extra={"call": call, "side": side, "event": event})
        self._later(self._publish(body))

    async def _publish(self, body: str) -> None:
        try:
            await self._redis.publish(EVENTS_CHANNEL, body)
        except RedisError as error:
            log.warning("event not published", extra={"reason": type(error).__name__})

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

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

    async def heartbeat(self) -> None:
        """Until cancelled: say every `HEARTBEAT` seconds that this node lives, and how busy it is."""
        while True:
            await self.beat()
            await asyncio.sleep(HEARTBEAT)

    async def beat(self) -> None:
        """One heartbeat; a Redis that is away is only noted."""
        calls = len(self._rooms)
        state: dict[Any, Any] = {
            "free": max(0, self._capacity - calls),
            "calls": calls,
            "cpu": round(self._cpu_load(), 3),
            "draining": int(self.draining),
        }
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(node_key(self.name), mapping=state)
                pipe.expire(node_key(self.name), HEARTBEAT_EXPIRES)
                pipe.zadd(NODES_KEY, {self.name: time.time()})
                await pipe.execute()
        except RedisError as error:
            log.warning("heartbeat not delivered", extra={"reason": type(error).__name__})

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
        if self._background:
            await asyncio.wait(set(self._background))
        try:
            await self._redis.delete(node_key(self.name))
            await self._redis.zrem(NODES_KEY, self.name)
        except RedisError as error:
            log.warning("not signed off", extra={"reason": type(error).__name__})


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
