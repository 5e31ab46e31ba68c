"""RTP packets as plain bytes: headers (RFC 3550, RFC 8285) and the VP8 payload descriptor (RFC 7741)."""

import struct
from typing import Final, NamedTuple

HEADER = struct.Struct("!BBHLL")
HEADER_LENGTH: Final = 12
VERSION: Final = 0x80
HAS_PADDING: Final = 0x20
HAS_EXTENSION: Final = 0x10
MARKER: Final = 0x80
ONE_BYTE_FORM: Final = 0xBEDE
TWO_BYTE_FORM: Final = 0x100

SEQUENCE_MASK: Final = 0xFFFF
TIMESTAMP_MASK: Final = 0xFFFFFFFF
HALF_SEQUENCE: Final = 0x8000
HALF_TIMESTAMP: Final = 0x80000000

CLOCK_RATES = {"audio": 48000, "video": 90000}  # Hz: Opus (RFC 7587, section 4.1) and VP8 (RFC 7741, section 4.1)


class Malformed(ValueError):
    """The bytes are no RTP packet, or its lengths do not fit."""


class Packet:
    """What a node needs from an RTP packet. `payload` is free of CSRCs, header extensions and padding."""

    __slots__ = ("abs_send_time", "marker", "payload", "payload_type", "sequence", "ssrc", "timestamp")

    def __init__(
        self,
        marker: bool,
        payload_type: int,
        sequence: int,
        timestamp: int,
        ssrc: int,
        abs_send_time: bytes | None,
        payload: bytes,
    ) -> None:
        self.marker = marker
        self.payload_type = payload_type
        self.sequence = sequence
        self.timestamp = timestamp
        self.ssrc = ssrc
        self.abs_send_time = abs_send_time
        self.payload = payload


def parse(data: bytes, abs_send_time_id: int | None = None) -> Packet:
    """Take a decrypted RTP packet apart (RFC 3550, section 5.1).

    `abs_send_time_id` is the negotiated header extension id of abs-send-time; its 3 bytes are kept, other extensions
    dropped. Raises `Malformed` when the packet is truncated.
    """
    if len(data) < HEADER_LENGTH:
        raise Malformed("shorter than an RTP header")
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    start, end = HEADER_LENGTH + 4 * (first & 0x0F), len(data)
    abs_send_time = None
    if first & HAS_EXTENSION:
        block = start
        if block + 4 > end:
            raise Malformed("truncated header extension")
        start += 4 + 4 * ((data[block + 2] << 8) | data[block + 3])
        if abs_send_time_id is not None:
            abs_send_time = find_extension(data[block:start], abs_send_time_id)
    if first & HAS_PADDING:
        end -= data[-1]
    if start > end:
        raise Malformed("header longer than the packet")
    return Packet(second >= MARKER, second & 0x7F, sequence, timestamp, ssrc, abs_send_time, data[start:end])


def find_extension(block: bytes, wanted: int) -> bytes | None:
    """The value of one header extension, or None. `block` starts at the profile (RFC 8285, sections 4.2 and 4.3)."""
    profile = (block[0] << 8) | block[1]
    if profile == ONE_BYTE_FORM:
        return _find_one_byte(block, wanted)
    if profile >> 4 == TWO_BYTE_FORM:
        return _find_two_byte(block, wanted)
    return None


def _find_one_byte(block: bytes, wanted: int) -> bytes | None:
    at, end = 4, len(block)
    while at < end:
        head = block[at]
        if head == 0:
            at += 1
            continue
        identity, length = head >> 4, (head & 0x0F) + 1
        if identity == 15:  # reserved: stop reading (RFC 8285, section 4.2)
            return None
        if identity == wanted:
            return _whole(block[at + 1 : at + 1 + length], length)
        at += 1 + length
    return None


