"""The media nodes as a call needs them: placed, offered to, photographed, hung up; what they refuse is said in Chinese.

Blocking calls over Redis: never inside a transaction.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import structlog
from redis import Redis
from redis.exceptions import RedisError

from console import runtime
from console.adapters.media import MediaNodes, MediaRefused, MediaTimeout, NodeState, NoMediaNode, Snapshot
from console.problem import Problem

T = TypeVar("T")
log = structlog.get_logger()
TEXTS = {
    "no_picture": "还没有收到投资者的画面，不能抓拍。请确认投资者已接通，再试一次。",
    "no_leg": "投资者还没有接通，不能抓拍。",
    "no_call": "通话还没有接通，或已中断。请等待重新连接后再试。",
    "bad_offer": "浏览器给出的连接信息无法识别。请刷新页面，或换用最新的 Chrome、Edge、Safari。",
    "call_over": "通话已经结束。",
    "stale_epoch": "连接已由较新的一次取代。",
}


ELSEWHERE = ("draining", "full", "disk_low")  # this node takes no call, another one may


class MediaAway(Problem):
    """No node has room, or the node does not answer: nothing was changed, trying again may help."""

    status, code = 503, "media_away"
    text = "录像节点暂时没有余量或没有响应。请稍后再试；多次失败请联系系统管理员。"


class MediaSaysNo(Problem):
    status, code = 409, "media_refused"

    def __init__(self, refused: MediaRefused):
        super().__init__(refused.code, text=TEXTS.get(refused.code, MediaAway.text))
        self.reason = refused.code


@dataclass
class Place:
    """``node`` has room for one more call; ``taken``: the call is there."""

    node: str
    taken: bool = False


class Media:
    """One for a request or an event: cheap to make."""

    def __init__(self, redis: Redis) -> None:
        self._nodes = MediaNodes(redis)

    def place(self) -> str:
        """The node for a new call. Raises MediaAway."""
        return _plainly(self._nodes.place)

    @contextmanager
    def reserved(self) -> Iterator[Place]:
        """A place for a call that may come into being within; it is given back unless it was ``taken``. Raises MediaAway."""
        name = uuid.uuid4().hex
        place = Place(_plainly(lambda: self._nodes.place(name)))
        try:
            yield place
        finally:
            if not place.taken:
                self._give_back(place.node, name)

    def _give_back(self, node: str, name: str) -> None:
        try:
            self._nodes.give_back(node, name)
        except RedisError as error:  # it lapses by itself
            log.warning("place_not_given_back", node=node, error=type(error).__name__)

    def offer(self, session_no: str, side: str, sdp: str, node: str, order: int) -> str:
        """The answer's SDP; of two offers of a side the one with the smaller ``order`` (see `order`) is refused.

        Raises NoMediaNode when the node is gone or takes no call, MediaAway, MediaSaysNo.
        """
        return _plainly(lambda: self._nodes.offer(session_no, side, sdp, node=node, epoch=order), gone_is_told=True)

    def order(self) -> int:
        """A number that grows from offer to offer, whichever web process passes it on. Raises MediaAway."""
        return _plainly(self._nodes.now_ms)

    def snapshot(self, session_no: str, node: str) -> Snapshot:
        """What the investor's side shows now. Raises MediaAway, MediaSaysNo."""
        return _plainly(lambda: self._nodes.snapshot(session_no, "investor", node=node))

    def hang_up(self, session_no: str, node: str | None) -> None:
        """End the call at its node and wait until it has."""
        if node is not None:
            _hang_up(self._nodes, session_no, node)

    def hang_up_soon(self, session_no: str, node: str | None) -> None:
        """End the call at its node, beside the caller: the verdict does not wait for it."""
        if node is not None:
            runtime.spawn(_hang_up, self._nodes, session_no, node)

    def nodes(self) -> list[NodeState]:
        """The living nodes; none while Redis is away."""
        try:
            return self._nodes.alive()
        except RedisError:
            return []


def _hang_up(nodes: MediaNodes, session_no: str, node: str) -> None:
    try:
        confirmed = nodes.hang_up(session_no, node=node)
    except (MediaRefused, RedisError) as error:
        log.warning("hang_up_failed", session=session_no, node=node, error=type(error).__name__)
        return
    if not confirmed:
        log.warning("hang_up_unconfirmed", session=session_no, node=node)


def _plainly(ask: Callable[[], T], *, gone_is_told: bool = False) -> T:
    try:
        return ask()
    except NoMediaNode as error:
        if gone_is_told:
            raise
        raise MediaAway(str(error)) from error
    except MediaRefused as refused:
        if gone_is_told and refused.code in ELSEWHERE:
            raise NoMediaNode(refused.code) from refused
        raise MediaSaysNo(refused) from refused
    except (MediaTimeout, RedisError) as error:
        raise MediaAway(str(error)) from error
