"""What may be kept as a photo: judged by head and structure, for every format that phones make."""

import io
from functools import cache

import pytest
from PIL import Image

from console.evidence.photos import PROBLEMS, BadPhoto, check_upload
from tests.evidence.hostile import HEIGHT, WIDTH, encoded, sharp

FORMATS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "HEIF": "image/heic"}


@cache
def photo(format_: str, **options: object) -> bytes:
    quick = {"HEIF": {"enc_params": {"preset": "ultrafast"}}, "WEBP": {"method": 0}}.get(format_, {})
    return encoded(sharp(), format_, **{**quick, **options})


@pytest.mark.parametrize("format_", FORMATS)
def test_whole_photos_of_every_format_are_taken(format_: str) -> None:
    stream = io.BytesIO(photo(format_))
    seen = check_upload(stream)
    assert (seen.media_type, seen.width, seen.height) == (FORMATS[format_], WIDTH, HEIGHT)
    assert stream.tell() == 0


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0MM\0*"}),
        ("JPEG", {"progressive": True}),
        ("HEIF", {"tile_size": 256}),
    ],
)
def test_photos_of_every_kind_of_head_are_taken(format_: str, options: dict[str, object]) -> None:
    seen = check_upload(io.BytesIO(photo(format_, **options)))
    assert (seen.media_type, seen.width, seen.height) == (FORMATS[format_], WIDTH, HEIGHT)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_cut_off_photos_of_every_format_are_refused(format_: str, share: float) -> None:
    whole = photo(format_)
    with pytest.raises(BadPhoto, match="truncated"):
        check_upload(io.BytesIO(whole[: int(len(whole) * share)]))


def test_a_thumbnail_in_the_head_does_not_make_a_cut_off_photo_whole() -> None:
    small = encoded(Image.new("RGB", (160, 120), "grey"), "JPEG")
    exif = b"Exif\x00\x00" + b"II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00" + small
    whole = photo("JPEG", exif=exif)
    assert whole.count(b"\xff\xd9") >= 2
    with pytest.raises(BadPhoto, match="truncated"):
        check_upload(io.BytesIO(whole[: len(whole) // 2]))


def test_bytes_after_the_end_are_forgiven() -> None:
    assert check_upload(io.BytesIO(photo("JPEG") + b"motion photo" * 50)).width == WIDTH


def test_every_refusal_says_how_to_mend_it() -> None:
    for code in PROBLEMS:
        what, mend = PROBLEMS[code]
        assert what and mend
        assert BadPhoto(code).text == f"{what}。{mend}"
