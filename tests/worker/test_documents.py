"""An uploaded photo becomes what people look at, once, whatever happens to the worker (P4, fault: kill -9 worker)."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue

from console import db, jobs
from console.app import open_house
from console.config import Settings
from console.evidence import service
from console.evidence.models import Kind, State, Variant
from tests import pictures
from tests import world as tests_world
from tests.fixtures import PASSWORD_HASH
from tests.servers import ends_with_us
from tests.worker.given import files_in, given_photo, photo, variants
from worker import darkroom, documents
from worker.documents import MOST_TRIES, process_photo
from worker.robots.pictures import PLAIN
from worker.sweep import sweep

MADE = ["cropped", "thumb", "upright"]
SOON = 40.0


def small(kind: Kind = Kind.ID_FRONT) -> bytes:
    """A photo of fewer pixels than phones make, where their number is not what matters."""
    return getattr(pictures, kind.value)(PLAIN.but(size=(1000, 750)))


on_both = pytest.mark.databases("sqlite", "postgresql")  # where jobs meet at one row


def test_a_photo_gets_its_crop_its_thumbnail_and_what_was_found_out(world):
    kept = given_photo(pictures.id_front(PLAIN.but(orientation=6)))
    process_photo(kept)
    done = photo(kept)
    assert (done.state, done.problem, done.warnings) == (State.READY, None, [])
    assert (done.width, done.height) == (2000, 1500)
    assert done.facts["rotated"] == 90 and done.facts["sharpness"] > 0.5 and len(done.facts["crop_box"]) == 4
    with db.reading() as session:
        crop = session.get_one(type(done), kept).variant_of(Variant.CROPPED)
        assert pictures.opened(service.clear_bytes(crop)).size == (crop.width, crop.height)
    assert variants(kept) == MADE


@pytest.mark.parametrize("kind", [Kind.ID_BACK, Kind.SIGNATURE, Kind.BANK_CARD, Kind.SCORE_REPORT])
def test_every_kind_of_photo_is_processed(world, kind):
    kept = given_photo(small(kind), kind)
    process_photo(kept)
    assert photo(kept).state is State.READY
    assert variants(kept) == MADE


@on_both
def test_what_is_no_photo_is_refused_and_nothing_is_left_of_it_but_the_reason(world):
    kept = given_photo(pictures.text_file_called_jpg())
    process_photo(kept)
    assert (photo(kept).state, photo(kept).problem) == (State.REFUSED, "unreadable")
    assert (variants(kept), files_in(world.evidence_dir)) == ([], 0)
    assert list(service.damaged([photo(kept)])) == [], "nothing is missing that should be there"


def test_a_worker_killed_between_refusing_and_clearing_up_leaves_the_rest_to_the_next(world):
    kept = given_photo(pictures.text_file_called_jpg())
    with db.transaction() as session:
        found = session.get_one(service.Evidence, kept)
        found.state, found.problem = State.REFUSED, "unreadable"
    process_photo(kept)
    assert files_in(world.evidence_dir) == 0


def test_what_counts_is_never_thrown_away(world):
    kept = given_photo(small())
    with pytest.raises(ValueError, match="processing"):
        service.throw_away(photo(kept))
    assert files_in(world.evidence_dir) == 1


@on_both
def test_a_file_whose_row_did_not_come_to_be_does_not_stay(world):
    class Interrupted(Exception): ...

    with pytest.raises(Interrupted), db.transaction() as session:
        case = tests_world.given_case(session)
        with session.begin_nested():
            service.keep(session, case, Kind.ID_FRONT, io.BytesIO(b"x"), world_stamp(), media_type="image/jpeg")
        assert files_in(world.evidence_dir) == 1
        raise Interrupted
    assert files_in(world.evidence_dir) == 0


def test_a_warning_is_kept_for_those_who_look(world):
    kept = given_photo(pictures.id_front(PLAIN.but(size=(1000, 750), shift=(0.2, 0))))
    process_photo(kept)
    assert photo(kept).warnings == ["over_crop"]


def test_the_job_run_twice_makes_one_set(world):
    kept = given_photo(small())
    process_photo(kept)
    first, files = photo(kept), files_in(world.evidence_dir)
    process_photo(kept)
    assert variants(kept) == MADE
    assert files_in(world.evidence_dir) == files
    assert photo(kept).facts == first.facts


@on_both
def test_the_job_run_twice_at_once_makes_one_set(world):
    kept = given_photo(small())
    both = [threading.Thread(target=process_photo, args=(kept,)) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert variants(kept) == MADE
    assert files_in(world.evidence_dir) == 1 + len(MADE)


def test_a_photo_that_was_replaced_meanwhile_is_left_alone(world):
    kept = given_photo(small())
    with db.transaction() as session:
        service.supersede(session.get_one(service.Evidence, kept), world_stamp())
    process_photo(kept)
    assert variants(kept) == []


def test_a_photo_that_breaks_its_worker_again_and_again_is_refused(world):
    kept = given_photo(small())
    with db.transaction() as session:
        session.get_one(service.Evidence, kept).facts = {"tries": MOST_TRIES}
    process_photo(kept)
    assert (photo(kept).state, photo(kept).problem) == (State.REFUSED, "unreadable")


def test_a_room_that_does_not_work_is_no_fault_of_the_photo(world, monkeypatch):
    kept = given_photo(small())
    for what, value in (("sys.executable", "/bin/false"), ("PATIENCE", 0.01)):  # broken; on a machine with no time
        with monkeypatch.context() as broken, pytest.raises(darkroom.DarkroomFailed):
            broken.setattr(f"worker.darkroom.{what}", value)
            process_photo(kept)
        assert photo(kept).state is State.PROCESSING
    process_photo(kept)
    assert photo(kept).state is State.READY


def test_a_job_that_redis_forgot_is_asked_for_again_by_the_sweep(world, redis_url):
    redis = Redis.from_url(redis_url)
    jobs.connect(redis)
    kept = given_photo(small())
    jobs.enqueue(jobs.Job.PROCESS_PHOTO, evidence_id=kept)
    redis.flushall()
    sweep()
    (asked,) = Queue(jobs.QUEUE, connection=redis).jobs
    assert asked.perform() is None
    assert photo(kept).state is State.READY
    assert variants(kept) == MADE


# --- with real workers, killed


@pytest.fixture
def busy_house(tmp_path: Path, sqlite_url: str, redis_url: str) -> Iterator[Settings]:
    """The world on a real Redis, for workers in processes of their own."""
    settings = Settings.from_env(
        {"CONSOLE_HOME": str(tmp_path / "var"), "DATABASE_URL": sqlite_url, "REDIS_URL": redis_url}
    )
    open_house(replace(settings))
    with db.transaction() as session:
        tests_world.build(session, PASSWORD_HASH)
    yield settings
    db.close()


@pytest.fixture
def start_worker(busy_house: Settings, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / f"worker-{len(started)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "worker"],
                stdout=log,
                stderr=log,
                env={**os.environ, **busy_house.environment()},
                preexec_fn=ends_with_us(),
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def killed_while_processing(worker: subprocess.Popen[bytes], evidence_id: int) -> None:
    """Kill the worker the moment its job has begun, before anything is made."""
    eventually(lambda: photo(evidence_id).facts.get("tries") == 1)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert variants(evidence_id) == [], "it was killed in the middle"


def test_a_worker_killed_in_the_middle_of_a_photo_loses_nothing(busy_house, start_worker):
    kept = given_photo(pictures.id_front())
    jobs.enqueue(jobs.Job.PROCESS_PHOTO, evidence_id=kept)
    killed_while_processing(start_worker(), kept)
    start_worker()
    eventually(lambda: photo(kept).state is State.READY)
    assert variants(kept) == MADE
    assert photo(kept).facts["tries"] == 2
    assert files_in(busy_house.evidence_dir) == 1 + len(MADE)


def world_stamp():
    return tests_world.stamp()


def test_the_job_has_the_name_it_is_asked_by():
    assert f"{documents.__name__}.{process_photo.__name__}" == jobs.Job.PROCESS_PHOTO
