"""适当性告知 (app manual, 2.4; PRODUCT P6): which text was shown, for how long, and what was answered, kept as evidence.

How long somebody looked is measured here, from showing to answering, and never taken from the page.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from console.agreements.models import AgreementVersion, NoticeAnswer
from console.agreements.service import live_version
from console.businesses.suitability import CHOICES, NOTICE_CODES, Choice, NoticeMoment, demanding
from console.cases import service as cases
from console.cases.models import Case
from console.cases.trail import Happening, note
from console.problem import Problem
from console.stamp import Stamp

WHICH = ("first", "second")


class NoticeOutOfOrder(Problem):
    status, code = 409, "notice_out_of_order"
    text = "请先按顺序阅读告知内容，再作选择。已为您保留所选的交易所。"


class NoSuchNotice(Problem):
    status, code = 409, "no_such_notice"
    text = "期货公司还没有发布这份告知书，暂时不能继续，请联系期货公司。"


def versions(session: Session, case: Case, moment: NoticeMoment) -> list[AgreementVersion | None]:
    """The first and the second text in force."""
    return [live_version(session, case.branch.broker_id, code) for code in NOTICE_CODES[moment]]


def open_notice(
    session: Session, case: Case, key: str, moment: NoticeMoment, which: str, chosen: Collection[str], at: datetime
) -> None:
    """The page shows it now. Raises NoticeOutOfOrder, NoSuchNotice."""
    version = _version(session, case, moment, which)
    if which == "second" and Choice.INSIST not in _given(session, case, moment, chosen, "first"):
        raise NoticeOutOfOrder
    kept = cases.draft(session, case, key) or {}
    opened = {"moment": moment.value, "which": which, "version": version.id, "at": at.isoformat()}
    cases.save_draft(session, case, key, {**kept, "notice": opened}, at)


def answer(
    session: Session,
    case: Case,
    key: str,
    moment: NoticeMoment,
    which: str,
    choice: Choice,
    chosen: Collection[str],
    mark: Stamp,
) -> NoticeAnswer:
    """Raises NoticeOutOfOrder when it is not the notice that is open."""
    kept: dict[str, Any] = cases.draft(session, case, key) or {}
    opened = kept.get("notice") or {}
    if (opened.get("moment"), opened.get("which")) != (moment.value, which) or choice not in CHOICES[moment]:
        raise NoticeOutOfOrder
    dwell = mark.at - datetime.fromisoformat(opened["at"])
    grade = case.investor.risk_grade
    given = NoticeAnswer(
        case_id=case.id,
        version_id=opened["version"],
        which=which,
        moment=moment.value,
        choice=choice.value,
        dwell_ms=max(0, int(dwell.total_seconds() * 1000)),
        at=mark.at,
        context={"grade": grade.value if grade else None, "chosen": sorted(chosen)},
    )
    session.add(given)
    cases.save_draft(session, case, key, {**kept, "notice": None}, mark.at)
    note(
        case,
        Happening.NOTICE_ANSWERED,
        mark,
        version=given.version_id,
        which=which,
        choice=choice.value,
        dwell_ms=given.dwell_ms,
    )
    return given


def settled(session: Session, case: Case, moment: NoticeMoment, chosen: Collection[str]) -> bool:
    """Whether both notices were answered with 坚持 since the step was last opened, for the same demanding exchanges."""
    return all(Choice.INSIST in _given(session, case, moment, chosen, which)[-1:] for which in WHICH)


def answers(session: Session, case: Case) -> list[NoticeAnswer]:
    return list(session.scalars(select(NoticeAnswer).where(NoticeAnswer.case_id == case.id).order_by(NoticeAnswer.id)))


def _given(session: Session, case: Case, moment: NoticeMoment, chosen: Collection[str], which: str) -> list[str]:
    since = max(
        (e.reopened_at for e in case.entries if e.step == "exchanges" and e.reopened_at), default=case.opened_at
    )
    about = demanding(set(chosen))
    return [
        given.choice
        for given in answers(session, case)
        if given.moment == moment.value
        and given.which == which
        and given.at >= since
        and (moment is NoticeMoment.ON_ENTRY or demanding(set(given.context["chosen"])) == about)
    ]


def _version(session: Session, case: Case, moment: NoticeMoment, which: str) -> AgreementVersion:
    found = versions(session, case, moment)[WHICH.index(which)]
    if found is None:
        raise NoSuchNotice
    return found
