"""The other steps of both businesses: cards, certificate check, profile, exchanges with their notices, score reports."""

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from console import db
from console.agreements.models import NoticeAnswer
from console.businesses import knowledge_test
from console.businesses.banks import bank_of, is_card_number
from console.cases.models import Status
from console.cases.trail import Happening
from console.people.models import TradingCode
from tests import world
from tests.pictures import bank_card, score_report
from tests.portal import ways
from tests.portal.ways import ADD, CHANGE

CARD = "6217000010012345678"  # digits of a construction bank card; the last one is put right below


def with_check_digit(number: str) -> str:
    return next(f"{number[:-1]}{digit}" for digit in range(10) if is_card_number(f"{number[:-1]}{digit}"))


CARD = with_check_digit(CARD)


def client_at(as_investor, name: str, business: str) -> tuple[FlaskClient, str]:
    case_no = ways.case_of(name, business)
    return as_investor(name), case_no


# --- 银行卡


@pytest.fixture
def cards(app, as_investor) -> tuple[FlaskClient, str]:
    client, case_no = client_at(as_investor, "周晚晴", CHANGE)
    ways.skip_to(case_no, "bank_card")
    return client, case_no


def add_card(client: FlaskClient, case_no: str, number: str = CARD, bank: str = "", photo: str | None = None):
    if photo is None:
        photo = ways.upload(client, f"/case/{case_no}/bank_card/photo", bank_card()).get_json()["id"]
        ways.develop(photo)
    form = {"number": number, "bank": bank, "evidence": photo}
    return client.post(f"/case/{case_no}/bank_card/add", data=form, headers=ways.JSON)


def keys(client: FlaskClient, case_no: str) -> list[str]:
    return re.findall(r'data-card="(\w+)"', client.get(f"/case/{case_no}/bank_card/tiles").text)


def test_cards_on_record_are_there_and_masked(cards) -> None:
    client, case_no = cards
    page = client.get(f"/case/{case_no}/bank_card").text
    assert "中国工商银行" in page
    assert "62220200000000000" not in page
    answer = ways.hand_in(client, case_no, "bank_card")
    assert answer.location == f"/case/{case_no}/certificate_check"
    (card,) = ways.look(case_no).data_of("bank_card")["cards"]
    assert card["known"]


def test_a_new_card_knows_its_bank_from_its_number(cards) -> None:
    client, case_no = cards
    assert add_card(client, case_no, " ".join(re.findall(".{1,4}", CARD))).status_code == 201
    assert "中国建设银行" in client.get(f"/case/{case_no}/bank_card").text
    assert ways.hand_in(client, case_no, "bank_card").status_code == 302
    kept = ways.look(case_no).data_of("bank_card")["cards"]
    assert [(card["known"], card["bank"]) for card in kept] == [(True, "中国工商银行"), (False, "中国建设银行")]
    assert kept[1]["number"] == CARD


def test_a_card_with_faults_is_refused_with_each_fault_at_its_field(cards) -> None:
    client, case_no = cards
    answer = add_card(client, case_no, "6217000010012345670"[:-1] + "0", photo="none")
    assert answer.status_code == 422
    assert set(answer.get_json()["errors"]) <= {"number", "bank", "photo"}
    assert {"number", "photo"} <= set(answer.get_json()["errors"])


def test_the_same_card_twice_is_refused(cards) -> None:
    client, case_no = cards
    add_card(client, case_no)
    assert "已经在列表里" in add_card(client, case_no).get_json()["errors"]["number"]


def test_at_least_one_card_remains(cards) -> None:
    client, case_no = cards
    (known,) = keys(client, case_no)
    assert client.post(f"/case/{case_no}/bank_card/remove", data={"key": known}).status_code == 200
    answer = ways.hand_in(client, case_no, "bank_card")
    assert answer.status_code == 422
    assert "至少保留一张银行卡" in answer.text
    add_card(client, case_no)
    assert ways.hand_in(client, case_no, "bank_card").status_code == 302


def test_a_card_on_record_deleted_by_mistake_comes_back_once(cards) -> None:
    client, case_no = cards
    (known,) = keys(client, case_no)
    client.post(f"/case/{case_no}/bank_card/remove", data={"key": known})
    for _ in range(2):
        assert client.post(f"/case/{case_no}/bank_card/restore", data={"key": known}).status_code == 200
    assert keys(client, case_no) == [known]
    assert client.post(f"/case/{case_no}/bank_card/restore", data={"key": "known0"}).status_code == 404


