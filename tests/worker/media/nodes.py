"""A real media node in a process of its own, and what tests need around it."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aioice.ice
import av
import pytest
from redis import Redis
from rq import Queue

from console.adapters.media import MediaNodes
from tests.servers import ends_with_us
from worker.media.hosts import gather_only_on

LOOPBACK = "127.0.0.1"
PATIENCE = 15.0  # seconds


class RunningNode:
    """One node process, its log and its spool."""

    def __init__(self, redis_url: str, folder: Path, name: str, *flags: str, host: str = LOOPBACK) -> None:
        self.name = name
        self.spool = folder / "media"
        self._log_path = folder / f"{name}-{time.monotonic_ns()}.log"
        self._redis_url = redis_url
        command = [sys.executable, "-m", "worker.media", "--redis", redis_url, "--node", name]
        command += ["--spool", str(self.spool), "--host", host, *flags]
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, preexec_fn=ends_with_us(signal.SIGKILL))
        wait_until(lambda: self.logged("node up") or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise RuntimeError(self._log_path.read_text())

    def logged(self, what: str) -> list[dict[str, Any]]:
        """The log's lines with this message."""
        lines = [json.loads(line) for line in self._log_path.read_text().splitlines() if line.endswith("}")]
        return [line for line in lines if line["what"] == what]

    def log_text(self) -> str:
        return self._log_path.read_text()

    def legs_closed(self, call: str) -> dict[str, dict[str, Any]]:
        """What the node counted, by `side/segment`."""
        lines = self.logged("leg closed")
        return {line["leg"].removeprefix(f"{call}/"): line for line in lines if line["leg"].startswith(f"{call}/")}

    def kill(self) -> None:
        """As the kernel would, short of memory."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End at once, but orderly."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


class Desk:
    """The web process's view: the adapter, the queue of jobs, the events."""

    def __init__(self, redis_url: str) -> None:
        self.redis = Redis.from_url(redis_url)
        self.nodes = MediaNodes(self.redis)
        self._events = self.redis.pubsub()
        self._events.subscribe("media:events")
        self._events.get_message(timeout=PATIENCE)  # that we are subscribed
        self._heard: list[dict[str, Any]] = []

    def signal(self, call: str, side: str, node: str, epoch: int = 1) -> Callable[[str], Awaitable[str]]:
        """How a peer reaches the node: through the adapter, in a thread."""
        return lambda sdp: asyncio.to_thread(self.nodes.offer, call, side, sdp, node=node, epoch=epoch)

    def recordings(self, call: str) -> dict[str, dict[str, Any]]:
        """The announced recordings of a call, by `side/segment`."""
        jobs = [job for job in Queue("default", connection=self.redis).jobs if job.kwargs["session_no"] == call]
        assert {job.func_name for job in jobs} <= {"worker.recordings.keep"}
        return {f"{job.kwargs['side']}/{job.kwargs['segment']}": job.kwargs for job in jobs}

    def events(self, call: str) -> list[tuple[str, str]]:
        """(side, event) of everything published about a call until now, in order."""
        while True:
            message = self._events.get_message(timeout=0.05)
            if message is None:
                return [(event["side"], event["event"]) for event in self._heard if event["call"] == call]
            self._heard.append(json.loads(message["data"]))

    def close(self) -> None:
        self._events.close()
        self.redis.close()


def wait_until(true: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Wait for something to become true. Raises TimeoutError."""
    deadline = time.monotonic() + patience
    while not (value := true()):
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)
    return value


@contextmanager
def peers_on_loopback() -> Iterator[None]:
    """Synthetic peers of this process use 127.0.0.1, and ask no interface of the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aioice.ice, "get_host_addresses", aioice.ice.get_host_addresses)
        gather_only_on([LOOPBACK])
        yield


@contextmanager
def running_node(redis_url: str, folder: Path, name: str, *flags: str) -> Iterator[RunningNode]:
    node = RunningNode(redis_url, folder, name, *flags)
    try:
        yield node
    finally:
        if node.process.poll() is None:
            node.stop()


def decoded(path: str) -> dict[str, list[float]]:
    """Decode a recording wholly; the times (s) of its frames by kind."""
    times: dict[str, list[float]] = {"video": [], "audio": []}
    with av.open(path) as container:
        for packet in container.demux():
            for frame in packet.decode():
                times[packet.stream.type].append(float(frame.time))
    return times
