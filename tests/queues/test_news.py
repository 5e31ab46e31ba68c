"""What everybody at a branch is told of its queue: at most once in a while, the last change always, the first places exactly."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from console import db, live
from console.queues import news
from console.queues import service as queues
from console.queues.models import Priority, Ticket
from console.queues.order import ORDER
from tests.queues.given import at_the_video, crowd, crowd_member, online

EVERY = 0.3


@pytest.fixture
def pace() -> Iterator[None]:
    news.keep_pace(None, EVERY)
    yield
    news.keep_pace(None, 0.0)


@pytest.fixture
def shared(redis_url: str) -> Iterator[tuple[news.Pace, news.Pace]]:
    """Of two processes with one Redis."""
    with Redis.from_url(redis_url) as one, Redis.from_url(redis_url) as other:
        yield news.Pace(EVERY, one), news.Pace(EVERY, other)


def heard(socket) -> list[dict]:
    return [each["args"][0] for each in socket.get_received(live.PORTAL) if each["name"] == "queue"]


def joins(n: int) -> int:
    """The n-th of the crowd joins; the id of the ticket."""
    with db.transaction() as session:
        return crowd_member(session, n).id


def wait_for(socket, count: int) -> list[dict]:
    """Until so many messages came, and whatever follows within the time in which one more would come."""
    messages, deadline = heard(socket), time.monotonic() + 5
    while len(messages) < count and time.monotonic() < deadline:
        time.sleep(0.02)
        messages += heard(socket)
    time.sleep(1.5 * EVERY)
    return messages + heard(socket)


@pytest.fixture
def socket(app: Flask, as_investor):
    """周晚晴's page, who is about to join."""
    with db.transaction() as session:
        at_the_video(session)
    return live.socketio.test_client(app, namespace=live.PORTAL, flask_test_client=as_investor("周晚晴"))


def test_many_changes_at_once_are_few_messages_and_the_last_says_how_it_is(socket, pace: None) -> None:
    with db.transaction() as session:
        tickets = [ticket.id for ticket in crowd(session, 12)]  # told of twelve times, after the commit
    tickets.append(joins(12))
    first, *_, last = told = wait_for(socket, 2)
    assert len(told) <= 3
    assert first["waiting"] == 12
    assert last["waiting"] == 13 and sorted(last["first"]) == tickets


def test_a_change_after_the_time_is_over_is_told_at_once(socket, pace: None) -> None:
    joins(0)
    time.sleep(1.1 * EVERY)
    assert [each["waiting"] for each in heard(socket)] == [1]
    joins(1)
    assert [each["waiting"] for each in heard(socket)] == [2]


def test_of_a_long_queue_the_first_are_told_and_listed_in_their_order_and_all_are_counted(socket, as_staff) -> None:
    with db.transaction() as session:
        online(session)
        crowd(session, queues.LISTED + 3)
        *_, last = everybody = [ticket.id for ticket in session.scalars(select(Ticket).order_by(*ORDER))]
        back = session.get_one(Ticket, last)
        assert queues.place(session, back) == queues.Place(queues.LISTED + 2, queues.LISTED + 3)
        back.priority, back.rank = Priority.RETURNED, Priority.RETURNED.rank
    heard(socket)
    news.tell(back.branch_id)
    (message,) = heard(socket)
    assert message["waiting"] == queues.LISTED + 3
    assert message["first"] == [last, *everybody[: news.FIRST - 1]]
    part = as_staff("luwenshan").get("/seat/parts/queue").text
    assert part.count("data-answer=") == queues.LISTED
    assert f"{queues.LISTED + 3} 人" in part and f"只列前 {queues.LISTED} 人" in part


def test_two_processes_speak_of_one_branch_once_in_that_time_and_of_two_branches_twice(shared) -> None:
    one, other = shared
    assert one.wait(1) == 0 and other.wait(2) == 0
    left = other.wait(1)
    assert 0 < left <= EVERY
    time.sleep(left + 0.02)
    assert other.wait(1) == 0 and one.wait(1) > 0


def test_without_redis_each_process_keeps_to_it_by_itself(tmp_path: Path) -> None:
    with Redis.from_url(f"unix://{tmp_path}/nobody.sock") as nobody:
        alone = news.Pace(EVERY, nobody)
        assert alone.wait(1) == 0 and 0 < alone.wait(1) <= EVERY


def test_a_database_that_is_away_costs_nothing_but_the_hint(socket, pace: None) -> None:
    def away(connection: object) -> None:
        raise OperationalError("BEGIN", {}, ConnectionError("gone"))

    event.listen(db.engine(writes=False), "begin", away)
    try:
        news.changed(1)
    finally:
        event.remove(db.engine(writes=False), "begin", away)
    assert heard(socket) == []
