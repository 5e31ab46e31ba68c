from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from console.cases.models import Case
from console.people.models import Branch, Staff
from console.queues.models import Holiday
from console.review import handing, inbox, service
from console.review.inbox import Filters, View
from console.review.independence import NotIndependent
from console.review.models import ReviewTask
from console.review.trail import trail
from tests.review.given import case_in_review
from tests.world import AT, staff_named, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def case(session: Session) -> Case:
    return case_in_review(session)


@pytest.fixture
def fangyi(session: Session) -> Staff:
    return staff_named(session, "fangyi")


@pytest.fixture
def qinlang(session: Session) -> Staff:
    return staff_named(session, "qinlang")


@pytest.fixture
def herself(session: Session) -> Staff:
    """The witness's second account, at the counter."""
    return staff_named(session, "luwenshan2")


def hand(staff: Staff, at=AT):
    return stamp(f"staff:{staff.id}", at)


def listed(session: Session, staff: Staff, view: View, at=AT, **filters) -> list[str]:
    return [task.case.case_no for task in inbox.inbox(session, staff, Filters(view=view, **filters), at).tasks]


def lines(session: Session, case: Case) -> list[tuple[str, str]]:
    session.refresh(case, ["events"])
    return [(line.action, line.about) for line in trail(session, case)]


# --- 指派


def test_what_is_assigned_is_in_the_view_of_whom_it_is_given_to_and_nobody_else_may_claim_it(
    session, case, fangyi, qinlang
):
    handing.assign(session, case, fangyi, qinlang, hand(fangyi))
    assert listed(session, qinlang, View.ASSIGNED) == [case.case_no]
    assert listed(session, fangyi, View.ASSIGNED) == []
    assert listed(session, fangyi, View.OPEN) == [case.case_no]
    with pytest.raises(service.AssignedElsewhere) as refused:
        service.claim(session, case, fangyi, hand(fangyi))
    assert "已指派给 秦朗" in refused.value.text
    assert service.claim(session, case, qinlang, hand(qinlang)).reviewer is qinlang


def test_what_is_assigned_comes_first_though_it_is_due_later(session, case, fangyi, qinlang):
    later = case_in_review(session, "许砚青", at=AT + timedelta(minutes=30))
    handing.assign(session, later, fangyi, qinlang, hand(fangyi))
    assert inbox.next_free(session, qinlang, AT).case is later
    assert inbox.next_free(session, fangyi, AT).case is case


def test_next_free_never_offers_what_was_given_to_another(session, case, fangyi, qinlang):
    handing.assign(session, case, fangyi, qinlang, hand(fangyi))
    assert inbox.next_free(session, fangyi, AT) is None


def test_nobody_gives_a_case_to_who_witnessed_it_by_whatever_account(session, case, fangyi, herself):
    with pytest.raises(handing.NotForThem) as refused:
        handing.assign(session, case, fangyi, herself, hand(fangyi))
    assert "参与过此单见证" in refused.value.text
    assert herself not in handing.candidates(session, case)


def test_who_witnessed_a_case_does_not_choose_who_checks_it(session, qinlang, fangyi):
    case = case_in_review(session, "许砚青", witness="fangyi")
    with pytest.raises(service.MakerIsChecker):
        handing.assign(session, case, fangyi, qinlang, hand(fangyi))


@pytest.mark.parametrize("username", ["hzreview", "weiyinuo", "admin"])
def test_nobody_is_given_a_task_without_the_branch_and_the_role(session, case, fangyi, username):
    other = staff_named(session, username)
    with pytest.raises(handing.NotForThem):
        handing.assign(session, case, fangyi, other, hand(fangyi))
    assert other not in handing.candidates(session, case)


def test_nobody_is_given_the_case_of_a_client_they_brought(session, case, fangyi, qinlang):
    case.investor.referrer_id = qinlang.id
    session.flush()
    with pytest.raises(handing.NotForThem) as refused:
        handing.assign(session, case, fangyi, qinlang, hand(fangyi))
    assert "开发人员" in refused.value.text
    with pytest.raises(NotIndependent):
        handing.snooze(session, case, qinlang, AT + timedelta(hours=1), "等投资者补件", hand(qinlang))


def test_a_task_that_somebody_works_at_is_not_given_away(session, case, fangyi, qinlang, herself):
    service.claim(session, case, qinlang, hand(qinlang))
    with pytest.raises(service.AlreadyClaimed):
        handing.assign(session, case, fangyi, fangyi, hand(fangyi))
    handing.assign(session, case, fangyi, qinlang, hand(fangyi))
    later = AT + service.LEASE + timedelta(minutes=1)
    assert handing.assign(session, case, fangyi, fangyi, hand(fangyi, later)).assignee is fangyi


def test_an_assignment_outlives_the_lease_and_ends_when_it_is_given_back(session, case, fangyi, qinlang):
    handing.assign(session, case, fangyi, qinlang, hand(fangyi))
    service.claim(session, case, qinlang, hand(qinlang))
    later = AT + service.LEASE + timedelta(minutes=1)
    with pytest.raises(service.AssignedElsewhere):
        service.claim(session, case, fangyi, hand(fangyi, later))
    service.release(session, case, qinlang, hand(qinlang, later))
    assert service.claim(session, case, fangyi, hand(fangyi, later)).reviewer is fangyi


def test_only_holder_or_assignee_gives_back(session, case, fangyi, qinlang):
    handing.assign(session, case, fangyi, qinlang, hand(fangyi))
    with pytest.raises(service.LeaseLost):
        service.release(session, case, fangyi, hand(fangyi))


