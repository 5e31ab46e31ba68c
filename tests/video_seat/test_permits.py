"""An offer counts with a permit: once, within a minute, for one call and side, from the sign-in it was given to (TRUST 3)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import func, select, update

from console import db, live
from console.people.models import SignIn
from console.video_seat import permits
from console.video_seat.models import CallPermit, VideoSession
from tests.video_seat.conftest import Socket, Witness
from tests.video_seat.node import PretendNode
from tests.video_seat.test_sockets import Open, OpenInvestor, connected, the_call
from tests.world import stamp

REFUSED = "permit_refused"


def kept() -> int:
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(CallPermit)) or 0


def test_a_permit_is_good_for_one_offer(witness: Open, investor: OpenInvestor) -> None:
    seat, page, call = connected(witness, investor)
    for who, more in ((seat, {"call": call}), (page, {})):
        permit = who.act("permit", **more)["permit"]
        assert "sdp" in who.act("offer", sdp="first", permit=permit, **more)
        assert who.act("offer", sdp="second", permit=permit, **more)["code"] == REFUSED
    assert kept() == 0


def test_an_offer_without_a_permit_never_reaches_the_node(
    node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, page = witness("luwenshan").sit(), investor("周晚晴")
    page.ask("join_queue")
    call = seat.act("answer_next")["call"]
    page.ask("acknowledge")
    for permit in ({}, {"permit": ""}, {"permit": "made up"}, {"permit": 7}, {"permit": None}):
        assert seat.act("offer", call=call, sdp="x", **permit)["code"] == REFUSED
        assert page.ask("offer", sdp="x", **permit)["code"] == REFUSED
    assert call not in node.calls


def test_a_permit_is_for_its_own_side_and_its_own_call(witness: Open, investor: OpenInvestor) -> None:
    seat, page, call = connected(witness, investor)
    other_seat, other_page = witness("weiyinuo").sit(), investor("许砚青")
    other_page.ask("join_queue")
    other = other_seat.act("answer_next")["call"]
    other_page.ask("acknowledge")
    of_seat, of_page = seat.act("permit", call=call)["permit"], page.ask("permit")["permit"]
    assert seat.act("offer", call=call, sdp="x", permit=of_page)["code"] == REFUSED
    assert page.ask("offer", sdp="x", permit=of_seat)["code"] == REFUSED
    assert other_seat.act("offer", call=other, sdp="x", permit=of_seat)["code"] == REFUSED
    assert other_page.ask("offer", sdp="x", permit=of_page)["code"] == REFUSED
    assert "sdp" in seat.act("offer", call=call, sdp="x", permit=of_seat), "whoever tried it elsewhere spoiled nothing"


def test_a_permit_is_for_the_sign_in_that_asked_for_it(
    app: Flask, witness: Open, investor: OpenInvestor, as_investor: Callable[[str], FlaskClient]
) -> None:
    _, page, _ = connected(witness, investor)
    elsewhere = Socket(app, as_investor("周晚晴"), live.PORTAL)
    permit = page.ask("permit")["permit"]
    assert elsewhere.ask("offer", sdp="x", permit=permit)["code"] == REFUSED
    assert "sdp" in elsewhere.offer("x"), "with a permit of its own it may"


def test_a_permit_runs_out_within_a_minute(witness: Open, investor: OpenInvestor) -> None:
    seat, _, call = connected(witness, investor)
    permit = seat.act("permit", call=call)["permit"]
    with db.transaction() as session:
        row = session.scalars(select(CallPermit)).one()
        assert row.expires_at - datetime.now(UTC) <= timedelta(seconds=60)
        session.execute(update(CallPermit).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert seat.act("offer", call=call, sdp="x", permit=permit)["code"] == REFUSED
    assert "sdp" in seat.offer("x", call=call)
    assert kept() == 0, "what ran out is thrown away when the next one is asked for"


def test_a_permit_holds_when_redis_forgets_everything(
    redis: Redis, node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, _, call = connected(witness, investor)
    permit, used = seat.act("permit", call=call)["permit"], seat.act("permit", call=call)["permit"]
    seat.act("offer", call=call, sdp="x", permit=used)
    redis.flushall()
    node.beat()
    assert seat.act("offer", call=call, sdp="x", permit=used)["code"] == REFUSED
    assert "sdp" in seat.act("offer", call=call, sdp="x", permit=permit)


def test_no_permit_before_the_consent_nor_after_the_end(witness: Open, investor: OpenInvestor) -> None:
    seat, page = witness("luwenshan").sit(), investor("周晚晴")
    page.ask("join_queue")
    call = seat.act("answer_next")["call"]
    assert page.ask("permit")["code"] == "not_acknowledged"
    seat.act("technical_failure", call=call)
    assert seat.act("permit", call=call)["code"] == page.ask("permit")["code"] == "call_over"


def test_a_stale_page_and_a_colleague_get_no_permit(app: Flask, witness: Open, investor: OpenInvestor) -> None:
    seat, _, call = connected(witness, investor)
    assert witness("weiyinuo").sit().act("permit", call=call)["code"] == "404"
    Witness(app, seat.client).ask("sit")
    assert seat.act("permit", call=call)["code"] == "seat_lost"


def test_the_database_keeps_no_permit_that_somebody_who_reads_it_could_use(
    witness: Open, investor: OpenInvestor
) -> None:
    seat, _, call = connected(witness, investor)
    permit = seat.act("permit", call=call)["permit"]
    with db.reading() as session:
        row = session.scalars(select(CallPermit)).one()
    assert permit not in row.token and seat.act("offer", call=call, sdp="x", permit=row.token)["code"] == REFUSED


@pytest.mark.databases("sqlite", "postgresql")
def test_of_two_who_use_a_permit_at_once_one_is_refused(witness: Open, investor: OpenInvestor) -> None:
    connected(witness, investor)
    call = the_call()
    with db.transaction() as session:
        sign_in = session.scalars(select(SignIn.id)).first() or pytest.fail("nobody")
        given = [
            permits.issue(session, session.get_one(VideoSession, call.id), "witness", sign_in, now()) for _ in "abc"
        ]
    both = Barrier(2)

    def use(permit: str) -> bool:
        both.wait()
        try:
            with db.transaction() as session:
                permits.use(session, permit, call, "witness", sign_in, now())
        except permits.PermitRefused:
            return False
        return True

    with ThreadPoolExecutor(2) as hands:
        for permit in given:
            assert sorted(hands.map(use, [permit, permit])) == [False, True]


def now():  # type: ignore[no-untyped-def]
    return stamp("staff:1", datetime.now(UTC))
