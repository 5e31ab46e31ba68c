"""A day of the queue played through by the clock of a discrete-event simulation (simpy): who waits how long with how many seats (Q7).

Times are seconds from the beginning of what is played. Everything random comes from one seeded generator: the same seed, the same day.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf, log, sqrt
from random import Random
from statistics import fmean, median, quantiles
from typing import Any

import simpy

from .estimate import LEAST_CALLS, SAMPLE, Handling, Serving, in_minutes, wait_range

HALF_HOUR = 1800.0


@dataclass(frozen=True)
class Arrival:
    """``service``: how long the call will take; ``patience``: how long this person waits before leaving (inf: for ever)."""

    at: float
    service: float
    patience: float = inf


@dataclass(frozen=True)
class Shifts:
    """How many seats there are from which time on."""

    starts: tuple[float, ...]
    seats: tuple[int, ...]

    @classmethod
    def steady(cls, seats: int) -> "Shifts":
        return cls((0.0,), (seats,))

    def at(self, now: float) -> int:
        n = bisect_right(self.starts, now) - 1
        return self.seats[n] if n >= 0 else 0


@dataclass
class Outcome:
    """``wait``: until answered, or until leaving. ``promise``: minutes from and to told on joining, if anything was."""

    arrival: Arrival
    wait: float = 0.0
    answered: bool = False
    promise: tuple[int, int] | None = None


@dataclass
class Queue:
    """Oldest first, one call a seat. A seat that goes off duty ends its call first."""

    env: simpy.Environment
    shifts: Shifts
    tells: bool
    busy: int = 0
    line: deque[tuple[Outcome, simpy.Event]] = field(default_factory=deque)
    lengths: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLE))
    known: Handling | None = None

    def dispatch(self) -> None:
        while self.line and self.busy < self.shifts.at(self.env.now):
            self.busy += 1
            self.line.popleft()[1].succeed()

    def promise(self) -> tuple[int, int] | None:
        """What estimate.py says to somebody who joins now, from the calls that have ended so far."""
        seats = max(self.shifts.at(self.env.now), self.busy)
        if not seats or len(self.lengths) < LEAST_CALLS:
            return None
        self.known = self.known or Handling.of(list(self.lengths))
        free = max(0, seats - self.busy)
        return in_minutes(wait_range(self.known, len(self.line), Serving(seats, free))) if self.known else None

    def person(self, outcome: Outcome) -> Generator[Any, Any, None]:
        if self.tells:
            outcome.promise = self.promise()
        called = self.env.event()
        place = (outcome, called)
        self.line.append(place)
        self.dispatch()
        if outcome.arrival.patience < inf:
            yield called | self.env.timeout(outcome.arrival.patience)
        else:
            yield called
        outcome.wait, outcome.answered = self.env.now - outcome.arrival.at, called.triggered
        if not outcome.answered:
            self.line.remove(place)
            return
        yield self.env.timeout(outcome.arrival.service)
        self.busy -= 1
        self.lengths.append(outcome.arrival.service)
        self.known = None
        self.dispatch()

    def door(self, outcomes: Sequence[Outcome]) -> Generator[Any, Any, None]:
        for outcome in outcomes:
            yield self.env.timeout(outcome.arrival.at - self.env.now)
            self.env.process(self.person(outcome))

    def changes(self) -> Generator[Any, Any, None]:
        for start in self.shifts.starts:
            yield self.env.timeout(max(0.0, start - self.env.now))
            self.dispatch()


def play(
    arrivals: Sequence[Arrival], shifts: Shifts, until: float | None = None, *, promises: bool = True
) -> list[Outcome]:
    """What becomes of each of them, in the order of coming. Who still waits at ``until`` was not answered.

    ``until``: seconds; by default until nothing happens any more. ``promises``: tell everybody on joining how long it will be.
    """
    env = simpy.Environment()
    queue = Queue(env, shifts, promises)
    outcomes = [Outcome(arrival) for arrival in sorted(arrivals, key=lambda each: each.at)]
    env.process(queue.door(outcomes))
    env.process(queue.changes())
    env.run(until=until)
    for outcome, _ in queue.line:
        outcome.wait = env.now - outcome.arrival.at
    return outcomes


# --- what comes


Draw = Callable[[], float]


def synthetic(
    per_half_hour: Sequence[float], service: Draw, patience: Draw, random: Random, start: float = 0.0
) -> list[Arrival]:
    """People who come by chance (Poisson) at this rate in each half hour from ``start`` on."""
    arrivals = []
    for n, rate in enumerate(per_half_hour):
        at = start + n * HALF_HOUR
        end = at + HALF_HOUR
        while rate > 0:
            at += random.expovariate(rate / HALF_HOUR)
            if at >= end:
                break
            arrivals.append(Arrival(at, service(), patience()))
    return arrivals


def calls(mean: float, vary: float, random: Random) -> Draw:
    """Lengths of calls: lognormal with this mean (seconds) and coefficient of variation; all alike at 0, exponential at exactly 1."""
    if vary == 0:
        return lambda: mean
    if vary == 1:
        return lambda: random.expovariate(1 / mean)
    sigma2 = log(1 + vary**2)
    return lambda: random.lognormvariate(log(mean) - sigma2 / 2, sqrt(sigma2))


def patience_of(mean: float | None, random: Random) -> Draw:
    """How long people wait before they leave: exponential with this mean (seconds); None: nobody leaves."""
    return (lambda: inf) if mean is None else (lambda: random.expovariate(1 / mean))


@dataclass(frozen=True)
class Recorded:
    """A ticket of the past: seconds of joining; until answered or left; of the call, None when there was none."""

    at: float
    wait: float
    service: float | None


def replayed(tickets: Sequence[Recorded], random: Random) -> list[Arrival]:
    """The same people again. What was not seen is drawn: the call of who left is one of the calls there were; who was answered would have
    waited at least as long, then leaves by chance at the rate of those who left (the censored exponential's maximum likelihood).
    """
    lengths = [ticket.service for ticket in tickets if ticket.service is not None]
    if not lengths:
        return []
    left = sum(1 for ticket in tickets if ticket.service is None)
    more = patience_of(sum(ticket.wait for ticket in tickets) / left if left else None, random)
    return [
        Arrival(each.at, random.choice(lengths), each.wait)
        if each.service is None
        else Arrival(each.at, each.service, each.wait + more())
        for each in sorted(tickets, key=lambda ticket: ticket.at)
    ]


# --- what it means


@dataclass(frozen=True)
class Accuracy:
    """How good promises were: of how many, minutes that half of them were off by from the middle of the range, share inside the range."""

    count: int
    error: float
    inside: float


@dataclass(frozen=True)
class Summary:
    """Waits in seconds of who was answered; shares from 0 to 1 of all. ``accuracy``: None when nothing was promised."""

    people: int
    mean: float
    median: float
    p90: float
    abandoned: float
    within: float
    accuracy: Accuracy | None


def accuracy(told: Iterable[tuple[tuple[int, int], float]]) -> Accuracy | None:
    """Of promises (minutes from, to) and the waits (seconds) that came of them. 'From 1' is said for 'from nothing' too."""
    errors, inside = [], 0
    for (low, high), wait in told:
        low = 0 if low == 1 else low
        errors.append(abs(wait / 60 - (low + high) / 2))
        inside += low <= wait / 60 <= high
    return Accuracy(len(errors), median(errors), inside / len(errors)) if errors else None


def summary(outcomes: Sequence[Outcome], sla: float) -> Summary | None:
    """``sla``: seconds within which people should be answered. None when nobody came."""
    if not outcomes:
        return None
    waits = [outcome.wait for outcome in outcomes if outcome.answered]
    people = len(outcomes)
    return Summary(
        people=people,
        mean=fmean(waits) if waits else 0.0,
        median=median(waits) if waits else 0.0,
        p90=quantiles(waits, n=10)[-1] if len(waits) > 1 else sum(waits),
        abandoned=1 - len(waits) / people,
        within=sum(wait <= sla for wait in waits) / people,
        accuracy=accuracy((o.promise, o.wait) for o in outcomes if o.promise and o.answered),
    )
