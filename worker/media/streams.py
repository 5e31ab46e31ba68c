"""The streams of a leg: what one receives (statistics, losses) and what one sends (renumbering, history, repair)."""

import random
from dataclasses import dataclass, field
from typing import Final

from worker.media import rtp

HISTORY: Final = 512  # packets kept of each stream for retransmission, a power of two
NACK_INTERVAL: Final = 0.05  # seconds between two requests for the same packet
NACK_TRIES: Final = 8
LONGEST_REPAIRABLE_GAP: Final = 256  # packets; after a longer one only a key frame helps
REORDERING_WINDOW: Final = 1024  # packets after a switch of source during which stragglers from before it may arrive


@dataclass
class Loss:
    """A packet that is missing, and how often it was asked for."""

    tries: int = 0
    asked_at: float = float("-inf")


@dataclass
class ReceptionReport:
    """The numbers of one report block (RFC 3550, section 6.4.1); jitter in timestamp units."""

    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int


class InboundStream:
    """Statistics (RFC 3550, appendix A) and the set of missing packets of one incoming stream. Times in seconds.

    `repairable`: whether the sender agreed to send again what is asked for (RFC 4585); sound needs the browser's consent.
    """

    def __init__(self, kind: str, *, repairable: bool = True) -> None:
        self.kind = kind
        self.repairable = repairable
        self.rate = rtp.CLOCK_RATES[kind]
        self.begin(None)

    def begin(self, ssrc: int | None) -> None:
        """Start over with a new synchronization source, or None while it is not known yet."""
        self.ssrc = ssrc
        self.missing: dict[int, Loss] = {}
        self.received = 0
        self.heard_at: float | None = None
        self.report_middle = 0  # middle 32 bits of the last sender report's NTP time
        self.report_at = 0.0
        self._highest: int | None = None
        self._first = 0
        self._cycles = 0
        self._jitter = 0.0
        self._transit: float | None = None
        self._prior = (0, 0)

    def note(self, sequence: int, timestamp: int, now: float) -> bool:
        """Count a packet in. Returns False when it left a gap too long to repair, so that a key frame is needed."""
        self.received += 1
        self.heard_at = now
        self._note_jitter(timestamp, now)
        highest = self._highest
        if highest is None:
            self._highest = self._first = sequence
            return True
        ahead = (sequence - highest) & rtp.SEQUENCE_MASK
        if ahead == 0 or ahead >= rtp.HALF_SEQUENCE:
            self.missing.pop(sequence, None)
            return True
        if sequence < highest:
            self._cycles += 1 << 16
        self._highest = sequence
        if ahead == 1 or not self.repairable:
            return True
        if ahead > LONGEST_REPAIRABLE_GAP:
            self.missing.clear()
            return False
        for step in range(1, ahead):
            self.missing[(highest + step) & rtp.SEQUENCE_MASK] = Loss()
        return True

    def _note_jitter(self, timestamp: int, now: float) -> None:
        transit = now * self.rate - timestamp
        if self._transit is not None:
            difference = abs(transit - self._transit)
            if difference < 5 * self.rate:  # a timestamp that wrapped or jumped says nothing about the network
                self._jitter += (difference - self._jitter) / 16
        self._transit = transit

    def due_nacks(self, now: float) -> list[int]:
        """Missing sequence numbers to ask for now (RFC 4585, section 6.2.1); gives a packet up after several tries."""
        due = []
        for sequence, loss in list(self.missing.items()):
            if loss.tries >= NACK_TRIES:
                del self.missing[sequence]
            elif now - loss.asked_at >= NACK_INTERVAL:
                loss.tries += 1
                loss.asked_at = now
                due.append(sequence)
        return due

    def report(self) -> ReceptionReport | None:
        """The reception since the last report, or None when nothing has arrived yet (RFC 3550, appendix A.3)."""
        if self._highest is None:
            return None
        extended = self._cycles + self._highest
        expected = extended - self._first + 1
        expected_lately, received_lately = expected - self._prior[0], self.received - self._prior[1]
        self._prior = (expected, self.received)
        lost_lately = expected_lately - received_lately
        fraction = min(255, (lost_lately << 8) // expected_lately) if expected_lately > 0 and lost_lately > 0 else 0
        return ReceptionReport(fraction, expected - self.received, extended & 0xFFFFFFFF, int(self._jitter))


@dataclass
class _Anchor:
    """How the numbers of the present source map to the numbers that go out."""

    source_start: int
    sequence_by: int
    timestamp_by: int
    picture_by: int
    tl0_by: int
    forwarded: int = 0


@dataclass
class _Sent:
    """The last numbers that went out, to continue from when the source changes."""

    sequence: int
    timestamp: int
    at: float
    ids: rtp.PictureIds = field(default_factory=lambda: rtp.PictureIds(None, None))


class OutboundStream:
    """One outgoing stream: it keeps one SSRC and one running numbering, whatever source feeds it.

    A backward jump would make the peer's libsrtp refuse packets, so after a switch of source sequence numbers,
    timestamps and picture ids continue where the old source stopped. Video waits for a key frame of the new source.
    """

    def __init__(
        self,
        kind: str,
        *,
        ssrc: int,
        payload_type: int,
        rtx_ssrc: int = 0,
        rtx_payload_type: int | None = None,
        abs_send_time_id: int | None = None,
        cname: str = "",
        repairable: bool = True,
    ) -> None:
        self.kind = kind
        self.repairable = repairable
        self.rate = rtp.CLOCK_RATES[kind]
        self.ssrc = ssrc
        self.payload_type = payload_type
        self.rtx_ssrc = rtx_ssrc
        self.rtx_payload_type = rtx_payload_type
        self.cname = cname
        self.packets = 0
        self.octets = 0
        self.retransmitted = 0
        self.waits_for_key = kind == "video"
        self._extension = rtp.extension_prefix(abs_send_time_id) if abs_send_time_id is not None else None
        self._history = [b""] * HISTORY  # bare bytes: the garbage collector need not look at them
        # Starting in the lower half keeps the first wrap, which early losses could hide from the peer, far away.
        self._rtx_sequence = random.randrange(rtp.HALF_SEQUENCE)
        self._anchor: _Anchor | None = None
        self._sent: _Sent | None = None

    def switch_source(self) -> None:
        """The next packet comes from another source: continue the numbering from there."""
        self._anchor = None
        self.waits_for_key = self.kind == "video"

    def forward(self, packet: rtp.Packet, now: float) -> bytes | None:
        """The packet as it goes out, or None when it must not (before the key frame, or older than the switch)."""
        payload = packet.payload
        if self.waits_for_key:
            if not rtp.vp8_starts_key_frame(payload):
                return None
            self.waits_for_key = False
        anchor = self._anchor
        if anchor is None:
            anchor = self._anchor = self._continue_from(packet, now)
        if anchor.forwarded < REORDERING_WINDOW:
            anchor.forwarded += 1
            if (packet.sequence - anchor.source_start) & rtp.SEQUENCE_MASK >= rtp.HALF_SEQUENCE:
                return None
        if anchor.picture_by or anchor.tl0_by:
            payload = rtp.vp8_shift_picture_ids(payload, anchor.picture_by, anchor.tl0_by)
        sequence = (packet.sequence + anchor.sequence_by) & rtp.SEQUENCE_MASK
        timestamp = (packet.timestamp + anchor.timestamp_by) & rtp.TIMESTAMP_MASK
        data = self._write(packet, sequence, timestamp, payload)
        self._remember(sequence, timestamp, data, payload if packet.marker else None, now)
        return data

    def _write(self, packet: rtp.Packet, sequence: int, timestamp: int, payload: bytes) -> bytes:
        second = (rtp.MARKER if packet.marker else 0) | self.payload_type
        if packet.abs_send_time is not None and self._extension is not None:
            first = rtp.VERSION | rtp.HAS_EXTENSION
            header = rtp.HEADER.pack(first, second, sequence, timestamp, self.ssrc)
            return header + self._extension + packet.abs_send_time + payload
        return rtp.HEADER.pack(rtp.VERSION, second, sequence, timestamp, self.ssrc) + payload

    def _remember(self, sequence: int, timestamp: int, data: bytes, last_of_frame: bytes | None, now: float) -> None:
        self.packets += 1
        self.octets += len(data)
        if self.repairable:
            self._history[sequence % HISTORY] = data
        sent = self._sent
        if sent is None:
            sent = self._sent = _Sent(sequence, timestamp, now)
        elif (sequence - sent.sequence) & rtp.SEQUENCE_MASK < rtp.HALF_SEQUENCE:
            sent.sequence, sent.timestamp, sent.at = sequence, timestamp, now
        if last_of_frame and self.kind == "video":
            sent.ids = rtp.vp8_picture_ids(last_of_frame)

    def _continue_from(self, packet: rtp.Packet, now: float) -> _Anchor:
        sent = self._sent
        if sent is None:
            start = random.randrange(rtp.HALF_SEQUENCE)
            return _Anchor(packet.sequence, (start - packet.sequence) & rtp.SEQUENCE_MASK, 0, 0, 0)
        pause = max(1, int((now - sent.at) * self.rate))
        anchor = _Anchor(
            source_start=packet.sequence,
            sequence_by=(sent.sequence + 1 - packet.sequence) & rtp.SEQUENCE_MASK,
            timestamp_by=(sent.timestamp + pause - packet.timestamp) & rtp.TIMESTAMP_MASK,
            picture_by=0,
            tl0_by=0,
        )
        if self.kind == "video":
            ids = rtp.vp8_picture_ids(packet.payload)
            if ids.picture is not None and sent.ids.picture is not None:
                anchor.picture_by = (sent.ids.picture + 1 - ids.picture) & 0x7FFF
            if ids.tl0 is not None and sent.ids.tl0 is not None:
                anchor.tl0_by = (sent.ids.tl0 + 1 - ids.tl0) & 0xFF
        return anchor

    def outgoing_timestamp(self, source_timestamp: int) -> int | None:
        """Where a timestamp of the source lies on the outgoing numbering; None before the first packet."""
        if self._anchor is None:
            return None
        return (source_timestamp + self._anchor.timestamp_by) & rtp.TIMESTAMP_MASK

    def repair(self, sequence: int) -> bytes | None:
        """The packet with this outgoing number again, as RTX (RFC 4588, section 4) if agreed; None if forgotten."""
        data = self._history[sequence % HISTORY]
        if not data:
            return None
        first, second, original, timestamp, _ssrc = rtp.HEADER.unpack_from(data)
        if original != sequence:
            return None
        self.retransmitted += 1
        if self.rtx_payload_type is None:
            return data
        payload_at = rtp.HEADER_LENGTH + (8 if first & rtp.HAS_EXTENSION else 0)
        header: bytes = rtp.HEADER.pack(
            first, (second & rtp.MARKER) | self.rtx_payload_type, self._rtx_sequence, timestamp, self.rtx_ssrc
        )
        self._rtx_sequence = (self._rtx_sequence + 1) & rtp.SEQUENCE_MASK
        osn = bytes((original >> 8, original & 0xFF))
        return header + data[rtp.HEADER_LENGTH : payload_at] + osn + data[payload_at:]


def unwrap_rtx(packet: rtp.Packet, *, payload_type: int, ssrc: int) -> rtp.Packet | None:
    """The original packet inside a retransmission (RFC 4588, section 4); None for padding probes that carry none."""
    if len(packet.payload) < 2:
        return None
    original = (packet.payload[0] << 8) | packet.payload[1]
    return rtp.Packet(
        packet.marker, payload_type, original, packet.timestamp, ssrc, packet.abs_send_time, packet.payload[2:]
    )
