"""Witnesses and investors with open sockets, and a media node that pretends."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from console import db, live
from console.queues import service as queues
from console.queues.models import SeatState
from console.video_seat import presence
from tests.queues.given import at_the_video
from tests.video_seat.node import PretendNode
from tests.world import AT, stamp


class Socket:
    """One open page. ``ask`` gives the acknowledgement; ``heard`` what was pushed since the last time."""

    def __init__(self, app: Flask, client: FlaskClient, namespace: str):
        self.namespace = namespace
        self._line = live.socketio.test_client(app, namespace=namespace, flask_test_client=client)

    @property
    def open(self) -> bool:
        return self._line.is_connected(self.namespace)

    def ask(self, event: str, **payload: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._line.emit(event, payload, namespace=self.namespace, callback=True)
        return answer

    def offer(self, sdp: str, **payload: Any) -> dict[str, Any]:
        """As a page does it: with a permit of its own."""
        given = self.act("permit", **payload)
        return given if "error" in given else self.act("offer", sdp=sdp, permit=given["permit"], **payload)

    def act(self, event: str, **payload: Any) -> dict[str, Any]:
        return self.ask(event, **payload)

    def heard(self, event: str) -> list[dict[str, Any]]:
        return [each["args"][0] for each in self._line.get_received(self.namespace) if each["name"] == event]

    def close(self) -> None:
        self._line.disconnect(self.namespace)


class Witness(Socket):
    """A seat's page: sits down, goes online, and names its fence in every act."""

    def __init__(self, app: Flask, client: FlaskClient):
        super().__init__(app, client, live.SEAT)
        self.client = client
        self.fence = 0

    def sit(self, state: SeatState = SeatState.ONLINE) -> "Witness":
        self.fence = self.ask("sit")["fence"]
        self.fence = self.act("state", state=state.value).get("fence", self.fence)
        return self

    def act(self, event: str, **payload: Any) -> dict[str, Any]:
        return self.ask(event, **{"fence": self.fence, "pressed": datetime.now(UTC).isoformat()} | payload)


@pytest.fixture
def redis(app: Flask, redis_url: str) -> Iterator[Redis]:
    """The application with a Redis that answers."""
    with Redis.from_url(redis_url) as client:
        app.extensions["redis"] = client
        presence.here.clear()  # pages of the tests before this one
        yield client


@pytest.fixture
def node(redis: Redis, redis_url: str, tmp_path: Path) -> Iterator[PretendNode]:
    running = PretendNode(redis_url, tmp_path / "spool")
    yield running
    running.stop()


@pytest.fixture
def witness(app: Flask, node: PretendNode, as_staff: Callable[[str], FlaskClient]) -> Callable[[str], Witness]:
    """``witness("luwenshan")``: that witness's page, open but not yet sitting."""
    return lambda username: Witness(app, as_staff(username))


@pytest.fixture
def investor(app: Flask, node: PretendNode, as_investor: Callable[[str], FlaskClient]) -> Callable[[str], Socket]:
    """``investor("周晚晴")``: that investor's page, with a case that stands at the video."""

    def open_page(name: str, *, case: bool = True) -> Socket:
        with db.transaction() as session:
            if case:
                at_the_video(session, name)
        return Socket(app, as_investor(name), live.PORTAL)

    return open_page


@pytest.fixture
def queued() -> Callable[[str], str]:
    """``queued("周晚晴")`` puts that investor into the queue; the case number."""

    def join(name: str) -> str:
        with db.transaction() as session:
            case = at_the_video(session, name)
            queues.join(session, case, stamp(f"investor:{case.investor_id}", AT))
            return case.case_no

    return join
