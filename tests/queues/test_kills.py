"""kill -9 between claiming a ticket and ringing: the ticket waits on, or its call can still be taken; never lost, never rung twice."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from console import db
from console.cases.models import Case, Status
from console.config import Settings
from console.queues import seats
from console.queues import service as queues
from console.queues.models import Priority, Seat, SeatState, Ticket, TicketState
from console.video_seat import line
from console.video_seat import service as calls
from console.video_seat.models import VideoSession
from console.video_seat.signalling import terms_of
from tests.queues.given import at_the_video, online
from tests.servers import ends_with_us
from tests.world import staff_named, stamp

ROOT = Path(__file__).parents[2]
ANSWER = """
import os
import signal
import sys
from console.app import open_house
from console import db
from console.cases import trail
from console.config import Settings
from console.queues import seats
from console.queues.models import Seat
from console.stamp import Stamp
from console.video_seat import service as calls

open_house(Settings.from_env())
when = getattr(trail, sys.argv[1])  # case_moving: the claim is not committed yet; case_moved: it is, and nobody was told


@when.connect
def die(sender, **what):
    if (what.get("told") or what["line"]).action == "call_started":
        os.kill(os.getpid(), signal.SIGKILL)


with db.transaction() as session:
    seat = session.get_one(Seat, int(sys.argv[2]))
    stamp = Stamp.of_system("test")
    calls.start(session, seats.answer_next(session, seat, stamp), seat, "node-1", stamp)
"""


def killed_while_answering(settings: Settings, moment: str, seat_id: int) -> None:
    command = [sys.executable, "-c", ANSWER, moment, str(seat_id)]
    child = subprocess.run(command, cwd=ROOT, env=os.environ | settings.environment(), preexec_fn=ends_with_us())
    assert child.returncode == -signal.SIGKILL


@pytest.fixture
def seat_id(world: Settings) -> int:
    """陆文珊 is online and 许砚青 waits before 周晚晴."""
    now = datetime.now(UTC)
    with db.transaction() as session:
        for name in ("许砚青", "周晚晴"):
            queues.join(session, at_the_video(session, name, now), stamp(at=now))
        online(session, "weiyinuo", now)
        return online(session, "luwenshan", now).id


def who_waits() -> list[str]:
    with db.reading() as session:
        branch_id = session.scalars(select(Ticket.branch_id).limit(1)).one()
        return [ticket.case.investor.name for ticket in queues.waiting_list(session, [branch_id])]


def answered_by(username: str) -> str | None:
    with db.transaction() as session:
        seat = seats.seat_of(session, staff_named(session, username).id)
        assert seat is not None
        ticket = seats.answer_next(session, seat, stamp(f"staff:{seat.staff_id}", datetime.now(UTC)))
        return ticket.case.investor.name if ticket else None


def test_killed_before_the_commit_the_ticket_waits_where_it_was_and_the_seat_is_free(
    world: Settings, seat_id: int
) -> None:
    killed_while_answering(world, "case_moving", seat_id)
    assert who_waits() == ["许砚青", "周晚晴"]
    with db.reading() as session:
        assert session.get_one(Seat, seat_id).state is SeatState.ONLINE
        assert session.scalar(select(func.count()).select_from(VideoSession)) == 0
    assert [answered_by("luwenshan"), answered_by("weiyinuo")] == ["许砚青", "周晚晴"]


@pytest.mark.soak
@pytest.mark.databases("postgresql")
def test_on_postgresql_the_locks_of_the_killed_are_free_at_once(world: Settings, seat_id: int) -> None:
    killed_while_answering(world, "case_moving", seat_id)
    assert [answered_by("luwenshan"), answered_by("weiyinuo")] == ["许砚青", "周晚晴"]


def test_killed_after_the_commit_the_call_is_there_for_its_witness_and_for_nobody_else(
    world: Settings, seat_id: int
) -> None:
    killed_while_answering(world, "case_moved", seat_id)
    with db.reading() as session:
        staff_id = session.get_one(Seat, seat_id).staff_id
        call = calls.live_call_of(session, staff_id)  # what the seat's page asks first when it is loaded again
        assert call is not None and call.case.investor.name == "许砚青" and call.case.status is Status.IN_VIDEO
        assert calls.live_call_on(session, call.case) is call  # and what the investor's page shows
        number, started, case_id = call.session_no, call.started_at, call.case_id
    assert [answered_by("weiyinuo"), who_waits()] == ["周晚晴", []], "nobody else is rung for it"
    nobody_comes(world, number, started)
    with db.reading() as session:
        back = queues.waiting_ticket(session, session.get_one(Case, case_id))
        assert back is not None and queues.place(session, back).ahead == 0
        assert (back.priority, back.state) == (Priority.RETURNED, TicketState.WAITING)
        assert session.get_one(Seat, seat_id).state is SeatState.BREAK


def nobody_comes(settings: Settings, number: str, started: datetime) -> None:
    """As the sweep, and each web process that lives: when the lease of the ringing has run out, once."""
    terms = terms_of(settings)
    assert terms.ring is not None
    for at in (started + terms.ring - timedelta(seconds=1), started + terms.ring, started + terms.ring):
        with db.transaction() as session:
            due = number in line.overdue(session, at, terms)
            assert due is (at >= started + terms.ring and calls_going(number))
            dropped = line.drop(session, number, at, terms)
            assert (dropped is not None) is due


def calls_going(number: str) -> bool:
    with db.reading() as session:
        going = select(VideoSession.id).where(VideoSession.session_no == number, VideoSession.ended_at.is_(None))
        return session.scalar(going) is not None
