"""The pages over the rules: who may see which text, what a script may post, what an admin imports."""

import base64
import io
from datetime import UTC, datetime, timedelta

import pytest
from flask import render_template
from sqlalchemy import select, update

from console import db
from console.agreements.models import AgreementVersion, Purpose, Reading
from console.cases.models import Case
from console.cases.transitions import finish_step
from console.certificates.models import Certificate
from console.portal.steps import facts_of
from tests.agreements.given import Device, at_signing, of, published, request_over, text
from tests.world import given_case, investor_named

pytestmark = pytest.mark.databases("postgresql")  # it refuses to write where only reading was opened

NOW = datetime.now(UTC)
STEPS = ("certificate", "signing")
JSON = {"Accept": "application/json"}


@pytest.fixture
def reader(app, as_investor):
    """周晚晴 with a case of 增开交易编码, and two texts to read."""
    with db.transaction() as session:
        case = given_case(session, business="add_trading_code", at=NOW)
        versions = [published(session, code, Purpose.READ, at=NOW) for code in ("rules", "codes")]
        shown = {"case_no": case.case_no, "versions": [v.id for v in versions], "sha256": [v.sha256 for v in versions]}
    return as_investor("周晚晴"), shown


def post(client, url, **body):
    return client.post(url, json=body, headers=JSON)


def read_through(client, shown, index=0, minutes_ago=10):
    """Open, wait (the row says it was opened ``minutes_ago``), finish."""
    url = f"/case/{shown['case_no']}/reading/{shown['versions'][index]}"
    told = post(client, f"{url}/open").json
    with db.transaction() as session:
        session.execute(update(Reading).values(started_at=datetime.now(UTC) - timedelta(minutes=minutes_ago)))
    body = {"seen": list(range(1, told["pages"] + 1)), "shown_ms": 120_000, "sha256": shown["sha256"][index]}
    return post(client, f"{url}/finish", **body)


def test_a_text_is_shown_whole_with_its_version_and_hash(reader) -> None:
    client, shown = reader
    page = client.get(f"/case/{shown['case_no']}/reading/{shown['versions'][0]}").text
    assert "第40条" in page
    assert shown["sha256"][0] in page
    assert "请完整阅读该协议内容" in page
    assert "1 / 2" in page


def test_looking_at_a_text_opens_no_reading(reader) -> None:
    client, shown = reader
    client.get(f"/case/{shown['case_no']}/reading/{shown['versions'][0]}")
    with db.reading() as session:
        assert session.scalars(select(Reading)).all() == []


def test_finishing_leads_to_the_next_text_and_then_back_to_the_step(reader) -> None:
    client, shown = reader
    first = read_through(client, shown, 0)
    assert first.json["next"] == f"/case/{shown['case_no']}/reading/{shown['versions'][1]}"
    assert read_through(client, shown, 1).json["next"] == f"/case/{shown['case_no']}/reading"


def test_clicking_through_at_once_is_refused_with_the_manuals_words(reader) -> None:
    client, shown = reader
    url = f"/case/{shown['case_no']}/reading/{shown['versions'][0]}"
    told = post(client, f"{url}/open").json
    seen = list(range(1, told["pages"] + 1))
    refused = post(client, f"{url}/finish", seen=seen, shown_ms=10**9, sha256=shown["sha256"][0])
    assert (refused.status_code, refused.json["code"]) == (422, "not_read")
    assert "请完整阅读该协议内容" in refused.json["error"]


@pytest.mark.parametrize(
    "body", [{}, {"seen": "1", "shown_ms": 1}, {"seen": [], "shown_ms": True}, {"seen": [], "shown_ms": "x"}]
)
def test_a_body_that_no_page_of_ours_sends_is_refused(reader, body) -> None:
    client, shown = reader
    url = f"/case/{shown['case_no']}/reading/{shown['versions'][0]}"
    post(client, f"{url}/open")
    assert post(client, f"{url}/progress", **body).status_code == 422


def test_another_investors_case_does_not_exist(reader, as_investor) -> None:
    _, shown = reader
    url = f"/case/{shown['case_no']}/reading/{shown['versions'][0]}"
    other = as_investor("许砚青")
    assert other.get(url).status_code == 404
    assert post(other, f"{url}/open").status_code == 404


def test_the_privacy_policy_is_readable_before_signing_in(app) -> None:
    with db.transaction() as session:
        published(session, "privacy_policy", Purpose.PRIVACY)
    visitor = app.test_client()
    assert "第40条" in visitor.get("/b/9090/privacy").text
    assert visitor.get("/b/0000/privacy").status_code == 404


