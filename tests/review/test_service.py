from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from console.cases.models import Case, Status
from console.cases.trail import Happening
from console.cases.transitions import Action, UnknownReason, apply
from console.people.models import Branch, Staff
from console.queues.models import Holiday
from console.review import inbox, service
from console.review.deadline import due_at
from console.review.models import Decision, ReviewTask, TaskState
from tests.review.given import case_in_review, hand_in_the_rest, video_of
from tests.world import AT, given_case, staff_named, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def case(session: Session) -> Case:
    return case_in_review(session)


@pytest.fixture
def qinlang(session: Session) -> Staff:
    return staff_named(session, "qinlang")


def hand(staff: Staff, at: datetime = AT):
    return stamp(f"staff:{staff.id}", at)


def task_of(session: Session, case: Case) -> ReviewTask:
    return session.query(ReviewTask).filter_by(case_id=case.id).order_by(ReviewTask.id.desc()).first()


def test_a_case_that_comes_to_the_counter_gets_a_task_of_its_branch_due_in_two_working_hours(session, case):
    task = task_of(session, case)
    assert (task.state, task.submission, task.branch_id) == (TaskState.OPEN, 1, case.branch_id)
    assert task.due_at == AT + timedelta(hours=2)


def test_a_case_still_with_the_investor_has_no_task(session):
    assert task_of(session, given_case(session)) is None


def test_a_claim_holds_for_twenty_minutes_and_nobody_else_gets_the_task(session, case, qinlang):
    other = staff_named(session, "fangyi")
    service.claim(session, case, qinlang, hand(qinlang))
    with pytest.raises(service.AlreadyClaimed) as refused:
        service.claim(session, case, other, hand(other, AT + timedelta(minutes=19)))
    assert "秦朗" in refused.value.text and "10:50" in refused.value.text


def test_a_claim_that_ran_out_can_be_taken_over(session, case, qinlang):
    other = staff_named(session, "fangyi")
    service.claim(session, case, qinlang, hand(qinlang))
    task = service.claim(session, case, other, hand(other, AT + timedelta(minutes=21)))
    assert task.reviewer is other


def test_renewing_lengthens_the_claim(session, case, qinlang):
    service.claim(session, case, qinlang, hand(qinlang))
    task = service.renew(session, case, qinlang, hand(qinlang, AT + timedelta(minutes=15)))
    assert task.lease_until == AT + timedelta(minutes=35)


def test_a_claim_that_ran_out_cannot_be_renewed(session, case, qinlang):
    service.claim(session, case, qinlang, hand(qinlang))
    with pytest.raises(service.LeaseLost):
        service.renew(session, case, qinlang, hand(qinlang, AT + timedelta(minutes=20)))


def test_a_task_given_back_is_free_again_and_the_trail_says_so(session, case, qinlang):
    service.claim(session, case, qinlang, hand(qinlang))
    service.release(session, case, qinlang, hand(qinlang))
    session.refresh(case, ["events"])
    assert task_of(session, case).state is TaskState.OPEN
    assert [line.action for line in case.events[-2:]] == ["task_claimed", "task_released"]


def test_only_the_holder_decides(session, case, qinlang):
    with pytest.raises(service.LeaseLost):
        service.approve(session, case, qinlang, hand(qinlang))
    other = staff_named(session, "fangyi")
    service.claim(session, case, other, hand(other))
    with pytest.raises(service.LeaseLost):
        service.reject(session, case, qinlang, hand(qinlang), codes=["card_mismatch"])
    assert case.status is Status.IN_REVIEW


def test_nobody_decides_with_a_claim_that_ran_out(session, case, qinlang):
    service.claim(session, case, qinlang, hand(qinlang))
    with pytest.raises(service.LeaseLost):
        service.approve(session, case, qinlang, hand(qinlang, AT + timedelta(minutes=21)))


def test_approving_completes_the_case_and_the_task(session, case, qinlang):
    service.claim(session, case, qinlang, hand(qinlang))
    service.approve(session, case, qinlang, hand(qinlang, AT + timedelta(minutes=5)))
    task = task_of(session, case)
    assert case.status is Status.COMPLETED
    assert (task.state, task.decision, task.decided_at) == (
        TaskState.DONE,
        Decision.APPROVED,
        AT + timedelta(minutes=5),
    )


