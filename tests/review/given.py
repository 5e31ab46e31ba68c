"""Cases as reviewers find them, made by the same moves that people make."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from console.businesses.steps import Desk
from console.cases.models import Case, Status
from console.cases.transitions import Action, apply, finish_step
from console.db import transaction
from console.queues.models import Ticket, TicketState
from console.review.models import ReviewTask, TaskState
from console.video_seat.models import Verdict, VideoSession
from tests.world import AT, given_case, investor_named, staff_named, stamp


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


def many(count: int) -> None:
    """So many open tasks of one client of 上海陆家嘴, as no person could make them."""
    now = datetime.now(UTC)
    with transaction() as session:
        investor = investor_named(session, "周晚晴")
        last = session.scalar(select(func.max(Case.id))) or 0
        values = {"business_code": "change_settlement_account", "known_facts": {}, "opened_at": now, "version": 1}
        values |= {"investor_id": investor.id, "branch_id": investor.branch_id, "status": Status.COMPLETED}
        for first in range(last + 1, last + count + 1, 10_000):
            ids = range(first, min(first + 10_000, last + count + 1))
            session.execute(insert(Case), [values | {"id": n, "case_no": f"3{n:012d}"} for n in ids])
            task = {"branch_id": investor.branch_id, "state": TaskState.OPEN, "submission": 1, "opened_at": now}
            due = [now + timedelta(minutes=n // 7) for n in ids]  # several fall due together
            session.execute(
                insert(ReviewTask), [task | {"case_id": n, "due_at": at} for n, at in zip(ids, due, strict=True)]
            )
