"""The node's UDP sockets: many datagrams with one system call (recvmmsg(2), sendmmsg(2)), into and out of slots.

An event loop's own transports make objects of every datagram and of every address, one call each. ICE and DTLS go on
through aioice's protocol as ever; what is SRTP (RFC 7983, section 7) goes to the transport's `port`, if it has one.
"""

import asyncio
import errno
import logging
import socket
import sys
from typing import Any, Final, Protocol

import cffi

from worker.media.slots import SLOT, Slots

BATCH: Final = 32  # datagrams a system call takes at most
FIRST_RTP_BYTE: Final = 128
AFTER_RTP_BYTE: Final = 192
NAME_LENGTHS: Final[dict[int, int]] = {socket.AF_INET: 16, socket.AF_INET6: 28}  # bytes of a sockaddr
MESSAGE_WORDS: Final = 16  # 32-bit words of a struct mmsghdr
NAME_LENGTH_WORD: Final = 2
LENGTH_WORD: Final = 14

log = logging.getLogger(__name__)

ffi = cffi.FFI()
ffi.cdef("""
struct iovec { void *iov_base; size_t iov_len; };
struct msghdr {
    void *msg_name; unsigned int msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
    void *msg_control; size_t msg_controllen; int msg_flags;
};
struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
int recvmmsg(int, struct mmsghdr *, unsigned int, int, void *);
int sendmmsg(int, struct mmsghdr *, unsigned int, int);
""")
libc = ffi.dlopen(None)


def are_there() -> bool:
    """Whether this system has the two calls (Linux does), in the layout that is written above."""
    layout = ffi.sizeof("struct mmsghdr") == 4 * MESSAGE_WORDS
    return layout and all(hasattr(libc, name) for name in ("recvmmsg", "sendmmsg"))


class Port(Protocol):
    """Who takes SRTP datagrams."""

    def arrived(self, slots: Slots, number: int, length: int) -> None:
        """One, in a slot that is the taker's until this returns. Never raises."""


class _Messages:
    """`BATCH` message headers that point to as many slots, and to the memory of addresses `names`, `step` bytes apart."""

    def __init__(self, step: int) -> None:
        self.slots = Slots(BATCH)
        self.names: Any = ffi.new("char[]", 28 * BATCH)
        self.vectors: Any = ffi.new("struct iovec[]", BATCH)
        self.headers: Any = ffi.new("struct mmsghdr[]", BATCH)
        for number in range(BATCH):
            self.vectors[number].iov_base = ffi.cast("void *", self.slots.address + number * SLOT)
            self.vectors[number].iov_len = SLOT
            header = self.headers[number].msg_hdr
            header.msg_name, header.msg_iov, header.msg_iovlen = self.names + number * step, self.vectors + number, 1
        self.words: Any = memoryview(ffi.buffer(self.headers)).cast("I")

    def set_name_lengths(self, count: int, length: int) -> None:
        """The system writes over them when it receives."""
        for number in range(count):
            self.words[number * MESSAGE_WORDS + NAME_LENGTH_WORD] = length


class Inbox:
    """Where the sockets of one address family receive."""

    def __init__(self, family: int) -> None:
        self._messages = _Messages(28)
        self._family = family
        self._name_length = NAME_LENGTHS[family]
        self._names: Any = ffi.buffer(self._messages.names)
        self._addresses: dict[bytes, tuple[str, int]] = {}
        self._receive: Any = libc.recvmmsg
        self._headers: Any = self._messages.headers
        self._words: Any = self._messages.words
        self.slots = self._messages.slots
        self._messages.set_name_lengths(BATCH, self._name_length)

    def receive(self, descriptor: int) -> int:
        """How many datagrams came; -1 when the system said an error (`ffi.errno`)."""
        count: int = self._receive(descriptor, self._headers, BATCH, socket.MSG_DONTWAIT, ffi.NULL)
        return count

    def length(self, number: int) -> int:
        """Of a datagram that came."""
        length: int = self._words[number * MESSAGE_WORDS + LENGTH_WORD]
        return length

    def sender(self, number: int) -> tuple[str, int]:
        """Who sent it: host and port."""
        start = 28 * number
        name: bytes = self._names[start : start + self._name_length]
        known = self._addresses.get(name)
        if known is None:
            if len(self._addresses) > 1000:
                self._addresses.clear()
            host = name[4:8] if self._family == socket.AF_INET else name[8:24]
            known = socket.inet_ntop(self._family, host), int.from_bytes(name[2:4], "big")
            self._addresses[name] = known
        return known


