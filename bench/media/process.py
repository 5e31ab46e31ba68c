"""Processes of a bench: started with a leash, asked in JSON lines, and what they cost."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import ends_with_us

GOODBYE = 10.0  # seconds
NICENESS = -10


@contextmanager
def ahead_of_others() -> Iterator[int]:
    """Let everything that is measured, ours and the peers alike, run before what else runs on this machine.

    Gives the niceness that was got: `NICENESS` for who may, else what it was. Linux weighs sessions before processes
    (sched(7), autogroups), so both are set; a session's is set back at the end, as the shell may be in it.
    """
    group = Path("/proc/self/autogroup")
    before = group.read_text().split()[-1] if group.exists() else None
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        if before is not None:
            group.write_text(str(NICENESS))
    except OSError as refused:
        print(f"not ahead of others, so they are in the figures: {refused}", file=sys.stderr)
        before = None
    try:
        yield os.getpriority(os.PRIO_PROCESS, 0)
    finally:
        if before is not None:
            group.write_text(before)


def cpu_seconds(pid: int) -> float:
    """All CPU time a process has used since its start, in its threads and for it in the kernel (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def waited_seconds(pid: int) -> float:
    """How long a process's main thread was ready to run while others had the cores (proc_pid_schedstat)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def keep_apart(load: int, server: int) -> None:
    """A core for the server, as a node gets one in production; the others for the load (process ids)."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(load, cores[:-1])
        os.sched_setaffinity(server, cores[-1:])


class Answering:
    """A Python module that runs as a process of its own and answers each JSON line with one."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=ends_with_us(signal.SIGKILL),
        )
        self.pid = self._process.pid
        self._read()

    def ask(self, **what: Any) -> dict[str, Any]:
        """Raises RuntimeError when it fails or is gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        reply: dict[str, Any] = json.loads(line) if line else {"error": "the process ended"}
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply

    def stop(self) -> None:
        """Close its input and wait; a process that does not go is killed."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(GOODBYE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
