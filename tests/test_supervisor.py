"""`console run` with real processes: what crashes comes back, what it started it stops, nobody else's is touched."""

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.config import Settings
from console.supervisor import CannotStart, only_one, with_free_port
from tests.servers import ends_with_us

SOON = 15.0  # seconds; what is waited for takes a fraction of one on an idle machine
ROOT = Path(__file__).parents[1]

STEADY = "import time\nprint('here', flush=True)\ntime.sleep(600)"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('here', flush=True)\ntime.sleep(600)"
CRASHES_AT_ONCE = "print('oh'); raise SystemExit(3)"
CRASHES_ONCE = """
import pathlib, sys, time
mark = pathlib.Path(sys.argv[1])
if not mark.exists():
    mark.touch()
    raise SystemExit("first time")
print("second time", flush=True)
time.sleep(600)
"""
HAS_A_CHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
time.sleep(600)
"""
SAYS_GOODBYE = """
import signal, sys, time

def goodbye(*_):
    time.sleep({pause})
    print("goodbye", flush=True)
    sys.exit()

signal.signal(signal.SIGTERM, goodbye)
print("here", flush=True)
time.sleep(600)
"""


class Run:
    """A supervisor in a process of its own, as a terminal would have it."""

    def __init__(self, log: Path, *parts: tuple[str, str]):
        script = textwrap.dedent("""
            import sys
            from console.supervisor import Part, Supervisor

            supervisor = Supervisor(lambda line: print(line, flush=True), first_pause=0.05)
            pairs = [pair.split("\\n", 1) for pair in sys.argv[1:]]
            with supervisor.signals():
                for position, (name, code) in enumerate(pairs):
                    command = [sys.executable, "-c", code, name]
                    supervisor.add(Part(name, command, essential=name != "extra", ground=name == "ground"))
                try:
                    healthy = supervisor.run()
                finally:
                    supervisor.stop_everything()
                print("stopped", flush=True)
            sys.exit(0 if healthy else 1)
        """)
        self.log = log
        command = [sys.executable, "-c", script, *("\n".join(part) for part in parts)]
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, preexec_fn=ends_with_us()
            )

    @property
    def said(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text())

    def wait_for(self, pattern: str) -> re.Match[str]:
        eventually(lambda: re.search(pattern, self.said) is not None, lambda: f"{pattern!r} not in:\n{self.said}")
        found = re.search(pattern, self.said)
        assert found
        return found

    def ask_to_stop(self, how: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(how)
        return self.process.wait(SOON)

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def eventually(holds: Callable[[], bool], explain: Callable[[], str] = lambda: "it did not happen") -> None:
    deadline = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.03)


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(*parts: tuple[str, str]) -> Run:
        runs.append(Run(tmp_path / f"log-{len(runs)}", *parts))
        return runs[-1]

    yield start
    for each in runs:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def test_every_line_carries_the_name_of_who_said_it(run):
    it = run(("web", STEADY), ("worker", STEADY))
    it.wait_for(r"(?m)^web +│ here$")
    it.wait_for(r"(?m)^worker +│ here$")


def test_a_part_that_crashes_is_started_again(run, tmp_path):
    mark = str(tmp_path / "mark")
    it = run(("web", STEADY), (mark, CRASHES_ONCE))
    it.wait_for(r"ended with status 1; starting it again in 0.05 s")
    it.wait_for(r"second time")
    assert it.process.poll() is None


def test_a_part_that_is_killed_is_started_again_and_the_others_stay(run):
    it = run(("web", STEADY), ("worker", STEADY))
    it.wait_for(r"(?s)here.*here")
    web, worker = it.children()
    os.kill(web, signal.SIGKILL)
    it.wait_for(r"web +│ was ended by SIGKILL; starting it again")
    eventually(lambda: len(it.children()) == 2)
    assert worker in it.children()
    assert web not in it.children()


def test_a_part_that_crashes_on_and_on_is_given_up_and_everything_stops(run):
    it = run(("web", STEADY), ("worker", CRASHES_AT_ONCE))
    assert it.process.wait(SOON) == 1
    assert "worker   │ ended with status 3, for the 6th time in a row: giving up" in it.said
    assert it.said.count("│ oh") == 6
    assert it.said.rstrip().endswith("stopped")


def test_a_part_that_the_others_can_do_without_is_given_up_alone(run):
    it = run(("web", STEADY), ("extra", CRASHES_AT_ONCE))
    it.wait_for("giving up")
    assert it.process.poll() is None
    assert it.ask_to_stop() == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_and_its_relatives_stop_everything(run, how):
    it = run(("web", STEADY), ("worker", HAS_A_CHILD))
    grandchild = int(it.wait_for(r"child (\d+)")[1])
    children = it.children()
    assert it.ask_to_stop(how) == 0
    assert len(children) == 2
    assert not any(is_alive(pid) for pid in [*children, grandchild])


def test_the_ground_is_stopped_after_those_that_stand_on_it(run):
    it = run(("ground", SAYS_GOODBYE.format(pause=0)), ("web", SAYS_GOODBYE.format(pause=1)))
    it.wait_for(r"(?s)here.*here")
    it.ask_to_stop()
    assert it.said.index("web      │ goodbye") < it.said.index("ground   │ goodbye")


def test_a_second_ctrl_c_kills_what_does_not_stop_by_itself(run):
    it = run(("web", DEAF))
    it.wait_for("here")
    (web,) = it.children()
    it.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert is_alive(web)
    it.ask_to_stop()
    assert not is_alive(web)
    assert "does not stop by itself: killed" in it.said


def test_a_stranger_s_process_is_untouched(run):
    stranger = subprocess.Popen([sys.executable, "-c", STEADY], stdout=subprocess.PIPE, preexec_fn=ends_with_us())
    try:
        it = run(("web", STEADY))
        it.wait_for("here")
        it.ask_to_stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        stranger.stdout.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_the_children_of_a_killed_supervisor_end_too(run):
    it = run(("web", STEADY), ("worker", STEADY))
    it.wait_for(r"(?s)here.*here")
    children = it.children()
    it.process.kill()
    eventually(lambda: not any(is_alive(pid) for pid in children))


def test_the_end_of_an_output_without_a_newline_is_shown(run):
    it = run(("extra", "import sys; sys.stdout.write('last words'); sys.stdout.flush(); sys.exit(1)"))
    it.wait_for("extra +│ last words")


def test_a_second_run_in_the_same_folder_is_refused_and_told_who_runs(tmp_path):
    with only_one(tmp_path), pytest.raises(CannotStart, match=rf"process {os.getpid()}\)"), only_one(tmp_path):
        pytest.fail("two of them")


def test_the_folder_is_free_again_afterwards_and_another_folder_is_another_matter(tmp_path):
    with only_one(tmp_path / "a"), only_one(tmp_path / "b"):
        pass
    with only_one(tmp_path / "a"):
        pass


def test_a_taken_port_is_named_together_with_the_option_that_chooses_another(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings.from_env({"CONSOLE_HOME": str(tmp_path), "CONSOLE_PORT": str(port)})
        with pytest.raises(CannotStart, match=rf"port {port} is taken .* --port {port + 1}"):
            with_free_port(settings)


def test_port_0_becomes_a_free_one_in_every_address(tmp_path):
    settings = with_free_port(Settings.from_env({"CONSOLE_HOME": str(tmp_path), "CONSOLE_PORT": "0"}))
    assert settings.port > 0
    assert settings.public_url == f"http://127.0.0.1:{settings.port}"
    assert set(settings.allowed_origins) == {settings.public_url, f"http://localhost:{settings.port}"}
