"""What a rejection of a case would do, before it is sent: the same for the seat and the counter."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from console.businesses.steps import Desk

from .models import Case, Reason
from .service import reasons_for


@dataclass(frozen=True)
class Blame:
    """A step with the reasons that blame it; ``reopens``: keys of the steps that one of them opens again."""

    key: str
    title: str
    reasons: list[Reason]
    reopens: list[str]


def blames(session: Session, case: Case) -> list[Blame]:
    """What may be rejected now, by step in the order of the path."""
    reasons = reasons_for(session, case)
    on_path = {step.key for step in case.path if step.desk is not Desk.REVIEWER}
    found = []
    for step in case.path:
        mine = [reason for reason in reasons if reason.step == step.key]
        if mine:
            reopened = [s.key for s in case.business.reopened_by({step.key}) if s.key in on_path]
            found.append(Blame(step.key, step.title, mine, reopened))
    return found
