import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.cases.models import CaseEvent
from console.cases.trail import Happening
from console.evidence import service as evidence
from console.evidence import store
from console.evidence.models import Evidence, Kind
from console.video_seat import service
from console.video_seat.models import Recording, VideoSession
from tests.video_seat.given import all_in_order, at, talking
from tests.world import AT, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")

FILM = b"\x1a\x45\xdf\xa3" + b"film" * 40_000


def keep(session: Session, call: VideoSession, path: Path, **changes: object) -> Recording:
    told: dict[str, object] = {"side": "investor", "segment": 1} | changes
    with path.open("rb") as source, evidence.sealed(source) as film:
        return service.keep_recording(
            session,
            call.session_no,
            film=film,
            started_at=AT + timedelta(seconds=31),
            duration_ms=60_000,
            stamp=stamp("system:recordings"),
            **told,  # type: ignore[arg-type]
        )


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "investor-1.webm"
    path.write_bytes(FILM)
    return path


@pytest.fixture
def call(session: Session) -> VideoSession:
    return talking(session)


def test_a_finished_recording_becomes_encrypted_evidence_of_its_case(
    session: Session, call: VideoSession, film: Path
) -> None:
    kept = keep(session, call, film).evidence
    assert (kept.kind, kept.case_id, kept.sha256) == (Kind.RECORDING, call.case_id, hashlib.sha256(FILM).hexdigest())
    assert evidence.clear_bytes(kept) == FILM
    assert FILM[:2000] not in (store.current().root / kept.path).read_bytes()
    assert (
        session.scalars(select(CaseEvent).where(CaseEvent.action == Happening.RECORDING_KEPT)).one().case_id
        == call.case_id
    )


def test_the_same_recording_twice_is_kept_once(session: Session, call: VideoSession, film: Path) -> None:
    first = keep(session, call, film)
    assert keep(session, call, film) is first
    assert len(session.scalars(select(Recording)).all()) == 1
    assert len(session.scalars(select(Evidence).where(Evidence.kind == Kind.RECORDING)).all()) == 1
    assert len([path for path in store.current().root.rglob("*") if path.is_file()]) == 1


def test_another_file_under_a_taken_number_is_kept_beside_it(session: Session, call: VideoSession, film: Path) -> None:
    keep(session, call, film)
    film.write_bytes(FILM + b"of another node")
    assert keep(session, call, film).segment == 2


def test_both_sides_have_their_own_segments(session: Session, call: VideoSession, film: Path) -> None:
    assert keep(session, call, film).segment == keep(session, call, film, side="witness").segment == 1


def test_a_recording_that_comes_after_the_verdict_is_kept(session: Session, call: VideoSession, film: Path) -> None:
    all_in_order(session, call, film.parent)
    service.pass_video(session, call, at(12))
    assert keep(session, call, film).session is call


def test_the_calls_clock_starts_at_the_first_recorded_frame(session: Session, call: VideoSession, film: Path) -> None:
    assert service.clock_zero(call) == call.acknowledged_at
    keep(session, call, film)
    assert service.clock_zero(call) == AT + timedelta(seconds=31)
