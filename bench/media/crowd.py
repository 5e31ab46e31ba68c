"""Many calls on one node: what arrives, what is lost in the recordings, and how late its event loop gets."""

import json
import time
from pathlib import Path
from typing import Any

import av
from redis import Redis

from bench.media.contest import Target
from bench.media.process import Answering, cpu_seconds, keep_apart, waited_seconds
from tests.worker.media.nodes import RunningNode
from worker.media.lag import EDGES_MS
from worker.media.node import node_key

SETTLE = 3.0  # seconds of calls before they count
LAST_PACKETS = 1.0  # seconds
LAG_LIMIT_MS, LEAST_FPS = 20, 14.9
BEAT = 1.1  # seconds: a heartbeat has come for certain


def crowd(load: Answering, node: RunningNode, target: Target, *, calls: int, seconds: float) -> list[dict[str, Any]]:
    """The lines of three figures."""
    keep_apart(load.pid, target.pid)
    names = [f"crowd-{number}" for number in range(calls)]
    load.ask(do="open", set="crowd", target=target.address, calls=names)
    load.ask(do="play", set="crowd")
    time.sleep(SETTLE)
    lateness = _lateness(target)
    before, spent, waited = load.ask(do="count", set="crowd"), cpu_seconds(target.pid), waited_seconds(target.pid)
    time.sleep(seconds)
    after, spent = load.ask(do="count", set="crowd"), cpu_seconds(target.pid) - spent
    waited = waited_seconds(target.pid) - waited
    time.sleep(BEAT)
    late = [now - then for now, then in zip(_lateness(target), lateness, strict=True)]
    load.ask(do="pause", set="crowd")
    time.sleep(LAST_PACKETS)
    sent = load.ask(do="count", set="crowd")["sent"]
    load.ask(do="close", set="crowd")
    _until_closed(node, names)
    took = after["at"] - before["at"]
    fps = (after["frames"] - before["frames"]) / (took * calls * 2)
    due_fps = _sent_pictures(before, after) / (took * calls * 2)
    shared: dict[str, Any] = {"calls": calls, "seconds": round(took, 1)}
    shared["cpu_ms_per_call_second"] = round(1000 * spent / (took * calls), 2)
    shared["core_used"], shared["core_waited_for"] = round(spent / took, 3), round(waited / took, 3)
    return [
        {
            "figure": "crowd_fps",
            "ours": round(fps, 2),
            "peer": round(due_fps, 2),
            "peer_name": "what the callers sent",
            "ratio": round(fps / due_fps, 4),
            "unit": "frames/s delivered to each caller",
            "delivered_ours": round(fps, 2),
            "limit": LEAST_FPS,
            "ok": fps >= LEAST_FPS,
            **shared,
            "missing": after["missing"] - before["missing"],
        },
        _recorded(node, sent, round(fps, 2), shared),
        _lag_line(late, round(fps, 2), shared),
    ]


def _sent_pictures(before: dict[str, Any], after: dict[str, Any]) -> int:
    return sum(pictures for pictures, _ in after["sent"].values()) - sum(each for each, _ in before["sent"].values())


def _lateness(target: Target) -> list[int]:
    with Redis.from_url(target.address["redis"]) as redis:
        return list(json.loads(redis.hget(node_key(target.address["node"]), "late")))


def _until_closed(node: RunningNode, names: list[str], patience: float = 30.0) -> None:
    wanted = {f"{name}/{side}/1" for name in names for side in ("investor", "witness")}
    deadline = time.monotonic() + patience
    while not wanted <= {line["leg"] for line in node.logged("leg closed")}:
        if time.monotonic() > deadline:
            raise TimeoutError("legs did not close")
        time.sleep(0.2)


def _recorded(node: RunningNode, sent: dict[str, list[int]], fps: float, shared: dict[str, Any]) -> dict[str, Any]:
    """Compare each file, block by block, with what its caller sent."""
    lost = due = 0
    for name, (pictures, sounds) in sent.items():
        call, side = name.split("/")
        held = _blocks(node.spool / call / f"{side}-1.webm")
        lost += max(0, pictures - held["video"]) + max(0, sounds - held["audio"])
        due += pictures + sounds
    skipped = sum(line["frames_lost"] for line in node.logged("leg closed") if line["leg"].startswith("crowd-"))
    return {
        "figure": "crowd_recorded",
        "ours": lost,
        "peer": due,
        "peer_name": "frames sent",
        "ratio": round(lost / due, 6),
        "unit": "frames sent and not in the recordings",
        "delivered_ours": fps,
        "limit": 0,
        "ok": lost == 0 and skipped == 0,
        "packets_given_up": skipped,
        **shared,
    }


def _blocks(path: Path) -> dict[str, int]:
    held = {"video": 0, "audio": 0}
    with av.open(str(path)) as container:
        for packet in container.demux():
            held[packet.stream.type] += bool(packet.size)
    return held


def _lag_line(late: list[int], fps: float, shared: dict[str, Any]) -> dict[str, Any]:
    p99 = percentile(late, 0.99)
    return {
        "figure": "crowd_lag",
        "ours": p99,
        "peer": LAG_LIMIT_MS,
        "peer_name": "the limit",
        "ratio": round(p99 / LAG_LIMIT_MS, 3),
        "unit": "ms the event loop is late, 99th percentile (upper edge of its bucket)",
        "delivered_ours": fps,
        "limit": LAG_LIMIT_MS,
        "ok": p99 <= LAG_LIMIT_MS,
        "p50": percentile(late, 0.5),
        "p95": percentile(late, 0.95),
        "samples": sum(late),
        "buckets": dict(zip([f"<={edge}" for edge in EDGES_MS] + ["more"], late, strict=True)),
        **shared,
    }


def percentile(counts: list[int], share: float) -> int:
    """The upper edge (ms) of the bucket that holds this share of the samples; twice the last edge for what lies beyond."""
    wanted, seen = share * sum(counts), 0
    edges = [*EDGES_MS, 2 * EDGES_MS[-1]]
    for edge, count in zip(edges, counts, strict=True):
        seen += count
        if seen >= wanted:
            return edge
    return edges[-1]
