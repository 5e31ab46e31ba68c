"""A closed browser leaves its seat after a short grace; loading the page again costs nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from console import db
from console.queues import seats
from console.queues.models import Seat, SeatState
from console.video_seat import presence
from console.video_seat.leaving import Leaving
from tests.video_seat.conftest import Socket, Witness
from tests.video_seat.node import PretendNode

Open = Callable[[str], Witness]
AT_ONCE = timedelta(0)


def in_a_minute() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=1)


def state() -> SeatState:
    with db.reading() as session:
        return session.query(Seat).one().state


def test_who_closed_the_page_is_offline_after_the_grace(witness: Open, redis: Redis) -> None:
    page, other = witness("luwenshan").sit(), witness("weiyinuo")
    leaving = Leaving(redis, AT_ONCE)
    assert leaving.look(in_a_minute()) == []
    page.close()
    (left,) = leaving.look(in_a_minute())
    assert (left.staff_id, state()) == (left.staff_id, SeatState.OFFLINE)
    assert other.heard("seats") != []


def test_the_grace_is_waited_for_and_a_page_that_is_back_ends_it(witness: Open, redis: Redis) -> None:
    page = witness("luwenshan").sit()
    leaving = Leaving(redis, timedelta(seconds=30))
    leaving.look(in_a_minute())
    page.close()
    assert leaving.look(in_a_minute()) == []
    witness("luwenshan").ask("sit")
    leaving._grace = AT_ONCE
    assert leaving.look(in_a_minute()) == []
    assert state() is SeatState.ONLINE


def test_who_spoke_within_the_grace_has_not_left(witness: Open, redis: Redis) -> None:
    page = witness("luwenshan").sit()
    leaving = Leaving(redis, AT_ONCE)
    leaving.look(in_a_minute())
    page.close()
    assert leaving.look(datetime.now(UTC) - timedelta(seconds=1)) == []
    assert state() is SeatState.ONLINE


def test_a_redis_that_was_emptied_sends_nobody_off(witness: Open, redis: Redis) -> None:
    witness("luwenshan").sit()
    leaving = Leaving(redis, timedelta(seconds=30))
    leaving.look(in_a_minute())
    redis.flushall()
    leaving.look(in_a_minute())
    presence.still_here(redis)
    leaving._grace = AT_ONCE
    assert leaving.look(in_a_minute()) == []


def test_a_call_stays_with_its_witness(
    witness: Open, investor: Callable[..., Socket], redis: Redis, node: PretendNode
) -> None:
    page, visitor = witness("luwenshan").sit(), investor("周晚晴")
    visitor.ask("join_queue")
    leaving = Leaving(redis, AT_ONCE)
    page.act("answer_next")
    leaving.look(in_a_minute())
    page.close()
    assert leaving.look(in_a_minute()) == []
    assert state() is SeatState.IN_CALL


@pytest.mark.databases("sqlite", "postgresql")
def test_only_those_who_are_named_are_sent_off(session) -> None:  # type: ignore[no-untyped-def]
    from tests.queues.given import online
    from tests.world import AT, stamp

    first, second = online(session, "luwenshan"), online(session, "weiyinuo")
    later = stamp(at=AT + timedelta(seconds=31))
    assert seats.retire_silent(session, later, timedelta(seconds=30), of=[first.staff_id]) == [first]
    assert second.state is SeatState.ONLINE
    assert seats.taken(session) == {second.staff_id}
