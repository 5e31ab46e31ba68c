"""Staff sign in, sign out, and land on the first page they may use."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, current_app, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length

from console import access, runtime
from console.access import maybe_me, my_staff, public, staff_only, stamp
from console.config import Settings
from console.db import reading, transaction
from console.people import passwords
from console.people.audit import note_staff
from console.people.demo import DEMO_SIGN_INS
from console.people.models import Staff
from console.problem import Problem
from console.screens import RAIL
from console.stamp import Stamp

from . import service

bp = Blueprint("desk", __name__)
log = structlog.get_logger()


class SignInForm(FlaskForm):
    username = StringField("用户名", [InputRequired("请输入用户名。"), Length(max=40, message="用户名最多 40 个字。")])
    password = PasswordField("密码", [InputRequired("请输入密码。"), Length(max=200, message="密码最多 200 个字。")])


@bp.get("/desk/sign-in")
@public
def sign_in() -> Response | str:
    who = maybe_me()
    if who is not None and who.staff is not None:
        return redirect(local_address(request.args.get("next")) or url_for("desk.home"))
    return _page(SignInForm())


@bp.post("/desk/sign-in")
@public
def enter() -> Response | tuple[str, int]:
    form = SignInForm()
    if not form.validate_on_submit():
        return _page(form), 422
    try:
        _sign_in(form.username.data or "", form.password.data or "")
    except Problem as problem:
        return _page(form, problem.text), problem.status
    return redirect(local_address(request.args.get("next")) or url_for("desk.home"))


def _page(form: SignInForm, told: str | None = None) -> str:
    """In a demo, and there only, it lists who one may be."""
    settings: Settings = current_app.extensions["settings"]
    return render_template("desk/sign_in.html", form=form, told=told, demo=DEMO_SIGN_INS if settings.demo else [])


def _sign_in(username: str, password: str) -> None:
    """The password is compared between two transactions: hashing is slow and must hold no lock."""
    mark = stamp()
    with transaction() as session:
        service.count_try(session, username, mark)
    with reading() as session:
        account = service.password_of(session, username)
    if not runtime.offload(passwords.matches, account[1] if account else None, password) or account is None:
        log.info("sign_in_failed", address=mark.address)
        raise service.WrongPassword
    settings: Settings = current_app.extensions["settings"]
    with transaction() as session:
        staff = session.get_one(Staff, account[0])
        mark = Stamp(by=f"staff:{staff.id}", at=mark.at, address=mark.address)
        service.note_sign_in(session, staff, mark)
        access.sign_in(session, staff=staff, at=mark.at, lasts=settings.staff_session, address=mark.address)


@bp.post("/desk/sign-out")
@staff_only()
def sign_out() -> Response:
    with transaction() as session:
        staff = session.get_one(Staff, my_staff().id)
        note_staff(session, staff, "signed_out", stamp())
        access.sign_out(session, datetime.now(UTC))
    access.close_ended()
    return redirect(url_for("desk.sign_in"))


@bp.get("/desk")
@staff_only()
def home() -> Response:
    """The first page of the rail that this person may use."""
    for place in RAIL:
        if my_staff().has_role(*place.roles) and place.endpoint in current_app.view_functions:
            return redirect(url_for(place.endpoint))
    raise NotFound


def local_address(wanted: str | None) -> str | None:
    """``wanted`` when it is a path of this house, else None: nobody is sent elsewhere after signing in."""
    if not wanted or not wanted.startswith("/") or wanted.startswith("//"):
        return None
    if "\\" in wanted or any(ord(sign) < 0x20 for sign in wanted):
        return None
    parts = urlsplit(wanted)
    return wanted if not parts.scheme and not parts.netloc else None
