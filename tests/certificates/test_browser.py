"""certificate.js in a real Chromium against the real server: where the key lies, what a password opens, what a signature is worth."""

import base64
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sqlalchemy import select
from werkzeug.serving import make_server

from console import db, static_files
from console.agreements import signing
from console.agreements.models import AgreementVersion, Reading, Signature
from console.cases.models import Case
from console.cases.service import abandon
from console.cases.transitions import finish_step, redo_step
from console.certificates.models import Certificate
from tests.agreements.given import at_signing, of, published, read_to_the_end, text
from tests.agreements.test_importing import ATTACKS
from tests.browser import launch_options
from tests.world import given_case, stamp

pytestmark = pytest.mark.early
PASSWORD = "watch-9-gulls"
VENDOR = Path(__file__).parents[2] / "console/static/vendor/x509.js"
INSPECT = """async () => {
  const opened = await new Promise((ok, no) => {
    const asking = indexedDB.open("witness-desk", 1);
    asking.onsuccess = () => ok(asking.result);
    asking.onerror = () => no(asking.error);
  });
  const kept = await new Promise((ok) => {
    const all = opened.transaction("certificates").objectStore("certificates").getAll();
    all.onsuccess = () => ok(all.result);
  });
  opened.close();
  const record = kept[0];
  const reading = crypto.subtle.importKey("pkcs8", record.wrapped, { name: "ECDSA", namedCurve: "P-256" }, true, ["sign"]);
  const plain = await reading.then(() => true, () => false);
  return {
    number: kept.length,
    fields: Object.entries(record).map(([name, value]) => [name, value?.constructor?.name]),
    iterations: record.iterations,
    salt: record.salt.length,
    readable: plain,
    tries: record.tries,
  };
}"""
SCRIPTS = f"/static/{static_files.mark()}/js"
SIGN = """async ([serial, password, message]) => {
  const module = await import("SCRIPTS/certificate.js");
  try {
    const [made] = await module.sign(serial, password, [module.fromBase64(message)]);
    return { made: module.toBase64(made) };
  } catch (error) {
    return { error: error.message, code: error.code };
  }
}""".replace("SCRIPTS", SCRIPTS)
KEEP_EXPORTED = """() => {
  window.exported = [];
  for (const name of ["unwrapKey", "importKey"]) {
    const real = crypto.subtle[name].bind(crypto.subtle);
    crypto.subtle[name] = async (...given) => {
      const key = await real(...given);
      const asked = key.type === "private" && crypto.subtle.exportKey("pkcs8", key);
      if (asked) window.exported.push(await asked.then(() => "exported", (error) => error.name));
      return key;
    };
  }
}"""


@pytest.fixture
def address(app) -> Iterator[str]:
    if not VENDOR.exists():
        pytest.fail("the browser assets are missing: run `make assets`")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(**launch_options())
        yield opened
        opened.close()


@pytest.fixture
def phone(browser, address, as_investor) -> Iterator[Page]:
    """周晚晴's phone, signed in; every request body it ever sent is in ``page.sent``."""
    cookie = as_investor("周晚晴").get_cookie("desk")
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN", base_url=address)
    context.add_cookies([{"name": "desk", "value": cookie.value, "url": address}])
    page = context.new_page()
    page.faults = []
    page.sent = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("request", lambda request: page.sent.append(request.post_data or ""))
    yield page
    context.close()


@pytest.fixture
def case_no(world) -> str:
    """At the certificate step, with one text to sign."""
    now = datetime.now(UTC)
    with db.transaction() as session:
        case = at_signing(session, at=now)
        published(session, "contract", source=text("期货经纪合同", 30), at=now - timedelta(days=1))
        redo_step(case, "certificate", of(case, now))
        return case.case_no


def installed(page: Page, case_no: str) -> str:
    """Install through the page; the serial number."""
    page.goto(f"/case/{case_no}/certificate")
    page.get_by_label("证书密码", exact=True).fill(PASSWORD)
    page.get_by_label("再输一次").fill(PASSWORD)
    page.get_by_role("button", name="安装数字证书").click()
    expect(page.get_by_text("数字证书已经安装成功！")).to_be_visible(timeout=20_000)
    with db.reading() as session:
        return session.scalars(select(Certificate).order_by(Certificate.id.desc())).first().serial


def signed(page: Page, serial: str, password: str, message: bytes = b"bytes to sign") -> dict[str, str]:
    return page.evaluate(SIGN, [serial, password, base64.b64encode(message).decode()])


