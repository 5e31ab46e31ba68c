from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.people.branches import served_branches
from console.people.models import StaffEvent
from console.queues import seats, witnesses
from console.queues.models import SeatInterval, SeatState
from tests.queues.given import online, waiting_since
from tests.world import AT, staff_named, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")

WITNESS = stamp("staff:1")


def later(minutes: float):  # type: ignore[no-untyped-def]
    return stamp("staff:1", AT + timedelta(minutes=minutes))


def test_going_online_needs_a_licence_in_date(session: Session) -> None:
    staff = staff_named(session, "luwenshan")
    seat = seats.sit(session, staff, WITNESS)
    for licence_no, until in (
        (None, staff.licence_until),
        ("F0300127", None),
        ("F0300127", AT.date() - timedelta(days=1)),
    ):
        staff.licence_no, staff.licence_until = licence_no, until
        with pytest.raises(witnesses.LicenceMissing):
            seats.go(session, staff, seat.branch_id, SeatState.ONLINE, WITNESS)
        assert seat.state is SeatState.OFFLINE


def test_nobody_of_marketing_goes_online_or_answers(session: Session) -> None:
    seat = online(session)
    waiting_since(session, "周晚晴", 1)
    staff = staff_named(session, "luwenshan")
    staff.marketing = True
    with pytest.raises(witnesses.Marketing):
        seats.answer_next(session, seat, WITNESS)
    with pytest.raises(witnesses.Marketing):
        seats.go(session, staff, seat.branch_id, SeatState.ONLINE, WITNESS)


def test_a_licence_counts_to_the_end_of_its_last_day(session: Session) -> None:
    staff = staff_named(session, "luwenshan")
    staff.licence_until = AT.date()
    assert online(session).state is SeatState.ONLINE


def test_a_licence_that_ran_out_since_going_online_stops_answering(session: Session) -> None:
    seat = online(session)
    waiting_since(session, "周晚晴", 1)
    staff_named(session, "luwenshan").licence_until = AT.date() - timedelta(days=1)
    with pytest.raises(witnesses.LicenceMissing):
        seats.answer_next(session, seat, WITNESS)


@pytest.mark.parametrize("state", [SeatState.OFFLINE, SeatState.BREAK, SeatState.MEETING, SeatState.TRAINING])
def test_only_who_is_online_answers(session: Session, state: SeatState) -> None:
    seat = online(session)
    waiting_since(session, "周晚晴", 1)
    seats.go(session, staff_named(session, "luwenshan"), seat.branch_id, state, WITNESS)
    with pytest.raises(seats.NotOnline):
        seats.answer_next(session, seat, WITNESS)


def test_a_witness_sits_only_at_branches_she_serves(session: Session) -> None:
    hangzhou = staff_named(session, "hangzhou").branches[0]
    with pytest.raises(seats.NotYourBranch):
        seats.go(session, staff_named(session, "luwenshan"), hangzhou.id, SeatState.ONLINE, WITNESS)


def test_every_state_is_logged_without_a_gap(session: Session) -> None:
    seat = online(session)
    staff = staff_named(session, "luwenshan")
    seats.go(session, staff, seat.branch_id, SeatState.BREAK, later(10))
    seats.go(session, staff, seat.branch_id, SeatState.ONLINE, later(15))
    log = session.scalars(select(SeatInterval).where(SeatInterval.seat_id == seat.id).order_by(SeatInterval.id)).all()
    assert [i.state for i in log] == [SeatState.ONLINE, SeatState.BREAK, SeatState.ONLINE]
    assert [i.ended_at for i in log[:-1]] == [i.started_at for i in log[1:]]
    assert log[-1].ended_at is None
    told = session.scalars(select(StaffEvent.detail).where(StaffEvent.action == "seat_state")).all()
    assert list(told) == ["在线", "小休", "在线"]


def test_answering_takes_the_seat_into_the_call_and_the_state_cannot_be_changed_then(session: Session) -> None:
    seat = online(session)
    waiting_since(session, "周晚晴", 1)
    seats.answer_next(session, seat, WITNESS)
    assert seat.state is SeatState.IN_CALL
    with pytest.raises(seats.SeatBusy):
        seats.go(session, staff_named(session, "luwenshan"), seat.branch_id, SeatState.BREAK, WITNESS)


def test_a_newer_page_takes_the_seat_and_the_older_ones_acts_are_refused(session: Session) -> None:
    staff = staff_named(session, "luwenshan")
    old = seats.sit(session, staff, WITNESS).fence
    new = seats.sit(session, staff, WITNESS).fence
    with pytest.raises(seats.SeatLost):
        seats.heartbeat(session, staff.id, old, WITNESS)
    assert seats.heartbeat(session, staff.id, new, WITNESS).fence == new


def test_the_fence_grows_at_every_going_online(session: Session) -> None:
    first = online(session).fence
    assert online(session).fence > first


def test_a_silent_seat_goes_offline_as_of_when_it_was_last_heard(session: Session) -> None:
    seat = online(session)
    seats.heartbeat(session, seat.staff_id, seat.fence, later(1))
    assert seats.retire_silent(session, later(3)) == []
    assert seats.retire_silent(session, later(4)) == [seat]
    assert (seat.state, seat.since) == (SeatState.OFFLINE, AT + timedelta(minutes=1))


def test_a_silent_seat_in_a_call_stays_with_its_witness(session: Session) -> None:
    seat = online(session)
    waiting_since(session, "周晚晴", 1)
    seats.answer_next(session, seat, WITNESS)
    assert seats.retire_silent(session, later(60)) == []
    assert seat.state is SeatState.IN_CALL


def test_the_team_shows_who_is_on_a_seat_of_the_branch(session: Session) -> None:
    mine, other, _elsewhere = online(session, "luwenshan"), online(session, "weiyinuo"), online(session, "hangzhou")
    seats.go(session, staff_named(session, "weiyinuo"), other.branch_id, SeatState.BREAK, WITNESS)
    assert [(seat.staff.name, seat.state) for seat in seats.team(session, mine.branch_id)] == [
        ("陆文珊", SeatState.ONLINE),
        ("韦一诺", SeatState.BREAK),
    ]


def test_head_office_serves_every_branch_of_its_broker(session: Session) -> None:
    assert [b.code for b in served_branches(session, staff_named(session, "admin"))] == ["SH01", "HZ01"]
    assert [b.code for b in served_branches(session, staff_named(session, "hangzhou"))] == ["HZ01"]
