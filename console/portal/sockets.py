"""/portal: an investor's page listens to its case and, while waiting, to the queue of its branch."""

from collections.abc import Callable
from typing import Any

from flask import current_app, request
from flask_socketio import Namespace, join_room, rooms

from console import live
from console.access import case_or_404, me, on_socket_investor, public
from console.cases.service import in_flight
from console.db import reading
from console.queues import service as queues
from console.video_seat import presence

from . import calls


class PortalNamespace(Namespace):
    """``auth`` of the connection may name a case (``{"case_no": …}``); without, it is the one in flight, if any."""

    def add(self, event: str, handler: Callable[..., Any]) -> None:
        """Answer ``event`` with a handler that says for whom it is (console.access.on_socket_investor)."""
        setattr(self, f"on_{event}", handler)

    @on_socket_investor
    def on_connect(self, auth: Any = None) -> None:
        wanted = auth.get("case_no") if isinstance(auth, dict) else None
        with reading() as look:
            case = case_or_404(look, str(wanted)) if wanted else in_flight(look, me().investor_id or 0)
            ticket = queues.waiting_ticket(look, case) if case is not None else None
        if case is not None:
            join_room(live.case_room(case.case_no))
            join_room(live.branch_room(ticket.branch_id if ticket else case.branch_id))
            presence.arrived(current_app.extensions["redis"], presence.of_case(case.case_no), request.sid)  # type: ignore[attr-defined]

    @public
    def on_disconnect(self, *_reason: Any) -> None:
        """For whoever it was: nothing is told, nothing but the own presence ends."""
        for room in rooms():
            if room.startswith(live.case_room("")):
                case_no = room.removeprefix(live.case_room(""))
                presence.left(current_app.extensions["redis"], presence.of_case(case_no), request.sid)  # type: ignore[attr-defined]


def register() -> None:
    namespace = PortalNamespace(live.PORTAL)
    calls.register(namespace)
    live.socketio.on_namespace(namespace)
