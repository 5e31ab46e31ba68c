"""A finished recording leaves the media node's spool exactly once (fault: kill -9 worker, job retried)."""

import hashlib
import io
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from console import db
from console.adapters.media import Head
from console.config import Settings
from console.evidence import service as evidence
from console.evidence import store
from console.evidence.models import Evidence, Kind
from console.evidence.store import EvidenceStore, Kept
from console.queues.models import Ticket
from console.vault import current
from console.verify import verify_all
from console.video_seat import anchors
from console.video_seat.models import Recording, VideoSession
from tests import films
from tests import world as worlds
from tests.evidence.test_film import flipped
from worker.media import chain
from worker.recordings import RecordingDamaged, keep

pytestmark = pytest.mark.databases("sqlite", "postgresql")

STARTED = datetime.fromisoformat("2026-11-20T05:30:12.345+00:00")


@pytest.fixture
def film(world: Settings) -> Path:
    """A file in the spool of a call that is over."""
    with db.transaction() as session:
        case, witness = worlds.given_case(session), worlds.staff_named(session, "luwenshan")
        ticket = Ticket(ticket_no="A001", case=case, branch_id=case.branch_id, joined_at=worlds.AT)
        session.add(ticket)
        session.flush()
        session.add(
            VideoSession(
                session_no="call-1",
                case_id=case.id,
                ticket_id=ticket.id,
                witness_id=witness.id,
                witness_person=witness.person,
                started_at=worlds.AT,
            )
        )
    path = world.media_spool / "call-1" / "investor-1.webm"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 1000)
    return path


def announced(film: Path) -> dict:
    return {
        "session_no": "call-1",
        "side": "investor",
        "segment": 1,
        "path": str(film),
        "started_at": STARTED.isoformat(),
        "duration_ms": 8500,
        "sha256": hashlib.sha256(film.read_bytes()).hexdigest(),
    }


def test_a_recording_is_sealed_into_the_evidence_and_leaves_the_spool(film):
    body = film.read_bytes()
    keep(**announced(film))
    assert not film.exists()
    with db.reading() as session:
        kept = session.scalars(select(Recording)).one()
        assert (kept.side, kept.segment, kept.started_at, kept.duration_ms) == ("investor", 1, STARTED, 8500)
        assert kept.evidence.kind is Kind.RECORDING
        assert evidence.clear_bytes(kept.evidence) == body


def test_the_job_run_again_keeps_it_once(film):
    told = announced(film)
    body = film.read_bytes()
    keep(**told)
    keep(**told)
    film.write_bytes(body)  # killed after the commit, before the file was cleared away
    keep(**told)
    assert not film.exists()
    with db.reading() as session:
        assert len(session.scalars(select(Recording)).all()) == 1


def test_a_file_that_is_not_what_was_announced_is_not_taken_and_not_lost(film):
    told = announced(film)
    film.write_bytes(b"something else")
    with pytest.raises(RecordingDamaged):
        keep(**told)
    assert film.exists()
    with db.reading() as session:
        assert session.scalars(select(Recording)).all() == []


# --- the chain of its clusters


@pytest.fixture
def take(film: Path) -> Path:
    """A recording with the links that the node wrote."""
    film.unlink()
    return films.film(film)


def kept() -> Evidence:
    with db.reading() as session:
        return session.scalars(select(Evidence).where(Evidence.kind == Kind.RECORDING)).one()


def faults() -> list[str]:
    with db.reading() as session:
        report = verify_all(session)
        assert report.counts["clusters"] == 9
        return [fault.why for fault in report.evidence]


def swap_in(body: bytes) -> None:
    """What somebody with the keys could do: seal other bytes in the place of the recording's."""
    (store.current().root / kept().path).unlink()
    made = store.current().keep(io.BytesIO(body))
    with db.transaction() as session:
        session.get_one(Evidence, kept().id).path = made.path


def test_a_recording_is_sealed_with_a_link_for_every_second_and_verifies(take):
    keep(**announced(take))
    assert not take.exists() and not chain.beside(take).exists()
    assert kept().facts["chain"]["at"] == [*range(0, 9000, 1000)]
    assert kept().facts["chain"]["spoiled"] == []
    assert faults() == []


def test_verify_names_the_second_that_was_altered(take):
    body = take.read_bytes()
    keep(**announced(take))
    middle = sum(kept().facts["chain"]["lengths"][:3]) + kept().facts["chain"]["header"] + 20
    swap_in(flipped(body, middle))
    assert faults() == ["第 3 秒与封存时不一致"]


def test_links_altered_in_the_database_contradict_the_trail(take):
    keep(**announced(take))
    with db.transaction() as session:
        row = session.get_one(Evidence, kept().id)
        links = row.facts["chain"]["links"]
        row.facts = {
            **row.facts,
            "chain": {**row.facts["chain"], "links": links[:-1] + ("0" if links[-1] != "0" else "1")},
        }
    assert "the trail recorded another chain of clusters for it" in faults()


def test_a_second_that_changed_before_it_was_sealed_is_kept_and_named(take):
    at = take.read_bytes().index(bytes([25]) * 700)
    take.write_bytes(flipped(take.read_bytes(), at + 5))
    keep(**announced(take))
    assert kept().facts["chain"]["spoiled"] == [2000]
    assert faults() == ["第 2 秒在录制之后、封存之前已改变 changed between recording and sealing"]


