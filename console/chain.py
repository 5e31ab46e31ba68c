"""Hash chains: every line carries the hash of the line before it, so that a change or a gap shows.

A chain is short (one case, one member of staff): lines of different chains never wait for each other.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

START = "0" * 64


class Chained:
    """Mixin of an insert-only table. ``sealed_fields`` are what the hash covers, besides ``seq`` and ``prev_hash``."""

    sealed_fields: ClassVar[tuple[str, ...]]
    seq: Mapped[int] = mapped_column()
    prev_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))

    def follow(self, seq: int, prev_hash: str) -> None:
        """Take the place after the line ``seq`` with ``prev_hash`` (0 and START at the beginning) and seal."""
        self.seq, self.prev_hash = seq + 1, prev_hash
        self.hash = self.expected_hash()

    def expected_hash(self) -> str:
        content = {name: _plain(getattr(self, name)) for name in (*self.sealed_fields, "seq", "prev_hash")}
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True)
class Break:
    """Where a chain does not hold, and why."""

    seq: int
    why: str


def find_break(lines: Iterable[Chained]) -> Break | None:
    """The first place where ``lines`` (in order of ``seq``) do not follow one another, or None."""
    seq, last = 0, START
    for line in lines:
        if line.seq != seq + 1:
            return Break(seq + 1, "a line is missing")
        if line.prev_hash != last:
            return Break(line.seq, "the line before it was changed")
        if line.hash != line.expected_hash():
            return Break(line.seq, "the line was changed")
        seq, last = line.seq, line.hash
    return None


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
