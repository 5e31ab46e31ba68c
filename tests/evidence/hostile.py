"""What a stranger may send in place of a photo, by name: how each file is made, and what must become of it (TRUST 11).

``REFUSED_AT_THE_DOOR``  the upload is answered with an error; nothing of it is kept.
``REFUSED_INSIDE``       it looks like a photo until it is decoded: the confined process refuses it and its file is thrown away.
``DEFUSED``              it is a photo with something in it: only its pixels reach anybody.

Made small where smallness does not blunt them: a bomb weighs little by its nature.
"""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, PngImagePlugin

from tests.pictures import png, text_file_called_jpg

pillow_heif.register_heif_opener(thumbnails=False)
BOMB = 60_000_000  # bytes that a bomb of sixty kilobytes inflates to
CANARY = b"canary-7f3a"  # lies in everything that is not a pixel
SCRIPT = b"<html><script>alert('" + CANARY + b"')</script><?php system($_GET['x']); ?></html>"
WIDTH, HEIGHT = 640, 480  # of the photo that everything is hidden in
GPS, ORIENTATION, MAKE = 0x8825, 0x0112, 0x010F
Build = Callable[[], bytes]


@dataclass(frozen=True)
class Refused:
    build: Build
    problem: str


# --- photos, as harmless as they come


