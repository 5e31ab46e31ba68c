"""Who comes next, and why: the order, what a person may not answer, and what other branches send."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import access, db
from console.access import Me, may_see
from console.cases.models import CaseEvent
from console.cases.transitions import Action
from console.config import Settings
from console.people.models import Branch
from console.queues import seats, witnesses
from console.queues import service as queues
from console.queues.models import OverflowRule, Priority, SeatState, Ticket
from console.video_seat import service as calls
from tests.queues.given import at_the_video, online, waiting_since
from tests.world import AT, staff_named, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")


def set_priority(ticket: Ticket, priority: Priority) -> None:
    ticket.priority, ticket.rank = priority, priority.rank


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (Priority.RETURNED, Priority.URGENT, "通话中断或未接通后退回，排在最前，已等 05:00"),
        (Priority.URGENT, Priority.APPOINTMENT, "加急获准，排在预约和先到者之前，已等 05:00"),
        (Priority.APPOINTMENT, Priority.MENDED, "在预约时段内，已等 05:00"),
        (Priority.MENDED, Priority.NORMAL, "驳回后补正，先于初次排队，已等 05:00"),
    ],
)
def test_what_comes_before_the_oldest_and_the_words_kept_with_the_ticket(
    session: Session, first: Priority, second: Priority, words: str
) -> None:
    set_priority(waiting_since(session, "许砚青", 9), second)
    later = waiting_since(session, "周晚晴", 5)
    set_priority(later, first)
    answered = seats.answer_next(session, online(session), stamp("staff:1"))
    assert answered is later and answered.because == words
    told = session.scalars(select(CaseEvent).where(CaseEvent.action == Action.ANSWER)).one().detail
    assert told["because"] == words


def test_the_oldest_is_first_come(session: Session) -> None:
    waiting_since(session, "周晚晴", 12.5)
    answered = seats.answer_next(session, online(session), stamp("staff:1"))
    assert answered is not None and answered.because == "先到先接，已等 12:30"


@pytest.mark.parametrize(("after", "first"), [(0, "周晚晴"), (1, "许砚青")])
def test_who_did_not_come_lets_others_go_first_for_a_while(session: Session, after: int, first: str) -> None:
    waiting_since(session, "许砚青", 9).not_before = AT + timedelta(minutes=1)
    waiting_since(session, "周晚晴", 5)
    answered = seats.answer_next(session, online(session), stamp("staff:1", AT + timedelta(minutes=after)))
    assert answered is not None and answered.case.investor.name == first


def test_who_did_not_come_is_called_at_once_where_nobody_else_waits(session: Session) -> None:
    absent = waiting_since(session, "许砚青", 9)
    absent.not_before = AT + timedelta(minutes=1)
    assert seats.answer_next(session, online(session), stamp("staff:1")) is absent


def test_who_sent_a_case_back_at_the_review_does_not_witness_it(session: Session) -> None:
    ticket = waiting_since(session, "周晚晴", 5)
    checked_by(session, ticket, "luwenshan2")  # the same person as luwenshan
    seat = online(session, "luwenshan")
    assert seats.answer_next(session, seat, stamp("staff:1")) is None
    with pytest.raises(witnesses.Reviewed):
        seats.answer(session, seat, ticket.id, stamp("staff:1"))
    assert seats.answer_next(session, online(session, "weiyinuo"), stamp("staff:2")) is ticket


def checked_by(session: Session, ticket: Ticket, username: str) -> None:
    """A line of the trail as the review writes it."""
    from console.cases.models import Status
    from console.cases.trail import write_line

    by = f"staff:{staff_named(session, username).id}"
    case = ticket.case
    line = write_line(case, Action.REJECT, Status.IN_REVIEW, stamp(by), after=case.status, step=None, detail={})
    assert line.after == Status.IN_QUEUE


# --- overflow


def overflow(session: Session, minutes: int) -> None:
    here, there = (session.scalars(select(Branch).where(Branch.code == code)).one() for code in ("SH01", "HZ01"))
    session.add(OverflowRule(branch=here, to_branch=there, after_minutes=minutes))
    session.flush()


def test_who_waits_too_long_is_answered_by_the_branch_that_the_rule_names_and_by_no_other(session: Session) -> None:
    ticket = waiting_since(session, "周晚晴", 9)
    elsewhere = online(session, "hangzhou")
    assert seats.answer_next(session, elsewhere, stamp("staff:3")) is None
    overflow(session, 10)
    assert seats.answer_next(session, elsewhere, stamp("staff:3")) is None, "not yet"
    answered = seats.answer_next(session, elsewhere, stamp("staff:3", AT + timedelta(minutes=1)))
    assert answered is ticket and answered.because == "上海陆家嘴营业部溢出，先到先接，已等 10:00"


def test_ones_own_branch_comes_before_what_others_send(session: Session) -> None:
    overflow(session, 5)
    sent = waiting_since(session, "周晚晴", 30)
    own = waiting_since(session, "闻子期", 1)
    seat = online(session, "hangzhou")
    assert seats.answer_next(session, seat, stamp("staff:3")) is own
    seats.enter(session, seat, SeatState.ONLINE, AT)
    assert seats.answer_next(session, seat, stamp("staff:3")) is sent


def test_a_case_from_elsewhere_is_open_to_its_witness_for_the_length_of_the_call(session: Session) -> None:
    access.BEYOND[:] = [calls.is_talking_to]
    overflow(session, 5)
    ticket = waiting_since(session, "周晚晴", 9)
    seat = online(session, "hangzhou")
    who = Me(staff=seat.staff, investor_id=None)
    assert not may_see(who, ticket.case)
    answered = seats.answer_next(session, seat, stamp("staff:3"))
    assert answered is ticket
    call = calls.start(session, ticket, seat, "node", stamp("staff:3"))
    assert may_see(who, ticket.case)
    other = Me(staff=staff_named(session, "hzreview"), investor_id=None)
    assert not may_see(other, ticket.case)
    call.ended_at = AT
    session.flush()
    assert not may_see(who, ticket.case)


def test_the_seat_shows_who_may_be_answered_from_elsewhere_and_may_pick_them(
    world: Settings, as_staff: Callable[[str], FlaskClient]
) -> None:
    with db.transaction() as session:
        overflow(session, 1)
        now = datetime.now(UTC)
        case = at_the_video(session, "周晚晴", now - timedelta(minutes=9))
        ticket_id = queues.join(session, case, stamp("investor:1", now - timedelta(minutes=9))).id
        online(session, "hangzhou", now)
    page = as_staff("hangzhou").get("/seat").text
    assert "其他营业部溢出" in page and "周晚晴" in page and f'data-answer="{ticket_id}"' in page
    with db.transaction() as session:
        seat = seats.seat_of(session, staff_named(session, "hangzhou").id)
        assert seat is not None
        mark = stamp(f"staff:{seat.staff_id}", now)
        assert seats.answer(session, seat, ticket_id, mark).because == "上海陆家嘴营业部溢出，先到先接，已等 09:00"


def test_the_card_of_the_next_one_shows_whom_this_witness_may_answer(
    world: Settings, as_staff: Callable[[str], FlaskClient]
) -> None:
    with db.transaction() as session:
        waiting_since(session, "许砚青", 9).not_person = staff_named(session, "luwenshan").person
        online(session, "luwenshan", datetime.now(UTC))
    client = as_staff("luwenshan")
    assert "须由其他认证人员接听" in client.get("/seat/parts/next").text
    with db.transaction() as session:
        waiting_since(session, "周晚晴", 5)
    card = client.get("/seat/parts/next").text
    assert "周晚晴" in card and "许砚青" not in card
    with db.transaction() as session:
        seat = seats.seat_of(session, staff_named(session, "luwenshan").id)
        assert seat is not None
        answered = seats.answer_next(session, seat, stamp(f"staff:{seat.staff_id}"))
        assert answered is not None and answered.case.investor.name == "周晚晴"


def test_a_rule_that_was_switched_off_sends_nobody(session: Session) -> None:
    overflow(session, 1)
    waiting_since(session, "周晚晴", 9)
    session.scalars(select(OverflowRule)).one().active = False
    seat = online(session, "hangzhou")
    assert queues.overflowing(session, seat, AT) == []
    assert seats.answer_next(session, seat, stamp("staff:3")) is None


def test_no_rule_sends_a_branch_to_itself(session: Session) -> None:
    here = session.scalars(select(Branch).where(Branch.code == "SH01")).one()
    session.add(OverflowRule(branch=here, to_branch=here, after_minutes=5))
    with pytest.raises(Exception, match=r"elsewhere|CHECK"):
        session.flush()
