"""The people of a story. They speak the domain and find things as people do: by the words and roles on the screen."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from console.app import open_house
from console.config import Settings
from console.seed import DEMO_BROKER_NO, DEMO_PASSWORD, DemoInvestor
from worker.robots import eyes, pictures

from .stage import LOW, Pictures, Running

NETWORK = re.compile("良好|较慢")  # either will do: this machine may be busy
SLOWLY = 20_000  # ms: what waits for a job or for a call
CAMERA = pictures.Scene(size=(1400, 1050))  # smaller than phones make them: drawing and cutting those takes seconds
PHONE_CAMERA = CAMERA.but(orientation=6)  # held upright: turned pixels, told by EXIF


def with_the_house_open(running: Running) -> None:
    """Let this process look where only the operator can: the captcha's answer."""
    open_house(Settings.from_env(running.environment))


@dataclass
class Card:
    """What lies on the investor's table."""

    front: bytes
    back: bytes
    signature: bytes

    @classmethod
    def of(cls, person: DemoInvestor, scene: pictures.Scene = CAMERA) -> "Card":
        day = f"{person.id_no[6:10]}-{person.id_no[10:12]}-{person.id_no[12:14]}"
        return cls(
            pictures.id_front(person.name, "女", "汉", day, "上海市浦东新区世纪大道 1051 号 8 室", person.id_no, scene),
            pictures.id_back("上海市公安局浦东分局", "2016.12.03-2036.12.03", scene),
            pictures.signature(person.name, scene),
        )


