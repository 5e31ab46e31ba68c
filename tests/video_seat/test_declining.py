"""不同意录音录像: the call ends without fault of anybody, and the case is with the investor, who may queue up again."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import db
from console.cases.models import Case, CaseEvent, Status
from console.cases.transitions import Action
from console.queues import seats
from console.queues import service as queues
from console.queues.models import SeatState
from console.video_seat import page, service
from console.video_seat.models import Verdict, VideoSession
from tests.video_seat.conftest import Socket, Witness
from tests.video_seat.given import answered, at, talking
from tests.video_seat.node import PretendNode

Open = Callable[[str], Witness]
HERS = "investor:1"


def test_declining_ends_the_call_and_gives_the_case_back_with_a_line_in_the_trail(session: Session) -> None:
    call = answered(session)
    service.decline(session, call, at(1, HERS))
    assert (call.verdict, call.ended_at, call.acknowledged_at) == (Verdict.DECLINED, at(1).at, None)
    case = call.case
    assert case.status is Status.WITH_INVESTOR and case.current_step is not None and case.current_step.key == "video"
    assert queues.waiting_ticket(session, case) is None
    told = session.scalars(select(CaseEvent).where(CaseEvent.action == Action.DECLINE_RECORDING)).one()
    assert (told.by, told.detail) == (HERS, {"session": call.session_no})


def test_the_seat_is_free_at_once_and_the_call_counts_for_nothing(session: Session) -> None:
    call = answered(session)
    service.decline(session, call, at(1, HERS))
    seat = seats.seat_of(session, call.witness_id)
    assert seat is not None and seat.state is SeatState.ONLINE
    day = page.today(session, call.witness_id, at(2).at)
    assert (day.first_time, day.rejected) == (None, 0)


def test_who_declined_may_queue_up_again(session: Session) -> None:
    call = answered(session)
    service.decline(session, call, at(1, HERS))
    again = queues.join(session, call.case, at(2, HERS))
    assert again.case_id == call.case_id and call.case.status is Status.IN_QUEUE


def test_who_agreed_hangs_up_instead(session: Session) -> None:
    call = talking(session)
    with pytest.raises(service.Agreed):
        service.decline(session, call, at(1, HERS))
    assert call.ended_at is None and call.case.status is Status.IN_VIDEO


def test_both_pages_hear_of_it_and_say_what_it_means_and_twice_is_once(
    witness: Open, investor: Callable[[str], Socket], queued: Callable[[str], str], node: PretendNode, as_investor
) -> None:
    case_no = queued("周晚晴")
    seat, phone = witness("luwenshan").sit(), investor_page(investor)
    number = seat.act("answer_next")["call"]
    client: FlaskClient = as_investor("周晚晴")
    assert "不同意录音录像？" in client.get(f"/case/{case_no}/video").text
    for _ in range(2):
        answer = client.post(f"/case/{case_no}/video/decline")
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/case/{case_no}/video")
    assert [told["event"] for told in seat.heard("call")][-1] == "ended"
    assert [told["status"] for told in phone.heard("case")][-1] == "with_investor"
    assert node.has_ended(number)
    mine = client.get(f"/case/{case_no}/video").text
    assert "您没有同意录音录像" in mine and "开始视频通话" in mine
    assert "周晚晴不同意录音录像" in seat.client.get("/seat").text
    with db.reading() as look:
        case = look.scalars(select(Case)).one()
        assert case.status is Status.WITH_INVESTOR
        assert look.scalars(select(VideoSession)).one().verdict is Verdict.DECLINED


def investor_page(investor: Callable[..., Socket]) -> Socket:
    return investor("周晚晴", case=False)