def test_a_card_whose_photo_is_not_ready_keeps_the_step_open(cards) -> None:
    client, case_no = cards
    photo = ways.upload(client, f"/case/{case_no}/bank_card/photo", bank_card()).get_json()["id"]
    assert add_card(client, case_no, photo=photo).status_code == 201
    assert ways.hand_in(client, case_no, "bank_card").status_code == 422
    ways.develop(photo)
    assert ways.hand_in(client, case_no, "bank_card").status_code == 302


def test_what_was_put_together_survives_a_reload_and_a_reopening(cards) -> None:
    client, case_no = cards
    add_card(client, case_no)
    ways.hand_in(client, case_no, "bank_card")
    entry = ways.look(case_no).done["bank_card"]
    page = client.get(f"/case/{case_no}/bank_card").text
    assert f'name="redo" value="{entry.id}"' in page
    assert len(keys(client, case_no)) == 2


@pytest.mark.parametrize(
    ("number", "bank"), [("6222021234", "中国工商银行"), ("9559912345", "中国农业银行"), ("1234567890", None)]
)
def test_a_bank_is_known_by_its_prefix(number: str, bank: str | None) -> None:
    assert bank_of(number) == bank


@pytest.mark.parametrize("number", ["", "622202", "abcdefghijklmnop", "６２１７", "4" * 20])
def test_what_is_no_card_number_is_not(number: str) -> None:
    assert not is_card_number(number)


# --- 证书检测


@pytest.fixture
def check(cards) -> tuple[FlaskClient, str]:
    client, case_no = cards
    ways.hand_in(client, case_no, "bank_card")
    return client, case_no


def test_without_a_certificate_the_video_comes_next(check) -> None:
    client, case_no = check
    assert "未检测到数字证书" in client.get(f"/case/{case_no}/certificate_check").text
    assert ways.hand_in(client, case_no, "certificate_check", serials="").status_code == 302
    assert ways.where(case_no) == "video"
    assert ways.look(case_no).facts.holds_certificate is False


def test_a_serial_that_only_the_browser_knows_counts_for_nothing(check) -> None:
    client, case_no = check
    ways.hand_in(client, case_no, "certificate_check", serials="DEADBEEF")
    assert ways.look(case_no).facts.holds_certificate is False


def test_a_valid_certificate_on_this_device_leads_to_signing(check) -> None:
    client, case_no = check
    serial = give_certificate("周晚晴")
    assert serial in client.get(f"/case/{case_no}/certificate_check").text
    ways.hand_in(client, case_no, "certificate_check", serials=f"00AA,{serial.lower()}")
    assert ways.look(case_no).facts.holds_certificate is True
    assert ways.where(case_no) == "signing"


def test_a_valid_certificate_on_another_device_leads_to_the_video(check) -> None:
    client, case_no = check
    give_certificate("周晚晴")
    ways.hand_in(client, case_no, "certificate_check", serials="")
    assert ways.where(case_no) == "video"


def give_certificate(name: str) -> str:
    from datetime import timedelta

    from console.certificates.models import Certificate

    with db.transaction() as session:
        person = world.investor_named(session, name)
        made = Certificate(
            investor_id=person.id,
            serial="0A1B2C3D",
            der=b"",
            key_sha256="0" * 64,
            issued_at=ways.now() - timedelta(days=1),
            expires_at=ways.now() + timedelta(days=365),
        )
        session.add(made)
        return made.serial


# --- 个人基本资料


def test_the_profile_is_shown_masked_and_handed_in_as_it_is(app, as_investor) -> None:
    client, case_no = client_at(as_investor, "周晚晴", ADD)
    ways.skip_to(case_no, "profile")
    page = client.get(f"/case/{case_no}/profile").text
    assert "周*晴" in page
    assert ways.id_no_of("周晚晴") not in page
    assert ways.phone_of("周晚晴") not in page
    assert ways.hand_in(client, case_no, "profile").location == f"/case/{case_no}/exchanges"
    assert ways.look(case_no).data_of("profile")["name"] == "周晚晴"


