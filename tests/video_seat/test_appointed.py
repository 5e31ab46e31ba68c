"""今日预约 in the seat's column: who is expected when, who is there, who did not come; told again whenever it changes."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from console import live
from console.cases.models import Case
from console.db import transaction
from console.local_time import midnight
from console.people.models import Branch
from console.queues import appointments, slots
from console.queues import service as queues
from console.queues.models import Appointment, AppointmentState, Roster
from console.screens import minutes_until
from tests.queues.given import at_the_video
from tests.world import AT, stamp


@pytest.fixture
def seat(app: Flask, as_staff) -> FlaskClient:
    client: FlaskClient = as_staff("luwenshan")
    return client


def soon(minutes: int = 5) -> datetime:
    """A time of today, whenever this is run: some minutes ahead, unless midnight is nearer."""
    now = datetime.now(UTC)
    return min(now + timedelta(minutes=minutes), midnight(now) + timedelta(days=1, seconds=-1))


def given(name: str, state: AppointmentState = AppointmentState.BOOKED, at: datetime | None = None) -> int:
    """An appointment of today, as if it had been made days ago. → the case's id."""
    with transaction() as session:
        case = at_the_video(session, name, datetime.now(UTC))
        row = Appointment(
            case_id=case.id, branch_id=case.branch_id, place=case.id, booked_at=AT, booked_by="investor:1"
        )
        row.slot_at, row.minutes, row.state = at or soon(), 15, state
        session.add(row)
        return case.id


def test_everybody_of_today_is_listed_with_what_became_of_it(seat: FlaskClient) -> None:
    given("周晚晴")
    given("许砚青", AppointmentState.MISSED)
    given("闻子期")  # of another branch
    part = seat.get("/seat/parts/queue").text
    assert '今日预约，到时优先</span><span class="num">1</span>' in part
    assert part.index("周晚晴") < part.index("许砚青") and "未到" in part
    assert "闻子期" not in part


def test_without_appointments_nothing_is_said_of_them(seat: FlaskClient) -> None:
    assert "今日预约" not in seat.get("/seat/parts/queue").text


def test_who_came_is_shown_as_waiting(seat: FlaskClient) -> None:
    case_id = given("周晚晴")
    with transaction() as session:
        queues.join(session, session.get_one(Case, case_id), stamp("investor:1", datetime.now(UTC)))
    part = seat.get("/seat/parts/queue").text
    assert "已到，等待中" in part and "预约</span>" in part


def test_the_seats_page_hears_of_a_booking_a_cancellation_and_a_no_show(app: Flask, seat: FlaskClient) -> None:
    with transaction() as session:
        branch = session.scalars(select(Branch).where(Branch.code == "SH01")).one()
        session.add(Roster(branch_id=branch.id, weekday=4, starts_at="09:00", ends_at="17:00", seats=1))
        case_id = at_the_video(session).id
    socket = live.socketio.test_client(app, namespace=live.SEAT, flask_test_client=seat)

    def heard(act, *given: object, at: datetime = AT) -> list[str]:
        with transaction() as session:
            act(session, session.get_one(Case, case_id), *given, stamp("investor:1", at))
        return [each["name"] for each in socket.get_received(live.SEAT)]

    slot = AT + timedelta(hours=5)
    assert heard(appointments.book, slot, slots.Terms()) == ["queue"]
    assert heard(appointments.cancel) == ["queue"]
    assert heard(appointments.book, slot, slots.Terms()) == ["queue"]
    assert heard(appointments.miss, at=slot + timedelta(minutes=15)) == ["queue"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-60, "到时未到"),
        (0, "到时未到"),
        (1, "1 分钟后"),
        (23 * 60, "23 分钟后"),
        (3600, "1 小时 0 分后"),
        (5000, "1 小时 24 分后"),
    ],
)
def test_how_long_until_an_appointment_is_said_in_words(seconds: int, words: str) -> None:
    assert minutes_until(AT + timedelta(seconds=seconds), AT) == words
