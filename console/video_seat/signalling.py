"""The way of an offer from a browser to the media node of its call, for both sides."""

from flask import current_app

from console.adapters.media import NoMediaNode
from console.db import transaction

from . import service
from .media import Media, MediaAway
from .models import VideoSession

LONGEST_OFFER = 64 * 1024  # characters; a browser's offer has about 6,000


def media() -> Media:
    return Media(current_app.extensions["redis"])


def connect(call: VideoSession, side: str, sdp: str) -> str:
    """The answer's SDP. ``call`` was looked up and checked by the caller.

    A call whose node died goes on at another one: each side notices by itself that its line is dead, and offers again.
    """
    nodes = media()
    try:
        return nodes.offer(call.session_no, side, sdp, call.node or "", call.epoch)
    except NoMediaNode:
        fresh = nodes.place()
    with transaction() as session:
        now = service.moved(session, session.get_one(VideoSession, call.id, with_for_update=True), call.node, fresh)
        node, epoch = now.node or "", now.epoch
    try:
        return nodes.offer(call.session_no, side, sdp, node, epoch)
    except NoMediaNode as error:
        raise MediaAway(node) from error
