"""The calendar of 预约视频: which times of a branch can be booked, and how many people each takes.

A slot takes (rostered seats × calls a seat takes in it), less the share that is kept for people who come without an appointment.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from console.config import WHOLE_DAY, Settings, VideoHours
from console.local_time import LOCAL, local_day
from console.people.models import Branch

from . import hours
from .models import LIVE, WEEKDAYS, Appointment, Roster, SlotHold

LEAD = timedelta(minutes=30)  # a slot that begins sooner is not booked any more: whoever comes now can queue up
HOLD = timedelta(minutes=3)  # a chosen place is set aside so long for its investor to confirm


@dataclass(frozen=True)
class Terms:
    """``calls``: what one seat answers in a slot; ``walk_ins``: the share of them, in %, kept for people without an appointment."""

    slot: timedelta = timedelta(minutes=15)
    calls: int = 2
    walk_ins: int = 50
    days: int = 7
    reminder: timedelta = timedelta(minutes=30)
    hours: VideoHours = WHOLE_DAY


def terms_of(settings: Settings) -> Terms:
    return Terms(
        slot=settings.appointment_slot,
        calls=settings.calls_per_slot,
        walk_ins=settings.walk_in_share,
        days=settings.appointment_days,
        reminder=settings.appointment_reminder,
        hours=settings.video_hours,
    )


@dataclass(frozen=True)
class Slot:
    """``at`` is aware UTC."""

    at: datetime
    minutes: int
    capacity: int
    taken: int

    @property
    def free(self) -> int:
        return max(0, self.capacity - self.taken)

    @property
    def morning(self) -> bool:
        return self.at.astimezone(LOCAL).hour < 12


@dataclass(frozen=True)
class Day:
    """One (Shanghai) day with what can still be booked of it, full slots too; without any, ``why`` says why."""

    day: date
    slots: list[Slot]
    why: str

    @property
    def free(self) -> int:
        return sum(slot.free for slot in self.slots)

    def __str__(self) -> str:
        return f"{self.day.month}月{self.day.day}日 {WEEKDAYS[self.day.weekday()]}"


def days(session: Session, branch: Branch, terms: Terms, at: datetime, investor_id: int | None = None) -> list[Day]:
    """Today and the days after it, ``terms.days`` in all. What is set aside for this investor is free to them."""
    today = local_day(at)
    return _calendar(session, branch, terms, at, [today + timedelta(days=n) for n in range(terms.days)], investor_id)


def slot(session: Session, branch: Branch, terms: Terms, slot_at: datetime, at: datetime) -> Slot | None:
    """The slot that begins at ``slot_at``, if it is one that can be booked at ``at`` (it may be full)."""
    day = local_day(slot_at)
    if not local_day(at) <= day < local_day(at) + timedelta(days=terms.days):
        return None
    (calendar,) = _calendar(session, branch, terms, at, [day])
    return next((each for each in calendar.slots if each.at == slot_at), None)


def free_place(session: Session, branch_id: int, slot: Slot, at: datetime, investor_id: int) -> int | None:
    """The lowest place of the slot that nobody has and that is set aside for nobody else, as far as one can see now."""
    booked = select(Appointment.place).where(Appointment.branch_id == branch_id, Appointment.slot_at == slot.at, LIVE)
    aside = select(SlotHold.place).where(
        SlotHold.branch_id == branch_id, SlotHold.slot_at == slot.at, *_of_others(at, investor_id)
    )
    gone = {*session.scalars(booked), *session.scalars(aside)}
    return next((place for place in range(slot.capacity) if place not in gone), None)


def _of_others(at: datetime, investor_id: int | None) -> list[ColumnElement[bool]]:
    running = SlotHold.held_until > at
    return [running] if investor_id is None else [running, SlotHold.investor_id != investor_id]


def _calendar(
    session: Session,
    branch: Branch,
    terms: Terms,
    at: datetime,
    wanted: list[date],
    investor_id: int | None = None,
) -> list[Day]:
    holidays = hours.holidays(session, branch, wanted[0] - timedelta(days=1))
    rosters = session.scalars(
        select(Roster).where(
            Roster.branch_id == branch.id, or_(Roster.weekday.is_not(None), Roster.day.between(wanted[0], wanted[-1]))
        )
    ).all()
    taken = _taken(session, branch.id, wanted, at, investor_id)
    found = []
    for day in wanted:
        rows = [row for row in rosters if row.day == day] or [row for row in rosters if row.weekday == day.weekday()]
        slots = [
            Slot(start, terms.slot // timedelta(minutes=1), _capacity(rows, start, terms), taken[start])
            for start in _starts(day, terms)
            if start >= at + LEAD and _in_service(start, terms, holidays.keys())
        ]
        slots = [each for each in slots if each.capacity]
        found.append(Day(day, slots, "" if slots else holidays.get(day) or ("今日已过" if rows else "不排班")))
    return found


def _starts(day: date, terms: Terms) -> Iterable[datetime]:
    midnight = datetime(day.year, day.month, day.day, tzinfo=LOCAL).astimezone(UTC)
    return (midnight + terms.slot * n for n in range(timedelta(days=1) // terms.slot))


def _in_service(start: datetime, terms: Terms, closed: Iterable[date]) -> bool:
    days_off = set(closed)
    last = start + terms.slot - timedelta(seconds=1)
    return hours.is_open(terms.hours, start, days_off) and hours.is_open(terms.hours, last, days_off)


def _capacity(rows: Iterable[Roster], start: datetime, terms: Terms) -> int:
    local = start.astimezone(LOCAL)
    minute = local.hour * 60 + local.minute
    begins, ends = _clock(minute), _clock(minute + terms.slot // timedelta(minutes=1))
    seats = sum(row.seats for row in rows if row.starts_at <= begins and ends <= row.ends_at)
    return seats * terms.calls * (100 - terms.walk_ins) // 100


def _clock(minute: int) -> str:
    """24:00 is the end of the day."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _taken(
    session: Session, branch_id: int, wanted: list[date], at: datetime, investor_id: int | None
) -> Counter[datetime]:
    """Booked, or set aside for somebody else."""
    first = datetime(wanted[0].year, wanted[0].month, wanted[0].day, tzinfo=LOCAL)
    end = datetime(wanted[-1].year, wanted[-1].month, wanted[-1].day, tzinfo=LOCAL) + timedelta(days=1)
    counted = session.execute(
        select(Appointment.slot_at, func.count())
        .where(Appointment.branch_id == branch_id, Appointment.slot_at >= first, Appointment.slot_at < end, LIVE)
        .group_by(Appointment.slot_at)
    )
    taken = Counter(dict(counted.all()))
    taken.update(
        session.scalars(
            select(SlotHold.slot_at).where(
                SlotHold.branch_id == branch_id,
                SlotHold.slot_at >= first,
                SlotHold.slot_at < end,
                *_of_others(at, investor_id),
            )
        )
    )
    return taken