def test_the_key_lies_encrypted_signs_with_the_password_and_never_leaves(phone, case_no) -> None:
    serial = installed(phone, case_no)
    kept = phone.evaluate(INSPECT)
    assert kept["number"] == 1
    assert kept["iterations"] >= 600_000 and kept["salt"] >= 16
    assert not kept["readable"], "what is kept is no private key without the password"
    assert "CryptoKey" not in [kind for _, kind in kept["fields"]]
    with db.reading() as session:
        der = session.scalars(select(Certificate)).one().der
    answer = signed(phone, serial, PASSWORD)
    raw = base64.b64decode(answer["made"])
    key = x509.load_der_x509_certificate(der).public_key()
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    key.verify(encode_dss_signature(r, s), b"bytes to sign", ec.ECDSA(hashes.SHA256()))
    phone.evaluate(KEEP_EXPORTED)
    signed(phone, serial, PASSWORD)
    assert set(phone.evaluate("window.exported")) == {"InvalidAccessError"}, (
        "the unlocked key can sign, never be exported"
    )
    assert not any(PASSWORD in body for body in phone.sent)
    assert phone.faults == []


def test_a_wrong_password_is_refused_says_how_many_tries_are_left_and_then_waits(phone, case_no) -> None:
    serial = installed(phone, case_no)
    said = [signed(phone, serial, f"wrong-{n}") for n in range(6)]
    assert "还可以试 4 次" in said[0]["error"]
    assert [answer["code"] for answer in said] == ["wrong_password"] * 4 + ["blocked"] * 2
    assert "分钟后再试" in said[5]["error"]
    assert signed(phone, serial, PASSWORD)["code"] == "blocked", "the right one waits too"
    phone.reload()
    assert signed(phone, serial, PASSWORD)["code"] == "blocked", "a new page gives no new tries"


def test_the_right_password_gives_the_tries_back(phone, case_no) -> None:
    serial = installed(phone, case_no)
    for _ in range(3):
        signed(phone, serial, "wrong")
    assert "made" in signed(phone, serial, PASSWORD)
    assert phone.evaluate(INSPECT)["tries"] == 0


def test_a_weak_or_mistyped_password_is_said_at_its_field(phone, case_no) -> None:
    phone.goto(f"/case/{case_no}/certificate")
    first, second = phone.get_by_label("证书密码", exact=True), phone.get_by_label("再输一次")
    for weak in ("12345", "111111", "123456", "987654"):
        first.fill(weak)
        second.fill(weak)
        phone.get_by_role("button", name="安装数字证书").click()
        expect(phone.locator("#password-error")).to_contain_text("密码太简单")
    first.fill(PASSWORD)
    second.fill(PASSWORD + "x")
    phone.get_by_role("button", name="安装数字证书").click()
    expect(phone.locator("#again-error")).to_contain_text("两次密码不一样")
    expect(second).to_be_focused()
    with db.reading() as session:
        assert session.scalars(select(Certificate)).all() == []


def test_a_failed_installation_says_so_and_trying_again_asks_for_the_same_key(phone, case_no) -> None:
    def swallow(route) -> None:
        route.fetch()  # the server did it, the answer is lost
        route.abort()

    phone.route("**/certificate/enrol", swallow, times=1)
    phone.goto(f"/case/{case_no}/certificate")
    phone.get_by_label("证书密码", exact=True).fill(PASSWORD)
    phone.get_by_label("再输一次").fill(PASSWORD)
    phone.get_by_role("button", name="安装数字证书").click()
    expect(phone.get_by_text("证书安装失败")).to_be_visible(timeout=20_000)
    phone.get_by_role("button", name="重新安装").click()
    expect(phone.get_by_text("数字证书已经安装成功！")).to_be_visible(timeout=20_000)
    with db.reading() as session:
        assert len(session.scalars(select(Certificate)).all()) == 1


def test_a_certificate_that_is_here_already_is_not_made_again(phone, case_no) -> None:
    installed(phone, case_no)
    phone.reload()
    expect(phone.get_by_text("这台设备上已有数字证书")).to_be_visible()
    phone.get_by_role("button", name="下一步").click()
    phone.wait_for_url("**/signing")
    with db.reading() as session:
        assert len(session.scalars(select(Certificate)).all()) == 1


def test_a_forgotten_password_deletes_voids_and_leads_back_to_installing(phone, case_no) -> None:
    installed(phone, case_no)
    phone.reload()
    phone.get_by_role("button", name="忘记密码？删除本地证书").click()
    phone.get_by_role("alertdialog").get_by_role("button", name="删除本地证书").click()
    expect(phone.get_by_label("再输一次")).to_be_visible()
    assert phone.evaluate(f"import('{SCRIPTS}/certificate.js').then((m) => m.localCertificates())") == []
    with db.reading() as session:
        assert session.scalars(select(Certificate)).one().revoked_why == "forgotten"


