"""Two take the same place of a slot at once: one gets it. Real threads, real transactions, both databases."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from console import db
from console.cases.models import Case
from console.config import Settings
from console.people.models import Branch
from console.problem import Problem
from console.queues import appointments, slots
from console.queues.models import Appointment, AppointmentState, Roster
from tests.queues.given import at_the_video
from tests.world import AT, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")

TERMS = slots.Terms()
SLOT = AT + timedelta(hours=5)  # 15:30 of that Friday; each round is a week later
WEEK = timedelta(days=7)
ROUNDS = 60
Try = Callable[[int, datetime, datetime], str]  # (which of the two, now, the slot) to what came of it


def two_cases(seats: int = 1) -> list[int]:
    """周晚晴 and 许砚青 at the video; on Fridays the branch has so many places in each slot."""
    with db.transaction() as session:
        branch = session.scalars(select(Branch).where(Branch.code == "SH01")).one()
        session.add(Roster(branch_id=branch.id, weekday=4, starts_at="09:00", ends_at="17:00", seats=seats))
        return [at_the_video(session, name).id for name in ("周晚晴", "许砚青")]


def booked(case_id: int, slot_at: datetime, now: datetime) -> str:
    return outcome(appointments.book, case_id, slot_at, now)


def changed(case_id: int, slot_at: datetime, now: datetime) -> str:
    return outcome(appointments.change, case_id, slot_at, now)


def outcome(act: Callable[..., object], case_id: int, slot_at: datetime, now: datetime) -> str:
    try:
        with db.transaction() as session:
            act(session, session.get_one(Case, case_id), slot_at, TERMS, stamp("investor:1", now))
        return "done"
    except Problem as problem:
        return problem.code


def held() -> list[tuple[datetime, int]]:
    """(slot, place) of every appointment that was not given up: in each round it is another slot."""
    with db.reading() as session:
        rows = session.scalars(select(Appointment).where(Appointment.state != AppointmentState.CANCELLED))
        return [(row.slot_at, row.place) for row in rows]


def rounds(count: int, attempt: Try, before: Callable[[datetime, datetime], None] | None = None) -> Counter[str]:
    """Both try at the same moment, ``count`` times; what was booked in a round is over in the next."""
    together, outcomes, faults = threading.Barrier(2), Counter[str](), list[BaseException]()

    def run(which: int) -> None:
        try:
            for n in range(count):
                now, slot_at = AT + n * WEEK, SLOT + n * WEEK
                if which == 0 and before is not None:
                    before(now, slot_at)
                together.wait()
                outcomes[attempt(which, now, slot_at)] += 1
                together.wait()
        except BaseException as fault:
            faults.append(fault)
            together.abort()

    runs = [threading.Thread(target=run, args=(which,)) for which in range(2)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert faults == []
    return outcomes


def test_one_choosing_and_one_booking_the_last_place_at_once_are_one_place_and_one_refusal(world: Settings) -> None:
    cases = two_cases()

    def choose_or_book(which: int, now: datetime, slot_at: datetime) -> str:
        return outcome(appointments.set_aside if which == 0 else appointments.book, cases[which], slot_at, now)

    assert rounds(20, choose_or_book) == {"done": 20, "slot_gone": 20}


def test_two_people_choosing_the_last_place_at_once_are_one_hold_and_one_refusal(world: Settings) -> None:
    cases = two_cases()
    came = rounds(20, lambda which, now, slot_at: outcome(appointments.set_aside, cases[which], slot_at, now))
    assert came == {"done": 20, "slot_gone": 20}


def test_two_people_confirming_at_once_after_the_hold_of_one_ran_out_are_one_appointment(world: Settings) -> None:
    cases = two_cases()

    def chosen_long_ago(now: datetime, slot_at: datetime) -> None:
        assert outcome(appointments.set_aside, cases[0], slot_at, now - slots.HOLD) == "done"

    came = rounds(20, lambda which, now, slot_at: booked(cases[which], slot_at, now), chosen_long_ago)
    assert came == {"done": 20, "slot_gone": 20}
    assert sorted(held()) == [(SLOT + n * WEEK, 0) for n in range(20)]


def test_two_people_who_at_once_choose_what_the_other_had_chosen_long_ago_both_get_it(
    world: Settings,
) -> None:
    cases = two_cases()

    def one_each(now: datetime, slot_at: datetime) -> None:
        for which in (0, 1):
            wanted = slot_at + TERMS.slot * which
            assert outcome(appointments.set_aside, cases[which], wanted, now - slots.HOLD) == "done"

    def swap(which: int, now: datetime, slot_at: datetime) -> str:
        return outcome(appointments.set_aside, cases[which], slot_at + TERMS.slot * (1 - which), now)

    assert rounds(20, swap, one_each) == {"done": 40}


@pytest.mark.early
def test_two_people_booking_the_last_place_of_a_slot_at_once_are_one_appointment_and_one_refusal(
    world: Settings,
) -> None:
    cases = two_cases()
    came = rounds(ROUNDS, lambda which, now, slot_at: booked(cases[which], slot_at, now))
    assert came == {"done": ROUNDS, "slot_gone": ROUNDS}
    assert sorted(held()) == [(SLOT + n * WEEK, 0) for n in range(ROUNDS)]


def test_two_people_booking_a_slot_of_two_places_at_once_both_get_one(world: Settings) -> None:
    cases = two_cases(seats=2)
    assert rounds(15, lambda which, now, slot_at: booked(cases[which], slot_at, now)) == {"done": 30}
    assert sorted(held()) == [(SLOT + n * WEEK, place) for n in range(15) for place in (0, 1)]


def test_one_person_on_two_devices_has_one_appointment(world: Settings) -> None:
    (case, _) = two_cases(seats=3)

    def other_slot(which: int, now: datetime, slot_at: datetime) -> str:
        return booked(case, slot_at + which * TERMS.slot, now)

    assert rounds(15, other_slot) == {"done": 15, "already_booked": 15}
    assert len(held()) == 15


def test_two_people_changing_to_the_same_last_place_are_one_change_and_one_refusal(world: Settings) -> None:
    cases = two_cases()

    def both_have_one(now: datetime, slot_at: datetime) -> None:
        for n, case in enumerate(cases, 1):
            assert booked(case, slot_at + n * TERMS.slot, now) == "done"

    came = rounds(15, lambda which, now, slot_at: changed(cases[which], slot_at, now), both_have_one)
    assert came == {"done": 15, "slot_gone": 15}
    assert len(set(held())) == len(held()) == 30


def test_two_sweeps_at_once_claim_each_reminder_once(world: Settings) -> None:
    cases, claimed = two_cases(), [0, 0]
    for n, case in enumerate(cases):
        assert booked(case, SLOT + n * TERMS.slot, AT) == "done"
    together = threading.Barrier(2)

    def sweep(which: int) -> None:
        together.wait()
        while True:
            with db.transaction() as session:
                if appointments.claim_reminder(session, TERMS, SLOT - timedelta(minutes=1)) is None:
                    return
                claimed[which] += 1

    runs = [threading.Thread(target=sweep, args=(which,)) for which in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert sum(claimed) == 2