def test_what_was_given_to_an_account_that_is_closed_since_is_anybodys(session, case, fangyi, qinlang):
    handing.assign(session, case, fangyi, qinlang, hand(fangyi))
    qinlang.active = False
    session.flush()
    assert inbox.next_free(session, fangyi, AT).case is case
    assert service.claim(session, case, fangyi, hand(fangyi)).reviewer is fangyi


def test_the_trail_says_to_whom_and_assigning_again_the_same_writes_nothing(session, case, fangyi, qinlang):
    for to in (qinlang, qinlang, None):
        handing.assign(session, case, fangyi, to, hand(fangyi))
    assert [line for line in lines(session, case) if line[0] == "task_assigned"] == [
        ("task_assigned", "取消指派"),
        ("task_assigned", "给 秦朗"),
    ]


def test_the_state_of_each_task_is_one_of_free_assigned_and_held(session, case, fangyi, qinlang):
    second, third = (case_in_review(session, name, at=AT) for name in ("许砚青", "闻子期"))
    handing.assign(session, case, fangyi, qinlang, hand(fangyi))
    service.claim(session, second, qinlang, hand(qinlang))
    assert listed(session, fangyi, View.OPEN, state="assigned") == [case.case_no]
    assert listed(session, fangyi, View.OPEN, state="held") == [second.case_no]
    assert listed(session, fangyi, View.OPEN, state="free") == []
    assert third.branch_id != case.branch_id


# --- 暂缓

HOUR = AT + timedelta(hours=1)


def test_what_is_set_aside_leaves_the_list_and_the_next_ones_until_its_time(session, case, qinlang):
    service.claim(session, case, qinlang, hand(qinlang))
    handing.snooze(session, case, qinlang, HOUR, "等投资者补件", hand(qinlang))
    assert listed(session, qinlang, View.OPEN) == [] and listed(session, qinlang, View.MINE) == []
    assert listed(session, qinlang, View.SNOOZED) == [case.case_no]
    assert inbox.next_free(session, qinlang, AT) is None
    assert listed(session, qinlang, View.OPEN, HOUR) == [case.case_no]
    assert inbox.next_free(session, qinlang, HOUR).case is case


def test_what_is_set_aside_goes_on_falling_due(session, case, qinlang):
    due = service.live_task(session, case).due_at
    handing.snooze(session, case, qinlang, AT + timedelta(hours=5), "等投资者补件", hand(qinlang))
    assert service.live_task(session, case).due_at == due
    assert listed(session, qinlang, View.OVERDUE, due) == [case.case_no]


def test_woken_it_is_back_at_once_and_the_trail_tells_both(session, case, qinlang):
    handing.snooze(session, case, qinlang, HOUR, "等投资者补件", hand(qinlang))
    for _ in range(2):
        handing.wake(session, case, qinlang, hand(qinlang))
    assert listed(session, qinlang, View.OPEN) == [case.case_no]
    assert lines(session, case)[:2] == [("task_woken", ""), ("task_snoozed", "到 11-20 11:30，原因：等投资者补件")]


def test_setting_aside_again_the_same_writes_nothing(session, case, qinlang):
    for _ in range(2):
        handing.snooze(session, case, qinlang, HOUR, "等投资者补件", hand(qinlang))
    assert [action for action, _ in lines(session, case)].count("task_snoozed") == 1


def test_a_claim_wakes(session, case, qinlang):
    handing.snooze(session, case, qinlang, HOUR, "等投资者补件", hand(qinlang))
    service.claim(session, case, qinlang, hand(qinlang))
    assert listed(session, qinlang, View.SNOOZED) == [] and listed(session, qinlang, View.MINE) == [case.case_no]


def test_setting_aside_keeps_to_whom_it_was_given(session, case, fangyi, qinlang):
    handing.assign(session, case, fangyi, qinlang, hand(fangyi))
    handing.snooze(session, case, qinlang, HOUR, "等投资者补件", hand(qinlang))
    with pytest.raises(service.AssignedElsewhere):
        service.claim(session, case, fangyi, hand(fangyi, HOUR))


def test_who_could_not_claim_does_not_set_aside_or_wake(session, case, fangyi, qinlang, herself):
    with pytest.raises(service.MakerIsChecker):
        handing.snooze(session, case, herself, HOUR, "等投资者补件", hand(herself))
    handing.assign(session, case, fangyi, qinlang, hand(fangyi))
    with pytest.raises(service.AssignedElsewhere):
        handing.wake(session, case, fangyi, hand(fangyi))
    service.claim(session, case, qinlang, hand(qinlang))
    with pytest.raises(service.AlreadyClaimed):
        handing.snooze(session, case, fangyi, HOUR, "等投资者补件", hand(fangyi))


@pytest.mark.parametrize(
    ("span", "why", "said"),
    [
        (timedelta(minutes=4), "等投资者补件", "5 分钟以后"),
        (timedelta(days=7, seconds=1), "等投资者补件", "7 天以内"),
        (timedelta(hours=1), "等", "2 到 100 个字"),
        (timedelta(hours=1), "等" * 101, "2 到 100 个字"),
    ],
)
def test_a_time_or_a_reason_that_makes_no_sense_is_refused_in_words(session, case, qinlang, span, why, said):
    with pytest.raises(handing.BadSnooze) as refused:
        handing.snooze(session, case, qinlang, AT + span, why, hand(qinlang))
    assert said in refused.value.text
    assert session.query(ReviewTask).one().snoozed_until is None


def test_the_next_morning_passes_over_the_weekend_and_days_off(session, case):
    branch = session.get_one(Branch, case.branch_id)
    session.add(Holiday(broker_id=branch.broker_id, day=AT.date() + timedelta(days=3), title="培训"))
    session.flush()
    assert f"{handing.next_morning(session, branch, AT):%m-%d %H:%M}" == "11-24 00:30"  # UTC of Tuesday, when it opens
