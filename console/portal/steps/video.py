"""视频验证 (app manual 2.2.2.5, web manual 2.5): queue up, be answered, talk.

The witness's verdict finishes the step, never the investor.
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import ceil
from typing import Any

from flask import Blueprint, current_app, flash, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from console import live
from console.access import case_or_404, investor_only, stamp
from console.cases.models import Case, Status
from console.cases.transitions import IllegalTransition
from console.config import Settings, VideoHours
from console.db import transaction
from console.evidence.models import Evidence
from console.queues import appointments, estimate, hours, promises, urgent
from console.queues import service as queues
from console.queues.models import Priority, Ticket
from console.stamp import Stamp
from console.video_seat import acts, incidents, line, page, service, signalling
from console.video_seat.facts import title_of
from console.video_seat.incidents import Incident
from console.video_seat.locks import asked_now, marks_of
from console.video_seat.models import VERDICT_TITLES, CheckMark, Suspicion, Verdict, VideoSession
from console.video_seat.script import items_of

from . import Handed, NotYet

PLACES_DRAWN = 6
MONTH, ENOUGH_KEPT = timedelta(days=30), 20  # promises of which the page says how many were kept
LONGEST_TIMER = 24 * 60 * 60  # seconds
VERDICT_KINDS = {
    Verdict.PASSED: "ok",
    Verdict.REJECTED: "bad",
    Verdict.REFUSED: "bad",
    Verdict.TECHNICAL_FAILURE: "wait",
    Verdict.SUSPICIOUS: "bad",
    Verdict.DECLINED: "wait",
}


def show(session: Session, case: Case) -> dict[str, Any]:
    """``stage`` is before, waiting or call: the page follows the status of the case."""
    if case.status is Status.IN_VIDEO:
        call = service.live_call_on(session, case)
        return {
            "stage": "call",
            "call": call,
            "cue": asked_now(call) if call else None,
            "grace": _grace(call) if call else 0,
        }
    if case.status is Status.HELD:
        return {"stage": "held"}
    if case.status is Status.IN_QUEUE:
        return {"stage": "waiting"} | queue_facts(session, case)
    return {
        "stage": "before",
        "waiting_now": queues.waiting(session, case.branch_id),
        "branch": case.branch,
        "gave_up": queues.was_called_in_vain(session, case),
        "declined": [call.verdict for call in service.calls_of(session, case)[:1]] == [Verdict.DECLINED],
        **closing(_hours(), now := datetime.now(UTC), hours.closed_days(session, case.branch, now)),
        **appointment(session, case, now),
    }


def submit(session: Session, case: Case, form: Mapping[str, str], stamp: Stamp) -> Handed:
    raise NotYet({"": "视频验证由认证人员确认后自动进入下一步，不需要提交。"})


def closing(when: VideoHours, at: datetime, days_off: Collection[date] = ()) -> dict[str, Any]:
    """``closed``: why nobody can queue up now, or ''; ``opens_in``: the seconds until one should look again, a day at most."""
    open_ = hours.is_open(when, at, days_off)
    left = 0 if open_ else ceil((hours.opens_at(when, at, days_off) - at).total_seconds())
    return {"closed": hours.closed_words(when, at, days_off), "opens_in": min(left, LONGEST_TIMER)}


def appointment(session: Session, case: Case, at: datetime) -> dict[str, Any]:
    """``appointment``: the live one or None; ``appointed``: its time in words; ``its_time``: whoever joins now keeps it."""
    booked = appointments.live(session, case)
    return {
        "appointment": booked,
        "appointed": appointments.when(booked.slot_at) if booked else "",
        "its_time": booked is not None and appointments.in_window(booked, at),
    }


def _hours() -> VideoHours:
    settings: Settings = current_app.extensions["settings"]
    return settings.video_hours


# --- waiting


def queue_up(session: Session, case: Case) -> Ticket:
    """开始视频通话, by form or by socket. Raises Closed."""
    ticket = queues.join(session, case, stamp(), _hours())
    promises.promise(session, ticket, stamp().at)
    return ticket


def queue_facts(session: Session, case: Case) -> dict[str, Any]:
    """Where the case stands in its branch's queue; ``line``: numbers of the places to draw, one's own among them."""
    ticket = queues.waiting_ticket(session, case)
    if ticket is None:
        return {"ticket": None, "place": None, "eta": None, "line": [], "branch": case.branch}
    place = queues.place(session, ticket)
    mine = place.ahead + 1
    first = max(1, min(mine - PLACES_DRAWN // 2, place.waiting - PLACES_DRAWN + 1))
    now = datetime.now(UTC)
    eta = estimate.wait_minutes(session, ticket.branch_id, place.ahead, now)
    kept = promises.share_kept(session, [ticket.branch_id], now - MONTH, now, least=ENOUGH_KEPT) if eta else None
    return {
        "ticket": ticket,
        "place": place,
        "mine": mine,
        "line": list(range(first, min(place.waiting, first + PLACES_DRAWN - 1) + 1)),
        "eta": eta,
        "eta_kept": round(100 * kept) if kept is not None else None,
        "branch": ticket.branch,
        "moved_to": ticket.branch.name if ticket.branch_id != case.branch_id else "",
        "urgent": urgent.standing(session, ticket, datetime.now(UTC)),
        "came_back": came_back(session, case, ticket),
        "turn": turn(ticket, place, now),
        **appointment(session, case, datetime.now(UTC)),
    }


def came_back(session: Session, case: Case, ticket: Ticket) -> str:
    """Why somebody waits who was in a call already, or ''."""
    if ticket.priority is not Priority.RETURNED:
        return ""
    calls = service.calls_of(session, case)
    if calls and line.was_unanswered(calls[0]):
        mine = "investor" in line.dropped_sides(calls[0])
        return f"认证人员刚才呼叫过您，没有得到确认（第 {ticket.missed} 次）。" if mine else "认证人员的线路没有接上。"
    if calls and line.dropped_sides(calls[0]):
        return f"上次通话中断超过 {line.dropped_after(calls[0])} 秒，没有办完。"
    return "上次通话因技术故障结束，没有办完。"


def turn(ticket: Ticket, place: queues.Place, at: datetime) -> str:
    """When somebody who was in a call already is answered, as true as the place that the page shows beside it; '' for others."""
    if ticket.priority is not Priority.RETURNED:
        return ""
    if ticket.not_before is not None and ticket.not_before > at:
        return "位置为您保留，先接通其他人，片刻后再呼叫您"
    if place.ahead:
        return f"您优先接通，前面 {place.ahead} 位也是优先接通、排得更早的"
    return "您已排在队首"


def _grace(call: VideoSession) -> int:
    """Seconds that this call waits for a side that is away."""
    return int(line.holding(call, signalling.terms()).grace.total_seconds())


# --- ways in and out that need no script


def routes(bp: Blueprint) -> None:
    bp.add_url_rule("/case/<case_no>/video/join", "join_queue", join_queue, methods=["POST"])
    bp.add_url_rule("/case/<case_no>/video/leave", "leave_queue", leave_queue, methods=["POST"])
    bp.add_url_rule("/case/<case_no>/video/acknowledge", "acknowledge", acknowledge, methods=["POST"])
    bp.add_url_rule("/case/<case_no>/video/decline", "decline", decline, methods=["POST"])
    bp.add_url_rule("/case/<case_no>/video/urgent", "ask_urgent", ask_urgent, methods=["POST"])


@investor_only
def join_queue(case_no: str) -> Response:
    """开始视频通话. Pressed again on a page that is older than the case, it leads to where the case stands; so does 退出排队."""
    with suppress(IllegalTransition), transaction() as session:
        queue_up(session, case_or_404(session, case_no))
    return _back(case_no)


@investor_only
def leave_queue(case_no: str) -> Response:
    """退出排队"""
    with suppress(IllegalTransition), transaction() as session:
        queues.leave(session, case_or_404(session, case_no), stamp())
    return _back(case_no)


@investor_only
def ask_urgent(case_no: str) -> Response:
    """请求加急"""
    try:
        with transaction() as session:
            urgent.ask(session, case_or_404(session, case_no), request.form.get("urgent_reason", ""), stamp())
    except (urgent.NotWaiting, urgent.ReasonMissing, urgent.AskedEnough) as problem:
        flash(problem.text, "bad")
    return _back(case_no)


@investor_only
def acknowledge(case_no: str) -> Response:
    acknowledged(case_no)
    return _back(case_no)


def acknowledged(case_no: str) -> VideoSession:
    """The investor agreed on any of the two ways; the witness's page is told."""
    with transaction() as session:
        case = case_or_404(session, case_no)
        call = service.live_call_on(session, case)
        if call is None:
            raise service.CallOver(case_no)
        service.acknowledge(session, call, stamp())
        at = call.acknowledged_at.isoformat() if call.acknowledged_at else ""
    live.call_changed(case_no, call.witness_id, "acknowledged", session_no=call.session_no, at=at)
    return call


