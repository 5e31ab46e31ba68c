"""``console simulate``: the queue played through agrees with what is known in closed form, and with what was recorded."""

from datetime import date, timedelta
from pathlib import Path
from random import Random
from statistics import fmean
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import db
from console.cli import main
from console.config import Settings, VideoHours
from console.people.models import Branch
from console.queues import erlang, simulator, trial
from console.queues.models import Priority
from console.queues.promises import WaitPromise
from console.queues.simulator import Arrival, Recorded, Shifts, play, summary
from tests.queues.history import called, left
from tests.world import AT


@pytest.mark.parametrize(("seats", "load"), [(1, 0.5), (3, 1.8), (6, 4.2)])
def test_waits_agree_with_erlang_c(seats: int, load: float) -> None:
    """M/M/c with nobody leaving: the mean wait and the share answered within five minutes, within a few per cent."""
    random, per_hour = Random(1), load * 12
    rates = [per_hour / 2] * int(80_000 / per_hour)  # some 40,000 people
    people = simulator.synthetic(rates, simulator.calls(300, 1, random), simulator.patience_of(None, random), random)
    found = summary(play(people, Shifts.steady(seats), promises=False), 300)
    assert found is not None
    came, length = len(people) / len(rates) * 2, fmean(person.service for person in people)
    assert found.mean == pytest.approx(erlang.mean_wait(came, length, seats), rel=0.04)
    assert found.within == pytest.approx(erlang.share_within(300, came, length, seats), abs=0.01)


def test_erlang_c_of_the_textbook() -> None:
    """One seat half busy (M/M/1): half wait, on the average as long as a call; two erlang on three seats: 4 of 9 wait."""
    assert erlang.wait_probability(0.5, 1) == pytest.approx(0.5)
    assert erlang.mean_wait(6, 300, 1) == pytest.approx(300)
    assert erlang.wait_probability(2, 3) == pytest.approx(4 / 9)
    assert erlang.wait_probability(3, 3) == 1 and erlang.mean_wait(36, 300, 3) == float("inf")


def test_enough_seats_are_the_fewest_that_keep_the_line() -> None:
    needed = erlang.seats_needed(40, 360, 300, 0.9)
    assert erlang.share_within(300, 40, 360, needed) >= 0.9 > erlang.share_within(300, 40, 360, needed - 1)
    assert erlang.seats_needed(0, 360, 300, 0.9) == 0
    assert erlang.seats_needed(4000, 360, 300, 0.9) > 400


def test_people_are_answered_oldest_first_and_leave_when_their_patience_ends() -> None:
    people = [Arrival(0, 100), Arrival(10, 100), Arrival(20, 100, patience=60), Arrival(30, 100)]
    assert [(o.wait, o.answered) for o in play(people, Shifts.steady(1))] == [
        (0, True),
        (90, True),
        (60, False),
        (170, True),
    ]


def test_a_seat_that_goes_off_duty_ends_its_call_first_and_one_that_comes_helps_at_once() -> None:
    people = [Arrival(0, 100), Arrival(0, 100), Arrival(0, 100)]
    assert [o.wait for o in play(people, Shifts((0, 50), (2, 1)))] == [0, 0, 100]
    assert [o.wait for o in play(people, Shifts((0, 50), (1, 3)))] == [0, 50, 50]


def test_who_still_waits_at_closing_was_not_answered() -> None:
    found = summary(play([Arrival(0, 900), Arrival(0, 60)], Shifts.steady(1), until=600), 300)
    assert found is not None and (found.abandoned, found.within) == (0.5, 0.5)


def test_the_same_seed_gives_the_same_day() -> None:
    def day(seed: int) -> list[Arrival]:
        random = Random(seed)
        return simulator.synthetic([6] * 16, simulator.calls(360, 0.5, random), random.random, random)

    assert day(1) == day(1) != day(2)


def test_a_promise_is_kept_by_whoever_waits_within_it() -> None:
    told = [((5, 9), 420.0), ((5, 9), 240.0), ((1, 2), 5.0), ((1, 2), 200.0)]
    found = simulator.accuracy(told)
    assert found is not None and (found.count, found.inside) == (4, 0.5)
    assert simulator.accuracy([]) is None


