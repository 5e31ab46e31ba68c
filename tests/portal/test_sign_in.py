"""P2: who signs in is proved by the reserved phone; nothing tells before the proof who is a client."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from console import db
from console.cases.models import Case
from console.cases.trail import Happening
from console.people import sms_codes
from console.people.models import Captcha, SignIn, SmsCode
from console.portal import captcha
from tests import world
from tests.portal import ways
from tests.portal.ways import ADD, CHANGE

PHONE = "13800008001"  # 周晚晴
STRANGER = "13912345678"


@pytest.fixture
def visitor(app: Flask) -> FlaskClient:
    ways.publish_privacy()
    return app.test_client()


def cases() -> list[Case]:
    with db.reading() as session:
        return list(session.scalars(select(Case)))


def age(model: type, **columns: object) -> None:
    """Make what is kept older."""
    with db.transaction() as session:
        session.execute(update(model).values(**columns))


# --- the way in


def test_phone_captcha_code_and_policy_open_a_case(visitor: FlaskClient) -> None:
    answer = ways.sign_in(visitor, PHONE)
    (case,) = cases()
    assert (answer.status_code, answer.location) == (302, f"/case/{case.case_no}")
    assert case.business_code == ADD
    page = visitor.get(answer.location, follow_redirects=True)
    assert "上传照片" in page.text


def test_an_id_number_and_a_personal_account_open_a_change_of_account(visitor: FlaskClient) -> None:
    answer = ways.sign_in(visitor, ways.id_no_of("周晚晴").lower(), CHANGE)
    assert answer.status_code == 302
    assert [case.business_code for case in cases()] == [CHANGE]
    assert ways.sms()[-1].phone == PHONE


def test_the_privacy_policy_that_was_agreed_to_is_in_the_trail(visitor: FlaskClient) -> None:
    ways.sign_in(visitor, PHONE)
    (case,) = cases()
    line = next(line for line in ways.look(case.case_no).events if line.action == Happening.DOCUMENT_READ)
    assert line.detail["purpose"] == "privacy"
    assert len(line.detail["sha256"]) == 64


def test_signing_in_again_leads_to_the_same_case(visitor: FlaskClient) -> None:
    first = ways.sign_in(visitor, PHONE).location
    visitor.post("/sign-out")
    age(SmsCode, sent_at=ways.now() - timedelta(minutes=2))
    assert ways.sign_in(visitor, PHONE).location == first
    assert len(cases()) == 1


def test_signing_in_starts_a_new_session_and_ends_the_old_one(visitor: FlaskClient) -> None:
    ways.sign_in(visitor, PHONE)
    with visitor.session_transaction() as cookie:
        old = cookie["sign_in"]
    age(SmsCode, sent_at=ways.now() - timedelta(minutes=2))
    ways.sign_in(visitor, PHONE)
    with visitor.session_transaction() as cookie:
        assert cookie["sign_in"] != old
    with db.reading() as session:
        assert session.scalars(select(SignIn).where(SignIn.token == old)).one().ended_at is not None


def test_a_second_business_is_refused_while_one_is_in_flight(visitor: FlaskClient) -> None:
    ways.case_of("周晚晴", CHANGE)
    answer = ways.sign_in(visitor, PHONE, ADD)
    assert answer.location == "/my"
    assert "您有待完成的业务" in visitor.get("/my").text
    assert [case.business_code for case in cases()] == [CHANGE]


def test_an_expired_id_opens_nothing_and_says_to_come_to_the_counter(visitor: FlaskClient) -> None:
    ways.expire_id("周晚晴")
    answer = ways.sign_in(visitor, PHONE)
    assert answer.status_code == 422
    assert "身份证有效期已过期" in answer.text
    assert cases() == []
    assert visitor.get("/my", headers={"Accept": "application/json"}).status_code == 404


def test_an_id_valid_for_ever_is_valid(visitor: FlaskClient) -> None:
    ways.change_investor("周晚晴", id_valid_until=None)
    assert ways.sign_in(visitor, PHONE).status_code == 302


def test_an_account_of_an_institution_is_sent_to_the_counter(visitor: FlaskClient) -> None:
    answer = ways.ask_code(visitor, ways.id_no_of("周晚晴"), CHANGE, account_type="institution")
    assert answer.status_code == 422
    assert "临柜办理" in answer.get_json()["errors"]["account_type"]
    page = ways.enter(visitor, ways.id_no_of("周晚晴"), "123456", CHANGE, account_type="institution")
    assert "临柜办理" in page.text
    assert ways.sms() == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"privacy": ""}, "请阅读并同意《隐私政策》"),
        ({"devices": ""}, "请先完成设备检测"),
        ({"code": ""}, "请先获取短信验证码"),
        ({"identity": "1380000"}, "请输入 11 位手机号"),
    ],
)
def test_what_is_missing_is_said_and_the_code_stays_good(
    visitor: FlaskClient, changes: dict[str, str], told: str
) -> None:
    ways.ask_code(visitor, PHONE)
    form = {"identity": PHONE, "code": ways.last_code()} | changes
    answer = ways.enter(visitor, business=ADD, **form)
    assert answer.status_code == 422
    assert told in answer.text
    assert cases() == []
    assert ways.enter(visitor, PHONE, ways.last_code()).status_code == 302


def test_without_a_published_policy_nobody_signs_in(app: Flask) -> None:
    client = app.test_client()
    answer = ways.sign_in(client, PHONE)
    assert answer.status_code == 422
    assert "没有发布《隐私政策》" in answer.text


@pytest.mark.parametrize("wrong", ["310115199404270011", "31011519940427001", "310115199413450010", "不是号码"])
def test_an_id_number_that_cannot_be_is_refused_at_its_field(visitor: FlaskClient, wrong: str) -> None:
    answer = ways.ask_code(visitor, wrong, CHANGE)
    assert list(answer.get_json()["errors"]) == ["identity"]


# --- the captcha


def test_a_wrong_captcha_sends_nothing(visitor: FlaskClient) -> None:
    answer = ways.ask_code(visitor, PHONE, captcha="0000")
    assert (answer.status_code, answer.get_json()["code"]) == (422, "wrong_captcha")
    assert ways.sms() == []


def test_a_captcha_is_read_whatever_the_case_of_its_letters(visitor: FlaskClient) -> None:
    token, answer = ways.read_captcha(visitor)
    assert ways.ask_code(visitor, PHONE, captcha_token=token, captcha=f" {answer.lower()} ").status_code == 200


def test_a_captcha_burns_on_any_try(visitor: FlaskClient) -> None:
    token, answer = ways.read_captcha(visitor)
    assert ways.ask_code(visitor, PHONE, captcha_token=token, captcha="0000").status_code == 422
    assert ways.ask_code(visitor, PHONE, captcha_token=token, captcha=answer).get_json()["code"] == "wrong_captcha"


def test_a_captcha_that_was_right_is_not_right_again(visitor: FlaskClient) -> None:
    token, answer = ways.read_captcha(visitor)
    assert ways.ask_code(visitor, PHONE, captcha_token=token, captcha=answer).status_code == 200
    assert ways.ask_code(visitor, STRANGER, captcha_token=token, captcha=answer).get_json()["code"] == "wrong_captcha"


def test_a_captcha_ends_after_five_minutes(visitor: FlaskClient) -> None:
    token, answer = ways.read_captcha(visitor)
    age(Captcha, made_at=ways.now() - captcha.LIFETIME)
    assert ways.ask_code(visitor, PHONE, captcha_token=token, captcha=answer).get_json()["code"] == "wrong_captcha"
    assert visitor.get(f"/captcha/{token}.png").status_code == 404


def test_a_captcha_can_be_seen_and_heard(visitor: FlaskClient) -> None:
    token, _ = ways.read_captcha(visitor)
    assert visitor.get(f"/captcha/{token}.png").data.startswith(b"\x89PNG")
    assert visitor.get(f"/captcha/{token}.wav").data.startswith(b"RIFF")


def test_old_captchas_are_forgotten(visitor: FlaskClient) -> None:
    ways.read_captcha(visitor)
    age(Captcha, made_at=ways.now() - timedelta(hours=1))
    ways.read_captcha(visitor)
    with db.reading() as session:
        assert len(list(session.scalars(select(Captcha)))) == 1


# --- the code


def test_a_wrong_code_signs_nobody_in(visitor: FlaskClient) -> None:
    ways.ask_code(visitor, PHONE)
    wrong = f"{(int(ways.last_code()) + 1) % 1_000_000:06d}"
    answer = ways.enter(visitor, PHONE, wrong)
    assert answer.status_code == 422
    assert "短信验证码不正确或已过期" in answer.text
    assert cases() == []


def test_a_code_ends_after_five_minutes(visitor: FlaskClient) -> None:
    ways.ask_code(visitor, PHONE)
    age(SmsCode, sent_at=ways.now() - sms_codes.LIFETIME)
    assert ways.enter(visitor, PHONE, ways.last_code()).status_code == 422


def test_after_five_wrong_tries_even_the_right_code_is_refused(visitor: FlaskClient) -> None:
    ways.ask_code(visitor, PHONE)
    right = ways.last_code()
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    for _ in range(sms_codes.MOST_TRIES):
        assert ways.enter(visitor, PHONE, wrong).status_code == 422
    assert ways.enter(visitor, PHONE, right).status_code == 422
    assert cases() == []


def test_a_code_works_once(visitor: FlaskClient) -> None:
    ways.sign_in(visitor, PHONE)
    with db.transaction() as session:
        found = session.scalars(select(SmsCode)).one()
        right = ways.last_code()
        again = sms_codes.matches(session, found.id, found.phone_index, found.purpose, right, ways.now(), use=True)
    assert not again


def test_a_code_belongs_to_the_browser_that_asked(app: Flask, visitor: FlaskClient) -> None:
    ways.ask_code(visitor, PHONE)
    assert ways.enter(app.test_client(), PHONE, ways.last_code()).status_code == 422


def test_a_code_belongs_to_the_phone_it_was_asked_for(visitor: FlaskClient) -> None:
    ways.ask_code(visitor, PHONE)
    assert ways.enter(visitor, "13800008002", ways.last_code()).status_code == 422
    assert cases() == []


def test_a_code_belongs_to_the_business_it_was_asked_for(visitor: FlaskClient) -> None:
    ways.ask_code(visitor, PHONE)
    assert ways.enter(visitor, ways.id_no_of("周晚晴"), ways.last_code(), CHANGE).status_code == 422


def test_codes_are_kept_unreadable(visitor: FlaskClient) -> None:
    ways.ask_code(visitor, PHONE)
    with db.reading() as session:
        kept = session.scalars(select(SmsCode)).one()
    assert ways.last_code() not in (kept.code_index, kept.phone_index)
    assert PHONE not in (kept.code_index, kept.phone_index)


def test_the_proof_shows_the_reserved_phone_and_leaves_the_code_good(visitor: FlaskClient) -> None:
    id_no = ways.id_no_of("周晚晴")
    ways.ask_code(visitor, id_no, CHANGE)
    form = {"identity": id_no, "account_type": "individual", "code": ways.last_code()}
    proved = visitor.post("/b/9090/sign-in/change_settlement_account/proof", data=form, headers=ways.JSON)
    assert proved.get_json() == {"reserved": "138****8001"}
    assert ways.enter(visitor, id_no, ways.last_code(), CHANGE).status_code == 302


def test_guesses_at_the_proof_are_counted(visitor: FlaskClient) -> None:
    ways.ask_code(visitor, PHONE)
    right = ways.last_code()
    form = {"identity": PHONE, "code": f"{(int(right) + 1) % 1_000_000:06d}"}
    for _ in range(sms_codes.MOST_TRIES):
        assert visitor.post("/b/9090/sign-in/add_trading_code/proof", data=form, headers=ways.JSON).status_code == 422
    assert ways.enter(visitor, PHONE, right).status_code == 422


# --- TRUST 15, 16


def without_the_moment(page: str, typed: str) -> str:
    """The page without what differs at every request: the CSRF token, the clock, and what was typed."""
    page = re.sub(r'(?<=name="csrf-token" content=")[^"]+|(?<=name="csrf_token" value=")[^"]+', "", page)
    return re.sub(r'(?<=name="server-time" content=")[^"]+', "", page).replace(typed, "")


def test_asking_for_a_code_answers_the_same_for_clients_and_strangers(app: Flask, visitor: FlaskClient) -> None:
    known = ways.ask_code(visitor, ways.id_no_of("周晚晴"), CHANGE)
    unknown = ways.ask_code(app.test_client(), world.id_number("31011519700101001"), CHANGE)
    assert (known.status_code, known.get_json()) == (unknown.status_code, unknown.get_json())
    assert len(ways.sms()) == 1


def test_a_wrong_code_reads_the_same_for_clients_and_strangers(app: Flask, visitor: FlaskClient) -> None:
    other = app.test_client()
    ways.ask_code(visitor, PHONE)
    ways.ask_code(other, STRANGER)
    wrong = f"{(int(ways.last_code()) + 1) % 1_000_000:06d}"
    known, unknown = ways.enter(visitor, PHONE, wrong), ways.enter(other, STRANGER, wrong)
    assert known.status_code == unknown.status_code == 422
    assert without_the_moment(known.text, PHONE) == without_the_moment(unknown.text, STRANGER)


def test_strangers_get_no_message_but_the_same_limits(app: Flask, visitor: FlaskClient) -> None:
    assert ways.ask_code(visitor, STRANGER).status_code == 200
    assert ways.ask_code(app.test_client(), STRANGER).get_json()["code"] == "too_many_sms"
    assert ways.sms() == []


def test_one_phone_gets_one_code_a_minute(app: Flask, visitor: FlaskClient) -> None:
    assert ways.ask_code(visitor, PHONE).status_code == 200
    answer = ways.ask_code(app.test_client(), PHONE)
    assert (answer.status_code, answer.get_json()["code"]) == (429, "too_many_sms")
    assert len(ways.sms()) == 1


@pytest.mark.parametrize(
    ("seconds_apart", "phones", "addresses", "most"),
    [
        (61, 1, 1000, 10),  # one phone in a day
        (1, 1000, 1, 30),  # one address in an hour
    ],
)
def test_a_thousand_requests_send_no_more_than_the_limit(
    session, seconds_apart: int, phones: int, addresses: int, most: int
) -> None:
    sent = 0
    for n in range(1000):
        at = world.AT + timedelta(seconds=n * seconds_apart)
        try:
            sms_codes.issue(session, f"phone{n % phones}", "sign_in:1", f"10.0.0.{n % addresses}", at)
            sent += 1
        except sms_codes.TooManySms:
            continue
    assert sent == most


def test_all_phones_together_get_no_more_than_the_limit(session) -> None:
    ways_in = sms_codes.IN_ALL.most
    session.add_all(
        SmsCode(phone_index=f"p{n}", address=f"a{n}", code_index="", purpose="sign_in:1", sent_at=world.AT)
        for n in range(ways_in)
    )
    session.flush()
    with pytest.raises(sms_codes.TooManySms):
        sms_codes.issue(session, "somebody", "sign_in:1", "10.9.9.9", world.AT + timedelta(hours=1))


def test_signing_out_ends_the_session(visitor: FlaskClient) -> None:
    ways.sign_in(visitor, PHONE)
    answer = visitor.post("/sign-out")
    assert answer.location == "/b/9090"
    assert visitor.get("/my", headers={"Accept": "application/json"}).status_code == 404


def test_every_form_that_signs_in_needs_the_csrf_token(app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    client = app.test_client()
    for url in ("/captcha", "/b/9090/sign-in/add_trading_code/code", "/b/9090/sign-in/add_trading_code"):
        assert client.post(url, headers=ways.JSON).get_json()["code"] == "csrf"
