"""/portal, the investor's side of queue and call. The acknowledgement is a plain dict, {error, code} when refused.

Every event names its case: {case_no, …}; without, it is the case in flight.
"""

import time
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
from console.video_seat import acts, challenges, controls, line, listening, service, signalling, texts, timeline
from console.video_seat.locks import asked_now
from console.video_seat.models import CallEventKind, VideoSession
from console.video_seat.sockets import id_in, of_challenge, states_in

from .steps.video import acknowledged, queue_up, turn

NETWORK_EVERY = 2.0  # seconds: what comes sooner from a call is dropped
_network_told: dict[str, float] = {}  # call to when (monotonic); a socket lives in one process


class NotConsented(Problem):
    status, code = 409, "not_acknowledged"
    text = "请先核对认证人员的姓名和执业资格证号，并同意录音录像。"


class Namespace(Protocol):
    def add(self, event: str, handler: Callable[..., Any]) -> None: ...


def register(namespace: Namespace) -> None:
    for handler in (
        join_queue,
        leave_queue,
        place,
        acknowledge,
        permit,
        offer,
        call_state,
        hang_up,
        ice,
        switch,
        network,
        answer_code,
    ):
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
    """{status, ticket, place, waiting, eta, turn}: ``place`` counts from 1; it and ``ticket`` are null when not waiting.

    ``eta`` is [from, to] in minutes, or null while there is too little to go by. ``turn``: see steps/video.py.
    """
    with reading() as session:
        return _place(session, _case(session, payload))


def _place(session: Session, case: Case) -> dict[str, Any]:
    ticket = queues.waiting_ticket(session, case)
    answer: dict[str, Any] = {"status": case.status.value, "ticket": None, "place": None, "eta": None, "turn": ""}
    if ticket is None:
        return answer | {"waiting": queues.waiting(session, case.branch_id)}
    stands = queues.place(session, ticket)
    now = stamp().at
    eta = estimate.wait_minutes(session, ticket.branch_id, stands.ahead, now)
    return answer | {
        "ticket": ticket.ticket_no,
        "place": stands.ahead + 1,
        "waiting": stands.waiting,
        "eta": list(eta) if eta else None,
        "turn": turn(ticket, stands, now),
    }


# --- the call


def acknowledge(payload: Any = None) -> dict[str, Any]:
    """Name and 执业资格证号 seen, recording agreed to (V3) → call_state."""
    with reading() as session:
        case_no = _case(session, payload).case_no
    acknowledged(case_no)
    return call_state({"case_no": case_no})


def permit(payload: Any = None) -> dict[str, Any]:
    """{permit}: what the next offer needs, once and within a minute."""
    return {"permit": signalling.permit(_consented(payload), timeline.INVESTOR)}


def offer(payload: Any = None) -> dict[str, Any]:
    """{sdp, permit} → {sdp}"""
    sdp, given = signalling.offer_in(payload)
    call = _consented(payload)
    answer = signalling.connect(call, timeline.INVESTOR, sdp, given)
    live.call_changed(call.case.case_no, call.witness_id, "joined", session_no=call.session_no)
    return {"sdp": answer}


def _consented(payload: Any) -> VideoSession:
    """The investor's call. Refused before the consent: nothing is recorded without it. Raises CallOver, NotConsented."""
    with reading() as session:
        call = service.live_call_on(session, _case(session, payload))
    if call is None:
        raise service.CallOver
    if not call.agreed:
        raise NotConsented(call.session_no)
    return call


def call_state(payload: Any = None) -> dict[str, Any]:
    """{status, call, witness, licence_no, acknowledged_at, cue, frame, away, left, switches, text, challenge}: what the page of the
    call shows now. ``text``: the last one that the witness sent, with the seconds ``left`` to show it; ``challenge``: the one that waits
    for an answer.
    """
    with reading() as session:
        case = _case(session, payload)
        call = service.live_call_on(session, case) if case.status is Status.IN_VIDEO else None
        cue = asked_now(call) if call else None
        return {
            "status": case.status.value,
            "call": call.session_no if call else None,
            "witness": call.witness.name if call else None,
            "licence_no": call.witness.licence_no if call else None,
            "acknowledged_at": call.acknowledged_at.isoformat()
            if call and call.agreed and call.acknowledged_at
            else None,
            "cue": cue.cue if cue else None,
            "frame": bool(cue and cue.frame),
            **(_in_call(call) if call else {}),
        }


