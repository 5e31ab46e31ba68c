"""登录 (manuals, 2.1): who asks, a picture to read, a code on the reserved phone, the privacy policy; then a case.

The captcha is read when the code is asked for, since sending costs money and bothers people; the code is bound to the browser that
asked for it, so handing the page in needs the code alone. Until the code is proved, answers are the same for clients and strangers
(TRUST 16): the masked phone below the policy is the number that was typed, and for an ID number it appears only after the proof.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Response as FlaskResponse
from flask import current_app, flash, jsonify, redirect, render_template, request, session, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from console import access, runtime, vault
from console.access import investor_only, public, stamp
from console.agreements.models import AgreementVersion, Purpose
from console.businesses import BUSINESSES
from console.businesses.steps import Business, SignInBy
from console.cases.service import AlreadyInFlight, NotNow, open_case
from console.cases.trail import Happening, note
from console.config import Settings
from console.db import reading, transaction
from console.local_time import local_day
from console.masking import masked_phone
from console.people import messages, sms_codes
from console.people.identity import id_no_of, phone_of, plain
from console.people.models import Broker, Investor
from console.problem import Problem
from console.queues import hours
from console.stamp import Stamp

from . import captcha
from .blueprint import bp
from .changing import naming_fields
from .documents import privacy_policy
from .entrance import broker_numbered, my_case
from .steps import NotYet

ACCOUNT_TYPES = {"individual": "个人", "institution": "机构"}
AT_COUNTER = "机构账户请由经办人携带授权书和证件到营业部临柜办理，这里只办理个人账户。"
NO_POLICY = "期货公司还没有发布《隐私政策》，暂时不能在线办理，请联系期货公司。"
WRONG_IDENTITY = {
    SignInBy.PHONE: "请输入 11 位手机号，须是在本公司预留的号码。",
    SignInBy.ID_NUMBER: "请输入 18 位身份证号码，末位可以是 X。",
}
ASKED = "sms"  # in the cookie: which code this browser asked for


class ExpiredId(Problem):
    """若登录时系统提示身份证有效期过期，则投资者需线下临柜更新身份证信息 (manuals, 2.1)."""

    status, code = 422, "id_expired"
    text = "您的身份证有效期已过期，请到期货公司临柜更新身份证信息后，再办理其他业务。"


@dataclass(frozen=True)
class Asker:
    """``key`` counts and finds codes: the blind index of the reserved phone, or of what a stranger typed."""

    key: str
    investor_id: int | None
    phone: str | None


# --- the page


@bp.get("/b/<broker_no>/sign-in/<business>")
@public
def sign_in(broker_no: str, business: str) -> Response | str:
    """Somebody who is signed in and has a case goes on with it; only a new case asks for a code."""
    asked_for = _business(business)
    with reading() as look:
        broker = _broker(look, broker_no)
        mine = my_case(look, broker)
        if mine is None:
            return _page(look, broker, asked_for, {}, {})
    if mine.business_code == asked_for.code:
        return redirect(url_for("portal.case", case_no=mine.case_no))
    flash(AlreadyInFlight.text, "wait")
    return redirect(url_for("portal.my_business"))


def _page(
    look: Session, broker: Broker, asked_for: Business, form: Mapping[str, str], errors: Mapping[str, str]
) -> str:
    settings: Settings = current_app.extensions["settings"]
    policy = privacy_policy(look, broker.id, asked_for.code)
    return render_template(
        "portal/sign_in.html",
        broker=broker,
        business=asked_for,
        by_phone=asked_for.sign_in_by is SignInBy.PHONE,
        account_types=list(ACCOUNT_TYPES.items()),
        hours=hours.words(settings.video_hours),
        policy=policy,
        form=form,
        errors=errors,
        asked=_asked(broker, asked_for) is not None and bool(form),
    )


# --- the captcha


@bp.post("/captcha")
@public
def new_captcha() -> FlaskResponse:
    with transaction() as opened:
        made = captcha.make(opened, datetime.now(UTC))
        return jsonify(
            token=made.token,
            picture=url_for("portal.captcha_picture", token=made.token),
            sound=url_for("portal.captcha_sound", token=made.token),
        )


@bp.get("/captcha/<token>.png")
@public
def captcha_picture(token: str) -> FlaskResponse:
    return FlaskResponse(captcha.picture(_answer_of(token)), mimetype="image/png")


@bp.get("/captcha/<token>.wav")
@public
def captcha_sound(token: str) -> FlaskResponse:
    """The accessible alternative."""
    return FlaskResponse(runtime.offload(captcha.sound, _answer_of(token)), mimetype="audio/wav")


def _answer_of(token: str) -> str:
    with reading() as look:
        answer = captcha.answer_of(look, token, datetime.now(UTC))
    if answer is None:
        raise NotFound
    return answer


# --- the code


@bp.post("/b/<broker_no>/sign-in/<business>/code")
@public
@naming_fields
def send_code(broker_no: str, business: str) -> FlaskResponse:
    """Burn the captcha, then send a code to the reserved phone of whoever this is, if we know them; the answer is the same."""
    asked_for, mark = _business(business), stamp()
    with reading() as look:
        broker = _broker(look, broker_no)
    identity = _identity(asked_for, request.form)
    with transaction() as opened:
        right = captcha.burn(opened, request.form.get("captcha_token", ""), request.form.get("captcha", ""), mark.at)
    if not right:
        raise captcha.WrongCaptcha
    with transaction() as opened:
        asker = _asker(opened, broker, asked_for, identity)
        row, code = sms_codes.issue(opened, asker.key, _purpose(broker), mark.address, mark.at)
        row_id = row.id
    session[ASKED] = {"id": row_id, "purpose": f"{_purpose(broker)}:{asked_for.code}"}
    if asker.phone is not None:
        text = (
            f"【{broker.name}】验证码 {code}，用于{asked_for.title}，5 分钟内有效。工作人员不会向您索要，请勿告诉他人。"
        )
        messages.sender(current_app.extensions["settings"]).send(asker.phone, text)
    by_phone = asked_for.sign_in_by is SignInBy.PHONE
    return jsonify(
        sent=True,
        wait=int(sms_codes.PAUSE.total_seconds()),
        told=f"已发到 {masked_phone(identity)}，5 分钟内有效"
        if by_phone
        else "已发到您在本公司预留的手机号，5 分钟内有效",
        reserved=masked_phone(identity) if by_phone else "",
    )


@bp.post("/b/<broker_no>/sign-in/<business>/proof")
@public
@naming_fields
def prove(broker_no: str, business: str) -> FlaskResponse:
    """The code is right: now, and not before, the page may show which phone is reserved (manuals, 2.1, note 1)."""
    asked_for = _business(business)
    identity = _identity(asked_for, request.form)
    with transaction() as opened:
        broker = _broker(opened, broker_no)
        asker = _asker(opened, broker, asked_for, identity)
        right = _code_is_right(opened, broker, asked_for, asker, request.form.get("code", ""), use=False)
    if not right or asker.phone is None:
        raise sms_codes.WrongCode
    return jsonify(reserved=masked_phone(asker.phone))


# --- 马上开户


@bp.post("/b/<broker_no>/sign-in/<business>")
@public
def enter(broker_no: str, business: str) -> Response | tuple[str, int]:
    asked_for = _business(business)
    with reading() as look:
        broker = _broker(look, broker_no)
        policy = privacy_policy(look, broker.id, asked_for.code)
    try:
        if policy is None:
            raise NotYet({"privacy": NO_POLICY})
        asker = _checked(broker, asked_for)
        return redirect(_open(broker, asked_for, asker, policy))
    except (NotYet, ExpiredId) as problem:
        errors = problem.errors if isinstance(problem, NotYet) else {"": problem.text}
        with reading() as look:
            return _page(look, broker, asked_for, request.form, errors), problem.status


def _checked(broker: Broker, asked_for: Business) -> Asker:
    """Everything on the page; the code last, since a right one is used up. Raises NotYet."""
    form, errors = request.form, {}
    identity = ""
    try:
        identity = _identity(asked_for, form)
    except NotYet as not_yet:
        errors.update(not_yet.errors)
    if form.get("devices") != "ok":
        errors["devices"] = "请先完成设备检测：摄像头、麦克风、扬声器和网络都可用，才能办理。"
    if form.get("privacy") != "y":
        errors["privacy"] = "请阅读并同意《隐私政策》。"
    if not plain(form.get("code")):
        errors["code"] = "请先获取短信验证码，再填写收到的 6 位数字。"
    if errors:
        raise NotYet(errors)
    with transaction() as opened:
        asker = _asker(opened, broker, asked_for, identity)
        right = _code_is_right(opened, broker, asked_for, asker, form.get("code", ""), use=True)
    if not right or asker.investor_id is None:
        raise NotYet({"code": sms_codes.WrongCode.text})
    session.pop(ASKED, None)
    return asker


def _open(broker: Broker, asked_for: Business, asker: Asker, policy: AgreementVersion) -> str:
    """Sign the investor in and open the case, or find the one they have. Returns where to go. Raises ExpiredId."""
    settings: Settings = current_app.extensions["settings"]
    mark = Stamp(by=f"investor:{asker.investor_id}", at=datetime.now(UTC), address=request.remote_addr or "")
    with transaction() as opened:
        investor = opened.get_one(Investor, asker.investor_id)
        if investor.id_valid_until is not None and investor.id_valid_until < local_day(mark.at):
            raise ExpiredId
        lasts = settings.investor_session
        access.sign_in(opened, investor_id=investor.id, at=mark.at, lasts=lasts, address=mark.address)
        session["broker_no"] = broker.broker_no
        try:
            case = open_case(opened, investor, asked_for.code, mark)
        except NotNow as busy:
            flash(busy.text, "wait")
            return url_for("portal.my_business")
        note(
            case, Happening.DOCUMENT_READ, mark, version=policy.id, sha256=policy.sha256, purpose=Purpose.PRIVACY.value
        )
        return url_for("portal.case", case_no=case.case_no)


@bp.post("/sign-out")
@investor_only
def sign_out() -> Response:
    broker_no = session.get("broker_no")
    with transaction() as opened:
        access.sign_out(opened, datetime.now(UTC))
    access.close_ended()
    if broker_no is None:
        return redirect(url_for("portal.entrance"))
    session["broker_no"] = broker_no
    return redirect(url_for("portal.broker", broker_no=broker_no))


# --- who it is


def _business(code: str) -> Business:
    if code not in BUSINESSES:
        raise NotFound
    return BUSINESSES[code]


def _broker(look: Session, broker_no: str) -> Broker:
    found = broker_numbered(look, broker_no)
    if found is None:
        raise NotFound
    return found


def _identity(asked_for: Business, form: Mapping[str, Any]) -> str:
    """The phone or ID number that was typed, in its one form. Raises NotYet, also for accounts of institutions."""
    by = asked_for.sign_in_by
    if by is SignInBy.ID_NUMBER and form.get("account_type") == "institution":
        raise NotYet({"account_type": AT_COUNTER})
    if by is SignInBy.ID_NUMBER and form.get("account_type") not in ACCOUNT_TYPES:
        raise NotYet({"account_type": "请选择账户类型。"})
    found = phone_of(form.get("identity")) if by is SignInBy.PHONE else id_no_of(form.get("identity"))
    if found is None:
        raise NotYet({"identity": WRONG_IDENTITY[by]})
    return found


def _asker(look: Session, broker: Broker, asked_for: Business, identity: str) -> Asker:
    keeper = vault.current()
    if asked_for.sign_in_by is SignInBy.PHONE:
        whose = Investor.phone_index == keeper.index(identity, "investor.phone")
    else:
        whose = Investor.id_no_index == keeper.index(identity, "investor.id_no")
    found = look.scalar(select(Investor).where(Investor.broker_id == broker.id, whose))
    if found is None:
        return Asker(keeper.index(identity, "stranger"), None, None)
    return Asker(found.phone_index, found.id, found.phone)


def _purpose(broker: Broker) -> str:
    return f"sign_in:{broker.id}"


def _asked(broker: Broker, asked_for: Business) -> int | None:
    """The code this browser asked for, for this business of this broker."""
    kept = session.get(ASKED) or {}
    return kept.get("id") if kept.get("purpose") == f"{_purpose(broker)}:{asked_for.code}" else None


def _code_is_right(
    opened: Session, broker: Broker, asked_for: Business, asker: Asker, typed: str, *, use: bool
) -> bool:
    code_id = _asked(broker, asked_for)
    if code_id is None:
        return False
    at = datetime.now(UTC)
    return sms_codes.matches(opened, code_id, asker.key, _purpose(broker), plain(typed), at, use=use)
