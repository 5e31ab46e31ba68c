"""Whether a snapshot of a call can be read: how sharp it is, and how much of it is blown out.

Pure numpy and Pillow; some ten milliseconds a picture. The pictures come from our own media node, decoded there.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .models import Kind

Array = NDArray[np.float32]
BLURRED, GLARE = "blurred", "glare"
CARD_SHAPE = 85.60 / 53.98  # ID-1, ISO/IEC 7810
TILE = 24  # pixels of the side of a tile: about a line of print
LEAST_CONTRAST = 12.0  # of a tile (standard deviation, 0 to 255): below, there is nothing in it that could be sharp
LEAST_TILES = 4  # with fewer there is nothing to be seen at all
QUARTILE = 75  # the sharper tiles count: around a text there is always some paper
BLOCK = 4  # pixels: grain and ringing of the codec do not fill a block, a reflection does
FILLED = 0.9  # of a square that counts as blown out: the codec leaves holes
BLOWN_OUT = 244  # of 255, the darkest channel of a block: a codec at its coarsest leaves that of pure white


@dataclass(frozen=True)
class Area:
    """What of a picture is judged. ``box``: left, top, right, bottom in widths and heights; a card's shape is fitted into it when
    ``card``. ``width``: pixels it is brought to first, so that the same blur counts the same on every camera.

    ``least_sharp`` and ``most_glare``: see `Clarity`; beyond these the picture carries a warning. They were chosen from the table
    in tests/evidence/test_clarity.py: drawn cards and faces through VP8 at 150 to 1500 kbit/s and 480 to 1280 pixels. For a card
    the floor lies where print of the size of the ID number begins to run together (a blur of some 1.5 pixels of 640), and every
    sharp picture lies half as high again above it; a face is known through twice that blur. A reflection over 4 % of a card, enough
    to hide a line of print, measures 2 % or more. In a face it matters later, window light on the forehead being common.

    ``thick``: what is blown out in strips narrower than this (in widths of the area) is no glare: the white ground of a card's
    portrait surrounds a head in strips, a reflection that hides print is wider.
    """

    box: tuple[float, float, float, float]
    width: int
    least_sharp: float
    most_glare: float
    card: bool = False
    thick: float = 0.0


CARD = Area((0.05, 0.05, 0.95, 0.95), 480, 0.30, 0.015, card=True, thick=0.06)
FACE = Area((0.2, 0.15, 0.8, 0.85), 240, 0.18, 0.04)
HELD = Area((0.05, 0.05, 0.95, 0.95), 480, 0.20, 0.03)
WHOLE = Area((0.0, 0.0, 1.0, 1.0), 480, 0.20, 0.08)
AREAS = {
    Kind.SNAPSHOT_FACE: FACE,
    Kind.SNAPSHOT_ID: HELD,
    Kind.SNAPSHOT_ID_FRONT: CARD,
    Kind.SNAPSHOT_ID_BACK: CARD,
    Kind.SNAPSHOT_FULL: WHOLE,
}


@dataclass(frozen=True)
class Clarity:
    """``sharpness``: how steep edges are for their height (second difference over contrast) in the sharper tiles, across or down,
    whichever is less (so a hand's shake counts too): about 0.5 to 1 sharp, 0.1 blurred, whatever is pictured and however dim.
    ``glare``: the share of the area that is blown out (see Area.thick), 0 to 1.
    """

    sharpness: float
    glare: float
    warnings: list[str]


def of_file(path: Path, kind: Kind) -> Clarity:
    """Raises OSError for what is no picture."""
    with Image.open(path, formats=("PNG",)) as picture:
        return measure(picture.convert("RGB"), AREAS[kind])


def measure(picture: Image.Image, area: Area) -> Clarity:
    """``picture``: RGB, any size."""
    part = picture.crop(_pixels(area, picture.size))
    sharpness, glare = _sharpness(_brought_to(part, area.width)), _glare(part, area.thick)
    found = [BLURRED] if sharpness < area.least_sharp else []
    return Clarity(round(sharpness, 3), round(glare, 4), [*found, *([GLARE] if glare > area.most_glare else [])])


def _pixels(area: Area, size: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(part * size[axis % 2]) for axis, part in enumerate(area.box))
    if not area.card:
        return left, top, right, bottom
    width = min(right - left, round((bottom - top) * CARD_SHAPE))
    height = round(width / CARD_SHAPE)
    x, y = (left + right - width) // 2, (top + bottom - height) // 2
    return x, y, x + width, y + height


def _brought_to(part: Image.Image, width: int) -> Array:
    """Grey, ``width`` pixels wide, the camera's grain smoothed away."""
    height = max(3, round(part.height * width / max(1, part.width)))
    how = Image.Resampling.BOX if part.width > width else Image.Resampling.BILINEAR
    grey = part.convert("L").resize((width, height), how).filter(ImageFilter.MedianFilter(3))
    return np.asarray(grey, np.float32)


def _sharpness(grey: Array) -> float:
    middle = grey[1:-1, 1:-1]
    contrast = _spread(middle)
    seen = contrast > LEAST_CONTRAST
    if seen.sum() < LEAST_TILES:
        return 0.0
    across = grey[1:-1, :-2] + grey[1:-1, 2:] - 2 * middle
    down = grey[:-2, 1:-1] + grey[2:, 1:-1] - 2 * middle
    return min(float(np.percentile(_spread(each)[seen] / contrast[seen], QUARTILE)) for each in (across, down))


def _spread(values: Array) -> Array:
    """The standard deviation of each whole tile."""
    rows, columns = values.shape[0] // TILE, values.shape[1] // TILE
    tiles = values[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE)
    spread: Array = tiles.std(axis=(1, 3))
    return spread


def _glare(part: Image.Image, thick: float) -> float:
    blocks = part.resize((max(1, part.width // BLOCK), max(1, part.height // BLOCK)), Image.Resampling.BOX)
    blown_out = np.asarray(blocks).min(axis=2) >= BLOWN_OUT
    side = round(thick * blocks.width) | 1
    squares = Image.fromarray(np.where(blown_out, 255, 0).astype(np.uint8)).filter(ImageFilter.BoxBlur(side // 2))
    wide = squares.point([255 * (level >= FILLED * 255) for level in range(256)]).filter(ImageFilter.MaxFilter(side))
    return float((blown_out & (np.asarray(wide) > 0)).mean())
