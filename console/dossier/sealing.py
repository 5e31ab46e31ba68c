"""The key with which this house signs its dossiers: Ed25519 (RFC 8032), sealed by the vault, made on first use."""

import hashlib
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from console.config import Settings
from console.vault import Vault, current

CONTEXT = "dossier.key"


class Seal:
    """``fingerprint``: SHA-256 of the public key (DER), hex: who receives a dossier compares it with what the broker publishes."""

    def __init__(self, key: Ed25519PrivateKey):
        self._key = key
        public = key.public_key()
        self.public_pem = public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.fingerprint = hashlib.sha256(der).hexdigest()

    def sign(self, message: bytes) -> bytes:
        """64 bytes."""
        return self._key.sign(message)


def seal_of(settings: Settings) -> Seal:
    """The one of this instance."""
    path, vault = settings.home / "keys" / "dossier", current()
    if not path.exists():
        _make(path, vault)
    return Seal(Ed25519PrivateKey.from_private_bytes(vault.open(path.read_bytes(), CONTEXT)))


def _make(path: Path, vault: Vault) -> None:
    """Of several processes the first one wins."""
    made = Ed25519PrivateKey.generate().private_bytes_raw()
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(vault.seal(made, CONTEXT))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
