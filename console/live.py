"""What is pushed to browsers, and to whom. Pushes are hints: a page that missed one asks again and finds the truth in the database."""

from collections.abc import Sequence
from typing import Any

import socketio as python_socketio
import structlog
from flask_socketio import SocketIO
from redis.exceptions import RedisError

NAMESPACES = PORTAL, SEAT, REVIEW, BOARD = "/portal", "/seat", "/review", "/board"
log = structlog.get_logger()
socketio = SocketIO()
_speaker: list[python_socketio.RedisManager] = []  # in a process that serves no browsers: the way to those that do


def case_room(case_no: str) -> str:
    return f"case:{case_no}"


def branch_room(branch_id: int) -> str:
    return f"branch:{branch_id}"


def staff_room(staff_id: int) -> str:
    return f"staff:{staff_id}"


def speak_through(redis_url: str) -> None:
    """For the worker and the command line: push through Redis to the web processes."""
    _speaker[:] = [python_socketio.RedisManager(redis_url, write_only=True)]


def case_changed(case_no: str, status: str, step: str | None) -> None:
    _emit("case", {"case_no": case_no, "status": status, "step": step}, case_room(case_no), PORTAL)


def evidence_changed(case_no: str, public_id: str, kind: str, state: str) -> None:
    _emit("evidence", {"id": public_id, "kind": kind, "state": state}, case_room(case_no), PORTAL)


def queue_changed(branch_id: int, waiting: int, first: Sequence[int]) -> None:
    """How many wait at the branch, and the tickets of the ``first`` places: whose ticket is not among them asks for its place.

    Called by console/queues/news.py, which keeps to one message a second.
    """
    _emit("queue", {"branch": branch_id, "waiting": waiting, "first": first}, branch_room(branch_id), PORTAL)
    for namespace in (SEAT, BOARD):
        _emit("queue", {"branch": branch_id, "waiting": waiting}, branch_room(branch_id), namespace)


def seats_changed(branch_id: int) -> None:
    for namespace in (SEAT, BOARD):
        _emit("seats", {"branch": branch_id}, branch_room(branch_id), namespace)


def seat_taken(staff_id: int, fence: int) -> None:
    """A page of this witness took the seat: pages with an older fence stop."""
    _emit("seat", {"fence": fence}, staff_room(staff_id), SEAT)


def call_changed(case_no: str, staff_id: int, event: str, **more: Any) -> None:
    """``event``: answered, acknowledged, joined, asked, marked, left, ended, … to both ends of a call."""
    _emit("call", {"case_no": case_no, "event": event, **more}, case_room(case_no), PORTAL)
    _emit("call", {"case_no": case_no, "event": event, **more}, staff_room(staff_id), SEAT)


def network_told(staff_id: int, session_no: str, told: dict[str, Any]) -> None:
    """How the investor's network is, to the witness only; kept nowhere."""
    _emit("network", {"session_no": session_no, **told}, staff_room(staff_id), SEAT)


def suspicions_changed(branch_id: int) -> None:
    """A case came to the supervisors, or was decided."""
    _emit("suspicions", {"branch": branch_id}, branch_room(branch_id), SEAT)


def place_changed(case_no: str) -> None:
    """Somebody who waits does so elsewhere now."""
    _emit("place", {"case_no": case_no}, case_room(case_no), PORTAL)


def help_changed(branch_id: int, *, asked: bool) -> None:
    """A witness asks the supervisors for help; or need not be helped any more."""
    for namespace in (SEAT, BOARD):
        _emit("help", {"branch": branch_id, "asked": asked}, branch_room(branch_id), namespace)


def urgency_asked(branch_id: int) -> None:
    """Somebody who waits asks to be served sooner: for the supervisors."""
    _emit("suspicions", {"branch": branch_id, "urgent": True}, branch_room(branch_id), SEAT)


def urgency_decided(case_no: str) -> None:
    _emit("urgent", {"case_no": case_no}, case_room(case_no), PORTAL)


def tasks_changed(branch_id: int) -> None:
    _emit("tasks", {"branch": branch_id}, branch_room(branch_id), REVIEW)


def deliveries_changed(branch_id: int) -> None:
    """The counter system answered, or somebody had it asked again."""
    _emit("deliveries", {"branch": branch_id}, branch_room(branch_id), REVIEW)


def _emit(event: str, data: dict[str, Any], room: str, namespace: str) -> None:
    try:
        if _speaker:
            _speaker[0].emit(event, data, room=room, namespace=namespace)
        elif socketio.server is not None:
            socketio.emit(event, data, to=room, namespace=namespace)
    except RedisError as error:
        log.warning("push_lost", event_name=event, error=type(error).__name__)
