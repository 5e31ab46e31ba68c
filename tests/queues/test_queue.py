from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from console import db
from console.businesses.steps import Desk
from console.cases import service as cases
from console.cases.models import Status
from console.cases.transitions import IllegalTransition, reject
from console.config import Settings
from console.people.numbers import ticket_no
from console.queues import seats
from console.queues import service as queues
from console.queues.models import Priority, Ticket, TicketState
from tests.queues.given import at_the_video, crowd, online, reasons, to_the_video, waiting_since
from tests.world import AT, given_case, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")

INVESTOR, WITNESS = stamp("investor:1"), stamp("staff:1")


def test_joining_puts_the_case_into_the_queue_of_its_branch(session: Session) -> None:
    case = at_the_video(session)
    ticket = queues.join(session, case, INVESTOR)
    assert case.status is Status.IN_QUEUE
    assert (ticket.branch_id, ticket.state, ticket.joined_at) == (case.branch_id, TicketState.WAITING, AT)


def test_joining_again_gives_the_same_ticket_and_place(session: Session) -> None:
    waiting_since(session, "许砚青", 3)
    case = at_the_video(session)
    first = queues.join(session, case, INVESTOR)
    again = queues.join(session, case, stamp("investor:1", AT + timedelta(hours=1)))
    assert again is first
    assert queues.place(session, again).ahead == 1


def test_a_case_that_has_steps_to_finish_cannot_join(session: Session) -> None:
    with pytest.raises(IllegalTransition):
        queues.join(session, given_case(session), INVESTOR)


def test_the_number_waiting_includes_oneself(session: Session) -> None:
    ticket = waiting_since(session, "周晚晴", 1)
    assert queues.place(session, ticket) == queues.Place(ahead=0, waiting=1)


def test_other_branches_do_not_count(session: Session) -> None:
    waiting_since(session, "闻子期", 9)
    ticket = waiting_since(session, "周晚晴", 1)
    assert queues.place(session, ticket) == queues.Place(ahead=0, waiting=1)


def test_the_oldest_comes_first_and_ties_go_by_the_order_of_joining(session: Session) -> None:
    tickets = crowd(session, 3, AT - timedelta(minutes=3))
    late, early = waiting_since(session, "周晚晴", 0), waiting_since(session, "许砚青", 9)
    for ticket in tickets:
        ticket.joined_at = tickets[0].joined_at
    session.flush()
    assert queues.waiting_list(session, [late.branch_id]) == [early, *tickets, late]
    assert [queues.place(session, t).ahead for t in (early, *tickets, late)] == [0, 1, 2, 3, 4]


def test_a_rejected_case_that_was_mended_comes_before_older_ones(session: Session) -> None:
    seat = online(session)
    mended = waiting_since(session, "周晚晴", 30)
    seats.answer_next(session, seat, WITNESS)
    older = waiting_since(session, "许砚青", 20)
    reject(mended.case, reasons(session, "card_mismatch"), WITNESS, desk=Desk.SEAT)
    ticket = queues.join(session, to_the_video(mended.case), INVESTOR)
    assert ticket.priority is Priority.MENDED
    assert queues.waiting_list(session, [ticket.branch_id]) == [ticket, older]


def test_who_comes_back_from_a_technical_failure_is_first_with_number_and_time_kept(session: Session) -> None:
    seat = online(session)
    first = waiting_since(session, "周晚晴", 30)
    seats.answer_next(session, seat, WITNESS)
    mended = waiting_since(session, "许砚青", 40)
    mended.priority, mended.rank = Priority.MENDED, Priority.MENDED.rank
    back = queues.put_back(session, first.case, first, stamp("staff:1", AT + timedelta(minutes=5)))
    assert (back.priority, back.ticket_no, back.joined_at) == (Priority.RETURNED, first.ticket_no, first.joined_at)
    assert queues.place(session, back).ahead == 0
    assert first.state is TicketState.ANSWERED


def test_leaving_gives_the_case_back_to_the_investor_and_ends_the_ticket(session: Session) -> None:
    ticket = waiting_since(session, "周晚晴", 1)
    queues.leave(session, ticket.case, INVESTOR)
    assert (ticket.case.status, ticket.state, ticket.ended_at) == (Status.WITH_INVESTOR, TicketState.LEFT, AT)
    assert queues.waiting(session, ticket.branch_id) == 0


def test_abandoning_ends_the_ticket(session: Session) -> None:
    ticket = waiting_since(session, "周晚晴", 1)
    cases.abandon(ticket.case, INVESTOR)
    assert ticket.state is TicketState.LEFT
    assert queues.waiting_list(session, [ticket.branch_id]) == []


def test_who_leaves_and_joins_again_gets_a_new_number_at_the_end(session: Session) -> None:
    ticket = waiting_since(session, "周晚晴", 9)
    other = waiting_since(session, "许砚青", 5)
    queues.leave(session, ticket.case, INVESTOR)
    again = queues.join(session, ticket.case, INVESTOR)
    assert again.ticket_no != ticket.ticket_no
    assert queues.waiting_list(session, [ticket.branch_id]) == [other, again]


def test_somebody_who_was_answered_waits_no_more(session: Session) -> None:
    first, second = waiting_since(session, "周晚晴", 9), waiting_since(session, "许砚青", 5)
    seats.answer_next(session, online(session), WITNESS)
    assert queues.place(session, second) == queues.Place(ahead=0, waiting=1)
    assert first.case.status is Status.IN_VIDEO


def test_the_database_knows_one_waiting_ticket_a_case(session: Session) -> None:
    ticket = waiting_since(session, "周晚晴", 9)
    with pytest.raises(IntegrityError), session.begin_nested():
        session.add(Ticket(case_id=ticket.case_id, branch_id=ticket.branch_id, ticket_no="Z999", joined_at=AT))
        session.flush()


def test_a_closed_tab_or_a_killed_process_keeps_the_place(world: Settings) -> None:
    with db.transaction() as session:
        ahead = waiting_since(session, "许砚青", 9).id
        mine = waiting_since(session, "周晚晴", 5)
        case_id, number = mine.case_id, mine.ticket_no
    db.close()
    db.connect(world.database_url)  # as a new process does
    with db.reading() as session:
        ticket = session.scalars(select(Ticket).where(Ticket.case_id == case_id)).one()
        assert (ticket.ticket_no, queues.place(session, ticket)) == (number, queues.Place(ahead=1, waiting=2))
        assert queues.waiting_list(session, [ticket.branch_id])[0].id == ahead


def test_ticket_numbers_go_on_after_999(session: Session) -> None:
    numbers = [ticket_no(session, 1, AT) for _ in range(1000)]
    assert (numbers[0], numbers[998], numbers[999]) == ("A001", "A999", "B001")
