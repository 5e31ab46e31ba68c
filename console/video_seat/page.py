"""What the seat's page shows besides the call itself: the queue, the next one, today, the team. Reads only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, joinedload

from console.cases.models import Case, Rejection, RejectionReason
from console.local_time import LOCAL, local_day, midnight
from console.people.models import Staff
from console.queues.models import Seat, SeatInterval, SeatState, Ticket

from . import line, timeline
from .models import DECIDING, TakeOver, Verdict, VideoSession

RECENT = 8
JUST_NOW = timedelta(minutes=5)


# --- who is next


@dataclass(frozen=True)
class NextOne:
    """The head of the queue: who, what for, and what went wrong the last time."""

    ticket: Ticket
    calls: int
    rejection: Rejection | None
    by: str
    age: int | None

    @property
    def case(self) -> Case:
        return self.ticket.case

    @property
    def reasons(self) -> list[RejectionReason]:
        return self.rejection.reasons if self.rejection else []


def next_one(session: Session, ticket: Ticket | None, at: datetime) -> NextOne | None:
    if ticket is None:
        return None
    case = ticket.case
    calls = session.scalar(select(func.count()).where(VideoSession.case_id == case.id)) or 0
    rejection = last_rejection(case)
    return NextOne(ticket, calls, rejection, name_of(session, rejection.by) if rejection else "", age(case, at))


def age(case: Case, at: datetime) -> int | None:
    """Full years of the investor on the local day of ``at``."""
    born, today = case.investor.born_on, local_day(at)
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day)) if born else None


def last_rejection(case: Case) -> Rejection | None:
    return case.rejections[-1] if case.rejections else None


def name_of(session: Session, by: str) -> str:
    """The name behind ``staff:12``, else ''."""
    kind, _, number = by.partition(":")
    staff = session.get(Staff, int(number)) if kind == "staff" else None
    return staff.name if staff else ""


# --- today


@dataclass(frozen=True)
class Today:
    """``first_time``: see first_time_share. ``rejected``: 驳回 and 终止办理."""

    answered: int
    first_time: int | None
    mean_seconds: float | None
    rejected: int


def today(session: Session, staff_id: int, at: datetime) -> Today:
    """This witness's own day, from midnight in Shanghai."""
    calls = session.scalars(
        select(VideoSession).where(VideoSession.witness_id == staff_id, VideoSession.started_at >= midnight(at))
    ).all()
    seconds = [(call.ended_at - call.started_at).total_seconds() for call in calls if call.ended_at]
    return Today(
        answered=len(calls),
        first_time=first_time_share(session, calls),
        mean_seconds=sum(seconds) / len(seconds) if seconds else None,
        rejected=sum(call.verdict in (Verdict.REJECTED, Verdict.REFUSED) for call in calls),
    )


def first_time_share(session: Session, calls: Iterable[VideoSession]) -> int | None:
    """一次通过率 in %: of the calls that decided a case for the first time, those that passed it; None without any.

    A call that ended as 技术故障, 可疑 or 不同意 decided nothing: it counts neither itself nor against the call that decides later.
    """
    first = [call for call in calls if call.verdict in DECIDING and not _was_decided_before(session, call)]
    return round(100 * sum(call.verdict is Verdict.PASSED for call in first) / len(first)) if first else None


def _was_decided_before(session: Session, call: VideoSession) -> bool:
    """By a call, or by a supervisor who rejected what was suspicious."""
    by_a_call = exists().where(
        VideoSession.case_id == call.case_id, VideoSession.id < call.id, VideoSession.verdict.in_(DECIDING)
    )
    by_a_person = exists().where(Rejection.case_id == call.case_id, Rejection.at < call.started_at)
    return bool(session.scalar(select(by_a_call | by_a_person)))


def recent(session: Session, staff_id: int) -> list[VideoSession]:
    """最近通话, the latest first."""
    return list(
        session.scalars(
            select(VideoSession)
            .where(VideoSession.witness_id == staff_id, VideoSession.ended_at.is_not(None))
            .options(joinedload(VideoSession.case).joinedload(Case.investor))
            .order_by(VideoSession.id.desc())
            .limit(RECENT)
        )
    )


def just_dropped(session: Session, staff_id: int, at: datetime) -> VideoSession | None:
    """This witness's latest call, if it ended a moment ago by no act of theirs: a side did not come back, or did not agree."""
    latest = session.scalar(
        select(VideoSession)
        .where(VideoSession.witness_id == staff_id)
        .options(joinedload(VideoSession.case).joinedload(Case.investor))
        .order_by(VideoSession.id.desc())
        .limit(1)
    )
    recent_enough = latest is not None and latest.ended_at is not None and at - latest.ended_at < JUST_NOW
    if latest is None or not recent_enough:
        return None
    return latest if latest.verdict is Verdict.DECLINED or line.dropped_sides(latest) else None


