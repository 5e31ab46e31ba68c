"""What every template can use: filters for masking and time, the clock, the Chinese titles."""

from collections.abc import Collection
from datetime import UTC, date, datetime
from math import ceil
from typing import Any, NamedTuple

from flask import Flask, current_app, render_template
from markupsafe import Markup
from sqlalchemy.orm import Session

from console import access, masking
from console.businesses import BUSINESSES
from console.businesses.steps import Desk, Step
from console.businesses.suitability import EXCHANGES, INVESTOR_CLASS_TITLES, MARKET_TITLES
from console.cases.models import STATUS_TITLES, Case
from console.cases.trail import HAPPENING_TITLES
from console.cases.transitions import ACTION_TITLES
from console.evidence.models import KIND_TITLES, WARNING_TITLES
from console.local_time import LOCAL
from console.people.models import ROLE_TITLES, Role


def local_time(at: datetime | None, fmt: str = "%m-%d %H:%M") -> str:
    return at.astimezone(LOCAL).strftime(fmt) if at else ""


def as_local(told: str) -> str:
    """An ISO time as people here read it."""
    return local_time(datetime.fromisoformat(told), "%Y-%m-%d %H:%M:%S")


def mmss(seconds: float | None) -> str:
    whole = max(0, int(seconds or 0))
    return (
        f"{whole // 60:02d}:{whole % 60:02d}"
        if whole < 3600
        else f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"
    )


def minutes_until(at: datetime, now: datetime) -> str:
    """23 分钟后, as static/js/clock.js keeps it true afterwards; once it is over, somebody who was expected has not come."""
    minutes = ceil((at - now).total_seconds() / 60)
    if minutes <= 0:
        return "到时未到"
    return f"{minutes} 分钟后" if minutes < 60 else f"{minutes // 60} 小时 {minutes % 60} 分后"


def seconds_since(at: datetime | None) -> int:
    return max(0, int((datetime.now(UTC) - at).total_seconds())) if at else 0


def valid_until(day: date | None) -> str:
    return day.isoformat() if day else "长期"


def action_title(action: str) -> str:
    """The Chinese name of any line of a trail."""
    titles: dict[str, str] = {str(k): v for k, v in (*ACTION_TITLES.items(), *HAPPENING_TITLES.items())}
    return titles.get(action, action)


def step_title(business_code: str, key: str) -> str:
    business = BUSINESSES.get(business_code)
    return next((step.title for step in business.steps if step.key == key), key) if business else key


def steps_shown(session: Session, case: Case, *, playable: Collection[str] = ()) -> list[tuple[Step, Markup]]:
    """Each finished step as staff see it: ``templates/steps/<key>/review.html`` with the facts of its module. ``playable``: the
    numbers of the calls that the page can play; moments of others are no links.
    """
    facts_of = current_app.extensions["step_facts"]
    done = [step for step in case.path if step.desk is not Desk.REVIEWER and step.key in case.done]
    shown = []
    for step in done:
        context = {"case": case, "step": step, "playable": playable} | facts_of(step.key, session, case)
        shown.append((step, Markup(render_template(f"steps/{step.key}/review.html", **context))))
    return shown


class Place(NamedTuple):
    """One of the console's left rail. ``waiting``: the endpoint that counts what waits there, if anything does."""

    key: str
    title: str
    icon: str
    endpoint: str
    roles: tuple[Role, ...]
    waiting: str = ""


RAIL = (
    Place("seat", "坐席", "headset", "video_seat.seat", (Role.WITNESS, Role.SUPERVISOR)),
    Place("dispatch", "调度", "route", "video_seat.dispatch", (Role.SUPERVISOR,), "video_seat.dispatch_waiting"),
    Place("held", "核实", "flag", "video_seat.held", (Role.SUPERVISOR,), "video_seat.held_waiting"),
    Place("board", "看板", "chart-bar", "board.page", (Role.SUPERVISOR, Role.ADMIN)),
    Place("review", "复核", "clipboard-check", "review.tasks", (Role.REVIEWER, Role.SUPERVISOR)),
    Place(
        "counter", "报送", "building-bank", "counter.deliveries", (Role.REVIEWER, Role.SUPERVISOR), "counter.waiting"
    ),
    Place("quality", "质量", "chart-dots", "quality.index", (Role.REVIEWER, Role.SUPERVISOR, Role.ADMIN)),
    Place("agreements", "协议", "file-text", "agreements.index", (Role.ADMIN,)),
    Place("registers", "登记", "database", "admin.index", (Role.ADMIN,)),
)


def warned(codes: list[str]) -> str:
    """The warnings of a photo or snapshot in words."""
    return "、".join(WARNING_TITLES.get(code, code) for code in codes)


def register_filters(app: Flask) -> None:
    for name in ("masked_id", "masked_phone", "masked_card", "masked_name", "masked_address"):
        app.add_template_filter(getattr(masking, name), name)
    for filter_ in (local_time, as_local, mmss, seconds_since, minutes_until, valid_until, action_title, warned):
        app.add_template_filter(filter_, filter_.__name__)

    @app.context_processor
    def common() -> dict[str, Any]:
        who = access.maybe_me()
        staff = who.staff if who else None
        allowed = [
            e for e in RAIL if staff is not None and staff.has_role(*e.roles) and e.endpoint in app.view_functions
        ]
        return {
            "now": datetime.now(UTC),
            "me": staff,
            "role_title": " · ".join(ROLE_TITLES[Role(r)] for r in staff.roles) if staff else "",
            "rail": allowed,
            "businesses": BUSINESSES,
            "exchanges": EXCHANGES,
            "market_titles": MARKET_TITLES,
            "status_titles": STATUS_TITLES,
            "kind_titles": KIND_TITLES,
            "class_titles": INVESTOR_CLASS_TITLES,
            "step_title": step_title,
        }
