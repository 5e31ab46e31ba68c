"""What an upload is, by its head and its structure: read in plain Python, so that no decoder meets a stranger's bytes in the web process.

JPEG: ITU-T T.81 annex B; PNG: RFC 2083 section 3; WebP: RFC 9649 section 2; HEIC: boxes of ISO/IEC 14496-12, image properties of
ISO/IEC 23008-12 section 6.5. What is damaged inside a whole file is found later, by the job that decodes it in a confined process.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MOST_PIXELS = 40_000_000
LEAST_SIDE = 640  # longest side of a photo in which anything can be read
MOST_STRETCHED = (
    8  # the long side in short ones: beyond a panorama, and nothing a card or sheet was ever photographed as
)
MOST_PARTS = 10_000  # segments, chunks, boxes: a file of more was made to keep its reader busy
MOST_SCANS = 64  # of a progressive JPEG, each a walk over all of its pixels; cameras and browsers write about ten
SKIPPED, FRAMES = {0x01, *range(0xD0, 0xD8)}, {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG markers
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}

Size = tuple[int, int]
Box = tuple[bytes, int, int]  # name, and where its body starts and ends


class Unusable(Exception):
    """``problem``: a key of ``photos.PROBLEMS``, why this cannot be kept as a photo."""

    def __init__(self, problem: str):
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True)
class Head:
    """Width and height in pixels, before any rotation."""

    media_type: str
    width: int
    height: int


def read_head(image: bytes) -> Head:
    """Raises Unusable for what is no photo of a known format, not all there, or of a size that is refused."""
    if not image:
        raise Unusable("empty")
    media_type, width, height = _recognised(image)
    judge_size(width, height)
    return Head(media_type, width, height)


def judge_size(width: int, height: int) -> None:
    """Raises Unusable."""
    if width < 1 or height < 1:
        raise Unusable("unreadable")
    if width * height > MOST_PIXELS:
        raise Unusable("too_large")
    if max(width, height) < LEAST_SIDE:
        raise Unusable("too_small")
    if max(width, height) > MOST_STRETCHED * min(width, height):
        raise Unusable("odd_shape")


def _recognised(image: bytes) -> tuple[str, int, int]:
    if image.startswith(b"\xff\xd8\xff"):
        return "image/jpeg", *_jpeg(image)
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png", *_png(image)
    if image.startswith(b"RIFF") and image[8:12] == b"WEBP":
        return "image/webp", *_webp(image)
    if image[4:8] == b"ftyp" and image[8:12] in HEIC_BRANDS:
        return "image/heic", *_heic(image)
    raise Unusable("unreadable")


def _number(image: bytes, at: int, length: int) -> int:
    if at + length > len(image):
        raise Unusable("truncated")
    return int.from_bytes(image[at : at + length], "big")


def _jpeg(image: bytes) -> Size:
    """Past the segments of the head (a thumbnail in them has an end marker of its own) an end marker follows the scans."""
    size: Size | None = None
    at = 2
    for _ in range(MOST_PARTS):
        mark, marker = _number(image, at, 1), _number(image, at + 1, 1)
        if mark != 0xFF:
            raise Unusable("unreadable")
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in SKIPPED:
            at += 2
        elif marker == 0xDA:
            _scans(image, at)
            break
        else:
            length = _number(image, at + 2, 2)
            if length < 2 or marker in (0x00, 0xD8, 0xD9):
                raise Unusable("unreadable")
            if marker in FRAMES:
                size = _number(image, at + 7, 2), _number(image, at + 5, 2)
            at += 2 + length
    if size is None:
        raise Unusable("unreadable")
    return size


def _scans(image: bytes, at: int) -> None:
    end = image.find(b"\xff\xd9", at)
    if end < 0:
        raise Unusable("truncated")
    if image.count(b"\xff\xda", at, end) > MOST_SCANS:  # within a scan an FF of data is followed by 00
        raise Unusable("unreadable")


def _png(image: bytes) -> Size:
    """Every chunk is as long as it says and has the check sum it says."""
    whole = memoryview(image)
    at = 8
    for _ in range(MOST_PARTS):
        length = _number(image, at, 4)
        if zlib.crc32(whole[at + 4 : at + 8 + length]) != _number(image, at + 8 + length, 4):
            raise Unusable("unreadable")
        name = image[at + 4 : at + 8]
        if at == 8 and (name, length) != (b"IHDR", 13):
            break
        if name == b"IEND":
            return _number(image, 16, 4), _number(image, 20, 4)
        at += 12 + length
    raise Unusable("unreadable")


def _webp(image: bytes) -> Size:
    if len(image) < 30 or len(image) < 8 + int.from_bytes(image[4:8], "little"):
        raise Unusable("truncated")
    kind = image[12:16]
    if kind == b"VP8X":
        return int.from_bytes(image[24:27], "little") + 1, int.from_bytes(image[27:30], "little") + 1
    if kind == b"VP8L" and image[20] == 0x2F:
        bits = int.from_bytes(image[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and image[23:26] == b"\x9d\x01\x2a":
        return int.from_bytes(image[26:28], "little") & 0x3FFF, int.from_bytes(image[28:30], "little") & 0x3FFF
    raise Unusable("unreadable")


def _heic(image: bytes) -> Size:
    """The largest picture in the file: the tiles it is put together from, its thumbnail and its depth map are smaller."""
    file = list(_boxes(image, 0, len(image)))
    if not any(name == b"mdat" for name, _, _ in file):
        raise Unusable("truncated")
    start, end = _first(b"meta", file)
    properties = _first(b"ipco", _boxes(image, *_first(b"iprp", _boxes(image, start + 4, end))))
    sizes = [
        (_number(image, at + 4, 4), _number(image, at + 8, 4))
        for name, at, _ in _boxes(image, *properties)
        if name == b"ispe"
    ]
    if not sizes:
        raise Unusable("unreadable")
    return max(sizes, key=lambda size: size[0] * size[1])


def _first(wanted: bytes, boxes: Iterable[Box]) -> tuple[int, int]:
    for name, start, end in boxes:
        if name == wanted:
            return start, end
    raise Unusable("unreadable")


def _boxes(image: bytes, start: int, end: int) -> Iterator[Box]:
    """Those that lie side by side from ``start`` to ``end``."""
    at = start
    for _ in range(MOST_PARTS):
        if at == end:
            return
        size, name, head = _number(image, at, 4), image[at + 4 : at + 8], 8
        if size == 1:
            size, head = _number(image, at + 8, 8), 16
        elif size == 0:  # to the end
            size = end - at
        if size < head:
            raise Unusable("unreadable")
        if at + size > end:
            raise Unusable("truncated")
        yield name, at + head, at + size
        at += size
    raise Unusable("unreadable")
