"""P14, P15: the way of a case through its steps as the investor walks it: back, twice, out of order, sent back, given up."""

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from console import db, live
from console.access import Access
from console.businesses import BUSINESSES
from console.businesses.steps import Desk
from console.cases.models import Case, Reason, Status
from console.cases.transitions import reject
from console.people.models import BankCard
from console.portal.steps import facts_of
from console.stamp import Stamp
from tests import world
from tests.portal import ways
from tests.portal.ways import ADD, CHANGE

pytestmark = pytest.mark.databases("postgresql")  # it refuses to write where only reading was opened


@pytest.fixture
def case_no(app) -> str:
    return ways.case_of("周晚晴", CHANGE)


@pytest.fixture
def investor(case_no: str, as_investor) -> FlaskClient:
    return as_investor("周晚晴")


def at_video(client: FlaskClient, case_no: str) -> None:
    ways.photos_done(client, case_no)
    ways.hand_in(client, case_no, "bank_card")
    ways.hand_in(client, case_no, "certificate_check", serials="")
    assert ways.where(case_no) == "video"


def another_card_on_record() -> None:
    """What the bank card step shows is another from now on."""
    with db.transaction() as session:
        person = world.investor_named(session, "周晚晴")
        person.bank_cards.append(BankCard(bank="招商银行", number="6214830000000009", number_index="another"))


def send_back(case_no: str, *codes: str, final: bool = False, must_change: bool = False) -> None:
    """A witness rejects during the call."""
    with db.transaction() as session:
        case = session.scalars(select(Case).where(Case.case_no == case_no)).one()
        case.status = Status.IN_VIDEO
        reasons = list(
            session.scalars(select(Reason).where(Reason.business_code == case.business_code, Reason.code.in_(codes)))
        )
        for reason in reasons:
            reason.final, reason.must_change = final, must_change
        reject(case, reasons, Stamp(by="staff:1", at=ways.now()), desk=Desk.SEAT, internal_note="not for the investor")


# --- whose case


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/photos",
        "/progress",
        "/submitted",
        "/photos/state",
        "/photos/tiles",
        "/bank_card/state",
        "/bank_card/tiles",
    ],
)
def test_somebody_elses_case_is_not_found(case_no: str, as_investor, path: str) -> None:
    other = as_investor("许砚青")
    theirs, nobodys = other.get(f"/case/{case_no}{path}"), other.get(f"/case/2026112099999{path}")
    assert theirs.status_code == nobodys.status_code == 404
    strip = lambda page: page.replace(case_no, "").replace("2026112099999", "")  # noqa: E731
    assert len(strip(theirs.text)) == len(strip(nobodys.text))


@pytest.mark.parametrize("path", ["/photos", "/abandon", "/bank_card/add", "/bank_card/remove", "/exchanges/chosen"])
def test_somebody_elses_case_cannot_be_changed(case_no: str, as_investor, path: str) -> None:
    assert as_investor("许砚青").post(f"/case/{case_no}{path}").status_code == 404
    assert ways.look(case_no).status is Status.WITH_INVESTOR


# --- through the steps


def test_a_case_opens_at_its_current_step(investor: FlaskClient, case_no: str) -> None:
    assert investor.get(f"/case/{case_no}").location == f"/case/{case_no}/photos"


def test_steps_ahead_and_steps_of_the_counter_are_not_opened(investor: FlaskClient, case_no: str) -> None:
    assert investor.get(f"/case/{case_no}/signing").location == f"/case/{case_no}/photos"
    assert investor.get(f"/case/{case_no}/review").status_code == 404
    assert investor.get(f"/case/{case_no}/exchanges").status_code == 404


def test_a_step_handed_in_out_of_order_is_refused(investor: FlaskClient, case_no: str) -> None:
    answer = investor.post(f"/case/{case_no}/bank_card", headers=ways.JSON)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "stale_step")
    assert ways.look(case_no).done == {}


def test_a_step_handed_in_twice_counts_once(investor: FlaskClient, case_no: str) -> None:
    ways.photos_done(investor, case_no)
    answer = ways.hand_in(investor, case_no, "photos")
    assert answer.location == f"/case/{case_no}/bank_card"
    assert "这一步已经提交过" in investor.get(answer.location).text
    assert len(ways.look(case_no).entries) == 1


def test_going_back_shows_the_finished_step_and_changing_it_reopens_what_followed(
    investor: FlaskClient, case_no: str
) -> None:
    ways.photos_done(investor, case_no)
    ways.hand_in(investor, case_no, "bank_card")
    page = investor.get(f"/case/{case_no}/certificate_check").text
    assert f'href="/case/{case_no}/bank_card" aria-label="返回上一步"' in page
    ways.hand_in(investor, case_no, "certificate_check", serials="")
    entry = ways.look(case_no).done["bank_card"]
    another_card_on_record()
    answer = ways.hand_in(investor, case_no, "bank_card", redo=str(entry.id))
    assert answer.location == f"/case/{case_no}/video"
    assert ways.look(case_no).done["bank_card"].id != entry.id


