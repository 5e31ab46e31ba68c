"""What is different since the last rejection, step by step, and who checked what stayed the same (R5)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from console.businesses.steps import Desk, Step
from console.cases.models import Case, StepDone

from .trail import people

SaidOf = Callable[[str, Case, Any], Iterable[Any]]  # portal.steps.said_of, reached through the application


@dataclass(frozen=True)
class Change:
    """``before`` and ``after`` as screens may show them, '' where there was or is none; of a ``photo`` public ids."""

    title: str
    before: str
    after: str
    photo: bool


@dataclass(frozen=True)
class Since:
    """One step since the last rejection. ``redone`` without ``changes``: handed in again as it was. ``checked``: by whom and
    when; None when nobody has looked at it as it is now.
    """

    redone: bool
    changes: list[Change]
    checked: tuple[str, datetime] | None

    @property
    def count(self) -> int:
        return len(self.changes)


def since_rejection(session: Session, case: Case, said_of: SaidOf) -> dict[str, Since]:
    """By key, each step of the investor's that is done; empty for a case that was never sent back."""
    if not case.rejections:
        return {}
    since = case.rejections[-1].at
    names = people(session, [entry for entry in case.entries if _desk(case, entry) is Desk.SEAT])
    found = {}
    for step in case.path:
        entry = case.done.get(step.key)
        if step.desk is Desk.INVESTOR and entry is not None:
            redone = entry.done_at > since
            changes = _changes(case, entry, said_of) if redone else []
            found[step.key] = Since(redone, changes, _checked(case, step, entry, names))
    return found


def _desk(case: Case, entry: StepDone) -> Desk:
    return case.business.step(entry.step).desk


def _changes(case: Case, entry: StepDone, said_of: SaidOf) -> list[Change]:
    earlier = [each for each in case.entries if each.step == entry.step and each.id < entry.id]
    if not earlier:
        return []
    before = {said.title: said for said in said_of(entry.step, case, earlier[-1].content)}
    after = {said.title: said for said in said_of(entry.step, case, entry.content)}
    changes = []
    for title in dict.fromkeys([*before, *after]):
        was, now = before.get(title), after.get(title)
        told = Change(title, was.value if was else "", now.value if now else "", (was or now).photo)  # type: ignore[union-attr]
        if told.before != told.after:
            changes.append(told)
    return changes


def _checked(case: Case, step: Step, entry: StepDone, names: Mapping[str, str]) -> tuple[str, datetime] | None:
    """The last time that a witness vouched for the step as it is now, also in a call that was sent back later for something else."""
    vouching = [
        each
        for each in case.entries
        if _desk(case, each) is Desk.SEAT
        and case.business.step(each.step).vouches(step.key)
        and each.done_at >= entry.done_at
    ]
    return (names[vouching[-1].by], vouching[-1].done_at) if vouching else None
