"""保留: a place of a slot set aside while its investor confirms. It is no appointment and no line of the trail.

Nobody sweeps: whether one has run out is judged when it is read. Who books takes the place's hold first, too; it outlives no booking.
"""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from console.cases.models import Case

from . import slots
from .models import SlotHold


def running(session: Session, case: Case, at: datetime) -> SlotHold | None:
    """What is set aside for this case now, at the branch where it is now."""
    here = (SlotHold.case_id == case.id, SlotHold.branch_id == case.branch_id)
    return session.scalar(select(SlotHold).where(*here, SlotHold.held_until > at))


def take(session: Session, case: Case, slot: slots.Slot, at: datetime) -> SlotHold | None:
    """The investor's only hold, now of this slot; one that runs there already stays as it is. None: no place is left."""
    session.refresh(case.branch, ["id"], with_for_update={"key_share": True})  # who wants a place here takes turns
    own = session.scalar(
        select(SlotHold).where(SlotHold.investor_id == case.investor_id).with_for_update(),
        execution_options={"populate_existing": True},
    )
    if own is not None and _runs_for(own, case, slot, at):
        return own
    place = slots.free_place(session, case.branch_id, slot, at, case.investor_id)
    if place is None:
        return None
    here = (SlotHold.branch_id == case.branch_id, SlotHold.slot_at == slot.at, SlotHold.place == place)
    session.execute(  # one of somebody else there has run out
        delete(SlotHold)
        .where(*here, SlotHold.investor_id != case.investor_id)
        .execution_options(synchronize_session="fetch")
    )
    own = own or SlotHold(investor_id=case.investor_id)
    own.case_id, own.branch_id, own.slot_at, own.place = case.id, case.branch_id, slot.at, place
    own.held_until = at + slots.HOLD
    session.add(own)
    session.flush()
    return own


def release(session: Session, case: Case) -> None:
    session.execute(
        delete(SlotHold).where(SlotHold.investor_id == case.investor_id).execution_options(synchronize_session="fetch")
    )


def _runs_for(own: SlotHold, case: Case, slot: slots.Slot, at: datetime) -> bool:
    """A place that the roster has taken away since is none."""
    here = own.case_id == case.id and own.branch_id == case.branch_id and own.slot_at == slot.at
    return here and own.held_until > at and own.place < slot.capacity
