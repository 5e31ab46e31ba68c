"""After this happened to a case, push that. Runs after the commit, outside the transaction; losing it loses nothing but a hint."""

from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError, TimeoutError

from console import jobs, live
from console.cases.models import Status
from console.cases.trail import Happening, Told, case_moved
from console.cases.transitions import Action
from console.db import reading
from console.jobs import Job
from console.queues import news
from console.queues import service as queues

log = structlog.get_logger()


def tell_investor(told: Told) -> None:
    live.case_changed(told.case_no, told.status.value, told.step)


def tell_queue(told: Told) -> None:
    news.changed(told.branch_id)


def tell_queues(told: Told) -> None:
    """Also where a supervisor sent it."""
    with reading() as session:
        elsewhere = queues.moved_to(session, told.case_id, told.branch_id)
    for branch_id in {told.branch_id, *elsewhere}:
        news.changed(branch_id)


def tell_of_another_place(told: Told) -> None:
    live.place_changed(told.case_no)


def tell_reviewers(told: Told) -> None:
    live.tasks_changed(told.branch_id)


def tell_reviewers_of_arrival(told: Told) -> None:
    if told.status is Status.IN_REVIEW:
        tell_reviewers(told)


def tell_supervisors(told: Told) -> None:
    live.suspicions_changed(told.branch_id)


def ring_for_help(told: Told) -> None:
    live.help_changed(told.branch_id, asked=True)


def help_came(told: Told) -> None:
    live.help_changed(told.branch_id, asked=False)


def ask_for_urgency(told: Told) -> None:
    live.urgency_asked(told.branch_id)


def tell_of_urgency(told: Told) -> None:
    live.urgency_decided(told.case_no)


def report_to_counter(told: Told) -> None:
    jobs.enqueue(Job.REPORT, case_id=told.case_id)


def tell_of_report(told: Told) -> None:
    live.deliveries_changed(told.branch_id)


Reaction = Callable[[Told], None]
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
    Happening.INDEPENDENCE_WAIVED: (tell_reviewers,),
    Happening.TASK_REDATED: (tell_reviewers,),
    Happening.TASK_ASSIGNED: (tell_reviewers,),
    Happening.TASK_SNOOZED: (tell_reviewers,),
    Happening.TASK_WOKEN: (tell_reviewers,),
}


@case_moved.connect
def react(sender: Any, *, told: Told) -> None:
    try:
        for reaction in REACTIONS.get(told.action, ()):
            reaction(told)
    except (OperationalError, TimeoutError) as error:
        # what was committed stays committed: the person is not told otherwise
        log.warning("reaction_lost", action=told.action, error=type(error).__name__)
