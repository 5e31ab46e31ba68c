"""The sweep asks again for what was promised and not done, and throws away what is no longer needed."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from sqlalchemy import select

from console import db, jobs
from console.cases.models import Status
from console.config import Settings
from console.evidence import store
from console.evidence.models import Evidence
from console.people.models import Captcha, SmsCode
from console.queues import seats
from console.queues.models import Holiday, Seat, SeatState
from console.review.models import ReviewTask
from console.video_seat import line
from console.video_seat.models import CallEventKind, Recording, VideoSession
from tests import pictures
from tests import world as worlds
from tests.review.given import case_in_review
from tests.video_seat.given import talking
from tests.worker.given import given_photo, photo
from worker import house, recordings, sweep
from worker.documents import process_photo
from worker.media import webm
from worker.media.spool import Spool, Take
from worker.robots.pictures import PLAIN

pytestmark = pytest.mark.databases("sqlite", "postgresql")

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
STARTED = datetime(2026, 11, 20, 5, 30, 12, 345000, tzinfo=UTC)


@pytest.fixture
def queue(world: Settings, redis_url: str) -> Iterator[Queue]:
    with Redis.from_url(redis_url) as client:
        jobs.connect(client)
        yield Queue(jobs.QUEUE, connection=client)


@pytest.fixture
def spool(world: Settings, tmp_path: Path) -> Iterator[Path]:
    house.use(world)
    world.media_spool.mkdir(parents=True)
    yield world.media_spool
    house.forget()


@pytest.fixture
def in_reach(queue: Queue, spool: Path, world: Settings, redis_url: str) -> None:
    """Redis answers to jobs that open a connection of their own."""
    house.use(replace(world, redis_url=redis_url))


def asked(queue: Queue, job: jobs.Job) -> list[dict]:
    return [each.kwargs for each in queue.jobs if each.func_name == job]


def test_a_photo_without_a_job_is_asked_for_again(queue):
    kept = given_photo(pictures.png(1, 1), at=NOW - timedelta(seconds=30))
    assert sweep.photos(NOW) == 1
    assert asked(queue, jobs.Job.PROCESS_PHOTO) == [{"evidence_id": kept}]


def test_a_photo_that_has_a_job_is_not_asked_for_twice(queue):
    kept = given_photo(pictures.png(1, 1), at=NOW - timedelta(seconds=30))
    jobs.enqueue(jobs.Job.PROCESS_PHOTO, evidence_id=kept)
    assert sweep.photos(NOW) == 0
    assert len(asked(queue, jobs.Job.PROCESS_PHOTO)) == 1


def test_a_photo_just_uploaded_is_given_its_time(queue):
    given_photo(pictures.png(1, 1), at=NOW - timedelta(seconds=5))
    assert sweep.photos(NOW) == 0


def test_a_card_that_nobody_read_is_asked_for_again_until_it_is_read(queue):
    kept = given_photo(pictures.id_front(PLAIN.but(size=(1000, 750))), at=NOW - timedelta(minutes=2))
    assert sweep.cards(NOW) == 0, "it is not cut yet"
    process_photo(kept)
    cards = Queue(jobs.CARDS, connection=queue.connection)
    assert asked(cards, jobs.Job.READ_CARD) == [{"evidence_id": kept}]
    assert sweep.cards(NOW) == 0
    cards.empty()
    assert sweep.cards(NOW) == 1
    cards.empty()
    with db.transaction() as session:
        session.get_one(Evidence, kept).reading = {}
    assert sweep.cards(NOW) == 0


def a_recording(spool: Path, name: str = "investor-1.webm", *, sealed: bool = True, age: int = 120) -> Path:
    path = spool / "20261120-a1" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(webm.header(640, 480, STARTED))
    if sealed:
        with path.open("r+b") as file:
            webm.seal(file.fileno(), [], 8500)
    os.utime(path, (NOW.timestamp() - age,) * 2)
    return path


def test_a_recording_that_nobody_fetches_is_asked_for_with_all_that_was_known_of_it(queue, spool):
    path = a_recording(spool, "witness-2.webm")
    assert sweep.recordings(NOW) == 1
    (ids,) = asked(queue, jobs.Job.KEEP_RECORDING)
    assert len(ids.pop("sha256")) == 64
    assert datetime.fromisoformat(ids.pop("started_at")) == STARTED
    assert ids == {
        "session_no": "20261120-a1",
        "side": "witness",
        "segment": 2,
        "path": str(path),
        "duration_ms": 8500,
    }
    assert sweep.recordings(NOW) == 0, "it is on its way now"


def test_recordings_that_are_still_somebodys_are_left_alone(queue, spool):
    a_recording(spool, "investor-1.webm", sealed=False)
    a_recording(spool, "investor-2.webm", age=10)
    announced_later = a_recording(spool, "investor-3.webm")
    announced_later.with_name(announced_later.name + ".json").write_text("{}")
    (spool / "20261120-a1" / "snapshot.png").write_bytes(b"")
    assert sweep.recordings(NOW) == 0


def an_orphan(spool: Path, session_no: str) -> Path:
    """What a node that was killed left: a recording without an end, and a note that nobody holds."""
    note, descriptor = Spool(spool).begin(Take(session_no, "investor", 1, STARTED.isoformat()))
    writer = webm.WebmWriter(descriptor, width=64, height=48, started_at=STARTED)
    for number in range(35):
        writer.write("audio", b"\xfc\xff\xfe", number * 100, key=True)
    os.write(descriptor, b"\x1f\x43\xb6\x75 a cluster that was never finished")
    os.close(descriptor)
    note.release()
    return note.recording


def test_a_recording_of_a_node_that_never_came_back_is_finished_and_kept(queue, spool, in_reach):
    with db.transaction() as session:
        session_no = talking(session).session_no
    path = an_orphan(spool, session_no)
    assert sweep.orphans(NOW) == 1
    assert sweep.orphans(NOW) == 0
    (told,) = asked(queue, jobs.Job.KEEP_RECORDING)
    assert (told["session_no"], told["path"], told["duration_ms"]) == (session_no, str(path), 2900)
    recordings.keep(**told)
    with db.reading() as session:
        kept = session.scalars(select(Recording)).one()
        assert (kept.started_at, kept.duration_ms, kept.evidence.sha256) == (STARTED, 2900, told["sha256"])
    assert not path.exists() and not list(path.parent.glob("*.json"))


def test_a_recording_that_a_node_still_writes_is_nobodys_orphan(spool, in_reach):
    note, descriptor = Spool(spool).begin(Take("20261120-a1", "investor", 1, STARTED.isoformat()))
    assert sweep.orphans(NOW) == 0
    os.close(descriptor)
    note.release()


def test_a_call_that_nobody_came_back_to_is_ended_though_no_web_process_lives(queue, in_reach):
    with db.transaction() as session:
        call = talking(session)
        line.heard(session, call, CallEventKind.LOST, NOW, "investor", NOW, line.Terms(timedelta(seconds=30)))
    queue.connection.hset("media:node:node-1", mapping={"free": 1})
    assert sweep.broken_calls(NOW + timedelta(seconds=29)) == 0
    queue.connection.delete("media:node:node-1")  # nobody is there to confirm the hanging up: no need to wait for it
    assert sweep.broken_calls(NOW + timedelta(seconds=31)) == 1
    assert sweep.broken_calls(NOW + timedelta(seconds=31)) == 0
    with db.reading() as session:
        assert session.scalars(select(VideoSession)).one().case.status is Status.IN_QUEUE


def test_a_call_whose_node_died_unheard_is_known_to_be_broken(queue, in_reach):
    with db.transaction() as session:
        talking(session)
    assert sweep.broken_calls(NOW) == 0
    with db.reading() as session:
        assert set(line.away_since(session.scalars(select(VideoSession)).one())) == {"investor", "witness"}


def test_a_witness_whose_page_has_gone_is_taken_offline(queue):
    with db.transaction() as session:
        for username, minutes in (("luwenshan", 3), ("weiyinuo", 0)):
            staff, at = worlds.staff_named(session, username), NOW - timedelta(minutes=minutes)
            seat = Seat(staff_id=staff.id, branch_id=staff.branches[0].id, since=at, seen_at=at)
            session.add(seat)
            session.flush()
            seats.enter(session, seat, SeatState.ONLINE, at)
    assert sweep.silent_seats(NOW) == 1
    with db.reading() as session:
        states = {seat.staff.username: seat.state for seat in session.scalars(select(Seat))}
    assert states == {"luwenshan": SeatState.OFFLINE, "weiyinuo": SeatState.ONLINE}


def test_old_captchas_and_codes_are_thrown_away_and_new_ones_stay(queue):
    with db.transaction() as session:
        for days in (0, 3):
            at = NOW - timedelta(days=days, minutes=1)
            session.add(Captcha(token=f"t{days}", answer_index="x", answer="ABCD", made_at=at))
            session.add(SmsCode(phone_index="p", code_index=f"c{days}", purpose="sign_in", sent_at=at))
    assert sweep.proofs(NOW) == 2
    with db.reading() as session:
        assert session.scalars(select(Captcha.token)).all() == ["t0"]
        assert session.scalars(select(SmsCode.code_index)).all() == ["c0"]


def test_a_sweep_without_redis_does_what_it_can(world, spool):
    """``world`` has a Redis address where nobody answers."""
    given_photo(pictures.png(1, 1), at=NOW - timedelta(days=4))
    with db.transaction() as session:
        session.add(Captcha(token="old", answer_index="x", answer="ABCD", made_at=NOW - timedelta(days=4)))
    sweep.sweep()
    with db.reading() as session:
        assert session.scalars(select(Captcha.token)).all() == []


def test_a_day_off_entered_after_a_task_was_opened_moves_its_due_time_with_the_next_sweep(world, spool):
    with db.transaction() as session:
        case = case_in_review(session, at=NOW)
        branch_id, broker_id = case.branch_id, case.branch.broker_id
        session.add(Holiday(broker_id=broker_id, branch_id=branch_id, day=NOW.date(), title="台风"))
    sweep.sweep()
    with db.reading() as session:
        (task,) = session.scalars(select(ReviewTask))
        assert task.due_at == datetime(2026, 11, 23, 2, 30, tzinfo=UTC), "two hours after Monday's opening"
    assert sweep.misdated(NOW) == 0


def test_a_sealed_file_that_never_got_its_row_goes_after_a_day_and_one_with_a_row_stays(world, spool):
    kept = Path(photo(given_photo(pictures.png(1, 1))).path)
    folder = store.current().root / kept.parent
    lost, young = folder / "lost.wde", folder / "young.partial"
    for path, hours in ((lost, 25), (folder / kept.name, 25), (young, 1)):
        path.touch()
        os.utime(path, (NOW.timestamp() - hours * 3600,) * 2)
    in_turn = [NOW + timedelta(seconds=30 * n) for n in range(store.FOLDERS)]
    assert sum(sweep.strays(at) for at in in_turn if at - NOW < timedelta(hours=3)) == 1
    assert sorted(path.name for path in folder.iterdir()) == sorted([kept.name, young.name])
