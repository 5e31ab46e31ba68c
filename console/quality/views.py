"""质量: second looks for reviewers, the report for supervisors and admins."""

from collections.abc import Callable
from datetime import UTC, datetime

from flask import Blueprint, Flask, abort, current_app, flash, jsonify, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from console import spreadsheets
from console.access import case_or_404, maybe_me, my_staff, staff_only, stamp
from console.cases.blame import blames
from console.config import Settings
from console.db import reading, transaction
from console.local_time import LOCAL
from console.people.audit import note_staff
from console.people.branches import served_branches
from console.people.models import Branch, Role, Staff
from console.problem import Problem
from console.review import case_page
from console.review.models import DECISION_TITLES, TaskState
from console.review.service import LEASE
from console.screens import steps_shown
from console.stamp import Stamp

from . import looks
from .agreement import ENOUGH
from .hindsight import wind_back
from .models import SecondLook
from .report import SPANS, Period, Report, Turnaround, report

bp = Blueprint("quality", __name__)
reviewers = staff_only(Role.REVIEWER, Role.SUPERVISOR)
watchers = staff_only(Role.SUPERVISOR, Role.ADMIN)
TELLS = frozenset({"review.case", "dossier.export"})  # would tell a second reviewer what the first one said


@bp.get("/quality")
@staff_only(Role.REVIEWER, Role.SUPERVISOR, Role.ADMIN)
def index() -> Response:
    """The place in the rail: the report, or for who has no part in it the second looks."""
    staff = my_staff()
    return redirect(url_for("quality.figures" if staff.has_role(Role.SUPERVISOR, Role.ADMIN) else "quality.waiting"))


def keep_blind(app: Flask) -> None:
    """Whoever holds a second look sees nothing else of the case till it is given."""

    @app.before_request
    def lead_back() -> Response | None:
        who = maybe_me()
        if request.endpoint not in TELLS or who is None or who.staff is None:
            return None
        case_no = (request.view_args or {}).get("case_no", "")
        with reading() as session:
            look = looks.held_blind(session, case_no, who.staff, datetime.now(UTC))
            if look is None:
                return None
        flash("您正在复评此单，提交之前只能在这里查看。", "wait")
        return redirect(url_for("quality.look", case_no=case_no, submission=look.submission), 303)


# --- second looks


