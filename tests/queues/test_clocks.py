"""One process whose clock is two hours wrong: the order of the queue stays that of joining. A process's clock enters by its stamps."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import db
from console.cases.models import Case
from console.config import Settings
from console.queues import seats
from console.queues import service as queues
from console.queues.models import OverflowRule, Ticket, TicketState
from tests.queues.given import at_the_video, crowd_member, online
from tests.servers import ends_with_us
from tests.world import AT, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")
SKEWS = pytest.mark.parametrize("hours", [2, -2])
RIGHT = 0
ROOT = Path(__file__).parents[2]
FAKETIME = Path("/usr/lib")
JOIN = """
import sys
from console.app import open_house
from console import db
from console.cases.models import Case
from console.config import Settings
from console.queues import service as queues
from console.stamp import Stamp

open_house(Settings.from_env())
for line in sys.stdin:
    with db.transaction() as session:
        stamp = Stamp.of_system("test")
        queues.join(session, session.get_one(Case, int(line)), stamp)
    print(stamp.at.isoformat(), flush=True)
"""


def left_the_queue(session: Session, n: int) -> Case:
    """The n-th of a crowd at the video, not in the queue."""
    case = crowd_member(session, n).case
    queues.leave(session, case, stamp())
    return case


def joins(session: Session, case: Case, minute: int, skew: int) -> Ticket:
    """At that minute after AT, by a process whose clock is so many hours ahead."""
    at = AT + timedelta(minutes=minute, hours=skew)
    return queues.join(session, case, stamp(f"investor:{case.investor_id}", at))


@SKEWS
def test_who_joins_by_a_process_with_a_wrong_clock_stands_where_they_came(session: Session, hours: int) -> None:
    people = [left_the_queue(session, n) for n in range(5)]
    skews = (RIGHT, hours, RIGHT, hours, RIGHT)
    came = [joins(session, case, n, skew) for n, (case, skew) in enumerate(zip(people, skews, strict=True))]
    assert queues.waiting_list(session, [came[0].branch_id]) == came
    assert [queues.place(session, ticket).ahead for ticket in came] == [0, 1, 2, 3, 4]


@SKEWS
def test_a_seat_of_a_process_with_a_wrong_clock_answers_in_the_same_order(session: Session, hours: int) -> None:
    came = [joins(session, left_the_queue(session, n), n, RIGHT) for n in range(4)]
    seats_ = [online(session, "luwenshan"), online(session, "weiyinuo", AT + timedelta(hours=hours))]
    for n, ticket in enumerate(came):
        at = AT + timedelta(minutes=10 + n, hours=hours * (n % 2))
        assert seats.answer_next(session, seats_[n % 2], stamp("staff:1", at)) is ticket
        seats.enter(session, seats_[n % 2], seats.SeatState.ONLINE, at)


@SKEWS
def test_who_was_called_in_vain_by_a_wrong_clock_rests_no_longer_than_others(session: Session, hours: int) -> None:
    absent, present = (joins(session, left_the_queue(session, n), n, RIGHT) for n in range(2))
    seat = online(session)
    called = AT + timedelta(minutes=5)
    assert seats.answer_next(session, seat, stamp("staff:1", called)) is absent
    vain = called + timedelta(minutes=1, hours=hours)
    back = queues.called_in_vain(session, absent.case, absent, stamp("system:line", vain), "unanswered")
    seats.enter(session, seat, seats.SeatState.ONLINE, called)
    later = stamp("staff:1", called + timedelta(minutes=4))
    assert queues.next_for(session, seat, later.at) is back
    assert seats.answer_next(session, seat, later) is back and present.state is TicketState.WAITING


@SKEWS
def test_an_investor_of_the_own_branch_is_never_overtaken_by_one_of_another(session: Session, hours: int) -> None:
    """Overflow counts minutes: a wrong clock may send somebody too soon or too late, but only to a seat that has nobody of its own."""
    own = joins(session, left_the_queue(session, 0), 0, RIGHT)
    sent = queues.join(session, at_the_video(session, "闻子期"), stamp("investor:3", AT + timedelta(hours=hours)))
    session.add(OverflowRule(branch_id=sent.branch_id, to_branch_id=own.branch_id, after_minutes=5))
    session.flush()
    seat = online(session)
    at = AT + timedelta(minutes=20, hours=hours)
    assert seats.answer_next(session, seat, stamp("staff:1", at)) is own


def test_a_clock_that_was_put_back_lets_nobody_past_those_who_wait(session: Session) -> None:
    people = [left_the_queue(session, n) for n in range(4)]
    minutes = (0, 1, -60, -59)
    came = [joins(session, case, minute, RIGHT) for case, minute in zip(people, minutes, strict=True)]
    assert queues.waiting_list(session, [came[0].branch_id]) == came


def test_who_joins_an_empty_queue_joins_by_the_clock(session: Session) -> None:
    first, second = left_the_queue(session, 0), left_the_queue(session, 1)
    ahead = joins(session, first, 0, 2)
    queues.leave(session, first, stamp())
    assert ahead.joined_at == AT + timedelta(hours=2)
    assert joins(session, second, 1, RIGHT).joined_at == AT + timedelta(minutes=1)


# --- with processes of their own


def libfaketime() -> Path | None:
    return next(iter(sorted(FAKETIME.glob("**/libfaketime.so.1"))), None)


@pytest.mark.soak
@pytest.mark.skipif(libfaketime() is None, reason="libfaketime is not installed")
def test_three_processes_with_three_clocks_make_one_queue(world: Settings) -> None:
    with db.transaction() as session:
        people = [left_the_queue(session, n).id for n in range(30)]
    processes = [process(world, offset) for offset in ("+0", "+2h", "-2h")]
    try:
        told = [asked(processes[n % 3], case_id) for n, case_id in enumerate(people)]
    finally:
        for each in processes:
            each.kill()
            each.communicate()
    now = datetime.now(UTC)
    off = [round((at - now).total_seconds() / 3600) for at in told]
    assert off == [0, 2, -2] * 10, "the clocks were not wrong"
    with db.reading() as session:
        branch_id = session.scalars(select(Ticket.branch_id).limit(1)).one()
        assert [ticket.case_id for ticket in queues.waiting_list(session, [branch_id])] == people


def process(settings: Settings, offset: str) -> subprocess.Popen[str]:
    """One that joins whom it is told, by a clock that is so far ahead."""
    preload = {"LD_PRELOAD": str(libfaketime()), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", JOIN],
        cwd=ROOT,
        env=os.environ | settings.environment() | preload,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=ends_with_us(),
    )


def asked(process: subprocess.Popen[str], case_id: int) -> datetime:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(f"{case_id}\n")
    process.stdin.flush()
    return datetime.fromisoformat(process.stdout.readline().strip())