def test_looking_at_a_finished_step_and_going_on_reopens_nothing(investor: FlaskClient, case_no: str) -> None:
    at_video(investor, case_no)
    before = ways.look(case_no)
    for key, entry in before.done.items():
        assert ways.hand_in(investor, case_no, key, redo=str(entry.id)).location == f"/case/{case_no}/video"
    after = ways.look(case_no)
    assert (after.done.keys(), len(after.events)) == (before.done.keys(), len(before.events))


def test_an_old_page_of_a_step_done_again_changes_nothing(investor: FlaskClient, case_no: str) -> None:
    ways.photos_done(investor, case_no)
    ways.hand_in(investor, case_no, "bank_card")
    old = str(ways.look(case_no).done["bank_card"].id)
    another_card_on_record()
    ways.hand_in(investor, case_no, "bank_card", redo=old)
    newer = ways.look(case_no).done["bank_card"].id
    assert str(newer) != old
    ways.hand_in(investor, case_no, "bank_card", redo=old)
    assert ways.look(case_no).done["bank_card"].id == newer


def test_what_failed_in_the_middle_of_redoing_changed_nothing(investor: FlaskClient, case_no: str) -> None:
    ways.photos_done(investor, case_no)
    ways.hand_in(investor, case_no, "bank_card")
    with db.transaction() as session:
        card = session.scalars(select(Case).where(Case.case_no == case_no)).one().investor.bank_cards[0]
        card.ended_at = ways.now()
    entry = ways.look(case_no).done["bank_card"]
    assert ways.hand_in(investor, case_no, "bank_card", redo=str(entry.id)).status_code == 422
    assert ways.look(case_no).done["bank_card"].id == entry.id


# --- sent back


def test_a_rejection_leads_to_the_first_blamed_step_with_its_reason(investor: FlaskClient, case_no: str) -> None:
    at_video(investor, case_no)
    send_back(case_no, "card_mismatch", "id_photo_blurred")
    assert investor.get(f"/case/{case_no}").location == f"/case/{case_no}/photos"
    page = investor.get(f"/case/{case_no}/photos").text
    assert "身份证照片不清晰，无法辨认。" in page
    assert "填写的卡号与银行卡照片不一致。" not in page
    assert "not for the investor" not in page


def test_each_blamed_step_shows_its_own_reason_and_only_those_are_open(investor: FlaskClient, case_no: str) -> None:
    at_video(investor, case_no)
    send_back(case_no, "card_mismatch", "id_photo_blurred")
    overview = investor.get(f"/case/{case_no}/progress").text
    assert "需要重做 2 步" in overview
    assert overview.count('class="redo"') == 4  # twice in the list, twice in the bar
    assert "证书检测" in overview and "已完成" in overview
    assert overview.count('class="again"') == 2  # the video broke off: in the list and in the bar
    ways.hand_in(investor, case_no, "photos")
    assert "填写的卡号与银行卡照片不一致。" in investor.get(f"/case/{case_no}/bank_card").text
    ways.hand_in(investor, case_no, "bank_card")
    assert ways.where(case_no) == "video"


def test_what_was_rejected_and_is_not_changed_is_not_taken_and_says_so(investor: FlaskClient, case_no: str) -> None:
    at_video(investor, case_no)
    send_back(case_no, "card_mismatch", must_change=True)
    answer = ways.hand_in(investor, case_no, "bank_card")
    assert answer.status_code == 422
    assert "“银行卡号与照片不一致”还没有修改" in answer.text
    assert "填写的卡号与银行卡照片不一致。" in answer.text
    assert ways.where(case_no) == "bank_card"
    another_card_on_record()
    assert ways.hand_in(investor, case_no, "bank_card").location == f"/case/{case_no}/video"


def test_going_back_to_the_whole_photo_is_a_change(investor: FlaskClient, case_no: str) -> None:
    at_video(investor, case_no)
    send_back(case_no, "id_photo_blurred", must_change=True)
    assert ways.hand_in(investor, case_no, "photos").status_code == 422
    photo = ways.look(case_no).entries[0].content["id_front"]["photo"]
    assert investor.post(f"/case/{case_no}/photos/{photo}/restore", headers=ways.JSON).status_code == 200
    assert ways.hand_in(investor, case_no, "photos").location == f"/case/{case_no}/video"


