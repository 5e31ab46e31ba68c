"""预约视频 of one case: a calendar by day and slot, then the appointment with its file for the phone's calendar, change and cancel."""

from datetime import UTC, datetime, timedelta

from flask import Response as FlaskResponse
from flask import current_app, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from console.access import case_or_404, investor_only, stamp
from console.cases.models import Case
from console.config import Settings
from console.db import reading, transaction
from console.problem import Problem
from console.queues import appointments, holds, slots
from console.queues.models import AppointmentState

from . import calendar_file
from .blueprint import bp
from .views import whereabouts

Answer = Response | str | tuple[str, int]


class NothingChosen(Problem):
    status, code = 422, "nothing_chosen"
    text = "请选择一个时间。"


@bp.get("/case/<case_no>/appointment")
@investor_only
def appointment(case_no: str) -> Answer:
    with reading() as session:
        return _page(session, case_or_404(session, case_no), changing="change" in request.args)


@bp.post("/case/<case_no>/appointment")
@investor_only
def book_appointment(case_no: str) -> Answer:
    """slot: the beginning as the list gave it. Whatever is wrong is said above the list and nothing is changed."""
    try:
        with transaction() as session:
            appointments.book(session, case_or_404(session, case_no), _chosen(), terms(), stamp())
    except Problem as problem:
        return _refused(case_no, problem)
    flash("预约成功。到时请提前进入，按预约优先接通。", "ok")
    return _back(case_no)


@bp.post("/case/<case_no>/appointment/hold")
@investor_only
def hold_slot(case_no: str) -> Answer:
    """slot: set aside while the investor confirms it on the next page."""
    changing = "change" in request.args
    try:
        with transaction() as session:
            appointments.set_aside(session, case_or_404(session, case_no), _chosen(), terms(), stamp())
    except Problem as problem:
        return _refused(case_no, problem, changing=changing)
    return _back(case_no, changing=changing)


@bp.post("/case/<case_no>/appointment/release")
@investor_only
def release_slot(case_no: str) -> Response:
    """Another time is wanted, or none."""
    with transaction() as session:
        holds.release(session, case_or_404(session, case_no))
    return _back(case_no, changing="change" in request.args)


@bp.post("/case/<case_no>/appointment/change")
@investor_only
def change_appointment(case_no: str) -> Answer:
    try:
        with transaction() as session:
            appointments.change(session, case_or_404(session, case_no), _chosen(), terms(), stamp())
    except Problem as problem:
        return _refused(case_no, problem, changing=True)
    flash("已改约，原来的时间不再保留。", "ok")
    return _back(case_no)


@bp.post("/case/<case_no>/appointment/cancel")
@investor_only
def cancel_appointment(case_no: str) -> Response:
    with transaction() as session:
        cancelled = appointments.cancel(session, case_or_404(session, case_no), stamp())
    if cancelled is not None:
        flash("预约已取消。可以另选时间，或在服务时间内直接排队。", "ok")
    return _back(case_no)


@bp.get("/case/<case_no>/appointment.ics")
@investor_only
def appointment_file(case_no: str) -> Response:
    """RFC 5545, for the calendar of the phone."""
    with reading() as session:
        found = appointments.live(session, case_or_404(session, case_no))
        if found is None:
            raise NotFound
        page = url_for("portal.appointment", case_no=case_no, _external=True)
        body = calendar_file.of(found, page, datetime.now(UTC), terms().reminder)
    headers = {"Content-Disposition": 'attachment; filename="appointment.ics"'}
    return FlaskResponse(body, content_type="text/calendar; charset=utf-8", headers=headers)


def terms() -> slots.Terms:
    settings: Settings = current_app.extensions["settings"]
    return slots.terms_of(settings)


def _chosen() -> datetime:
    """Raises NothingChosen, NoSuchSlot."""
    given = request.form.get("slot", "")
    if not given:
        raise NothingChosen
    try:
        at = datetime.fromisoformat(given)
    except ValueError as error:
        raise appointments.NoSuchSlot(given[:40]) from error
    if at.tzinfo is None or not 2000 <= at.year <= 2999:
        raise appointments.NoSuchSlot(given[:40])
    return at.astimezone(UTC)


def _back(case_no: str, *, changing: bool = False) -> Response:
    return redirect(url_for("portal.appointment", case_no=case_no, change=1 if changing else None), 303)


def _refused(case_no: str, problem: Problem, *, changing: bool = False) -> tuple[str, int]:
    """The page as it is now, with what is wrong."""
    with reading() as session:
        case = case_or_404(session, case_no)
        return _shown(session, case, {"slot": problem.text}, changing=changing), problem.status


def _page(session: Session, case: Case, *, changing: bool) -> Answer:
    if appointments.live(session, case) is None and not appointments.may_book(case):
        return redirect(whereabouts(case))
    return _shown(session, case, {}, changing=changing)


def _shown(session: Session, case: Case, errors: dict[str, str], *, changing: bool) -> str:
    now, live = datetime.now(UTC), appointments.live(session, case)
    movable = live is not None and live.state is AppointmentState.BOOKED and now < live.slot_at
    choosing = live is None or (changing and movable)
    held = holds.running(session, case, now) if choosing and not errors else None
    calendar = slots.days(session, case.branch, terms(), now, case.investor_id) if choosing and held is None else []
    at = request.form.get("slot") or (live.slot_at.isoformat() if live else "")
    wanted = next((day for day in calendar if any(slot.at.isoformat() == at for slot in day.slots)), None)
    return render_template(
        "portal/appointment.html",
        case=case,
        appointment=live,
        last=appointments.latest(session, case) if live is None else None,
        choosing=choosing and held is None,
        held=held,
        hold=slots.HOLD // timedelta(minutes=1),
        movable=movable,
        arriving=live is not None and appointments.in_window(live, now),
        window=(appointments.opens(live.slot_at), appointments.closes(live.slot_at)) if live else None,
        calendar=calendar,
        opened=wanted or next((day for day in calendar if day.free), None),
        free=sum(day.free for day in calendar),
        early=appointments.EARLY,
        minutes=terms().slot // timedelta(minutes=1),
        when=appointments.when,
        errors=errors,
        back_url=url_for("portal.case", case_no=case.case_no),
    )