def _in_call(call: VideoSession) -> dict[str, Any]:
    now = stamp().at
    said = texts.shown(call, now)
    return listening.line_state(call, signalling.terms(), now) | {
        "switches": controls.shown(call),
        "text": {"id": said.id, "text": said.text, "left": said.left(now)} if said else None,
        "challenge": of_challenge(challenges.outstanding(call, now)),
    }


def _held(session: Session, payload: Any) -> VideoSession:
    """The investor's call, locked. Raises CallOver."""
    found = service.live_call_on(session, _case(session, payload))
    call = line.held(session, found.session_no) if found is not None else None
    if call is None:
        raise service.CallOver
    return call


def switch(payload: Any = None) -> dict[str, Any]:
    """{microphone, camera}: on, off, away or device, as this page has them now."""
    states = states_in(payload)
    with transaction() as session:
        call = _held(session, payload)
        changed = controls.report(session, call, timeline.INVESTOR, states, stamp())
    if changed:
        acts.tell_switches(call)
    return {"new": changed}


def network(payload: Any = None) -> dict[str, Any]:
    """{bars 0 to 3, rtt ms, loss %}: how the line of this page is. → {told}: whether it went to the witness; it is never kept."""
    told = _network(payload)
    with reading() as session:
        call = service.live_call_on(session, _case(session, payload))
    if call is None:
        raise service.CallOver
    now = time.monotonic()
    if now - _network_told.get(call.session_no, -NETWORK_EVERY) < NETWORK_EVERY:
        return {"told": False}
    for old in [each for each, at in _network_told.items() if now - at > 60]:
        del _network_told[old]
    _network_told[call.session_no] = now
    live.network_told(call.witness_id, call.session_no, told)
    return {"told": True}


def _network(payload: Any) -> dict[str, Any]:
    told = {name: payload.get(name) if isinstance(payload, dict) else None for name in ("bars", "rtt", "loss")}
    if told["bars"] not in (0, 1, 2, 3) or isinstance(told["bars"], bool):
        raise BadPayload("bars")
    for name, most in (("rtt", 60_000), ("loss", 100)):
        value = told[name]
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most
        ):
            raise BadPayload(name)
    return told


def answer_code(payload: Any = None) -> dict[str, Any]:
    """{id, attempt, code} → {challenge}: the code of the text message, as the investor typed it. ``attempt``: made by the page, the
    same when this try is sent again.
    """
    challenge_id, attempt = id_in(payload), id_in(payload, "attempt")
    code = payload.get("code")
    if not isinstance(code, str) or len(code) > 40:
        raise BadPayload("code")
    with transaction() as session:
        call = _held(session, payload)
        answered = challenges.answer_sms(session, call, challenge_id, attempt, code, stamp())
    acts.tell_challenge(call)
    return {"challenge": of_challenge(answered)}


def hang_up(payload: Any = None) -> dict[str, Any]:
    """The investor left the call → {away, gone, left, grace}. It stays open, to come back to, until the grace is over or the witness
    ends it. Raises CallOver.
    """
    now = stamp().at
    with transaction() as session:
        call = _held(session, payload)
        if not timeline.hung_up(call, timeline.INVESTOR):
            terms, side = signalling.terms(), timeline.INVESTOR
            line.heard(session, call, CallEventKind.HUNG_UP, now, side, now, terms)
    listening.push(call, "left", signalling.terms(), now)
    return listening.line_state(call, signalling.terms(), now)


def ice(payload: Any = None) -> dict[str, Any]:
    """{servers}: the relays that the next connection of this call may use; good for minutes."""
    with reading() as session:
        call = service.live_call_on(session, _case(session, payload))
    if call is None:
        raise service.CallOver
    return {"servers": signalling.ice_servers(f"investor-{call.session_no}")}