@investor_only
def decline(case_no: str) -> Response:
    """不同意录音录像. A call that is over is left as it ended."""
    with transaction() as session:
        case = case_or_404(session, case_no)
        call, branch_id = service.live_call_on(session, case), case.branch_id
        if call is not None:
            service.decline(session, call, stamp())
    if call is not None:
        acts.tell_ended(call, branch_id)
    return _back(case_no)


def _back(case_no: str) -> Response:
    return redirect(url_for("portal.step", case_no=case_no, key="video"), 303)


# --- what staff see


@dataclass(frozen=True)
class Proof:
    """One question (``number`` from 1) or field (0): its mark, None when it was not asked, and the second of the recording; ``by``: who
    made the mark, where the call was in several hands.
    """

    number: int
    title: str
    mark: CheckMark | None
    offset: timedelta
    by: str = ""


@dataclass(frozen=True)
class Shown:
    call: VideoSession
    kind: str
    verdict: str
    lasted: timedelta
    proofs: list[Proof]
    suspicion: Suspicion | None
    snapshots: list[Evidence]
    incidents: list[tuple[Incident, timedelta]]


def facts(session: Session, case: Case) -> dict[str, Any]:
    """Every call of the case that was ended, the latest first."""
    return {"calls": [_shown(session, call) for call in service.calls_of(session, case) if call.ended_at is not None]}


def _shown(session: Session, call: VideoSession) -> Shown:
    zero, marks = service.clock_zero(call), marks_of(call)

    def proof(number: int, title: str, made: CheckMark | None) -> Proof:
        by = page.name_of(session, made.by) if made and call.take_overs else ""
        return Proof(number, title, made, max(timedelta(), made.at - zero) if made else timedelta(), by)

    proofs = [proof(item.number, item.title, marks.get(item.key)) for item in items_of(call)]
    proofs += [proof(0, title, made) for made in marks.values() if (title := title_of(made.item))]
    return Shown(
        call=call,
        kind=VERDICT_KINDS[call.verdict] if call.verdict else "",
        verdict=VERDICT_TITLES[call.verdict] if call.verdict else "未给出结论",
        lasted=(call.ended_at or call.started_at) - call.started_at,
        proofs=proofs,
        suspicion=service.suspicion_of(session, call),
        snapshots=service.snapshots(session, call),
        incidents=[(each, max(timedelta(), each.at - zero)) for each in incidents.of(call, datetime.now(UTC))],
    )
