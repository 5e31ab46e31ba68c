"""One time line for the sound and the picture of a sender.

Until the sender has reported, a stream's first packet is placed where it arrived. Then the sender reports (RFC 3550,
section 6.4.1), which tie both streams to one clock, say how they lie to each other; arrival times do not, as they hold
the network's delays.
"""

from worker.media import rtp

LARGEST_DRIFT_MS = 3000.0  # beyond this from its arrival, a timestamp was restarted rather than delayed
SLEW_MS = 1.0  # most that one frame moves towards a later correction


class _Line:
    """One stream: its unwrapped timestamp and where zero lies on the time line."""

    def __init__(self, timestamp: int, ticks_per_ms: float, at_ms: float) -> None:
        self.ticks_per_ms = ticks_per_ms
        self.extended = timestamp
        self.offset_ms = at_ms - timestamp / ticks_per_ms
        self.wanted_ms: float | None = None

    def extend(self, timestamp: int) -> int:
        """Unwrap a timestamp against the last one; it may lie a little back."""
        step = (timestamp - self.extended) & rtp.TIMESTAMP_MASK
        return self.extended + (step - (1 << 32) if step >= rtp.HALF_TIMESTAMP else step)

    def step(self, timestamp: int) -> float:
        """Move on to this timestamp and return its time."""
        self.extended = self.extend(timestamp)
        if self.wanted_ms is not None:
            self.offset_ms += max(-SLEW_MS, min(SLEW_MS, self.wanted_ms - self.offset_ms))
        return self.offset_ms + self.extended / self.ticks_per_ms


class MediaClock:
    """Milliseconds since the first packet of either stream. `now` in seconds, monotonic."""

    def __init__(self, now: float) -> None:
        self._started = now
        self._lines: dict[str, _Line] = {}
        self._origin_ms: float | None = None  # the sender's clock at time zero

    def time_of(self, kind: str, timestamp: int, now: float) -> int:
        """When the frame with this RTP timestamp, arriving now, belongs to."""
        arrival_ms = (now - self._started) * 1000
        line = self._lines.get(kind)
        if line is None:
            line = self._lines[kind] = self._begin(kind, timestamp, arrival_ms)
        at_ms = line.step(timestamp)
        if abs(at_ms - arrival_ms) > LARGEST_DRIFT_MS:
            self._lines[kind] = self._begin(kind, timestamp, arrival_ms)
            return round(arrival_ms)
        return round(at_ms)

    def _begin(self, kind: str, timestamp: int, arrival_ms: float) -> _Line:
        return _Line(timestamp, rtp.CLOCK_RATES[kind] / 1000, arrival_ms)

    def report(self, kind: str, ntp_timestamp: int, rtp_timestamp: int) -> None:
        """A sender report: NTP time (64 bits, 32 of them fraction) of an RTP timestamp."""
        line = self._lines.get(kind)
        if line is None:
            return
        sender_ms = ntp_timestamp * 1000 / (1 << 32)
        zero_ms = sender_ms - line.extend(rtp_timestamp) / line.ticks_per_ms
        if self._origin_ms is None:
            self._origin_ms = zero_ms - line.offset_ms
        wanted = zero_ms - self._origin_ms
        if abs(wanted - line.offset_ms) > LARGEST_DRIFT_MS:  # a clock that was set, or a source with clocks of its own
            return
        if line.wanted_ms is None:
            line.offset_ms = wanted
        line.wanted_ms = wanted
