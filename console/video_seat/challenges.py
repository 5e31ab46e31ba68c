"""口令: the investor proves to be there, now, by reading digits aloud or by typing a code that was sent to the registered phone.

A challenge is what the timeline says of it: asked by one event, answered by others. Nothing is overwritten; the next one ends the
one before. One that was asked is met, or withdrawn for a reason, before the call is passed (owed). The code of a text message is in
no event, only its blind index in console/people/sms_codes.py.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from console.cases.trail import Happening, note
from console.people import sms_codes
from console.people.models import Investor
from console.problem import Problem
from console.stamp import Stamp

from . import timeline
from .models import CallEvent, CallEventKind, VideoSession

DIGITS = (4, 6)  # how many, from and to
LIFETIME = sms_codes.LIFETIME
MOST_TRIES = 3
PURPOSE = "video_challenge"


class Kind(StrEnum):
    DIGITS = "digits"
    SMS = "sms"


class Result(StrEnum):
    """``LAPSED``: nobody answered before its time, the next one, or the call was over."""

    RIGHT = "right"
    WRONG = "wrong"
    LAPSED = "lapsed"


KIND_TITLES = {Kind.DIGITS: "读数字", Kind.SMS: "短信验证码"}
RESULT_TITLES = {
    (Kind.DIGITS, Result.RIGHT): "读对",
    (Kind.DIGITS, Result.WRONG): "读错",
    (Kind.DIGITS, Result.LAPSED): "没有结果",
    (Kind.SMS, Result.RIGHT): "验证通过",
    (Kind.SMS, Result.WRONG): "验证未通过",
    (Kind.SMS, Result.LAPSED): "没有结果",
}
ASKED = {CallEventKind.DIGITS_ASKED: Kind.DIGITS, CallEventKind.SMS_ASKED: Kind.SMS}
ANSWERED = (CallEventKind.DIGITS_ANSWERED, CallEventKind.SMS_ANSWERED)


class ChallengeOver(Problem):
    status, code = 409, "challenge_over"
    text = "这个口令已经结束。需要时请重新发起。"


class JudgedOtherwise(Problem):
    status, code = 409, "judged_otherwise"
    text = "这次读数已有结果，不能更改。需要时请再发起一次。"


class TooManyCodes(Problem):
    status, code = 429, "too_many_sms"
    text = "向这个手机号发短信太频繁：60 秒内一条，一小时五条。请稍后再发，或改用读数字。"


class ChallengeMet(Problem):
    status, code = 409, "challenge_met"
    text = "这个口令已经通过，不用撤回。"


class NoDigits(Problem):
    status, code = 422, "no_digits"
    text = f"请输入短信里的 {sms_codes.DIGITS} 位数字。"


@dataclass(frozen=True)
class Challenge:
    """``id`` was made by the page. ``digits``: those to be read, '' of a text message. ``result`` is None while it is outstanding;
    ``at``: when the result came. ``wrong``: how many codes that were typed were not it. ``withdrawn``: the short reason for which it
    needs not be met, '' of all others.
    """

    id: str
    kind: Kind
    asked_at: datetime
    by: str
    digits: str = ""
    result: Result | None = None
    at: datetime | None = None
    wrong: int = 0
    code_id: int = 0
    withdrawn: str = ""

    @property
    def left(self) -> int:
        return MOST_TRIES - self.wrong

    @property
    def until(self) -> datetime:
        return self.asked_at + LIFETIME

    @property
    def kind_title(self) -> str:
        return KIND_TITLES[self.kind]

    @property
    def title(self) -> str:
        digits = f" {' '.join(self.digits)}" if self.digits else ""
        withdrawn = f"，撤回：{self.withdrawn}" if self.withdrawn else ""
        return f"{self.kind_title}{digits}" + (f"：{self.result_title}" if self.result else "") + withdrawn

    @property
    def result_title(self) -> str:
        return RESULT_TITLES[self.kind, self.result] if self.result else "等待回答"

    @property
    def moment(self) -> datetime:
        """Where to look in the recording: the answer, else the question."""
        return self.at or self.asked_at


def of(call: VideoSession, now: datetime) -> list[Challenge]:
    """Every challenge of the call, oldest first."""
    found = list(_told(call))
    return [_settled(call, each, found[place + 1 :], now) for place, each in enumerate(found)]


def outstanding(call: VideoSession, now: datetime) -> Challenge | None:
    """The one that waits for an answer."""
    return next((each for each in reversed(of(call, now)) if each.result is None), None)


def owed(call: VideoSession, now: datetime) -> list[Challenge]:
    """Of each kind the last one of the conversation that counts, if it is neither met in the recording nor withdrawn."""
    latest = {each.kind: each for each in of(call, now) if timeline.counts(call, each.asked_at)}
    return [each for each in latest.values() if not each.withdrawn and not _met(call, each)]


def _met(call: VideoSession, each: Challenge) -> bool:
    return each.result is Result.RIGHT and timeline.uncovered(call, each.moment) is None


def shown(call: VideoSession, now: datetime) -> list[Challenge]:
    """Those that the witness should see: what waits or came out last, then what is owed besides."""
    last = of(call, now)[-1:]
    return last + [each for each in owed(call, now) if each not in last]


def _told(call: VideoSession) -> Iterator[Challenge]:
    answers = [event for event in call.events if event.kind in ANSWERED]
    gone = [event for event in call.events if event.kind is CallEventKind.CHALLENGE_WITHDRAWN]
    withdrawn = {event.facts["id"]: event.facts["reason"] for event in gone}
    for event in call.events:
        if event.kind in ASKED:
            own = [each for each in answers if each.facts["id"] == event.facts["id"]]
            yield _read(event, own, withdrawn.get(event.facts["id"], ""))


def _read(event: CallEvent, answers: list[CallEvent], withdrawn: str = "") -> Challenge:
    facts = event.facts
    asked = Challenge(
        id=facts["id"],
        kind=ASKED[event.kind],
        asked_at=event.at,
        by=facts["by"],
        digits=facts.get("digits", ""),
        code_id=facts.get("code_id", 0),
        wrong=sum(each.facts["result"] == Result.WRONG for each in answers),
        withdrawn=withdrawn,
    )
    last = answers[-1] if answers else None
    if last is None or not last.facts.get("final", True):
        return asked
    return replace(asked, result=Result(last.facts["result"]), at=last.at)


def _settled(call: VideoSession, each: Challenge, later: list[Challenge], now: datetime) -> Challenge:
    if each.result is not None:
        return each
    gone = [each.until, *(other.asked_at for other in later[:1]), *filter(None, [call.ended_at])]
    void = each.withdrawn or not timeline.counts(call, each.asked_at)  # the conversation began again
    return replace(each, result=Result.LAPSED) if void or min(gone) <= now else each


# --- asking


def ask_digits(session: Session, call: VideoSession, challenge_id: str, stamp: Stamp) -> Challenge:
    """4 to 6 digits to be read aloud. Whoever calls holds the call."""
    if known := _known(call, challenge_id, stamp.at):
        return known
    count = DIGITS[0] + secrets.randbelow(DIGITS[1] - DIGITS[0] + 1)
    digits = f"{secrets.randbelow(10**count):0{count}d}"
    return _ask(session, call, CallEventKind.DIGITS_ASKED, challenge_id, stamp, digits=digits)


def ask_sms(session: Session, call: VideoSession, challenge_id: str, stamp: Stamp) -> tuple[Challenge, str]:
    """With it the text to send to the registered phone, once: '' when this was asked before. Raises TooManyCodes."""
    if known := _known(call, challenge_id, stamp.at):
        return known, ""
    investor, broker = call.case.investor, call.case.branch.broker
    try:  # counted by witness: a branch's address is for those who sign in
        row, code = sms_codes.issue(session, _index_of(investor), PURPOSE, stamp.by, stamp.at)
    except sms_codes.TooManySms as error:
        raise TooManyCodes from error
    made = _ask(session, call, CallEventKind.SMS_ASKED, challenge_id, stamp, code_id=row.id)
    return made, (
        f"【{broker.name}】视频口令 {code}，请填在视频通话页面上，{int(LIFETIME / timedelta(minutes=1))} 分钟内有效。"
        "不要念出来，也不要告诉任何人，包括工作人员。"
    )


def _known(call: VideoSession, challenge_id: str, now: datetime) -> Challenge | None:
    return next((each for each in of(call, now) if each.id == challenge_id), None)


def _ask(
    session: Session, call: VideoSession, kind: CallEventKind, challenge_id: str, stamp: Stamp, **facts: Any
) -> Challenge:
    event = timeline.happened(session, call, kind, stamp.at, timeline.WITNESS, id=challenge_id, by=stamp.by, **facts)
    if event is None:  # asked twice within one microsecond
        raise ChallengeOver(challenge_id)
    return _read(event, [])


def _index_of(investor: Investor) -> str:
    return investor.phone_index


# --- answering


def judge_digits(session: Session, call: VideoSession, challenge_id: str, right: bool, stamp: Stamp) -> Challenge:
    """读对 or 读错. Raises ChallengeOver; JudgedOtherwise when it was judged and not like this."""
    known, result = _one(call, challenge_id, Kind.DIGITS, stamp.at), Result.RIGHT if right else Result.WRONG
    if known.result is result:
        return known
    if known.result is Result.LAPSED:
        raise ChallengeOver(challenge_id)
    if known.result is not None:
        raise JudgedOtherwise(challenge_id)
    return _answer(session, call, CallEventKind.DIGITS_ANSWERED, known, result, stamp, timeline.WITNESS, final=True)


def answer_sms(
    session: Session, call: VideoSession, challenge_id: str, attempt: str, typed: str, stamp: Stamp
) -> Challenge:
    """What the investor typed. ``attempt`` names this try: sent twice it counts once. Raises ChallengeOver, NoDigits.

    A wrong one is counted: commit whatever the answer.
    """
    known = _one(call, challenge_id, Kind.SMS, stamp.at)
    if any(event.kind in ANSWERED and event.facts.get("attempt") == attempt for event in call.events):
        return known
    if known.result is not None:
        raise ChallengeOver(challenge_id)
    code = "".join(typed.split())
    if len(code) != sms_codes.DIGITS or not (code.isascii() and code.isdigit()):
        raise NoDigits
    index = _index_of(call.case.investor)
    right = sms_codes.matches(session, known.code_id, index, PURPOSE, code, stamp.at, use=True, most=MOST_TRIES)
    result, final = (Result.RIGHT, True) if right else (Result.WRONG, known.left <= 1)
    return _answer(
        session,
        call,
        CallEventKind.SMS_ANSWERED,
        known,
        result,
        stamp,
        timeline.INVESTOR,
        final=final,
        attempt=attempt,
    )


def withdraw(session: Session, call: VideoSession, challenge_id: str, reason: str, stamp: Stamp) -> Challenge:
    """It needs not be met any more. ``reason``: the title of a short reason. Withdrawn twice is withdrawn once, for the first reason.

    Raises ChallengeOver for an unknown one, ChallengeMet.
    """
    known = _known(call, challenge_id, stamp.at)
    if known is None:
        raise ChallengeOver(challenge_id)
    if known.withdrawn:
        return known
    if _met(call, known):
        raise ChallengeMet(challenge_id)
    kind = CallEventKind.CHALLENGE_WITHDRAWN
    timeline.happened(session, call, kind, stamp.at, timeline.WITNESS, id=known.id, by=stamp.by, reason=reason)
    told = {"session": call.session_no, "kind": known.kind.value, "result": "withdrawn", "why": reason}
    note(call.case, Happening.CHALLENGED, stamp, **told)
    return _one(call, known.id, known.kind, stamp.at)


def _one(call: VideoSession, challenge_id: str, kind: Kind, now: datetime) -> Challenge:
    known = _known(call, challenge_id, now)
    if known is None or known.kind is not kind:
        raise ChallengeOver(challenge_id)
    return known


def _answer(
    session: Session,
    call: VideoSession,
    kind: CallEventKind,
    known: Challenge,
    result: Result,
    stamp: Stamp,
    side: str,
    **facts: Any,
) -> Challenge:
    timeline.happened(session, call, kind, stamp.at, side, id=known.id, by=stamp.by, result=result.value, **facts)
    if facts["final"]:
        told = {"session": call.session_no, "kind": known.kind.value, "result": result.value}
        note(call.case, Happening.CHALLENGED, stamp, **told)
    return _one(call, known.id, known.kind, stamp.at)
