"""The live WebM writer and the repair of what it left when it was killed, judged by PyAV."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import pytest
from av.video.frame import PictureType
from PIL import Image

from worker.media import ebml, repair, webm
from worker.media.webm import WebmWriter

STARTED = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
KEY_EVERY, FPS, SECONDS = 30, 10, 9
SIZE = (64, 48)

Frames = list[tuple[bytes, bool]]


@pytest.fixture(scope="module")
def pictures() -> Frames:
    """Nine seconds of VP8, a key frame every three."""
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height = SIZE
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, FPS)
    encoder.options = {"lag-in-frames": "0", "deadline": "realtime"}
    encoder.gop_size = 1000
    frames: Frames = []
    for number in range(FPS * SECONDS):
        frame = av.VideoFrame.from_image(Image.new("RGB", SIZE, (number * 2, 100, 255 - number)))
        frame.pts = number
        frame.pict_type = PictureType.I if number % KEY_EVERY == 0 else PictureType.NONE
        frames += [(bytes(packet), packet.is_keyframe) for packet in encoder.encode(frame)]
    return frames


@pytest.fixture(scope="module")
def sound() -> bytes:
    """One Opus frame of 20 ms."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48000, "stereo", "s16"
    frame = av.AudioFrame(format="s16", layout="stereo", samples=960)
    frame.sample_rate, frame.pts = 48000, 0
    frame.planes[0].update(bytes(960 * 4))
    return bytes(encoder.encode(frame)[0])


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "take.webm", os.O_CREAT | os.O_RDWR)
    yield opened
    os.close(opened)


