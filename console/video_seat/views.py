"""坐席: one page, idle or in a call. What changes while it is open is fetched again as parts."""

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from console.access import case_or_404, may_see, me, my_staff, staff_only, stamp
from console.cases.blame import blames
from console.db import reading
from console.people.branches import served_branches
from console.people.models import Role
from console.problem import Problem
from console.queues import appointments, seats
from console.queues import service as queues
from console.queues.models import PRIORITY_TITLES, SEAT_STATE_TITLES, Seat
from console.screens import steps_shown

from . import acts, challenges, facts, helping, page, script, service, signalling, texts
from .locks import Locks, asked_now, marks_of
from .models import VERDICT_TITLES, ReasonUse, Verdict, VideoSession
from .script import items_of
from .snapshots import SHOTS, to_retake
from .words import TooLong

bp = Blueprint("video_seat", __name__)
witnesses = staff_only(Role.WITNESS, Role.SUPERVISOR)
IDLE_PARTS = ("pill", "counts", "queue", "next", "today", "states", "team")
DIALOGS = {"pass": "#note", "technical-failure": "#fault", "reject": "#reject", "suspect": "#suspect"}
CALL_PARTS = (
    "pill",
    "counts",
    "queue",
    "rec",
    "help",
    "facts",
    "checklist",
    "tray",
    "verdict",
    "script",
    "challenge",
    "said",
)


@bp.get("/seat")
@witnesses
def seat() -> str:
    with reading() as session:
        call = service.live_call_of(session, my_staff().id)
        shown = _shown(session)
        if call is None:
            return render_template("video_seat/idle.html", **shown, **_idle(session, shown))
        return render_template("video_seat/call.html", **shown, **_in_call(session, call))


@bp.get("/seat/parts/<names>")
@witnesses
def parts(names: str) -> str:
    """Pieces of the page as they are now, named with commas between; 404 when the page is not the one that has them (a call began
    or ended).
    """
    wanted = set(names.split(","))
    with reading() as session:
        call = service.live_call_of(session, my_staff().id)
        if not wanted <= set(IDLE_PARTS if call is None else CALL_PARTS):
            raise NotFound
        shown = _shown(session)
        more = _idle(session, shown) if call is None else _in_call(session, call, whole=False)
        return "".join(render_template(f"video_seat/parts/{name}.html", **shown, **more) for name in sorted(wanted))


@bp.post("/seat/next")
@witnesses
def answer_next() -> Response:
    """接通下一位 without script."""
    try:
        if acts.answer_next(_fence()) is None:
            flash("没有人在排队。", "ok")
    except Problem as problem:
        flash(problem.text, "bad")
    return redirect(url_for("video_seat.seat"), 303)


@bp.post("/seat/call/<session_no>/<verdict>")
@witnesses
def judge(session_no: str, verdict: str) -> ResponseReturnValue:
    """pass and technical-failure with why, both with internal_note; reject with reason (several), remark and internal_note; suspect with
    sign (several) and words. ``then``: what follows, see acts.afterwards. The next page says what happened.
    """
    try:
        flash(_said(_judge(session_no, verdict)), "ok")
        if otherwise := acts.afterwards(_fence(), request.form.get("then", "")):
            flash(otherwise, "act")
    except TooLong as refused:
        return _typed_again(refused, DIALOGS[verdict]), refused.status
    except Problem as problem:
        flash(problem.text, "bad")
    return redirect(url_for("video_seat.seat"), 303)


def _typed_again(refused: TooLong, dialog: str) -> str:
    """The page of the call with what was typed and chosen in the form that was refused: nothing is lost."""
    flash(refused.text, "bad")
    with reading() as session:
        call = service.live_call_of(session, my_staff().id)
        if call is None:
            return render_template("video_seat/idle.html", **(shown := _shown(session)), **_idle(session, shown))
        again = again_with(refused, dialog)
        return render_template("video_seat/call.html", again=again, **_shown(session), **_in_call(session, call))


def again_with(refused: TooLong, dialog: str) -> dict[str, Any]:
    """For remarks.js: which dialog to open, with what in its fields, and the field that was refused."""
    typed = {name: values for name, values in request.form.lists() if name not in ("csrf_token", "fence")}
    return {"dialog": dialog, "field": refused.field, "typed": typed}


def _judge(session_no: str, verdict: str) -> VideoSession:
    form, note = request.form, request.form.get("internal_note", "")
    if verdict == "pass":
        return acts.pass_video(_fence(), session_no, note)
    if verdict == "technical-failure":
        return acts.technical_failure(_fence(), session_no, form.get("why", ""), note)
    if verdict == "reject":
        return acts.reject(_fence(), session_no, form.getlist("reason"), form.get("remark", ""), note)
    if verdict == "suspect":
        return acts.suspect(_fence(), session_no, form.getlist("sign"), form.get("words", ""))
    raise NotFound


