"""One module a step: what its page shows, and what handing it in means.

``portal/steps/<key>.py`` has

- ``show(session, case) -> dict``: the context of ``templates/steps/<key>/fill.html``;
- ``submit(session, case, form, stamp) -> Handed``: check what the investor hands in and return what is kept, or raise ``NotYet``;
- optionally ``routes(bp)``: further views of the step under ``/case/<case_no>/<key>/…``, added to the portal's blueprint.

The other side of the step, what the witness and the reviewer see, is ``templates/steps/<key>/review.html`` with the context of
``facts(session, case) -> dict`` of the same module: it must not need the investor's request. Where something can be entered otherwise
the next time, ``said(case, content) -> list[Said]`` tells it apart: what a checker compares with the time before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from console.cases.models import Case
from console.problem import Problem


@dataclass(frozen=True)
class Handed:
    """What a step keeps (JSON, sealed) and the facts it learnt about the case."""

    content: Any = None
    facts: Mapping[str, bool] = field(default_factory=dict)


class NotYet(Problem):
    """The step cannot be handed in. ``errors``: field name (or '') to what is wrong and how to mend it."""

    status, code = 422, "not_yet"

    def __init__(self, errors: Mapping[str, str]):
        super().__init__()
        self.errors = dict(errors)
        self.text = "；".join(self.errors.values())


class Said(NamedTuple):
    """One thing that was entered: ``value`` as screens may show it (masked), of a ``photo`` its public id, '' when there is none."""

    title: str
    value: str
    photo: bool = False


def module_of(key: str) -> ModuleType:
    return import_module(f"{__name__}.{key}")


def facts_of(key: str, session: Session, case: Case) -> dict[str, Any]:
    """What a step shows to staff: the context of its ``review.html``. The other desks reach it through the application."""
    shown: dict[str, Any] = module_of(key).facts(session, case)
    return shown


def said_of(key: str, case: Case, content: Any) -> list[Said]:
    """What ``content``, handed in at this step now or earlier, says; nothing for steps at which nothing is entered."""
    module = module_of(key)
    told: list[Said] = module.said(case, content) if content is not None and hasattr(module, "said") else []
    return told
