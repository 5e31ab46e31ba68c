"""A caller that costs little: aiortc negotiates, then packets made beforehand are sent at the pace of a real sender.

What comes back is counted from the headers, which SRTP leaves readable (RFC 3711, section 3.1), and never decrypted or
decoded. Like a browser it reports once a second, answers a PLI with a key frame and a NACK with the packet again.
"""

import asyncio
import random
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs import get_capabilities, is_rtx
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters, RTCRtpSendParameters
from aiortc.rtp import RtcpReceiverInfo, RtcpRrPacket, RtcpSdesPacket, RtcpSenderInfo, RtcpSourceInfo, RtcpSrPacket

from bench.media.film import FPS, RATE, SOUND_STEP, Film
from worker.media import rtcp, rtp
from worker.media.datagrams import AFTER_RTP_BYTE, FIRST_RTP_BYTE
from worker.media.leg import ABS_SEND_TIME, CODECS
from worker.media.port import AFTER_RTCP_TYPE, FIRST_RTCP_TYPE, PacketPort
from worker.media.stubs import StubReceiver, StubSender

CONNECT_LIMIT = 20.0  # seconds
NTP_ORIGIN = 2_208_988_800  # seconds from 1900 to 1970
HISTORY = 512  # packets kept for a NACK
SO_RCVBUFFORCE = 33  # socket(7)
RECEIVE_BUFFER = 4 << 20  # bytes: a caller is not to lose what the server sent because this process had to wait


def make_room(transport: Any) -> None:
    """Enlarge a datagram transport's receive buffer: beyond the system's limit where we may, else up to it."""
    sock = transport.get_extra_info("socket")
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)


class Line(Protocol):
    """What carries packets to the other end."""

    def send_rtp(self, packet: bytes) -> None: ...

    def send_rtcp(self, packet: bytes) -> None: ...


@dataclass
class Sending:
    """One outgoing stream's numbers."""

    ssrc: int
    payload_type: int
    rtx_ssrc: int = 0
    rtx_payload_type: int | None = None
    extension: bytes = b""
    sequence: int = field(default_factory=lambda: random.randrange(rtp.HALF_SEQUENCE))
    first_timestamp: int = field(default_factory=lambda: random.randrange(rtp.HALF_TIMESTAMP))
    timestamp: int = 0
    packets: int = 0
    octets: int = 0


@dataclass
class Received:
    """What arrived: whole pictures, sounds, packets, and numbers that were left out."""

    frames: int = 0
    sounds: int = 0
    packets: int = 0
    missing: int = 0


def next_packet(stream: Sending, payload: bytes, *, marker: bool) -> bytes:
    """The stream's next RTP packet, with its present timestamp."""
    stream.sequence = (stream.sequence + 1) & rtp.SEQUENCE_MASK
    stream.packets += 1
    stream.octets += len(payload)
    first, extension = rtp.VERSION, b""
    if stream.extension:
        first |= rtp.HAS_EXTENSION
        extension = stream.extension + (int(time.time() * (1 << 18)) & 0xFFFFFF).to_bytes(3, "big")
    second = stream.payload_type | (rtp.MARKER if marker else 0)
    timestamp = stream.timestamp & rtp.TIMESTAMP_MASK
    return rtp.HEADER.pack(first, second, stream.sequence, timestamp, stream.ssrc) + extension + payload


def sender_report(stream: Sending, ntp: int, timestamp: int) -> bytes:
    """A report of the stream with its CNAME: this RTP timestamp is that NTP time (64 bits)."""
    sent = RtcpSenderInfo(ntp, timestamp & rtp.TIMESTAMP_MASK, stream.packets, stream.octets & 0xFFFFFFFF)
    name = RtcpSdesPacket(chunks=[RtcpSourceInfo(ssrc=stream.ssrc, items=[(rtcp.SDES_CNAME, b"bench")])])
    return bytes(RtcpSrPacket(ssrc=stream.ssrc, sender_info=sent)) + bytes(name)


