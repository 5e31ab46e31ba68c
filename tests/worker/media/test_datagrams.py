"""The node's own UDP sockets, on real ones."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from worker.media.datagrams import BATCH, Datagrams
from worker.media.loop import Loop
from worker.media.slots import Slots

STUN, SRTP = b"\x00\x01stun", b"\x80\x60srtp"
ENDPOINTS: list[Any] = []


class Protocol:
    """Keeps what aioice would be told."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.heard: list[tuple[bytes, Any]] = []
        self.errors: list[Exception] = []
        self.lost = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.heard.append((data, address))
        if data == b"\x01breaks":
            raise LookupError

    def error_received(self, error: Exception) -> None:
        self.errors.append(error)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()


class Port:
    """Keeps what the call would get."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def arrived(self, slots: Slots, number: int, length: int) -> None:
        self.got.append(slots.get(number, length))


def on_the_loop(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def told() -> None:
        try:
            await story()
        finally:
            while ENDPOINTS:
                ENDPOINTS.pop().close()
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(told())


async def opened(host: str) -> tuple[Protocol, socket.socket]:
    """An endpoint, and an ordinary socket on the same host."""
    _, protocol = await asyncio.get_running_loop().create_datagram_endpoint(Protocol, local_addr=(host, 0))
    ENDPOINTS.append(protocol.transport)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    other = socket.socket(family, socket.SOCK_DGRAM)
    other.bind((host, 0))
    other.settimeout(2)
    return protocol, other


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_stun_goes_to_ice_with_its_sender_and_srtp_to_the_call(host: str) -> None:
    async def story() -> None:
        protocol, other = await opened(host)
        assert isinstance(protocol.transport, Datagrams)
        port = protocol.transport.port = Port()
        here = protocol.transport.get_extra_info("sockname")
        for data in (STUN, SRTP, b"", STUN):
            other.sendto(data, here)
        await until(lambda: len(protocol.heard) == 3)
        assert port.got == [SRTP]
        assert [data for data, _ in protocol.heard] == [STUN, b"", STUN]
        assert {address for _, address in protocol.heard} == {other.getsockname()[:2]}
        other.close()

    on_the_loop(story)


def test_srtp_before_the_call_has_its_port_waits_with_ice() -> None:
    async def story() -> None:
        protocol, other = await opened("127.0.0.1")
        other.sendto(SRTP, protocol.transport.get_extra_info("sockname"))
        await until(lambda: len(protocol.heard) == 1)
        assert protocol.heard[0][0] == SRTP
        other.close()

    on_the_loop(story)


def test_more_datagrams_than_one_call_to_the_system_takes_come_whole_and_in_order() -> None:
    async def story() -> None:
        protocol, other = await opened("127.0.0.1")
        port = protocol.transport.port = Port()
        sent = [SRTP + bytes([number]) * number for number in range(3 * BATCH + 1)]
        for data in sent:
            other.sendto(data, protocol.transport.get_extra_info("sockname"))
        await until(lambda: len(port.got) == len(sent))
        assert port.got == sent
        other.close()

    on_the_loop(story)


def test_a_datagram_that_breaks_its_handler_takes_no_other_with_it(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        protocol, other = await opened("127.0.0.1")
        for data in (b"\x01breaks", STUN):
            other.sendto(data, protocol.transport.get_extra_info("sockname"))
        await until(lambda: len(protocol.heard) == 2)
        other.close()

    on_the_loop(story)
    assert "datagram not handled" in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_is_gathered_leaves_in_order_and_each_to_whom_it_is_for(host: str) -> None:
    async def story() -> None:
        protocol, one = await opened(host)
        _, two = await opened(host)
        transport: Datagrams = protocol.transport
        outbox = transport.outbox
        outbox.gathers = True
        count = 2 * BATCH + 3
        for number in range(count):
            to = transport.socket_address((one if number % 3 else two).getsockname())
            slot = outbox.slot(transport.descriptor, to)
            outbox.slots.put(slot, bytes([number]))
            outbox.put(1)
        outbox.gathers = False
        outbox.flush()
        got = {other: [other.recv(10)[0] for _ in wanted] for other, wanted in wants(one, two, count)}
        assert got == dict(wants(one, two, count))
        assert outbox.unsent == 0
        for other in (one, two):
            other.close()

    on_the_loop(story)


def wants(one: socket.socket, two: socket.socket, count: int) -> list[tuple[socket.socket, list[int]]]:
    return [(one, [n for n in range(count) if n % 3]), (two, [n for n in range(count) if not n % 3])]


def test_a_datagram_that_cannot_leave_holds_up_no_other() -> None:
    async def story() -> None:
        protocol, other = await opened("127.0.0.1")
        transport: Datagrams = protocol.transport
        outbox = transport.outbox
        for host, data in (("240.0.0.1", b"lost"), (other.getsockname()[0], b"told")):
            slot = outbox.slot(transport.descriptor, transport.socket_address((host, other.getsockname()[1])))
            outbox.slots.put(slot, data)
            outbox.put(len(data))
        assert other.recv(10) == b"told"
        assert outbox.unsent == 1
        other.close()

    on_the_loop(story)


def test_a_closed_socket_is_told_to_ice_once_and_sends_nothing_more() -> None:
    async def story() -> None:
        protocol, other = await opened("127.0.0.1")
        protocol.transport.sendto(b"before", other.getsockname())
        protocol.transport.close()
        protocol.transport.abort()
        protocol.transport.sendto(b"after", other.getsockname())
        assert protocol.transport.descriptor == -1
        await asyncio.wait_for(protocol.lost.wait(), 2)
        assert other.recv(10) == b"before"
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.recv(10)
        other.close()

    on_the_loop(story)