class Outbox:
    """Datagrams that wait to leave together, all from one socket to one address."""

    def __init__(self) -> None:
        self._messages = _Messages(0)
        self._send: Any = libc.sendmmsg
        self._headers: Any = self._messages.headers
        self._lengths: Any = memoryview(ffi.buffer(self._messages.vectors)).cast("Q")
        self._name: Any = ffi.buffer(self._messages.names)
        self._name_length = 0
        self._descriptor = -1
        self._to = b""
        self._count = 0
        self.gathers = False  # while the datagrams of one waking are worked on
        self.slots = self._messages.slots
        self.unsent = 0

    def slot(self, descriptor: int, to: bytes) -> int:
        """The number of a free slot for a datagram from this socket to this socket address."""
        if descriptor != self._descriptor or to != self._to:
            self.flush()
            self._descriptor, self._to = descriptor, to
            self._name[0 : len(to)] = to
            if len(to) != self._name_length:
                self._name_length = len(to)
                self._messages.set_name_lengths(BATCH, len(to))
        return self._count

    def put(self, length: int) -> None:
        """The slot that was given last holds a datagram of this length now."""
        self._lengths[2 * self._count + 1] = length
        self._count += 1
        if not self.gathers or self._count == BATCH:
            self.flush()

    def flush(self) -> None:
        """Send what waits. What the system does not take now is lost, as datagrams may be."""
        at, count, self._count = 0, self._count, 0
        while at < count:
            sent: int = self._send(self._descriptor, self._headers + at, count - at, socket.MSG_DONTWAIT)
            if sent > 0:
                at += sent
            elif ffi.errno == errno.EINTR:
                continue
            else:
                self.unsent += 1
                at += 1


class Datagrams:
    """What an asyncio datagram transport is to aioice, and the way around it for SRTP."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: Any, inbox: Inbox, outbox: Outbox
    ):
        self._loop = loop
        self._socket: Any = sock
        self._descriptor = sock.fileno()
        self._protocol = protocol
        self._inbox = inbox
        self._closing = False
        self.family: int = sock.family
        self.outbox = outbox
        self.port: Port | None = None
        loop.add_reader(self._descriptor, self._readable)

    def _readable(self) -> None:
        inbox = self._inbox
        count = inbox.receive(self._descriptor)
        if count < 0:
            if ffi.errno not in (errno.EAGAIN, errno.EINTR):
                self._protocol.error_received(OSError(ffi.errno, "recvmmsg"))
            return
        self.outbox.gathers = True
        for number in range(count):
            length = inbox.length(number)
            port = self.port
            if port is not None and length and FIRST_RTP_BYTE <= inbox.slots.byte(number, 0) < AFTER_RTP_BYTE:
                port.arrived(inbox.slots, number, length)
            else:
                self._pass_on(inbox.slots.get(number, length), inbox.sender(number))
        self.outbox.gathers = False
        self.outbox.flush()

    def _pass_on(self, data: bytes, sender: tuple[str, int]) -> None:
        if self._closing:
            return
        try:
            self._protocol.datagram_received(data, sender)
        except Exception:  # the other datagrams that came with it must not be lost
            log.exception("datagram not handled")

    @property
    def descriptor(self) -> int:
        """The socket's; -1 when it is closed."""
        return -1 if self._closing else self._descriptor

    def socket_address(self, address: tuple[Any, ...]) -> bytes:
        """Host and port as the system wants them (ip(7), ipv6(7)). Raises OSError when the host is no address of the family."""
        family, port = self.family.to_bytes(2, sys.byteorder), int(address[1]).to_bytes(2, "big")
        host = socket.inet_pton(self.family, address[0])
        return family + port + (host + bytes(8) if self.family == socket.AF_INET else bytes(4) + host + bytes(4))

    def sendto(self, data: bytes, address: tuple[Any, ...]) -> None:
        """One datagram, now. What cannot leave is lost."""
        if self._closing:
            return
        try:
            self._socket.sendto(data, address)
        except BlockingIOError:
            return
        except OSError as error:
            self._protocol.error_received(error)

    def get_extra_info(self, name: str, default: object = None) -> Any:
        """`socket` and `sockname`."""
        if name == "socket":
            return self._socket
        return self._socket.getsockname() if name == "sockname" else default

    def is_closing(self) -> bool:
        """Whether `close` was called."""
        return self._closing

    def close(self) -> None:
        """The protocol hears of it a little later, as asyncio has it."""
        if self._closing:
            return
        self._closing = True
        self._loop.remove_reader(self._descriptor)
        self._loop.call_soon(self._closed)

    def abort(self) -> None:
        """The same: nothing waits to be sent."""
        self.close()

    def _closed(self) -> None:
        self._socket.close()
        self._protocol.connection_lost(None)
