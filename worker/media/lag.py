"""How late the event loop gets to what is due: the first thing that suffers when a node carries too much."""

import asyncio
import time
from bisect import bisect_left

EDGES_MS = (1, 2, 5, 10, 15, 20, 30, 50, 100, 200, 500, 1000)
EVERY = 0.05  # seconds between two samples


class Lag:
    """Counts of samples by lateness: one for each of `EDGES_MS` (up to that many ms), and one for the rest. They only grow."""

    def __init__(self) -> None:
        self.counts = [0] * (len(EDGES_MS) + 1)

    def note(self, late_ms: float) -> None:
        """One sample."""
        self.counts[bisect_left(EDGES_MS, late_ms)] += 1

    async def watch(self) -> None:
        """Until cancelled: a sample every `EVERY` seconds."""
        while True:
            due = time.monotonic() + EVERY
            await asyncio.sleep(EVERY)
            self.note((time.monotonic() - due) * 1000)