# --- the certificate


@pytest.fixture
def signer(app, as_investor):
    with db.transaction() as session:
        case = at_signing(session, at=NOW)
        version = published(session, "contract", at=NOW)
        shown = {"case_no": case.case_no, "versions": [version.id], "sha256": [version.sha256]}
    return as_investor("周晚晴"), shown


def enrolled(client, shown, device, name="phone"):
    csr = base64.b64encode(request_over(device.key)).decode()
    return post(client, f"/case/{shown['case_no']}/certificate/enrol", csr=csr, device=name)


def test_installing_signing_and_handing_in_through_the_pages(signer) -> None:
    client, shown = signer
    device, base = Device(), f"/case/{shown['case_no']}"
    serial = enrolled(client, shown, device).json["serial"]
    handed = client.post(f"{base}/certificate", data={"serial": serial})
    assert handed.location.endswith("/signing")
    assert "还有 1 份没有读完" in client.get(f"{base}/signing").text
    refused = client.post(f"{base}/signing")
    assert refused.status_code == 422 and "请完整阅读该协议内容" in refused.text
    read_through(client, shown)
    offered = post(client, f"{base}/signing/offer", serial=serial).json["documents"]
    signatures = {
        str(each["id"]): base64.b64encode(device.sign(base64.b64decode(each["bytes"]))).decode() for each in offered
    }
    assert post(client, f"{base}/signing/answer", signatures=signatures).status_code == 200
    assert "已签署" in client.get(f"{base}/signing").text
    assert client.post(f"{base}/signing").location.endswith("/submitted")


def test_reviewers_see_certificate_and_signatures_with_what_holds(signer, app) -> None:
    client, shown = signer
    device, base = Device(), f"/case/{shown['case_no']}"
    serial = enrolled(client, shown, device, "Android Chrome").json["serial"]
    client.post(f"{base}/certificate", data={"serial": serial})
    read_through(client, shown)
    offered = post(client, f"{base}/signing/offer", serial=serial).json["documents"]
    made = {str(d["id"]): base64.b64encode(device.sign(base64.b64decode(d["bytes"]))).decode() for d in offered}
    post(client, f"{base}/signing/answer", signatures=made)
    client.post(f"{base}/signing")
    with app.test_request_context(), db.reading() as look:
        case = look.scalars(select(Case)).one()
        html = {
            key: render_template(f"steps/{key}/review.html", case=case, **facts_of(key, look, case)) for key in STEPS
        }
        assert serial in html["certificate"] and "在用" in html["certificate"] and "周晚晴" in html["certificate"]
        assert "有效" in html["signing"] and "无效" not in html["signing"] and shown["sha256"][0] in html["signing"]
    with db.transaction() as session:
        session.execute(update(AgreementVersion).values(html="<p>换过的正文</p>"))
    with app.test_request_context(), db.reading() as look:
        case = look.scalars(select(Case)).one()
        assert "无效" in render_template("steps/signing/review.html", case=case, **facts_of("signing", look, case))


def test_reviewers_see_what_was_read_how_much_and_how_long(reader, app) -> None:
    client, shown = reader
    read_through(client, shown, 0)
    read_through(client, shown, 1)
    with db.transaction() as session:
        case = session.scalars(select(Case)).one()
        mine = of(case, NOW)
        for key, facts in (("photos", {}), ("profile", {}), ("exchanges", {"first_financial_code": False})):
            finish_step(case, key, mine, facts=facts)
    assert client.post(f"/case/{shown['case_no']}/reading").status_code == 302
    with app.test_request_context(), db.reading() as look:
        case = look.scalars(select(Case)).one()
        html = render_template("steps/reading/review.html", case=case, **facts_of("reading", look, case))
    assert html.count("02:00") == 2 and all(sha256 in html for sha256 in shown["sha256"])


def test_handing_in_the_reading_before_the_end_names_each_text(reader) -> None:
    client, shown = reader
    with db.transaction() as session:
        case = session.scalars(select(Case)).one()
        for key, facts in (("photos", {}), ("profile", {}), ("exchanges", {"first_financial_code": False})):
            finish_step(case, key, of(case, NOW), facts=facts)
    read_through(client, shown, 0)
    refused = client.post(f"/case/{shown['case_no']}/reading")
    assert refused.status_code == 422
    assert "《《codes》标题》：请完整阅读该协议内容" in refused.text
    assert "《《rules》标题》：" not in refused.text


