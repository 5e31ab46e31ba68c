"""From a photograph to a document: upright, cut out along its edges, sharp enough to read; or refused, and why.

Pure numpy and Pillow, no framework, no database. ``prepare`` is meant for a process of its own with little memory
(worker/darkroom.py): the bytes come from strangers.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFilter

from .corners import Array, Quad, find_corners, homography
from .heads import Unusable, judge_size, read_head

DECODERS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WEBP", "image/heic": "HEIF"}
RESIZABLE = ("RGB", "RGBA", "L", "CMYK", "YCbCr")
WORKING_SIDE = 3200
CARDS = frozenset({"id_front", "id_back", "bank_card"})
SHEETS = frozenset({"signature"})
CARD_SHAPE = 85.60 / 53.98  # ID-1, ISO/IEC 7810
LIKELY_SHAPE = (1.36, 1.85)  # what perspective makes of it; beyond, something was cut off
LEAST_CARD = 520  # pixels: the width of a card whose ID number can be read
CARD_WIDTH = 1600
THUMB_SIDE = 320
FAINT = 20.0  # contrast (0 to 255) below which a person could hardly draw the edge
WAVERING = 0.5  # straightness below which the edge is guesswork
CERTAIN = 0.8  # straightness from which on there is no doubt
AT_THE_FRAME = 0.004  # of a side: a corner this near to it, or beyond, is not in the picture
READ_AT = 1000  # pixels wide, at which sharpness is measured
BLURRED = 14.0  # variance of the Laplacian: below, text cannot be read
SHARP = 260.0  # and from here on nothing is gained
INK = 0.62  # darker than this share of the paper around it
LEAST_INK = 0.0006  # of the paper's area
TURNS = {3: 180, 6: 90, 8: 270, 2: 0, 4: 180, 5: 90, 7: 270}  # degrees clockwise, by EXIF orientation
UPRIGHT = {  # what undoes an EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Picture:
    """A JPEG without metadata; width and height in pixels."""

    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Prepared:
    """What people look at instead of the upload.

    ``upright``: the whole photo; ``cropped``: the document. ``rotated``: quarter turns in degrees clockwise, of the
    camera's tag and of the document on the photo together; ``tilt``: the rest, evened out by the crop. ``crop_box``:
    the document's corners in widths and heights of the upright photo, clockwise from the document's top left; None when
    uncut. ``sharpness``: 0 to 1. ``warnings``: ``over_crop`` (a corner is missing), ``low_contrast`` (the edge can
    hardly be told from the table).
    """

    upright: Picture
    cropped: Picture
    thumb: Picture
    rotated: int
    tilt: float
    crop_box: list[list[float]] | None
    sharpness: float
    warnings: list[str]


def prepare(image: bytes, kind: str) -> Prepared:
    """``kind``: a value of console.evidence.models.Kind. Raises Unusable."""
    upright, rotated, shrunk = _decode(image)
    if kind in CARDS:
        cut = _cut_card(upright, kind, shrunk)
    elif kind in SHEETS:
        cut = _cut_signature(upright)
    else:
        cut = _Cut(upright, [])
    sharpness = _variance_of_laplacian(cut.picture)
    if sharpness < BLURRED:
        raise Unusable("blurred")
    return Prepared(
        upright=_jpeg(upright),
        cropped=_jpeg(cut.picture),
        thumb=_jpeg(_within(cut.picture, THUMB_SIDE), quality=80),
        rotated=(rotated + cut.turned) % 360,
        tilt=round((cut.quad.tilt + 45) % 90 - 45, 1) if cut.quad else 0.0,
        crop_box=_fractions(cut.quad, upright.size) if cut.quad else None,
        sharpness=round(min(1.0, float(np.log(sharpness / BLURRED) / np.log(SHARP / BLURRED))), 2),
        warnings=cut.warnings,
    )


# --- reading a file


@contextmanager
def _opened(image: bytes) -> Iterator[Image.Image]:
    """The picture with its head read and its size judged. Whatever decoders raise within becomes Unusable."""
    decoder = _decoder(read_head(image).media_type)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, and of sizes that are judged here
            with Image.open(io.BytesIO(image), formats=(decoder,)) as picture:
                judge_size(*picture.size)
                yield picture
    except (Unusable, MemoryError):
        raise
    except Exception as error:  # decoders have no common ancestor of their errors
        raise Unusable("unreadable") from error


def _decoder(media_type: str) -> str:
    """Its name in Pillow."""
    if media_type == "image/heic":
        import pillow_heif  # slow to come, and nobody else's photo should meet it

        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return DECODERS[media_type]


def _decode(image: bytes) -> tuple[Image.Image, int, float]:
    """The upright RGB picture of moderate size, the turn the camera's tag asked for, and how much smaller it became."""
    with _opened(image) as picture:
        original = max(picture.size)
        picture.draft("RGB", (WORKING_SIDE, WORKING_SIDE))  # a JPEG decodes at half size for a fraction of the memory
        picture.load()
        held = _orientation(picture)
        small = _on_white(_within(_resizable(picture), WORKING_SIDE))
        upright = small.transpose(UPRIGHT[held]) if held in UPRIGHT else small
    return upright, TURNS.get(held, 0), original / max(upright.size)


