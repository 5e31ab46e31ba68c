"""`python -m bench.media`: JSON lines on stdout, one a figure; what could not be measured is said on stderr.

A line has `ours`, `peer`, `peer_name`, `ratio` and `unit`, the frames delivered, and whether the limit of issue 3 holds.
docs/decisions/0010 says what is counted and what is not. Everything runs on loopback, or in a private network.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.media import browsers, film, namespace
from bench.media.contest import LOOPBACK, Target, callers, contend, line, our_node
from bench.media.crowd import crowd
from bench.media.janus import Janus, JanusMissing
from bench.media.namespace import NamespaceMissing
from bench.media.process import Answering, ahead_of_others

Lines = Iterator[dict[str, Any]]
OUR_CALLS = 40  # calls at a time where the figure is the cost of one
CROWD = 60


class NotHere(Exception):
    """A figure that this machine cannot measure; the message says what is missing."""


@dataclass(frozen=True)
class How:
    """What the flags say, and where to put things."""

    seconds: float
    rounds: int
    calls: int
    crowd: int
    folder: Path
    film: Path


def against_aiortc(how: How) -> Lines:
    """One call of aiortc's own (it cannot keep up with more), `--calls` and then one of ours."""
    with our_node(how.folder) as (_, ours), callers(how.film) as load:
        path = str(how.folder / "relay.sock")
        relay = Answering("bench.media.relay", path, str(how.folder), LOOPBACK)
        peer = Target("peer", relay.pid, {"kind": "relay", "socket": path}, calls=1, anew=True)
        alone = Target("alone", ours.pid, ours.address, calls=1)
        many = Target("ours", ours.pid, ours.address, calls=how.calls)
        scores = contend(load, [many, peer, alone], rounds=how.rounds, seconds=how.seconds)
        relay.stop()
    yield line(
        "cpu_aiortc",
        scores["ours"],
        scores["peer"],
        "aiortc MediaRelay + MediaRecorder",
        1 / 60,
        calls_ours=how.calls,
        calls_peer=1,
        ours_with_one_call=round(scores["alone"].cpu_ms, 2),
        ratio_with_one_call=round(scores["alone"].cpu_ms / scores["peer"].cpu_ms, 4),
    )


def against_a_bare_loop(how: How) -> Lines:
    """The same calls at the same pace through a loop that only receives, decrypts, encrypts and sends."""
    with our_node(how.folder) as (_, ours), callers(how.film) as load:
        path = str(how.folder / "bare.sock")
        bare = Answering("bench.media.bare", path, LOOPBACK)
        peer = Target("peer", bare.pid, {"kind": "bare", "socket": path}, calls=how.calls)
        many = Target("ours", ours.pid, ours.address, calls=how.calls)
        paced = contend(load, [many, peer], rounds=how.rounds, seconds=how.seconds)
        both = [replace(many, stutter=True), replace(peer, stutter=True)]
        stuttering = contend(load, both, rounds=how.rounds, seconds=how.seconds)
        bare.stop()
    name = "bare Python socket + SRTP loop"
    yield line("cpu_bare_loop", paced["ours"], paced["peer"], name, 2.5, calls=how.calls)
    name += ", both always with packets waiting"
    yield line("cpu_bare_loop_batched", stuttering["ours"], stuttering["peer"], name, 2.5, calls=how.calls)


def against_janus(how: How) -> Lines:
    """The same calls through Janus, in a private network because it takes no loopback address."""
    told = ["--figures", "janus_inside", "--calls", str(how.calls)]
    told += ["--seconds", str(how.seconds), "--rounds", str(how.rounds)]
    try:
        printed = namespace.run_inside("bench.media", *told)
    except NamespaceMissing as missing:
        raise NotHere(str(missing)) from missing
    for each in printed.splitlines():
        yield json.loads(each)


def against_janus_inside(how: How) -> Lines:
    """What `against_janus` runs in the private network."""
    host = namespace.HOST
    try:
        janus = Janus(how.folder, host, namespace.INTERFACE)
    except JanusMissing as missing:
        raise NotHere(str(missing)) from missing
    with our_node(how.folder, host=host) as (_, ours), callers(how.film, host) as load:
        address = {"kind": "janus", "url": janus.url, "folder": str(how.folder)}
        many = Target("ours", ours.pid, ours.address, calls=how.calls)
        scores = contend(
            load, [many, Target("peer", janus.pid, address, calls=how.calls)], rounds=how.rounds, seconds=how.seconds
        )
        janus.stop()
    recorded = sum(path.stat().st_size for path in how.folder.glob("*.mjr"))
    name = "Janus VideoCall with recording"
    yield line(
        "cpu_janus",
        scores["ours"],
        scores["peer"],
        name,
        0.8,
        calls=how.calls,
        peer_recorded_mb=round(recorded / 1e6, 1),
    )


def in_a_crowd(how: How) -> Lines:
    """Many calls on one node."""
    with our_node(how.folder, "--capacity", str(how.crowd)) as (node, ours), callers(how.film) as load:
        yield from crowd(load, node, ours, calls=how.crowd, seconds=2 * how.seconds)


def to_the_first_frame(how: How) -> Lines:
    """Two tabs of a real Chromium over the node, and straight."""
    with our_node(how.folder) as (node, ours):
        try:
            yield browsers.first_frame(node, ours.address["redis"], rounds=3 * how.rounds)
        except browsers.ChromiumMissing as missing:
            raise NotHere(str(missing)) from missing


def to_a_snapshot(how: How) -> Lines:
    """The picture of a real Chromium."""
    with our_node(how.folder) as (node, ours):
        try:
            yield browsers.snapshots(node, ours.address["redis"], rounds=5 * how.rounds)
        except browsers.ChromiumMissing as missing:
            raise NotHere(str(missing)) from missing


FIGURES: dict[str, Callable[[How], Lines]] = {
    "aiortc": against_aiortc,
    "bare": against_a_bare_loop,
    "janus": against_janus,
    "crowd": in_a_crowd,
    "first_frame": to_the_first_frame,
    "snapshot": to_a_snapshot,
}
INSIDE = {"janus_inside": against_janus_inside}


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.media", description="Figures of the media engine.")
    parser.add_argument(
        "--figures",
        nargs="+",
        help=f"some of {', '.join(FIGURES)}",
        choices=[*FIGURES, *INSIDE],
        metavar="FIGURE",
        default=list(FIGURES),
    )
    parser.add_argument("--seconds", type=float, default=6.0, help="of one window of measuring")
    parser.add_argument("--rounds", type=int, default=3, help="windows of each; their median counts")
    parser.add_argument("--calls", type=int, default=OUR_CALLS, help="at a time, where the cost of one is the figure")
    parser.add_argument("--crowd", type=int, default=CROWD, help="calls on one node")
    return parser.parse_args(argv)


def main() -> int:
    asked = arguments()
    with ahead_of_others() as niceness, tempfile.TemporaryDirectory(prefix="wd-") as name:
        folder = Path(name)
        film.make().save(folder / "film")
        for figure in asked.figures:
            own = folder / figure
            own.mkdir()
            how = How(asked.seconds, asked.rounds, asked.calls, asked.crowd, own, folder / "film")
            try:
                for found in (FIGURES | INSIDE)[figure](how):
                    print(json.dumps({**found, "niceness": niceness}), flush=True)
            except NotHere as missing:
                print(f"{figure}: not measured here: {missing}", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
