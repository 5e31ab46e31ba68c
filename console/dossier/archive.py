"""A ZIP written while it is sent: nothing of it is held but one piece, and every byte of it is under one signature.

Layout: the files, stored uncompressed; ``manifest.json`` with path, size and SHA-256 of each; ``manifest.sig``, the signature of that
(for who has unpacked it); and as the comment of the archive MARK + the signature over the SHA-256 of all bytes before the comment, so that
a flipped byte of the archive's own structure is found as well. console/dossier/offline/verify.py reads this, and tests compare the two.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.local_time import LOCAL
from console.vault import VaultError

from .sealing import Seal

MARK = b"witness-desk dossier "
COMMENT = len(MARK) + 128  # the signature in hex
MANIFEST, SIGNATURE, PUBLIC_KEY = "manifest.json", "manifest.sig", "public_key.pem"


@dataclass(frozen=True)
class Item:
    """One file of the dossier. ``pieces`` is read once; ``title`` is for people; ``evidence``: its name in the trail."""

    path: str
    title: str
    pieces: Iterable[bytes]
    evidence: str = ""


class _Pipe(io.RawIOBase):
    """Takes what the ZIP writer writes, gives it away piece by piece."""

    def __init__(self) -> None:
        self._held = bytearray()
        self.digest = hashlib.sha256()
        self.at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        self.at += len(data)
        return len(data)

    def tell(self) -> int:
        return self.at

    def taken(self) -> bytes:
        piece, self._held = bytes(self._held), bytearray()
        self.digest.update(piece)
        return piece

    def rest(self) -> bytes:
        """What is held, not counted into the digest."""
        return bytes(self._held)


def archive(items: Iterable[Item], about: dict[str, Any], seal: Seal, at: datetime) -> Iterator[bytes]:
    """The ZIP in pieces. ``about`` stands at the top of the manifest. A file that cannot be read any more is named there as damaged."""
    pipe, when = _Pipe(), at.astimezone(LOCAL).timetuple()[:6]
    listed: list[dict[str, Any]] = []
    writer = zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED, allowZip64=True)  # type: ignore[arg-type]
    writer.comment = MARK + b"0" * 128
    for item in (*items, Item(PUBLIC_KEY, "公钥", [seal.public_pem])):
        entry: dict[str, Any] = {"path": item.path, "title": item.title}
        if item.evidence:
            entry["evidence"] = item.evidence
        yield from _written(writer, pipe, item, entry, when)
        listed.append(entry)
    manifest = json.dumps(about | {"files": listed}, ensure_ascii=False, indent=1).encode()
    for name, content in ((MANIFEST, manifest), (SIGNATURE, seal.sign(manifest).hex().encode())):
        yield from _written(writer, pipe, Item(name, "", [content]), {}, when)
    writer.close()
    end = pipe.rest()
    body = end[: len(end) - COMMENT]
    pipe.digest.update(body)
    yield body + MARK + seal.sign(pipe.digest.digest()).hex().encode()


def _written(writer: zipfile.ZipFile, pipe: _Pipe, item: Item, entry: dict[str, Any], when: Any) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    with writer.open(zipfile.ZipInfo(item.path, when), "w", force_zip64=True) as file:
        try:
            for piece in item.pieces:
                digest.update(piece)
                size += len(piece)
                file.write(piece)
                yield pipe.taken()
        except (VaultError, OSError) as error:
            entry["damaged"] = str(error) if isinstance(error, VaultError) else "the file is gone"
    entry |= {"size": size, "sha256": digest.hexdigest()}
    yield pipe.taken()
