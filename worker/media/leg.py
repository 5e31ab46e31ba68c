"""One side of a call: its peer connection, its streams both ways, its recording, and the packets between them."""

import asyncio
import logging
import re
import time
from enum import Enum
from typing import Any, Protocol

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs import get_capabilities, is_rtx
from aiortc.exceptions import InternalError, InvalidAccessError, InvalidStateError, OperationError
from aiortc.rtcrtpparameters import RTCRtcpFeedback, RTCRtpParameters, RTCRtpReceiveParameters, RTCRtpSendParameters

from worker.media import rtcp, rtp
from worker.media.assembly import Assembler, Frame
from worker.media.port import PacketPort
from worker.media.recorder import Recorder
from worker.media.spool import Note
from worker.media.streams import InboundStream, OutboundStream, unwrap_rtx
from worker.media.stubs import StubReceiver, StubSender

ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
CODECS = {"audio": ("opus",), "video": ("VP8", "rtx")}
KEY_REQUEST_INTERVAL = 0.5  # seconds between two PLIs
SILENCE = 3.0  # seconds without any RTP after which a leg counts as lost for now

# A browser that hides its addresses offers mDNS names we could not resolve; it is reached as peer-reflexive instead,
# which needs the list of candidates to stay open.
UNUSABLE_LINES = re.compile(r"a=(?:candidate:[^\r\n]*\.local [^\r\n]*|end-of-candidates)\r?\n", re.IGNORECASE)
NACK = RTCRtcpFeedback("nack")
NACK_LINES = re.compile(r"^a=rtcp-fb:(\d+) nack\r?$", re.MULTILINE)
MEDIA_LINES = re.compile(r"^m=(\S+) ", re.MULTILINE)

log = logging.getLogger(__name__)


class BadOffer(ValueError):
    """The SDP offer is malformed, or has nothing in it that we can forward."""


class State(Enum):
    """Where a leg stands. SILENT goes back to LIVE when packets come again; CLOSED is for good."""

    CONNECTING = "connecting"
    LIVE = "live"
    SILENT = "silent"
    CLOSED = "closed"


class Watcher(Protocol):
    """What the room wants to hear from its legs. Called synchronously, so only to put a message in the inbox."""

    def leg_connected(self, leg: "Leg") -> None:
        """ICE and DTLS are up."""

    def leg_closed(self, leg: "Leg") -> None:
        """The peer said good-bye, or ICE consent expired (RFC 7675)."""


