"""`python -m bench.media`: JSON lines on stdout, one a figure; what could not be measured is said on stderr.

A line has `ours`, `peer`, `peer_name`, `ratio` and `unit`, the frames delivered, and whether the limit of issue 3 holds.
docs/decisions/0010 says what is counted and what is not. Everything runs on loopback, or in a private network.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.media import film
from bench.media.contest import LOOPBACK, Target, callers, contend, line, our_node
from bench.media.crowd import crowd
from bench.media.process import Answering

Lines = Iterator[dict[str, Any]]
OUR_CALLS = 20  # calls of ours at a time where the figure is the cost of one
CROWD = 60


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
        scores = contend(load, [many, peer], rounds=how.rounds, seconds=how.seconds)
        bare.stop()
    yield line("cpu_bare_loop", scores["ours"], scores["peer"], "bare Python socket + SRTP loop", 2.5, calls=how.calls)


def in_a_crowd(how: How) -> Lines:
    """Many calls on one node."""
    with our_node(how.folder, "--capacity", str(how.crowd)) as (node, ours), callers(how.film) as load:
        yield from crowd(load, node, ours, calls=how.crowd, seconds=2 * how.seconds)


FIGURES: dict[str, Callable[[How], Lines]] = {
    "aiortc": against_aiortc,
    "bare": against_a_bare_loop,
    "crowd": in_a_crowd,
}


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.media", description="Figures of the media engine.")
    parser.add_argument("--figures", nargs="+", choices=sorted(FIGURES), default=list(FIGURES))
    parser.add_argument("--seconds", type=float, default=6.0, help="of one window of measuring")
    parser.add_argument("--rounds", type=int, default=3, help="windows of each; their median counts")
    parser.add_argument("--calls", type=int, default=OUR_CALLS, help="at a time, where the cost of one is the figure")
    parser.add_argument("--crowd", type=int, default=CROWD, help="calls on one node")
    return parser.parse_args(argv)


def main() -> int:
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="wd-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        film.make().save(folder / "film")
        for figure in asked.figures:
            own = folder / figure
            own.mkdir()
            how = How(asked.seconds, asked.rounds, asked.calls, asked.crowd, own, folder / "film")
            for found in FIGURES[figure](how):
                print(json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
