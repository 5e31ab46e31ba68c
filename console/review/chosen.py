"""What is done to one or many chosen tasks: 指派, 暂缓, 恢复. Each succeeds or fails alone, and the answer says which did and why not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from flask import flash, jsonify, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from console.access import case_or_404, my_staff, staff_only, stamp
from console.cases.models import Case
from console.db import transaction
from console.people.models import Role, Staff
from console.problem import BadPayload, NotThere, Problem
from console.stamp import Stamp

from . import handing
from .handing import MORNING, OTHER, SPANS
from .views import bp, reviewers

MANY = 100  # tasks in one go
SHOWN = 3  # failures told in a sentence
Act = Callable[[Session, Case, Staff, Stamp], object]


@dataclass
class Outcome:
    """``failed``: case number and why."""

    done: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def words(self, did: str) -> str:
        told = f"{did} {len(self.done)} 件。" if self.done or not self.failed else ""
        if self.failed:
            why = "；".join(f"{number}：{said.rstrip('。')}" for number, said in self.failed[:SHOWN])
            told += f"{len(self.failed)} 件没有办成：{why}{'，等' if len(self.failed) > SHOWN else ''}。"
        return told


@bp.post("/review/chosen/assign")
@staff_only(Role.SUPERVISOR)
def assign() -> Response:
    """case (several), staff: whose account, or '' for 取消指派."""
    wanted = request.form.get("staff", "")
    if wanted and not (wanted.isascii() and wanted.isdecimal() and len(wanted) < 10):
        raise BadPayload

    def give(session: Session, case: Case, staff: Staff, mark: Stamp) -> None:
        to = session.get(Staff, int(wanted)) if wanted else None
        if wanted and (to is None or to.broker_id != staff.broker_id):
            raise NotThere
        handing.assign(session, case, staff, to, mark)

    return _told(_each(give), "已指派" if wanted else "已取消指派")


@bp.post("/review/chosen/snooze")
@reviewers
def snooze() -> Response:
    """case (several), span: one of SPANS, until: for OTHER a local time, why."""
    span, why = request.form.get("span", ""), request.form.get("why", "").strip()
    if span not in SPANS:
        raise BadPayload
    mark, chosen = stamp(), handing.read_local(request.form.get("until", ""))

    def set_aside(session: Session, case: Case, staff: Staff, _: Stamp) -> None:
        if span == MORNING:
            until = handing.next_morning(session, case.branch, mark.at)
        else:
            until = (chosen or mark.at) if span == OTHER else mark.at + timedelta(minutes=int(span))
        handing.snooze(session, case, staff, until, why, mark)

    return _told(_each(set_aside), "已暂缓")


@bp.post("/review/chosen/wake")
@reviewers
def wake() -> Response:
    """case (several)."""
    return _told(_each(handing.wake), "已恢复")


def _each(act: Act) -> Outcome:
    numbers = list(dict.fromkeys(request.form.getlist("case")))
    if not 0 < len(numbers) <= MANY:
        raise BadPayload
    outcome = Outcome()
    for number in numbers:
        try:
            with transaction() as session:
                act(session, case_or_404(session, number), session.get_one(Staff, my_staff().id), stamp())
        except NotFound:
            outcome.failed.append((number, NotThere.text))
        except Problem as problem:
            outcome.failed.append((number, problem.text))
        else:
            outcome.done.append(number)
    return outcome


def _told(outcome: Outcome, did: str) -> Response:
    """{done: [case number], failed: [{case_no, why}], words} for a script; else back to the list, or to the case that asked (``then``)."""
    if request.accept_mimetypes.best == "application/json":
        failed: list[dict[str, Any]] = [{"case_no": number, "why": why} for number, why in outcome.failed]
        return jsonify(done=outcome.done, failed=failed, words=outcome.words(did))
    flash(outcome.words(did), "wait" if outcome.failed and outcome.done else "bad" if outcome.failed else "ok")
    one = [*outcome.done, *(number for number, _ in outcome.failed)][0]
    if request.form.get("then") == "case":
        return redirect(url_for("review.case", case_no=one), 303)
    return redirect(url_for("review.tasks"), 303)
