"""Who may witness: the one place that every way into a call asks (going online, answering, picking, being sent one, 接管)."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from console.cases.models import CaseEvent, Status
from console.people.models import Staff
from console.problem import Problem

from .models import Ticket


class LicenceMissing(Problem):
    status, code = 409, "licence_missing"
    text = "没有有效的执业资格证号，不能上线。请联系管理员更新登记。"


class Marketing(Problem):
    """Witnesses are trained permanent staff, never marketing."""

    status, code = 409, "marketing"
    text = "营销人员不能见证开户，不能上线、接听或接管。登记有误请联系管理员。"


class NotYours(Problem):
    """Who raised a suspicion does not judge the case again."""

    status, code = 409, "not_yours"
    text = "这位投资者由您报过班长，须由其他认证人员接听。请接通下一位。"


class Reviewed(Problem):
    """Maker and checker are two people, whichever comes first."""

    status, code = 409, "reviewed"
    text = "您复核过这一单，须由其他认证人员接听。请接通下一位。"


def require(staff: Staff, at: datetime) -> None:
    """Whoever the case is of: 执业资格证号 in date on the local day of ``at``, and not of marketing. Raises LicenceMissing, Marketing."""
    if staff.marketing:
        raise Marketing(staff.id)
    left = staff.licence_days(at)
    if left is None or left < 0:
        raise LicenceMissing(staff.id)


def may_witness(session: Session, staff: Staff) -> ColumnElement[bool]:
    """Of tickets: not what this person raised a suspicion about, and no case that this person moved at the review (four eyes, R4)."""
    same = Staff.person_index == staff.person_index if staff.person_index else Staff.id == staff.id
    hands = [f"staff:{each}" for each in session.scalars(select(Staff.id).where(same))]
    reviewed = select(CaseEvent.id).where(
        CaseEvent.case_id == Ticket.case_id,
        CaseEvent.before == Status.IN_REVIEW,
        CaseEvent.after != Status.IN_REVIEW,
        CaseEvent.by.in_(hands),
    )
    return and_(or_(Ticket.not_person.is_(None), Ticket.not_person != staff.person), ~reviewed.exists())


def require_for(session: Session, staff: Staff, ticket: Ticket) -> None:
    """`may_witness` of one ticket, in words. Raises NotYours, Reviewed."""
    if ticket.not_person == staff.person:
        raise NotYours(ticket.ticket_no)
    if session.scalar(select(Ticket.id).where(Ticket.id == ticket.id, may_witness(session, staff))) is None:
        raise Reviewed(ticket.ticket_no)
