"""How many seats are enough: the closed form for calls that arrive by chance and wait as long as it takes (Erlang C, 1917).

Real people leave and real calls vary less than the form assumes, so it errs on the side of too many seats; ``console simulate``
says by how much.
"""

from math import exp, inf

MOST_SEATS = 500


def wait_probability(load: float, seats: int) -> float:
    """The share of people who wait at all. ``load``: calls per time × time per call (erlang)."""
    if load <= 0:
        return 0.0
    if load >= seats:
        return 1.0
    blocked = 1.0  # Erlang B, by its recursion: no factorials, so no overflow
    for n in range(1, seats + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked / (1 - load / seats * (1 - blocked))


def mean_wait(per_hour: float, handling: float, seats: int) -> float:
    """Seconds that people wait on the average; ``handling``: mean seconds of a call. inf when more come than can be answered."""
    load = per_hour * handling / 3600
    return wait_probability(load, seats) * handling / (seats - load) if load < seats else inf


def share_within(seconds: float, per_hour: float, handling: float, seats: int) -> float:
    """The share of people answered within ``seconds``."""
    load = per_hour * handling / 3600
    if load >= seats:
        return 0.0
    return 1 - wait_probability(load, seats) * exp(-(seats - load) * seconds / handling)


def seats_needed(per_hour: float, handling: float, seconds: float, share: float) -> int:
    """The fewest seats that answer ``share`` (0 to 1) within ``seconds``; 0 when nobody comes."""
    if per_hour <= 0:
        return 0
    first = int(per_hour * handling / 3600) + 1
    for seats in range(first, first + MOST_SEATS):
        if share_within(seconds, per_hour, handling, seats) >= share:
            return seats
    raise ValueError(f"no number of seats answers {share:.0%} within {seconds} s")
