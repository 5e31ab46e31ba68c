"""P1: the broker's number leads to its business page; the unfinished business comes first and locks the others."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from console import db
from console.people.models import OutgoingSms
from tests.portal import ways


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    return app.test_client()


def test_a_known_broker_number_leads_to_its_businesses(visitor: FlaskClient) -> None:
    answer = visitor.get("/?broker_no=9090")
    assert (answer.status_code, answer.location) == (302, "/b/9090")
    page = visitor.get("/b/9090").text
    for title in ("开立期货账户", "增开交易编码", "修改结算账户", "适当性评估", "协议下载"):
        assert title in page
    assert "/b/9090/sign-in/add_trading_code" in page
    assert "/b/9090/sign-in/open_futures_account" not in page


@pytest.mark.parametrize("typed", ["９０９０", " 90 90 "])
def test_a_broker_number_is_understood_however_it_is_typed(visitor: FlaskClient, typed: str) -> None:
    assert visitor.get("/", query_string={"broker_no": typed}).location == "/b/9090"


@pytest.mark.parametrize(("typed", "told"), [("4711", "没有编号为“4711”的期货公司"), ("", "请输入期货公司编号")])
def test_an_unknown_broker_number_is_refused_at_its_field(visitor: FlaskClient, typed: str, told: str) -> None:
    answer = visitor.get("/", query_string={"broker_no": typed})
    assert answer.status_code == 422
    assert told in answer.text
    assert 'id="broker_no-error"' in answer.text


def test_an_unknown_broker_in_the_address_asks_for_the_number(visitor: FlaskClient) -> None:
    answer = visitor.get("/b/4711")
    assert answer.status_code == 404
    assert "没有编号为“4711”的期货公司" in answer.text


def test_somebody_signed_out_is_led_to_the_entrance_and_told_why(visitor: FlaskClient) -> None:
    visitor.get("/b/9090")
    answer = visitor.get("/my", headers={"Accept": "text/html"}, follow_redirects=True)
    assert "登录已失效或尚未登录" in answer.text
    assert 'value="9090"' in answer.text


def test_the_unfinished_business_comes_first_and_locks_the_others(as_investor) -> None:
    case_no = ways.case_of("周晚晴", ways.CHANGE)
    page = as_investor("周晚晴").get("/b/9090").text
    assert page.index("待完成业务") < page.index("增开交易编码")
    assert f"/case/{case_no}" in page
    assert "有待完成业务，暂不能办理" in page
    assert "/b/9090/sign-in/add_trading_code" not in page


def test_a_business_address_that_does_not_exist_is_not_found(visitor: FlaskClient) -> None:
    assert visitor.get("/b/9090/sign-in/open_futures_account").status_code == 404
    assert visitor.get("/b/4711/sign-in/add_trading_code").status_code == 404


def test_the_development_outbox_shows_the_newest_message_first(visitor: FlaskClient) -> None:
    with db.transaction() as session:
        session.add_all(
            [OutgoingSms(phone="13800008001", text=f"验证码 {n}", at=ways.now()) for n in ("111111", "222222")]
        )
    page = visitor.get("/dev/sms").text
    assert page.index("222222") < page.index("111111")


def test_the_development_outbox_is_not_there_outside_a_demo(app: Flask, visitor: FlaskClient) -> None:
    from dataclasses import replace

    app.extensions["settings"] = replace(app.extensions["settings"], demo=False)
    assert visitor.get("/dev/sms").status_code == 404
    app.extensions["settings"] = replace(app.extensions["settings"], demo=True, sms="http")
    assert visitor.get("/dev/sms").status_code == 404
