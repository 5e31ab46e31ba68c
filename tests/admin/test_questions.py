"""The registers of questions: a draft is written, published once, and never changed again."""

from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient

from console.db import reading
from console.local_time import LOCAL
from console.people.models import StaffEvent
from console.video_seat import script
from console.video_seat.models import Question, QuestionVersion, ReasonUse, ShortReason
from tests.world import staff_named

CODE = "change_settlement_account"


@pytest.fixture
def admin(as_staff) -> FlaskClient:
    return as_staff("admin")


@pytest.fixture
def draft(admin: FlaskClient) -> QuestionVersion:
    assert admin.post("/admin/scripts/new/", data={"business": CODE}).status_code == 302
    return latest()


def latest() -> QuestionVersion:
    with reading() as session:
        found = session.query(QuestionVersion).order_by(QuestionVersion.id.desc()).first()
        assert found is not None and found.questions is not None and found.question_set is not None
        return found


def asked_at(at: datetime) -> int:
    with reading() as session:
        found = script.in_force(session, CODE, at)
        assert found is not None
        return found.number


def publish(admin: FlaskClient, draft: QuestionVersion, **more: str) -> str:
    data = {"draw": "2", "publish": "y"} | more
    return admin.post(f"/admin/scripts/edit/?id={draft.id}", data=data, follow_redirects=True).get_data(as_text=True)


def form_of(question: Question, **changes: str) -> dict[str, object]:
    texts = {name: getattr(question, name) for name in ("key", "title", "say", "cue", "expects", "step", "field")}
    ticks = {name: "y" for name in ("drawn", "required", "every_kind", "frame") if getattr(question, name)}
    return {**texts, **ticks, "position": question.position, "kinds": question.kinds} | changes


def edit(admin: FlaskClient, question: Question, **changes: str):
    return admin.post(f"/admin/questions/edit/?id={question.id}", data=form_of(question, **changes))


def test_a_new_draft_is_a_copy_of_the_latest_version_and_is_told_in_the_trail(admin: FlaskClient, draft) -> None:
    assert (draft.number, draft.draw, draft.published_at) == (2, 2, None)
    assert len(draft.questions) == 13
    with reading() as session:
        mine = session.query(StaffEvent).filter_by(staff_id=staff_named(session, "admin").id)
        assert "修改结算账户话术 v2" in mine.order_by(StaffEvent.id.desc()).first().detail


def test_a_draft_can_be_changed_and_what_was_published_cannot(admin: FlaskClient, draft) -> None:
    assert edit(admin, draft.questions[0], say="您好，我是{witness}。").status_code == 302
    assert latest().questions[0].say == "您好，我是{witness}。"
    with reading() as session:
        published = session.query(Question).filter(Question.version_id != draft.id).first()
    assert edit(admin, published, say="x").status_code == 404


def test_a_question_is_added_to_a_draft_and_taken_out_of_it(admin: FlaskClient, draft) -> None:
    new = form_of(draft.questions[0], key="extra", title="另一题") | {"version": str(draft.id)}
    assert admin.post("/admin/questions/new/", data=new).status_code == 302
    assert len(latest().questions) == 14
    assert edit(admin, draft.questions[0], remove="y").status_code == 302
    assert len(latest().questions) == 13


def test_published_from_a_time_on_it_is_asked_from_then_on(admin: FlaskClient, draft) -> None:
    later = datetime.now(UTC) + timedelta(days=3)
    publish(admin, draft, effective_from=later.astimezone(LOCAL).strftime("%Y-%m-%dT%H:%M"))
    assert (asked_at(datetime.now(UTC)), asked_at(later + timedelta(minutes=1))) == (1, 2)
    assert "待生效" in admin.get("/admin/scripts/").get_data(as_text=True)


def test_published_without_a_time_or_for_the_past_it_begins_now(admin: FlaskClient, draft) -> None:
    before = datetime.now(UTC)
    publish(admin, draft, effective_from="2020-01-01T00:00")
    published = latest()
    assert published.effective_from is not None and published.effective_from >= before
    assert published.published_by.startswith("staff:")


def test_what_cannot_be_asked_is_not_published_and_the_page_says_why(admin: FlaskClient, draft) -> None:
    edit(admin, draft.questions[0], say="您好，{nobody}")
    said = publish(admin, draft, draw="9")
    assert "没有保存" in said and "抽不出 9 道" in said and "花括号" in said
    assert latest().published_at is None


def test_the_only_version_in_force_is_not_retired_one_of_two_is(admin: FlaskClient, draft) -> None:
    retire = {"retire": "y"}
    with reading() as session:
        first = script.in_force(session, CODE, datetime.now(UTC))
        assert first is not None
    said = admin.post(f"/admin/scripts/edit/?id={first.id}", data=retire, follow_redirects=True).get_data(as_text=True)
    assert "唯一生效的版本" in said and asked_at(datetime.now(UTC)) == 1
    publish(admin, draft)
    admin.post(f"/admin/scripts/edit/?id={draft.id}", data=retire)
    assert asked_at(datetime.now(UTC)) == 1
    assert admin.get(f"/admin/scripts/edit/?id={draft.id}").status_code == 404


def test_the_questions_of_one_version_are_listed_in_their_order(admin: FlaskClient) -> None:
    with reading() as session:
        version = script.in_force(session, CODE, datetime.now(UTC))
        assert version is not None
        titles = [question.title for question in version.questions]
    page = admin.get(f"/admin/questions/?version={version.id}").get_data(as_text=True)
    places = [page.index(title) for title in titles]
    assert places == sorted(places) and "共 13 条" in page and "见证问题" in page


def test_only_head_office_writes_them(as_staff) -> None:
    from console.db import transaction

    with transaction() as session:
        staff_named(session, "hzreview").roles = ["reviewer", "admin"]
    branch = as_staff("hzreview")
    assert branch.get("/admin/questions/").status_code == 200
    assert branch.get("/admin/scripts/new/").status_code == 404
    assert branch.post("/admin/scripts/new/", data={"business": CODE}).status_code == 404


def test_a_short_reason_that_is_stopped_is_offered_no_more(admin: FlaskClient) -> None:
    with reading() as session:
        reason = session.query(ShortReason).filter_by(use=ReasonUse.SIGN, code="acted_for").one()
    data = {"use": "sign", "code": "acted_for", "title": "疑似代办", "position": "2"}
    assert admin.post(f"/admin/short_reasons/edit/?id={reason.id}", data=data).status_code == 302
    with reading() as session:
        assert "acted_for" not in [each.code for each in script.short_reasons(session, ReasonUse.SIGN)]
