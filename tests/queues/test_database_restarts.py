"""PostgreSQL is restarted while people join and are answered: what was said to be done is done, what failed was said to have failed.

With a server of its own, so it is the soak's.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from console import db
from console.cases.models import CaseEvent
from console.cases.transitions import Action
from console.chain import find_break
from console.queues import seats
from console.queues import service as queues
from console.queues.models import SeatState, Ticket, TicketState
from tests.fixtures import signed_in
from tests.queues.given import crowd_member, online
from tests.servers import PostgresServer, migrated, postgres_server
from tests.world import AT, staff_named, stamp

pytestmark = [pytest.mark.databases("postgresql"), pytest.mark.soak]
PEOPLE = 90
RESTARTS = (signal.SIGQUIT, signal.SIGINT, signal.SIGQUIT)
SOON = 60.0  # seconds


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with postgres_server(keeps=True) as running:
        yield running


@pytest.fixture
def database_url(server: PostgresServer, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    assert request.param == "postgresql"
    url = server.url(server.create())
    migrated(url, tmp_path)
    yield url
    db.close()


class Investor(threading.Thread):
    """Presses 开始视频通话 again until the page says that it worked; ``failed``: how often it said that it did not."""

    def __init__(self, client: FlaskClient, case_no: str):
        super().__init__()
        self.client, self.case_no, self.failed, self.joined = client, case_no, 0, False
        self.said: set[tuple[int, bool]] = set()

    def run(self) -> None:
        deadline = time.monotonic() + SOON
        while not self.joined and time.monotonic() < deadline:
            answer = self.client.post(f"/case/{self.case_no}/video/join")
            self.joined = answer.status_code == 303
            self.said.add((answer.status_code, "您的操作没有保存" in answer.text))
            if not self.joined:
                self.failed += 1
                time.sleep(0.05)


class Witness(threading.Thread):
    """Answers until ``enough`` people were. ``told``: tickets it was told are its; ``found``: those it finds itself in after a failure."""

    def __init__(self, username: str, enough: Callable[[], bool]):
        super().__init__()
        self.username, self.enough = username, enough
        self.told: list[int] = []
        self.found: list[int] = []
        self.failed = 0

    def run(self) -> None:
        deadline = time.monotonic() + SOON
        while not self.enough() and time.monotonic() < deadline:
            try:
                self.answers()
            except DBAPIError:
                self.failed += 1
                time.sleep(0.05)

    def answers(self) -> None:
        with db.transaction() as session:
            seat = seats.seat_of(session, staff_named(session, self.username).id)
            assert seat is not None
            if seat.state is SeatState.IN_CALL:  # committed, and the word of it lost on the way
                mine = select(Ticket.id).where(Ticket.answered_by == seat.staff_id).order_by(Ticket.id)
                lost = set(session.scalars(mine)) - {*self.told, *self.found}
                seats.enter(session, seat, SeatState.ONLINE, AT)
                ticket = None
            else:
                lost = set()
                ticket = seats.answer_next(session, seat, stamp(f"staff:{seat.staff_id}"))
        self.found.extend(lost)
        if ticket is None:
            time.sleep(0.01)
            return
        self.told.append(ticket.id)


def test_nobody_is_told_what_is_not_so_and_whatever_failed_can_be_done_again(
    app: Flask, server: PostgresServer
) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False  # as in the house: an error is a page
    with db.transaction() as session:
        tickets = [crowd_member(session, n) for n in range(PEOPLE)]
        for ticket in tickets:
            queues.leave(session, ticket.case, stamp())
        numbers = [(ticket.case.investor_id, ticket.case.case_no) for ticket in tickets]
        before = {ticket.id for ticket in tickets}
        for name in ("luwenshan", "weiyinuo"):
            online(session, name)
    investors = [Investor(signed_in(app, None, person), case_no) for person, case_no in numbers]
    witnesses: list[Witness] = []

    def enough() -> bool:
        return sum(len(each.told) + len(each.found) for each in witnesses) == PEOPLE

    witnesses += [Witness(name, enough) for name in ("luwenshan", "weiyinuo")]
    for each in witnesses:
        each.start()
    for n, how in enumerate(RESTARTS):
        for each in investors[n :: len(RESTARTS)]:
            each.start()
        time.sleep(0.3)  # in the middle of it
        server.restart(how)
    for each in (*investors, *witnesses):
        each.join()
    assert all(each.joined for each in investors)
    assert set().union(*(each.said for each in investors)) == {(303, False), (503, True)}
    assert sum(each.failed for each in (*investors, *witnesses)) > 0, "nobody noticed the restarts: they prove nothing"
    with db.reading() as session:
        made = session.scalars(select(Ticket).where(Ticket.id.not_in(before))).all()
        assert len(made) == PEOPLE == len({ticket.case_id for ticket in made}), "each join is one ticket"
        assert {ticket.state for ticket in made} == {TicketState.ANSWERED}
        for each in witnesses:
            staff_id = staff_named(session, each.username).id
            assert sorted(each.told + each.found) == [
                t.id for t in sorted(made, key=lambda t: t.id) if t.answered_by == staff_id
            ]
        answers = session.scalars(select(CaseEvent.case_id).where(CaseEvent.action == Action.ANSWER)).all()
        assert len(answers) == len(set(answers)) == PEOPLE
        for ticket in made:
            lines = select(CaseEvent).where(CaseEvent.case_id == ticket.case_id).order_by(CaseEvent.seq)
            assert find_break(session.scalars(lines).all()) is None