def test_the_step_is_not_done_without_a_certificate(signer) -> None:
    client, shown = signer
    base = f"/case/{shown['case_no']}"
    device = Device()
    enrolled(client, shown, device)  # reopens the step, as it was done already
    assert client.post(f"{base}/certificate", data={"serial": "ABC"}).status_code == 422


def test_a_damaged_request_says_so_in_the_manuals_words(signer) -> None:
    client, shown = signer
    refused = post(client, f"/case/{shown['case_no']}/certificate/enrol", csr="AAAA", device="x")
    assert refused.status_code == 422
    assert "证书安装失败" in refused.json["error"] and "重新安装" in refused.json["error"]


def test_forgetting_the_password_makes_the_certificate_void(signer) -> None:
    client, shown = signer
    serial = enrolled(client, shown, Device()).json["serial"]
    assert post(client, f"/case/{shown['case_no']}/certificate/forget", serial=serial).json == {"ok": True}
    with db.reading() as session:
        assert session.scalars(select(Certificate)).one().revoked_why == "forgotten"


def test_another_investors_certificate_cannot_be_forgotten(signer, as_investor) -> None:
    client, shown = signer
    serial = enrolled(client, shown, Device()).json["serial"]
    with db.transaction() as session:
        other = given_case(session, "许砚青", at=NOW).case_no
    theirs = as_investor("许砚青")
    assert post(theirs, f"/case/{other}/certificate/forget", serial=serial).status_code == 404


@pytest.mark.parametrize("signatures", [{}, {"x": "AAAA"}, {"1": "not base64!"}, {"1": "A" * 400}, [1]])
def test_an_answer_that_no_page_of_ours_sends_is_refused(signer, signatures) -> None:
    client, shown = signer
    refused = post(client, f"/case/{shown['case_no']}/signing/answer", signatures=signatures)
    assert refused.status_code in (409, 422)


# --- what staff see


def upload(admin, name="合同.md", source=None, **fields):
    data = {"code": "contract", "title": "期货经纪合同", "purpose": "sign", "position": "1", **fields}
    data["file"] = (io.BytesIO(source if source is not None else text("合同")), name)
    return admin.post("/agreements", data=data, content_type="multipart/form-data")


def test_an_admin_imports_a_text_and_sees_it(as_staff) -> None:
    admin = as_staff("admin")
    made = upload(admin, businesses=["add_trading_code"])
    page = admin.get(made.location).text
    assert "期货经纪合同" in page and "第40条" in page and "增开交易编码" in page
    listed = admin.get("/agreements").text
    assert "期货经纪合同" in listed and "生效中" in listed


def test_the_same_file_again_says_that_nothing_changed(as_staff) -> None:
    admin = as_staff("admin")
    upload(admin)
    assert "内容未变" in admin.get(upload(admin).location).text


def test_an_import_that_fails_names_the_file_and_keeps_what_was_typed(as_staff) -> None:
    admin = as_staff("admin")
    refused = upload(admin, "扫描件.pdf", b"%PDF-1.7 \0")
    assert refused.status_code == 422
    assert "扫描件.pdf" in refused.text and 'value="contract"' in refused.text
    with db.reading() as session:
        assert session.scalars(select(AgreementVersion)).all() == []


def test_an_import_without_a_file_or_code_says_so_at_the_field(as_staff) -> None:
    refused = as_staff("admin").post("/agreements", data={"purpose": "sign"})
    assert refused.status_code == 422
    assert "请选择要导入的文件" in refused.text and "请填写代码" in refused.text


@pytest.mark.parametrize("username", ["luwenshan", "qinlang", "fangyi"])
def test_only_admins_import_but_all_staff_may_read_a_version(as_staff, username) -> None:
    with db.transaction() as session:
        version = published(session, "contract").id
    staff = as_staff(username)
    assert staff.get("/agreements").status_code == 404
    assert upload(staff).status_code == 404
    assert "第40条" in staff.get(f"/agreements/{version}").text


def test_an_investor_sees_no_page_of_the_register(as_investor) -> None:
    with db.transaction() as session:
        version = published(session, "contract").id
        assert investor_named(session, "周晚晴")
    client = as_investor("周晚晴")
    assert client.get("/agreements").status_code == 404
    assert client.get(f"/agreements/{version}").status_code == 404
