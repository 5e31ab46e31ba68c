"""接管: a supervisor goes on with a running call; the investor agrees anew; the witness before acts no more."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from console import db
from console.cases.models import CaseEvent, Status
from console.cases.trail import Happening, write_line
from console.cases.transitions import Action
from console.people.models import Staff
from console.queues import seats, witnesses
from console.queues.models import Seat, SeatState, Ticket
from console.review import service as review
from console.stamp import Stamp
from console.video_seat import copies, handover, helping, incidents, line, page, service, timeline
from console.video_seat.line import Terms
from console.video_seat.locks import marks_of
from console.video_seat.models import CallEventKind, CheckResult, TakeOver, VideoSession, was_witnessed_by
from tests.queues.given import online
from tests.video_seat.conftest import Socket, Witness
from tests.video_seat.given import all_in_order, at, said, talking
from tests.video_seat.node import PretendNode
from tests.world import AT, staff_named

TERMS = Terms(timedelta(seconds=30), ring=timedelta(seconds=20), come=timedelta(seconds=90))
both = pytest.mark.databases("sqlite", "postgresql")


def lead(session: Session) -> Staff:
    return staff_named(session, "fangyi")


def by(staff: Staff, minutes: float) -> Stamp:
    made: Stamp = at(minutes, f"staff:{staff.id}")
    return made


def taken(session: Session, call: VideoSession, minutes: float = 4, why: str = "认证人员求助") -> TakeOver:
    return handover.take_over(session, call, lead(session), why, TERMS, by(lead(session), minutes))


def seat_of(session: Session, username: str) -> Seat:
    found = seats.seat_of(session, staff_named(session, username).id)
    assert found is not None
    return found


# --- what becomes of the call


@both
def test_the_call_is_the_supervisors_and_the_seat_before_is_free_and_fenced_off(session: Session) -> None:
    call = talking(session)
    before = seat_of(session, "luwenshan").fence
    made = taken(session, call)
    assert (call.witness, call.ended_at, call.case.status) == (lead(session), None, Status.IN_VIDEO)
    assert seat_of(session, "fangyi").state is SeatState.IN_CALL
    assert seat_of(session, "luwenshan").state is SeatState.BREAK
    with pytest.raises(seats.TakenOver) as refused:
        seats.seated(session, made.from_id, before)
    assert "方毅已于 10:34:00 接管这次通话" in refused.value.text
    assert seats.sit(session, staff_named(session, "luwenshan"), at(5)).fence > before


@both
def test_the_trail_says_who_took_over_from_whom_when_and_why(session: Session) -> None:
    call = talking(session)
    made = taken(session, call)
    told = session.scalars(select(CaseEvent).where(CaseEvent.action == Happening.TAKEN_OVER)).one()
    assert (told.by, told.at, told.detail["why"]) == (f"staff:{made.to_id}", at(4).at, "认证人员求助")
    assert (told.detail["from"], told.detail["to"]) == (made.from_id, made.to_id)


def test_marks_stay_with_who_made_them_and_go_on_counting(session: Session) -> None:
    call = talking(session)
    item = service.items_of(call)[-1]
    service.mark(session, call, item.key, CheckResult.OK, at(2, f"staff:{call.witness_id}"))
    former = call.witness_id
    taken(session, call)
    service.acknowledge(session, call, at(5))
    mark = marks_of(call)[item.key]
    assert (mark.by, mark.result) == (f"staff:{former}", CheckResult.OK)
    assert timeline.counts(call, mark.at)


def test_nothing_is_marked_or_passed_before_the_investor_knows_the_new_witness(
    session: Session, tmp_path: Path
) -> None:
    call = talking(session)
    all_in_order(session, call, tmp_path)
    taken(session, call, 20)
    assert not call.agreed
    item = service.items_of(call)[0]
    with pytest.raises(service.NotAcknowledged):
        service.mark(session, call, item.key, CheckResult.OK, at(21))
    with pytest.raises(service.ItemsMissing) as refused:
        service.pass_video(session, call, at(21))
    assert "投资者尚未确认您的姓名和证号" in refused.value.text
    service.acknowledge(session, call, at(22))
    assert call.agreed and call.take_overs[-1].acknowledged_at == at(22).at
    said(session, call, CallEventKind.RECORDING, 22.1, segment=2)
    service.pass_video(session, call, at(23))
    assert call.case.status is Status.WITH_INVESTOR


def test_who_does_not_want_the_new_witness_ends_the_call_without_a_verdict(session: Session) -> None:
    call = talking(session)
    taken(session, call)
    service.decline(session, call, at(5))
    assert call.case.status is Status.WITH_INVESTOR
    assert seat_of(session, "fangyi").state is SeatState.ONLINE


def test_what_lies_between_the_two_witnesses_is_a_gap_of_its_own(session: Session) -> None:
    call = talking(session)
    taken(session, call, 4)
    service.acknowledge(session, call, at(5))
    said(session, call, CallEventKind.RECORDING, 5.5, segment=2)
    (gap,) = timeline.gaps(call, timeline.segments(call), at(6).at)
    assert (gap.began, gap.ended, gap.why) == (at(4).at, at(5.5).at, timeline.Why.TAKEN_OVER)


def test_a_supervisor_whose_line_never_stands_gives_the_investor_back_to_the_head(session: Session) -> None:
    call = talking(session)
    taken(session, call, 4)
    assert line.overdue(session, at(4.3).at, TERMS) == []
    assert line.drop(session, call.session_no, at(4.4).at, TERMS) is call
    assert call.case.status is Status.IN_QUEUE
    assert seat_of(session, "fangyi").state is SeatState.BREAK


def test_an_investor_who_does_not_agree_anew_in_time_is_called_later(session: Session) -> None:
    call = talking(session)
    taken(session, call, 4)
    said(session, call, CallEventKind.CONNECTED, 4.1, "witness")
    assert line.overdue(session, at(5.4).at, TERMS) == []
    assert line.overdue(session, at(5.5).at, TERMS) == [call.session_no]


def test_the_page_that_the_witness_before_had_closed_is_nobodys_absence_any_more(session: Session) -> None:
    call = talking(session)
    line.heard(session, call, CallEventKind.PAGE_GONE, at(3).at, "witness", at(3).at, TERMS)
    assert "witness" in line.away_since(call)
    taken(session, call, 3.2)
    assert line.away_since(call) == {}


# --- once


@both
def test_taking_over_twice_is_done_once(session: Session) -> None:
    call = talking(session)
    assert taken(session, call) is taken(session, call, 5)
    assert session.query(TakeOver).count() == 1


def test_what_was_asked_for_is_answered_by_taking_over(session: Session) -> None:
    call = talking(session)
    asked = helping.ask(session, call, "请接管", at(3))
    taken(session, call)
    assert (asked.closer, asked.words) == (lead(session), None)
    assert helping.how_many(session, lead(session)) == 0


# --- who may not


def test_a_reason_is_needed(session: Session) -> None:
    call = talking(session)
    with pytest.raises(handover.WhyMissing):
        taken(session, call, why=" x ")


def test_nobody_takes_over_from_oneself_by_any_account(session: Session) -> None:
    call = talking(session)
    lead(session).person_index = call.witness_person
    with pytest.raises(handover.YoursAlready):
        taken(session, call)


def test_who_is_in_another_call_does_not_take_over(session: Session) -> None:
    call = talking(session)
    talking(session, "许砚青", "fangyi")
    with pytest.raises(handover.InACall):
        taken(session, call)


def test_a_call_that_is_over_is_not_taken_over(session: Session) -> None:
    call = talking(session)
    service.technical_failure(session, call, at(3))
    with pytest.raises(service.CallOver):
        taken(session, call)


def test_who_reviewed_the_case_or_reported_it_does_not_take_over(session: Session) -> None:
    call = talking(session)
    ticket = session.get_one(Ticket, call.ticket_id)
    ticket.not_person = lead(session).person
    with pytest.raises(witnesses.NotYours):
        taken(session, call)
    ticket.not_person = None
    write_line(
        call.case, Action.REJECT, Status.IN_REVIEW, by(lead(session), 1), after=call.case.status, step=None, detail={}
    )
    with pytest.raises(witnesses.Reviewed):
        taken(session, call)


@pytest.mark.parametrize(
    ("flaw", "refused"), [("marketing", witnesses.Marketing), ("licence", witnesses.LicenceMissing)]
)
def test_neither_marketing_nor_who_has_no_licence_takes_over(
    session: Session, flaw: str, refused: type[Exception]
) -> None:
    call = talking(session)
    if flaw == "marketing":
        lead(session).marketing = True
    else:
        lead(session).licence_until = AT.date() - timedelta(days=1)
    with pytest.raises(refused):
        taken(session, call)


# --- maker and checker


@both
def test_whoever_had_the_call_is_a_maker_in_the_service_and_in_the_database(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    former = call.witness
    taken(session, call)
    assert review.witnessed(session, call.case, staff_named(session, "luwenshan2"))
    assert review.witnessed(session, call.case, lead(session))
    assert not review.witnessed(session, call.case, staff_named(session, "qinlang"))
    assert session.scalar(select(was_witnessed_by(call.case_id, former.person)))
    task = review.ReviewTask(
        case_id=call.case_id, branch_id=call.case.branch_id, opened_at=AT, due_at=AT, reviewer_person=former.person
    )
    with pytest.raises(IntegrityError, match="maker is checker"), session.begin_nested():
        session.add(task)
        session.flush()


@both
def test_the_database_refuses_a_hand_over_to_who_decided_the_case(session: Session) -> None:
    call, person = talking(session), lead(session)
    decided = {"reviewer_person": person.person, "decided_at": AT, "state": review.TaskState.DONE}
    session.add(
        review.ReviewTask(case_id=call.case_id, branch_id=call.case.branch_id, opened_at=AT, due_at=AT, **decided)
    )
    session.flush()
    with pytest.raises(IntegrityError, match="maker is checker"), session.begin_nested():
        taken(session, call)


@both
def test_the_database_gives_marketing_staff_neither_call_nor_seat(session: Session) -> None:
    seat = online(session)
    staff_named(session, "luwenshan").marketing = True
    session.flush()
    seats.enter(session, seat, SeatState.BREAK, AT)
    with pytest.raises(IntegrityError, match="marketing"), session.begin_nested():
        seats.enter(session, seat, SeatState.ONLINE, AT)
    call = talking(session, username="weiyinuo")
    with pytest.raises(IntegrityError, match="marketing"), session.begin_nested():
        call.witness_id = seat.staff_id
        session.flush()


# --- what is shown


def test_film_and_list_name_who_witnessed_when(session: Session) -> None:
    call = talking(session)
    taken(session, call, 4)
    assert [(at_ms // 1000, text.split("　")[0]) for at_ms, text in copies.lines_of(call)] == [
        (0, "见证人 陆文珊"),
        (210, "见证人 方毅"),
    ]
    (told,) = [each for each in incidents.of(call, at(5).at) if each.group == "接管"]
    assert told.title == "方毅 F0300001 接管自 陆文珊，投资者没有确认，原因：认证人员求助"


def test_by_the_pages_of_all_three(
    node: PretendNode, witness: Callable[[str], Witness], investor: Callable[[str], Socket]
) -> None:
    seat, supervisor, visitor = witness("luwenshan").sit(), witness("fangyi"), investor("周晚晴")
    visitor.ask("join_queue")
    call = seat.act("answer_next")["call"]
    visitor.ask("acknowledge")
    visitor.offer("mine")
    seat.offer("hers", call=call)
    assert seat.act("ask_help", call=call, reason="x")["code"] == "reason_missing"
    assert seat.act("ask_help", call=call, reason="请接管这次通话")["asked"]
    assert supervisor.heard("help")[-1]["asked"]
    shown = supervisor.client.get("/seat/dispatch").text
    assert "请接管这次通话" in shown and f"/seat/dispatch/calls/{call}/take-over" in shown
    assert supervisor.client.get("/seat/dispatch/waiting").json["waiting"] == 1
    answer = supervisor.client.post(f"/seat/dispatch/calls/{call}/take-over", data={"why": "认证人员求助"})
    assert answer.location == "/seat"
    assert node.has_ended(call)
    assert [each["event"] for each in visitor.heard("call")][-1] == "taken_over"
    for refused in (
        seat.act("mark", call=call, item="own_will", result="ok"),
        seat.offer("hers again", call=call),
        seat.act("heartbeat"),
        seat.act("state", state="online"),
    ):
        assert refused["code"] == "taken_over" and "方毅已于" in refused["error"]
    state = visitor.ask("call_state")
    assert (state["witness"], state["acknowledged_at"]) == ("方毅", None)
    assert visitor.offer("mine again")["code"] == "not_acknowledged"
    assert "已接管周晚晴的通话" in seat.client.get("/seat").text
    supervisor.fence = supervisor.ask("sit")["fence"]
    assert "您接管了陆文珊的通话" in supervisor.client.get("/seat").text
    assert supervisor.offer("his", call=call).get("sdp")
    assert visitor.ask("acknowledge")["acknowledged_at"] is not None
    assert visitor.offer("mine again").get("sdp")
    assert supervisor.act("mark", call=call, item="own_will", result="ok") == {"marked": True}
    assert seat.sit().act("answer_next")["call"] is None


def test_a_supervisor_answers_with_words_that_the_witness_reads(
    node: PretendNode, witness: Callable[[str], Witness], investor: Callable[[str], Socket]
) -> None:
    seat, supervisor, visitor = witness("luwenshan").sit(), witness("fangyi"), investor("周晚晴")
    visitor.ask("join_queue")
    call = seat.act("answer_next")["call"]
    seat.act("ask_help", call=call, reason="证件拿不准")
    with db.reading() as session:
        (asked,) = helping.pending(session, staff_named(session, "fangyi"))
    said_ = supervisor.client.post(
        f"/seat/dispatch/help/{asked.id}", data={"words": "请对照抓拍 2"}, follow_redirects=True
    ).text
    assert "已回复陆文珊" in said_
    assert [each["event"] for each in seat.heard("call")][-1] == "helped"
    assert "<b>方毅</b>：请对照抓拍 2" in seat.client.get("/seat/parts/help").text
    again = supervisor.client.post(
        f"/seat/dispatch/help/{asked.id}", data={"words": "再说"}, follow_redirects=True
    ).text
    assert "这次求助已经有人回复" in again


def test_what_a_witness_asks_is_asked_once_and_nobody_answers_oneself(session: Session) -> None:
    call = talking(session, username="fangyi")
    first = helping.ask(session, call, "请看一下", at(2))
    assert helping.ask(session, call, "再问一次", at(3)) is first
    assert helping.pending(session, lead(session)) == []
    with pytest.raises(helping.NotThere):
        helping.answer(session, first.id, lead(session), "没问题", at(3))
    assert page.just_taken_over(session, lead(session).id, at(3).at) is None


def test_a_stranger_learns_nothing_of_a_call_by_these_ways(
    node: PretendNode, witness: Callable[[str], Witness], investor: Callable[[str], Socket]
) -> None:
    seat, visitor = witness("luwenshan").sit(), investor("周晚晴")
    visitor.ask("join_queue")
    call = seat.act("answer_next")["call"]
    with db.transaction() as session:
        staff_named(session, "fangyi").branches = [staff_named(session, "hangzhou").branches[0]]
    client = witness("fangyi").client
    for number in (call, f"{call}9"):
        assert client.post(f"/seat/dispatch/calls/{number}/take-over", data={"why": "看看"}).status_code == 404
    assert "周晚晴" not in client.get("/seat/dispatch").text
