"""预约视频: what can be booked, who comes first, what becomes of those who do not come."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from console.cases import service as cases
from console.cases.models import Case, CaseEvent
from console.cases.transitions import Action, apply, redo_step
from console.config import VideoHours
from console.local_time import LOCAL
from console.people.models import Branch
from console.queues import appointments, seats, slots
from console.queues import service as queues
from console.queues.models import (
    Appointment,
    AppointmentState,
    Holiday,
    Priority,
    Roster,
    TicketState,
)
from tests.queues.given import at_the_video, crowd, online, waiting_since
from tests.world import AT, given_case, stamp

TERMS = slots.Terms()
INVESTOR = "investor:1"


def clock(text: str, day: str = "2026-11-20") -> datetime:
    """A Friday, unless said otherwise; AT is 10:30 of it."""
    return datetime.fromisoformat(f"{day}T{text}").replace(tzinfo=LOCAL)


def rostered(session: Session, seats: int = 1, *, code: str = "SH01", **when: object) -> Branch:
    """So many seats from 9 to 17, on Fridays unless ``when`` says otherwise."""
    branch = session.scalars(select(Branch).where(Branch.code == code)).one()
    row = {"weekday": 4, "starts_at": "09:00", "ends_at": "17:00"} | when
    session.add(Roster(branch_id=branch.id, seats=seats, **row))
    session.flush()
    return branch


def shown(session: Session, branch: Branch, terms: slots.Terms = TERMS, at: datetime = AT) -> list[str]:
    """The free slots of today, as clock times."""
    today = slots.days(session, branch, terms, at)[0]
    return [f"{each.at.astimezone(LOCAL):%H:%M}" for each in today.slots if each.free]


def book(session: Session, case: Case, at: str = "15:30", now: datetime = AT) -> Appointment:
    return appointments.book(session, case, clock(at), TERMS, stamp(INVESTOR, now))


def told(session: Session, case: Case) -> list[str]:
    lines = session.scalars(select(CaseEvent.action).where(CaseEvent.case_id == case.id).order_by(CaseEvent.seq))
    return [action for action in lines if action.startswith("appointment")]


# --- the calendar


def test_slots_lie_in_the_roster_and_begin_no_sooner_than_the_lead_time_allows(session: Session) -> None:
    branch = rostered(session, ends_at="12:00")
    assert shown(session, branch) == ["11:00", "11:15", "11:30", "11:45"]


def test_a_slot_takes_the_calls_of_its_seats_less_the_share_of_those_who_just_come(session: Session) -> None:
    branch = rostered(session, 3)
    at = clock("15:30")

    def capacity(**terms: int) -> int:
        found = slots.slot(session, branch, slots.Terms(**terms), at, AT)
        return found.capacity if found else 0

    assert capacity(calls=2, walk_ins=50) == 3
    assert capacity(calls=2, walk_ins=30) == 4  # 4.2: nobody is promised a fifth of a witness
    assert capacity(calls=2, walk_ins=0) == 6
    assert capacity(calls=2, walk_ins=100) == 0


def test_rows_of_a_day_add_up_and_those_of_one_date_replace_those_of_its_weekday(session: Session) -> None:
    branch = rostered(session, 1)
    rostered(session, 2, starts_at="15:00")
    assert [s.capacity for s in slots.days(session, branch, TERMS, AT)[0].slots if s.at >= clock("14:45")][:2] == [1, 3]
    rostered(session, 1, weekday=None, day=date(2026, 11, 20), starts_at="14:00", ends_at="14:30")
    assert shown(session, branch) == ["14:00", "14:15"]
    assert len(slots.days(session, branch, slots.Terms(days=8), AT)[7].slots) == 32


def test_nothing_can_be_booked_on_a_day_off_nor_outside_the_service_hours(session: Session) -> None:
    branch = rostered(session)
    assert shown(session, branch, slots.Terms(hours=VideoHours.parse("09:00-11:30"))) == ["11:00", "11:15"]
    session.add(Holiday(broker_id=branch.broker_id, day=date(2026, 11, 20), title="校庆"))
    session.flush()
    today = slots.days(session, branch, TERMS, AT)[0]
    assert (today.slots, today.why) == ([], "校庆")
    with pytest.raises(appointments.NoSuchSlot):
        book(session, at_the_video(session))


def test_a_day_off_of_another_branch_is_none_here(session: Session) -> None:
    branch = rostered(session)
    elsewhere = rostered(session, code="HZ01")
    session.add(Holiday(broker_id=branch.broker_id, branch_id=elsewhere.id, day=date(2026, 11, 20), title="搬迁"))
    session.flush()
    assert shown(session, branch) and not shown(session, elsewhere)


@pytest.mark.parametrize(
    "at",
    [
        clock("10:00"),  # past
        clock("10:45"),  # too soon
        clock("15:31"),  # between two slots
        clock("16:55"),
        clock("20:00"),  # nobody is rostered
        clock("15:30", "2026-11-27"),  # too far away
        clock("15:30", "2020-01-03"),
    ],
)
def test_what_is_no_slot_of_the_calendar_cannot_be_booked(session: Session, at: datetime) -> None:
    rostered(session)
    case = at_the_video(session)
    with pytest.raises(appointments.NoSuchSlot):
        appointments.book(session, case, at, TERMS, stamp(INVESTOR))
    assert appointments.live(session, case) is None and told(session, case) == []


def test_another_branches_roster_gives_no_slots_here(session: Session) -> None:
    rostered(session, code="HZ01")
    with pytest.raises(appointments.NoSuchSlot):
        book(session, at_the_video(session, "周晚晴"))


# --- booking


def test_booking_the_same_slot_twice_is_booking_once(session: Session) -> None:
    rostered(session)
    case = at_the_video(session)
    assert book(session, case) is book(session, case)
    assert told(session, case) == ["appointment_booked"]


def test_whoever_has_an_appointment_gets_no_second_one(session: Session) -> None:
    rostered(session, 2)
    case = at_the_video(session)
    book(session, case)
    with pytest.raises(appointments.AlreadyBooked) as refused:
        book(session, case, "16:00")
    assert "11月20日 周五 15:30" in refused.value.text


def test_a_full_slot_is_gone_and_free_again_when_somebody_cancels(session: Session) -> None:
    branch = rostered(session)
    first, second = at_the_video(session, "周晚晴"), at_the_video(session, "许砚青")
    book(session, first)
    assert "15:30" not in shown(session, branch)
    with pytest.raises(appointments.SlotGone):
        book(session, second)
    appointments.cancel(session, first, stamp(INVESTOR))
    assert book(session, second).place == 0


def test_a_case_that_is_not_at_the_video_cannot_be_booked(session: Session) -> None:
    rostered(session)
    with pytest.raises(appointments.NotBookable):
        book(session, given_case(session))


def test_a_person_books_twice_a_day_at_most_and_again_the_next_day(session: Session) -> None:
    rostered(session, 2)
    rostered(session, 2, weekday=5)
    case = at_the_video(session)
    for _ in range(appointments.BOOKINGS_A_DAY):
        book(session, case)
        appointments.cancel(session, case, stamp(INVESTOR))
    with pytest.raises(appointments.TooManyBookings):
        book(session, case)
    tomorrow = stamp(INVESTOR, AT + timedelta(days=1))
    assert appointments.book(session, case, clock("15:30", "2026-11-21"), TERMS, tomorrow).place == 0


def test_the_database_itself_refuses_a_second_holder_of_a_place_and_a_second_live_one_of_a_case(
    session: Session,
) -> None:
    rostered(session, 2)
    booked = book(session, at_the_video(session, "周晚晴"))
    other = at_the_video(session, "许砚青")
    for taken in (
        {"case_id": other.id, "place": booked.place, "slot_at": booked.slot_at},
        {"case_id": booked.case_id, "place": 1, "slot_at": booked.slot_at + timedelta(hours=1)},
    ):
        with pytest.raises(IntegrityError), session.begin_nested():
            row = {"branch_id": booked.branch_id, "minutes": 15, "booked_at": AT, "booked_by": INVESTOR} | taken
            session.add(Appointment(**row))
            session.flush()


# --- changing and cancelling


def test_changing_moves_the_same_appointment_and_frees_the_former_place(session: Session) -> None:
    branch = rostered(session)
    case = at_the_video(session)
    booked = book(session, case)
    changed = appointments.change(session, case, clock("16:00"), TERMS, stamp(INVESTOR))
    assert (changed.id, changed.changes) == (booked.id, 1)
    assert "15:30" in shown(session, branch) and "16:00" not in shown(session, branch)
    assert told(session, case) == ["appointment_booked", "appointment_changed"]
    assert appointments.change(session, case, clock("16:00"), TERMS, stamp(INVESTOR)).changes == 1


def test_a_change_that_cannot_be_had_leaves_the_appointment_as_it_was(session: Session) -> None:
    rostered(session)
    mine, other = at_the_video(session, "周晚晴"), at_the_video(session, "许砚青")
    book(session, mine)
    book(session, other, "16:00")
    with pytest.raises(appointments.SlotGone):
        appointments.change(session, mine, clock("16:00"), TERMS, stamp(INVESTOR))
    kept = appointments.live(session, mine)
    assert kept is not None and (kept.slot_at, kept.changes) == (clock("15:30"), 0)


def test_from_its_beginning_on_an_appointment_is_not_changed_any_more(session: Session) -> None:
    rostered(session)
    case = at_the_video(session)
    book(session, case)
    with pytest.raises(appointments.SlotBegan):
        appointments.change(session, case, clock("16:30"), TERMS, stamp(INVESTOR, clock("15:30")))


def test_an_appointment_is_changed_a_few_times_at_most(session: Session) -> None:
    rostered(session)
    case = at_the_video(session)
    book(session, case)
    for n in range(appointments.CHANGES):
        appointments.change(session, case, clock("16:00" if n % 2 == 0 else "16:15"), TERMS, stamp(INVESTOR))
    with pytest.raises(appointments.TooManyChanges):
        appointments.change(session, case, clock("15:30"), TERMS, stamp(INVESTOR))


def test_cancelling_twice_is_cancelling_once(session: Session) -> None:
    rostered(session)
    case = at_the_video(session)
    book(session, case)
    assert appointments.cancel(session, case, stamp(INVESTOR)) is not None
    assert appointments.cancel(session, case, stamp(INVESTOR)) is None
    assert told(session, case) == ["appointment_booked", "appointment_cancelled"]


def test_giving_the_case_up_frees_the_place(session: Session) -> None:
    branch = rostered(session)
    case = at_the_video(session)
    book(session, case)
    cases.abandon(case, stamp(INVESTOR))
    assert appointments.live(session, case) is None and "15:30" in shown(session, branch)


def test_going_back_a_step_keeps_the_appointment(session: Session) -> None:
    rostered(session)
    case = at_the_video(session)
    book(session, case)
    redo_step(case, "photos", stamp(INVESTOR))
    assert appointments.live(session, case) is not None


# --- coming, and not coming


@pytest.mark.parametrize(
    ("at", "priority"),
    [
        ("15:19:59", Priority.NORMAL),
        ("15:20", Priority.APPOINTMENT),
        ("15:30", Priority.APPOINTMENT),
        ("15:44:59", Priority.APPOINTMENT),
        ("15:45", Priority.NORMAL),
    ],
)
def test_joining_in_the_window_comes_before_those_without_an_appointment(
    session: Session, at: str, priority: Priority
) -> None:
    rostered(session)
    older = waiting_since(session, "许砚青", 60)
    case = at_the_video(session)
    book(session, case)
    ticket = queues.join(session, case, stamp(INVESTOR, clock(at)))
    assert ticket.priority is priority
    ahead = queues.waiting_list(session, [ticket.branch_id])
    assert ahead == ([ticket, older] if priority is Priority.APPOINTMENT else [older, ticket])


def test_who_returns_from_a_broken_call_is_before_an_appointment(session: Session) -> None:
    rostered(session)
    case = at_the_video(session)
    book(session, case)
    broken = waiting_since(session, "许砚青", 5)
    seat = online(session)
    seats.answer_next(session, seat, stamp("staff:1"))
    mine = queues.join(session, case, stamp(INVESTOR, clock("15:25")))
    back = queues.put_back(session, broken.case, broken, stamp("staff:1"))
    assert queues.waiting_list(session, [mine.branch_id]) == [back, mine]


def test_being_answered_serves_the_appointment_and_says_so_in_the_trail(session: Session) -> None:
    rostered(session)
    case = at_the_video(session)
    booked = book(session, case)
    queues.join(session, case, stamp(INVESTOR, clock("15:25")))
    assert booked.state is AppointmentState.KEPT
    answered = seats.answer_next(session, online(session), stamp("staff:1", clock("15:31")))
    assert answered is not None and answered.state is TicketState.ANSWERED
    assert booked.state is AppointmentState.SERVED
    assert told(session, case) == ["appointment_booked", "appointment_kept", "appointment_served"]


def test_answered_before_its_day_the_appointment_stays_until_the_video_is_passed(session: Session) -> None:
    rostered(session, weekday=5)
    case = at_the_video(session)
    booked = appointments.book(session, case, clock("15:30", "2026-11-21"), TERMS, stamp(INVESTOR))
    queues.join(session, case, stamp(INVESTOR))
    seats.answer_next(session, online(session), stamp("staff:1"))
    assert booked.state is AppointmentState.BOOKED, "should this call break off, tomorrow is still there"
    apply(case, Action.PASS_VIDEO, stamp("staff:1"))
    assert booked.state is AppointmentState.CANCELLED


def test_answered_earlier_on_its_day_the_appointment_is_served(session: Session) -> None:
    rostered(session)
    case = at_the_video(session)
    booked = book(session, case)
    queues.join(session, case, stamp(INVESTOR))
    seats.answer_next(session, online(session), stamp("staff:1"))
    assert booked.state is AppointmentState.SERVED
    assert appointments.missed(session, clock("16:00")) == []


def test_leaving_the_queue_in_the_window_keeps_the_appointment_to_come_back_to(session: Session) -> None:
    rostered(session)
    case = at_the_video(session)
    booked = book(session, case)
    queues.join(session, case, stamp(INVESTOR, clock("15:25")))
    queues.leave(session, case, stamp(INVESTOR, clock("15:27")))
    assert booked.state is AppointmentState.BOOKED
    assert queues.join(session, case, stamp(INVESTOR, clock("15:35"))).priority is Priority.APPOINTMENT
    queues.leave(session, case, stamp(INVESTOR, clock("16:00")))
    assert booked.state is AppointmentState.CANCELLED


def test_who_waits_already_comes_first_from_the_beginning_of_the_window_on(session: Session) -> None:
    rostered(session)
    case = at_the_video(session)
    book(session, case)
    others = crowd(session, 2)
    ticket = queues.join(session, case, stamp(INVESTOR, clock("15:00")))
    assert appointments.due(session, clock("15:19")) == []
    assert appointments.due(session, clock("15:20")) == [case.id]
    assert appointments.call_up(session, case, stamp("system:sweep", clock("15:20")))
    session.refresh(ticket)
    assert queues.waiting_list(session, [ticket.branch_id]) == [ticket, *others]
    assert appointments.due(session, clock("15:21")) == []


def test_who_does_not_come_has_missed_it_and_may_book_again(session: Session) -> None:
    rostered(session)
    case = at_the_video(session)
    booked = book(session, case, "11:00")
    assert appointments.missed(session, clock("11:14:59")) == []
    assert appointments.missed(session, clock("11:15")) == [case.id]
    assert appointments.miss(session, case, stamp("system:sweep", clock("11:15")))
    assert not appointments.miss(session, case, stamp("system:sweep", clock("11:16")))
    assert booked.state is AppointmentState.MISSED
    assert book(session, case, "15:30", clock("11:20")) is not booked
    assert told(session, case) == ["appointment_booked", "appointment_missed", "appointment_booked"]


def test_an_appointment_that_no_sweep_has_looked_at_yet_is_missed_all_the_same(session: Session) -> None:
    rostered(session)
    case = at_the_video(session)
    missed = book(session, case, "11:00")
    again = book(session, case, "15:30", clock("11:20"))
    assert (missed.state, again.state) == (AppointmentState.MISSED, AppointmentState.BOOKED)


# --- the seat's list and the reminder


def test_the_list_of_the_day_has_everybody_but_the_cancelled_as_they_come(session: Session) -> None:
    branch = rostered(session, 2)
    rostered(session, 2, weekday=5)
    rostered(session, code="HZ01")
    late, early = at_the_video(session, "周晚晴"), at_the_video(session, "许砚青")
    book(session, late, "16:00")
    book(session, early, "15:30")
    book(session, at_the_video(session, "闻子期"))
    assert [a.case.investor.name for a in appointments.of_day(session, branch.id, AT)] == ["许砚青", "周晚晴"]
    appointments.cancel(session, early, stamp(INVESTOR))
    assert [a.case_id for a in appointments.of_day(session, branch.id, AT)] == [late.id]
    assert appointments.of_day(session, branch.id, AT + timedelta(days=1)) == []


def test_each_appointment_is_claimed_for_its_reminder_once_and_again_after_a_change(session: Session) -> None:
    rostered(session)
    case = at_the_video(session)
    booked = book(session, case)
    assert appointments.claim_reminder(session, TERMS, clock("14:59:59")) is None
    assert appointments.claim_reminder(session, TERMS, clock("15:00")) is booked
    assert appointments.claim_reminder(session, TERMS, clock("15:01")) is None
    appointments.change(session, case, clock("16:00"), TERMS, stamp(INVESTOR, clock("15:02")))
    assert appointments.claim_reminder(session, TERMS, clock("15:31")) is booked


def test_the_reminder_says_when_and_nothing_personal(session: Session) -> None:
    rostered(session)
    case = at_the_video(session)
    words = appointments.reminder_words(book(session, case), AT)
    assert "今日 15:30" in words and words.startswith("【澄明期货】")
    assert case.case_no not in words and case.investor.name not in words
