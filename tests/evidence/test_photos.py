"""What may be kept as a photo: judged by head and structure, for every format that phones make."""

import io

import pillow_heif
import pytest
from PIL import Image

from console.evidence.photos import PROBLEMS, BadPhoto, check_upload

pillow_heif.register_heif_opener(thumbnails=False)


def photo(format_: str, size: tuple[int, int] = (1000, 700), **options: object) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 40).convert("RGB").save(out, format_, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("format_", "media_type"),
    [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp"), ("HEIF", "image/heic")],
)
def test_whole_photos_of_every_format_are_taken(format_: str, media_type: str) -> None:
    stream = io.BytesIO(photo(format_))
    seen = check_upload(stream)
    assert (seen.media_type, seen.width, seen.height) == (media_type, 1000, 700)
    assert stream.tell() == 0


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "HEIF"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_cut_off_photos_of_every_format_are_refused(format_: str, share: float) -> None:
    whole = photo(format_)
    with pytest.raises(BadPhoto) as refused:
        check_upload(io.BytesIO(whole[: int(len(whole) * share)]))
    assert refused.value.code in ("truncated", "unreadable")


def test_a_thumbnail_in_the_head_does_not_make_a_cut_off_photo_whole() -> None:
    small = io.BytesIO()
    Image.new("RGB", (160, 120), "grey").save(small, "JPEG")
    exif = b"Exif\x00\x00" + b"II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00" + small.getvalue()
    whole = photo("JPEG", exif=exif)
    assert whole.count(b"\xff\xd9") >= 2
    with pytest.raises(BadPhoto, match="truncated"):
        check_upload(io.BytesIO(whole[: len(whole) // 2]))


def test_bytes_after_the_end_are_forgiven() -> None:
    assert check_upload(io.BytesIO(photo("JPEG") + b"motion photo" * 50)).width == 1000


def test_a_progressive_photo_is_whole() -> None:
    assert check_upload(io.BytesIO(photo("JPEG", progressive=True))).height == 700


@pytest.mark.parametrize("format_", ["GIF", "BMP", "TIFF"])
def test_other_formats_are_refused(format_: str) -> None:
    with pytest.raises(BadPhoto, match="unreadable"):
        check_upload(io.BytesIO(photo(format_)))


def test_every_refusal_says_how_to_mend_it() -> None:
    for code in PROBLEMS:
        what, mend = PROBLEMS[code]
        assert what and mend
        assert BadPhoto(code).text == f"{what}。{mend}"
