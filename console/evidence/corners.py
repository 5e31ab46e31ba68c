"""Find the four corners of a card or sheet that lies on a table, with numpy and Pillow alone.

1. The table is what the rim of the picture shows: a plane of colour is fitted to it, ignoring what does not fit (the
   card may touch the rim).
2. What differs from the table, in one piece, is the card; its hull lies in the smallest rectangle.
3. Along each side of that rectangle the steepest step of colour is looked for at a finer resolution; a line through the
   steps is a side, and where two sides meet is a corner.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Places = NDArray[np.signedinteger[Any]]
COARSE, FINE = 480, 1600  # longest side in pixels at which the card is looked for, and at which its sides are
RIM = 0.025  # of the longest side
LEAST_SHARE = 0.012  # of the picture's area that a document covers
PIECES = 6  # that differ from the table are looked at, the thickest first
SIDE_SAMPLES = 96
REACH = 0.02  # how far from the coarse side the fine one is looked for, of the longest side
FRAME = 0.012  # of the longest side: a side this near to the picture's frame is the frame's
CORNER_ROOM = 0.12  # of a side that is left out at each end: cards have round corners


@dataclass(frozen=True)
class Quad:
    """``corners``: (x, y) in pixels of the picture, clockwise from the top left; they may lie outside of it.

    ``contrast``: how much the faintest side stands out from the table, 0 to 255. ``straight``: the share of places
    looked at where a side was found on its line, for the worst side. The picture's own frame counts in neither.
    """

    corners: Array
    contrast: float
    straight: float

    @property
    def width(self) -> float:
        a, b, c, d = self.corners
        return float(np.linalg.norm(b - a) + np.linalg.norm(c - d)) / 2

    @property
    def height(self) -> float:
        a, b, c, d = self.corners
        return float(np.linalg.norm(d - a) + np.linalg.norm(c - b)) / 2

    @property
    def tilt(self) -> float:
        """Degrees clockwise of the upper side."""
        across = self.corners[1] - self.corners[0]
        return float(np.degrees(np.arctan2(across[1], across[0])))

    def quarter_turned(self) -> "Quad":
        """The same document read from its right-hand side: what was the right side is on top."""
        return Quad(np.roll(self.corners, -1, axis=0), self.contrast, self.straight)


def find_corners(picture: Image.Image) -> Quad | None:
    """The document in an RGB picture, or None when there is none to be told from what it lies on."""
    coarse = _pixels(picture, COARSE)
    table = _fit_table(coarse)
    y, x = np.mgrid[: coarse.shape[0], : coarse.shape[1]]
    blob = _document(_difference(coarse, table, x, y))
    if blob is None:
        return None
    rectangle = _smallest_rectangle(_hull(_outline(blob)))
    fine = _pixels(picture, FINE)
    sides = _sides(fine, table, rectangle * (fine.shape[1] / coarse.shape[1]))
    if sides is None:
        return None
    corners, contrast, straight = sides
    return Quad(_from_top_left(corners) * (picture.width / fine.shape[1]), contrast, straight)


def homography(source: Array, target: Array) -> list[float]:
    """The eight numbers of the projection that takes each of four points of ``source`` to its point of ``target``."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return [float(number) for number in np.linalg.solve(np.array(rows, float), np.array(values, float))]


# --- the table


