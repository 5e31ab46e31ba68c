"""复核: claim a task with a lease, decide it, give it back. Whoever witnessed a case never decides it (R4)."""

from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console.businesses.steps import Desk
from console.cases.models import Case, CaseEvent, Status
from console.cases.service import reasons_by_code
from console.cases.trail import Happening, note
from console.cases.transitions import Action, apply
from console.cases.transitions import reject as send_back
from console.local_time import LOCAL, local_day
from console.people.models import Branch, Staff
from console.problem import Problem
from console.queues import hours
from console.stamp import Stamp
from console.video_seat.models import was_witnessed_by

from .deadline import due_at
from .independence import NotIndependent, tie_of
from .models import Decision, ReviewTask, TaskState

LEASE = timedelta(minutes=20)


class MakerIsChecker(Problem):
    status, code = 409, "maker_is_checker"
    text = "您参与过此单见证，不能复核。任务会由其他复核人员领取。"


class AlreadyClaimed(Problem):
    status, code = 409, "already_claimed"

    def __init__(self, task: ReviewTask):
        holder = task.reviewer.name if task.reviewer else "他人"
        until = task.lease_until.astimezone(LOCAL).strftime("%H:%M") if task.lease_until else ""
        super().__init__(task.id, text=f"{holder} 正在复核此单，领取有效至 {until}。可先处理其他任务。")


class AssignedElsewhere(Problem):
    status, code = 409, "assigned_elsewhere"

    def __init__(self, task: ReviewTask, assignee: Staff):
        super().__init__(task.id, text=f"此单已指派给 {assignee.name}，其退回或改派之前不能由他人领取。")


class NoTask(Problem):
    status, code = 409, "no_task"
    text = "此受理单当前没有待复核的任务，可能已被处理。请刷新列表。"


class LeaseLost(Problem):
    status, code = 409, "lease_lost"
    text = "您对此单的领取已到期或已退回，这次操作没有生效。请重新领取后再提交。"


# --- tasks follow their cases


def follow_case(sender: object, *, session: Session, case: Case, line: CaseEvent, stamp: Stamp, **_: object) -> None:
    """A case that comes to the counter gets a task; one that leaves it (whoever moved it) has none left open."""
    if Status.IN_REVIEW not in (line.before, case.status):
        return
    task = live_task(session, case)
    if case.status is Status.IN_REVIEW and task is None:
        earlier = session.scalar(select(func.count()).select_from(ReviewTask).where(ReviewTask.case_id == case.id)) or 0
        session.add(
            ReviewTask(
                case_id=case.id,
                branch_id=case.branch_id,
                submission=earlier + 1,
                opened_at=stamp.at,
                due_at=_due(session, case.branch, stamp.at),
            )
        )
        session.flush()
    elif case.status is not Status.IN_REVIEW and task is not None:
        task.state, task.decided_at = TaskState.DONE, stamp.at
        session.flush()


def days_off(session: Session, branch: Branch, at: datetime) -> frozenset[date]:
    """休息日 of the branch from the local day of ``at`` on: the same register that the video's service hours follow."""
    return frozenset(hours.holidays(session, branch, local_day(at)))


def _due(session: Session, branch: Branch, opened_at: datetime) -> datetime:
    return due_at(branch, opened_at, days_off=days_off(session, branch, opened_at))


def misdated(session: Session) -> list[int]:
    """Cases whose open task would be due at another time if it were opened with the register and the service hours of now."""
    tasks = session.execute(
        select(ReviewTask.case_id, ReviewTask.branch_id, ReviewTask.opened_at, ReviewTask.due_at)
        .where(ReviewTask.state != TaskState.DONE)
        .order_by(ReviewTask.opened_at.desc())
    ).all()
    oldest = {task.branch_id: task.opened_at for task in tasks}
    branches = {branch.id: branch for branch in session.scalars(select(Branch).where(Branch.id.in_(oldest)))}
    off = {id_: days_off(session, branch, oldest[id_]) for id_, branch in branches.items()}
    return [
        task.case_id
        for task in tasks
        if task.due_at != due_at(branches[task.branch_id], task.opened_at, days_off=off[task.branch_id])
    ]


def redate(session: Session, case: Case, stamp: Stamp) -> bool:
    """Give the open task the time at which it is due now; whether it was another one."""
    task = live_task(session, case, lock=True)
    if task is None or task.due_at == (due := _due(session, task.branch, task.opened_at)):
        return False
    note(case, Happening.TASK_REDATED, stamp, task=task.id, before=task.due_at.isoformat(), due=due.isoformat())
    task.due_at = due
    return True


def live_task(session: Session, case: Case, *, lock: bool = False) -> ReviewTask | None:
    query = select(ReviewTask).where(ReviewTask.case_id == case.id, ReviewTask.state != TaskState.DONE)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalar(query)


