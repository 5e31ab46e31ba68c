"""Two seats claim one ticket: exactly one wins (TRUST, faults). Real threads, real transactions, both databases."""

import threading
import time
from collections import Counter
from dataclasses import dataclass

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from console import db
from console.cases import service as cases
from console.cases.models import Case, CaseEvent, Status
from console.cases.transitions import Action, IllegalTransition
from console.config import Settings
from console.queues import seats
from console.queues import service as queues
from console.queues.models import Seat, SeatState, Ticket, TicketState
from tests.queues.given import crowd, crowd_member, online, waiting_since
from tests.world import AT, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")

ROUNDS = pytest.mark.parametrize("rounds", [40, pytest.param(1000, marks=[pytest.mark.soak, pytest.mark.timeout(900)])])


@dataclass(frozen=True)
class Answer:
    """One line of the history: who asked when, was told when (monotonic), and which ticket it got."""

    seat: int
    asked: float
    told: float
    ticket: int


def seat_ids(*usernames: str) -> list[int]:
    with db.transaction() as session:
        return [online(session, name).id for name in usernames]


def answer_until_empty(seat_id: int, history: list[Answer], start: threading.Barrier) -> None:
    start.wait()
    while True:
        asked = time.monotonic()
        with db.transaction() as session:
            seat = session.get_one(Seat, seat_id)
            ticket = seats.answer_next(session, seat, stamp(f"staff:{seat.staff_id}"))
            if ticket is None:
                return
            seats.enter(session, seat, SeatState.ONLINE, AT)  # as after a verdict
        history.append(Answer(seat_id, asked, time.monotonic(), ticket.id))


def out_of_order(history: list[Answer], waiting: list[int]) -> list[tuple[Answer, Answer]]:
    """Pairs in which somebody was answered before another who stood further ahead and whom nobody else was just answering."""
    place = {ticket: n for n, ticket in enumerate(waiting)}
    last: Answer | None = None
    wrong = []
    for each in sorted(history, key=lambda answer: place[answer.ticket], reverse=True):
        if last is not None and last.told < each.asked:
            wrong.append((last, each))
        last = each if last is None or each.told < last.told else last
    return wrong


def at_once(*runs: threading.Thread) -> None:
    for run in runs:
        run.start()
    for run in runs:
        run.join()


@ROUNDS
def test_two_witnesses_answering_at_once_answer_every_ticket_exactly_once(world: Settings, rounds: int) -> None:
    seats_ = seat_ids("luwenshan", "weiyinuo")
    with db.transaction() as session:
        waiting = [ticket.id for ticket in crowd(session, rounds)]
    start = threading.Barrier(2)
    told: tuple[list[Answer], list[Answer]] = ([], [])
    at_once(*(threading.Thread(target=answer_until_empty, args=(seats_[i], told[i], start)) for i in range(2)))
    history = told[0] + told[1]
    assert Counter(answer.ticket for answer in history) == Counter(waiting)
    assert out_of_order(history, waiting) == []
    with db.reading() as session:
        answers = session.scalars(select(CaseEvent.case_id).where(CaseEvent.action == Action.ANSWER)).all()
        assert len(answers) == len(set(answers)) == rounds
        staff = {seat.id: seat.staff_id for seat in session.scalars(select(Seat))}
        kept = {row.id: row.answered_by for row in session.execute(select(Ticket.id, Ticket.answered_by))}
        assert kept == {answer.ticket: staff[answer.seat] for answer in history}, "the history and the tickets differ"


def test_a_history_with_somebody_passed_over_is_seen() -> None:
    first, second = Answer(1, 0.0, 1.0, 11), Answer(2, 2.0, 3.0, 12)
    assert out_of_order([first, second], [11, 12]) == []
    assert out_of_order([first, second], [12, 11]) == [(first, second)]
    assert out_of_order([Answer(1, 0.0, 2.5, 11), second], [12, 11]) == [], "at once is not before"


def test_two_witnesses_picking_the_same_ticket_get_one_answer_and_one_refusal(world: Settings) -> None:
    seats_ = seat_ids("luwenshan", "weiyinuo")
    for _ in range(12):
        with db.transaction() as session:
            for ticket in session.scalars(select(Ticket).where(Ticket.state == TicketState.WAITING)):
                queues.leave(session, ticket.case, stamp())
            target = waiting_again(session).id
        outcomes: list[str] = []
        start = threading.Barrier(2)

        def pick(
            seat_id: int, outcomes: list[str] = outcomes, start: threading.Barrier = start, target: int = target
        ) -> None:
            start.wait()
            try:
                with db.transaction() as session:
                    seat = session.get_one(Seat, seat_id)
                    seats.answer(session, seat, target, stamp(f"staff:{seat.staff_id}"))
                    outcomes.append("answered")
            except queues.AlreadyAnswered:
                outcomes.append("refused")

        at_once(*(threading.Thread(target=pick, args=(seat_id,)) for seat_id in seats_))
        assert sorted(outcomes) == ["answered", "refused"]
        hang_up_all()


