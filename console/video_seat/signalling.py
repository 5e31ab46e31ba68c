"""The way of an offer from a browser to the media node of its call, for both sides."""

from datetime import UTC, datetime
from typing import Any

import structlog
from flask import current_app
from redis import Redis
from redis.exceptions import RedisError

from console.access import me, stamp
from console.adapters import turn
from console.adapters.media import NoMediaNode
from console.config import Settings
from console.db import transaction
from console.problem import BadPayload

from . import line, permits, service
from .listening import Listener
from .media import Media, MediaAway
from .models import VideoSession

log = structlog.get_logger()
LONGEST_OFFER = 64 * 1024  # characters; a browser's offer has about 6,000


def media() -> Media:
    return Media(_redis())


def terms() -> line.Terms:
    """The house's; what holds for a call: line.holding."""
    return terms_of(settings())


def terms_of(settings: Settings) -> line.Terms:
    return line.Terms(settings.call_grace, settings.after_drop == line.RESTART, settings.ring, settings.come)


def offer_in(payload: Any) -> tuple[str, str]:
    """SDP and permit, as either page sends them. Raises BadPayload, PermitRefused."""
    told = payload if isinstance(payload, dict) else {}
    sdp, given = told.get("sdp"), told.get("permit", "")
    if not isinstance(sdp, str) or len(sdp) > LONGEST_OFFER:
        raise BadPayload("sdp")
    if not isinstance(given, str):
        raise permits.PermitRefused
    return sdp, given


def permit(call: VideoSession, side: str) -> str:
    """What the next offer of this side needs. ``call`` was looked up and checked by the caller."""
    with transaction() as session:
        return permits.issue(session, call, side, me().sign_in, stamp())


def connect(call: VideoSession, side: str, sdp: str, permit: str) -> str:
    """The answer's SDP; the permit is used up, whatever comes of it. ``call`` was looked up and checked by the caller.

    Raises PermitRefused, MediaAway, MediaSaysNo. A call whose node died or takes no calls goes on at another one: usually the
    listener has seen to that, else it is done here.
    """
    with transaction() as session:
        permits.use(session, permit, call, side, me().sign_in, stamp())
    nodes = media()
    order = nodes.order()
    try:
        return nodes.offer(call.session_no, side, sdp, call.node or "", order)
    except NoMediaNode:
        node = _elsewhere(nodes, call)
    try:
        return nodes.offer(call.session_no, side, sdp, node, order)
    except NoMediaNode as error:
        raise MediaAway(node) from error


def _elsewhere(nodes: Media, call: VideoSession) -> str:
    """Where the call is now, or goes to now."""
    fresh, now = nodes.place(), datetime.now(UTC)
    with transaction() as session:
        current = line.held(session, call.session_no)
        if current is None:
            raise service.CallOver(call.session_no)
        line.moved(session, current, call.node, fresh, None, now, terms())
        return current.node or ""


def catch_up() -> None:
    """Take in what the nodes said until now, as the listener does a moment later. Without Redis: what is known counts."""
    try:
        Listener(_redis(), terms()).catch_up()
    except RedisError as error:
        log.warning("not_caught_up", error=type(error).__name__)


def ice_servers(who: str) -> list[dict[str, Any]]:
    """The relays this person may use now, as RTCPeerConnection takes them; [] when there are none."""
    own = settings()
    if not own.turn_urls:
        return []
    return [turn.credentials(own.turn_urls, own.turn_secret, own.turn_ttl, who, datetime.now(UTC))]


def _redis() -> Redis:
    redis: Redis = current_app.extensions["redis"]
    return redis


def settings() -> Settings:
    own: Settings = current_app.extensions["settings"]
    return own
