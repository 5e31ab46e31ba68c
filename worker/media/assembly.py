"""From packets back to frames, for the recording and the snapshots: put in order, then join VP8 fragments."""

from collections.abc import Callable

from worker.media import rtp

HOLD = 0.4  # seconds to wait for a missing packet: several rounds of NACK
LONGEST_QUEUE = 512  # packets


class Frame:
    """One encoded frame. `timestamp` is the stream's RTP timestamp; `size` in pixels is known for key frames only."""

    __slots__ = ("data", "key", "kind", "size", "timestamp")

    def __init__(self, kind: str, data: bytes, timestamp: int, key: bool, size: tuple[int, int] | None) -> None:
        self.kind = kind
        self.data = data
        self.timestamp = timestamp
        self.key = key
        self.size = size


class Reorder:
    """Hands packets on in the order of their sequence numbers; a gap is waited for, then skipped."""

    def __init__(self, deliver: Callable[[rtp.Packet], None], skipped: Callable[[int], None]) -> None:
        self._deliver = deliver
        self._skipped = skipped
        self._next: int | None = None
        self._waiting: dict[int, rtp.Packet] = {}
        self._gap_since = 0.0

    def push(self, packet: rtp.Packet, now: float) -> None:
        """Take the next packet as it arrived; `now` in seconds."""
        if self._next is None:
            self._next = packet.sequence
        ahead = (packet.sequence - self._next) & rtp.SEQUENCE_MASK
        if ahead == 0:
            self._pass(packet)
            self._release(now)
        elif ahead < rtp.HALF_SEQUENCE:
            if not self._waiting:
                self._gap_since = now
            self._waiting[packet.sequence] = packet
            if now - self._gap_since > HOLD or len(self._waiting) > LONGEST_QUEUE:
                self._skip(now)

    def drain(self) -> None:
        """At the end: hand on everything that waits, over the gaps."""
        while self._waiting:
            self._skip(0.0)

    def _pass(self, packet: rtp.Packet) -> None:
        self._next = (packet.sequence + 1) & rtp.SEQUENCE_MASK
        self._deliver(packet)

    def _release(self, now: float) -> None:
        while self._waiting and self._next in self._waiting:
            self._pass(self._waiting.pop(self._next))
            self._gap_since = now

    def _skip(self, now: float) -> None:
        expected = self._next or 0
        nearest = min(self._waiting, key=lambda sequence: (sequence - expected) & rtp.SEQUENCE_MASK)
        self._skipped((nearest - expected) & rtp.SEQUENCE_MASK)
        self._next = nearest
        self._release(now)
        self._gap_since = now


class Assembler:
    """Frames of one stream, handed on as soon as their last packet is there (marker bit, RFC 7741, section 4.1)."""

    def __init__(
        self, kind: str, *, on_frame: Callable[[Frame], None], on_gap: Callable[[], None] = lambda: None
    ) -> None:
        self._kind = kind
        self._on_frame = on_frame
        self._on_gap = on_gap
        self._order = Reorder(self._take_video if kind == "video" else self._take_audio, self._lost)
        self._parts: list[bytes] = []
        self._timestamp: int | None = None
        self._broken = True
        self.lost = 0

    def push(self, packet: rtp.Packet, now: float) -> None:
        """Take a packet as it arrived. Raises `rtp.Malformed` for a VP8 descriptor that does not fit."""
        self._order.push(packet, now)

    def drain(self) -> None:
        """At the end: give out what can still be made of the packets at hand."""
        self._order.drain()

    def _lost(self, count: int) -> None:
        self.lost += count
        self._parts, self._broken = [], True
        self._on_gap()

    def _take_audio(self, packet: rtp.Packet) -> None:
        if packet.payload:
            self._on_frame(Frame("audio", packet.payload, packet.timestamp, True, None))

    def _take_video(self, packet: rtp.Packet) -> None:
        payload = packet.payload
        if not payload:  # padding probes
            return
        if packet.timestamp != self._timestamp:
            self._timestamp, self._parts = packet.timestamp, []
            self._broken = not rtp.vp8_starts_frame(payload)
        if self._broken:
            return
        self._parts.append(payload[rtp.vp8_descriptor_length(payload) :])
        if packet.marker:
            self._finish(packet.timestamp)

    def _finish(self, timestamp: int) -> None:
        data = b"".join(self._parts)
        self._parts, self._broken = [], True
        if data:
            key = rtp.vp8_is_key(data)
            self._on_frame(Frame("video", data, timestamp, key, rtp.vp8_size(data) if key else None))
