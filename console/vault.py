"""Personal data at rest: AES-256-GCM envelopes and blind indexes.

Every value gets a data key of its own, wrapped by the master key (RFC 3394), so that changing the master key rewraps keys and
leaves values alone. The context (``investor.id_no``) is bound in as associated data: a value moved to another column does not open.
"""

import hashlib
import hmac
import json
import secrets
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from sqlalchemy import LargeBinary, TypeDecorator

VERSION = b"\x01"
WRAPPED, NONCE = 40, 12  # bytes


class VaultError(Exception):
    """The value is damaged, belongs elsewhere, or was sealed with another master key."""


class Vault:
    def __init__(self, master: bytes):
        if len(master) != 32:
            raise ValueError("the master key must be 32 bytes")
        self._kek = _derive(master, b"witness-desk key encryption")
        self._index_key = _derive(master, b"witness-desk blind index")
        self._derived_from = master

    def new_key(self) -> tuple[bytes, bytes]:
        """A fresh data key and its wrapped form."""
        key = secrets.token_bytes(32)
        return key, aes_key_wrap(self._kek, key)

    def unwrap(self, wrapped: bytes) -> bytes:
        try:
            return aes_key_unwrap(self._kek, wrapped)
        except InvalidUnwrap as error:
            raise VaultError("the data key does not open with this master key") from error

    def seal(self, plain: bytes, context: str) -> bytes:
        key, wrapped = self.new_key()
        nonce = secrets.token_bytes(NONCE)
        return VERSION + wrapped + nonce + AESGCM(key).encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        if sealed[:1] != VERSION:
            raise VaultError("unknown envelope version")
        key = self.unwrap(sealed[1 : 1 + WRAPPED])
        nonce, body = sealed[1 + WRAPPED : 1 + WRAPPED + NONCE], sealed[1 + WRAPPED + NONCE :]
        try:
            return AESGCM(key).decrypt(nonce, body, context.encode())
        except InvalidTag as error:
            raise VaultError(f"{context}: the value was altered or moved") from error

    def index(self, value: str, context: str) -> str:
        """A keyed fingerprint to look a value up by without keeping it in clear: 32 hex characters."""
        message = f"{context}\0{value.strip().upper()}".encode()
        return hmac.new(self._index_key, message, hashlib.sha256).hexdigest()[:32]

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for another purpose of the same instance."""
        return _derive(self._derived_from, purpose.encode())


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=purpose).derive(master)


_current: list[Vault] = []


def use(vault: Vault) -> None:
    """Make ``vault`` the one that the encrypted columns use."""
    _current[:] = [vault]


def current() -> Vault:
    if not _current:
        raise VaultError("no vault is open")
    return _current[0]


class EncryptedText(TypeDecorator[str]):
    """Text sealed in its column. ``context`` names the column and never changes afterwards."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, context: str):
        super().__init__()
        self.context = context

    def process_bind_param(self, value: str | None, dialect: Any) -> bytes | None:
        return None if value is None else current().seal(value.encode(), self.context)

    def process_result_value(self, value: bytes | None, dialect: Any) -> str | None:
        return None if value is None else current().open(bytes(value), self.context).decode()


class EncryptedJSON(TypeDecorator[Any]):
    """A JSON value sealed in its column. Assign a new value to change it; changes inside are not seen."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, context: str):
        super().__init__()
        self.context = context

    def process_bind_param(self, value: Any, dialect: Any) -> bytes | None:
        if value is None:
            return None
        return current().seal(json.dumps(value, ensure_ascii=False).encode(), self.context)

    def process_result_value(self, value: bytes | None, dialect: Any) -> Any:
        return None if value is None else json.loads(current().open(bytes(value), self.context))
