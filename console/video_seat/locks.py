"""Why 通过 is locked, and what exactly to ask again: the one place that says whether a call may be passed."""

from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from console.stamp import Stamp

from . import challenges, facts, timeline
from .challenges import Challenge, Result
from .facts import Fact
from .models import CheckMark, CheckResult, VideoSession
from .script import Item, items_of
from .timeline import Why

UNSEEN = {  # when it was, and what to do
    Why.CONNECTING: ("断线期间", "请再问一次"),
    Why.TAKEN_OVER: ("接管期间", "请再问一次"),
    Why.LINE: ("断线期间", "请再问一次"),
    Why.RECORDING: ("录像中断期间", "请再问一次"),
    Why.CAMERA: ("投资者关闭摄像头期间", "请打开后再问一次"),
}
CHANGED = "核对之后有变化，须重新确认"
CHANGED_BRIEFLY = "核对后有变化"


def marks_of(call: VideoSession) -> dict[str, CheckMark]:
    """The mark that counts of each item that has one: the latest."""
    return {made.item: made for made in call.marks if timeline.counts(call, made.at)}


def asked_now(call: VideoSession) -> Item | None:
    """What is asked now, on both pages: what the witness chose to ask (again), else the first that nobody has looked at."""
    items, marked = items_of(call), marks_of(call)
    chosen = next((item for item in items if item.key == call.asking), None)
    return chosen or next((item for item in items if item.key not in marked), None)


def outdated(fact: Fact, made: CheckMark | None) -> bool:
    """Whether a field that somebody ticked differs in what they had not seen: nobody has confirmed that."""
    return made is not None and made.result is CheckResult.OK and fact.differs and not fact.was_seen(made.seen)


@dataclass(frozen=True)
class Ask:
    """One thing that locks 通过. ``number``: of the question, 0 for a field; ``anchor``: the id of its element on the page;
    ``step``: the one that its answer vouches for, or ''.
    """

    number: int
    title: str
    why: str
    anchor: str
    step: str

    @property
    def name(self) -> str:
        return f"第 {self.number} 项" if self.number else self.title


class Locks:
    """``flaws``: what is wrong with the recording itself; ``unrecorded``: proved while nothing could be seen; ``problems``: found not
    to be in order; ``missing``: not proved by anybody yet. ``again``: the items whose mark proves nothing, each with why, as briefly as
    its row can say it: they are as open as if nobody had marked them.
    """

    def __init__(self, session: Session, call: VideoSession, stamp: Stamp):
        self._call, self._marks = call, marks_of(call)
        self.problems: list[Ask] = []
        self.unrecorded: list[Ask] = []
        self.missing: list[Ask] = []
        self.again: dict[str, str] = {}
        for item in items_of(call):
            ask = Ask(item.number, item.title, "还没有问", f"mark-{item.key}", item.step)
            self._sort(ask, item.key, self._marks.get(item.key), item.required)
        for fact in facts.of(session, call.case, stamp):
            made = self._marks.get(fact.item)
            why = CHANGED if (late := outdated(fact, made)) else "有差异，须确认"
            ask = Ask(0, fact.title, why, f"field-{fact.key}", fact.step)
            if late:
                self.again[fact.item] = CHANGED_BRIEFLY
            self._sort(ask, fact.item, None if late else made, fact.differs)
        for asked in challenges.owed(call, stamp.at):
            self._owe(asked)
        self.flaws = timeline.flaws(call)

    def _sort(self, ask: Ask, item: str, made: CheckMark | None, required: bool) -> None:
        if made is None:
            if required:
                self.missing.append(ask)
        elif (gap := timeline.uncovered(self._call, made.at)) is not None:
            self.unrecorded.append(replace(ask, why=_unseen(gap.why)))
            self.again[item] = f"{UNSEEN[gap.why][0]}，须重问"
        elif made.result is not CheckResult.OK:
            self.problems.append(replace(ask, why=made.reason or "有问题"))

    def _owe(self, asked: Challenge) -> None:
        ask = Ask(0, f"口令“{asked.kind_title}”", "没有结果，须重做，或写明原因撤回", "dare", "")
        gap = timeline.uncovered(self._call, asked.moment)
        if asked.result is Result.RIGHT and gap is not None:
            self.unrecorded.append(replace(ask, why=_unseen(gap.why)))
        elif asked.result is Result.WRONG:
            self.problems.append(replace(ask, why=f"{asked.result_title}，须重做，或写明原因撤回"))
        else:
            self.missing.append(ask)

    @property
    def asks(self) -> list[Ask]:
        """Everything to ask again, the gravest first."""
        return [*self.unrecorded, *self.problems, *self.missing]

    def __bool__(self) -> bool:
        return bool(self.asks or self.flaws)

    @property
    def words(self) -> str:
        said = list(self.flaws)
        for why in dict.fromkeys(ask.why for ask in self.unrecorded):
            said.append(f"{_names([ask for ask in self.unrecorded if ask.why == why])}{why}")
        if self.problems:
            said.append(f"{_names(self.problems)}有问题")
        if self.missing:
            said.append(f"{'另有 ' if said else ''}{len(self.missing)} 项未完成：{_names(self.missing, short=True)}")
        return "，".join(said)


def _unseen(why: Why) -> str:
    when, then = UNSEEN[why]
    return f"发生在{when}，{then}"


def _names(asks: list[Ask], *, short: bool = False) -> str:
    """第 4、8 项、住址; ``short``: 4、8、住址."""
    numbers = "、".join(str(ask.number) for ask in asks if ask.number)
    fields = [ask.title for ask in asks if not ask.number]
    return "、".join([f"第 {numbers} 项" if numbers and not short else numbers][: bool(numbers)] + fields)
