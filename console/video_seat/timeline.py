"""What happened in a call and when; which times of it were recorded and which were not.

A *moment* is a time within a segment of the investor's side. A *gap* is a time between the investor's consent and the end in
which that side was not recorded. Page, checklist and review read these same functions.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from console.people.models import Staff

from .models import CallEvent, CallEventKind, Recording, VideoSession

INVESTOR, WITNESS = "investor", "witness"
ROUNDING = timedelta(milliseconds=50)  # two times that are meant to be the same one
CLUSTER = timedelta(seconds=1)  # what a recording that stopped may have lost (worker/media/webm.py)
PAGES = (CallEventKind.PAGE_GONE, CallEventKind.PAGE_BACK)
ANEW = (
    CallEventKind.RESTARTED,
    CallEventKind.TAKEN_OVER,
)  # both lines are put down, and stand again once the investor has agreed
FOREVER = datetime.max.replace(tzinfo=UTC)


def happened(
    session: Session, call: VideoSession, kind: CallEventKind, at: datetime, side: str = "", **facts: Any
) -> CallEvent | None:
    """Write one event of the call; None when it was written before (another web process heard it as well)."""
    known = select(CallEvent.id).where(
        CallEvent.session_id == call.id, CallEvent.kind == kind, CallEvent.side == side, CallEvent.at == at
    )
    if session.scalar(known) is not None:
        return None
    event = CallEvent(kind=kind, side=side, at=at, facts=facts)
    try:
        with session.begin_nested():
            call.events.append(event)
            session.flush()
    except IntegrityError:
        return None
    return event


# --- what was recorded


@dataclass(frozen=True)
class Segment:
    """A piece of one recording without interruption; ``ended`` is None while it runs."""

    number: int
    began: datetime
    ended: datetime | None


class Why(StrEnum):
    """Why nothing can be seen: not yet connected, another witness took over, the line was down, the recording itself failed, or the
    investor's camera was off.
    """

    CONNECTING = "connecting"
    TAKEN_OVER = "taken_over"
    LINE = "line"
    RECORDING = "recording"
    CAMERA = "camera"


@dataclass(frozen=True)
class Gap:
    began: datetime
    ended: datetime
    why: Why

    def holds(self, moment: datetime) -> bool:
        return self.began <= moment < self.ended


def segments(call: VideoSession, side: str = INVESTOR) -> list[Segment]:
    """What is or was being recorded of ``side``, oldest first: as the node told it, put right by the files that were kept.

    A segment whose file turned out damaged is none; of a kept one, seconds that the node's own chain disowns are cut out.
    """
    told = list(_told(call, side))
    kept = {recording.segment: recording for recording in call.recordings if recording.side == side}
    found = [piece for piece in told if piece.number not in kept]
    for number, recording in kept.items():
        found += _as_kept([piece for piece in told if piece.number == number], recording)
    damaged = {
        event.facts.get("segment")
        for event in call.events
        if event.kind is CallEventKind.DAMAGED and event.side == side
    }
    return sorted((piece for piece in found if piece.number not in damaged), key=lambda piece: piece.began)


def came(call: VideoSession, side: str) -> bool:
    """Whether the line of this side has ever stood since the call is its witness's."""
    told = _in_order(call)
    handed = [n for n, event in enumerate(told, 1) if event.kind is CallEventKind.TAKEN_OVER]
    stood = (CallEventKind.CONNECTED, CallEventKind.RECORDING)
    return any(event.kind in stood and event.side == side for event in told[max(handed, default=0) :])


def _told(call: VideoSession, side: str) -> Iterator[Segment]:
    running: Segment | None = None
    last, connected_at = 0, None
    for event in sorted(call.events, key=lambda each: (each.at, each.id or 0)):
        if event.side not in (side, ""):
            continue
        number = int(event.facts.get("segment") or 0)
        if event.kind is CallEventKind.CONNECTED:
            connected_at = event.at
            if running is None and number and number == last:  # silent for a while, on the same line
                running = Segment(number, event.at, None)
        elif event.kind is CallEventKind.RECORDING:
            if running is not None and running.number == number:
                continue
            if running is not None:  # nobody said that its line was replaced
                yield replace(running, ended=max(running.began, connected_at or event.at))
            running, last = Segment(number, event.at, None), number
        elif running is not None and (ended := _end_told_by(event)) is not None:
            yield replace(running, ended=max(running.began, ended))
            running = None
            last = 0 if event.kind is not CallEventKind.LOST else last
    if running is not None:
        yield replace(running, ended=call.ended_at)