def record(descriptor: int, pictures: Frames, sound: bytes) -> WebmWriter:
    writer = WebmWriter(descriptor, width=SIZE[0], height=SIZE[1], started_at=STARTED)
    for number, (frame, key) in enumerate(pictures):
        writer.write("video", frame, number * 1000 // FPS, key=key)
        for part in range(5):
            writer.write("audio", sound, number * 1000 // FPS + part * 20, key=True)
    return writer


def clusters(path: Path) -> list[tuple[int, int]]:
    """(offset, length) of the clusters, found by reading the file anew."""
    data, at, found = path.read_bytes(), webm.HEADER_LENGTH, []
    while at < len(data):
        head = ebml.read_head(data, at)
        assert head.length is not None
        end = head.start + head.length
        if head.identity == webm.CLUSTER:
            found.append((at, end - at))
        at = end
    return found


def video_times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [round(frame.time, 3) for frame in container.decode(video=0)]


def test_a_recording_plays_whole_with_its_size_duration_and_date(
    tmp_path: Path, descriptor: int, pictures: Frames, sound: bytes
) -> None:
    record(descriptor, pictures, sound).close()
    path = tmp_path / "take.webm"
    assert video_times(path) == [number / FPS for number in range(FPS * SECONDS)]
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(SECONDS * 1e6, rel=0.01)
        assert (container.streams.video[0].width, container.streams.video[0].height) == SIZE
        assert container.metadata["creation_time"].startswith("2026-03-02T09:30:00")
        assert sum(frame.samples for frame in container.decode(audio=0)) == 960 * 5 * FPS * SECONDS


def test_a_cluster_holds_at_most_a_second(tmp_path: Path, descriptor: int, pictures: Frames, sound: bytes) -> None:
    record(descriptor, pictures, sound).close()
    assert len(clusters(tmp_path / "take.webm")) == SECONDS


def test_the_file_grows_by_whole_clusters_only(descriptor: int, pictures: Frames, sound: bytes) -> None:
    writer = WebmWriter(descriptor, width=SIZE[0], height=SIZE[1], started_at=STARTED)
    sizes = []
    for number, (frame, key) in enumerate(pictures[:25]):
        writer.write("video", frame, number * 100, key=key)
        sizes.append(os.fstat(descriptor).st_size)
    assert len(set(sizes)) == 3
    found = repair.survey(descriptor)
    assert (found.clusters, found.end) == (2, sizes[-1])


@pytest.mark.parametrize(("target", "enters_at"), [(1.0, 0.0), (4.5, 3.0), (8.9, 6.0)])
def test_cues_lead_to_the_key_frame_before_a_moment(
    tmp_path: Path, descriptor: int, pictures: Frames, sound: bytes, target: float, enters_at: float
) -> None:
    record(descriptor, pictures, sound).close()
    with av.open(str(tmp_path / "take.webm")) as container:
        container.seek(round(target * 1e6))
        frame = next(container.decode(video=0))
        assert (frame.time, bool(frame.key_frame)) == (enters_at, True)


def test_sound_that_is_late_by_a_little_keeps_its_place(
    tmp_path: Path, descriptor: int, pictures: Frames, sound: bytes
) -> None:
    writer = WebmWriter(descriptor, width=SIZE[0], height=SIZE[1], started_at=STARTED)
    for number, (frame, key) in enumerate(pictures[:20]):
        writer.write("video", frame, number * 100, key=key)
        if number:
            writer.write("audio", sound, number * 100 - 130, key=True)
    writer.close()
    with av.open(str(tmp_path / "take.webm")) as container:
        times = [packet.pts for packet in container.demux(audio=0) if packet.size]
    assert times == [max(0, number * 100 - 130) for number in range(1, 20)]


def test_a_size_that_was_a_guess_can_be_put_right(tmp_path: Path, descriptor: int, pictures: Frames) -> None:
    writer = WebmWriter(descriptor, width=640, height=480, started_at=STARTED)
    writer.set_picture_size(*SIZE)
    writer.write("video", pictures[0][0], 0, key=True)
    writer.close()
    with av.open(str(tmp_path / "take.webm")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == SIZE


@pytest.mark.parametrize("cut", [1, 7, 500])
def test_a_killed_recording_is_whole_again_up_to_its_last_cluster(
    tmp_path: Path, descriptor: int, pictures: Frames, sound: bytes, cut: int
) -> None:
    path = tmp_path / "take.webm"
    record(descriptor, pictures, sound).flush()
    os.ftruncate(descriptor, os.fstat(descriptor).st_size - cut)
    assert repair.repair(descriptor) == 7980
    assert video_times(path) == [number / FPS for number in range(80)]
    with av.open(str(path)) as container:
        assert container.duration == 7_980_000
        container.seek(4_500_000)
        assert next(container.decode(video=0)).time == 3.0


def test_repairing_twice_or_a_closed_file_changes_nothing(
    tmp_path: Path, descriptor: int, pictures: Frames, sound: bytes
) -> None:
    record(descriptor, pictures, sound).close()
    before = (tmp_path / "take.webm").read_bytes()
    assert repair.is_sealed(descriptor)
    assert [repair.repair(descriptor), repair.repair(descriptor)] == [8980, 8980]
    assert (tmp_path / "take.webm").read_bytes() == before


def test_a_repaired_file_is_the_same_as_a_closed_one(
    tmp_path: Path, descriptor: int, pictures: Frames, sound: bytes
) -> None:
    record(descriptor, pictures, sound).flush()
    repair.repair(descriptor)
    repaired = (tmp_path / "take.webm").read_bytes()
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    record(descriptor, pictures, sound).close()
    assert (tmp_path / "take.webm").read_bytes() == repaired


def test_a_killed_sealing_is_taken_up_again(tmp_path: Path, descriptor: int, pictures: Frames, sound: bytes) -> None:
    record(descriptor, pictures, sound).close()
    whole = (tmp_path / "take.webm").read_bytes()
    os.pwrite(descriptor, ebml.UNKNOWN_SIZE, webm.SEGMENT_SIZE_AT)
    repair.repair(descriptor)
    assert (tmp_path / "take.webm").read_bytes() == whole


def test_nothing_is_left_of_a_recording_killed_in_its_first_second(descriptor: int) -> None:
    WebmWriter(descriptor, width=SIZE[0], height=SIZE[1], started_at=STARTED)
    assert repair.repair(descriptor) is None
