"""Corners of synthetic cards are found, and how well, and how fast."""

import time

import numpy as np
import pytest
from PIL import Image

from console.evidence.corners import find_corners
from tests import pictures
from worker.robots.pictures import (
    DARK_TABLE,
    PLAIN,
    Scene,
    bank_card_front,
    id_back_card,
    id_front_card,
    photograph,
)

CARDS = {
    "id_front": id_front_card(*pictures.PERSON),
    "id_back": id_back_card("杭州市公安局滨江分局", "2016.12.03-2036.12.03"),
    "bank_card": bank_card_front("中国工商银行", "6222020000000001234"),
}
SIZE = (1400, 1050)
SCENES = {
    "slightly turned": PLAIN,
    "off the middle, blue table": Scene(tilt=-12, share=0.6, keystone=0.05, shift=(0.05, 0.03), table=(40, 60, 80)),
    "turned by 25 degrees, green table": Scene(tilt=25, share=0.55, table=(60, 90, 60)),
    "filling the picture, black table": Scene(tilt=0, share=0.85, keystone=0.06, table=(20, 20, 20)),
    "on its side": Scene(tilt=88, share=0.5),
    "upside down": Scene(tilt=178, share=0.6),
    "far away": Scene(share=0.3, shift=(0.1, 0.1)),
    "nearly cut, light wood": Scene(share=0.9, table=(150, 110, 80)),
    "grey table": Scene(table=(150, 150, 145)),
    "grainy": Scene(noise=14),
}


def upright(jpeg: bytes) -> Image.Image:
    return pictures.opened(jpeg).convert("RGB")


def error(found: np.ndarray, true: np.ndarray) -> float:
    """The worst corner's distance in pixels, whichever corner is named first."""
    return min(float(np.linalg.norm(np.roll(found, turn, axis=0) - true, axis=1).max()) for turn in range(4))


@pytest.mark.parametrize(
    ("card", "scene"),
    [("id_front", scene) for scene in SCENES] + [(card, "slightly turned") for card in ("id_back", "bank_card")],
)
def test_corners_are_found_within_six_pixels_of_two_thousand(card, scene):
    jpeg, corners = photograph(CARDS[card], SCENES[scene].but(size=SIZE))
    quad = find_corners(upright(jpeg))
    assert quad is not None
    assert error(quad.corners, np.array(corners)) <= 6.0 * SIZE[0] / 2000


def test_finding_corners_is_quick():
    picture = upright(pictures.id_front())
    spent = []
    for _ in range(5):
        started = time.thread_time()
        find_corners(picture)
        spent.append(time.thread_time() - started)
    assert min(spent) < 0.3  # about 0.1 s of one core


def test_a_bare_table_has_no_corners():
    nothing = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    jpeg, _ = photograph(nothing, Scene(size=SIZE, table=DARK_TABLE))
    quad = find_corners(upright(jpeg))
    assert quad is None or quad.straight < 0.5


def test_a_plain_colour_has_no_corners():
    quad = find_corners(Image.new("RGB", (1200, 900), (128, 128, 128)))
    assert quad is None or quad.straight < 0.5
