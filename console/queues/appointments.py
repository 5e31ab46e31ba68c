"""预约视频: book, change, cancel, come in time or not. Who comes in time is answered before those who just came.

Every act holds the case first, is a line of its trail, and done twice is done once. That no place is given twice and no case has two
live appointments is kept by two unique indexes (models.py), whatever happens here.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session, joinedload

from console.businesses.steps import Desk
from console.cases.models import ENDED, Case, CaseEvent, Status
from console.cases.trail import HELD, Happening, asked_too, case_moving, hold, note
from console.cases.transitions import Action
from console.local_time import LOCAL, local_day, midnight
from console.people.models import Branch
from console.problem import Problem
from console.stamp import Stamp

from . import holds, hours, slots
from .models import IS_WAITING, LIVE, WEEKDAYS, Appointment, AppointmentState, Priority, SlotHold, Ticket

EARLY = timedelta(minutes=10)  # who joins the queue this long before the slot begins is in time
LATE = timedelta(minutes=15)  # who has not joined this long after it began has missed it
BOOKINGS_A_DAY = 2  # a person may book so often on one day; changing the time is no new booking
CHANGES = 5  # of one appointment


class SlotGone(Problem):
    """Somebody was faster."""

    status, code = 409, "slot_gone"
    text = "这个时间刚刚约满了，请另选一个时间。"


class NoSuchSlot(Problem):
    """Past, too soon, too far away, on a day off, outside the roster, or no time of the calendar at all."""

    status, code = 422, "no_such_slot"
    text = f"这个时间不能预约：已经过去、不足 {slots.LEAD // timedelta(minutes=1)} 分钟，或当天不排班。请从列表里另选一个时间。"


class NotBookable(Problem):
    status, code = 409, "not_bookable"
    text = "现在不能预约：受理单不在视频验证这一步。请回到办理进度，从当前步骤继续。"


class AlreadyBooked(Problem):
    status, code = 409, "already_booked"

    def __init__(self, booked: Appointment):
        super().__init__(text=f"您已预约 {when(booked.slot_at)}，没有再约。要换时间请点“改约”。")


class TooManyBookings(Problem):
    status, code = 429, "too_many_bookings"
    text = f"今天已经预约过 {BOOKINGS_A_DAY} 次，明天可以再约。在视频服务时间内，可以直接排队。"


class TooManyChanges(Problem):
    status, code = 429, "too_many_changes"
    text = f"这次预约已经改过 {CHANGES} 次，不能再改。可以保留、取消，或在视频服务时间内直接排队。"


class NothingBooked(Problem):
    status, code = 409, "nothing_booked"
    text = "预约已经取消或已经过去，没有改约。请重新预约。"


class SlotBegan(Problem):
    """From the beginning of the slot on there is only coming, cancelling or missing it."""

    status, code = 409, "slot_began"
    text = "预约的时间已经开始，不能再改。请现在加入排队，或取消这次预约。"


# --- looking


def when(slot_at: datetime) -> str:
    """11月23日 周一 15:30."""
    local = slot_at.astimezone(LOCAL)
    return f"{local.month}月{local.day}日 {WEEKDAYS[local.weekday()]} {local:%H:%M}"


def opens(slot_at: datetime) -> datetime:
    """From when on joining the queue keeps the appointment."""
    return slot_at - EARLY


def closes(slot_at: datetime) -> datetime:
    """When it is missed."""
    return slot_at + LATE


def in_window(appointment: Appointment, at: datetime) -> bool:
    return opens(appointment.slot_at) <= at < closes(appointment.slot_at)


def live(session: Session, case: Case) -> Appointment | None:
    """The one that is booked or kept."""
    return session.scalar(
        select(Appointment).where(Appointment.case_id == case.id, LIVE).options(joinedload(Appointment.branch))
    )


def latest(session: Session, case: Case) -> Appointment | None:
    """The last one that was ever made."""
    return session.scalar(select(Appointment).where(Appointment.case_id == case.id).order_by(Appointment.id.desc()))


def may_book(case: Case) -> bool:
    """The video is what comes next, or the case waits for it already."""
    step = case.current_step
    return case.status is Status.IN_QUEUE or (
        case.status is Status.WITH_INVESTOR and step is not None and step.desk is Desk.SEAT
    )


def of_day(session: Session, branch_id: int, at: datetime) -> list[Appointment]:
    """Those of the (Shanghai) day of ``at`` at the branch with case and investor, live ones first, as they come; no cancelled ones."""
    day = midnight(at)
    found = session.scalars(
        select(Appointment)
        .where(
            Appointment.branch_id == branch_id,
            Appointment.slot_at >= day,
            Appointment.slot_at < day + timedelta(days=1),
            Appointment.state != AppointmentState.CANCELLED,
        )
        .options(joinedload(Appointment.case).joinedload(Case.investor))
        .order_by(Appointment.slot_at, Appointment.place)
    )
    return sorted(found, key=lambda appointment: not appointment.is_live)


# --- the investor's acts


def set_aside(session: Session, case: Case, slot_at: datetime, terms: slots.Terms, stamp: Stamp) -> SlotHold | None:
    """Keep the time for this investor while they confirm it, instead of any other they had chosen; chosen twice it is kept once, and no
    longer. None: it is booked for them already. Raises what booking it, or changing to it, would.
    """
    current = _held(session, case, stamp)
    if current is None:
        _require_bookable(session, case, stamp.at)
    elif current.slot_at == slot_at:
        holds.release(session, case)
        return None
    else:
        _require_movable(case, current, stamp.at)
    return _hold_place(session, case, _bookable(session, case, slot_at, terms, stamp.at), stamp.at)


def book(session: Session, case: Case, slot_at: datetime, terms: slots.Terms, stamp: Stamp) -> Appointment:
    """Raises NotBookable, AlreadyBooked, TooManyBookings, NoSuchSlot, SlotGone. The same slot again: the same appointment."""
    current = _held(session, case, stamp)
    if current is not None:
        if current.slot_at == slot_at:
            return current
        raise AlreadyBooked(current)
    _require_bookable(session, case, stamp.at)
    made = Appointment(case_id=case.id, branch_id=case.branch_id, booked_at=stamp.at, booked_by=stamp.by)
    _take(session, made, case, slot_at, terms, stamp.at)
    note(case, Happening.APPOINTMENT_BOOKED, stamp, slot=slot_at.isoformat())
    return made


def change(session: Session, case: Case, slot_at: datetime, terms: slots.Terms, stamp: Stamp) -> Appointment:
    """Another time for the same appointment; when it cannot be had, the old one stays. The same time again changes nothing.

    Raises NothingBooked, SlotBegan, TooManyChanges, NoSuchSlot, SlotGone.
    """
    current = _held(session, case, stamp)
    if current is None:
        raise NothingBooked(case.case_no)
    before = current.slot_at
    if before == slot_at:
        return current
    _require_movable(case, current, stamp.at)
    _take(session, current, case, slot_at, terms, stamp.at)
    current.changes += 1
    current.reminded_at = None
    note(case, Happening.APPOINTMENT_CHANGED, stamp, before=before.isoformat(), slot=slot_at.isoformat())
    return current


def cancel(session: Session, case: Case, stamp: Stamp) -> Appointment | None:
    """None when there is nothing to cancel (any more)."""
    current = _held(session, case, stamp)
    if current is not None and current.state is AppointmentState.BOOKED:
        _end(case, current, AppointmentState.CANCELLED, Happening.APPOINTMENT_CANCELLED, stamp)
        return current
    return None


def arrive(session: Session, case: Case, stamp: Stamp) -> Appointment | None:
    """Joining the queue in the window of the appointment keeps it; None when there is none, or not now."""
    current = _held(session, case, stamp)
    if current is None or not in_window(current, stamp.at):
        return None
    if current.state is AppointmentState.BOOKED:
        current.state, current.arrived_at = AppointmentState.KEPT, stamp.at
        note(case, Happening.APPOINTMENT_KEPT, stamp, slot=current.slot_at.isoformat())
    return current


def _held(session: Session, case: Case, stamp: Stamp) -> Appointment | None:
    """The live one with the case locked; one whose time has run out is missed by now, whether a sweep has looked or not."""
    hold(case)
    current = session.scalar(
        select(Appointment).where(Appointment.case_id == case.id, LIVE), execution_options={"populate_existing": True}
    )
    if current is not None and _is_missed(current, stamp.at):
        _end(case, current, AppointmentState.MISSED, Happening.APPOINTMENT_MISSED, stamp)
        return None
    return current


def _is_missed(appointment: Appointment, at: datetime) -> bool:
    return appointment.state is AppointmentState.BOOKED and at >= closes(appointment.slot_at)


def _require_movable(case: Case, current: Appointment, at: datetime) -> None:
    if current.state is not AppointmentState.BOOKED or at >= current.slot_at:
        raise SlotBegan(case.case_no)
    if current.changes >= CHANGES:
        raise TooManyChanges(case.case_no)


def _require_bookable(session: Session, case: Case, at: datetime) -> None:
    if not may_book(case):
        raise NotBookable(case.case_no)
    today = session.scalar(
        select(func.count())
        .select_from(Appointment)
        .join(Case, Case.id == Appointment.case_id)
        .where(Case.investor_id == case.investor_id, Appointment.booked_at >= midnight(at))
    )
    if (today or 0) >= BOOKINGS_A_DAY:
        raise TooManyBookings(case.case_no)


def _bookable(session: Session, case: Case, slot_at: datetime, terms: slots.Terms, at: datetime) -> slots.Slot:
    found = slots.slot(session, case.branch, terms, slot_at, at)
    if found is None:
        raise NoSuchSlot(slot_at.isoformat())
    return found


def _hold_place(session: Session, case: Case, wanted: slots.Slot, at: datetime) -> SlotHold:
    held = holds.take(session, case, wanted, at)
    if held is None:
        raise SlotGone(wanted.at.isoformat())
    return held


def _take(
    session: Session, appointment: Appointment, case: Case, slot_at: datetime, terms: slots.Terms, at: datetime
) -> None:
    """Give the appointment the place that is set aside for its investor, or a free one."""
    wanted = _bookable(session, case, slot_at, terms, at)
    held = _hold_place(session, case, wanted, at)
    appointment.slot_at, appointment.minutes, appointment.place = slot_at, wanted.minutes, held.place
    session.add(appointment)
    session.flush()
    holds.release(session, case)


def _end(case: Case, current: Appointment, state: AppointmentState, happened: Happening, stamp: Stamp) -> None:
    current.state, current.ended_at, current.ended_by = state, stamp.at, stamp.by
    note(case, happened, stamp, slot=current.slot_at.isoformat())


# --- what becomes of it when the case moves


@case_moving.connect
def follow_the_case(
    sender: object, *, session: Session, case: Case, line: CaseEvent, stamp: Stamp, known: Row[Any] | None
) -> None:
    """Answered on its day: served. Out of the queue again: as before, or given up when its time is over. One of a later day stays until
    the video has been passed or the case has ended: then it is cancelled.
    """
    if line.action not in FOLLOWS and case.status not in ENDED:
        return
    if known is None or known.appointment is None:
        return
    current = session.get_one(Appointment, known.appointment)
    if line.action == Action.ANSWER:
        if local_day(current.slot_at) <= local_day(stamp.at):
            _end(case, current, AppointmentState.SERVED, Happening.APPOINTMENT_SERVED, stamp)
    elif line.action == Action.LEAVE_QUEUE and stamp.at < closes(current.slot_at):
        current.state, current.arrived_at = AppointmentState.BOOKED, None
    elif line.action != Action.LEAVE_QUEUE or current.state is AppointmentState.KEPT:
        _end(case, current, AppointmentState.CANCELLED, Happening.APPOINTMENT_CANCELLED, stamp)


asked_too["appointment"] = select(Appointment.id).where(Appointment.case_id == HELD, LIVE).scalar_subquery()
FOLLOWS = frozenset({Action.ANSWER, Action.LEAVE_QUEUE, Action.PASS_VIDEO})


# --- what the sweep does


def missed(session: Session, at: datetime) -> list[int]:
    """Cases whose appointment's time ran out."""
    overdue = (Appointment.state == AppointmentState.BOOKED, Appointment.slot_at <= at - LATE)
    return list(session.scalars(select(Appointment.case_id).where(*overdue).order_by(Appointment.slot_at)))


