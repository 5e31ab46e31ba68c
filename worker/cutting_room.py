"""A confined process that makes of all recordings of a call one film to look at: both sides beside each other on the call's clock.

``cut`` starts it. The films come through pipes and are decoded as they come; the result goes to one file that is already open. The process
has little memory, a number of CPU seconds that fits the call, no files of its own and no secrets. Times are ms on the call's clock.

The picture: investor left, witness right, 640 × 480 each, 15 per second at most; below, burned in, date and time of the server
(Asia/Shanghai) of every second and the line that says who witnesses. Where a side was not recorded stands 录像尚未开始 before its
first piece, 重新连接中 between two, 录像到此为止 after the last one. A recording begins with sound, its first picture comes with the
first key frame: until then that picture stands still, so that the film does not begin in the dark. VP8 and not VP9: 5.6 against 6.8
CPU seconds a minute at this size, and our own writer knows it.
"""

import json
import os
import resource
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import Any, BinaryIO, NamedTuple

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from console import leash
from console.local_time import LOCAL
from worker.darkroom import nothing_secret
from worker.media.webm import WebmWriter

PANE = (640, 480)
STRIP = 48  # pixels
FPS = 15
KEY_EVERY = 5000  # ms
LEAD_IN = (
    3000  # ms that a side's first picture stands still before its time; worker/media/recorder.py waits as long for one
)
SILENT_AFTER = 3000  # ms without a picture: what stands still is not shown as if it were now
AHEAD = 300  # ms; sound and picture of one moment may lie this far apart in a file
RATE, BLOCK = 48000, 960  # samples a second; in one Opus frame of 20 ms
SNAP = 30  # ms that sound may be off before it is put where its time says
VIDEO_BITS, AUDIO_BITS = 900_000, 48_000
MEMORY = 900 * 1024 * 1024  # bytes of address space; about 180 MB of it are used
NICE = 10

NOT_YET, RECONNECTING, OVER, NO_PICTURE = "录像尚未开始", "重新连接中", "录像到此为止", "没有画面"
DONE = 0

Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]


class CutFailed(Exception):
    """The film could not be made; the recordings are what they were."""


@dataclass(frozen=True)
class Piece:
    """One recording: where it lies on the clock, and the descriptor it can be read from."""

    start: int
    length: int
    source: int = -1


@dataclass(frozen=True)
class Plan:
    """``began``: ISO, where the clock shows 0. ``lines``: what is burned in beside the time, each from its millisecond on. ``font``: its
    file; None: nothing is burned in. The pieces of each side are in the order of time.
    """

    began: str
    length: int
    lines: list[tuple[int, str]]
    font: str | None
    investor: list[Piece] = field(default_factory=list)
    witness: list[Piece] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        return 2 * PANE[0], PANE[1] + (STRIP if self.font else 0)


# --- outside: start it, feed it, wait


