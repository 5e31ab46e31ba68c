from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from console.adapters.counter import Answer, Result
from console.cases import service as cases
from console.cases.models import Case, CaseEvent
from console.cases.trail import Happening
from console.counter import service
from console.counter.models import Delivery, DeliveryState
from console.counter.records import AnswerIncomplete
from console.db import reading, transaction
from tests.counter.given import HELD_CARD, NEW_CARD, cards_approved, codes_approved
from tests.review.given import case_in_review
from tests.world import AT, given_case, investor_named, staff_named, stamp

pytestmark = pytest.mark.databases("sqlite", "postgresql")
NO_TIME = timedelta()
DONE = Answer(Result.DONE, {"DCE": "00012345"})
REFUSED = Answer(Result.REFUSED, reason="客户号已冻结")


def delivery_of(session: Session, case: Case) -> Delivery:
    return session.scalars(select(Delivery).where(Delivery.case_id == case.id)).one()


def asked(session: Session, case: Case, at=AT) -> service.Order:
    order = service.take(session, case.id, at)
    assert order is not None
    return order


def happenings(session: Session, case: Case) -> list[str]:
    lines = session.scalars(select(CaseEvent).where(CaseEvent.case_id == case.id).order_by(CaseEvent.seq))
    return [line.action for line in lines]


# --- the outbox


def test_the_approval_opens_a_report(session):
    case = codes_approved(session, "DCE")
    found = delivery_of(session, case)
    assert (found.state, found.branch_id, found.next_try_at) == (DeliveryState.WAITING, case.branch_id, AT)
    assert service.due(session, AT, 10) == [case.id]


def test_an_approval_that_is_not_committed_leaves_no_report(world):
    class Away(Exception):
        pass

    with pytest.raises(Away), transaction() as session:
        codes_approved(session, "DCE")
        raise Away
    with reading() as session:
        assert service.due(session, AT, 10) == []


def test_a_case_that_is_not_approved_reports_nothing(session):
    case_in_review(session)
    assert service.due(session, AT, 10) == []


def test_the_order_names_client_business_and_what_is_wanted(session):
    case = codes_approved(session, "DCE", "CZCE")
    order = asked(session, case)
    assert order.body["key"] == order.key
    assert order.body["client_no"] == "80010001"
    assert order.body["trading_codes"] == ["CZCE", "DCE"]
    assert "settlement_accounts" not in order.body


def test_of_the_cards_only_what_changes_is_ordered(session):
    case = cards_approved(session, NEW_CARD)
    wanted = asked(session, case).body["settlement_accounts"]
    assert wanted == {
        "add": [{"bank": "中国银行", "number": NEW_CARD}],
        "end": [{"bank": "中国工商银行", "number": HELD_CARD}],
    }


def test_while_one_asks_nobody_else_does_until_its_lease_ran_out(session):
    case = codes_approved(session, "DCE")
    first = asked(session, case)
    assert service.take(session, case.id, AT + timedelta(seconds=90)) is None
    assert service.due(session, AT + timedelta(seconds=90), 10) == []
    second = asked(session, case, AT + service.LEASE)
    assert second.key == first.key


# --- no answer


def test_a_counter_down_for_an_hour_is_asked_less_and_less_often_and_has_the_case_once_it_is_back(session):
    case, at, tries = codes_approved(session, "DCE"), AT, 0
    while at < AT + timedelta(hours=1):
        order = asked(session, case, at)
        tries += 1
        at = service.went_wrong(session, order.key, "柜台系统出错（HTTP 503）", stamp(at=at), NO_TIME)
        assert service.take(session, case.id, at - timedelta(seconds=1)) is None
    assert 8 <= tries <= 12
    assert delivery_of(session, case).said == "柜台系统出错（HTTP 503）"
    order = asked(session, case, at)
    service.answered(session, order.key, DONE, stamp(at=at))
    assert delivery_of(session, case).state is DeliveryState.DONE
    assert len(delivery_of(session, case).attempts) == tries + 1
    assert service.due(session, at + timedelta(days=1), 10) == []


def test_what_nobody_answers_for_long_is_counted_for_people_of_the_branch_only(session):
    case, at = codes_approved(session, "DCE"), AT
    here, elsewhere = staff_named(session, "qinlang"), staff_named(session, "hzreview")
    for _ in range(service.WORRYING):
        assert service.worrying(session, here) == 0
        at = service.went_wrong(session, asked(session, case, at).key, "连接不上柜台系统", stamp(at=at), NO_TIME)
    assert (service.worrying(session, here), service.worrying(session, elsewhere)) == (1, 0)


# --- answers


def test_granted_codes_are_in_the_records_and_the_exchange_is_held_from_then_on(session):
    case = codes_approved(session, "DCE")
    service.answered(session, asked(session, case).key, DONE, stamp())
    codes = {row.exchange: row.code for row in investor_named(session, "周晚晴").trading_codes}
    assert codes == {"SHFE": "00000001", "DCE": "00012345"}
    assert happenings(session, case)[-1] == Happening.COUNTER_DONE


