"""Cases as reviewers find them, made by the same moves that people make."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

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


def case_in_review(session: Session, name: str = "周晚晴", witness: str = "luwenshan", at: datetime = AT) -> Case:
    """修改结算账户 of ``name``, witnessed and signed."""
    case = given_case(session, name, at=at)
    investor = stamp(f"investor:{case.investor_id}", at)
    finish_step(case, "photos", investor)
    finish_step(case, "bank_card", investor)
    finish_step(case, "certificate_check", investor, facts={"holds_certificate": False})
    apply(case, Action.JOIN_QUEUE, investor)
    seat = stamp(f"staff:{staff_named(session, witness).id}", at)
    apply(case, Action.ANSWER, seat)
    video_of(session, case, witness, at)
    apply(case, Action.PASS_VIDEO, seat)
    hand_in_the_rest(case, at)
    return case


def hand_in_the_rest(case: Case, at: datetime = AT) -> None:
    """Every step of the investor's that is open, up to the counter."""
    while case.current_step is not None and case.current_step.desk.value == "investor":
        finish_step(case, case.current_step.key, stamp(f"investor:{case.investor_id}", at))
