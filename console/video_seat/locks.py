"""Why 通过 is locked, and what exactly to ask again: the one place that says whether a call may be passed."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from console.stamp import Stamp

from . import facts, timeline
from .models import CheckMark, CheckResult, VideoSession
from .script import items_of


def marks_of(call: VideoSession) -> dict[str, CheckMark]:
    """The mark that counts of each item that has one: the latest."""
    return {made.item: made for made in call.marks if timeline.counts(call, made.at)}


@dataclass(frozen=True)
class Ask:
    """One thing that locks 通过. ``number``: of the question, 0 for a field. ``anchor``: the id of its element on the page."""

    number: int
    title: str
    why: str
    anchor: str

    @property
    def name(self) -> str:
        return f"第 {self.number} 项" if self.number else self.title


class Locks:
    """``asks``: problems first, then what lies in a gap of the recording, then what nobody has proved yet."""

    def __init__(self, session: Session, call: VideoSession, stamp: Stamp):
        marks = marks_of(call)
        self.problems: list[Ask] = []
        self.unrecorded: list[Ask] = []
        self.missing: list[Ask] = []
        for item in items_of(call):
            self._sort(item.number, item.title, f"mark-{item.key}", call, marks.get(item.key), item.required)
        for fact in facts.of(session, call.case, stamp):
            made = marks.get(fact.item)
            self._sort(0, fact.title, f"field-{fact.key}", call, made, fact.differs)
        self.flaws = timeline.flaws(call)

    def _sort(
        self, number: int, title: str, anchor: str, call: VideoSession, made: CheckMark | None, required: bool
    ) -> None:
        if made is None:
            if required:
                why = "还没有问" if number else "有差异，须确认"
                self.missing.append(Ask(number, title, why, anchor))
        elif made.result is not CheckResult.OK:
            self.problems.append(Ask(number, title, made.reason or "有问题", anchor))
        elif timeline.uncovered(call, made.at) is not None:
            self.unrecorded.append(Ask(number, title, "发生在断线期间，请再问一次", anchor))

    @property
    def asks(self) -> list[Ask]:
        return [*self.problems, *self.unrecorded, *self.missing]

    def __bool__(self) -> bool:
        return bool(self.asks or self.flaws)

    @property
    def words(self) -> str:
        said = list(self.flaws)
        if self.unrecorded:
            said.append(f"{_names(self.unrecorded)}发生在断线期间，请再问一次")
        if self.problems:
            said.append(f"{_names(self.problems)}有问题")
        if self.missing:
            said.append(f"{'另有 ' if said else ''}{len(self.missing)} 项未完成：{_names(self.missing, short=True)}")
        return "，".join(said)


def _names(asks: list[Ask], *, short: bool = False) -> str:
    """第 4、8 项、住址; ``short``: 4、8、住址."""
    numbers = "、".join(str(ask.number) for ask in asks if ask.number)
    fields = [ask.title for ask in asks if not ask.number]
    return "、".join([f"第 {numbers} 项" if numbers and not short else numbers][: bool(numbers)] + fields)