@pytest.mark.parametrize(
    "blank", [{"occupation": None}, {"address": ""}, {"risk_grade": None}, {"id_valid_from": None}]
)
def test_a_blank_required_field_sends_to_the_suitability_assessment(app, as_investor, blank: dict[str, None]) -> None:
    ways.change_investor("周晚晴", **blank)
    client, case_no = client_at(as_investor, "周晚晴", ADD)
    ways.skip_to(case_no, "profile")
    assert "#suitability_assessment" in client.get(f"/case/{case_no}/profile").text
    answer = ways.hand_in(client, case_no, "profile")
    assert answer.status_code == 422
    assert "请先完成适当性评估" in answer.text
    assert ways.where(case_no) == "profile"


def test_a_blank_optional_field_does_not(app, as_investor) -> None:
    ways.change_investor("周晚晴", email=None)
    client, case_no = client_at(as_investor, "周晚晴", ADD)
    ways.skip_to(case_no, "profile")
    assert ways.hand_in(client, case_no, "profile").status_code == 302


# --- 交易所选择


def choosing(as_investor, name: str) -> tuple[FlaskClient, str]:
    ways.publish_notices()
    client, case_no = client_at(as_investor, name, ADD)
    ways.skip_to(case_no, "exchanges")
    return client, case_no


def tick(client: FlaskClient, case_no: str, *codes: str):
    return client.post(f"/case/{case_no}/exchanges/chosen", data={"exchange": list(codes)}, headers=ways.JSON)


def choose(client: FlaskClient, case_no: str, *codes: str):
    return client.post(f"/case/{case_no}/exchanges", data={"exchange": list(codes)})


def notice(client: FlaskClient, case_no: str, moment: str, which: str, choice: str | None):
    opened = client.post(
        f"/case/{case_no}/exchanges/notice", data={"moment": moment, "which": which}, headers=ways.JSON
    )
    if choice is None or opened.status_code != 200:
        return opened
    form = {"moment": moment, "which": which, "choice": choice}
    return client.post(f"/case/{case_no}/exchanges/answer", data=form, headers=ways.JSON)


def insist_twice(client: FlaskClient, case_no: str, moment: str) -> None:
    for which in ("first", "second"):
        assert notice(client, case_no, moment, which, "insist").status_code == 200


def answers() -> list[NoticeAnswer]:
    with db.reading() as session:
        return list(session.scalars(select(NoticeAnswer).order_by(NoticeAnswer.id)))


def test_a_c4_investor_chooses_without_notices(app, as_investor) -> None:
    client, case_no = choosing(as_investor, "周晚晴")
    assert tick(client, case_no, "INE").get_json() == {"notice": None}
    assert choose(client, case_no, "INE").status_code == 302
    assert ways.where(case_no) == "score_reports"


def test_held_exchanges_are_grey_and_count_for_nothing(app, as_investor) -> None:
    client, case_no = choosing(as_investor, "周晚晴")
    page = client.get(f"/case/{case_no}/exchanges").text
    assert re.search(r"held.*disabled><span>上海期货交易所</span>", page)
    answer = choose(client, case_no, "SHFE")
    assert answer.status_code == 422
    assert "至少选择一个新的交易所" in answer.text


def test_nothing_and_unknown_exchanges_are_refused(app, as_investor) -> None:
    client, case_no = choosing(as_investor, "周晚晴")
    assert choose(client, case_no).status_code == 422
    assert choose(client, case_no, "NYMEX").status_code == 422
    assert ways.where(case_no) == "exchanges"


def test_commodities_alone_need_no_score_reports(app, as_investor) -> None:
    client, case_no = choosing(as_investor, "周晚晴")
    choose(client, case_no, "DCE", "CZCE")
    assert ways.look(case_no).data_of("exchanges") == {"chosen": ["CZCE", "DCE"]}
    assert ways.where(case_no) == "reading"


def test_a_second_demanding_exchange_needs_no_score_reports(app, as_investor) -> None:
    with db.transaction() as session:
        person = world.investor_named(session, "周晚晴")
        person.trading_codes.append(TradingCode(exchange="CFFEX", code="00000009"))
    client, case_no = choosing(as_investor, "周晚晴")
    choose(client, case_no, "INE")
    assert ways.where(case_no) == "reading"


