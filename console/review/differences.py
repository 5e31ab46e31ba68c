"""What the sources of a case say differently (declared, read on the photo, on the broker's books), and who vouched for it in a call."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from console.cases.models import Case
from console.stamp import Stamp
from console.video_seat import facts, service
from console.video_seat.facts import Fact
from console.video_seat.locks import marks_of, outdated
from console.video_seat.models import CheckMark, CheckResult

from .trail import people

SOURCES = {"declared": "投资者填写", "record": "柜台留存", "read": "照片识别"}


@dataclass(frozen=True)
class Difference:
    """``mark``: the witness's latest word on the field, None when nobody said one; ``who``: whose; ``at``: in ms on its call's clock."""

    fact: Fact
    mark: CheckMark | None = None
    who: str = ""
    at: int = 0

    @property
    def confirmed(self) -> bool:
        """A witness saw it and ticked 一致 all the same."""
        return self.mark is not None and self.mark.result is CheckResult.OK and not self.later

    @property
    def later(self) -> bool:
        """It was ticked 一致 before it differed as it does now."""
        return outdated(self.fact, self.mark)

    @property
    def before(self) -> list[tuple[str, str]]:
        """What the witness had seen in place of it, for the screen."""
        then, now = (self.mark.seen if self.mark else None) or {}, self.fact.seen
        other = [(name, title) for name, title in SOURCES.items() if then.get(name) != now.get(name)]
        changed = [(title, self.fact.mask(then[name]) if name in then else "没有") for name, title in other]
        return changed + ([("照片", "另一张")] if then.get("photo") != now.get("photo") else [])


def differences(session: Session, case: Case, stamp: Stamp) -> list[Difference]:
    """Every field in which the sources differ now, in the order of the witness's page."""
    differing = [fact for fact in facts.of(session, case, stamp) if fact.differs]
    if not differing:
        return []
    marks = _marks(session, case)
    names = people(session, marks.values())
    return [_difference(fact, marks.get(fact.item), names) for fact in differing]


def _marks(session: Session, case: Case) -> dict[str, CheckMark]:
    """What counts of each field: the mark of the latest call that has one."""
    found: dict[str, CheckMark] = {}
    for call in reversed(service.calls_of(session, case)):
        found |= marks_of(call)
    return found


def _difference(fact: Fact, mark: CheckMark | None, names: dict[str, str]) -> Difference:
    if mark is None:
        return Difference(fact)
    offset = mark.at - service.clock_zero(mark.session)
    return Difference(fact, mark, names[mark.by], max(0, round(offset.total_seconds() * 1000)))
