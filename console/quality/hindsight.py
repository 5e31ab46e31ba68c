"""A case as it was when it was decided: what came later, and what was decided, is not in it."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from console.cases.models import Case, Status
from console.db import AS_OF


def wind_back(session: Session, case: Case, at: datetime) -> Case:
    """The case as it is loaded in ``session``, a reading one; the database is not touched. Evidence, signatures and calls follow AS_OF."""
    if session.autoflush:
        raise ValueError("only a look winds a case back")
    session.info[AS_OF] = at
    done = [entry for entry in case.entries if entry.done_at <= at and not _reopened(entry.reopened_at, at)]
    for entry in done:
        set_committed_value(entry, "reopened_at", None)
    earlier = [entry for entry in case.entries if _reopened(entry.reopened_at, at)]
    facts: dict[str, Any] = {}
    for line in case.events:
        if line.at <= at and line.step:
            learns = case.business.step(line.step).learns
            facts |= {key: value for key, value in line.detail.items() if key in learns}
    rejections = [each for each in case.rejections if each.at < at]
    set_committed_value(case, "entries", [*earlier, *done])
    set_committed_value(case, "rejections", rejections)
    set_committed_value(case, "known_facts", facts)
    set_committed_value(case, "status", Status.IN_REVIEW)
    set_committed_value(case, "ended_at", None)
    return case


def _reopened(when: datetime | None, at: datetime) -> bool:
    """What the decision itself reopened was done when it was made."""
    return when is not None and when < at