def _pixels(picture: Image.Image, longest: int) -> Pixels:
    scale = min(1.0, longest / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    small = picture.resize(size, Image.Resampling.BOX).filter(ImageFilter.BoxBlur(1))
    return np.asarray(small)


def _places(x: Places, y: Places, shape: tuple[int, ...]) -> Array:
    """1, x and y of pixels, x and y from -1 to 1: a plane's coordinates, at every resolution the same."""
    height, width = shape[:2]
    return np.stack([np.ones(x.shape), x * (2 / (width - 1)) - 1, y * (2 / (height - 1)) - 1], axis=-1)


def _fit_table(pixels: Pixels) -> Array:
    """A plane of colour (3 × 3) through the rim."""
    band = max(2, round(RIM * max(pixels.shape)))
    rim = np.ones(pixels.shape[:2], bool)
    rim[band:-band, band:-band] = False
    y, x = np.nonzero(rim)
    colours, places = pixels[rim].astype(float), _places(x, y, pixels.shape)
    kept = np.linalg.norm(colours - np.median(colours, axis=0), axis=1)
    inside = kept <= np.median(kept) * 2.5 + 3
    for _ in range(4):
        plane, *_ = np.linalg.lstsq(places[inside], colours[inside], rcond=None)
        off = np.linalg.norm(colours - places @ plane, axis=1)
        inside = off <= np.median(off[inside]) * 3 + 3
    return np.asarray(plane)


def _difference(pixels: Pixels, table: Array, x: Places, y: Places) -> Array:
    """How far the pixels at (x, y) are from the table's colour there, 0 to 255."""
    off = pixels[y, x] - _places(x, y, pixels.shape) @ table
    return np.asarray(np.sqrt((off**2).sum(axis=-1) / 3))


# --- the document


def _document(difference: Array) -> NDArray[np.bool_] | None:
    mask = difference > _threshold(difference)
    cleaned = (
        Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.MinFilter(3)).filter(ImageFilter.MaxFilter(3))
    )
    left = np.asarray(cleaned) > 0
    dense = np.asarray(cleaned.filter(ImageFilter.BoxBlur(8)))
    least = LEAST_SHARE * left.size
    best: NDArray[np.bool_] | None = None
    for _ in range(PIECES):
        if left.sum() < max(least, 0 if best is None else best.sum()):
            break
        piece = _grown(left, np.unravel_index(np.argmax(np.where(left, dense, 0)), left.shape))
        if piece.sum() >= least and (best is None or piece.sum() > best.sum()):
            best = piece
        left = left & ~piece
    return best


def _threshold(values: Array) -> float:
    """Where the values fall into two heaps (Otsu, 1979)."""
    counts, edges = np.histogram(values, 256, (0, max(1.0, float(np.percentile(values, 99.8)))))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(centres[np.nanargmax(np.nan_to_num(between, nan=-1.0))])


def _grown(mask: NDArray[np.bool_], seed: tuple[np.intp, ...]) -> NDArray[np.bool_]:
    """The piece of ``mask`` that ``seed`` belongs to: whole runs of rows, then of columns, until nothing is added."""
    piece = np.zeros_like(mask)
    piece[seed] = True
    rows, columns = _run_numbers(mask), _run_numbers(mask.T).T
    size = 0
    while size != (size := int(piece.sum())):
        for runs in (rows, columns):
            touched = np.zeros(runs.max() + 1, bool)
            touched[runs[piece]] = True
            touched[0] = False
            piece = touched[runs]
    return piece


