"""可疑: what witnesses told the supervisors, and how it was decided. Whoever raised one never decides it."""

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from console.businesses.steps import Desk
from console.cases import transitions
from console.cases.models import Case, Status
from console.cases.service import reasons_by_code
from console.cases.trail import hold
from console.people.branches import served_branches
from console.people.models import Staff
from console.problem import Problem
from console.queues import service as queues
from console.queues.models import Ticket
from console.stamp import Stamp

from .models import Outcome, Suspicion, VideoSession
from .words import NOTE, REMARK, written

RECENT = 8


class SameHands(Problem):
    status, code = 409, "same_hands"
    text = "这是您本人报的可疑，须由其他班长核实。"


class AlreadyDecided(Problem):
    status, code = 409, "already_decided"
    text = "这一单已由其他班长作出决定，这次操作没有生效。请刷新列表。"


class WordsMissing(Problem):
    status, code = 422, "words_missing"
    text = "请写明核实情况，2 到 400 个字。"


def waiting(session: Session, staff: Staff) -> list[Suspicion]:
    """Those that nobody decided yet, of the branches that this person serves; the oldest first."""
    return list(session.scalars(_of(session, staff).where(Suspicion.outcome.is_(None)).order_by(Suspicion.raised_at)))


def how_many_wait(session: Session, staff: Staff) -> int:
    found = _of(session, staff).where(Suspicion.outcome.is_(None)).with_only_columns(func.count(Suspicion.id))
    return session.scalar(found.order_by(None)) or 0


def recent(session: Session, staff: Staff) -> list[Suspicion]:
    """The last ones that were decided."""
    found = _of(session, staff).where(Suspicion.outcome.is_not(None)).order_by(Suspicion.decided_at.desc())
    return list(session.scalars(found.limit(RECENT)))


def one(session: Session, staff: Staff, session_no: str) -> Suspicion | None:
    """The suspicion about this call, if it is of a branch that this person serves."""
    return session.scalar(_of(session, staff).join(Suspicion.session).where(VideoSession.session_no == session_no))


def _of(session: Session, staff: Staff) -> Select[Suspicion]:
    branches = [branch.id for branch in served_branches(session, staff)]
    return (
        select(Suspicion)
        .where(Suspicion.branch_id.in_(branches))
        .options(
            joinedload(Suspicion.session).joinedload(VideoSession.case).joinedload(Case.investor),
            joinedload(Suspicion.session).selectinload(VideoSession.marks),
            selectinload(Suspicion.raiser),
            selectinload(Suspicion.decider),
        )
    )


def may_decide(suspicion: Suspicion, staff: Staff) -> bool:
    """By person, whatever the account."""
    return suspicion.outcome is None and suspicion.raised_person != staff.person


# --- deciding


def release(session: Session, suspicion: Suspicion, staff: Staff, words: str, stamp: Stamp) -> Ticket:
    """Back to the head of the queue, for another witness. Raises SameHands, AlreadyDecided, WordsMissing."""
    words = written(words, NOTE, "words", "核实情况")
    if len(words) < 2:
        raise WordsMissing
    _take(session, suspicion, staff)
    call = suspicion.session
    answered = session.get_one(Ticket, call.ticket_id)
    ticket = queues.release(session, call.case, answered, suspicion.raised_person, stamp)
    _decide(session, suspicion, staff, Outcome.REQUEUED, words, stamp)
    return ticket


def reject(
    session: Session, suspicion: Suspicion, staff: Staff, codes: list[str], remark: str, words: str, stamp: Stamp
) -> None:
    """Back to the steps that the reasons blame, or the end of the case when one of them is final. Raises SameHands, AlreadyDecided,
    UnknownReason.
    """
    _take(session, suspicion, staff)
    case = suspicion.session.case
    reasons = reasons_by_code(session, case, codes)
    words = written(words, NOTE, "internal_note", "内部备注")
    told = {"remark": written(remark, REMARK, "remark", "写给投资者的补充说明"), "internal_note": words}
    transitions.reject(case, reasons, stamp, desk=Desk.SEAT, **told)
    outcome = Outcome.REFUSED if case.status is Status.REFUSED else Outcome.REJECTED
    _decide(session, suspicion, staff, outcome, words, stamp)


def _take(session: Session, suspicion: Suspicion, staff: Staff) -> None:
    hold(suspicion.session.case)
    session.refresh(suspicion, ["outcome"], with_for_update=True)
    if suspicion.outcome is not None:
        raise AlreadyDecided(suspicion.id)
    if suspicion.raised_person == staff.person:
        raise SameHands(suspicion.id)


def _decide(session: Session, suspicion: Suspicion, staff: Staff, outcome: Outcome, words: str, stamp: Stamp) -> None:
    suspicion.outcome, suspicion.decision_words = outcome, words or None
    suspicion.decided_by, suspicion.decided_person, suspicion.decided_at = staff.id, staff.person, stamp.at
    session.flush()
