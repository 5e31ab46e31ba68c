"""What web processes do for calls without being asked: hear the nodes, notice dead nodes and closed pages, end what is overdue.

One green thread in each web process runs `Listener.run`; worker/sweep.py takes one look every half minute, should no web process
live. Everything is safe to do several times and by several processes at once: what is known already changes nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import joinedload

from console import live, runtime
from console.adapters.media import MediaNodes, NodeEvent
from console.cases.models import Case
from console.db import reading, transaction

from . import anchors, line, presence, timeline
from .line import Terms
from .media import Media, MediaAway
from .models import CallEventKind, VideoSession

BLOCK_MS = 500  # the longest wait for events; between two waits the calls are looked after
LOOK_EVERY = 1.0  # seconds
NODE_PATIENCE = (
    1.5  # seconds without the node's heartbeat (one a second), after it has run out: Redis may just have come back
)
PAGE_PATIENCE = 5.0  # seconds: a page that is loaded again, or a web process that is started again, is nobody's going
ANCHORED_KEY = "media:anchored"  # the last message about chains that some process has taken in
HEARD_KEY = "media:heard"  # the last event that some process has taken in
CATCH_UP_MS = 3600 * 1000
RECORDING = (
    CallEventKind.RECORDING,
    CallEventKind.RECORDING_FAILED,
    CallEventKind.DISK_LOW,
    CallEventKind.DISK_OK,
    CallEventKind.CONNECTED,
)
PUSHES = {CallEventKind.LOST: "lost", CallEventKind.RESUMED: "back", CallEventKind.RESTARTED: "restarted"}
log = structlog.get_logger()


@dataclass
class Since:
    """Since when (monotonic) something has been missing; what is there again is forgotten."""

    patience: float
    _missing: dict[str, float] = field(default_factory=dict)

    def too_long(self, what: str, there: bool) -> bool:
        now = time.monotonic()
        if there:
            self._missing.pop(what, None)
            return False
        return now - self._missing.setdefault(what, now) >= self.patience

    def __bool__(self) -> bool:
        return bool(self._missing)

    def forget(self) -> None:
        self._missing.clear()


class Listener:
    """One for a process."""

    def __init__(
        self, redis: Redis, terms: Terms, *, node_patience: float = NODE_PATIENCE, page_patience: float = PAGE_PATIENCE
    ) -> None:
        self._redis = redis
        self._nodes = MediaNodes(redis)
        self._media = Media(redis)
        self._terms = terms
        self._after = ""
        self._dead = Since(node_patience)
        self._gone = Since(page_patience)
        self._seen: set[str] = set()  # pages that were open
        self._anchored = "0-0"

    def run(self, going: Callable[[], bool] = lambda: True) -> None:
        """For as long as ``going``. What is away (Redis, the database) is tried again a second later."""
        looked = 0.0
        while going():
            try:
                self.catch_up(BLOCK_MS)
                if time.monotonic() - looked >= LOOK_EVERY:
                    looked = time.monotonic()
                    self.look_after(datetime.now(UTC))
                    self.anchor(datetime.now(UTC))
            except (RedisError, OperationalError) as error:
                log.warning("calls_not_looked_after", error=type(error).__name__)
                self._dead.forget()
                runtime.sleep(1)

    # --- what the nodes say

    def catch_up(self, block_ms: int | None = None) -> int:
        """Take in what the nodes said since the last time: how much. Raises RedisError, OperationalError."""
        self._after = self._after or self._last_heard()
        events = self._nodes.events(self._after, block_ms)
        heard = self._last_heard() if events else ""
        for event in events:
            if _order(event.id) > _order(heard):  # else another process did
                take(event, self._media, self._terms)
            self._after = event.id
        if events and _order(self._after) > _order(heard):
            self._redis.set(HEARD_KEY, self._after)
        return len(events)

    def _last_heard(self) -> str:
        known = self._redis.get(HEARD_KEY)
        if known:
            return _text(known)
        return f"{max(0, self._nodes.now_ms() - CATCH_UP_MS)}-0"

    def anchor(self, now: datetime) -> int:
        """Keep what the nodes told of the chains of their recordings: how much was new. Raises RedisError, OperationalError."""
        known = self._redis.get(ANCHORED_KEY)
        after = max(self._anchored, _text(known) if known else "0-0", key=_order)
        self._anchored, heads = self._nodes.heads(after)
        if self._anchored == after:
            return 0
        with transaction() as session:
            added = anchors.keep(session, heads, now)
        self._redis.set(ANCHORED_KEY, self._anchored)
        return added

    # --- what nobody says

    @property
    def suspects(self) -> bool:
        """Whether a node was missing at the last look: the next look decides."""
        return bool(self._dead)

    def look_after(self, now: datetime) -> list[VideoSession]:
        """One look at every call that goes on; those that were ended by it. Raises RedisError, OperationalError."""
        presence.still_here(self._redis)
        with reading() as session:
            calls = session.scalars(
                select(VideoSession)
                .where(VideoSession.ended_at.is_(None))
                .options(joinedload(VideoSession.case).load_only(Case.case_no))
            ).all()
        for node in {call.node for call in calls if call.node}:
            if self._dead.too_long(node, self._nodes.lives(node)):
                for call in calls:
                    if call.node == node:
                        self._leave(call, now)
        for call in calls:
            self._look_at_pages(call, now)
        return end_overdue(self._media, self._terms, now)

    def _leave(self, call: VideoSession, now: datetime) -> None:
        """The call's node is dead: both sides are told, and connect at another one as soon as there is one."""
        if not self._redis.set(f"media:leaving:{call.session_no}:{call.epoch}", 1, nx=True, ex=5):
            return  # another web process is at it
        since = self._nodes.last_beat(call.node or "")
        try:
            fresh = self._media.place()
        except MediaAway:
            fresh = None
        with transaction() as session:
            current = line.held(session, call.session_no)
            if current is None or current.node != call.node:
                return
            if fresh is not None:
                line.moved(session, current, call.node, fresh, since, now, self._terms)
            elif len(line.away_since(current)) == len(line.SIDES):
                return
            else:
                told = (since or now).isoformat()
                for side in line.SIDES:
                    line.heard(session, current, CallEventKind.LOST, now, side, now, self._terms, since=told)
        log.warning("node_lost", session=call.session_no, node=call.node, to=fresh)
        push(current, "moved" if fresh else "lost", self._terms, now)

    def _look_at_pages(self, call: VideoSession, now: datetime) -> None:
        owners = {
            timeline.INVESTOR: presence.of_case(call.case.case_no),
            timeline.WITNESS: presence.of_staff(call.witness_id),
        }
        for side, who in owners.items():
            key = f"{call.session_no}/{side}"
            there = presence.there(self._redis, who)
            if there is None and key not in self._seen:
                continue
            if there and key not in self._seen:
                self._seen.add(key)
                self._page(call, side, CallEventKind.PAGE_BACK, now)
            elif self._gone.too_long(key, bool(there)):
                self._seen.discard(key)
                self._page(call, side, CallEventKind.PAGE_GONE, now)

    def _page(self, call: VideoSession, side: str, kind: CallEventKind, now: datetime) -> None:
        with transaction() as session:
            current = line.held(session, call.session_no)
            if current is None or timeline.page_is_gone(current, side) == (kind is CallEventKind.PAGE_GONE):
                return
            told = line.heard(session, current, kind, now, side, now, self._terms)
        tell(current, told, self._media, self._terms, now)