@dataclass
class Investor:
    page: Page
    person: DemoInvestor
    pictures: Pictures
    folder: Path
    case_no: str = ""
    seen: list[str] = field(default_factory=list)

    def shot(self, what: str) -> None:
        self.pictures.take(self.page, f"portal-{what}")

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name)

    def next(self) -> None:
        self.button("下一步").click()

    def is_at(self, title: str) -> None:
        expect(self.page.get_by_role("heading", name=title, level=1)).to_be_visible(timeout=SLOWLY)
        self.page.wait_for_load_state()

    def sees_what_the_counter_carried_out(self) -> None:
        """On 我的业务, a moment after the approval."""
        told = self.page.get_by_text("柜台登记完成")
        for _ in range(20):
            if told.is_visible():
                break
            self.page.wait_for_timeout(500)
            self.page.reload()
        expect(told).to_be_visible()

    # getting in

    def choose(self, business: str) -> None:
        self.page.goto("/")
        self.page.get_by_label("期货公司编号").fill(DEMO_BROKER_NO)
        self.shot("entrance")
        self.next()
        self.shot("business")
        self.page.get_by_role("link", name=business).click()

    def pass_the_device_check(self) -> None:
        self.button(re.compile("检测|重新检测")).first.click()
        expect(self.page.locator("[name=devices]")).not_to_have_value("", timeout=SLOWLY)

    def sign_in(self, *, by_phone: bool) -> None:
        """With a wrong captcha first: it burns, and the second picture works."""
        page = self.page
        self.pass_the_device_check()
        page.get_by_label("手机号" if by_phone else "身份证号码").fill(
            self.person.phone if by_phone else self.person.id_no
        )
        if not by_phone:
            page.get_by_label("账户类型").select_option(label="个人")
        token = page.locator("[name=captcha_token]")
        expect(token).not_to_have_value("")
        burnt = token.input_value()
        page.get_by_role("textbox", name="图形验证码").fill("0000")
        self.button("获取验证码").click()
        expect(page.get_by_text("图形验证码不正确或已过期").first).to_be_visible()
        expect(token).not_to_have_value(burnt)
        page.get_by_role("textbox", name="图形验证码").fill(eyes.captcha(token.input_value()))
        self.button("获取验证码").click()
        page.get_by_label("短信验证码").fill(self.code_from_the_outbox())
        page.get_by_role("checkbox", name=re.compile("隐私政策")).check()
        self.shot("sign-in")
        self.button("马上开户").click()
        self.is_at("上传照片")
        found = re.search(r"/case/(\d+)", page.url)
        assert found
        self.case_no = found.group(1)

    def code_from_the_outbox(self) -> str:
        """Read where the development adapter put the message, in a tab of its own."""
        expect(self.button(re.compile("秒"))).to_be_visible()
        outbox = self.page.context.new_page()
        outbox.goto("/dev/sms")
        for _ in range(50):
            said = outbox.locator("[data-sms]").filter(has_text=self.person.phone)
            if said.count():
                break
            outbox.wait_for_timeout(200)
            outbox.reload()
        text = said.first.locator("[data-text]").inner_text()
        self.pictures.take(outbox, "sms-outbox")
        outbox.close()
        found = re.search(r"\d{6}", text)
        assert found, text
        return found.group(0)

    # photos

    def upload(self, tile: str, name: str, content: bytes) -> None:
        """By the tile's own file field, as the phone's camera would hand it over."""
        region = self.page.get_by_role("region", name=tile)
        region.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": content})

    def photograph(self, card: Card) -> None:
        for tile, content in (("身份证正面", card.front), ("身份证反面", card.back), ("签名照", card.signature)):
            region = self.page.get_by_role("region", name=tile)
            thumbnail = region.locator("a.th")
            before = thumbnail.get_attribute("href") if thumbnail.count() else None
            self.upload(tile, f"{tile}.jpg", content)
            if before:
                expect(region.locator(f"a.th[href='{before}']")).to_have_count(0, timeout=SLOWLY)
            expect(thumbnail).to_be_visible(timeout=SLOWLY)
            expect(region.get_by_text("已上传").first).to_be_visible(timeout=SLOWLY)

    def try_a_text_file(self) -> None:
        self.upload("身份证正面", "not-a-photo.jpg", "这不是照片".encode() * 400)
        region = self.page.get_by_role("region", name="身份证正面")
        expect(region.get_by_role("alert")).to_be_visible(timeout=SLOWLY)
        self.shot("text-file-refused")

    def read_the_undertaking(self) -> None:
        self.page.get_by_role("link", name=re.compile("数字证书安全责任书")).click()
        self.read_to_the_end()
        self.is_at("上传照片")

    # reading

    def read_to_the_end(self) -> None:
        """Scroll as a reader would until the agreement may be agreed to, and agree."""
        agree = self.button(re.compile("我已阅读并同意"))
        document = self.page.locator("[data-doc]")
        document.focus()
        self.page.wait_for_timeout(600)  # nobody turns the page before seeing it
        for _ in range(120):
            if agree.get_attribute("aria-disabled") != "true":
                break
            document.press("PageDown")
            self.page.wait_for_timeout(400)  # a page rushed past does not count as read
        expect(agree).not_to_have_attribute("aria-disabled", "true", timeout=SLOWLY)
        before = self.page.url
        agree.click()
        self.page.wait_for_url(lambda url: url != before, timeout=SLOWLY)

    def read_everything(self) -> None:
        while (link := self.page.get_by_role("link", name=re.compile("^(开始|继续)阅读$"))).count():
            link.click()
            self.page.wait_for_url(re.compile(r"/reading/\d+$"), timeout=SLOWLY)
            if not self.seen.count("reading"):
                self.shot("reading")
                self.seen.append("reading")
            while self.page.locator("[data-reading]").count():
                self.read_to_the_end()
                self.page.wait_for_load_state()

    # cards

    def add_a_card(self, bank: str, number: str) -> None:
        self.button("新增银行卡").click()
        sheet = self.page.get_by_role("dialog", name="新增银行卡")
        sheet.locator("input[type=file]").set_input_files(
            {"name": "card.jpg", "mimeType": "image/jpeg", "buffer": pictures.bank_card(bank, number)}
        )
        expect(sheet.get_by_text("照片已上传")).to_be_visible(timeout=SLOWLY)
        sheet.get_by_label("银行卡号").fill(number)
        sheet.get_by_label(re.compile("开户银行")).select_option(label=bank)
        self.shot("new-card")
        sheet.get_by_role("button", name="保存银行卡").click()
        expect(sheet).not_to_be_visible(timeout=SLOWLY)
        expect(self.page.get_by_text(number[-4:]).first).to_be_visible()
        self.page.wait_for_load_state()

    def remove_the_card(self, ending: str) -> None:
        region = self.page.get_by_role("region", name=re.compile(f"尾号 {ending}"))
        region.get_by_role("button", name="删除").click()
        self.page.get_by_role("alertdialog", name="删除这张银行卡？").get_by_role("button", name="删除").click()
        expect(region).to_have_count(0, timeout=SLOWLY)

    def refused_to_go_on_unchanged(self) -> None:
        self.hand_in_the_cards()
        expect(self.page.get_by_role("alert").filter(has_text="还没有修改")).to_be_visible(timeout=SLOWLY)
        self.shot("unchanged")

    def hand_in_the_cards(self) -> None:
        self.next()
        self.shot("card-notice")
        notice = self.page.get_by_role("dialog", name="使用提示").or_(
            self.page.get_by_role("alertdialog", name="使用提示")
        )
        notice.get_by_role("button", name="确定").click()

    def find_no_certificate(self) -> None:
        self.is_at("证书检测")
        sheet = self.page.get_by_role("alertdialog", name="未检测到数字证书")
        expect(sheet).to_be_visible(timeout=SLOWLY)
        self.shot("no-certificate")
        sheet.get_by_role("button", name="确定").click()

    # the video

    def queue_up(self) -> None:
        self.is_at("视频验证")
        expect(self.page.locator(".devs, [data-devices]").get_by_text(NETWORK).first).to_be_visible(timeout=SLOWLY)
        self.shot("video-start")
        self.button("开始视频通话").click()
        expect(self.page.get_by_text("排队人数（含您）")).to_be_visible(timeout=SLOWLY)
        self.shot("queue")

    def waiting(self) -> int:
        """排队人数, oneself included."""
        return int(
            re.sub(r"\D", "", self.page.locator("dl.stats div").filter(has_text="排队人数").locator("dd").inner_text())
        )

    def agree_to_the_recording(self) -> None:
        expect(self.page.get_by_role("heading", name="认证人员已接通")).to_be_visible(timeout=SLOWLY)
        self.shot("consent")
        self.button("我已核对，同意录音录像").click()

    def sees_the_witness(self) -> None:
        plays(self.page, "[data-remote]")
        self.shot("in-call")

    # certificate and signature

    def install_the_certificate(self, password: str) -> None:
        self.is_at("安装数字证书")
        self.page.get_by_label("证书密码", exact=True).fill(password)
        self.page.get_by_label("再输一次", exact=True).fill(password)
        self.shot("certificate")
        self.button("安装数字证书").click()
        expect(self.page.get_by_text("数字证书已经安装成功！")).to_be_visible(timeout=SLOWLY)
        self.shot("certificate-installed")
        self.next()

    def sign(self, password: str) -> None:
        """With a wrong password first."""
        self.is_at("签署协议")
        self.read_everything()
        self.is_at("签署协议")
        self.page.get_by_role("checkbox", name=re.compile("我已阅读并同意")).check()
        self.page.get_by_label("证书密码", exact=True).fill("not-the-password")
        self.button("签署协议").click()
        expect(self.page.get_by_role("alert").filter(has_text="密码")).to_be_visible(timeout=SLOWLY)
        self.page.get_by_label("证书密码", exact=True).fill(password)
        self.shot("signing")
        self.button("签署协议").click()
        expect(self.page.get_by_text("协议已全部签署")).to_be_visible(timeout=SLOWLY)
        self.next()