def cut(plan: Plan, films: dict[str, list[Callable[[], Iterable[bytes]]]], out: BinaryIO) -> None:
    """Make the film into ``out`` (a real, empty file). ``films``: for each piece of each side what gives its bytes. Raises CutFailed."""
    seconds = plan.length / 1000
    readers: dict[str, list[Piece]] = {}
    feeders: list[Feeder] = []
    for side, pieces in (("investor", plan.investor), ("witness", plan.witness)):
        pipes = [os.pipe() for _ in pieces]
        readers[side] = [
            Piece(piece.start, piece.length, source) for piece, (source, _) in zip(pieces, pipes, strict=True)
        ]
        feeders.append(Feeder([sink for _, sink in pipes], films[side]))
    sources = [piece.source for pieces in readers.values() for piece in pieces]
    told = json.dumps({**asdict(plan), **{side: [asdict(p) for p in pieces] for side, pieces in readers.items()}})
    try:
        room = subprocess.Popen(
            [sys.executable, "-m", __name__, str(out.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[*sources, out.fileno()],
            env=nothing_secret(),
            cwd="/",
            preexec_fn=partial(confine, os.getpid(), round(60 + 2 * seconds), round((20 + seconds) * 1e6)),
        )
    finally:
        for source in sources:
            os.close(source)
        for feeder in feeders:
            feeder.start()
    try:
        _, said = room.communicate(told.encode(), timeout=300 + 10 * seconds)
    except subprocess.TimeoutExpired as error:
        room.kill()
        room.communicate()
        raise CutFailed("not done in time") from error
    for feeder in feeders:
        feeder.join()
        if feeder.failed is not None:
            raise CutFailed("a recording cannot be read") from feeder.failed
    if room.returncode != DONE:
        raise CutFailed(f"status {room.returncode}: {said.decode(errors='replace')[-2000:]}")


class Feeder(threading.Thread):
    """Writes the films of one side, one after the other, each into its pipe. ``failed``: what reading them raised."""

    def __init__(self, sinks: list[int], films: list[Callable[[], Iterable[bytes]]]) -> None:
        super().__init__(daemon=True)
        self.sinks, self.films = sinks, films
        self.failed: Exception | None = None

    def run(self) -> None:
        for sink, film in zip(self.sinks, self.films, strict=True):
            try:
                with open(sink, "wb", buffering=0) as pipe:
                    for part in film() if self.failed is None else ():
                        pipe.write(part)
            except BrokenPipeError:
                continue  # who reads has what it needs, or is gone: its status says which
            except Exception as error:
                self.failed = error


def confine(parent: int, cpu: int, file_size: int) -> None:
    """In the fresh child: what it may have from here on, and that it ends with ``parent``."""
    leash.end_with(parent)
    os.nice(NICE)
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (allowed, allowed))


# --- inside: one side as it comes


class Shot(NamedTuple):
    """A decoded piece of picture (planes of PANE) or sound (mono, 16 bit) and its time."""

    at: int
    planes: Planes | None
    sound: NDArray[np.int16] | None


class Reel:
    """One side: its pieces one after the other, decoded just ahead of the clock."""

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        self._shots = self._decoded()
        self._next: Shot | None = next(self._shots, None)
        self._pictures: deque[Shot] = deque()
        self._shown: Shot | None = None
        self.sound = Sound()

    def read(self, now: int) -> None:
        """Decode what is needed to show ``now``: a little more than that, at the beginning as far as the first picture."""
        while self._next is not None and self._next.at < now + (AHEAD if self._shown or self._pictures else LEAD_IN):
            if self._next.planes is not None:
                self._pictures.append(self._next)
            elif self._next.sound is not None:
                self.sound.add(self._next.at, self._next.sound)
            self._next = next(self._shots, None)

    def at(self, now: int) -> Shot | str:
        """The picture at this time, or the words in its place."""
        while self._pictures and self._pictures[0].at <= now:
            self._shown = self._pictures.popleft()
        piece = next((p for p in self.pieces if p.start <= now < p.start + p.length + 1000 // FPS), None)
        if piece is None:
            return self._why_not(now)
        if self._shown is None and (first := self._coming(piece)) is not None:
            return first
        if self._shown is None or self._shown.at < piece.start or now - self._shown.at > SILENT_AFTER:
            return NO_PICTURE
        return self._shown

    def _why_not(self, now: int) -> str:
        """Words for a time that no piece covers."""
        if not self.pieces or now < self.pieces[0].start:
            return NOT_YET
        last = self.pieces[-1]
        return OVER if now >= last.start + last.length else RECONNECTING

    def _coming(self, piece: Piece) -> Shot | None:
        """The very first picture of this side, while only its sound is there."""
        first = self._pictures[0] if self._pictures else None
        return first if first is not None and first.at <= piece.start + LEAD_IN else None

    def _decoded(self) -> Iterator[Shot]:
        for piece in self.pieces:
            with open(piece.source, "rb", buffering=1 << 16) as source, av.open(source, "r", "matroska") as film:
                scaler, resampler = VideoReformatter(), av.AudioResampler(format="s16", layout="mono", rate=RATE)
                try:
                    for packet in film.demux():
                        if packet.pts is None or packet.time_base is None:
                            continue
                        at = piece.start + round(packet.pts * packet.time_base * 1000)
                        yield from self._shots_of(packet, at, scaler, resampler)
                except av.error.FFmpegError:
                    continue  # the end of a file that was cut short

    def _shots_of(self, packet: Any, at: int, scaler: VideoReformatter, resampler: av.AudioResampler) -> Iterator[Shot]:
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            return  # one bad packet is one bad picture
        for frame in frames:
            if isinstance(frame, av.VideoFrame):
                yield Shot(at, _fitted(frame, scaler), None)
            else:
                frame.pts = None
                for part in resampler.resample(frame):
                    yield Shot(at, None, part.to_ndarray().reshape(-1).astype(np.int16))


class Sound:
    """Sound of one side in its place on the clock, as samples from where the film is now."""

    def __init__(self) -> None:
        self._position = 0
        self._end = 0
        self._waiting = np.zeros(0, np.int16)

    def add(self, at_ms: int, samples: NDArray[np.int16]) -> None:
        at = at_ms * RATE // 1000
        if abs(at - self._end) <= SNAP * RATE // 1000:
            at = self._end  # times are told in ms: what belongs together is not torn apart for less
        skip = max(0, self._position - at)
        at, samples = at + skip, samples[skip:]
        offset = at - self._position
        missing = offset + len(samples) - len(self._waiting)
        if missing > 0:
            self._waiting = np.concatenate([self._waiting, np.zeros(missing, np.int16)])
        self._waiting[offset : offset + len(samples)] = samples
        self._end = at + len(samples)

    def take(self, count: int) -> NDArray[np.int32]:
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        self._position += count
        return np.pad(taken, (0, count - len(taken))).astype(np.int32)


def _fitted(frame: av.VideoFrame, scaler: VideoReformatter) -> Planes:
    """The whole picture, as large as the pane allows, in its middle."""
    scale = min(PANE[0] / frame.width, PANE[1] / frame.height)
    width, height = (max(2, round(length * scale / 2) * 2) for length in (frame.width, frame.height))
    scaled = scaler.reformat(frame, width, height, "yuv420p")
    small = split(scaled.to_ndarray().astype(np.uint8, copy=False), width, height)
    if (width, height) == PANE:
        return small
    whole = dark(*PANE)
    for mine, part, half in zip(split(whole, *PANE), small, (1, 2, 2), strict=True):
        x, y = (PANE[0] - width) // 2 // half, (PANE[1] - height) // 2 // half
        mine[y : y + part.shape[0], x : x + part.shape[1]] = part
    return split(whole, *PANE)


def split(picture: NDArray[np.uint8], width: int, height: int) -> Planes:
    """Views of the three planes of a yuv420p picture of ``height`` × 3/2 rows."""
    flat, pixels = picture.reshape(-1), width * height
    quarter, shape = pixels // 4, (height // 2, width // 2)
    return (
        flat[:pixels].reshape(height, width),
        flat[pixels : pixels + quarter].reshape(shape),
        flat[pixels + quarter : pixels + 2 * quarter].reshape(shape),
    )


def dark(width: int, height: int) -> NDArray[np.uint8]:
    picture = np.full((height * 3 // 2, width), 128, np.uint8)
    picture[:height] = 28
    return picture


# --- inside: the film


class Canvas:
    """The picture as it is built up; ``changed`` since it was last asked."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.picture = dark(*plan.size)
        self._planes = split(self.picture, *plan.size)
        self._there: list[object] = [None, None, None]
        self._began = datetime.fromisoformat(plan.began)
        self._panels: dict[str, Planes] = {}
        self.changed = True

    def show(self, place: int, what: Shot | str) -> None:
        """In the pane ``place`` (0, 1): a picture, or words."""
        if what is self._there[place]:
            return
        self._there[place], self.changed = what, True
        planes = self._panel(what) if isinstance(what, str) else what.planes
        assert planes is not None
        for mine, part, half in zip(self._planes, planes, (1, 2, 2), strict=True):
            x = place * PANE[0] // half
            mine[: part.shape[0], x : x + part.shape[1]] = part

    def tell_time(self, now: int) -> None:
        """The line below, once a second."""
        moment = self._began + timedelta(milliseconds=now)
        if self.plan.font is None or moment.replace(microsecond=0) == self._there[2]:
            return
        self._there[2], self.changed = moment.replace(microsecond=0), True
        line = [text for at, text in self.plan.lines if at <= max(now, 0)][-1]
        said = f"{moment.astimezone(LOCAL):%Y-%m-%d %H:%M:%S}　{line}"
        self._planes[0][PANE[1] :] = self._written(said, (self.plan.size[0], STRIP), 26, (20, STRIP // 2), "lm")

    def _panel(self, words: str) -> Planes:
        if words not in self._panels:
            panel = split(dark(*PANE), *PANE)
            panel[0][:] = self._written(words, PANE, 36, (PANE[0] // 2, PANE[1] // 2), "mm")
            self._panels[words] = panel
        return self._panels[words]

    def _written(
        self, words: str, size: tuple[int, int], height: int, at: tuple[int, int], anchor: str
    ) -> NDArray[np.uint8]:
        image = Image.new("L", size, 28)
        if self.plan.font is not None:
            font = _font(self.plan.font, height)
            while height > 12 and font.getlength(words) > size[0] - at[0] % size[0] // 2 * 2:
                height -= 1
                font = _font(self.plan.font, height)
            ImageDraw.Draw(image).text(at, words, font=font, fill=230, anchor=anchor)
        return np.asarray(image)


def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


class Film:
    """Encodes pictures and sound and writes them."""

    def __init__(self, descriptor: int, plan: Plan) -> None:
        width, height = plan.size
        began = datetime.fromisoformat(plan.began).astimezone(UTC)
        self._writer = WebmWriter(descriptor, width=width, height=height, started_at=began)
        self._video = av.CodecContext.create("libvpx", "w")
        self._video.width, self._video.height, self._video.pix_fmt = width, height, "yuv420p"
        self._video.time_base, self._video.framerate = Fraction(1, 1000), Fraction(FPS)
        self._video.bit_rate, self._video.gop_size, self._video.thread_count = VIDEO_BITS, 10_000, 1
        self._video.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "auto-alt-ref": "0"}
        self._audio = av.CodecContext.create("libopus", "w")
        self._audio.sample_rate, self._audio.layout, self._audio.format = RATE, "stereo", "s16"
        self._audio.bit_rate = AUDIO_BITS
        self._blocks = 0
        self._key_at = -KEY_EVERY

    def picture(self, at: int, picture: NDArray[np.uint8]) -> None:
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = at, Fraction(1, 1000)
        if at - self._key_at >= KEY_EVERY:
            frame.pict_type, self._key_at = PictureType.I, at
        for packet in self._video.encode(frame):
            self._writer.write("video", bytes(packet), at, key=packet.is_keyframe)

    def sound(self, mixed: NDArray[np.int32]) -> None:
        """One block of BLOCK samples."""
        both = np.repeat(np.clip(mixed, -32768, 32767).astype(np.int16), 2).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._blocks * BLOCK, Fraction(1, RATE)
        for packet in self._audio.encode(frame):
            self._writer.write("audio", bytes(packet), self._blocks * BLOCK * 1000 // RATE, key=True)
        self._blocks += 1

    def close(self) -> None:
        self._writer.close()


def make(plan: Plan, descriptor: int) -> None:
    """The whole film, in steps of one sound block; a new picture where something changed."""
    reels = [Reel(plan.investor), Reel(plan.witness)]
    canvas, film = Canvas(plan), Film(descriptor, plan)
    block, due = BLOCK * 1000 // RATE, 0.0
    for now in range(0, plan.length, block):
        for reel in reels:
            reel.read(now)
        if now + block > due:
            at = round(due)
            due += 1000 / FPS
            for place, reel in enumerate(reels):
                canvas.show(place, reel.at(at))
            canvas.tell_time(at)
            if canvas.changed:
                film.picture(at, canvas.picture)
                canvas.changed = False
        film.sound(reels[0].sound.take(BLOCK) + reels[1].sound.take(BLOCK))
    film.close()


def main() -> int:
    told = json.load(sys.stdin)
    for side in ("investor", "witness"):
        told[side] = [Piece(**piece) for piece in told[side]]
    make(Plan(**told), int(sys.argv[1]))
    return DONE


if __name__ == "__main__":
    sys.exit(main())
