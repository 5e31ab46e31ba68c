import io
from collections.abc import Callable

import pytest
from PIL import Image

from console.cases.models import CaseEvent
from console.cases.trail import Happening
from console.config import Settings
from console.db import reading, transaction
from console.evidence import service as evidence
from console.evidence.models import Evidence, Kind, State, Variant
from tests.world import given_case, stamp

VIDEO = bytes(range(256)) * 1000  # over three chunks of the store


def photograph(colour: str = "red") -> bytes:
    """A JPEG with the EXIF of a phone: where it was taken, and lying on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn right
    exif[0x010F] = "SECRETPHONE"
    exif.get_ifd(0x8825)[1] = "N"
    out = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(out, "JPEG", exif=exif)
    return out.getvalue()


@pytest.fixture
def keep(world: Settings) -> Callable[..., str]:
    """Keep evidence of 周晚晴's case; its public id."""

    def kept(kind: Kind, body: bytes, media_type: str, **more: object) -> str:
        with transaction() as session:
            case = given_case(session)
            if isinstance(of := more.pop("of", None), str):
                more["of"] = session.query(Evidence).filter_by(public_id=of).one()
            return evidence.keep(
                session, case, kind, io.BytesIO(body), stamp(), media_type=media_type, **more
            ).public_id

    return kept


@pytest.fixture
def video(keep) -> str:
    return keep(Kind.RECORDING, VIDEO, "video/webm")


def test_a_recording_is_served_whole_with_its_type_and_no_sniffing(as_staff, video):
    answer = as_staff("qinlang").get(f"/evidence/{video}")
    assert (answer.status_code, answer.data, answer.content_type) == (200, VIDEO, "video/webm")
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("inline")


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=65535-65536", 65535, 65537),
        ("bytes=100000-", 100000, len(VIDEO)),
        ("bytes=-10", len(VIDEO) - 10, len(VIDEO)),
        ("bytes=10-99999999", 10, len(VIDEO)),
    ],
)
def test_a_player_gets_the_part_it_asks_for(as_staff, video, asked, start, stop):
    answer = as_staff("qinlang").get(f"/evidence/{video}", headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(VIDEO)}"
    assert answer.data == VIDEO[start:stop]
    assert int(answer.headers["Content-Length"]) == stop - start


def test_a_part_beyond_the_end_is_416(as_staff, video):
    answer = as_staff("qinlang").get(f"/evidence/{video}", headers={"Range": f"bytes={len(VIDEO)}-"})
    assert answer.status_code == 416


def test_several_parts_or_nonsense_get_the_whole(as_staff, video):
    for asked in ("bytes=0-1,5-6", "lines=1-2", "bytes=x"):
        answer = as_staff("qinlang").get(f"/evidence/{video}", headers={"Range": asked})
        assert (answer.status_code, len(answer.data)) == (200, len(VIDEO)), asked


def test_an_original_is_served_upright_and_without_what_the_phone_wrote(as_staff, keep):
    photo = keep(Kind.ID_FRONT, photograph(), "image/jpeg")
    answer = as_staff("qinlang").get(f"/evidence/{photo}?variant=original")
    assert (answer.status_code, answer.content_type) == (200, "image/jpeg")
    assert b"SECRETPHONE" not in answer.data and b"Exif" not in answer.data
    shown = Image.open(io.BytesIO(answer.data))
    assert (shown.size, dict(shown.getexif())) == ((40, 60), {})


def test_the_original_kept_as_evidence_stays_as_it_was_uploaded(as_staff, keep):
    body = photograph()
    photo = keep(Kind.ID_FRONT, body, "image/jpeg")
    as_staff("qinlang").get(f"/evidence/{photo}?variant=original")
    with reading() as session:
        assert evidence.clear_bytes(session.query(Evidence).filter_by(public_id=photo).one()) == body


def test_people_look_at_the_crop_when_there_is_one(as_staff, keep):
    photo = keep(Kind.ID_FRONT, photograph(), "image/jpeg")
    keep(Kind.ID_FRONT, b"cropped", "image/jpeg", variant=Variant.CROPPED, of=photo)
    keep(Kind.ID_FRONT, b"thumb", "image/jpeg", variant=Variant.THUMB, of=photo)
    client = as_staff("qinlang")
    assert client.get(f"/evidence/{photo}").data == b"cropped"
    assert client.get(f"/evidence/{photo}?variant=thumb").data == b"thumb"
    assert client.get(f"/evidence/{photo}?variant=invented").status_code == 404


def test_an_investor_sees_the_own_photo_but_neither_the_original_nor_a_recording(as_investor, keep, video):
    photo = keep(Kind.ID_FRONT, photograph(), "image/jpeg")
    keep(Kind.ID_FRONT, b"cropped", "image/jpeg", variant=Variant.CROPPED, of=photo)
    client = as_investor("周晚晴")
    assert client.get(f"/evidence/{photo}").data == b"cropped"
    assert client.get(f"/evidence/{photo}?variant=original").status_code == 404
    assert client.get(f"/evidence/{video}").status_code == 404


def test_nobody_elses_file_is_there(app, as_staff, as_investor, keep):
    photo = keep(Kind.ID_FRONT, photograph(), "image/jpeg")
    bodies = set()
    for client in (app.test_client(), as_investor("许砚青"), as_staff("hzreview")):
        answer = client.get(f"/evidence/{photo}", headers={"Accept": "application/json"})
        bodies.add((answer.status_code, answer.data))
    invented = as_staff("hzreview").get("/evidence/" + "0" * 32, headers={"Accept": "application/json"})
    assert bodies == {(404, invented.data)}


def test_a_photo_still_being_looked_at_is_not_served(as_staff, keep):
    photo = keep(Kind.ID_FRONT, b"not yet known to be a picture", "image/jpeg", state=State.PROCESSING)
    assert as_staff("qinlang").get(f"/evidence/{photo}").status_code == 404


def test_a_file_that_was_altered_is_said_to_be_damaged(as_staff, keep, world):
    snapshot = keep(Kind.SNAPSHOT_FACE, VIDEO, "image/png", variant=Variant.CROPPED)
    with reading() as session:
        path = world.evidence_dir / session.query(Evidence).filter_by(public_id=snapshot).one().path
    body = bytearray(path.read_bytes())
    body[100] ^= 1
    path.write_bytes(body)
    answer = as_staff("qinlang").get(f"/evidence/{snapshot}", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json["code"]) == (500, "evidence_damaged")


def test_staff_who_see_a_whole_card_outside_of_their_call_stand_in_the_trail_once(as_staff, as_investor, keep) -> None:
    card = keep(Kind.ID_FRONT, photograph(), "image/jpeg")
    keep(Kind.ID_FRONT, photograph("blue"), "image/jpeg", of=card, variant=Variant.THUMB)

    def looks() -> list[dict[str, str]]:
        with reading() as session:
            return [e.detail for e in session.query(CaseEvent).filter_by(action=Happening.DATA_REVEALED)]

    qinlang = as_staff("qinlang")
    assert qinlang.get(f"/evidence/{card}?variant=thumb").status_code == 200
    assert as_investor("周晚晴").get(f"/evidence/{card}").status_code == 200
    assert looks() == []
    for _ in range(2):
        assert qinlang.get(f"/evidence/{card}").status_code == 200
    assert looks() == [{"field": "photo:id_front", "evidence": card, "why": "核对证件照片"}]
    as_staff("fangyi").get(f"/evidence/{card}")
    assert len(looks()) == 2
