import re
from datetime import UTC, datetime, timedelta

import pytest

from console.db import reading, transaction
from console.people.models import Branch
from console.review import inbox, saved, service
from console.review.inbox import Filters, View
from console.review.models import SavedView
from tests.review.given import case_in_review
from tests.world import AT, staff_named, stamp

NOW = datetime.now(UTC)
both = pytest.mark.databases("sqlite", "postgresql")


@pytest.fixture
def qinlang(session):
    return staff_named(session, "qinlang")


def names(session, staff) -> list[str]:
    return [view.name for view in saved.saved(session, staff)]


@both
def test_a_view_is_the_persons_own_and_keeps_the_filters(session, qinlang):
    filters = Filters(view=View.AGAIN, state="free", branch=1)
    saved.save(session, qinlang, " 我的  重提 ", filters.address(), AT)
    session.expire_all()
    assert [Filters.read(view.query) for view in saved.saved(session, qinlang)] == [filters]
    assert names(session, qinlang) == ["我的 重提"]
    assert names(session, staff_named(session, "fangyi")) == []


@both
def test_saved_again_under_its_name_it_has_the_new_filters(session, qinlang):
    for state in ("free", "held"):
        saved.save(session, qinlang, "常用", {"state": state}, AT)
    assert [view.query for view in saved.saved(session, qinlang)] == [{"state": "held"}]


@both
def test_twelve_are_the_most_and_one_less_makes_room(session, qinlang):
    for number in range(saved.MOST):
        saved.save(session, qinlang, f"视图 {number}", {}, AT)
    with pytest.raises(saved.TooMany):
        saved.save(session, qinlang, "再一个", {}, AT)
    saved.delete(session, qinlang, saved.saved(session, qinlang)[0].id)
    saved.save(session, qinlang, "再一个", {}, AT)
    assert len(names(session, qinlang)) == saved.MOST


@pytest.mark.parametrize("name", ["", "  ", "字" * 21, "待复核"])
def test_a_name_that_says_nothing_or_is_taken_by_the_house_is_refused(session, qinlang, name):
    with pytest.raises(saved.BadName):
        saved.save(session, qinlang, name, {}, AT)


def test_two_views_never_have_one_name(session, qinlang):
    saved.save(session, qinlang, "甲", {}, AT)
    second = saved.save(session, qinlang, "乙", {}, AT)
    with pytest.raises(saved.BadName):
        saved.rename(session, qinlang, second.id, "甲")
    assert saved.rename(session, qinlang, second.id, "丙").name == "丙"


def test_nobody_renames_or_deletes_anothers_view(as_staff):
    client = as_staff("qinlang")
    client.post("/review/views", data={"name": "常用", "state": "free"})
    with reading() as session:
        number = session.query(SavedView).one().id
    assert as_staff("fangyi").post(f"/review/views/{number}", data={"name": "夺"}).status_code == 404
    as_staff("fangyi").post(f"/review/views/{number}/delete")
    with reading() as session:
        assert session.query(SavedView).one().name == "常用"


def test_a_saved_view_is_a_tab_with_its_count_and_can_be_renamed_and_deleted(as_staff):
    with transaction() as session:
        case = case_in_review(session, "周晚晴", at=NOW)
        case_in_review(session, "许砚青", at=NOW)
        fangyi = staff_named(session, "fangyi")
        service.claim(session, case, fangyi, stamp(f"staff:{fangyi.id}", NOW))
    client = as_staff("qinlang")
    answer = client.post("/review/views", data={"name": "没人领的", "state": "free", "after": "x"})
    assert answer.location == "/review?state=free"
    tab = re.compile(
        r'<a class="tab" href="/review\?state=free" aria-current="page">.*?没人领的 <span class="n num">1</span>'
    )
    page = client.get("/review?state=free").text
    assert tab.search(page)
    number = re.search(r"/review/views/(\d+)/delete", page)[1]
    client.post(f"/review/views/{number}", data={"name": "空闲的", "state": "free"})
    assert "空闲的" in client.get("/review").text
    for _ in range(2):
        assert client.post(f"/review/views/{number}/delete", data={"state": "free"}).location == "/review?state=free"
    assert "空闲的" not in client.get("/review").text


def test_what_is_wrong_with_a_name_is_said_and_the_filters_stay(as_staff):
    answer = as_staff("qinlang").post("/review/views", data={"name": "", "state": "free"}, follow_redirects=True)
    assert (
        "请填写视图名称" in answer.text
        and answer.request.path == "/review"
        and answer.request.args.to_dict() == {"state": "free"}
    )


# --- what each value of a filter would leave


@both
def test_each_option_says_how_many_it_would_leave_beside_the_other_filters(session, qinlang):
    fangyi = staff_named(session, "fangyi")
    fangyi.branches = session.query(Branch).all()
    session.flush()
    here, hold, there = (case_in_review(session, name, at=AT, witness=who) for name, who in WITNESSED.items())
    service.claim(session, hold, qinlang, stamp(f"staff:{qinlang.id}"))
    page = inbox.inbox(session, fangyi, Filters(branch=here.branch_id, state="free"), AT)
    assert page.total == 1 and [task.case for task in page.tasks] == [here]
    assert page.would["branch"] == {here.branch_id: 1, there.branch_id: 1}
    assert page.would["state"] == {"free": 1, "held": 1}
    assert page.would["business"] == {"change_settlement_account": 1}


WITNESSED = {"周晚晴": "luwenshan", "许砚青": "weiyinuo", "闻子期": "hangzhou"}


@both
def test_the_total_is_of_all_pages(session, qinlang):
    for name in ("周晚晴", "许砚青"):
        case_in_review(session, name, at=AT)
    page = inbox.inbox(session, qinlang, Filters(), AT, size=1)
    assert (len(page.tasks), page.total) == (1, 2)
    assert inbox.counts_of(
        session,
        qinlang,
        [Filters(), Filters(state="held"), Filters(view=View.DONE_TODAY), Filters(view=View.SOON)],
        AT + timedelta(minutes=90),
    ) == [2, 0, 0, 2]
