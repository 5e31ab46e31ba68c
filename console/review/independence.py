"""Who reviews a case, besides not having witnessed it: not who brought the client, not always the same after the same witness (R4).

Both are looked at when a task is taken. Where there is nobody else a supervisor, another person, lets them, with a reason that
stays with the task and in the trail. Having witnessed a case is never waived.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from console.cases.models import Case
from console.cases.trail import Happening, note
from console.people.models import Branch, Role, Staff
from console.problem import Problem
from console.stamp import Stamp
from console.video_seat.models import VideoSession, was_witnessed_by

from .models import ReviewTask

IN_A_ROW = 3  # decided cases of one witness by one reviewer; the next one is for somebody else
LATELY = timedelta(days=7)


@dataclass(frozen=True)
class Tie:
    """Why somebody is not independent. ``text``: for that person."""

    code: str
    text: str


REFERRED = Tie("referrer", "您是该投资者的开发人员，不能复核此单。请由其他复核人员领取，或请班长授权。")
ROW_TEXT = "{witness} 最近见证的 {n} 单都由您复核，这一单请由其他复核人员领取。无人可换时请班长授权。"


class NotIndependent(Problem):
    status, code = 409, "not_independent"

    def __init__(self, tie: Tie):
        super().__init__(tie.code, text=tie.text)
        self.tie = tie


class NothingToWaive(Problem):
    status, code = 409, "nothing_to_waive"
    text = "此受理单当前没有待复核的任务，可能已被处理。请刷新。"


class MakersWord(Problem):
    status, code = 409, "makers_word"
    text = "您参与过此单见证，不能决定由谁复核。请由另一位班长授权。"


class NoReason(Problem):
    status, code = 422, "no_reason"
    text = "请填写授权理由，4 到 200 个字。理由会写入留痕。"


def tie_of(session: Session, task: ReviewTask, staff: Staff, at: datetime) -> Tie | None:
    """What keeps this person from reviewing the task, None when nothing does or a supervisor let it be reviewed all the same."""
    if task.waived_by is not None and task.waived_by.person != staff.person:
        return None
    referrer = task.case.investor.referrer
    if referrer is not None and referrer.person == staff.person:
        return REFERRED
    witness = _witness(session, task.case)
    if witness is None or not _always_the_same(session, task, witness, staff, at):
        return None
    if not _somebody_else(session, task, staff):
        return None  # a branch with one reviewer goes on
    return Tie("row", ROW_TEXT.format(witness=witness.name, n=IN_A_ROW))


def waive(session: Session, task: ReviewTask | None, supervisor: Staff, why: str, stamp: Stamp) -> None:
    """班长授权: whoever is not independent may take this task, but for the supervisor; the last word counts.

    Raises NothingToWaive, MakersWord, NoReason.
    """
    if task is None:
        raise NothingToWaive
    if session.scalar(select(was_witnessed_by(task.case_id, supervisor.person))):
        raise MakersWord
    if not 4 <= len(why.strip()) <= 200:
        raise NoReason
    task.waived_by_id, task.waived_why = supervisor.id, why.strip()
    note(task.case, Happening.INDEPENDENCE_WAIVED, stamp, task=task.id, why=task.waived_why)
    session.flush()
    session.refresh(task, ["waived_by"])


def _witness(session: Session, case: Case) -> Staff | None:
    """Who had the last call of the case."""
    query = select(Staff).join(VideoSession, VideoSession.witness_id == Staff.id).where(VideoSession.case_id == case.id)
    return session.scalar(query.order_by(VideoSession.id.desc()).limit(1))


def _always_the_same(session: Session, task: ReviewTask, witness: Staff, staff: Staff, at: datetime) -> bool:
    """Whether the last IN_A_ROW decisions about cases of this witness were all this person's."""
    deciders = session.scalars(
        select(ReviewTask.reviewer_person)
        .where(
            ReviewTask.branch_id == task.branch_id,
            ReviewTask.decision.is_not(None),
            ReviewTask.decided_at > at - LATELY,
            was_witnessed_by(ReviewTask.case_id, witness.person),
        )
        .order_by(ReviewTask.decided_at.desc(), ReviewTask.id.desc())
        .limit(IN_A_ROW)
    ).all()
    return len(deciders) == IN_A_ROW and set(deciders) == {staff.person}


def _somebody_else(session: Session, task: ReviewTask, staff: Staff) -> bool:
    """Whether another person of the branch could review it: with the role, not its maker, not the client's referrer."""
    branch = session.get_one(Branch, task.branch_id)
    referrer = task.case.investor.referrer
    for other in session.scalars(select(Staff).where(Staff.broker_id == branch.broker_id, Staff.active)):
        if (
            other.person != staff.person
            and other.has_role(Role.REVIEWER)
            and other.serves(branch.id)
            and (referrer is None or referrer.person != other.person)
            and not session.scalar(select(was_witnessed_by(task.case_id, other.person)))
        ):
            return True
    return False
