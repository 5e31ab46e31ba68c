"""One module a step: what its page shows, and what handing it in means.

``portal/steps/<key>.py`` has

- ``show(session, case) -> dict``: the context of ``templates/steps/<key>/fill.html``;
- ``submit(session, case, form, stamp) -> Handed``: check what the investor hands in and return what is kept, or raise ``NotYet``;
- optionally ``routes(bp)``: further views of the step under ``/case/<case_no>/<key>/…``, added to the portal's blueprint.

The other side of the step, what the witness and the reviewer see, is ``templates/steps/<key>/review.html`` with the context of
``facts(session, case) -> dict`` of the same module: it must not need the investor's request.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

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


def module_of(key: str) -> ModuleType:
    return import_module(f"{__name__}.{key}")


def facts_of(key: str, session: Session, case: Case) -> dict[str, Any]:
    """What a step shows to staff: the context of its ``review.html``. The other desks reach it through the application."""
    shown: dict[str, Any] = module_of(key).facts(session, case)
    return shown
