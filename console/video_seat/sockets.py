"""/seat: a witness's page. Each event is checked by itself; the acknowledgement is a plain dict, {error, code} when refused.

Payloads hold ``fence`` (from the acknowledgement of ``sit``), in a call ``call`` (its session number), and of what was pressed when.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

from flask import current_app, request, url_for
from flask_socketio import join_room, rooms

from console import live
from console.access import my_staff, on_socket_staff, public
from console.db import reading
from console.evidence.models import WARNING_TITLES, Kind
from console.people.branches import served_branches
from console.people.models import Role
from console.problem import BadPayload, Problem
from console.queues.models import Seat, SeatState

from . import acts, controls, presence, signalling
from .challenges import Challenge
from .models import CheckResult, VideoSession
from .snapshots import SNAPSHOTS
from .timeline import Switch

FRESH = timedelta(seconds=8)  # a page itself gives a press up by then (static/js/live.js)
ID = re.compile(r"[\w-]{8,40}", re.ASCII)  # of an act: a page makes it, and sends it again when it tries again
witnesses = on_socket_staff(Role.WITNESS, Role.SUPERVISOR)


def _text(payload: Any, name: str, default: str | None = None) -> str:
    value = payload.get(name, default) if isinstance(payload, dict) else None
    if not isinstance(value, str):
        raise BadPayload(name)
    return value


def _texts(payload: Any, name: str) -> list[str]:
    values = payload.get(name) if isinstance(payload, dict) else None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadPayload(name)
    return values


def _number(payload: Any, name: str) -> int:
    value = payload.get(name) if isinstance(payload, dict) else None
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadPayload(name)
    return value


def _time(payload: Any, name: str) -> datetime:
    try:
        at = datetime.fromisoformat(_text(payload, name))
    except ValueError as error:
        raise BadPayload(name) from error
    if at.tzinfo is None:
        raise BadPayload(name)
    return at


def id_in(payload: Any, name: str = "id") -> str:
    found = _text(payload, name)
    if not ID.fullmatch(found):
        raise BadPayload(name)
    return found


def states_in(payload: Any) -> controls.States:
    """{microphone, camera}: on, off, away or device."""
    try:
        return {switch: controls.State(_text(payload, switch.value)) for switch in Switch}
    except ValueError as error:
        raise BadPayload("switches") from error


def of_challenge(challenge: Challenge | None) -> dict[str, Any] | None:
    """As both pages read it; ``left`` tries of a code."""
    if challenge is None:
        return None
    return {
        "id": challenge.id,
        "kind": challenge.kind.value,
        "digits": challenge.digits,
        "result": challenge.result.value if challenge.result else None,
        "left": challenge.left,
    }


def _fence(payload: Any) -> int:
    return _number(payload, "fence")


def _call(payload: Any) -> str:
    return _text(payload, "call")


def _of_seat(seat: Seat) -> dict[str, Any]:
    return {
        "state": seat.state.value,
        "since": seat.since.isoformat(),
        "branch": seat.branch_id,
        "fence": seat.fence,
        "now": datetime.now(UTC).isoformat(),
    }


def _of_call(call: VideoSession | None) -> dict[str, Any]:
    return {"call": call.session_no if call else None, "url": url_for("video_seat.seat")}


class PressedBefore(Problem):
    status, code = 409, "pressed_before"
    text = "这是连接中断前按下的，没有生效。请看清现在的情况再按。"


def by_hand(handler: Callable[..., Any]) -> Callable[..., Any]:
    """For what a person pressed: ``pressed`` (ISO, by the server's clock) says when. What lay in a broken line until now is refused:
    it was meant for what was to be seen then.
    """

    @wraps(handler)
    def fresh(payload: Any = None) -> Any:
        if datetime.now(UTC) - _time(payload, "pressed") > FRESH:
            raise PressedBefore
        return handler(payload)

    return fresh


# --- the seat


@live.socketio.on("connect", namespace=live.SEAT)
@witnesses
def connect(auth: object = None) -> None:
    with reading() as session:
        branches = served_branches(session, my_staff())
    for branch in branches:
        join_room(live.branch_room(branch.id))
    join_room(live.staff_room(my_staff().id))
    presence.arrived(current_app.extensions["redis"], presence.of_staff(my_staff().id), request.sid)  # type: ignore[attr-defined]


@live.socketio.on("disconnect", namespace=live.SEAT)
@public
def disconnect(*_reason: object) -> None:
    """For whoever it was: nothing is told, nothing but the own presence ends."""
    for room in rooms():
        if room.startswith("staff:"):
            presence.left(current_app.extensions["redis"], room, request.sid)  # type: ignore[attr-defined]


@live.socketio.on("sit", namespace=live.SEAT)
@witnesses
def sit(payload: object = None) -> dict[str, Any]:
    """This page takes the seat. → {state, since, branch, fence, now}: ``now`` sets the page's clock."""
    return _of_seat(acts.sit())


@live.socketio.on("state", namespace=live.SEAT)
@witnesses
@by_hand
def state(payload: Any = None) -> dict[str, Any]:
    """{fence, state, branch?} → {state, since, branch, fence}"""
    try:
        chosen = SeatState(_text(payload, "state"))
        branch = _number(payload, "branch") if payload.get("branch") is not None else None
        return _of_seat(acts.go(_fence(payload), chosen, branch))
    except ValueError as error:
        raise BadPayload("state") from error


@live.socketio.on("heartbeat", namespace=live.SEAT)
@witnesses
def heartbeat(payload: Any = None) -> dict[str, Any]:
    return _of_seat(acts.heartbeat(_fence(payload)))


@live.socketio.on("answer_next", namespace=live.SEAT)
@witnesses
@by_hand
def answer_next(payload: Any = None) -> dict[str, Any]:
    """{fence} → {call, url}; ``call`` is null when nobody waits."""
    return _of_call(acts.answer_next(_fence(payload)))


@live.socketio.on("answer", namespace=live.SEAT)
@witnesses
@by_hand
def answer(payload: Any = None) -> dict[str, Any]:
    """{fence, ticket, why} → {call, url}"""
    return _of_call(acts.answer(_fence(payload), _number(payload, "ticket"), _text(payload, "why", "")))


# --- the call


@live.socketio.on("offer", namespace=live.SEAT)
@witnesses
def offer(payload: Any = None) -> dict[str, Any]:
    """{fence, call, sdp, permit} → {sdp}"""
    sdp, permit = signalling.offer_in(payload)
    return {"sdp": acts.offer(_fence(payload), _call(payload), sdp, permit)}


@live.socketio.on("permit", namespace=live.SEAT)
@witnesses
def permit(payload: Any = None) -> dict[str, Any]:
    """{fence, call} → {permit}: what the next offer needs, once and within a minute."""
    return {"permit": acts.permit(_fence(payload), _call(payload))}


@live.socketio.on("line", namespace=live.SEAT)
@witnesses
def line(payload: Any = None) -> dict[str, Any]:
    """{fence, call} → {away, gone, left, grace, switches}: which sides are away, which of them hung up, the seconds until the call is
    given up, what each has turned off.
    """
    return acts.line_of(_fence(payload), _call(payload))


@live.socketio.on("ice", namespace=live.SEAT)
@witnesses
def ice(payload: Any = None) -> dict[str, Any]:
    """{fence, call} → {servers}: the relays that the next connection of this call may use; good for minutes."""
    return {"servers": acts.ice(_fence(payload), _call(payload))}


@live.socketio.on("snapshot", namespace=live.SEAT)
@witnesses
@by_hand
def snapshot(payload: Any = None) -> dict[str, Any]:
    """{fence, call, kind, id?} → {id, url, warnings}: the same press of the button (its ``id``) takes one picture."""
    try:
        kind = Kind(_text(payload, "kind"))
    except ValueError as error:
        raise BadPayload("kind") from error
    if kind not in SNAPSHOTS:
        raise BadPayload("kind")
    press = id_in(payload) if "id" in payload else ""
    kept = acts.take_snapshot(_fence(payload), _call(payload), kind, press)
    words = [WARNING_TITLES[warning] for warning in kept.warnings]
    return {"id": kept.public_id, "url": url_for("desk.evidence", public_id=kept.public_id), "warnings": words}


@live.socketio.on("choose_snapshot", namespace=live.SEAT)
@witnesses
@by_hand
def choose_snapshot(payload: Any = None) -> dict[str, Any]:
    """{fence, call, id}: this picture of the call proves, not another of its kind."""
    acts.choose_snapshot(_fence(payload), _call(payload), id_in(payload))
    return {"chosen": True}


@live.socketio.on("ask", namespace=live.SEAT)
@witnesses
@by_hand
def ask(payload: Any = None) -> dict[str, Any]:
    """{fence, call, item}: this question is asked now, out of turn; the investor's page shows what it asks for."""
    acts.ask(_fence(payload), _call(payload), _text(payload, "item"))
    return {"asked": True}


@live.socketio.on("mark", namespace=live.SEAT)
@witnesses
@by_hand
def mark(payload: Any = None) -> dict[str, Any]:
    """{fence, call, item, result, at?, snapshot?, reason?, words?}: ``at`` ISO, default now; ``snapshot`` the id of a picture of this
    call; a problem has a short ``reason``.
    """
    result, at = _judged(payload)
    named = _text(payload, "snapshot") if payload.get("snapshot") else None
    reason, words = _text(payload, "reason", ""), _text(payload, "words", "")
    acts.mark(_fence(payload), _call(payload), _text(payload, "item"), result, at, named, reason, words)
    return {"marked": True}


@live.socketio.on("check", namespace=live.SEAT)
@witnesses
@by_hand
def check(payload: Any = None) -> dict[str, Any]:
    """{fence, call, fields, seen, result, at?, reason?, words?}: fields of 信息核验 are in order, or are not, for this short reason.
    ``seen``: the prints of what the page showed of them, in their order.
    """
    result, at = _judged(payload)
    names, reason, words = _texts(payload, "fields"), _text(payload, "reason", ""), _text(payload, "words", "")
    seen = _texts(payload, "seen")
    acts.check_fields(_fence(payload), _call(payload), names, result, at, reason, words, seen=seen)
    return {"checked": True}


def _judged(payload: Any) -> tuple[CheckResult, datetime | None]:
    try:
        result = CheckResult(_text(payload, "result"))
    except ValueError as error:
        raise BadPayload("mark") from error
    return result, _time(payload, "at") if payload.get("at") else None


@live.socketio.on("note", namespace=live.SEAT)
@witnesses
@by_hand
def note(payload: Any = None) -> dict[str, Any]:
    """{fence, call, text}: 备注, which the investor never reads."""
    acts.write_note(_fence(payload), _call(payload), _text(payload, "text"))
    return {"noted": True}


# --- towards the investor


@live.socketio.on("switch", namespace=live.SEAT)
@witnesses
def switch(payload: Any = None) -> dict[str, Any]:
    """{fence, call, microphone, camera}: on, off, away or device, as this page has them now."""
    return {"new": acts.switch(_fence(payload), _call(payload), states_in(payload))}


@live.socketio.on("say", namespace=live.SEAT)
@witnesses
@by_hand
def say(payload: Any = None) -> dict[str, Any]:
    """{fence, call, id, text} → {id, text, at}: 发文字. The same id again is the same text."""
    sent = acts.say(_fence(payload), _call(payload), id_in(payload), _text(payload, "text"))
    return {"id": sent.id, "text": sent.text, "at": sent.at.isoformat()}


@live.socketio.on("ask_digits", namespace=live.SEAT)
@witnesses
@by_hand
def ask_digits(payload: Any = None) -> dict[str, Any]:
    """{fence, call, id} → {challenge}. The same id again is the same challenge."""
    return _challenge(payload, acts.ask_digits)


@live.socketio.on("ask_sms", namespace=live.SEAT)
@witnesses
@by_hand
def ask_sms(payload: Any = None) -> dict[str, Any]:
    """{fence, call, id} → {challenge}: a code to the registered phone."""
    return _challenge(payload, acts.ask_sms)


@live.socketio.on("judge_digits", namespace=live.SEAT)
@witnesses
@by_hand
def judge_digits(payload: Any = None) -> dict[str, Any]:
    """{fence, call, id, right} → {challenge}: whether the investor read them right."""
    right = payload.get("right") if isinstance(payload, dict) else None
    if not isinstance(right, bool):
        raise BadPayload("right")
    return _challenge(payload, lambda fence, call, known: acts.judge_digits(fence, call, known, right))


@live.socketio.on("withdraw_challenge", namespace=live.SEAT)
@witnesses
@by_hand
def withdraw_challenge(payload: Any = None) -> dict[str, Any]:
    """{fence, call, id, reason} → {challenge}: it needs not be met, for this short reason."""
    reason = _text(payload, "reason")
    return _challenge(payload, lambda fence, call, known: acts.withdraw_challenge(fence, call, known, reason))


def _challenge(payload: Any, act: Callable[[int, str, str], Challenge]) -> dict[str, Any]:
    return {"challenge": of_challenge(act(_fence(payload), _call(payload), id_in(payload)))}


@live.socketio.on("ask_help", namespace=live.SEAT)
@witnesses
@by_hand
def ask_help(payload: Any = None) -> dict[str, Any]:
    """{fence, call, reason}: 求助班长. Asked again while it is open, it is the same."""
    acts.ask_help(_fence(payload), _call(payload), _text(payload, "reason"))
    return {"asked": True}


# --- verdicts


@live.socketio.on("pass", namespace=live.SEAT)
@witnesses
@by_hand
def pass_video(payload: Any = None) -> dict[str, Any]:
    """{fence, call, note?}"""
    return _of_call(acts.pass_video(_fence(payload), _call(payload), _text(payload, "note", "")))


@live.socketio.on("reject", namespace=live.SEAT)
@witnesses
@by_hand
def reject(payload: Any = None) -> dict[str, Any]:
    """{fence, call, reasons, remark?, internal_note?}"""
    codes = _texts(payload, "reasons")
    remark, internal = _text(payload, "remark", ""), _text(payload, "internal_note", "")
    return _of_call(acts.reject(_fence(payload), _call(payload), codes, remark, internal))


@live.socketio.on("technical_failure", namespace=live.SEAT)
@witnesses
@by_hand
def technical_failure(payload: Any = None) -> dict[str, Any]:
    """{fence, call, why?, note?}: ``why`` the code of a short reason."""
    why, note = _text(payload, "why", ""), _text(payload, "note", "")
    return _of_call(acts.technical_failure(_fence(payload), _call(payload), why, note))


@live.socketio.on("suspect", namespace=live.SEAT)
@witnesses
@by_hand
def suspect(payload: Any = None) -> dict[str, Any]:
    """{fence, call, signs, words?}: 可疑, to a supervisor; ``signs`` are codes of short reasons."""
    signs, words = _texts(payload, "signs"), _text(payload, "words", "")
    return _of_call(acts.suspect(_fence(payload), _call(payload), signs, words))
