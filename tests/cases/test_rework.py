"""Rejected again and again, for any reasons, a case comes to its end, and only what was wrong is done again (R5)."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from console.businesses import BUSINESSES
from console.businesses.steps import Desk
from console.cases.models import Case, Reason, Status
from console.cases.service import open_case
from console.cases.transitions import Action, apply, finish_step, reject
from console.stamp import Stamp
from tests.world import AT, investor_named

FACTS = {"holds_certificate": st.booleans(), "first_financial_code": st.booleans()}
ROUNDS = st.lists(
    st.tuples(st.sampled_from([Desk.SEAT, Desk.REVIEWER]), st.sets(st.integers(0, 30), min_size=1, max_size=4)),
    max_size=3,
)


@pytest.fixture
def reasons(session: Session) -> dict[str, dict[str, Reason]]:
    """One for every step of every business, by business and step."""
    made = {
        code: {
            step.key: Reason(business_code=code, code=f"wrong_{step.key}", step=step.key, title="x", investor_text="x")
            for step in business.steps
            if step.desk is not Desk.REVIEWER
        }
        for code, business in BUSINESSES.items()
    }
    session.add_all(reason for each in made.values() for reason in each.values())
    session.flush()
    return made


class Walk:
    """A case that goes on by itself: every step is done when its turn comes, each at a minute of its own."""

    def __init__(self, case: Case, facts: dict[str, bool]):
        self.case, self.facts, self.minute = case, facts, 0

    def stamp(self, by: str) -> Stamp:
        self.minute += 1
        return Stamp(by, AT + timedelta(minutes=self.minute))

    def until(self, desk: Desk) -> bool:
        """To the next step of this desk (in the call, for a seat). False: there is none, it is at the counter."""
        for _ in range(40):
            step = self.case.current_step
            assert step is not None
            if step.desk is Desk.INVESTOR:
                facts = {name: self.facts[name] for name in step.learns}
                finish_step(self.case, step.key, self.stamp("investor:1"), content={"at": self.minute}, facts=facts)
            elif step.desk is Desk.SEAT:
                apply(self.case, Action.JOIN_QUEUE, self.stamp("investor:1"))
                apply(self.case, Action.ANSWER, self.stamp("staff:1"))
                if desk is Desk.SEAT:
                    return True
                apply(self.case, Action.PASS_VIDEO, self.stamp("staff:1"))
            else:
                return desk is Desk.REVIEWER
        raise AssertionError("it does not come to an end")


@given(st.sampled_from(sorted(BUSINESSES)), st.fixed_dictionaries(FACTS), ROUNDS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_reasons_the_path_ends_nothing_valid_is_redone_and_nothing_invalid_stays(
    session, reasons, code, facts, rounds
):
    undone = session.begin_nested()
    try:
        case = open_case(session, investor_named(session, "周晚晴"), code, Stamp("investor:1", AT))
        walk = Walk(case, facts)
        for desk, which in rounds:
            if not walk.until(desk):
                continue
            on_path = [step.key for step in case.path if step.desk is not Desk.REVIEWER]
            blamed = {on_path[number % len(on_path)] for number in which}
            before = {key: entry.id for key, entry in case.done.items()}
            reopened = {step.key for step in case.business.reopened_by(blamed)}
            mark = walk.stamp("staff:1")
            reject(case, [reasons[code][key] for key in blamed], mark, desk=desk)
            assert case.status is Status.WITH_INVESTOR or case.current_step.desk is Desk.REVIEWER
            # what is valid stays as it is, what is blamed and what vouched for it does not
            assert {key: entry.id for key, entry in case.done.items()} == {
                k: i for k, i in before.items() if k not in reopened
            }
            walk.until(Desk.REVIEWER)
            redone = {key for key, entry in case.done.items() if entry.id != before.get(key)}
            assert redone & before.keys() == reopened & before.keys()
            assert all(case.done[key].done_at > mark.at for key in blamed if key in case.done)
            assert case.open_reasons == []
        walk.until(Desk.REVIEWER)
        apply(case, Action.APPROVE, walk.stamp("staff:4"))
        assert case.status is Status.COMPLETED
        assert case.current_step is None
        session.flush()
    finally:
        undone.rollback()