def read_with_the_keyboard(page: Page) -> None:
    """Page down to the end; every page comes by."""
    agree = page.locator("[data-agree]")
    for _ in range(60):
        if agree.get_attribute("aria-disabled") == "false":
            return
        page.keyboard.press("PageDown")
        page.wait_for_timeout(350)  # a screen takes a moment, even for a fast reader
    raise AssertionError("the end was never reached")


def test_reading_to_the_end_by_keyboard_and_signing_with_the_certificate(phone, case_no) -> None:
    installed(phone, case_no)
    phone.get_by_role("button", name="下一步").click()
    phone.wait_for_url("**/signing")
    phone.get_by_role("link", name="开始阅读").click()
    phone.wait_for_url("**/reading/*")
    agree = phone.locator("[data-agree]")
    expect(agree).to_have_attribute("aria-disabled", "true")
    phone.keyboard.press("End")  # jumping to the end is not reading
    phone.wait_for_timeout(400)
    agree.click(force=True)  # grey, but it answers with the reason
    expect(phone.locator(".toastx").get_by_text("请完整阅读该协议内容")).to_be_visible()
    expect(agree).to_have_attribute("aria-disabled", "true")
    read_with_the_keyboard(phone)
    agree.click()
    phone.wait_for_url("**/signing")
    phone.get_by_role("button", name="签署协议").click()
    expect(phone.locator("#agree-error")).to_contain_text("我已阅读并同意")
    phone.get_by_label("我已阅读并同意").check()
    phone.locator("#password").fill("wrong password")
    phone.get_by_role("button", name="签署协议").click()
    expect(phone.locator("#password-error")).to_contain_text("还可以试 4 次")
    phone.locator("#password").fill(PASSWORD)
    phone.get_by_role("button", name="签署协议").click()
    expect(phone.get_by_text("协议已全部签署")).to_be_visible(timeout=15_000)
    phone.get_by_role("button", name="下一步").click()
    phone.wait_for_url("**/submitted")
    with db.reading() as session:
        signature = session.scalars(select(Signature)).one()
        assert signing.verify(signature) is None
        proof = session.scalars(select(Reading)).one()
        assert proof.finished_at is not None and len(proof.pages_seen) == proof.pages
        assert session.scalars(select(Case)).one().status == "in_review"
    assert phone.faults == []


def test_a_holder_agrees_and_signs_and_that_completes_the_business(phone, case_no) -> None:
    installed(phone, case_no)
    earlier = datetime.now(UTC) - timedelta(hours=1)
    with db.transaction() as session:
        abandon(session.scalars(select(Case)).one(), stamp(at=earlier))
        case = given_case(session, at=earlier)
        for key, facts in (("photos", {}), ("bank_card", {}), ("certificate_check", {"holds_certificate": True})):
            finish_step(case, key, of(case, earlier), facts=facts)
        read_to_the_end(session, case, session.scalars(select(AgreementVersion)).one(), earlier)
        second = case.case_no
    phone.goto(f"/case/{second}/signing")
    phone.get_by_label("我已阅读并同意").check()
    phone.locator("#password").fill(PASSWORD)
    phone.get_by_role("button", name="签署协议").click()
    phone.wait_for_url(f"**/case/{second}/submitted")


def test_a_device_without_the_certificate_is_told_to_install_it_again(phone, case_no) -> None:
    installed(phone, case_no)
    phone.get_by_role("button", name="下一步").click()
    phone.wait_for_url("**/signing")
    with db.transaction() as session:
        case = session.scalars(select(Case)).one()
        read_to_the_end(session, case, session.scalars(select(AgreementVersion)).one(), datetime.now(UTC))
    phone.evaluate("indexedDB.deleteDatabase('witness-desk')")
    phone.reload()
    expect(phone.get_by_text("这台设备上没有可用的数字证书")).to_be_visible()
    phone.get_by_role("link", name="重新安装").click()
    phone.wait_for_url("**/certificate")
    expect(phone.get_by_label("再输一次")).to_be_visible()


def test_no_attack_in_an_imported_text_runs_or_fetches_anything(phone, case_no) -> None:
    with db.transaction() as session:
        hostile = published(session, "hostile", source=("# 题\n\n" + "\n\n".join(ATTACKS)).encode()).id
    phone.on("dialog", lambda dialog: (phone.faults.append(dialog.message), dialog.dismiss()))
    asked = []
    phone.on("request", lambda request: asked.append(request.url))
    phone.goto(f"/case/{case_no}/reading/{hostile}")
    phone.locator("[data-doc]").hover()
    phone.wait_for_timeout(500)
    assert phone.faults == []
    assert not [url for url in asked if "evil" in url or "track" in url]
    assert phone.locator("[data-doc]").locator("script, img, iframe, svg, a, style, form, object").count() == 0
