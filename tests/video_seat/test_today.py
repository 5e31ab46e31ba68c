"""一次通过率: which calls it counts, and how."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from console.cases.models import Case, Rejection
from console.video_seat import page
from console.video_seat.models import Verdict, VideoSession
from tests.review.given import video_of
from tests.world import AT, given_case


def ended(session: Session, case: Case, verdict: Verdict, minutes: float = 0) -> VideoSession:
    call = video_of(session, case, "luwenshan", AT + timedelta(minutes=minutes))
    call.verdict = verdict
    session.flush()
    return call


def share(session: Session) -> int | None:
    witness = session.query(VideoSession).first().witness_id
    return page.today(session, witness, AT + timedelta(hours=3)).first_time


@pytest.mark.parametrize("undecided", [Verdict.SUSPICIOUS, Verdict.TECHNICAL_FAILURE, Verdict.DECLINED])
def test_a_call_that_decides_nothing_counts_neither_way(session: Session, undecided: Verdict) -> None:
    case = given_case(session)
    ended(session, case, undecided)
    assert share(session) is None
    ended(session, case, Verdict.PASSED, 20)
    assert share(session) == 100, "the call after it is the first that decides"


def test_it_is_the_share_of_cases_that_passed_when_first_decided(session: Session) -> None:
    ended(session, given_case(session, "周晚晴"), Verdict.PASSED)
    ended(session, given_case(session, "许砚青"), Verdict.REJECTED)
    assert share(session) == 50


def test_the_second_decision_about_a_case_is_not_counted_again(session: Session) -> None:
    case = given_case(session)
    ended(session, case, Verdict.REJECTED)
    ended(session, case, Verdict.PASSED, 20)
    assert share(session) == 0


def test_a_case_that_a_supervisor_rejected_is_not_passed_at_once_any_more(session: Session) -> None:
    case = given_case(session)
    ended(session, case, Verdict.SUSPICIOUS)
    session.add(Rejection(case=case, desk="seat", by="staff:2", at=AT + timedelta(minutes=10)))
    ended(session, case, Verdict.PASSED, 20)
    assert share(session) is None