def plays(page: Page, selector: str) -> None:
    """A moving picture with sound: the element's clock runs and its picture has a size."""
    page.wait_for_function(
        "s => { const v = document.querySelector(s);"
        " return v && v.videoWidth > 0 && v.currentTime > 0.5 && v.srcObject.getAudioTracks().length > 0 }",
        arg=selector,
        timeout=SLOWLY,
    )


@dataclass
class Staff:
    page: Page
    username: str
    pictures: Pictures

    def shot(self, what: str) -> None:
        self.pictures.take(self.page, f"desk-{what}")

    def shot_low_too(self, what: str) -> None:
        """As it is, and on the lowest screen that a desk has."""
        self.shot(what)
        usual = self.page.viewport_size
        self.page.set_viewport_size(LOW)  # type: ignore[arg-type]
        assert self.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), what
        self.shot(f"{what}-low")
        self.page.set_viewport_size(usual)  # type: ignore[arg-type]

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("button", name=name)

    def sign_in(self, where: str) -> None:
        self.page.goto(where)
        self.shot("sign-in")
        self.page.get_by_label("用户名").fill(self.username)
        self.page.get_by_label("密码", exact=True).fill(DEMO_PASSWORD)
        self.button("登录").click()
        self.page.wait_for_url(re.compile(f"{where}$"), timeout=SLOWLY)
        self.page.wait_for_load_state()

    def choose_reasons(self, *titles: str, note: str) -> None:
        """In the rejection sheet, whose preview says what reopens and what the investor reads."""
        sheet = self.page.get_by_role("dialog", name="驳回到填写有误的步骤")
        for title in titles:
            sheet.get_by_role("checkbox", name=re.compile(title)).check()
        sheet.get_by_label(re.compile("内部备注")).fill(note)
        self.shot("rejection")