def due(session: Session, at: datetime) -> list[int]:
    """Cases that wait already, as people without an appointment, when the window of theirs begins."""
    return list(
        session.scalars(
            select(Appointment.case_id)
            .join(Ticket, (Ticket.case_id == Appointment.case_id) & IS_WAITING)
            .where(
                Appointment.state == AppointmentState.BOOKED,
                Appointment.slot_at <= at + EARLY,
                Appointment.slot_at > at - LATE,
            )
        )
    )


def shut_out(session: Session, terms: slots.Terms, at: datetime) -> list[int]:
    """Cases whose appointment lies at a time at which there will be no video: a day off was registered, or the hours have changed."""
    found = session.execute(
        select(Appointment.case_id, Appointment.branch_id, Appointment.slot_at).where(
            Appointment.state == AppointmentState.BOOKED, Appointment.slot_at > at
        )
    ).all()
    branches = session.scalars(select(Branch).where(Branch.id.in_({row.branch_id for row in found})))
    closed = {branch.id: hours.closed_days(session, branch, at) for branch in branches}
    return [row.case_id for row in found if not hours.is_open(terms.hours, row.slot_at, closed[row.branch_id])]


def shut_out_words(appointment: Appointment) -> str:
    """The text message to somebody whose appointment was cancelled for them."""
    return (
        f"【{appointment.branch.broker.name}】您预约的 {when(appointment.slot_at)} 视频验证因当天不办理视频，已为您取消。"
        "请登录期货互联网开户云，从“我的业务”另选时间。已填写的内容都会保留。"
    )


