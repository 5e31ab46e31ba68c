"""A chosen time is set aside while it is confirmed: for whom, until when, and what ends it."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console.cases.models import Case
from console.queues import appointments, holds, slots
from console.queues.models import SlotHold
from tests.queues.given import at_the_video
from tests.queues.test_appointments import INVESTOR, TERMS, book, clock, rostered, shown
from tests.world import AT, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")

LAST_MOMENT = AT + slots.HOLD - timedelta(seconds=1)
OVER = AT + slots.HOLD


def choose(session: Session, case: Case, at: str = "15:30", now: datetime = AT) -> SlotHold | None:
    return appointments.set_aside(session, case, clock(at), TERMS, stamp(INVESTOR, now))


def count(session: Session) -> int | None:
    return session.scalar(select(func.count()).select_from(SlotHold))


@pytest.fixture
def mine(session: Session) -> Case:
    """One seat, one place in each slot."""
    rostered(session)
    return at_the_video(session)


@pytest.fixture
def other(session: Session, mine: Case) -> Case:
    return at_the_video(session, "许砚青")


def test_a_chosen_time_is_three_minutes_nobody_elses(session: Session, mine: Case, other: Case) -> None:
    held = choose(session, mine)
    assert held is not None and held.held_until == AT + timedelta(minutes=3)
    assert "15:30" not in shown(session, mine.branch, at=LAST_MOMENT)
    for act in (choose, book):
        with pytest.raises(appointments.SlotGone):
            act(session, other, "15:30", LAST_MOMENT)
    assert "15:30" in shown(session, mine.branch, at=OVER)
    assert book(session, other, "15:30", OVER).case_id == other.id


def test_what_is_kept_for_somebody_is_free_to_them(session: Session, mine: Case) -> None:
    choose(session, mine)
    today = slots.days(session, mine.branch, TERMS, AT, mine.investor_id)[0]
    assert next(each for each in today.slots if each.at == clock("15:30")).free == 1


def test_choosing_twice_is_one_hold_and_lasts_no_longer(session: Session, mine: Case) -> None:
    choose(session, mine)
    again = choose(session, mine, now=LAST_MOMENT)
    assert again is not None and again.held_until == OVER
    assert count(session) == 1


def test_choosing_another_time_lets_the_first_one_go(session: Session, mine: Case) -> None:
    choose(session, mine)
    choose(session, mine, "16:00")
    free = shown(session, mine.branch)
    assert "15:30" in free and "16:00" not in free and count(session) == 1


def test_letting_go_frees_the_place_and_may_be_repeated(session: Session, mine: Case) -> None:
    choose(session, mine)
    for _ in range(2):
        holds.release(session, mine)
        assert "15:30" in shown(session, mine.branch)


def test_confirming_takes_the_place_and_ends_the_hold(session: Session, mine: Case) -> None:
    choose(session, mine)
    assert book(session, mine).slot_at == clock("15:30")
    assert count(session) == 0 and "15:30" not in shown(session, mine.branch)


def test_confirming_too_late_books_what_is_still_free(session: Session, mine: Case) -> None:
    choose(session, mine)
    assert book(session, mine, now=OVER).slot_at == clock("15:30")
    assert count(session) == 0


@pytest.mark.parametrize("act", [choose, book])
def test_confirming_too_late_what_another_has_by_now_is_refused(session: Session, mine: Case, other: Case, act) -> None:
    choose(session, mine)
    act(session, other, "15:30", OVER)
    with pytest.raises(appointments.SlotGone):
        book(session, mine, now=OVER)


def test_an_appointment_stays_while_another_time_is_kept_for_its_change(session: Session, mine: Case) -> None:
    booked = book(session, mine)
    choose(session, mine, "16:00")
    assert {"15:30", "16:00"}.isdisjoint(shown(session, mine.branch))
    appointments.change(session, mine, clock("16:00"), TERMS, stamp(INVESTOR))
    assert booked.slot_at == clock("16:00") and count(session) == 0
    assert "15:30" in shown(session, mine.branch)


def test_choosing_the_time_that_is_booked_already_keeps_nothing(session: Session, mine: Case) -> None:
    book(session, mine)
    assert choose(session, mine) is None and count(session) == 0


def test_what_could_not_be_booked_is_not_kept(session: Session, mine: Case) -> None:
    with pytest.raises(appointments.NoSuchSlot):
        choose(session, mine, "08:00", AT)
    assert count(session) == 0
