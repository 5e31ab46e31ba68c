"""The folder recordings are written to, and the note beside each that says whose it is until it has been announced.

`<spool>/<call>/<side>-<segment>.webm` and `….webm.json`. Whoever works on a recording holds a lock on the note, so that
a node that starts on the same folder can tell a dead node's recording from one that is being written.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
NOTE_SUFFIX = ".json"
READ_BYTES = 1 << 20


class UnsafeName(ValueError):
    """A call number that could not be a folder's name."""


@dataclass(frozen=True)
class Take:
    """Which recording this is: one leg (`side`) of one call, numbered from 1 for each connection (`segment`)."""

    session_no: str
    side: str
    segment: int
    started_at: str  # ISO 8601, server clock of the first frame

    @property
    def started(self) -> datetime:
        """`started_at` as an aware datetime."""
        return datetime.fromisoformat(self.started_at)


class Note:
    """The note of one recording, held open and locked."""

    def __init__(self, descriptor: int, path: Path, take: Take) -> None:
        self._descriptor = descriptor
        self._path = path
        self.take = take

    @property
    def recording(self) -> Path:
        """The file the note is about."""
        return self._path.with_name(self._path.name.removesuffix(NOTE_SUFFIX))

    def discard(self) -> None:
        """The recording has been handed over, or there is none: remove the note."""
        self._path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Let go of the note, so that it can be taken up again."""
        os.close(self._descriptor)


class Spool:
    """All recordings under one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o750, parents=True, exist_ok=True)

    def folder(self, session_no: str) -> Path:
        """The call's folder, made if need be. Raises `UnsafeName`."""
        if not SAFE_NAME.fullmatch(session_no):
            raise UnsafeName(session_no)
        folder = self._root / session_no
        folder.mkdir(mode=0o750, exist_ok=True)
        return folder

    def begin(self, take: Take) -> tuple[Note, int]:
        """Write the note and create the recording; returns the note and the recording's descriptor. Raises OSError."""
        recording = self.folder(take.session_no) / f"{take.side}-{take.segment}.webm"
        path = recording.with_name(recording.name + NOTE_SUFFIX)
        note = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640)
        fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(note, json.dumps(asdict(take)).encode())
        descriptor = os.open(recording, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640)
        return Note(note, path, take), descriptor

    def free_segment(self, session_no: str, side: str, at_least: int) -> int:
        """The first segment number from `at_least` on that no file here uses. Raises `UnsafeName`."""
        folder, segment = self.folder(session_no), at_least
        while any(folder.glob(f"{side}-{segment}.webm*")):
            segment += 1
        return segment

    def free_bytes(self) -> int:
        """What the disk still takes of an ordinary user's writing. Raises OSError."""
        return shutil.disk_usage(self._root).free

    def abandoned(self) -> Iterator[Note]:
        """The notes nobody holds, oldest name first. Each must be discarded or released."""
        for path in sorted(self._root.glob(f"*/*.webm{NOTE_SUFFIX}")):
            note = _take_up(path)
            if note is not None:
                yield note


def _take_up(path: Path) -> Note | None:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        take = Take(**json.loads(os.pread(descriptor, READ_BYTES, 0)))
    except (
        BlockingIOError,
        ValueError,
        TypeError,
    ):  # somebody's, or killed while writing the note, before the recording
        os.close(descriptor)
        return None
    if not path.exists():  # announced by another between opening and locking
        os.close(descriptor)
        return None
    return Note(descriptor, path, take)


def sha256(path: Path) -> str:
    """The file's SHA-256 as hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()
