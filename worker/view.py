"""RQ job: make of a call that is over the film that reviewers look at. The recordings stay what they are."""

import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial

import structlog

from console.db import transaction
from console.evidence import service as evidence
from console.evidence import store
from console.evidence.models import Evidence
from console.stamp import Stamp
from console.video_seat import copies
from console.video_seat.models import Recording, VideoSession
from console.video_seat.service import clock_zero
from worker import fonts, house
from worker.cutting_room import Piece, Plan, cut

SIDES = ("investor", "witness")
log = structlog.get_logger()


def make(session_no: str) -> None:
    """Safe to run twice, and at any time: what is not ready or is done already is left alone. Raises CutFailed."""
    house.opened()
    with transaction() as session:
        call = copies.fetch(session, session_no)
        if (
            not copies.is_ready(call, datetime.now(UTC))
            or copies.view_of(call)
            or copies.tries(call) >= copies.MOST_TRIES
        ):
            return
        copies.begin(call)
    plan = plan_of(call)
    spool = house.settings().media_spool
    spool.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=spool) as film:  # without a name: nothing of it is left whatever happens
        cut(plan, films_of(call), film)
        film.seek(0)
        with evidence.sealed(film) as sealed, transaction() as session:
            kept = copies.keep(
                session,
                copies.fetch(session, session_no),
                sorted(recording.evidence.public_id for recording in call.recordings),
                sealed,
                plan.size,
                plan.font is not None,
                Stamp.of_system("view"),
            )
    log.info("view_made", session=session_no, seconds=plan.length / 1000, kept=kept is not None, size=sealed.kept.size)


def plan_of(call: VideoSession) -> Plan:
    zero = clock_zero(call)
    pieces = {
        side: [
            Piece(round((each.started_at - zero).total_seconds() * 1000), each.duration_ms) for each in _of(call, side)
        ]
        for side in SIDES
    }
    return Plan(zero.isoformat(), copies.length_ms(call), copies.lines_of(call), fonts.chinese(), **pieces)


def films_of(call: VideoSession) -> dict[str, list[Callable[[], Iterable[bytes]]]]:
    """What gives the clear bytes of each piece, in the order of ``plan_of``."""
    return {side: [partial(_bytes, each.evidence) for each in _of(call, side)] for side in SIDES}


def _of(call: VideoSession, side: str) -> list[Recording]:
    mine = [recording for recording in call.recordings if recording.side == side]
    return sorted(mine, key=lambda recording: recording.started_at)


def _bytes(recording: Evidence) -> Iterable[bytes]:
    return store.current().read(recording.path, recording.size)
