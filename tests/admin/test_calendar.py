"""排班 and 休息日: kept by who keeps the branch; what is saved is what can be booked."""

from datetime import date

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from console.db import reading, transaction
from console.people.models import Branch, StaffEvent
from console.queues import hours
from console.queues.models import Holiday, Roster
from tests.world import staff_named


@pytest.fixture
def admin(as_staff) -> FlaskClient:
    return as_staff("admin")


@pytest.fixture
def hangzhou(as_staff) -> FlaskClient:
    """何知远 of Hangzhou, made an administrator of that branch."""
    with transaction() as session:
        staff_named(session, "hzreview").roles = ["reviewer", "admin"]
    return as_staff("hzreview")


def branch(code: str) -> Branch:
    with reading() as session:
        return session.scalars(select(Branch).where(Branch.code == code)).one()


def roster(code: str = "SH01", **changes: object) -> dict[str, object]:
    return {
        "branch_id": branch(code).id,
        "weekday": "4",
        "day": "",
        "starts_at": "09:00",
        "ends_at": "17:00",
        "seats": "3",
    } | changes


def rows(kind: type) -> list:
    with reading() as session:
        return list(session.scalars(select(kind).order_by(kind.id)))


def test_a_roster_is_added_changed_and_told_in_the_administrators_trail(admin: FlaskClient) -> None:
    assert admin.post("/admin/rosters/new/", data=roster()).status_code == 302
    (row,) = rows(Roster)
    assert (row.weekday, row.day, row.seats) == (4, None, 3)
    assert "每周五" in admin.get("/admin/rosters/").text
    edited = roster(weekday="", day="2026-12-31", seats="0", ends_at="24:00")
    assert admin.post(f"/admin/rosters/edit/?id={row.id}", data=edited).status_code == 302
    (row,) = rows(Roster)
    assert (row.weekday, row.day, row.seats, row.ends_at) == (None, date(2026, 12, 31), 0, "24:00")
    assert [e.action for e in rows(StaffEvent)] == ["register_added", "register_changed"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"weekday": "", "day": ""}, "请选填其中一个"),
        ({"day": "2026-12-31"}, "请选填其中一个"),
        ({"starts_at": "17:00", "ends_at": "09:00"}, "结束要晚于开始"),
        ({"starts_at": "9:00"}, "08:30 的格式"),
        ({"ends_at": "25:00"}, "最晚 24:00"),
        ({"seats": "100"}, "0 到 99"),
        ({"branch_id": "77"}, "不是有效的选择"),
    ],
)
def test_a_roster_that_makes_no_sense_is_refused_in_words(admin: FlaskClient, wrong, said: str) -> None:
    refused = admin.post("/admin/rosters/new/", data=roster(**wrong))
    assert refused.status_code == 200 and rows(Roster) == []
    assert said in refused.text


def test_a_day_off_of_all_branches_closes_the_video_and_can_be_taken_back(admin: FlaskClient) -> None:
    given = {"day": "2027-01-01", "title": "元旦", "branch_id": "", "active": "y"}
    assert admin.post("/admin/holidays/new/", data=given).status_code == 302

    def closed() -> dict[date, str]:
        with reading() as session:
            return hours.holidays(session, branch("HZ01"), date(2026, 12, 1))

    assert closed() == {date(2027, 1, 1): "元旦"}
    (row,) = rows(Holiday)
    del given["active"]
    assert admin.post(f"/admin/holidays/edit/?id={row.id}", data=given).status_code == 302
    assert closed() == {}


def test_the_same_day_off_is_not_registered_twice(admin: FlaskClient) -> None:
    given = {"day": "2027-01-01", "title": "元旦", "branch_id": "", "active": "y"}
    admin.post("/admin/holidays/new/", data=given)
    assert "没有保存" in admin.post("/admin/holidays/new/", data=given).text
    assert len(rows(Holiday)) == 1


def test_a_branchs_administrator_keeps_the_own_branch_only(admin: FlaskClient, hangzhou: FlaskClient) -> None:
    admin.post("/admin/rosters/new/", data=roster("SH01"))
    admin.post("/admin/holidays/new/", data={"day": "2027-01-01", "title": "元旦", "branch_id": "", "active": "y"})
    (theirs,), (everywhere,) = rows(Roster), rows(Holiday)
    assert hangzhou.get(f"/admin/rosters/edit/?id={theirs.id}").status_code == 404
    assert hangzhou.get(f"/admin/holidays/edit/?id={everywhere.id}").status_code == 404
    assert "元旦" in hangzhou.get("/admin/holidays/").text
    hangzhou.post("/admin/rosters/new/", data=roster("SH01"))
    refused = hangzhou.post("/admin/holidays/new/", data={"day": "2027-05-01", "title": "五一", "branch_id": ""})
    assert "由总部登记" in refused.text
    assert len(rows(Roster)) == len(rows(Holiday)) == 1
    assert hangzhou.post("/admin/rosters/new/", data=roster("HZ01")).status_code == 302
    assert [row.branch_id for row in rows(Roster)] == [theirs.branch_id, branch("HZ01").id]
