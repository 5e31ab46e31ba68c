"""Who is asking, and whether they may. The one gate for views, files and socket events: what is not granted is a 404.

Every view and socket handler says for whom it is with one of ``public``, ``signed_in_only``, ``investor_only``,
``staff_only``; a view that says nothing is closed. Objects are fetched through ``case_or_404`` and ``evidence_or_404``,
which know branch scope and ownership.
"""

import secrets
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, TypeVar

import structlog
from flask import Flask, abort, current_app, g, redirect, request, session, url_for
from flask_socketio import ConnectionRefusedError, disconnect
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import bindparam, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, joinedload, selectinload
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from console import live, runtime
from console.cases.models import Case
from console.db import reading
from console.evidence.models import Evidence, Kind
from console.people.models import Role, SignIn, Staff
from console.problem import NotThere, Problem
from console.stamp import Stamp

F = TypeVar("F", bound=Callable[..., Any])
COOKIE = "sign_in"
DOORS = "console.doors"  # in the environment of a socket: namespace to the `Door` it was opened by
log = structlog.get_logger()
csrf = CSRFProtect()
INVESTORS_OWN = frozenset({Kind.ID_FRONT, Kind.ID_BACK, Kind.SIGNATURE, Kind.BANK_CARD, Kind.SCORE_REPORT})


@dataclass(frozen=True)
class Access:
    """For whom an endpoint is: ``kind`` public, signed_in, investor or staff; staff need one of ``roles``."""

    kind: str
    roles: frozenset[Role] = frozenset()

    def admits(self, me: "Me | None") -> bool:
        if self.kind == "public":
            return True
        if me is None:
            return False
        if self.kind == "signed_in":
            return True
        if self.kind == "investor":
            return me.investor_id is not None
        return me.staff is not None and me.staff.has_role(*self.roles)


@dataclass(frozen=True)
class Me:
    """Who is signed in: a member of staff (detached, branches loaded) or an investor, never both. ``sign_in``: by which row."""

    staff: Staff | None = None
    investor_id: int | None = None
    sign_in: int = 0

    @property
    def by(self) -> str:
        return f"staff:{self.staff.id}" if self.staff else f"investor:{self.investor_id}"


def public(view: F) -> F:
    view.access = Access("public")  # type: ignore[attr-defined]
    return view


def signed_in_only(view: F) -> F:
    """For staff and investors alike; what each may see is decided by the gate for objects."""
    view.access = Access("signed_in")  # type: ignore[attr-defined]
    return view


def investor_only(view: F) -> F:
    view.access = Access("investor")  # type: ignore[attr-defined]
    return view


def staff_only(*roles: Role) -> Callable[[F], F]:
    def mark(view: F) -> F:
        view.access = Access("staff", frozenset(roles or Role))  # type: ignore[attr-defined]
        return view

    return mark


# --- signing in and out


def sign_in(
    session_: Session,
    *,
    staff: Staff | None = None,
    investor_id: int | None = None,
    at: datetime,
    lasts: timedelta,
    address: str,
) -> None:
    """Start a new session for the browser that is asking; whatever its cookie held before is gone (no fixation)."""
    sign_out(session_, at)
    row = SignIn(
        token=secrets.token_urlsafe(32),
        staff_id=staff.id if staff else None,
        investor_id=investor_id,
        started_at=at,
        expires_at=at + lasts,
        address=address,
    )
    session_.add(row)
    session.clear()
    session[COOKIE] = row.token


def sign_out(session_: Session, at: datetime) -> None:
    row = session_.scalar(select(SignIn).where(SignIn.token == session.get(COOKIE, "")))
    if row is not None and row.ended_at is None:
        row.ended_at = at
    session.clear()


def whoever_holds(token: str | None) -> Me | None:
    """Who signed in with this cookie, looked up afresh: an ended session or a role taken away counts from the next request or event on."""
    return holders({token}).get(token) if token else None


# Asked at every request and event: built once, one statement.
HOLDERS = (
    select(SignIn)
    .where(
        SignIn.token.in_(bindparam("tokens", expanding=True)),
        SignIn.ended_at.is_(None),
        SignIn.expires_at > bindparam("now"),
    )
    .options(
        joinedload(SignIn.staff).options(joinedload(Staff.branches), joinedload(Staff.broker)),
    )
)


def holders(tokens: Collection[str]) -> dict[str, Me]:
    """Who is signed in by each of these cookies; those that mean nothing (any more) are left out."""
    with reading() as look:
        rows = look.scalars(HOLDERS, {"tokens": list(tokens), "now": datetime.now(UTC)}).unique()
        return {
            row.token: Me(staff=row.staff, investor_id=row.investor_id, sign_in=row.id)
            for row in rows
            if row.staff is None or row.staff.active
        }


def me() -> Me:
    """Who is asking; only in code that the gate let somebody through to."""
    found: Me | None = g.get("me")
    if found is None:
        abort(404)
    return found


def my_staff() -> Staff:
    staff = me().staff
    if staff is None:
        abort(404)
    return staff


def maybe_me() -> Me | None:
    return g.get("me")


def stamp() -> Stamp:
    who = maybe_me()
    return Stamp(by=who.by if who else "visitor", at=datetime.now(UTC), address=request.remote_addr or "")


# --- the gate for views


def guard(app: Flask) -> None:
    """Close every endpoint that does not say for whom it is."""

    @app.before_request
    def gate() -> Response | None:
        g.me = None if request.endpoint == "static" else whoever_holds(session.get(COOKIE))
        access = access_of(request.endpoint) if request.endpoint else None
        if access is None:
            abort(404)
        if access.admits(g.me):
            return None
        if (
            g.me is None
            and access.kind != "public"
            and request.method == "GET"
            and "text/html" in request.headers.get("Accept", "")
        ):
            where = "portal.entrance" if access.kind == "investor" else "desk.sign_in"
            return redirect(url_for(where, next=request.full_path.rstrip("?")))
        abort(404)


