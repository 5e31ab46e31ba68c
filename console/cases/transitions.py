"""Every way a case may change hands. Nothing else writes ``Case.status``."""

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from console.businesses.steps import Desk, Step
from console.problem import Problem
from console.rows import Write, change
from console.stamp import Stamp

from .models import ENDED, Case, CaseEvent, Reason, Rejection, RejectionReason, Status, StepDone
from .trail import hold, known_of, standing_at, write_line

NEXT_STEP = None  # the next step of the business decides who gets the case


class Action(StrEnum):
    FINISH_STEP = "finish_step"
    REDO_STEP = "redo_step"
    JOIN_QUEUE = "join_queue"
    LEAVE_QUEUE = "leave_queue"
    ANSWER = "answer"
    RETURN_TO_QUEUE = "return_to_queue"
    DECLINE_RECORDING = "decline_recording"
    PASS_VIDEO = "pass_video"
    SUSPECT = "suspect"
    RELEASE = "release"
    APPROVE = "approve"
    REJECT = "reject"
    REFUSE = "refuse"
    ABANDON = "abandon"


ACTION_TITLES = {
    Action.FINISH_STEP: "完成步骤",
    Action.REDO_STEP: "返回修改",
    Action.JOIN_QUEUE: "加入视频排队",
    Action.LEAVE_QUEUE: "退出排队",
    Action.ANSWER: "接通视频",
    Action.RETURN_TO_QUEUE: "技术故障，回到队首",
    Action.DECLINE_RECORDING: "不同意录音录像，视频结束",
    Action.PASS_VIDEO: "视频通过",
    Action.SUSPECT: "可疑，报班长",
    Action.RELEASE: "班长核实，放回队首",
    Action.APPROVE: "复核通过",
    Action.REJECT: "驳回",
    Action.REFUSE: "终止办理",
    Action.ABANDON: "放弃",
}


class Move(NamedTuple):
    sources: set[Status]
    desk: Desk | None  # whose step it must be; None: anybody's
    target: Status | None


MOVES = {
    Action.FINISH_STEP: Move({Status.WITH_INVESTOR}, Desk.INVESTOR, NEXT_STEP),
    Action.REDO_STEP: Move({Status.WITH_INVESTOR}, None, NEXT_STEP),
    Action.JOIN_QUEUE: Move({Status.WITH_INVESTOR}, Desk.SEAT, Status.IN_QUEUE),
    Action.LEAVE_QUEUE: Move({Status.IN_QUEUE}, Desk.SEAT, Status.WITH_INVESTOR),
    Action.ANSWER: Move({Status.IN_QUEUE}, Desk.SEAT, Status.IN_VIDEO),
    Action.RETURN_TO_QUEUE: Move({Status.IN_VIDEO}, Desk.SEAT, Status.IN_QUEUE),
    Action.DECLINE_RECORDING: Move({Status.IN_VIDEO}, Desk.SEAT, Status.WITH_INVESTOR),
    Action.PASS_VIDEO: Move({Status.IN_VIDEO}, Desk.SEAT, NEXT_STEP),
    Action.APPROVE: Move({Status.IN_REVIEW}, Desk.REVIEWER, Status.COMPLETED),
    Action.SUSPECT: Move({Status.IN_VIDEO}, Desk.SEAT, Status.HELD),
    Action.RELEASE: Move({Status.HELD}, Desk.SEAT, Status.IN_QUEUE),
    Action.REJECT: Move({Status.IN_VIDEO, Status.HELD, Status.IN_REVIEW}, None, NEXT_STEP),
    Action.REFUSE: Move({Status.IN_VIDEO, Status.HELD, Status.IN_REVIEW}, None, Status.REFUSED),
    Action.ABANDON: Move({Status.WITH_INVESTOR, Status.IN_QUEUE}, None, Status.ABANDONED),
}
FINISHES_A_STEP = {Action.FINISH_STEP, Action.PASS_VIDEO, Action.APPROVE}


class IllegalTransition(Problem):
    """The case is not where this action may start: somebody was faster, or the page is stale."""

    status, code = 409, "illegal_transition"
    text = "受理单的状态已经变化，这次操作没有生效。请刷新页面，按最新状态继续。"

    def __init__(self, case: Case, action: Action):
        super().__init__(f"{case.case_no}: cannot {action} while {case.status}")
        self.case, self.action = case, action


class StaleStep(IllegalTransition):
    """A step was handed in that is not the one the case stands at."""

    code = "stale_step"
    text = "这一步已经提交过，或者还没轮到这一步。请回到办理进度，从当前步骤继续；已保存的内容都在。"

    def __init__(self, case: Case, step: str):
        super().__init__(case, Action.FINISH_STEP)
        self.step = step


class NothingChanged(Problem):
    """A step came back to be changed and was handed in as it had been."""

    status, code = 422, "nothing_changed"

    def __init__(self, reasons: Iterable[RejectionReason]):
        titles = "、".join(f"“{reason.title}”" for reason in reasons)
        super().__init__(text=f"{titles}还没有修改，和上次提交的一样。请按提示改好后再点下一步。")


class UnknownReason(Problem):
    """No reason was given, or one that this business does not have (any more)."""

    status, code = 422, "unknown_reason"
    text = "请至少选择一个有效的不通过原因。所选原因可能已停用，请刷新后重选。"


