from dataclasses import replace
from datetime import UTC, datetime

import pytest

from console.db import reading, transaction
from console.desk import service
from console.desk.views import local_address
from console.people.demo import DEMO_PASSWORD, DEMO_SIGN_INS
from console.people.models import SignIn, SignInTry, Staff, StaffEvent
from tests.world import PASSWORD


def enter(client, username="qinlang", password=PASSWORD, **query):
    return client.post("/desk/sign-in", query_string=query, data={"username": username, "password": password})


def test_signing_in_leads_to_the_first_page_of_the_rail_and_is_audited(app):
    client = app.test_client()
    assert enter(client).location == "/desk"
    assert client.get("/desk").location == "/review"
    with reading() as session:
        line = session.query(StaffEvent).one()
        assert (line.action, line.address) == ("signed_in", "127.0.0.1")


def test_a_demo_lists_who_one_may_be_and_nothing_else_does(app):
    page = app.test_client().get("/desk/sign-in").text
    assert DEMO_PASSWORD in page
    assert all(each.username in page for each in DEMO_SIGN_INS)
    app.extensions["settings"] = replace(app.extensions["settings"], demo=False)
    page = app.test_client().get("/desk/sign-in").text
    assert DEMO_PASSWORD not in page and DEMO_SIGN_INS[0].username not in page


def test_an_unknown_name_a_wrong_password_and_a_stopped_account_get_the_same_answer(app):
    with transaction() as session:
        session.query(Staff).filter_by(username="hzreview").one().active = False
    bodies = set()
    for username, password in (("nobody", PASSWORD), ("qinlang", "wrong-password"), ("hzreview", PASSWORD)):
        answer = enter(app.test_client(), username, password)
        assert answer.status_code == 422
        bodies.add(without_what_was_typed(answer.get_data(as_text=True), username))
    assert len(bodies) == 1
    assert service.WrongPassword.text in bodies.pop()


def without_what_was_typed(page: str, username: str) -> str:
    lines = (line for line in page.replace(f'value="{username}"', "").splitlines())
    return "\n".join(line for line in lines if "csrf" not in line and "server-time" not in line)


def test_the_fifth_wrong_try_is_the_last_one_even_for_a_name_that_does_not_exist(app):
    for username in ("qinlang", "nobody"):
        answers = [enter(app.test_client(), username, "wrong-password").status_code for _ in range(6)]
        assert answers == [422] * 5 + [429]
    assert enter(app.test_client(), "qinlang").status_code == 429, "not even the right password"
    assert enter(app.test_client(), "fangyi").status_code == 302, "others at the same address may"


def test_tries_from_one_address_are_limited_whatever_the_name(app):
    for n in range(service.TRIES_FROM_AN_ADDRESS):
        with transaction() as session:
            session.add(SignInTry(name_index=f"{n:032}", address="127.0.0.1", at=datetime.now(UTC)))
    assert enter(app.test_client(), "fangyi").status_code == 429


def test_a_success_forgets_the_wrong_tries_and_the_trail_says_how_many_there_were(app):
    client = app.test_client()
    enter(client, password="wrong-password")
    enter(client, password="wrong-password")
    enter(client)
    with reading() as session:
        assert session.query(SignInTry).count() == 0
        assert session.query(StaffEvent).one().detail == "此前失败 2 次"


def test_empty_fields_are_said_at_the_field(app):
    answer = enter(app.test_client(), "", "")
    assert answer.status_code == 422
    assert "请输入用户名" in answer.get_data(as_text=True)


def test_signing_in_goes_on_to_the_page_that_was_asked_for(app):
    client = app.test_client()
    asked = client.get("/review?business=add_trading_code", headers={"Accept": "text/html"})
    assert asked.location.startswith("/desk/sign-in?next=")
    answer = client.post(asked.location, data={"username": "qinlang", "password": PASSWORD})
    assert answer.location == "/review?business=add_trading_code"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\r\nX: y",
        "evil",
        "/\t/evil.example",
    ],
)
def test_nobody_is_sent_to_another_house(elsewhere):
    assert local_address(elsewhere) is None


@pytest.mark.parametrize("here", ["/review", "/review/2026112000001?x=1#y"])
def test_paths_of_this_house_are_kept(here):
    assert local_address(here) == here


def test_signing_out_ends_the_session_everywhere(app):
    client = app.test_client()
    enter(client)
    copy = client.get_cookie("desk").value
    client.post("/desk/sign-out")
    thief = app.test_client()
    thief.set_cookie("desk", copy)
    assert thief.get("/review", headers={"Accept": "text/html"}).location.startswith("/desk/sign-in")


def test_signing_in_starts_a_new_session(app):
    """TRUST 17: what the cookie held before is dead."""
    client = app.test_client()
    enter(client)
    first = client.get_cookie("desk").value
    enter(client)
    old = app.test_client()
    old.set_cookie("desk", first)
    assert old.get("/review").status_code == 404
    assert client.get("/review").status_code == 200


def test_an_ended_sign_in_is_refused_at_the_next_request(app, as_staff):
    client = as_staff("qinlang")
    assert client.get("/review").status_code == 200
    with transaction() as session:
        session.query(SignIn).one().ended_at = datetime.now(UTC)
    assert client.get("/review").status_code == 404


def test_a_role_taken_away_counts_from_the_next_request_on(as_staff):
    client = as_staff("qinlang")
    with transaction() as session:
        session.query(Staff).filter_by(username="qinlang").one().roles = ["witness"]
    assert client.get("/review").status_code == 404