# --- who may


def witnessed(session: Session, case: Case, staff: Staff) -> bool:
    """Whether this person, by whatever account, ever held a video session of the case."""
    return bool(session.scalar(select(was_witnessed_by(case.id, staff.person))))


def holder(task: ReviewTask, at: datetime) -> Staff | None:
    """Who holds the task now; a lease that ran out holds nothing."""
    held = task.state is TaskState.CLAIMED and task.lease_until is not None and task.lease_until > at
    return task.reviewer if held else None


def assignee(task: ReviewTask) -> Staff | None:
    """To whom it was given; what was given to an account that is closed since, is anybody's."""
    return task.assignee if task.assignee is not None and task.assignee.active else None


def takeable(session: Session, case: Case, staff: Staff, at: datetime) -> ReviewTask:
    """The case's task, locked, if this person holds it or could claim it.

    Raises NoTask, MakerIsChecker, AlreadyClaimed, AssignedElsewhere, NotIndependent.
    """
    task = live_task(session, case, lock=True)
    if task is None:
        raise NoTask
    if witnessed(session, case, staff):
        raise MakerIsChecker
    held_by = holder(task, at)
    if held_by is not None and held_by.id != staff.id:
        raise AlreadyClaimed(task)
    given_to = assignee(task)
    if given_to is not None and given_to.id != staff.id:
        raise AssignedElsewhere(task, given_to)
    if held_by is None and (tie := tie_of(session, task, staff, at)) is not None:
        raise NotIndependent(tie)
    return task


# --- claim, renew, give back


def claim(session: Session, case: Case, staff: Staff, stamp: Stamp) -> ReviewTask:
    """Take the case's task for LEASE, or lengthen one's own lease; one that was set aside is so no longer. Raises as `takeable`."""
    task = takeable(session, case, staff, stamp.at)
    held_by = holder(task, stamp.at)
    task.state, task.reviewer_id, task.reviewer_person = TaskState.CLAIMED, staff.id, staff.person
    task.lease_until = stamp.at + LEASE
    task.snoozed_until = task.snooze_reason = None
    if held_by is None:
        note(case, Happening.TASK_CLAIMED, stamp, task=task.id)
    session.flush()
    session.refresh(task, ["reviewer"])
    return task


def renew(session: Session, case: Case, staff: Staff, stamp: Stamp) -> ReviewTask:
    """The holder is still at work. Raises LeaseLost."""
    task = _held(session, case, staff, stamp.at)
    task.lease_until = stamp.at + LEASE
    session.flush()
    return task


def release(session: Session, case: Case, staff: Staff, stamp: Stamp) -> ReviewTask:
    """退回任务 that one holds or was given: anybody may take it again. Raises LeaseLost."""
    task = live_task(session, case, lock=True)
    held_by = holder(task, stamp.at) if task else None
    if task is None or (staff.id != task.assignee_id and (held_by is None or held_by.id != staff.id)):
        raise LeaseLost
    let_go(task)
    task.assignee_id = None
    note(case, Happening.TASK_RELEASED, stamp, task=task.id)
    return task


def let_go(task: ReviewTask) -> None:
    """End the claim, whoever has it."""
    task.state, task.reviewer_id, task.reviewer_person, task.lease_until = TaskState.OPEN, None, None, None


# --- decide


def approve(session: Session, case: Case, staff: Staff, stamp: Stamp) -> CaseEvent:
    """复核通过: the case is done. Raises LeaseLost, MakerIsChecker."""
    task = _held(session, case, staff, stamp.at)
    line = apply(case, Action.APPROVE, stamp)
    task.decision = Decision.APPROVED
    return line


def reject(
    session: Session,
    case: Case,
    staff: Staff,
    stamp: Stamp,
    *,
    codes: list[str],
    remark: str = "",
    internal_note: str = "",
) -> CaseEvent:
    """驳回 to the steps that the reasons blame; a final one ends the case. Raises LeaseLost, UnknownReason."""
    task = _held(session, case, staff, stamp.at)
    reasons = reasons_by_code(session, case, codes)
    line = send_back(case, reasons, stamp, desk=Desk.REVIEWER, remark=remark, internal_note=internal_note)
    task.decision = Decision.REFUSED if case.status is Status.REFUSED else Decision.REJECTED
    return line


def _held(session: Session, case: Case, staff: Staff, at: datetime) -> ReviewTask:
    task = live_task(session, case, lock=True)
    held_by = holder(task, at) if task else None
    if task is None or held_by is None or held_by.id != staff.id:
        raise LeaseLost
    if witnessed(session, case, staff):
        raise MakerIsChecker
    return task
