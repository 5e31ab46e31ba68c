"""The way of a case through its steps: the same three views for every step of every business."""

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from console.access import case_or_404, investor_only, stamp
from console.businesses import BUSINESSES
from console.businesses.steps import Desk, Step
from console.cases.models import ENDED, Case, Status
from console.cases.trail import hold
from console.cases.transitions import NothingChanged, StaleStep, finish_step, is_as_before, redo_step
from console.db import reading, transaction

from .blueprint import bp
from .changing import step_of
from .status import progress, standing
from .steps import NotYet, module_of

for _key in sorted(
    {step.key for business in BUSINESSES.values() for step in business.steps if step.desk is not Desk.REVIEWER}
):
    _routes = getattr(module_of(_key), "routes", None)
    if _routes is not None:
        _routes(bp)


@bp.get("/case/<case_no>")
@investor_only
def case(case_no: str) -> Response | str:
    """Wherever the case stands now."""
    with reading() as session:
        found = case_or_404(session, case_no)
        return redirect(whereabouts(found))


def whereabouts(case: Case) -> str:
    """The address of what the investor has to look at next."""
    if case.status in ENDED or case.status is Status.IN_REVIEW or case.current_step is None:
        return url_for("portal.submitted", case_no=case.case_no)
    return url_for("portal.step", case_no=case.case_no, key=case.current_step.key)


@bp.get("/case/<case_no>/submitted")
@investor_only
def submitted(case_no: str) -> Response | str:
    with reading() as session:
        found = case_or_404(session, case_no)
        if whereabouts(found) != request.path:
            return redirect(whereabouts(found))
        return render_template(
            "portal/submitted.html",
            case=found,
            business=found.business,
            progress=progress(found, None),
            standing=standing(found),
            back_url=url_for("portal.my_business"),
        )


@bp.get("/case/<case_no>/<key>")
@investor_only
def step(case_no: str, key: str) -> Response | str:
    """The current step to fill in, or a finished one of the investor's own to look at and change (上一步)."""
    with reading() as session:
        found = case_or_404(session, case_no)
        here = step_of(found, key)
        if not _may_open(found, here):
            return redirect(whereabouts(found))
        return _page(session, found, here, {})


@bp.post("/case/<case_no>/<key>")
@investor_only
def hand_in(case_no: str, key: str) -> Response | str | tuple[str, int]:
    """Finish a step. ``redo`` names the entry that the page showed as finished: changing it reopens what vouched for it, handing it
    in as it is changes nothing.
    """
    try:
        with transaction() as session:
            found = case_or_404(session, case_no)
            hold(found)
            here = step_of(found, key)
            entry = found.done.get(key)
            if entry is not None and request.form.get("redo") == str(entry.id):
                handed = module_of(key).submit(session, found, request.form, stamp())
                if is_as_before(found, key, handed.content):
                    return redirect(whereabouts(found))
                redo_step(found, key, stamp())
            elif found.current_step is not here or found.status is not Status.WITH_INVESTOR:
                raise StaleStep(found, key)
            handed = module_of(key).submit(session, found, request.form, stamp())
            finish_step(found, key, stamp(), content=handed.content, facts=handed.facts)
            return redirect(whereabouts(found))
    except StaleStep:
        return _after_stale(case_no, key)
    except (NotYet, NothingChanged) as kept:
        errors = kept.errors if isinstance(kept, NotYet) else {"": kept.text}
        with reading() as session:
            found = case_or_404(session, case_no)
            return _page(session, found, step_of(found, key), errors), kept.status


def _after_stale(case_no: str, key: str) -> Response:
    """Handed in twice: the first one counts, go on from there. Out of order: StaleStep is the answer."""
    with reading() as session:
        found = case_or_404(session, case_no)
        if key not in found.done:
            raise StaleStep(found, key)
        flash("这一步已经提交过，已为您转到当前步骤。")
        return redirect(whereabouts(found))


def _page(session: Session, case: Case, here: Step, errors: dict[str, str]) -> str:
    path = list(case.path)
    before = path[path.index(here) - 1] if path.index(here) else None
    context: dict[str, Any] = module_of(here.key).show(session, case)
    return render_template(
        f"steps/{here.key}/fill.html",
        case=case,
        business=case.business,
        step=here,
        progress=progress(case, here),
        errors=errors,
        entry=case.done.get(here.key),
        reasons=[r for r in case.open_reasons if r.step == here.key],
        back=before
        if before is not None and before.desk is Desk.INVESTOR and case.status is Status.WITH_INVESTOR
        else None,
        back_url=url_for("portal.my_business"),
        **context,
    )


def _may_open(case: Case, here: Step) -> bool:
    if here is case.current_step:
        return case.status in (Status.WITH_INVESTOR, Status.IN_QUEUE, Status.IN_VIDEO, Status.HELD)
    return case.status is Status.WITH_INVESTOR and here.key in case.done and here.desk is Desk.INVESTOR
