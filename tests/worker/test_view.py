"""A call that is over gets a film to look at: once, of all its recordings, made again when one comes later; never evidence itself."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest
from redis import Redis
from rq import Queue
from sqlalchemy import select

from console import db, jobs
from console.config import Settings
from console.evidence import service as evidence
from console.evidence import store
from console.evidence.models import Evidence, Kind, Variant
from console.queues.models import Ticket
from console.verify import verify_all
from console.video_seat import copies
from console.video_seat.models import CallEvent, CallEventKind, VideoSession
from tests import films
from tests import world as worlds
from worker import house, sweep
from worker.cutting_room import CutFailed
from worker.media.spool import sha256
from worker.recordings import keep
from worker.runner import SWEEP_EVERY
from worker.view import make

NUMBER = "call-1"
NOW = datetime.now(UTC) + timedelta(minutes=30)  # a suite may take long: later than any moment of it


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films.clapper(
        tmp_path_factory.mktemp("take") / "take.webm", seconds=1.4, claps=[0.5], size=(160, 120), fps=5
    )


@pytest.fixture
def spool(world: Settings):
    """A call of a minute ago, over, with nothing kept yet."""
    house.use(world)
    with db.transaction() as session:
        case, witness = worlds.given_case(session), worlds.staff_named(session, "luwenshan")
        ticket = Ticket(ticket_no="A001", case=case, branch_id=case.branch_id, joined_at=NOW)
        session.add(ticket)
        session.flush()
        session.add(
            VideoSession(
                session_no=NUMBER,
                case_id=case.id,
                ticket_id=ticket.id,
                witness_id=witness.id,
                witness_person=witness.person,
                started_at=NOW - timedelta(minutes=2),
                ended_at=NOW - timedelta(minutes=1),
            )
        )
    yield world.media_spool / NUMBER
    house.forget()


def kept(spool: Path, take: Path, side: str, segment: int = 1, later_ms: int = 0) -> None:
    """A recording of that side comes from the node. Each is another file."""
    started = NOW - timedelta(minutes=2) + timedelta(milliseconds=later_ms)
    path = films.rewound(take, spool / f"{side}-{segment}.webm", started)
    told = {"session_no": NUMBER, "side": side, "segment": segment, "path": str(path), "duration_ms": 1380}
    keep(**told, started_at=started.isoformat(), sha256=sha256(path))


def views() -> list[Evidence]:
    with db.reading() as session:
        return list(session.scalars(select(Evidence).where(Evidence.variant == Variant.VIEW).order_by(Evidence.id)))


def call() -> VideoSession:
    with db.reading() as session:
        return copies.fetch(session, NUMBER)


def test_both_sides_become_one_sealed_film_and_stay_as_they_are(spool, take):
    kept(spool, take, "investor")
    kept(spool, take, "witness", later_ms=300)
    make(NUMBER)
    (made,) = views()
    assert (made.kind, made.media_type, made.facts["length_ms"]) == (Kind.RECORDING, "video/webm", 1680)
    (store.current().root / made.path).with_suffix(".clear").write_bytes(evidence.clear_bytes(made))
    with av.open(str((store.current().root / made.path).with_suffix(".clear"))) as film:
        assert film.streams.video[0].width == made.width == 1280
    with db.reading() as session:
        found = copies.fetch(session, NUMBER)
        assert copies.view_of(found).public_id == made.public_id
        assert len(evidence.live(session, found.case, Kind.RECORDING)) == 2, "it counts as no recording"
        assert verify_all(session).sound


def test_it_is_made_once_and_again_when_a_recording_comes_later(spool, take):
    kept(spool, take, "investor")
    make(NUMBER)
    make(NUMBER)
    assert len(views()) == 1
    kept(spool, take, "witness")
    assert copies.view_of(call()) is None
    make(NUMBER)
    assert [view.superseded_at is None for view in views()] == [False, True]


def test_the_film_that_was_replaced_leaves_the_disk_and_nothing_else_does(spool, take):
    kept(spool, take, "investor")
    make(NUMBER)
    kept(spool, take, "witness")
    make(NUMBER)
    old, new = views()
    root, films_of_call = store.current().root, [recording.evidence.path for recording in call().recordings]
    for path in (old.path, new.path, *films_of_call):
        os.utime(root / path, (NOW.timestamp() - 6 * 3600,) * 2)
    replaced(old, NOW + timedelta(hours=1))
    assert swept() == 0, "somebody may still look at it"
    replaced(old, NOW - timedelta(hours=3))
    assert (swept(), swept()) == (1, 0)
    assert [(root / path).exists() for path in (old.path, new.path, *films_of_call)] == [False, True, True, True]
    with db.reading() as session:
        assert session.get_one(Evidence, old.id).sha256 == old.sha256, "its row tells of it for ever"
        assert verify_all(session).sound
    (root / new.path).unlink()
    with db.reading() as session:
        assert [fault.why for fault in verify_all(session).evidence] == ["the file is missing"]


def replaced(film: Evidence, at: datetime) -> None:
    with db.transaction() as session:
        session.get_one(Evidence, film.id).superseded_at = at


def swept() -> int:
    """How many old films go while each folder has its turn, in two hours and some minutes from NOW on."""
    turns = (NOW + timedelta(seconds=n * SWEEP_EVERY) for n in range(store.FOLDERS))
    return sum(sweep.old_views(at) for at in turns)


def test_a_call_that_goes_on_or_whose_recordings_are_on_their_way_waits(spool, take):
    kept(spool, take, "investor")
    with db.transaction() as session:
        found = copies.fetch(session, NUMBER)
        facts = {"segment": 1, "node": "n"}
        session.add(CallEvent(session=found, kind=CallEventKind.RECORDING, side="witness", at=NOW, facts=facts))
    assert not copies.is_ready(call(), NOW)
    make(NUMBER)
    assert views() == []
    assert copies.is_ready(call(), NOW + copies.LATE), "what does not come is not waited for for ever"
    with db.transaction() as session:
        copies.fetch(session, NUMBER).ended_at = None
    assert not copies.is_ready(call(), NOW + copies.LATE)


def test_a_damaged_recording_makes_no_film_and_is_tried_three_times(spool, take):
    kept(spool, take, "investor")
    path = store.current().root / call().recordings[0].evidence.path
    body = bytearray(path.read_bytes())
    body[-20] ^= 1
    path.write_bytes(body)
    for _ in range(copies.MOST_TRIES):
        with pytest.raises(CutFailed):
            make(NUMBER)
    make(NUMBER)
    assert views() == []
    with db.reading() as session:
        assert copies.without_view(session, NOW) == []


def test_the_last_recording_asks_for_the_film_and_the_sweep_asks_for_one_that_got_lost(spool, take, redis_url):
    with Redis.from_url(redis_url) as client:
        jobs.connect(client)
        queue = Queue(jobs.FILMS, connection=client)
        films.rewound(take, spool / "witness-1.webm", NOW)  # lies there still
        kept(spool, take, "investor")
        assert queue.count == 0
        (spool / "witness-1.webm").unlink()
        kept(spool, take, "witness", later_ms=10)
        assert [(job.func_name, job.kwargs) for job in queue.jobs] == [(jobs.Job.MAKE_VIEW, {"session_no": NUMBER})]
        assert sweep.views(NOW) == 0
        queue.empty()
        assert sweep.views(NOW) == 1


def test_chapters_are_the_moments_in_order_each_up_to_the_next():
    assert copies.chapters([(61_500, "开户真实意愿"), (0, "a <b> --> c")], 90_000) == (
        "WEBVTT\n\n00:00:00.000 --> 00:01:01.500\na &lt;b&gt; --&gt; c\n\n00:01:01.500 --> 00:01:30.000\n开户真实意愿\n"
    )
