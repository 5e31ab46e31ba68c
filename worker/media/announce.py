"""Hand finished recordings over: repair what was never closed, then enqueue the job that keeps it, by its name."""

import logging
import os
from collections.abc import Callable

from redis import Redis
from rq import Queue

from worker.media import chain, repair
from worker.media.spool import Note, Spool, sha256

KEEP_JOB = "worker.recordings.keep"  # kwargs: session_no, side, segment, path, started_at (ISO), duration_ms, sha256
QUEUE = "default"

log = logging.getLogger(__name__)


class Announcer:
    """Blocking: a node calls it in a thread. A note stays until its job is safely queued, so nothing gets lost."""

    def __init__(self, connect: Callable[[], Redis]) -> None:
        self._connect = connect

    def announce(self, note: Note) -> bool:
        """Announce one recording and discard its note. Returns whether there was anything to announce.

        Raises OSError or redis.RedisError, leaving the note for the next `sweep`.
        """
        try:
            job = _facts(note)
            if job is not None:
                redis = self._connect()
                try:
                    Queue(QUEUE, connection=redis).enqueue_call(KEEP_JOB, kwargs=job)
                finally:
                    redis.close()
        except BaseException:
            note.release()
            raise
        note.discard()
        what = {"call": note.take.session_no, "side": note.take.side, "segment": note.take.segment}
        log.info("recording announced" if job else "empty recording dropped", extra=what)
        return job is not None

    def sweep(self, spool: Spool) -> int:
        """Announce what dead or disconnected nodes left behind; returns how many. Raises like `announce`."""
        return sum(self.announce(note) for note in spool.abandoned())


def _facts(note: Note) -> dict[str, object] | None:
    path, take = note.recording, note.take
    if not path.exists():
        return None
    descriptor = os.open(path, os.O_RDWR)
    try:
        duration_ms = repair.repair(descriptor)
    finally:
        os.close(descriptor)
    if duration_ms is None:
        path.unlink()
        chain.beside(path).unlink(missing_ok=True)
        return None
    return {
        "session_no": take.session_no,
        "side": take.side,
        "segment": take.segment,
        "path": str(path),
        "started_at": take.started_at,
        "duration_ms": duration_ms,
        "sha256": sha256(path),
    }
