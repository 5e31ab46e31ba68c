"""The figures: whose case was right at once, what it was sent back for, how long it took."""

from datetime import date, timedelta

import pytest

from console.cases.service import abandon
from console.cases.transitions import Action, apply
from console.people.branches import served_branches
from console.quality import looks
from console.quality.report import Period, percentile, report
from console.queues.models import Ticket
from console.review import service
from tests.quality.given import decided, drawn, every_case_is_drawn, hand, second  # noqa: F401
from tests.review.given import case_in_review, hand_in_the_rest, video_of
from tests.world import AT, staff_named, stamp

pytestmark = [pytest.mark.databases("sqlite", "postgresql"), pytest.mark.usefixtures("every_case_is_drawn")]
DAY = Period("dates", date(2026, 11, 20), date(2026, 11, 20))


def found(session, period: Period = DAY, username: str = "fangyi"):
    return report(session, served_branches(session, staff_named(session, username)), period)


def test_right_at_first_is_what_the_first_submission_brought_however_it_ended_later(session):
    decided(session, name="许砚青")
    case = decided(session, "id_photo_blurred")  # and then mended, with another witness, and approved
    first, later = staff_named(session, "qinlang"), AT + timedelta(hours=1)
    hand_in_the_rest(case, later)
    apply(case, Action.JOIN_QUEUE, stamp(f"investor:{case.investor_id}", later))
    apply(case, Action.ANSWER, stamp(at=later))
    video_of(session, case, "weiyinuo", later)
    apply(case, Action.PASS_VIDEO, stamp(at=later))
    hand_in_the_rest(case, later)
    service.claim(session, case, first, hand(first, later))
    service.approve(session, case, first, hand(first, later))
    assert [(x.name, x.cases, x.right, x.share) for x in found(session).witnesses] == [("陆文珊", 2, 1, 0.5)]


def test_reasons_are_counted_by_branch_most_frequent_first(session):
    abandon(decided(session, "card_mismatch", "id_photo_blurred"), stamp())
    decided(session, "card_mismatch", name="许砚青")
    assert [(x.branch, x.desk, x.title, x.times) for x in found(session).reasons] == [
        ("上海陆家嘴营业部", "复核", "银行卡号与照片不一致", 2),
        ("上海陆家嘴营业部", "复核", "身份证照片模糊", 1),
    ]
    assert found(session, username="hzreview").reasons == []


def test_turnaround_is_counted_from_the_queue_and_from_the_submission_by_the_day_of_the_decision(session):
    first = staff_named(session, "qinlang")
    for name, waited in (("周晚晴", 12), ("许砚青", 30)):
        case = case_in_review(session, name)
        session.query(Ticket).filter_by(case_id=case.id).one().joined_at = AT - timedelta(minutes=20)
        session.flush()
        decided_at = AT + timedelta(minutes=waited)
        service.claim(session, case, first, hand(first, decided_at))
        service.approve(session, case, first, hand(first, decided_at))
    whole = found(session).whole
    assert (whole.decided, whole.handed_p50, whole.handed_p90) == (2, 12, 30)
    assert (whole.queued_p50, whole.queued_p90) == (32, 50)
    assert [row.day for row in found(session).days] == [date(2026, 11, 20)]


def test_agreement_counts_what_was_looked_at_twice_of_the_decisions_of_the_period(session):
    one = second(session)
    looked = drawn(session, decided(session))
    decided(session, name="许砚青")
    looks.claim(session, looked, one, hand(one))
    looks.reject(session, looked, one, hand(one), codes=["card_mismatch"], words="")
    told = found(session)
    assert (told.drawn, told.agreement.n, told.differing, told.agreement.observed) == (2, 1, 1, 0)
    assert not told.agreement.enough


def test_a_local_day_counts_whole_and_its_neighbours_do_not(session):
    midnight = AT.replace(hour=16, minute=0)  # 00:00 of the 21st in Shanghai
    decided(session, at=midnight - timedelta(seconds=1))
    decided(session, name="许砚青", at=midnight)
    assert found(session).whole.decided == 1
    assert found(session, Period("dates", date(2026, 11, 20), date(2026, 11, 21))).whole.decided == 2


def test_a_period_is_this_week_from_monday_this_month_from_the_first_or_the_dates_given():
    assert (Period.read({}, AT).first, Period.read({}, AT).last) == (date(2026, 11, 16), date(2026, 11, 20))
    assert Period.read({"span": "month"}, AT).first == date(2026, 11, 1)
    asked = Period.read({"span": "dates", "first": "2026-10-01", "last": "2026-10-31"}, AT)
    assert (asked.first, asked.last, asked.problem) == (date(2026, 10, 1), date(2026, 10, 31), "")


def test_percentiles_are_values_that_were_there():
    assert percentile([], 50) is None
    assert percentile([7.0], 90) == 7
    assert [percentile([float(n) for n in range(1, 11)], share) for share in (50, 90, 100)] == [5, 9, 10]