def _find_two_byte(block: bytes, wanted: int) -> bytes | None:
    at, end = 4, len(block)
    while at + 1 < end:
        if block[at] == 0:
            at += 1
            continue
        identity, length = block[at], block[at + 1]
        if identity == wanted:
            return _whole(block[at + 2 : at + 2 + length], length)
        at += 2 + length
    return None


def _whole(value: bytes, length: int) -> bytes | None:
    return value if len(value) == length else None


def extension_prefix(identity: int) -> bytes:
    """The bytes in front of a lone 3-byte extension in the one-byte form: together exactly two 32-bit words."""
    return struct.pack("!HHB", ONE_BYTE_FORM, 1, (identity << 4) | 2)


def vp8_descriptor_length(payload: bytes) -> int:
    """How many bytes the VP8 payload descriptor takes (RFC 7741, section 4.2). Raises `Malformed` when truncated."""
    if not payload:
        raise Malformed("empty VP8 payload")
    length = 1
    if payload[0] & 0x80:
        if len(payload) < 3:
            raise Malformed("truncated VP8 descriptor")
        extended = payload[1]
        length = 2
        if extended & 0x80:
            length += 2 if payload[2] & 0x80 else 1
        if extended & 0x40:
            length += 1
        if extended & 0x30:
            length += 1
    if length > len(payload):
        raise Malformed("truncated VP8 descriptor")
    return length


def vp8_starts_frame(payload: bytes) -> bool:
    """Whether the packet holds the beginning of a frame: S set and partition 0 (RFC 7741, section 4.2)."""
    return bool(payload) and payload[0] & 0x17 == 0x10


def vp8_starts_key_frame(payload: bytes) -> bool:
    """Whether the packet holds the beginning of a key frame: inverse key frame flag P clear (RFC 7741, section 4.3)."""
    if not vp8_starts_frame(payload):
        return False
    at = vp8_descriptor_length(payload)
    return at < len(payload) and not payload[at] & 1


def vp8_is_key(frame: bytes) -> bool:
    """Whether an assembled VP8 frame is a key frame (RFC 6386, section 9.1)."""
    return len(frame) >= 10 and not frame[0] & 1


def vp8_size(key_frame: bytes) -> tuple[int, int]:
    """Width and height in pixels, from a key frame's header (RFC 6386, section 9.1)."""
    width, height = struct.unpack_from("<HH", key_frame, 6)
    return width & 0x3FFF, height & 0x3FFF


class PictureIds(NamedTuple):
    """The running numbers of a VP8 payload descriptor; None when the sender leaves them out."""

    picture: int | None
    tl0: int | None


def vp8_picture_ids(payload: bytes) -> PictureIds:
    """Read PictureID and TL0PICIDX (RFC 7741, section 4.2). Raises `Malformed` when truncated."""
    vp8_descriptor_length(payload)
    if not payload[0] & 0x80:
        return PictureIds(None, None)
    extended, at, picture, tl0 = payload[1], 2, None, None
    if extended & 0x80:
        if payload[at] & 0x80:
            picture = ((payload[at] & 0x7F) << 8) | payload[at + 1]
            at += 2
        else:
            picture = payload[at]
            at += 1
    if extended & 0x40:
        tl0 = payload[at]
    return PictureIds(picture, tl0)


def vp8_shift_picture_ids(payload: bytes, picture_by: int, tl0_by: int) -> bytes:
    """The same payload with PictureID and TL0PICIDX moved on, each in the width the sender used."""
    ids = vp8_picture_ids(payload)
    if ids.picture is None and ids.tl0 is None:
        return payload
    moved, at = bytearray(payload), 2
    if ids.picture is not None:
        if moved[at] & 0x80:
            struct.pack_into("!H", moved, at, 0x8000 | ((ids.picture + picture_by) & 0x7FFF))
            at += 2
        else:
            moved[at] = (ids.picture + picture_by) & 0x7F
            at += 1
    if ids.tl0 is not None:
        moved[at] = (ids.tl0 + tl0_by) & 0xFF
    return bytes(moved)
