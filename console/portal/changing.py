"""What the investor changes on the page of a step before handing it in: uploads, cards, drafts. One gate for all of it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import jsonify
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from console.access import case_or_404
from console.businesses.steps import Desk, Step
from console.cases.models import Case, Status
from console.cases.trail import hold
from console.cases.transitions import StaleStep, redo_step
from console.stamp import Stamp

from .steps import NotYet


def step_of(case: Case, key: str) -> Step:
    """The step of this case's path; a 404 for the reviewer's and for those that are not on it."""
    found = next((s for s in case.path if s.key == key), None)
    if found is None or found.desk is Desk.REVIEWER:
        raise NotFound
    return found


def may_work_at(case: Case, key: str) -> bool:
    """Whether the investor may change something at this step now: it is their turn, and the step is the current or a finished one."""
    here = step_of(case, key)
    return case.status is Status.WITH_INVESTOR and (here is case.current_step or here.key in case.done)


def at_work(session: Session, case_no: str, key: str, stamp: Stamp) -> Case:
    """The case, open for changes at this step. Raises StaleStep.

    Changing something at a finished step reopens it and all that vouched for it at once (上一步): what a witness confirmed never
    changes behind their back.
    """
    case = case_or_404(session, case_no)
    hold(case)
    if not may_work_at(case, key):
        raise StaleStep(case, key)
    if key in case.done:
        redo_step(case, key, stamp)
    return case


def naming_fields(view: Callable[..., Any]) -> Callable[..., Any]:
    """For views that scripts call: NotYet becomes {error, code, errors}, so that each fault is shown at its field."""

    @wraps(view)
    def answered(*args: Any, **kwargs: Any) -> Any:
        try:
            return view(*args, **kwargs)
        except NotYet as not_yet:
            return jsonify(error=not_yet.text, code=not_yet.code, errors=not_yet.errors), not_yet.status

    return answered
