"""Who may witness: the one place that every way into a call asks (going online, answering, picking, being sent one, 接管)."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, String, and_, bindparam, cast, func, literal_column, or_, select
from sqlalchemy.orm import Session

from console.cases.models import CaseEvent, Status
from console.people.models import Staff
from console.problem import Problem
from console.rows import ONE, spelled_out

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


def _may_witness() -> ColumnElement[bool]:
    me = bindparam("me", type_=Integer())
    index = select(Staff.person_index).where(Staff.id == me).scalar_subquery()
    hands = select(_hand(Staff.id)).where(or_(Staff.id == me, Staff.person_index == index))
    reviewed = (
        select(CaseEvent.id)
        .where(
            CaseEvent.case_id == Ticket.case_id,
            spelled_out(CaseEvent.before, Status.IN_REVIEW),
            ~spelled_out(CaseEvent.after, Status.IN_REVIEW),
            CaseEvent.by.in_(hands),
        )
        .limit(ONE)
        .scalar_subquery()  # no EXISTS: for that PostgreSQL may read everybody's trail
    )
    person = func.coalesce(index, _hand(me))  # Staff.person
    return and_(or_(Ticket.not_person.is_(None), Ticket.not_person != person), reviewed.is_(None))


def _hand(staff_id: Any) -> ColumnElement[str]:
    return literal_column("'staff:'", String) + cast(staff_id, String)


# Of tickets, for the staff id ``me``: not what this person raised a suspicion about, and no case that this person moved at the review
# (four eyes, R4). Built once.
MAY_WITNESS = _may_witness()


def require_for(session: Session, staff: Staff, ticket: Ticket) -> None:
    """`MAY_WITNESS` of one ticket, in words. Raises NotYours, Reviewed."""
    if ticket.not_person == staff.person:
        raise NotYours(ticket.ticket_no)
    if session.scalar(select(Ticket.id).where(Ticket.id == ticket.id, MAY_WITNESS), {"me": staff.id}) is None:
        raise Reviewed(ticket.ticket_no)
