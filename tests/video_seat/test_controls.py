"""Microphones, cameras and texts: what one side does is told to the other, kept, and counts."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from console.video_seat import controls, service, texts, timeline
from console.video_seat.controls import State
from console.video_seat.models import CallEventKind, CheckResult, Verdict, VideoSession
from console.video_seat.timeline import Switch, Why
from tests.video_seat.given import all_in_order, at, said, talking


def reports(
    session: Session,
    call: VideoSession,
    minutes: float,
    *,
    microphone: State = State.ON,
    camera: State = State.ON,
    side: str = timeline.INVESTOR,
) -> bool:
    states = {Switch.MICROPHONE: microphone, Switch.CAMERA: camera}
    return controls.report(session, call, side, states, at(minutes, f"{side}:1"))


# --- microphones and cameras


def test_what_a_page_reports_again_is_written_once(session: Session) -> None:
    call = talking(session)
    assert not reports(session, call, 1), "everything is on from the start"
    assert reports(session, call, 2, microphone=State.OFF)
    assert not reports(session, call, 3, microphone=State.OFF)
    assert not reports(session, call, 4, microphone=State.DEVICE), "off is off, whatever the reason"
    assert reports(session, call, 5)
    kinds = [event.kind for event in call.events if event.side == timeline.INVESTOR]
    assert kinds == [CallEventKind.RECORDING, CallEventKind.MUTED, CallEventKind.UNMUTED]


def test_each_side_and_each_device_stands_for_itself(session: Session) -> None:
    call = talking(session)
    reports(session, call, 1, microphone=State.OFF)
    reports(session, call, 2, camera=State.DEVICE, side=timeline.WITNESS)
    assert controls.shown(call) == {
        "investor": {"microphone": "off", "camera": "on"},
        "witness": {"microphone": "on", "camera": "device"},
    }


def test_a_muted_stretch_is_no_gap_but_can_be_found(session: Session) -> None:
    call = talking(session)
    reports(session, call, 2, microphone=State.OFF)
    reports(session, call, 3)
    (stretch,) = timeline.stretches(call, timeline.INVESTOR, Switch.MICROPHONE)
    assert stretch.ended is not None and stretch.ended - stretch.began == timedelta(minutes=1)
    assert timeline.uncovered(call, at(2.5).at) is None


def test_what_lasts_when_the_call_ends_ends_with_it(session: Session) -> None:
    call = talking(session)
    reports(session, call, 2, microphone=State.OFF)
    service.technical_failure(session, call, at(4))
    assert timeline.stretches(call, timeline.INVESTOR, Switch.MICROPHONE)[0].ended == at(4).at


def test_an_item_answered_while_the_investors_camera_was_off_locks_the_verdict_until_it_is_asked_again(
    session: Session, tmp_path: Path
) -> None:
    call = talking(session)
    reports(session, call, 3.5, camera=State.AWAY)
    reports(session, call, 4.5)
    all_in_order(session, call, tmp_path)
    with pytest.raises(service.ItemsMissing) as refused:
        service.pass_video(session, call, at(11))
    assert refused.value.text == "还不能通过。第 4 项发生在投资者关闭摄像头期间，请打开后再问一次。"
    gap = timeline.uncovered(call, at(4).at)
    assert gap is not None and gap.why is Why.CAMERA
    service.mark(session, call, "id_original", CheckResult.OK, at(12))
    service.pass_video(session, call, at(13))
    assert call.verdict is Verdict.PASSED


def test_a_page_whose_clock_lags_does_not_prove_anything_before_a_dark_camera(session: Session) -> None:
    call = talking(session)
    reports(session, call, 3, camera=State.OFF)
    made = service.mark(session, call, "own_will", CheckResult.OK, at(3.1), at=at(2.9).at)
    assert made.at == at(3.1).at
    gap = timeline.uncovered(call, made.at)
    assert gap is not None and gap.why is Why.CAMERA


def test_a_dark_camera_and_a_broken_line_are_told_apart(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    reports(session, call, 2.5, camera=State.OFF)
    reports(session, call, 3.5)
    all_in_order(session, call, tmp_path)
    said(session, call, CallEventKind.LOST, 5.5, segment=1, since=at(4.9).at.isoformat())
    said(session, call, CallEventKind.RECORDING, 5.6, segment=2)
    with pytest.raises(service.ItemsMissing) as refused:
        service.pass_video(session, call, at(11))
    assert "第 3 项发生在投资者关闭摄像头期间" in refused.value.text
    assert "第 5 项发生在断线期间" in refused.value.text


def test_the_witness_without_a_camera_locks_nothing(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    reports(session, call, 1, camera=State.OFF, side=timeline.WITNESS)
    all_in_order(session, call, tmp_path)
    service.pass_video(session, call, at(11))
    assert call.verdict is Verdict.PASSED


# --- texts


def test_a_text_is_kept_with_its_words_which_nobody_reads_in_the_table(session: Session) -> None:
    call = talking(session)
    texts.send(session, call, "text-0001", "  请靠近一点，\n正对摄像头 ", at(2))
    (kept,) = texts.of(call)
    assert (kept.text, kept.at) == ("请靠近一点， 正对摄像头", at(2).at)
    (event,) = [each for each in call.events if each.kind is CallEventKind.TEXT_SENT]
    assert "靠近" not in str(event.facts)


def test_a_text_that_is_sent_again_is_the_same_text(session: Session) -> None:
    call = talking(session)
    first = texts.send(session, call, "text-0001", "请稍候", at(2))
    assert texts.send(session, call, "text-0001", "别的话", at(3)) == first
    assert len(texts.of(call)) == 1


def test_a_text_is_shown_long_enough_to_be_read_and_no_longer(session: Session) -> None:
    call = talking(session)
    sent = texts.send(session, call, "text-0001", "请稍候", at(2))
    assert texts.shown(call, at(2.3).at) == sent and sent.left(at(2.3).at) == 7
    assert texts.shown(call, at(2.5).at) is None, "also for a page that is loaded again"


@pytest.mark.parametrize("words", ["", "   ", "字" * 121])
def test_a_text_has_words_and_not_too_many(session: Session, words: str) -> None:
    call = talking(session)
    with pytest.raises(texts.NoText):
        texts.send(session, call, "text-0001", words, at(2))
    assert texts.of(call) == []


def test_texts_come_no_faster_than_they_can_be_read(session: Session) -> None:
    call = talking(session)
    for n in range(texts.MOST):
        texts.send(session, call, f"text-000{n}", "请稍候", at(2 + n / 60))
    with pytest.raises(texts.TooManyTexts):
        texts.send(session, call, "text-0009", "请稍候", at(2.3))
    texts.send(session, call, "text-0009", "请稍候", at(2.6))
