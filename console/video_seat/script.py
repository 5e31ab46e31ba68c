"""话术: which questions a call asks. The version in force when the call starts, its fixed questions in order, and some of its random
pool, drawn by a seed that is kept with the call and in the trail: whoever doubts a draw repeats it.
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from console.businesses import BUSINESSES
from console.evidence.models import Kind
from console.problem import Problem
from console.stamp import Stamp

from . import facts
from .models import (
    AskedQuestion,
    Question,
    QuestionSet,
    QuestionVersion,
    ReasonUse,
    ShortReason,
    VideoSession,
)
from .snapshots import SNAPSHOTS, Needs

STEP = 10  # between the places of two fixed questions, so that a draft can put one in between
WORDS = {
    "broker": "期货公司",
    "witness": "姓名",
    "licence": "证号",
    "business": "业务",
}  # what say, cue and title may name


class NoScript(Problem):
    status, code = 409, "no_script"

    def __init__(self, business_code: str):
        title = BUSINESSES[business_code].title
        super().__init__(business_code, text=f"“{title}”没有生效的见证话术，不能接通。请联系管理员在“登记”中发布。")


# --- the register


def in_force(session: Session, business_code: str, at: datetime) -> QuestionVersion | None:
    """The version that a call starting at ``at`` asks."""
    return session.scalar(
        select(QuestionVersion)
        .join(QuestionSet)
        .where(
            QuestionSet.business_code == business_code,
            QuestionVersion.published_at.is_not(None),
            QuestionVersion.effective_from <= at,
            QuestionVersion.retired_at.is_(None) | (QuestionVersion.retired_at > at),
        )
        .order_by(QuestionVersion.effective_from.desc(), QuestionVersion.number.desc())
        .limit(1)
        .options(selectinload(QuestionVersion.questions))
    )


def new_draft(session: Session, business_code: str) -> QuestionVersion:
    """The next version of a business, a copy of its latest one to begin with."""
    found = session.scalar(select(QuestionSet).where(QuestionSet.business_code == business_code))
    questions = found or QuestionSet(
        business_code=business_code, title=f"{BUSINESSES[business_code].title}话术", versions=[]
    )
    session.add(questions)
    last = questions.versions[-1] if questions.versions else None
    draft = QuestionVersion(number=last.number + 1 if last else 1, draw=last.draw if last else 0)
    draft.questions = [_copy(question) for question in last.questions] if last else []
    questions.versions.append(draft)
    session.flush()
    return draft


def _copy(question: Question) -> Question:
    own = {"id", "version_id"}
    return Question(**{c.key: getattr(question, c.key) for c in Question.__table__.columns if c.key not in own})


def faults(version: QuestionVersion) -> list[str]:
    """Why this version cannot be published; empty when it can."""
    questions, said = version.questions, []
    pool = [question for question in questions if question.drawn]
    if not any(question.required and not question.drawn for question in questions):
        said.append("至少要有一道必问的固定题")
    if version.draw > len(pool):
        said.append(f"随机题只有 {len(pool)} 道，抽不出 {version.draw} 道")
    if pool and not version.draw:
        said.append("有随机题，但抽题数是 0")
    return said + [fault for question in questions for fault in _faults_of(question, version)]


def _faults_of(question: Question, version: QuestionVersion) -> list[str]:
    said = []
    try:
        for text in (question.title, question.say, question.cue):
            text.format(**WORDS)
    except (KeyError, IndexError, ValueError):
        said.append(f"“{question.title}”里的花括号只能是 {'、'.join('{' + name + '}' for name in WORDS)}")
    if question.step and question.step not in {s.key for s in BUSINESSES[version.question_set.business_code].steps}:
        said.append(f"“{question.title}”指向的步骤这个业务没有")
    if not set(question.kinds) <= set(SNAPSHOTS):
        said.append(f"“{question.title}”的抓拍种类无效")
    if question.every_kind and len(set(question.kinds)) < 2:
        said.append(f"“{question.title}”要求所选抓拍每种都有，请至少选两种")
    return said


def publish(version: QuestionVersion, effective_from: datetime, stamp: Stamp) -> None:
    """From ``effective_from`` on calls ask this version. The caller has seen that there are no ``faults``."""
    if version.published_at is not None:
        raise ValueError(f"{version} is published")
    version.effective_from, version.published_at, version.published_by = effective_from, stamp.at, stamp.by


class State:
    """How a version stands, for people: words and the kind of their pill."""

    DRAFT = ("草稿", "")
    COMING = ("待生效", "act")
    IN_FORCE = ("生效中", "ok")
    REPLACED = ("已被取代", "")
    RETIRED = ("已停用", "")


def state_of(version: QuestionVersion, at: datetime) -> tuple[str, str]:
    if version.published_at is None or version.effective_from is None:
        return State.DRAFT
    if version.retired_at is not None and version.retired_at <= at:
        return State.RETIRED
    if version.effective_from > at:
        return State.COMING
    asked = [v for v in version.question_set.versions if counts(v, at)]
    return State.IN_FORCE if asked and version is max(asked, key=_rank) else State.REPLACED


def counts(version: QuestionVersion, at: datetime) -> bool:
    """Published, begun and not retired at ``at``."""
    began = version.published_at is not None and version.effective_from is not None and version.effective_from <= at
    return began and (version.retired_at is None or version.retired_at > at)


def _rank(version: QuestionVersion) -> tuple[datetime, int]:
    assert version.effective_from is not None
    return version.effective_from, version.number


def short_reasons(session: Session, use: ReasonUse) -> list[ShortReason]:
    """Those on offer, in their order."""
    found = select(ShortReason).where(ShortReason.use == use, ShortReason.active)
    return list(session.scalars(found.order_by(ShortReason.position, ShortReason.id)))


# --- the first version, from the seeds


def take_in(session: Session, told: dict[str, Any], stamp: Stamp) -> None:
    """``told``: what console/seeds/questions.toml says. Every business gets its first version, published."""
    for code in BUSINESSES:
        own = told["business"][code]
        draft = new_draft(session, code)
        draft.draw = own["draw"]
        fixed = [_question(each, place + (place >= own["at"])) for place, each in enumerate(told["fixed"], 1)]
        pool = [_question(each, own["at"], drawn=True) for each in own["pool"]]
        draft.questions = fixed + pool
        session.flush()
        if said := faults(draft):
            raise ValueError(f"{code}: {said}")
        publish(draft, told["effective_from"], stamp)
    session.flush()


def _question(told: dict[str, Any], place: int, drawn: bool = False) -> Question:
    return Question(drawn=drawn, position=place * STEP, **told)


def take_in_reasons(session: Session, told: dict[str, Any]) -> None:
    """``told``: what console/seeds/short_reasons.toml says."""
    session.add_all(
        ShortReason(use=use, position=place, **each)
        for use in ReasonUse
        for place, each in enumerate(told[use.value], 1)
    )
    session.flush()


# --- the questions of a call


def draw(questions: Iterable[Question], count: int, seed: str) -> list[Question]:
    """Every fixed question and ``count`` of the random pool: those with the smallest SHA-256 of ``seed:key``, in that order at their
    place. The same seed draws the same questions, anywhere.
    """
    found = list(questions)
    ranks = {question.key: hashlib.sha256(f"{seed}:{question.key}".encode()).hexdigest() for question in found}
    drawn = sorted((q for q in found if q.drawn), key=lambda q: ranks[q.key])[:count]
    chosen = [question for question in found if not question.drawn] + drawn
    return sorted(chosen, key=lambda q: (q.position, ranks[q.key] if q.drawn else ""))


def bind(session: Session, call: VideoSession, stamp: Stamp) -> None:
    """Draw the questions of a call that starts now. Raises NoScript."""
    version = in_force(session, call.case.business_code, stamp.at)
    if version is None:
        raise NoScript(call.case.business_code)
    call.script, call.script_seed = version, secrets.token_hex(8)
    chosen = draw(version.questions, version.draw, call.script_seed)
    call.asked = [AskedQuestion(position=place, question=question) for place, question in enumerate(chosen, 1)]


@dataclass(frozen=True)
class Item:
    """A question as this call asks it, names filled in; see Question. ``number`` counts from 1."""

    number: int
    key: str
    title: str
    say: str
    cue: str
    expects: str
    pictures: Needs
    frame: bool
    required: bool
    drawn: bool
    step: str
    field: str


def items_of(call: VideoSession) -> tuple[Item, ...]:
    """The questions of a call in the order of being asked."""
    names = {
        "broker": call.case.branch.broker.name,
        "witness": call.witness.name,
        "licence": call.witness.licence_no or "",
        "business": call.case.business.title,
    }
    return tuple(_item(asked.position, asked.question, names) for asked in call.asked)


def title_of(call: VideoSession, marked_item: str) -> str:
    """How the item of a mark is called: a question of the call, or a field."""
    titles = {item.key: item.title for item in items_of(call)}
    return titles.get(marked_item) or facts.title_of(marked_item) or marked_item


def _item(number: int, question: Question, names: dict[str, str]) -> Item:
    return Item(
        number=number,
        key=question.key,
        title=question.title.format(**names),
        say=question.say.format(**names),
        cue=question.cue.format(**names),
        expects=question.expects,
        pictures=Needs(frozenset(Kind(kind) for kind in question.kinds), question.every_kind),
        frame=question.frame,
        required=question.required,
        drawn=question.drawn,
        step=question.step,
        field=question.field,
    )