def apply(
    case: Case, action: Action, stamp: Stamp, *, detail: Mapping[str, Any] | None = None, also: Iterable[Write] = ()
) -> CaseEvent:
    """Move the case and write its line, or raise IllegalTransition; ``also``: rows that change together with it. Steps and reasons have
    functions of their own below.
    """
    hold(case)
    known = known_of(case)
    move, before, step = MOVES[action], case.status, standing_at(case, known)
    if before not in move.sources or (move.desk and (step is None or step.desk is not move.desk)):
        raise IllegalTransition(case, action)
    if action in FINISHES_A_STEP and step is not None:
        _mark_done(case, step, stamp, (detail or {}).get("content"))
    now = standing_at(case, known) if action in FINISHES_A_STEP else step
    target = move.target or resting_place(now)
    changes = list(also)
    if target is not before:
        changes.append(change(case, status=target, **({"ended_at": stamp.at} if target in ENDED else {})))
    told = {key: value for key, value in (detail or {}).items() if key != "content"}
    key = step.key if step else None
    return write_line(
        case, action, before, stamp, after=target, step=key, detail=told, also=changes, known=known, now=now
    )


def finish_step(
    case: Case, key: str, stamp: Stamp, *, content: Any = None, facts: Mapping[str, bool] | None = None
) -> CaseEvent:
    """The investor hands a step in. Raises StaleStep when the case stands elsewhere (handed in twice, out of order, old page),
    NothingChanged when a reason asks for a change and there is none.
    """
    hold(case)
    step = case.current_step
    if step is None or step.key != key:
        raise StaleStep(case, key)
    learnt = dict(facts or {})
    if set(learnt) != set(step.learns):
        raise ValueError(f"step {key} learns {sorted(step.learns)}, was told {sorted(learnt)}")
    if (owed := [r for r in case.open_reasons if r.step == key and r.must_change]) and is_as_before(case, key, content):
        raise NothingChanged(owed)
    if learnt:
        case.known_facts = {**case.known_facts, **learnt}
    return apply(case, Action.FINISH_STEP, stamp, detail={"content": content, **learnt})


def is_as_before(case: Case, key: str, content: Any) -> bool:
    """Whether ``content`` is what the step was last finished with."""
    last = next((entry for entry in reversed(case.entries) if entry.step == key), None)
    return last is not None and last.content is not None and last.content == json.loads(json.dumps(content))


def redo_step(case: Case, key: str, stamp: Stamp) -> CaseEvent:
    """上一步: the investor takes a finished step of their own back to change it, and with it all that vouched for it."""
    hold(case)
    if (
        case.status is not Status.WITH_INVESTOR
        or key not in case.done
        or case.business.step(key).desk is not Desk.INVESTOR
    ):
        raise StaleStep(case, key)
    reopened = _reopen(case, {key}, stamp)
    return apply(case, Action.REDO_STEP, stamp, detail={"reopened": reopened})


def reject(
    case: Case, reasons: Iterable[Reason], stamp: Stamp, *, desk: Desk, remark: str = "", internal_note: str = ""
) -> CaseEvent:
    """Send the case back to every step the reasons blame, or end it when one of them is final (R3, R5)."""
    given = list(reasons)
    if not given:
        raise UnknownReason("at least one reason")
    for reason in given:
        if (
            reason.business_code != case.business_code
            or not reason.active
            or reason.step not in {s.key for s in case.path}
        ):
            raise UnknownReason(reason.code)
    hold(case)
    action = Action.REFUSE if any(reason.final for reason in given) else Action.REJECT
    if case.status not in MOVES[action].sources:
        raise IllegalTransition(case, action)
    reopened = _reopen(case, {reason.step for reason in given}, stamp)
    case.rejections.append(
        Rejection(
            desk=desk.value,
            by=stamp.by,
            at=stamp.at,
            remark=remark,
            internal_note=internal_note,
            reasons=[
                RejectionReason(
                    code=r.code,
                    step=r.step,
                    title=r.title,
                    investor_text=r.investor_text,
                    tip=r.tip,
                    must_change=r.must_change,
                )
                for r in given
            ],
        )
    )
    told = {"desk": desk.value, "reasons": [r.code for r in given], "reopened": reopened}
    return apply(case, action, stamp, detail=told)


def resting_place(step: Step | None) -> Status:
    return Status.IN_REVIEW if step is not None and step.desk is Desk.REVIEWER else Status.WITH_INVESTOR


def _mark_done(case: Case, step: Step, stamp: Stamp, content: Any) -> None:
    case.entries.append(StepDone(step=step.key, content=content, by=stamp.by, done_at=stamp.at))
    for reason in case.open_reasons:
        if reason.step == step.key:
            reason.mended_at = stamp.at


def _reopen(case: Case, keys: set[str], stamp: Stamp) -> list[str]:
    """Open these steps and their vouchers again; the keys of what is open now because of it."""
    steps = {step.key for step in case.business.reopened_by(keys)}
    for entry in case.done.values():
        if entry.step in steps:
            entry.reopened_at = stamp.at
    return [step.key for step in case.path if step.key in steps]
