"""A finished recording leaves the media node's spool exactly once (fault: kill -9 worker, job retried)."""

import hashlib
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from console import db
from console.config import Settings
from console.evidence import service as evidence
from console.evidence.models import Kind
from console.queues.models import Ticket
from console.video_seat.models import Recording, VideoSession
from console.video_seat.service import RecordingDamaged
from tests import world as worlds
from worker.recordings import keep

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
