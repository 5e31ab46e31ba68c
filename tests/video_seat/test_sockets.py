"""The two sides of a call as their pages speak to the server."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from console import db, live
from console.cases.models import Case, Status
from console.cases.service import abandon
from console.evidence.models import Evidence, Kind
from console.people.models import SignIn
from console.queues.models import SeatState, Ticket, TicketState
from console.video_seat.models import Verdict, VideoSession
from console.video_seat.script import Item, items_of
from tests.video_seat.conftest import Socket, Witness
from tests.video_seat.node import PretendNode
from tests.world import staff_named, stamp

# The rules themselves run on both databases (test_calls.py); here PostgreSQL, which refuses to write where only reading was opened.
pytestmark = pytest.mark.databases("postgresql")
Open = Callable[[str], Witness]
OpenInvestor = Callable[..., Socket]


def the_call() -> VideoSession:
    with db.reading() as session:
        return session.scalars(select(VideoSession).order_by(VideoSession.id.desc())).first() or pytest.fail("no call")


def status_of(case_no: str) -> Status:
    with db.reading() as session:
        return session.scalars(select(Case).where(Case.case_no == case_no)).one().status


def connected(witness: Open, investor: OpenInvestor) -> tuple[Witness, Socket, str]:
    """A witness and 周晚晴 in a call, both pictures on."""
    seat, page = witness("luwenshan").sit(), investor("周晚晴")
    page.ask("join_queue")
    call = seat.act("answer_next")["call"]
    page.ask("acknowledge")
    page.offer("mine")
    seat.offer("hers", call=call)
    return seat, page, call


# --- the queue


def test_the_seat_hears_who_joins_and_the_investor_hears_the_answer(witness: Open, investor: OpenInvestor) -> None:
    seat, page = witness("luwenshan").sit(), investor("周晚晴")
    place = page.ask("join_queue")
    assert (place["status"], place["place"], place["waiting"]) == ("in_queue", 1, 1)
    assert seat.heard("queue")[-1]["waiting"] == 1
    assert seat.act("answer_next")["call"] is not None
    assert page.heard("case")[-1]["status"] == "in_video"
    assert seat.heard("queue")[-1]["waiting"] == 0


def test_joining_twice_gives_the_same_ticket(investor: OpenInvestor) -> None:
    page = investor("周晚晴")
    assert page.ask("join_queue")["ticket"] == page.ask("join_queue")["ticket"]


def test_a_closed_tab_keeps_the_place(investor: OpenInvestor, queued: Callable[[str], str]) -> None:
    queued("许砚青")
    page = investor("周晚晴")
    before = page.ask("join_queue")
    page.close()
    again = investor("周晚晴", case=False)
    assert again.ask("place") == before and before["place"] == 2


def test_leaving_the_queue_moves_the_others_up(investor: OpenInvestor) -> None:
    first, second = investor("许砚青"), investor("周晚晴")
    first.ask("join_queue")
    assert second.ask("join_queue")["place"] == 2
    assert first.ask("leave_queue")["status"] == "with_investor"
    assert second.heard("queue")[-1]["waiting"] == 1
    assert second.ask("place")["place"] == 1


def test_abandoning_from_another_device_is_told_to_the_waiting_page_and_the_seat(
    witness: Open, investor: OpenInvestor
) -> None:
    seat, page = witness("luwenshan").sit(), investor("周晚晴")
    page.ask("join_queue")
    with db.transaction() as session:
        abandon(session.scalars(select(Case)).one(), stamp("investor:1"))
    assert page.heard("case")[-1]["status"] == "abandoned"
    assert seat.heard("queue")[-1]["waiting"] == 0
    assert seat.act("answer_next") == {"call": None, "url": "/seat"}


def test_somebody_elses_case_is_not_there(investor: OpenInvestor, queued: Callable[[str], str]) -> None:
    other = queued("许砚青")
    page = investor("周晚晴")
    for event in ("join_queue", "leave_queue", "place", "acknowledge", "call_state", "hang_up"):
        assert page.ask(event, case_no=other)["code"] == "404"
    assert page.ask("offer", case_no=other, sdp="x")["code"] == "404"
    assert status_of(other) is Status.IN_QUEUE


# --- the seat


def test_without_a_licence_in_date_nobody_goes_online(witness: Open) -> None:
    page = witness("luwenshan")
    with db.transaction() as session:
        staff_named(session, "luwenshan").licence_until = date(2026, 11, 1)
    page.fence = page.ask("sit")["fence"]
    assert page.act("state", state="online")["code"] == "licence_missing"
    assert page.act("heartbeat")["state"] == "offline"


def test_a_second_page_takes_the_seat_and_the_first_is_told_and_refused(
    app: Flask, witness: Open, queued: Callable[[str], str]
) -> None:
    queued("周晚晴")
    first = witness("luwenshan").sit()
    second = Witness(app, first.client).sit()
    assert first.heard("seat")[-1]["fence"] > first.fence
    assert first.act("answer_next")["code"] == "seat_lost"
    assert first.act("heartbeat")["code"] == "seat_lost"
    assert second.act("answer_next")["call"] is not None


def test_every_act_of_a_stale_page_in_a_call_is_refused(app: Flask, witness: Open, investor: OpenInvestor) -> None:
    seat, _, call = connected(witness, investor)
    Witness(app, seat.client).ask("sit")
    for event, payload in (
        ("offer", {"sdp": "x"}),
        ("snapshot", {"kind": "snapshot_face"}),
        ("ask", {"item": "own_will"}),
        ("mark", {"item": "own_will", "result": "ok"}),
        ("note", {"text": "x"}),
        ("pass", {}),
        ("reject", {"reasons": ["card_mismatch"]}),
        ("technical_failure", {}),
    ):
        assert seat.act(event, call=call, **payload)["code"] == "seat_lost", event
    assert the_call().ended_at is None


def test_without_a_media_node_nobody_is_answered(
    node: PretendNode, redis_url: str, witness: Open, queued: Callable[[str], str]
) -> None:
    case_no = queued("周晚晴")
    seat = witness("luwenshan").sit()
    node._redis.delete(f"media:node:{node.name}")
    assert seat.act("answer_next")["code"] == "media_away"
    assert status_of(case_no) is Status.IN_QUEUE


def test_an_empty_queue_or_a_stale_page_holds_no_place_at_the_media_node(
    node: PretendNode, witness: Open, queued: Callable[[str], str]
) -> None:
    node.free = 1
    node.beat()
    seat = witness("luwenshan").sit()
    assert seat.act("answer_next")["call"] is None
    assert seat.act("answer_next", fence=0)["code"] == "seat_lost"
    queued("周晚晴")
    assert seat.act("answer_next")["call"] is not None
    queued("许砚青")
    other = witness("weiyinuo").sit()
    assert other.act("answer_next")["code"] == "media_away"  # the place of a call that did begin is kept for its offer


def test_a_witness_of_another_branch_neither_hears_nor_picks_nor_touches(
    witness: Open, investor: OpenInvestor, queued: Callable[[str], str]
) -> None:
    stranger = witness("hangzhou").sit()
    seat, page = witness("luwenshan").sit(), investor("周晚晴")
    page.ask("join_queue")
    with db.reading() as session:
        ticket_id = session.scalars(select(Ticket)).one().id
    assert stranger.act("answer", ticket=ticket_id, why="班长安排")["code"] == "404"
    assert stranger.act("answer_next")["call"] is None
    call = seat.act("answer_next")["call"]
    for event, payload in (("offer", {"sdp": "x"}), ("snapshot", {"kind": "snapshot_face"}), ("technical_failure", {})):
        assert stranger.act(event, call=call, **payload)["code"] == "404"
    assert stranger.heard("queue") == []
    assert the_call().ended_at is None


def test_a_colleague_of_the_same_branch_has_no_part_in_the_call(witness: Open, investor: OpenInvestor) -> None:
    _, _, call = connected(witness, investor)
    colleague = witness("weiyinuo").sit()
    assert colleague.act("pass", call=call)["code"] == "404"
    assert colleague.offer("x", call=call)["code"] == "404"


def test_a_socket_of_a_signed_out_witness_is_refused_and_closed(witness: Open) -> None:
    seat = witness("luwenshan").sit()
    with db.transaction() as session:
        for row in session.scalars(select(SignIn)):
            row.ended_at = row.started_at
    assert seat.ask("sit")["code"] == "signed_out"
    assert not seat.open


def test_reviewers_and_investors_have_no_seat(
    app: Flask, as_staff: Callable[[str], FlaskClient], as_investor: Callable[[str], FlaskClient], node: PretendNode
) -> None:
    for client in (as_staff("qinlang"), as_investor("周晚晴")):
        assert not Socket(app, client, live.SEAT).open


def test_nonsense_from_a_page_is_refused_and_changes_nothing(witness: Open, investor: OpenInvestor) -> None:
    seat, page, call = connected(witness, investor)
    for event, payload in (
        ("state", {"state": "asleep"}),
        ("state", {"state": "in_call"}),
        ("answer", {"ticket": "1"}),
        ("offer", {"call": call}),
        ("offer", {"call": call, "sdp": "x" * 70_000}),
        ("snapshot", {"call": call, "kind": "recording"}),
        ("mark", {"call": call, "item": "own_will", "result": "perhaps"}),
        ("mark", {"call": call, "item": "own_will", "result": "ok", "at": "2026-11-20T10:00:00"}),
        ("reject", {"call": call, "reasons": "card_mismatch"}),
    ):
        assert seat.act(event, **payload)["code"] == "bad_payload", (event, payload)
    assert page.ask("offer", sdp=7)["code"] == "bad_payload"
    assert the_call().ended_at is None


BY_HAND: tuple[tuple[str, dict[str, Any]], ...] = (
    ("state", {"state": "break"}),
    ("answer_next", {}),
    ("answer", {"ticket": 1, "why": "x"}),
    ("snapshot", {"kind": "snapshot_face"}),
    ("ask", {"item": "own_will"}),
    ("mark", {"item": "own_will", "result": "ok"}),
    ("check", {"fields": ["name"], "seen": ["x"], "result": "ok"}),
    ("note", {"text": "x"}),
    ("say", {"id": "say-00001", "text": "x"}),
    ("ask_digits", {"id": "digits-001"}),
    ("ask_sms", {"id": "sms-00001"}),
    ("judge_digits", {"id": "digits-001", "right": True}),
    ("withdraw_challenge", {"id": "digits-001", "reason": "by_mistake"}),
    ("ask_help", {"reason": "x"}),
    ("pass", {}),
    ("reject", {"reasons": ["card_mismatch"]}),
    ("technical_failure", {}),
    ("suspect", {"signs": ["prompted"]}),
)


def test_what_was_pressed_before_the_line_broke_does_nothing_when_it_arrives(
    witness: Open, investor: OpenInvestor
) -> None:
    seat, _, call = connected(witness, investor)
    before, old = the_call(), (datetime.now(UTC) - timedelta(seconds=9)).isoformat()
    for event, payload in BY_HAND:
        assert seat.act(event, call=call, pressed=old, **payload)["code"] == "pressed_before", event
        for none in ({}, {"pressed": None}, {"pressed": "now"}, {"pressed": "2026-11-20T10:00:00"}):
            assert seat.ask(event, fence=seat.fence, call=call, **none, **payload)["code"] == "bad_payload", event
    with db.reading() as session:
        after = session.get_one(VideoSession, before.id)
        assert (after.ended_at, after.marks, after.internal_note) == (None, [], "")
        assert session.scalars(select(Evidence)).all() == []
    assert "id" in seat.act("snapshot", call=call, kind="snapshot_face"), "pressed now it does"


# --- the call


def questions() -> tuple[Item, ...]:
    """Those of the one call that there is."""
    with db.reading() as session:
        return items_of(session.scalars(select(VideoSession)).one())


def test_both_offers_reach_the_node_and_come_back_as_answers(
    node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, _, call = connected(witness, investor)
    assert node.calls[call] == {"investor", "witness"}
    assert seat.offer("again", call=call) == {"sdp": "answer of node-1 to again"}


def test_nothing_of_the_investor_is_connected_before_the_consent(
    node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, page = witness("luwenshan").sit(), investor("周晚晴")
    page.ask("join_queue")
    call = seat.act("answer_next")["call"]
    state = page.ask("call_state")
    assert (state["witness"], state["licence_no"], state["acknowledged_at"]) == ("陆文珊", "F0300127", None)
    assert page.offer("mine")["code"] == "not_acknowledged"
    assert call not in node.calls
    assert page.ask("acknowledge")["acknowledged_at"] is not None
    assert seat.heard("call")[-1]["event"] == "acknowledged"
    assert "sdp" in page.offer("mine")


def test_a_snapshot_is_kept_and_leaves_the_spool(node: PretendNode, witness: Open, investor: OpenInvestor) -> None:
    seat, _, call = connected(witness, investor)
    kept = seat.act("snapshot", call=call, kind="snapshot_face")
    with db.reading() as session:
        evidence = session.scalars(select(Evidence)).one()
        assert (evidence.public_id, evidence.kind) == (kept["id"], Kind.SNAPSHOT_FACE)
    assert list(node.spool.rglob("*.png")) == []
    shown = seat.client.get(kept["url"])
    assert shown.status_code == 200 and shown.mimetype.startswith("image/")


def test_a_snapshot_that_is_refused_leaves_no_picture_behind(
    node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, _, call = connected(witness, investor)
    assert seat.act("snapshot", call=call, kind="snapshot_face", fence=0)["code"] == "seat_lost"
    assert list(node.spool.rglob("*.png")) == []


def test_a_snapshot_before_the_investor_is_there_says_so(witness: Open, investor: OpenInvestor) -> None:
    seat, page = witness("luwenshan").sit(), investor("周晚晴")
    page.ask("join_queue")
    call = seat.act("answer_next")["call"]
    refused = seat.act("snapshot", call=call, kind="snapshot_face")
    assert refused == {"error": "投资者还没有接通，不能抓拍。", "code": "media_refused"}


def test_marking_an_item_changes_what_the_investor_is_asked_to_do(witness: Open, investor: OpenInvestor) -> None:
    seat, page, call = connected(witness, investor)
    first, second = questions()[:2]
    assert page.ask("call_state")["cue"] == first.cue
    assert seat.act("mark", call=call, item=first.key, result="ok") == {"marked": True}
    assert page.heard("call")[-1]["event"] == "marked"
    assert page.ask("call_state")["cue"] == second.cue


def test_pass_is_refused_while_items_are_missing_then_ends_the_call_everywhere(
    node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, page, call = connected(witness, investor)
    assert seat.act("pass", call=call)["code"] == "items_missing"
    seat.act("snapshot", call=call, kind="snapshot_face")
    seat.act("snapshot", call=call, kind="snapshot_id_front")
    seat.act("snapshot", call=call, kind="snapshot_id_back")
    for item in questions():
        seat.act("mark", call=call, item=item.key, result="ok")
    page.heard("case")
    assert seat.act("pass", call=call)["call"] == call
    assert page.heard("case")[-1] == {"case_no": call[:-2], "status": "with_investor", "step": "certificate"}
    assert node.has_ended(call)
    assert the_call().verdict is Verdict.PASSED
    assert seat.act("heartbeat")["state"] == "online"


def test_rejecting_with_two_reasons_moves_the_investors_page_by_itself(
    node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, page, call = connected(witness, investor)
    page.heard("case")
    assert seat.act("reject", call=call, reasons=["no_such"])["code"] == "unknown_reason"
    assert seat.act("reject", call=call, reasons=["card_mismatch", "id_photo_blurred"], remark="请重拍")["call"] == call
    assert page.heard("case")[-1]["step"] == "photos"
    assert node.has_ended(call)


def test_a_technical_failure_puts_the_investor_back_at_the_head(
    node: PretendNode, witness: Open, investor: OpenInvestor
) -> None:
    seat, page, call = connected(witness, investor)
    seat.act("technical_failure", call=call)
    assert page.ask("place")["place"] == 1
    assert node.has_ended(call)
    assert seat.act("answer_next")["call"] != call


def test_an_investor_who_hangs_up_can_come_back_until_the_witness_ends_the_call(
    witness: Open, investor: OpenInvestor
) -> None:
    seat, page, call = connected(witness, investor)
    told = page.ask("hang_up")
    assert told["away"] == told["gone"] == ["investor"] and 28 < told["left"] <= 30
    pushed = seat.heard("call")[-1]
    assert (pushed["event"], pushed["gone"]) == ("left", ["investor"])
    assert page.ask("hang_up")["left"] <= told["left"]
    assert seat.act("line", call=call)["gone"] == ["investor"]
    assert "sdp" in page.offer("again")
    seat.act("technical_failure", call=call)
    assert page.offer("again")["code"] == "call_over"


def test_a_call_goes_on_at_another_node_when_its_node_died(
    node: PretendNode, redis_url: str, tmp_path: Path, witness: Open, investor: OpenInvestor
) -> None:
    seat, page, call = connected(witness, investor)
    node.stop()
    other = PretendNode(redis_url, tmp_path / "other", "node-2")
    try:
        assert page.offer("again")["sdp"] == "answer of node-2 to again"
        assert seat.offer("again", call=call)["sdp"] == "answer of node-2 to again"
        assert (the_call().node, the_call().epoch) == ("node-2", 2)
    finally:
        other.stop()


def test_the_state_of_a_seat_is_told_to_the_colleagues(witness: Open) -> None:
    colleague = witness("weiyinuo").sit()
    colleague.heard("seats")
    witness("luwenshan").sit(SeatState.BREAK)
    assert colleague.heard("seats") != []


def test_picking_out_of_order_through_the_page(witness: Open, queued: Callable[[str], str]) -> None:
    queued("许砚青")
    case_no = queued("周晚晴")
    seat = witness("luwenshan").sit()
    with db.reading() as session:
        ticket = session.scalars(select(Ticket).order_by(Ticket.id.desc())).first()
        assert ticket is not None
    assert seat.act("answer", ticket=ticket.id)["code"] == "why_missing"
    assert seat.act("answer", ticket=ticket.id, why="班长安排")["call"] == f"{case_no}-1"
    with db.reading() as session:
        assert session.get_one(Ticket, ticket.id).state is TicketState.ANSWERED
