"""Tickets and seats played at random against a small model of their rules: every act, every refusal, and what always holds."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console import db
from console.cases import service as cases
from console.cases.models import Case, CaseEvent, Status
from console.cases.transitions import IllegalTransition
from console.chain import find_break
from console.config import Settings
from console.local_time import local_day
from console.people.models import Branch
from console.queues import hours, seats, urgent, witnesses
from console.queues import service as queues
from console.queues.models import Holiday, OverflowRule, Seat, SeatInterval, SeatState, Ticket, TicketState
from console.stamp import Stamp
from console.video_seat import line, suspicions
from console.video_seat import service as calls
from console.video_seat.models import CallEventKind, VideoSession
from tests.queues.given import at_the_video, crowd_member, to_the_video
from tests.world import AT, staff_named, stamp

pytestmark = pytest.mark.timeout(1800)
TERMS = line.Terms(timedelta(seconds=30), ring=timedelta(seconds=20), come=timedelta(seconds=40))
OVERFLOW = timedelta(minutes=3)
WITNESSES = ("luwenshan", "weiyinuo", "hangzhou")
PEOPLE = range(6)  # the last one at the other branch
SIDES = ("investor", "witness")
RETURNED, URGENT, MENDED, NORMAL = 0, 10, 30, 40
STATUS = {
    "home": Status.WITH_INVESTOR,
    "waiting": Status.IN_QUEUE,
    "call": Status.IN_VIDEO,
    "held": Status.HELD,
    "gone": Status.ABANDONED,
}


@dataclass
class Call:
    """What the model knows of one; ``away``: since when each side is."""

    witness: str
    number: str
    started: timedelta
    came: set[str] = field(default_factory=set)
    away: dict[str, timedelta] = field(default_factory=dict)
    agreed: bool = False

    def given_up_for(self, now: timedelta) -> list[str]:
        late = []
        if "investor" not in self.came and not self.agreed and now >= self.started + TERMS.come:
            late.append("investor")
        if "witness" not in self.came and now >= self.started + TERMS.ring:
            late.append("witness")
        lost = bool(self.away) and now >= min(self.away.values()) + TERMS.grace
        return late or (sorted(self.away) if lost else [])


@dataclass
class Person:
    """``turn``: the how-many-eth joining of all it was; it is kept for as long as the investor waits for one and the same video."""

    branch: str
    where: str = "home"
    rank: int = NORMAL
    turn: int = 0
    joined: timedelta = timedelta()
    rests_until: timedelta = timedelta()
    missed: int = 0
    barred: str = ""
    rejected: bool = False
    call: Call | None = None

    @property
    def order(self) -> tuple[int, int]:
        return self.rank, self.turn


@dataclass
class Chair:
    branch: str
    state: SeatState = SeatState.ONLINE
    seen: timedelta = timedelta()
    fence: int = 0


class Queue(RuleBasedStateMachine):
    """One day at two branches; the second answers who waits too long at the first."""

    begin: Callable[[], None]
    ids: list[int]

    def __init__(self) -> None:
        super().__init__()
        type(self).begin()
        self.now = timedelta()
        self.turns = 0
        self.closed = False
        self.people = [Person("SH01") for _ in PEOPLE[:-1]] + [Person("HZ01")]
        self.chairs = {name: Chair("HZ01" if name == "hangzhou" else "SH01") for name in WITNESSES}

    @initialize(first=st.permutations(PEOPLE), joining=st.integers(3, len(PEOPLE)))
    def the_day_begins(self, first: list[int], joining: int) -> None:
        for name, chair in self.chairs.items():
            with self.act() as (session, mark):
                staff = staff_named(session, name)
                seat = seats.sit(session, staff, mark)
                chair.fence = seats.go(session, staff, seat.branch_id, SeatState.ONLINE, mark).fence
                chair.seen = self.now
        for who in first[:joining]:
            self.joins(who, 1)

    # --- the hands of the test

    @contextmanager
    def act(self, by: str = "system:test", seconds: int = 1) -> Iterator[tuple[Session, Stamp]]:
        """One transaction, that much later."""
        self.now += timedelta(seconds=seconds)
        with db.transaction() as session:
            yield session, stamp(by, AT + self.now)

    def case(self, session: Session, who: int) -> Case:
        return session.get_one(Case, self.ids[who])

    def seat(self, session: Session, name: str) -> Seat:
        return seats.seated(session, staff_named(session, name).id, self.chairs[name].fence)

    def line_up(self, branch: str) -> list[int]:
        waiting = (n for n in PEOPLE if self.people[n].where == "waiting" and self.people[n].branch == branch)
        return sorted(waiting, key=lambda n: self.people[n].order)

    def overflowing(self, name: str) -> list[int]:
        if name != "hangzhou":
            return []
        return [n for n in self.line_up("SH01") if self.now - self.people[n].joined >= OVERFLOW]

    def next_of(self, name: str) -> int | None:
        """Whom the rules give this witness now."""
        for line_ in (self.line_up(self.chairs[name].branch), self.overflowing(name)):
            mine = [n for n in line_ if self.people[n].barred != name]
            if mine:
                return min(mine, key=lambda n: (self.people[n].rests_until > self.now, *self.people[n].order))
        return None

    def waits(self) -> bool:
        return any(person.where == "waiting" for person in self.people)

    def live(self) -> list[int]:
        return [n for n in PEOPLE if self.people[n].call is not None]

    # --- investors

    @rule(who=st.sampled_from(PEOPLE), tabs=st.integers(1, 2))
    def joins(self, who: int, tabs: int) -> None:
        person = self.people[who]
        try:
            with self.act() as (session, mark):
                tickets = {queues.join(session, self.case(session, who), mark).id for _ in range(tabs)}
                assert len(tickets) == 1
        except hours.Closed:
            assert self.closed and person.where != "waiting"
        except IllegalTransition:
            assert person.where in ("call", "held", "gone")
        except queues.JoinedEnough:
            assert person.where == "home" and self.turns >= queues.MOST_JOINS
        else:
            assert person.where == "waiting" or (person.where == "home" and not self.closed)
            if person.where == "home":
                self.turns += 1
                rank = MENDED if person.rejected else NORMAL
                self.people[who] = Person(
                    person.branch, "waiting", rank, self.turns, self.now, rejected=person.rejected
                )

    @precondition(lambda self: self.waits())
    @rule(who=st.sampled_from(PEOPLE))
    def leaves(self, who: int) -> None:
        try:
            with self.act() as (session, mark):
                queues.leave(session, self.case(session, who), mark)
        except IllegalTransition:
            assert self.people[who].where != "waiting"
        else:
            assert self.people[who].where == "waiting"
            self.people[who].where = "home"

    @precondition(lambda self: self.turns > 8)
    @rule(who=st.sampled_from(PEOPLE))
    def abandons(self, who: int) -> None:
        try:
            with self.act() as (session, mark):
                cases.abandon(self.case(session, who), mark)
        except IllegalTransition:
            assert self.people[who].where in ("call", "held", "gone")
        else:
            assert self.people[who].where in ("waiting", "home")
            self.people[who].where = "gone"

    @precondition(lambda self: self.waits())
    @rule(who=st.sampled_from(PEOPLE))
    def gets_urgency(self, who: int) -> None:
        person = self.people[who]
        try:
            with self.act() as (session, mark):
                asked = urgent.ask(session, self.case(session, who), "赶飞机，请先办理", mark)
                if asked.granted is None:
                    urgent.grant(session, asked.id, staff_named(session, "fangyi" if who < 5 else "hangzhou"), mark)
        except urgent.NotWaiting:
            assert person.where != "waiting"
        except urgent.AskedEnough:
            assert person.where == "waiting"
        else:
            assert person.where == "waiting"
            person.rank = min(person.rank, URGENT)

    # --- witnesses

    @rule(name=st.sampled_from(WITNESSES))
    def answers_next(self, name: str) -> None:
        chair = self.chairs[name]
        try:
            with self.act(f"staff:{name}") as (session, mark):
                seat = self.seat(session, name)
                ticket = seats.answer_next(session, seat, mark)
                expected = self.next_of(name)
                assert (self.ids.index(ticket.case_id) if ticket else None) == expected, "the order was not kept"
                if ticket is not None:
                    self.answered(session, name, ticket, mark)
        except seats.NotOnline:
            assert chair.state is not SeatState.ONLINE

    @precondition(lambda self: self.waits())
    @rule(name=st.sampled_from(WITNESSES), who=st.sampled_from(PEOPLE), why=st.sampled_from(["", "班长安排"]))
    def picks(self, name: str, who: int, why: str) -> None:
        chair, person = self.chairs[name], self.people[who]
        ahead = self.line_up(person.branch).index(who) if person.where == "waiting" else 0
        try:
            with self.act(f"staff:{name}") as (session, mark):
                found = select(Ticket).where(Ticket.case_id == self.ids[who]).order_by(Ticket.id.desc()).limit(1)
                if (ticket := session.scalar(found)) is None:
                    return
                seat = self.seat(session, name)
                seats.answer(session, seat, ticket.id, mark, why)
                assert chair.state is SeatState.ONLINE and person.where == "waiting" and person.barred != name
                assert why or not ahead
                assert person.branch == chair.branch or who in self.overflowing(name)
                self.answered(session, name, ticket, mark)
        except seats.NotOnline:
            assert chair.state is not SeatState.ONLINE
        except seats.NotYourBranch:
            assert person.branch != chair.branch and who not in self.overflowing(name)
        except witnesses.NotYours:
            assert person.barred == name
        except queues.AlreadyAnswered:
            assert person.where != "waiting"
        except queues.WhyMissing:
            assert ahead and not why

    def answered(self, session: Session, name: str, ticket: Ticket, mark: Stamp) -> None:
        call = calls.start(session, ticket, self.seat(session, name), "node-1", mark)
        person = self.people[self.ids.index(ticket.case_id)]
        person.where, person.call = "call", Call(name, call.session_no, self.now)
        self.chairs[name].state = SeatState.IN_CALL

    @rule(name=st.sampled_from(WITNESSES), state=st.sampled_from((*seats.CHOSEN_BY_HAND, *[SeatState.ONLINE] * 8)))
    def goes(self, name: str, state: SeatState) -> None:
        chair = self.chairs[name]
        try:
            with self.act(f"staff:{name}") as (session, mark):
                seat = self.seat(session, name)
                chair.fence = seats.go(session, seat.staff, seat.branch_id, state, mark).fence
        except seats.SeatBusy:
            assert chair.state is SeatState.IN_CALL
        else:
            assert chair.state is not SeatState.IN_CALL
            chair.state, chair.seen = state, self.now

    @rule(name=st.sampled_from(WITNESSES))
    def opens_another_page(self, name: str) -> None:
        chair, stale = self.chairs[name], self.chairs[name].fence
        with self.act() as (session, mark):
            chair.fence = seats.sit(session, staff_named(session, name), mark).fence
            chair.seen = self.now
            with pytest.raises(seats.SeatLost):
                seats.heartbeat(session, staff_named(session, name).id, stale, mark)
            seats.heartbeat(session, staff_named(session, name).id, chair.fence, mark)

    # --- calls

    @precondition(lambda self: self.live())
    @rule(data=st.data(), side=st.sampled_from(SIDES), there=st.booleans())
    def a_line_comes_or_goes(self, data: st.DataObject, side: str, there: bool) -> None:
        call = self.one_call(data)
        if not there and side not in call.came:
            return
        with self.act() as (session, mark):
            held = line.held(session, call.number)
            assert held is not None
            kind = CallEventKind.CONNECTED if there else CallEventKind.LOST
            line.heard(session, held, kind, mark.at, side, mark.at, TERMS)
        if there:
            call.came.add(side)
            call.away.pop(side, None)
        else:
            call.away.setdefault(side, self.now)

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def the_investor_agrees(self, data: st.DataObject) -> None:
        call = self.one_call(data)
        with self.act() as (session, mark):
            calls.acknowledge(session, self.found(session, call), mark)
        call.agreed = True

    @precondition(lambda self: self.live())
    @rule(data=st.data(), verdict=st.sampled_from(["fault", "reject", "suspect", "decline"]))
    def a_call_ends(self, data: st.DataObject, verdict: str) -> None:
        call = self.one_call(data)
        person = next(p for p in self.people if p.call is call)
        try:
            with self.act() as (session, mark):
                live = self.found(session, call)
                if verdict == "fault":
                    calls.technical_failure(session, live, mark, why="")
                elif verdict == "decline":
                    calls.decline(session, live, mark)
                elif verdict == "suspect":
                    calls.suspect(session, live, ["prompted"], "", mark)
                else:
                    calls.reject(session, live, ["card_mismatch"], "", "", mark)
                    to_the_video(live.case, mark.at)
        except calls.Agreed:
            assert verdict == "decline" and call.agreed
            return
        assert not (verdict == "decline" and call.agreed)
        person.call = None
        person.where = {"fault": "waiting", "suspect": "held"}.get(verdict, "home")
        person.rejected = person.rejected or verdict == "reject"
        if verdict == "fault":
            person.rank, person.rests_until = RETURNED, timedelta()
        if verdict == "suspect":
            person.barred = call.witness
        self.chairs[call.witness].state = SeatState.ONLINE

    @precondition(lambda self: any(person.where == "held" for person in self.people))
    @rule(data=st.data())
    def a_supervisor_releases(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from([n for n in PEOPLE if self.people[n].where == "held"]))
        with self.act() as (session, mark):
            raised = select(calls.Suspicion).join(VideoSession).where(VideoSession.case_id == self.ids[who])
            last = session.scalars(raised.order_by(calls.Suspicion.id.desc()).limit(1)).one()
            suspicions.release(session, last, staff_named(session, "fangyi"), "已电话核实", mark)
        person = self.people[who]
        person.where, person.rank, person.missed, person.rests_until = "waiting", RETURNED, 0, timedelta()

    def one_call(self, data: st.DataObject) -> Call:
        call = self.people[data.draw(st.sampled_from(self.live()))].call
        assert call is not None
        return call

    def found(self, session: Session, call: Call) -> VideoSession:
        return session.scalars(select(VideoSession).where(VideoSession.session_no == call.number)).one()

    # --- time, and who looks after it

    @rule(seconds=st.sampled_from([5, 21, 45, 160]), twice=st.booleans())
    def the_sweep_comes(self, seconds: int, twice: bool) -> None:
        """Calls that nobody came to are given up, silent seats are offline; a second sweep finds nothing."""
        with self.act("system:sweep", seconds) as (session, mark):
            due = line.overdue(session, mark.at, TERMS)
            dropped = [number for number in due if line.drop(session, number, mark.at, TERMS)]
            assert [line.drop(session, number, mark.at, TERMS) for number in due] == [None] * len(due)
        given_up = [n for n in self.live() if self.people[n].call.given_up_for(self.now)]  # type: ignore[union-attr]
        assert sorted(dropped) == sorted(self.people[n].call.number for n in given_up)  # type: ignore[union-attr]
        for who in given_up:
            self.gave_up(self.people[who])
        with self.act("system:sweep", 0) as (session, mark):
            silent = {seat.staff.username for seat in seats.retire_silent(session, mark)}
            assert not twice or not seats.retire_silent(session, mark)
        sitting = {n: c for n, c in self.chairs.items() if c.state not in (SeatState.OFFLINE, SeatState.IN_CALL)}
        assert silent == {name for name, chair in sitting.items() if self.now - chair.seen > seats.SILENCE}
        for name in silent:
            self.chairs[name].state = SeatState.OFFLINE

    def gave_up(self, person: Person) -> None:
        call = person.call
        assert call is not None
        sides = call.given_up_for(self.now)
        never_came = sides[0] not in call.came
        person.call, person.where, person.rank, person.rests_until = None, "waiting", RETURNED, timedelta()
        if sides == ["investor"]:
            person.missed += 1
            person.rests_until = self.now + person.missed * queues.REST
            if person.missed == queues.MOST_MISSED:
                person.where = "home"
        self.chairs[call.witness].state = SeatState.BREAK if never_came and "witness" in sides else SeatState.ONLINE

    @precondition(lambda self: self.closed or self.turns > 8)
    @rule()
    def the_day_off_begins_or_ends(self) -> None:
        """A branch that closes lets nobody in; who waits keeps the place."""
        with self.act() as (session, mark):
            found = session.scalars(select(Holiday)).first()
            if found is not None:
                session.delete(found)
            else:
                broker = session.scalars(select(Branch.broker_id).limit(1)).one()
                session.add(Holiday(broker_id=broker, day=local_day(mark.at), title="系统升级"))
        self.closed = not self.closed

    # --- what always holds

    @invariant()
    def the_database_says_the_same(self) -> None:
        with db.reading() as session:
            for who, person in enumerate(self.people):
                assert self.case(session, who).status is STATUS[person.where], f"{who} {person}"
            waits = select(Ticket.case_id).where(Ticket.state == TicketState.WAITING)
            waiting = [self.ids.index(each) for each in session.scalars(waits)]
            assert sorted(waiting) == [n for n in PEOPLE if self.people[n].where == "waiting"], "one ticket a case"
            live = session.scalars(select(VideoSession).where(VideoSession.ended_at.is_(None))).all()
            in_calls = {self.ids.index(call.case_id): call.witness.username for call in live}
            told = {n: p.call.witness for n, p in enumerate(self.people) if p.call is not None}
            assert in_calls == told and len(live) == len(told) == len(set(told.values())), "one call a seat and a case"
            for seat in session.scalars(select(Seat)):
                assert seat.state is self.chairs[seat.staff.username].state, seat.staff.username
            self.lines_are_in_order(session)

    def lines_are_in_order(self, session: Session) -> None:
        for branch in session.scalars(select(Branch)):
            tickets = queues.waiting_list(session, [branch.id])
            assert [self.ids.index(ticket.case_id) for ticket in tickets] == self.line_up(branch.code)
            if tickets:
                last = queues.place(session, tickets[-1])
                assert (last.ahead, last.waiting) == (len(tickets) - 1, len(tickets))

    def teardown(self) -> None:
        with db.reading() as session:
            for case_id in self.ids:
                trail = session.scalars(select(CaseEvent).where(CaseEvent.case_id == case_id).order_by(CaseEvent.seq))
                assert find_break(trail.all()) is None
            open_ones = select(SeatInterval.seat_id, func.count()).where(SeatInterval.ended_at.is_(None))
            assert all(count == 1 for _, count in session.execute(open_ones.group_by(SeatInterval.seat_id)))
            answered = session.scalars(select(VideoSession.ticket_id)).all()
            assert len(answered) == len(set(answered)), "a ticket was answered twice"


@pytest.fixture
def machine(world: Settings, tmp_path: Path) -> type[Queue]:
    """Every game begins with the same people before the video, and an empty queue."""
    kept = tmp_path / "begin.db"
    with db.transaction() as session:
        here, there = (session.scalars(select(Branch).where(Branch.code == code)).one() for code in ("SH01", "HZ01"))
        rule_ = OverflowRule(branch=here, to_branch=there, after_minutes=OVERFLOW // timedelta(minutes=1))
        session.add(rule_)
        before = AT - timedelta(hours=2)
        crowd = [crowd_member(session, n, before) for n in range(3)]
        for ticket in crowd:
            queues.leave(session, ticket.case, stamp(at=before))
        others = [at_the_video(session, name, before) for name in ("周晚晴", "许砚青", "闻子期")]
        ids = [ticket.case_id for ticket in crowd] + [case.id for case in others]
    file = Path(world.database_url.removeprefix("sqlite:///"))
    db.close()
    shutil.copy(file, kept)

    def begin() -> None:
        db.close()
        for old in file.parent.glob(f"{file.name}*"):
            old.unlink()
        shutil.copy(kept, file)
        db.connect(world.database_url)

    return type("QueueOfThisTest", (Queue,), {"begin": staticmethod(begin), "ids": ids})


def played(machine: type[Queue], games: int, steps: int, **more: object) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    how = settings(
        max_examples=games,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=checks,
        **more,
    )
    run_state_machine_as_test(machine, settings=how)


def test_whatever_people_do_the_queue_keeps_its_rules(machine: type[Queue]) -> None:
    played(machine, games=3, steps=40, derandomize=True, phases=[Phase.generate])


@pytest.mark.soak
def test_whatever_people_do_for_long_the_queue_keeps_its_rules(machine: type[Queue]) -> None:
    played(machine, games=300, steps=60)
