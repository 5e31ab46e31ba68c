"""指派 and 暂缓: a task that a supervisor gives to somebody, or that is set aside for a while."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, selectinload

from console.cases.models import Case
from console.cases.trail import Happening, note
from console.local_time import LOCAL, midnight
from console.people.models import Branch, Role, Staff
from console.problem import Problem
from console.stamp import Stamp

from .deadline import due_at
from .independence import tie_of
from .models import ReviewTask
from .service import (
    AlreadyClaimed,
    MakerIsChecker,
    NoTask,
    days_off,
    holder,
    let_go,
    live_task,
    takeable,
    witnessed,
)

REVIEWERS = (Role.REVIEWER, Role.SUPERVISOR)
LEAST, MOST = timedelta(minutes=5), timedelta(days=7)
SHORTEST_WHY, LONGEST_WHY = 2, 100
TIES = {"referrer": "是该投资者的开发人员", "row": "连续复核了同一认证人员的受理单"}
MORNING, OTHER = "morning", "other"
SPANS = {"30": "30 分钟", "60": "1 小时", "120": "2 小时", MORNING: "到下一个工作日开门", OTHER: "到指定时间"}


class NotForThem(Problem):
    status, code = 409, "not_for_them"


class BadSnooze(Problem):
    status, code = 422, "bad_snooze"


# --- 指派


def reviewers(session: Session, branches: Iterable[Branch]) -> list[Staff]:
    """Who may review at one or another of the branches (of one broker)."""
    served = list(branches)
    if not served:
        return []
    everybody = session.scalars(
        select(Staff)
        .where(
            Staff.broker_id == served[0].broker_id,
            Staff.active,
            or_(Staff.head_office, Staff.branches.any(Branch.id.in_([branch.id for branch in served]))),
        )
        .options(selectinload(Staff.branches))
        .order_by(Staff.name, Staff.id)
    )
    return [staff for staff in everybody if staff.has_role(*REVIEWERS)]


def candidates(session: Session, case: Case) -> list[Staff]:
    """To whom this case's task can be given."""
    return [staff for staff in reviewers(session, [case.branch]) if not witnessed(session, case, staff)]


def assign(session: Session, case: Case, staff: Staff, to: Staff | None, stamp: Stamp) -> ReviewTask:
    """Give the case's task to ``to``; with None it is anybody's again. Whoever witnessed the case neither gets nor gives it.

    Raises NoTask, MakerIsChecker, AlreadyClaimed (somebody else is at it), NotForThem.
    """
    task = live_task(session, case, lock=True)
    if task is None:
        raise NoTask
    if witnessed(session, case, staff):
        raise MakerIsChecker
    if to is not None:
        _require_fit(session, task, to, stamp.at)
        held_by = holder(task, stamp.at)
        if held_by is not None and held_by.id != to.id:
            raise AlreadyClaimed(task)
    if task.assignee_id == (to.id if to else None):
        return task
    task.assignee_id = to.id if to else None
    note(case, Happening.TASK_ASSIGNED, stamp, task=task.id, to=task.assignee_id)
    session.flush()
    session.refresh(task, ["assignee"])
    return task


def _require_fit(session: Session, task: ReviewTask, to: Staff, at: datetime) -> None:
    case = task.case
    if not to.active or to.broker_id != case.branch.broker_id or not to.serves(case.branch_id):
        raise NotForThem(to.id, text=f"{to.name} 不在 {case.branch.name} 任职，不能指派。请换一位。")
    if not to.has_role(*REVIEWERS):
        raise NotForThem(to.id, text=f"{to.name} 没有复核权限，不能指派。请换一位。")
    if witnessed(session, case, to):
        raise NotForThem(to.id, text=f"{to.name} 参与过此单见证，不能复核。请换一位。")
    if (tie := tie_of(session, task, to, at)) is not None:
        raise NotForThem(to.id, text=f"{to.name}{TIES[tie.code]}，不能复核。请换一位。")


# --- 暂缓


def next_morning(session: Session, branch: Branch, at: datetime) -> datetime:
    """When the branch opens on its next working day after today."""
    tomorrow = midnight(at) + timedelta(days=1)
    return due_at(branch, tomorrow, timedelta(0), days_off(session, branch, at)).astimezone(at.tzinfo)


def snooze(session: Session, case: Case, staff: Staff, until: datetime, why: str, stamp: Stamp) -> ReviewTask:
    """Set the task aside; a claim on it ends, what it was assigned to stays, and its due time too.

    Raises BadSnooze and as `takeable`.
    """
    if not SHORTEST_WHY <= len(why) <= LONGEST_WHY:
        raise BadSnooze(text=f"请填写暂缓原因，{SHORTEST_WHY} 到 {LONGEST_WHY} 个字。")
    if not LEAST <= until - stamp.at <= MOST:
        raise BadSnooze(text="暂缓到的时间须在 5 分钟以后、7 天以内，请重新选择。")
    task = takeable(session, case, staff, stamp.at)
    if (task.snoozed_until, task.snooze_reason) == (until, why):
        return task
    let_go(task)
    task.snoozed_until, task.snooze_reason = until, why
    note(case, Happening.TASK_SNOOZED, stamp, task=task.id, until=until.isoformat(), why=why)
    return task


def wake(session: Session, case: Case, staff: Staff, stamp: Stamp) -> ReviewTask:
    """恢复 at once; of a task that is not set aside nothing changes. Raises as `takeable`."""
    task = takeable(session, case, staff, stamp.at)
    if snoozed(task, stamp.at) is not None:
        task.snoozed_until = task.snooze_reason = None
        note(case, Happening.TASK_WOKEN, stamp, task=task.id)
    return task


def snoozed(task: ReviewTask, at: datetime) -> datetime | None:
    """Until when it is set aside, if it is so at ``at``."""
    return task.snoozed_until if task.snoozed_until is not None and task.snoozed_until > at else None


def read_local(text: str) -> datetime | None:
    """A time as a page's field has it (2026-11-20T15:30), on the wall's clock."""
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        return None
    return told.replace(tzinfo=LOCAL) if told.tzinfo is None else told
