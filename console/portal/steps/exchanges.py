"""交易所选择 (app manual, 2.4): held ones stay as they are, at least one new one, and the notices that the grade asks for."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import NotFound

from console.access import investor_only, stamp
from console.businesses.suitability import (
    CHOICES,
    EXCHANGES,
    MARKET_TITLES,
    REQUIRED_GRADE,
    RISK_GRADE_TITLES,
    Choice,
    Market,
    NoticeMoment,
    above_grade,
    is_first_demanding,
    notice_moment,
)
from console.cases import service as cases
from console.cases.models import Case
from console.db import transaction
from console.portal import notices
from console.portal.changing import at_work
from console.portal.documents import readable
from console.stamp import Stamp

from . import Handed, NotYet, Said

KEY = "exchanges"
NO_GRADE = "还没有风险等级。请先完成适当性评估，再增开交易编码。"


def show(session: Session, case: Case) -> dict[str, Any]:
    grade = case.investor.risk_grade
    held, chosen = _held(case), _remembered(session, case)
    moments = [m for m in NoticeMoment if grade and _may_need(case, m)]
    return {
        "groups": [
            (MARKET_TITLES[market], market, [e for e in EXCHANGES.values() if e.market is market]) for market in Market
        ],
        "held": held,
        "chosen": chosen,
        "grade": grade,
        "grade_title": RISK_GRADE_TITLES[grade] if grade else "",
        "above": _above(case),
        "required": {
            market.value: (REQUIRED_GRADE[market], RISK_GRADE_TITLES[REQUIRED_GRADE[market]]) for market in Market
        },
        "notices": {m.value: [(v, readable(v)) for v in notices.versions(session, case, m)] for m in moments},
        "entry_owed": NoticeMoment.ON_ENTRY in moments
        and not notices.settled(session, case, NoticeMoment.ON_ENTRY, ()),
    }


def submit(session: Session, case: Case, form: Mapping[str, str], mark: Stamp) -> Handed:
    chosen, held = _chosen(form), _held(case)
    grade = case.investor.risk_grade
    errors: dict[str, str] = {}
    new = chosen - held
    if grade is None:
        raise NotYet({"exchange": NO_GRADE})
    if not new <= set(EXCHANGES):
        errors["exchange"] = "所选的交易所不存在，请重新选择。"
    elif not new:
        errors["exchange"] = "请至少选择一个新的交易所。灰色的已经开通，不用再选。"
    else:
        moment = notice_moment(grade, case.investor.investor_class, new)
        if moment is not None and not notices.settled(session, case, moment, new):
            errors["exchange"] = "请先阅读两次适当性告知并作出选择，再点下一步。"
    if errors:
        raise NotYet(errors)
    cases.save_draft(session, case, KEY, {"chosen": sorted(new)}, mark.at)
    return Handed({"chosen": sorted(new)}, {"first_financial_code": is_first_demanding(new, held)})


def facts(session: Session, case: Case) -> dict[str, Any]:
    return {
        "chosen": [EXCHANGES[code] for code in (case.data_of(KEY) or {}).get("chosen", ())],
        "held": [EXCHANGES[code] for code in EXCHANGES if code in _held(case)],
        "grade": case.investor.risk_grade,
        "above": _above(case),
        "answers": notices.answers(session, case),
    }


def said(case: Case, content: Any) -> list[Said]:
    return [Said("新开", "、".join(EXCHANGES[code].short for code in content.get("chosen", ()) if code in EXCHANGES))]


def routes(bp: Blueprint) -> None:
    @bp.post("/case/<case_no>/exchanges/chosen")
    @investor_only
    def remember_exchanges(case_no: str) -> Response:
        """Save what is ticked, and say whether the two notices have to be answered before going on."""
        mark = stamp()
        with transaction() as session:
            case = at_work(session, case_no, KEY, mark)
            new = (_chosen(request.form) & set(EXCHANGES)) - _held(case)
            kept = cases.draft(session, case, KEY) or {}
            cases.save_draft(session, case, KEY, {**kept, "chosen": sorted(new)}, mark.at)
            moment = _moment(case, new)
            owed = moment is not None and not notices.settled(session, case, moment, new)
            return jsonify(notice=moment.value if moment and owed else None)

    @bp.post("/case/<case_no>/exchanges/notice")
    @investor_only
    def open_notice(case_no: str) -> Response:
        mark = stamp()
        moment, which = _asked(request.form)
        with transaction() as session:
            case = at_work(session, case_no, KEY, mark)
            new = set(_remembered(session, case))
            if _moment(case, new) is not moment:
                raise notices.NoticeOutOfOrder
            notices.open_notice(session, case, KEY, moment, which, new, mark.at)
            return jsonify(opened=True)

    @bp.post("/case/<case_no>/exchanges/answer")
    @investor_only
    def answer_notice(case_no: str) -> Response:
        """``choice``: insist, give_up (the case is abandoned) or choose_again."""
        mark = stamp()
        moment, which = _asked(request.form)
        choice = request.form.get("choice", "")
        if choice not in {c.value for c in CHOICES[moment]}:
            raise NotFound
        with transaction() as session:
            case = at_work(session, case_no, KEY, mark)
            notices.answer(session, case, KEY, moment, which, Choice(choice), _remembered(session, case), mark)
            if choice == Choice.GIVE_UP:
                cases.abandon(case, mark)
        return jsonify(go=url_for("portal.my_business") if choice == Choice.GIVE_UP else None)


def _held(case: Case) -> set[str]:
    return {code.exchange for code in case.investor.trading_codes}


def _above(case: Case) -> set[str]:
    investor = case.investor
    grade = investor.risk_grade
    return {code for code in EXCHANGES if grade and above_grade(grade, investor.investor_class, code)}


def _chosen(form: Mapping[str, str]) -> set[str]:
    return (
        set(form.getlist("exchange")) if isinstance(form, MultiDict) else {form[k] for k in ("exchange",) if k in form}
    )


def _remembered(session: Session, case: Case) -> list[str]:
    kept = cases.draft(session, case, KEY) or case.data_of(KEY) or {}
    return list(kept.get("chosen", ()))


def _moment(case: Case, new: set[str]) -> NoticeMoment | None:
    grade = case.investor.risk_grade
    return notice_moment(grade, case.investor.investor_class, new) if grade else None


def _may_need(case: Case, moment: NoticeMoment) -> bool:
    return _moment(case, set(EXCHANGES)) is moment


def _asked(form: Mapping[str, str]) -> tuple[NoticeMoment, str]:
    moment, which = form.get("moment", ""), form.get("which", "")
    if moment not in set(NoticeMoment) or which not in notices.WHICH:
        raise NotFound
    return NoticeMoment(moment), which
