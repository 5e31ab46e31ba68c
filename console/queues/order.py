"""Which tickets a seat may answer, in which order, and in what words this one was the next."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    false,
    func,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from console.cases.models import Case, Status
from console.db import UtcDateTime
from console.rows import ONE, spelled_out

from . import witnesses
from .models import IS_WAITING, OverflowRule, Priority, Seat, SeatState, Ticket

COUNTED = 1000  # so many, or more: pages say 1000+ (parts.people)
ORDER = (Ticket.rank, Ticket.joined_at, Ticket.id)
Head = Select[Ticket, Case]
MOST_MISSED = 3  # times that an investor may be called in vain
REST = timedelta(seconds=30)  # times how often they were: for so long others come first
FIRST = {
    Priority.RETURNED: "通话中断或未接通后退回，排在最前",
    Priority.CHECKED: "班长核实后放行，排在最前",
    Priority.URGENT: "加急获准，排在预约和先到者之前",
    Priority.APPOINTMENT: "在预约时段内",
    Priority.MENDED: "驳回后补正，先于初次排队",
    Priority.NORMAL: "先到先接",
}


def heads(session: Session, seat: Seat, at: datetime, *, to_claim: bool = False) -> Iterator[Head]:
    """The ticket that is this seat's next one, with its case, in turns until there is one: of its own branch, then of those whose rules
    send theirs here by now; each time first who was not called in vain a moment ago. However many wait, each turn reads only the first
    ones. Run with `asked`.

    ``to_claim``: both are locked, and one that somebody else is claiming is passed over.
    """
    for each in OWN:
        yield each[to_claim]
    for each in _heads(sent_here(session, seat, at)):
        yield each[to_claim]


def asked(seat: Seat, at: datetime) -> dict[str, Any]:
    return {"branch": seat.branch_id, "me": seat.staff_id, "at": at, "rested": at + MOST_MISSED * REST}


def _heads(place: ColumnElement[bool]) -> list[tuple[Head, Head]]:
    """Each to look at and to claim."""
    head = (
        select(Ticket, Case)
        .join(Case, Case.id == Ticket.case_id)
        .where(place, IS_WAITING, spelled_out(Case.status, Status.IN_QUEUE))
        .where(witnesses.MAY_WITNESS, MEANT_FOR)
        .order_by(*ORDER)
        .limit(ONE)
    )
    both = (head.where(NOT_LATELY), head.where(~NOT_LATELY))
    return [(each, each.with_for_update(of=[Case, Ticket], skip_locked=True)) for each in both]


def _some(*which: ColumnElement[bool]) -> Select[int]:
    """Ids of those who wait at ``branch``, no more than COUNTED. In this order PostgreSQL takes the index."""
    here = (Ticket.branch_id == bindparam("branch", type_=Integer()), IS_WAITING)
    most = literal_column(str(COUNTED), Integer)
    some = select(Ticket.id).where(*here, *which).order_by(*ORDER).limit(most)
    return select(some.subquery().c.id)


def _ahead() -> CompoundSelect[int]:
    """Who is answered before the one at ``rank``, ``joined`` and ``ticket``. As one comparison of three columns it would be read over the
    whole index: a B-tree stops such a scan at its first column only.
    """
    rank, ticket = bindparam("rank", type_=Integer()), bindparam("ticket", type_=Integer())
    joined = bindparam("joined", type_=UtcDateTime())
    return union_all(
        _some(Ticket.rank < rank),
        _some(Ticket.rank == rank, Ticket.joined_at < joined),
        _some(Ticket.rank == rank, Ticket.joined_at == joined, Ticket.id < ticket),
    )


def _count(of: CompoundSelect[int] | Select[int]) -> ScalarSelect[int]:
    return select(func.count()).select_from(of.subquery()).scalar_subquery()


AHEAD = select(_count(_ahead()))  # run with `standing`
PLACE = select(_count(_ahead()), _count(_some()))


def standing(ticket: Ticket) -> dict[str, Any]:
    return {"branch": ticket.branch_id, "rank": ticket.rank, "joined": ticket.joined_at, "ticket": ticket.id}


def _not_lately() -> ColumnElement[bool]:
    """Was not called in vain a moment ago. One who would rest longer than anybody does was called by a process whose clock is wrong."""
    rests_until = Ticket.not_before
    at, rested = bindparam("at", type_=UtcDateTime()), bindparam("rested", type_=UtcDateTime())
    return or_(rests_until.is_(None), rests_until <= at, rests_until > rested)


def _meant_for() -> ColumnElement[bool]:
    """Not what was sent to another witness (改派), unless that one is offline; ``me`` is asking."""
    offline = select(Seat.id).where(Seat.staff_id == Ticket.for_id, Seat.state == SeatState.OFFLINE)
    me = bindparam("me", type_=Integer())
    return or_(Ticket.for_id.is_(None), Ticket.for_id == me, offline.exists())


NOT_LATELY, MEANT_FOR = _not_lately(), _meant_for()
OWN = _heads(Ticket.branch_id == bindparam("branch", type_=Integer()))


def sent_here(session: Session, seat: Seat, at: datetime) -> ColumnElement[bool]:
    """Those of other branches that their rules send to the branch of this seat by now."""
    here = OverflowRule.to_branch_id == seat.branch_id
    rules = session.scalars(select(OverflowRule).where(here, OverflowRule.active))
    late = (
        and_(Ticket.branch_id == rule.branch_id, Ticket.joined_at <= at - timedelta(minutes=rule.after_minutes))
        for rule in rules
    )
    return or_(false(), *late)


def because(ticket: Ticket, seat: Seat, at: datetime, why: str = "") -> str:
    """为什么接这一位: kept with the ticket and shown to the witness."""
    waited = max(0, int((at - ticket.joined_at).total_seconds()))
    words = f"挑选接通：{why}" if why else FIRST[ticket.priority]
    from_elsewhere = f"{ticket.branch.name}溢出，" if ticket.branch_id != seat.branch_id else ""
    sent = "班长改派，" if ticket.moved_at is not None else ""
    return f"{sent}{from_elsewhere}{words}，已等 {waited // 60:02d}:{waited % 60:02d}"[:200]
