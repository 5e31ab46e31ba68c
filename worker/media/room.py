"""A call: an actor with one inbox. Everything that changes a call goes through the inbox, one message at a time."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from worker.media import snapshot
from worker.media.leg import BadOffer, Leg, State
from worker.media.recorder import Recorder
from worker.media.spool import Note, Spool

SIDES = ("investor", "witness")
TICK = 1.0  # seconds
KEY_EVERY = 10.0  # seconds between key frames, so that a recording can be entered there
CONNECT_LIMIT = 30.0  # seconds for ICE and DTLS
EMPTY_LIMIT = 60.0  # seconds without any leg before a forgotten call ends itself
SNAPSHOT_LIMIT = 4.0  # seconds to get a key frame

log = logging.getLogger(__name__)


class Refused(Exception):
    """A command that is answered with an error code: `bad_offer`, `stale_epoch`, `disk_low`, `no_leg`, `no_picture`, …"""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Surroundings(Protocol):
    """What a room needs of its node."""

    spool: Spool

    async def next_segment(self, call: str, side: str) -> int:
        """The number of the next recording of this side, from 1."""

    def publish(self, call: str, side: str, event: str, **more: object) -> None:
        """Tell whoever listens, without waiting."""

    def anchor(self, heads: list[dict[str, object]]) -> None:
        """Tell how far the chains of recordings are (`Recorder.anchor`), without waiting."""

    async def announce(self, note: Note) -> None:
        """Hand a finished recording over; never raises."""

    def room_ended(self, room: "Room") -> None:
        """Forget this room."""


@dataclass
class Message:
    """Something for the inbox; `done` gets the reply."""

    done: "asyncio.Future[dict[str, Any]]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future(), kw_only=True
    )


@dataclass
class Offer(Message):
    """A peer wants in, or back in."""

    side: str
    sdp: str
    epoch: int


@dataclass
class TakeSnapshot(Message):
    """Keep the picture this side sends now."""

    side: str


@dataclass
class HangUp(Message):
    """The call is over."""


@dataclass
class Connected(Message):
    """A leg's transport is up."""

    leg: Leg


@dataclass
class Closed(Message):
    """A leg's transport is gone for good."""

    leg: Leg


@dataclass
class Tick(Message):
    """A second has passed."""


