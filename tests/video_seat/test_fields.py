"""信息核验: what differs is seen, and has to be looked at by a person; what is flagged locks 通过."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from console.cases.models import CaseEvent
from console.cases.trail import Happening
from console.cases.transitions import finish_step
from console.evidence import service as evidence
from console.evidence.models import Evidence, Kind
from console.portal.steps.profile import fields
from console.queues import seats
from console.queues import service as queues
from console.video_seat import facts, service
from console.video_seat.locks import Locks
from console.video_seat.models import CallEventKind, CheckResult, VideoSession
from tests.queues.given import online, to_the_video
from tests.video_seat.given import WITNESS, all_in_order, answered, at, png, said, talking
from tests.world import given_case, investor_named, stamp

ELSEWHERE = "上海市浦东新区世纪大道 1501 号 8 室"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("上海市静安区 1733 号", "上海市静安区1733号", True),
        ("ＡＢＣ１２３", "abc123", True),
        ("31010119900307001x", "31010119900307001X", True),
        ("世纪大道 1051 号", "世纪大道 1501 号", False),
        ("周晚晴", "", True),
        (None, "周晚晴", True),
    ],
)
def test_width_spaces_and_case_make_no_difference(one: str | None, other: str | None, same: bool) -> None:
    assert facts.differ(one, other) is not same


def test_the_characters_that_differ_are_marked() -> None:
    pieces = facts.marked("南京西路 1773 号", "南京西路1733号")
    assert "".join(piece for piece, _ in pieces) == "南京西路 1773 号"
    assert [piece for piece, differs in pieces if differs] == ["7"]
    assert facts.marked("周晚晴", "周晚睛") == [("周晚", False), ("晴", True)]


def declared(session: Session, **changes: str) -> VideoSession:
    """A call about 增开交易编码 whose 个人基本资料 said something else than the books say now."""
    person = investor_named(session, "周晚晴")
    mark = stamp(f"investor:{person.id}")
    case = given_case(session, business="add_trading_code")
    finish_step(case, "photos", mark)
    finish_step(case, "profile", mark, content={f.key: f.value for f in fields(person)} | changes)
    queues.join(session, to_the_video(case), mark)
    seat = online(session)
    ticket = seats.answer_next(session, seat, WITNESS)
    assert ticket is not None
    call = service.start(session, ticket, seat, "node-1", WITNESS)
    service.acknowledge(session, call, at(0.5, "investor:1"))
    said(session, call, CallEventKind.RECORDING, 0.5, segment=1)
    return call


def of(session: Session, call: VideoSession) -> dict[str, facts.Fact]:
    return {fact.key: fact for fact in facts.of(session, call.case, WITNESS)}


def test_what_the_investor_declared_stands_beside_the_brokers_record(session: Session) -> None:
    found = of(session, declared(session, address="上海市浦东新区世纪大道 1501 号 8 室"))
    assert found["address"].differs and found["address"].record == "上海市浦东新区世纪大道 1051 号 8 室"
    assert not found["name"].differs and found["name"].declared == found["name"].record


def test_a_business_that_asks_nothing_shows_the_record_alone(session: Session) -> None:
    found = of(session, talking(session))
    assert found["name"].declared is None and found["name"].claim == "周晚晴"
    assert not any(fact.differs for fact in found.values())


def test_what_the_machine_read_otherwise_is_a_difference_that_decides_nothing(session: Session) -> None:
    fact = facts.Fact("name", "姓名", None, "周晚晴", "周晚睛")
    assert fact.differs and fact.unlike_read and fact.result == ("", "")


def test_numbers_are_masked_and_never_taken_apart() -> None:
    fact = facts.Fact("id_no", "证号", "310101199003070019", "310101199003070027", mask=facts.masked_id)
    assert fact.shown == "3101**********0019"
    assert fact.against(fact.record) == [("3101**********0027", True)]


def test_a_card_number_read_otherwise_is_a_difference_and_masked(session: Session, tmp_path: Path) -> None:
    call = talking(session)
    with png(tmp_path).open("rb") as picture:
        kept = evidence.keep(session, call.case, Kind.BANK_CARD, picture, at(0), media_type="image/png")
    call.case.done["bank_card"].content = {
        "cards": [{"bank": "招商银行", "number": "6225880123453459", "known": False, "evidence": kept.public_id}]
    }
    for read, differs in (("6225880123453459", False), ("4242424242424242", True)):
        kept.reading = {"number": read}
        card = of(session, call)["card:0"]
        assert (card.unlike_read, card.differs) == (differs, differs)
    assert read not in str(card.against(card.read))


# --- ticking and flagging


def test_a_difference_locks_pass_until_somebody_looked_at_it(session: Session) -> None:
    call = declared(session, address="上海市浦东新区世纪大道 1501 号 8 室")
    assert "住址" in [ask.title for ask in Locks(session, call, WITNESS).missing]
    service.check_fields(session, call, ["address"], CheckResult.OK, at(1))
    assert "住址" not in [ask.title for ask in Locks(session, call, WITNESS).asks]


def test_a_flagged_field_locks_pass_and_says_why_and_which_step_it_speaks_against(
    session: Session, tmp_path: Path
) -> None:
    call = talking(session)
    all_in_order(session, call, tmp_path)
    made = service.check_fields(
        session, call, ["signature"], CheckResult.PROBLEM, at(9), reason="unreadable", words="潦草"
    )
    assert (made[0].reason, made[0].words, made[0].by) == ("模糊，无法辨认", "潦草", "staff:1")
    (ask,) = Locks(session, call, WITNESS).asks
    assert (ask.name, ask.why, ask.step, ask.anchor) == ("签名照", "模糊，无法辨认", "photos", "field-signature")
    with pytest.raises(service.ItemsMissing) as refused:
        service.pass_video(session, call, at(10))
    assert refused.value.text == "还不能通过。签名照有问题。"
    service.check_fields(session, call, ["signature"], CheckResult.OK, at(11))
    service.pass_video(session, call, at(12))


def test_several_fields_are_ticked_at_once_each_with_its_mark_and_one_line_in_the_trail(session: Session) -> None:
    call = talking(session)
    service.check_fields(session, call, ["name", "id_no", "birth"], CheckResult.OK, at(1))
    assert [mark.item for mark in call.marks] == ["field:name", "field:id_no", "field:birth"]
    (line,) = session.query(CaseEvent).filter_by(action=Happening.FIELD_CHECKED)
    assert line.detail["fields"] == ["name", "id_no", "birth"]


@pytest.mark.parametrize(
    ("names", "result", "reason", "refused"),
    [
        (["shoe_size"], CheckResult.OK, "", service.UnknownItem),
        ([], CheckResult.OK, "", service.UnknownItem),
        (["name"], CheckResult.PROBLEM, "", service.UnknownShortReason),
        (["name"], CheckResult.PROBLEM, "prompted", service.UnknownShortReason),
    ],
)
def test_only_fields_of_the_case_are_checked_and_flagged_only_for_a_reason_of_the_register(
    session: Session, names: list[str], result: CheckResult, reason: str, refused: type[Exception]
) -> None:
    with pytest.raises(refused):
        service.check_fields(session, talking(session), names, result, at(1), reason=reason)


def test_nothing_is_checked_before_the_consent(session: Session) -> None:
    with pytest.raises(service.NotAcknowledged):
        service.check_fields(session, answered(session), ["name"], CheckResult.OK, at(1))


def test_what_is_written_about_a_field_is_sealed(session: Session) -> None:
    call = talking(session)
    service.check_fields(session, call, ["address"], CheckResult.PROBLEM, at(1), reason="other", words="写成 1501 号")
    (kept,) = session.execute(text("SELECT words FROM check_marks")).one()
    assert b"1501" not in bytes(kept)


# --- what was looked at


def test_a_mark_keeps_sealed_what_the_witness_looked_at(session: Session) -> None:
    call = declared(session, address=ELSEWHERE)
    (made,) = service.check_fields(session, call, ["address"], CheckResult.OK, at(1))
    assert made.seen == {"declared": ELSEWHERE, "record": "上海市浦东新区世纪大道 1051 号 8 室"}
    (kept,) = session.execute(text("SELECT seen FROM check_marks")).one()
    assert b"1501" not in bytes(kept)


def test_a_difference_that_appears_later_is_confirmed_by_nobody_and_locks_pass_again(session: Session) -> None:
    call = declared(session, address=ELSEWHERE)
    service.check_fields(session, call, ["address"], CheckResult.OK, at(1))
    call.case.investor.address = "上海市徐汇区漕溪北路 8 号"
    (ask,) = [ask for ask in Locks(session, call, WITNESS).missing if ask.title == "住址"]
    assert ask.why == "核对之后有变化，须重新确认"
    service.check_fields(session, call, ["address"], CheckResult.OK, at(2))
    assert "住址" not in [ask.title for ask in Locks(session, call, WITNESS).asks]


def test_a_field_that_was_ticked_without_a_difference_is_locked_by_one_that_comes_later(session: Session) -> None:
    call = declared(session)
    service.check_fields(session, call, ["address"], CheckResult.OK, at(1))
    assert "住址" not in [ask.title for ask in Locks(session, call, WITNESS).asks]
    call.case.investor.address = ELSEWHERE
    assert "住址" in [ask.title for ask in Locks(session, call, WITNESS).missing]


def test_what_was_flagged_stays_flagged_whatever_changes(session: Session) -> None:
    call = declared(session, address=ELSEWHERE)
    service.check_fields(session, call, ["address"], CheckResult.PROBLEM, at(1), reason="unlike_id")
    call.case.investor.address = "上海市徐汇区漕溪北路 8 号"
    assert "住址" in [ask.title for ask in Locks(session, call, WITNESS).problems]


@pytest.mark.parametrize(
    ("now", "seen"),
    [
        ({"read": "周晚睛"}, False),
        ({"read": "周晚晴"}, True),  # says what was claimed: nothing new to look at
        ({"record": "周婉晴"}, False),
        ({"declared": "周晩晴"}, False),
        ({"result": ("bad", "已过期")}, False),
        ({"result": ("wait", "即将到期")}, True),
    ],
)
def test_only_what_differs_and_was_not_seen_is_new(now: dict[str, Any], seen: bool) -> None:
    before = facts.Fact("name", "姓名", "周晚晴", "周晚晴")
    assert replace(before, **now).was_seen(before.seen) is seen


def test_another_photo_is_another_thing_to_look_at() -> None:
    before = facts.Fact("name", "姓名", "周晚晴", "周晚睛", photo=Evidence(public_id="one"))
    assert before.was_seen(before.seen) and not replace(before, photo=Evidence(public_id="two")).was_seen(before.seen)


def test_marks_from_before_it_was_kept_go_on_counting(session: Session) -> None:
    call = declared(session, address=ELSEWHERE)
    (made,) = service.check_fields(session, call, ["address"], CheckResult.OK, at(1))
    made.seen = None
    assert "住址" not in [ask.title for ask in Locks(session, call, WITNESS).asks]


def test_what_changed_between_the_page_and_the_press_is_refused(session: Session) -> None:
    call = declared(session, address=ELSEWHERE)
    shown = [of(session, call)[key].print for key in ("name", "address")]
    call.case.investor.address = "上海市徐汇区漕溪北路 8 号"
    with pytest.raises(service.FieldsChanged) as refused:
        service.check_fields(session, call, ["name", "address"], CheckResult.OK, at(1), seen=shown)
    assert "住址刚刚有变化" in refused.value.text and call.marks == []
    with pytest.raises(service.UnknownItem):
        service.check_fields(session, call, ["name", "address"], CheckResult.OK, at(1), seen=shown[:1])