@bp.get("/quality/looks")
@reviewers
def waiting() -> str:
    now, staff = datetime.now(UTC), my_staff()
    settings: Settings = current_app.extensions["settings"]
    with reading() as session:
        return render_template(
            "quality/looks.html",
            looks=looks.waiting(session, staff, now),
            mine={look.id for look in looks.waiting(session, staff, now) if looks.holder(look, now) is not None},
            differing=looks.differing(session, staff) if staff.has_role(Role.SUPERVISOR) else [],
            titles=DECISION_TITLES,
            share=settings.blind_share,
            lease_minutes=int(LEASE.total_seconds() // 60),
        )


@bp.get("/quality/looks/<case_no>/<int:submission>")
@reviewers
def look(case_no: str, submission: int) -> str:
    """The case up to its decision, for who has claimed it. ``call``: the number of the call to play."""
    now, staff = datetime.now(UTC), my_staff()
    with reading() as session:
        found = _look(session, case_no, submission)
        holder = looks.holder(found, now)
        if holder is None or holder.id != staff.id:
            return render_template(
                "quality/unclaimed.html", look=found, holder=holder, had_part=looks.had_part(session, found, staff)
            )
        case = wind_back(session, found.case, found.first_at)
        calls = case_page.calls(session, case)
        return render_template(
            "quality/look.html",
            look=found,
            case=case,
            pictures=case_page.pictures(session, case),
            calls=calls,
            call=case_page.chosen(calls, request.args.get("call")),
            begin=max(0, request.args.get("at", 0, type=int)),
            here="quality.look",
            steps=steps_shown(session, case),
            signatures=case_page.signatures(session, case),
            certificates=[],
            blames=blames(session, case),
        )


@bp.post("/quality/looks/<case_no>/<int:submission>/claim")
@reviewers
def claim(case_no: str, submission: int) -> Response:
    return _act(case_no, submission, looks.claim, lambda: _page(case_no, submission))


@bp.post("/quality/looks/<case_no>/<int:submission>/renew")
@reviewers
def renew(case_no: str, submission: int) -> Response:
    """{until}: the page asks while somebody works on it."""
    with transaction() as session:
        found = _look(session, case_no, submission, lock=True)
        looks.renew(session, found, my_staff(), stamp())
        return jsonify(until=found.lease_until.isoformat() if found.lease_until else None)


@bp.post("/quality/looks/<case_no>/<int:submission>/release")
@reviewers
def release(case_no: str, submission: int) -> Response:
    return _act(case_no, submission, looks.release, _list, "已退回，其他人可以复评。")


@bp.post("/quality/looks/<case_no>/<int:submission>/approve")
@reviewers
def approve(case_no: str, submission: int) -> Response:
    return _decide(case_no, submission, looks.decide, codes=[])


@bp.post("/quality/looks/<case_no>/<int:submission>/reject")
@reviewers
def reject(case_no: str, submission: int) -> Response:
    return _decide(case_no, submission, looks.reject, codes=request.form.getlist("reason"))


@bp.get("/quality/looks/<case_no>/<int:submission>/compare")
@staff_only(Role.SUPERVISOR)
def compare(case_no: str, submission: int) -> str:
    """Both views beside each other, once the second one is given."""
    with reading() as session:
        found = _look(session, case_no, submission)
        if found.state is not TaskState.DONE:
            raise NotFound
        remarks = [each for each in found.case.rejections if each.at == found.first_at]
        return render_template(
            "quality/compare.html", look=found, case=found.case, titles=DECISION_TITLES, first_words=remarks
        )


def _look(session: Session, case_no: str, submission: int, *, lock: bool = False) -> SecondLook:
    found = looks.of_case(session, case_or_404(session, case_no), submission, lock=lock)
    if found is None:
        abort(404)
    return found


def _page(case_no: str, submission: int) -> str:
    return url_for("quality.look", case_no=case_no, submission=submission)


def _list() -> str:
    return url_for("quality.waiting")


def _decide(case_no: str, submission: int, how: Callable[..., None], *, codes: list[str]) -> Response:
    words = request.form.get("note", "").strip()

    def do(session: Session, found: SecondLook, staff: Staff, mark: Stamp) -> None:
        how(session, found, staff, mark, codes=codes, words=words)

    return _act(case_no, submission, do, _list, f"受理单 {case_no} 的复评已提交，办理结果不受影响。")


def _act(case_no: str, submission: int, do: Callable[..., None], then: Callable[[], str], told: str = "") -> Response:
    try:
        with transaction() as session:
            do(session, _look(session, case_no, submission, lock=True), my_staff(), stamp())
    except Problem as problem:
        if request.accept_mimetypes.best == "application/json":
            raise
        flash(problem.text, "bad")
        return redirect(_page(case_no, submission), 303)
    if told:
        flash(told, "ok")
    return redirect(then(), 303)


# --- the report


@bp.get("/quality/report")
@watchers
def figures() -> str:
    """``branch``: the id of one of the branches served; ``span``, ``first``, ``last``: see `Period.read`."""
    period = Period.read(request.args, datetime.now(UTC))
    with reading() as session:
        served, chosen = _scope(session, request.args.get("branch", ""))
        return render_template(
            "quality/report.html",
            served=served,
            chosen=chosen[0] if len(chosen) == 1 < len(served) else None,
            period=period,
            spans=SPANS,
            report=report(session, chosen, period),
            enough=ENOUGH,
            tables=TABLES,
        )


@bp.post("/quality/export")
@watchers
def export() -> Response:
    """``table``: one of TABLES, and the same choice as the page's address; a CSV."""
    now = datetime.now(UTC)
    name, period = request.form.get("table", ""), Period.read(request.form, now)
    if name not in TABLES:
        abort(404)
    title, head, rows_of = TABLES[name]
    with transaction() as session:
        _, chosen = _scope(session, request.form.get("branch", ""))
        rows = rows_of(report(session, chosen, period))
        where = chosen[0].name if len(chosen) == 1 else f"{len(chosen)} 家营业部"
        detail = f"{title}，{period.first} 至 {period.last}，{where}，{len(rows)} 行"
        note_staff(session, session.get_one(Staff, my_staff().id), "quality_exported", stamp(), detail=detail)
    body = b"".join(piece for _, piece in spreadsheets.csv_pieces(head, [rows]))
    answer = Response(body, mimetype=spreadsheets.TYPES["csv"])
    file = f"quality-{name}-{now.astimezone(LOCAL):%Y%m%d-%H%M%S}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{file}"'
    return answer


def _scope(session: Session, asked: str) -> tuple[list[Branch], list[Branch]]:
    """What this person serves, and what of it is asked for; a branch of others is as one that does not exist."""
    served = served_branches(session, my_staff())
    chosen = [branch for branch in served if str(branch.id) == asked] if asked else served
    if asked and not chosen:
        raise NotFound
    return served, chosen


Rows = list[list[spreadsheets.Cell]]


def _agreement(found: Report) -> Rows:
    kappa = found.agreement.kappa
    told = "" if kappa is None else "样本太少" if not found.agreement.enough else f"{kappa:.2f}"
    return [[found.drawn, found.agreement.n, found.differing, f"{found.agreement.observed:.1%}", told]]


def _witnesses(found: Report) -> Rows:
    return [[each.name, each.branch, each.cases, each.right, f"{each.share:.1%}"] for each in found.witnesses]


def _reasons(found: Report) -> Rows:
    return [[each.branch, each.desk, each.title, each.times] for each in found.reasons]


def _turnaround(found: Report) -> Rows:
    def cells(row: Turnaround) -> list[spreadsheets.Cell]:
        values = (row.queued_p50, row.queued_p90, row.handed_p50, row.handed_p90)
        day = row.day.isoformat() if row.day else "全部"
        return [day, row.decided, *("" if value is None else f"{value:.1f}" for value in values)]

    return [cells(row) for row in (*found.days, found.whole)]


TABLES: dict[str, tuple[str, list[str], Callable[[Report], Rows]]] = {
    "agreement": ("复评一致性", ["抽中", "已复评", "不一致", "一致率", "Kappa"], _agreement),
    "witnesses": ("一次通过率", ["认证人员", "营业部", "首次提交", "一次通过", "一次通过率"], _witnesses),
    "reasons": ("不通过原因", ["营业部", "环节", "原因", "次数"], _reasons),
    "turnaround": (
        "办理时长",
        ["日期", "结论数", "自排队中位（分）", "自排队 P90（分）", "自提交中位（分）", "自提交 P90（分）"],
        _turnaround,
    ),
}
