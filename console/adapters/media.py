"""The web process's side of the media nodes: find one with room, pass offers on, take snapshots, hang up.

Blocking, over an ordinary Redis client (green under eventlet). The protocol is described in `worker/media/commands.py`;
neither side imports the other.
"""

import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis import Redis

NODES_KEY = "media:nodes"
HAPPENED_KEY = "media:happened"
ANCHORS_KEY = "media:anchors"
RESERVED_SECONDS = 15  # a place is held this long for the offer that follows
POLL_SECONDS = 1  # one blocking read; shorter than the client's socket timeout. Between two: does the node still live?
READ_AT_ONCE = 200  # events
STREAM_LENGTH = 1000
FORGET_NODE_AFTER = 3600  # seconds

# The least loaded living node that takes calls gets a reservation, in one step, so that two web processes cannot both
# take the last place. A node without a heartbeat hash is gone.
# KEYS: nodes. ARGV: reservation id, seconds it holds, seconds after which a dead node is forgotten.
_PLACE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[3]))
local best, most = false, 0
for _, node in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    local state = redis.call('HMGET', 'media:node:' .. node, 'free', 'draining')
    if state[1] and state[2] == '0' then
        local held = 'media:reserved:' .. node
        redis.call('ZREMRANGEBYSCORE', held, '-inf', now)
        local free = tonumber(state[1]) - redis.call('ZCARD', held)
        if free > most then best, most = node, free end
    end
end
if best then
    local held = 'media:reserved:' .. best
    redis.call('ZADD', held, now + tonumber(ARGV[2]), ARGV[1])
    redis.call('EXPIRE', held, tonumber(ARGV[2]) + 1)
end
return best
"""


class NoMediaNode(Exception):
    """No node lives that has a place; or the named one is gone."""


class MediaTimeout(Exception):
    """The node did not answer in time. The command may still take effect."""


class MediaRefused(Exception):
    """The node answered with an error; `.code` says which.

    `bad_offer`, `stale_epoch`, `draining`, `full`, `disk_low`, `no_call`, `no_leg`, `no_picture`, `call_over`, `stale_command`,
    `bad_command`, `failed`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Snapshot:
    """A PNG in the media spool: pixels, and when the picture was taken (aware)."""

    path: str
    width: int
    height: int
    at: datetime


@dataclass(frozen=True)
class NodeEvent:
    """What a node said about a call. `id` is its place among all of them; `at` is the node's clock."""

    id: str
    node: str
    call: str
    side: str
    event: str
    at: datetime
    facts: dict[str, Any]


@dataclass(frozen=True)
class Head:
    """How far the chain of a recording is: link `links` (from 1) begins at `at_ms` of it and ends in `hash`. `began`: the recording's
    own beginning.
    """

    node: str
    call: str
    side: str
    segment: int
    began: datetime
    links: int
    at_ms: int
    hash: str


@dataclass(frozen=True)
class NodeState:
    """A living node's last heartbeat; `cpu` in cores."""

    name: str
    free: int
    calls: int
    cpu: float
    draining: bool


