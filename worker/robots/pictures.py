"""What a simulated investor photographs: specimen cards (样例) on a table, different for every person.

``id_front`` and the like return the bytes of a JPEG as a phone would send it. ``photograph`` also says where the
corners of the card are in the upright picture, for those who measure how well they are found.
"""

import io
import math
import random
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from worker import fonts

Colour = tuple[int, int, int]
Corners = tuple[tuple[float, float], ...]
CARD = (1284, 810)  # ID-1: 85.60 mm × 53.98 mm (ISO/IEC 7810)
A4 = (1050, 1485)
INK, BLUE, RED = (28, 32, 38), (62, 100, 150), (190, 60, 60)
DARK_TABLE, LIGHT_TABLE = (84, 66, 54), (226, 233, 240)
EXIF_ORIENTATION = 0x0112
# by EXIF value: how the camera held the picture, as the turn that undoes the turn the tag asks for
HELD = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


@dataclass(frozen=True)
class Scene:
    """How the picture was taken.

    ``share``: the card's width in widths of the picture; ``tilt``: degrees clockwise; ``shift``: of the card's centre,
    in widths and heights; ``keystone``: how much the far edge is shorter; ``blur``: radius in pixels; ``orientation``:
    EXIF, one of 1, 3, 6, 8.
    """

    size: tuple[int, int] = (2000, 1500)
    share: float = 0.7
    tilt: float = 4.0
    shift: tuple[float, float] = (0.0, 0.0)
    keystone: float = 0.03
    table: Colour = DARK_TABLE
    blur: float = 0.0
    noise: float = 5.0
    orientation: int = 1
    seed: int = 1

    def but(self, **changes: object) -> "Scene":
        return replace(self, **changes)  # type: ignore[arg-type]


PLAIN = Scene()


def id_front(name: str, gender: str, nation: str, born: str, address: str, id_no: str, scene: Scene = PLAIN) -> bytes:
    """身份证正面. ``born``: ISO date."""
    return photograph(id_front_card(name, gender, nation, born, address, id_no), scene)[0]


def id_back(issuer: str, valid: str, scene: Scene = PLAIN) -> bytes:
    """身份证反面. ``valid``: as printed, ``2016.12.03-2036.12.03``."""
    return photograph(id_back_card(issuer, valid), scene)[0]


def bank_card(bank: str, number: str, scene: Scene = PLAIN) -> bytes:
    """银行卡, the side with the number."""
    return photograph(bank_card_front(bank, number), scene)[0]


def signature(name: str, scene: Scene = PLAIN) -> bytes:
    """签名照: the name written on white paper that fills the picture."""
    return photograph(signed_paper(name), scene.but(share=1.3, keystone=0.0))[0]


def score_report(name: str, points: int, day: str, scene: Scene = PLAIN) -> bytes:
    """成绩报告单, an upright sheet."""
    upright = scene.but(size=(min(scene.size), max(scene.size)), share=0.82, tilt=scene.tilt / 4)
    return photograph(score_sheet(name, points, day), upright)[0]


# --- what lies on the table


def id_front_card(name: str, gender: str, nation: str, born: str, address: str, id_no: str) -> Image.Image:
    card, draw = _blank_card((226, 236, 245))
    year, month, day = (str(int(part)) for part in born.split("-"))
    for row, (label, value) in enumerate(
        (("姓名", name), ("性别", gender), ("出生", f"{year} 年 {month} 月 {day} 日"))
    ):
        _line(draw, 90 + row * 105, label, value)
    _line(draw, 195, "民族", nation, left=380)
    _line(draw, 405, "住址", address[:14])
    draw.text((200, 465), address[14:28], font=_font(40), fill=INK)
    _line(draw, 680, "公民身份号码", id_no, gap=330, size=52)
    _portrait(draw, (905, 110, 1205, 560), random.Random(id_no))
    draw.text((1010, 590), "样 例", font=_font(40), fill=RED)
    return _rounded(card)


def id_back_card(issuer: str, valid: str) -> Image.Image:
    card, draw = _blank_card((232, 234, 240))
    for radius, width in ((95, 8), (68, 4)):
        draw.ellipse((190 - radius, 190 - radius, 190 + radius, 190 + radius), outline=RED, width=width)
    draw.ellipse((150, 150, 230, 230), fill=RED)
    draw.text((400, 130), "居 民 身 份 证", font=_font(100), fill=INK)
    draw.text((1060, 60), "样 例", font=_font(40), fill=RED)
    _line(draw, 560, "签发机关", issuer, left=330, gap=220)
    _line(draw, 650, "有效期限", valid, left=330, gap=220)
    return _rounded(card)


