"""The numbers of the board are those of the tickets and seats, and mean what they say."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.people.models import Branch
from console.queues import board, seats, staffing
from console.queues.board import Board, Level, Rules
from console.queues.models import Priority, SeatState
from tests.queues.given import online, waiting_since
from tests.queues.history import called, left
from tests.world import AT

pytestmark = pytest.mark.databases("sqlite", "postgresql")

RULES = Rules(sla=timedelta(minutes=5), share=90, red=timedelta(minutes=10))


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def branches(session: Session) -> list[Branch]:
    return list(session.scalars(select(Branch).order_by(Branch.id)))


def shown(session: Session, at: datetime = AT) -> Board:
    return board.board(session, branches(session), at, RULES)


def test_a_day_adds_up_for_each_branch_and_for_all(session: Session) -> None:
    here, there = branches(session)
    called(session, here.id, AT - minutes(60), minutes=6, waited=2)
    called(session, here.id, AT - minutes(40), minutes=8, waited=9)
    left(session, here.id, AT - minutes(30), waited=7)
    called(session, there.id, AT - minutes(20), minutes=4, waited=1)
    called(session, there.id, AT - timedelta(days=1))
    found = shown(session)
    mine = next(row.line for row in found.branches if row.branch_id == here.id)
    assert (mine.arrived, mine.answered, mine.left) == (3, 2, 1)
    assert mine.handling == pytest.approx(7 * 60)
    assert (found.total.arrived, found.total.answered, found.total.left) == (4, 3, 1)
    assert found.total.handling == pytest.approx(6 * 60)


def test_the_line_is_kept_by_those_whose_time_is_up(session: Session) -> None:
    """In time: one of four. Too late: one answered after nine minutes, one who left after seven, one who waits for six.

    Who left after a minute, and who waits for three, has decided nothing.
    """
    here = branches(session)[0].id
    called(session, here, AT - minutes(60), waited=2)
    called(session, here, AT - minutes(40), waited=9)
    left(session, here, AT - minutes(30), waited=7)
    left(session, here, AT - minutes(30), waited=1)
    waiting_since(session, "周晚晴", 6)
    assert shown(session).total.share_within == 25
    waiting_since(session, "许砚青", 3)
    assert shown(session).total.share_within == 25


def test_who_came_back_from_a_call_arrived_once(session: Session) -> None:
    here = branches(session)[0].id
    called(session, here, AT - minutes(30), waited=2)
    again = called(session, here, AT - minutes(10), waited=22)
    again.priority = Priority.RETURNED
    session.flush()
    found = shown(session)
    assert (found.total.arrived, found.total.answered, found.total.share_within) == (1, 2, 100)
    assert max(slot.longest or 0 for slot in found.slots) == pytest.approx(120)


def test_half_hours_run_from_the_first_arrival_until_now(session: Session) -> None:
    here = branches(session)[0].id
    called(session, here, AT - minutes(100), minutes=5, waited=25)
    waiting_since(session, "周晚晴", 12)
    found = shown(session, AT + minutes(1))
    assert [(slot.begins - AT, slot.arrived, slot.answered) for slot in found.slots] == [
        (minutes(-150), 1, 0),
        (minutes(-120), 0, 1),
        (minutes(-90), 0, 0),
        (minutes(-60), 0, 0),
        (minutes(-30), 1, 0),
        (minutes(0), 0, 0),
    ]
    assert [slot.longest and round(slot.longest) for slot in found.slots] == [1500, None, None, None, 13 * 60, None]


@pytest.mark.parametrize(("waited", "level"), [(4.9, Level.OK), (5, Level.WAIT), (9.9, Level.WAIT), (10, Level.BAD)])
def test_a_branch_is_amber_from_the_line_on_and_red_from_the_red_line(
    session: Session, waited: float, level: Level
) -> None:
    online(session)
    waiting_since(session, "周晚晴", waited)
    row = shown(session).branches[0]
    assert (row.level, row.waited) == (level, pytest.approx(waited * 60))
    assert bool(shown(session).alerts) == (level is Level.BAD)


def test_people_waiting_where_nobody_sits_are_an_alarm_at_once(session: Session) -> None:
    waiting_since(session, "周晚晴", 0)
    assert [row.level for row in shown(session).alerts] == [Level.NOBODY]
    seats.enter(session, online(session), SeatState.BREAK, AT)
    assert [row.level for row in shown(session).alerts] == [Level.NOBODY]


def test_seats_are_counted_by_state_and_offline_ones_are_not_there(session: Session) -> None:
    first, second = online(session), online(session, "weiyinuo")
    seats.enter(session, first, SeatState.IN_CALL, AT)
    found = shown(session)
    assert (found.total.present, found.total.serving, found.total.seats[SeatState.IN_CALL]) == (2, 2, 1)
    assert [(card.name, card.too_long) for card in found.seats] == [("陆文珊", False), ("韦一诺", False)]
    assert [card.too_long for card in shown(session, AT + minutes(20)).seats] == [True, False]
    seats.enter(session, second, SeatState.OFFLINE, AT)
    assert [card.state for card in shown(session).seats] == [SeatState.IN_CALL]


def test_a_branch_that_is_not_asked_for_is_not_counted(session: Session) -> None:
    here, there = branches(session)
    called(session, there.id, AT - minutes(20))
    found = board.board(session, [here], AT, RULES)
    assert (found.total.arrived, found.total.answered, len(found.branches)) == (0, 0, 1)


# --- suggested seats


def suggested(session: Session) -> staffing.Suggestion:
    return staffing.suggestions(session, [branches(session)[0].id], AT, RULES.sla, 0.9)[0]


def test_seats_are_suggested_from_the_same_weekday_and_hours(session: Session) -> None:
    """Twelve people an hour with calls of six minutes want three seats; the hour after had nobody."""
    here = branches(session)[0].id
    for week in (1, 2):
        for n in range(12):
            called(session, here, AT - timedelta(weeks=week) + minutes(n), minutes=6, waited=2)
        for n in range(40):
            called(session, here, AT - timedelta(weeks=week, days=1) + minutes(n % 20), minutes=6)
    assert (suggested(session).seats, suggested(session).days) == ((3, 0, 0), 2)


def test_one_day_of_history_is_too_little_to_suggest_seats(session: Session) -> None:
    here = branches(session)[0].id
    for n in range(12):
        called(session, here, AT - timedelta(weeks=1) + minutes(n), minutes=6, waited=2)
    assert suggested(session).seats == (None, None, None)
