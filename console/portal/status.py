"""How a case reads to its investor: one word, how far it is, and what happened when."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from console.businesses.steps import Desk, Step
from console.cases.models import STATUS_TITLES, Case, CaseEvent, Status
from console.cases.trail import Happening
from console.cases.transitions import Action
from console.local_time import LOCAL
from console.queues import appointments

NOT_PASSED = {Desk.SEAT: "视频见证未通过", Desk.REVIEWER: "复核未通过"}
KINDS = {
    Status.IN_QUEUE: "wait",
    Status.IN_VIDEO: "act",
    Status.HELD: "wait",
    Status.IN_REVIEW: "wait",
    Status.COMPLETED: "ok",
    Status.REFUSED: "bad",
}


@dataclass(frozen=True)
class Progress:
    """The step bar: ``index`` from 1; ``marks`` one a step: done, now, redo (blamed), again (vouched for a blamed one) or ''."""

    index: int
    total: int
    title: str
    marks: list[str]

    @property
    def redo(self) -> int:
        return self.marks.count("redo")


@dataclass(frozen=True)
class Standing:
    """``word`` and ``kind`` of the pill (ok wait bad act or ''), ``far``: how far it is, ``redo``: steps to do again."""

    word: str
    kind: str
    far: str
    redo: int


@dataclass(frozen=True)
class Remark:
    """One 不通过原因 as 备注 shows it."""

    desk: str
    text: str
    tip: str
    at: datetime
    mended: bool


@dataclass(frozen=True)
class Moment:
    """One line of 办理经过: ``head`` in bold, the rest plain."""

    head: str
    rest: str
    kind: str
    at: datetime


def investors_path(case: Case) -> list[Step]:
    """The reviewer's step is not the investor's to do: it is left out of the count."""
    return [step for step in case.path if step.desk is not Desk.REVIEWER]


def progress(case: Case, step: Step | None) -> Progress:
    path = investors_path(case)
    done, blamed = case.done, {reason.step for reason in case.open_reasons}
    entered = {entry.step for entry in case.entries}
    if any(
        reason.rejection.desk == Desk.SEAT for reason in case.open_reasons
    ):  # it broke off in the middle of the call
        entered |= {each.key for each in path if each.desk is Desk.SEAT}
    marks = []
    for each in path:
        if step is not None and each.key == step.key:
            marks.append("now")
        elif each.key in done:
            marks.append("done")
        elif each.key in blamed:
            marks.append("redo")
        else:
            marks.append("again" if each.key in entered else "")
    index = next((i for i, each in enumerate(path, 1) if step is not None and each.key == step.key), len(path))
    return Progress(index, len(path), step.title if step else "已提交", marks)


def standing(case: Case) -> Standing:
    overview = progress(case, None)
    if case.status is Status.WITH_INVESTOR and case.open_reasons:
        last = case.open_reasons[-1].rejection
        return Standing(
            NOT_PASSED[Desk(last.desk)], "bad", f"重做 {overview.redo} 步，共 {overview.total} 步", overview.redo
        )
    word, kind = STATUS_TITLES[case.status], KINDS.get(case.status, "")
    return Standing(word, kind, _how_far(case, overview), 0)


def _how_far(case: Case, overview: Progress) -> str:
    step = case.current_step
    if case.status is Status.IN_REVIEW or step is None or step.desk is Desk.REVIEWER:
        return f"{overview.total} 步全部完成"
    here = progress(case, step)
    return f"第 {here.index} 步，共 {here.total} 步　{step.title}"


def remarks(case: Case) -> list[Remark]:
    """Every reason that the video and the 复核 ever gave, newest first (manuals, 我的业务)."""
    return [
        Remark(
            desk=NOT_PASSED[Desk(rejection.desk)],
            text=reason.investor_text,
            tip=reason.tip,
            at=rejection.at,
            mended=reason.mended_at is not None,
        )
        for rejection in reversed(case.rejections)
        for reason in rejection.reasons
    ]


def story(case: Case, witnesses: dict[str, str]) -> list[Moment]:
    """办理经过, newest first. ``witnesses``: names of those who took calls, by ``staff:<id>``: investors met them."""
    return list(reversed(list(_moments(case, witnesses))))


def _moments(case: Case, witnesses: dict[str, str]) -> Iterator[Moment]:
    joined: datetime | None = None
    for line in case.events:
        if line.action == Action.JOIN_QUEUE:
            joined = line.at
        told = _told(case, line, joined)
        if told is not None:
            head, rest, kind = told
            name = witnesses.get(line.by, "")
            yield (
                Moment(head, rest, kind, line.at)
                if not name
                else Moment(head, f"{rest}（认证人员 {name}）", kind, line.at)
            )


def _told(case: Case, line: CaseEvent, joined: datetime | None) -> tuple[str, str, str] | None:
    if line.action == Action.FINISH_STEP:
        return case.business.step(line.step or "").title, "，已完成", "ok"
    if line.action == Action.ANSWER and joined is not None:
        return "视频接通", f"，排队 {_waited((line.at - joined).total_seconds())}", ""
    if line.action in APPOINTED:
        head, rest, kind = APPOINTED[line.action]
        return head, rest.format(appointments.when(datetime.fromisoformat(line.detail["slot"]))), kind
    if line.action in (Action.REJECT, Action.REFUSE):
        return _rejected(line.action, line.detail)
    return PLAIN.get(line.action)


PLAIN: dict[str, tuple[str, str, str]] = {
    Happening.OPEN: ("开始办理", "", "ok"),
    Action.REDO_STEP: ("返回修改", "", ""),
    Action.JOIN_QUEUE: ("加入视频排队", "", ""),
    Action.LEAVE_QUEUE: ("退出视频排队", "", ""),
    Action.ANSWER: ("视频接通", "", ""),
    Action.RETURN_TO_QUEUE: ("视频中断", "，已回到排队，优先接通", ""),
    Action.DECLINE_RECORDING: ("没有同意录音录像", "，视频结束", ""),
    Action.PASS_VIDEO: ("视频验证通过", "", "ok"),
    Action.SUSPECT: ("资料需要进一步核实", "，我们会联系您", ""),
    Action.RELEASE: ("资料核实完成", "，已回到排队，优先接通", ""),
    Action.APPROVE: ("复核通过", "，正在柜台登记", "ok"),
    Action.ABANDON: ("已放弃", "", ""),
    Happening.COUNTER_DONE: ("柜台登记完成", "，变更已生效", "ok"),
}


APPOINTED: dict[str, tuple[str, str, str]] = {
    Happening.APPOINTMENT_BOOKED: ("预约视频", "，{}", ""),
    Happening.APPOINTMENT_CHANGED: ("改约视频", "，改为 {}", ""),
    Happening.APPOINTMENT_CANCELLED: ("取消视频预约", "，原定 {}", ""),
    Happening.APPOINTMENT_MISSED: ("没有按预约加入排队", "，{} 的预约作废", "bad"),
}


def _rejected(action: str, detail: dict[str, Any]) -> tuple[str, str, str]:
    head = NOT_PASSED[Desk(detail.get("desk", Desk.SEAT))]
    if action == Action.REFUSE:
        return head, "，业务已终止", "bad"
    return head, f"，{len(detail.get('reasons', ()))} 处待修改", "bad"


def _waited(seconds: float) -> str:
    whole = max(0, int(seconds))
    return f"{whole // 60} 分 {whole % 60:02d} 秒" if whole >= 60 else f"{whole} 秒"


def day_and_time(at: datetime, now: datetime) -> str:
    """今日 14:33, 昨日 09:01, 11月18日 10:20 (Asia/Shanghai)."""
    local, today = at.astimezone(LOCAL), now.astimezone(LOCAL).date()
    days = (today - local.date()).days
    day = {0: "今日", 1: "昨日"}.get(
        days, f"{local.month}月{local.day}日" if local.year == today.year else f"{local:%Y-%m-%d}"
    )
    return f"{day} {local:%H:%M}"