def bank_card_front(bank: str, number: str) -> Image.Image:
    shade = random.Random(bank)
    base = (150 + shade.randrange(40), 165 + shade.randrange(40), 195 + shade.randrange(40))
    card, draw = _blank_card(base)
    draw.text((90, 80), bank, font=_font(78), fill=INK)
    draw.text((1060, 60), "样 例", font=_font(40), fill=RED)
    draw.rounded_rectangle((110, 290, 270, 410), 18, fill=(214, 190, 120), outline=(150, 130, 80), width=4)
    for y in (325, 350, 375):
        draw.line((110, y, 270, y), fill=(150, 130, 80), width=3)
    grouped = " ".join(number[i : i + 4] for i in range(0, len(number), 4))
    draw.text((100, 480), grouped, font=_font(84), fill=INK)
    draw.text((100, 660), "借记卡 DEBIT", font=_font(48), fill=INK)
    return _rounded(card)


def signed_paper(name: str) -> Image.Image:
    """The name in wobbling strokes on paper."""
    paper = Image.new("RGB", (1600, 1200), (244, 243, 240))
    written = Image.new("L", (300 * max(2, len(name)), 420), 0)
    ImageDraw.Draw(written).text((40, 30), name, font=_font(260), fill=255)
    wobble = random.Random(name)
    written = written.rotate(wobble.uniform(-5, 5), Image.Resampling.BICUBIC)
    paper.paste((24, 28, 46), ((paper.width - written.width) // 2, 380), written)
    return paper


def score_sheet(name: str, points: int, day: str) -> Image.Image:
    sheet = Image.new("RGB", A4, (250, 250, 247))
    draw = ImageDraw.Draw(sheet)
    draw.text((150, 130), "期货投资者适当性知识测试", font=_font(60), fill=INK)
    draw.text((365, 230), "成绩报告单", font=_font(64), fill=INK)
    draw.line((110, 340, 940, 340), fill=INK, width=4)
    for row, (label, value) in enumerate(
        (("考生", name), ("成绩", f"{points} 分"), ("合格线", "80 分"), ("日期", day))
    ):
        _line(draw, 420 + row * 110, label, value, left=160, gap=220, size=48)
    for row in range(6):
        draw.text(
            (160, 920 + row * 50), f"第 {row + 1} 部分　得分 {max(0, points // 6 - row % 2)}", font=_font(30), fill=INK
        )
    draw.ellipse((640, 1080, 900, 1340), outline=RED, width=8)
    draw.text((700, 1180), "样 例", font=_font(56), fill=RED)
    return sheet


def _blank_card(base: Colour) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    card = Image.new("RGB", CARD, base)
    draw = ImageDraw.Draw(card)
    for wave in range(9):
        points = [(x, 300 + wave * 34 + 60 * math.sin(x / 190 + wave / 3)) for x in range(0, CARD[0], 12)]
        draw.line(points, fill=tuple(max(0, c - 14) for c in base), width=3)
    return card, draw


def _line(
    draw: ImageDraw.ImageDraw, y: int, label: str, value: str, *, left: int = 80, gap: int = 120, size: int = 40
) -> None:
    draw.text((left, y + (size - 36) // 2), label, font=_font(36), fill=BLUE)
    draw.text((left + gap, y), value, font=_font(size), fill=INK)


def _portrait(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], chance: random.Random) -> None:
    left, top, right, bottom = box
    middle, width = (left + right) // 2, right - left
    hair = (30 + chance.randrange(30), 26 + chance.randrange(20), 24)
    draw.rectangle(box, fill=(248, 249, 250))
    draw.ellipse((middle - width * 0.36, top + 40, middle + width * 0.36, top + 330), fill=hair)
    draw.ellipse((middle - width * 0.27, top + 80, middle + width * 0.27, top + 320), fill=(226, 186, 158))
    for side in (-1, 1):
        draw.ellipse((middle + side * 42 - 10, top + 180, middle + side * 42 + 10, top + 200), fill=(30, 30, 30))
    draw.arc((middle - 34, top + 210, middle + 34, top + 270), 20, 160, fill=(150, 70, 70), width=6)
    coat = (40 + chance.randrange(60), 60 + chance.randrange(60), 80 + chance.randrange(60))
    draw.pieslice((left + 10, bottom - 130, right - 10, bottom + 160), 180, 360, fill=coat)


def _rounded(card: Image.Image) -> Image.Image:
    mask = Image.new("L", card.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, card.width - 1, card.height - 1), 42, fill=255)
    card.putalpha(mask)
    return card


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    path = fonts.chinese()  # without one the cards carry boxes, and everything else still works
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


# --- the camera


def photograph(card: Image.Image, scene: Scene = PLAIN) -> tuple[bytes, Corners]:
    """The picture as JPEG, and the card's corners in it when upright: from the top left clockwise, in pixels."""
    corners = _corners(card, scene)
    picture = _table(scene)
    lying, mask = _laid_down(card, corners, scene.size)
    picture.paste((0, 0, 0), mask=_shadow(mask))
    picture.paste(lying, mask=mask)
    picture = picture.filter(ImageFilter.GaussianBlur(scene.blur) if scene.blur else ImageFilter.BoxBlur(0.5))
    return _jpeg(_noisy(picture, scene), scene.orientation), corners


def _corners(card: Image.Image, scene: Scene) -> Corners:
    width, height = scene.size
    half = scene.share * width / 2
    tall = half * card.height / card.width
    near = 1 - scene.keystone
    square = ((-half * near, -tall), (half * near, -tall), (half, tall), (-half, tall))
    turn = math.radians(scene.tilt)
    middle = (width * (0.5 + scene.shift[0]), height * (0.5 + scene.shift[1]))
    return tuple(
        (
            middle[0] + x * math.cos(turn) - y * math.sin(turn),
            middle[1] + x * math.sin(turn) + y * math.cos(turn),
        )
        for x, y in square
    )


def _shadow(mask: Image.Image) -> Image.Image:
    """What the card throws: soft, a little to the right and below."""
    small = (mask.width // 8, mask.height // 8)
    shadow = Image.new("L", small, 0)
    shadow.paste(110, (small[0] // 170, small[1] // 100), mask.resize(small, Image.Resampling.BOX))
    return shadow.filter(ImageFilter.GaussianBlur(small[0] * 0.006)).resize(mask.size, Image.Resampling.BICUBIC)


def _table(scene: Scene) -> Image.Image:
    """A table top: grain along it, light from one side."""
    width, height = scene.size[0] // 4, scene.size[1] // 4
    chance = np.random.default_rng(scene.seed)
    strength = 0.10 if sum(scene.table) < 450 else 0.01
    grain = np.cumsum(chance.normal(0, 1, height))
    rows = ((grain - grain.mean()) / (np.abs(grain).max() + 1e-6) * strength)[:, None]
    light = np.linspace(-0.08, 0.08, width)[None, :] * (1 if strength > 0.05 else 0.2)
    shade = 1 + rows + light
    top = Image.fromarray((shade[..., None] * np.array(scene.table)).clip(0, 255).astype(np.uint8))
    return top.resize(scene.size, Image.Resampling.BICUBIC)


def _laid_down(card: Image.Image, corners: Corners, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    flat = ((0.0, 0.0), (float(card.width), 0.0), (float(card.width), float(card.height)), (0.0, float(card.height)))
    lying = card.convert("RGBA").transform(
        size, Image.Transform.PERSPECTIVE, _homography(corners, flat), Image.Resampling.BICUBIC
    )
    return lying.convert("RGB"), lying.getchannel("A")


def _homography(source: Corners, target: Corners) -> list[float]:
    """The eight numbers that take each point of ``source`` to its point of ``target``."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return [float(number) for number in np.linalg.solve(np.array(rows), np.array(values))]


def _noisy(picture: Image.Image, scene: Scene) -> Image.Image:
    """The sensor's grain: one patch of it, laid out like tiles."""
    patch = np.random.default_rng(scene.seed).normal(0, scene.noise, (500, 500, 1)).round().astype(np.int16)
    tiles = np.tile(patch, (-(-picture.height // 500), -(-picture.width // 500), 1))[: picture.height, : picture.width]
    grainy = np.asarray(picture, np.int16) + tiles
    return Image.fromarray(np.clip(grainy, 0, 255, out=grainy).astype(np.uint8))


def _jpeg(picture: Image.Image, orientation: int) -> bytes:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    exif[0x010F] = "Robot"  # Make
    held = picture.transpose(HELD[orientation]) if orientation in HELD else picture
    held.save(out, "JPEG", quality=88, exif=exif)
    return out.getvalue()
