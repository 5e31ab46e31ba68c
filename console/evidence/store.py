"""Encrypted files that can be read from the middle: recordings are sought, so they are sealed in chunks.

Layout: MAGIC, wrapped data key (40), nonce prefix (7), then chunks of CHUNK clear bytes each sealed with AES-256-GCM; the
nonce is prefix + chunk number (4) + last-chunk mark (1), as in the STREAM construction (Hoang et al., 2015): chunks cannot be
reordered, dropped or cut off unseen.
"""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from console.vault import WRAPPED, Vault, VaultError

MAGIC = b"WDE1"
PREFIX = 7
CHUNK = 64 * 1024
TAG = 16
FOLDERS = 256
HEADER = len(MAGIC) + WRAPPED + PREFIX


@dataclass(frozen=True)
class Kept:
    """Where a file lies (relative to the store) and what it was in clear."""

    path: str
    size: int
    sha256: str


class EvidenceStore:
    def __init__(self, root: Path, vault: Vault):
        self.root, self._vault = root, vault

    def keep(self, source: BinaryIO) -> Kept:
        """Seal everything ``source`` gives. The file appears under its name only when it is whole and on disk."""
        name = secrets.token_hex(16)
        relative = f"{name[:2]}/{name}.wde"
        target = self.root / relative
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key, wrapped = self._vault.new_key()
        prefix, cipher = secrets.token_bytes(PREFIX), AESGCM(key)
        digest, size, number = hashlib.sha256(), 0, 0
        partial = target.with_suffix(".partial")
        try:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(MAGIC + wrapped + prefix)
                chunk = source.read(CHUNK)
                while True:
                    following = source.read(CHUNK) if len(chunk) == CHUNK else b""
                    digest.update(chunk)
                    size += len(chunk)
                    out.write(cipher.encrypt(_nonce(prefix, number, last=not following), chunk, None))
                    if not following:
                        break
                    chunk, number = following, number + 1
                out.flush()
                os.fsync(out.fileno())
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
        return Kept(relative, size, digest.hexdigest())

    def read(self, path: str, size: int, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The clear bytes from ``start``, ``length`` of them (all when None). Raises VaultError where the file was altered."""
        end = size if length is None else min(size, start + length)
        chunks = max(1, -(-size // CHUNK))
        with (self.root / path).open("rb") as file:
            header = file.read(HEADER)
            if header[: len(MAGIC)] != MAGIC or len(header) != HEADER:
                raise VaultError("not an evidence file")
            cipher = AESGCM(self._vault.unwrap(header[len(MAGIC) : len(MAGIC) + WRAPPED]))
            prefix = header[-PREFIX:]
            for number in range(start // CHUNK, -(-end // CHUNK) if end > start else start // CHUNK):
                file.seek(HEADER + number * (CHUNK + TAG))
                sealed = file.read(CHUNK + TAG)
                try:
                    clear = cipher.decrypt(_nonce(prefix, number, last=number == chunks - 1), sealed, None)
                except InvalidTag as error:
                    raise VaultError(f"chunk {number} was altered") from error
                base = number * CHUNK
                yield clear[max(0, start - base) : end - base]

    def read_all(self, path: str, size: int) -> bytes:
        return b"".join(self.read(path, size))

    def throw_away(self, path: str) -> None:
        """Safe to say twice."""
        (self.root / path).unlink(missing_ok=True)

    def lying_since(self, folder: int, before: datetime) -> list[str]:
        """The files, whole or not, in one of the FOLDERS that were written before then (as ``Kept.path``)."""
        name = f"{folder:02x}"
        with contextlib.suppress(FileNotFoundError), os.scandir(self.root / name) as found:
            return [f"{name}/{each.name}" for each in found if each.stat().st_mtime < before.timestamp()]
        return []

    def fingerprint(self, path: str, size: int) -> str:
        """SHA-256 of the clear bytes as they are now."""
        digest = hashlib.sha256()
        for piece in self.read(path, size):
            digest.update(piece)
        return digest.hexdigest()


def _nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + (b"\x01" if last else b"\x00")


_current: list[EvidenceStore] = []


def use(store: EvidenceStore) -> None:
    _current[:] = [store]


def current() -> EvidenceStore:
    if not _current:
        raise RuntimeError("no evidence store is open")
    return _current[0]


def is_open() -> bool:
    return bool(_current)
