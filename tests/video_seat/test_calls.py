from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from console.cases.models import CaseEvent, Reason, Status
from console.cases.service import abandon
from console.cases.trail import Happening
from console.cases.transitions import IllegalTransition, UnknownReason
from console.evidence import service as evidence
from console.evidence.models import Kind
from console.queues import seats
from console.queues import service as queues
from console.queues.models import Priority, Seat, SeatState, Ticket
from console.video_seat import service
from console.video_seat.locks import Locks
from console.video_seat.models import CheckResult, Verdict, VideoSession
from tests.queues.given import to_the_video
from tests.video_seat.given import INVESTOR, WITNESS, all_in_order, answered, at, snapped, talking
from tests.world import AT

pytestmark = pytest.mark.databases("sqlite", "postgresql")


def lines(session: Session, call: VideoSession) -> list[str]:
    return list(session.scalars(select(CaseEvent.action).where(CaseEvent.case_id == call.case_id)))


def seat(session: Session) -> Seat:
    return session.scalars(select(Seat)).one()


# --- the beginning


def test_answering_opens_one_call_that_names_the_witness_as_a_person(session: Session) -> None:
    call = answered(session)
    assert call.witness_person == call.witness.person and call.witness_person != f"staff:{call.witness_id}"
    assert service.live_call_of(session, call.witness_id) is call
    assert service.live_call_on(session, call.case) is call
    assert Happening.CALL_STARTED in lines(session, call)


def test_the_database_knows_one_live_call_a_case_and_a_witness(session: Session) -> None:
    call = answered(session)
    twin = {"case_id": call.case_id, "ticket_id": call.ticket_id, "witness_person": "x", "started_at": AT}
    with pytest.raises(IntegrityError), session.begin_nested():
        session.add(VideoSession(session_no="x", witness_id=call.witness_id, **twin))
        session.flush()


def test_the_investors_consent_is_kept_with_its_time_and_counts_once(session: Session) -> None:
    call = talking(session)
    service.acknowledge(session, call, at(9, "investor:1"))
    assert call.acknowledged_at == AT + timedelta(seconds=30)
    assert lines(session, call).count(Happening.RECORDING_AGREED) == 1


def test_nothing_is_marked_before_the_consent(session: Session) -> None:
    with pytest.raises(service.NotAcknowledged):
        service.mark(session, answered(session), "own_will", CheckResult.OK, at(1))


# --- evidence


def test_a_snapshot_is_kept_as_evidence_of_the_case_and_written_into_the_trail(
    session: Session, tmp_path: Path
) -> None:
    call = talking(session)
    shot = snapped(session, call, Kind.SNAPSHOT_FACE, tmp_path)
    assert evidence.clear_bytes(shot).startswith(b"\x89PNG")
    assert (shot.facts["session"], shot.media_type, shot.width) == (call.session_no, "image/png", 64)
    assert service.snapshots(session, call) == [shot]
    assert Happening.SNAPSHOT_TAKEN in lines(session, call)


