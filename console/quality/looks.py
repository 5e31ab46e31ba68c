"""The second look: drawn with the decision, claimed with a lease, decided blind by somebody who had no part in the case."""

from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from console.cases.models import Case, CaseEvent, Status
from console.cases.service import reasons_by_code
from console.cases.transitions import Action, UnknownReason
from console.people.audit import note_staff
from console.people.branches import served_branches
from console.people.models import Role, Staff
from console.problem import Problem
from console.review.models import Decision, ReviewTask, TaskState
from console.review.service import LEASE, LeaseLost, witnessed
from console.stamp import Stamp
from console.vault import current

from .models import SecondLook

SHARE: list[int] = []
"""How many of a hundred decisions are looked at twice; set by `listen`."""

DECISIONS: dict[str, Decision] = {
    Action.APPROVE: Decision.APPROVED,
    Action.REJECT: Decision.REJECTED,
    Action.REFUSE: Decision.REFUSED,
}
MOST = 100


class HadPart(Problem):
    status, code = 409, "had_part"
    text = "您见证或复核过此单，不能复评。请由其他人员复评。"


class LookTaken(Problem):
    status, code = 409, "look_taken"
    text = "此单正由他人复评。可先复评其他受理单。"


class LookDone(Problem):
    status, code = 409, "look_done"
    text = "此单已完成复评，这次操作没有生效。"


class NoteTooLong(Problem):
    status, code = 422, "note_too_long"
    text = "复评意见最多 400 个字。"


# --- drawn


def is_drawn(case_no: str, submission: int, share: int) -> bool:
    """The same for whoever asks, and nobody without the key of the instance can tell before."""
    digest = current().index(f"{case_no}/{submission}", "second_look")
    return int(digest[:12], 16) * 100 < share << 48


def follow_case(sender: object, *, session: Session, case: Case, line: CaseEvent, stamp: Stamp, **_: object) -> None:
    """With the decision of the counter, in its transaction."""
    decision = DECISIONS.get(line.action)
    if decision is None or line.before != Status.IN_REVIEW:
        return
    newest = select(ReviewTask).where(ReviewTask.case_id == case.id).order_by(ReviewTask.id.desc()).limit(1)
    task = session.scalar(newest)
    if task is None or task.reviewer_id is None or task.reviewer_person is None:
        return
    if not is_drawn(case.case_no, task.submission, SHARE[0]):
        return
    given = case.rejections[-1].reasons if decision is not Decision.APPROVED else []
    session.add(
        SecondLook(
            case_id=case.id,
            branch_id=task.branch_id,
            task_id=task.id,
            submission=task.submission,
            first_id=task.reviewer_id,
            first_person=task.reviewer_person,
            first_at=stamp.at,
            first_decision=decision,
            first_reasons={reason.code: reason.title for reason in given},
        )
    )
    session.flush()


# --- who may


def had_part(session: Session, look: SecondLook, staff: Staff) -> bool:
    """Whether this person, by whatever account, witnessed the case or decided any submission of it."""
    if staff.person == look.first_person or witnessed(session, look.case, staff):
        return True
    decided = select(ReviewTask.id).where(
        ReviewTask.case_id == look.case_id,
        ReviewTask.decision.is_not(None),
        ReviewTask.reviewer_person == staff.person,
    )
    return session.scalar(decided.limit(1)) is not None


def holder(look: SecondLook, at: datetime) -> Staff | None:
    held = look.state is TaskState.CLAIMED and look.lease_until is not None and look.lease_until > at
    return look.reviewer if held else None


def of_case(session: Session, case: Case, submission: int, *, lock: bool = False) -> SecondLook | None:
    query = select(SecondLook).where(SecondLook.case_id == case.id, SecondLook.submission == submission)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalar(query)


def held_blind(session: Session, case_no: str, staff: Staff, at: datetime) -> SecondLook | None:
    """The look at this case that the person has claimed and not decided: till then nothing else of the case is for them."""
    query = (
        select(SecondLook)
        .join(SecondLook.case)
        .where(Case.case_no == case_no, SecondLook.state == TaskState.CLAIMED, SecondLook.reviewer_id == staff.id)
    )
    look = session.scalar(query.limit(1))
    return look if look is not None and holder(look, at) is not None else None


# --- claim, renew, give back, decide


