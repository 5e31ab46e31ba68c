"""The vocabulary every business is written in: plain data, no framework."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum


class Desk(StrEnum):
    """Who has to act for a step to be done."""

    INVESTOR = "investor"
    SEAT = "seat"
    REVIEWER = "reviewer"


@dataclass(frozen=True)
class Facts:
    """What the path of a case may depend on. A step that learns one records it; only that step may change it again."""

    holds_certificate: bool = False
    first_financial_code: bool = False


def always(facts: Facts) -> bool:
    return True


def needs_certificate(facts: Facts) -> bool:
    return not facts.holds_certificate


def first_financial_code(facts: Facts) -> bool:
    return facts.first_financial_code


EVERYTHING = frozenset({"*"})


class Record(StrEnum):
    """What the broker's records hold about an investor that a finished case may change."""

    TRADING_CODES = "trading_codes"
    SETTLEMENT_ACCOUNTS = "settlement_accounts"


@dataclass(frozen=True)
class Step:
    """``vouches_for``: keys of earlier steps whose content this step confirmed; it must be done again when they are.

    ``learns``: names of the Facts that finishing this step records. ``settles``: the broker's record that changes as entered at this
    step once the case is approved and the counter system has carried it out.
    """

    key: str
    title: str
    desk: Desk = Desk.INVESTOR
    when: Callable[[Facts], bool] = always
    vouches_for: frozenset[str] = frozenset()
    learns: frozenset[str] = frozenset()
    settles: Record | None = None

    def vouches(self, key: str) -> bool:
        return self.vouches_for == EVERYTHING or key in self.vouches_for


class SignInBy(StrEnum):
    """What the investor types on the sign-in page (manuals, 2.1)."""

    PHONE = "phone"
    ID_NUMBER = "id_number"


@dataclass(frozen=True)
class Business:
    code: str
    title: str
    steps: tuple[Step, ...]
    sign_in_by: SignInBy
    submitted_title: str

    def path(self, facts: Facts) -> tuple[Step, ...]:
        """The steps a case with these facts has to go through, in order."""
        return tuple(step for step in self.steps if step.when(facts))

    def step(self, key: str) -> Step:
        return next(step for step in self.steps if step.key == key)

    def reopened_by(self, blamed: Iterable[str]) -> tuple[Step, ...]:
        """The blamed steps and all that vouched for them, directly or through another step, in order: minimal rework (R5)."""
        undone = set(blamed)
        grown = True
        while grown:
            more = {s.key for s in self.steps if any(s.vouches(key) for key in undone if key != s.key)} - undone
            undone |= more
            grown = bool(more)
        return tuple(step for step in self.steps if step.key in undone)
