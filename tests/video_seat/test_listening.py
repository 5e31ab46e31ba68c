"""What both pages hear when a call breaks: the nodes' words taken in, dead nodes and closed pages noticed, calls given up once."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import select

from console import db
from console.cases.models import CaseEvent
from console.video_seat import line, listening, presence
from console.video_seat.line import Terms
from console.video_seat.listening import Listener
from console.video_seat.media import Media
from console.video_seat.models import CallEvent, CallEventKind, RecordingAnchor, VideoSession
from tests.video_seat.conftest import Socket, Witness
from tests.video_seat.node import PretendNode
from tests.video_seat.test_sockets import connected, the_call

Open, OpenInvestor = Callable[[str], Witness], Callable[..., Socket]
GRACE = timedelta(seconds=30)
on_postgresql = pytest.mark.databases("postgresql")


@pytest.fixture
def listener(redis: Redis) -> Listener:
    return Listener(redis, Terms(GRACE), node_patience=0, page_patience=0)


@contextmanager
def another_node(redis_url: str, tmp_path: Path) -> Iterator[PretendNode]:
    other = PretendNode(redis_url, tmp_path / "other", "node-2")
    try:
        yield other
    finally:
        other.stop()


def last(page: Socket, *events: str) -> dict[str, Any]:
    """The last push about the call among these."""
    return [push for push in page.heard("call") if push["event"] in events][-1]


def test_both_pages_hear_who_was_lost_how_long_is_left_and_who_is_back(
    listener: Listener, node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, page, call = connected(witness, investor)
    listener.catch_up()
    node.say(call, "investor", "lost", segment=1)
    assert listener.catch_up() == 1
    for each in (seat, page):
        told = last(each, "lost", "back")
        assert (told["event"], told["session_no"], told["away"]) == ("lost", call, ["investor"])
        assert 28 < told["left"] <= 30
    assert page.ask("call_state")["away"] == seat.act("line", call=call)["away"] == ["investor"]
    page.offer("again")
    listener.catch_up()
    for each in (seat, page):
        assert last(each, "lost", "back") | {"case_no": ""} == {
            "case_no": "", "event": "back", "session_no": call, "away": [], "gone": [], "left": None, "grace": 30,
        }  # fmt: skip


def test_what_one_process_has_taken_in_is_written_and_told_once(
    redis: Redis, node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, _, call = connected(witness, investor)
    node.say(call, "investor", "lost", segment=1)
    for _ in range(2):
        for each in (Listener(redis, Terms(GRACE)), Listener(redis, Terms(GRACE))):
            each.catch_up()
    with db.reading() as session:
        kinds = list(session.scalars(select(CallEvent.kind).where(CallEvent.side == "investor").order_by(CallEvent.id)))
    assert kinds == [CallEventKind.CONNECTED, CallEventKind.RECORDING, CallEventKind.LOST]
    assert [push["event"] for push in seat.heard("call")].count("lost") == 1


def test_nonsense_and_calls_of_nobody_stop_nothing(
    listener: Listener, node: PretendNode, redis: Redis, witness: Open, investor: OpenInvestor
) -> None:
    seat, _, call = connected(witness, investor)
    redis.xadd("media:happened", {"body": "no json"})
    redis.xadd("media:happened", {"something": "else"})
    node.say("nobody-1", "investor", "lost", segment=1)
    node.say(call, "investor", "sneezed")
    node.say(call, "witness", "lost", segment=1)
    listener.catch_up()
    assert last(seat, "lost")["away"] == ["witness"]


def test_how_far_recordings_are_is_kept_once_by_whichever_process_hears_it(
    redis: Redis, listener: Listener, node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    _, _, call = connected(witness, investor)
    head = {"call": call, "side": "investor", "segment": 1, "began": datetime.now(UTC).isoformat(), "at_ms": 4000}
    for links in (5, 6):
        told = {"node": "node-1", "heads": [head | {"links": links, "hash": "a" * 64}]}
        redis.xadd("media:anchors", {"body": json.dumps(told)})
        redis.xadd("media:anchors", {"body": "nonsense"})
    assert listener.anchor(datetime.now(UTC)) == 2 and listener.anchor(datetime.now(UTC)) == 0
    redis.delete("media:anchored")
    assert Listener(redis, Terms(GRACE)).anchor(datetime.now(UTC)) == 0, "known already"
    with db.reading() as session:
        assert [row.links for row in session.scalars(select(RecordingAnchor))] == [5, 6]


def test_a_side_that_does_not_come_back_gives_its_place_to_the_head_of_the_queue(
    listener: Listener, node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, page, call = connected(witness, investor)
    node.say(call, "investor", "lost", segment=1)
    listener.catch_up()
    assert listener.look_after(datetime.now(UTC) + timedelta(seconds=29)) == []
    later = datetime.now(UTC) + timedelta(seconds=31)
    assert [each.session_no for each in listener.look_after(later)] == [call]
    assert listener.look_after(later) == []
    assert last(seat, "ended")["why"] == "dropped"
    assert (page.heard("case")[-1]["status"], page.ask("place")["place"]) == ("in_queue", 1)
    assert node.has_ended(call) and seat.act("heartbeat")["state"] == "online"
    assert page.offer("too late")["code"] == "call_over"


def test_a_dead_nodes_call_goes_to_another_node_and_both_sides_are_told_to_connect_there(
    listener: Listener, node: PretendNode, redis_url: str, tmp_path: Path, witness: Open, investor: OpenInvestor
) -> None:
    seat, page, call = connected(witness, investor)
    listener.catch_up()
    node.stop()
    listener.look_after(datetime.now(UTC))  # nobody to take it: both are away, and wait
    assert last(seat, "lost")["away"] == ["investor", "witness"]
    with another_node(redis_url, tmp_path):
        listener._redis.delete(f"media:leaving:{call}:1")
        listener.look_after(datetime.now(UTC))
        assert last(seat, "moved")["session_no"] == last(page, "moved")["session_no"] == call
        assert page.offer("again")["sdp"] == "answer of node-2 to again"
        assert seat.offer("again", call=call)["sdp"] == "answer of node-2 to again"
        listener.catch_up()
        assert last(seat, "back")["away"] == []
        assert (the_call().node, the_call().epoch) == ("node-2", 2)


def test_a_node_that_was_restarted_has_lost_its_calls_and_both_sides_connect_again(
    listener: Listener, node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, page, call = connected(witness, investor)
    listener.catch_up()
    node.say("", "", "started", since=datetime.now(UTC).isoformat())
    listener.catch_up()
    assert last(seat, "moved")["away"] == last(page, "moved")["away"] == ["investor", "witness"]
    page.offer("again")
    seat.offer("again", call=call)
    listener.catch_up()
    assert last(seat, "back")["away"] == []
    assert (the_call().node, the_call().epoch) == ("node-1", 1)


def test_a_call_that_its_node_does_not_take_goes_to_one_that_does(
    node: PretendNode, redis_url: str, tmp_path: Path, witness: Open, investor: OpenInvestor
) -> None:
    _seat, page, _call = connected(witness, investor)
    node.refuses = "draining"
    with another_node(redis_url, tmp_path):
        node._redis.delete(f"media:node:{node.name}")
        node._redis.hset(f"media:node:{node.name}", mapping={"free": 0, "calls": 1, "cpu": "0", "draining": 1})
        assert page.offer("again")["sdp"] == "answer of node-2 to again"
    assert the_call().node == "node-2"


def test_a_closed_page_is_missed_and_a_new_one_brings_the_call_back(
    app: Any, listener: Listener, witness: Open, investor: OpenInvestor
) -> None:
    seat, page, _call = connected(witness, investor)
    listener.catch_up()
    listener.look_after(datetime.now(UTC))
    page.close()
    listener.look_after(datetime.now(UTC))
    assert last(seat, "lost")["away"] == ["investor"]
    again = investor("周晚晴", case=False)
    listener.look_after(datetime.now(UTC))
    assert last(again, "back")["away"] == []


def test_pages_of_a_killed_process_count_no_more(redis: Redis) -> None:
    assert presence.there(redis, "case:1") is None
    redis.hset("presence:case:1", "another/socket", 1)
    assert presence.there(redis, "case:1") is False
    redis.set("presence:process:another", 1)
    assert presence.there(redis, "case:1") is True


@on_postgresql
def test_returning_at_the_very_end_of_the_grace_either_saves_the_call_or_finds_it_ended(
    redis: Redis, node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    _seat, _page, call = connected(witness, investor)
    terms, media = Terms(GRACE), Media(redis)
    for round_ in range(8):
        now = datetime.now(UTC)
        with db.transaction() as session:
            current = line.held(session, call)
            assert current is not None
            line.heard(session, current, CallEventKind.LOST, now, "investor", now, terms)
        outcome: list[str] = []
        start = threading.Barrier(3)

        def give_up(start: threading.Barrier = start, outcome: list[str] = outcome, at: datetime = now + GRACE) -> None:
            start.wait()
            outcome.extend("dropped" for _ in listening.end_overdue(media, terms, at))

        def come_back(start: threading.Barrier = start, outcome: list[str] = outcome) -> None:
            start.wait()
            with db.transaction() as session:
                current = line.held(session, call)
                if current is not None:
                    at = datetime.now(UTC)
                    line.heard(session, current, CallEventKind.CONNECTED, at, "investor", at, terms, segment=9)
                    outcome.append("saved")

        threads = [threading.Thread(target=act) for act in (give_up, give_up, come_back)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(outcome) == 1, (round_, outcome)
        if outcome == ["dropped"]:
            break
    with db.reading() as session:
        ended = session.scalars(select(VideoSession).where(VideoSession.session_no == call)).one().ended_at is not None
        returned = session.scalars(select(CaseEvent).where(CaseEvent.action == "return_to_queue")).all()
    assert len(returned) == int(ended)


# --- the relay, and what the pages say afterwards


def test_both_sides_of_a_call_get_credentials_for_the_relay_and_no_page_shows_them(
    app: Flask, witness: Open, investor: OpenInvestor, as_investor: Callable[[str], FlaskClient]
) -> None:
    settings = app.extensions["settings"]
    app.extensions["settings"] = replace(settings, turn_urls=("turn:relay.example",), turn_secret="hush")
    seat, page, call = connected(witness, investor)
    for who, told in (("witness", seat.act("ice", call=call)), ("investor", page.ask("ice"))):
        [server] = told["servers"]
        expiry, _, name = server["username"].partition(":")
        assert (server["urls"], name) == (["turn:relay.example"], f"{who}-{call}")
        assert 0 < int(expiry) - datetime.now(UTC).timestamp() <= 600
    html = seat.client.get("/seat").text + as_investor("周晚晴").get(f"/case/{call[:-2]}/video").text
    assert call in html and "relay.example" not in html and "credential" not in html
    seat.act("technical_failure", call=call)
    assert page.ask("ice")["code"] == seat.act("ice", call=call)["code"] == "call_over"


def test_without_a_relay_nothing_is_handed_out(witness: Open, investor: OpenInvestor) -> None:
    seat, page, call = connected(witness, investor)
    assert seat.act("ice", call=call) == page.ask("ice") == {"servers": []}


def test_after_a_call_was_given_up_both_pages_say_what_happened(
    listener: Listener,
    node: PretendNode,
    witness: Open,
    investor: OpenInvestor,
    as_investor: Callable[[str], FlaskClient],
) -> None:
    seat, _page, call = connected(witness, investor)
    node.say(call, "investor", "lost", segment=1)
    listener.catch_up()
    listener.look_after(datetime.now(UTC) + timedelta(seconds=31))
    waiting = as_investor("周晚晴").get(f"/case/{call[:-2]}/video").text
    assert "上次通话中断超过 30 秒" in waiting and "片刻后再呼叫您" in waiting
    idle = seat.client.get("/seat").text
    assert "周晚晴的通话已交回队列" in idle and "投资者的连接中断超过 30 秒" in idle


def test_after_a_technical_failure_the_waiting_page_says_so(
    witness: Open, investor: OpenInvestor, as_investor: Callable[[str], FlaskClient]
) -> None:
    seat, _page, call = connected(witness, investor)
    seat.act("technical_failure", call=call)
    waiting = as_investor("周晚晴").get(f"/case/{call[:-2]}/video").text
    assert "上次通话因技术故障结束" in waiting
    assert "已交回队列" not in seat.client.get("/seat").text
