"""Finish a WebM file whose writer was killed: cut the broken end off, add cues and duration."""

import os
import struct
from dataclasses import dataclass, field

from worker.media import ebml, webm

HEAD_BYTES = 16


@dataclass
class Survey:
    """What is whole in a file: where it ends, how long it plays (ms), and where it can be entered."""

    end: int = webm.HEADER_LENGTH
    duration_ms: int = 0
    clusters: int = 0
    cues: list[tuple[int, int]] = field(default_factory=list)


def is_sealed(descriptor: int) -> bool:
    """Whether the file was closed properly (or repaired): its segment has a size."""
    size = os.pread(descriptor, webm.SIZE_WIDTH, webm.SEGMENT_SIZE_AT)
    return len(size) == webm.SIZE_WIDTH and size != ebml.UNKNOWN_SIZE


def duration_ms(descriptor: int) -> int:
    """The duration written in a sealed file."""
    value: float = struct.unpack(">d", os.pread(descriptor, 8, webm.DURATION_AT))[0]
    return round(value)


def repair(descriptor: int) -> int | None:
    """Make the file whole and return its duration in ms; None when not even one cluster survived.

    Safe to run twice: a sealed file is left as it is. Raises OSError.
    """
    if is_sealed(descriptor):
        return duration_ms(descriptor)
    found = survey(descriptor)
    if not found.clusters:
        return None
    os.ftruncate(descriptor, found.end)
    webm.seal(descriptor, found.cues, found.duration_ms)
    return found.duration_ms


def survey(descriptor: int) -> Survey:
    """Walk over the clusters up to the first that is not whole."""
    found = Survey()
    length = os.fstat(descriptor).st_size
    while found.end < length:
        try:
            head = ebml.read_head(os.pread(descriptor, HEAD_BYTES, found.end))
        except ebml.Truncated:
            break
        if head.identity != webm.CLUSTER or head.length is None or found.end + head.start + head.length > length:
            break
        body = os.pread(descriptor, head.length, found.end + head.start)
        _note_cluster(found, body)
        found.end += head.start + head.length
    return found


def _note_cluster(found: Survey, body: bytes) -> None:
    found.clusters += 1
    at, start, key_at = 0, 0, None
    while at < len(body):
        head = ebml.read_head(body, at)
        data = body[head.start : head.start + (head.length or 0)]
        if head.identity == webm.TIMESTAMP:
            start = int.from_bytes(data, "big")
        elif head.identity == webm.SIMPLE_BLOCK:
            track, (offset, flags) = data[0] & 0x7F, struct.unpack_from(">hB", data, 1)
            found.duration_ms = max(found.duration_ms, start + offset)
            if track == webm.TRACKS["video"] and flags & webm.KEY_FRAME and key_at is None:
                key_at = start + offset
        at = head.start + (head.length or 0)
    if key_at is not None:
        found.cues.append((key_at, found.end - webm.SEGMENT_START))
