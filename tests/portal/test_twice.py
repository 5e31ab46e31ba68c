"""A button that is pressed twice is one act: by the server, whatever the page does."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from console import db
from console.cases.models import Case, CaseEvent, Status
from console.cases.transitions import Action
from console.config import Settings
from console.people.models import Branch
from console.queues import seats, urgent
from console.queues.models import Appointment, Roster, Ticket, UrgentRequest
from tests.portal.test_appointment import offered
from tests.queues.given import at_the_video, online, waiting_since
from tests.world import AT, staff_named, stamp

WHY = {"urgent_reason": "下午两点的航班"}


@pytest.fixture
def case_no(app: Flask) -> str:
    """周晚晴 at the video, at a branch where one can book at any hour."""
    with db.transaction() as session:
        branch = session.scalars(select(Branch).where(Branch.code == "SH01")).one()
        for weekday in range(7):
            row = Roster(branch_id=branch.id, weekday=weekday, starts_at="00:00", ends_at="24:00", seats=2)
            session.add(row)
        return at_the_video(session, "周晚晴", datetime.now(UTC)).case_no


@pytest.fixture
def investor(case_no: str, as_investor: Callable[[str], FlaskClient]) -> FlaskClient:
    return as_investor("周晚晴")


def twice(client: FlaskClient, url: str, **form: str) -> list[TestResponse]:
    """No page is read in between: what both have to say is said on the next one."""
    answers = [client.post(url, data=form) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert len({answer.headers["Location"] for answer in answers}) == 1
    return answers


def test_joining_twice_is_one_ticket(investor: FlaskClient, case_no: str) -> None:
    twice(investor, f"/case/{case_no}/video/join")
    with db.reading() as session:
        assert len(session.scalars(select(Ticket)).all()) == 1


def test_joining_from_an_older_page_leads_to_the_call_that_goes_on(investor: FlaskClient, case_no: str) -> None:
    investor.post(f"/case/{case_no}/video/join")
    with db.transaction() as session:
        seat = online(session, at=datetime.now(UTC))
        assert seats.answer_next(session, seat, stamp(f"staff:{seat.staff_id}", datetime.now(UTC)))
    assert investor.post(f"/case/{case_no}/video/join").status_code == 303
    with db.reading() as session:
        assert session.scalars(select(Case)).one().status is Status.IN_VIDEO


def test_leaving_twice_is_leaving_once(investor: FlaskClient, case_no: str) -> None:
    investor.post(f"/case/{case_no}/video/join")
    twice(investor, f"/case/{case_no}/video/leave")
    with db.reading() as session:
        assert len(session.scalars(select(CaseEvent).where(CaseEvent.action == Action.LEAVE_QUEUE)).all()) == 1


def test_asking_for_urgency_twice_is_one_request(investor: FlaskClient, case_no: str) -> None:
    investor.post(f"/case/{case_no}/video/join")
    twice(investor, f"/case/{case_no}/video/urgent", **WHY)
    with db.reading() as session:
        assert len(session.scalars(select(UrgentRequest)).all()) == 1


def test_booking_twice_is_one_appointment_and_is_said_once(investor: FlaskClient, case_no: str) -> None:
    url = f"/case/{case_no}/appointment"
    twice(investor, url, slot=offered(investor, case_no)[-1])
    assert investor.get(url).text.count("预约成功") == 1
    with db.reading() as session:
        assert len(session.scalars(select(Appointment)).all()) == 1


def test_changing_twice_counts_as_one_change(investor: FlaskClient, case_no: str) -> None:
    url = f"/case/{case_no}/appointment"
    first, second = offered(investor, case_no)[-2:]
    investor.post(url, data={"slot": first})
    investor.get(url)
    twice(investor, f"{url}/change", slot=second)
    assert investor.get(url).text.count("已改约") == 1
    with db.reading() as session:
        (kept,) = session.scalars(select(Appointment)).all()
        assert (kept.slot_at.isoformat(), kept.changes) == (second, 1)


def test_cancelling_twice_is_cancelling_once(investor: FlaskClient, case_no: str) -> None:
    url = f"/case/{case_no}/appointment"
    investor.post(url, data={"slot": offered(investor, case_no)[-1]})
    investor.get(url)
    twice(investor, f"{url}/cancel")
    assert investor.get(url).text.count("预约已取消") == 1


@pytest.mark.databases("sqlite", "postgresql")
def test_two_devices_asking_for_urgency_at_once_are_one_request(world: Settings) -> None:
    with db.transaction() as session:
        case_id = waiting_since(session, "周晚晴", 3).case_id
        boss = staff_named(session, "fangyi").id
    together, faults = threading.Barrier(2), list[BaseException]()

    def ask(days: int) -> None:
        try:
            together.wait()
            with db.transaction() as session:
                mark = stamp("investor:1", AT + timedelta(days=days))
                urgent.ask(session, session.get_one(Case, case_id), WHY["urgent_reason"], mark)
        except BaseException as fault:
            faults.append(fault)
            together.abort()

    for days in range(8):
        runs = [threading.Thread(target=ask, args=(days,)) for _ in range(2)]
        for each in runs:
            each.start()
        for each in runs:
            each.join()
        assert faults == []
        with db.transaction() as session:
            (made,) = session.scalars(select(UrgentRequest).where(UrgentRequest.granted.is_(None))).all()
            staff = staff_named(session, "fangyi")
            urgent.decline(session, made.id, staff, "请按顺序", stamp(f"staff:{boss}", AT + timedelta(days=days)))
