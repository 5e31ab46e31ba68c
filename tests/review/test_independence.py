"""Who reviews is independent of client and witness, not only no witness of the case itself (R4)."""

from datetime import timedelta

import pytest

from console.cases.models import CaseEvent
from console.cases.service import abandon
from console.cases.trail import Happening
from console.db import reading, transaction
from console.people.models import Role, Staff
from console.review import inbox, independence, service
from console.review.independence import IN_A_ROW, LATELY, NotIndependent, waive
from tests.review.given import case_in_review
from tests.world import AT, investor_named, staff_named, stamp

NAMES = ("周晚晴", "许砚青")


@pytest.fixture
def qinlang(session) -> Staff:
    return staff_named(session, "qinlang")


@pytest.fixture
def colleague(session, qinlang) -> Staff:
    """Another reviewer of the branch."""
    other = Staff(
        broker_id=qinlang.broker_id,
        username="colleague",
        name="石敏",
        password_hash="x",
        roles=[Role.REVIEWER.value],
        branches=list(qinlang.branches),
    )
    session.add(other)
    session.flush()
    return other


def hand(staff: Staff, at=AT):
    return stamp(f"staff:{staff.id}", at)


def reviewed(session, staff: Staff, times: int, at=AT, witness: str = "luwenshan"):
    """So many cases of this witness, decided by ``staff`` (and then given up, so that the next one can begin)."""
    for number in range(times):
        moment = at + timedelta(minutes=number)
        case = case_in_review(session, NAMES[number % 2], witness=witness, at=moment)
        service.claim(session, case, staff, hand(staff, moment))
        service.reject(session, case, staff, hand(staff, moment), codes=["card_mismatch"])
        abandon(case, stamp(f"investor:{case.investor_id}", moment))


def next_case(session, at=AT + timedelta(hours=1), witness: str = "luwenshan"):
    return case_in_review(session, "周晚晴", witness=witness, at=at)


def test_who_brought_the_client_does_not_review_their_case_by_any_account(session, qinlang):
    investor_named(session, "周晚晴").referrer_id = qinlang.id
    session.flush()
    case = case_in_review(session)
    with pytest.raises(NotIndependent) as refused:
        service.claim(session, case, qinlang, hand(qinlang))
    assert "开发人员" in refused.value.text
    assert inbox.next_free(session, qinlang, AT) is None


def test_after_three_in_a_row_of_one_witness_the_next_one_is_for_somebody_else(session, qinlang, colleague):
    reviewed(session, qinlang, IN_A_ROW)
    case = next_case(session)
    with pytest.raises(NotIndependent) as refused:
        service.claim(session, case, qinlang, hand(qinlang, AT + timedelta(hours=1)))
    assert "陆文珊" in refused.value.text
    assert inbox.next_free(session, qinlang, AT + timedelta(hours=1)) is None
    assert service.claim(session, case, colleague, hand(colleague, AT + timedelta(hours=1)))


def test_another_witness_another_reviewer_between_or_a_week_ends_the_row(session, qinlang, colleague):
    reviewed(session, qinlang, IN_A_ROW)
    other = next_case(session, witness="weiyinuo")
    assert service.claim(session, other, qinlang, hand(qinlang, AT + timedelta(hours=1)))
    service.reject(session, other, qinlang, hand(qinlang, AT + timedelta(hours=1)), codes=["card_mismatch"])
    abandon(other, stamp(f"investor:{other.investor_id}", AT + timedelta(hours=1)))
    later = AT + LATELY + timedelta(hours=1)
    assert service.claim(session, next_case(session, at=later), qinlang, hand(qinlang, later))


def test_a_branch_with_one_reviewer_goes_on(session, qinlang):
    reviewed(session, qinlang, IN_A_ROW)
    at = AT + timedelta(hours=1)
    assert service.claim(session, next_case(session), qinlang, hand(qinlang, at))


def test_a_supervisor_lets_it_be_reviewed_all_the_same_with_a_reason_in_the_trail(session, qinlang, colleague):
    reviewed(session, qinlang, IN_A_ROW)
    case, fangyi = next_case(session), staff_named(session, "fangyi")
    at = AT + timedelta(hours=1)
    waive(session, service.live_task(session, case), fangyi, "石敏今日休假", hand(fangyi, at))
    assert service.claim(session, case, qinlang, hand(qinlang, at))
    line = session.query(CaseEvent).filter_by(action=Happening.INDEPENDENCE_WAIVED).one()
    assert line.by == f"staff:{fangyi.id}"
    assert line.detail["why"] == "石敏今日休假"


def test_nobody_lets_themselves(session, colleague):
    fangyi = staff_named(session, "fangyi")
    investor_named(session, "周晚晴").referrer_id = fangyi.id
    session.flush()
    case = case_in_review(session)
    waive(session, service.live_task(session, case), fangyi, "没有别人了", hand(fangyi))
    with pytest.raises(NotIndependent):
        service.claim(session, case, fangyi, hand(fangyi))


def test_who_witnessed_a_case_does_not_say_who_reviews_it(session):
    fangyi = staff_named(session, "fangyi")
    case = case_in_review(session, witness="fangyi")
    with pytest.raises(independence.MakersWord):
        waive(session, service.live_task(session, case), fangyi, "没有别人了", hand(fangyi))


def test_having_witnessed_a_case_is_never_waived(session, qinlang):
    case, fangyi = case_in_review(session), staff_named(session, "fangyi")
    waive(session, service.live_task(session, case), fangyi, "没有别人了", hand(fangyi))
    twin = staff_named(session, "luwenshan2")
    with pytest.raises(service.MakerIsChecker):
        service.claim(session, case, twin, hand(twin))


@pytest.mark.parametrize("why", ["", "  短 ", "x" * 201])
def test_without_a_good_reason_nothing_is_waived(session, why):
    case, fangyi = case_in_review(session), staff_named(session, "fangyi")
    with pytest.raises(independence.NoReason):
        waive(session, service.live_task(session, case), fangyi, why, hand(fangyi))


def test_the_page_says_why_one_cannot_take_it_and_a_supervisor_finds_the_button(app, as_staff):
    with transaction() as session:
        investor_named(session, "周晚晴").referrer_id = staff_named(session, "qinlang").id
        case_no = case_in_review(session).case_no
    reviewer, supervisor = as_staff("qinlang"), as_staff("fangyi")
    assert "您是该投资者的开发人员" in reviewer.get(f"/review/{case_no}").text
    assert "授权他人复核" in supervisor.get(f"/review/{case_no}").text
    told = supervisor.post(f"/review/{case_no}/waive", data={"why": "石敏今日休假"}, follow_redirects=True).text
    assert "已授权" in told
    assert "已授权复核：石敏今日休假" in reviewer.get(f"/review/{case_no}").text
    assert reviewer.post(f"/review/{case_no}/claim").status_code == 303
    with reading() as session:
        assert session.query(service.ReviewTask).one().reviewer.username == "qinlang"
