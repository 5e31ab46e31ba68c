"""One investor who joins and leaves without end: rows stay few, nobody else loses anything."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console import db
from console.cases.models import Case, CaseEvent
from console.config import Settings
from console.queues import seats
from console.queues import service as queues
from console.queues.models import Ticket
from console.queues.service import HOUR, MOST_JOINS, JoinedEnough
from tests.queues.given import at_the_video, crowd, online, waiting_since
from tests.world import AT, stamp


def rows(session: Session) -> int:
    return sum(session.scalar(select(func.count()).select_from(table)) or 0 for table in (Ticket, CaseEvent))


def in_and_out(session: Session, case: Case, times: int, since: timedelta = timedelta()) -> int:
    """Join and leave so often, a second each; how often it was refused."""
    refused = 0
    for n in range(times):
        mark = stamp(f"investor:{case.investor_id}", AT + since + timedelta(seconds=n))
        try:
            queues.join(session, case, mark)
            queues.leave(session, case, mark)
        except JoinedEnough:
            refused += 1
    return refused


def test_joining_and_leaving_a_thousand_times_leaves_few_rows_and_pushes_nobody_back(session: Session) -> None:
    others = crowd(session, 3, AT - timedelta(minutes=9))
    case = at_the_video(session)
    before = rows(session)
    assert in_and_out(session, case, 1000) == 1000 - MOST_JOINS
    assert rows(session) - before == 3 * MOST_JOINS  # a ticket and two lines each
    assert [queues.place(session, other).ahead for other in others] == [0, 1, 2]
    assert queues.waiting_list(session, [case.branch_id]) == others
    assert seats.answer_next(session, online(session), stamp("staff:1")) is others[0]


def test_who_joined_too_often_may_join_again_within_the_hour_and_keeps_a_place_that_they_have(session: Session) -> None:
    case = at_the_video(session)
    assert in_and_out(session, case, MOST_JOINS - 1) == 0
    last = queues.join(session, case, stamp("investor:1", AT + timedelta(minutes=2)))
    assert queues.join(session, case, stamp("investor:1", AT + timedelta(minutes=3))) is last
    queues.leave(session, case, stamp("investor:1", AT + timedelta(minutes=4)))
    with pytest.raises(JoinedEnough):
        queues.join(session, case, stamp("investor:1", AT + timedelta(minutes=5)))
    assert queues.join(session, case, stamp("investor:1", AT + HOUR + timedelta(seconds=1)))


def test_one_persons_flood_is_nobody_elses_limit(session: Session) -> None:
    in_and_out(session, at_the_video(session), MOST_JOINS + 1)
    assert waiting_since(session, "许砚青", 0)


def test_coming_back_after_a_broken_call_is_no_joining(session: Session) -> None:
    case = at_the_video(session)
    in_and_out(session, case, MOST_JOINS - 1)
    ticket = queues.join(session, case, stamp("investor:1", AT + timedelta(minutes=1)))
    seat = online(session)
    for n in range(3):
        assert seats.answer_next(session, seat, stamp("staff:1", AT + timedelta(minutes=2 + n))) is ticket
        ticket = queues.put_back(session, case, ticket, stamp("staff:1", AT + timedelta(minutes=2 + n)))
        seats.free(session, seat.staff_id, AT)
    assert queues.place(session, ticket).ahead == 0


def test_many_tabs_that_join_at_once_are_one_ticket_and_one_line(world: Settings, app, as_investor) -> None:  # type: ignore[no-untyped-def]
    tabs, case_no = [as_investor("周晚晴") for _ in range(6)], ""
    with db.transaction() as session:
        case = at_the_video(session)
        case_no, case_id, before = case.case_no, case.id, rows(session)
    codes: list[int] = []
    start = threading.Barrier(len(tabs))

    def press(tab: FlaskClient) -> None:
        start.wait()
        codes.extend(tab.post(f"/case/{case_no}/video/join").status_code for _ in range(5))

    presses: list[Callable[[], None]] = [lambda tab=tab: press(tab) for tab in tabs]  # type: ignore[misc]
    running = [threading.Thread(target=each) for each in presses]
    for each in running:
        each.start()
    for each in running:
        each.join()
    assert set(codes) == {303}
    with db.reading() as session:
        assert rows(session) - before == 2
        assert session.scalars(select(Ticket.case_id)).all() == [case_id]


def test_who_floods_reads_why_and_when(world: Settings, as_investor: Callable[[str], FlaskClient]) -> None:
    page = as_investor("周晚晴")
    with db.transaction() as session:
        case_no = at_the_video(session).case_no
    for _ in range(MOST_JOINS):
        assert page.post(f"/case/{case_no}/video/join").status_code == 303
        assert page.post(f"/case/{case_no}/video/leave").status_code == 303
    refused = page.post(f"/case/{case_no}/video/join")
    assert refused.status_code == 429 and f"一小时内最多加入排队 {MOST_JOINS} 次" in refused.text
