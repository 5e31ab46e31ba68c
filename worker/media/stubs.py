"""Duck-typed sender and receiver: what `RTCPeerConnection` needs of them, and nothing that touches a packet.

aiortc negotiates, opens ICE and DTLS, and hands over the negotiated parameters; the packets are the leg's business.
"""

from typing import Any, Protocol

import aiortc.rtcpeerconnection
from aiortc import MediaStreamTrack, RTCDtlsTransport
from aiortc.codecs import get_capabilities
from aiortc.rtcrtpparameters import RTCRtpCapabilities, RTCRtpReceiveParameters, RTCRtpSendParameters
from aiortc.stats import RTCStatsReport
from aiortc.utils import random32


class Negotiated(Protocol):
    """Who wants to know when the transport is up and what was agreed."""

    def sending(self, sender: "StubSender", parameters: RTCRtpSendParameters) -> None:
        """Called once per kind, after DTLS is up, when we may send."""

    def receiving(self, receiver: "StubReceiver", parameters: RTCRtpReceiveParameters) -> None:
        """Called once per kind, after DTLS is up, when the peer may send."""


class StubSender:
    """Stands in for `aiortc.RTCRtpSender`."""

    def __init__(self, track_or_kind: MediaStreamTrack | str, transport: RTCDtlsTransport) -> None:
        self.kind = track_or_kind if isinstance(track_or_kind, str) else track_or_kind.kind
        self.track = None
        self.transport = transport
        self.owner: Negotiated | None = None
        self._ssrc = random32()
        self._rtx_ssrc = random32()
        self._stream_id = f"{random32():08x}"
        self._track_id = f"{random32():08x}"
        self._enabled = True
        self._started = False

    @classmethod
    def getCapabilities(cls, kind: str) -> RTCRtpCapabilities:
        """What aiortc can negotiate for this kind."""
        return get_capabilities(kind)

    def setTransport(self, transport: RTCDtlsTransport) -> None:
        """Bundling moves a sender to the shared transport."""
        self.transport = transport

    def replaceTrack(self, track: MediaStreamTrack | None) -> None:
        """A node has no tracks of its own."""

    async def send(self, parameters: RTCRtpSendParameters) -> None:
        """Tell the owner, once."""
        if not self._started and self.owner is not None:
            self._started = True
            self.owner.sending(self, parameters)

    async def stop(self) -> None:
        """Nothing runs here."""

    async def getStats(self) -> RTCStatsReport:
        """The leg keeps its own statistics."""
        return RTCStatsReport()


class StubReceiver:
    """Stands in for `aiortc.RTCRtpReceiver`."""

    def __init__(self, kind: str, transport: RTCDtlsTransport) -> None:
        self.kind = kind
        self.transport = transport
        self.owner: Negotiated | None = None
        self.rtcp_ssrc = 0
        self._track: MediaStreamTrack | None = None
        self._enabled = True
        self._started = False

    @property
    def track(self) -> MediaStreamTrack | None:
        """The remote track's description; no frames ever come out of it."""
        return self._track

    @classmethod
    def getCapabilities(cls, kind: str) -> RTCRtpCapabilities:
        """What aiortc can negotiate for this kind."""
        return get_capabilities(kind)

    def setTransport(self, transport: RTCDtlsTransport) -> None:
        """Bundling moves a receiver to the shared transport."""
        self.transport = transport

    def _set_rtcp_ssrc(self, ssrc: int) -> None:
        self.rtcp_ssrc = ssrc

    async def receive(self, parameters: RTCRtpReceiveParameters) -> None:
        """Tell the owner, once."""
        if not self._started and self.owner is not None:
            self._started = True
            self.owner.receiving(self, parameters)

    async def stop(self) -> None:
        """Nothing runs here."""

    async def getStats(self) -> RTCStatsReport:
        """The leg keeps its own statistics."""
        return RTCStatsReport()


def install() -> None:
    """Make every `RTCPeerConnection` created later in this process use the stubs. Only a node process does this."""
    module: Any = aiortc.rtcpeerconnection
    module.RTCRtpReceiver, module.RTCRtpSender = StubReceiver, StubSender