def test_changed_accounts_are_in_the_records_and_the_old_one_is_ended_not_deleted(session):
    case = cards_approved(session, NEW_CARD)
    service.answered(session, asked(session, case).key, Answer(Result.DONE), stamp())
    cards = {card.number: card.ended_at for card in investor_named(session, "周晚晴").bank_cards}
    assert cards == {HELD_CARD: AT, NEW_CARD: None}


def test_an_account_that_is_kept_stays_as_it_is(session):
    case = cards_approved(session, HELD_CARD, NEW_CARD)
    service.answered(session, asked(session, case).key, Answer(Result.DONE), stamp())
    assert {card.number for card in investor_named(session, "周晚晴").bank_cards if card.ended_at is None} == {
        HELD_CARD,
        NEW_CARD,
    }


def test_told_twice_it_is_done_once(session):
    case = codes_approved(session, "DCE")
    key = asked(session, case).key
    for minute in range(3):
        service.answered(session, key, DONE, stamp(at=AT + timedelta(minutes=minute)))
    assert happenings(session, case).count(Happening.COUNTER_DONE) == 1
    assert len(investor_named(session, "周晚晴").trading_codes) == 2


@pytest.mark.parametrize("other", [REFUSED, Answer(Result.DONE, {"DCE": "99999999"})], ids=["refused", "another_code"])
def test_what_was_done_is_not_taken_back_by_a_later_message(session, other):
    case = codes_approved(session, "DCE")
    key = asked(session, case).key
    service.answered(session, key, DONE, stamp())
    with pytest.raises(service.OtherAnswer):
        service.answered(session, key, other, stamp())
    assert {row.code for row in investor_named(session, "周晚晴").trading_codes} == {"00000001", "00012345"}


def test_done_without_a_code_for_every_exchange_changes_nothing(session):
    case = codes_approved(session, "DCE", "CZCE")
    key = asked(session, case).key
    with pytest.raises(AnswerIncomplete, match="CZCE"):
        service.answered(session, key, DONE, stamp())
    assert {row.exchange for row in investor_named(session, "周晚晴").trading_codes} == {"SHFE"}
    assert delivery_of(session, case).state is DeliveryState.WAITING


def test_what_was_taken_over_is_asked_for_again_until_the_result_is_there(session):
    case = codes_approved(session, "DCE")
    key = asked(session, case).key
    service.answered(session, key, Answer(Result.ACCEPTED), stamp())
    assert delivery_of(session, case).state is DeliveryState.ACCEPTED
    assert asked(session, case, AT + service.POLL).key == key
    service.answered(session, key, DONE, stamp())
    assert delivery_of(session, case).state is DeliveryState.DONE


def test_a_refused_report_rests_until_somebody_has_it_reported_again_with_the_same_key(session):
    case = codes_approved(session, "DCE")
    first = asked(session, case)
    service.answered(session, first.key, REFUSED, stamp())
    assert delivery_of(session, case).said == "客户号已冻结"
    assert service.due(session, AT + timedelta(days=9), 10) == []
    later = AT + timedelta(hours=1)
    service.again(session, case, stamp(at=later))
    assert asked(session, case, later).key == first.key
    service.answered(session, first.key, DONE, stamp(at=later))
    assert happenings(session, case)[-3:] == [
        Happening.COUNTER_REFUSED,
        Happening.COUNTER_ASKED_AGAIN,
        Happening.COUNTER_DONE,
    ]


def test_a_refused_report_that_the_counter_mends_by_itself_is_done(session):
    case = codes_approved(session, "DCE")
    key = asked(session, case).key
    service.answered(session, key, REFUSED, stamp())
    service.answered(session, key, DONE, stamp())
    assert delivery_of(session, case).state is DeliveryState.DONE


def test_what_is_done_is_not_reported_again(session):
    case = codes_approved(session, "DCE")
    service.answered(session, asked(session, case).key, DONE, stamp())
    with pytest.raises(service.NotToRepeat):
        service.again(session, case, stamp())


def test_a_key_that_nobody_gave_out_is_unknown(session):
    with pytest.raises(LookupError):
        service.answered(session, "0" * 32, DONE, stamp())


# --- the next case


def test_the_same_business_begins_again_only_when_the_last_one_is_in_the_records(session):
    case = codes_approved(session, "DCE")
    with pytest.raises(cases.NotNow) as refused:
        given_case(session, business="add_trading_code")
    assert "正在柜台系统登记" in refused.value.text
    service.answered(session, asked(session, case).key, DONE, stamp())
    assert given_case(session, business="add_trading_code").id != case.id


def test_another_business_may_begin_meanwhile(session):
    codes_approved(session, "DCE")
    assert given_case(session, business="change_settlement_account")
