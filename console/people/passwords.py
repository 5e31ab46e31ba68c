"""Passwords of staff: argon2id (RFC 9106), and one answer in one time whether the account exists or not."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 10  # characters
_hasher = PasswordHasher()


def hash_password(plain: str) -> str:
    """About 50 ms of CPU: call it through ``runtime.offload``, outside any write transaction."""
    return _hasher.hash(plain)


def matches(kept: str | None, plain: str) -> bool:
    """Whether ``plain`` is the password. ``kept`` None (nobody has that name) is False and takes as long."""
    try:
        return _hasher.verify(kept or nobodys_hash(), plain) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def nobodys_hash() -> str:
    return _hasher.hash("")
