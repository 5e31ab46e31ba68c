"""What a synthetic caller shows and says: a moving face before a coloured wall, a clock, and syllables of one tone."""

import asyncio
import math
import time
from array import array
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame
from PIL import Image, ImageDraw, ImageFont

SAMPLE_RATE = 48000
FRAME_SAMPLES = 960  # 20 ms
VIDEO_TIME_BASE = Fraction(1, 90000)
SYLLABLES_PER_SECOND = 4
SPEAKING, PAUSING = 1.6, 0.4  # seconds
CYCLE_SAMPLES = round((SPEAKING + PAUSING) * SAMPLE_RATE)  # whole frames, and whole periods of every tone
CARD_SECONDS = 5.0  # one side of a card, then the other
LOUDNESS = 9000  # of 32767
FACE, HAIR, DARK = (236, 200, 170), (60, 45, 40), (30, 30, 30)

Colour = tuple[int, int, int]


class Portrait:
    """Draws the caller at a moment; with ``holding`` one of the ``cards`` below the face, each for a while."""

    def __init__(self, width: int, height: int, colour: Colour, label: str, cards: Sequence[Image.Image] = ()) -> None:
        self.holding = False
        self._cards = [_in_the_hand(card, width, height) for card in cards]
        self._size = (width, height)
        self._label = label
        self._font = ImageFont.load_default(size=max(10, height // 16))
        self._wall = _wall(width, height, colour)

    def at(self, seconds: float) -> Image.Image:
        """The picture `seconds` after the beginning."""
        picture = self._wall.copy()
        width, height = self._size
        draw = ImageDraw.Draw(picture)
        x = width * (0.5 + 0.06 * math.sin(seconds * 1.3))
        y = height * ((0.3 if self.holding else 0.54) + 0.03 * math.sin(seconds * 2.1))
        self._face(draw, x, y, height * 0.24, mouth=abs(math.sin(seconds * 9)))
        if self.holding and self._cards:
            card = self._cards[int(seconds / CARD_SECONDS) % len(self._cards)]
            picture.paste(card, ((width - card.width) // 2, height - card.height - height // 40), card)
        clock = f"{self._label} {seconds:7.2f}"
        draw.text((width * 0.04, height * 0.03), clock, font=self._font, fill=(255, 255, 255))
        return picture

    def _face(self, draw: ImageDraw.ImageDraw, x: float, y: float, r: float, *, mouth: float) -> None:
        draw.ellipse((x - r * 0.95, y - r * 1.35, x + r * 0.95, y + r * 0.6), fill=HAIR)
        draw.ellipse((x - r * 0.8, y - r * 1.1, x + r * 0.8, y + r * 1.1), fill=FACE)
        for side in (-1, 1):
            draw.ellipse(_around(x + side * r * 0.32, y - r * 0.2, r * 0.09, r * 0.09), fill=DARK)
        draw.ellipse(_around(x, y + r * 0.5, r * 0.3, r * (0.04 + 0.12 * mouth)), fill=(150, 60, 60))


def _in_the_hand(card: Image.Image, width: int, height: int) -> Image.Image:
    """As large as it fits below the face."""
    fitting = min(0.62 * width / card.width, 0.52 * height / card.height)
    size = (round(card.width * fitting), round(card.height * fitting))
    return card.convert("RGBA").resize(size, Image.Resampling.LANCZOS)


def _around(x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
    return (x - rx, y - ry, x + rx, y + ry)


def _wall(width: int, height: int, colour: Colour) -> Image.Image:
    light = Image.linear_gradient("L").resize((width, height)).point([128 + level // 2 for level in range(256)])
    return Image.merge("RGB", [light.point([level * part // 255 for level in range(256)]) for part in colour])


class PictureTrack(MediaStreamTrack):
    """The caller's camera."""

    kind = "video"

    def __init__(self, portrait: Portrait, fps: int) -> None:
        super().__init__()
        self._portrait = portrait
        self._step = 1 / fps
        self._started = 0.0
        self._count = 0

    async def recv(self) -> VideoFrame:
        """The next frame, when it is due. Raises MediaStreamError after the end."""
        if self.readyState != "live":
            raise MediaStreamError
        self._started = self._started or time.monotonic()
        due = self._count * self._step
        await asyncio.sleep(self._started + due - time.monotonic())
        self._count += 1
        frame = VideoFrame.from_image(self._portrait.at(due))
        frame.pts, frame.time_base = round(due * 90000), VIDEO_TIME_BASE
        return frame


class VoiceTrack(MediaStreamTrack):
    """The caller's microphone: syllables of a soft tone, with pauses."""

    kind = "audio"

    def __init__(self, tone_hz: int) -> None:
        super().__init__()
        self._speech = speech(tone_hz)
        self._started = 0.0
        self._samples = 0

    async def recv(self) -> AudioFrame:
        """The next 20 ms, when they are due. Raises MediaStreamError after the end."""
        if self.readyState != "live":
            raise MediaStreamError
        self._started = self._started or time.monotonic()
        await asyncio.sleep(self._started + self._samples / SAMPLE_RATE - time.monotonic())
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        frame.planes[0].update(self._sound())
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._samples, Fraction(1, SAMPLE_RATE)
        self._samples += FRAME_SAMPLES
        return frame

    def _sound(self) -> bytes:
        start = 2 * (self._samples % CYCLE_SAMPLES)
        return self._speech[start : start + 2 * FRAME_SAMPLES]


@lru_cache
def speech(tone_hz: int) -> bytes:
    """Two seconds of 16-bit sound that can be repeated without a seam."""
    turn = 2 * math.pi * tone_hz / SAMPLE_RATE
    swell = 2 * math.pi * SYLLABLES_PER_SECOND / SAMPLE_RATE
    spoken = array(
        "h",
        (
            round(LOUDNESS * (0.55 + 0.45 * math.sin(swell * n)) * math.sin(turn * n))
            for n in range(round(SPEAKING * SAMPLE_RATE))
        ),
    )
    return spoken.tobytes().ljust(2 * CYCLE_SAMPLES, b"\0")


def tone_share(samples: "array[int]", tone_hz: float) -> float:
    """How much of a sound's energy lies at a tone, 0 to 1 (Goertzel's algorithm). `samples` at 48 kHz, one channel."""
    energy = sum(sample * sample for sample in samples)
    if not energy:
        return 0.0
    twice_cosine = 2 * math.cos(2 * math.pi * tone_hz / SAMPLE_RATE)
    last = before = 0.0
    for sample in samples:
        last, before = sample + twice_cosine * last - before, last
    power = last * last + before * before - twice_cosine * last * before
    return min(1.0, 2 * power / (len(samples) * energy))
