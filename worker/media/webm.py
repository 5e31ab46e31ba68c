"""A live WebM writer: VP8 and Opus frames in, clusters of one second out, each with one write.

A process that is killed loses the cluster it was filling and nothing else. Closing adds the cues and fills in the
duration, the seek head and the segment's size; `repair` does the same to a file that was never closed. Element ids: RFC
9559, section 5.
"""

import os
import struct
from collections.abc import Callable
from datetime import UTC, datetime

from worker.media import ebml

CLUSTER_MS = 1000
TRACKS = {"video": 1, "audio": 2}
APPLICATION = "witness-desk"
DATE_ORIGIN = datetime(2001, 1, 1, tzinfo=UTC)  # RFC 8794, section 7.6
OPUS_SEEK_PRE_ROLL = 80_000_000  # ns, RFC 9559, section 28

EBML, VOID = b"\x1a\x45\xdf\xa3", b"\xec"
SEGMENT, SEEK_HEAD, INFO, TRACK_LIST = (
    b"\x18\x53\x80\x67",
    b"\x11\x4d\x9b\x74",
    b"\x15\x49\xa9\x66",
    b"\x16\x54\xae\x6b",
)
CLUSTER, CUES = b"\x1f\x43\xb6\x75", b"\x1c\x53\xbb\x6b"
TIMESTAMP, SIMPLE_BLOCK = b"\xe7", b"\xa3"
SIZE_WIDTH = 8
KEY_FRAME = 0x80


def _ebml_header() -> bytes:
    return ebml.element(
        EBML,
        ebml.unsigned(b"\x42\x86", 1)  # EBMLVersion
        + ebml.unsigned(b"\x42\xf7", 1)  # EBMLReadVersion
        + ebml.unsigned(b"\x42\xf2", 4)  # EBMLMaxIDLength
        + ebml.unsigned(b"\x42\xf3", 8)  # EBMLMaxSizeLength
        + ebml.text(b"\x42\x82", "webm")  # DocType
        + ebml.unsigned(b"\x42\x87", 4)  # DocTypeVersion
        + ebml.unsigned(b"\x42\x85", 2),  # DocTypeReadVersion
    )


def _seek_head(cues_at: int) -> bytes:
    """The way to the cues; `cues_at` counts from the start of the segment's data. Always the same length."""
    seek = ebml.element(b"\x53\xab", CUES) + ebml.unsigned(b"\x53\xac", cues_at, 8)
    return ebml.element(SEEK_HEAD, ebml.element(b"\x4d\xbb", seek))


def _info(started_at: datetime) -> bytes:
    nanoseconds = round((started_at - DATE_ORIGIN).total_seconds() * 1e9)
    return ebml.element(
        INFO,
        ebml.unsigned(b"\x2a\xd7\xb1", 1_000_000)  # TimestampScale: ms
        + ebml.floating(b"\x44\x89", 0.0)  # Duration
        + ebml.signed8(b"\x44\x61", nanoseconds)  # DateUTC
        + ebml.text(b"\x4d\x80", APPLICATION)  # MuxingApp
        + ebml.text(b"\x57\x41", APPLICATION),  # WritingApp
    )


def _tracks(width: int, height: int) -> bytes:
    picture = ebml.unsigned(b"\xb0", width, 2) + ebml.unsigned(b"\xba", height, 2)
    video = _track(TRACKS["video"], 1, "V_VP8") + ebml.element(b"\xe0", picture)
    # Pre-skip 0: recording starts in the middle of a stream, whose encoder delay is long over (RFC 7845, section 5.1).
    opus_head = b"OpusHead" + struct.pack("<BBHIhB", 1, 2, 0, 48000, 0, 0)
    sound = ebml.floating(b"\xb5", 48000.0) + ebml.unsigned(b"\x9f", 2)
    audio = (
        _track(TRACKS["audio"], 2, "A_OPUS")
        + ebml.unsigned(b"\x56\xbb", OPUS_SEEK_PRE_ROLL)
        + ebml.element(b"\x63\xa2", opus_head)
        + ebml.element(b"\xe1", sound)
    )
    return ebml.element(TRACK_LIST, ebml.element(b"\xae", video) + ebml.element(b"\xae", audio))


def _track(number: int, kind: int, codec: str) -> bytes:
    identity = ebml.unsigned(b"\xd7", number) + ebml.unsigned(b"\x73\xc5", number)
    return identity + ebml.unsigned(b"\x83", kind) + ebml.text(b"\x86", codec)


_PREFIX = _ebml_header() + SEGMENT
SEGMENT_SIZE_AT: int = len(_PREFIX)
SEGMENT_START: int = SEGMENT_SIZE_AT + SIZE_WIDTH
SEEK_HEAD_LENGTH: int = len(_seek_head(0))
_INFO_AT: int = SEGMENT_START + SEEK_HEAD_LENGTH
_TRACKS_AT: int = _INFO_AT + len(_info(DATE_ORIGIN))
DURATION_AT: int = _INFO_AT + _info(DATE_ORIGIN).index(b"\x44\x89") + 3
WIDTH_AT: int = _TRACKS_AT + _tracks(0, 0).index(b"\xb0\x82\x00\x00\xba") + 2
HEIGHT_AT: int = WIDTH_AT + 4
HEADER_LENGTH: int = _TRACKS_AT + len(_tracks(0, 0))


