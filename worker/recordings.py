"""RQ job: take a finished recording over from the media node's spool."""

from datetime import datetime
from pathlib import Path

import structlog

from console.db import transaction
from console.stamp import Stamp
from console.video_seat import service
from worker import house

log = structlog.get_logger()


def keep(session_no: str, side: str, segment: int, path: str, started_at: str, duration_ms: int, sha256: str) -> None:
    """Seal the file into the evidence store; it leaves the spool only when that is committed.

    ``started_at``: ISO, the server's clock at the first frame. Safe to run twice: what was kept already is only cleared away.
    """
    house.opened()
    with transaction() as session:
        service.keep_recording(
            session,
            session_no,
            side,
            segment,
            Path(path),
            datetime.fromisoformat(started_at),
            duration_ms,
            sha256,
            Stamp.of_system("recordings"),
        )
    Path(path).unlink(missing_ok=True)
    log.info("recording_kept", session=session_no, side=side, segment=segment, seconds=duration_ms / 1000)