def miss(session: Session, case: Case, stamp: Stamp) -> bool:
    """Mark it missed if it is (still)."""
    before = live(session, case)
    return before is not None and _held(session, case, stamp) is None


def call_up(session: Session, case: Case, stamp: Stamp) -> bool:
    """Who waits already when the window begins is from now on before those without an appointment."""
    if arrive(session, case, stamp) is None:
        return False
    moved = session.scalar(
        update(Ticket)
        .where(
            Ticket.case_id == case.id,
            IS_WAITING,
            Ticket.rank > Priority.APPOINTMENT.rank,
        )
        .values(priority=Priority.APPOINTMENT, rank=Priority.APPOINTMENT.rank)
        .returning(Ticket.id)
        .execution_options(synchronize_session=False)
    )
    return moved is not None


def claim_reminder(session: Session, terms: slots.Terms, at: datetime) -> Appointment | None:
    """One appointment that is to be reminded of, taken in one statement: two sweeps at once never get the same. None: no more."""
    next_one = (
        select(Appointment.id)
        .where(
            Appointment.state == AppointmentState.BOOKED,
            Appointment.reminded_at.is_(None),
            Appointment.slot_at <= at + terms.reminder,
            Appointment.slot_at > at,
        )
        .order_by(Appointment.slot_at, Appointment.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    claimed = session.scalar(
        update(Appointment)
        .where(Appointment.id == next_one.scalar_subquery(), Appointment.reminded_at.is_(None))
        .values(reminded_at=at)
        .returning(Appointment.id)
        .execution_options(synchronize_session=False)
    )
    return session.get_one(Appointment, claimed, populate_existing=True) if claimed is not None else None


def reminder_words(appointment: Appointment, at: datetime) -> str:
    """The text message; no name, no number of the case."""
    day = "今日" if local_day(appointment.slot_at) == local_day(at) else ""
    time = f"{appointment.slot_at.astimezone(LOCAL):%H:%M}" if day else when(appointment.slot_at)
    early = EARLY // timedelta(minutes=1)
    return (
        f"【{appointment.branch.broker.name}】您预约的视频验证{day} {time} 开始。请提前 {early} 分钟登录期货互联网开户云，"
        "从“我的业务”加入排队，身份证原件放在手边。不能参加请在“我的业务”里取消或改约。"
    )
