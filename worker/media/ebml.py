"""The few pieces of EBML that WebM needs (RFC 8794): elements with their sizes, and reading their heads back."""

import struct
from typing import NamedTuple

UNKNOWN_SIZE = b"\x01" + b"\xff" * 7  # RFC 8794, section 6.2, in eight bytes so that it can be filled in later


class Truncated(ValueError):
    """The data ends inside an element."""


def size(length: int, width: int = 0) -> bytes:
    """A data size (RFC 8794, section 4.1) in `width` bytes, or in as few of 1, 4 and 8 as hold it."""
    if not width:
        width = 1 if length < 0x7F else 4 if length < (1 << 28) - 1 else 8
    return ((1 << (7 * width)) | length).to_bytes(width, "big")


def element(identity: bytes, payload: bytes) -> bytes:
    """An element with its size."""
    return identity + size(len(payload)) + payload


def unsigned(identity: bytes, value: int, width: int = 0) -> bytes:
    """An unsigned integer element in `width` bytes, or in as few as hold it."""
    return element(identity, value.to_bytes(width or max(1, (value.bit_length() + 7) // 8), "big"))


def floating(identity: bytes, value: float) -> bytes:
    """An 8-byte float element."""
    return element(identity, struct.pack(">d", value))


def signed8(identity: bytes, value: int) -> bytes:
    """An 8-byte signed integer element, also used for dates."""
    return element(identity, struct.pack(">q", value))


def text(identity: bytes, value: str) -> bytes:
    """A string element."""
    return element(identity, value.encode())


class Head(NamedTuple):
    """An element's id, where its data starts, and how long it is (None: unknown size)."""

    identity: bytes
    start: int
    length: int | None


def read_head(data: bytes, at: int = 0) -> Head:
    """The head of the element at this offset. Raises `Truncated` when it does not fit, or when it is no element."""
    identity_width = _width(data, at)
    size_at = at + identity_width
    size_width = _width(data, size_at)
    raw = data[size_at : size_at + size_width]
    if len(raw) < size_width:
        raise Truncated("element head")
    value = int.from_bytes(raw, "big") & ((1 << (7 * size_width)) - 1)
    unknown = value == (1 << (7 * size_width)) - 1
    return Head(data[at:size_at], size_at + size_width, None if unknown else value)


def _width(data: bytes, at: int) -> int:
    if at >= len(data) or data[at] == 0:
        raise Truncated("element head")
    return 9 - data[at].bit_length()
