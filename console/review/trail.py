"""留痕 as a reviewer reads it: every line with what it is about, by the titles that people know."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from console.agreements.models import AgreementVersion
from console.cases.models import Case, CaseEvent, StepDone
from console.cases.trail import Happening
from console.cases.transitions import Action
from console.evidence.models import KIND_TITLES, Evidence, Kind, Variant
from console.local_time import LOCAL
from console.people.models import Branch, Staff
from console.video_seat import facts
from console.video_seat.models import (
    VERDICT_TITLES,
    CheckMark,
    ReasonUse,
    Recording,
    ShortReason,
    Verdict,
    VideoSession,
)
from console.video_seat.script import items_of

RESULTS = {"ok": "正常", "problem": "有问题"}
FIELD_RESULTS = {"ok": "一致", "problem": "不符"}
CHALLENGES = {"digits": "读数字", "sms": "短信验证码"}
ANSWERS = {"right": "正确", "wrong": "错误", "lapsed": "没有回答", "withdrawn": "撤回"}
SIDES = {"investor": "投资者", "witness": "认证人员"}
NOTICES, CHOICES = (
    {"first": "第一次", "second": "第二次"},
    {"insist": "坚持开立", "give_up": "放弃开户", "choose_again": "重新选择"},
)


@dataclass(frozen=True)
class TrailLine:
    """``about``: what exactly, and how it came out; ``mark``: ok, bad or ''; ``call``: the number of the call it belongs to."""

    at: datetime
    action: str
    step: str
    who: str
    mark: str
    about: str
    call: str


OK = {Action.PASS_VIDEO, Action.APPROVE, Happening.DOCUMENT_SIGNED, Happening.COUNTER_DONE}
BAD = {Action.REJECT, Action.REFUSE, Action.ABANDON, Action.SUSPECT, Happening.COUNTER_REFUSED}
FAULTS = {"problem", "wrong", "lapsed"}


def trail(session: Session, case: Case) -> list[TrailLine]:
    """Every line of the case, the newest first."""
    names, titles = people(session, case.events), Titles(session, case)
    return [_line(event, names, titles) for event in reversed(case.events)]


def _line(event: CaseEvent, names: dict[str, str], titles: "Titles") -> TrailLine:
    bad = event.action in BAD or event.detail.get("result") in FAULTS
    mark = "ok" if event.action in OK else "bad" if bad else ""
    who, call = names.get(event.by, event.by), str(event.detail.get("session", ""))
    return TrailLine(event.at, event.action, event.step or "", who, mark, titles.about(event), call)


def people(session: Session, events: Iterable[CaseEvent | CheckMark | StepDone]) -> dict[str, str]:
    """``by`` of each line or mark to how people call it."""
    everyone = {event.by for event in events}
    numbers = {int(by.removeprefix("staff:")) for by in everyone if by.startswith("staff:")}
    staff = {
        f"staff:{row.id}": f"{row.name} {row.licence_no or ''}".strip()
        for row in session.scalars(select(Staff).where(Staff.id.in_(numbers)))
    }
    others = {by: "投资者" if by.startswith("investor:") else "系统" for by in everyone if not by.startswith("staff:")}
    return staff | others


# --- what a line is about


class Titles:
    """The titles behind the ids and codes that the lines of one case hold. What is not known any more shows as its code."""

    def __init__(self, session: Session, case: Case):
        self._reasons = {reason.code: reason.title for rejection in case.rejections for reason in rejection.reasons}
        self._calls = _calls(session, case)
        self._recordings = _recordings(session, case)
        self._staff, self._branches = _handed(session, case.events)
        self._versions = _versions(session, case.events)
        reasons = select(ShortReason).where(ShortReason.use.in_((ReasonUse.FIELD, ReasonUse.QUESTION)))
        self._short = {(row.use, row.code): row.title for row in session.scalars(reasons)}

    def about(self, event: CaseEvent) -> str:
        tell = TOLD.get(event.action)
        return tell(self, event.detail) if tell else self._reasons_given(event.detail)

    def _reasons_given(self, detail: dict[str, Any]) -> str:
        given = [self._reasons.get(code, code) for code in detail.get("reasons", [])]
        return "、".join(given) or str(detail.get("why", ""))

    def _question(self, detail: dict[str, Any]) -> str:
        title = self._calls.get(detail["session"], {}).get(detail["item"], detail["item"])
        if detail.get("better"):
            return f"{title}，改用更清楚的抓拍"
        if detail.get("chosen"):
            return f"{title}，改用所选的抓拍"
        why = self._why(ReasonUse.QUESTION, detail)
        return "，".join(filter(None, (title, RESULTS.get(detail["result"], ""), why)))

    def _why(self, use: ReasonUse, detail: dict[str, Any]) -> str:
        code = detail.get("reason", "")
        return self._short.get((use, code), code)

    def _fields(self, detail: dict[str, Any]) -> str:
        fields = "、".join(field_title(key) for key in detail["fields"])
        why = self._why(ReasonUse.FIELD, detail)
        return "，".join(filter(None, (fields, FIELD_RESULTS.get(detail["result"], ""), why)))

    def _challenge(self, detail: dict[str, Any]) -> str:
        told = f"{CHALLENGES.get(detail['kind'], detail['kind'])}，{ANSWERS.get(detail['result'], detail['result'])}"
        return f"{told}，{detail['why']}" if "why" in detail else told

    def _picture(self, detail: dict[str, Any]) -> str:
        return KIND_TITLES[Kind(detail["kind"])] + ("，恢复" if detail.get("restored") else "")

    def _recording(self, detail: dict[str, Any]) -> str:
        return self._recordings.get(detail["evidence"], "")

    def _document(self, detail: dict[str, Any]) -> str:
        return self._versions.get(detail["version"], "")

    def _notice(self, detail: dict[str, Any]) -> str:
        return f"{NOTICES.get(detail['which'], '')}告知，{CHOICES.get(detail['choice'], detail['choice'])}"

    def _revealed(self, detail: dict[str, Any]) -> str:
        return f"{field_title(detail['field'])}，事由：{detail['why']}"

    def _ended(self, detail: dict[str, Any]) -> str:
        return "，".join(filter(None, (VERDICT_TITLES[Verdict(detail["verdict"])], detail.get("why", ""))))

    def _taken_over(self, detail: dict[str, Any]) -> str:
        return (
            f"{self._staff.get(detail['to'], '')} 接管自 {self._staff.get(detail['from'], '')}，原因：{detail['why']}"
        )

    def _reassigned(self, detail: dict[str, Any]) -> str:
        branches = f"{self._branches.get(detail['from'], '')} → {self._branches.get(detail['to'], '')}"
        where = branches if detail["from"] != detail["to"] else self._branches.get(detail["to"], "")
        whose = self._staff.get(detail.get("witness", 0), "")
        return "，".join(filter(None, (where, whose and f"给{whose}", f"原因：{detail['why']}")))

    def _slot(self, detail: dict[str, Any]) -> str:
        return _minute(detail["slot"])

    def _assigned(self, detail: dict[str, Any]) -> str:
        return f"给 {self._staff.get(detail['to'], '')}" if detail["to"] else "取消指派"

    def _snoozed(self, detail: dict[str, Any]) -> str:
        return f"到 {_minute(detail['until'])}，原因：{detail['why']}"

    def _redated(self, detail: dict[str, Any]) -> str:
        return f"{_minute(detail['before'])} → {_minute(detail['due'])}，按休息日与服务时间"


TOLD: dict[str, Callable[[Titles, dict[str, Any]], str]] = {
    Happening.CHECK_MARKED: Titles._question,
    Happening.FIELD_CHECKED: Titles._fields,
    Happening.CHALLENGED: Titles._challenge,
    Happening.PHOTO_KEPT: Titles._picture,
    Happening.PHOTO_REMOVED: Titles._picture,
    Happening.SNAPSHOT_TAKEN: Titles._picture,
    Happening.SNAPSHOT_CHOSEN: Titles._picture,
    Happening.RECORDING_KEPT: Titles._recording,
    Happening.DOCUMENT_READ: Titles._document,
    Happening.DOCUMENT_SIGNED: Titles._document,
    Happening.NOTICE_ANSWERED: Titles._notice,
    Happening.DATA_REVEALED: Titles._revealed,
    Happening.CALL_ENDED: Titles._ended,
    Happening.TAKEN_OVER: Titles._taken_over,
    Happening.REASSIGNED: Titles._reassigned,
    Happening.APPOINTMENT_BOOKED: Titles._slot,
    Happening.APPOINTMENT_CHANGED: Titles._slot,
    Happening.APPOINTMENT_CANCELLED: Titles._slot,
    Happening.APPOINTMENT_KEPT: Titles._slot,
    Happening.APPOINTMENT_MISSED: Titles._slot,
    Happening.APPOINTMENT_SERVED: Titles._slot,
    Happening.TASK_REDATED: Titles._redated,
    Happening.TASK_ASSIGNED: Titles._assigned,
    Happening.TASK_SNOOZED: Titles._snoozed,
}


def _minute(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(LOCAL):%m-%d %H:%M}"


def field_title(key: str) -> str:
    """A field of 信息核验, or one that can be revealed in full."""
    name, _, number = key.partition(":")
    if name == "photo":
        return f"{KIND_TITLES[Kind(number)]}照片"
    title = facts.TITLES.get(name) or REVEALED.get(name, key)
    return f"{title} {int(number) + 1}" if name == "card" and number.isdigit() else title


REVEALED = {"email": "电子邮箱"}


def _calls(session: Session, case: Case) -> dict[str, dict[str, str]]:
    """The titles of the questions of each call, as it asked them."""
    found = session.scalars(
        select(VideoSession)
        .where(VideoSession.case_id == case.id)
        .options(selectinload(VideoSession.asked), joinedload(VideoSession.witness))
    )
    return {call.session_no: {item.key: item.title for item in items_of(call)} for call in found}


def _recordings(session: Session, case: Case) -> dict[str, str]:
    found = session.execute(
        select(Evidence.public_id, Recording.side, Recording.segment)
        .join(Recording, Recording.evidence_id == Evidence.id)
        .where(Evidence.case_id == case.id, Evidence.variant == Variant.ORIGINAL)
    )
    return {public_id: f"{SIDES.get(side, side)}第 {segment} 段" for public_id, side, segment in found}


def _handed(session: Session, events: Iterable[CaseEvent]) -> tuple[dict[int, str], dict[int, str]]:
    """The names of whom, and of the branches, between which it was handed on."""
    people, branches = set(), set()
    for event in events:
        ends = {event.detail.get("from"), event.detail.get("to")}
        if event.action in (Happening.TAKEN_OVER, Happening.TASK_ASSIGNED):
            people |= ends
        elif event.action == Happening.REASSIGNED:
            people.add(event.detail.get("witness"))
            branches |= ends

    def named(model: type[Staff | Branch], ids: set[int | None]) -> dict[int, str]:
        known = ids - {None}
        return dict(session.execute(select(model.id, model.name).where(model.id.in_(known))).all()) if known else {}

    return named(Staff, people), named(Branch, branches)


def _versions(session: Session, events: Iterable[CaseEvent]) -> dict[int, str]:
    ids = {event.detail["version"] for event in events if "version" in event.detail}
    found = session.scalars(
        select(AgreementVersion).where(AgreementVersion.id.in_(ids)).options(joinedload(AgreementVersion.agreement))
    )
    return {row.id: f"《{row.agreement.title}》v{row.number}" for row in found}