class MediaNodes:
    """All media nodes behind one Redis. Safe to share between threads or green threads."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._place = redis.register_script(_PLACE)

    def place(self, reservation: str = "") -> str:
        """Reserve a place on the least loaded node and return the node's name. Raises `NoMediaNode`.

        Both sides of a session belong on one node: ask once per session and keep the name with it. `reservation` names it for
        `give_back`; one that nobody gives back lapses by itself.
        """
        name = reservation or uuid.uuid4().hex
        node = self._place(keys=[NODES_KEY], args=[name, RESERVED_SECONDS, FORGET_NODE_AFTER])
        if not node:
            raise NoMediaNode("no media node has a place")
        return _text(node)

    def give_back(self, node: str, reservation: str) -> None:
        """No offer will follow: somebody else may have the place at once."""
        self._redis.zrem(f"media:reserved:{node}", reservation)

    def alive(self) -> list[NodeState]:
        """The living nodes, in the order of their names."""
        names = sorted(_text(name) for name in self._redis.zrange(NODES_KEY, 0, -1))
        states = ((name, self._redis.hgetall(f"media:node:{name}")) for name in names)
        return [_node_state(name, state) for name, state in states if state]

    def lives(self, node: str) -> bool:
        """Whether the node was heard of within the last seconds."""
        return bool(self._redis.exists(f"media:node:{node}"))

    def last_beat(self, node: str) -> datetime | None:
        """When the node was heard of last, by its clock."""
        score: Any = self._redis.zscore(NODES_KEY, node)
        return datetime.fromtimestamp(score, UTC) if score is not None else None

    def now_ms(self) -> int:
        """Redis's clock: one for all web processes, so that it can number what they send."""
        seconds, micros = self._redis.time()
        return seconds * 1000 + micros // 1000

    def events(self, after: str, block_ms: int | None = None) -> list[NodeEvent]:
        """What the nodes said after the event `after` (an id, or `<ms>-0`), in order; waits for some up to `block_ms`."""
        found: Any = self._redis.xread({HAPPENED_KEY: after}, count=READ_AT_ONCE, block=block_ms)
        return [event for entry, fields in _entries(found) if (event := _event(entry, fields)) is not None]

    def heads(self, after: str) -> tuple[str, list[Head]]:
        """The last message after `after` (an id), and what it and those before it said of the chains of recordings."""
        found: Any = self._redis.xread({ANCHORS_KEY: after}, count=READ_AT_ONCE)
        entries = _entries(found)
        return _text(entries[-1][0]) if entries else after, [head for _, fields in entries for head in _heads(fields)]

    def offer(self, session_no: str, side: str, sdp: str, *, node: str, epoch: int, timeout: float = 10) -> str:
        """Pass an SDP offer on and return the answer. `side` is investor or witness.

        A second offer for the same side replaces its connection (rejoin) and begins a new recording segment; an offer
        with a smaller `epoch` than one before is refused. Raises `NoMediaNode`, `MediaTimeout`, `MediaRefused`.
        """
        reply = self._ask(node, timeout, verb="offer", call=session_no, side=side, epoch=epoch, sdp=sdp)
        return str(reply["sdp"])

    def hang_up(self, session_no: str, *, node: str, timeout: float = 10) -> bool:
        """End the session's call. Safe to repeat, and when there is no such call.

        Returns whether the node confirmed. A node that is gone has ended its calls already; if it is only slow, it
        finds the command when it comes back. Raises `MediaRefused`.
        """
        try:
            self._ask(node, timeout, verb="hang_up", call=session_no, even_if_gone=True)
        except (MediaTimeout, NoMediaNode):
            return False
        return True

    def snapshot(self, session_no: str, side: str, *, node: str, timeout: float = 10) -> Snapshot:
        """Keep the picture this side sends now, at its full size.

        Raises `NoMediaNode`, `MediaTimeout`, `MediaRefused`.
        """
        reply = self._ask(node, timeout, verb="snapshot", call=session_no, side=side)
        return Snapshot(reply["path"], reply["width"], reply["height"], datetime.fromisoformat(reply["at"]))

    def _ask(self, node: str, timeout: float, *, even_if_gone: bool = False, **command: Any) -> dict[str, Any]:
        lives = self.lives(node)
        if not lives and not even_if_gone:
            raise NoMediaNode(node)
        identity = uuid.uuid4().hex
        body = json.dumps({"id": identity, **command})
        self._redis.xadd(f"media:commands:{node}", {"body": body}, maxlen=STREAM_LENGTH, approximate=True)
        if not lives:
            raise NoMediaNode(node)
        reply = self._wait_for_reply(identity, timeout, None if even_if_gone else node)
        if not reply["ok"]:
            raise MediaRefused(str(reply["error"]))
        return reply

    def _wait_for_reply(self, identity: str, timeout: float, node: str | None) -> dict[str, Any]:
        """Raises MediaTimeout; NoMediaNode as soon as `node` dies meanwhile."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            found: Any = self._redis.brpop([f"media:reply:{identity}"], timeout=min(POLL_SECONDS, left))
            if found:
                reply: dict[str, Any] = json.loads(found[1])
                return reply
            if node is not None and not self.lives(node):
                raise NoMediaNode(node)
        raise MediaTimeout(f"no reply within {timeout} s")


def _node_state(name: str, state: Any) -> NodeState:
    fields = {_text(key): _text(value) for key, value in state.items()}
    return NodeState(
        name=name,
        free=int(fields["free"]),
        calls=int(fields["calls"]),
        cpu=float(fields["cpu"]),
        draining=fields["draining"] == "1",
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _entries(found: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """XREAD's answer for one stream, in either protocol version's shape."""
    if not found:
        return []
    lists = next(iter(found.values())) if isinstance(found, dict) else found[0][1]
    return lists[0] if lists and isinstance(lists[0], list) else lists


def _heads(fields: dict[bytes, bytes]) -> list[Head]:
    """None of what no node of ours wrote."""
    try:
        body = json.loads(fields[b"body"])
        return [
            Head(
                node=str(body["node"]),
                call=str(told["call"]),
                side=str(told["side"]),
                segment=int(told["segment"]),
                began=datetime.fromisoformat(told["began"]),
                links=int(told["links"]),
                at_ms=int(told["at_ms"]),
                hash=str(told["hash"]),
            )
            for told in body["heads"]
        ]
    except (KeyError, ValueError, TypeError, AttributeError):
        return []


def _event(entry: bytes, fields: dict[bytes, bytes]) -> NodeEvent | None:
    """None for what no node of ours wrote: it must not stop what comes after it."""
    try:
        body = json.loads(fields[b"body"])
        known = {name: str(body.pop(name)) for name in ("node", "call", "side", "event", "at")}
        at = datetime.fromisoformat(known.pop("at"))
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
    return NodeEvent(id=_text(entry), at=at, facts=body, **known)
