"""预计等待 on the investor's page: what it says on joining is kept, and it tells how often such words came true."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from console.db import reading, transaction
from console.people.models import Branch
from console.queues import seats
from console.queues.models import SeatState
from console.queues.promises import WaitPromise
from tests.portal import ways
from tests.portal.ways import CHANGE
from tests.queues.given import online
from tests.queues.history import called


@pytest.fixture
def case_no(app: Flask) -> str:
    """周晚晴 before the video; the one witness is in a call, and twenty people were told 1 to 6 minutes: five waited longer."""
    now = datetime.now(UTC)
    with transaction() as session:
        branch_id = session.scalars(select(Branch.id).where(Branch.code == "SH01")).one()
        for n in range(20):
            joined = now - timedelta(hours=2, minutes=n)
            waited = 9 if n < 5 else 4
            ticket = called(session, branch_id, joined + timedelta(minutes=waited), minutes=6, waited=waited)
            session.add(WaitPromise(ticket_id=ticket.id, branch_id=branch_id, made_at=joined, ahead=0, low=1, high=6))
        seats.enter(session, online(session, at=now), SeatState.IN_CALL, now)
    case_no = ways.case_of("周晚晴", CHANGE)
    ways.skip_to(case_no, "certificate_check")
    return case_no


def test_joining_keeps_what_the_page_says(case_no: str, as_investor) -> None:
    client: FlaskClient = as_investor("周晚晴")
    ways.hand_in(client, case_no, "certificate_check", serials="")
    client.post(f"/case/{case_no}/video/join")
    page = client.get(f"/case/{case_no}/video").text
    with reading() as session:
        made = session.scalars(select(WaitPromise).order_by(WaitPromise.ticket_id.desc())).first()
        assert made is not None and session.query(WaitPromise).count() == 21
    assert f"{made.low} 至 {made.high} <small>分钟</small>" in page
    assert "近 30 天 75% 准确" in page