class Leg:
    """`answer` first; then packets flow to the leg that `feed` names, until `close`."""

    def __init__(self, name: str, *, segment: int, recorder: Recorder, watcher: Watcher) -> None:
        self.name = name
        self.segment = segment
        self.state = State.CONNECTING
        self.created_at = self._live_at = time.monotonic()
        self.key_frame_at = float("-inf")
        self._recorder = recorder
        self._watcher = watcher
        self._port: PacketPort | None = None
        self._fed: Leg | None = None
        self._source: Leg | None = None
        self._inbound: dict[str, InboundStream] = {}
        self._outbound: dict[str, OutboundStream] = {}
        self._assemblers: dict[str, Assembler] = {}
        self._payload_types: dict[int, tuple[InboundStream, bool]] = {}
        self._abs_send_time_id: int | None = None
        self._rtcp_ssrc = 0
        self._key_asked_at = float("-inf")
        self._key_wanted = False
        self._key_waiters: list[asyncio.Future[bytes]] = []
        self._nacked = 0
        self._repaired = 0
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._connection.on("connectionstatechange", self._connection_changed)

    # -- negotiation

    async def answer(self, offer: str) -> str:
        """The SDP answer to an offer, with only Opus, VP8 and RTX in it. Raises `BadOffer`."""
        try:
            for kind in _offered_kinds(offer):
                self._add_transceiver(kind)
            usable = RTCSessionDescription(UNUSABLE_LINES.sub("", offer), "offer")
            await self._connection.setRemoteDescription(usable)
            self._protect_sound(offer)
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except (
            ValueError,
            LookupError,
            AttributeError,
            AssertionError,
            OperationError,
            InternalError,
            InvalidAccessError,
            InvalidStateError,
        ) as error:
            raise BadOffer(f"{type(error).__name__} in the offer") from error
        return self._connection.localDescription.sdp

    def _add_transceiver(self, kind: str) -> None:
        transceiver: Any = self._connection.addTransceiver(kind, "sendrecv")
        transceiver.sender.owner = transceiver.receiver.owner = self
        wanted = [codec for codec in get_capabilities(kind).codecs if codec.name in CODECS[kind]]
        transceiver.setCodecPreferences(wanted)

    def _protect_sound(self, offer: str) -> None:
        """Opus carries the packet before in each packet (RFC 7587, section 6.1), and is sent again if the peer offers to."""
        for transceiver in self._connection.getTransceivers():
            for codec in transceiver._codecs:
                if codec.name == "opus":
                    codec.parameters = {"minptime": 10, "useinbandfec": 1}
                    if codec.payloadType in _sent_again(offer):
                        codec.rtcpFeedback = [*codec.rtcpFeedback, NACK]

    def sending(self, sender: StubSender, parameters: RTCRtpSendParameters) -> None:
        """See `stubs.Negotiated`."""
        codec = parameters.codecs[0]
        rtx = [other for other in parameters.codecs if is_rtx(other) and other.parameters["apt"] == codec.payloadType]
        self._outbound[sender.kind] = OutboundStream(
            sender.kind,
            ssrc=sender._ssrc,
            payload_type=codec.payloadType or 0,
            rtx_ssrc=sender._rtx_ssrc,
            rtx_payload_type=rtx[0].payloadType if rtx else None,
            abs_send_time_id=_abs_send_time_id(parameters),
            cname=parameters.rtcp.cname or "",
            repairable=NACK in codec.rtcpFeedback,
        )
        self._open_port(sender.transport)

    def receiving(self, receiver: StubReceiver, parameters: RTCRtpReceiveParameters) -> None:
        """See `stubs.Negotiated`."""
        repairable = any(NACK in codec.rtcpFeedback for codec in parameters.codecs)
        stream = self._inbound[receiver.kind] = InboundStream(receiver.kind, repairable=repairable)
        if parameters.encodings:
            stream.ssrc = parameters.encodings[0].ssrc
        for codec in parameters.codecs:
            self._payload_types[codec.payloadType or 0] = (stream, is_rtx(codec))
        if receiver.kind == "video":
            self._abs_send_time_id = _abs_send_time_id(parameters)
        self._rtcp_ssrc = self._rtcp_ssrc or receiver.rtcp_ssrc
        self._assemblers[receiver.kind] = Assembler(receiver.kind, on_frame=self._record, on_gap=self.request_key)
        self._open_port(receiver.transport)
        if receiver.kind == "video":
            self.request_key()

    def _open_port(self, dtls: Any) -> None:
        if self._port is None:
            self._port = PacketPort(dtls, on_rtp=self._rtp, on_rtcp=self._rtcp)

    def _connection_changed(self) -> None:
        state = self._connection.connectionState
        if state == "connected" and self.state is State.CONNECTING:
            self.state, self._live_at = State.LIVE, time.monotonic()
            self._watcher.leg_connected(self)
        elif state in ("failed", "closed") and self.state is not State.CLOSED:
            self._watcher.leg_closed(self)

    # -- packets in

    def feed(self, other: "Leg | None") -> None:
        """Forward everything to this leg from now on; None: to nobody."""
        self._fed = other
        if other is not None:
            for stream in other._outbound.values():
                stream.switch_source()
            self.request_key()

    def _rtp(self, data: bytes) -> None:
        now = time.monotonic()
        packet = rtp.parse(data, self._abs_send_time_id)
        known = self._payload_types.get(packet.payload_type)
        if known is None:
            return
        stream, is_repair = known
        if is_repair:
            original = self._unwrap(stream, packet)
            if original is None:
                return
            packet = original
        elif packet.ssrc != stream.ssrc:
            self._adopt(stream, packet.ssrc)
        if not stream.note(packet.sequence, packet.timestamp, now):
            self.request_key()
        if stream.missing:
            self._send_nacks(stream, now)
        if self._key_wanted and stream.kind == "video":
            self._ask_for_key(now)
        self._forward(stream.kind, packet, now)
        self._assemblers[stream.kind].push(packet, now)

    def _unwrap(self, stream: InboundStream, packet: rtp.Packet) -> rtp.Packet | None:
        """The repaired packet, if it was missing: Chromium also repeats old packets to probe the bandwidth."""
        original = unwrap_rtx(packet, payload_type=0, ssrc=stream.ssrc or 0)
        if original is None or original.sequence not in stream.missing:
            return None
        self._repaired += 1
        return original

    def _adopt(self, stream: InboundStream, ssrc: int) -> None:
        """The sender named no SSRC, or began with another one: numbers and frames start afresh."""
        fresh = stream.ssrc is not None
        stream.begin(ssrc)
        if fresh:
            self._assemblers[stream.kind] = Assembler(stream.kind, on_frame=self._record, on_gap=self.request_key)
            if self._fed is not None and stream.kind in self._fed._outbound:
                self._fed._outbound[stream.kind].switch_source()
            self.request_key()

    def _forward(self, kind: str, packet: rtp.Packet, now: float) -> None:
        other = self._fed
        if other is None or other._port is None:
            return
        stream = other._outbound.get(kind)
        if stream is None:
            return
        data = stream.forward(packet, now)
        if data is not None:
            other._port.send_rtp(data)
        elif stream.waits_for_key:
            self.request_key()

    def _record(self, frame: Frame) -> None:
        if frame.kind == "video" and frame.key:
            self.key_frame_at = time.monotonic()
            self._key_wanted = False
            for waiter in self._key_waiters:
                if not waiter.done():
                    waiter.set_result(frame.data)
            self._key_waiters.clear()
        self._recorder.frame(frame)

    # -- feedback

    def request_key(self) -> None:
        """Ask the peer for a key frame: at most every half second, and again while pictures come but no key frame does."""
        self._key_wanted = True
        self._ask_for_key(time.monotonic())

    def _ask_for_key(self, now: float) -> None:
        stream = self._inbound.get("video")
        if stream is None or stream.ssrc is None or self._port is None:
            return
        if now - self._key_asked_at >= KEY_REQUEST_INTERVAL:
            self._key_asked_at = now
            self._port.send_rtcp(rtcp.make_key_request(self._rtcp_ssrc, stream.ssrc))

    def _send_nacks(self, stream: InboundStream, now: float) -> None:
        due = stream.due_nacks(now)
        if due and self._port is not None and stream.ssrc is not None:
            self._nacked += len(due)
            self._port.send_rtcp(rtcp.make_nack(self._rtcp_ssrc, stream.ssrc, due))

    def _rtcp(self, data: bytes) -> None:
        for packet in rtcp.parse(data):
            self._handle(packet)

    def _handle(self, packet: object) -> None:
        if rtcp.is_key_request(packet):
            self._ask_source_for_key()
        elif (report := rtcp.sender_report(packet)) is not None:
            self._pass_report_on(report)
        elif (nacked := rtcp.nacked(packet)) is not None:
            self._repair(*nacked)
        elif (bitrate := rtcp.estimated_bitrate(packet)) is not None and self._source is not None:
            self._source.limit_bitrate(bitrate)

    def heard_from(self, source: "Leg | None") -> None:
        """Whose packets this leg receives, so that its feedback can travel back there."""
        self._source = source

    def _ask_source_for_key(self) -> None:
        if self._source is not None:
            self._source.request_key()

    def limit_bitrate(self, bitrate: int) -> None:
        """What the receiver of our peer's picture can take, in bits per second: tell our peer."""
        stream = self._inbound.get("video")
        if stream is not None and stream.ssrc is not None and self._port is not None:
            self._port.send_rtcp(rtcp.make_estimated_bitrate(self._rtcp_ssrc, stream.ssrc, bitrate))

    def _pass_report_on(self, report: Any) -> None:
        stream = next((stream for stream in self._inbound.values() if stream.ssrc == report.ssrc), None)
        if stream is None:
            return
        info = report.sender_info
        stream.report_middle = (info.ntp_timestamp >> 16) & 0xFFFFFFFF
        stream.report_at = time.monotonic()
        self._recorder.report(stream.kind, info.ntp_timestamp, info.rtp_timestamp)
        other = self._fed
        if other is not None and other._port is not None and stream.kind in other._outbound:
            onward = rtcp.make_sender_report(other._outbound[stream.kind], info)
            if onward is not None:
                other._port.send_rtcp(onward)

    def _repair(self, media_ssrc: int, sequences: Any) -> None:
        stream = next((stream for stream in self._outbound.values() if stream.ssrc == media_ssrc), None)
        if stream is None or self._port is None:
            return
        for sequence in sequences:
            data = stream.repair(sequence)
            if data is not None:
                self._port.send_rtp(data)

    def tick(self, now: float) -> State:
        """Once a second: report what was received (RFC 3550, section 6.2), repeat NACKs, notice silence."""
        if self._port is None:
            return self.state
        streams = list(self._inbound.values())
        report = rtcp.make_receiver_report(self._rtcp_ssrc, streams, now)
        if report is not None:
            self._port.send_rtcp(report)
        for stream in streams:
            if stream.missing:
                self._send_nacks(stream, now)
        self._notice_silence(now)
        return self.state

    @property
    def is_recording(self) -> bool:
        """Whether what comes in goes into a file."""
        return self._recorder.is_writing

    def anchor(self) -> dict[str, object] | None:
        """See `Recorder.anchor`; after the close as well."""
        return self._recorder.anchor()

    def silent_for(self, now: float) -> float:
        """Seconds since the last packet of picture or sound; since the connection was made, when there was none."""
        heard = [stream.heard_at for stream in self._inbound.values() if stream.heard_at is not None]
        return now - max(heard, default=self._live_at)

    def _notice_silence(self, now: float) -> None:
        if self.state is State.LIVE and self.silent_for(now) > SILENCE:
            self.state = State.SILENT
        elif self.state is State.SILENT and self.silent_for(now) <= SILENCE:
            self.state = State.LIVE

    # -- snapshots and the end

    async def next_key_frame(self, timeout: float) -> bytes:
        """The next key frame of the peer's picture, asked for now. Raises TimeoutError."""
        waiter: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._key_waiters.append(waiter)
        async with asyncio.timeout(timeout):
            while not waiter.done():
                self.request_key()
                await asyncio.wait([waiter], timeout=KEY_REQUEST_INTERVAL)
        return waiter.result()

    async def close(self) -> Note | None:
        """Hang up. Returns the note of the recording, if there is one; None as well when already closed."""
        if self.state is State.CLOSED:
            return None
        self.state = State.CLOSED
        for assembler in self._assemblers.values():
            assembler.drain()
        note = self._recorder.close()
        port = self._port
        if port is not None:
            port.close()
            log.info("leg closed", extra={"leg": self.name, **self._numbers(port)})
        await self._connection.close()
        return note

    def _numbers(self, port: PacketPort) -> dict[str, int]:
        return {
            "received": sum(stream.received for stream in self._inbound.values()),
            "sent": port.sent,
            "refused": port.refused,
            "rejected": port.rejected,
            "nacked": self._nacked,
            "repaired": self._repaired,
            "retransmitted": sum(stream.retransmitted for stream in self._outbound.values()),
            "frames_lost": sum(assembler.lost for assembler in self._assemblers.values()),
        }


def _offered_kinds(offer: str) -> list[str]:
    """Sound and picture, each at most once. Raises `BadOffer`."""
    kinds = [kind for kind in MEDIA_LINES.findall(offer) if kind in CODECS]
    if not kinds or len(kinds) != len(set(kinds)):
        raise BadOffer("one sound, one picture, or one of both")
    return kinds


def _sent_again(offer: str) -> set[int]:
    """The payload types for which the peer answers generic NACKs (RFC 4585, section 4.2)."""
    return {int(payload_type) for payload_type in NACK_LINES.findall(offer)}


def _abs_send_time_id(parameters: RTCRtpParameters) -> int | None:
    return next((extension.id for extension in parameters.headerExtensions if extension.uri == ABS_SEND_TIME), None)
