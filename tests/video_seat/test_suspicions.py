"""可疑: the witness tells the supervisor; another person decides; the investor is not told why."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from console import db
from console.cases.models import Case, CaseEvent, Reason, Status
from console.cases.service import abandon
from console.cases.transitions import Action, IllegalTransition
from console.people.models import Staff
from console.queues import seats, witnesses
from console.queues import service as queues
from console.queues.models import SeatState, Ticket
from console.video_seat import service, suspicions
from console.video_seat.models import CheckResult, Outcome, Suspicion, Verdict, VideoSession
from tests.queues.given import online, waiting_since
from tests.video_seat.conftest import Socket, Witness
from tests.video_seat.given import INVESTOR, at, talking
from tests.video_seat.node import PretendNode
from tests.world import staff_named

SECRET = "旁边有人小声提示"


def raised(session: Session, username: str = "luwenshan") -> Suspicion:
    return service.suspect(session, talking(session, username=username), ["prompted", "acted_for"], SECRET, at(5))


def lead(session: Session) -> Staff:
    return staff_named(session, "fangyi")


def by(person: Staff, minutes: float):  # type: ignore[no-untyped-def]
    return at(minutes, f"staff:{person.id}")


# --- raising


def test_a_suspicious_case_leaves_the_queue_and_the_witness_is_free(session: Session) -> None:
    found = raised(session)
    call = found.session
    assert (call.case.status, call.verdict, call.grounds) == (Status.HELD, Verdict.SUSPICIOUS, ["他人提示", "疑似代办"])
    assert queues.waiting(session, call.case.branch_id) == 0
    assert session.query(Ticket).one().ended_at is not None
    assert suspicions.waiting(session, lead(session)) == [found]
    assert session.query(CaseEvent).filter_by(action=Action.SUSPECT).one().detail["why"] == "他人提示、疑似代办"


@pytest.mark.parametrize("signs", [[], ["prompted", "no_such_sign"]])
def test_without_a_sign_of_the_register_nothing_is_raised(session: Session, signs: list[str]) -> None:
    call = talking(session)
    with pytest.raises(service.UnknownShortReason):
        service.suspect(session, call, signs, "x", at(5))
    assert call.ended_at is None


def test_the_words_are_sealed_in_the_database(session: Session) -> None:
    raised(session)
    (kept,) = session.execute(text("SELECT words FROM suspicions")).one()
    assert SECRET.encode() not in bytes(kept)


def test_the_investor_can_neither_give_up_nor_join_while_it_is_looked_into(session: Session) -> None:
    case = raised(session).session.case
    for act in (lambda: abandon(case, INVESTOR), lambda: queues.join(session, case, INVESTOR)):
        with pytest.raises(IllegalTransition):
            act()
    assert case.status is Status.HELD


# --- deciding


def test_released_it_stands_at_the_head_for_anybody_but_who_raised_it(session: Session) -> None:
    found = raised(session)
    waiting_since(session, "许砚青", 30)
    ticket = suspicions.release(session, found, lead(session), "已电话核实，本人办理", by(lead(session), 9))
    assert queues.place(session, ticket).ahead == 0
    herself = online(session)
    with pytest.raises(witnesses.NotYours):
        seats.answer(session, herself, ticket.id, at(10), "")
    another = seats.answer_next(session, herself, at(10))
    assert another is not None and another.case.investor.name == "许砚青"
    assert seats.answer_next(session, online(session, "weiyinuo"), at(11)) is ticket


def test_a_technical_failure_afterwards_does_not_hand_it_back_to_who_raised_it(session: Session) -> None:
    found = raised(session)
    suspicions.release(session, found, lead(session), "已电话核实", by(lead(session), 9))
    other = online(session, "weiyinuo")
    ticket = seats.answer_next(session, other, at(11))
    assert ticket is not None
    again = service.technical_failure(session, service.start(session, ticket, other, "node-1", at(11)), at(12))
    assert seats.answer_next(session, online(session), at(13)) is None
    assert seats.answer_next(session, seat_of(session, "weiyinuo"), at(14)) is again


def seat_of(session: Session, username: str):  # type: ignore[no-untyped-def]
    found = seats.seat_of(session, staff_named(session, username).id)
    assert found is not None
    return found


def test_rejected_it_goes_back_to_the_steps_that_the_reasons_blame(session: Session) -> None:
    found = raised(session)
    person = lead(session)
    suspicions.reject(session, found, person, ["card_mismatch"], "请核对", "与本人通话后确认", by(person, 9))
    case = found.session.case
    assert (case.status, found.outcome) == (Status.WITH_INVESTOR, Outcome.REJECTED)
    assert case.current_step is not None and case.current_step.key == "bank_card"
    assert case.rejections[-1].internal_note == "与本人通话后确认"


def test_a_final_reason_ends_the_case(session: Session) -> None:
    found = raised(session)
    session.scalars(select(Reason).where(Reason.code == "card_mismatch")).one().final = True
    suspicions.reject(session, found, lead(session), ["card_mismatch"], "", "", by(lead(session), 9))
    assert (found.session.case.status, found.outcome) == (Status.REFUSED, Outcome.REFUSED)


def test_whoever_raised_it_never_decides_it_in_the_service_nor_in_the_database(session: Session) -> None:
    found = raised(session, "fangyi")
    person = lead(session)
    assert not suspicions.may_decide(found, person)
    with pytest.raises(suspicions.SameHands):
        suspicions.release(session, found, person, "没有问题", by(person, 9))
    with pytest.raises(IntegrityError), session.begin_nested():
        found.decided_person = found.raised_person
        session.flush()


def test_it_is_decided_once_and_with_words(session: Session) -> None:
    found = raised(session)
    with pytest.raises(suspicions.WordsMissing):
        suspicions.release(session, found, lead(session), " ", by(lead(session), 9))
    suspicions.release(session, found, lead(session), "已核实", by(lead(session), 9))
    with pytest.raises(suspicions.AlreadyDecided):
        suspicions.reject(session, found, lead(session), ["card_mismatch"], "", "", by(lead(session), 10))


# --- the pages

StaffPage = Callable[[str], FlaskClient]


@pytest.fixture
def held(app: Flask) -> VideoSession:
    with db.transaction() as session:
        call = talking(session)
        service.mark(session, call, "own_will", CheckResult.PROBLEM, at(2), reason="unclear")
        service.suspect(session, call, ["prompted"], SECRET, at(5))
        return call


def test_the_supervisor_sees_signs_words_and_answers_and_decides(
    as_staff: StaffPage, node: PretendNode, held: VideoSession
) -> None:
    client = as_staff("fangyi")
    page = client.get("/seat/held").text
    assert "他人提示" in page and SECRET in page and "确认本人自愿修改结算账户" in page
    assert f'href="/review/{held.session_no[:-2]}" target="_blank" rel="noopener"' in page, "this page stays open"
    said = client.post(f"/seat/held/{held.session_no}/release", data={"words": "已核实"}, follow_redirects=True).text
    assert "周晚晴：放回队首" in said and "没有待核实的受理单" in said
    with db.reading() as session:
        assert session.get_one(Case, held.case_id).status is Status.IN_QUEUE


def test_every_page_of_a_supervisor_says_how_many_wait(
    as_staff: StaffPage, node: PretendNode, held: VideoSession
) -> None:
    client = as_staff("fangyi")
    assert 'data-waiting="/seat/held/waiting"' in client.get("/review").text
    assert client.get("/seat/held/waiting").json["waiting"] == 1
    client.post(f"/seat/held/{held.session_no}/release", data={"words": "已核实"})
    assert client.get("/seat/held/waiting").json["waiting"] == 0


def test_a_witness_has_no_such_page(as_staff: StaffPage, node: PretendNode, held: VideoSession) -> None:
    assert as_staff("luwenshan").get("/seat/held").status_code == 404
    assert as_staff("luwenshan").post(f"/seat/held/{held.session_no}/release").status_code == 404


def test_the_investor_reads_a_neutral_sentence_and_nothing_of_why(
    as_investor: Callable[[str], FlaskClient], node: PretendNode, held: VideoSession
) -> None:
    client = as_investor("周晚晴")
    page = client.get(f"/case/{held.session_no[:-2]}", follow_redirects=True).text
    mine = client.get("/my").text
    assert "资料需要进一步核实，我们会联系您" in page and "资料核实中" in mine
    for words in ("可疑", "提示", "班长", SECRET):
        assert words not in page and words not in mine.replace("温馨提示", "")


def test_by_the_sockets_of_both_sides_the_case_is_held_and_the_supervisor_hears(
    node: PretendNode, witness: Callable[[str], Witness], investor: Callable[[str], Socket]
) -> None:
    supervisor, seat, page = witness("fangyi"), witness("luwenshan").sit(), investor("周晚晴")
    page.ask("join_queue")
    call = seat.act("answer_next")["call"]
    page.ask("acknowledge")
    assert seat.act("suspect", call=call, signs=[])["code"] == "unknown_short_reason"
    assert seat.act("suspect", call=call, signs=["doubtful_id"], words=SECRET)["call"] == call
    assert page.heard("case")[-1]["status"] == "held"
    assert supervisor.heard("suspicions") != []
    assert seat.act("heartbeat")["state"] == SeatState.ONLINE
    assert node.has_ended(call)
