"""The worker process with real kills: no job is lost with its worker, and none goes on without it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue, Worker

from console import jobs
from tests.servers import ends_with_us
from worker.runner import HOUSEKEEPING_LOCK, Housekeeper, is_dead_neighbour, this_machine

ROOT = Path(__file__).parents[2]
NOTE = "tests.worker.sample_jobs.note"
SOON = 20.0
SCRIPT = """
import sys
from redis import Redis
from worker.runner import work
work(Redis.from_url(sys.argv[1]), sys.argv[1])
"""


class Diary:
    """What `sample_jobs.note` wrote."""

    def __init__(self, path: Path):
        self.path = path

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []

    @property
    def acts(self) -> list[str]:
        return [line.split()[0] for line in self.lines]

    @property
    def first_horse(self) -> int:
        return int(self.lines[0].split()[1])


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        client.set(f"{HOUSEKEEPING_LOCK}:swept", 1)  # the sweep has its own test
        jobs.connect(client)
        yield client


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path / "diary")


@pytest.fixture
def start_worker(redis: Redis, redis_url: str, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / f"worker-{len(started)}.log").open("wb") as log:
            command = [sys.executable, "-c", SCRIPT, redis_url]
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, preexec_fn=ends_with_us())
        started.append(process)
        eventually(lambda: ready(redis, process.pid))
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


def ready(redis: Redis, pid: int) -> bool:
    """It listens, for jobs and for signals."""
    return any(worker.pid == pid and worker.get_state() in ("idle", "busy") for worker in Worker.all(connection=redis))


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.03)


def test_the_job_of_a_killed_worker_runs_again_once_and_its_first_run_is_over(start_worker, diary):
    worker = start_worker()
    jobs.enqueue(NOTE, path=str(diary.path), seconds=600)
    eventually(lambda: diary.acts == ["begin"])
    worker.kill()
    worker.wait()
    start_worker()
    eventually(lambda: diary.acts == ["begin", "begin", "end"])
    with pytest.raises(ProcessLookupError):
        os.kill(diary.first_horse, 0)


def test_a_job_whose_own_process_was_killed_runs_again_in_the_same_worker(start_worker, diary):
    worker = start_worker()
    jobs.enqueue(NOTE, path=str(diary.path), seconds=600)
    eventually(lambda: diary.acts == ["begin"])
    os.kill(diary.first_horse, signal.SIGKILL)
    eventually(lambda: diary.acts == ["begin", "begin", "end"])
    assert worker.poll() is None


def test_a_worker_asked_to_stop_finishes_its_job_first(start_worker, diary):
    worker = start_worker()
    jobs.enqueue(NOTE, path=str(diary.path), seconds=1)
    eventually(lambda: diary.acts == ["begin"])
    worker.terminate()
    assert worker.wait(SOON) == 0
    assert diary.acts == ["begin", "end"]


def test_an_idle_worker_stops_at_once(start_worker):
    worker = start_worker()
    before = time.monotonic()
    worker.terminate()
    assert worker.wait(SOON) == 0
    assert time.monotonic() - before < 5


def test_the_sweep_is_asked_for_once_in_its_interval_however_many_look(redis, redis_url):
    redis.delete(f"{HOUSEKEEPING_LOCK}:swept")
    for _ in range(3):
        Housekeeper(redis_url).keep_house_in_turn()
    assert [job.func_name for job in Queue(jobs.QUEUE, connection=redis).jobs] == [jobs.Job.SWEEP]


def test_a_housekeeper_waits_while_another_one_is_at_it(redis, redis_url):
    redis.delete(f"{HOUSEKEEPING_LOCK}:swept")
    redis.set(HOUSEKEEPING_LOCK, "another", ex=10)
    Housekeeper(redis_url).keep_house_in_turn()
    assert Queue(jobs.QUEUE, connection=redis).count == 0


def test_only_the_dead_of_this_machine_are_known_to_be_dead():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert is_dead_neighbour(f"{this_machine()}:{gone.pid}:abcd")
    assert not is_dead_neighbour(f"{this_machine()}:{os.getpid()}:abcd")
    assert not is_dead_neighbour(f"elsewhere:0:{gone.pid}:abcd")
    assert not is_dead_neighbour("a name that RQ made up")
