"""The hash chain of a recording: which seconds of it are still what was sealed.

``facts["chain"]`` of the evidence holds what was linked at sealing: ``header`` (bytes in front of the first cluster), ``loose`` (its
spans [offset, length] that read as zeros), ``start`` (SHA-256 of that), ``at`` (ms) and ``lengths`` (bytes) of the clusters in
their order, ``links`` (``hn = SHA-256(hn-1 || cluster n)``, hex, one after the other), and ``spoiled``: ms of clusters that had
changed between the node's writing and the sealing. Each cluster is judged from the link before it as it was sealed, so that one
that was altered does not condemn those behind it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from console.vault import VaultError

HEX = 64  # digits of a SHA-256
SECOND = 1000  # ms
Read = Callable[[int, int], bytes]  # (offset, length) to bytes, fewer where the file ends. Raises VaultError, OSError


@dataclass(frozen=True)
class Cluster:
    """A second (or less) of a recording: where it begins in time (ms) and in the file (bytes), and its link."""

    at: int
    offset: int
    length: int
    link: str


@dataclass(frozen=True)
class Chain:
    """What was linked at sealing."""

    header: int
    loose: tuple[tuple[int, int], ...]
    start: str
    clusters: tuple[Cluster, ...]
    spoiled: tuple[int, ...] = ()

    @classmethod
    def of(cls, facts: dict[str, Any]) -> "Chain | None":
        """The chain in the facts of a piece of evidence; None for what has none."""
        told = facts.get("chain")
        if told is None:
            return None
        return cls(
            told["header"],
            tuple((at, length) for at, length in told["loose"]),
            told["start"],
            tuple(_clusters(told)),
            tuple(told.get("spoiled", ())),
        )

    @property
    def links(self) -> list[str]:
        """From the header's on."""
        return [self.start, *(cluster.link for cluster in self.clusters)]

    @property
    def head(self) -> str:
        """The last link: it stands for the whole recording."""
        return self.clusters[-1].link if self.clusters else self.start


def _clusters(told: dict[str, Any]) -> Iterator[Cluster]:
    offset = told["header"]
    for number, (at, length) in enumerate(zip(told["at"], told["lengths"], strict=True)):
        yield Cluster(at, offset, length, told["links"][number * HEX : (number + 1) * HEX])
        offset += length


@dataclass(frozen=True)
class Damage:
    """What of a recording is not what was sealed. ``seconds``: whole seconds of the recording, in order; ``to_the_end``: the
    last of them is its last. ``head`` is the header, ``index`` what lies behind the last cluster.
    """

    seconds: tuple[int, ...] = ()
    to_the_end: bool = False
    head: bool = False
    index: bool = False
    clusters: int = 0

    def __bool__(self) -> bool:
        return bool(self.seconds or self.head or self.index)

    @property
    def words(self) -> str:
        if self.seconds:
            return f"{_spans(self.seconds, self.to_the_end)}与封存时不一致"
        if self.head:
            return "文件头与封存时不一致，各秒的画面和声音一致"
        return "索引与封存时不一致，各秒的画面和声音一致" if self.index else "与封存时一致"


def damage(chain: Chain, size: int, sha256: str, read: Read) -> Damage:
    """Judge a recording of ``size`` bytes that had ``sha256`` when it was sealed."""
    if _is_whole(chain, size, sha256, read):
        return Damage(clusters=len(chain.clusters))
    last, wrong = chain.start, []
    for cluster in chain.clusters:
        piece = _try(read, cluster.offset, cluster.length)
        if hashlib.sha256(bytes.fromhex(last) + piece).hexdigest() != cluster.link:
            wrong.append(cluster.at // SECOND)
        last = cluster.link
    ends = bool(wrong) and wrong[-1] == chain.clusters[-1].at // SECOND
    head = _start(chain, _try(read, 0, chain.header)) != chain.start
    return Damage(tuple(dict.fromkeys(wrong)), ends, head, not wrong and not head, len(chain.clusters))


def _is_whole(chain: Chain, size: int, sha256: str, read: Read) -> bool:
    """In one go over the file: the file's hash and every link."""
    digest, last, at = hashlib.sha256(), b"", 0
    try:
        for length, link in ((chain.header, chain.start), *((c.length, c.link) for c in chain.clusters)):
            piece = read(at, length)
            digest.update(piece)
            now = hashlib.sha256(last + piece).hexdigest() if last else _start(chain, piece)
            if now != link:
                return False
            at, last = at + length, bytes.fromhex(link)
        digest.update(read(at, size - at))
    except (VaultError, OSError):
        return False
    return digest.hexdigest() == sha256


def _start(chain: Chain, header: bytes) -> str:
    fixed = bytearray(header)
    for at, length in chain.loose:
        fixed[at : at + length] = bytes(length)
    return hashlib.sha256(fixed).hexdigest()


def _try(read: Read, offset: int, length: int) -> bytes:
    try:
        return read(offset, length)
    except (VaultError, OSError):
        return b""


def _spans(seconds: Iterable[int], to_the_end: bool) -> str:
    """第 3 秒、第 7–9 秒; 第 83 秒起 when it is all from there."""
    runs: list[list[int]] = []
    for second in seconds:
        if runs and second - runs[-1][1] <= 1:
            runs[-1][1] = second
        else:
            runs.append([second, second])
    said = [f"第 {a} 秒" if a == b else f"第 {a}–{b} 秒" for a, b in runs]
    if to_the_end:
        said[-1] = f"第 {runs[-1][0]} 秒起"
    return "、".join(said)
