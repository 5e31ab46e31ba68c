"""复评 and 质量报告 as people see them."""

import csv
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from sqlalchemy import select

from console.cases.models import RejectionReason
from console.db import reading, transaction
from console.people.models import StaffEvent
from console.quality import looks
from console.quality.models import SecondLook
from tests.quality.given import decided, every_case_is_drawn, hand, second  # noqa: F401
from tests.world import staff_named

pytestmark = pytest.mark.usefixtures("app", "every_case_is_drawn")


@pytest.fixture
def rejected(app) -> str:
    """A case that 秦朗 sent back with a note, and 石敏, who had no part in it: its address."""
    with transaction() as session:
        second(session)
        case = decided(session, "card_mismatch", at=datetime.now(UTC), note="秦朗看到卡号不符")
        return f"/quality/looks/{case.case_no}/1"


def number(address: str) -> str:
    return address.split("/")[3]


def test_the_second_reviewer_reads_neither_name_nor_decision_nor_reasons_of_the_first(as_staff, rejected):
    client = as_staff("second")
    assert number(rejected) in client.get("/quality/looks").text
    page = client.post(f"{rejected}/claim", follow_redirects=True).text
    assert "周晚晴" in page and "通过…" in page
    for told in ("秦朗", "秦朗看到卡号不符", "已驳回", "办理中", "留痕"):
        assert told not in page
    assert page.count("银行卡号与照片不一致") == 1  # among the reasons to choose from


def test_who_holds_a_second_look_is_led_back_from_the_page_that_tells_the_decision(as_staff, rejected):
    client = as_staff("second")
    client.post(f"{rejected}/claim")
    answer = client.get(f"/review/{number(rejected)}")
    assert (answer.status_code, answer.headers["Location"]) == (303, rejected)
    client.post(f"{rejected}/approve")
    assert client.get(f"/review/{number(rejected)}").status_code == 200


def test_before_it_is_claimed_there_is_nothing_to_see(as_staff, rejected):
    page = as_staff("second").get(rejected).text
    assert "领取后查看" in page and "周晚晴" not in page
    assert "您见证或复核过此单" in as_staff("qinlang").get(rejected).text


def test_a_second_rejection_without_reason_is_said_and_not_kept(as_staff, rejected):
    client = as_staff("second")
    client.post(f"{rejected}/claim")
    assert "至少选择一个" in client.post(f"{rejected}/reject", follow_redirects=True).text
    with reading() as session:
        assert session.scalars(select(SecondLook)).one().decision is None


def test_a_supervisor_compares_both_views_once_the_second_is_given(as_staff, rejected):
    client, supervisor = as_staff("second"), as_staff("fangyi")
    client.post(f"{rejected}/claim")
    assert supervisor.get(f"{rejected}/compare").status_code == 404
    client.post(f"{rejected}/approve", data={"note": "卡号一致"})
    page = supervisor.get(f"{rejected}/compare").text
    for told in ("不一致", "秦朗", "石敏", "秦朗看到卡号不符", "卡号一致", "银行卡号与照片不一致"):
        assert told in page
    assert f"{rejected}/compare" in supervisor.get("/quality/looks").text
    assert client.get(f"{rejected}/compare").status_code == 404


def test_a_decision_on_a_lost_lease_is_said_and_not_kept(as_staff, rejected):
    client = as_staff("second")
    client.post(f"{rejected}/claim")
    with transaction() as session:
        session.scalars(select(SecondLook)).one().lease_until = datetime.now(UTC) - timedelta(seconds=1)
    page = client.post(f"{rejected}/approve", follow_redirects=True).text
    assert "领取已到期" in page
    with reading() as session:
        assert session.scalars(select(SecondLook)).one().decision is None


# --- the report


def test_the_place_in_the_rail_leads_supervisors_to_the_report_and_reviewers_to_what_waits(as_staff, app):
    assert as_staff("fangyi").get("/quality").headers["Location"] == "/quality/report"
    assert as_staff("qinlang").get("/quality").headers["Location"] == "/quality/looks"


def test_the_report_names_witnesses_reasons_and_says_that_a_few_are_too_few(as_staff, rejected):
    page = as_staff("fangyi").get("/quality/report").text
    assert "陆文珊" in page and "银行卡号与照片不一致" in page and "样本太少" in page


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("span=dates&first=2026-13-01&last=2026-12-01", "请填写完整的起止日期"),
        ("span=dates&first=2026-12-02&last=2026-12-01", "开始日期晚于结束日期"),
        ("span=dates&first=2020-01-01&last=2026-12-01", "一次最多看"),
        ("span=dates&first=0001-01-01&last=0001-01-02", "没有记录"),
        ("span=dates&first=9999-12-31&last=9999-12-31", "没有记录"),
    ],
)
def test_dates_that_cannot_be_used_are_said(as_staff, app, asked, told):
    page = as_staff("fangyi").get(f"/quality/report?{asked}")
    assert page.status_code == 200 and told in page.text


def test_a_branch_of_others_is_as_one_that_does_not_exist(as_staff, app):
    with reading() as session:
        elsewhere = staff_named(session, "hzreview").branches[0].id
    client = as_staff("fangyi")
    assert client.get(f"/quality/report?branch={elsewhere}").status_code == 404
    assert client.post("/quality/export", data={"table": "reasons", "branch": elsewhere}).status_code == 404


def exported(client, table: str) -> list[list[str]]:
    answer = client.post("/quality/export", data={"table": table})
    assert answer.mimetype == "text/csv"
    return list(csv.reader(StringIO(answer.data.decode("utf-8-sig"))))


def test_an_export_is_no_formula_and_is_in_the_trail_of_who_made_it(as_staff, rejected):
    with transaction() as session:
        session.scalars(select(RejectionReason)).one().title = '=HYPERLINK("x")'
    rows = exported(as_staff("fangyi"), "reasons")
    assert rows == [["营业部", "环节", "原因", "次数"], ["上海陆家嘴营业部", "复核", '\'=HYPERLINK("x")', "1"]]
    with reading() as session:
        line = session.scalars(select(StaffEvent).where(StaffEvent.action == "quality_exported")).one()
        assert line.detail.startswith("不通过原因，") and line.by == f"staff:{staff_named(session, 'fangyi').id}"


def test_every_table_is_exported_and_what_is_none_is_not(as_staff, rejected):
    client = as_staff("fangyi")
    assert exported(client, "witnesses")[1] == ["陆文珊", "上海陆家嘴营业部", "1", "0", "0.0%"]
    assert exported(client, "agreement")[1][:3] == ["1", "0", "0"]
    assert exported(client, "turnaround")[-1][:2] == ["全部", "1"]
    assert client.post("/quality/export", data={"table": "staff"}).status_code == 404


def test_agreement_in_the_report_is_that_of_the_second_looks(as_staff, app):
    with transaction() as session:
        one = second(session)
        now = datetime.now(UTC)
        decided(session, at=now)
        look = session.scalars(select(SecondLook)).one()
        looks.claim(session, look, one, hand(one, now))
        looks.decide(session, look, one, hand(one, now), codes=[], words="")
    assert exported(as_staff("fangyi"), "agreement")[1] == ["1", "1", "0", "100.0%", ""]
