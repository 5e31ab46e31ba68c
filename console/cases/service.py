"""Open a case, abandon it, keep what the investor has entered so far."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from console.businesses import BUSINESSES
from console.people import numbers
from console.people.models import Investor
from console.problem import Problem
from console.stamp import Stamp

from .models import ENDED, Case, Reason, Status, StepDraft
from .trail import Happening, write_line
from .transitions import Action, UnknownReason, apply


class NotNow(Problem):
    """Why an investor cannot begin a business at present: said where they see what is under way."""


class AlreadyInFlight(NotNow):
    """若客户存在待完成业务，则无法进行其他业务操作."""

    status, code = 409, "already_in_flight"
    text = "您有待完成的业务，完成或放弃后才能办理其他业务。请到“我的业务”处理。"

    def __init__(self, case: Case):
        super().__init__(case.case_no)
        self.case = case


UNSETTLED: list[Callable[[Session, Investor, str], NotNow | None]] = []
"""What else keeps an investor from beginning a business (by its code): the last case of it is not in the records yet (counter)."""


def in_flight(session: Session, investor_id: int) -> Case | None:
    return session.scalar(select(Case).where(Case.investor_id == investor_id, Case.status.not_in(ENDED)))


def open_case(session: Session, investor: Investor, business_code: str, stamp: Stamp) -> Case:
    """The investor's case for this business: the one in flight if it is of this business, else a new one.

    Raises AlreadyInFlight while a case of another business is in flight, or what UNSETTLED says.
    """
    if business_code not in BUSINESSES:
        raise KeyError(business_code)
    if current := in_flight(session, investor.id):
        if current.business_code != business_code:
            raise AlreadyInFlight(current)
        return current
    for settling in UNSETTLED:
        if problem := settling(session, investor, business_code):
            raise problem
    case = Case(
        case_no=numbers.case_no(session, stamp.at),
        business_code=business_code,
        investor_id=investor.id,
        branch_id=investor.branch_id,
        opened_at=stamp.at,
        status=Status.WITH_INVESTOR,
        known_facts={},
    )
    try:
        with session.begin_nested():
            session.add(case)
            session.flush()
    except IntegrityError:  # a second device opened one in the same moment
        return open_case(session, investor, business_code, stamp)
    write_line(
        case,
        Happening.OPEN,
        Status.WITH_INVESTOR,
        stamp,
        after=case.status,
        step=None,
        detail={"business": business_code},
    )
    return case


def abandon(case: Case, stamp: Stamp) -> None:
    apply(case, Action.ABANDON, stamp)


def draft(session: Session, case: Case, step: str) -> Any:
    """What was saved at a step so far, else None."""
    kept = session.get(StepDraft, (case.id, step))
    return kept.content if kept else None


def save_draft(session: Session, case: Case, step: str, content: Any, at: datetime) -> None:
    kept = session.get(StepDraft, (case.id, step))
    if kept is None:
        session.add(StepDraft(case_id=case.id, step=step, content=content, saved_at=at))
    else:
        kept.content, kept.saved_at = content, at


def reasons_for(session: Session, case: Case) -> list[Reason]:
    """不通过原因 that may be given for this case now: active, and blaming a step that is done or at hand."""
    begun = {step.key for step in case.path if step.key in case.done or step is case.current_step}
    found = session.scalars(
        select(Reason)
        .where(Reason.business_code == case.business_code, Reason.active)
        .order_by(Reason.position, Reason.id)
    )
    return [reason for reason in found if reason.step in begun]


def reasons_by_code(session: Session, case: Case, codes: list[str]) -> list[Reason]:
    """The reasons with these codes; raises UnknownReason when one is not for this case."""
    known = {reason.code: reason for reason in reasons_for(session, case)}
    try:
        return [known[code] for code in dict.fromkeys(codes)]
    except KeyError as error:
        raise UnknownReason(str(error)) from error
