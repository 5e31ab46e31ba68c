"""The line of a call: gaps, grace, coming back, beginning again, giving up."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.cases.models import CaseEvent, Status
from console.evidence.models import Evidence, Kind
from console.queues import seats
from console.queues import service as queues
from console.queues.models import Priority, Seat, SeatState, Ticket
from console.video_seat import incidents, line, page, service, timeline
from console.video_seat.line import Terms
from console.video_seat.locks import marks_of
from console.video_seat.models import CallEventKind, CheckResult, Recording, Verdict, VideoSession
from console.video_seat.timeline import Segment, Why
from tests.video_seat.given import all_in_order, answered, at, said, snapped, talking
from tests.world import AT

HALF_MINUTE = Terms(timedelta(seconds=30))
AGAIN = Terms(timedelta(seconds=30), restart=True)
LOST, CONNECTED, RECORDING = CallEventKind.LOST, CallEventKind.CONNECTED, CallEventKind.RECORDING


def moment(minutes: float):  # type: ignore[no-untyped-def]
    return AT + timedelta(minutes=minutes)


def spans(call: VideoSession) -> list[tuple[float, float, Why]]:
    """The gaps up to the tenth minute, in minutes since AT."""
    found = timeline.gaps(call, timeline.segments(call), moment(10))
    return [((g.began - AT) / timedelta(minutes=1), (g.ended - AT) / timedelta(minutes=1), g.why) for g in found]


def hears(session: Session, call: VideoSession, kind: CallEventKind, minutes: float, side: str = "investor", **how):  # type: ignore[no-untyped-def]
    terms = how.pop("terms", HALF_MINUTE)
    return line.heard(session, call, kind, moment(minutes), side, moment(minutes), terms, **how)


RINGS = Terms(timedelta(seconds=30), ring=timedelta(seconds=20), come=timedelta(seconds=90))


# --- who does not come at all


def test_a_witness_whose_line_never_stands_is_on_break_and_the_investor_at_the_head(session: Session) -> None:
    call = answered(session)
    assert line.overdue(session, moment(19 / 60), RINGS) == []
    assert line.overdue(session, moment(20 / 60), RINGS) == [call.session_no]
    assert line.drop(session, call.session_no, moment(20 / 60), RINGS) is call
    assert session.scalars(select(Seat)).one().state is SeatState.BREAK
    again = queues.waiting_ticket(session, call.case)
    assert again is not None and (again.priority, again.missed, again.not_before) == (Priority.RETURNED, 0, None)
    assert line.was_unanswered(call) and line.dropped_sides(call) == ["witness"]
    assert page.dropped_words(call)[0] == "周晚晴没有接通"


def test_an_investor_who_does_not_agree_in_time_is_called_again_later_and_the_seat_goes_on(session: Session) -> None:
    call = answered(session)
    said(session, call, CONNECTED, 0.1, "witness")
    assert line.overdue(session, moment(1.4), RINGS) == []
    assert line.drop(session, call.session_no, moment(1.5), RINGS) is call
    assert session.scalars(select(Seat)).one().state is SeatState.ONLINE
    again = queues.waiting_ticket(session, call.case)
    assert again is not None and (again.missed, again.not_before) == (1, moment(2))
    assert page.dropped_words(call)[0] == "周晚晴没有应答"


def test_who_agreed_in_time_is_not_given_up(session: Session) -> None:
    talking(session)
    assert line.overdue(session, moment(60), RINGS) == []


def test_three_calls_in_vain_end_the_waiting_and_the_case_is_with_the_investor(session: Session) -> None:
    call = answered(session)
    for start in (0, 10, 20):
        if start:
            mark = at(start)
            seat = seats.seat_of(session, call.witness_id)
            assert seat is not None
            ticket = seats.answer_next(session, seat, mark)
            assert ticket is not None
            call = service.start(session, ticket, seat, "node-1", mark)
        said(session, call, CONNECTED, start + 0.1, "witness")
        assert line.drop(session, call.session_no, moment(start + 2), RINGS) is call
    assert call.case.status is Status.WITH_INVESTOR and queues.waiting_ticket(session, call.case) is None
    assert queues.was_called_in_vain(session, call.case)
    queues.join(session, call.case, at(30, "investor:1"))
    assert not queues.was_called_in_vain(session, call.case)


# --- what was recorded


def test_a_call_that_is_recorded_from_the_consent_on_has_no_gap(session: Session) -> None:
    assert spans(talking(session)) == []


def test_the_time_until_the_first_picture_is_a_gap_of_its_own_kind(session: Session) -> None:
    call = answered(session)
    assert timeline.gaps(call, []) == []
    service.acknowledge(session, call, at(1, "investor:1"))
    assert spans(call) == [(1, 10, Why.CONNECTING)]
    said(session, call, RECORDING, 1.5, segment=1)
    assert spans(call) == [(1, 1.5, Why.CONNECTING)]


def test_a_gap_lasts_from_the_last_packet_to_the_first_picture_of_the_next_segment(session: Session) -> None:
    call = talking(session)
    said(session, call, LOST, 3, segment=1, since=moment(2.95).isoformat())
    assert spans(call) == [(2.95, 10, Why.LINE)]
    said(session, call, CONNECTED, 4, segment=2)
    said(session, call, RECORDING, 4.1, segment=2)
    assert spans(call) == [(2.95, 4.1, Why.LINE)]
    assert timeline.uncovered(call, moment(3.5)) is not None
    assert timeline.uncovered(call, moment(2.9)) is timeline.uncovered(call, moment(4.1)) is None


def test_a_line_that_was_silent_and_speaks_again_goes_on_in_the_same_segment(session: Session) -> None:
    call = talking(session)
    said(session, call, LOST, 3, segment=1)
    said(session, call, CONNECTED, 4, segment=1)
    assert spans(call) == [(3, 4, Why.LINE)]


def test_what_the_witness_loses_is_no_gap(session: Session) -> None:
    call = talking(session)
    said(session, call, LOST, 3, "witness", segment=1)
    assert spans(call) == []


def test_a_recording_that_failed_is_a_gap_until_there_is_another(session: Session) -> None:
    call = talking(session)
    said(session, call, CallEventKind.RECORDING_FAILED, 3, segment=1)
    assert spans(call) == [(3 - 1 / 60, 10, Why.RECORDING)]
    assert timeline.flaws(call) == ["录像写入失败，现在没有在录，请按技术故障结束"]
    said(session, call, RECORDING, 4, segment=2)
    assert timeline.flaws(call) == []


def test_a_full_disk_flags_the_call_until_there_is_room_or_another_node(session: Session) -> None:
    call = talking(session)
    said(session, call, CallEventKind.DISK_LOW, 3, "")
    assert timeline.flaws(call) == ["录像节点磁盘空间不足，录像可能不完整，请按技术故障结束"]
    said(session, call, CallEventKind.DISK_OK, 4, "")
    assert timeline.flaws(call) == []


def test_the_file_that_was_kept_knows_better_than_the_node_that_died(session: Session) -> None:
    call = talking(session)
    line.moved(session, call, "node-1", "node-2", moment(2.9), moment(3.1), HALF_MINUTE)
    said(session, call, RECORDING, 3.2, segment=2, node="node-2")
    assert spans(call) == [(2.9, 3.2, Why.LINE)]
    told = timeline.segments(call)
    kept = Recording(side="investor", segment=1, started_at=moment(0.4), duration_ms=156_000)
    assert timeline._as_kept(told[:1], kept) == [Segment(1, moment(0.4), moment(3.0))]


def test_a_damaged_file_is_no_recording_and_altered_seconds_are_cut_out_of_a_kept_one(session: Session) -> None:
    call = talking(session)
    said(session, call, LOST, 3, segment=1)
    said(session, call, RECORDING, 3.5, segment=2)
    evidence = Evidence(facts={"chain": {"spoiled": [60_000]}})
    kept = Recording(side="investor", segment=1, started_at=moment(0.5), duration_ms=150_000, evidence=evidence)
    pieces = timeline._as_kept(timeline.segments(call)[:1], kept)
    second = timedelta(seconds=1)
    assert pieces == [Segment(1, moment(0.5), moment(1.5)), Segment(1, moment(1.5) + second, moment(3))]
    said(session, call, CallEventKind.DAMAGED, 0.5, segment=1)
    assert spans(call) == [(0.5, 3.5, Why.RECORDING)]


def test_the_same_word_twice_is_written_once(session: Session) -> None:
    call = talking(session)
    assert hears(session, call, LOST, 3, segment=1) == [LOST, LOST]
    assert hears(session, call, LOST, 3, segment=1) == []


# --- away, and back


def test_a_side_that_is_lost_is_away_until_its_line_stands_again(session: Session) -> None:
    call = talking(session)
    assert hears(session, call, LOST, 3, segment=1) == [LOST, LOST]
    assert line.away_since(call) == {"investor": moment(3)}
    assert line.due_at(call, HALF_MINUTE) == moment(3.5)
    assert hears(session, call, CONNECTED, 3.2, segment=2)[-1] is CallEventKind.RESUMED
    assert line.away_since(call) == {} and line.due_at(call, HALF_MINUTE) is None


def test_the_grace_counts_from_the_side_that_went_first_until_both_are_there(session: Session) -> None:
    call = talking(session)
    hears(session, call, LOST, 3, segment=1)
    hears(session, call, LOST, 3.1, "witness", segment=1)
    assert hears(session, call, CONNECTED, 3.3, segment=2) == [CONNECTED]
    assert line.due_at(call, HALF_MINUTE) == moment(3.6)
    assert hears(session, call, CONNECTED, 3.4, "witness", segment=2)[-1] is CallEventKind.RESUMED


def test_a_page_that_is_closed_counts_like_a_lost_line_and_both_must_come_back(session: Session) -> None:
    call = talking(session)
    hears(session, call, CallEventKind.PAGE_GONE, 3)
    hears(session, call, LOST, 3.1, segment=1)
    assert hears(session, call, CallEventKind.PAGE_BACK, 3.2) == [CallEventKind.PAGE_BACK]
    assert hears(session, call, CONNECTED, 3.3, segment=2)[-1] is CallEventKind.RESUMED


def test_who_hangs_up_is_away_at_once_and_not_called_disconnected_until_the_line_stands_again(session: Session) -> None:
    call = talking(session)
    assert hears(session, call, CallEventKind.HUNG_UP, 3) == [CallEventKind.HUNG_UP, LOST]
    assert hears(session, call, LOST, 3.1, segment=1) == [LOST]
    assert line.due_at(call, HALF_MINUTE) == moment(3.5)
    assert timeline.hung_up(call, "investor") and not timeline.hung_up(call, "witness")
    assert hears(session, call, CONNECTED, 3.2, segment=2)[-1] is CallEventKind.RESUMED
    assert not timeline.hung_up(call, "investor")
    hears(session, call, LOST, 4, segment=2)
    assert line.away_since(call) and not timeline.hung_up(call, "investor")


def test_a_call_that_the_investor_left_is_given_up_in_those_words(session: Session) -> None:
    call = talking(session)
    hears(session, call, CallEventKind.HUNG_UP, 3)
    assert line.drop(session, call.session_no, moment(3.5), HALF_MINUTE) is call
    title, words = page.dropped_words(call)
    assert title == "周晚晴离开了通话" and "挂断后 30 秒没有回来" in words
    assert [(each.group, each.title) for each in incidents.of(call, moment(4))] == [("挂断", "投资者挂断，离开了通话")]


def test_a_late_word_of_a_node_that_the_call_left_changes_nothing(session: Session) -> None:
    call = talking(session)
    line.moved(session, call, "node-1", "node-2", None, moment(3), HALF_MINUTE)
    for side in line.SIDES:
        hears(session, call, CONNECTED, 3.1, side, segment=2, node="node-2")
    assert line.away_since(call) == {}
    assert hears(session, call, LOST, 3.2, segment=1, node="node-1") == [LOST]
    assert line.away_since(call) == {}


def test_a_call_whose_node_died_goes_on_elsewhere_once_and_waits_for_both_sides(session: Session) -> None:
    call = talking(session)
    assert line.moved(session, call, "node-1", "node-2", moment(2.9), moment(3), HALF_MINUTE)
    assert not line.moved(session, call, "node-1", "node-3", moment(2.9), moment(3.1), HALF_MINUTE)
    assert (call.node, call.epoch, set(line.away_since(call))) == ("node-2", 2, {"investor", "witness"})


# --- going on, or beginning again


def test_what_was_proved_in_a_gap_must_be_asked_again_and_the_words_say_which(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    all_in_order(session, call, tmp_path)
    said(session, call, LOST, 4.5, segment=1, since=moment(3.9).isoformat())
    said(session, call, RECORDING, 4.6, segment=2)
    with pytest.raises(service.ItemsMissing) as refused:
        service.pass_video(session, call, at(11))
    assert refused.value.text == "还不能通过。第 4 项发生在断线期间，请再问一次。"
    service.mark(session, call, "id_original", CheckResult.OK, at(12))
    service.pass_video(session, call, at(13))
    assert call.verdict is Verdict.PASSED


def test_where_it_is_so_ruled_an_interrupted_conversation_begins_again(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    all_in_order(session, call, tmp_path)
    hears(session, call, LOST, 11, segment=1, terms=AGAIN)
    assert call.acknowledged_at is not None  # the other side is still recorded under it
    assert hears(session, call, CONNECTED, 11.2, segment=2, terms=AGAIN)[-1] is CallEventKind.RESTARTED
    assert call.acknowledged_at is None and marks_of(call) == {}
    service.acknowledge(session, call, at(12, "investor:1"))
    assert marks_of(call) == {}
    with pytest.raises(service.SnapshotMissing):
        service.mark(session, call, "same_person", CheckResult.OK, at(12.1))
    service.mark(session, call, "own_will", CheckResult.OK, at(12.2))
    assert list(marks_of(call)) == ["own_will"]


def test_a_branch_may_wait_longer_than_the_house(session: Session) -> None:
    call = talking(session)
    call.case.branch.call_grace = 90
    hears(session, call, LOST, 3, segment=1)
    assert line.due_at(call, HALF_MINUTE) == moment(4.5)
    assert line.drop(session, call.session_no, moment(4), HALF_MINUTE) is None
    assert line.overdue(session, moment(4.6), HALF_MINUTE) == [call.session_no]
    assert line.drop(session, call.session_no, moment(4.6), HALF_MINUTE) is call
    assert line.dropped_after(call) == 90


def test_a_branch_may_rule_otherwise_what_follows_a_drop(session: Session) -> None:
    again, on = talking(session), talking(session, "许砚青", "weiyinuo")
    again.case.branch.after_drop = "restart"
    for call in (again, on):
        hears(session, call, LOST, 3, segment=1)
    assert hears(session, again, CONNECTED, 3.2, segment=2)[-1] is CallEventKind.RESTARTED
    again.case.branch.after_drop = "resume"
    assert hears(session, on, CONNECTED, 3.2, segment=2, terms=AGAIN)[-1] is CallEventKind.RESUMED


def test_what_a_branch_does_not_say_the_house_says(session: Session) -> None:
    call = talking(session)
    assert line.holding(call, AGAIN) == AGAIN
    call.case.branch.call_grace = 5
    assert line.holding(call, AGAIN) == Terms(timedelta(seconds=5), restart=True)


def test_a_page_loaded_again_while_the_line_held_begins_nothing_again(session: Session) -> None:
    call = talking(session)
    hears(session, call, CallEventKind.PAGE_GONE, 3, terms=AGAIN)
    assert hears(session, call, CallEventKind.PAGE_BACK, 3.1, terms=AGAIN)[-1] is CallEventKind.RESUMED
    assert call.acknowledged_at is not None


# --- giving up


def test_past_the_grace_the_case_is_at_the_head_again_with_why_and_the_seat_is_free(session: Session) -> None:
    call = talking(session)
    hears(session, call, LOST, 3, segment=1)
    assert line.drop(session, call.session_no, moment(3.4), HALF_MINUTE) is None
    assert line.overdue(session, moment(3.4), HALF_MINUTE) == []
    assert line.overdue(session, moment(3.6), HALF_MINUTE) == [call.session_no]
    assert line.drop(session, call.session_no, moment(3.6), HALF_MINUTE) is call
    assert (call.verdict, call.ended_at, call.case.status) == (Verdict.TECHNICAL_FAILURE, moment(3.6), Status.IN_QUEUE)
    ticket = queues.waiting_ticket(session, call.case)
    assert ticket is not None
    first = session.get_one(Ticket, call.ticket_id)
    assert (ticket.priority, ticket.joined_at, ticket.ticket_no) == (
        Priority.RETURNED,
        first.joined_at,
        first.ticket_no,
    )
    assert session.scalars(select(Seat)).one().state is SeatState.ONLINE
    back = session.scalars(select(CaseEvent).where(CaseEvent.action == "return_to_queue")).one()
    assert (back.by, back.detail) == ("system:line", {"why": "dropped", "missed": 1})
    assert line.dropped_sides(call) == ["investor"]


def test_a_call_is_given_up_once_and_who_returns_in_time_keeps_it(session: Session) -> None:
    call = talking(session)
    hears(session, call, LOST, 3, segment=1)
    hears(session, call, CONNECTED, 3.49, segment=2)
    assert line.drop(session, call.session_no, moment(3.6), HALF_MINUTE) is None
    hears(session, call, LOST, 5, segment=2)
    assert line.drop(session, call.session_no, moment(6), HALF_MINUTE) is call
    assert line.drop(session, call.session_no, moment(6), HALF_MINUTE) is None
    assert line.held(session, call.session_no) is None  # who returns now is told that the call is over
    lines = list(session.scalars(select(CaseEvent.action).where(CaseEvent.case_id == call.case_id)))
    assert lines.count("return_to_queue") == lines.count("call_ended") == 1


def test_a_snapshot_of_before_counts_in_a_conversation_that_goes_on(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    shot = snapped(session, call, Kind.SNAPSHOT_FACE, tmp_path)
    hears(session, call, LOST, 3, segment=1)
    hears(session, call, CONNECTED, 3.2, segment=2)
    assert service.mark(session, call, "same_person", CheckResult.OK, at(4)).snapshots == [shot]