def _end_told_by(event: CallEvent) -> datetime | None:
    if event.kind is CallEventKind.RECORDING_FAILED:
        return event.at - CLUSTER
    if event.kind in ANEW:
        return event.at
    if event.kind in (CallEventKind.LOST, CallEventKind.MOVED):
        since = event.facts.get("since")
        return datetime.fromisoformat(since) if since else event.at
    return None


def _as_kept(pieces: list[Segment], recording: Recording) -> list[Segment]:
    """The file says when it begins and ends, the node when it paused in between."""
    began, ended = recording.started_at, recording.started_at + timedelta(milliseconds=recording.duration_ms)
    if not pieces:
        return [Segment(recording.segment, began, ended)]
    whole = [replace(pieces[0], began=began), *pieces[1:]]
    whole[-1] = replace(whole[-1], ended=ended)
    for at_ms in _spoiled(recording):
        whole = list(_without(whole, began + timedelta(milliseconds=at_ms)))
    return [piece for piece in whole if piece.ended is None or piece.ended > piece.began]


def _spoiled(recording: Recording) -> list[int]:
    """Milliseconds at which clusters begin that were altered before they were sealed (worker/recordings.py)."""
    chain = (recording.evidence.facts if recording.evidence else {}).get("chain") or {}
    return list(chain.get("spoiled", ()))


def _without(pieces: list[Segment], second: datetime) -> Iterator[Segment]:
    for piece in pieces:
        if piece.ended is None or piece.ended <= second or piece.began >= second + CLUSTER:
            yield piece
            continue
        if piece.began < second:
            yield replace(piece, ended=second)
        if piece.ended > second + CLUSTER:
            yield replace(piece, began=second + CLUSTER)


# --- what was not


def gaps(call: VideoSession, pieces: Iterable[Segment], until: datetime = FOREVER) -> list[Gap]:
    """The times after the consent that no segment covers, up to the end of the call or ``until``."""
    if call.acknowledged_at is None:
        return []
    found, at, end, first = [], call.acknowledged_at, call.ended_at or until, True
    for piece in sorted(pieces, key=lambda each: each.began):
        if piece.ended is not None and piece.ended <= call.acknowledged_at:
            continue
        if piece.began - at > ROUNDING:
            found.append(Gap(at, min(piece.began, end), _why(call, at, first)))
        at, first = max(at, piece.ended or end), False
        if at >= end:
            break
    if end - at > ROUNDING:
        found.append(Gap(at, end, _why(call, at, first)))
    return [gap for gap in found if gap.ended > gap.began]


def _why(call: VideoSession, at: datetime, first: bool) -> Why:
    mine = [event for event in call.events if event.side == INVESTOR]
    failed = (e.at for e in mine if e.kind is CallEventKind.RECORDING_FAILED)
    damaged = any(e.kind is CallEventKind.DAMAGED for e in mine) or any(_spoiled(each) for each in call.recordings)
    if damaged or any(abs(when - CLUSTER - at) < CLUSTER for when in failed):
        return Why.RECORDING
    if any(e.kind is CallEventKind.TAKEN_OVER and abs(e.at - at) <= CLUSTER for e in call.events):
        return Why.TAKEN_OVER
    return Why.CONNECTING if first else Why.LINE


def uncovered(call: VideoSession, moment: datetime) -> Gap | None:
    """Why ``moment`` proves nothing: it lies in a gap, or the investor's camera was off. None: the recording shows it."""
    found = [*gaps(call, segments(call)), *(stretch.as_gap() for stretch in stretches(call, INVESTOR, Switch.CAMERA))]
    return next((gap for gap in found if gap.holds(moment)), None)


def counts(call: VideoSession, moment: datetime) -> bool:
    """Whether something proved at ``moment`` still counts: not what came before a conversation that began again."""
    return call.acknowledged_at is not None and moment >= call.acknowledged_at


def flaws(call: VideoSession) -> list[str]:
    """What keeps the whole call, as it stands now, from being passed; in words for the witness."""
    words = []
    if call.take_overs and not call.agreed:
        words.append("投资者尚未确认您的姓名和证号")
    disk = _last(call, ("",), CallEventKind.DISK_LOW, CallEventKind.DISK_OK, CallEventKind.MOVED)
    if disk is CallEventKind.DISK_LOW:
        words.append("录像节点磁盘空间不足，录像可能不完整，请按技术故障结束")
    written = [_last(call, (s,), CallEventKind.RECORDING, CallEventKind.RECORDING_FAILED) for s in (INVESTOR, WITNESS)]
    if CallEventKind.RECORDING_FAILED in written:
        words.append("录像写入失败，现在没有在录，请按技术故障结束")
    return words


