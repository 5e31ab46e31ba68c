"""Both pages of a call in a real browser, with sockets and devices but without a media node that moves pictures."""

import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, FloatRect, Locator, Page, expect, sync_playwright
from sqlalchemy import select
from werkzeug.serving import make_server

from console import db, live
from console.evidence.models import Kind
from console.people.models import OutgoingSms
from console.queues import seats
from console.queues import service as queues
from console.stamp import Stamp
from console.video_seat import challenges, service, texts
from console.video_seat.models import CallEventKind, VideoSession
from console.video_seat.snapshots import SNAPSHOTS
from tests.browser import launch_options
from tests.queues.given import online, to_the_video
from tests.video_seat.given import all_in_order, at, photographed, said, snapped, talking

PHONE, LANDSCAPE = {"width": 390, "height": 844}, {"width": 844, "height": 390}
DESK, LOW = {"width": 1440, "height": 900}, {"width": 1280, "height": 720}
PATIENCE = 15_000  # ms
TRACK = "document.querySelector('[data-local]').srcObject.getVideoTracks()[0]"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(**launch_options())  # type: ignore[arg-type]
        yield opened
        opened.close()


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    engine = live.socketio.server.eio
    usual, engine.cors_allowed_origins = engine.cors_allowed_origins, [f"http://127.0.0.1:{server.port}"]
    yield f"http://127.0.0.1:{server.port}"
    engine.cors_allowed_origins = usual
    server.shutdown()
    thread.join()


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """``opened(client, path, viewport)``: a browser of whoever this client is signed in as."""
    contexts = []
    broken: list[str] = []

    def open_page(client: FlaskClient, path: str, viewport: dict[str, int]) -> Page:
        context = browser.new_context(base_url=address, viewport=viewport, permissions=["camera", "microphone"])  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        cookie = client.get_cookie("desk")
        assert cookie is not None
        context.add_cookies([{"name": "desk", "value": cookie.value, "url": address}])
        page = context.new_page()
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(path, wait_until="commit")  # both pages load at once
        return page

    expect.set_options(timeout=PATIENCE)
    yield open_page
    expect.set_options(timeout=5000)  # as it is when nobody says
    for context in contexts:
        context.close()
    assert broken == []


def kinds() -> list[CallEventKind]:
    with db.reading() as session:
        return [event.kind for event in session.scalars(select(VideoSession)).one().events]


def code() -> str:
    with db.reading() as session:
        return re.findall(r"\d{6}", session.scalars(select(OutgoingSms)).one().text)[0]