def test_a_day_replayed_with_the_seats_it_had_waits_as_it_did() -> None:
    random = Random(3)
    lived = play(
        simulator.synthetic([10] * 20, simulator.calls(300, 0.6, random), simulator.patience_of(900, random), random),
        Shifts.steady(2),
    )
    tape = [Recorded(o.arrival.at, o.wait, o.arrival.service if o.answered else None) for o in lived]
    again, first = summary(play(simulator.replayed(tape, random), Shifts.steady(2)), 300), summary(lived, 300)
    assert again is not None and first is not None
    assert again.mean == pytest.approx(first.mean, rel=0.15)
    assert again.abandoned == pytest.approx(first.abandoned, abs=0.05)


def test_recorded_days_know_everybody_once(session: Session) -> None:
    branch = session.scalars(select(Branch.id).where(Branch.code == "SH01")).one()
    called(session, branch, AT, minutes=5, waited=3)
    left(session, branch, AT, waited=8)
    called(session, branch, AT).priority = Priority.RETURNED
    called(session, branch, AT - timedelta(days=1))
    found = trial.recorded_days(session, [branch], date(2026, 11, 20), date(2026, 11, 20))
    half_past_ten = 10.5 * 3600
    assert found == {
        date(2026, 11, 20): [Recorded(half_past_ten - 480, 480, None), Recorded(half_past_ten - 180, 180, 300)]
    }


def test_numbers_by_half_hour_hold_until_the_next() -> None:
    rates = trial.by_half_hour("09:30=4,11:00=2", VideoHours.parse("09:00-12:00"))
    assert rates[18:25] == [0, 4, 4, 4, 2, 2, 0] and sum(rates) == 16
    with pytest.raises(trial.Unreadable):
        trial.by_half_hour("9 o'clock", VideoHours())
    with pytest.raises(trial.Unreadable):
        trial.rosters("8-1")
    assert trial.rosters("09:00=2,12:30=1")[0][1] == Shifts((32400, 45000), (2, 1))


def test_the_command_prints_a_table_and_draws_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "waits.svg"
    asked = ["simulate", "--arrivals", "09:00=8,12:00=3", "--days", "3", "--seats", "1-3", "--patience", "15"]
    environment = {"CONSOLE_HOME": str(tmp_path / "var")}
    shown = [CliRunner().invoke(main, [*asked, "--plot", str(picture)], env=environment) for _ in range(2)]
    assert shown[0].exit_code == 0 and shown[0].output == shown[1].output
    lines = shown[0].output.splitlines()
    assert lines[0].split()[:4] == ["seats", "people", "mean", "median"]
    assert [line.split()[0] for line in lines[1:4]] == ["1", "2", "3"]
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


def test_the_command_replays_what_was_recorded(world: Settings) -> None:
    with db.transaction() as session:
        branch = session.scalars(select(Branch.id).where(Branch.code == "SH01")).one()
        for n in range(12):
            ticket = called(session, branch, AT + timedelta(minutes=5 * n), minutes=6, waited=4)
            made = {"ticket_id": ticket.id, "branch_id": branch, "made_at": ticket.joined_at, "ahead": 1}
            session.add(WaitPromise(**made, low=2, high=6 if n < 9 else 3))
    environment = {"CONSOLE_HOME": str(world.home), "DATABASE_URL": world.database_url}
    asked = ["simulate", "--from", "2026-11-20", "--branch", "SH01", "--seats", "2"]
    shown = CliRunner().invoke(main, asked, env=environment)
    said, _, line = shown.output.splitlines()
    assert said == "promises made then: 12, half of them off by at most 0.0 min, 75% kept"
    assert line.split()[:2] == ["2", "12"]
    nowhere = CliRunner().invoke(main, [*asked[:-4], "--branch", "XX"], env=environment)
    assert nowhere.exit_code == 1 and "XX" in nowhere.output