class Room:
    """One call with up to two legs."""

    def __init__(self, call: str, surroundings: Surroundings) -> None:
        self.call = call
        self._around = surroundings
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._legs: dict[str, Leg] = {}
        self._reported: dict[str, State] = {}
        self._epochs: dict[str, int] = {}
        self._recording: set[tuple[str, int]] = set()  # sides and segments of which it was said that they are recorded
        self._empty_since = time.monotonic()
        self._over = False
        self._snapshots: set[asyncio.Task[None]] = set()
        self._handing_over: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._run(), name=f"room {call}")

    # -- from outside

    async def ask(self, message: Message) -> dict[str, Any]:
        """Put a command in the inbox and wait for its reply. Raises `Refused`."""
        self._put(message)
        return await message.done

    def _put(self, message: Message) -> None:
        if self._over:
            _answer_late(message)
        else:
            self._inbox.put_nowait(message)

    def leg_connected(self, leg: Leg) -> None:
        """See `leg.Watcher`."""
        self._put(Connected(leg))

    def leg_closed(self, leg: Leg) -> None:
        """See `leg.Watcher`."""
        self._put(Closed(leg))

    async def end(self) -> None:
        """Hang up and wait until the recordings have been handed over."""
        await self.ask(HangUp())

    def anchors(self) -> list[dict[str, object]]:
        """How far the chains of its recordings are, see `Recorder.anchor`."""
        return [head for leg in self._legs.values() if (head := leg.anchor())]

    # -- the actor

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(TICK, lambda: self._put(Tick()))
        while not self._over:
            message = await self._inbox.get()
            try:
                reply = await self._handle(message)
            except Refused as refused:
                message.done.set_exception(refused)
                message.done.exception()  # nobody may be waiting for a tick
            except Exception:  # one broken message must not end the call
                log.exception("room message failed", extra={"call": self.call})
                message.done.set_exception(Refused("failed"))
                message.done.exception()
            else:
                if reply is not None and not message.done.done():
                    message.done.set_result(reply)
            if isinstance(message, Tick):
                timer = loop.call_later(TICK, lambda: self._put(Tick()))
        timer.cancel()
        while not self._inbox.empty():
            _answer_late(self._inbox.get_nowait())

    async def _handle(self, message: Message) -> dict[str, Any] | None:
        match message:
            case Offer(side=side, sdp=sdp, epoch=epoch):
                return {"sdp": await self._join(side, sdp, epoch)}
            case TakeSnapshot():
                self._start_snapshot(message)
                return None
            case HangUp():
                await self._end()
            case Connected(leg=leg):
                self._meet(leg)
            case Closed(leg=leg):
                await self._lose(leg)
            case Tick():
                await self._tick()
        return {}

    async def _join(self, side: str, sdp: str, epoch: int) -> str:
        if epoch < self._epochs.get(side, epoch):
            raise Refused("stale_epoch")
        segment = await self._around.next_segment(self.call, side)
        name = f"{self.call}/{side}/{segment}"
        leg = Leg(name, segment=segment, recorder=self._recorder(side, segment), watcher=self)
        try:
            answer = await leg.answer(sdp)
        except BadOffer as bad:
            await leg.close()
            raise Refused("bad_offer") from bad
        self._epochs[side] = epoch
        self._report(side, State.CLOSED)
        await self._drop(side)
        self._legs[side] = leg
        self._reported[side] = State.CONNECTING
        return answer

    def _recorder(self, side: str, segment: int) -> Recorder:
        def seen(width: int, height: int) -> None:
            event = "resized" if (side, segment) in self._recording else "recording"
            self._recording.add((side, segment))
            self._around.publish(self.call, side, event, segment=segment, width=width, height=height)

        def failed() -> None:
            self._around.publish(self.call, side, "recording_failed", segment=segment)

        return Recorder(
            self._around.spool,
            session_no=self.call,
            side=side,
            segment=segment,
            on_picture=seen,
            on_failure=failed,
        )

    def _meet(self, leg: Leg) -> None:
        side = self._side_of(leg)
        if side is None:
            return
        other = self._legs.get(_other(side))
        if other is not None:
            for one, two in ((leg, other), (other, leg)):
                one.feed(two)
                one.heard_from(two)
        self._report(side, State.LIVE)

    async def _lose(self, leg: Leg) -> None:
        side = self._side_of(leg)
        if side is not None:
            self._report(side, State.CLOSED)
            await self._drop(side)

    async def _drop(self, side: str) -> None:
        """Close this side's leg, if there is one, and hand its recording over."""
        leg = self._legs.pop(side, None)
        if leg is None:
            return
        other = self._legs.get(_other(side))
        if other is not None:
            other.feed(None)
            other.heard_from(None)
        self._empty_since = time.monotonic()
        note = await leg.close()
        if head := leg.anchor():
            self._around.anchor([head])
        if note is not None:
            self._beside(self._around.announce(note), self._handing_over)

    async def _end(self) -> None:
        for side in SIDES:
            await self._drop(side)
        if self._handing_over:
            await asyncio.wait(self._handing_over)
        self._over = True
        self._around.room_ended(self)

    async def _tick(self) -> None:
        now = time.monotonic()
        for side, leg in list(self._legs.items()):
            state = leg.tick(now)
            self._report(side, state)
            if leg.is_recording and (side, leg.segment) not in self._recording:  # without a picture
                self._recording.add((side, leg.segment))
                self._around.publish(self.call, side, "recording", segment=leg.segment, width=0, height=0)
            if state is State.LIVE and now - leg.key_frame_at > KEY_EVERY:
                leg.request_key()
            elif state is State.CONNECTING and now - leg.created_at > CONNECT_LIMIT:
                await self._lose(leg)
        if not self._legs and now - self._empty_since > EMPTY_LIMIT:
            log.info("call ended itself, empty", extra={"call": self.call})
            await self._end()

    def _report(self, side: str, state: State) -> None:
        """Publish a leg's coming and going, each once; with the going, when it was heard last."""
        leg = self._legs.get(side)
        before, self._reported[side] = self._reported.get(side), state
        if leg is None or state is before or state is State.CONNECTING:
            return
        if state is State.LIVE:
            self._around.publish(self.call, side, "connected", segment=leg.segment)
        elif before is not State.SILENT:
            since = datetime.now(UTC) - timedelta(seconds=leg.silent_for(time.monotonic()))
            self._around.publish(self.call, side, "lost", segment=leg.segment, since=since.isoformat())

    def _side_of(self, leg: Leg) -> str | None:
        return next((side for side, present in self._legs.items() if present is leg), None)

    # -- beside the inbox: waiting for a key frame or hashing a long recording must not hold the call up

    @staticmethod
    def _beside(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def _start_snapshot(self, message: TakeSnapshot) -> None:
        leg = self._legs.get(message.side)
        if leg is None:
            raise Refused("no_leg")
        self._beside(self._snapshot(leg, message), self._snapshots)

    async def _snapshot(self, leg: Leg, message: TakeSnapshot) -> None:
        try:
            message.done.set_result(await self._take_snapshot(leg, message.side))
        except (TimeoutError, snapshot.Undecodable):
            message.done.set_exception(Refused("no_picture"))
        except OSError:
            log.exception("snapshot not written", extra={"call": self.call})
            message.done.set_exception(Refused("failed"))

    async def _take_snapshot(self, leg: Leg, side: str) -> dict[str, Any]:
        key_frame = await leg.next_key_frame(SNAPSHOT_LIMIT)
        at = datetime.now(UTC)
        path = self._around.spool.folder(self.call) / f"{side}-{at:%Y%m%dT%H%M%S%fZ}.png"
        width, height = await asyncio.to_thread(snapshot.save_png, key_frame, path)
        return {"path": str(path), "width": width, "height": height, "at": at.isoformat()}


def _other(side: str) -> str:
    return SIDES[1] if side == SIDES[0] else SIDES[0]


def _answer_late(message: Message) -> None:
    """A message to a call that is over."""
    if isinstance(message, Offer | TakeSnapshot):
        message.done.set_exception(Refused("call_over"))
    elif not message.done.done():
        message.done.set_result({})
