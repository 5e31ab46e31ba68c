"""Write a line of 留痕 that belongs to a member of staff and to no case."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from console.chain import START
from console.stamp import Stamp

from .models import Staff, StaffEvent


def note_staff(
    session: Session, staff: Staff, action: str, stamp: Stamp, *, subject: str = "", detail: str = ""
) -> StaffEvent:
    """``detail`` is for people to read and never holds personal data."""
    session.refresh(staff, ["id"], with_for_update=True)
    last = session.execute(
        select(StaffEvent.seq, StaffEvent.hash)
        .where(StaffEvent.staff_id == staff.id)
        .order_by(StaffEvent.seq.desc())
        .limit(1)
    ).first()
    line = StaffEvent(
        staff_id=staff.id,
        action=action,
        subject=subject,
        detail=detail,
        by=stamp.by,
        address=stamp.address,
        at=stamp.at,
    )
    line.follow(*(last or (0, START)))
    session.add(line)
    session.flush()
    return line
