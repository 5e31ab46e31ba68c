"""What the two pages of a call tell each other besides pictures: switches, network, texts, challenges."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from console import db
from console.people.models import OutgoingSms
from console.portal import calls
from console.video_seat.models import CallEventKind, VideoSession
from tests.video_seat.conftest import Socket, Witness
from tests.video_seat.test_sockets import connected

pytestmark = pytest.mark.databases("postgresql")
Open = Callable[[str], Witness]
OpenInvestor = Callable[..., Socket]
ON = {"microphone": "on", "camera": "on"}


def happened(kind: CallEventKind) -> int:
    with db.reading() as session:
        call = session.scalars(select(VideoSession)).one()
        return sum(event.kind is kind for event in call.events)


def messages() -> list[str]:
    with db.reading() as session:
        return [each.text for each in session.scalars(select(OutgoingSms).order_by(OutgoingSms.id))]


# --- microphones, cameras, network


def test_each_side_hears_what_the_other_turned_off_and_finds_it_after_coming_back(
    witness: Open, investor: OpenInvestor
) -> None:
    seat, page, call = connected(witness, investor)
    assert page.ask("switch", microphone="off", camera="away") == {"new": True}
    told = seat.heard("call")[-1]
    assert (told["event"], told["switches"]["investor"]) == ("switched", {"microphone": "off", "camera": "away"})
    assert page.ask("switch", microphone="off", camera="away") == {"new": False}
    assert seat.heard("call") == []
    assert seat.act("switch", call=call, microphone="on", camera="off") == {"new": True}
    assert page.heard("call")[-1]["switches"]["witness"]["camera"] == "off"
    assert (
        page.ask("call_state")["switches"]
        == seat.act("line", call=call)["switches"]
        == told["switches"] | {"witness": {"microphone": "on", "camera": "off"}}
    )
    assert page.ask("switch", **ON) == {"new": True}
    assert (happened(CallEventKind.MUTED), happened(CallEventKind.CAMERA_ON)) == (1, 1)


def test_the_network_of_the_investor_reaches_the_seat_at_most_every_two_seconds_and_is_kept_nowhere(
    witness: Open, investor: OpenInvestor
) -> None:
    seat, page, call = connected(witness, investor)
    assert page.ask("network", bars=2, rtt=210, loss=3.5) == {"told": True}
    assert seat.heard("network") == [{"session_no": call, "bars": 2, "rtt": 210, "loss": 3.5}]
    assert page.ask("network", bars=1, rtt=None, loss=None) == {"told": False}
    assert seat.heard("network") == []
    calls._network_told[call] -= calls.NETWORK_EVERY
    assert page.ask("network", bars=1, rtt=None, loss=None) == {"told": True}
    with db.reading() as session:
        assert {event.kind.value for event in session.scalars(select(VideoSession)).one().events} <= {"page_back"}


# --- what is asked


def test_both_pages_show_the_question_that_is_asked_again(witness: Open, investor: OpenInvestor) -> None:
    seat, page, call = connected(witness, investor)
    for item in ("name_shown", "recording_agreed"):
        seat.act("mark", call=call, item=item, result="ok")
    before = page.ask("call_state")
    page.heard("call"), seat.heard("call")
    assert seat.act("ask", call=call, item="id_original") == {"asked": True}
    hint = {"case_no": call[:-2], "event": "asked", "session_no": call}
    assert page.heard("call") == seat.heard("call") == [hint]
    asked = page.ask("call_state")
    assert asked["cue"] != before["cue"] and asked["frame"]
    assert asked["cue"] in seat.client.get("/seat/parts/script").text
    seat.act("ask", call=call, item="id_original")
    assert page.heard("call") == []
    seat.act("ask_digits", call=call, id="digits-001")
    script = seat.client.get("/seat/parts/script").text
    assert asked["cue"] not in script and "投资者屏幕上显示：口令" in script
    seat.act("judge_digits", call=call, id="digits-001", right=True)
    seat.act("mark", call=call, item="recording_agreed", result="ok")
    assert page.ask("call_state")["cue"] == before["cue"]
    assert seat.act("ask", call=call, item="nothing")["code"] == "unknown_item"


# --- texts


def test_a_text_reaches_the_page_that_asks_after_the_hint(witness: Open, investor: OpenInvestor) -> None:
    seat, page, call = connected(witness, investor)
    sent = seat.act("say", call=call, id="text-0001", text="请靠近一点")
    assert page.heard("call")[-1] == {"case_no": call[:-2], "event": "text", "session_no": call}
    shown = page.ask("call_state")["text"]
    assert (shown["id"], shown["text"]) == ("text-0001", "请靠近一点") and 20 < shown["left"] <= 25
    assert seat.act("say", call=call, id="text-0001", text="请靠近一点") == sent
    assert happened(CallEventKind.TEXT_SENT) == 1
    assert seat.act("say", call=call, id="text-0002", text=" ")["code"] == "no_text"


# --- challenges


def test_digits_are_shown_to_the_investor_until_the_witness_says_how_they_were_read(
    witness: Open, investor: OpenInvestor
) -> None:
    seat, page, call = connected(witness, investor)
    asked = seat.act("ask_digits", call=call, id="digits-001")["challenge"]
    assert page.heard("call")[-1]["event"] == "challenge"
    assert page.ask("call_state")["challenge"] == asked and asked["digits"]
    judged = seat.act("judge_digits", call=call, id="digits-001", right=True)["challenge"]
    assert judged["result"] == "right"
    assert page.ask("call_state")["challenge"] is None
    assert seat.act("judge_digits", call=call, id="digits-001", right=False)["code"] == "judged_otherwise"


def test_a_code_goes_to_the_registered_phone_and_the_seat_hears_each_try(
    app: Flask, witness: Open, investor: OpenInvestor, capfd: pytest.CaptureFixture[str]
) -> None:
    seat, page, call = connected(witness, investor)
    shown = seat.act("ask_sms", call=call, id="sms-00001")["challenge"]
    seat.act("ask_sms", call=call, id="sms-00001")
    (text,) = messages()
    code = re.findall(r"\d{6}", text)[0]
    assert shown["digits"] == "" and page.ask("call_state")["challenge"]["kind"] == "sms"
    refused = f"{(int(code) + 1) % 1_000_000:06d}"
    seat.heard("call")
    assert page.ask("answer_code", id="sms-00001", attempt="attempt-1", code=refused)["challenge"]["left"] == 2
    assert seat.heard("call")[-1]["event"] == "challenge"
    assert page.ask("answer_code", id="sms-00001", attempt="attempt-2", code=code)["challenge"]["result"] == "right"
    assert page.ask("answer_code", id="sms-00001", attempt="attempt-3", code=code)["code"] == "challenge_over"
    assert seat.act("ask_sms", call=call, id="sms-00002")["code"] == "too_many_sms"
    said = capfd.readouterr()
    assert code not in said.out + said.err


# --- the gate


def test_a_challenge_is_withdrawn_for_a_reason_of_the_register_only(witness: Open, investor: OpenInvestor) -> None:
    seat, page, call = connected(witness, investor)
    seat.act("ask_digits", call=call, id="digits-001")
    for reason in ("", "no_such", "prompted"):
        answer = seat.act("withdraw_challenge", call=call, id="digits-001", reason=reason)
        assert answer["code"] == "unknown_short_reason"
    withdrawn = seat.act("withdraw_challenge", call=call, id="digits-001", reason="by_mistake")["challenge"]
    assert withdrawn["result"] == "lapsed" and page.ask("call_state")["challenge"] is None


def test_only_the_two_of_the_call_touch_it(witness: Open, investor: OpenInvestor) -> None:
    _, page, call = connected(witness, investor)
    stranger, other = witness("weiyinuo").sit(), investor("许砚青")
    for event, payload in (
        ("switch", ON),
        ("say", {"id": "text-0001", "text": "x"}),
        ("ask_digits", {"id": "digits-001"}),
        ("ask_sms", {"id": "sms-00001"}),
        ("judge_digits", {"id": "digits-001", "right": True}),
    ):
        assert stranger.act(event, call=call, **payload)["code"] == "404", event
    for event, payload in (
        ("switch", ON),
        ("network", {"bars": 3}),
        ("answer_code", {"id": "sms-00001", "attempt": "attempt-1", "code": "123456"}),
    ):
        assert other.ask(event, case_no=call[:-2], **payload)["code"] == "404", event
    assert page.heard("call")[-1]["event"] == "joined"


def test_nothing_is_said_or_asked_before_the_consent_nor_after_the_end(witness: Open, investor: OpenInvestor) -> None:
    seat, page = witness("luwenshan").sit(), investor("周晚晴")
    page.ask("join_queue")
    call = seat.act("answer_next")["call"]
    acts = (("say", {"id": "text-0001", "text": "x"}), ("ask_digits", {"id": "digits-001"}))
    for event, payload in acts:
        assert seat.act(event, call=call, **payload)["code"] == "not_acknowledged", event
    page.ask("acknowledge")
    seat.act("ask_digits", call=call, id="digits-001")
    seat.act("technical_failure", call=call)
    for event, payload in (*acts, ("judge_digits", {"id": "digits-001", "right": True}), ("switch", ON)):
        assert seat.act(event, call=call, **payload)["code"] == "call_over", event
    for event, payload in (("switch", ON), ("network", {"bars": 3})):
        assert page.ask(event, **payload)["code"] == "call_over", event


def test_nonsense_is_refused(witness: Open, investor: OpenInvestor) -> None:
    seat, page, call = connected(witness, investor)
    for event, payload in (
        ("switch", {"microphone": "on"}),
        ("switch", {"microphone": "on", "camera": "broken"}),
        ("say", {"id": "short", "text": "x"}),
        ("say", {"id": "text-0001", "text": 7}),
        ("ask_digits", {"id": "digits 001; drop"}),
        ("judge_digits", {"id": "digits-001", "right": "yes"}),
    ):
        assert seat.act(event, call=call, **payload)["code"] == "bad_payload", (event, payload)
    for event, payload in (
        ("network", {"bars": 9}),
        ("network", {"bars": 3, "rtt": "slow"}),
        ("network", {"bars": 3, "loss": float("nan")}),
        ("switch", {"camera": None}),
        ("answer_code", {"id": "sms-00001", "attempt": "attempt-1", "code": 123456}),
    ):
        assert page.ask(event, **payload)["code"] == "bad_payload", (event, payload)
