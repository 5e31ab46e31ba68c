"""核实: the supervisors' page of what witnesses found suspicious."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from console.access import case_or_404, my_staff, staff_only, stamp
from console.cases.blame import blames
from console.db import reading, transaction
from console.people.models import Role, Staff
from console.problem import NotThere, Problem
from console.queues import urgent

from . import service, suspicions
from .locks import marks_of
from .models import OUTCOME_TITLES, Suspicion
from .script import items_of, title_of
from .views import again_with, bp
from .words import TooLong

supervisors = staff_only(Role.SUPERVISOR)


@bp.get("/seat/held")
@supervisors
def held() -> str:
    """Those that wait, the oldest opened unless ``call`` names one (a decided one as well)."""
    return _page(request.args.get("call"))


def _page(chosen: str | None, again: dict[str, Any] | None = None) -> str:
    staff = my_staff()
    with reading() as session:
        waiting = suspicions.waiting(session, staff)
        current = _one_or_404(session, staff, chosen) if chosen else waiting[0] if waiting else None
        return render_template(
            "video_seat/held.html",
            waiting=waiting,
            recent=suspicions.recent(session, staff),
            current=current,
            urgent=urgent.pending(session, staff),
            outcome_titles=OUTCOME_TITLES,
            again=again,
            **(_shown(session, current, staff) if current else {}),
        )


@bp.get("/seat/held/waiting")
@supervisors
def held_waiting() -> dict[str, Any]:
    """For the number in the rail."""
    with reading() as session:
        held, asked = suspicions.how_many_wait(session, my_staff()), urgent.how_many(session, my_staff())
    said = "、".join([f"{held} 件可疑待核实"] * bool(held) + [f"{asked} 人请求加急"] * bool(asked))
    return {"waiting": held + asked, "said": f"有 {said}。"}


@bp.post("/seat/urgent/<int:request_id>/<decision>")
@supervisors
def decide_urgent(request_id: int, decision: str) -> ResponseReturnValue:
    """grant, or decline with words for the investor."""
    try:
        with transaction() as session:
            staff = session.get_one(Staff, my_staff().id)
            if decision == "grant":
                decided = urgent.grant(session, request_id, staff, stamp())
            elif decision == "decline":
                decided = urgent.decline(session, request_id, staff, request.form.get("words", ""), stamp())
            else:
                raise NotFound
            name = decided.ticket.case.investor.name
    except NotThere:
        raise
    except Problem as problem:
        flash(problem.text, "bad")
    else:
        flash(f"{name}：{'已同意加急' if decided.granted else '没有同意加急'}。", "ok")
    return redirect(url_for("video_seat.held"), 303)


def _one_or_404(session: Session, staff: Staff, session_no: str) -> Suspicion:
    found = suspicions.one(session, staff, session_no)
    if found is None:
        raise NotFound
    return found


def _shown(session: Session, suspicion: Suspicion, staff: Staff) -> dict[str, Any]:
    call = suspicion.session
    case = case_or_404(session, call.case.case_no)
    marks, zero = marks_of(call), service.clock_zero(call)
    keys = [item.key for item in items_of(call)]
    return {
        "call": call,
        "case": case,
        "may_decide": suspicions.may_decide(suspicion, staff),
        "snapshots": service.snapshots(session, call),
        "checked": [(title_of(call, key), made, (made.at - zero).total_seconds()) for key, made in marks.items()],
        "unasked": [key for key in keys if key not in marks],
        "calls": service.calls_of(session, case),
        "zero": zero,
        "blames": blames(session, case),
    }


@bp.post("/seat/held/<session_no>/<decision>")
@supervisors
def decide(session_no: str, decision: str) -> ResponseReturnValue:
    """release with words; reject with reason (several), remark and internal_note."""
    form = request.form
    try:
        with transaction() as session:
            staff = session.get_one(Staff, my_staff().id)
            suspicion = _one_or_404(session, staff, session_no)
            if decision == "release":
                suspicions.release(session, suspicion, staff, form.get("words", ""), stamp())
            elif decision == "reject":
                remark, words = form.get("remark", ""), form.get("internal_note", "")
                suspicions.reject(session, suspicion, staff, form.getlist("reason"), remark, words, stamp())
            else:
                raise NotFound
            told = (
                f"{suspicion.session.case.investor.name}：{OUTCOME_TITLES[suspicion.outcome]}"
                if suspicion.outcome
                else ""
            )
    except TooLong as refused:
        flash(refused.text, "bad")
        return _page(
            session_no, again_with(refused, "#release" if decision == "release" else "#reject")
        ), refused.status
    except Problem as problem:
        flash(problem.text, "bad")
        return redirect(url_for("video_seat.held", call=session_no), 303)
    flash(f"{told}。", "ok")
    return redirect(url_for("video_seat.held"), 303)
