from datetime import UTC, datetime, timedelta

import pytest

from console.cases.models import Case, CaseEvent
from console.db import reading, transaction
from console.local_time import LOCAL
from console.review import handing, service
from console.review.models import ReviewTask
from tests.review.given import case_in_review
from tests.world import staff_named, stamp

NOW = datetime.now(UTC)
JSON = {"Accept": "application/json"}


@pytest.fixture
def numbers(app) -> list[str]:
    """One case that 陆文珊 witnessed and one that 方毅 did, both in Shanghai."""
    with transaction() as session:
        return [
            case_in_review(session, "周晚晴", at=NOW).case_no,
            case_in_review(session, "许砚青", witness="fangyi", at=NOW).case_no,
        ]


def staff_id(username: str) -> str:
    with reading() as session:
        return str(staff_named(session, username).id)


def task_of(case_no: str) -> ReviewTask:
    with reading() as session:
        return session.query(ReviewTask).join(ReviewTask.case).filter_by(case_no=case_no).one()


def told(client, path: str, numbers: list[str], **form: str) -> dict:
    answer = client.post(f"/review/chosen/{path}", data={"case": numbers, **form}, headers=JSON)
    assert answer.status_code == 200
    return answer.json


def test_of_several_each_is_assigned_or_not_by_itself_and_the_answer_says_why(as_staff, numbers):
    mine, not_mine = numbers
    answer = told(as_staff("fangyi"), "assign", [*numbers, "2026000000000"], staff=staff_id("qinlang"))
    assert answer["done"] == [mine]
    assert [each["case_no"] for each in answer["failed"]] == [not_mine, "2026000000000"]
    assert service.MakerIsChecker.text in answer["failed"][0]["why"] and "没有找到" in answer["failed"][1]["why"]
    assert answer["words"].startswith("已指派 1 件。2 件没有办成：")
    assert str(task_of(mine).assignee_id) == staff_id("qinlang") and task_of(not_mine).assignee_id is None


def test_the_same_sent_again_is_done_again_and_leaves_one_line(as_staff, numbers):
    client = as_staff("fangyi")
    for _ in range(2):
        assert told(client, "assign", numbers[:1], staff=staff_id("qinlang"))["done"] == numbers[:1]
    with reading() as session:
        assert session.query(CaseEvent).filter_by(action="task_assigned").count() == 1


def test_a_case_named_twice_is_one(as_staff, numbers):
    assert told(as_staff("fangyi"), "assign", numbers[:1] * 2, staff=staff_id("qinlang"))["done"] == numbers[:1]


def test_a_supervisor_reaches_no_task_of_another_branch(as_staff, numbers):
    with transaction() as session:
        other = case_in_review(session, "闻子期", witness="hangzhou", at=NOW).case_no
    for path, form in (
        ("assign", {"staff": staff_id("hzreview")}),
        ("snooze", {"span": "30", "why": "等补件"}),
        ("wake", {}),
    ):
        assert told(as_staff("fangyi"), path, [other], **form)["done"] == []


@pytest.mark.parametrize("staff", ["x", "99999999999", "٣"])
def test_what_no_page_of_ours_sends_is_refused(as_staff, numbers, staff):
    client = as_staff("fangyi")
    assert client.post("/review/chosen/assign", data={"case": numbers, "staff": staff}, headers=JSON).status_code == 422
    assert client.post("/review/chosen/assign", data={"staff": "1"}, headers=JSON).status_code == 422
    assert (
        client.post("/review/chosen/wake", data={"case": [str(n) for n in range(101)]}, headers=JSON).status_code == 422
    )
    assert client.post("/review/chosen/snooze", data={"case": numbers, "span": "7"}, headers=JSON).status_code == 422


def test_tasks_are_set_aside_till_a_time_on_the_wall_and_woken(as_staff, numbers):
    client, until = as_staff("qinlang"), (NOW + timedelta(hours=3)).astimezone(LOCAL).replace(second=0, microsecond=0)
    form = {"span": handing.OTHER, "until": f"{until:%Y-%m-%dT%H:%M}", "why": "等投资者补件"}
    assert told(client, "snooze", numbers, **form)["words"] == "已暂缓 2 件。"
    assert task_of(numbers[0]).snoozed_until == until
    page = client.get("/review?view=snoozed").get_data(as_text=True)
    assert all(number in page for number in numbers) and f"暂缓到 {until:%m-%d %H:%M}" in page
    assert numbers[0] not in client.get("/review").get_data(as_text=True)
    assert client.post("/review/next").location == "/review"
    assert told(client, "wake", numbers)["words"] == "已恢复 2 件。"
    assert client.post("/review/next").location == f"/review/{numbers[0]}"


@pytest.mark.parametrize("until", ["", "gestern", "2026-13-01T00:00"])
def test_a_time_that_is_none_is_refused_for_each_in_words(as_staff, numbers, until):
    answer = told(as_staff("qinlang"), "snooze", numbers, span=handing.OTHER, until=until, why="等投资者补件")
    assert answer["done"] == [] and all("5 分钟以后" in each["why"] for each in answer["failed"])


def test_others_read_to_whom_a_case_is_given_and_get_no_button_to_claim_it(as_staff, numbers):
    told(as_staff("fangyi"), "assign", numbers[:1], staff=staff_id("qinlang"))
    client = as_staff("fangyi")
    assert "已指派给 秦朗" in client.get("/review").get_data(as_text=True)
    page = client.get(f"/review/{numbers[0]}").get_data(as_text=True)
    assert "已指派给 秦朗" in page and "/claim" not in page
    mine = as_staff("qinlang").get(f"/review/{numbers[0]}").get_data(as_text=True)
    assert "指派给我" in mine and "/claim" in mine and "/release" in mine
    assert numbers[0] in as_staff("qinlang").get("/review?view=assigned").get_data(as_text=True)


def test_only_supervisors_see_how_to_assign_and_no_maker_is_among_the_names_on_the_case_page(as_staff, numbers):
    assert 'id="assign"' not in as_staff("qinlang").get("/review").get_data(as_text=True)
    page = as_staff("fangyi").get(f"/review/{numbers[0]}").get_data(as_text=True)
    assert 'id="assign"' in page and f'<option value="{staff_id("qinlang")}">' in page
    assert f'<option value="{staff_id("luwenshan2")}">' not in page


def test_from_a_case_the_answer_leads_back_to_it(as_staff, numbers):
    data = {"case": numbers[:1], "span": "60", "why": "等投资者补件", "then": "case"}
    answer = as_staff("qinlang").post("/review/chosen/snooze", data=data)
    assert (answer.status_code, answer.location) == (303, f"/review/{numbers[0]}")


def test_who_is_overtaken_between_look_and_claim_is_offered_the_next_one(as_staff, numbers):
    with transaction() as session:
        fangyi, case = staff_named(session, "fangyi"), session.query(Case).filter_by(case_no=numbers[0]).one()
        handing.assign(session, case, fangyi, fangyi, stamp(f"staff:{fangyi.id}", NOW))
    assert as_staff("qinlang").post("/review/next").location == f"/review/{numbers[1]}"
