"""What strangers upload is developed in a process that may have little and can hurt nobody (TRUST 11)."""

import resource
import subprocess
import sys

import pytest

from console.evidence.heads import MOST_PIXELS, Unusable
from tests import pictures
from tests.evidence.hostile import REFUSED_INSIDE, png_head, png_of
from worker import darkroom
from worker.darkroom import MEMORY, develop

GREEDY = "import sys; sys.stdout.write(str(len(bytearray({bytes}))))"


def peak_of_children() -> int:
    """Bytes of memory that the largest child so far really used."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def test_a_photo_is_developed_as_it_would_be_here():
    made = develop(pictures.id_front(), "id_front")
    assert made.warnings == []
    for picture in (made.upright, made.cropped, made.thumb):
        assert pictures.opened(picture.jpeg).size == (picture.width, picture.height)


@pytest.mark.parametrize("name", ["PNG with scrambled pixels", "HEIC lying about its size"])
def test_what_cannot_be_decoded_comes_back_with_its_reason(name):
    hostile = REFUSED_INSIDE[name]
    with pytest.raises(Unusable) as refused:
        develop(hostile.build(), "id_front")
    assert refused.value.problem == hostile.problem


def test_the_largest_photo_allowed_fits_into_the_room():
    side = int(MOST_PIXELS**0.5) - 8
    with pytest.raises(Unusable) as refused:
        develop(png_of(png_head(side, side, colour=2), side * (3 * side + 1)), "score_report")
    assert refused.value.problem == "blurred", "it was decoded and looked at"
    assert peak_of_children() < MEMORY


def test_the_kernel_keeps_the_room_small():
    def grab(size: int) -> subprocess.CompletedProcess[bytes]:
        script = GREEDY.format(bytes=size)
        return subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            preexec_fn=lambda: darkroom.confine(darkroom.os.getppid()),
        )

    assert grab(MEMORY // 4).stdout == str(MEMORY // 4).encode()
    refused = grab(MEMORY * 2)
    assert refused.returncode != 0 and b"MemoryError" in refused.stderr


def test_the_room_writes_no_files_and_sees_no_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("CONSOLE_SECRET_KEY", "canary")
    script = f"import os, pathlib\nassert 'canary' not in str(os.environ)\npathlib.Path({str(tmp_path / 'x')!r}).write_text('x')"
    tried = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env=darkroom.nothing_secret(),
        preexec_fn=lambda: darkroom.confine(darkroom.os.getppid()),
    )
    assert b"OSError" in tried.stderr and b"AssertionError" not in tried.stderr
    assert (tmp_path / "x").stat().st_size == 0
