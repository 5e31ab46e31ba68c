"""预计等待: how long calls take here and now, how many seats serve, and how sure one can be."""

from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.people.models import Branch
from console.queues import estimate, seats, simulator
from console.queues.estimate import Handling, Serving
from console.queues.models import SeatState, Ticket
from tests.queues.given import online
from tests.queues.history import called
from tests.world import AT, stamp


def branch(session: Session, code: str) -> int:
    return session.scalars(select(Branch.id).where(Branch.code == code)).one()


def test_nothing_is_promised_before_there_were_calls_to_go_by(session: Session) -> None:
    seat = online(session)
    for _ in range(estimate.LEAST_CALLS):
        assert estimate.wait_minutes(session, seat.branch_id, 1, AT) is None
        called(session, seat.branch_id, AT - timedelta(minutes=30), minutes=6)
    assert estimate.wait_minutes(session, seat.branch_id, 1, AT) is not None


def test_nothing_is_promised_while_nobody_takes_calls(session: Session) -> None:
    seat = online(session)
    for _ in range(9):
        called(session, seat.branch_id, AT - timedelta(minutes=30), minutes=6)
    seats.enter(session, seat, SeatState.BREAK, AT)
    assert estimate.wait_minutes(session, seat.branch_id, 0, AT) is None


def test_a_seat_whose_page_fell_silent_counts_no_more(session: Session) -> None:
    seat = online(session)
    later = AT + seats.SILENCE + timedelta(seconds=1)
    assert estimate.serving_now(session, seat.branch_id, AT) == Serving(seats=1, free=1)
    assert estimate.serving_now(session, seat.branch_id, later) == Serving(seats=0, free=0)
    seats.enter(session, seat, SeatState.IN_CALL, AT)
    assert estimate.serving_now(session, seat.branch_id, later) == Serving(seats=1, free=0)


def test_todays_calls_of_the_branch_come_before_its_week_and_the_other_branches(session: Session) -> None:
    here, there = branch(session, "SH01"), branch(session, "HZ01")
    for _ in range(6):
        called(session, there, AT - timedelta(days=20), minutes=40)
    assert minutes(session, here) == 40
    for _ in range(6):
        called(session, there, AT - timedelta(hours=1), minutes=20)
    assert minutes(session, here) == 20
    for _ in range(6):
        called(session, here, AT - timedelta(days=3), minutes=10)
    assert minutes(session, here) == 10
    for _ in range(6):
        called(session, here, AT - timedelta(hours=1), minutes=5)
    assert minutes(session, here) == 5


def minutes(session: Session, branch_id: int) -> float:
    known = estimate.handling(session, branch_id, AT)
    assert known is not None
    return known.mean / 60


def test_a_call_that_was_forgotten_open_spoils_nothing(session: Session) -> None:
    known = Handling.of([360.0] * 20 + [36_000.0])
    assert known is not None and known.mean < 420


def test_the_pause_between_two_calls_counts_when_somebody_waited(session: Session) -> None:
    at, minute = AT, timedelta(minutes=1)
    first, hurried = (at, at, at + 5 * minute, 7), (at, at + 6 * minute, at + 11 * minute, 7)
    idle = (at + 30 * minute, at + 31 * minute, at + 35 * minute, 7)
    other = (at, at + 5 * minute, at + 9 * minute, 8)
    assert estimate.pauses([first, hurried, idle, other]) == [60.0]


def test_a_free_seat_means_at_once_and_each_further_person_means_longer() -> None:
    known = Handling(360, 180**2)
    assert estimate.in_minutes(estimate.wait_range(known, 0, Serving(2, 1))) == (1, 2)
    waits = [estimate.wait_range(known, ahead, Serving(2, 0)) for ahead in range(20)]
    assert waits == sorted(waits) and waits[-1][0] > 30 * 60


def test_calls_that_differ_more_make_the_range_wider() -> None:
    like, unlike = (estimate.wait_range(Handling(360, d**2), 5, Serving(2, 0)) for d in (30, 360))
    assert unlike[1] - unlike[0] > 2 * (like[1] - like[0])


@pytest.mark.parametrize("vary", [0.3, 1.0])
@pytest.mark.parametrize(("seats_", "per_half_hour"), [(1, 6.2), (4, 25.0)])
def test_most_people_of_a_busy_day_wait_as_long_as_they_were_told(
    vary: float, seats_: int, per_half_hour: float
) -> None:
    random = Random(11)
    people = simulator.synthetic(
        [per_half_hour] * 60, simulator.calls(300, vary, random), simulator.patience_of(1200, random), random
    )
    found = simulator.summary(simulator.play(people, simulator.Shifts.steady(seats_)), 300)
    assert found is not None and found.accuracy is not None
    assert found.accuracy.count > 250 and 0.75 <= found.accuracy.inside <= 0.97


def test_the_promise_reads_the_line_as_it_is(session: Session) -> None:
    """The same rule for the page and for the simulator: four in front at one seat of six minutes."""
    seat = online(session)
    for n in range(12):
        called(session, seat.branch_id, AT - timedelta(minutes=30 + n), minutes=6)
    seats.enter(session, seat, SeatState.IN_CALL, AT)
    told = estimate.wait_minutes(session, seat.branch_id, 4, AT)
    assert told is not None and told[0] <= 27 <= told[1]
    assert session.query(Ticket).count() == 12 and stamp().at == AT
