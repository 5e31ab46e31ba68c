"""What a robot shows to its camera."""

from PIL import Image

from worker.robots.face import CARD_SECONDS, Portrait

FRONT, BACK = (Image.new("RGBA", (856, 540), colour) for colour in ((250, 0, 0, 255), (0, 0, 250, 255)))
MIDDLE = (320, 400)


def seen(portrait: Portrait, seconds: float) -> tuple[int, ...]:
    return portrait.at(seconds).getpixel(MIDDLE)  # type: ignore[return-value]


def test_cards_are_held_below_the_face_one_side_after_the_other_while_they_are_asked_for() -> None:
    portrait = Portrait(640, 480, (60, 110, 200), "robot", [FRONT, BACK])
    assert seen(portrait, 0) not in ((250, 0, 0), (0, 0, 250))
    portrait.holding = True
    assert [seen(portrait, CARD_SECONDS * turn) for turn in range(3)] == [(250, 0, 0), (0, 0, 250), (250, 0, 0)]
    assert portrait.at(1).getpixel((320, 150)) != portrait.at(1).getpixel(MIDDLE), "the face stays to be seen"
    portrait.holding = False
    assert seen(portrait, 0) not in ((250, 0, 0), (0, 0, 250))
