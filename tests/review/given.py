"""Cases as reviewers find them, made by the same moves that people make."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from console.businesses.steps import Desk
from console.cases.models import Case
from console.cases.transitions import Action, apply, finish_step
from console.queues.models import Ticket, TicketState
from console.video_seat.models import Verdict, VideoSession
from tests.world import AT, given_case, staff_named, stamp


def video_of(session: Session, case: Case, witness: str, at: datetime = AT) -> VideoSession:
    """A finished call of ``case`` with the witness of that username."""
    staff = staff_named(session, witness)
    ticket = Ticket(
        case_id=case.id, branch_id=case.branch_id, ticket_no="A001", joined_at=at, state=TicketState.ANSWERED
    )
    session.add(ticket)
    session.flush()
    call = VideoSession(
        session_no=f"call-{case.case_no}-{ticket.id}",
        case_id=case.id,
        ticket_id=ticket.id,
        witness_id=staff.id,
        witness_person=staff.person,
        started_at=at,
        ended_at=at + timedelta(minutes=8),
        verdict=Verdict.PASSED,
    )
    session.add(call)
    session.flush()
    return call


def case_in_review(
    session: Session,
    name: str = "周晚晴",
    witness: str = "luwenshan",
    at: datetime = AT,
    business: str = "change_settlement_account",
    entered: Mapping[str, Any] | None = None,
) -> Case:
    """A case of ``name``, witnessed and signed. ``entered``: by step, what was handed in there."""
    case = given_case(session, name, business, at=at)
    hand_in_the_rest(case, at, entered)
    apply(case, Action.JOIN_QUEUE, stamp(f"investor:{case.investor_id}", at))
    seat = stamp(f"staff:{staff_named(session, witness).id}", at)
    apply(case, Action.ANSWER, seat)
    video_of(session, case, witness, at)
    apply(case, Action.PASS_VIDEO, seat)
    hand_in_the_rest(case, at, entered)
    return case


def hand_in_the_rest(case: Case, at: datetime = AT, entered: Mapping[str, Any] | None = None) -> None:
    """Every step of the investor's that is open, up to the witness or the counter."""
    while (step := case.current_step) is not None and step.desk is Desk.INVESTOR:
        facts = dict.fromkeys(step.learns, False)
        finish_step(
            case,
            step.key,
            stamp(f"investor:{case.investor_id}", at),
            content=(entered or {}).get(step.key),
            facts=facts,
        )
