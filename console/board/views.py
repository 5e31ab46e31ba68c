"""The page, and its parts as they are now: the page asks for them when a push says that something changed."""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, current_app, render_template, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from console.access import my_staff, staff_only
from console.config import Settings
from console.db import reading
from console.people.branches import served_branches
from console.people.models import Branch, Role
from console.queues import board, staffing
from console.queues.models import SEAT_STATE_TITLES
from console.video_seat import helping

from . import drawing

bp = Blueprint("board", __name__)
watchers = staff_only(Role.SUPERVISOR, Role.ADMIN)


@bp.get("/board")
@watchers
def page() -> str:
    """``branch``: the id of one of the branches served; without it all of them."""
    now = datetime.now(UTC)
    with reading() as session:
        served, chosen = _scope(session)
        one = chosen[0] if len(chosen) == 1 < len(served) else None
        shown = _shown(session, chosen, now) | _suggested(session, chosen, now)
        return render_template("board/page.html", served=served, chosen=one, **shown)


@bp.get("/board/now")
@watchers
def parts() -> str:
    """The parts that change by the second, for htmx to put in their places."""
    now = datetime.now(UTC)
    with reading() as session:
        return render_template("board/now.html", **_shown(session, _scope(session)[1], now))


@bp.get("/board/suggested")
@watchers
def suggested() -> str:
    now = datetime.now(UTC)
    with reading() as session:
        return render_template("board/parts/suggested.html", **_suggested(session, _scope(session)[1], now))


def _scope(session: Session) -> tuple[list[Branch], list[Branch]]:
    """What this person serves, and what of it is asked for; a branch of others is as one that does not exist."""
    served = served_branches(session, my_staff())
    asked = request.args.get("branch", "")
    if not asked:
        return served, served
    chosen = [branch for branch in served if str(branch.id) == asked]
    if not chosen:
        raise NotFound
    return served, chosen


def _rules() -> board.Rules:
    settings: Settings = current_app.extensions["settings"]
    sla, red = timedelta(minutes=settings.sla_minutes), timedelta(minutes=settings.red_minutes)
    return board.Rules(sla, settings.sla_share, max(sla, red))


def _shown(session: Session, chosen: list[Branch], now: datetime) -> dict[str, Any]:
    found = board.board(session, chosen, now, _rules())
    ids = {branch.id for branch in chosen}
    return {
        "board": found,
        "asked": [each for each in helping.pending(session, my_staff()) if each.session.case.branch_id in ids],
        "now": now,
        "sla_minutes": int(found.rules.sla.total_seconds() // 60),
        "red_minutes": int(found.rules.red.total_seconds() // 60),
        "level_titles": board.LEVEL_TITLES,
        "state_titles": SEAT_STATE_TITLES,
        "waits": drawing.waits(found),
        "promised": drawing.promised(found),
        "seat_bar": drawing.seat_bar,
    }


def _suggested(session: Session, chosen: list[Branch], now: datetime) -> dict[str, Any]:
    rules = _rules()
    found = staffing.suggestions(session, [branch.id for branch in chosen], now, rules.sla, rules.share / 100)
    return {
        "suggested": [(branch.name, each) for branch, each in zip(chosen, found, strict=True)],
        "hours": staffing.hours_from(now),
        "weekday": "一二三四五六日"[staffing.hours_from(now)[0].weekday()],
        "weeks": staffing.WEEKS,
        "least_days": staffing.LEAST_DAYS,
        "sla_minutes": int(rules.sla.total_seconds() // 60),
        "sla_share": rules.share,
    }
