"""Fixtures of the media node's tests: one Redis and one node for all, so that each test only pays for its call."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import redis_of_its_own, short_folder
from tests.worker.media.nodes import Desk, RunningNode, peers_on_loopback, running_node


@pytest.fixture(scope="module")
def media_redis() -> Iterator[str]:
    with redis_of_its_own() as url:
        yield url


@pytest.fixture(scope="module")
def media_folder() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def node(media_redis: str, media_folder: Path) -> Iterator[RunningNode]:
    with running_node(media_redis, media_folder, "node-1") as running:
        yield running


@pytest.fixture(scope="module")
def desk(media_redis: str) -> Iterator[Desk]:
    opened = Desk(media_redis)
    yield opened
    opened.close()


@pytest.fixture(scope="module", autouse=True)
def loopback() -> Iterator[None]:
    with peers_on_loopback():
        yield