def _orientation(picture: Image.Image) -> int:
    """As EXIF numbers it; 1 where metadata says nothing, or nonsense."""
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except MemoryError:
        raise
    except Exception:
        return 1


def _resizable(picture: Image.Image) -> Image.Image:
    if picture.mode in RESIZABLE:
        return picture
    if picture.mode.startswith("I;16"):  # Pillow would cut off at 255 what counts to 65,535
        return picture.point(lambda value: value * (1 / 257)).convert("L")
    return picture.convert("RGBA")


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


# --- cutting out


@dataclass(frozen=True)
class _Cut:
    picture: Image.Image
    warnings: list[str]
    quad: Quad | None = None
    turned: int = 0


def _cut_card(upright: Image.Image, kind: str, shrunk: float) -> _Cut:
    """The card, its long side across, flat and upright; the whole photo when its edge is not to be trusted."""
    quad = find_corners(upright)
    if quad is None:
        return _Cut(upright, ["low_contrast"])
    turned = 0
    if quad.height > quad.width:
        quad, turned = quad.quarter_turned(), 270
    cut_off = _meets_the_frame(quad, upright.size)
    shape = quad.width / quad.height
    if quad.straight < (CERTAIN if cut_off else WAVERING):
        return _Cut(upright, ["low_contrast"])
    if not cut_off and not LIKELY_SHAPE[0] <= shape <= LIKELY_SHAPE[1]:
        return _Cut(upright, ["over_crop", "low_contrast"] if quad.contrast >= FAINT else ["low_contrast"])
    if quad.width * shrunk < LEAST_CARD:
        if quad.straight >= CERTAIN:
            raise Unusable("too_small")
        return _Cut(upright, ["low_contrast"])
    found = ["over_crop"] if cut_off else ["low_contrast"] if quad.contrast < FAINT else []
    width = round(min(CARD_WIDTH, quad.width))
    card = _flattened(upright, quad, (width, round(width / (shape if cut_off else CARD_SHAPE))))
    if _is_upside_down(card, kind):
        card, turned = card.transpose(Image.Transpose.ROTATE_180), turned + 180
        quad = quad.quarter_turned().quarter_turned()
    return _Cut(card, found, quad, turned)


def _cut_signature(upright: Image.Image) -> _Cut:
    """The writing with a margin, from the sheet when one lies on a table, else from a sheet that fills the picture."""
    quad = find_corners(upright)
    page = upright
    if quad is not None and quad.straight >= CERTAIN and quad.contrast >= FAINT and _is_paper(upright, quad):
        page = _flattened(
            upright, quad, (round(min(CARD_WIDTH * 1.5, quad.width)), round(min(CARD_WIDTH * 1.5, quad.height)))
        )
        inset = round(min(page.size) * 0.03)
        page = page.crop((inset, inset, page.width - inset, page.height - inset))
    else:
        quad = None
    box = _ink_box(page)
    if box is None:
        raise Unusable("blurred")
    return _Cut(page.crop(box), [], quad)


def _flattened(picture: Image.Image, quad: Quad, size: tuple[int, int]) -> Image.Image:
    width, height = size
    flat = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    return picture.transform(
        size, Image.Transform.PERSPECTIVE, homography(flat, quad.corners), Image.Resampling.BICUBIC, fillcolor="white"
    )


