"""The page of reports, and the address where the counter system speaks by itself."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select

from console.adapters import signed
from console.adapters.counter import Answer, Result
from console.cases.models import Case
from console.counter import service
from console.counter.models import Delivery, DeliveryState
from console.db import reading, transaction
from tests.counter.given import KEY, codes_approved, told
from tests.world import stamp

DONE = Answer(Result.DONE, {"DCE": "00012345"})


@pytest.fixture
def case_no(app: Flask) -> str:
    app.extensions["settings"] = replace(app.extensions["settings"], counter="http", counter_key=KEY)
    with transaction() as session:
        return codes_approved(session, "DCE", at=datetime.now(UTC)).case_no


def delivery() -> Delivery:
    with reading() as session:
        return session.scalars(select(Delivery)).one()


def refused() -> None:
    with transaction() as session:
        service.answered(session, delivery().key, Answer(Result.REFUSED, reason="客户号已冻结"), stamp())


# --- the page


def test_staff_of_the_branch_sees_how_each_report_stands_and_others_see_none(as_staff, case_no):
    refused()
    page = as_staff("qinlang").get("/counter").text
    assert case_no in page
    assert "柜台退回" in page and "客户号已冻结" in page
    assert case_no not in as_staff("hzreview").get("/counter").text


def test_reports_are_filtered_by_state_and_number(as_staff, case_no):
    client = as_staff("qinlang")
    assert case_no in client.get("/counter?state=waiting").text
    assert case_no not in client.get("/counter?state=done").text
    assert case_no in client.get(f"/counter?q={case_no[:6]}").text
    assert case_no not in client.get("/counter?q=nothing").text


def test_the_rail_counts_what_a_person_should_look_at(as_staff, case_no):
    client = as_staff("fangyi")
    assert client.get("/counter/waiting").json["waiting"] == 0
    refused()
    assert client.get("/counter/waiting").json["waiting"] == 1


def test_a_refused_report_is_reported_again_by_a_button(as_staff, case_no):
    refused()
    page = as_staff("qinlang").post(f"/counter/{case_no}/again", follow_redirects=True).text
    assert "正在重新报送" in page
    assert delivery().state is DeliveryState.WAITING


def test_a_report_that_is_done_says_so_instead_of_being_repeated(as_staff, case_no):
    with transaction() as session:
        service.answered(session, delivery().key, DONE, stamp())
    page = as_staff("qinlang").post(f"/counter/{case_no}/again", follow_redirects=True).text
    assert "已经办妥" in page
    assert "重新报送</button>" not in page


# --- results that come by themselves


@pytest.fixture
def tell(app: Flask, case_no: str) -> Callable[..., tuple[int, dict]]:
    """Speak as the counter system: ``tell(answer, key=…, age=…)``."""

    def say(answer: Answer, key: str = KEY, age: float = 0, of: str | None = None) -> tuple[int, dict]:
        body = told(answer, key=of or delivery().key)
        headers = signed.headers(key.encode(), body, time.time() - age) | {"Accept": "application/json"}
        answered = app.test_client().post("/counter/result", data=body, headers=headers)
        return answered.status_code, answered.json

    return say


def test_a_result_that_comes_by_itself_counts_and_told_twice_it_counts_once(tell, case_no):
    assert tell(DONE) == (200, {"ok": True})
    assert tell(DONE) == (200, {"ok": True})
    assert (delivery().state, delivery().tries) == (DeliveryState.DONE, 1)
    with reading() as session:
        case = session.scalars(select(Case).where(Case.case_no == case_no)).one()
        assert {code.exchange for code in case.investor.trading_codes} == {"SHFE", "DCE"}


def test_a_message_of_somebody_without_the_key_is_refused_like_any_address_that_is_not_there(tell):
    assert tell(DONE, key="another-key")[0] == 404
    assert delivery().state is DeliveryState.WAITING


def test_an_old_message_is_a_replay(tell):
    assert tell(DONE, age=signed.FRESH + 5)[0] == 404
    assert delivery().state is DeliveryState.WAITING


def test_a_result_that_contradicts_what_was_done_is_refused(tell):
    tell(DONE)
    assert tell(Answer(Result.REFUSED, reason="x"))[0] == 409
    assert delivery().state is DeliveryState.DONE


def test_a_result_for_a_key_nobody_gave_out_is_not_found(tell):
    assert tell(DONE, of="0" * 32)[0] == 404


def test_done_without_the_codes_is_told_what_is_missing(tell):
    status, said = tell(Answer(Result.DONE))
    assert status == 422
    assert "DCE" in said["error"]


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b'{"result": "done"}', b'{"key": 1, "result": "x"}'])
def test_what_is_no_result_is_refused_and_changes_nothing(app, case_no, body):
    headers = signed.headers(KEY.encode(), body, time.time()) | {"Accept": "application/json"}
    assert app.test_client().post("/counter/result", data=body, headers=headers).status_code in (404, 422)
    assert delivery().state is DeliveryState.WAITING


def test_a_house_with_its_own_counter_takes_no_results(app, case_no):
    app.extensions["settings"] = replace(app.extensions["settings"], counter="development")
    body = json.dumps({"key": delivery().key, "result": "done"}).encode()
    headers = signed.headers(KEY.encode(), body, time.time())
    assert app.test_client().post("/counter/result", data=body, headers=headers).status_code == 404
