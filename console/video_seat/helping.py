"""求助班长: a witness in a call asks for help with a reason; a supervisor answers with words, or takes the call over."""

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload

from console.cases.models import Case
from console.cases.trail import Happening, hold, note
from console.people.branches import served_branches
from console.people.models import Staff
from console.problem import NotThere, Problem
from console.stamp import Stamp

from .models import HelpRequest, VideoSession
from .service import CallOver

SHORTEST, LONGEST = 2, 100


class ReasonMissing(Problem):
    status, code = 422, "reason_missing"
    text = f"请写明要班长帮什么，{SHORTEST} 到 {LONGEST} 个字。"


class WordsMissing(Problem):
    status, code = 422, "words_missing"
    text = f"请写一句给认证人员的回复，{SHORTEST} 到 {LONGEST} 个字。"


class Closed(Problem):
    """Another supervisor was faster, or the call is over."""

    status, code = 409, "help_closed"
    text = "这次求助已经有人回复，或通话已经结束。"


# --- the witness


def ask(session: Session, call: VideoSession, reason: str, stamp: Stamp) -> HelpRequest:
    """Asked again while it is open, it is the same. Raises CallOver, ReasonMissing."""
    hold(call.case)
    session.refresh(call, ["ended_at"])
    if call.ended_at is not None:
        raise CallOver(call.session_no)
    if (latest := of(session, call)) is not None and latest.closed_at is None:
        return latest
    made = HelpRequest(
        session=call,
        reason=_said(reason, ReasonMissing),
        asked_by=call.witness_id,
        asked_at=stamp.at,
    )
    session.add(made)
    session.flush()
    note(call.case, Happening.HELP_ASKED, stamp, session=call.session_no, request=made.id)
    return made


def of(session: Session, call: VideoSession) -> HelpRequest | None:
    """The latest of this call."""
    found = select(HelpRequest).where(HelpRequest.session_id == call.id).options(joinedload(HelpRequest.closer))
    return session.scalars(found.order_by(HelpRequest.id.desc())).first()


# --- the supervisor


def pending(session: Session, staff: Staff) -> list[HelpRequest]:
    """Those that nobody answered, of calls that go on at the branches that this person serves; one's own are somebody else's."""
    whole = joinedload(HelpRequest.session).joinedload(VideoSession.case).joinedload(Case.investor)
    return list(
        session.scalars(
            _open_for(session, staff).options(whole, joinedload(HelpRequest.asker)).order_by(HelpRequest.asked_at)
        )
    )


def how_many(session: Session, staff: Staff) -> int:
    return session.scalar(_open_for(session, staff).with_only_columns(func.count(HelpRequest.id))) or 0


def _open_for(session: Session, staff: Staff) -> Select[HelpRequest]:
    branches = [branch.id for branch in served_branches(session, staff)]
    return (
        select(HelpRequest)
        .join(HelpRequest.session)
        .join(VideoSession.case)
        .where(
            HelpRequest.closed_at.is_(None),
            HelpRequest.asked_by != staff.id,
            VideoSession.ended_at.is_(None),
            Case.branch_id.in_(branches),
        )
    )


def answer(session: Session, request_id: int, staff: Staff, words: str, stamp: Stamp) -> HelpRequest:
    """``words``: what the witness reads. Raises NotThere, Closed, WordsMissing."""
    request = session.get(HelpRequest, request_id, options=[joinedload(HelpRequest.asker)])
    branches = {branch.id for branch in served_branches(session, staff)}
    if request is None or request.session.case.branch_id not in branches or request.asked_by == staff.id:
        raise NotThere(request_id)
    hold(request.session.case)
    session.refresh(request, ["closed_at"], with_for_update=True)
    session.refresh(request.session, ["ended_at"])
    if request.closed_at is not None or request.session.ended_at is not None:
        raise Closed(request_id)
    _close(request, _said(words, WordsMissing), staff, stamp)
    note(request.session.case, Happening.HELP_ANSWERED, stamp, session=request.session.session_no, request=request.id)
    return request


def close(session: Session, call: VideoSession, staff: Staff, stamp: Stamp) -> None:
    """Whoever takes the call over has answered what was asked in it; the call is held."""
    request = of(session, call)
    if request is not None and request.closed_at is None:
        _close(request, None, staff, stamp)


def _close(request: HelpRequest, words: str | None, staff: Staff, stamp: Stamp) -> None:
    request.words, request.closer, request.closed_at = words, staff, stamp.at


def _said(words: str, missing: type[Problem]) -> str:
    words = " ".join(words.split())
    if not SHORTEST <= len(words) <= LONGEST:
        raise missing
    return words