# --- what was told while it ran


def told(film: Path, *links: int) -> None:
    """The web side heard, while it ran, how far the chain was when it had so many links."""
    whole = chain.of_file(film)
    heads = [Head("node-1", "call-1", "investor", 1, STARTED, n, whole[n - 1].at_ms, whole[n - 1].hash) for n in links]
    with db.transaction() as session:
        assert anchors.keep(session, heads, worlds.AT) == len(links)


def rewritten(film: Path, second: int) -> None:
    """What root on the node can do: another picture in that second, and a chain that fits it."""
    at = film.read_bytes().index(bytes([second * 10 + 5]) * 700)
    film.write_bytes(flipped(film.read_bytes(), at + 5))
    lines = [f"{link.at_ms} {link.length} {link.hash}\n" for link in chain.of_file(film)]
    chain.beside(film).write_text("".join(lines))


def anchored_faults() -> list[str]:
    with db.reading() as session:
        return [fault.why for fault in verify_all(session).evidence]


def test_a_recording_that_is_what_was_told_of_it_verifies(take):
    told(take, 1, 4, 10)
    keep(**announced(take))
    assert kept().facts["chain"]["spoiled"] == [] and faults() == []


def test_a_recording_rewritten_with_its_chain_is_found_by_what_was_told_before(take):
    told(take, 4, 8, 10)
    rewritten(take, 5)
    keep(**announced(take))
    assert kept().facts["chain"]["spoiled"] == [3000, 4000, 5000, 6000, 7000, 8000]
    assert faults() == ["第 3、4、5、6、7、8 秒在录制之后、封存之前已改变 changed between recording and sealing"]


def test_a_cut_off_end_is_missed(take):
    told(take, 5, 10)
    chain.beside(take).write_text("".join(chain.beside(take).read_text().splitlines(keepends=True)[:7]))
    take.write_bytes(take.read_bytes()[: sum(link.length for link in chain.of_file(take)[:7])])
    keep(**announced(take))
    assert kept().facts["chain"]["spoiled"] == [4000, 5000, 8000]


def test_a_disk_that_refused_links_spoils_nothing_that_the_file_bears_out(take):
    told(take, 4, 10)
    chain.beside(take).write_text("".join(chain.beside(take).read_text().splitlines(keepends=True)[:3]))
    keep(**announced(take))
    assert kept().facts["chain"]["spoiled"] == []


def test_a_second_that_went_bad_is_named_alone_where_the_nodes_chain_is_the_one_that_was_told(take):
    told(take, 4, 10)
    at = take.read_bytes().index(bytes([25]) * 700)
    take.write_bytes(flipped(take.read_bytes(), at + 5))
    keep(**announced(take))
    assert kept().facts["chain"]["spoiled"] == [2000]


def test_what_was_told_just_before_the_end_counts_though_it_is_heard_after_the_sealing(take):
    whole = chain.of_file(take)
    rewritten(take, 7)
    keep(**announced(take))
    assert anchored_faults() == []
    with db.transaction() as session:
        anchors.keep(session, [Head("n", "call-1", "investor", 1, STARTED, 10, 8000, whole[-1].hash)], worlds.AT)
    assert anchored_faults() == ["第 8 秒起与录制时报告的不一致 unlike what its node told while it ran"]


def test_a_recording_that_ran_and_was_never_kept_is_missed_a_day_after_the_call(take):
    told(take, 4)
    assert anchored_faults() == []
    with db.transaction() as session:
        session.scalars(select(VideoSession)).one().ended_at = datetime.now(UTC) - timedelta(days=2)
    assert anchored_faults() == ["录制过，但没有留存 it was recorded, but never kept"]


def test_what_was_told_stays_whatever_is_told_afterwards_and_whoever_writes(take):
    told(take, 4)
    other = Head("node-1", "call-1", "investor", 1, STARTED, 4, 3000, "0" * 64)
    nobody = [replace(other, **what) for what in ({"call": "call-9"}, {"side": "both"}, {"hash": "x"}, {"links": 0})]
    with db.transaction() as session:
        assert anchors.keep(session, [other, *nobody], worlds.AT) == 0
    for change in ("UPDATE recording_anchors SET hash = 'x'", "DELETE FROM recording_anchors"):
        with pytest.raises(DBAPIError, match="insert-only"), db.transaction() as session:
            session.execute(text(change))


# --- nobody waits while a film is sealed


class Unhurried(EvidenceStore):
    """Tells that it began to seal, and goes on when it may."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, current())
        self.began, self.may_go_on = threading.Event(), threading.Event()

    def keep(self, source: BinaryIO) -> Kept:
        self.began.set()
        assert self.may_go_on.wait(20)
        return super().keep(source)


def test_others_write_while_a_film_is_being_sealed(film, world):
    files = Unhurried(world.evidence_dir)
    store.use(files)
    at_work = threading.Thread(target=keep, kwargs=announced(film))
    at_work.start()
    assert files.began.wait(20)
    with db.transaction() as session:
        session.execute(text("UPDATE staff SET name = '陆文杉' WHERE username = 'luwenshan'"))
    assert not files.may_go_on.is_set()
    files.may_go_on.set()
    at_work.join(20)
    assert hashlib.sha256(evidence.clear_bytes(kept())).hexdigest() == kept().sha256
