"""Records the encoded frames of one leg into one WebM file, from its first frame to its close."""

import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime

from worker.media import chain
from worker.media.assembly import Frame
from worker.media.clock import MediaClock
from worker.media.spool import Note, Spool, Take
from worker.media.webm import WebmWriter

PATIENCE = 3.0  # seconds of sound without a picture before the file is opened without one
ASSUMED_SIZE = (640, 480)  # pixels, put right by the first key frame

log = logging.getLogger(__name__)


class Recorder:
    """Opens at the first key frame; sound before it is kept. Without a picture (no camera) it opens after `PATIENCE`.

    `on_picture(width, height)` is called when the picture first appears and whenever its size changes (a turned phone).
    `on_failure()` is called once if the disk refuses; the call goes on without a recording.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        session_no: str,
        side: str,
        segment: int,
        on_picture: Callable[[int, int], None],
        on_failure: Callable[[], None],
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._spool = spool
        self._identity = (session_no, side, segment)
        self._on_picture = on_picture
        self._on_failure = on_failure
        self._wall_clock = wall_clock
        self._clock: MediaClock | None = None
        self._began_at = 0.0
        self._began = ""  # the take's, ISO
        self._note: Note | None = None
        self._descriptor = -1
        self._writer: WebmWriter | None = None
        self._chain: chain.ChainFile | None = None
        self._early: list[tuple[Frame, int]] = []
        self._last_ms: dict[str, int] = {}
        self._size: tuple[int, int] | None = None
        self._failed = False

    @property
    def is_writing(self) -> bool:
        """Whether frames go into the file; they do not before the first key frame, nor after the disk refused."""
        return self._writer is not None and not self._failed

    def frame(self, frame: Frame, now: float | None = None) -> None:
        """Take the next frame of either kind; `now` in monotonic seconds."""
        if self._failed:
            return
        try:
            self._frame(frame, time.monotonic() if now is None else now)
        except OSError:
            self._fail()

    def report(self, kind: str, ntp_timestamp: int, rtp_timestamp: int) -> None:
        """A sender report of the leg, see `MediaClock.report`."""
        if self._clock is not None:
            self._clock.report(kind, ntp_timestamp, rtp_timestamp)

    def anchor(self) -> dict[str, object] | None:
        """How far the chain of the file is; None while there is no link. To be kept where this node cannot change it."""
        links = self._chain
        if links is None or not links.links:
            return None
        session_no, side, segment = self._identity
        where = {"call": session_no, "side": side, "segment": segment, "began": self._began}
        return where | {"links": links.links, "at_ms": links.at_ms, "hash": links.hash}

    def close(self) -> Note | None:
        """Finish the file. Returns its note, to be announced; None when nothing was ever recorded."""
        note, self._note = self._note, None
        if note is None:
            return None
        try:
            if self._writer is None and not self._failed and self._early:
                self._open(*ASSUMED_SIZE)
            if self._writer is not None and not self._failed:
                self._writer.close()
        except OSError:
            log.exception("recording not closed", extra=self._where())
        os.close(self._descriptor)
        if self._chain is not None:
            self._chain.close()
        self._failed = True
        return note

    def _frame(self, frame: Frame, now: float) -> None:
        if self._clock is None:
            self._begin(now)
        at_ms = self._place(frame, now)
        if frame.size is not None:
            self._see(frame.size)
        elif self._writer is None:
            if frame.kind == "video":  # of no use without the key frame before it
                return
            if now - self._began_at >= PATIENCE:
                self._open(*ASSUMED_SIZE)
        if self._writer is None:
            self._early.append((frame, at_ms))
        else:
            self._writer.write(frame.kind, frame.data, at_ms, key=frame.key)

    def _begin(self, now: float) -> None:
        session_no, side, segment = self._identity
        self._clock, self._began_at = MediaClock(now), now
        take = Take(session_no, side, segment, self._wall_clock().isoformat())
        self._note, self._descriptor = self._spool.begin(take)
        self._began = take.started_at

    def _place(self, frame: Frame, now: float) -> int:
        assert self._clock is not None
        at_ms = max(0, self._clock.time_of(frame.kind, frame.timestamp, now))
        at_ms = max(at_ms, self._last_ms.get(frame.kind, -1) + 1)
        self._last_ms[frame.kind] = at_ms
        return at_ms

    def _see(self, size: tuple[int, int]) -> None:
        if self._writer is None:
            self._open(*size)
        elif self._size is None:
            self._writer.set_picture_size(*size)
        if size != self._size:
            self._size = size
            self._on_picture(*size)

    def _open(self, width: int, height: int) -> None:
        assert self._note is not None
        self._chain = chain.ChainFile(chain.beside(self._note.recording))
        self._writer = WebmWriter(
            self._descriptor,
            width=width,
            height=height,
            started_at=self._note.take.started,
            written=self._chain.add,
        )
        for frame, at_ms in self._early:
            self._writer.write(frame.kind, frame.data, at_ms, key=frame.key)
        self._early.clear()

    def _fail(self) -> None:
        self._failed = True
        log.exception("recording stopped", extra=self._where())
        self._on_failure()

    def _where(self) -> dict[str, object]:
        session_no, side, segment = self._identity
        return {"call": session_no, "side": side, "segment": segment}
