"""The seat's page and the investor's page of the video, as they are served."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask, render_template
from flask.testing import FlaskClient
from sqlalchemy import select

from console import db
from console.access import Me, may_see
from console.cases.models import Case, Status
from console.people.models import Branch
from console.portal.steps import video
from console.queues import seats
from console.queues import service as queues
from console.queues.models import OverflowRule, Seat, SeatState
from console.video_seat import controls, timeline
from console.video_seat.controls import State
from console.video_seat.models import CheckResult, Verdict, VideoSession
from console.video_seat.service import ask, check_fields, mark, pass_video, reject
from console.video_seat.timeline import Switch
from tests.queues.given import at_the_video, online, to_the_video
from tests.video_seat.given import all_in_order, answered, at, photographed, talking
from tests.video_seat.node import PretendNode
from tests.world import investor_named, staff_named, stamp

pytestmark = pytest.mark.databases("postgresql")
StaffPage = Callable[[str], FlaskClient]


def html(client: FlaskClient, path: str) -> str:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 200, f"{path}: {answer.status_code}"
    return answer.text


def fence_of(page: str) -> str:
    found = re.search(r'name="fence" value="(\d+)"', page)
    assert found is not None
    return found.group(1)


def test_the_idle_seat_shows_the_queue_of_the_branch_in_order_and_nobody_elses(
    as_staff: StaffPage, node: PretendNode, queued: Callable[[str], str]
) -> None:
    for name in ("许砚青", "周晚晴", "闻子期"):
        queued(name)
    page = html(as_staff("luwenshan"), "/seat")
    assert page.index("许砚青") < page.index("周晚晴")
    assert "闻子期" not in page
    assert "上海陆家嘴排队" in page and "2 人" in page
    assert "310115" not in page  # an ID number is never written out


def test_the_page_says_what_was_read_and_agrees_and_what_was_not_read(
    as_staff: StaffPage, node: PretendNode, tmp_path: Path
) -> None:
    with db.transaction() as session:
        call = talking(session)
        photographed(session, call.case, tmp_path, name="周晚晴", address="上海市浦东新区世纪大道 1501 号 8 室")
    rows = as_staff("luwenshan").get("/seat/parts/facts").text.split("<tr ")
    told = {key: next(row for row in rows if f'id="field-{key}"' in row) for key in ("name", "address", "birth")}
    assert "识别一致" in told["name"] and "柜台留存" in told["name"]
    assert "识别 " in told["address"] and "<mark>" in told["address"]
    assert "识别" not in told["birth"]


def test_the_next_one_comes_with_what_was_wrong_the_last_time(as_staff: StaffPage, node: PretendNode) -> None:
    with db.transaction() as session:
        call = talking(session)
        reject(session, call, ["card_mismatch", "id_photo_blurred"], "", "", at(3))
        queues.join(session, to_the_video(call.case), stamp("investor:1"))
    page = html(as_staff("luwenshan"), "/seat")
    assert "驳回优先" in page and "上次未通过" in page and "由陆文珊驳回，2 个原因" in page
    assert page.count("已改") == 2


def test_a_seat_without_anybody_waiting_says_what_to_do(as_staff: StaffPage, node: PretendNode) -> None:
    page = html(as_staff("luwenshan"), "/seat")
    assert page.count("现在没有人排队") == 1 and "按 1 上线" in page


def test_in_a_call_the_page_shows_declared_data_masked_beside_its_proof_and_why_pass_is_locked(
    as_staff: StaffPage, node: PretendNode
) -> None:
    with db.transaction() as session:
        case = talking(session).case
        id_no = case.investor.id_no
    page = html(as_staff("luwenshan"), "/seat")
    assert "信息核验" in page and "见证清单" in page and "还不能通过" in page
    assert "10 项未完成：1、2、3、4、5、6、7、8、9、10" in page
    assert id_no not in page and f"{id_no[:4]}**********{id_no[-4:]}" in page
    assert re.search(r'id="v-pass"[^>]*disabled', page)
    assert "身份证照片模糊" in page  # the reasons of the rejection sheet


def test_only_the_own_call_is_shown(as_staff: StaffPage, node: PretendNode) -> None:
    with db.transaction() as session:
        answered(session)
    assert "信息核验" not in html(as_staff("weiyinuo"), "/seat")


def test_parts_follow_the_page_they_belong_to(as_staff: StaffPage, node: PretendNode) -> None:
    client = as_staff("luwenshan")
    assert client.get("/seat/parts/next").status_code == 200
    assert client.get("/seat/parts/checklist").status_code == 404
    with db.transaction() as session:
        talking(session)
    for name in ("pill", "counts", "queue", "rec", "checklist", "tray", "verdict", "script"):
        assert f'data-part="{name}"' in html(client, f"/seat/parts/{name}")
    assert re.findall(r'data-part="(\w+)"', html(client, "/seat/parts/verdict,facts,rec")) == [
        "facts",
        "rec",
        "verdict",
    ]
    for not_all_of_it in ("next", "rec,next", "rec,", "../service"):
        assert client.get(f"/seat/parts/{not_all_of_it}").status_code == 404


@pytest.mark.parametrize("who", ["qinlang", "admin"])
def test_other_roles_have_no_seat(as_staff: StaffPage, node: PretendNode, who: str) -> None:
    assert as_staff(who).get("/seat").status_code == 404


def test_a_verdict_by_form_ends_the_call_and_says_so(as_staff: StaffPage, node: PretendNode) -> None:
    with db.transaction() as session:
        call = talking(session)
    client = as_staff("luwenshan")
    sent = {
        "fence": fence_of(html(client, "/seat")),
        "reason": ["card_mismatch", "id_photo_blurred"],
        "remark": "请重拍",
    }
    answer = client.post(f"/seat/call/{call.session_no}/reject", data=sent, follow_redirects=True)
    assert "周晚晴：已驳回，投资者会看到原因" in answer.text
    with db.reading() as session:
        assert session.get_one(VideoSession, call.id).verdict is Verdict.REJECTED
        assert session.get_one(Case, call.case_id).rejections[-1].remark == "请重拍"
    assert node.has_ended(call.session_no)


@pytest.mark.parametrize(
    ("verdict", "sent", "told"),
    [
        ("reject", {"reason": "id_photo_blurred"}, "周晚晴：已驳回"),
        ("technical-failure", {"why": "no_sound"}, "投资者已回到队首"),
        ("suspect", {"sign": "prompted"}, "周晚晴：已报班长"),
    ],
)
def test_who_answered_from_another_branch_is_told_what_became_of_the_call_and_gets_what_was_to_follow(
    as_staff: StaffPage, node: PretendNode, verdict: str, sent: dict[str, str], told: str
) -> None:
    with db.transaction() as session:
        here, there = (session.scalars(select(Branch).where(Branch.code == code)).one() for code in ("SH01", "HZ01"))
        session.add(OverflowRule(branch=here, to_branch=there, after_minutes=5))
        call = talking(session, username="hangzhou")
    client = as_staff("hangzhou")
    form = {"fence": fence_of(html(client, "/seat")), "then": "break"} | sent
    for said in (told, "通话已经结束"):
        assert said in client.post(f"/seat/call/{call.session_no}/{verdict}", data=form, follow_redirects=True).text
    assert node.has_ended(call.session_no)
    with db.reading() as session:
        assert not may_see(
            Me(staff=staff_named(session, "hangzhou"), investor_id=None), session.get_one(Case, call.case_id)
        )
        assert session.scalars(select(Seat)).one().state is SeatState.BREAK


@pytest.mark.parametrize(
    ("verdict", "sent", "told"),
    [
        ("pass", {}, "还不能通过"),
        ("reject", {"reason": "no_such"}, "请至少选择一个有效的不通过原因"),
        ("pass", {"fence": "0"}, "坐席已在另一个页面打开"),
    ],
)
def test_a_refused_verdict_keeps_the_call_and_says_why(
    as_staff: StaffPage, node: PretendNode, verdict: str, sent: dict[str, str], told: str
) -> None:
    with db.transaction() as session:
        call = talking(session)
    client = as_staff("luwenshan")
    form = {"fence": fence_of(html(client, "/seat"))} | sent
    answer = client.post(f"/seat/call/{call.session_no}/{verdict}", data=form, follow_redirects=True)
    assert told in answer.text and "信息核验" in answer.text
    with db.reading() as session:
        assert session.get_one(VideoSession, call.id).ended_at is None


def judged(client: FlaskClient, node: PretendNode, call: VideoSession, verdict: str, **sent: object) -> str:
    form = {"fence": fence_of(html(client, "/seat"))} | sent
    answer = client.post(f"/seat/call/{call.session_no}/{verdict}", data=form, follow_redirects=True)
    assert node.has_ended(call.session_no)
    return answer.text


def test_a_technical_failure_keeps_its_short_reason_and_the_note(as_staff: StaffPage, node: PretendNode) -> None:
    with db.transaction() as session:
        call = talking(session)
    said = judged(as_staff("luwenshan"), node, call, "technical-failure", why="no_sound", internal_note="耳机坏了")
    assert "投资者已回到队首" in said
    with db.reading() as session:
        kept = session.get_one(VideoSession, call.id)
        assert (kept.grounds, kept.internal_note) == (["听不清声音"], "耳机坏了")


def test_suspicion_by_form_tells_the_witness_what_the_investor_sees(as_staff: StaffPage, node: PretendNode) -> None:
    with db.transaction() as session:
        call = talking(session)
    said = judged(as_staff("luwenshan"), node, call, "suspect", sign=["prompted", "other"], words="有人提示")
    assert "周晚晴：已报班长，投资者看到“资料需要进一步核实”" in said
    (verdict,) = re.findall(r'<span class="pill bad">.{0,200}可疑，报班长</span>', said)
    assert "#i-flag" in verdict  # not the sign of a rejection


@pytest.mark.parametrize("then", ["next", ""])
def test_a_seat_whose_own_devices_failed_rests_and_calls_nobody(
    as_staff: StaffPage, node: PretendNode, then: str
) -> None:
    with db.transaction() as session:
        call = talking(session)
    said = judged(as_staff("luwenshan"), node, call, "technical-failure", why="own_device", then=then)
    assert "技术故障，投资者已回到队首" in said and "您的坐席已转为小休，请检查设备后再上线" in said
    with db.reading() as session:
        assert session.scalars(select(VideoSession).where(VideoSession.ended_at.is_(None))).all() == []
        seat = seats.seat_of(session, call.witness_id)
        assert seat is not None and seat.state is SeatState.BREAK


def test_what_became_of_the_last_call_takes_no_place_in_the_next_one(as_staff: StaffPage, node: PretendNode) -> None:
    with db.transaction() as session:
        call = talking(session)
        queues.join(session, at_the_video(session, "许砚青"), stamp("investor:2"))
    page = judged(as_staff("luwenshan"), node, call, "reject", reason="card_mismatch", then="next")
    assert '<main id="main" class="seat"' in page
    assert 'class="flashes"' not in page
    assert re.search(r'<ul hidden data-toasts><li data-kind="ok">周晚晴：已驳回', page)


@pytest.mark.parametrize(
    ("then", "queued_up", "shown"),
    [
        ("next", True, "许砚青"),
        ("next", False, "现在没有人排队，您仍在线"),
        ("break", True, "小休"),
        ("", True, "下一位"),
    ],
)
def test_after_a_verdict_comes_what_the_witness_chose(
    as_staff: StaffPage, node: PretendNode, then: str, queued_up: bool, shown: str
) -> None:
    with db.transaction() as session:
        call = talking(session)
        if queued_up:
            queues.join(session, at_the_video(session, "许砚青"), stamp("investor:2"))
    said = judged(as_staff("luwenshan"), node, call, "reject", reason="card_mismatch", then=then)
    assert "周晚晴：已驳回" in said and shown in said
    with db.reading() as session:
        live = session.scalars(select(VideoSession).where(VideoSession.ended_at.is_(None))).all()
        assert len(live) == (then == "next" and queued_up)
        state = seats.seat_of(session, call.witness_id)
        wanted = {"next": SeatState.IN_CALL if queued_up else SeatState.ONLINE, "break": SeatState.BREAK}
        assert state is not None and state.state is wanted.get(then, SeatState.ONLINE)


def test_what_locks_pass_leads_to_where_it_is_mended(as_staff: StaffPage, node: PretendNode) -> None:
    with db.transaction() as session:
        call = talking(session)
        mark(session, call, "own_will", CheckResult.PROBLEM, at(1), reason="unclear")
        check_fields(session, call, ["signature"], CheckResult.PROBLEM, at(1), reason="unreadable")
    page = html(as_staff("luwenshan"), "/seat")
    for anchor in ("mark-own_will", "mark-name_shown", "field-signature"):
        assert f'href="#{anchor}"' in page and f'id="{anchor}"' in page
    assert '<li data-ground="photos">签名照：模糊，无法辨认</li>' in page


def test_the_words_are_those_of_the_question_that_was_chosen_until_one_is_marked(
    as_staff: StaffPage, node: PretendNode
) -> None:
    with db.transaction() as session:
        call = talking(session)
    client = as_staff("luwenshan")
    assert "执业资格证号 F0300127" in html(client, "/seat/parts/script")
    with db.transaction() as session:
        ask(session.get_one(VideoSession, call.id), "signature")
    assert "签名照片是您本人手写" in html(client, "/seat/parts/script")
    (current,) = re.findall(r'aria-current="step".*?id="mark-(\w+)"', html(client, "/seat/parts/checklist"), re.DOTALL)
    assert current == "signature"
    with db.transaction() as session:
        mark(session, session.get_one(VideoSession, call.id), "signature", CheckResult.OK, at(1))
    assert "执业资格证号 F0300127" in html(client, "/seat/parts/script")


def test_what_was_marked_while_nothing_could_be_seen_looks_as_open_as_it_is(
    as_staff: StaffPage, node: PretendNode
) -> None:
    with db.transaction() as session:
        call = talking(session)
        for minute, state in ((2, State.OFF), (3, State.ON)):
            reported = {Switch.MICROPHONE: State.ON, Switch.CAMERA: state}
            controls.report(session, call, timeline.INVESTOR, reported, at(minute))
        mark(session, call, "name_shown", CheckResult.OK, at(1))
        mark(session, call, "recording_agreed", CheckResult.OK, at(2.5))
        check_fields(session, call, ["signature"], CheckResult.OK, at(2.5))
    client = as_staff("luwenshan")
    checklist = html(client, "/seat/parts/checklist")
    assert re.search(r'<b class="num">1 / 10</b>', checklist)
    assert re.findall(r'<i class="(\w*)">', checklist)[:3] == ["ok", "wait", ""]
    first, second = re.findall(r"<li .*?</li>", checklist, re.DOTALL)[:2]
    assert 'class="ok"' in first and "须重问" not in first
    assert "#i-clock" in first and "#i-player-play" not in first  # nothing plays during a call
    assert 'class="owe"' in second and "投资者关闭摄像头期间，须重问" in second
    (signature,) = re.findall(r'<tr id="field-signature".*?</tr>', html(client, "/seat/parts/facts"), re.DOTALL)
    assert "投资者关闭摄像头期间，须重问" in signature and 'id="tick-signature"' in signature


def test_another_witnesss_call_cannot_be_judged(as_staff: StaffPage, node: PretendNode) -> None:
    with db.transaction() as session:
        call = talking(session)
        fence = online(session, "weiyinuo").fence
    assert (
        as_staff("weiyinuo").post(f"/seat/call/{call.session_no}/technical-failure", data={"fence": fence}).status_code
        == 404
    )


# --- the investor's page


def test_before_the_queue_the_page_offers_to_start_and_says_how_many_wait(
    as_investor: StaffPage, node: PretendNode, queued: Callable[[str], str]
) -> None:
    queued("许砚青")
    with db.transaction() as session:
        case_no = at_the_video(session).case_no
    page = html(as_investor("周晚晴"), f"/case/{case_no}/video")
    assert "开始视频通话" in page and "data-waiting>1</b> 人排队" in page


def test_the_way_through_the_queue_without_script(
    as_investor: StaffPage, node: PretendNode, queued: Callable[[str], str]
) -> None:
    queued("许砚青")
    with db.transaction() as session:
        case_no = at_the_video(session).case_no
    client = as_investor("周晚晴")
    page = client.post(f"/case/{case_no}/video/join", follow_redirects=True).text
    assert "<span data-mine>2</span>" in page and "排队人数（含您）" in page and "A001" in page
    assert html(client, f"/case/{case_no}/video").count("A001") == 1  # a reload shows the same ticket
    assert "开始视频通话" in client.post(f"/case/{case_no}/video/leave", follow_redirects=True).text


def test_once_answered_the_page_asks_for_consent_before_any_picture(as_investor: StaffPage, node: PretendNode) -> None:
    with db.transaction() as session:
        call = answered(session)
    client, path = as_investor("周晚晴"), f"/case/{call.case.case_no}/video"
    page = html(client, path)
    assert "陆文珊" in page and "F0300127" in page and "我已核对，同意录音录像" in page
    assert re.search(r'class="room" data-room hidden', page)
    assert re.search(r"/video/decline[^>]*data-confirm-stay", page)  # ending the call is not the filled button
    page = client.post(f"{path}/acknowledge", follow_redirects=True).text
    assert re.search(r"data-consent hidden", page) and not re.search(r"data-room hidden", page)


def test_the_investor_cannot_hand_the_video_in_by_hand(as_investor: StaffPage, node: PretendNode) -> None:
    with db.transaction() as session:
        case_no = at_the_video(session).case_no
    answer = as_investor("周晚晴").post(f"/case/{case_no}/video", data={})
    assert answer.status_code == 422 and "认证人员确认后自动进入下一步" in answer.text
    with db.reading() as session:
        case = session.scalars(select(Case)).one()
        assert case.status is Status.WITH_INVESTOR and "video" not in case.done


@pytest.mark.parametrize("act", ["join", "leave", "acknowledge"])
def test_another_investors_case_is_not_there(as_investor: StaffPage, node: PretendNode, act: str) -> None:
    with db.transaction() as session:
        case_no = at_the_video(session, "周晚晴").case_no
        assert investor_named(session, "许砚青")
    assert as_investor("许砚青").post(f"/case/{case_no}/video/{act}").status_code == 404


def test_staff_see_calls_with_verdict_moments_and_snapshots(app: Flask, node: PretendNode, tmp_path: Path) -> None:
    with db.transaction() as session:
        call = talking(session)
        all_in_order(session, call, tmp_path)
        pass_video(session, call, at(10))
        case_id = call.case_id
    with app.test_request_context(), db.reading() as session:
        case = session.get_one(Case, case_id)
        facts = video.facts(session, case)
        page = render_template("steps/video/review.html", case=case, step=case.business.step("video"), **facts)
    (shown,) = facts["calls"]
    assert [int(proof.offset.total_seconds()) for proof in shown.proofs][:2] == [30, 90]
    assert "陆文珊" in page and "F0300127" in page and "通过" in page
    assert all(f"{kind}</a>" in page for kind in ("人脸", "证件正面", "证件反面")) and page.count('class="tile"') == 3
    assert "01:30" in page