def test_rejecting_sends_the_case_back_with_its_reasons_and_a_second_submission_is_counted(session, case, qinlang):
    service.claim(session, case, qinlang, hand(qinlang))
    service.reject(
        session, case, qinlang, hand(qinlang), codes=["card_mismatch"], remark="请重拍", internal_note="疑似旧卡"
    )
    assert case.status is Status.WITH_INVESTOR
    assert case.current_step.key == "bank_card"
    assert case.rejections[-1].internal_note == "疑似旧卡"
    assert task_of(session, case).decision is Decision.REJECTED


def test_the_task_of_a_case_handed_in_again_says_second_submission(session, case, qinlang):
    service.claim(session, case, qinlang, hand(qinlang))
    service.reject(session, case, qinlang, hand(qinlang), codes=["card_mismatch"])
    hand_in_the_rest(case)
    apply(case, Action.JOIN_QUEUE, stamp(f"investor:{case.investor_id}"))
    apply(case, Action.ANSWER, stamp("staff:1"))
    apply(case, Action.PASS_VIDEO, stamp("staff:1"))
    hand_in_the_rest(case)
    assert (task_of(session, case).submission, task_of(session, case).state) == (2, TaskState.OPEN)


def test_a_final_reason_ends_the_case(session, case, qinlang):
    session.execute(text("UPDATE reasons SET final = :yes WHERE code = 'card_mismatch'"), {"yes": True})
    session.expire_all()
    service.claim(session, case, qinlang, hand(qinlang))
    service.reject(session, case, qinlang, hand(qinlang), codes=["card_mismatch"])
    assert case.status is Status.REFUSED
    assert task_of(session, case).decision is Decision.REFUSED


def test_rejecting_without_a_reason_of_this_business_is_refused(session, case, qinlang):
    service.claim(session, case, qinlang, hand(qinlang))
    for codes in ([], ["wrong_exchange"], ["invented"]):
        with pytest.raises(UnknownReason):
            service.reject(session, case, qinlang, hand(qinlang), codes=codes)


def test_whoever_witnessed_a_case_cannot_claim_it_by_another_account_either(session, case):
    same_person = staff_named(session, "luwenshan2")
    with pytest.raises(service.MakerIsChecker):
        service.claim(session, case, same_person, hand(same_person))


def test_whoever_witnessed_an_earlier_call_of_the_case_cannot_claim_it(session):
    case = case_in_review(session, witness="weiyinuo")
    video_of(session, case, "luwenshan", AT - timedelta(days=1))
    same_person = staff_named(session, "luwenshan2")
    with pytest.raises(service.MakerIsChecker):
        service.claim(session, case, same_person, hand(same_person))


def test_the_database_itself_refuses_a_maker_as_checker(session, case):
    """Two guards: this is the second one, for whoever gets past the service (R4)."""
    person = staff_named(session, "luwenshan").person
    with pytest.raises(DatabaseError, match="maker is checker"), session.begin_nested():
        session.execute(
            text("UPDATE review_tasks SET reviewer_person = :person WHERE case_id = :case"),
            {"person": person, "case": case.id},
        )


def test_the_database_refuses_to_insert_a_decision_by_the_maker(session):
    case = given_case(session)
    video_of(session, case, "luwenshan")
    with pytest.raises(DatabaseError, match="maker is checker"), session.begin_nested():
        session.execute(
            text(
                "INSERT INTO review_tasks (case_id, branch_id, state, submission, opened_at, due_at, reviewer_person)"
                " VALUES (:case, :branch, 'done', 1, :at, :at, :person)"
            ),
            {
                "case": case.id,
                "branch": case.branch_id,
                "at": "2026-11-20 02:30:00",
                "person": staff_named(session, "luwenshan").person,
            },
        )


# --- the list


def listed(session: Session, staff: Staff, at: datetime = AT, **filters: object) -> list[str]:
    return [task.case.case_no for task in inbox.inbox(session, staff, inbox.Filters(**filters), at).tasks]


def test_the_list_has_the_persons_branches_only_and_what_is_due_first_comes_first(session, qinlang):
    late = case_in_review(session, "许砚青", at=AT + timedelta(minutes=30))
    early = case_in_review(session, "周晚晴")
    elsewhere = case_in_review(session, "闻子期", witness="hangzhou")
    assert listed(session, qinlang) == [early.case_no, late.case_no]
    assert listed(session, staff_named(session, "hzreview")) == [elsewhere.case_no]


