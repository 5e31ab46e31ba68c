"""口令: digits read aloud, codes typed on the page. Each is kept with its result; none is written over."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from console.cases.models import CaseEvent
from console.cases.trail import Happening
from console.people.models import SmsCode
from console.video_seat import challenges, service, timeline
from console.video_seat.challenges import Challenge, Result
from console.video_seat.locks import Locks
from console.video_seat.models import CallEventKind, VideoSession
from tests.video_seat.given import at, said, talking


def asked(session: Session, call: VideoSession, minutes: float, name: str = "sms-00001") -> tuple[Challenge, str]:
    """A challenge by text message, and the code that was sent."""
    challenge, text = challenges.ask_sms(session, call, name, at(minutes))
    return challenge, (re.findall(r"\d{6}", text) or [""])[0]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"


def typed(session: Session, call: VideoSession, code: str, minutes: float, attempt: str, name: str = "sms-00001"):  # type: ignore[no-untyped-def]
    mark = at(minutes, f"investor:{call.case.investor_id}")
    return challenges.answer_sms(session, call, name, attempt, code, mark)


# --- digits


def test_digits_are_four_to_six_and_differ_from_time_to_time(session: Session) -> None:
    call = talking(session)
    shown = [challenges.ask_digits(session, call, f"digits-{n:03}", at(1 + n)).digits for n in range(12)]
    assert {len(digits) for digits in shown} <= {4, 5, 6} and all(digits.isdigit() for digits in shown)
    assert len(set(shown)) > 6


def test_digits_that_were_read_are_kept_with_who_judged_them_and_the_moment(session: Session) -> None:
    call = talking(session)
    shown = challenges.ask_digits(session, call, "digits-001", at(2))
    challenges.judge_digits(session, call, "digits-001", True, at(2.2))
    (kept,) = challenges.of(call, at(9).at)
    assert (kept.digits, kept.by, kept.result, kept.moment) == (shown.digits, "staff:1", Result.RIGHT, at(2.2).at)
    assert kept.title == f"读数字 {' '.join(shown.digits)}：读对"


def test_a_result_is_not_changed_afterwards_but_may_be_said_again(session: Session) -> None:
    call = talking(session)
    challenges.ask_digits(session, call, "digits-001", at(2))
    said = challenges.judge_digits(session, call, "digits-001", False, at(2.2))
    assert challenges.judge_digits(session, call, "digits-001", False, at(3)) == said
    with pytest.raises(challenges.JudgedOtherwise):
        challenges.judge_digits(session, call, "digits-001", True, at(3))
    challenges.ask_digits(session, call, "digits-002", at(4))
    challenges.judge_digits(session, call, "digits-002", True, at(4.2))
    assert [each.result for each in challenges.of(call, at(9).at)] == [Result.WRONG, Result.RIGHT]


def test_asking_twice_by_one_name_is_asking_once(session: Session) -> None:
    call = talking(session)
    first = challenges.ask_digits(session, call, "digits-001", at(2))
    assert challenges.ask_digits(session, call, "digits-001", at(2.1)) == first


def test_the_next_challenge_the_time_and_the_end_of_the_call_each_end_one(session: Session) -> None:
    call = talking(session)
    challenges.ask_digits(session, call, "digits-001", at(2))
    challenges.ask_digits(session, call, "digits-002", at(3))
    with pytest.raises(challenges.ChallengeOver):
        challenges.judge_digits(session, call, "digits-001", True, at(3.1))
    assert (now := challenges.outstanding(call, at(3.5).at)) and now.id == "digits-002"
    assert challenges.outstanding(call, at(8.1).at) is None, "after five minutes"
    challenges.ask_digits(session, call, "digits-003", at(9))
    service.technical_failure(session, call, at(9.5))
    assert challenges.outstanding(call, at(9.6).at) is None
    assert {each.result for each in challenges.of(call, at(9.6).at)} == {Result.LAPSED}


def test_what_was_asked_before_a_conversation_began_again_is_void(session: Session) -> None:
    call = talking(session)
    challenges.ask_digits(session, call, "digits-001", at(2))
    call.acknowledged_at = None
    assert challenges.outstanding(call, at(2.5).at) is None


# --- text messages


def test_the_right_code_ends_the_challenge_and_is_nowhere_to_be_read(session: Session) -> None:
    call = talking(session)
    challenge, code = asked(session, call, 2)
    assert challenge.result is None and code
    assert typed(session, call, f" {code[:3]} {code[3:]} ", 2.5, "attempt-1").result is Result.RIGHT
    trail = session.scalars(select(CaseEvent).where(CaseEvent.case_id == call.case_id)).all()
    written = [str(event.facts) for event in call.events] + [str(line.detail) for line in trail]
    assert not [each for each in written if code in each]
    assert any(line.action == "challenged" and line.detail["result"] == "right" for line in trail)


def test_three_wrong_codes_are_the_end_of_it_even_for_the_right_one(session: Session) -> None:
    call = talking(session)
    _, code = asked(session, call, 2)
    left = [typed(session, call, wrong(code), 2.1 + n / 10, f"attempt-{n}").left for n in range(3)]
    assert left == [2, 1, 0]
    with pytest.raises(challenges.ChallengeOver):
        typed(session, call, code, 2.5, "attempt-9")
    assert [each.result for each in challenges.of(call, at(3).at)] == [Result.WRONG]


def test_a_try_that_is_sent_again_counts_once(session: Session) -> None:
    call = talking(session)
    _, code = asked(session, call, 2)
    assert typed(session, call, wrong(code), 2.1, "attempt-1").left == 2
    assert typed(session, call, wrong(code), 2.2, "attempt-1").left == 2


def test_what_is_no_code_at_all_is_no_try(session: Session) -> None:
    call = talking(session)
    asked(session, call, 2)
    for nonsense in ("", "12345", "abcdef", "１２３４５６"):
        with pytest.raises(challenges.NoDigits):
            typed(session, call, nonsense, 2.1, "attempt-1")
    assert challenges.of(call, at(3).at)[0].left == 3


def test_a_code_is_good_for_five_minutes(session: Session) -> None:
    call = talking(session)
    _, code = asked(session, call, 2)
    with pytest.raises(challenges.ChallengeOver):
        typed(session, call, code, 7, "attempt-1")


def test_a_phone_gets_one_message_a_minute_and_a_repeated_request_none(session: Session) -> None:
    call = talking(session)
    first, _ = asked(session, call, 2)
    assert asked(session, call, 2.1) == (first, "")
    with pytest.raises(challenges.TooManyCodes):
        asked(session, call, 2.5, "sms-00002")
    _, code = asked(session, call, 3.1, "sms-00002")
    assert code
    assert [each.result for each in challenges.of(call, at(3.2).at)] == [Result.LAPSED, None]


def test_a_code_for_signing_in_is_none_for_the_call(session: Session) -> None:
    call = talking(session)
    _, code = asked(session, call, 2)
    session.execute(update(SmsCode).values(purpose="sign_in:1"))
    assert typed(session, call, code, 2.5, "attempt-1").result is None


def test_the_digits_of_a_message_do_not_stand_in_the_timeline_as_a_challenge_of_reading(session: Session) -> None:
    call = talking(session)
    asked(session, call, 2)
    with pytest.raises(challenges.ChallengeOver):
        challenges.judge_digits(session, call, "sms-00001", True, at(2.1))
    kinds = {event.kind for event in call.events}
    assert CallEventKind.SMS_ASKED in kinds and CallEventKind.DIGITS_ASKED not in kinds


def test_a_challenge_that_nobody_recorded_can_be_told(session: Session) -> None:
    call = talking(session)
    challenges.ask_digits(session, call, "digits-001", at(3))
    timeline.happened(session, call, CallEventKind.LOST, at(2.5).at, "investor", segment=1)
    (kept,) = challenges.of(call, at(3).at + timedelta(seconds=1))
    assert timeline.uncovered(call, kept.moment) is not None


# --- met or withdrawn


def owed(session: Session, call: VideoSession, minutes: float) -> list[str]:
    """Why they lock 通过."""
    return [ask.why for ask in Locks(session, call, at(minutes)).asks if ask.title.startswith("口令")]


def test_what_was_asked_locks_pass_until_it_is_met(session: Session) -> None:
    call = talking(session)
    assert owed(session, call, 1) == []
    challenges.ask_digits(session, call, "digits-001", at(2))
    assert len(owed(session, call, 2.1)) == 1
    challenges.judge_digits(session, call, "digits-001", False, at(2.2))
    assert owed(session, call, 3) == ["读错，须重做，或写明原因撤回"]
    challenges.ask_digits(session, call, "digits-002", at(4))
    challenges.judge_digits(session, call, "digits-002", True, at(4.2))
    assert owed(session, call, 5) == []


def test_a_code_that_nobody_typed_is_owed_beside_digits_that_were_read_right(session: Session) -> None:
    call = talking(session)
    _, code = asked(session, call, 1)
    challenges.ask_digits(session, call, "digits-001", at(2))
    challenges.judge_digits(session, call, "digits-001", True, at(2.2))
    assert owed(session, call, 3) == ["没有结果，须重做，或写明原因撤回"]
    assert [each.title.partition(" ")[0] for each in challenges.shown(call, at(3).at)] == [
        "读数字",
        "短信验证码：没有结果",
    ]
    _, code = asked(session, call, 4, "sms-00002")
    typed(session, call, code, 4.5, "try-00001", "sms-00002")
    assert owed(session, call, 5) == []


def test_a_code_that_was_typed_right_is_seen_before_digits_that_are_still_owed(session: Session) -> None:
    call = talking(session)
    challenges.ask_digits(session, call, "digits-001", at(2))
    challenges.judge_digits(session, call, "digits-001", False, at(2.2))
    _, code = asked(session, call, 3)
    assert [each.result for each in challenges.shown(call, at(3.1).at)] == [None, Result.WRONG]
    typed(session, call, code, 3.5, "attempt-1")
    assert [each.result for each in challenges.shown(call, at(4).at)] == [Result.RIGHT, Result.WRONG]


def test_what_is_withdrawn_for_a_reason_is_owed_no_more_and_keeps_its_result(session: Session) -> None:
    call = talking(session)
    challenges.ask_digits(session, call, "digits-001", at(2))
    challenges.judge_digits(session, call, "digits-001", False, at(2.2))
    for _ in "twice":
        gone = challenges.withdraw(session, call, "digits-001", "误发", at(3))
    assert (gone.result, gone.withdrawn, owed(session, call, 4)) == (Result.WRONG, "误发", [])
    assert gone.title.endswith("：读错，撤回：误发")
    asked(session, call, 5)
    assert challenges.withdraw(session, call, "sms-00001", "收不到短信", at(6)).result is Result.LAPSED
    assert (owed(session, call, 7), challenges.outstanding(call, at(6).at)) == ([], None)
    lines = session.scalars(select(CaseEvent).where(CaseEvent.action == Happening.CHALLENGED)).all()
    assert [(line.detail["result"], line.detail.get("why")) for line in lines] == [
        ("wrong", None),
        ("withdrawn", "误发"),
        ("withdrawn", "收不到短信"),
    ]


def test_what_is_met_or_unknown_cannot_be_withdrawn(session: Session) -> None:
    call = talking(session)
    challenges.ask_digits(session, call, "digits-001", at(2))
    challenges.judge_digits(session, call, "digits-001", True, at(2.2))
    with pytest.raises(challenges.ChallengeMet):
        challenges.withdraw(session, call, "digits-001", "误发", at(3))
    with pytest.raises(challenges.ChallengeOver):
        challenges.withdraw(session, call, "digits-009", "误发", at(3))


def test_digits_that_nobody_recorded_are_asked_again(session: Session) -> None:
    call = talking(session)
    said(session, call, CallEventKind.LOST, 2, since=at(2).at.isoformat(), segment=1)
    challenges.ask_digits(session, call, "digits-001", at(2.1))
    challenges.judge_digits(session, call, "digits-001", True, at(2.2))
    said(session, call, CallEventKind.RECORDING, 3, segment=2)
    assert owed(session, call, 4) == ["发生在断线期间，请再问一次"]


def test_what_a_conversation_asked_that_began_again_is_not_owed(session: Session) -> None:
    call = talking(session)
    challenges.ask_digits(session, call, "digits-001", at(2))
    call.acknowledged_at = at(3).at
    assert owed(session, call, 4) == []