def test_my_business_shows_every_reason_and_how_far_it_is(investor: FlaskClient, case_no: str) -> None:
    at_video(investor, case_no)
    send_back(case_no, "card_mismatch", "id_photo_blurred")
    page = investor.get("/my").text
    for said in ("视频见证未通过", "重做 2 步，共 6 步", "身份证照片不清晰", "填写的卡号与银行卡照片不一致", case_no):
        assert said in page
    assert f'href="/case/{case_no}/progress">操作' in page
    assert "not for the investor" not in page
    ways.hand_in(investor, case_no, "photos")
    assert "身份证照片不清晰，无法辨认。" in investor.get("/my").text
    assert "已修改" in investor.get("/my").text


def test_a_refused_case_is_among_the_finished_and_cannot_be_worked_on(investor: FlaskClient, case_no: str) -> None:
    at_video(investor, case_no)
    send_back(case_no, "id_photo_blurred", final=True)
    assert investor.get(f"/case/{case_no}").location == f"/case/{case_no}/submitted"
    assert "业务已终止" in investor.get(f"/case/{case_no}/submitted").text
    done = investor.get("/my?tab=done").text
    assert case_no in done
    assert "操作</a>" not in done
    assert investor.post(f"/case/{case_no}/photos", headers=ways.JSON).status_code == 409


# --- giving up, and after


def test_an_abandoned_case_makes_room_for_another(investor: FlaskClient, case_no: str) -> None:
    answer = investor.post(f"/case/{case_no}/abandon")
    assert answer.location == "/my"
    assert "已放弃修改结算账户" in investor.get("/my").text
    assert ways.look(case_no).status is Status.ABANDONED
    assert ways.look(ways.case_of("周晚晴", ADD)).status is Status.WITH_INVESTOR


def test_a_case_in_a_call_or_at_the_counter_is_not_given_up(investor: FlaskClient, case_no: str) -> None:
    at_video(investor, case_no)
    with db.transaction() as session:
        session.scalars(select(Case).where(Case.case_no == case_no)).one().status = Status.IN_VIDEO
    assert investor.post(f"/case/{case_no}/abandon", headers=ways.JSON).status_code == 409
    assert "放弃</button>" not in investor.get("/my").text


def test_nothing_in_flight_says_what_to_do(app, as_investor) -> None:
    client = as_investor("许砚青")
    assert "没有待完成的业务" in client.get("/my").text
    assert "还没有已完成的业务" in client.get("/my?tab=done").text


# --- what staff see


@pytest.mark.parametrize("business", sorted(BUSINESSES))
def test_every_step_of_the_investor_has_facts_for_staff(app, business: str) -> None:
    case_no = ways.case_of("周晚晴", business)
    with db.reading() as session, app.test_request_context():
        case = session.scalars(select(Case).where(Case.case_no == case_no)).one()
        for step in BUSINESSES[business].steps:
            if step.desk is Desk.INVESTOR:
                assert isinstance(facts_of(step.key, session, case), dict)


def test_what_staff_see_of_finished_steps_is_masked(app, investor: FlaskClient, case_no: str) -> None:
    from flask import g

    from console.screens import steps_shown

    at_video(investor, case_no)
    with db.reading() as session, app.test_request_context():
        g.me = None
        case = session.scalars(select(Case).where(Case.case_no == case_no)).one()
        shown = {step.key: str(markup) for step, markup in steps_shown(session, case)}
    assert list(shown) == ["photos", "bank_card", "certificate_check"]
    assert shown["photos"].count("<img") == 3
    assert "**** 0001" in shown["bank_card"]
    assert "62220200000000000" not in shown["bank_card"]


# --- live


def test_the_page_hears_of_its_own_case_and_of_no_other(app, investor: FlaskClient, case_no: str, as_investor) -> None:
    mine = live.socketio.test_client(app, namespace="/portal", flask_test_client=investor, auth={"case_no": case_no})
    other = live.socketio.test_client(app, namespace="/portal", flask_test_client=as_investor("许砚青"), auth=None)
    try:
        at_video(investor, case_no)
        heard = [event["args"][0] for event in mine.get_received("/portal") if event["name"] == "case"]
        assert [told["step"] for told in heard] == ["bank_card", "certificate_check", "video"]
        assert other.get_received("/portal") == []
    finally:
        mine.disconnect("/portal")
        other.disconnect("/portal")


@pytest.mark.parametrize("who", ["许砚青", None, "luwenshan"])
def test_nobody_else_listens_to_a_case(app, case_no: str, as_investor, as_staff, who: str | None) -> None:
    signed_in = {
        None: app.test_client,
        "许砚青": lambda: as_investor("许砚青"),
        "luwenshan": lambda: as_staff("luwenshan"),
    }
    client = signed_in[who]()
    heard = live.socketio.test_client(app, namespace="/portal", flask_test_client=client, auth={"case_no": case_no})
    assert not heard.is_connected("/portal")


def test_the_socket_says_for_whom_it_is() -> None:
    from console.portal.sockets import PortalNamespace

    assert PortalNamespace.on_connect.access == Access("investor")
