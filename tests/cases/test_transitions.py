import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from console import db
from console.businesses.steps import Desk
from console.cases import service
from console.cases.blame import blames
from console.cases.models import Case, CaseEvent, Reason, Status
from console.cases.transitions import (
    MOVES,
    Action,
    IllegalTransition,
    NothingChanged,
    StaleStep,
    UnknownReason,
    apply,
    finish_step,
    redo_step,
    reject,
)
from console.chain import find_break
from console.config import Settings
from tests.world import given_case, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")

INVESTOR, WITNESS, REVIEWER = (stamp(by) for by in ("investor:1", "staff:1", "staff:4"))


def in_video(session: Session) -> Case:
    case = given_case(session)
    finish_step(case, "photos", INVESTOR)
    finish_step(case, "bank_card", INVESTOR)
    finish_step(case, "certificate_check", INVESTOR, facts={"holds_certificate": False})
    apply(case, Action.JOIN_QUEUE, INVESTOR)
    apply(case, Action.ANSWER, WITNESS)
    return case


def in_review(session: Session) -> Case:
    case = in_video(session)
    apply(case, Action.PASS_VIDEO, WITNESS)
    finish_step(case, "certificate", INVESTOR)
    finish_step(case, "signing", INVESTOR)
    return case


def reasons(session: Session, *codes: str) -> list[Reason]:
    return list(
        session.scalars(
            select(Reason).where(Reason.business_code == "change_settlement_account", Reason.code.in_(codes))
        )
    )


def test_a_rejected_case_returns_to_the_step_the_reason_blames(session: Session) -> None:
    case = in_video(session)
    reject(case, reasons(session, "card_mismatch"), WITNESS, desk=Desk.SEAT)
    assert case.status is Status.WITH_INVESTOR
    assert case.current_step is not None and case.current_step.key == "bank_card"


def test_two_reasons_open_both_blamed_steps_and_keep_the_others(session: Session) -> None:
    case = in_video(session)
    reject(case, reasons(session, "card_mismatch", "id_photo_blurred"), WITNESS, desk=Desk.SEAT)
    assert set(case.done) == {"certificate_check"}
    assert {reason.step for reason in case.open_reasons} == {"photos", "bank_card"}


def test_mending_the_blamed_step_leads_straight_back_to_the_video(session: Session) -> None:
    case = in_video(session)
    reject(case, reasons(session, "id_photo_blurred"), WITNESS, desk=Desk.SEAT)
    finish_step(case, "photos", INVESTOR)
    assert case.current_step is not None and case.current_step.key == "video"
    assert case.open_reasons == []


def test_a_reviewers_rejection_reopens_the_blamed_step_and_everything_that_vouched_for_it(session: Session) -> None:
    case = in_review(session)
    reject(case, reasons(session, "card_mismatch"), REVIEWER, desk=Desk.REVIEWER)
    assert set(case.done) == {"photos", "certificate_check", "certificate"}


def test_a_certificate_holder_is_never_asked_for_a_video(session: Session) -> None:
    case = given_case(session)
    finish_step(case, "photos", INVESTOR)
    finish_step(case, "bank_card", INVESTOR)
    finish_step(case, "certificate_check", INVESTOR, facts={"holds_certificate": True})
    assert [step.key for step in case.path] == ["photos", "bank_card", "certificate_check", "signing", "review"]


def test_every_move_leaves_one_line_and_the_chain_holds(session: Session) -> None:
    case = in_review(session)
    lines = list(session.scalars(select(CaseEvent).where(CaseEvent.case_id == case.id).order_by(CaseEvent.seq)))
    assert [line.action for line in lines] == [
        "open",
        "finish_step",
        "finish_step",
        "finish_step",
        "join_queue",
        "answer",
        "pass_video",
        "finish_step",
        "finish_step",
    ]
    assert find_break(lines) is None


def test_a_changed_line_is_found_in_the_chain(session: Session) -> None:
    case = in_video(session)
    lines = list(session.scalars(select(CaseEvent).where(CaseEvent.case_id == case.id).order_by(CaseEvent.seq)))
    with session.no_autoflush:
        lines[2].by = "staff:99"
        found = find_break(lines)
        session.expire(lines[2])
    assert found is not None and found.seq == 3


def test_a_missing_line_is_found_in_the_chain(session: Session) -> None:
    case = in_video(session)
    lines = list(session.scalars(select(CaseEvent).where(CaseEvent.case_id == case.id).order_by(CaseEvent.seq)))
    found = find_break(lines[:2] + lines[3:])
    assert found is not None and (found.seq, found.why) == (3, "a line is missing")


@pytest.mark.parametrize("statement", ["UPDATE case_events SET action = 'x'", "DELETE FROM case_events"])
def test_the_database_refuses_to_change_the_trail(session: Session, statement: str) -> None:
    in_video(session)
    with pytest.raises(DatabaseError, match="insert-only"), session.begin_nested():
        session.execute(text(statement))


WRONG = [(status, action) for status in Status for action in Action if status not in MOVES[action].sources]


def test_a_move_from_the_wrong_place_changes_nothing(session: Session) -> None:
    case = given_case(session)
    session.flush()
    for status, action in WRONG:
        case.status = status
        session.flush()
        with pytest.raises(IllegalTransition):
            apply(case, action, INVESTOR)
        assert case.status is status
    assert len(list(session.scalars(select(CaseEvent).where(CaseEvent.case_id == case.id)))) == 1


def test_a_step_handed_in_twice_or_out_of_order_is_stale(session: Session) -> None:
    case = given_case(session)
    finish_step(case, "photos", INVESTOR)
    with pytest.raises(StaleStep):
        finish_step(case, "photos", INVESTOR)
    with pytest.raises(StaleStep):
        finish_step(case, "certificate_check", INVESTOR, facts={"holds_certificate": True})


