"""复核任务 and the page of one review."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, current_app, flash, jsonify, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response
from wtforms import StringField
from wtforms.validators import Length

from console import runtime
from console.access import case_or_404, my_staff, staff_only, stamp
from console.cases.blame import blames
from console.cases.models import Case
from console.cases.transitions import UnknownReason
from console.db import reading, transaction
from console.evidence import service as evidence
from console.evidence.film import Chain
from console.evidence.models import Evidence
from console.people.branches import served_branches
from console.people.models import Role, Staff
from console.problem import NotThere, Problem
from console.screens import steps_shown
from console.stamp import Stamp
from console.video_seat import copies
from console.video_seat.models import VideoSession

from . import case_page, handing, inbox, independence, saved, service, trail
from .changes import since_rejection
from .deadline import sla
from .differences import differences
from .inbox import Filters
from .independence import tie_of
from .models import DECISION_TITLES

bp = Blueprint("review", __name__)
reviewers = staff_only(Role.REVIEWER, Role.SUPERVISOR)


class RejectionForm(FlaskForm):
    """``reason`` comes several times. ``remark`` is for the investor, ``internal_note`` never is."""

    remark = StringField("写给投资者的说明", [Length(max=200, message="说明最多 200 个字。")])
    internal_note = StringField("内部备注", [Length(max=400, message="内部备注最多 400 个字。")])


@bp.get("/review")
@reviewers
def tasks() -> str:
    now, staff, filters = datetime.now(UTC), my_staff(), Filters.read(request.args)
    with reading() as session:
        page, branches = inbox.inbox(session, staff, filters, now), served_branches(session, staff)
        kept = saved.saved(session, staff)
        return render_template(
            "review/tasks.html",
            page=page,
            filters=filters,
            counts=inbox.counts(session, staff, now),
            views=inbox.VIEW_TITLES,
            saved=kept,
            saved_counts=inbox.counts_of(session, staff, [Filters.read(view.query) for view in kept], now),
            saved_now=next((view for view in kept if view.query == filters.address()), None),
            states=inbox.STATES,
            decisions=DECISION_TITLES,
            branches=branches,
            witnesses=inbox.witnesses_of(session, [task.case_id for task in page.tasks]),
            holders={task.id: service.holder(task, now) for task in page.tasks},
            assignee=service.assignee,
            snoozed=handing.snoozed,
            may_assign=staff.has_role(Role.SUPERVISOR),
            to_assign=handing.reviewers(session, branches) if staff.has_role(Role.SUPERVISOR) else [],
            spans=handing.SPANS,
            sla=sla,
            lease_minutes=int(service.LEASE.total_seconds() // 60),
        )


@bp.post("/review/views")
@reviewers
def save_view() -> Response:
    """name; the filters as in the list's address."""
    name, query = request.form.get("name", ""), Filters.read(request.form).address()
    return _with_views(
        lambda session, staff: f"已保存视图“{saved.save(session, staff, name, query, stamp().at).name}”。"
    )


@bp.post("/review/views/<int:view_id>")
@reviewers
def rename_view(view_id: int) -> Response:
    """name; the filters, to come back to."""
    name = request.form.get("name", "")
    return _with_views(lambda session, staff: f"视图已改名为“{saved.rename(session, staff, view_id, name).name}”。")


@bp.post("/review/views/<int:view_id>/delete")
@reviewers
def delete_view(view_id: int) -> Response:
    """The filters, to come back to."""

    def delete(session: Session, staff: Staff) -> str:
        saved.delete(session, staff, view_id)
        return "视图已删除，筛选条件未变。"

    return _with_views(delete)


def _with_views(act: Callable[[Session, Staff], str]) -> Response:
    try:
        with transaction() as session:
            told, kind = act(session, session.get_one(Staff, my_staff().id)), "ok"
    except NotThere:
        raise
    except Problem as problem:
        told, kind = problem.text, "bad"
    flash(told, kind)
    return redirect(url_for("review.tasks", **Filters.read(request.form).address()), 303)


@bp.post("/review/next")
@reviewers
def take_next() -> Response:
    """领取下一条: the one due first that is free."""
    return redirect(_claimed_next(), 303)


@bp.get("/review/<case_no>")
@reviewers
def case(case_no: str) -> str:
    """``call``: the number of the call to play, else the latest; ``at``: where to begin, in ms on its clock."""
    now, staff = datetime.now(UTC), my_staff()
    with reading() as session:
        found = case_or_404(session, case_no)
        task = service.live_task(session, found)
        holder = service.holder(task, now) if task else None
        calls = case_page.calls(session, found)
        given_to = service.assignee(task) if task else None
        before, after = inbox.neighbours(session, staff, task) if task else (None, None)
        return render_template(
            "review/case.html",
            case=found,
            task=task,
            holder=holder,
            sla=sla,
            mine=holder is not None and holder.id == staff.id,
            witnessed=service.witnessed(session, found, staff),
            may_waive=task is not None and holder is None and staff.has_role(Role.SUPERVISOR),
            tie=tie_of(session, task, staff, now) if task and holder is None else None,
            given_to=given_to,
            asleep=handing.snoozed(task, now) if task else None,
            may_assign=staff.has_role(Role.SUPERVISOR),
            to_assign=handing.candidates(session, found) if staff.has_role(Role.SUPERVISOR) else [],
            spans=handing.SPANS,
            before=before,
            after=after,
            counts=inbox.counts(session, staff, now),
            pictures=case_page.pictures(session, found),
            calls=calls,
            call=case_page.chosen(calls, request.args.get("call")),
            begin=max(0, request.args.get("at", 0, type=int)),
            steps=steps_shown(session, found, playable={call.session_no for call in calls}),
            differences=differences(session, found, stamp()),
            since_last=since_rejection(session, found, current_app.extensions["step_said"]),
            signatures=case_page.signatures(session, found),
            certificates=case_page.certificates(session, found),
            trail=trail.trail(session, found),
            blames=blames(session, found),
        )


