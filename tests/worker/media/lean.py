"""Peers whose every packet a test decides, over real ICE, DTLS and SRTP; and a network that loses some."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiortc.rtcpeerconnection
import pytest
from aiortc import RTCPeerConnection

from bench.media.caller import Caller
from bench.media.film import Film
from worker.media.stubs import StubReceiver, StubSender


@contextmanager
def lean() -> Iterator[None]:
    """What is connected meanwhile has the node's stubs, beside ordinary peers in the same process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aiortc.rtcpeerconnection, "RTCRtpReceiver", StubReceiver)
        patch.setattr(aiortc.rtcpeerconnection, "RTCRtpSender", StubSender)
        yield


def lean_peer(film: Film) -> Caller:
    """A caller of the benches."""
    with lean():
        return Caller(film)


class _Lossy:
    """A datagram transport that forgets some of what it is to send."""

    def __init__(self, transport: Any, falls: Any) -> None:
        self._transport, self._falls = transport, falls

    def sendto(self, data: bytes, address: Any) -> None:
        if not self._falls():
            self._transport.sendto(data, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@contextmanager
def losing(share: float, *connections: RTCPeerConnection, seed: int = 7) -> Iterator[dict[str, int]]:
    """Lose this share of all datagrams, of whatever kind, that these connected peers send and that they receive."""
    dice, fallen = random.Random(seed), {"lost": 0, "passed": 0}
    undo = []

    def falls() -> bool:
        lost = dice.random() < share
        fallen["lost" if lost else "passed"] += 1
        return lost

    def wrap(protocol: Any) -> None:
        transport, receive = protocol.transport, protocol.datagram_received

        def datagram_received(data: bytes, address: Any) -> None:
            if not falls():
                receive(data, address)

        protocol.transport, protocol.datagram_received = _Lossy(transport, falls), datagram_received
        undo.append((protocol, transport, receive))

    for connection in connections:
        ice: Any = connection.getTransceivers()[0].sender.transport.transport
        for protocol in ice._connection._protocols:
            wrap(protocol)
    try:
        yield fallen
    finally:
        for protocol, transport, receive in undo:
            protocol.transport, protocol.datagram_received = transport, receive