def just_taken_over(session: Session, staff_id: int, at: datetime) -> TakeOver | None:
    """The last call of this witness that a supervisor took over, if that was a moment ago."""
    whole = joinedload(TakeOver.session).joinedload(VideoSession.case).joinedload(Case.investor)
    return session.scalars(
        select(TakeOver)
        .where(TakeOver.from_id == staff_id, TakeOver.at > at - JUST_NOW)
        .options(whole, joinedload(TakeOver.successor))
        .order_by(TakeOver.id.desc())
    ).first()


def dropped_words(call: VideoSession) -> tuple[str, str]:
    """What happened to a call that was given up, and what that means now; for its witness."""
    name, sides = call.case.investor.name, line.dropped_sides(call)
    if call.verdict is Verdict.DECLINED:
        return f"{name}不同意录音录像", "通话已结束，不算驳回。受理单退回投资者，同意后可重新排队。"
    if line.was_unanswered(call) and "witness" in sides:
        return (
            f"{name}没有接通",
            "您这一端的线路没有接上。投资者已回到队首，您的坐席转为小休；请检查摄像头、麦克风和网络后再上线。",
        )
    if line.was_unanswered(call):
        return f"{name}没有应答", "没有确认同意录音录像。投资者保留位置，稍后再呼叫；三次没有应答则退出排队。"
    if sides == [timeline.INVESTOR] and timeline.hung_up(call, timeline.INVESTOR):
        return (
            f"{name}离开了通话",
            f"投资者挂断后 {line.dropped_after(call)} 秒没有回来，排在队首，接通后是一次新的通话；已录的部分照常归档。",
        )
    who = "双方" if len(sides) == 2 else "您" if "witness" in sides else "投资者"
    return (
        f"{name}的通话已交回队列",
        f"{who}的连接中断超过 {line.dropped_after(call)} 秒。投资者排在队首，接通后是一次新的通话；已录的部分照常归档。",
    )


# --- the bar of the day

WIDTH = 656  # units of the drawing
KINDS = {
    SeatState.ONLINE: ("ok", "在线"),
    SeatState.IN_CALL: ("act", "通话"),
    SeatState.BREAK: ("wait", "小休"),
    SeatState.MEETING: ("mid", "会议与培训"),
    SeatState.TRAINING: ("mid", "会议与培训"),
}


@dataclass(frozen=True)
class Block:
    kind: str
    x: float
    width: float


@dataclass(frozen=True)
class DayBar:
    """The seat's states of today drawn over ``ticks`` (hours); ``totals``: kind, title, how long in words."""

    blocks: list[Block]
    ticks: list[tuple[float, str]]
    now: float
    totals: list[tuple[str, str, str]]


def day_bar(session: Session, seat: Seat, at: datetime) -> DayBar:
    day, local = midnight(at), at.astimezone(LOCAL)
    intervals = session.scalars(
        select(SeatInterval)
        .where(SeatInterval.seat_id == seat.id, (SeatInterval.ended_at.is_(None)) | (SeatInterval.ended_at > day))
        .order_by(SeatInterval.started_at)
    ).all()
    spans = [(i.state, max(i.started_at, day), min(i.ended_at or at, at)) for i in intervals if i.state in KINDS]
    first = min([9, local.hour, *(start.astimezone(LOCAL).hour for _, start, _ in spans)])
    last = max(17, local.hour + 1)
    begin = day + timedelta(hours=first)
    scale = WIDTH / ((last - first) * 3600)

    def place(moment: datetime) -> float:
        return round((moment - begin).total_seconds() * scale, 1)

    blocks = [Block(KINDS[s][0], place(a), max(0.5, round(place(b) - place(a), 1))) for s, a, b in spans if b > a]
    step = max(1, (last - first) // 4)
    ticks = [(round((hour - first) * 3600 * scale, 1), f"{hour:02d}:00") for hour in range(first, last + 1, step)]
    return DayBar(blocks, ticks, place(at), _totals(spans))


def _totals(spans: list[tuple[SeatState, datetime, datetime]]) -> list[tuple[str, str, str]]:
    seconds: dict[tuple[str, str], float] = {}
    for state, start, end in spans:
        seconds[KINDS[state]] = seconds.get(KINDS[state], 0) + (end - start).total_seconds()
    order = list(dict.fromkeys(KINDS.values()))
    return [(kind, title, _in_words(seconds[kind, title])) for kind, title in order if (kind, title) in seconds]


def _in_words(seconds: float) -> str:
    """Never h:mm: beside the mm:ss of the calls it would be read as minutes."""
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours} 小时 {minutes:02d} 分" if hours else f"{minutes} 分" if minutes else "不到 1 分"
