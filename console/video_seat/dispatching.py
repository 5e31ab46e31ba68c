"""调度: the supervisors' page of calls that go on: who asks for help, and taking a call over."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from console.access import my_staff, staff_only
from console.db import reading
from console.people.models import Role
from console.problem import NotThere, Problem

from . import acts, handover, helping
from .views import bp

supervisors = staff_only(Role.SUPERVISOR)


@bp.get("/seat/dispatch")
@supervisors
def dispatch() -> str:
    with reading() as session:
        return render_template("video_seat/dispatch.html", **_shown(session))


@bp.get("/seat/dispatch/now")
@supervisors
def dispatch_now() -> str:
    """What changes by the second."""
    with reading() as session:
        return render_template("video_seat/parts/floor.html", **_shown(session))


@bp.get("/seat/dispatch/waiting")
@supervisors
def dispatch_waiting() -> dict[str, Any]:
    """For the number in the rail."""
    with reading() as session:
        asked = helping.how_many(session, my_staff())
    return {"waiting": asked, "said": f"有 {asked} 位认证人员求助。"}


def _shown(session: Session) -> dict[str, Any]:
    staff = my_staff()
    return {"asked": helping.pending(session, staff), "calls": handover.going_on(session, staff)}


@bp.post("/seat/dispatch/help/<int:request_id>")
@supervisors
def answer_help(request_id: int) -> Response:
    """words: what the witness reads."""
    try:
        answered = acts.answer_help(request_id, request.form.get("words", ""))
    except NotThere:
        raise
    except Problem as problem:
        flash(problem.text, "bad")
    else:
        flash(f"已回复{answered.asker.name}。", "ok")
    return redirect(url_for("video_seat.dispatch"), 303)


@bp.post("/seat/dispatch/calls/<session_no>/take-over")
@supervisors
def take_over(session_no: str) -> Response:
    """why: for the trail. Then this browser has the call."""
    try:
        acts.take_over(session_no, request.form.get("why", ""))
    except NotThere:
        raise
    except Problem as problem:
        flash(problem.text, "bad")
        return redirect(url_for("video_seat.dispatch"), 303)
    return redirect(url_for("video_seat.seat"), 303)
