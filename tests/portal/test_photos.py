"""P4: three photos and the undertaking; what is no photo is refused with a reason and leaves nothing behind."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from console import db
from console.agreements.models import Purpose
from console.cases.models import Status
from console.cases.service import abandon
from console.config import Settings
from console.evidence.models import Evidence, Kind, State, Variant
from tests import pictures
from tests.portal import ways
from tests.portal.ways import CHANGE

FRONT = "photos/id_front"


@pytest.fixture
def case_no(app) -> str:
    return ways.case_of("周晚晴", CHANGE)


@pytest.fixture
def investor(case_no: str, as_investor) -> FlaskClient:
    return as_investor("周晚晴")


def kept() -> list[Evidence]:
    with db.reading() as session:
        return list(session.scalars(select(Evidence).order_by(Evidence.id)))


def sealed_files(settings: Settings) -> list[Path]:
    return list(settings.evidence_dir.rglob("*.wde")) + list(settings.evidence_dir.rglob("*.partial"))


def test_a_photo_is_kept_and_waits_for_its_job(investor: FlaskClient, case_no: str) -> None:
    answer = ways.upload(investor, f"/case/{case_no}/{FRONT}")
    assert answer.status_code == 201
    (photo,) = kept()
    assert answer.get_json() == {"id": photo.public_id, "state": "processing"}
    assert (photo.state, photo.media_type, photo.kind) == (State.PROCESSING, "image/jpeg", Kind.ID_FRONT)
    assert ways.look(case_no).events[-1].detail["sha256"] == photo.sha256


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (pictures.text_file_called_jpg, "unreadable"),
        (lambda: b"", "empty"),
        (pictures.fifty_megapixels, "too_large"),
        (pictures.truncated, "truncated"),
        (lambda: pictures.png(320, 200), "too_small"),
        (lambda: pictures.png(900, 600)[:-20], "truncated"),
    ],
    ids=["text", "empty", "50 megapixels", "truncated jpeg", "too small", "truncated png"],
)
def test_what_is_no_photo_is_refused_and_nothing_is_kept(
    world, investor: FlaskClient, case_no: str, image, code: str
) -> None:
    answer = ways.upload(investor, f"/case/{case_no}/{FRONT}", image())
    assert (answer.status_code, answer.get_json()["code"]) == (422, code)
    assert "照片" in answer.get_json()["error"]
    assert kept() == []
    assert sealed_files(world) == []


def test_no_file_at_all_is_refused(investor: FlaskClient, case_no: str) -> None:
    answer = investor.post(f"/case/{case_no}/{FRONT}", data={}, headers=ways.JSON)
    assert answer.get_json()["code"] == "missing"


def test_a_new_photo_takes_the_place_of_the_old_one(investor: FlaskClient, case_no: str) -> None:
    first = ways.upload(investor, f"/case/{case_no}/{FRONT}").get_json()["id"]
    second = ways.upload(investor, f"/case/{case_no}/{FRONT}").get_json()["id"]
    told = investor.get(f"/case/{case_no}/photos/state").get_json()
    assert told["photos"][0]["id"] == second
    assert {photo.public_id: photo.superseded_at is None for photo in kept()} == {first: False, second: True}


def test_the_page_says_what_is_missing_until_nothing_is(investor: FlaskClient, case_no: str) -> None:
    told = investor.get(f"/case/{case_no}/photos/state").get_json()
    assert told["missing"] == ["身份证正面", "身份证反面", "签名照"]
    assert "还差" in investor.get(f"/case/{case_no}/photos").text
    ways.upload_all_photos(investor, case_no)
    assert investor.get(f"/case/{case_no}/photos/state").get_json()["missing"] == []
    assert ways.hand_in(investor, case_no, "photos").location == f"/case/{case_no}/bank_card"


def test_photos_that_are_missing_or_at_work_keep_the_step_open(investor: FlaskClient, case_no: str) -> None:
    ways.upload(investor, f"/case/{case_no}/{FRONT}")
    answer = ways.hand_in(investor, case_no, "photos")
    assert answer.status_code == 422
    assert "正在处理" in answer.text
    assert "签名照：还没有上传" in answer.text
    assert ways.where(case_no) == "photos"


def test_a_refused_photo_says_why_and_does_not_count(investor: FlaskClient, case_no: str) -> None:
    ways.upload_all_photos(investor, case_no)
    again = ways.upload(investor, f"/case/{case_no}/photos/signature").get_json()["id"]
    ways.develop(again, problem="blurred")
    assert "照片模糊" in investor.get(f"/case/{case_no}/photos").text
    assert ways.hand_in(investor, case_no, "photos").status_code == 422


def test_a_doubtful_crop_counts_and_can_be_undone(investor: FlaskClient, case_no: str) -> None:
    public_id = ways.upload(investor, f"/case/{case_no}/{FRONT}").get_json()["id"]
    ways.develop(public_id, warnings=["over_crop"])
    page = investor.get(f"/case/{case_no}/photos").text
    assert "身份证正面切边过多" in page
    assert "恢复原图" in page
    assert investor.post(f"/case/{case_no}/photos/{public_id}/restore").status_code == 200
    assert investor.get(f"/case/{case_no}/photos/state").get_json()["photos"][0] == {
        "kind": "id_front",
        "id": public_id,
        "state": "ready",
        "doubtful": False,
    }
    with db.reading() as session:
        photo = session.scalars(select(Evidence).where(Evidence.public_id == public_id)).one()
        assert photo.shown.variant is Variant.UPRIGHT


def test_the_undertaking_must_be_read_first(investor: FlaskClient, case_no: str) -> None:
    with db.transaction() as session:
        ways.publish(session, "certificate_undertaking", Purpose.UNDERTAKING)
    ways.upload_all_photos(investor, case_no)
    assert investor.get(f"/case/{case_no}/photos/state").get_json()["missing"] == ["安全责任书"]
    assert "待阅读" in investor.get(f"/case/{case_no}/photos").text
    answer = ways.hand_in(investor, case_no, "photos")
    assert answer.status_code == 422
    assert "数字证书安全责任书" in answer.text


def test_nobody_uploads_into_somebody_elses_case(case_no: str, as_investor, as_staff) -> None:
    for client in (as_investor("许砚青"), as_staff("luwenshan")):
        assert ways.upload(client, f"/case/{case_no}/{FRONT}", b"no photo").status_code == 404
        assert client.get(f"/case/{case_no}/photos/tiles").status_code == 404
    assert kept() == []


def test_a_photo_of_another_case_cannot_be_restored(investor: FlaskClient, case_no: str, as_investor) -> None:
    theirs = ways.case_of("许砚青", CHANGE)
    public_id = ways.upload(as_investor("许砚青"), f"/case/{theirs}/{FRONT}").get_json()["id"]
    assert investor.post(f"/case/{case_no}/photos/{public_id}/restore", headers=ways.JSON).status_code == 404


def test_kinds_that_are_not_asked_for_cannot_be_uploaded(investor: FlaskClient, case_no: str) -> None:
    assert ways.upload(investor, f"/case/{case_no}/photos/snapshot_face").status_code == 404


def test_changing_a_photo_of_a_finished_step_opens_it_again(investor: FlaskClient, case_no: str) -> None:
    ways.photos_done(investor, case_no)
    assert ways.where(case_no) == "bank_card"
    ways.upload(investor, f"/case/{case_no}/{FRONT}")
    assert ways.where(case_no) == "photos"


@pytest.mark.parametrize("status", [Status.IN_QUEUE, Status.ABANDONED])
def test_photos_do_not_change_while_the_case_is_elsewhere(investor: FlaskClient, case_no: str, status: Status) -> None:
    ways.photos_done(investor, case_no)
    with db.transaction() as session:
        case = session.merge(ways.look(case_no), load=True)
        if status is Status.ABANDONED:
            abandon(case, ways.stamp_of(case.investor_id))
        else:
            case.status = status
    answer = ways.upload(investor, f"/case/{case_no}/{FRONT}")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "stale_step")