def header(width: int, height: int, started_at: datetime) -> bytes:
    """Everything in front of the first cluster. Always `HEADER_LENGTH` bytes, with room for what closing fills in."""
    room = VOID + ebml.size(SEEK_HEAD_LENGTH - 2, 1) + bytes(SEEK_HEAD_LENGTH - 2)
    return _PREFIX + ebml.UNKNOWN_SIZE + room + _info(started_at) + _tracks(width, height)


def seal(descriptor: int, cues: list[tuple[int, int]], duration_ms: int) -> None:
    """Finish a file that ends after its last cluster: cues at the end, then the places that point at them.

    `cues` are (time in ms, offset of the cluster in the segment's data) of clusters that begin with a key frame.
    """
    end = os.lseek(descriptor, 0, os.SEEK_END)
    points = b"".join(
        ebml.element(
            b"\xbb",
            ebml.unsigned(b"\xb3", at)
            + ebml.element(b"\xb7", ebml.unsigned(b"\xf7", TRACKS["video"]) + ebml.unsigned(b"\xf1", position)),
        )
        for at, position in cues
    )
    if points:
        write_all(descriptor, ebml.element(CUES, points))
        os.pwrite(descriptor, _seek_head(end - SEGMENT_START), SEGMENT_START)
    os.pwrite(descriptor, struct.pack(">d", float(duration_ms)), DURATION_AT)
    length = os.lseek(descriptor, 0, os.SEEK_END) - SEGMENT_START
    os.pwrite(descriptor, ebml.size(length, SIZE_WIDTH), SEGMENT_SIZE_AT)


def write_all(descriptor: int, data: bytes) -> None:
    """One write; more only if the system took a part of it. Raises OSError, for one when the disk is full."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, data[written:])


class WebmWriter:
    """Writes one file. Times are milliseconds since its start and may come slightly out of order between the tracks.

    `written(at_ms, piece)` is called after each write: the header, then every cluster.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        width: int,
        height: int,
        started_at: datetime,
        written: Callable[[int, bytes], None] = lambda at_ms, piece: None,
    ) -> None:
        self._descriptor = descriptor
        self._written = written
        self._blocks: list[tuple[int, str, bytes, bool]] = []
        self._cluster_at: int | None = None
        self._cues: list[tuple[int, int]] = []
        self._position = HEADER_LENGTH - SEGMENT_START
        self.duration_ms = 0
        beginning = header(width, height, started_at)
        write_all(descriptor, beginning)
        written(0, beginning)

    def set_picture_size(self, width: int, height: int) -> None:
        """Put right the size given at the start, when that was a guess."""
        os.pwrite(self._descriptor, width.to_bytes(2, "big"), WIDTH_AT)
        os.pwrite(self._descriptor, height.to_bytes(2, "big"), HEIGHT_AT)

    def write(self, kind: str, frame: bytes, at_ms: int, *, key: bool) -> None:
        """Add one frame. A full second, or a key frame of the picture, begins a new cluster. Raises OSError."""
        at_ms = max(0, at_ms)
        begins = kind == "video" and key
        if self._cluster_at is not None and (begins or abs(at_ms - self._cluster_at) >= CLUSTER_MS):
            self.flush()
        if self._cluster_at is None:
            self._cluster_at = at_ms
        self._blocks.append((at_ms, kind, frame, key))
        self.duration_ms = max(self.duration_ms, at_ms)

    def flush(self) -> None:
        """Write the cluster at hand, in the order of time. Raises OSError."""
        if not self._blocks:
            return
        blocks, self._blocks, self._cluster_at = self._blocks, [], None
        blocks.sort(key=lambda block: block[0])
        start = blocks[0][0]
        body = ebml.unsigned(TIMESTAMP, start, 8) + b"".join(_simple_block(start, *block) for block in blocks)
        cluster = CLUSTER + ebml.size(len(body), SIZE_WIDTH) + body
        write_all(self._descriptor, cluster)
        self._written(start, cluster)
        keys = [at for at, kind, _frame, key in blocks if kind == "video" and key]
        if keys:
            self._cues.append((keys[0], self._position))
        self._position += len(cluster)

    def close(self) -> None:
        """Write what is left and finish the file; the descriptor stays open. Raises OSError."""
        self.flush()
        seal(self._descriptor, self._cues, self.duration_ms)


def _simple_block(cluster_at: int, at: int, kind: str, frame: bytes, key: bool) -> bytes:
    """RFC 9559, section 10.2. Every Opus frame can be started from, so sound is always marked a key frame."""
    flags = KEY_FRAME if key or kind == "audio" else 0
    head = ebml.size(TRACKS[kind], 1) + struct.pack(">hB", at - cluster_at, flags)
    return SIMPLE_BLOCK + ebml.size(len(head) + len(frame), 4) + head + frame