def test_the_investor_cannot_tick_off_the_video_alone(session: Session) -> None:
    case = given_case(session)
    for key in ("photos", "bank_card"):
        finish_step(case, key, INVESTOR)
    finish_step(case, "certificate_check", INVESTOR, facts={"holds_certificate": False})
    with pytest.raises(IllegalTransition):
        finish_step(case, "video", INVESTOR)


def test_going_back_to_change_a_step_asks_again_for_what_vouched_for_it(session: Session) -> None:
    case = in_video(session)
    apply(case, Action.PASS_VIDEO, WITNESS)
    redo_step(case, "photos", INVESTOR)
    assert set(case.done) == {"bank_card", "certificate_check"}


def blamed(session: Session, *, must_change: bool) -> Case:
    """Sent back to 银行卡, which had been finished with one card."""
    case = in_video(session)
    case.done["bank_card"].content = {"cards": ["one"]}
    (reason,) = reasons(session, "card_mismatch")
    reason.must_change = must_change
    reject(case, [reason], WITNESS, desk=Desk.SEAT)
    return case


def test_a_step_whose_reason_asks_for_a_change_is_not_taken_again_as_it_was(session: Session) -> None:
    case = blamed(session, must_change=True)
    with pytest.raises(NothingChanged) as refused:
        finish_step(case, "bank_card", INVESTOR, content={"cards": ["one"]})
    assert "银行卡号与照片不一致" in refused.value.text
    assert case.open_reasons and case.current_step is not None and case.current_step.key == "bank_card"
    finish_step(case, "bank_card", INVESTOR, content={"cards": ["another"]})
    assert not case.open_reasons


def test_a_step_whose_reason_may_be_mended_elsewhere_is_taken_as_it_was(session: Session) -> None:
    case = blamed(session, must_change=False)
    finish_step(case, "bank_card", INVESTOR, content={"cards": ["one"]})
    assert not case.open_reasons


def test_a_decision_asks_for_what_the_register_asked_for_then(session: Session) -> None:
    case = blamed(session, must_change=True)
    reasons(session, "card_mismatch")[0].must_change = False
    with pytest.raises(NothingChanged):
        finish_step(case, "bank_card", INVESTOR, content={"cards": ["one"]})


def test_rejecting_without_a_reason_or_with_a_foreign_one_is_refused(session: Session) -> None:
    case = in_video(session)
    foreign = session.scalars(select(Reason).where(Reason.code == "wrong_exchange")).one()
    for given in ([], [foreign]):
        with pytest.raises(UnknownReason):
            reject(case, given, WITNESS, desk=Desk.SEAT)
    with pytest.raises(UnknownReason):
        service.reasons_by_code(session, case, ["no_such_reason"])
    assert case.status is Status.IN_VIDEO


def test_a_final_reason_ends_the_case(session: Session) -> None:
    case = in_video(session)
    final = Reason(
        business_code=case.business_code,
        step="photos",
        code="forged",
        title="伪造证件",
        investor_text="不予办理。",
        final=True,
    )
    session.add(final)
    session.flush()
    reject(case, [final], WITNESS, desk=Desk.SEAT)
    assert case.status is Status.REFUSED and case.ended_at is not None


def test_one_case_in_flight_at_a_time(session: Session) -> None:
    first = given_case(session)
    assert given_case(session) is first
    with pytest.raises(service.AlreadyInFlight):
        given_case(session, business="add_trading_code")
    service.abandon(first, INVESTOR)
    assert given_case(session, business="add_trading_code").case_no != first.case_no


def test_case_numbers_count_up_within_the_local_day(session: Session) -> None:
    assert [given_case(session, name).case_no for name in ("周晚晴", "许砚青")] == ["2026112000001", "2026112000002"]


# --- two at once


# SQLite lets nobody look in order to change while another does
postgresql = pytest.mark.databases("postgresql")


@postgresql
def test_who_comes_second_sees_what_the_first_one_did(world: Settings) -> None:
    """The second device loaded the case before the first one finished the step."""
    with db.transaction() as session:
        case_id = given_case(session).id
    with pytest.raises(StaleStep), db.transaction() as second:
        case = second.get_one(Case, case_id)
        assert not case.done
        with db.transaction() as first:
            finish_step(first.get_one(Case, case_id), "photos", INVESTOR)
        finish_step(case, "photos", INVESTOR)
    with db.reading() as session:
        assert len(session.get_one(Case, case_id).entries) == 1


@postgresql
def test_what_was_reopened_meanwhile_is_open_for_who_comes_second(world: Settings) -> None:
    with db.transaction() as session:
        case = given_case(session)
        finish_step(case, "photos", INVESTOR)
        case_id = case.id
    with pytest.raises(StaleStep), db.transaction() as second:
        case = second.get_one(Case, case_id)
        assert "photos" in case.done
        with db.transaction() as first:
            redo_step(first.get_one(Case, case_id), "photos", INVESTOR)
        redo_step(case, "photos", INVESTOR)


def test_only_a_step_that_is_done_or_at_hand_can_be_blamed(session: Session) -> None:
    def blamed(case: Case) -> set[str]:
        return {blame.key for blame in blames(session, case)}

    assert "signing" not in blamed(in_video(session))
    case = given_case(session, "许砚青")
    assert blamed(case) == {"photos"}
    with pytest.raises(service.UnknownReason):
        service.reasons_by_code(session, case, ["card_mismatch"])
    finish_step(case, "photos", INVESTOR)
    assert blamed(case) == {"photos", "bank_card"}
