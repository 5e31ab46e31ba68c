"""What the sweep does about 预约视频: one message before each, those who wait come first in time, those who do not come have missed it."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from console import db
from console.cases.models import Case
from console.config import Settings
from console.people.models import Branch, OutgoingSms
from console.queues import appointments, slots
from console.queues import service as queues
from console.queues.models import Appointment, AppointmentState, Holiday, Priority, Roster, Ticket
from tests.queues.given import at_the_video
from tests.world import AT, stamp
from worker import house, sweep

SLOT = AT + timedelta(hours=5)


@pytest.fixture(autouse=True)
def settings(world: Settings) -> Iterator[Settings]:
    house.use(world)
    yield world
    house.forget()


@pytest.fixture
def case_id(settings: Settings) -> int:
    """周晚晴's, booked for SLOT."""
    with db.transaction() as session:
        branch = session.scalars(select(Branch).where(Branch.code == "SH01")).one()
        session.add(Roster(branch_id=branch.id, weekday=4, starts_at="09:00", ends_at="17:00", seats=1))
        case = at_the_video(session)
        appointments.book(session, case, SLOT, slots.Terms(), stamp("investor:1"))
        return case.id


def booked() -> Appointment:
    with db.reading() as session:
        return session.scalars(select(Appointment)).one()


def test_one_message_goes_out_half_an_hour_before_and_no_second_one(case_id: int) -> None:
    assert sweep.reminders(SLOT - timedelta(minutes=31)) == 0
    assert [sweep.reminders(SLOT - timedelta(minutes=m)) for m in (30, 29, 1)] == [1, 0, 0]
    with db.reading() as session:
        (message,) = session.scalars(select(OutgoingSms))
        assert message.phone == "13800008001" and "今日 15:30" in message.text


def test_nobody_is_reminded_of_what_was_cancelled(case_id: int) -> None:
    with db.transaction() as session:
        appointments.cancel(session, session.get_one(Case, case_id), stamp("investor:1"))
    assert sweep.reminders(SLOT - timedelta(minutes=20)) == 0


def test_what_lies_on_a_new_day_off_is_cancelled_with_one_message_and_nothing_else_is(case_id: int) -> None:
    assert sweep.shut_out(AT) == 0
    with db.transaction() as session:
        case = session.get_one(Case, case_id)
        session.add(Holiday(broker_id=case.branch.broker_id, day=date(2026, 11, 20), title="系统升级"))
    assert [sweep.shut_out(AT), sweep.shut_out(AT)] == [1, 0]
    assert booked().state is AppointmentState.CANCELLED
    with db.reading() as session:
        (message,) = session.scalars(select(OutgoingSms))
        assert "11月20日 周五 15:30" in message.text and "已为您取消" in message.text


def test_who_has_not_come_a_quarter_of_an_hour_after_the_beginning_has_missed_it(case_id: int) -> None:
    assert sweep.no_shows(SLOT + timedelta(minutes=14)) == 0
    assert [sweep.no_shows(SLOT + timedelta(minutes=m)) for m in (15, 16)] == [1, 0]
    assert (booked().state, booked().ended_by) == (AppointmentState.MISSED, "system:sweep")


def test_who_waits_already_goes_before_the_others_when_the_time_comes(case_id: int) -> None:
    with db.transaction() as session:
        queues.join(session, session.get_one(Case, case_id), stamp("investor:1", SLOT - timedelta(hours=1)))
    assert [sweep.appointed(SLOT - timedelta(minutes=m)) for m in (11, 10, 9)] == [0, 1, 0]
    with db.reading() as session:
        assert session.scalars(select(Ticket.priority)).one() is Priority.APPOINTMENT
    assert booked().state is AppointmentState.KEPT
