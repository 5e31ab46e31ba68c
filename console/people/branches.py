"""Branch scope: head office serves every branch of its broker, everybody else those they belong to."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from .models import Branch, Staff


def served_branches(session: Session, staff: Staff) -> list[Branch]:
    """The branches that this person serves, in the order of the register."""
    every = session.scalars(select(Branch).where(Branch.broker_id == staff.broker_id).order_by(Branch.id))
    return [branch for branch in every if staff.serves(branch.id)]