class Counter:
    """Counts what arrives, one stream of each kind."""

    def __init__(self) -> None:
        self.video_payload_types: set[int] = set()
        self.audio_payload_types: set[int] = set()
        self.seen = Received()
        self.video_ssrc = 0
        self.highest = 0
        self._expected: int | None = None
        self._whole = True

    def packet(self, data: bytes) -> None:
        """An encrypted RTP packet; its header is not."""
        second = data[1]
        payload_type = second & 0x7F
        self.seen.packets += 1
        if payload_type in self.audio_payload_types:
            self.seen.sounds += 1
        elif payload_type in self.video_payload_types:
            self.highest = (data[2] << 8) | data[3]
            if self._expected is not None and self.highest != self._expected:
                ahead = (self.highest - self._expected) & rtp.SEQUENCE_MASK
                if ahead >= rtp.HALF_SEQUENCE:
                    return
                self.seen.missing += ahead
                self._whole = False
            self._expected = (self.highest + 1) & rtp.SEQUENCE_MASK
            self.video_ssrc = int.from_bytes(data[8:12], "big")
            if second & rtp.MARKER:
                self.seen.frames += self._whole
                self._whole = True


class Sender:
    """Plays the film into a line, from `play` to `pause`, over and over."""

    def __init__(self, film: Film, line: Line, counter: Counter, *, video: Sending, audio: Sending) -> None:
        self._film, self._line, self._counter = film, line, counter
        self._video, self._audio = video, audio
        self._loop = asyncio.get_running_loop()
        self._epoch = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._history: list[tuple[int, bytes] | None] = [None] * HISTORY
        self._rtx_sequence = 1
        self._picture_id = random.randrange(0x8000)
        self._picture = self._sound = 0
        self._picture_at = self._sound_at = self._report_at = 0.0
        self.frames = self.sounds = 0
        self.key_requests = self.repeated = 0

    def play(self) -> None:
        """Begin with a key frame, somewhere within the next frame's time, so that callers do not march in step."""
        begin = self._loop.time() + random.random() / FPS
        self._picture, self._picture_at = 0, begin
        self._sound_at, self._report_at = begin, begin + random.random()
        self._timer = self._loop.call_at(begin, self._tick)

    def pause(self) -> None:
        """Fall silent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        now = self._loop.time()
        while self._picture_at <= now:
            self._send_picture()
            self._picture_at += 1 / FPS
        while self._sound_at <= now:
            self._send_sound()
            self._sound_at += SOUND_STEP / RATE
        if self._report_at <= now:
            self._report_at += 1.0
            self._report(now)
        self._timer = self._loop.call_at(min(self._picture_at, self._sound_at), self._tick)

    def _send_picture(self) -> None:
        stream, parts = self._video, self._film.pictures[self._picture]
        stream.timestamp = stream.first_timestamp + round((self._picture_at - self._epoch) * 90_000)
        self._picture_id = (self._picture_id + 1) & 0x7FFF
        number = struct.pack("!H", 0x8000 | self._picture_id)
        for place, part in enumerate(parts):
            descriptor = b"\x80\x80" if place else b"\x90\x80"  # X, S on the first; I (RFC 7741, section 4.2)
            packet = next_packet(stream, descriptor + number + part, marker=place == len(parts) - 1)
            self._history[stream.sequence % HISTORY] = (stream.sequence, packet)
            self._line.send_rtp(packet)
        self._picture = (self._picture + 1) % len(self._film.pictures)
        self.frames += 1

    def _send_sound(self) -> None:
        self._audio.timestamp = self._audio.first_timestamp + round((self._sound_at - self._epoch) * RATE)
        self._line.send_rtp(next_packet(self._audio, self._film.sounds[self._sound], marker=False))
        self._sound = (self._sound + 1) % len(self._film.sounds)
        self.sounds += 1

    def _report(self, now: float) -> None:
        ntp = round((time.time() + NTP_ORIGIN) * (1 << 32))
        for stream, rate in ((self._video, 90_000), (self._audio, RATE)):
            timestamp = stream.first_timestamp + round((now - self._epoch) * rate)
            self._line.send_rtcp(sender_report(stream, ntp, timestamp))
        heard = self._counter
        if heard.video_ssrc:
            block = RtcpReceiverInfo(heard.video_ssrc, 0, 0, heard.highest, 0, 0, 0)
            self._line.send_rtcp(bytes(RtcpRrPacket(ssrc=self._video.ssrc, reports=[block])))

    def feedback(self, data: bytes) -> None:
        """A decrypted RTCP compound from the other end."""
        for packet in rtcp.parse(data):
            if rtcp.is_key_request(packet):
                self.key_requests += 1
                self._picture = 0
            elif (nacked := rtcp.nacked(packet)) is not None:
                for sequence in nacked[1]:
                    self._repeat(sequence)

    def _repeat(self, sequence: int) -> None:
        kept, stream = self._history[sequence % HISTORY], self._video
        if kept is None or kept[0] != sequence or stream.rtx_payload_type is None:
            return
        self.repeated += 1
        self._rtx_sequence = (self._rtx_sequence + 1) & rtp.SEQUENCE_MASK
        first, second, original, timestamp, _ = rtp.HEADER.unpack_from(kept[1])
        start = rtp.HEADER_LENGTH + (8 if first & rtp.HAS_EXTENSION else 0)
        second = (second & rtp.MARKER) | stream.rtx_payload_type
        header = rtp.HEADER.pack(first, second, self._rtx_sequence, timestamp, stream.rtx_ssrc)
        body = kept[1][rtp.HEADER_LENGTH : start] + struct.pack("!H", original) + kept[1][start:]
        self._line.send_rtp(header + body)


def counting_port(dtls: Any, counter: Counter, on_rtcp: Callable[[bytes], None]) -> PacketPort:
    """A port that leaves incoming pictures and sounds encrypted: they are only counted."""
    port = PacketPort(dtls, on_rtp=lambda data: None, on_rtcp=on_rtcp)
    for protocol in dtls.transport._connection._protocols:
        make_room(protocol.transport)
        _count_at(protocol, counter)
    return port


def _count_at(protocol: Any, counter: Counter) -> None:
    pass_on = protocol.datagram_received

    def datagram_received(data: bytes, addr: Any) -> None:
        if (
            len(data) > 1
            and FIRST_RTP_BYTE <= data[0] < AFTER_RTP_BYTE
            and not FIRST_RTCP_TYPE <= data[1] & 0x7F < AFTER_RTCP_TYPE
        ):
            counter.packet(data)
        else:
            pass_on(data, addr)

    protocol.datagram_received = datagram_received


class Caller:
    """One side of a call over a real peer connection. `worker.media.stubs.install` comes before it is made.

    Once `connected`, `sender` plays the film; who would rather send something else uses `line` and `streams`.
    """

    def __init__(self, film: Film) -> None:
        self.counter = Counter()
        self.sender: Sender | None = None
        self.srtp = ""
        self._film = film
        self.line: PacketPort | None = None
        self.streams: dict[str, Sending] = {}
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        for kind in ("audio", "video"):
            transceiver: Any = self.connection.addTransceiver(kind, "sendrecv")
            transceiver.sender.owner = transceiver.receiver.owner = self
            wanted = [codec for codec in get_capabilities(kind).codecs if codec.name in CODECS[kind]]
            transceiver.setCodecPreferences(wanted)

    async def call(self, signal: Callable[[str], Awaitable[str]]) -> None:
        """Offer, take the answer, and wait until connected. Raises TimeoutError."""
        await self.take_answer(await signal(await self.offer()))
        await self.connected()

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def answer(self, offer: str) -> str:
        await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return self.connection.localDescription.sdp

    async def take_answer(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def connected(self) -> None:
        """Wait until packets can be sent. Raises TimeoutError."""
        async with asyncio.timeout(CONNECT_LIMIT):
            while self.line is None or len(self.streams) < 2:
                await asyncio.sleep(0.02)
        video, audio = self.streams["video"], self.streams["audio"]
        self.sender = Sender(self._film, self.line, self.counter, video=video, audio=audio)

    def sending(self, sender: StubSender, parameters: RTCRtpSendParameters) -> None:
        """See `stubs.Negotiated`."""
        codec = parameters.codecs[0]
        rtx = [other.payloadType for other in parameters.codecs if is_rtx(other)]
        identity = next((each.id for each in parameters.headerExtensions if each.uri == ABS_SEND_TIME), None)
        self.streams[sender.kind] = Sending(
            sender._ssrc,
            codec.payloadType or 0,
            rtx_ssrc=sender._rtx_ssrc,
            rtx_payload_type=rtx[0] if rtx else None,
            extension=rtp.extension_prefix(identity) if identity is not None else b"",
        )
        self._open_port(sender.transport)

    def receiving(self, receiver: StubReceiver, parameters: RTCRtpReceiveParameters) -> None:
        """See `stubs.Negotiated`."""
        known = self.counter.video_payload_types if receiver.kind == "video" else self.counter.audio_payload_types
        known.update(codec.payloadType or 0 for codec in parameters.codecs if not is_rtx(codec))
        self._open_port(receiver.transport)

    def _open_port(self, dtls: Any) -> None:
        if self.line is None:
            self.line = counting_port(dtls, self.counter, self._feedback)
            self.srtp = dtls._ssl.get_selected_srtp_profile().decode()

    def _feedback(self, data: bytes) -> None:
        if self.sender is not None:
            self.sender.feedback(data)

    async def close(self) -> None:
        if self.sender is not None:
            self.sender.pause()
        await self.connection.close()
