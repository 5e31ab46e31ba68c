"""报送: what went to the counter system and how it stands; and where the counter system says by itself what became of it."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog
from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from console.access import case_or_404, csrf, my_staff, public, staff_only, stamp
from console.adapters import signed
from console.adapters.counter import LONGEST_ANSWER, Answer
from console.config import Settings
from console.db import reading, transaction
from console.people.models import Role
from console.problem import BadPayload, Problem
from console.stamp import Stamp

from . import service
from .models import DELIVERY_TITLES, DeliveryState
from .records import AnswerIncomplete

bp = Blueprint("counter", __name__)
counter_staff = staff_only(Role.REVIEWER, Role.SUPERVISOR)
log = structlog.get_logger()
KINDS = {
    DeliveryState.WAITING: "wait",
    DeliveryState.ACCEPTED: "act",
    DeliveryState.DONE: "ok",
    DeliveryState.REFUSED: "bad",
}


@bp.get("/counter")
@counter_staff
def deliveries() -> str:
    staff, filters = my_staff(), service.Filters.read(request.args)
    with reading() as session:
        rows, after = service.listed(session, staff, filters)
        return render_template(
            "counter/deliveries.html",
            rows=rows,
            after=after,
            filters=filters,
            counts=service.counts(session, staff),
            titles=DELIVERY_TITLES,
            kinds=KINDS,
            worrying=service.WORRYING,
        )


@bp.get("/counter/waiting")
@counter_staff
def waiting() -> dict[str, Any]:
    """For the number in the rail."""
    with reading() as session:
        many = service.worrying(session, my_staff())
    return {"waiting": many, "said": f"有 {many} 笔柜台报送需要处理。"}


@bp.post("/counter/<case_no>/again")
@counter_staff
def again(case_no: str) -> Response:
    """重新报送."""
    told, kind = f"受理单 {case_no} 正在重新报送。", "ok"
    try:
        with transaction() as session:
            service.again(session, case_or_404(session, case_no), stamp())
    except Problem as problem:
        told, kind = problem.text, "bad"
    flash(told, kind)
    return redirect(url_for("counter.deliveries", state=request.form.get("state") or None), 303)


@bp.post("/counter/result")
@csrf.exempt  # no browser comes here: who has the key may speak, see signed.py
@public
def result() -> dict[str, Any]:
    """{key, result, trading_codes, reason} from the counter system; told twice it counts once. 404 without a good signature,
    409 for what contradicts an earlier result, 422 for what is no answer.
    """
    settings: Settings = current_app.extensions["settings"]
    if request.content_length is None or request.content_length > LONGEST_ANSWER:
        raise NotFound
    body = request.get_data()
    if settings.counter != "http" or not signed.is_genuine(
        settings.counter_key.encode(), body, dict(request.headers), time.time()
    ):
        log.warning("counter_result_refused", address=request.remote_addr)
        raise NotFound
    _understood(lambda: _take(json.loads(body)))
    return {"ok": True}


def _take(told: Any) -> None:
    answer, key = Answer.read(told), told.get("key")
    mark = Stamp("system:counter", datetime.now(UTC), request.remote_addr or "")
    with transaction() as session:
        try:
            service.answered(session, str(key), answer, mark)
        except LookupError as error:
            raise NotFound from error


def _understood(take: Callable[[], None]) -> None:
    try:
        take()
    except AnswerIncomplete as error:
        raise BadPayload(text=str(error)) from error
    except ValueError as error:
        raise BadPayload from error
