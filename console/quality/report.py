"""The figures of 质量, worked out of what is kept: by branches and a period of local days."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from math import ceil
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console.businesses.steps import Desk
from console.cases.models import Case, Rejection, RejectionReason
from console.local_time import LOCAL, local_day
from console.people.models import Branch, Staff
from console.queues.models import Ticket
from console.review.models import Decision, ReviewTask, TaskState
from console.video_seat.models import VideoSession

from .agreement import Agreement, agreement
from .models import SecondLook

SPANS = {"week": "本周", "month": "本月", "dates": "自选日期"}
FIRST_YEAR = 2000
LONGEST = 366  # days of one report
TOP = 8
DESK_TITLES = {Desk.SEAT.value: "视频见证", Desk.REVIEWER.value: "复核"}


@dataclass(frozen=True)
class Period:
    """Local days, both included. ``problem``: what of the asked dates could not be used."""

    span: str
    first: date
    last: date
    problem: str = ""

    @property
    def begins(self) -> datetime:
        return datetime.combine(self.first, time(), LOCAL).astimezone(UTC)

    @property
    def ends(self) -> datetime:
        return datetime.combine(self.last + timedelta(days=1), time(), LOCAL).astimezone(UTC)

    @classmethod
    def read(cls, args: Mapping[str, str], now: datetime) -> "Period":
        """``span``, and for dates ``first`` and ``last`` as 2026-12-01; this week without any."""
        today = local_day(now)
        week = today - timedelta(days=today.weekday())
        span = args.get("span", "week")
        if span == "month":
            return cls(span, today.replace(day=1), today)
        if span != "dates":
            return cls("week", week, today)
        try:
            first, last = date.fromisoformat(args.get("first", "")), date.fromisoformat(args.get("last", ""))
        except ValueError:
            return cls("week", week, today, "请填写完整的起止日期，现显示本周。")
        if first > last:
            return cls("week", week, today, "开始日期晚于结束日期，现显示本周。")
        if not FIRST_YEAR <= first.year <= today.year + 1:
            return cls("week", week, today, "这段日期没有记录，现显示本周。")
        if (last - first).days >= LONGEST:
            return cls("week", week, today, f"一次最多看 {LONGEST} 天，现显示本周。")
        return cls(span, first, last)


@dataclass(frozen=True)
class Witness:
    """Of the cases that this witness passed and the counter decided for the first time: how many, and how many were approved."""

    name: str
    branch: str
    cases: int
    right: int

    @property
    def share(self) -> float:
        return self.right / self.cases


@dataclass(frozen=True)
class Given:
    branch: str
    desk: str
    title: str
    times: int


@dataclass(frozen=True)
class Turnaround:
    """In minutes; ``day`` None: the whole period. ``queued``: from joining the queue, of first submissions; ``handed``: from submission."""

    day: date | None
    decided: int
    handed_p50: float | None
    handed_p90: float | None
    queued_p50: float | None
    queued_p90: float | None


@dataclass(frozen=True)
class Report:
    drawn: int
    agreement: Agreement
    differing: int
    witnesses: list[Witness]
    reasons: list[Given]
    whole: Turnaround
    days: list[Turnaround]


def report(session: Session, branches: Sequence[Branch], period: Period) -> Report:
    ids = [branch.id for branch in branches]
    looks = session.scalars(
        select(SecondLook).where(
            SecondLook.branch_id.in_(ids), SecondLook.first_at >= period.begins, SecondLook.first_at < period.ends
        )
    ).all()
    passed = Decision.APPROVED
    done = [(x.first_decision is passed, x.decision is passed) for x in looks if x.state is TaskState.DONE]
    whole, days = turnaround(session, ids, period)
    return Report(
        drawn=len(looks),
        agreement=agreement(done),
        differing=sum(first != second for first, second in done),
        witnesses=witnesses(session, ids, period),
        reasons=reasons(session, ids, period),
        whole=whole,
        days=days,
    )


def witnesses(session: Session, branch_ids: Sequence[int], period: Period) -> list[Witness]:
    """By who had the last call before the first submission, those with most cases first."""
    last_call = (
        select(func.max(VideoSession.id))
        .where(VideoSession.case_id == ReviewTask.case_id, VideoSession.started_at <= ReviewTask.opened_at)
        .correlate(ReviewTask)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Staff.id, Staff.name, Branch.name, ReviewTask.decision, func.count())
        .select_from(ReviewTask)
        .join(VideoSession, VideoSession.id == last_call)
        .join(Staff, Staff.id == VideoSession.witness_id)
        .join(Branch, Branch.id == ReviewTask.branch_id)
        .where(
            ReviewTask.branch_id.in_(branch_ids),
            ReviewTask.submission == 1,
            ReviewTask.decision.is_not(None),
            ReviewTask.decided_at >= period.begins,
            ReviewTask.decided_at < period.ends,
        )
        .group_by(Staff.id, Staff.name, Branch.name, ReviewTask.decision)
    )
    totals: Counter[tuple[int, str, str]] = Counter()
    right: Counter[tuple[int, str, str]] = Counter()
    for id_, name, branch, decision, count in rows:
        totals[id_, name, branch] += count
        if decision is Decision.APPROVED:
            right[id_, name, branch] += count
    found = [Witness(who[1], who[2], cases, right[who]) for who, cases in totals.items()]
    return sorted(found, key=lambda each: (-each.cases, each.branch, each.name))


def reasons(session: Session, branch_ids: Sequence[int], period: Period) -> list[Given]:
    """The TOP of each branch, at the seat and at the counter, as they read when they were given."""
    times = func.count()
    rows = session.execute(
        select(Branch.name, Rejection.desk, RejectionReason.title, times)
        .select_from(RejectionReason)
        .join(Rejection, Rejection.id == RejectionReason.rejection_id)
        .join(Case, Case.id == Rejection.case_id)
        .join(Branch, Branch.id == Case.branch_id)
        .where(Case.branch_id.in_(branch_ids), Rejection.at >= period.begins, Rejection.at < period.ends)
        .group_by(Branch.id, Branch.name, Rejection.desk, RejectionReason.title)
        .order_by(Branch.id, times.desc(), RejectionReason.title, Rejection.desk)
    ).all()
    return [
        Given(branch, DESK_TITLES.get(desk, desk), title, count)
        for _, of_branch in groupby(rows, key=lambda row: row[0])
        for branch, desk, title, count in list(of_branch)[:TOP]
    ]


def turnaround(session: Session, branch_ids: Sequence[int], period: Period) -> tuple[Turnaround, list[Turnaround]]:
    """Of the whole period, and of each day on which something was decided."""
    joined = (
        select(func.max(Ticket.joined_at))
        .where(Ticket.case_id == ReviewTask.case_id, Ticket.joined_at <= ReviewTask.opened_at)
        .correlate(ReviewTask)
        .scalar_subquery()
    )
    rows: Sequence[Any] = session.execute(
        select(ReviewTask.submission, ReviewTask.opened_at, ReviewTask.decided_at, joined).where(
            ReviewTask.branch_id.in_(branch_ids),
            ReviewTask.decision.is_not(None),
            ReviewTask.decided_at >= period.begins,
            ReviewTask.decided_at < period.ends,
        )
    ).all()
    handed: dict[date, list[float]] = defaultdict(list)
    queued: dict[date, list[float]] = defaultdict(list)
    for submission, opened_at, decided_at, joined_at in rows:
        day = local_day(decided_at)
        handed[day].append((decided_at - opened_at).total_seconds() / 60)
        if submission == 1 and joined_at is not None:
            queued[day].append((decided_at - joined_at).total_seconds() / 60)
    whole = _row(None, [x for each in handed.values() for x in each], [x for each in queued.values() for x in each])
    return whole, [_row(day, handed[day], queued[day]) for day in sorted(handed)]


def _row(day: date | None, handed: list[float], queued: list[float]) -> Turnaround:
    return Turnaround(
        day, len(handed), *(percentile(values, share) for values in (handed, queued) for share in (50, 90))
    )


def percentile(values: Sequence[float], share: int) -> float | None:
    """The least value that ``share`` per cent of them do not pass (nearest rank); None of none."""
    if not values:
        return None
    return sorted(values)[max(0, ceil(len(values) * share / 100) - 1)]
