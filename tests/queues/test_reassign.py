"""改派: who waits is sent to another branch's queue, or to one witness."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import db
from console.cases.models import CaseEvent
from console.cases.trail import Happening
from console.people.models import Branch, Staff
from console.problem import NotThere
from console.queues import reassign, seats, witnesses
from console.queues import service as queues
from console.queues.models import Seat, SeatState, Ticket
from tests.queues.given import at_the_video, online, waiting_since
from tests.world import AT, staff_named, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")


def branch(session: Session, code: str) -> Branch:
    return session.scalars(select(Branch).where(Branch.code == code)).one()


def lead(session: Session) -> Staff:
    return staff_named(session, "fangyi")


def sent(
    session: Session, ticket: Ticket, code: str = "HZ01", witness: Seat | None = None, why: str = "本部人手不足"
) -> Ticket:
    mark = stamp(f"staff:{lead(session).id}", AT)
    whose = witness.staff_id if witness else None
    return reassign.reassign(session, ticket.id, lead(session), branch(session, code).id, whose, why, mark)


def test_who_was_sent_elsewhere_keeps_number_and_time_and_is_answered_there(session: Session) -> None:
    there = waiting_since(session, "闻子期", 3)
    ticket = waiting_since(session, "周晚晴", 5)
    number = ticket.ticket_no
    sent(session, ticket)
    assert queues.waiting(session, branch(session, "SH01").id) == 0
    assert queues.place(session, there).ahead == 1
    answered = seats.answer_next(session, online(session, "hangzhou"), stamp("staff:1"))
    assert answered is ticket and answered.ticket_no == number
    assert answered.because == "班长改派，先到先接，已等 05:00"
    again = queues.put_back(session, ticket.case, ticket, stamp("staff:1"))
    assert again.branch_id == branch(session, "HZ01").id


def test_what_was_sent_to_a_witness_is_nobody_elses_until_that_one_is_offline(session: Session) -> None:
    ticket = waiting_since(session, "周晚晴", 5)
    hers, other = online(session, "luwenshan"), online(session, "weiyinuo")
    sent(session, ticket, "SH01", hers)
    assert queues.next_for(session, other, AT) is None
    assert seats.answer_next(session, other, stamp("staff:2")) is None
    with pytest.raises(queues.ForAnother):
        seats.answer(session, other, ticket.id, stamp("staff:2"))
    assert queues.next_for(session, hers, AT) is ticket
    seats.enter(session, hers, SeatState.OFFLINE, AT)
    assert seats.answer_next(session, other, stamp("staff:2")) is ticket


def test_the_trail_says_who_sent_it_where_and_why(session: Session) -> None:
    ticket = waiting_since(session, "周晚晴", 5)
    sent(session, ticket)
    line = session.scalars(select(CaseEvent).where(CaseEvent.action == Happening.REASSIGNED)).one()
    assert line.by == f"staff:{lead(session).id}"
    assert line.detail == {
        "ticket": ticket.ticket_no,
        "from": branch(session, "SH01").id,
        "to": branch(session, "HZ01").id,
        "why": "本部人手不足",
    }


def test_a_reason_another_place_and_somebody_who_waits_are_needed(session: Session) -> None:
    ticket = waiting_since(session, "周晚晴", 5)
    with pytest.raises(reassign.WhyMissing):
        sent(session, ticket, why=" ")
    with pytest.raises(reassign.NowhereElse):
        sent(session, ticket, "SH01")
    seats.answer_next(session, online(session), stamp("staff:1"))
    with pytest.raises(reassign.NotWaiting):
        sent(session, ticket)


def test_nobody_is_sent_to_who_is_not_there_or_may_not_witness_it(session: Session) -> None:
    ticket = waiting_since(session, "周晚晴", 5)
    hers = online(session, "luwenshan")
    with pytest.raises(reassign.NoSuchWitness):
        sent(session, ticket, "HZ01", hers)
    ticket.not_person = hers.staff.person
    with pytest.raises(witnesses.NotYours):
        sent(session, ticket, "SH01", hers)
    ticket.not_person = None
    hers.staff.marketing = True
    with pytest.raises(witnesses.Marketing):
        sent(session, ticket, "SH01", hers)
    seats.enter(session, hers, SeatState.OFFLINE, AT)
    with pytest.raises(reassign.NoSuchWitness):
        sent(session, ticket, "SH01", hers)


def test_a_supervisor_sends_away_only_who_waits_at_the_own_branches(session: Session) -> None:
    ticket = waiting_since(session, "闻子期", 5)
    with pytest.raises(NotThere):
        sent(session, ticket, "SH01")


def test_by_the_pages_of_supervisor_and_investor(
    as_staff: Callable[[str], FlaskClient], as_investor: Callable[[str], FlaskClient]
) -> None:
    with db.transaction() as session:
        case = at_the_video(session, "周晚晴")
        ticket = queues.join(session, case, stamp(f"investor:{case.investor_id}", AT - timedelta(minutes=1)))
        hangzhou = branch(session, "HZ01")
        address, page = f"/seat/dispatch/tickets/{ticket.id}", f"/case/{case.case_no}/video"
    client = as_staff("fangyi")
    assert address in client.get("/seat/dispatch").text
    said = client.post(address, data={"branch": hangzhou.id, "why": "本部人手不足"}, follow_redirects=True).text
    assert "周晚晴已改派到杭州钱江营业部" in said
    told = as_investor("周晚晴").get(page).text
    assert "已为您转到杭州钱江营业部的队列" in told and "人手不足" not in told
    again = client.post(address, data={"branch": hangzhou.id, "why": "再来一次"})
    assert again.status_code == 404, "it is another branch's now"