def _run_numbers(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Each horizontal run of ``mask`` numbered from 1; 0 elsewhere."""
    starts = mask.copy()
    starts[:, 1:] &= ~mask[:, :-1]
    return np.where(mask, np.cumsum(starts.ravel()).reshape(mask.shape), 0)


def _outline(blob: NDArray[np.bool_]) -> Array:
    """The first and last pixel of every row."""
    rows = np.flatnonzero(blob.any(axis=1))
    first = blob[rows].argmax(axis=1)
    last = blob.shape[1] - 1 - blob[rows][:, ::-1].argmax(axis=1)
    return np.concatenate([np.stack([first, rows], axis=1), np.stack([last, rows], axis=1)]).astype(float)


def _hull(points: Array) -> Array:
    """The convex hull (Andrew's monotone chain)."""
    ordered = sorted({(float(x), float(y)) for x, y in points})

    def half(sequence: list[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for point in sequence:
            while len(chain) >= 2 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        return chain[:-1]

    return np.array(half(ordered) + half(ordered[::-1]))


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _smallest_rectangle(hull: Array) -> Array:
    """The four corners of the rectangle of least area around a hull: one of its sides lies along one of the hull's."""
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.unique(np.mod(np.arctan2(edges[:, 1], edges[:, 0]), np.pi / 2))
    along = np.stack([np.cos(angles), np.sin(angles)])
    across = np.stack([-np.sin(angles), np.cos(angles)])
    u, v = hull @ along, hull @ across
    best = int(np.argmin((u.max(0) - u.min(0)) * (v.max(0) - v.min(0))))
    a, b = along[:, best], across[:, best]
    ends = ((u.min(0), v.min(0)), (u.max(0), v.min(0)), (u.max(0), v.max(0)), (u.min(0), v.max(0)))
    return np.array([p[best] * a + q[best] * b for p, q in ends])


# --- its sides


def _sides(pixels: Pixels, table: Array, rectangle: Array) -> tuple[Array, float, float] | None:
    """The corners where the four lines meet, the contrast and straightness of the poorer sides."""
    reach = max(3, round(REACH * max(pixels.shape)))
    lines, steps, straight = [], [], []
    for start, end in zip(rectangle, np.roll(rectangle, -1, axis=0), strict=True):
        found, step = _edge_points(pixels, table, start, end, reach)
        if len(found) < SIDE_SAMPLES // 4:  # most of this side is outside the picture
            lines.append((start, (end - start) / np.linalg.norm(end - start)))
            continue
        point, direction, on_line = _line_through(found)
        lines.append((point, direction))
        if not _along_the_frame(found, pixels.shape):
            steps.append(step)
            straight.append(on_line)
    if len(steps) < 2:
        return None
    corners = []
    for (p, d), (q, e) in zip([lines[-1], *lines[:-1]], lines, strict=True):
        if abs(d[0] * e[1] - d[1] * e[0]) < 0.2:
            return None
        along = np.linalg.solve(np.stack([d, -e], axis=1), q - p)[0]
        corners.append(p + along * d)
    return np.array(corners), float(min(steps)), float(min(straight))


def _edge_points(pixels: Pixels, table: Array, start: Array, end: Array, reach: int) -> tuple[Array, float]:
    """Where the difference steps up most steeply on the way in, at places along one side; and the median step."""
    height, width = pixels.shape[:2]
    direction = (end - start) / np.linalg.norm(end - start)
    inward = np.array([-direction[1], direction[0]])  # the rectangle runs clockwise as seen, so this points inside
    along = np.linspace(CORNER_ROOM, 1 - CORNER_ROOM, SIDE_SAMPLES)[:, None] * (end - start) + start
    offsets = np.arange(-reach, reach + 1)
    places = along[:, None, :] + offsets[None, :, None] * inward
    x, y = np.rint(places[..., 0]).astype(int), np.rint(places[..., 1]).astype(int)
    seen = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    values = _difference(pixels, table, x.clip(0, width - 1), y.clip(0, height - 1))
    span = 3
    rise = values[:, span:] - values[:, :-span]
    rise[~(seen[:, span:] & seen[:, :-span])] = -np.inf
    best = rise.argmax(axis=1)
    steps = rise[np.arange(len(rise)), best]
    good = np.isfinite(steps)
    if not good.any():
        return np.empty((0, 2)), 0.0
    at = offsets[best[good]] + span / 2
    return along[good] + at[:, None] * inward, float(np.median(steps[good]))


def _along_the_frame(points: Array, shape: tuple[int, ...]) -> bool:
    room = np.concatenate([points, np.array([shape[1] - 1, shape[0] - 1]) - points], axis=1)
    return bool(np.median(room, axis=0).min() < FRAME * max(shape))


def _line_through(points: Array) -> tuple[Array, Array, float]:
    """A point, the direction, and the share of points on the line; stray points lose their say."""
    weights = np.ones(len(points))
    middle, direction = points[0], np.zeros(2)
    for _ in range(8):
        middle = np.average(points, axis=0, weights=weights)
        centred = (points - middle) * np.sqrt(weights)[:, None]
        direction = np.linalg.svd(centred, full_matrices=False)[2][0]
        off = np.abs((points - middle) @ np.array([-direction[1], direction[0]]))
        scale = max(1.0, 2.0 * float(np.median(off)))
        weights = 1 / (1 + (off / scale) ** 4)
    return middle, direction, float((off <= 3.0).mean())


def _from_top_left(corners: Array) -> Array:
    """Clockwise as seen, beginning with the one nearest the top left."""
    middle = corners.mean(axis=0)
    angles = np.arctan2(corners[:, 1] - middle[1], corners[:, 0] - middle[0])
    ordered = corners[np.argsort(angles)]
    return np.roll(ordered, -int(np.argmin(ordered.sum(axis=1))), axis=0)
