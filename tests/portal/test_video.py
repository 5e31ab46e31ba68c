"""开始视频通话 by form and by socket: one rule for both."""

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from console import live
from console.cases.models import Status
from console.config import VideoHours
from console.local_time import LOCAL
from tests.portal import ways
from tests.portal.ways import CHANGE


@pytest.fixture
def case_no(app: Flask) -> str:
    case_no = ways.case_of("周晚晴", CHANGE)
    ways.skip_to(case_no, "certificate_check")
    return case_no


@pytest.fixture
def investor(case_no: str, as_investor) -> FlaskClient:
    client: FlaskClient = as_investor("周晚晴")
    ways.hand_in(client, case_no, "certificate_check", serials="")
    return client


@pytest.fixture
def closed(app: Flask) -> VideoHours:
    """Hours that begin two hours from now, whenever this is run."""
    opens = (datetime.now(LOCAL) + timedelta(hours=2)).time().replace(second=0, microsecond=0)
    hours = VideoHours(opens, time((opens.hour + 1) % 24, opens.minute))
    app.extensions["settings"] = replace(app.extensions["settings"], video_hours=hours)
    return hours


def test_in_the_hours_the_page_says_how_many_wait(investor: FlaskClient, case_no: str) -> None:
    page = investor.get(f"/case/{case_no}/video").text
    assert "人排队" in page and "data-opens-in" not in page


def test_outside_the_hours_the_page_says_when_it_opens(investor: FlaskClient, case_no: str, closed: VideoHours) -> None:
    page = investor.get(f"/case/{case_no}/video").text
    assert f"{closed.opens:%H:%M} 开始排队" in page
    assert "data-opens-in" in page


def test_outside_the_hours_joining_is_refused_with_the_same_words(
    app: Flask, investor: FlaskClient, case_no: str, closed: VideoHours
) -> None:
    by_form = investor.post(f"/case/{case_no}/video/join", headers=ways.JSON)
    socket = live.socketio.test_client(app, namespace=live.PORTAL, flask_test_client=investor)
    by_socket = socket.emit("join_queue", {"case_no": case_no}, namespace=live.PORTAL, callback=True)
    assert (by_form.status_code, by_form.get_json()) == (409, by_socket)
    assert f"{closed.opens:%H:%M} 开始排队" in by_socket["error"]
    assert ways.look(case_no).status is Status.WITH_INVESTOR