@pytest.mark.usefixtures("node")
def test_what_one_side_does_the_other_side_sees(
    opened: Callable[..., Page], as_staff: Callable[[str], FlaskClient], as_investor: Callable[[str], FlaskClient]
) -> None:
    with db.transaction() as session:
        path = f"/case/{(call := talking(session)).case.case_no}/video"
        texts.send(session, call, "text-0000", "请稍候", Stamp("staff:1", datetime.now(UTC) - timedelta(seconds=19)))
    seat = opened(as_staff("luwenshan"), "/seat", DESK)
    phone = opened(as_investor("周晚晴"), path, PHONE)
    theirs, mine = seat.locator("[data-peer-off]"), phone.locator("[data-peer-off]")
    mute, camera = phone.locator("[data-mute]"), phone.locator("[data-camera]")
    expect(camera).to_be_enabled()
    phone.wait_for_function("() => document.querySelector('[data-local]').videoWidth > 0")

    # each key does one thing
    expect(seat.locator("[data-mute]")).to_be_enabled()
    keys = seat.locator("main [data-key]").evaluate_all("all => all.map((each) => each.dataset.key)")
    assert sorted(keys) == sorted(set(keys)) and {"M", "O", "U", "W", "K"} <= set(keys)

    # switches, by button and by key
    mute.click()
    expect(mute).to_have_attribute("aria-pressed", "true")
    expect(mute).to_have_text("已静音")
    expect(theirs).to_have_text("对方已静音")
    mute.click()
    expect(theirs).to_be_hidden()
    seat.keyboard.press("o")
    expect(mine).to_have_text("对方关闭了摄像头")
    seat.keyboard.press("o")
    expect(mine).to_be_hidden()

    # a camera that goes away, and another one
    phone.evaluate(f"() => {{ const track = {TRACK}; track.stop(); track.dispatchEvent(new Event('ended')); }}")
    expect(phone.get_by_role("alert").filter(has_text="摄像头断开了")).to_be_visible()
    expect(theirs).to_contain_text("对方的摄像头断开了")
    choice = phone.get_by_label("摄像头")
    expect(choice).to_have_value("")
    choice.select_option(index=1)
    expect(theirs).to_be_hidden()
    assert phone.evaluate(f"() => {TRACK}.readyState") == "live"
    phone.get_by_role("button", name="完成").click()

    # another app in front: the phone pauses the camera and ends it; back again it is opened anew
    phone.evaluate(
        f"""() => {{
            Object.defineProperty(document, "hidden", {{ value: true, configurable: true }});
            {TRACK}.dispatchEvent(new Event("mute"));
        }}"""
    )
    expect(theirs).to_contain_text("对方切到了后台，画面暂停")
    phone.evaluate(
        f"""() => {{
            {TRACK}.stop();
            delete document.hidden;
            document.dispatchEvent(new Event("visibilitychange"));
        }}"""
    )
    expect(theirs).to_be_hidden()
    assert phone.evaluate(f"() => {TRACK}.readyState") == "live"
    assert kinds().count(CallEventKind.CAMERA_OFF) == kinds().count(CallEventKind.CAMERA_ON) == 3

    # words; what was said before goes by itself; no key works while somebody types
    expect(phone.get_by_role("log")).to_be_hidden()
    seat.keyboard.press("w")
    seat.get_by_label("或者自己写").fill("请靠近一点")
    seat.keyboard.type("mo1")
    seat.keyboard.press("Control+Enter")
    expect(phone.get_by_role("log")).to_have_text("请靠近一点mo1")
    expect(seat.locator("[data-mute]")).to_have_attribute("aria-pressed", "false")

    # challenges
    seat.keyboard.press("k")
    seat.keyboard.press("1")
    expect(phone.get_by_text("请大声读出这些数字")).to_be_visible()
    expect(seat.locator(".dare .digits")).to_have_text(phone.locator("[data-digits-shown]").inner_text())
    seat.keyboard.press("Shift+X")
    expect(seat.locator(".dare")).to_contain_text("读错")
    expect(phone.get_by_text("请大声读出这些数字")).to_be_hidden()
    seat.keyboard.press("k")
    seat.keyboard.press("2")
    field = phone.get_by_label("请输入 6 位数字")
    expect(field).to_be_visible()

    # on the smallest phone both are whole, and the words lie beside where an ID is held
    phone.set_viewport_size({"width": 320, "height": 568})
    for each in (field, phone.get_by_role("button", name="提交"), phone.get_by_role("log")):
        expect(each).to_be_in_viewport(ratio=1)
    words, held = phone.get_by_role("log").bounding_box(), phone.locator(".big").bounding_box()
    assert words and held and words["y"] + words["height"] <= held["y"]
    phone.set_viewport_size(PHONE)  # type: ignore[arg-type]
    field.fill(f"{(int(code()) + 1) % 1_000_000:06d}")
    field.press("Enter")
    expect(phone.get_by_text("数字不对，还可以试 2 次")).to_be_visible()
    expect(seat.locator(".dare")).to_contain_text("已输错 1 次")
    field.fill(code())
    field.press("Enter")
    results = seat.locator(".dare [data-came-out]")
    expect(results.first).to_contain_text("短信验证码：验证通过")
    expect(results.last).to_contain_text("读错")

    expect(seat.locator(".toastx").filter(has_text="短信验证码：验证通过")).to_be_visible()
    assert seat.locator("[data-key='Shift K']").count() == 1

    # turned on its side, everything is still there
    phone.set_viewport_size(LANDSCAPE)  # type: ignore[arg-type]
    for name in ("静音", "关镜头", "翻转镜头", "设备", "挂断"):
        expect(phone.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    expect(phone.locator("[data-cue]")).to_be_in_viewport(ratio=1)
    picture = phone.locator(".big").bounding_box()
    assert picture and picture["height"] == LANDSCAPE["height"] and picture["width"] > LANDSCAPE["width"] / 2
    assert phone.evaluate("() => document.documentElement.scrollWidth <= innerWidth")

    # who hangs up sees how long there is to come back
    phone.get_by_role("button", name="挂断").click()
    phone.get_by_role("button", name="离开").click()
    stays = phone.locator("[data-stays]")
    expect(stays).to_be_visible()
    expect(stays).not_to_have_text("30")
    expect(stays).to_have_text(re.compile(r"^[12]?\d$"))


@pytest.mark.usefixtures("node")
def test_the_bars_never_call_a_line_good_that_is_not_there(
    opened: Callable[..., Page], as_staff: Callable[[str], FlaskClient], as_investor: Callable[[str], FlaskClient]
) -> None:
    with db.transaction() as session:
        call = talking(session)
        case_no, number, witness = call.case.case_no, call.session_no, call.witness_id
    seat = opened(as_staff("luwenshan"), "/seat", DESK)
    theirs = seat.locator("[data-peer] [data-network]")
    expect(seat.locator("#v-after")).to_be_enabled()
    expect(theirs).to_have_text("未连接")
    live.network_told(witness, number, {"bars": 3, "rtt": 40, "loss": 0})
    expect(theirs).to_have_text("良好")
    live.call_changed(case_no, witness, "lost", session_no=number, away=["investor"], left=20, grace=30)
    expect(theirs).to_have_text("中断")
    live.network_told(witness, number, {"bars": 3, "rtt": 40, "loss": 0})  # told before, come later
    expect(seat.locator("[data-peer] .line-down")).to_be_visible()
    expect(theirs).to_have_text("中断")
    expect(theirs).to_have_attribute("aria-label", "投资者的网络中断")
    phone = opened(as_investor("周晚晴"), f"/case/{case_no}/video", PHONE)  # its own line never stands here
    expect(phone.locator("[data-network]")).to_have_text(re.compile("未连接|中断"))


@pytest.mark.usefixtures("node")
def test_the_speaker_is_chosen_and_tried_where_the_browser_can(
    opened: Callable[..., Page], as_investor: Callable[[str], FlaskClient]
) -> None:
    with db.transaction() as session:
        path = f"/case/{talking(session).case.case_no}/video"
    phone = opened(as_investor("周晚晴"), path, PHONE)
    expect(phone.locator("[data-camera]")).to_be_enabled()
    phone.wait_for_function("() => document.querySelector('[data-local]').videoWidth > 0")
    phone.get_by_role("button", name="设备").click()
    speaker, said = phone.get_by_label("扬声器"), phone.locator("[data-device-said=speaker]")
    expect(speaker).to_have_value("default")
    speaker.select_option(index=1)
    chosen = speaker.input_value()
    phone.wait_for_function("id => document.querySelector('[data-remote]').sinkId === id", arg=chosen)
    test = phone.get_by_role("button", name="试听")
    test.click()
    expect(test).to_have_attribute("aria-busy", "true")
    expect(test).not_to_have_attribute("aria-busy", "true")
    expect(said).to_be_hidden()

    # it goes away: the system's own again
    phone.evaluate(
        """id => {
            const all = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
            navigator.mediaDevices.enumerateDevices = async () => (await all()).filter((each) => each.deviceId !== id);
            navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
        }""",
        chosen,
    )
    expect(speaker).to_have_value("default")
    assert phone.evaluate("() => document.querySelector('[data-remote]').sinkId") == ""

    # a browser that lets no page choose
    phone.add_init_script("delete HTMLMediaElement.prototype.setSinkId")
    phone.reload()
    phone.get_by_role("button", name="设备").click()
    expect(speaker).to_be_disabled()
    expect(speaker.locator("option")).to_have_text(["由系统决定"])
    expect(test).to_be_enabled()


@pytest.mark.usefixtures("node")
def test_what_is_too_long_is_said_at_its_field_and_stays_there(
    opened: Callable[..., Page], as_staff: Callable[[str], FlaskClient]
) -> None:
    with db.transaction() as session:
        number = talking(session).session_no
    seat = opened(as_staff("luwenshan"), "/seat", DESK)
    expect(seat.locator("#v-after")).to_be_enabled()
    seat.keyboard.press("b")
    sheet = seat.get_by_role("dialog", name="备注")
    field = sheet.get_by_label("内部备注")
    field.press_sequentially("fdzcg")  # the keys of snapshots are letters here
    expect(sheet.get_by_text("5 / 400")).to_be_visible()
    field.fill("一" * 412)
    sheet.get_by_role("button", name="保存").click()
    expect(sheet.get_by_role("alert")).to_have_text("最多 400 个字，现在 412 个，请删去 12 个字")
    expect(field).to_have_value("一" * 412)
    field.fill("一" * 399 + "\n")
    sheet.get_by_role("button", name="保存").click()
    expect(seat.get_by_text("备注已保存")).to_be_visible()
    expect(seat.locator("[data-part=tray] [data-look]")).to_have_count(0)

    # past the page's own check the server refuses, and gives back what was typed and chosen
    seat.keyboard.press("s")
    suspicion = seat.get_by_role("dialog", name="可疑，报班长")
    suspicion.get_by_role("checkbox").first.check()
    suspicion.get_by_label("说明").fill("一" * 401)
    suspicion.locator("form").evaluate("form => form.submit()")
    expect(seat.get_by_text("说明最多 400 个字，现在 401 个").first).to_be_visible()
    expect(suspicion).to_be_visible()
    expect(suspicion.get_by_label("说明")).to_have_value("一" * 401)
    expect(suspicion.get_by_role("checkbox").first).to_be_checked()
    with db.reading() as session:
        kept = session.scalars(select(VideoSession)).one()
        assert (kept.session_no, kept.internal_note, kept.ended_at) == (number, "一" * 399, None)


def in_a_second_call(folder: Path, *shots: Kind) -> None:
    """The first one was rejected for two reasons; these pictures are taken in the second."""
    with db.transaction() as session:
        first = talking(session)
        service.reject(session, first, ["card_mismatch", "id_photo_blurred"], "", "", at(1))
        queues.join(session, to_the_video(first.case), at(2))
    with db.transaction() as session:
        seat = online(session, "luwenshan")
        ticket = seats.answer_next(session, seat, at(2.5))
        assert ticket is not None
        call = service.start(session, ticket, seat, "node-1", at(2.5))
        service.acknowledge(session, call, at(3))
        said(session, call, CallEventKind.RECORDING, 3, segment=1)
        photographed(session, call.case, folder)
        for kind in shots:
            snapped(session, call, kind, folder, at(4).at)


def whole(place: Locator) -> bool:
    """All of what it says can be seen: nothing of it is cut off."""
    return bool(place.evaluate("el => el.scrollHeight <= el.clientHeight + 1 && el.scrollWidth <= el.clientWidth + 1"))


@pytest.mark.usefixtures("node")
def test_nothing_that_matters_in_a_second_call_is_cut_off(
    opened: Callable[..., Page], as_staff: Callable[[str], FlaskClient], tmp_path: Path
) -> None:
    in_a_second_call(tmp_path, *SNAPSHOTS, Kind.SNAPSHOT_FACE, Kind.SNAPSHOT_FACE)
    seat = opened(as_staff("luwenshan"), "/seat", DESK)
    expect(seat.locator("#v-after")).to_be_enabled()
    for reason in ("银行卡号与照片不一致", "身份证照片模糊"):
        expect(seat.locator(".hist").get_by_text(reason)).to_be_in_viewport(ratio=1)
    assert whole(seat.locator(".hist"))

    # every picture: the last ones at once, the first ones by moving along
    pictures = seat.locator("[data-part=tray] [data-look]")
    expect(pictures).to_have_count(7)
    expect(pictures.last).to_be_in_viewport(ratio=1)
    pictures.first.focus()
    expect(pictures.first).to_be_in_viewport(ratio=1)

    # the face on the ID is beside the live one, and leaves it free when the whole card is looked at, also turned and nearer
    dialog, live_one = seat.locator("#photo"), seat.locator("[data-peer]").bounding_box()
    seat.get_by_role("button", name="证件头像").click()
    box, img = dialog.bounding_box(), dialog.locator("[data-stage] img")
    assert box and live_one and box["x"] >= live_one["x"] + live_one["width"]
    expect(dialog.locator("[data-beside]")).to_contain_text("周晚晴")
    seat.keyboard.press("z")
    expect(img).to_have_attribute("style", re.compile(r"scale\(1\.5\)"))
    seat.keyboard.press(".")
    expect(img).to_have_attribute("style", re.compile(r"rotate\(90deg\)"))
    seat.keyboard.press("Escape")

    # what is not asked yet stands on one line, and what has no place there is one press away
    shown, rest = seat.locator(".asks .goto:visible"), seat.locator(".asks .rest")
    for viewport in (DESK, LOW):
        seat.set_viewport_size(viewport)  # type: ignore[arg-type]
        expect(rest).to_have_text(f"+{10 - shown.count()}")
        assert shown.count() >= 4
        for lock in shown.all():
            expect(lock).to_be_in_viewport(ratio=1)
    rest.click()
    expect(seat.locator(".asks-all .goto:visible")).to_have_count(10)
    seat.keyboard.press("Escape")

    # every field's name and every button, at the smallest desk, also while digits are read
    seat.locator("main h1").focus()
    seat.keyboard.press("k")
    seat.keyboard.press("1")
    expect(seat.locator(".dare .digits")).to_be_visible()
    for place in seat.locator(".ftx tbody th, .ask-f .btn, .dare-f .btn, .dare-f").all():
        assert whole(place), place.text_content()
    expect(seat.locator(".ask blockquote")).to_be_in_viewport()
    assert box_of(seat.locator("main .verdict"))["height"] == 60
    listed = box_of(seat.locator(".chk ol"))
    rows = [box_of(row) for row in seat.locator(".chk li").all()]
    assert sum(row["y"] + row["height"] <= listed["y"] + listed["height"] + 1 for row in rows) >= 7
    seat.set_viewport_size(DESK)  # type: ignore[arg-type]

    # how the digits were read
    seat.keyboard.press("Shift+Y")
    expect(seat.locator(".dare-r")).to_contain_text("读对")
    assert whole(seat.locator(".dare-r")) and whole(seat.locator(".dare"))

    # a rejection: reasons are found by what the investor reads, and the preview says what their page will
    seat.keyboard.press("r")
    search, shown = seat.locator("[data-find]"), seat.locator(".rs:visible")
    search.fill("职业")
    expect(seat.get_by_text("没有匹配的原因。")).to_be_visible()
    search.fill("无法辨认")
    expect(shown).to_have_text([re.compile("身份证照片模糊")])
    shown.get_by_role("checkbox").check()
    search.fill("")
    seat.get_by_label("银行卡号与照片不一致").check()
    seat.get_by_label("写给投资者的补充说明").fill("请在白天拍")
    told = seat.locator("[data-preview]")
    for words in ("视频见证未通过，请修改 2 处", "改好后再次视频即可，不用从头办理。", "改好上一处后，自动来到这一步"):
        expect(told.get_by_text(words)).to_have_count(1)
    expect(told.get_by_text("补充说明：请在白天拍")).to_have_count(2)


@pytest.mark.usefixtures("node")
def test_nothing_is_sent_kept_or_taken_by_a_key_that_meant_something_else(
    opened: Callable[..., Page], as_staff: Callable[[str], FlaskClient]
) -> None:
    with db.transaction() as session:
        talking(session)
    seat = opened(as_staff("luwenshan"), "/seat", DESK)
    after = seat.locator("#v-after")
    expect(after).to_be_enabled()

    # a phrase is chosen, seen, and sent by a second act
    seat.keyboard.press("w")
    dialog = seat.get_by_role("dialog", name="给投资者发文字")
    field = dialog.get_by_role("textbox")
    seat.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    seat.keyboard.press("1")
    expect(field).to_have_value("请靠近一点，正对摄像头")
    assert CallEventKind.TEXT_SENT not in kinds()
    field.press("Enter")
    expect(seat.get_by_text("已发给投资者：请靠近一点，正对摄像头")).to_be_visible()
    assert kinds().count(CallEventKind.TEXT_SENT) == 1

    # what follows a verdict is chosen with the arrows, and the keys of the page go on working
    seat.keyboard.press("n")
    expect(after).to_be_focused()
    seat.keyboard.press("ArrowDown")
    seat.keyboard.press("ArrowDown")
    expect(after).to_have_value("break")
    expect(after).to_be_focused()
    seat.keyboard.press("b")
    note = seat.get_by_role("dialog", name="备注")
    note.get_by_label("内部备注").fill("态度配合")
    seat.keyboard.press("Control+Enter")
    expect(note).to_be_hidden()
    expect(seat.get_by_text("备注已保存")).to_be_visible()

    # whatever is not in order has a reason
    seat.keyboard.press("x")
    why = seat.get_by_role("dialog", name="第 1 项有问题")
    expect(why.get_by_role("radio", name="与证件不符")).to_have_count(0)
    seat.keyboard.press("1")
    expect(why.get_by_role("radio", name="回答含糊，听不清")).to_be_checked()
    seat.keyboard.press("Control+Enter")
    expect(seat.locator("[data-part=checklist] li.bad")).to_contain_text("回答含糊，听不清")

    # no picture is taken later than it was asked for
    seat.context.set_offline(True)
    seat.evaluate("() => dispatchEvent(new Event('offline'))")
    expect(seat.locator("html")).to_have_attribute("data-live", "lost")
    seat.keyboard.press("f")
    fault = seat.get_by_role("alert").filter(has_text="没有抓拍")
    expect(fault).to_be_visible()
    seat.context.set_offline(False)
    expect(seat.locator("html")).to_have_attribute("data-live", "online")
    expect(seat.locator("[data-part=tray] [data-look]")).to_have_count(0)

    # a fault stands beside the work, waits for whoever reads it, and goes by itself
    box = seat.locator(".toastx.bad")
    for busy in (".facts", "[data-part=verdict]", ".stage", ".tray"):
        assert not overlap(box, seat.locator(busy))
    expect(box.get_by_role("button", name="关闭提示")).to_be_visible()
    seat.clock.install()
    seat.keyboard.press("Escape")
    box.hover()
    seat.mouse.move(700, 450)
    seat.clock.fast_forward(60_000)
    expect(box).to_have_count(0)


@pytest.mark.usefixtures("node")
def test_every_field_item_and_chip_is_reached_by_keys_and_what_is_refused_keeps_its_words(
    opened: Callable[..., Page], as_staff: Callable[[str], FlaskClient]
) -> None:
    with db.transaction() as session:
        talking(session)
    seat = opened(as_staff("luwenshan"), "/seat", LOW)
    expect(seat.locator("#fields-next")).to_be_enabled()

    # fields: along them, one that is in order, one that is not, one that is looked at in full
    seat.keyboard.press("j")
    expect(seat.locator("#tick-name")).to_be_focused()
    seat.keyboard.press("Enter")
    expect(seat.locator("#flag-name")).to_be_focused()  # its tick is made and gone
    seat.keyboard.press("j")
    expect(seat.locator("#tick-id_no")).to_be_focused()
    seat.keyboard.press("i")
    why = seat.get_by_role("dialog", name="公民身份号码有问题")
    expect(why).to_be_visible()
    seat.keyboard.press("Escape")
    seat.keyboard.press("l")
    reveal = seat.get_by_role("dialog", name=re.compile("^查看"))
    seat.keyboard.press("1")
    expect(reveal.get_by_label("查看事由")).to_have_value("核对证件信息")
    seat.keyboard.press("Escape")
    expect(seat.locator("#tick-id_no")).to_be_focused()
    seat.keyboard.press("Shift+J")
    expect(seat.locator("#flag-name")).to_be_focused()

    # the list: from the item that is next, on to another, which is asked then
    seat.keyboard.press("]")
    expect(seat.locator("#ask-name_shown")).to_be_focused()
    seat.keyboard.press("]")
    seat.keyboard.press("]")
    seat.keyboard.press("Enter")
    expect(seat.locator("#item-same_person")).to_have_attribute("aria-current", "step")
    expect(seat.locator("#ask-same_person")).to_be_focused()

    # a chip by its key; what is refused stays to be put right
    seat.keyboard.press("h")
    dialog = seat.get_by_role("dialog", name="求助班长")
    field = dialog.get_by_label("要班长帮什么")
    seat.keyboard.press("1")
    expect(field).to_have_value("证件拿不准，请看抓拍")
    field.fill("急")
    seat.keyboard.press("Control+Enter")
    expect(dialog.get_by_role("alert")).to_be_visible()
    expect(field).to_have_value("急")
    field.fill("证件拿不准")
    seat.keyboard.press("Control+Enter")
    expect(dialog).to_be_hidden()
    expect(seat.get_by_text("已求助班长")).to_be_visible()

    # the keys of control bar and verdicts are there at the smallest desk, too
    for key in ("T", "S", "R", "A", "N", "B"):
        expect(seat.locator("main .verdict kbd").get_by_text(key, exact=True)).to_be_visible()
    for each in seat.locator(".ctl [data-key]").all():
        shown = each.evaluate("el => getComputedStyle(el, '::after').content")
        assert shown == f'"{each.get_attribute("data-key")}"'


@pytest.mark.usefixtures("node")
def test_pass_waits_a_moment_in_which_it_can_be_undone(
    opened: Callable[..., Page], as_staff: Callable[[str], FlaskClient], tmp_path: Path
) -> None:
    with db.transaction() as session:
        call = talking(session)
        all_in_order(session, call, tmp_path)
    seat = opened(as_staff("luwenshan"), "/seat", DESK)
    button, waiting = seat.locator("#v-pass"), seat.locator("#passing")
    expect(button).to_be_enabled()
    seat.clock.install()
    seat.clock.pause_at(datetime.now(UTC) + timedelta(seconds=2))
    seat.keyboard.press("a")
    expect(waiting.get_by_text("秒后通过")).to_be_visible()
    expect(waiting.get_by_role("button", name="先不通过")).to_be_focused()
    seat.keyboard.press("Escape")
    expect(waiting).to_be_hidden()
    seat.clock.run_for(4000)

    # whatever locks it meanwhile undoes it too
    seat.keyboard.press("a")
    with db.transaction() as session:
        again = session.scalars(select(VideoSession)).one()
        told = (again.case.case_no, again.witness_id, "challenge")
        challenges.ask_digits(session, again, "digits-001", at(20))
    live.call_changed(*told, session_no=call.session_no)
    expect(waiting).to_be_hidden()
    seat.clock.run_for(4000)
    with db.transaction() as session:
        again = session.scalars(select(VideoSession)).one()
        assert again.ended_at is None
        challenges.withdraw(session, again, "digits-001", "误发", at(21))
    live.call_changed(*told, session_no=call.session_no)

    expect(button).to_be_enabled()
    seat.keyboard.press("a")
    expect(waiting).to_be_visible()
    seat.clock.run_for(3100)
    expect(seat.locator("main[data-call]")).to_have_count(0)
    expect(seat.get_by_text("已通过，投资者可继续办理")).to_be_visible()


def overlap(one: Locator, other: Locator) -> bool:
    a, b = box_of(one), box_of(other)
    return all(a[at] < b[at] + b[size] and b[at] < a[at] + a[size] for at, size in (("x", "width"), ("y", "height")))


def box_of(part: Locator) -> FloatRect:
    """A part that is just being exchanged has no place: then that of the one that comes."""
    for _ in range(50):
        expect(part).to_be_visible()
        if box := part.bounding_box():
            return box
    raise AssertionError(f"{part} has no place on the page")