def take(event: NodeEvent, media: Media, terms: Terms) -> None:
    """Write one event of a node and tell both pages what follows from it."""
    if event.event == "started":
        return _started(event, terms)
    try:
        kind = CallEventKind(event.event)
    except ValueError:
        return
    now = datetime.now(UTC)
    with transaction() as session:
        call = line.held(session, event.call)
        if call is None:
            return
        told = line.heard(session, call, kind, event.at, event.side, now, terms, node=event.node, **event.facts)
    tell(call, told, media, terms, now)


def _started(event: NodeEvent, terms: Terms) -> None:
    """A node that came back under its name, so soon that nobody missed it, has none of its former calls any more."""
    with reading() as session:
        here = VideoSession.ended_at.is_(None) & (VideoSession.node == event.node)
        numbers = session.scalars(select(VideoSession.session_no).where(here, VideoSession.started_at < event.at)).all()
    now = datetime.now(UTC)
    for session_no in numbers:
        with transaction() as session:
            call = line.held(session, session_no)
            if call is None or call.node != event.node:
                continue
            facts = {"node": event.node, "since": event.facts.get("since") or event.at.isoformat()}
            for side in line.SIDES:
                line.heard(session, call, CallEventKind.LOST, event.at, side, now, terms, **facts)
        push(call, "moved", terms, now)


def end_overdue(media: Media, terms: Terms, now: datetime) -> list[VideoSession]:
    """End every call whose grace is over: those that this process ended."""
    with reading() as session:
        due = line.overdue(session, now, terms)
    ended = []
    for session_no in due:
        with transaction() as session:
            call = line.drop(session, session_no, now, terms)
            branch_id = call.case.branch_id if call is not None else 0
        if call is None:
            continue
        ended.append(call)
        log.warning("call_dropped", session=session_no)
        live.call_changed(call.case.case_no, call.witness_id, "ended", session_no=session_no, why="dropped")
        live.seats_changed(branch_id)
        media.hang_up(session_no, call.node)
    return ended


def tell(call: VideoSession, told: list[CallEventKind], media: Media, terms: Terms, now: datetime) -> None:
    """Push what both pages should know, after the commit."""
    for kind in told[1:]:
        push(call, PUSHES[kind], terms, now)
    if told and told[0] in RECORDING:
        push(call, "recording", terms, now)
    if CallEventKind.RESTARTED in told:
        media.hang_up_soon(call.session_no, call.node)  # nothing more is recorded before the investor agrees anew


def push(call: VideoSession, event: str, terms: Terms, now: datetime) -> None:
    state = line_state(call, terms, now)
    live.call_changed(call.case.case_no, call.witness_id, event, session_no=call.session_no, **state)


def line_state(call: VideoSession, terms: Terms, now: datetime) -> dict[str, object]:
    """{away: sides that are away, gone: those of them that hung up, left: seconds until the call is given up, or null, grace: seconds
    it waits}
    """
    due = line.due_at(call, terms)
    left = None if due is None else max(0.0, round((due - now).total_seconds(), 1))
    return {
        "away": sorted(away := line.away_since(call)),
        "gone": sorted(side for side in away if timeline.hung_up(call, side)),
        "left": left,
        "grace": line.holding(call, terms).grace.total_seconds(),
    }


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _order(event_id: str) -> tuple[int, int]:
    ms, _, number = event_id.partition("-")
    return int(ms or 0), int(number or 0)