def test_an_item_proved_by_a_picture_takes_the_latest_fitting_snapshot(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    with pytest.raises(service.SnapshotMissing):
        service.mark(session, call, "same_person", CheckResult.OK, at(1))
    snapped(session, call, Kind.SNAPSHOT_ID, tmp_path)
    with pytest.raises(service.SnapshotMissing):
        service.mark(session, call, "same_person", CheckResult.OK, at(1))
    snapped(session, call, Kind.SNAPSHOT_FACE, tmp_path)
    better = snapped(session, call, Kind.SNAPSHOT_FACE, tmp_path)
    assert service.mark(session, call, "same_person", CheckResult.OK, at(2)).snapshots == [better]


def test_a_snapshot_of_an_earlier_call_proves_nothing_now(session: Session, tmp_path: Path) -> None:
    first = talking(session)
    old = snapped(session, first, Kind.SNAPSHOT_FACE, tmp_path)
    ticket = service.technical_failure(session, first, at(3))
    now = again(session, ticket)
    with pytest.raises(service.SnapshotMissing):
        service.mark(session, now, "same_person", CheckResult.OK, at(6), snapshot=old)


def again(session: Session, ticket: Ticket) -> VideoSession:
    assert seats.answer_next(session, seat(session), at(5)) is ticket
    call = service.start(session, ticket, seat(session), "node-1", at(5))
    return service.acknowledge(session, call, at(5, "investor:1"))


def test_an_unknown_item_is_refused(session: Session) -> None:
    with pytest.raises(service.UnknownItem):
        service.mark(session, talking(session), "shoe_size", CheckResult.OK, at(1))


def test_a_moment_lies_inside_the_recording_whatever_the_browser_says(session: Session) -> None:
    call = talking(session)
    early = service.mark(session, call, "own_will", CheckResult.OK, at(3), at=AT - timedelta(hours=2))
    late = service.mark(session, call, "own_will", CheckResult.OK, at(3), at=AT + timedelta(hours=2))
    assert (early.at, late.at) == (call.acknowledged_at, AT + timedelta(minutes=3))


def test_the_latest_mark_of_an_item_counts(session: Session) -> None:
    call = talking(session)
    service.mark(session, call, "own_will", CheckResult.PROBLEM, at(1), reason="unclear")
    assert [ask.number for ask in Locks(session, call, WITNESS).problems] == [5]
    service.mark(session, call, "own_will", CheckResult.OK, at(2))
    assert Locks(session, call, WITNESS).problems == []


@pytest.mark.parametrize("reason", ["", "unreadable", "made_up"])
def test_an_answer_is_not_in_order_for_a_reason_of_the_register_only(session: Session, reason: str) -> None:
    with pytest.raises(service.UnknownShortReason):
        service.mark(session, talking(session), "own_will", CheckResult.PROBLEM, at(1), reason=reason)


def test_why_an_answer_is_not_in_order_is_kept_and_said_where_pass_is_locked_and_in_the_trail(session: Session) -> None:
    call = talking(session)
    made = service.mark(session, call, "own_will", CheckResult.PROBLEM, at(1), reason="prompted", words="身后有人说话")
    assert (made.reason, made.words) == ("旁边有人提示", "身后有人说话")
    (ask,) = Locks(session, call, WITNESS).problems
    assert ask.why == "旁边有人提示"
    line = session.query(CaseEvent).filter_by(case_id=call.case_id, action=Happening.CHECK_MARKED).one()
    assert line.detail["reason"] == "prompted"


# --- passing


def test_pass_is_refused_while_items_are_missing_and_says_which(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    all_in_order(session, call, tmp_path, "told_identity", "signature")
    service.mark(session, call, "data_matches", CheckResult.PROBLEM, at(20), reason="unclear")
    with pytest.raises(service.ItemsMissing) as refused:
        service.pass_video(session, call, at(21))
    assert refused.value.text == "还不能通过。第 9 项有问题，另有 2 项未完成：6、10。"
    assert call.case.status is Status.IN_VIDEO and call.ended_at is None


def test_passing_moves_the_case_on_and_puts_the_witness_back_online(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    all_in_order(session, call, tmp_path)
    service.pass_video(session, call, at(10))
    step = call.case.current_step
    assert step is not None and step.key == "certificate"
    assert (call.verdict, call.ended_at) == (Verdict.PASSED, AT + timedelta(minutes=10))
    assert call.case.data_of("video") == {"session": call.session_no}
    assert (seat(session).state, seat(session).since) == (SeatState.ONLINE, AT + timedelta(minutes=10))
    assert session.get_one(Ticket, call.ticket_id).ended_at == AT + timedelta(minutes=10)


# --- rejecting


def test_rejecting_reopens_what_the_reasons_blame_and_tells_the_investor(session: Session) -> None:
    call = talking(session)
    service.reject(session, call, ["card_mismatch", "id_photo_blurred"], "请核对卡号", "态度配合", at(3))
    assert {r.step for r in call.case.open_reasons} == {"photos", "bank_card"}
    rejection = call.case.rejections[-1]
    assert (rejection.desk, rejection.remark, rejection.internal_note) == ("seat", "请核对卡号", "态度配合")
    assert call.verdict is Verdict.REJECTED and seat(session).state is SeatState.ONLINE


@pytest.mark.parametrize("codes", [[], ["no_such_reason"], ["card_mismatch", "no_such_reason"], ["wrong_exchange"]])
def test_a_reason_that_is_not_for_this_case_is_refused_and_the_call_goes_on(session: Session, codes: list[str]) -> None:
    call = talking(session)
    with pytest.raises(UnknownReason):
        service.reject(session, call, codes, "", "", at(3))
    assert call.case.status is Status.IN_VIDEO and call.ended_at is None and call.case.rejections == []


def test_a_final_reason_ends_the_case(session: Session) -> None:
    call = talking(session)
    session.scalars(select(Reason).where(Reason.code == "card_mismatch")).one().final = True
    service.reject(session, call, ["card_mismatch"], "", "", at(3))
    assert (call.case.status, call.verdict) == (Status.REFUSED, Verdict.REFUSED)


def test_a_mended_case_comes_back_with_priority(session: Session) -> None:
    call = talking(session)
    service.reject(session, call, ["card_mismatch"], "", "", at(3))
    ticket = queues.join(session, to_the_video(call.case), at(9, "investor:1"))
    assert ticket.priority is Priority.MENDED


# --- technical failure, and the end


def test_a_technical_failure_is_no_rejection_and_brings_the_investor_back_to_the_head(session: Session) -> None:
    call = talking(session)
    ticket = service.technical_failure(session, call, at(3))
    assert call.case.status is Status.IN_QUEUE and call.case.rejections == []
    assert (ticket.priority, queues.place(session, ticket).ahead) == (Priority.RETURNED, 0)
    assert call.verdict is Verdict.TECHNICAL_FAILURE and seat(session).state is SeatState.ONLINE


def test_after_the_end_nothing_of_the_call_changes(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    service.technical_failure(session, call, at(3))
    for act in (
        lambda: service.acknowledge(session, call, INVESTOR),
        lambda: service.mark(session, call, "own_will", CheckResult.OK, WITNESS),
        lambda: snapped(session, call, Kind.SNAPSHOT_FACE, tmp_path),
        lambda: service.reject(session, call, ["card_mismatch"], "", "", WITNESS),
        lambda: service.pass_video(session, call, WITNESS),
        lambda: service.technical_failure(session, call, WITNESS),
        lambda: service.write_note(session, call, "x"),
    ):
        with pytest.raises(service.CallOver):
            act()


def test_an_investor_cannot_abandon_in_the_middle_of_a_call(session: Session) -> None:
    with pytest.raises(IllegalTransition):
        abandon(talking(session).case, INVESTOR)


def test_two_calls_of_one_case_have_two_numbers(session: Session) -> None:
    first = talking(session)
    second = again(session, service.technical_failure(session, first, at(3)))
    assert (first.session_no, second.session_no) == (f"{first.case.case_no}-1", f"{first.case.case_no}-2")
    assert service.calls_of(session, first.case) == [second, first]
