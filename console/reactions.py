"""After this happened to a case, push that. Runs after the commit, outside the transaction; losing it loses nothing but a hint."""

from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError, TimeoutError

from console import jobs, live
from console.businesses.steps import Step
from console.cases.models import Case, Status
from console.cases.trail import Happening, case_moved, standing_at
from console.cases.transitions import Action
from console.db import reading
from console.jobs import Job
from console.queues import news
from console.queues import service as queues

log = structlog.get_logger()


def tell_investor(case: Case, step: Step | None) -> None:
    live.case_changed(case.case_no, case.status.value, step.key if step else None)


def tell_queue(case: Case, step: Step | None) -> None:
    news.changed(case.branch_id)


def tell_queues(case: Case, step: Step | None) -> None:
    """Also where a supervisor sent it."""
    with reading() as session:
        elsewhere = queues.moved_to(session, case)
    for branch_id in {case.branch_id, *elsewhere}:
        news.changed(branch_id)


def tell_of_another_place(case: Case, step: Step | None) -> None:
    live.place_changed(case.case_no)


def tell_reviewers(case: Case, step: Step | None) -> None:
    live.tasks_changed(case.branch_id)


def tell_reviewers_of_arrival(case: Case, step: Step | None) -> None:
    if case.status is Status.IN_REVIEW:
        tell_reviewers(case, step)


def tell_supervisors(case: Case, step: Step | None) -> None:
    live.suspicions_changed(case.branch_id)


def ring_for_help(case: Case, step: Step | None) -> None:
    live.help_changed(case.branch_id, asked=True)


def help_came(case: Case, step: Step | None) -> None:
    live.help_changed(case.branch_id, asked=False)


def ask_for_urgency(case: Case, step: Step | None) -> None:
    live.urgency_asked(case.branch_id)


def tell_of_urgency(case: Case, step: Step | None) -> None:
    live.urgency_decided(case.case_no)


def report_to_counter(case: Case, step: Step | None) -> None:
    jobs.enqueue(Job.REPORT, case_id=case.id)


def tell_of_report(case: Case, step: Step | None) -> None:
    live.deliveries_changed(case.branch_id)


Reaction = Callable[[Case, Step | None], None]  # ``step``: where it stands
REACTIONS: dict[str, tuple[Reaction, ...]] = {
    Action.FINISH_STEP: (tell_investor, tell_reviewers_of_arrival),
    Action.JOIN_QUEUE: (tell_investor, tell_queue),
    Action.LEAVE_QUEUE: (tell_investor, tell_queues),
    Action.ANSWER: (tell_investor, tell_queue),
    Action.RETURN_TO_QUEUE: (tell_investor, tell_queues),
    Action.DECLINE_RECORDING: (tell_investor,),
    Action.PASS_VIDEO: (tell_investor, tell_reviewers_of_arrival),
    Action.SUSPECT: (tell_investor, tell_supervisors),
    Action.RELEASE: (tell_investor, tell_queues, tell_supervisors),
    Action.APPROVE: (tell_investor, tell_reviewers, report_to_counter),
    Action.REJECT: (tell_investor, tell_reviewers, tell_supervisors),
    Action.REFUSE: (tell_investor, tell_reviewers, tell_supervisors),
    Action.ABANDON: (tell_investor, tell_queues),
    Happening.APPOINTMENT_BOOKED: (tell_queue,),
    Happening.APPOINTMENT_CHANGED: (tell_queue,),
    Happening.APPOINTMENT_CANCELLED: (tell_queue,),
    Happening.APPOINTMENT_KEPT: (tell_queue,),
    Happening.APPOINTMENT_MISSED: (tell_queue,),
    Happening.URGENT_ASKED: (ask_for_urgency,),
    Happening.URGENT_GRANTED: (tell_of_urgency, tell_queues),
    Happening.URGENT_DECLINED: (tell_of_urgency, ask_for_urgency),
    Happening.REASSIGNED: (tell_of_another_place, tell_queues),
    Happening.HELP_ASKED: (ring_for_help,),
    Happening.HELP_ANSWERED: (help_came,),
    Happening.TAKEN_OVER: (help_came,),
    Happening.COUNTER_DONE: (tell_investor, tell_of_report),
    Happening.COUNTER_REFUSED: (tell_of_report,),
    Happening.COUNTER_ASKED_AGAIN: (report_to_counter, tell_of_report),
    Happening.TASK_CLAIMED: (tell_reviewers,),
    Happening.TASK_RELEASED: (tell_reviewers,),
    Happening.TASK_REDATED: (tell_reviewers,),
}


@case_moved.connect
def react(sender: Any, *, event_id: int, case_id: int, action: str) -> None:
    if action not in REACTIONS:
        return
    try:
        with reading() as session:
            case = session.get_one(Case, case_id)
            step = standing_at(case)
        for reaction in REACTIONS[action]:
            reaction(case, step)
    except (OperationalError, TimeoutError) as error:
        # what was committed stays committed: the person is not told otherwise
        log.warning("reaction_lost", action=action, error=type(error).__name__)
