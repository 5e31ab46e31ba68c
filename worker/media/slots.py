"""Memory for packets on their way through, and SRTP (RFC 3711) done to them in place.

pylibsrtp's own methods copy a packet into a buffer and out again; here it lies where the socket put it, or will take it from.
"""

from typing import Any, Final

import pylibsrtp
from pylibsrtp._binding import ffi, lib

SLOT: Final = 2048  # bytes of a slot; a datagram over the Internet is shorter
TRAILER: Final = 148  # bytes that libsrtp may add at most: tag, MKI and SRTCP's index
LONGEST: Final = SLOT - TRAILER


class Slots:
    """`count` slots in a row, from `address` on."""

    def __init__(self, count: int) -> None:
        memory = ffi.new("char[]", count * SLOT)
        self.buffer: Any = ffi.buffer(memory)
        self.pointers: list[Any] = [memory + number * SLOT for number in range(count)]
        self.address = int(ffi.cast("uintptr_t", memory))
        self._bytes: Any = memoryview(self.buffer)
        self._memory = memory

    def byte(self, number: int, at: int) -> int:
        """One byte of a slot."""
        byte: int = self._bytes[number * SLOT + at]
        return byte

    def put(self, number: int, data: bytes) -> None:
        """At most SLOT bytes."""
        start = number * SLOT
        self.buffer[start : start + len(data)] = data

    def get(self, number: int, length: int) -> bytes:
        """A copy."""
        start = number * SLOT
        data: bytes = self.buffer[start : start + length]
        return data


class Cipher:
    """One direction of a transport's SRTP. Each method takes a slot and the packet's length and returns the new length, or -1: refused."""

    def __init__(self, session: pylibsrtp.Session) -> None:
        self._keep: Any = session  # its memory goes with it
        self._session: Any = session._srtp[0]  # see selftest
        self._length: Any = ffi.new("int *")
        self._protect: Any = lib.srtp_protect
        self._protect_rtcp: Any = lib.srtp_protect_rtcp
        self._unprotect: Any = lib.srtp_unprotect
        self._unprotect_rtcp: Any = lib.srtp_unprotect_rtcp

    def protect(self, slots: Slots, number: int, length: int) -> int:
        """RTP."""
        return self._run(self._protect, slots, number, length)

    def protect_rtcp(self, slots: Slots, number: int, length: int) -> int:
        """RTCP."""
        return self._run(self._protect_rtcp, slots, number, length)

    def unprotect(self, slots: Slots, number: int, length: int) -> int:
        """RTP; -1 for what is forged, replayed or malformed."""
        return self._run(self._unprotect, slots, number, length)

    def unprotect_rtcp(self, slots: Slots, number: int, length: int) -> int:
        """RTCP; -1 for what is forged, replayed or malformed."""
        return self._run(self._unprotect_rtcp, slots, number, length)

    def _run(self, function: Any, slots: Slots, number: int, length: int) -> int:
        self._length[0] = length
        if function(self._session, slots.pointers[number], self._length):
            return -1
        new: int = self._length[0]
        return new
