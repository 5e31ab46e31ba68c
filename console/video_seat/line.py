"""The line of a call: which side is away and since when, what follows when it comes back, and what when it does not.

Each function changes one call inside the caller's transaction, holds the call first (`held`), and does nothing to one that is
over. So a side that returns at the very end of its grace either finds its call, or finds it ended; never both.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from console.cases.models import Case
from console.cases.trail import hold
from console.queues import seats
from console.queues import service as queues
from console.queues.models import SeatState, Ticket
from console.stamp import Stamp

from . import service, timeline
from .models import CallEventKind, Verdict, VideoSession

SIDES = (timeline.INVESTOR, timeline.WITNESS)
SYSTEM = "system:line"
RESTART = "restart"
COLUMNS = [column.key for column in VideoSession.__table__.columns]


@dataclass(frozen=True)
class Terms:
    """``grace``: how long a side may stay away. ``restart``: a conversation that was interrupted begins again. ``ring`` and ``come``: how
    long after 接通 the witness's line and the investor's consent may take; None: for ever.

    Where a parameter is called ``terms``, it is the house's; each call asks `holding` for its own.
    """

    grace: timedelta
    restart: bool = False
    ring: timedelta | None = None
    come: timedelta | None = None


def holding(call: VideoSession, house: Terms) -> Terms:
    """What holds for this call: what its case's branch says, else the house. The one place that answers this."""
    branch = call.case.branch
    grace = house.grace if branch.call_grace is None else timedelta(seconds=branch.call_grace)
    restart = house.restart if branch.after_drop is None else branch.after_drop == RESTART
    return replace(house, grace=grace, restart=restart)


def held(session: Session, session_no: str) -> VideoSession | None:
    """The call of this number, if it goes on, locked behind its case; None when there is none or it is over."""
    whole = joinedload(VideoSession.case).joinedload(Case.branch)  # who gets it may ask what holds for it afterwards
    call = session.scalar(select(VideoSession).where(VideoSession.session_no == session_no).options(whole))
    if call is None:
        return None
    hold(call.case)
    session.refresh(call, COLUMNS, with_for_update=True)
    session.expire(call, ["take_overs"])
    return call if call.ended_at is None else None


def away_since(call: VideoSession) -> dict[str, datetime]:
    """Since when each side that is away is away."""
    both = {timeline.INVESTOR: call.investor_away_since, timeline.WITNESS: call.witness_away_since}
    return {side: since for side, since in both.items() if since is not None}


def expected(call: VideoSession, terms: Terms) -> dict[str, datetime]:
    """Who has not come yet since the call was answered or taken over, and until when they may."""
    due = {}
    if terms.ring is not None and not timeline.came(call, timeline.WITNESS):
        due[timeline.WITNESS] = call.held_since + terms.ring
    if terms.come is not None and not call.agreed and not timeline.came(call, timeline.INVESTOR):
        due[timeline.INVESTOR] = call.held_since + terms.come
    return due


def due_at(call: VideoSession, terms: Terms) -> datetime | None:
    """When the grace of the side that went first is over; None: both are there."""
    since = away_since(call)
    return min(since.values()) + holding(call, terms).grace if since else None


def heard(
    session: Session,
    call: VideoSession,
    kind: CallEventKind,
    at: datetime,
    side: str,
    now: datetime,
    terms: Terms,
    **facts: Any,
) -> list[CallEventKind]:
    """Write what happened, and what follows from it: LOST, RESUMED or RESTARTED when the state of the line changed with it.

    [] when it was written before. ``at`` may be another machine's clock; the grace is counted by ours, ``now``.
    """
    if timeline.happened(session, call, kind, at, side, **facts) is None:
        return []
    before = away_since(call)
    for each in SIDES:
        away = timeline.is_away(call, each)
        if away != (each in before):
            setattr(call, f"{each}_away_since", now if away else None)
    after = away_since(call)
    if after.keys() - before.keys():
        return [kind, CallEventKind.LOST]
    if before and not after:
        return [kind, _went_on(session, call, min(before.values()), now, terms)]
    return [kind]