def test_a_case_one_witnessed_is_not_in_ones_list(session, case):
    assert listed(session, staff_named(session, "luwenshan2")) == []


def test_filters_narrow_the_list(session, case, qinlang):
    other = case_in_review(session, "许砚青", at=AT + timedelta(minutes=1))
    service.claim(session, other, qinlang, hand(qinlang))
    assert listed(session, qinlang, state="free") == [case.case_no]
    assert listed(session, qinlang, state="held") == [other.case_no]
    assert listed(session, qinlang, text=other.case_no[-3:]) == [other.case_no]
    assert listed(session, qinlang, business="add_trading_code") == []
    assert listed(session, qinlang, view=inbox.View.MINE) == [other.case_no]


def test_a_claim_that_ran_out_counts_as_free(session, case, qinlang):
    service.claim(session, case, qinlang, hand(qinlang))
    assert listed(session, qinlang, AT + timedelta(minutes=21), state="free") == [case.case_no]


def test_each_tab_says_how_many_it_holds(session, case, qinlang):
    done = case_in_review(session, "许砚青")
    service.claim(session, done, qinlang, hand(qinlang))
    service.approve(session, done, qinlang, hand(qinlang))
    at = AT + timedelta(hours=1, minutes=30)
    counted = inbox.counts(session, qinlang, at)
    assert counted == {
        inbox.View.OPEN: 1,
        inbox.View.ASSIGNED: 0,
        inbox.View.MINE: 0,
        inbox.View.SOON: 1,
        inbox.View.OVERDUE: 0,
        inbox.View.AGAIN: 0,
        inbox.View.SNOOZED: 0,
        inbox.View.DONE_TODAY: 1,
    }


def test_pages_follow_each_other_without_gap_or_repeat(session, qinlang):
    expected = [
        case_in_review(session, name, at=AT + timedelta(minutes=n)).case_no
        for n, name in enumerate(("周晚晴", "许砚青"))
    ]
    first = inbox.inbox(session, qinlang, inbox.Filters(), AT, size=1)
    second = inbox.inbox(session, qinlang, inbox.Filters(after=first.next), AT, size=1)
    assert [t.case.case_no for t in first.tasks + second.tasks] == expected
    assert (first.total, second.next) == (2, "")


def test_the_next_task_is_the_one_due_first_that_nobody_holds(session, qinlang):
    first = case_in_review(session, "周晚晴")
    second = case_in_review(session, "许砚青", at=AT + timedelta(minutes=1))
    service.claim(session, first, qinlang, hand(qinlang))
    assert inbox.next_free(session, qinlang, AT).case_id == second.id


def test_neighbours_are_the_tasks_before_and_after(session, case, qinlang):
    after = case_in_review(session, "许砚青", at=AT + timedelta(minutes=1))
    assert inbox.neighbours(session, qinlang, task_of(session, case)) == (None, after.case_no)
    assert inbox.neighbours(session, qinlang, task_of(session, after)) == (case.case_no, None)


def test_nonsense_in_the_address_counts_as_not_given():
    filters = inbox.Filters.read({"view": "x", "branch": "-1", "business": "y", "state": "z", "after": "soon~one"})
    assert filters == inbox.Filters(after="soon~one")


# --- due times


@pytest.mark.parametrize(
    ("opened", "due"),
    [
        ("2026-11-20T02:30", "2026-11-20T04:30"),  # Friday 10:30 in Shanghai, due 12:30
        ("2026-11-20T07:30", "2026-11-23T01:30"),  # Friday 15:30, closes 16:30: one hour on Monday from 08:30
        ("2026-11-21T02:00", "2026-11-23T02:30"),  # Saturday: two hours on Monday
        ("2026-11-19T20:00", "2026-11-20T02:30"),  # Friday 04:00: from 08:30
    ],
)
def test_due_times_count_service_hours_only(session, opened, due):
    branch = staff_named(session, "qinlang").branches[0]
    at = datetime.fromisoformat(opened).replace(tzinfo=UTC)
    assert due_at(branch, at) == datetime.fromisoformat(due).replace(tzinfo=UTC)


