"""Commands for a node: one Redis stream, read through a consumer group; each is answered on a list of its own.

Stream `media:commands:<node>`, group `node`, one field `body` with JSON `{"id", "verb", "call", "epoch", "side",
"sdp"}`. The reply to id x is pushed to the list `media:reply:x`. The same id again gets the same reply and changes
nothing.
"""

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from worker.media.room import SIDES, Refused
from worker.media.spool import SAFE_NAME

GROUP = CONSUMER = "node"
BLOCK_MS = 1000
BATCH = 16
REPLY_SECONDS = 30
REMEMBERED = 4096  # replies
STALE_AFTER = 30.0  # seconds; nobody waits for the reply any more
RETRY_AFTER = 0.5  # seconds, while Redis is away
VERBS = ("offer", "hang_up", "snapshot")

log = logging.getLogger(__name__)


def commands_key(node: str) -> str:
    """The stream a node reads."""
    return f"media:commands:{node}"


def reply_key(identity: str) -> str:
    """The list the reply to a command is pushed to."""
    return f"media:reply:{identity}"


@dataclass(frozen=True)
class Command:
    """One valid command."""

    id: str
    verb: str
    call: str
    side: str = ""
    epoch: int = 0
    sdp: str = ""


def parse(body: str) -> Command:
    """Read a command. Raises `Refused("bad_command")`."""
    try:
        fields = json.loads(body)
        command = Command(
            id=str(fields["id"]),
            verb=str(fields["verb"]),
            call=str(fields["call"]),
            side=str(fields.get("side") or ""),
            epoch=int(fields.get("epoch") or 0),
            sdp=str(fields.get("sdp") or ""),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused("bad_command") from error
    known = command.verb in VERBS and SAFE_NAME.fullmatch(command.call) is not None
    if not known or (command.verb != "hang_up" and command.side not in SIDES):
        raise Refused("bad_command")
    return command


class CommandReader:
    """Reads, runs and answers commands until stopped. Redis going away stops nothing but new commands."""

    def __init__(self, redis: Redis, node: str, handle: Callable[[Command], Awaitable[dict[str, Any]]]) -> None:
        self._redis = redis
        self._stream = commands_key(node)
        self._handle = handle
        self._replies: OrderedDict[str, asyncio.Task[dict[str, Any]]] = OrderedDict()
        self._serving: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled. First what an earlier life of this node left unanswered, then what comes."""
        start = "0"
        while True:
            try:
                start = await self._read(start)
            except RedisError as error:
                await self._recover(error)

    async def _recover(self, error: RedisError) -> None:
        try:
            if isinstance(error, ResponseError) and str(error).startswith("NOGROUP"):
                await self._create_group()
                return
        except RedisError as second:
            error = second
        log.warning("commands cannot be read", extra={"reason": type(error).__name__})
        await asyncio.sleep(RETRY_AFTER)

    async def _create_group(self) -> None:
        try:
            await self._redis.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def _read(self, start: str) -> str:
        batches: Any = await self._redis.xreadgroup(
            GROUP, CONSUMER, {self._stream: start}, count=BATCH, block=BLOCK_MS if start == ">" else None
        )
        entries = _entries(batches)
        for entry, fields in entries:
            task = asyncio.create_task(self._serve(entry, fields))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        if start == ">":
            return start
        return entries[-1][0].decode() if entries else ">"

    async def _serve(self, entry: bytes, fields: dict[bytes, bytes]) -> None:
        body = (fields or {}).get(b"body", b"").decode(errors="replace")
        reply = await self._reply_to(body, age=time.time() - int(entry.split(b"-")[0]) / 1000)
        identity = _identity(body)
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                if identity is not None:
                    pipe.lpush(reply_key(identity), json.dumps(reply))
                    pipe.expire(reply_key(identity), REPLY_SECONDS)
                pipe.xack(self._stream, GROUP, entry)
                pipe.xdel(self._stream, entry)
                await pipe.execute()
        except RedisError as error:
            log.warning("reply not delivered", extra={"reason": type(error).__name__})

    async def _reply_to(self, body: str, *, age: float) -> dict[str, Any]:
        try:
            command = parse(body)
        except Refused as refused:
            return {"ok": False, "error": refused.code}
        task = self._replies.get(command.id)
        if task is None:
            task = self._replies[command.id] = asyncio.create_task(self._run(command, age))
            while len(self._replies) > REMEMBERED:
                self._replies.popitem(last=False)
        return await task

    async def _run(self, command: Command, age: float) -> dict[str, Any]:
        where = {"call": command.call, "side": command.side, "verb": command.verb}
        try:
            if age > STALE_AFTER and command.verb != "hang_up":
                raise Refused("stale_command")
            reply = {"ok": True, **await self._handle(command)}
        except Refused as refused:
            reply = {"ok": False, "error": refused.code}
        except Exception:
            log.exception("command failed", extra=where)
            reply = {"ok": False, "error": "failed"}
        log.info("command", extra={**where, "ok": reply["ok"], "error": reply.get("error")})
        return reply

    async def finish(self) -> None:
        """Wait until every command that was read has been answered."""
        while self._serving:
            await asyncio.wait(set(self._serving))


def _entries(batches: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """XREADGROUP's answer for one stream, in either protocol version's shape."""
    if not batches:
        return []
    if isinstance(batches, dict):
        [(_stream, lists)] = batches.items()
        return [entry for entries in lists for entry in entries] if lists and isinstance(lists[0], list) else lists
    [(_stream, entries)] = batches
    return list(entries)


def _identity(body: str) -> str | None:
    """The id to answer to, also of a command that is otherwise unusable."""
    try:
        return str(json.loads(body)["id"])
    except (ValueError, KeyError, TypeError):
        return None
