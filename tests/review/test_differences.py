"""What the sources of a case say differently reaches the reviewer, with who vouched for it in which call and when."""

from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from console.cases.models import Case
from console.cases.transitions import finish_step
from console.db import transaction
from console.portal.steps.profile import fields
from console.review.differences import Difference, differences
from console.video_seat.models import CheckMark, CheckResult, VideoSession
from tests.review.given import case_in_review, video_of
from tests.world import AT, given_case, investor_named, staff_named, stamp

ELSEWHERE = "上海市浦东新区世纪大道 1501 号 8 室"


def declared(session: Session, **changes: str) -> Case:
    """增开交易编码 of 周晚晴, who declared something else than the books say."""
    person = investor_named(session, "周晚晴")
    case = given_case(session, business="add_trading_code")
    mark = stamp(f"investor:{person.id}")
    finish_step(case, "photos", mark)
    finish_step(case, "profile", mark, content={f.key: f.value for f in fields(person)} | changes)
    return case


def ticked(
    session: Session, case: Case, minutes: float, result: CheckResult = CheckResult.OK, reason: str = ""
) -> VideoSession:
    """A call that begins so many minutes after AT, with a word on the address three minutes later."""
    began = AT + timedelta(minutes=minutes)
    call = video_of(session, case, "luwenshan", began)
    call.acknowledged_at = began
    by = f"staff:{staff_named(session, 'luwenshan').id}"
    at = began + timedelta(minutes=3)
    call.marks.append(CheckMark(item="field:address", result=result, at=at, by=by, reason=reason))
    session.flush()
    return call


def of(session: Session, case: Case) -> list[Difference]:
    return differences(session, case, stamp())


def test_where_everything_agrees_there_is_nothing_to_show(session: Session) -> None:
    assert of(session, declared(session)) == []


def test_a_difference_that_the_witness_confirmed_says_who_and_when(session: Session) -> None:
    case = declared(session, address=ELSEWHERE)
    call = ticked(session, case, 0)
    (found,) = of(session, case)
    assert (found.fact.key, found.confirmed, found.who) == ("address", True, "陆文珊 F0300127")
    assert (found.mark.session, found.mark.at, found.at) == (call, AT + timedelta(minutes=3), 180_000)


def test_a_difference_that_nobody_looked_at_says_so(session: Session) -> None:
    (found,) = of(session, declared(session, address=ELSEWHERE))
    assert (found.mark, found.confirmed) == (None, False)


@pytest.mark.parametrize("confirmed", [True, False])
def test_the_word_of_the_latest_call_counts(session: Session, confirmed: bool) -> None:
    case = declared(session, address=ELSEWHERE)
    results = [CheckResult.PROBLEM, CheckResult.OK] if confirmed else [CheckResult.OK, CheckResult.PROBLEM]
    ticked(session, case, 0, results[0])
    latest = ticked(session, case, 20, results[1], "与证件不符")
    (found,) = of(session, case)
    assert (found.confirmed, found.mark.session) == (confirmed, latest)


def test_the_page_marks_what_differs_and_names_the_witness(app, as_staff) -> None:
    with transaction() as session:
        case = declared(session, address=ELSEWHERE)
        ticked(session, case, 0)
    page = as_staff("qinlang").get(f"/review/{case.case_no}").text
    shown = page.split('class="diffs"')[1].split("</section>")[0]
    assert ELSEWHERE in shown and "世纪大道 1" in shown and "<mark>" in shown
    assert "陆文珊 F0300127 见证时确认一致" in shown


def test_the_page_of_a_case_without_differences_does_not_speak_of_them(app, as_staff) -> None:
    with transaction() as session:
        case_no = case_in_review(session).case_no
    assert "处不一致" not in as_staff("qinlang").get(f"/review/{case_no}").text


def test_a_difference_that_came_after_the_witness_looked_is_confirmed_by_nobody(app, as_staff) -> None:
    with transaction() as session:
        case = declared(session, address=ELSEWHERE)
        (mark,) = ticked(session, case, 0).marks
        mark.seen = of(session, case)[0].fact.seen
        assert of(session, case)[0].confirmed
        case.investor.address = "上海市徐汇区漕溪北路 8 号"
        (found,) = of(session, case)
        assert (found.confirmed, found.later) == (False, True)
        assert found.before == [("柜台留存", "上海市浦东新区世纪大道 1051 号 8 室")]
    page = as_staff("qinlang").get(f"/review/{case.case_no}").text
    shown = page.split('class="diffs"')[1].split("</section>")[0]
    assert "核对之后才出现，没有人确认过" in shown and "1051 号" in shown and "见证时确认一致" not in shown
