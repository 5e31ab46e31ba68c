"""请求加急: who waits asks, a supervisor decides, limits keep it fair."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import db
from console.cases.models import CaseEvent
from console.config import Settings
from console.problem import NotThere
from console.queues import seats, urgent
from console.queues import service as queues
from console.queues.models import Priority, Ticket, UrgentRequest
from tests.queues.given import at_the_video, online, waiting_since
from tests.world import AT, staff_named, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")

WHY = "下午要出差，航班在两点"
BOSS = stamp("staff:7")


def asked(session: Session, name: str = "周晚晴", minutes: float = 1) -> UrgentRequest:
    ticket = waiting_since(session, name, minutes)
    return urgent.ask(session, ticket.case, WHY, stamp(f"investor:{ticket.case.investor_id}"))


def test_who_is_granted_it_is_next_and_the_ticket_says_why(session: Session) -> None:
    waiting_since(session, "许砚青", 20)
    request = asked(session)
    boss = staff_named(session, "fangyi")
    assert [each.id for each in urgent.pending(session, boss)] == [request.id]
    urgent.grant(session, request.id, boss, BOSS)
    assert urgent.pending(session, boss) == []
    answered = seats.answer_next(session, online(session), stamp("staff:1"))
    assert answered is request.ticket and answered.priority is Priority.URGENT
    assert answered.because == "加急获准，排在预约和先到者之前，已等 01:00"
    trail = session.scalars(select(CaseEvent.action).where(CaseEvent.case_id == answered.case_id)).all()
    assert trail[-3:] == ["urgent_asked", "urgent_granted", "answer"]


def test_who_stands_better_already_keeps_that(session: Session) -> None:
    request = asked(session)
    request.ticket.priority, request.ticket.rank = Priority.RETURNED, Priority.RETURNED.rank
    urgent.grant(session, request.id, staff_named(session, "fangyi"), BOSS)
    assert request.ticket.priority is Priority.RETURNED


def test_asking_twice_while_it_is_open_is_asking_once(session: Session) -> None:
    first = asked(session)
    again = urgent.ask(session, first.ticket.case, "换一个原因也一样", stamp("investor:1"))
    assert again is first and again.reason == WHY


def test_two_requests_a_day_are_enough(session: Session) -> None:
    boss, first = staff_named(session, "fangyi"), asked(session)
    case = first.ticket.case
    urgent.decline(session, first.id, boss, "前面还有两位老人", BOSS)
    second = urgent.ask(session, case, WHY, stamp("investor:1", AT + timedelta(minutes=1)))
    urgent.decline(session, second.id, boss, "请稍等", BOSS)
    with pytest.raises(urgent.AskedEnough):
        urgent.ask(session, case, WHY, stamp("investor:1", AT + timedelta(minutes=2)))
    assert urgent.ask(session, case, WHY, stamp("investor:1", AT + timedelta(days=1))).granted is None


@pytest.mark.parametrize("reason", ["", "急急急", "  急 ", "急" * 101])
def test_a_reason_is_needed(session: Session, reason: str) -> None:
    with pytest.raises(urgent.ReasonMissing):
        urgent.ask(session, waiting_since(session, "周晚晴", 1).case, reason, stamp("investor:1"))


def test_only_who_waits_can_ask(session: Session) -> None:
    with pytest.raises(urgent.NotWaiting):
        urgent.ask(session, at_the_video(session), WHY, stamp("investor:1"))


def test_a_request_is_decided_once_and_not_after_the_investor_left(session: Session) -> None:
    boss, request = staff_named(session, "fangyi"), asked(session)
    urgent.grant(session, request.id, boss, BOSS)
    with pytest.raises(urgent.Decided):
        urgent.decline(session, request.id, boss, "太晚了", BOSS)
    other = asked(session, "许砚青")
    queues.leave(session, other.ticket.case, stamp("investor:2"))
    assert urgent.pending(session, boss) == []
    with pytest.raises(urgent.Decided):
        urgent.grant(session, other.id, boss, BOSS)


def test_a_supervisor_of_another_branch_decides_nothing_here(session: Session) -> None:
    request = asked(session)
    with pytest.raises(NotThere):
        urgent.grant(session, request.id, staff_named(session, "hangzhou"), BOSS)


def test_the_reason_lies_sealed_in_the_database(session: Session) -> None:
    asked(session)
    (kept,) = session.connection().exec_driver_sql("SELECT reason FROM urgent_requests").one()
    assert "出差".encode() not in bytes(kept)


def test_both_pages_of_it(
    world: Settings, as_investor: Callable[[str], FlaskClient], as_staff: Callable[[str], FlaskClient]
) -> None:
    with db.transaction() as session:
        case_no = waiting_since(session, "周晚晴", 3).case.case_no
    zhou, boss = as_investor("周晚晴"), as_staff("fangyi")
    page = f"/case/{case_no}/video"
    assert "请求加急" in zhou.get(page).text
    refused = zhou.post(f"{page}/urgent", data={"urgent_reason": "急"}, follow_redirects=True).text
    assert "请写明加急的原因" in refused
    assert "等班长处理" in zhou.post(f"{page}/urgent", data={"urgent_reason": WHY}, follow_redirects=True).text
    assert boss.get("/seat/held/waiting").json == {"waiting": 1, "said": "有 1 人请求加急。"}
    desk = boss.get("/seat/held").text
    assert WHY in desk and "周晚晴" in desk
    with db.reading() as session:
        number = session.scalars(select(UrgentRequest.id)).one()
    short = boss.post(f"/seat/urgent/{number}/decline", data={"words": ""}, follow_redirects=True).text
    assert "请写一句给投资者的说明" in short
    said = boss.post(f"/seat/urgent/{number}/decline", data={"words": "前面还有两位老人"}, follow_redirects=True).text
    assert "没有同意加急" in said
    assert "前面还有两位老人" in zhou.get(page).text
    zhou.post(f"{page}/urgent", data={"urgent_reason": WHY})
    boss.post(f"/seat/urgent/{number + 1}/grant")
    assert "班长已同意加急" in zhou.get(page).text
    with db.reading() as session:
        assert session.scalars(select(Ticket)).one().priority is Priority.URGENT
