import pytest

from console.cases.models import CaseEvent
from console.cases.transitions import finish_step
from console.db import reading, transaction
from tests.world import given_case, investor_named, stamp

WHY = "核对证件信息"


@pytest.fixture
def case_no(world) -> str:
    with transaction() as session:
        return given_case(session).case_no


def last_line() -> CaseEvent:
    with reading() as session:
        return session.query(CaseEvent).order_by(CaseEvent.id.desc()).first()


@pytest.mark.parametrize("field", ["name", "id_no", "phone", "address", "email"])
def test_a_masked_value_is_shown_for_a_reason_and_the_trail_says_who_what_and_why(as_staff, case_no, field):
    answer = as_staff("qinlang").post(f"/desk/reveal/{case_no}/{field}", data={"reason": WHY})
    with reading() as session:
        assert answer.json == {"value": getattr(investor_named(session, "周晚晴"), field)}
    line = last_line()
    assert (line.action, line.detail) == ("data_revealed", {"field": field, "why": WHY})
    assert line.by.startswith("staff:")


def test_the_reason_may_come_as_json(as_staff, case_no):
    assert as_staff("qinlang").post(f"/desk/reveal/{case_no}/phone", json={"reason": WHY}).status_code == 200


@pytest.mark.parametrize("reason", ["", "   ", "看看 ", "x" * 101])
def test_without_a_proper_reason_nothing_is_shown_or_written(as_staff, case_no, reason):
    answer = as_staff("qinlang").post(
        f"/desk/reveal/{case_no}/id_no", data={"reason": reason}, headers={"Accept": "application/json"}
    )
    assert (answer.status_code, answer.json["code"]) == (422, "no_reason")
    assert last_line().action == "open"


@pytest.mark.parametrize("field", ["password_hash", "id_no_index", "__class__", "card:", "card:-1", "card:9", "card:x"])
def test_only_named_fields_can_be_revealed(as_staff, case_no, field):
    assert as_staff("qinlang").post(f"/desk/reveal/{case_no}/{field}", data={"reason": WHY}).status_code == 404
    assert last_line().action == "open"


def test_a_card_is_the_one_handed_in_else_the_one_on_record(as_staff, case_no):
    client = as_staff("qinlang")
    assert client.post(f"/desk/reveal/{case_no}/card:0", data={"reason": WHY}).json["value"] == "6222020000000000001"
    with transaction() as session:
        case = given_case(session)
        finish_step(case, "photos", stamp())
        finish_step(case, "bank_card", stamp(), content={"cards": [{"bank": "x", "number": "6228480402564890018"}]})
    assert client.post(f"/desk/reveal/{case_no}/card:0", data={"reason": WHY}).json["value"] == "6228480402564890018"


def test_another_branch_an_administrator_and_an_investor_reveal_nothing(as_staff, as_investor, case_no):
    for client in (as_staff("hzreview"), as_staff("admin"), as_investor("周晚晴")):
        assert client.post(f"/desk/reveal/{case_no}/id_no", data={"reason": WHY}).status_code == 404
    assert last_line().action == "open"