def _said(judged: VideoSession) -> str:
    """What became of the call, for the page after it: whoever judged it reads this, also who may not see the case any more."""
    with reading() as session:
        call = session.get_one(VideoSession, judged.id)
        name, verdict = call.case.investor.name, call.verdict
        lasted = int((call.ended_at - call.started_at).total_seconds()) if call.ended_at else 0
    words = {
        Verdict.PASSED: "已通过，投资者可继续办理",
        Verdict.REJECTED: "已驳回，投资者会看到原因",
        Verdict.REFUSED: "业务已终止，投资者会看到原因",
        Verdict.TECHNICAL_FAILURE: "技术故障，投资者已回到队首",
        Verdict.SUSPICIOUS: "已报班长，投资者看到“资料需要进一步核实”",
        Verdict.DECLINED: "投资者不同意录音录像，通话已结束，不算驳回",
    }
    return f"{name}：{words[verdict] if verdict else '已结束'}。通话 {lasted // 60:02d}:{lasted % 60:02d}。"


def _fence() -> int:
    return request.form.get("fence", 0, type=int)


# --- what is shown


def _shown(session: Session) -> dict[str, Any]:
    """What both pages have: the seat (None before the first sitting down), its branch's queue."""
    now, staff = datetime.now(UTC), my_staff()
    branches = served_branches(session, staff)
    seat = seats.seat_of(session, staff.id)
    branch = next(
        (b for b in branches if seat is not None and b.id == seat.branch_id), branches[0] if branches else None
    )
    tickets = queues.waiting_list(session, [branch.id]) if branch else []
    others = queues.overflowing(session, seat, now) if seat else []
    return {
        "seat": seat,
        "branch": branch,
        "branches": branches,
        "tickets": tickets,
        "waiting": queues.waiting(session, branch.id) if branch else 0,
        "others": others,
        "appointed": appointments.of_day(session, branch.id, now) if branch else [],
        "longest": queues.longest_wait(session, branch.id) if branch else None,
        "team": seats.team(session, branch.id) if branch else [],
        "now": now,
        "state_titles": SEAT_STATE_TITLES,
        "priority_titles": PRIORITY_TITLES,
        "verdict_titles": VERDICT_TITLES,
    }


def _idle(session: Session, shown: dict[str, Any]) -> dict[str, Any]:
    staff, now, seat, waiting = my_staff(), shown["now"], shown["seat"], shown["tickets"]
    following = queues.next_for(session, seat, now) if seat else next(iter(waiting), None)
    return {
        "upcoming": (upcoming := page.next_one(session, following, now)),
        "portrait": facts.portrait(session, upcoming.case) if upcoming and may_see(me(), upcoming.case) else None,
        "today": page.today(session, staff.id, now),
        "bar": page.day_bar(session, seat, now) if isinstance(seat, Seat) else None,
        "recent": page.recent(session, staff.id),
        "dropped": (dropped := page.just_dropped(session, staff.id, now)),
        "dropped_words": page.dropped_words(dropped) if dropped else (),
        "taken": page.just_taken_over(session, staff.id, now),
        "chosen_states": seats.CHOSEN_BY_HAND,
        "licence_days": staff.licence_days(now),
        "media_nodes": [node for node in signalling.media().nodes() if not node.draining],
    }


def _in_call(session: Session, call: VideoSession, *, whole: bool = True) -> dict[str, Any]:
    now = stamp().at
    case = case_or_404(session, call.case.case_no)
    marks = marks_of(call)
    pictures = service.snapshots(session, call)
    items = items_of(call)
    shown: dict[str, Any] = {
        "call": call,
        "case": case,
        "items": items,
        "marks": marks,
        "current": asked_now(call),
        "rows": facts.of(session, case, stamp()),
        "locks": Locks(session, call, stamp()),
        "snapshots": pictures,
        "shots": SHOTS,
        "retake": to_retake(pictures),
        "proving": service.proving(call, pictures),
        "choosable": service.choosable(call, pictures),
        "owed": {item.key: item.pictures.lacking(service.that_count(call, pictures)) for item in items},
        "numbers": {p.id: n for n, p in enumerate(pictures, 1)},
        "zero": call.acknowledged_at or call.started_at,
        "rejection": page.last_rejection(case),
        "round": len(service.calls_of(session, case)),
        "ticket": acts.ticket_of(session, call),
        "dares": challenges.shown(call, now),
        "dares_owed": challenges.owed(call, now),
        "texts": texts.of(call),
        "help": helping.of(session, call),
        "handed": call.take_overs[-1] if call.take_overs else None,
    }
    if whole:
        shown |= {
            "portrait": facts.portrait(session, case),
            "blames": blames(session, case),
            "steps": steps_shown(session, case),
            "short_reasons": {use.value: script.short_reasons(session, use) for use in ReasonUse},
        }
    return shown
