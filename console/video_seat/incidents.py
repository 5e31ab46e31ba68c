"""What else a reviewer should know of a call: who took it over, challenges, texts to the investor, who hung up, and the times in
which a side was muted or dark.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from console.local_time import LOCAL

from . import challenges, texts, timeline
from .challenges import Result
from .controls import SIDES, State
from .models import CallEventKind, VideoSession
from .timeline import Stretch, Switch

SIDE_TITLES = {timeline.INVESTOR: "投资者", timeline.WITNESS: "认证人员"}
TITLES = {
    (Switch.MICROPHONE, State.OFF): "静音",
    (Switch.MICROPHONE, State.AWAY): "切到后台，麦克风暂停",
    (Switch.MICROPHONE, State.DEVICE): "麦克风断开",
    (Switch.CAMERA, State.OFF): "关闭摄像头",
    (Switch.CAMERA, State.AWAY): "切到后台，画面暂停",
    (Switch.CAMERA, State.DEVICE): "摄像头断开",
}
CHALLENGE = "口令"
KINDS = {Result.RIGHT: "ok", Result.WRONG: "bad", Result.LAPSED: "wait"}


@dataclass(frozen=True)
class Incident:
    """``group``: what the list calls it; ``kind``: ok, bad, wait or ''; ``recorded``: whether the recording shows that moment."""

    at: datetime
    group: str
    title: str
    kind: str = ""
    recorded: bool = True


def of(call: VideoSession, now: datetime) -> list[Incident]:
    """In the order of time."""
    found = [
        *_of_take_overs(call),
        *of_challenges(call, now),
        *_of_texts(call),
        *_of_hanging_up(call),
        *_of_stretches(call, now),
    ]
    return sorted(found, key=lambda each: each.at)


def _of_take_overs(call: VideoSession) -> Iterator[Incident]:
    for each in call.take_overs:
        known = (
            f"，投资者 {each.acknowledged_at.astimezone(LOCAL):%H:%M:%S} 确认"
            if each.acknowledged_at
            else "，投资者没有确认"
        )
        new = f"{each.successor.name} {each.successor.licence_no or ''}".strip()
        yield Incident(each.at, "接管", f"{new} 接管自 {each.former.name}{known}，原因：{each.why}", "wait")


def of_challenges(call: VideoSession, now: datetime) -> list[Incident]:
    """Those that are settled; a moment that nobody recorded proves nothing and says so."""
    settled = [each for each in challenges.of(call, now) if each.result is not None]
    return [_of_challenge(call, each, each.result) for each in settled if each.result is not None]


def _of_challenge(call: VideoSession, each: challenges.Challenge, result: Result) -> Incident:
    recorded = timeline.uncovered(call, each.moment) is None
    return Incident(each.moment, CHALLENGE, each.title, KINDS[result], recorded)


def _of_texts(call: VideoSession) -> Iterator[Incident]:
    for text in texts.of(call):
        yield Incident(text.at, "发文字", text.text)


def _of_hanging_up(call: VideoSession) -> Iterator[Incident]:
    for event in call.events:
        if event.kind is CallEventKind.HUNG_UP:
            yield Incident(event.at, "挂断", f"{SIDE_TITLES[event.side]}挂断，离开了通话", "wait")


def _of_stretches(call: VideoSession, now: datetime) -> Iterator[Incident]:
    for side in SIDES:
        for switch in Switch:
            for stretch in timeline.stretches(call, side, switch):
                yield Incident(stretch.began, "镜头和声音", _title(stretch, now), "wait")


def _title(stretch: Stretch, now: datetime) -> str:
    what = TITLES[stretch.switch, State(stretch.why or State.OFF)]
    seconds = max(1, round(((stretch.ended or now) - stretch.began) / timedelta(seconds=1)))
    return f"{SIDE_TITLES[stretch.side]}{what} {seconds} 秒"
