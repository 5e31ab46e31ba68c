"""Redis forgets everything (FLUSHALL) at any moment: places and calls are as before, and what comes next works."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from console.video_seat.line import Terms
from console.video_seat.listening import Listener
from tests.video_seat.conftest import Socket, Witness
from tests.video_seat.node import PretendNode
from tests.video_seat.test_sockets import connected, the_call

Open, OpenInvestor = Callable[[str], Witness], Callable[..., Socket]
GRACE = timedelta(seconds=30)


@pytest.fixture
def listener(redis: Redis) -> Listener:
    return Listener(redis, Terms(GRACE), node_patience=0, page_patience=0)


@pytest.fixture
def forget(redis: Redis, node: PretendNode) -> Callable[[], None]:
    """Everything is gone, and a heartbeat later the node is known again."""

    def flush() -> None:
        redis.flushall()
        node.beat()

    return flush


def now(seconds: float = 0) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_flushed_before_every_act_each_act_works_and_no_place_is_lost(
    listener: Listener,
    node: PretendNode,
    witness: Open,
    investor: OpenInvestor,
    forget: Callable[[], None],
) -> None:
    seat, page, other = witness("luwenshan").sit(), investor("周晚晴"), investor("许砚青")
    acts: list[Callable[[], Any]] = [
        lambda: page.ask("join_queue"),
        lambda: other.ask("join_queue"),
        lambda: seat.act("answer_next"),
        lambda: page.ask("acknowledge"),
        lambda: page.offer("mine"),
        lambda: seat.offer("hers", call=the_call().session_no),
        listener.catch_up,
    ]
    for act in acts:
        before = standing(page, other, seat)
        forget()
        assert standing(page, other, seat) == before
        answer = act()
        assert not isinstance(answer, dict) or "error" not in answer, answer
    assert page.ask("call_state")["call"] == the_call().session_no
    assert other.ask("place")["place"] == 1
    assert node.ended == []


def test_flushed_in_a_call_nobody_is_away_and_nothing_is_given_up(
    listener: Listener, node: PretendNode, witness: Open, investor: OpenInvestor, forget: Callable[[], None]
) -> None:
    seat, page, call = connected(witness, investor)
    listener.catch_up()
    listener.look_after(now())
    state = page.ask("call_state")
    for _ in range(3):
        forget()
        assert listener.look_after(now()) == [] and listener.catch_up() == 0
        assert page.ask("call_state") == state and state["away"] == []
    assert listener.look_after(now(120)) == [] and node.ended == []
    assert seat.act("line", call=call)["away"] == []


def test_flushed_after_a_line_broke_the_grace_goes_on_and_the_place_is_at_the_head(
    listener: Listener, node: PretendNode, witness: Open, investor: OpenInvestor, forget: Callable[[], None]
) -> None:
    _, page, call = connected(witness, investor)
    node.say(call, "witness", "lost", segment=1)
    listener.catch_up()
    forget()
    assert page.ask("call_state")["away"] == ["witness"]
    assert listener.look_after(now(20)) == []
    forget()
    assert [each.session_no for each in listener.look_after(now(31))] == [call]
    forget()
    assert page.ask("place")["place"] == 1
    assert listener.look_after(now(32)) == []


def test_until_the_node_is_known_again_nobody_is_answered_and_nobody_loses_a_place(
    redis: Redis, node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, page = witness("luwenshan").sit(), investor("周晚晴")
    place = page.ask("join_queue")
    redis.flushall()
    assert seat.act("answer_next")["code"] == "media_away"
    assert page.ask("place") == place
    node.beat()
    assert seat.act("answer_next")["call"] == the_call().session_no


def standing(page: Socket, other: Socket, seat: Witness) -> list[Any]:
    return [page.ask("place"), other.ask("place"), seat.act("heartbeat")["state"]]
