"""The web process's view of the media nodes, against a real Redis and, where one must answer, a real node."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from console.adapters.media import MediaNodes, MediaRefused, MediaTimeout, NoMediaNode
from tests.servers import redis_of_its_own, short_folder
from tests.worker.media.nodes import RunningNode, running_node


@pytest.fixture(params=[False, True], ids=["bytes", "text"])
def redis(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Redis]:
    """Either kind of client the web process might have."""
    with Redis.from_url(redis_url, decode_responses=request.param) as client:
        yield client


@pytest.fixture
def nodes(redis: Redis) -> MediaNodes:
    return MediaNodes(redis)


def beat(redis: Redis, name: str, *, free: int, draining: int = 0, expires_ms: int = 6000) -> None:
    """What a node says of itself every two seconds."""
    state = {"free": free, "calls": 0, "cpu": 0.25, "draining": draining}
    redis.hset(f"media:node:{name}", mapping=state)
    redis.pexpire(f"media:node:{name}", expires_ms)
    redis.zadd("media:nodes", {name: time.time()})


def test_the_least_loaded_node_gets_the_call(redis: Redis, nodes: MediaNodes) -> None:
    beat(redis, "busy", free=3)
    beat(redis, "idle", free=40)
    assert nodes.place() == "idle"


def test_draining_and_full_nodes_get_none(redis: Redis, nodes: MediaNodes) -> None:
    beat(redis, "draining", free=60, draining=1)
    beat(redis, "full", free=0)
    with pytest.raises(NoMediaNode):
        nodes.place()


def test_a_node_whose_heart_stopped_is_gone(redis: Redis, nodes: MediaNodes) -> None:
    beat(redis, "dead", free=60, expires_ms=20)
    beat(redis, "alive", free=1)
    time.sleep(0.05)
    assert [state.name for state in nodes.alive()] == ["alive"]
    assert nodes.place() == "alive"
    with pytest.raises(NoMediaNode):
        nodes.offer("S-1", "investor", "v=0", node="dead", epoch=1)


def test_without_any_node_there_is_no_place(nodes: MediaNodes) -> None:
    assert nodes.alive() == []
    with pytest.raises(NoMediaNode):
        nodes.place()


def test_the_last_places_are_given_away_once_each(redis: Redis, nodes: MediaNodes) -> None:
    beat(redis, "one", free=3)
    beat(redis, "two", free=2)

    def place() -> str | None:
        try:
            return nodes.place()
        except NoMediaNode:
            return None

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: place(), range(12)))
    assert sorted(got, key=str) == [None] * 7 + ["one"] * 3 + ["two"] * 2


def test_a_place_that_is_given_back_is_there_for_the_next(redis: Redis, nodes: MediaNodes) -> None:
    beat(redis, "one", free=1)
    nodes.give_back(nodes.place("mine"), "mine")
    assert nodes.place("yours") == "one"
    nodes.give_back("one", "mine")
    with pytest.raises(NoMediaNode):
        nodes.place()


def test_a_node_says_how_it_is(redis: Redis, nodes: MediaNodes) -> None:
    beat(redis, "one", free=3)
    [state] = nodes.alive()
    assert (state.name, state.free, state.calls, state.cpu, state.draining) == ("one", 3, 0, 0.25, False)


def test_a_node_that_does_not_answer_runs_into_the_timeout(redis: Redis, nodes: MediaNodes) -> None:
    beat(redis, "mute", free=3)
    with pytest.raises(MediaTimeout):
        nodes.snapshot("S-1", "investor", node="mute", timeout=0.1)
    assert nodes.hang_up("S-1", node="mute", timeout=0.1) is False


def test_hanging_up_at_a_node_that_is_gone_waits_there_for_its_return(redis: Redis, nodes: MediaNodes) -> None:
    assert nodes.hang_up("S-1", node="gone") is False
    assert redis.xlen("media:commands:gone") == 1


@pytest.fixture(scope="module")
def real_node() -> Iterator[tuple[str, RunningNode]]:
    with redis_of_its_own() as url, short_folder() as folder, running_node(url, folder, "n", "--capacity", "1") as node:
        yield url, node


def test_a_real_node_is_found_and_answers(real_node: tuple[str, RunningNode]) -> None:
    url, node = real_node
    with Redis.from_url(url) as client:
        nodes = MediaNodes(client)
        assert nodes.place() == node.name
        with pytest.raises(NoMediaNode):
            nodes.place()
        with pytest.raises(MediaRefused) as refused:
            nodes.snapshot("S-1", "investor", node=node.name)
        assert refused.value.code == "no_call"
        assert nodes.hang_up("S-1", node=node.name)
