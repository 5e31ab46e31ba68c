"""Recordings as the media node leaves them in its spool: with a made-up content, or with a clapper (flash and beep) to look for."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType

from worker.media import chain, webm
from worker.media.webm import WebmWriter

STARTED = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
RATE = 48000


def film(path: Path, seconds: int = 9, started_at: datetime = STARTED) -> Path:
    """Frames that no decoder would take, a cluster a second, each with bytes of its own; with its chain."""
    frames = (("video", bytes([number % 251]) * 700, number * 100, number % 10 == 0) for number in range(seconds * 10))
    return written(path, frames, started_at=started_at)


def written(
    path: Path,
    frames: Iterable[tuple[str, bytes, int, bool]],
    *,
    started_at: datetime,
    size: tuple[int, int] = (64, 48),
) -> Path:
    """(kind, data, ms, key) through the node's own writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    links = chain.ChainFile(chain.beside(path))
    writer = WebmWriter(descriptor, width=size[0], height=size[1], started_at=started_at, written=links.add)
    for kind, data, at_ms, key in frames:
        writer.write(kind, data, at_ms, key=key)
    writer.close()
    links.close()
    os.close(descriptor)
    return path


def clapper(
    path: Path,
    *,
    seconds: float,
    claps: Iterable[float],
    started_at: datetime = STARTED,
    size: tuple[int, int] = (320, 240),
    fps: int = 15,
    seen_after: int = 0,
) -> Path:
    """Grey and silent, but white with a beep of 1 kHz for 0.2 s at each of ``claps`` (seconds of this file). Only heard for the first
    ``seen_after`` ms.
    """
    claps = list(claps)
    seen = [(kind, data, at + seen_after, key) for kind, data, at, key in _pictures(seconds, claps, size, fps)]
    packets = sorted([*seen, *_sound(seconds, claps)], key=lambda each: each[2])
    return written(path, packets, started_at=started_at, size=size)


def _pictures(
    seconds: float, claps: list[float], size: tuple[int, int], fps: int
) -> Iterable[tuple[str, bytes, int, bool]]:
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, fps)
    encoder.options = {"lag-in-frames": "0", "deadline": "realtime", "cpu-used": "8"}
    encoder.gop_size = 1000
    for number in range(round(seconds * fps)):
        white = any(clap <= number / fps + 1e-6 < clap + 0.2 for clap in claps)
        pixels = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
        pixels[: size[1]] = 235 if white else 90
        frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
        frame.pts = number
        frame.pict_type = PictureType.I if number % (3 * fps) == 0 else PictureType.NONE
        for packet in encoder.encode(frame):
            yield "video", bytes(packet), round(number * 1000 / fps), packet.is_keyframe


def _sound(seconds: float, claps: list[float]) -> Iterable[tuple[str, bytes, int, bool]]:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "stereo", "s16"
    encoder.options = {"application": "lowdelay"}
    times = np.arange(round(seconds * RATE)) / RATE
    loud = np.zeros(len(times), bool)
    for clap in claps:
        loud |= (times >= clap) & (times < clap + 0.2)
    wave = np.where(loud, 12000 * np.sin(2 * np.pi * 1000 * times), 0).astype(np.int16)
    for number in range(len(wave) // 960):
        part = np.repeat(wave[number * 960 : (number + 1) * 960], 2).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, format="s16", layout="stereo")
        frame.sample_rate, frame.pts = RATE, number * 960
        for packet in encoder.encode(frame):
            yield "audio", bytes(packet), number * 20, True


def rewound(take: Path, path: Path, started_at: datetime) -> Path:
    """A copy of a recording that was begun at another time, as the node would have left it (without its chain)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = bytearray(take.read_bytes())
    head = webm.header(0, 0, started_at)
    at = head.index(b"\x44\x61\x88") + 3  # DateUTC
    body[at : at + 8] = head[at : at + 8]
    path.write_bytes(body)
    return path
