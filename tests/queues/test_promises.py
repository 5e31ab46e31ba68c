"""What people were told on joining is kept, once, and held against what came of it."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from console.queues import promises, seats
from console.queues.models import Seat, SeatState, Ticket
from console.queues.promises import WaitPromise
from tests.queues.given import online, waiting_since
from tests.queues.history import called
from tests.world import AT

pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def branch_id(session: Session) -> int:
    """One witness in a call, whose calls of six minutes are known."""
    seat = online(session)
    for n in range(8):
        called(session, seat.branch_id, AT - timedelta(minutes=50 + n), minutes=6)
    seats.enter(session, seat, SeatState.IN_CALL, AT)
    return seat.branch_id


def test_the_first_promise_counts(session: Session, branch_id: int) -> None:
    ticket = waiting_since(session, "周晚晴", 0)
    first = promises.promise(session, ticket, AT)
    assert first is not None and (first.ahead, first.made_at) == (0, AT)
    assert promises.promise(session, ticket, AT + timedelta(minutes=5)) is first
    assert session.query(WaitPromise).count() == 1


def test_nothing_is_kept_where_nothing_was_told(session: Session) -> None:
    assert promises.promise(session, waiting_since(session, "周晚晴", 0), AT) is None
    assert session.query(WaitPromise).count() == 0


def test_promises_are_scored_by_who_was_answered(session: Session, branch_id: int) -> None:
    """Two were told 4 to 9 minutes and waited 5 and 12; a third still waits and says nothing."""
    for minutes in (5, 12, None):
        told(session, branch_id, AT, minutes)
    kept = promises.kept(session, [branch_id], AT, AT)
    assert [(each.wait, each.inside) for each in kept] == [(300, True), (720, False)]
    found = promises.score(kept)
    assert found is not None and (found.count, found.inside, found.error) == (2, 0.5, (1.5 + 5.5) / 2)
    assert promises.share_kept(session, [branch_id], AT, AT) == found.inside
    assert promises.kept(session, [branch_id], AT, AT, newest=1) == kept[-1:]
    assert promises.kept(session, [branch_id + 1], AT, AT) == []
    assert promises.share_kept(session, [branch_id + 1], AT, AT) is None


def told(session: Session, branch_id: int, at: datetime, minutes: float | None) -> Ticket:
    ticket = called(session, branch_id, at + timedelta(minutes=minutes or 0), waited=minutes or 0)
    if minutes is None:
        ticket.answered_at = ticket.ended_at = None
    session.add(WaitPromise(ticket_id=ticket.id, branch_id=branch_id, made_at=at, ahead=1, low=4, high=9))
    session.flush()
    return ticket


def test_joining_by_the_portal_keeps_what_the_page_says(session: Session, branch_id: int) -> None:
    """The page asks estimate.py again later; the promise is what it said first."""
    assert session.query(Seat).one().state is SeatState.IN_CALL
    made = promises.promise(session, waiting_since(session, "许砚青", 0), AT)
    assert made is not None and 1 <= made.low < made.high <= 12