def test_a_c3_investor_answers_two_notices_for_crude_oil(app, as_investor) -> None:
    client, case_no = choosing(as_investor, "许砚青")
    assert tick(client, case_no, "DCE").get_json() == {"notice": None}
    assert tick(client, case_no, "DCE", "INE").get_json() == {"notice": "on_choosing"}
    assert choose(client, case_no, "DCE", "INE").status_code == 422
    insist_twice(client, case_no, "on_choosing")
    assert choose(client, case_no, "DCE", "INE").status_code == 302
    first, second = answers()
    assert (first.which, second.which) == ("first", "second")
    assert first.version_id != second.version_id
    assert second.context == {"grade": "C3", "chosen": ["DCE", "INE"]}
    lines = [line for line in ways.look(case_no).events if line.action == Happening.NOTICE_ANSWERED]
    assert [line.detail["choice"] for line in lines] == ["insist", "insist"]


def test_answers_for_one_exchange_do_not_count_for_another(app, as_investor) -> None:
    client, case_no = choosing(as_investor, "许砚青")
    tick(client, case_no, "INE")
    insist_twice(client, case_no, "on_choosing")
    assert tick(client, case_no, "INE", "CFFEX").get_json() == {"notice": "on_choosing"}
    assert choose(client, case_no, "INE", "CFFEX").status_code == 422
    assert choose(client, case_no, "INE").status_code == 302


def test_choosing_again_is_kept_and_settles_nothing(app, as_investor) -> None:
    client, case_no = choosing(as_investor, "许砚青")
    tick(client, case_no, "INE")
    notice(client, case_no, "on_choosing", "first", "insist")
    assert notice(client, case_no, "on_choosing", "second", "choose_again").get_json() == {"go": None}
    assert [given.choice for given in answers()] == ["insist", "choose_again"]
    assert choose(client, case_no, "INE").status_code == 422
    assert choose(client, case_no, "DCE").status_code == 302


def test_the_second_notice_comes_after_the_first(app, as_investor) -> None:
    client, case_no = choosing(as_investor, "许砚青")
    tick(client, case_no, "INE")
    answer = notice(client, case_no, "on_choosing", "second", None)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "notice_out_of_order")


def test_a_notice_that_was_not_shown_cannot_be_answered(app, as_investor) -> None:
    client, case_no = choosing(as_investor, "许砚青")
    tick(client, case_no, "INE")
    form = {"moment": "on_choosing", "which": "first", "choice": "insist"}
    assert client.post(f"/case/{case_no}/exchanges/answer", data=form, headers=ways.JSON).status_code == 409
    assert answers() == []


def test_how_long_a_notice_was_open_is_measured_by_the_server(app, as_investor) -> None:
    from datetime import datetime, timedelta

    from console.cases import service as cases

    client, case_no = choosing(as_investor, "许砚青")
    tick(client, case_no, "INE")
    notice(client, case_no, "on_choosing", "first", None)
    with db.transaction() as session:
        case = session.merge(ways.look(case_no), load=True)
        kept = cases.draft(session, case, "exchanges")
        earlier = datetime.fromisoformat(kept["notice"]["at"]) - timedelta(seconds=30)
        cases.save_draft(
            session, case, "exchanges", {**kept, "notice": {**kept["notice"], "at": earlier.isoformat()}}, ways.now()
        )
    form = {"moment": "on_choosing", "which": "first", "choice": "insist", "dwell_ms": "1"}
    client.post(f"/case/{case_no}/exchanges/answer", data=form)
    (given,) = answers()
    assert 30_000 <= given.dwell_ms < 60_000


def test_a_c1_investor_answers_two_notices_on_entering(app, as_investor) -> None:
    client, case_no = choosing(as_investor, "闻子期")
    assert 'data-moment="on_entry"' in client.get(f"/case/{case_no}/exchanges").text
    assert choose(client, case_no, "DCE").status_code == 422
    insist_twice(client, case_no, "on_entry")
    assert 'data-moment=""' in client.get(f"/case/{case_no}/exchanges").text
    assert choose(client, case_no, "DCE").status_code == 302


