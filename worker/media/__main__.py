"""Run a media node: `python -m worker.media --redis URL --node NAME --spool DIR --host 127.0.0.1`.

SIGTERM drains: no new calls, and the end when the present ones are over or the limit is reached. SIGINT, or a second
SIGTERM, ends the calls at once. Recordings are finished and announced in either case.
"""

import argparse
import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from pathlib import Path

from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from worker.media import hosts, leg, logs, selftest, stubs
from worker.media.announce import Announcer
from worker.media.commands import CommandReader
from worker.media.loop import Loop
from worker.media.node import Node
from worker.media.spool import Spool

GIB = 1 << 30
GC_THRESHOLDS = (5_000, 20, 50)  # packets make no cycles, so rarely; but each time is a pause, so not of much at once

log = logging.getLogger("worker.media")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """The node's settings, from flags or the environment."""
    environ = os.environ
    home = Path(environ.get("CONSOLE_HOME", "var"))
    parser = argparse.ArgumentParser(prog="python -m worker.media", description="Forwards and records video calls.")
    parser.add_argument("--redis", default=environ.get("REDIS_URL", f"unix://{(home / 'redis.sock').resolve()}"))
    parser.add_argument("--node", default=environ.get("MEDIA_NODE", f"{socket.gethostname()}-1"))
    parser.add_argument("--spool", type=Path, default=Path(environ.get("MEDIA_SPOOL", home / "media")))
    parser.add_argument(
        "--host",
        action="append",
        help="address offered to the peers (repeatable)",
        default=environ["MEDIA_HOSTS"].split(",") if environ.get("MEDIA_HOSTS") else None,
    )
    parser.add_argument("--capacity", type=int, default=int(environ.get("MEDIA_CAPACITY", "60")), help="calls")
    parser.add_argument(
        "--disk-floor",
        type=int,
        default=int(environ.get("MEDIA_DISK_FLOOR", str(GIB))),
        help="bytes that must be free on the spool's disk for a new call",
    )
    parser.add_argument("--drain-limit", type=float, default=float(environ.get("MEDIA_DRAIN_LIMIT", "900")))
    return parser.parse_args(argv)


def is_compiled() -> bool:
    """Whether the packet path is (setup.py)."""
    return not str(leg.__file__).endswith(".py")


async def run(settings: argparse.Namespace) -> None:
    """A node from its self-test to its end. Raises `selftest.MissingAttributes`."""
    await selftest.check()
    stubs.install()
    if settings.host:
        hosts.gather_only_on(settings.host)
    redis = Redis.from_url(settings.redis)
    node = Node(
        settings.node,
        redis=redis,
        spool=Spool(settings.spool.resolve()),
        announcer=Announcer(lambda: BlockingRedis.from_url(settings.redis)),
        capacity=settings.capacity,
        disk_floor=settings.disk_floor,
    )
    reader = CommandReader(redis, settings.node, node.handle)
    await node.sign_on()
    parts = (reader.run(), node.heartbeat(), node.anchoring(), node.sweep(), node.lag.watch())
    loops = [asyncio.create_task(part) for part in parts]
    gc.freeze()  # modules and settings live as long as the process: do not look through them again and again
    gc.set_threshold(*GC_THRESHOLDS)
    log.info(
        "node up",
        extra={"node": settings.node, "pid": os.getpid(), "capacity": settings.capacity, "compiled": is_compiled()},
    )
    await _until_told_to_stop(node, loops, settings.drain_limit)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    await reader.finish()
    await node.close()
    await redis.aclose()
    log.info("node down", extra={"node": settings.node})


async def _until_told_to_stop(node: Node, loops: list[asyncio.Task[None]], drain_limit: float) -> None:
    loop = asyncio.get_running_loop()
    drain, leave = asyncio.Event(), asyncio.Event()

    def terminate() -> None:
        (leave if drain.is_set() else drain).set()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    loop.add_signal_handler(signal.SIGINT, leave.set)
    ends: list[asyncio.Task[None]] = [
        asyncio.create_task(_wait_for(leave)),
        asyncio.create_task(_drain_when(drain, node, drain_limit)),
    ]
    done, _waiting = await asyncio.wait([*ends, *loops], return_when=asyncio.FIRST_COMPLETED)
    for task in ends:
        task.cancel()
    for task in done.intersection(loops):
        log.error("a part of the node stopped", exc_info=task.exception())


async def _wait_for(told: asyncio.Event) -> None:
    await told.wait()


async def _drain_when(told: asyncio.Event, node: Node, limit: float) -> None:
    await told.wait()
    await node.drain(limit)


def main() -> int:
    """The exit code: 0, or 1 when the libraries do not fit."""
    logs.configure()
    settings = arguments()
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(run(settings))
    except selftest.MissingAttributes as missing:
        log.error("self-test failed", extra={"missing": missing.names})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