def _went_on(session: Session, call: VideoSession, since: datetime, now: datetime, terms: Terms) -> CallEventKind:
    """Both sides are there again."""
    seconds = round((now - since).total_seconds(), 1)
    if holding(call, terms).restart and call.agreed and timeline.was_interrupted(call):
        timeline.happened(session, call, CallEventKind.RESTARTED, now, seconds=seconds)
        call.asking = ""
        call.acknowledged_at = None  # and with it every mark made until now: timeline.counts
        return CallEventKind.RESTARTED
    timeline.happened(session, call, CallEventKind.RESUMED, now, seconds=seconds)
    return CallEventKind.RESUMED


def moved(
    session: Session,
    call: VideoSession,
    dead: str | None,
    node: str,
    since: datetime | None,
    now: datetime,
    terms: Terms,
) -> bool:
    """The call goes on at another media node, if it is still at the one that died: both sides are away until they are there.

    ``since``: when the dead node was last heard of.
    """
    if call.node != dead:
        return False
    facts = {"from": dead, "to": node, "since": (since or now).isoformat()}
    call.node, call.epoch = node, call.epoch + 1
    heard(session, call, CallEventKind.MOVED, now, "", now, terms, **facts)
    return True


def drop(session: Session, session_no: str, now: datetime, terms: Terms) -> VideoSession | None:
    """End the call whose grace is over, or to which a side did not come: the case is in its queue again, the seat is free. Once: None
    otherwise. A witness whose line never stood is on 小休 afterwards: the next one is not called by a seat where nobody answers.
    """
    staff_id = session.scalar(select(VideoSession.witness_id).where(VideoSession.session_no == session_no))
    if staff_id is None:
        return None
    seats.hold(session, staff_id)  # who gives a verdict holds seat, case, call in this order too
    call = held(session, session_no)
    if call is None or not (sides := _given_up(call, now, terms)):
        return None
    unanswered = not timeline.came(call, sides[0])
    grace = holding(call, terms).grace.total_seconds()
    timeline.happened(session, call, CallEventKind.DROPPED, now, sides=sides, grace=grace, unanswered=unanswered)
    stamp = Stamp(by=SYSTEM, at=now)
    give_back = queues.called_in_vain if sides == [timeline.INVESTOR] else queues.put_back
    why = "unanswered" if unanswered else "dropped"
    give_back(session, call.case, session.get_one(Ticket, call.ticket_id), stamp, why)
    service.end(session, call, Verdict.TECHNICAL_FAILURE, stamp)
    if unanswered and timeline.WITNESS in sides and (seat := seats.hold(session, staff_id)):
        seats.enter(session, seat, SeatState.BREAK, now)
    return call


def _given_up(call: VideoSession, now: datetime, terms: Terms) -> list[str]:
    """The sides for which the call has waited long enough; [] while it may go on."""
    late = sorted(side for side, until in expected(call, terms).items() if until <= now)
    due = due_at(call, terms)
    return late or (sorted(away_since(call)) if due is not None and due <= now else [])


def overdue(session: Session, now: datetime, terms: Terms) -> list[str]:
    """The calls that have waited long enough."""
    live = session.scalars(select(VideoSession).where(VideoSession.ended_at.is_(None)))
    return [call.session_no for call in live if _given_up(call, now, terms)]


def dropped_sides(call: VideoSession) -> list[str]:
    """Who had not come (back) when the call was given up; [] when it was not."""
    return list(_drop_of(call).get("sides", ()))


def was_unanswered(call: VideoSession) -> bool:
    """Given up because a side never came at all."""
    return bool(_drop_of(call).get("unanswered"))


def dropped_after(call: VideoSession) -> int:
    """Seconds that the call waited before it was given up; 0 when it was not."""
    return int(_drop_of(call).get("grace", 0))


def _drop_of(call: VideoSession) -> dict[str, Any]:
    return next((event.facts for event in call.events if event.kind is CallEventKind.DROPPED), {})
