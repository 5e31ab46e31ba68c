"""How far two who judged the same things agree beyond chance: Cohen, A Coefficient of Agreement for Nominal Scales (1960)."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

ENOUGH = 10  # pairs below which nothing is concluded


@dataclass(frozen=True)
class Agreement:
    """``observed``: share of pairs that agree; ``kappa``: from -1 to 1; None of nothing, and where chance explains all."""

    n: int
    observed: float
    kappa: float | None

    @property
    def enough(self) -> bool:
        return self.n >= ENOUGH


def agreement(pairs: Sequence[tuple[Hashable, Hashable]]) -> Agreement:
    """Of (first, second) judgements. Whole numbers up to the last division: no rounding decides whether chance explains everything."""
    n = len(pairs)
    if not n:
        return Agreement(0, 0.0, None)
    same = sum(first == second for first, second in pairs)
    firsts, seconds = Counter(first for first, _ in pairs), Counter(second for _, second in pairs)
    chance = sum(count * seconds[kind] for kind, count in firsts.items())  # in n²
    kappa = None if chance == n * n else (same * n - chance) / (n * n - chance)
    return Agreement(n, same / n, kappa)
