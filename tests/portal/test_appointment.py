"""预约视频 of the investor: a calendar, one appointment, its file; whatever is wrong is said there and nothing is half done."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar
from sqlalchemy import select

from console.cases.models import Case, Status
from console.config import VideoHours
from console.db import reading, transaction
from console.local_time import LOCAL
from console.people.models import Branch
from console.queues import appointments
from console.queues.models import Appointment, AppointmentState, Roster, Ticket
from tests.portal import ways
from tests.portal.ways import CHANGE
from tests.queues.given import at_the_video


@pytest.fixture
def case_no(app: Flask) -> str:
    """周晚晴 at the video; two seats at both branches on all days."""
    with transaction() as session:
        for branch in session.scalars(select(Branch)):
            for weekday in range(7):
                row = Roster(branch_id=branch.id, weekday=weekday, starts_at="00:00", ends_at="24:00", seats=1)
                session.add(row)
    return case_at_the_video("周晚晴")


def case_at_the_video(name: str) -> str:
    with transaction() as session:
        return at_the_video(session, name, datetime.now(UTC)).case_no


@pytest.fixture
def investor(case_no: str, as_investor) -> FlaskClient:
    client: FlaskClient = as_investor("周晚晴")
    return client


def offered(client: FlaskClient, case_no: str, query: str = "") -> list[str]:
    """The slots that can be chosen."""
    page = client.get(f"/case/{case_no}/appointment{query}").text
    return re.findall(r'<input type="radio" name="slot" value="([^"]+)">', page)


def booked(case_no: str) -> Appointment | None:
    with reading() as session:
        case = session.scalars(select(Case).where(Case.case_no == case_no)).one()
        return appointments.live(session, case)


def test_a_slot_is_chosen_shown_changed_and_cancelled(investor: FlaskClient, case_no: str) -> None:
    first, second = offered(investor, case_no)[-2:]
    made = investor.post(f"/case/{case_no}/appointment", data={"slot": first})
    assert (made.status_code, made.location) == (303, f"/case/{case_no}/appointment")
    words = appointments.when(datetime.fromisoformat(first))
    assert words.split()[0] in investor.get(made.location).text
    assert words in investor.get("/my").text
    assert f"您已预约 {words}" in investor.get(f"/case/{case_no}/video").text
    investor.post(f"/case/{case_no}/appointment/change", data={"slot": second})
    assert booked(case_no).slot_at == datetime.fromisoformat(second)
    assert first in offered(investor, case_no, "?change=1")
    investor.post(f"/case/{case_no}/appointment/cancel")
    investor.post(f"/case/{case_no}/appointment/cancel")
    assert booked(case_no) is None
    assert "取消视频预约" in investor.get("/my").text


def test_a_chosen_time_is_kept_for_three_minutes_and_full_for_everybody_else_until_it_is_let_go(
    investor: FlaskClient, case_no: str, as_investor
) -> None:
    (wanted,) = offered(investor, case_no)[-1:]
    other, theirs = as_investor("许砚青"), case_at_the_video("许砚青")
    held = investor.post(f"/case/{case_no}/appointment/hold", data={"slot": wanted}, follow_redirects=True)
    assert re.search(r'已为您保留 3 分钟，至 <b class="num">\d\d:\d\d:\d\d</b>', held.text) and "确认预约" in held.text
    assert wanted not in offered(other, theirs)
    for act in ("/hold", ""):
        refused = other.post(f"/case/{theirs}/appointment{act}", data={"slot": wanted})
        assert refused.status_code == 409 and "这个时间刚刚约满了，请另选一个时间。" in refused.text
    investor.post(f"/case/{case_no}/appointment/release")
    assert wanted in offered(investor, case_no) and wanted in offered(other, theirs)
    investor.post(f"/case/{case_no}/appointment/hold", data={"slot": wanted})
    assert investor.post(f"/case/{case_no}/appointment", data={"slot": wanted}).status_code == 303
    assert booked(case_no).slot_at == datetime.fromisoformat(wanted)


def test_a_slot_that_went_meanwhile_is_said_at_the_list_and_nothing_is_booked(
    investor: FlaskClient, case_no: str, as_investor
) -> None:
    (wanted,) = offered(investor, case_no)[-1:]
    other = case_at_the_video("许砚青")
    assert as_investor("许砚青").post(f"/case/{other}/appointment", data={"slot": wanted}).status_code == 303
    refused = investor.post(f"/case/{case_no}/appointment", data={"slot": wanted})
    assert refused.status_code == 409
    assert refused.text.count("这个时间刚刚约满了，请另选一个时间。") == 2, "on top and at the list"
    assert f'value="{wanted}" disabled' in refused.text
    assert booked(case_no) is None


@pytest.mark.parametrize(
    ("slot", "status", "said"),
    [
        ("", 422, "请选择一个时间。"),
        ("tomorrow", 422, "这个时间不能预约"),
        ("2026-11-20T10:00", 422, "这个时间不能预约"),
        ("2001-01-01T02:00+00:00", 422, "这个时间不能预约"),
        ("0001-01-01T00:00+00:00", 422, "这个时间不能预约"),
        ("9999-12-31T23:59+00:00", 422, "这个时间不能预约"),
    ],
)
def test_what_no_list_offers_is_refused_in_words(
    investor: FlaskClient, case_no: str, slot: str, status: int, said: str
) -> None:
    refused = investor.post(f"/case/{case_no}/appointment", data={"slot": slot})
    assert refused.status_code == status and said in refused.text
    assert booked(case_no) is None


def test_a_change_that_is_refused_keeps_the_appointment(investor: FlaskClient, case_no: str) -> None:
    slot = offered(investor, case_no)[-1]
    investor.post(f"/case/{case_no}/appointment", data={"slot": slot})
    refused = investor.post(f"/case/{case_no}/appointment/change", data={"slot": "2001-01-01T02:00+00:00"})
    assert refused.status_code == 422 and "选定新时间前一直有效" in refused.text
    assert booked(case_no).slot_at == datetime.fromisoformat(slot)


def test_an_older_page_does_not_book_a_second_time(investor: FlaskClient, case_no: str) -> None:
    first, second = offered(investor, case_no)[-2:]
    investor.post(f"/case/{case_no}/appointment", data={"slot": first})
    refused = investor.post(f"/case/{case_no}/appointment", data={"slot": second})
    assert refused.status_code == 409 and "要换时间请点“改约”" in refused.text
    assert booked(case_no).slot_at == datetime.fromisoformat(first)


@pytest.mark.parametrize("act", ["", "/change", "/cancel", ".ics"])
def test_somebody_elses_case_is_not_there(investor: FlaskClient, case_no: str, as_investor, act: str) -> None:
    slot = offered(investor, case_no)[-1]
    investor.post(f"/case/{case_no}/appointment", data={"slot": slot})
    stranger, address = as_investor("许砚青"), f"/case/{case_no}/appointment{act}"
    answers = [stranger.get(address), stranger.post(address, data={"slot": slot})]
    assert {answer.status_code for answer in answers} <= {404, 405} and 404 in {a.status_code for a in answers}
    assert booked(case_no).slot_at == datetime.fromisoformat(slot)


def test_who_is_not_at_the_video_is_led_to_where_the_case_stands(app: Flask, as_investor) -> None:
    case_no = ways.case_of("闻子期", CHANGE)
    client = as_investor("闻子期")
    assert client.get(f"/case/{case_no}/appointment").location == f"/case/{case_no}/photos"
    slot = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert "不在视频验证这一步" in client.post(f"/case/{case_no}/appointment", data={"slot": slot}).text


def test_the_file_is_an_entry_that_a_change_replaces(investor: FlaskClient, case_no: str) -> None:
    first, second = offered(investor, case_no)[-2:]

    def entry():
        answer = investor.get(f"/case/{case_no}/appointment.ics")
        assert answer.content_type == "text/calendar; charset=utf-8"
        (found,) = Calendar.from_ical(answer.data).walk("VEVENT")
        return found

    investor.post(f"/case/{case_no}/appointment", data={"slot": first})
    before = entry()
    investor.post(f"/case/{case_no}/appointment/change", data={"slot": second})
    after = entry()
    assert (before["uid"], before["sequence"], after["uid"], after["sequence"]) == (after["uid"], 0, before["uid"], 1)
    assert after["dtstart"].dt == datetime.fromisoformat(second)
    assert after["dtend"].dt - after["dtstart"].dt == timedelta(minutes=15)
    assert case_no not in str(after["description"]) and "周晚晴" not in after.to_ical().decode()


def test_without_an_appointment_there_is_no_file(investor: FlaskClient, case_no: str) -> None:
    assert investor.get(f"/case/{case_no}/appointment.ics").status_code == 404


def test_outside_the_service_hours_there_is_the_next_opening_and_the_appointment(
    app: Flask, investor: FlaskClient, case_no: str
) -> None:
    opens = (datetime.now(LOCAL) + timedelta(hours=2)).time().replace(minute=0, second=0, microsecond=0)
    hours = VideoHours(opens, opens.replace(minute=30))
    app.extensions["settings"] = replace(app.extensions["settings"], video_hours=hours)
    page = investor.get(f"/case/{case_no}/video").text
    assert f"{opens:%H:%M} 开始排队" in page and f"/case/{case_no}/appointment" in page
    shown = {f"{datetime.fromisoformat(each).astimezone(LOCAL):%H:%M}" for each in offered(investor, case_no)}
    assert shown == {f"{opens:%H:%M}", f"{opens:%H}:15"}


def test_who_comes_in_time_queues_up_as_appointed(investor: FlaskClient, case_no: str) -> None:
    investor.post(f"/case/{case_no}/appointment", data={"slot": offered(investor, case_no)[0]})
    with transaction() as session:
        mine = session.scalars(select(Appointment)).one()
        mine.slot_at = datetime.now(UTC) + timedelta(minutes=5)
    assert "到了" in investor.get(f"/case/{case_no}/video").text
    investor.post(f"/case/{case_no}/video/join")
    assert ways.look(case_no).status is Status.IN_QUEUE
    with reading() as session:
        assert session.scalars(select(Ticket)).one().priority.value == "appointment"
        assert session.scalars(select(Appointment)).one().state is AppointmentState.KEPT
    assert "已按预约排在前面" in investor.get(f"/case/{case_no}/video").text


def test_an_appointment_can_be_made_while_waiting(investor: FlaskClient, case_no: str) -> None:
    investor.post(f"/case/{case_no}/video/join")
    investor.post(f"/case/{case_no}/appointment", data={"slot": offered(investor, case_no)[-1]})
    assert booked(case_no) is not None and ways.look(case_no).status is Status.IN_QUEUE
    assert "到时还没接通，自动按预约排到前面" in investor.get(f"/case/{case_no}/video").text
