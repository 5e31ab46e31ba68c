"""调度: the supervisors' page of calls that go on and of who waits: help, 接管, 改派."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from console.access import my_staff, staff_only, stamp
from console.db import reading, transaction
from console.people.branches import served_branches
from console.people.models import Role, Staff
from console.problem import NotThere, Problem
from console.queues import reassign
from console.queues import service as queues
from console.queues.models import PRIORITY_TITLES

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
    served = [branch.id for branch in served_branches(session, staff)]
    return {
        "asked": helping.pending(session, staff),
        "calls": handover.going_on(session, staff),
        "tickets": queues.waiting_list(session, served),
        "targets": reassign.targets(session, staff),
        "priority_titles": PRIORITY_TITLES,
    }


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


@bp.post("/seat/dispatch/tickets/<int:ticket_id>")
@supervisors
def send_elsewhere(ticket_id: int) -> Response:
    """改派. branch, witness (optional), why."""
    form = request.form
    try:
        with transaction() as session:
            staff = session.get_one(Staff, my_staff().id)
            branch, witness = form.get("branch", 0, type=int), form.get("witness", type=int)
            sent = reassign.reassign(session, ticket_id, staff, branch, witness, form.get("why", ""), stamp())
            whose = f"，由{sent.meant_for.name}接听" if sent.meant_for else ""
            told = f"{sent.case.investor.name}已改派到{sent.branch.name}{whose}。"
    except NotThere:
        raise
    except Problem as problem:
        flash(problem.text, "bad")
    else:
        flash(told, "ok")
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
