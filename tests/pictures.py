"""Photographs for tests: what an investor would send, and what nobody should. Cards come from worker/robots/pictures.py."""

import io
import struct
import zlib
from functools import cache

from PIL import Image

from worker.robots import pictures
from worker.robots.pictures import PLAIN, Scene

PERSON = ("许砚青", "男", "汉", "1989-10-08", "杭州市滨江区江南大道 338 号 2 幢 601 室", "330102198910084417")


@cache
def id_front(scene: Scene = PLAIN) -> bytes:
    return pictures.id_front(*PERSON, scene=scene)


@cache
def id_back(scene: Scene = PLAIN) -> bytes:
    return pictures.id_back("杭州市公安局滨江分局", "2016.12.03-2036.12.03", scene)


@cache
def bank_card(scene: Scene = PLAIN) -> bytes:
    return pictures.bank_card("中国工商银行", "6222020000000001234", scene)


@cache
def signature(scene: Scene = PLAIN) -> bytes:
    return pictures.signature(PERSON[0], scene)


@cache
def score_report(scene: Scene = PLAIN) -> bytes:
    return pictures.score_report(PERSON[0], 86, "2026-11-02", scene)


def text_file_called_jpg() -> bytes:
    return "这不是照片。\n".encode() * 200


def truncated() -> bytes:
    whole = id_front()
    return whole[: len(whole) // 3]


@cache
def fifty_megapixels() -> bytes:
    """A real picture of 50 million pixels, a few kilobytes long: decoded it takes 150 MB."""
    return png(8192, 6144)


def png(width: int, height: int) -> bytes:
    """A plain PNG of any size, without ever holding its pixels."""
    packer = zlib.compressobj(9)
    row = b"\x00" + b"\x80" * (3 * width)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(n, d) for n, d in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b"")))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def encoded(jpeg: bytes, format: str, **options: object) -> bytes:
    """The same picture in another format."""
    out = io.BytesIO()
    Image.open(io.BytesIO(jpeg)).save(out, format, **options)
    return out.getvalue()


def opened(jpeg: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(jpeg))
    picture.load()
    return picture
