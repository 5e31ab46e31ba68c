"""`console run`, whole: Redis, migration, demo data, web, worker and media node, up and down again."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.config import redis_socket
from console.supervisor import web_answers
from tests.servers import ends_with_us

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.early
PATIENCE = 90.0  # seconds to "ready" on a busy machine


@contextmanager
def console_run(home: Path, *more: str, until: str = "ready — Ctrl-C") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and everything it said up to the line with ``until``; Ctrl-C at the end."""
    process = begin(home, *more)
    try:
        yield process, listen(process, until)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=40)


def listen(process: subprocess.Popen[str], until: str) -> str:
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if until in line:
            return "".join(said)
    pytest.fail(f"it ended before {until!r}:\n" + "".join(said))


def begin(home: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "console.cli", "run", "--port", "0", *more],
        env={"PATH": os.environ["PATH"], "CONSOLE_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        preexec_fn=ends_with_us(),
    )


def group_of(process: subprocess.Popen[str]) -> set[int]:
    return {int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()}


def port_in(said: str) -> int:
    found = re.search(r"http://127\.0\.0\.1:(\d+)/desk", said)
    assert found, said
    return int(found[1])


@pytest.mark.timeout(300)
def test_it_starts_everything_says_where_stops_everything_and_keeps_the_data(tmp_path):
    home = tmp_path / "var"
    with console_run(home, "--robots", "1") as (process, said):
        assert web_answers("127.0.0.1", port_in(said))
        listen(
            process, "joined the queue"
        )  # that robots of both businesses do is the soak in tests/worker/test_robots.py
        children = group_of(process)
        assert len(children) == 6  # redis, web, worker, the worker of films, media, robots
        assert redis_socket(home).exists()
        second = begin(home)
        refusal, _ = second.communicate(timeout=PATIENCE)
        assert second.returncode == 1
        assert f"process {process.pid}" in refusal
        assert group_of(process) == children
    assert process.returncode == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port_in(said))) != 0
    with console_run(home, until="there is data already: nothing was changed") as (process, _):
        children = group_of(process)
    assert process.returncode == 0, "stopped while it was starting"
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