def test_giving_up_ends_the_case_and_keeps_the_answer(app, as_investor) -> None:
    client, case_no = choosing(as_investor, "闻子期")
    assert notice(client, case_no, "on_entry", "first", "give_up").get_json() == {"go": "/my"}
    assert ways.look(case_no).status is Status.ABANDONED
    assert [given.choice for given in answers()] == ["give_up"]


def test_a_choice_that_the_notice_does_not_offer_is_not_found(app, as_investor) -> None:
    client, case_no = choosing(as_investor, "许砚青")
    tick(client, case_no, "INE")
    assert notice(client, case_no, "on_choosing", "first", "give_up").status_code == 404
    assert notice(client, case_no, "on_entry", "first", "insist").status_code == 409


def test_without_published_notices_nobody_goes_on(app, as_investor) -> None:
    client, case_no = client_at(as_investor, "闻子期", ADD)
    ways.skip_to(case_no, "exchanges")
    assert client.get(f"/case/{case_no}/exchanges").status_code == 200
    assert notice(client, case_no, "on_entry", "first", "insist").get_json()["code"] == "no_such_notice"


# --- 成绩报告单


@pytest.fixture
def reports(app, as_investor) -> tuple[FlaskClient, str]:
    client, case_no = choosing(as_investor, "周晚晴")
    choose(client, case_no, "INE")
    return client, case_no


def report(client: FlaskClient, case_no: str) -> str:
    answer = ways.upload(client, f"/case/{case_no}/score_reports/photo", score_report())
    assert answer.status_code == 201
    ways.develop(answer.get_json()["id"], crop=False)
    return answer.get_json()["id"]


def test_two_reports_are_enough_and_one_is_not(reports) -> None:
    client, case_no = reports
    report(client, case_no)
    answer = ways.hand_in(client, case_no, "score_reports")
    assert answer.status_code == 422
    assert "还差 1 张" in answer.text
    second = report(client, case_no)
    assert ways.hand_in(client, case_no, "score_reports").status_code == 302
    assert second in ways.look(case_no).data_of("score_reports")["reports"]


def test_an_eleventh_report_is_refused(reports) -> None:
    client, case_no = reports
    for _ in range(10):
        assert ways.upload(client, f"/case/{case_no}/score_reports/photo", score_report()).status_code == 201
    answer = ways.upload(client, f"/case/{case_no}/score_reports/photo", score_report())
    assert (answer.status_code, answer.get_json()["code"]) == (429, "too_many_photos")


def test_a_report_can_be_taken_away(reports) -> None:
    client, case_no = reports
    public_id = report(client, case_no)
    assert client.post(f"/case/{case_no}/score_reports/{public_id}/remove").status_code == 200
    assert client.get(f"/case/{case_no}/score_reports/state").get_json()["photos"] == []
    assert client.post(f"/case/{case_no}/score_reports/{public_id}/remove").status_code == 404


def take_test(client: FlaskClient, case_no: str, right: int):
    answers = {
        q.key: str(q.answer if n < right else (q.answer + 1) % 4) for n, q in enumerate(knowledge_test.QUESTIONS)
    }
    return client.post(f"/case/{case_no}/score_reports/test", data=answers)


def test_the_online_test_passed_takes_the_place_of_reports(reports) -> None:
    client, case_no = reports
    assert take_test(client, case_no, 7).status_code == 302
    assert ways.hand_in(client, case_no, "score_reports").status_code == 422
    assert take_test(client, case_no, 8).location == f"/case/{case_no}/score_reports"
    assert ways.hand_in(client, case_no, "score_reports").status_code == 302
    kept = ways.look(case_no).data_of("score_reports")
    assert [attempt["points"] for attempt in kept["attempts"]] == [70, 80]


def test_a_test_with_blanks_is_not_marked(reports) -> None:
    client, case_no = reports
    assert client.get(f"/case/{case_no}/score_reports/test").status_code == 200
    answer = client.post(f"/case/{case_no}/score_reports/test", data={"margin": "1"})
    assert answer.status_code == 422
    assert "还有 9 题没有作答" in answer.text


def test_the_online_test_is_not_there_when_no_reports_are_asked_for(app, as_investor) -> None:
    client, case_no = choosing(as_investor, "周晚晴")
    assert client.get(f"/case/{case_no}/score_reports/test").status_code == 404
