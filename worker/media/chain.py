"""The hash chain of a recording: one link for the header and one for each cluster, so that what is altered later names its second.

`h0 = SHA-256(header)`, with the bytes that are filled in later read as zeros; `hn = SHA-256(hn-1 || cluster n)`. The node
appends each link beside the recording (`….webm.chain`, lines of time in ms, length in bytes, hash) right after its cluster.
Cues are not covered: they lie behind the last cluster and repeat what the clusters say. docs/decisions/0008 says why.
"""

import hashlib
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from worker.media import ebml, webm

SUFFIX = ".chain"
HEAD_BYTES = 16
LINE = re.compile(r"(\d{1,15}) (\d{1,15}) ([0-9a-f]{64})")
LOOSE = (  # (offset, length) in the header of what closing, or the first picture, fills in
    (webm.SEGMENT_SIZE_AT, webm.SIZE_WIDTH),
    (webm.SEGMENT_START, webm.SEEK_HEAD_LENGTH),
    (webm.DURATION_AT, 8),
    (webm.WIDTH_AT, 2),
    (webm.HEIGHT_AT, 2),
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Link:
    """One piece of the file: where it begins (ms of the recording), how long it is (bytes), the chain up to its end (hex)."""

    at_ms: int
    length: int
    hash: str


def beside(recording: Path) -> Path:
    """Where the chain of a recording lies."""
    return recording.with_name(recording.name + SUFFIX)


def first(header: bytes) -> bytes:
    """The link of everything in front of the first cluster."""
    fixed = bytearray(header)
    for at, length in LOOSE:
        fixed[at : at + length] = bytes(length)
    return hashlib.sha256(fixed).digest()


def following(last: bytes, cluster: bytes) -> bytes:
    """The link of a cluster after the link `last`."""
    return hashlib.sha256(last + cluster).digest()


class ChainFile:
    """Appends links, one write each. A disk that refuses ends the chain, not the recording: sealing completes it."""

    def __init__(self, path: Path) -> None:
        self._last = b""
        self.links = 0  # so far, those that the disk refused as well
        self.at_ms = 0  # where the last one begins
        self._descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o640)

    def add(self, at_ms: int, piece: bytes) -> None:
        """The next piece was written: the header first, then each cluster."""
        self._last = following(self._last, piece) if self._last else first(piece)
        self.links, self.at_ms = self.links + 1, at_ms
        if self._descriptor < 0:
            return
        try:
            webm.write_all(self._descriptor, f"{at_ms} {len(piece)} {self._last.hex()}\n".encode())
        except OSError:
            log.exception("chain stopped")
            self.close()

    @property
    def hash(self) -> str:
        """The last link, hex."""
        return self._last.hex()

    def close(self) -> None:
        """Safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def written(path: Path) -> list[Link]:
    """The links that the node wrote, up to the first line that is not whole. None at all when there is no such file."""
    found: list[Link] = []
    try:
        lines = path.read_text("ascii", "replace").split("\n")[:-1]
    except FileNotFoundError:
        return found
    for line in lines:
        whole = LINE.fullmatch(line)
        if whole is None:
            break
        found.append(Link(int(whole[1]), int(whole[2]), whole[3]))
    return found


def of_file(recording: Path) -> list[Link]:
    """The links of a finished recording as its bytes are now."""
    with recording.open("rb") as file:
        header = file.read(webm.HEADER_LENGTH)
        last = first(header)
        found = [Link(0, len(header), last.hex())]
        while (cluster := _next_cluster(file.fileno(), file.tell())) is not None:
            file.seek(len(cluster), os.SEEK_CUR)
            last = following(last, cluster)
            found.append(Link(_time_of(cluster), len(cluster), last.hex()))
    return found


def altered(told: list[Link], recording: Path) -> list[Link]:
    """Those of the links `told` by the node that the file does not bear out, each judged by itself."""
    wrong, at, last = [], 0, b""
    with recording.open("rb") as file:
        for link in told:
            piece = os.pread(file.fileno(), link.length, at)
            now = following(last, piece) if last else first(piece)
            if now.hex() != link.hash:
                wrong.append(link)
            at, last = at + link.length, bytes.fromhex(link.hash)
    return wrong


def _next_cluster(descriptor: int, at: int) -> bytes | None:
    try:
        head = ebml.read_head(os.pread(descriptor, HEAD_BYTES, at))
    except ebml.Truncated:
        return None
    if head.identity != webm.CLUSTER or head.length is None:
        return None
    cluster = os.pread(descriptor, head.start + head.length, at)
    return cluster if len(cluster) == head.start + head.length else None


def _time_of(cluster: bytes) -> int:
    """Its timestamp, which our writer puts first."""
    head = ebml.read_head(cluster)
    stamp = ebml.read_head(cluster, head.start)
    return int.from_bytes(cluster[stamp.start : stamp.start + (stamp.length or 0)], "big")
