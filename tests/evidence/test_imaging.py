"""From photograph to document: upright, cut out, clean of metadata; or refused with the right reason (P4, TRUST 11)."""

from functools import cache

import numpy as np
import pytest
from PIL import Image

from console.evidence.heads import Unusable
from console.evidence.imaging import CARD_SHAPE, prepare
from tests import pictures
from tests.evidence.hostile import REFUSED_AT_THE_DOOR
from worker.robots.pictures import LIGHT_TABLE, Scene

fifty_megapixels = REFUSED_AT_THE_DOOR["PNG of 50 megapixels"].build
PHONE = Scene(size=(1000, 750))  # smaller than phones make them: what is asked here does not depend on it
straight = cache(lambda kind: prepare(CARDS[kind](), kind))
CARDS = {"id_front": pictures.id_front, "id_back": pictures.id_back, "bank_card": pictures.bank_card}


def grey(jpeg: bytes, size: tuple[int, int] = (64, 40)) -> np.ndarray:
    return np.asarray(pictures.opened(jpeg).convert("L").resize(size, Image.Resampling.BOX), float)


def likeness(one: bytes, other: bytes) -> float:
    """1 for the same picture, whatever the light; about 0 for another one, or the same upside down."""
    return float(np.corrcoef(grey(one).ravel(), grey(other).ravel())[0, 1])


@pytest.mark.parametrize("kind", CARDS)
def test_a_card_is_cut_out_in_the_shape_of_cards(kind):
    made = straight(kind)
    assert made.warnings == []
    assert made.cropped.width / made.cropped.height == pytest.approx(CARD_SHAPE, rel=0.01)
    assert made.crop_box is not None and len(made.crop_box) == 4
    assert made.tilt == pytest.approx(4.0, abs=0.5)
    assert made.sharpness > 0.5


@pytest.mark.parametrize(("orientation", "degrees"), [(3, 180), (6, 90), (8, 270)])
def test_a_phone_held_any_way_gives_the_same_upright_card(orientation, degrees):
    turned = prepare(pictures.id_front(PHONE.but(orientation=orientation)), "id_front")
    assert turned.rotated == degrees
    assert (turned.upright.width, turned.upright.height) == PHONE.size
    assert likeness(turned.cropped.jpeg, straight("id_front").cropped.jpeg) > 0.98
    assert likeness(turned.upright.jpeg, straight("id_front").upright.jpeg) > 0.98


@pytest.mark.parametrize("kind", ["id_front", "id_back"])
@pytest.mark.parametrize(("tilt", "degrees"), [(184, 180), (94, 270), (-86, 90)])
def test_an_id_card_lying_any_way_is_read_the_right_way_up(kind, tilt, degrees):
    lying = prepare(CARDS[kind](PHONE.but(tilt=tilt, share=0.56)), kind)
    assert lying.rotated == degrees
    assert abs(lying.tilt) < 10
    assert likeness(lying.cropped.jpeg, straight(kind).cropped.jpeg) > 0.95


def test_a_card_over_the_edge_of_the_picture_is_warned_of():
    assert prepare(pictures.id_front(PHONE.but(shift=(0.2, 0))), "id_front").warnings == ["over_crop"]


@pytest.mark.parametrize("kind", CARDS)
def test_a_card_on_a_table_of_its_own_colour_is_warned_of_and_nothing_is_lost(kind):
    made = prepare(CARDS[kind](PHONE.but(table=LIGHT_TABLE)), kind)
    assert "low_contrast" in made.warnings
    assert made.crop_box is None or made.cropped.width > 0.65 * PHONE.size[0]


def test_a_signature_is_trimmed_to_the_writing():
    made = prepare(pictures.signature(PHONE), "signature")
    edge = grey(made.cropped.jpeg)
    assert made.cropped.width < 0.9 * PHONE.size[0] and made.cropped.height < 0.7 * PHONE.size[1]
    assert edge[0].min() > 180 and edge[-1].min() > 180, "the writing is not cut"
    assert edge.min() < 120, "and it is there"


def test_a_score_report_is_left_whole():
    made = prepare(pictures.score_report(PHONE), "score_report")
    assert (made.cropped.height, made.cropped.width) == PHONE.size
    assert made.crop_box is None


@pytest.mark.parametrize(
    ("format", "options"),
    [("PNG", {"compress_level": 1}), ("WEBP", {"method": 0}), ("HEIF", {"enc_params": {"preset": "ultrafast"}})],
)
def test_other_formats_of_phones_and_screens_are_taken(format, options):
    made = prepare(pictures.encoded(pictures.id_front(PHONE), format, **options), "id_front")
    assert made.warnings == []
    assert likeness(made.cropped.jpeg, straight("id_front").cropped.jpeg) > 0.98


def test_nothing_but_pixels_comes_out():
    marked = pictures.id_front(PHONE.but(orientation=6))
    assert b"Robot" in marked, "the camera's name is in what was uploaded"
    made = prepare(marked, "id_front")
    for picture in (made.upright, made.cropped, made.thumb):
        assert pictures.opened(picture.jpeg).format == "JPEG"
        assert not pictures.opened(picture.jpeg).getexif()
        assert b"Robot" not in picture.jpeg and b"Exif" not in picture.jpeg


def test_the_thumbnail_is_small():
    thumb = straight("id_front").thumb
    assert max(thumb.width, thumb.height) == 320
    assert len(thumb.jpeg) < 40_000


@pytest.mark.parametrize(
    ("what", "image", "problem"),
    [
        ("a text file renamed", pictures.text_file_called_jpg, "unreadable"),
        ("no bytes at all", bytes, "empty"),
        ("half of a file", pictures.truncated, "truncated"),
        ("fifty megapixels", fifty_megapixels, "too_large"),
        ("a thumbnail", lambda: pictures.png(200, 150), "too_small"),
        ("a plain colour", lambda: pictures.png(1000, 700), "blurred"),
        ("a PDF", lambda: b"%PDF-1.7\n" + b"x" * 4000, "unreadable"),
        ("a GIF", lambda: pictures.encoded(pictures.png(800, 600), "GIF"), "unreadable"),
        ("an SVG", lambda: b"<svg xmlns='http://www.w3.org/2000/svg' width='900' height='900'/>", "unreadable"),
    ],
)
@pytest.mark.parametrize("kind", ["id_front", "signature"])
def test_what_is_not_a_usable_photo_is_refused_with_its_reason(what, image, problem, kind):
    with pytest.raises(Unusable) as refused:
        prepare(image(), kind)
    assert refused.value.problem == problem, what


@pytest.mark.parametrize("kind", [*CARDS, "score_report"])
def test_a_blurred_photo_is_refused(kind):
    photo = CARDS.get(kind, pictures.score_report)(Scene(blur=9))
    with pytest.raises(Unusable) as refused:
        prepare(photo, kind)
    assert refused.value.problem == "blurred"


def test_a_card_too_far_away_to_read_is_refused():
    with pytest.raises(Unusable) as refused:
        prepare(pictures.id_front(PHONE.but(share=0.3)), "id_front")
    assert refused.value.problem == "too_small"


def test_a_slightly_soft_card_passes():
    assert prepare(pictures.id_front(PHONE.but(blur=1)), "id_front").sharpness < 0.9