class Witness(Staff):
    def go_online(self) -> None:
        check = self.page.get_by_role("region", name="上线检查")
        expect(check.get_by_text("正常")).to_have_count(3, timeout=SLOWLY)
        expect(check.get_by_text(NETWORK)).to_be_visible(timeout=SLOWLY)
        online = self.page.get_by_role("radio", name=re.compile("在线"))
        online.click()
        expect(online).to_have_attribute("aria-checked", "true", timeout=SLOWLY)

    def sees_in_the_queue(self, name: str) -> None:
        expect(
            self.page.get_by_role("region", name=re.compile("排队"))
            .or_(self.page.locator("[data-part=queue]"))
            .get_by_text(name)
            .first
        ).to_be_visible(timeout=SLOWLY)
        self.shot("seat-idle")

    def answer(self) -> None:
        self.button(re.compile("接通下一位")).last.click()
        expect(self.page.get_by_role("timer").first).to_be_visible(timeout=SLOWLY)
        self.page.wait_for_load_state()

    def sees_the_investor(self) -> None:
        plays(self.page, "[data-peer] video")
        expect(self.page.locator("[data-peer] [data-network]")).not_to_have_text("未连接")

    def snapshot(self, what: str) -> None:
        before = self.page.locator("[data-part=tray] [data-look]").count()
        self.page.get_by_role("region", name="抓拍").get_by_role("button", name=re.compile(f"^{what} ")).click()
        expect(self.page.locator("[data-part=tray] [data-look]")).to_have_count(before + 1, timeout=SLOWLY)

    def mark_everything(self) -> None:
        """Every field that differs, the others at once; then each question by its key, at this moment."""
        self.check_the_fields()
        for mark in self.page.locator("[data-part=checklist] .mk1").all():
            item = mark.get_attribute("data-mark")
            self.page.locator(f"#mark-{item}").click()
            expect(self.page.locator(f"[data-part=checklist] li:has(#mark-{item})")).to_have_class(
                re.compile("ok"), timeout=SLOWLY
            )

    def check_the_fields(self) -> None:
        ticks = self.page.locator("[data-part=facts] tr.dif .tk:not(.flag)")
        while ticks.count():
            before = ticks.count()
            ticks.first.click()
            expect(ticks).to_have_count(before - 1, timeout=SLOWLY)
        others = self.page.locator("#fields-all")
        if others.count():
            others.click()
            expect(others).to_have_count(0, timeout=SLOWLY)

    def pass_the_case(self) -> None:
        button = self.page.get_by_role("group", name="视频结论").get_by_role("button", name=re.compile("^通过|完成"))
        expect(button.first).to_be_enabled(timeout=SLOWLY)
        self.shot("seat-ready-to-pass")
        button.first.click()
        self.shot("seat-about-to-pass")
        expect(self.page.locator("main[data-call]")).to_have_count(0, timeout=SLOWLY)
        self.page.wait_for_load_state()

    def reject(self, *titles: str) -> None:
        self.button(re.compile("^驳回…")).click()
        self.choose_reasons(*titles, note="两处都要重来，态度配合。")
        self.button(re.compile("驳回并结束")).click()
        self.page.wait_for_url(re.compile("/seat$"), timeout=SLOWLY)


class Reviewer(Staff):
    def open(self, case_no: str) -> None:
        self.shot("tasks")
        self.page.goto(f"/review/{case_no}")
        self.page.wait_for_load_state()

    def is_refused_as_the_maker(self) -> None:
        expect(self.page.get_by_text("您参与过此单见证，不能复核")).to_be_visible()
        expect(self.button(re.compile("^通过"))).to_have_count(0)
        self.shot("maker-refused")

    def claim(self) -> None:
        self.button(re.compile("^领取")).first.click()
        expect(self.button(re.compile("^通过"))).to_be_visible(timeout=SLOWLY)
        self.page.wait_for_load_state()

    def plays_the_recording(self) -> None:
        """Both sides, from the encrypted store, by ranges: the recordings themselves, not the film made of them."""
        player = self.page.get_by_role("region", name="双录")
        recordings = player.get_by_role("button", name="原始录像")
        if recordings.count():
            recordings.click()
        player.get_by_role("button", name="播放", exact=True).click()
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('video[data-side]')].filter(v => v.videoWidth > 0 && v.currentTime > 0.5).length === 2",
            timeout=SLOWLY,
        )

    def approve(self) -> None:
        self.button(re.compile("^通过")).click()
        self.page.wait_for_url(re.compile("/review"), timeout=SLOWLY)


__all__ = ["Card", "Investor", "Reviewer", "Staff", "Witness", "plays", "with_the_house_open"]
