"""What the callers of a bench send: a picture and a sound, encoded once, so that sending costs next to nothing."""

import math
import pickle
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT, FPS = 640, 480, 15
SECONDS = 8
BITS_PER_SECOND = 500_000
RATE, SOUND_STEP = 48_000, 960  # samples: Opus frames of 20 ms
LARGEST_PART = 1150  # bytes of VP8 in one packet


@dataclass(frozen=True)
class Film:
    """Encoded frames: each picture in the parts that fit into packets, of which only the first is a key frame; sounds whole."""

    pictures: list[list[bytes]]
    sounds: list[bytes]

    def save(self, path: Path) -> None:
        path.write_bytes(pickle.dumps(self))

    @staticmethod
    def load(path: Path) -> "Film":
        """Only ever reads what `save` wrote for a process of the same run."""
        film = pickle.loads(path.read_bytes())
        assert isinstance(film, Film)
        return film


def make() -> Film:
    """A moving picture of 640 × 480 at 15 frames a second, some 500 kbit/s in VP8, and a voice-like tone in Opus."""
    return Film([in_parts(picture) for picture in _pictures()], list(_sounds()))


def in_parts(data: bytes) -> list[bytes]:
    """An encoded picture in nearly equal parts, each small enough for a packet."""
    count = math.ceil(len(data) / LARGEST_PART)
    length = math.ceil(len(data) / count)
    return [data[at : at + length] for at in range(0, len(data), length)]


def _pictures() -> list[bytes]:
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.bit_rate = Fraction(1, FPS), Fraction(FPS), BITS_PER_SECOND
    encoder.gop_size, encoder.thread_count = SECONDS * FPS + 1, 1
    encoder.options = {
        "lag-in-frames": "0",
        "deadline": "realtime",
        "cpu-used": "8",
        "minrate": str(BITS_PER_SECOND),
        "maxrate": str(BITS_PER_SECOND),
        "qmax": "50",
    }
    grain = np.random.default_rng(3).integers(-5, 5, (2 * HEIGHT, 2 * WIDTH), np.int16)
    found = []
    for number in range(SECONDS * FPS):
        picture = av.VideoFrame.from_ndarray(_picture(number, grain), format="yuv420p")
        picture.pts = number
        found += [bytes(packet) for packet in encoder.encode(picture)]
    return found


def _picture(number: int, grain: np.ndarray) -> np.ndarray:
    """A bright square that goes in a circle before a grainy wall that drifts."""
    down, across = number * 3 % HEIGHT, number * 5 % WIDTH
    pixels = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    pixels[:HEIGHT] = 110 + grain[down : down + HEIGHT, across : across + WIDTH]
    turn = 2 * math.pi * number / 45
    top, left = int(180 + 120 * math.sin(turn)), int(260 + 180 * math.cos(turn))
    pixels[top : top + 120, left : left + 120] = 225
    return pixels


def _sounds() -> list[bytes]:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = RATE, "stereo", "s16", 32_000
    times = np.arange(SECONDS * RATE) / RATE
    wave = (9000 * np.sin(2 * np.pi * 220 * times) * np.sin(2 * np.pi * 3 * times)).astype(np.int16)
    found = []
    for at in range(0, len(wave), SOUND_STEP):
        frame = av.AudioFrame.from_ndarray(np.repeat(wave[at : at + SOUND_STEP], 2).reshape(1, -1), "s16", "stereo")
        frame.sample_rate, frame.pts = RATE, at
        found += [bytes(packet) for packet in encoder.encode(frame)]
    return found
