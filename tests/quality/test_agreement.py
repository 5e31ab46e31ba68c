"""Cohen's kappa against worked examples, and what holds of it whatever was judged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.quality.agreement import agreement

JUDGED = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60)


def table(both: int, first_only: int, second_only: int, neither: int) -> list[tuple[bool, bool]]:
    return (
        [(True, True)] * both
        + [(True, False)] * first_only
        + [(False, True)] * second_only
        + [(False, False)] * neither
    )


@pytest.mark.parametrize(
    ("counts", "observed", "kappa"),
    [
        ((20, 5, 10, 15), 0.70, 0.40),  # fifty proposals: chance would agree on half
        ((45, 15, 25, 15), 0.60, 0.1304),  # two tables with the same observed agreement
        ((25, 35, 5, 35), 0.60, 0.2593),
        ((30, 0, 0, 20), 1.0, 1.0),
        ((0, 10, 10, 0), 0.0, -1.0),
        ((25, 25, 25, 25), 0.5, 0.0),
    ],
)
def test_kappa_of_textbook_tables(counts, observed, kappa):
    found = agreement(table(*counts))
    assert found.n == sum(counts)
    assert found.observed == pytest.approx(observed)
    assert found.kappa == pytest.approx(kappa, abs=5e-5)


def test_nothing_judged_has_no_kappa():
    assert (agreement([]).n, agreement([]).kappa) == (0, None)


def test_where_everybody_always_says_the_same_chance_explains_it_and_there_is_no_kappa():
    found = agreement(table(40, 0, 0, 0))
    assert (found.observed, found.kappa) == (1.0, None)


def test_ten_are_enough_and_nine_are_not():
    assert agreement(table(5, 0, 0, 5)).enough
    assert not agreement(table(5, 0, 0, 4)).enough


@given(JUDGED)
def test_it_does_not_matter_who_was_first(pairs):
    assert agreement(pairs) == agreement([(second, first) for first, second in pairs])


@given(JUDGED)
def test_kappa_lies_between_minus_one_and_one_and_never_above_what_was_observed(pairs):
    found = agreement(pairs)
    if found.kappa is not None:
        assert -1 <= found.kappa <= found.observed <= 1


@given(JUDGED)
def test_kappa_is_one_exactly_when_all_agree_on_more_than_one_judgement(pairs):
    mixed = len({each for pair in pairs for each in pair}) > 1
    assert (agreement(pairs).kappa == 1) == (mixed and all(first == second for first, second in pairs))


@given(JUDGED)
def test_the_same_judgements_twice_over_agree_as_much(pairs):
    once, twice = agreement(pairs), agreement(pairs * 2)
    assert (once.observed, once.kappa) == (twice.observed, twice.kappa)
