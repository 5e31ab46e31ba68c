import re
from datetime import UTC, datetime, timedelta

import pytest

from console.cases.models import Case, Status
from console.db import reading, transaction
from console.review import service
from console.review.models import ReviewTask
from tests.review.given import case_in_review
from tests.world import staff_named, stamp

NOW = datetime.now(UTC)


@pytest.fixture
def case_no(app) -> str:
    with transaction() as session:
        return case_in_review(session, at=NOW).case_no


def status_of(case_no: str) -> Status:
    with reading() as session:
        return session.query(Case).filter_by(case_no=case_no).one().status


def test_the_list_shows_the_task_and_its_due_time(as_staff, case_no):
    page = as_staff("qinlang").get("/review").get_data(as_text=True)
    assert case_no in page and "周晚晴" in page and "待复核" in page


def test_the_list_of_another_branch_does_not_show_it(as_staff, case_no):
    assert case_no not in as_staff("hzreview").get("/review").get_data(as_text=True)


def test_claiming_leads_to_the_case_and_deciding_leads_back(as_staff, case_no):
    client = as_staff("qinlang")
    claimed = client.post(f"/review/{case_no}/claim")
    assert (claimed.status_code, claimed.location) == (303, f"/review/{case_no}")
    approved = client.post(f"/review/{case_no}/approve")
    assert (approved.status_code, approved.location) == (303, "/review")
    assert status_of(case_no) is Status.COMPLETED


def test_finish_and_take_the_next_claims_the_next_one(as_staff, case_no):
    with transaction() as session:
        following = case_in_review(session, "许砚青", at=NOW + timedelta(seconds=1)).case_no
    client = as_staff("qinlang")
    client.post(f"/review/{case_no}/claim")
    assert client.post(f"/review/{case_no}/approve", data={"go_on": "1"}).location == f"/review/{following}"
    assert client.post(f"/review/{following}/approve", data={"go_on": "1"}).location == "/review"


def test_a_rejection_by_the_counter_reaches_the_investors_steps(as_staff, case_no):
    client = as_staff("qinlang")
    client.post(f"/review/{case_no}/claim")
    client.post(
        f"/review/{case_no}/reject",
        data={"reason": ["card_mismatch"], "remark": " 请重拍 ", "internal_note": "疑似旧卡"},
    )
    with reading() as session:
        case = session.query(Case).filter_by(case_no=case_no).one()
        assert (case.status, case.current_step.key) == (Status.WITH_INVESTOR, "bank_card")
        assert (case.rejections[-1].remark, case.rejections[-1].internal_note) == ("请重拍", "疑似旧卡")


def test_a_rejection_without_reason_says_so_and_changes_nothing(as_staff, case_no):
    client = as_staff("qinlang")
    client.post(f"/review/{case_no}/claim")
    said = client.post(f"/review/{case_no}/reject", data={}, follow_redirects=True).get_data(as_text=True)
    assert "请至少选择一个有效的不通过原因" in said
    assert status_of(case_no) is Status.IN_REVIEW


def test_whoever_witnessed_the_case_reads_that_they_cannot_review_it(as_staff, case_no):
    client = as_staff("luwenshan2")
    page = client.get(f"/review/{case_no}").get_data(as_text=True)
    assert "您参与过此单见证，不能复核" in page
    assert "/approve" not in page and "/reject" not in page and "/claim" not in page
    said = client.post(f"/review/{case_no}/claim", follow_redirects=True).get_data(as_text=True)
    assert service.MakerIsChecker.text in said


def test_a_script_that_asks_for_json_gets_the_problem_as_json(as_staff, case_no):
    answer = as_staff("luwenshan2").post(f"/review/{case_no}/claim", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json["code"]) == (409, "maker_is_checker")


def test_a_case_that_somebody_else_holds_can_be_read_but_not_decided(as_staff, case_no):
    as_staff("qinlang").post(f"/review/{case_no}/claim")
    client = as_staff("fangyi")
    assert "秦朗 正在复核此单" in client.get(f"/review/{case_no}").get_data(as_text=True)
    client.post(f"/review/{case_no}/approve")
    assert status_of(case_no) is Status.IN_REVIEW


def test_renewing_answers_until_when(as_staff, case_no):
    client = as_staff("qinlang")
    client.post(f"/review/{case_no}/claim")
    until = datetime.fromisoformat(client.post(f"/review/{case_no}/renew").json["until"])
    assert until > datetime.now(UTC) + timedelta(minutes=19)


def test_renewing_a_lost_lease_is_409(as_staff, case_no):
    answer = as_staff("qinlang").post(f"/review/{case_no}/renew", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json["code"]) == (409, "lease_lost")


def test_the_page_of_a_claimed_case_offers_the_reasons_and_what_they_reopen(as_staff, case_no):
    client = as_staff("qinlang")
    client.post(f"/review/{case_no}/claim")
    page = client.get(f"/review/{case_no}").get_data(as_text=True)
    group = re.search(r'data-step="bank_card"[^>]*data-reopens="([^"]*)"', page)
    assert group is not None and set(group[1].split()) == {"bank_card", "video", "signing"}
    assert "银行卡号与照片不一致" in page


def test_the_trail_says_who_did_what(as_staff, case_no):
    page = as_staff("qinlang").get(f"/review/{case_no}").get_data(as_text=True)
    assert "视频通过" in page and "陆文珊 F0300127" in page and "投资者" in page


def test_releasing_frees_the_task(as_staff, case_no):
    client = as_staff("qinlang")
    client.post(f"/review/{case_no}/claim")
    client.post(f"/review/{case_no}/release")
    with reading() as session:
        assert session.query(ReviewTask).one().reviewer_id is None


def test_a_task_claimed_elsewhere_is_not_taken_by_take_next(as_staff, case_no):
    with transaction() as session:
        case = session.query(Case).one()
        other = staff_named(session, "fangyi")
        service.claim(session, case, other, stamp(f"staff:{other.id}", datetime.now(UTC)))
    assert as_staff("qinlang").post("/review/next").location == "/review"
