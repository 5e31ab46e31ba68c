"""The recorder's decisions: when a file opens, what is kept, what happens when the disk refuses."""

import os
from datetime import UTC, datetime
from pathlib import Path

import av
import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisGone
from rq import Queue

from worker.media.announce import Announcer
from worker.media.assembly import Frame
from worker.media.recorder import PATIENCE, Recorder
from worker.media.spool import Spool, Take, UnsafeName, sha256

STARTED = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
KEY = bytes.fromhex("1002009d012a") + (320).to_bytes(2, "little") + (240).to_bytes(2, "little") + bytes(40)
TURNED = KEY[:6] + (240).to_bytes(2, "little") + (320).to_bytes(2, "little") + bytes(40)


class Recording:
    """A recorder on a spool, fed by hand."""

    def __init__(self, folder: Path) -> None:
        self.spool = Spool(folder)
        self.sizes: list[tuple[int, int]] = []
        self.failures = 0
        self.recorder = Recorder(
            self.spool,
            session_no="S1",
            side="investor",
            segment=1,
            on_picture=lambda width, height: self.sizes.append((width, height)),
            on_failure=self._fail,
            wall_clock=lambda: STARTED,
        )
        self.path = folder / "S1" / "investor-1.webm"

    def _fail(self) -> None:
        self.failures += 1

    def sound(self, now: float) -> None:
        self.recorder.frame(Frame("audio", b"\xfc\xff\xfe", round(now * 48000), True, None), now)

    def picture(self, now: float, data: bytes = KEY) -> None:
        key = data[0] & 1 == 0
        size = (int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")) if key else None
        self.recorder.frame(Frame("video", data, round(now * 90000), key, size), now)

    def packets(self) -> list[tuple[str, int]]:
        with av.open(str(self.path)) as container:
            return [(packet.stream.type, packet.pts) for packet in container.demux() if packet.size]


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(tmp_path / "media")


def test_sound_before_the_first_key_frame_is_kept_and_a_picture_without_one_is_not(recording: Recording) -> None:
    recording.sound(1.00)
    recording.picture(1.01, b"\x01delta")
    recording.sound(1.02)
    assert not recording.path.read_bytes()
    recording.picture(1.05)
    recording.recorder.close()
    assert recording.packets() == [("audio", 0), ("audio", 20), ("video", 50)]


def test_without_a_picture_the_file_opens_after_a_while(recording: Recording) -> None:
    for n in range(300):
        recording.sound(n / 50)
        if n / 50 < PATIENCE - 0.1:
            assert not recording.path.read_bytes()
    assert recording.path.read_bytes()
    recording.recorder.close()
    assert len(recording.packets()) == 300


def test_a_camera_switched_on_late_gives_the_file_its_size(recording: Recording) -> None:
    for n in range(160):
        recording.sound(n / 50)
    recording.picture(3.2)
    recording.recorder.close()
    with av.open(str(recording.path)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (320, 240)
    assert recording.sizes == [(320, 240)]


def test_a_turned_phone_is_told(recording: Recording) -> None:
    recording.picture(0.0)
    recording.picture(1.0)
    recording.picture(2.0, TURNED)
    assert recording.sizes == [(320, 240), (240, 320)]


def test_a_leg_that_sent_nothing_leaves_nothing(recording: Recording) -> None:
    assert recording.recorder.close() is None
    assert not list(recording.path.parent.glob("*"))


def test_a_disk_that_refuses_ends_the_recording_but_not_the_call(recording: Recording) -> None:
    recording.picture(0.0)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, recording.recorder._descriptor)
    os.close(full)
    for n in range(1, 40):
        recording.picture(n / 10)
    assert recording.failures == 1
    assert recording.recorder.close() is not None


def test_the_note_lies_beside_the_recording_until_it_is_announced(recording: Recording, redis_url: str) -> None:
    recording.picture(0.0)
    recording.picture(1.5)
    note = recording.recorder.close()
    assert note is not None
    assert note.take == Take("S1", "investor", 1, STARTED.isoformat())
    announcer = Announcer(lambda: Redis.from_url(redis_url))
    assert announcer.sweep(recording.spool) == 0
    assert announcer.announce(note)
    with Redis.from_url(redis_url) as redis:
        [job] = Queue("default", connection=redis).jobs
    assert job.func_name == "worker.recordings.keep"
    assert job.kwargs == {
        "session_no": "S1",
        "side": "investor",
        "segment": 1,
        "path": str(recording.path),
        "started_at": STARTED.isoformat(),
        "duration_ms": 1500,
        "sha256": sha256(recording.path),
    }
    assert sorted(path.name for path in recording.path.parent.iterdir()) == ["investor-1.webm", "investor-1.webm.chain"]


def test_what_could_not_be_announced_is_announced_by_the_next_sweep(
    recording: Recording, redis_url: str, tmp_path: Path
) -> None:
    recording.picture(0.0)
    recording.picture(1.5)
    note = recording.recorder.close()
    assert note is not None
    with pytest.raises(RedisGone):
        Announcer(lambda: Redis.from_url(f"unix://{tmp_path}/nobody.sock")).announce(note)
    assert Announcer(lambda: Redis.from_url(redis_url)).sweep(recording.spool) == 1
    assert Announcer(lambda: Redis.from_url(redis_url)).sweep(recording.spool) == 0


def test_a_call_number_that_is_no_folder_name_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for name in ("../up", "", ".hidden", "a/b", "x" * 65):
        with pytest.raises(UnsafeName):
            spool.folder(name)


def test_segments_in_use_are_not_used_again(recording: Recording) -> None:
    recording.picture(0.0)
    assert recording.spool.free_segment("S1", "investor", 1) == 2
    assert recording.spool.free_segment("S1", "witness", 1) == 1
