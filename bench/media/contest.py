"""Ours and a peer under the same calls, in turns: CPU and what was delivered, round by round."""

import os
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.media.film import FPS
from bench.media.process import Answering, cpu_seconds
from tests.servers import redis_of_its_own
from tests.worker.media.nodes import RunningNode

LOOPBACK = "127.0.0.1"
STUTTER = 0.05  # seconds
WARM_UP = 1.5  # seconds of calls before they count


@dataclass(frozen=True)
class Target:
    """A server that takes the load: what the callers must know of it, and whose CPU time counts.

    `calls` at a time. With `anew`, each round has calls of its own, for a server that a pause would upset. With `stutter`,
    the server is stopped half of the time, so that it always finds many packets waiting and hardly ever has to be woken.
    """

    name: str
    pid: int
    address: dict[str, Any]
    calls: int = 1
    anew: bool = False
    stutter: bool = False


@dataclass(frozen=True)
class Round:
    """One window of measuring: CPU in ms per call-second, pictures a second that each caller got, packets left out."""

    cpu_ms: float
    fps: float
    packets_per_second: float
    missing: int


@dataclass
class Score:
    """All rounds of one target."""

    rounds: list[Round] = field(default_factory=list)
    srtp: list[str] = field(default_factory=list)

    @property
    def cpu_ms(self) -> float:
        return statistics.median(each.cpu_ms for each in self.rounds)

    @property
    def fps(self) -> float:
        return statistics.median(each.fps for each in self.rounds)

    @property
    def microseconds_per_packet(self) -> float:
        """CPU per packet that came out."""
        return statistics.median(1000 * each.cpu_ms / each.packets_per_second for each in self.rounds)


@contextmanager
def callers(film: Path, host: str = LOOPBACK) -> Iterator[Answering]:
    """The process of the load, see `load`."""
    load = Answering("bench.media.load", str(film), host)
    try:
        yield load
    finally:
        load.stop()


@contextmanager
def our_node(folder: Path, *flags: str, host: str = LOOPBACK) -> Iterator[tuple[RunningNode, Target]]:
    """The real node with a real Redis."""
    with redis_of_its_own() as url:
        node = RunningNode(url, folder, "bench-1", *flags, host=host)
        try:
            yield node, Target("ours", node.process.pid, {"kind": "node", "redis": url, "node": node.name})
        finally:
            node.stop()


def contend(load: Answering, targets: list[Target], *, rounds: int, seconds: float) -> dict[str, Score]:
    """Each target gets its calls, then they play in turns; only one target's calls play at a time."""
    scores = {target.name: Score() for target in targets}
    for target in targets:
        if not target.anew:
            _open(load, target, target.name)
    for number in range(rounds):
        for target in targets if number % 2 == 0 else reversed(targets):
            score = scores[target.name]
            if target.anew:
                _open(load, target, f"{target.name}-{number}")
            score.rounds.append(_round(load, target, seconds))
            score.srtp = load.ask(do="count", set=target.name)["srtp"]
            if target.anew:
                load.ask(do="close", set=target.name)
    for target in targets:
        if not target.anew:
            load.ask(do="close", set=target.name)
    return scores


def _open(load: Answering, target: Target, prefix: str) -> None:
    names = [f"{prefix}-{number}" for number in range(target.calls)]
    load.ask(do="open", set=target.name, target=target.address, calls=names)


def _round(load: Answering, target: Target, seconds: float) -> Round:
    load.ask(do="play", set=target.name)
    time.sleep(WARM_UP)
    before, spent_before = load.ask(do="count", set=target.name), cpu_seconds(target.pid)
    _let_run(target, seconds)
    after, spent = load.ask(do="count", set=target.name), cpu_seconds(target.pid)
    load.ask(do="pause", set=target.name)
    took, calls = after["at"] - before["at"], target.calls
    return Round(
        cpu_ms=1000 * (spent - spent_before) / (took * calls),
        fps=(after["frames"] - before["frames"]) / (took * calls * 2),
        packets_per_second=(after["packets"] - before["packets"]) / (took * calls),
        missing=after["missing"] - before["missing"],
    )


def _let_run(target: Target, seconds: float) -> None:
    if not target.stutter:
        time.sleep(seconds)
        return
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        os.kill(target.pid, signal.SIGSTOP)
        time.sleep(STUTTER)
        os.kill(target.pid, signal.SIGCONT)
        time.sleep(STUTTER)


def line(figure: str, ours: Score, peer: Score, peer_name: str, limit: float, **more: Any) -> dict[str, Any]:
    """What is printed of a contest for CPU. It holds only if it also holds by the packet: who delivers less is no cheaper."""
    ratio = ours.cpu_ms / peer.cpu_ms
    by_packet = ours.microseconds_per_packet / peer.microseconds_per_packet
    return {
        "figure": figure,
        "ours": round(ours.cpu_ms, 2),
        "peer": round(peer.cpu_ms, 2),
        "peer_name": peer_name,
        "ratio": round(ratio, 4),
        "unit": "CPU-ms per call-second",
        "delivered_ours": round(ours.fps, 2),
        "delivered_peer": round(peer.fps, 2),
        "delivered_due": FPS,
        "limit": round(limit, 4),
        "ok": max(ratio, by_packet) <= limit,
        "ratio_per_packet": round(by_packet, 4),
        "us_per_packet_ours": round(ours.microseconds_per_packet, 1),
        "us_per_packet_peer": round(peer.microseconds_per_packet, 1),
        "rounds_ours": [round(each.cpu_ms, 2) for each in ours.rounds],
        "rounds_peer": [round(each.cpu_ms, 2) for each in peer.rounds],
        "missing_ours": sum(each.missing for each in ours.rounds),
        "missing_peer": sum(each.missing for each in peer.rounds),
        "srtp": [ours.srtp, peer.srtp],
        **more,
    }
