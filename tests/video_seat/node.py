"""A media node that behaves: it speaks the node's Redis protocol and knows who is in which call, but moves no media."""

import json
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis import Redis

from tests.video_seat.given import png


class PretendNode:
    """Ends with ``stop``. ``calls``: session number → sides that are connected; ``ended``: calls that were hung up."""

    def __init__(self, redis_url: str, spool: Path, name: str = "node-1", free: int = 60):
        self.name, self.spool, self.free = name, spool, free
        self.calls: dict[str, set[str]] = {}
        self.ended: list[str] = []
        self.refuses = ""  # every offer, with this
        self.dark = False  # no picture of the investor has come yet
        self._segments: dict[tuple[str, str], int] = {}
        self._redis = Redis.from_url(redis_url)
        self._stop = threading.Event()
        self.beat()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._redis.delete(f"media:node:{self.name}")
        self._redis.close()

    def has_ended(self, session_no: str, patience: float = 5) -> bool:
        deadline = time.monotonic() + patience
        while session_no not in self.ended and time.monotonic() < deadline:
            time.sleep(0.01)
        return session_no in self.ended

    def beat(self) -> None:
        state = {"free": self.free, "calls": len(self.calls), "cpu": "0.1", "draining": 0}
        self._redis.hset(f"media:node:{self.name}", mapping=state)
        self._redis.zadd("media:nodes", {self.name: self._redis.time()[0]})

    def _run(self) -> None:
        last = "0"
        while not self._stop.is_set():
            found: Any = self._redis.xread({f"media:commands:{self.name}": last}, count=1, block=50)
            for _stream, entries in found.items() if isinstance(found, dict) else found or ():
                for entry, fields in entries[0] if entries and isinstance(entries[0], list) else entries:
                    last = entry.decode()
                    self._answer(json.loads(fields[b"body"]))

    def _answer(self, command: dict[str, Any]) -> None:
        reply = getattr(self, f"_{command['verb']}")(command)
        self._redis.lpush(f"media:reply:{command['id']}", json.dumps({"ok": "error" not in reply, **reply}))

    def say(self, call: str, side: str, event: str, **facts: Any) -> None:
        """Tell whoever listens, as a node does."""
        at = datetime.now(UTC).isoformat()
        body = {"node": self.name, "call": call, "side": side, "event": event, "at": at, **facts}
        self._redis.xadd("media:happened", {"body": json.dumps(body)})

    def _offer(self, command: dict[str, Any]) -> dict[str, Any]:
        call, side = command["call"], command["side"]
        if self.refuses:
            return {"error": self.refuses}
        self.calls.setdefault(call, set()).add(side)
        self._segments[call, side] = segment = self._segments.get((call, side), 0) + 1
        self.say(call, side, "connected", segment=segment)
        self.say(call, side, "recording", segment=segment, width=640, height=480)
        return {"sdp": f"answer of {self.name} to {command['sdp']}"}

    def _snapshot(self, command: dict[str, Any]) -> dict[str, Any]:
        if command["side"] not in self.calls.get(command["call"], ()):
            return {"error": "no_leg"}
        if self.dark:
            return {"error": "no_picture"}
        folder = self.spool / command["call"]
        folder.mkdir(parents=True, exist_ok=True)
        picture = png(folder, f"{uuid.uuid4().hex}.png")
        return {"path": str(picture), "width": 64, "height": 48, "at": datetime.now(UTC).isoformat()}

    def _hang_up(self, command: dict[str, Any]) -> dict[str, Any]:
        self.calls.pop(command["call"], None)
        self.ended.append(command["call"])
        return {}
