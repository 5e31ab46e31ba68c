"""The way in: the broker's number, then what can be done there; and the page where developers read text messages."""

from flask import current_app, redirect, render_template, request, session, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from console.access import maybe_me, public
from console.cases.models import Case
from console.cases.service import in_flight
from console.config import Settings
from console.db import reading
from console.people.identity import plain
from console.people.models import Broker, Investor, OutgoingSms

from .blueprint import bp
from .catalogue import OFFERS
from .status import standing

UNKNOWN = "没有编号为“{}”的期货公司。请核对开户短信或期货公司官网上的编号，或扫描期货公司提供的二维码。"
BLANK = "请输入期货公司编号。编号在期货公司的官网、开户短信或营业部可以查到。"
SHOWN_SMS = 50


@bp.get("/")
@public
def entrance() -> Response | str | tuple[str, int]:
    """``next``: the page somebody wanted who is not signed in (any more)."""
    wanted = request.args.get("next", "")
    if "broker_no" not in request.args:
        return render_template(
            "portal/entrance.html", number=session.get("broker_no", ""), error=None, signed_out=bool(wanted)
        )
    number = plain(request.args["broker_no"])
    with reading() as look:
        known = broker_numbered(look, number) is not None
    if known:
        return redirect(url_for("portal.broker", broker_no=number))
    error = UNKNOWN.format(number[:16]) if number else BLANK
    return render_template("portal/entrance.html", number=number[:16], error=error, signed_out=False), 422


@bp.get("/b/<broker_no>")
@public
def broker(broker_no: str) -> str | tuple[str, int]:
    """业务选择: the unfinished business first, since it blocks the others."""
    with reading() as look:
        found = broker_numbered(look, broker_no)
        if found is None:
            error = UNKNOWN.format(broker_no[:16])
            return render_template("portal/entrance.html", number=broker_no[:16], error=error, signed_out=False), 404
        session["broker_no"] = found.broker_no
        mine = my_case(look, found)
        return render_template(
            "portal/broker.html",
            broker=found,
            offers=OFFERS,
            case=mine,
            standing=standing(mine) if mine else None,
        )


@bp.get("/dev/sms")
@public
def sms_outbox() -> str:
    """What the development SMS adapter kept. It exists in a demo only."""
    settings: Settings = current_app.extensions["settings"]
    if settings.sms != "development" or not settings.demo:
        raise NotFound
    with reading() as look:
        kept = look.scalars(select(OutgoingSms).order_by(OutgoingSms.id.desc()).limit(SHOWN_SMS)).all()
    return render_template("portal/sms_outbox.html", messages=kept)


def broker_numbered(look: Session, broker_no: str) -> Broker | None:
    return look.scalar(select(Broker).where(Broker.broker_no == broker_no))


def my_case(look: Session, found: Broker) -> Case | None:
    """The unfinished case of whoever is signed in, if they are an investor of this broker."""
    who = maybe_me()
    if who is None or who.investor_id is None:
        return None
    investor = look.get(Investor, who.investor_id)
    return in_flight(look, investor.id) if investor is not None and investor.broker_id == found.id else None
