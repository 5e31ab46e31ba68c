"""我的业务 (manuals, last section): what is unfinished and what is done, why something came back, and giving up."""

from datetime import UTC, datetime

from flask import flash, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload
from werkzeug.wrappers import Response

from console.access import case_or_404, investor_only, me, stamp
from console.cases import service
from console.cases.models import ENDED, Case, Rejection, Status
from console.db import reading, transaction
from console.people.models import Investor
from console.queues import appointments
from console.video_seat import timeline
from console.video_seat.models import VideoSession

from . import status
from .blueprint import bp
from .status import investors_path, progress, remarks, standing, story
from .views import whereabouts

MAY_BE_GIVEN_UP = frozenset({Status.WITH_INVESTOR, Status.IN_QUEUE})


@bp.get("/my")
@investor_only
def my_business() -> str:
    done = request.args.get("tab") == "done"
    with reading() as session:
        investor = session.get_one(Investor, me().investor_id)
        cases = _cases(session, investor.id)
        unfinished = [case for case in cases if case.status not in ENDED]
        finished = [case for case in cases if case.status in ENDED]
        shown = finished if done else unfinished
        return render_template(
            "portal/my_business.html",
            broker=investor.broker,
            done=done,
            counts=(len(unfinished), len(finished)),
            cases=[(case, standing(case), remarks(case)) for case in shown],
            stories={case.id: story(case, _witnesses(session, case)) for case in shown},
            may_be_given_up=MAY_BE_GIVEN_UP,
            booked={case.id: live for case in shown if (live := appointments.live(session, case))},
            when=appointments.when,
        )


@bp.get("/case/<case_no>/progress")
@investor_only
def task_list(case_no: str) -> Response | str:
    """办理进度: red steps with their reason; the rest is kept."""
    with reading() as session:
        case = case_or_404(session, case_no)
        if case.status in ENDED:
            return redirect(whereabouts(case))
        overview = progress(case, None if case.open_reasons else case.current_step)
        reasons = [(step, [r for r in case.open_reasons if r.step == step.key]) for step in investors_path(case)]
        return render_template(
            "portal/task_list.html",
            case=case,
            business=case.business,
            progress=overview,
            standing=standing(case),
            tasks=[(step, mark, why) for (step, why), mark in zip(reasons, overview.marks, strict=True)],
            back_url=url_for("portal.my_business"),
        )


@bp.post("/case/<case_no>/abandon")
@investor_only
def abandon(case_no: str) -> Response:
    """放弃: asked for once more by the page; the case ends, its photos and trail stay as long as the law asks."""
    with transaction() as session:
        case = case_or_404(session, case_no)
        service.abandon(case, stamp())
        flash(f"已放弃{case.business.title}，现在可以办理其他业务。", "ok")
    return redirect(url_for("portal.my_business"))


def _cases(session: Session, investor_id: int) -> list[Case]:
    found = (
        select(Case)
        .where(Case.investor_id == investor_id)
        .order_by(Case.id.desc())
        .options(
            selectinload(Case.entries),
            selectinload(Case.events),
            selectinload(Case.rejections).selectinload(Rejection.reasons),
        )
    )
    return list(session.scalars(found))


def _witnesses(session: Session, case: Case) -> dict[str, str]:
    calls = session.scalars(select(VideoSession).where(VideoSession.case_id == case.id))
    return {f"staff:{staff.id}": staff.name for call in calls for staff, _ in timeline.witnesses_of(call)}


@bp.app_template_filter("day_and_time")
def day_and_time(at: datetime) -> str:
    return status.day_and_time(at, datetime.now(UTC))