def _last(call: VideoSession, sides: tuple[str, ...], *kinds: CallEventKind) -> CallEventKind | None:
    return next((e.kind for e in reversed(_in_order(call)) if e.kind in kinds and e.side in sides), None)


def _in_order(call: VideoSession) -> list[CallEvent]:
    """As we learnt of them: clocks of different machines do not matter here."""
    return sorted(call.events, key=lambda each: each.id or 0)


# --- microphones and cameras


class Switch(StrEnum):
    """What a side can turn off: it then takes part without."""

    MICROPHONE = "microphone"
    CAMERA = "camera"


OFF = {CallEventKind.MUTED: Switch.MICROPHONE, CallEventKind.CAMERA_OFF: Switch.CAMERA}
ON = {CallEventKind.UNMUTED: Switch.MICROPHONE, CallEventKind.CAMERA_ON: Switch.CAMERA}


@dataclass(frozen=True)
class Stretch:
    """A time in which a side had its microphone or its camera off; ``why``: see controls.Why."""

    side: str
    switch: Switch
    began: datetime
    ended: datetime | None
    why: str = ""

    def as_gap(self) -> Gap:
        return Gap(self.began, self.ended or FOREVER, Why.CAMERA)


def stretches(call: VideoSession, side: str, switch: Switch) -> list[Stretch]:
    """Oldest first; the last one has no end while it lasts and the call goes on."""
    found, running = list[Stretch](), None
    for event in _in_order(call):
        if event.side != side:
            continue
        if OFF.get(event.kind) is switch and running is None:
            running = Stretch(side, switch, event.at, call.ended_at, str(event.facts.get("why", "")))
        elif ON.get(event.kind) is switch and running is not None:
            found.append(replace(running, ended=event.at))
            running = None
    return [*found, running] if running is not None else found


def turned_off(call: VideoSession, side: str) -> dict[Switch, str]:
    """What this side has turned off now, and why."""
    lasting = {each: stretches(call, side, each)[-1:] for each in Switch}
    return {each: last.why for each, found in lasting.items() for last in found if last.ended is None}


# --- who has it


def witnesses_of(call: VideoSession) -> list[tuple[Staff, datetime]]:
    """Who had the call, and from when on."""
    if not call.take_overs:
        return [(call.witness, call.started_at)]
    first = call.take_overs[0]
    return [(first.former, call.started_at), *((each.successor, each.at) for each in call.take_overs)]


# --- who is away


def is_away(call: VideoSession, side: str) -> bool:
    """Whether this side hung up, or its line or page is known to be gone, by the last word about each."""
    line = False
    for event in _in_order(call):
        stale = event.facts.get("node", call.node) != call.node
        if event.kind in (CallEventKind.MOVED, *ANEW):
            line = event.kind is CallEventKind.MOVED
        elif event.side == side and not stale and event.kind in (CallEventKind.LOST, CallEventKind.CONNECTED):
            line = event.kind is CallEventKind.LOST
    return line or page_is_gone(call, side) or hung_up(call, side)


def hung_up(call: VideoSession, side: str) -> bool:
    """Whether this side left by itself and has not connected since."""
    told = [
        e.kind for e in _in_order(call) if e.side == side and e.kind in (CallEventKind.HUNG_UP, CallEventKind.CONNECTED)
    ]
    return told[-1:] == [CallEventKind.HUNG_UP]


def page_is_gone(call: VideoSession, side: str) -> bool:
    """Whether the last word about this side's page is that it was closed; another witness has another page."""
    handed = (CallEventKind.TAKEN_OVER,) if side == WITNESS else ()
    pages = [e.kind for e in _in_order(call) if (e.side == side and e.kind in PAGES) or e.kind in handed]
    return bool(pages) and pages[-1] is CallEventKind.PAGE_GONE


def was_interrupted(call: VideoSession) -> bool:
    """Whether a line (not only a page) was gone since the conversation last went on."""
    gone = False
    for event in _in_order(call):
        if event.kind in (CallEventKind.LOST, CallEventKind.MOVED):
            gone = True
        elif event.kind in (CallEventKind.RESUMED, *ANEW):
            gone = False
    return gone