def waiting_again(session: Session) -> Ticket:
    """周晚晴 in the queue, wherever the round before left her."""
    case = session.scalar(select(Case).join(Case.investor).where(Case.status != Status.COMPLETED))
    return queues.join(session, case, stamp()) if case else waiting_since(session, "周晚晴", 1)


def hang_up_all() -> None:
    with db.transaction() as session:
        for case in session.scalars(select(Case).where(Case.status == Status.IN_VIDEO)):
            answered = session.scalars(
                select(Ticket).where(Ticket.case_id == case.id).order_by(Ticket.id.desc())
            ).first()
            assert answered is not None
            queues.put_back(session, case, answered, stamp())
            queues.leave(session, case, stamp())
        for seat in session.scalars(select(Seat)):
            seats.free(session, seat.staff_id, AT)


def test_abandoning_while_being_answered_ends_in_one_of_the_two_and_never_in_both(world: Settings) -> None:
    (seat_id,) = seat_ids("luwenshan")
    for n in range(15):
        with db.transaction() as session:
            ticket = crowd_member(session, n)
            case_id, ticket_id = ticket.case_id, ticket.id
        start = threading.Barrier(2)
        outcomes: list[str] = []

        def answer(outcomes: list[str] = outcomes, start: threading.Barrier = start) -> None:
            start.wait()
            with db.transaction() as session:
                if seats.answer_next(session, session.get_one(Seat, seat_id), stamp()):
                    outcomes.append("answered")

        def abandon(outcomes: list[str] = outcomes, start: threading.Barrier = start, case_id: int = case_id) -> None:
            start.wait()
            try:
                with db.transaction() as session:
                    cases.abandon(session.get_one(Case, case_id), stamp())
                outcomes.append("abandoned")
            except IllegalTransition:
                outcomes.append("refused")

        at_once(threading.Thread(target=answer), threading.Thread(target=abandon))
        with db.reading() as session:
            ended = session.get_one(Ticket, ticket_id)
            state = (session.get_one(Case, case_id).status, ended.state)
        if "answered" in outcomes:
            assert "refused" in outcomes and state == (Status.IN_VIDEO, TicketState.ANSWERED)
        else:
            assert "abandoned" in outcomes and state == (Status.ABANDONED, TicketState.LEFT)
        with db.transaction() as session:
            seats.free(session, session.get_one(Seat, seat_id).staff_id, AT)


def test_joining_on_two_devices_at_once_makes_one_ticket(world: Settings) -> None:
    with db.transaction() as session:
        case_id = waiting_since(session, "周晚晴", 1).case_id
        queues.leave(session, session.get_one(Case, case_id), stamp())
    tickets: list[int] = []
    start = threading.Barrier(2)

    def join() -> None:
        start.wait()
        with db.transaction() as session:
            tickets.append(queues.join(session, session.get_one(Case, case_id), stamp()).id)

    at_once(threading.Thread(target=join), threading.Thread(target=join))
    assert len(tickets) == 2 and len(set(tickets)) == 1


def test_a_claim_is_a_few_statements_whatever_is_to_be_checked(world: Settings) -> None:
    """Lock and read, where it stands, the last line, an appointment; ticket, case, line."""
    (seat_id,) = seat_ids("luwenshan")
    with db.transaction() as session:
        crowd(session, 2)
    said: list[str] = []
    engine = db.engine(writes=True)

    def hear(connection: object, cursor: object, statement: str, *more: object) -> None:
        said.append(statement)

    with db.transaction() as session:
        seat = session.get_one(Seat, seat_id)
        event.listen(engine, "before_cursor_execute", hear)
        queues.claim_next(session, seat, stamp())
        event.remove(engine, "before_cursor_execute", hear)
    assert len(said) <= 7, said


def test_picking_out_of_order_needs_a_reason_that_is_written_down(session: Session) -> None:
    waiting_since(session, "许砚青", 9)
    picked = waiting_since(session, "周晚晴", 5)
    seat = online(session)
    with pytest.raises(queues.WhyMissing):
        seats.answer(session, seat, picked.id, stamp("staff:1"))
    seats.answer(session, seat, picked.id, stamp("staff:1"), "班长安排")
    told = session.scalars(select(CaseEvent).where(CaseEvent.action == Action.ANSWER)).one().detail
    assert told == {"ticket": picked.ticket_no, "why": "班长安排", "because": "挑选接通：班长安排，已等 05:00"}


def test_picking_the_head_needs_no_reason(session: Session) -> None:
    head = waiting_since(session, "周晚晴", 5)
    assert seats.answer(session, online(session), head.id, stamp("staff:1")).state is TicketState.ANSWERED


def test_a_ticket_of_another_branch_is_not_there(session: Session) -> None:
    other = waiting_since(session, "闻子期", 5)
    with pytest.raises(seats.NotYourBranch):
        seats.answer(session, online(session), other.id, stamp("staff:1"))
    assert other.state is TicketState.WAITING


def test_the_next_one_is_never_from_another_branch(session: Session) -> None:
    waiting_since(session, "闻子期", 5)
    assert seats.answer_next(session, online(session), stamp("staff:1")) is None
