"""RQ job: take a finished recording over from the media node's spool."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import select

from console import jobs
from console.db import reading, transaction
from console.evidence import service as evidence
from console.jobs import Job
from console.stamp import Stamp
from console.video_seat import anchors, service, timeline
from console.video_seat.models import CallEventKind, RecordingAnchor, VideoSession
from worker import house
from worker.media import chain

log = structlog.get_logger()


class RecordingDamaged(Exception):
    """The file in the spool is not the one that the media node announced."""


def keep(session_no: str, side: str, segment: int, path: str, started_at: str, duration_ms: int, sha256: str) -> None:
    """Seal the file into the evidence store; it leaves the spool only when that is committed.

    ``started_at``: ISO, the server's clock at the first frame. Safe to run twice: what was kept already is only cleared away.
    Hashing and encrypting come before the transaction: a long film keeps nobody from writing. Raises RecordingDamaged.
    """
    house.opened()
    film = Path(path)
    with reading() as session:
        done = service.is_kept(session, session_no, side, sha256)
    if not done:
        _keep(film, session_no, side, segment, datetime.fromisoformat(started_at), duration_ms, sha256)
    film.unlink(missing_ok=True)
    chain.beside(film).unlink(missing_ok=True)
    if not any(film.parent.glob("*.webm")):  # nothing of this call is on its way, as far as this spool knows
        jobs.enqueue(Job.MAKE_VIEW, session_no=session_no)
    log.info("recording_kept", session=session_no, side=side, segment=segment, seconds=duration_ms / 1000)


def _keep(
    film: Path, session_no: str, side: str, segment: int, started_at: datetime, duration_ms: int, sha256: str
) -> None:
    with reading() as session:
        told = anchors.of(session, session_no, side, started_at)
    facts = linked(film, told)
    with film.open("rb") as source, evidence.sealed(source) as sealed:
        if sealed.kept.sha256 != sha256:
            _say_damaged(session_no, side, segment, started_at)
            raise RecordingDamaged(f"{session_no} {side} {segment}: the file differs from what was announced")
        with transaction() as session:
            stamp = Stamp.of_system("recordings")
            service.keep_recording(
                session, session_no, side, segment, sealed, started_at, duration_ms, stamp, chain=facts
            )


def _say_damaged(session_no: str, side: str, segment: int, started_at: datetime) -> None:
    """What was said then must be asked again (timeline.gaps), while the call goes on. Written once: its time is the segment's."""
    with transaction() as session:
        call = session.scalars(select(VideoSession).where(VideoSession.session_no == session_no)).one()
        timeline.happened(session, call, CallEventKind.DAMAGED, started_at, side, segment=segment)


def linked(film: Path, told: Sequence[RecordingAnchor] = ()) -> dict[str, Any] | None:
    """The chain as console/evidence/film.py reads it; None for a file that is no recording of ours. Seconds that are no more what
    the node wrote, or of which its chain is no more what was ``told`` while it ran, are named in ``spoiled``; links that it could not
    write any more (killed, disk full) are made here.
    """
    whole = chain.of_file(film)
    header, *clusters = whole
    if not clusters:
        return None
    written = chain.written(chain.beside(film))
    spoiled = sorted({link.at_ms for link in chain.altered(written, film)} | _unlike(told, written, whole))
    if spoiled:
        log.error("recording_spoiled", film=film.name, session=film.parent.name, at_ms=spoiled)
    return {
        "header": header.length,
        "loose": [list(span) for span in chain.LOOSE],
        "start": header.hash,
        "at": [link.at_ms for link in clusters],
        "lengths": [link.length for link in clusters],
        "links": "".join(link.hash for link in clusters),
        "spoiled": spoiled,
    }


def _unlike(told: Sequence[RecordingAnchor], written: list[chain.Link], whole: list[chain.Link]) -> set[int]:
    """Milliseconds of which nothing vouches: after the last anchor that the node's own chain, or the file, still bears out, when a later
    one is borne out by neither. From there on the chain was made anew, so it says nothing about where the change lies.
    """
    chains = [[link.hash for link in links] for links in (written, whole)]
    good = [any(anchors.borne_out(anchor, links) for links in chains) for anchor in told]
    if all(good):
        return set()
    sure = max((anchor.links for anchor, held in zip(told, good, strict=True) if held), default=0)
    lost = {anchor.at_ms for anchor in told if anchor.links > sure}
    return lost | {link.at_ms for link in whole[max(1, sure) :]}