@cache
def sharp(mode: str = "RGB", size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    """A picture of hard edges, so that nobody calls it blurred."""
    blocks = np.random.default_rng(1).integers(0, 256, (size[1] // 10, size[0] // 10, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST).convert(mode)


def encoded(picture: Image.Image, format_: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, format_, **options)
    return out.getvalue()


@cache
def photo(format_: str = "JPEG", **options: object) -> bytes:
    return encoded(sharp(), format_, **options)


@cache
def heic() -> bytes:
    return encoded(Image.new("RGB", (WIDTH, HEIGHT), "grey"), "HEIF", quality=10, enc_params={"preset": "ultrafast"})


# --- the pieces files are made of


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def jpeg_with(*segments: bytes) -> bytes:
    """The photo with these segments in front of its own."""
    return b"\xff\xd8" + b"".join(segments) + photo()[2:]


def bare_jpeg(width: int, height: int, *, marker: int = 0xC0, scans: int = 1) -> bytes:
    """A grey JPEG of any size and hardly any data: one component, a scan that says no more than that it begins."""
    table = segment(0xDB, b"\x00" + b"\x01" * 64)
    frame = segment(marker, struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0))
    codes = b"".join(segment(0xC4, bytes([place]) + b"\x01" + bytes(15) + b"\x00") for place in (0x00, 0x10))
    spectrum = b"\x00\x00\x00" if marker == 0xC2 else b"\x00\x3f\x00"
    scan = segment(0xDA, b"\x01\x01\x00" + spectrum) + bytes(8)
    return b"\xff\xd8" + table + frame + codes + scan * scans + b"\xff\xd9"


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_with(*chunks: bytes) -> bytes:
    """The photo with these chunks behind its head."""
    whole = photo("PNG")
    return whole[:33] + b"".join(chunks) + whole[33:]


def png_head(width: int, height: int, depth: int = 8, colour: int = 0, interlaced: int = 0) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    )


def png_of(head: bytes, unpacked: int) -> bytes:
    """That many zeros as its pixels."""
    return head + chunk(b"IDAT", deflated(unpacked)) + chunk(b"IEND", b"")


@cache
def deflated(size: int) -> bytes:
    """A thousandth of ``size``, and ``size`` again when inflated."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    packed = b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.compress(bytes(size % (1 << 20)))
    return packed + packer.flush()


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + name + body


def heic_of(width: int, height: int, brand: bytes = b"heic") -> bytes:
    """A HEIC that says how large it is, and has nothing in it."""
    size = box(b"ispe", struct.pack(">III", 0, width, height))
    meta = box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", size)))
    return box(b"ftyp", brand + bytes(4) + b"mif1heic") + meta + box(b"mdat", bytes(64))


def tiff(*entries: bytes, following: int = 0) -> bytes:
    """The body of an Exif block: one directory (TIFF 6.0, section 2)."""
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", following)


def entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def exif(block: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + block)


# --- files that need more than a line


def zip_bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("photo.jpg", bytes(20_000_000))
    return out.getvalue()


def zipped_script() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("index.html", SCRIPT)
    return out.getvalue()


def many_frames(format_: str, frames: int) -> bytes:
    pictures = [Image.new("P", (640, 80), shade % 250) for shade in range(frames)]
    return encoded(pictures[0], format_, save_all=True, append_images=pictures[1:])


def animated_png() -> bytes:
    """The photo, and behind it a promise of two thousand million more."""
    whole = png_with(chunk(b"acTL", struct.pack(">II", 0x7FFFFFFF, 0)))
    control = struct.pack(">IIIIIHHBB", 0, WIDTH, HEIGHT, 0, 0, 1, 10, 0, 0)
    frames = b"".join(
        chunk(b"fcTL", struct.pack(">I", 2 * n) + control[4:]) + chunk(b"fdAT", struct.pack(">I", 2 * n + 1) + CANARY)
        for n in range(2000)
    )
    return whole[:-12] + frames + whole[-12:]


def animated_webp() -> bytes:
    """Two thousand frames; the first one is the photo, all others are one pixel."""
    first = encoded(sharp(), "WEBP", quality=50)[12:]
    dot = encoded(Image.new("RGB", (2, 2)), "WEBP")[12:]

    def frame(width: int, height: int, picture: bytes) -> bytes:
        return webp_chunk(b"ANMF", bytes(6) + _sizes(width, height) + bytes(4) + picture)

    head = webp_chunk(b"VP8X", b"\x02\0\0\0" + _sizes(WIDTH, HEIGHT))
    loop = webp_chunk(b"ANIM", bytes(6))
    return webp(head + loop + frame(WIDTH, HEIGHT, first) + frame(2, 2, dot) * 2000)


def _sizes(width: int, height: int) -> bytes:
    return (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def webp_chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def webp(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def webp_lossless_head(width: int, height: int) -> bytes:
    return webp(webp_chunk(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + bytes(20)))


def webp_lying_about_its_canvas() -> bytes:
    """Says 700 × 600 in front, is 16,384 × 16,384 behind."""
    head = webp_chunk(b"VP8X", bytes(4) + _sizes(700, 600))
    return webp(head + webp_lossless_head(16384, 16384)[12:])


def heic_lying_about_its_size() -> bytes:
    """Says 6,000 × 6,000 in front, is a hundredth of that behind."""
    whole = heic()
    at = whole.index(b"ispe") + 8
    return whole[:at] + struct.pack(">II", 6000, 6000) + whole[at + 8 :]


def heic_with_scrambled_pixels() -> bytes:
    whole = heic()
    at = whole.rindex(b"mdat") + 8
    return whole[:at] + random.Random(1).randbytes(len(whole) - at)


def png_with_scrambled_pixels() -> bytes:
    """Whole by its structure, every check sum right, and no pixels in it."""
    return png_head(900, 700, colour=2) + chunk(b"IDAT", random.Random(1).randbytes(9000)) + chunk(b"IEND", b"")


def png_with_too_few_pixels() -> bytes:
    return png_of(png_head(900, 700), 900 * 100)


def png_that_goes_on_inflating() -> bytes:
    """Says 800 × 600, and its data would fill a hundred times as much."""
    return png_of(png_head(800, 600), BOMB)


def png_with_a_bad_check_sum() -> bytes:
    whole = bytearray(photo("PNG"))
    whole[len(whole) // 2] ^= 0x55
    return bytes(whole)


def sixteen_bits(colour: int) -> bytes:
    samples = np.asarray(sharp("L")).astype(">u2") * 257
    rows = np.repeat(samples, 3, axis=1) if colour == 2 else samples
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 1)
    return png_head(WIDTH, HEIGHT, 16, colour) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def transparent_palette() -> bytes:
    picture = sharp().quantize(200)
    return encoded(picture, "PNG", transparency=3)


def jpeg_with_place_and_camera() -> bytes:
    tags = Image.Exif()
    tags[MAKE], tags[ORIENTATION] = CANARY.decode(), 6
    tags[GPS] = {1: "N", 2: (30.0, 11.0, 42.0), 3: "E", 4: (120.0, 12.0, 40.0), 27: CANARY}
    return encoded(
        sharp(),
        "JPEG",
        exif=tags,
        comment=CANARY,
        xmp=b"<x:xmpmeta>" + CANARY + b"</x:xmpmeta>",
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    )


def png_with_words() -> bytes:
    words = PngImagePlugin.PngInfo()
    words.add_text("Author", CANARY.decode())
    words.add_itxt("Comment", CANARY.decode(), zip=True)
    return encoded(sharp(), "PNG", pnginfo=words)


def jpeg_with_a_circle_of_directories() -> bytes:
    """IFD0 is followed by itself, and is its own Exif, GPS and interoperability directory."""
    pointers = [entry(tag, 4, 1, 8) for tag in (0x8769, GPS, 0xA005)]
    return jpeg_with(exif(tiff(*pointers, following=8)))


def jpeg_with_a_multiplying_directory() -> bytes:
    """Three thousand tags that all point at the same megabyte: read one by one they are three gigabytes."""
    directory = tiff(*(entry(tag, 7, 1_000_000, 40_000) for tag in range(0x1000, 0x1000 + 3000)))
    block = directory + bytes(1_050_000 - len(directory))
    whole = jpeg_with(*(exif(block[at : at + 65_000]) for at in range(0, len(block), 65_000)))
    return whole.replace(photo()[2:20], b"", 1)  # without the JFIF head that makes decoders leave Exif alone


def jpeg_with_a_huge_thumbnail() -> bytes:
    thumbnail = bare_jpeg(65_000, 65_000)
    tags = (entry(0x0103, 3, 1, 6), entry(0x0201, 4, 1, 62), entry(0x0202, 4, 1, 0x7FFFFFFF))
    second = struct.pack("<H", 3) + b"".join(tags) + bytes(4)
    return jpeg_with(exif(tiff(entry(ORIENTATION, 3, 1, 1), following=26) + second + thumbnail + CANARY))


def jpeg_that_breaks_off_but_says_it_ends() -> bytes:
    whole = photo()
    return whole[: len(whole) // 2] + b"\xff\xd9"


# --- the corpus

REFUSED_AT_THE_DOOR: dict[str, Refused] = {
    "text called jpg": Refused(text_file_called_jpg, "unreadable"),
    "nothing": Refused(bytes, "empty"),
    "one byte": Refused(lambda: b"\xff", "unreadable"),
    "a script": Refused(lambda: b"#!/bin/sh\necho " + CANARY, "unreadable"),
    "an ELF program": Refused(lambda: b"\x7fELF\x02\x01\x01" + bytes(600), "unreadable"),
    "a Windows program": Refused(lambda: b"MZ" + bytes(600), "unreadable"),
    "HTML": Refused(lambda: SCRIPT, "unreadable"),
    "SVG": Refused(lambda: b"<svg xmlns='http://www.w3.org/2000/svg' width='900' height='900'/>", "unreadable"),
    "SVG with a script": Refused(lambda: b"<?xml version='1.0'?><svg onload='alert(1)'>" + SCRIPT, "unreadable"),
    "XML of a billion laughs": Refused(
        lambda: b"<!DOCTYPE a [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><svg>&b;</svg>", "unreadable"
    ),
    "PDF": Refused(lambda: b"%PDF-1.7\n1 0 obj <</S /JavaScript>>" + bytes(4000), "unreadable"),
    "PostScript": Refused(
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 900 900\n(%pipe%id) (w) file", "unreadable"
    ),
    "EPS behind a DOS head": Refused(
        lambda: b"\xc5\xd0\xd3\xc6" + struct.pack("<6I", 32, 900, 0, 0, 0, 0), "unreadable"
    ),
    "ZIP bomb": Refused(zip_bomb, "unreadable"),
    "MP4": Refused(lambda: box(b"ftyp", b"isom" + bytes(4) + b"isom") + box(b"mdat", bytes(900)), "unreadable"),
    "GIF with a script": Refused(lambda: b"GIF89a/*" + bytes(9) + b"*/=1;alert('" + CANARY + b"')", "unreadable"),
    "GIF of 200 frames": Refused(lambda: many_frames("GIF", 200), "unreadable"),
    "TIFF of 50 pages": Refused(lambda: many_frames("TIFF", 50), "unreadable"),
    "BMP": Refused(lambda: encoded(sharp(), "BMP"), "unreadable"),
    "AVIF": Refused(lambda: heic_of(900, 700, b"avif"), "unreadable"),
    "HEIC sequence without a still": Refused(
        lambda: box(b"ftyp", b"hevc" + bytes(4) + b"msf1hevc") + box(b"moov", bytes(400)) + box(b"mdat", bytes(64)),
        "unreadable",
    ),
    "JPEG of 65,535 × 65,535": Refused(lambda: bare_jpeg(65535, 65535), "too_large"),
    "JPEG without a height": Refused(lambda: bare_jpeg(4000, 0), "unreadable"),
    "JPEG without a frame": Refused(lambda: b"\xff\xd8" + segment(0xDA, bytes(8)) + b"\xff\xd9", "unreadable"),
    "JPEG of a million fill bytes": Refused(lambda: b"\xff\xd8" + b"\xff" * 1_000_000 + photo()[2:], "unreadable"),
    "JPEG of 200,000 empty segments": Refused(lambda: jpeg_with(segment(0xE5, b"") * 200_000), "unreadable"),
    "JPEG of a thousand scans": Refused(lambda: bare_jpeg(6000, 6000, marker=0xC2, scans=1000), "unreadable"),
    "JPEG with a segment of no length": Refused(lambda: jpeg_with(b"\xff\xe1\x00\x00"), "unreadable"),
    "PNG of 50 megapixels": Refused(lambda: png_of(png_head(8192, 6144, colour=2), 9), "too_large"),
    "PNG of 2,147,483,647 × 2,147,483,647": Refused(lambda: png_of(png_head(0x7FFFFFFF, 0x7FFFFFFF), 9), "too_large"),
    "PNG of no height": Refused(lambda: png_of(png_head(900, 0), 9), "unreadable"),
    "PNG of 100,000 empty chunks": Refused(lambda: png_with(chunk(b"tRUE", b"") * 100_000), "unreadable"),
    "PNG with a bad check sum": Refused(png_with_a_bad_check_sum, "unreadable"),
    "PNG without its head": Refused(lambda: photo("PNG")[:8] + photo("PNG")[33:], "unreadable"),
    "PNG with a chunk of four gigabytes": Refused(lambda: png_with(b"\xff\xff\xff\xffiTXt" + CANARY), "truncated"),
    "WEBP of 16,384 × 16,384": Refused(lambda: webp_lossless_head(16384, 16384), "too_large"),
    "WEBP of a frame unknown": Refused(lambda: webp(webp_chunk(b"VP8?", bytes(40))), "unreadable"),
    "HEIC of 60,000 × 60,000": Refused(lambda: heic_of(60_000, 60_000), "too_large"),
    "HEIC of 50,000 boxes": Refused(lambda: heic_of(900, 700) + box(b"free", b"") * 50_000, "unreadable"),
    "one pixel": Refused(lambda: png(1, 1), "too_small"),
    "a line of 65,000 pixels": Refused(lambda: png(65_000, 1), "odd_shape"),
    "a column of 65,000 pixels": Refused(lambda: bare_jpeg(1, 65_000), "odd_shape"),
    "a ribbon": Refused(lambda: png_of(png_head(9000, 1000), 9), "odd_shape"),
}

REFUSED_INSIDE: dict[str, Refused] = {
    "one colour": Refused(lambda: png(900, 700), "blurred"),
    "PNG with scrambled pixels": Refused(png_with_scrambled_pixels, "unreadable"),
    "PNG with too few pixels": Refused(png_with_too_few_pixels, "unreadable"),
    "PNG of 9 megapixels, interlaced, 16 bits": Refused(
        lambda: png_of(png_head(3000, 3000, 16, 6, interlaced=1), 3000 * 3000 * 8 + 20_000), "blurred"
    ),
    "PNG that goes on inflating": Refused(png_that_goes_on_inflating, "blurred"),
    "PNG with a colour profile bomb": Refused(
        lambda: png_with(chunk(b"iCCP", b"x\0\0" + deflated(BOMB))), "unreadable"
    ),
    "PNG with a text bomb": Refused(lambda: png_with(chunk(b"zTXt", b"x\0\0" + deflated(BOMB))), "unreadable"),
    "PNG with an international text bomb": Refused(
        lambda: png_with(chunk(b"iTXt", b"x\0\1\0\0\0" + deflated(BOMB))), "unreadable"
    ),
    "JPEG of 36 megapixels and no data": Refused(lambda: bare_jpeg(6000, 6000), "blurred"),
    "JPEG of 64 scans of 36 megapixels": Refused(lambda: bare_jpeg(6000, 6000, marker=0xC2, scans=64), "blurred"),
    "WEBP lying about its canvas": Refused(webp_lying_about_its_canvas, "unreadable"),
    "WEBP of a head and no data": Refused(lambda: webp_lossless_head(4000, 3000), "unreadable"),
    "HEIC of a head and no data": Refused(lambda: heic_of(900, 700), "unreadable"),
    "HEIC with scrambled pixels": Refused(heic_with_scrambled_pixels, "unreadable"),
    "HEIC lying about its size": Refused(heic_lying_about_its_size, "unreadable"),
}

DEFUSED: dict[str, Build] = {
    "JPEG with place, camera, comment, XMP": jpeg_with_place_and_camera,
    "PNG with words": png_with_words,
    "WEBP with Exif": lambda: encoded(sharp(), "WEBP", exif=b"Exif\0\0" + tiff(entry(ORIENTATION, 3, 1, 3)) + CANARY),
    "JPEG and ZIP": lambda: photo() + zipped_script(),
    "JPEG and HTML": lambda: photo() + SCRIPT,
    "JPEG with HTML as its comment": lambda: jpeg_with(segment(0xFE, SCRIPT)),
    "PNG and PHP": lambda: photo("PNG") + SCRIPT,
    "PNG with HTML in a private chunk": lambda: png_with(chunk(b"prVt", SCRIPT)),
    "WEBP and HTML": lambda: photo("WEBP") + SCRIPT,
    "JPEG with a circle of directories": jpeg_with_a_circle_of_directories,
    "JPEG with a multiplying Exif directory": jpeg_with_a_multiplying_directory,
    "JPEG with a huge thumbnail": jpeg_with_a_huge_thumbnail,
    "JPEG of an orientation that is none": lambda: jpeg_with(exif(tiff(entry(ORIENTATION, 3, 1, 4711)))),
    "JPEG of an orientation in words": lambda: jpeg_with(exif(tiff(entry(ORIENTATION, 2, 4, 0x41414141)))),
    "JPEG with Exif that is noise": lambda: jpeg_with(exif(random.Random(2).randbytes(3000) + CANARY)),
    "JPEG with an Exif head cut off": lambda: jpeg_with(exif(b"II*")),
    "JPEG with a profile that is noise": lambda: jpeg_with(
        segment(0xE2, b"ICC_PROFILE\0\x01\x01" + random.Random(3).randbytes(900) + CANARY)
    ),
    "JPEG in CMYK": lambda: encoded(sharp("CMYK"), "JPEG"),
    "JPEG in grey": lambda: encoded(sharp("L"), "JPEG"),
    "JPEG, progressive": lambda: photo("JPEG", progressive=True),
    "JPEG that breaks off but says it ends": jpeg_that_breaks_off_but_says_it_ends,
    "PNG of 16 bits, grey": lambda: sixteen_bits(0),
    "PNG of 16 bits, colour": lambda: sixteen_bits(2),
    "PNG of one bit": lambda: encoded(sharp("1"), "PNG"),
    "PNG with a palette and a transparent colour": transparent_palette,
    "PNG, half transparent": lambda: encoded(sharp("RGBA"), "PNG"),
    "PNG of two thousand million frames": animated_png,
    "WEBP of 2,000 frames": animated_webp,
}

NAMES = {
    "path upwards": "../../../../etc/cron.d/canary-7f3a",
    "path of Windows": "..\\..\\windows\\canary-7f3a.exe",
    "NUL": "canary-7f3a.jpg\0.php",
    "right to left": "canary-7f3a\u202egpj.exe",
    "four kilobytes": "canary-7f3a" + "长" * 1400 + ".jpg",
    "HTML": "<img src=x onerror=alert('canary-7f3a')>.jpg",
    "a device": "/dev/stdout;canary-7f3a",
    "a program's": "canary-7f3a.php",
}
