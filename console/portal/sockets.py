"""/portal: an investor's page listens to its case and, while waiting, to the queue of its branch."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from flask import g, session
from flask_socketio import ConnectionRefusedError, Namespace, join_room
from werkzeug.exceptions import NotFound

from console import live
from console.access import COOKIE, Access, case_or_404, me, whoever_holds
from console.cases.service import in_flight
from console.db import reading

INVESTOR = Access("investor")


class PortalNamespace(Namespace):
    """``auth`` of the connection may name a case (``{"case_no": …}``); without, it is the one in flight, if any."""

    def add(self, event: str, handler: Callable[..., Any]) -> None:
        """Answer ``event`` with a handler that says for whom it is (console.access.on_socket_investor)."""
        setattr(self, f"on_{event}", handler)

    def on_connect(self, auth: Any = None) -> None:
        g.me = whoever_holds(session.get(COOKIE))
        if not INVESTOR.admits(g.me):
            raise ConnectionRefusedError("signed_out")
        wanted = auth.get("case_no") if isinstance(auth, dict) else None
        with reading() as look:
            try:
                case = case_or_404(look, str(wanted)) if wanted else in_flight(look, me().investor_id or 0)
            except NotFound as error:
                raise ConnectionRefusedError("not_found") from error
        if case is not None:
            join_room(live.case_room(case.case_no))
            join_room(live.branch_room(case.branch_id))


PortalNamespace.on_connect.access = INVESTOR  # type: ignore[attr-defined]


def register() -> None:
    namespace = PortalNamespace(live.PORTAL)
    if find_spec("console.portal.calls") is not None:
        import_module("console.portal.calls").register(namespace)
    live.socketio.on_namespace(namespace)
