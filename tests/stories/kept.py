"""What was kept of a call: whole, and as long as the database says."""

import io

import av
from sqlalchemy import select

from console.db import reading
from console.evidence import service as evidence
from console.video_seat.models import Recording


def assert_recordings_are_whole(expected: int, *, shortest: float) -> None:
    """Every recording decodes to its end with picture and sound; each is as long as the database says, to a second."""
    with reading() as session:
        kept = list(session.scalars(select(Recording).order_by(Recording.id)))
        assert len(kept) >= expected
        for recording in kept:
            clear = evidence.clear_bytes(recording.evidence)
            video, audio, end = decoded(clear)
            assert video > 10 and audio > 50
            assert abs(end - recording.duration_ms / 1000) < 1
        assert max(r.duration_ms for r in kept) / 1000 > shortest - 1


def decoded(webm: bytes) -> tuple[int, int, float]:
    """Frames of picture, frames of sound, seconds to the end of the last one."""
    pictures_, sounds, end = 0, 0, 0.0
    with av.open(io.BytesIO(webm)) as container:
        for frame in container.decode(container.streams.video[0], container.streams.audio[0]):
            end = max(end, float(frame.time or 0))
            if isinstance(frame, av.VideoFrame):
                pictures_ += 1
            else:
                sounds += 1
    return pictures_, sounds, end
