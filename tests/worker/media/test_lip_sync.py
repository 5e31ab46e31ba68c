"""A clapper through a real node: flash and beep lie together in the recording, however late either of them arrives."""

import asyncio
import struct
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from bench.media.caller import Caller, next_packet, sender_report
from bench.media.film import Film, in_parts
from tests.films import clapper
from tests.worker.media.lean import lean_peer
from tests.worker.media.nodes import Desk, RunningNode

SECONDS, CLAPS = 3.0, (1.2, 2.2)
LATE = 0.22  # seconds
LARGEST_OFFSET = 0.040  # seconds
WRONG_CLOCK = 1_234_567_890 << 32  # NTP: some time in 1939
FAST_SOUND = 1.001  # a sound card whose second is a little short
REPORT_EVERY = 0.4  # seconds
RATES = {"video": 90_000.0, "audio": 48_000 * FAST_SOUND}
LOUD, BRIGHT = 2000, 160


@dataclass(frozen=True)
class Shot:
    """A packet or a report, by the sender's time (s) of what it holds and by when it leaves."""

    kind: str
    taken: float
    leaves: float
    data: bytes = b""


def shots(path: Path, late: str) -> list[Shot]:
    """What a peer sends that is slow with its sound or its picture."""
    delay = {kind: LATE if kind == late else 0.0 for kind in RATES}
    found = []
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                kind, taken = packet.stream.type, float(packet.pts * packet.time_base)
                found.append(Shot(kind, taken, taken + delay[kind], bytes(packet)))
    reports = [
        Shot(kind, number * REPORT_EVERY, number * REPORT_EVERY + LATE + 0.05)
        for number in range(int(SECONDS / REPORT_EVERY))
        for kind in RATES
    ]
    return sorted([*found, *reports], key=lambda shot: shot.leaves)


async def send(peer: Caller, todo: list[Shot]) -> None:
    loop = asyncio.get_running_loop()
    began, number = loop.time(), 0
    for shot in todo:
        await asyncio.sleep(max(0.0, began + shot.leaves - loop.time()))
        stream = peer.streams[shot.kind]
        timestamp = stream.first_timestamp + round(shot.taken * RATES[shot.kind])
        if not shot.data:
            peer.line.send_rtcp(sender_report(stream, WRONG_CLOCK + round(shot.taken * (1 << 32)), timestamp))
            continue
        stream.timestamp = timestamp
        if shot.kind == "audio":
            peer.line.send_rtp(next_packet(stream, shot.data, marker=False))
            continue
        number += 1
        parts = in_parts(shot.data)
        for place, part in enumerate(parts):
            descriptor = (b"\x80\x80" if place else b"\x90\x80") + struct.pack("!H", 0x8000 | number)
            peer.line.send_rtp(next_packet(stream, descriptor + part, marker=place == len(parts) - 1))


def claps_in(path: str) -> dict[str, list[float]]:
    """When (s) the recording turns bright, and when it turns loud."""
    bright, loud = [], []
    with av.open(path) as container:
        for frame in container.decode(video=0):
            bright.append((frame.time, frame.to_ndarray(format="gray").mean() > BRIGHT))
    with av.open(path) as container:
        for frame in container.decode(audio=0):
            wave = np.abs(frame.to_ndarray()).reshape(-1)[:: len(frame.layout.channels)]
            peak = wave * (32768 if wave.dtype.kind == "f" else 1) > LOUD
            for part in range(0, len(peak), 48):
                loud.append((frame.time + part / 48_000, bool(peak[part : part + 48].any())))
    return {"flash": onsets(bright), "beep": onsets(loud)}


def onsets(samples: list[tuple[float, bool]]) -> list[float]:
    """Where it begins, after half a second of nothing."""
    found: list[float] = []
    last = float("-inf")
    for at, on in samples:
        if on and at - last > 0.5:
            found.append(at)
        if on:
            last = at
    return found


def test_flash_and_beep_lie_together_though_sound_or_picture_comes_late(
    desk: Desk, node: RunningNode, tmp_path: Path
) -> None:
    path = clapper(tmp_path / "clapper.webm", seconds=SECONDS, claps=CLAPS)

    async def clap() -> None:
        investor, witness = lean_peer(Film([], [])), lean_peer(Film([], []))
        await investor.call(desk.signal("S-clap", "investor", node.name))
        await witness.call(desk.signal("S-clap", "witness", node.name))
        await asyncio.gather(send(investor, shots(path, late="audio")), send(witness, shots(path, late="video")))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(desk.nodes.hang_up, "S-clap", node=node.name)
        await investor.close()
        await witness.close()

    asyncio.run(clap())
    for side, recording in desk.recordings("S-clap").items():
        heard = claps_in(recording["path"])
        assert len(heard["flash"]) == len(heard["beep"]) == len(CLAPS), (side, heard)
        for flash, beep in zip(heard["flash"], heard["beep"], strict=True):
            assert abs(flash - beep) <= LARGEST_OFFSET, (side, heard)
    assert len(desk.recordings("S-clap")) == 2
