"""The benches still run. What they say is for a quiet machine; here only that each figure is there and frames came through."""

import json
import subprocess
import sys

import pytest

FEW = ("--seconds", "2", "--rounds", "1", "--calls", "2", "--crowd", "2")


@pytest.mark.soak
@pytest.mark.parametrize("figure", ["aiortc", "bare", "crowd", "first_frame", "snapshot"])
def test_a_figure_of_the_media_engine_is_told_with_what_was_delivered(figure: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.media", "--figures", figure, *FEW],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert told, ran.stderr
    assert all({"figure", "ours", "peer", "peer_name", "ratio", "unit"} <= line.keys() for line in told)
    assert all(line["delivered_ours"] > 0 for line in told)


@pytest.mark.soak
def test_the_figures_of_the_fan_out_are_told_with_how_many_heard() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.fanout", "--sockets", "100", "--rounds", "1", "--seconds", "3"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(told) == 3, ran.stderr
    assert all({"figure", "ours", "peer", "peer_name", "ratio", "unit"} <= line.keys() for line in told)
    assert [line.get("delivered", line.get("delivered_a_second")) for line in told] == [
        [100, 100],
        [100, 100],
        [200, 200],
    ]
