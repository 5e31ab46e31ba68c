"""Start-up self-test: every attribute of aiortc, aioice and pylibsrtp that the node leans on must be there.

The engine replaces private parts of these libraries, which are therefore pinned exactly. After an upgrade this says at
once, and by name, what is missing, instead of a call without a picture.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import aioice
import aioice.ice
import aiortc.codecs
import aiortc.rtcpeerconnection
import aiortc.rtp
import pylibsrtp
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection
from pylibsrtp._binding import lib


class MissingAttributes(RuntimeError):
    """Names, in `.names`, everything that a library no longer has."""

    def __init__(self, names: list[str]) -> None:
        super().__init__("the media node cannot run with these libraries; missing: " + ", ".join(names))
        self.names = names


@dataclass(frozen=True)
class Lean:
    """An object, what to call it, and the attributes we use."""

    name: str
    thing: object
    attributes: tuple[str, ...]

    def missing(self) -> Iterator[str]:
        """The attributes that are not there, with the object's name in front."""
        return (f"{self.name}.{attribute}" for attribute in self.attributes if not hasattr(self.thing, attribute))


def _modules() -> list[Lean]:
    return [
        Lean("aiortc.rtcpeerconnection", aiortc.rtcpeerconnection, ("RTCRtpReceiver", "RTCRtpSender")),
        Lean("aiortc.codecs", aiortc.codecs, ("get_capabilities", "is_rtx")),
        Lean("aioice.ice", aioice.ice, ("get_host_addresses",)),
        Lean("aioice.ice.StunProtocol", aioice.ice.StunProtocol, ("datagram_received",)),
        Lean("aioice.Connection", aioice.Connection, ("data_received",)),
        Lean("pylibsrtp.Session", pylibsrtp.Session(), ("_srtp",)),
        Lean(
            "pylibsrtp._binding.lib",
            lib,
            ("srtp_protect", "srtp_unprotect", "srtp_protect_rtcp", "srtp_unprotect_rtcp"),
        ),
        Lean(
            "aiortc.rtp",
            aiortc.rtp,
            (
                "RtcpPacket",
                "RtcpPsfbPacket",
                "RtcpReceiverInfo",
                "RtcpRrPacket",
                "RtcpRtpfbPacket",
                "RtcpSdesPacket",
                "RtcpSenderInfo",
                "RtcpSourceInfo",
                "RtcpSrPacket",
                "clamp_packets_lost",
                "pack_remb_fci",
                "unpack_remb_fci",
            ),
        ),
    ]


def _connection(peer: RTCPeerConnection) -> list[Lean]:
    transceiver = peer.addTransceiver("video")
    sender, receiver = transceiver.sender, transceiver.receiver
    dtls = sender.transport
    ice = getattr(getattr(dtls, "transport", None), "_connection", None)
    return [
        Lean("RTCRtpTransceiver", transceiver, ("_codecs", "currentDirection", "setCodecPreferences")),
        Lean("RTCRtpSender", sender, ("_ssrc", "_rtx_ssrc", "_stream_id", "_track_id", "_enabled", "send", "stop")),
        Lean("RTCRtpSender", sender, ("setTransport", "replaceTrack", "getStats", "transport", "track", "kind")),
        Lean("RTCRtpReceiver", receiver, ("_track", "_enabled", "_set_rtcp_ssrc", "receive", "stop", "setTransport")),
        Lean("RTCRtpReceiver", receiver, ("getStats", "transport", "track")),
        Lean("RTCDtlsTransport", dtls, ("_rx_srtp", "_tx_srtp", "_handle_rtp_data", "_handle_rtcp_data", "transport")),
        Lean("RTCIceTransport", getattr(dtls, "transport", None), ("_connection",)),
        Lean("aioice.Connection", ice, ("_nominated", "_protocols", "data_received")),
    ]


def _changed_signatures() -> Iterator[str]:
    expected: tuple[tuple[str, Callable[..., object], tuple[str, ...]], ...] = (
        ("aioice.Connection.data_received", aioice.Connection.data_received, ("data", "component")),
        ("aioice.ice.StunProtocol.datagram_received", aioice.ice.StunProtocol.datagram_received, ("data", "addr")),
        ("aioice.ice.get_host_addresses", aioice.ice.get_host_addresses, ("use_ipv4", "use_ipv6")),
    )
    for name, function, parameters in expected:
        have = tuple(parameter for parameter in inspect.signature(function).parameters if parameter != "self")
        if have != parameters:
            yield f"{name}({', '.join(parameters)})"


async def check() -> None:
    """Raises `MissingAttributes` naming everything that is missing or takes other parameters.

    Must run before `stubs.install()`: it looks at the libraries' own senders and receivers.
    """
    missing = [name for lean in _modules() for name in lean.missing()]
    if missing:
        raise MissingAttributes(missing)
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
    try:
        missing = [name for lean in _connection(peer) for name in lean.missing()]
    finally:
        await peer.close()
    missing.extend(_changed_signatures())
    if missing:
        raise MissingAttributes(missing)