def _meets_the_frame(quad: Quad, size: tuple[int, int]) -> bool:
    places = quad.corners / np.array(size)
    return bool((places < AT_THE_FRAME).any() or (places > 1 - AT_THE_FRAME).any())


def _fractions(quad: Quad, size: tuple[int, int]) -> list[list[float]]:
    return [[round(float(part), 4) for part in corner] for corner in quad.corners / np.array(size)]


def _is_upside_down(card: Image.Image, kind: str) -> bool:
    """By what every ID card has: the face at the right of the front, the emblem at the top left of the back."""
    small = np.asarray(card.resize((160, 100), Image.Resampling.BOX), np.float64)
    turned = small[::-1, ::-1]
    if kind == "id_front":
        here, there = (float(side[10:72, 110:152].mean(axis=2).std()) for side in (small, turned))
        return there > 1.3 * here + 2
    if kind == "id_back":
        here, there = (float(_redness(side[4:46, 4:44])) for side in (small, turned))
        return there > 1.5 * here + 2
    return False


def _redness(pixels: Array) -> float:
    return float((pixels[..., 0] - pixels[..., 1:].mean(axis=2)).clip(0).mean())


def _is_paper(picture: Image.Image, quad: Quad) -> bool:
    """White things are bright and have no colour."""
    page = np.asarray(_flattened(picture, quad, (64, 64)), np.float64)[4:-4, 4:-4]
    middle = np.median(page, axis=(0, 1))
    return bool(middle.mean() > 120 and np.ptp(middle) < 45)


def _ink_box(page: Image.Image) -> tuple[int, int, int, int] | None:
    """Where most of the dark strokes are, with a margin; None when there are none."""
    small = _within(page.convert("L"), 800)
    paper = Image.fromarray(_brightest(np.asarray(small), 4)).filter(ImageFilter.BoxBlur(30))
    strokes = np.asarray(small, np.float64) < INK * np.asarray(paper, np.float64)
    if strokes.mean() < LEAST_INK:
        return None
    rows, columns = np.nonzero(strokes)
    scale = page.width / small.width
    left, right = np.percentile(columns, (0.2, 99.8)) * scale
    top, bottom = np.percentile(rows, (0.2, 99.8)) * scale
    margin = 0.12 * max(right - left, bottom - top) + 8
    return (
        max(0, int(left - margin)),
        max(0, int(top - margin)),
        min(page.width, int(right + margin)),
        min(page.height, int(bottom + margin)),
    )


def _brightest(grey: NDArray[np.uint8], reach: int) -> NDArray[np.uint8]:
    """Each pixel as bright as the brightest within ``reach`` rows and columns: Pillow's MaxFilter, which takes twenty times as long."""
    for axis in (0, 1):
        length = grey.shape[axis]
        wide = np.pad(grey, [(reach, reach) if axis == each else (0, 0) for each in (0, 1)], mode="edge")
        grey = np.maximum.reduce([wide.take(range(at, at + length), axis) for at in range(2 * reach + 1)])
    return grey


# --- measuring and writing


def _variance_of_laplacian(picture: Image.Image) -> float:
    """How quickly brightness changes, the camera's grain smoothed away first."""
    scale = READ_AT / picture.width
    grey = picture.convert("L").resize((READ_AT, max(3, round(picture.height * scale))), Image.Resampling.BILINEAR)
    grain_free = np.asarray(grey.filter(ImageFilter.MedianFilter(3)), np.float64)
    middle = grain_free[1:-1, 1:-1]
    around = grain_free[:-2, 1:-1] + grain_free[2:, 1:-1] + grain_free[1:-1, :-2] + grain_free[1:-1, 2:]
    return float((around - 4 * middle).var())


def _within(picture: Image.Image, longest: int) -> Image.Image:
    scale = longest / max(picture.size)
    if scale >= 1:
        return picture
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _jpeg(picture: Image.Image, quality: int = 88) -> Picture:
    out = io.BytesIO()
    clean = Image.frombytes(picture.mode, picture.size, picture.tobytes())  # nothing but pixels goes along
    clean.save(out, "JPEG", quality=quality, optimize=True)
    return Picture(out.getvalue(), *picture.size)
