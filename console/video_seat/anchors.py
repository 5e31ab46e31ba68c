"""How far the chain of each recording was while it ran, kept where whoever owns the node cannot change it (docs/decisions/0012).

A recording that is altered on the node before it is sealed, its chain rewritten with it, no more has the links that were told.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from console.adapters.media import Head

from .models import RecordingAnchor, VideoSession

SIDES = ("investor", "witness")
HEX = frozenset("0123456789abcdef")
KEPT_WITHIN = timedelta(days=1)  # after its end a call's recordings are sealed


def keep(session: Session, heads: Iterable[Head], now: datetime) -> int:
    """Keep what is new: how much. What was kept stays, whatever is told afterwards under the same number."""
    told = [head for head in heads if _fits(head)]
    numbers = {head.call for head in told}
    query = select(VideoSession.session_no, VideoSession.id).where(VideoSession.session_no.in_(numbers))
    calls = {row.session_no: row.id for row in session.execute(query)}
    added = 0
    for head in told:
        if head.call in calls and _add(session, calls[head.call], head, now):
            added += 1
    return added


def _fits(head: Head) -> bool:
    whole = head.side in SIDES and head.began.tzinfo is not None and len(head.node) <= 60
    return whole and head.links > 0 and head.at_ms >= 0 and len(head.hash) == 64 and HEX.issuperset(head.hash)


def _add(session: Session, call_id: int, head: Head, now: datetime) -> bool:
    known = select(RecordingAnchor.id).where(
        RecordingAnchor.session_id == call_id,
        RecordingAnchor.side == head.side,
        RecordingAnchor.began == head.began,
        RecordingAnchor.links == head.links,
    )
    if session.scalar(known) is not None:
        return False
    row = RecordingAnchor(
        session_id=call_id,
        side=head.side,
        segment=head.segment,
        began=head.began,
        links=head.links,
        at_ms=head.at_ms,
        hash=head.hash,
        node=head.node,
        heard_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:  # another web process heard it as well
        return False
    return True


def of(session: Session, session_no: str, side: str, began: datetime) -> list[RecordingAnchor]:
    """Those of one recording, in the order of its links."""
    return list(
        session.scalars(
            select(RecordingAnchor)
            .join(VideoSession, VideoSession.id == RecordingAnchor.session_id)
            .where(VideoSession.session_no == session_no, RecordingAnchor.side == side, RecordingAnchor.began == began)
            .order_by(RecordingAnchor.links)
        )
    )


def borne_out(anchor: RecordingAnchor, links: Sequence[str]) -> bool:
    """Whether a chain (its links in hex, from the header on) is the one that was told."""
    return anchor.links <= len(links) and links[anchor.links - 1] == anchor.hash
