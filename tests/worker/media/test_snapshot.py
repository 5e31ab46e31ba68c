"""Pictures taken from the stream."""

from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from worker.media import png, snapshot


def key_frame(width: int, height: int) -> bytes:
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuv420p", Fraction(1, 10)
    encoder.options = {"lag-in-frames": "0"}
    picture = av.VideoFrame.from_ndarray(np.full((height, width, 3), (200, 60, 20), np.uint8), format="rgb24")
    picture.pts = 0
    return b"".join(bytes(packet) for packet in encoder.encode(picture))


def test_a_png_holds_exactly_the_pixels_it_was_given() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (37, 53, 3), np.uint8)
    with Image.open(BytesIO(png.encode(pixels))) as picture:
        assert picture.mode == "RGB"
        assert np.array_equal(np.asarray(picture), pixels)


def test_a_snapshot_has_the_size_and_colours_of_the_key_frame(tmp_path: Path) -> None:
    assert snapshot.save_png(key_frame(322, 242), tmp_path / "taken.png") == (322, 242)
    with Image.open(tmp_path / "taken.png") as picture:
        assert picture.size == (322, 242)
        assert np.abs(np.asarray(picture, int).mean((0, 1)) - (200, 60, 20)).max() < 8
    assert [path.name for path in tmp_path.iterdir()] == ["taken.png"]


def test_what_does_not_decode_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(snapshot.Undecodable):
        snapshot.save_png(b"\x10\x02\x00\x9d\x01\x2a" + bytes(3), tmp_path / "taken.png")
    assert not list(tmp_path.iterdir())