@bp.get("/review/<case_no>/calls/<session_no>/chapters.vtt")
@reviewers
def chapters(case_no: str, session_no: str) -> Response:
    """The marked moments of a call, as a player reads them."""
    with reading() as session:
        call = _call(session, case_no, session_no)
        told = [(moment.at, moment.title) for moment in case_page.moments(call)]
        return _webvtt(copies.chapters(told, copies.length_ms(call)))


@bp.get("/review/<case_no>/calls/<session_no>/captions.vtt")
@reviewers
def captions(case_no: str, session_no: str) -> Response:
    """The server's time of every second and who witnesses: for a film that does not have them in its picture."""
    with reading() as session:
        return _webvtt(copies.captions(_call(session, case_no, session_no)))


@bp.get("/review/<case_no>/calls/<session_no>/verified")
@reviewers
def verified(case_no: str, session_no: str) -> Response:
    """{recordings: [{id, side, segment, clusters, intact, words}]}: each recording judged anew, second by second."""
    with reading() as session:
        films = [(row.side, row.segment, row.evidence) for row in _call(session, case_no, session_no).recordings]
    return jsonify(recordings=[{"side": side, "segment": number} | _judged(film) for side, number, film in films])


def _judged(film: Evidence) -> dict[str, Any]:
    why = dict.fromkeys([words for _, words in runtime.offload(lambda: list(evidence.damaged([film])))])
    chain = Chain.of(film.facts)
    clusters = len(chain.clusters) if chain else 0
    return {"id": film.public_id, "clusters": clusters, "intact": not why, "words": "；".join(why) or "与封存时一致"}


def _call(session: Session, case_no: str, session_no: str) -> VideoSession:
    found = case_page.call_of(session, case_or_404(session, case_no), session_no)
    if found is None:
        raise NotFound
    return found


def _webvtt(text: str) -> Response:
    return Response(text, mimetype="text/vtt")


@bp.post("/review/<case_no>/claim")
@reviewers
def claim(case_no: str) -> Response:
    return _act(case_no, service.claim, lambda: url_for("review.case", case_no=case_no))


@bp.post("/review/<case_no>/renew")
@reviewers
def renew(case_no: str) -> Response:
    """{until}: the page asks while somebody works on it."""
    with transaction() as session:
        task = service.renew(session, case_or_404(session, case_no), my_staff(), stamp())
        return jsonify(until=task.lease_until.isoformat() if task.lease_until else None)


@bp.post("/review/<case_no>/release")
@reviewers
def release(case_no: str) -> Response:
    return _act(case_no, service.release, _onwards, "已退回任务，其他人可以领取。")


@bp.post("/review/<case_no>/waive")
@staff_only(Role.SUPERVISOR)
def waive(case_no: str) -> Response:
    """班长授权: somebody who is not independent may review this one."""

    def let(session: Session, found: Case, staff: Staff, mark: Stamp) -> None:
        task = service.live_task(session, found, lock=True)
        independence.waive(session, task, staff, request.form.get("why", ""), mark)

    return _act(case_no, let, lambda: url_for("review.case", case_no=case_no), "已授权，其他复核人员可以领取此单。")


@bp.post("/review/<case_no>/approve")
@reviewers
def approve(case_no: str) -> Response:
    return _act(case_no, service.approve, _onwards, f"受理单 {case_no} 已复核通过。")


@bp.post("/review/<case_no>/reject")
@reviewers
def reject(case_no: str) -> Response:
    return _act(case_no, _send_back, _onwards, f"受理单 {case_no} 已驳回，投资者会看到原因。")


def _send_back(session: Session, found: Case, staff: Staff, mark: Stamp) -> object:
    form = RejectionForm()
    if not form.validate():
        raise UnknownReason(text=" ".join(str(said) for faults in form.errors.values() for said in faults))
    return service.reject(
        session,
        found,
        staff,
        mark,
        codes=request.form.getlist("reason"),
        remark=(form.remark.data or "").strip(),
        internal_note=(form.internal_note.data or "").strip(),
    )


def _act(case_no: str, do: Callable[..., object], then: Callable[[], str], told: str = "") -> Response:
    """One service call. What could not be done is said on the page the person is at; nothing else of it changed."""
    try:
        with transaction() as session:
            do(session, case_or_404(session, case_no), my_staff(), stamp())
    except Problem as problem:
        if request.accept_mimetypes.best == "application/json":
            raise
        flash(problem.text, "bad")
        return redirect(url_for("review.case", case_no=case_no), 303)
    if told:
        flash(told, "ok")
    return redirect(then(), 303)


def _onwards() -> str:
    """Back to the list, or with 完成并取下一条 to the next free task, claimed."""
    return _claimed_next() if request.form.get("go_on") else url_for("review.tasks")


def _claimed_next() -> str:
    """Claim the task that is due first. Two who ask at once get two tasks: who loses one is offered the next."""
    staff = my_staff()
    while True:
        with transaction() as session:
            task = inbox.next_free(session, staff, datetime.now(UTC))
            if task is None:
                break
            try:
                service.claim(session, task.case, staff, stamp())
            except (service.AlreadyClaimed, service.AssignedElsewhere, service.NoTask):
                continue
            return url_for("review.case", case_no=task.case.case_no)
    flash("没有待领取的复核任务了。", "ok")
    return url_for("review.tasks")
