"""请求加急 (Q8): somebody who waits asks to be served sooner, with a reason; a supervisor of the branch grants or declines it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload

from console.cases.models import Case
from console.cases.trail import Happening, hold, note
from console.local_time import midnight
from console.people.branches import served_branches
from console.people.models import Staff
from console.problem import NotThere, Problem
from console.stamp import Stamp

from . import service
from .models import IS_WAITING, Priority, Ticket, TicketState, UrgentRequest

MOST_A_DAY = 2
SHORTEST, LONGEST = 4, 100


class NotWaiting(Problem):
    status, code = 409, "not_waiting"
    text = "您现在不在排队，不需要加急。"


class ReasonMissing(Problem):
    status, code = 422, "reason_missing"
    text = f"请写明加急的原因，{SHORTEST} 到 {LONGEST} 个字。"


class AskedEnough(Problem):
    status, code = 429, "asked_enough"
    text = f"每天最多请求 {MOST_A_DAY} 次加急，今天的次数已用完。您的排队位置不变。"


class WordsMissing(Problem):
    status, code = 422, "words_missing"
    text = "请写一句给投资者的说明，2 到 100 个字。"


class Decided(Problem):
    """Another supervisor was faster, or the investor waits no more."""

    status, code = 409, "decided"
    text = "这条加急请求已经处理，或投资者已不在排队。"


@dataclass(frozen=True)
class Standing:
    """The latest request of a ticket, if there is one, and how many more may be made today."""

    latest: UrgentRequest | None
    left: int


# --- the investor


def ask(session: Session, case: Case, reason: str, stamp: Stamp) -> UrgentRequest:
    """One open request a ticket: asked again while it is open, it is the same. Raises NotWaiting, ReasonMissing, AskedEnough."""
    hold(case)
    ticket = service.waiting_ticket(session, case)
    if ticket is None:
        raise NotWaiting(case.case_no)
    if (latest := _latest(session, ticket)) is not None and latest.granted is not False:
        return latest
    reason = " ".join(reason.split())
    if not SHORTEST <= len(reason) <= LONGEST:
        raise ReasonMissing(case.case_no)
    if _left(session, case.investor_id, stamp.at) < 1:
        raise AskedEnough(case.case_no)
    made = UrgentRequest(ticket=ticket, investor_id=case.investor_id, reason=reason, asked_at=stamp.at)
    session.add(made)
    session.flush()
    note(case, Happening.URGENT_ASKED, stamp, ticket=ticket.ticket_no, request=made.id)
    return made


def standing(session: Session, ticket: Ticket, at: datetime) -> Standing:
    return Standing(_latest(session, ticket), _left(session, ticket.case.investor_id, at))


def _latest(session: Session, ticket: Ticket) -> UrgentRequest | None:
    of = select(UrgentRequest).where(UrgentRequest.ticket_id == ticket.id).order_by(UrgentRequest.id.desc()).limit(1)
    return session.scalar(of)


def _left(session: Session, investor_id: int, at: datetime) -> int:
    today = select(func.count()).where(
        UrgentRequest.investor_id == investor_id, UrgentRequest.asked_at >= midnight(at), UrgentRequest.asked_at <= at
    )
    return max(0, MOST_A_DAY - (session.scalar(today) or 0))


# --- the supervisor


def pending(session: Session, staff: Staff) -> list[UrgentRequest]:
    """Those of the branches that this person serves whose investor still waits, the oldest first."""
    whole = joinedload(UrgentRequest.ticket).joinedload(Ticket.case).joinedload(Case.investor)
    return list(session.scalars(_open_for(session, staff).options(whole).order_by(UrgentRequest.asked_at)))


def how_many(session: Session, staff: Staff) -> int:
    return session.scalar(_open_for(session, staff).with_only_columns(func.count(UrgentRequest.id))) or 0


def _open_for(session: Session, staff: Staff) -> Select[UrgentRequest]:
    branches = [branch.id for branch in served_branches(session, staff)]
    return (
        select(UrgentRequest)
        .join(UrgentRequest.ticket)
        .where(UrgentRequest.granted.is_(None), IS_WAITING, Ticket.branch_id.in_(branches))
    )


def grant(session: Session, request_id: int, staff: Staff, stamp: Stamp) -> UrgentRequest:
    """Next in line after who was called before; who stands better already keeps that. Raises Decided, NotThere."""
    request = _held(session, request_id, staff)
    _decide(session, request, True, staff, stamp)
    ticket = request.ticket
    if Priority.URGENT.rank < ticket.rank:
        ticket.priority, ticket.rank = Priority.URGENT, Priority.URGENT.rank
    note(ticket.case, Happening.URGENT_GRANTED, stamp, ticket=ticket.ticket_no, request=request.id)
    return request


def decline(session: Session, request_id: int, staff: Staff, words: str, stamp: Stamp) -> UrgentRequest:
    """``words``: what the investor reads. Raises Decided, WordsMissing, NotThere."""
    request = _held(session, request_id, staff)
    words = " ".join(words.split())
    if not 2 <= len(words) <= LONGEST:
        raise WordsMissing(request_id)
    request.words = words
    _decide(session, request, False, staff, stamp)
    note(request.ticket.case, Happening.URGENT_DECLINED, stamp, ticket=request.ticket.ticket_no, request=request.id)
    return request


def _held(session: Session, request_id: int, staff: Staff) -> UrgentRequest:
    """The open request, its case held. Raises NotThere for one of a branch that this person does not serve."""
    request = session.get(UrgentRequest, request_id)
    if request is None or request.ticket.branch_id not in {b.id for b in served_branches(session, staff)}:
        raise NotThere(request_id)
    hold(request.ticket.case)
    session.refresh(request, with_for_update=True)
    session.refresh(request.ticket, ["state"])
    if request.granted is not None or request.ticket.state is not TicketState.WAITING:
        raise Decided(request_id)
    return request


def _decide(session: Session, request: UrgentRequest, granted: bool, staff: Staff, stamp: Stamp) -> None:
    request.granted, request.decided_by, request.decided_at = granted, staff.id, stamp.at
    session.flush()
