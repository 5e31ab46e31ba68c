"""/portal, the investor's side of queue and call. The acknowledgement is a plain dict, {error, code} when refused.

Every event names its case: {case_no, …}; without, it is the case in flight.
"""

from collections.abc import Callable
from typing import Any, Protocol

from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from console import live
from console.access import case_or_404, me, on_socket_investor, stamp
from console.cases.models import Case, Status
from console.cases.service import in_flight
from console.db import reading, transaction
from console.problem import BadPayload, Problem
from console.queues import estimate
from console.queues import service as queues
from console.video_seat import listening, service, signalling

from .steps.video import acknowledged, cue_of, queue_up


class NotConsented(Problem):
    status, code = 409, "not_acknowledged"
    text = "请先核对认证人员的姓名和执业资格证号，并同意录音录像。"


class Namespace(Protocol):
    def add(self, event: str, handler: Callable[..., Any]) -> None: ...


def register(namespace: Namespace) -> None:
    for handler in (join_queue, leave_queue, place, acknowledge, offer, call_state, hang_up, ice):
        namespace.add(handler.__name__, on_socket_investor(handler))


def _case(session: Session, payload: Any) -> Case:
    wanted = payload.get("case_no") if isinstance(payload, dict) else None
    if wanted is not None:
        return case_or_404(session, str(wanted))
    case = in_flight(session, me().investor_id or 0)
    if case is None:
        raise NotFound
    return case


# --- the queue


def join_queue(payload: Any = None) -> dict[str, Any]:
    """开始视频通话 → the same as ``place``. Asked twice, or on a second device: the same ticket and place."""
    with transaction() as session:
        case = _case(session, payload)
        queue_up(session, case)
        return _place(session, case)


def leave_queue(payload: Any = None) -> dict[str, Any]:
    """退出排队"""
    with transaction() as session:
        case = _case(session, payload)
        queues.leave(session, case, stamp())
        return _place(session, case)


def place(payload: Any = None) -> dict[str, Any]:
    """{status, ticket, place, waiting, eta}: ``place`` counts from 1; it and ``ticket`` are null when not waiting.

    ``eta`` is [from, to] in minutes, or null while there is too little to go by.
    """
    with reading() as session:
        return _place(session, _case(session, payload))


def _place(session: Session, case: Case) -> dict[str, Any]:
    ticket = queues.waiting_ticket(session, case)
    answer: dict[str, Any] = {"status": case.status.value, "ticket": None, "place": None, "eta": None}
    if ticket is None:
        return answer | {"waiting": queues.waiting(session, case.branch_id)}
    stands = queues.place(session, ticket)
    eta = estimate.wait_minutes(session, case.branch_id, stands.ahead, stamp().at)
    return answer | {
        "ticket": ticket.ticket_no,
        "place": stands.ahead + 1,
        "waiting": stands.waiting,
        "eta": list(eta) if eta else None,
    }


# --- the call


def acknowledge(payload: Any = None) -> dict[str, Any]:
    """Name and 执业资格证号 seen, recording agreed to (V3) → call_state."""
    with reading() as session:
        case_no = _case(session, payload).case_no
    acknowledged(case_no)
    return call_state({"case_no": case_no})


def offer(payload: Any = None) -> dict[str, Any]:
    """{sdp} → {sdp}. Refused before the investor has acknowledged: nothing is recorded without consent."""
    sdp = payload.get("sdp") if isinstance(payload, dict) else None
    if not isinstance(sdp, str) or len(sdp) > signalling.LONGEST_OFFER:
        raise BadPayload("sdp")
    with reading() as session:
        call = service.live_call_on(session, _case(session, payload))
    if call is None:
        raise service.CallOver
    if call.acknowledged_at is None:
        raise NotConsented(call.session_no)
    answer = signalling.connect(call, "investor", sdp)
    live.call_changed(call.case.case_no, call.witness_id, "joined", session_no=call.session_no)
    return {"sdp": answer}


def call_state(payload: Any = None) -> dict[str, Any]:
    """{status, call, witness, licence_no, acknowledged_at, cue, frame, away, left}: what the page of the call shows now."""
    with reading() as session:
        case = _case(session, payload)
        call = service.live_call_on(session, case) if case.status is Status.IN_VIDEO else None
        cue = cue_of(call)
        return {
            "status": case.status.value,
            "call": call.session_no if call else None,
            "witness": call.witness.name if call else None,
            "licence_no": call.witness.licence_no if call else None,
            "acknowledged_at": call.acknowledged_at.isoformat() if call and call.acknowledged_at else None,
            "cue": cue.cue if cue else None,
            "frame": bool(cue and cue.frame),
            **(listening.line_state(call, signalling.terms(), stamp().at) if call else {}),
        }


def hang_up(payload: Any = None) -> dict[str, Any]:
    """The investor left the call. It stays open, to come back to, until the grace is over or the witness ends it."""
    with reading() as session:
        call = service.live_call_on(session, _case(session, payload))
    if call is not None:
        live.call_changed(call.case.case_no, call.witness_id, "left", session_no=call.session_no)
    return {"left": call is not None}


def ice(payload: Any = None) -> dict[str, Any]:
    """{servers}: the relays that the next connection of this call may use; good for minutes."""
    with reading() as session:
        call = service.live_call_on(session, _case(session, payload))
    if call is None:
        raise service.CallOver
    return {"servers": signalling.ice_servers(f"investor-{call.session_no}")}