def claim(session: Session, look: SecondLook, staff: Staff, stamp: Stamp) -> None:
    """Take it for LEASE. Raises LookDone, HadPart, LookTaken."""
    if look.state is TaskState.DONE:
        raise LookDone
    if had_part(session, look, staff):
        raise HadPart
    held_by = holder(look, stamp.at)
    if held_by is not None and held_by.id != staff.id:
        raise LookTaken
    look.state, look.reviewer_id, look.reviewer_person = TaskState.CLAIMED, staff.id, staff.person
    look.lease_until = stamp.at + LEASE
    if held_by is None:
        _note(session, look, staff, "second_look_claimed", stamp)
    session.flush()
    session.refresh(look, ["reviewer"])


def renew(session: Session, look: SecondLook, staff: Staff, stamp: Stamp) -> None:
    """Raises LookDone, LeaseLost."""
    _held(look, staff, stamp.at)
    look.lease_until = stamp.at + LEASE
    session.flush()


def release(session: Session, look: SecondLook, staff: Staff, stamp: Stamp) -> None:
    """Raises LookDone, LeaseLost."""
    _held(look, staff, stamp.at)
    look.state, look.reviewer_id, look.reviewer_person, look.lease_until = TaskState.OPEN, None, None, None
    session.flush()
    _note(session, look, staff, "second_look_released", stamp)


def decide(session: Session, look: SecondLook, staff: Staff, stamp: Stamp, *, codes: list[str], words: str) -> None:
    """No codes: 通过, else 驳回 for these reasons. Nothing of the case changes.

    Raises LookDone, LeaseLost, HadPart, UnknownReason, NoteTooLong.
    """
    _held(look, staff, stamp.at)
    if had_part(session, look, staff):
        raise HadPart
    if len(words) > 400:
        raise NoteTooLong
    reasons = reasons_by_code(session, look.case, codes)
    refused = any(reason.final for reason in reasons)
    look.decision = Decision.APPROVED if not reasons else Decision.REFUSED if refused else Decision.REJECTED
    look.reasons, look.note = {reason.code: reason.title for reason in reasons}, words
    look.state, look.decided_at = TaskState.DONE, stamp.at
    session.flush()
    _note(session, look, staff, "second_look_decided", stamp)


def reject(session: Session, look: SecondLook, staff: Staff, stamp: Stamp, *, codes: list[str], words: str) -> None:
    if not codes:
        raise UnknownReason("at least one reason")
    decide(session, look, staff, stamp, codes=codes, words=words)


def _held(look: SecondLook, staff: Staff, at: datetime) -> None:
    if look.state is TaskState.DONE:
        raise LookDone
    held_by = holder(look, at)
    if held_by is None or held_by.id != staff.id:
        raise LeaseLost


def _note(session: Session, look: SecondLook, staff: Staff, action: str, stamp: Stamp) -> None:
    """In the trail of the person: in the case's own, the next reviewer would see it."""
    subject = f"{look.case.case_no}/{look.submission}"
    note_staff(session, session.get_one(Staff, staff.id), action, stamp, subject=subject)


# --- looking


def waiting(session: Session, staff: Staff, at: datetime) -> list[SecondLook]:
    """What this person could look at now, or holds: the oldest first, MOST at once."""
    free = or_(SecondLook.state == TaskState.OPEN, SecondLook.lease_until <= at, SecondLook.reviewer_id == staff.id)
    query = select(SecondLook).where(_served(session, staff), SecondLook.state != TaskState.DONE, free)
    found = session.scalars(query.order_by(SecondLook.first_at, SecondLook.id).limit(MOST))
    return [look for look in found if not had_part(session, look, staff)]


def differing(session: Session, staff: Staff) -> list[SecondLook]:
    """Of a supervisor's branches: where the two did not agree, the latest first, MOST at once."""
    passed = Decision.APPROVED
    differs = (SecondLook.decision == passed) != (SecondLook.first_decision == passed)
    query = select(SecondLook).where(_served(session, staff), SecondLook.state == TaskState.DONE, differs)
    return list(session.scalars(query.order_by(SecondLook.decided_at.desc(), SecondLook.id.desc()).limit(MOST)))


def may_compare(look: SecondLook, staff: Staff) -> bool:
    return staff.has_role(Role.SUPERVISOR) and look.state is TaskState.DONE


def _served(session: Session, staff: Staff) -> ColumnElement[bool]:
    return SecondLook.branch_id.in_([branch.id for branch in served_branches(session, staff)])