@pytest.mark.parametrize("everywhere", [True, False])
def test_a_day_off_of_the_register_does_not_count_towards_the_due_time(session, everywhere):
    branch = staff_named(session, "qinlang").branches[0]
    monday = datetime(2026, 11, 23).date()
    where = None if everywhere else branch.id
    day_off = Holiday(broker_id=branch.broker_id, branch_id=where, day=monday, title="休市")
    session.add(day_off)
    friday = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)  # 15:30 in Shanghai, an hour before it closes
    case = case_in_review(session, at=friday)
    assert task_of(session, case).due_at == datetime(2026, 11, 24, 1, 30, tzinfo=UTC), "the hour left is Tuesday's"
    day_off.active = False
    session.flush()
    assert service.days_off(session, branch, friday) == frozenset()


def test_a_day_off_of_another_branch_changes_nothing_here(session):
    branch, other = staff_named(session, "qinlang").branches[0], staff_named(session, "hzreview").branches[0]
    monday = datetime(2026, 11, 23).date()
    session.add(Holiday(broker_id=branch.broker_id, branch_id=other.id, day=monday, title="搬迁"))
    case = case_in_review(session, at=datetime(2026, 11, 20, 7, 30, tzinfo=UTC))
    assert task_of(session, case).due_at == datetime(2026, 11, 23, 1, 30, tzinfo=UTC)


# --- a register that changes after the task was opened

FRIDAY = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)  # 15:30 in Shanghai, an hour before it closes
MONDAY_0930, TUESDAY_0930 = (datetime(2026, 11, day, 1, 30, tzinfo=UTC) for day in (23, 24))


def closed_on_monday(session: Session, branch: Branch) -> Holiday:
    day_off = Holiday(broker_id=branch.broker_id, branch_id=branch.id, day=MONDAY_0930.date(), title="台风")
    session.add(day_off)
    session.flush()
    return day_off


def redated(session: Session) -> list[bool]:
    cases = [session.get_one(Case, case_id) for case_id in service.misdated(session)]
    return [service.redate(session, case, stamp("system:sweep", FRIDAY)) for case in cases]


def told(case: Case) -> list[dict[str, str]]:
    return [line.detail for line in case.events if line.action == Happening.TASK_REDATED]


def test_a_day_off_entered_later_moves_the_due_time_once_and_the_trail_says_from_when_to_when(session):
    case = case_in_review(session, at=FRIDAY)
    task = task_of(session, case)
    assert (task.due_at, redated(session)) == (MONDAY_0930, [])
    closed_on_monday(session, task.branch)
    assert [redated(session), redated(session)] == [[True], []]
    assert task.due_at == TUESDAY_0930
    assert service.redate(session, case, stamp("system:sweep", FRIDAY)) is False
    assert told(case) == [{"task": task.id, "before": MONDAY_0930.isoformat(), "due": TUESDAY_0930.isoformat()}]


def test_a_day_off_taken_back_moves_the_due_time_back(session):
    case = case_in_review(session, at=FRIDAY)
    day_off = closed_on_monday(session, task_of(session, case).branch)
    redated(session)
    day_off.active = False
    session.flush()
    assert redated(session) == [True]
    assert task_of(session, case).due_at == MONDAY_0930


def test_a_task_that_somebody_works_on_is_moved_and_stays_theirs(session, qinlang):
    case = case_in_review(session, at=FRIDAY)
    service.claim(session, case, qinlang, hand(qinlang, FRIDAY))
    closed_on_monday(session, task_of(session, case).branch)
    assert redated(session) == [True]
    task = task_of(session, case)
    assert task.due_at == TUESDAY_0930 and service.holder(task, FRIDAY).id == qinlang.id


def test_a_day_off_moves_neither_what_was_decided_nor_what_is_due_before_it_nor_another_branch(session, qinlang):
    decided, before = case_in_review(session, at=FRIDAY), case_in_review(session, "许砚青", at=AT)
    service.claim(session, decided, qinlang, hand(qinlang, FRIDAY))
    service.approve(session, decided, qinlang, hand(qinlang, FRIDAY))
    closed_on_monday(session, task_of(session, decided).branch)
    elsewhere = case_in_review(session, "周晚晴", at=FRIDAY, business="add_trading_code")
    closed_on_monday(session, staff_named(session, "hzreview").branches[0])
    assert redated(session) == []
    assert [told(case) for case in (decided, before, elsewhere)] == [[], [], []]
