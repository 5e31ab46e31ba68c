"""Minimal rework (R5), as a property of every business and every set of blamed steps."""

from hypothesis import given
from hypothesis import strategies as st

from console.businesses import BUSINESSES
from console.businesses.steps import Business, Desk, Facts

FACTS = st.builds(Facts, holds_certificate=st.booleans(), first_financial_code=st.booleans())


@st.composite
def blamed(draw: st.DrawFn) -> tuple[Business, set[str]]:
    business = draw(st.sampled_from(list(BUSINESSES.values())))
    keys = [step.key for step in business.steps if step.desk is not Desk.REVIEWER]
    return business, draw(st.sets(st.sampled_from(keys), min_size=1))


@given(blamed())
def test_a_blamed_step_and_all_its_vouchers_reopen(given_: tuple[Business, set[str]]) -> None:
    business, keys = given_
    reopened = {step.key for step in business.reopened_by(keys)}
    assert keys <= reopened
    assert all(
        step.key in reopened for step in business.steps if any(step.vouches(key) for key in reopened - {step.key})
    )


@given(blamed())
def test_nothing_valid_is_done_again(given_: tuple[Business, set[str]]) -> None:
    business, keys = given_
    reopened = business.reopened_by(keys)
    first = min(business.steps.index(step) for step in reopened)
    for step in reopened:
        reached = step.key in keys or any(step.vouches(other.key) for other in reopened if other is not step)
        assert reached and business.steps.index(step) >= first


@given(FACTS)
def test_every_path_ends_with_the_review_and_vouches_only_backwards(facts: Facts) -> None:
    for business in BUSINESSES.values():
        path = business.path(facts)
        assert path[-1].desk is Desk.REVIEWER
        keys = [step.key for step in business.steps]
        for position, step in enumerate(business.steps):
            assert step.vouches_for == {"*"} or step.vouches_for <= set(keys[:position])
