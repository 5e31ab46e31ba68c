"""成绩报告单 (app manual, 2.4): two to ten pictures, or the online test passed, for a first financial or crude-oil code."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from console.access import case_or_404, investor_only, stamp
from console.businesses import knowledge_test
from console.cases import service as cases
from console.cases.models import Case
from console.cases.transitions import StaleStep
from console.db import reading, transaction
from console.evidence import service as evidence
from console.evidence.models import Kind, State
from console.portal import uploads
from console.portal.changing import at_work, may_work_at, step_of
from console.portal.status import progress
from console.stamp import Stamp

from . import Handed, NotYet, Said

KEY = "score_reports"
FEWEST, MOST = 2, 10
Attempt = dict[str, Any]  # at (ISO), points


def show(session: Session, case: Case) -> dict[str, Any]:
    photos = [uploads.shown(p, p.kind) for p in evidence.live(session, case, Kind.SCORE_REPORT)]
    tried = _attempts(session, case)
    return {
        "photos": photos,
        "fewest": FEWEST,
        "most": MOST,
        "attempts": tried,
        "best": _best(tried),
        "pass_mark": knowledge_test.PASS_MARK,
        "passed": knowledge_test.passed(_best(tried)),
        "missing": _missing(photos, tried),
    }


def submit(session: Session, case: Case, form: Mapping[str, str], mark: Stamp) -> Handed:
    photos = [uploads.shown(p, p.kind) for p in evidence.live(session, case, Kind.SCORE_REPORT)]
    tried = _attempts(session, case)
    missing = _missing(photos, tried)
    if missing:
        raise NotYet({"reports": missing})
    return Handed({"reports": [p.id for p in photos if p.counts], "attempts": tried})


def facts(session: Session, case: Case) -> dict[str, Any]:
    kept = case.data_of(KEY) or {}
    tried = kept.get("attempts", [])
    return {
        "photos": [p for p in evidence.live(session, case, Kind.SCORE_REPORT) if p.state is State.READY],
        "attempts": tried,
        "best": _best(tried),
        "pass_mark": knowledge_test.PASS_MARK,
    }


def said(case: Case, content: Any) -> list[Said]:
    best = _best(tried) if (tried := content.get("attempts")) else None
    reports = [Said(f"成绩报告单 {n}", each, photo=True) for n, each in enumerate(content.get("reports", ()), 1)]
    return [*reports, Said("在线测试", "" if best is None else f"{best} 分")]


def routes(bp: Blueprint) -> None:
    @bp.post("/case/<case_no>/score_reports/photo")
    @investor_only
    def upload_report(case_no: str) -> tuple[Response, int]:
        return uploads.receive(case_no, KEY, Kind.SCORE_REPORT, replaces=False, most=MOST)

    @bp.post("/case/<case_no>/score_reports/<public_id>/remove")
    @investor_only
    def remove_report(case_no: str, public_id: str) -> Response:
        mark = stamp()
        with transaction() as session:
            case = at_work(session, case_no, KEY, mark)
            uploads.remove(session, case, uploads.own_photo(session, case, public_id, [Kind.SCORE_REPORT]), mark)
            return jsonify(removed=True)

    @bp.get("/case/<case_no>/score_reports/state")
    @investor_only
    def reports_state(case_no: str) -> Response:
        with reading() as session:
            told = show(session, case_or_404(session, case_no))
            return jsonify(photos=uploads.states(told["photos"]), missing=told["missing"])

    @bp.get("/case/<case_no>/score_reports/tiles")
    @investor_only
    def reports_tiles(case_no: str) -> str:
        with reading() as session:
            case = case_or_404(session, case_no)
            return render_template("steps/score_reports/_tiles.html", case=case, **show(session, case))

    @bp.get("/case/<case_no>/score_reports/test")
    @investor_only
    def online_test(case_no: str) -> str:
        """在线测试入口."""
        with reading() as session:
            case = case_or_404(session, case_no)
            return _test_page(session, case, {}, None)

    @bp.post("/case/<case_no>/score_reports/test")
    @investor_only
    def mark_test(case_no: str) -> BaseResponse | str | tuple[str, int]:
        answers = {q.key: request.form.get(q.key, "") for q in knowledge_test.QUESTIONS}
        blank = sum(not given for given in answers.values())
        mark = stamp()
        if blank:
            with reading() as session:
                told = f"还有 {blank} 题没有作答，请答完再交卷。"
                return _test_page(session, case_or_404(session, case_no), answers, told), 422
        with transaction() as session:
            case = at_work(session, case_no, KEY, mark)
            points = knowledge_test.score(answers)
            tried = [*_attempts(session, case), {"at": mark.at.isoformat(), "points": points}]
            cases.save_draft(session, case, KEY, {"attempts": tried}, mark.at)
        return redirect(url_for("portal.step", case_no=case_no, key=KEY))


def _test_page(session: Session, case: Case, answers: Mapping[str, str], error: str | None) -> str:
    here = step_of(case, KEY)
    if not may_work_at(case, KEY):
        raise StaleStep(case, KEY)
    return render_template(
        "steps/score_reports/test.html",
        case=case,
        business=case.business,
        step=here,
        progress=progress(case, here),
        questions=knowledge_test.QUESTIONS,
        answers=answers,
        error=error,
        pass_mark=knowledge_test.PASS_MARK,
        back_url=url_for("portal.step", case_no=case.case_no, key=KEY),
    )


def _attempts(session: Session, case: Case) -> list[Attempt]:
    return list((cases.draft(session, case, KEY) or {}).get("attempts", ()))


def _best(tried: list[Attempt]) -> int:
    return max((attempt["points"] for attempt in tried), default=0)


def _missing(photos: list[uploads.Shown], tried: list[Attempt]) -> str:
    if knowledge_test.passed(_best(tried)):
        return ""
    if any(p.state == State.PROCESSING for p in photos):
        return "有照片正在处理，请稍候。"
    if any(p.state == State.REFUSED for p in photos):
        return "有照片不能用，请删除后重新上传。"
    count = sum(p.counts for p in photos)
    return "" if count >= FEWEST else f"还差 {FEWEST - count} 张成绩报告单，或通过在线测试。"