def access_of(endpoint: str) -> Access | None:
    """For whom an endpoint is; None: nobody said, so nobody."""
    granted: dict[str, Access] = current_app.extensions.get("granted_blueprints", {})
    view = current_app.view_functions.get(endpoint)
    return getattr(view, "access", None) or granted.get(endpoint.rpartition(".")[0])


def grant_blueprint(app: Flask, name: str, access: Access) -> None:
    """For views that a library makes (Flask-Admin): one access for the whole blueprint."""
    app.extensions.setdefault("granted_blueprints", {})[name] = access


# --- the gate for socket events


def on_socket(access: Access) -> Callable[[F], F]:
    """A socket handler for ``access``, checked at every event.

    Its return value is the acknowledgement; problems come back as {error, code}, and refuse the connection when it is just made.
    """

    def wrap(handler: F) -> F:
        @wraps(handler)
        def checked(*args: Any, **kwargs: Any) -> Any:
            g.me = whoever_holds(session.get(COOKIE))
            opening = request.event["message"] == "connect"  # type: ignore[attr-defined]
            if not access.admits(g.me):
                if opening:
                    raise ConnectionRefusedError("signed_out")
                disconnect()
                return {"error": "登录已失效，请重新登录。", "code": "signed_out"}
            if opening:
                door = {request.namespace: Door(g.me.sign_in, session[COOKIE], access)}  # type: ignore[attr-defined]
                request.environ[DOORS] = request.environ.get(DOORS, {}) | door
            try:
                return handler(*args, **kwargs)
            except Problem as problem:
                told = {"error": problem.text, "code": problem.code}
            except HTTPException as error:
                told = {"error": NotThere.text, "code": str(error.code)}
            if opening:
                raise ConnectionRefusedError(told["code"])
            return told

        checked.access = access  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return wrap


def on_socket_staff(*roles: Role) -> Callable[[F], F]:
    return on_socket(Access("staff", frozenset(roles or Role)))


def on_socket_investor(handler: F) -> F:
    return on_socket(Access("investor"))(handler)


# --- sockets of a sign-in that ended


@dataclass(frozen=True)
class Door:
    sign_in: int
    token: str
    access: Access


def close_ended() -> int:
    """Disconnect the sockets of this process whose holder may not listen any more (signed out, run out, stopped, role taken): how many."""
    server = live.socketio.server
    doors = list(_doors(server))
    if not doors:
        return 0
    signed_in = _signed_in({door.sign_in for _, _, door in doors})
    staff = holders({door.token for _, _, door in doors if door.access.kind == "staff"})
    ended = [
        (sid, namespace)
        for sid, namespace, door in doors
        if door.sign_in not in signed_in
        or (door.access.kind == "staff" and not door.access.admits(staff.get(door.token)))
    ]
    for sid, namespace in ended:
        server.disconnect(sid, namespace=namespace)
    return len(ended)


def _signed_in(ids: Collection[int]) -> set[int]:
    """Sign-ins that have not ended: these, and others made meanwhile. Thousands are asked for every few seconds, so they are not named."""
    between = SignIn.id.between(min(ids), max(ids))
    with reading() as look:
        return set(
            look.scalars(
                select(SignIn.id).where(between, SignIn.ended_at.is_(None), SignIn.expires_at > datetime.now(UTC))
            )
        )


def _doors(server: Any) -> Iterator[tuple[str, str, Door]]:
    """Of each open socket: its id, namespace and door."""
    for namespace in live.NAMESPACES:
        for sid, _ in server.manager.get_participants(namespace, None):
            door = (server.get_environ(sid, namespace) or {}).get(DOORS, {}).get(namespace)
            if door is not None:  # else it is still being looked at
                yield sid, namespace, door


def keep_doors(every: float = 3.0) -> None:
    """Look again and again, ``every`` so many seconds, as long as the web process runs: sign-ins end in other processes too."""
    while True:
        runtime.sleep(every)
        try:
            close_ended()
        except OperationalError as error:
            log.warning("doors_not_kept", error=type(error.orig).__name__)


# --- the gate for objects


def case_or_404(look: Session, case_no: str) -> Case:
    """The case, if it is the investor's own or of a branch that this member of staff serves; else a 404 like any other."""
    case = look.scalar(select(Case).where(Case.case_no == case_no).options(selectinload(Case.entries)))
    if case is None or not may_see(me(), case):
        abort(404)
    return case


def evidence_or_404(look: Session, public_id: str) -> Evidence:
    """A file of a case one may see; investors get what they uploaded themselves, nothing else."""
    evidence = look.scalar(select(Evidence).where(Evidence.public_id == public_id))
    if evidence is None or not may_see(me(), evidence.case):
        abort(404)
    if me().investor_id is not None and evidence.kind not in INVESTORS_OWN:
        abort(404)
    return evidence


BEYOND: list[Callable[[Staff, Case], bool]] = []
"""What else opens a case to staff of the same broker whose branch it is not: to a witness, the call they are in (video_seat)."""


def may_see(who: Me, case: Case) -> bool:
    if who.staff is not None:
        staff = who.staff
        if staff.broker_id != case.branch.broker_id:
            return False
        return staff.serves(case.branch_id) or any(opens(staff, case) for opens in BEYOND)
    return who.investor_id == case.investor_id
