import re

import pytest
from flask.testing import FlaskClient

from console.admin.base import Register
from console.admin.session import session
from console.cases.models import Reason
from console.chain import find_break
from console.db import reading, transaction
from console.people import passwords
from console.people.models import Branch, Broker, SignIn, Staff, StaffEvent
from console.queues.models import Seat, SeatState
from tests.queues.given import online
from tests.world import id_number, staff_named

REGISTERS = ("branches", "staff", "reasons", "scripts", "questions", "short_reasons", "agreements")
REGISTERS += ("rosters", "holidays", "overflow")
NEW = {
    "name": "贺楠",
    "username": "henan",
    "roles": ["witness"],
    "licence_no": "F0300620",
    "licence_until": "2027-04-30",
    "active": "y",
    "new_password": "long-enough-1",
}


@pytest.fixture
def admin(as_staff) -> FlaskClient:
    return as_staff("admin")


@pytest.fixture
def branch_admin(as_staff) -> FlaskClient:
    """何知远 of Hangzhou, made an administrator of that branch."""
    with transaction() as session:
        staff_named(session, "hzreview").roles = ["reviewer", "admin"]
    return as_staff("hzreview")


def found(username: str) -> Staff:
    with reading() as session:
        staff = session.query(Staff).filter_by(username=username).one()
        assert staff.branches is not None
        return staff


def branch_id(code: str) -> int:
    with reading() as session:
        return session.query(Branch).filter_by(code=code).one().id


def form_of(client: FlaskClient, username: str) -> dict[str, object]:
    """What the edit page would post when nothing is touched."""
    staff = found(username)
    return {
        "name": staff.name,
        "username": staff.username,
        "roles": staff.roles,
        "branches": [branch.id for branch in staff.branches],
        "licence_no": staff.licence_no or "",
        "licence_until": staff.licence_until.isoformat() if staff.licence_until else "",
        **({"active": "y"} if staff.active else {}),
        **({"head_office": "y"} if staff.head_office else {}),
    }


def edit(client: FlaskClient, username: str, **changes: object):
    return client.post(f"/admin/staff/edit/?id={found(username).id}", data=form_of(client, username) | changes)


def test_each_register_has_its_list_and_can_be_searched(admin):
    for register in REGISTERS:
        for address in ("", "?search=a", "?sort=0&desc=1"):
            page = admin.get(f"/admin/{register}/{address}")
            assert page.status_code == 200, (register, address)
            assert "登记簿" in page.get_data(as_text=True)


def test_the_home_of_the_registers_counts_them(admin):
    page = admin.get("/admin/").get_data(as_text=True)
    assert re.search(r"人员与执业资格证 <span[^>]*>8</span>", page)


def test_nobody_but_administrators_finds_the_registers(as_staff):
    for username in ("qinlang", "luwenshan", "fangyi"):
        assert as_staff(username).get("/admin/staff/").status_code == 404


def test_a_password_hash_is_never_shown(admin):
    for address in ("/admin/staff/", f"/admin/staff/edit/?id={found('qinlang').id}"):
        assert "$argon2" not in admin.get(address).get_data(as_text=True)


def test_a_new_member_of_staff_needs_a_password(admin):
    answer = admin.post("/admin/staff/new/", data=NEW | {"branches": [branch_id("SH01")], "new_password": ""})
    assert "请设置初始密码" in answer.get_data(as_text=True)


def test_a_short_password_is_refused_at_its_field(admin):
    answer = edit(admin, "qinlang", new_password="short")
    assert f"密码至少 {passwords.SHORTEST} 个字" in answer.get_data(as_text=True)


def test_a_new_password_ends_every_session_of_that_person_and_no_other(admin, as_staff):
    hers, others = as_staff("qinlang"), as_staff("fangyi")
    assert edit(admin, "qinlang", new_password="another-long-1").status_code == 302
    assert hers.get("/review").status_code == 404
    with reading() as session:
        ended = {row.staff.username for row in session.query(SignIn).filter(SignIn.ended_at.is_not(None))}
    assert ended == {"qinlang"}
    assert others is not None


def test_a_stopped_account_is_out_at_once(admin, as_staff):
    hers = as_staff("qinlang")
    data = form_of(admin, "qinlang")
    del data["active"]
    admin.post(f"/admin/staff/edit/?id={found('qinlang').id}", data=data)
    assert hers.get("/review").status_code == 404


def test_saving_without_a_new_password_keeps_the_old_one(admin):
    before = found("qinlang").password_hash
    assert edit(admin, "qinlang", name="秦朗朗").status_code == 302
    assert (found("qinlang").name, found("qinlang").password_hash) == ("秦朗朗", before)


def test_who_is_registered_as_marketing_leaves_the_seat_at_once(admin):
    with transaction() as session:
        online(session, "luwenshan")
    assert edit(admin, "luwenshan", marketing="y").status_code == 302
    with reading() as session:
        seat = session.query(Seat).one()
        assert (seat.state, seat.staff.marketing) == (SeatState.OFFLINE, True)
    assert "营销人员，不能上线" in admin.get("/admin/staff/").get_data(as_text=True)


def test_an_id_number_makes_two_accounts_one_person(admin):
    assert edit(admin, "qinlang", new_id_no=id_number("31010119900307001").lower()).status_code == 302
    assert found("qinlang").person == found("luwenshan").person


def test_an_id_number_with_a_wrong_check_digit_is_refused(admin):
    before = found("qinlang").person
    wrong = id_number("31010119900307001")[:-1] + "0"
    if wrong == id_number("31010119900307001"):
        wrong = wrong[:-1] + "1"
    assert "身份证号不对" in edit(admin, "qinlang", new_id_no=wrong).get_data(as_text=True)
    assert found("qinlang").person == before


def test_fields_that_the_form_does_not_offer_are_ignored(admin):
    before = found("qinlang")
    edit(admin, "qinlang", password_hash="x", person_index="x", broker_id="2", id="99")
    after = found("qinlang")
    assert (after.id, after.password_hash, after.person_index, after.broker_id) == (
        before.id,
        before.password_hash,
        before.person_index,
        before.broker_id,
    )


def test_every_change_is_a_line_of_the_administrators_trail_without_its_value(admin):
    edit(admin, "qinlang", name="秦朗朗", new_id_no=id_number("31010119900307001"))
    with reading() as session:
        lines = session.query(StaffEvent).filter_by(staff_id=found("admin").id).order_by(StaffEvent.seq).all()
    assert [(line.action, line.subject) for line in lines] == [("register_changed", f"staff:{found('qinlang').id}")]
    assert "姓名" in lines[0].detail and "身份证号" in lines[0].detail
    assert id_number("31010119900307001") not in lines[0].detail
    assert find_break(lines) is None


def test_a_taken_username_is_said_and_nothing_is_saved(admin):
    answer = admin.post("/admin/staff/new/", data=NEW | {"username": "qinlang", "branches": [branch_id("SH01")]})
    assert answer.status_code == 200
    assert "已经存在" in answer.get_data(as_text=True)
    with reading() as session:
        assert session.query(StaffEvent).count() == 0


# --- an administrator of a branch


def test_a_branch_administrator_keeps_only_those_of_the_branch(branch_admin):
    page = branch_admin.get("/admin/staff/").get_data(as_text=True)
    assert "简明轩" in page and "秦朗" not in page and "总部管理员" not in page
    for username in ("qinlang", "admin"):
        assert branch_admin.get(f"/admin/staff/edit/?id={found(username).id}").status_code == 404
        assert edit(branch_admin, username, new_password="taken-over-1").status_code == 404


def test_a_branch_administrator_makes_neither_administrators_nor_people_of_head_office(branch_admin):
    refused = edit(branch_admin, "hangzhou", roles=["witness", "admin"])
    assert refused.status_code == 200
    edit(branch_admin, "hangzhou", head_office="y")
    assert (found("hangzhou").roles, found("hangzhou").head_office) == (["witness"], False)


def test_a_branch_administrator_gives_nobody_another_branch(branch_admin):
    edit(branch_admin, "hangzhou", branches=[branch_id("SH01")])
    assert [branch.code for branch in found("hangzhou").branches] == ["HZ01"]


def test_a_branch_administrator_does_not_lose_the_role_by_saving_oneself(branch_admin):
    edit(branch_admin, "hzreview", roles=["reviewer"])
    assert "admin" in found("hzreview").roles


def test_somebody_shared_with_another_branch_is_kept_by_head_office(branch_admin):
    with transaction() as session:
        staff_named(session, "hangzhou").branches = session.query(Branch).all()
    assert branch_admin.get(f"/admin/staff/edit/?id={found('hangzhou').id}").status_code == 404


def test_a_branch_administrator_reads_the_reasons_and_changes_none(branch_admin):
    assert branch_admin.get("/admin/reasons/").status_code == 200
    assert branch_admin.get("/admin/reasons/new/").status_code == 404
    assert branch_admin.post("/admin/reasons/edit/?id=1", data={"title": "x"}).status_code == 404


def test_a_branch_administrator_changes_the_own_branch_only(branch_admin):
    data = {"code": "XX01", "name": "杭州钱江营业部", "opens_at": "09:00", "closes_at": "16:00"}
    assert branch_admin.post(f"/admin/branches/edit/?id={branch_id('HZ01')}", data=data).status_code == 302
    assert branch_admin.post(f"/admin/branches/edit/?id={branch_id('SH01')}", data=data).status_code == 404
    with reading() as session:
        kept = {branch.code: branch.opens_at for branch in session.query(Branch)}
    assert kept == {"HZ01": "09:00", "SH01": "08:30"}, "the code is given once"
    assert branch_admin.get("/admin/branches/new/").status_code == 404


# --- branches, reasons, what Flask-Admin would add


def test_service_hours_must_be_a_time_of_day(admin):
    data = {"code": "SH01", "name": "上海陆家嘴营业部", "opens_at": "8.30", "closes_at": "16:30"}
    answer = admin.post(f"/admin/branches/edit/?id={branch_id('SH01')}", data=data)
    assert "请按 08:30 的格式填写" in answer.get_data(as_text=True)


def test_a_reason_blames_a_step_of_its_own_business(admin):
    data = {
        "business_code": "change_settlement_account",
        "step": "exchanges",
        "code": "new_reason",
        "title": "新原因",
        "investor_text": "请修改。",
        "position": "1",
        "active": "y",
    }
    assert "这个业务没有这一步" in admin.post("/admin/reasons/new/", data=data).get_data(as_text=True)
    assert admin.post("/admin/reasons/new/", data=data | {"step": "bank_card"}).status_code == 302
    with reading() as session:
        assert session.query(Reason).filter_by(code="new_reason").one().step == "bank_card"


def test_what_flask_admin_would_add_is_not_there(admin):
    for register in REGISTERS:
        for address in ("delete/", "action/", "ajax/update/"):
            assert admin.post(f"/admin/{register}/{address}").status_code == 404, (register, address)
        for address in ("ajax/lookup/", "export/csv/", "details/?id=1"):
            assert admin.get(f"/admin/{register}/{address}").status_code == 404, (register, address)


def test_agreements_are_only_looked_at(admin):
    assert admin.get("/admin/agreements/new/").status_code == 404
    assert admin.post("/admin/agreements/edit/?id=1").status_code == 404


def test_every_register_is_built_on_the_closed_view(app):
    from console.admin.base import Closed

    assert len(app.extensions["registers"]) == len(REGISTERS)
    for view in [view for group in app.extensions["admin"] for view in group._views]:
        assert isinstance(view, Closed), view
        with app.test_request_context("/admin/"):
            assert not view.is_accessible()


def test_a_register_that_says_nothing_of_its_rows_shows_none(app, as_staff):
    class Forgetful(Register):
        def __init__(self):
            super().__init__(Broker, session, name="x", endpoint="forgetful")

    with app.test_request_context("/admin/"):
        assert Forgetful().get_query().all() == []


def test_a_branch_says_what_holds_for_broken_calls_or_leaves_it_to_the_house(admin) -> None:
    where = f"/admin/branches/edit/?id={branch_id('SH01')}"
    page = admin.get(where).text
    assert "断线等待（秒）" in page and "按系统设置" in page

    def saved(**given: str) -> tuple[int | None, str | None]:
        with reading() as session:
            branch = session.get_one(Branch, branch_id("SH01"))
            data = {name: getattr(branch, name) for name in ("name", "phone", "address", "opens_at", "closes_at")}
        admin.post(where, data=data | given)
        with reading() as session:
            branch = session.get_one(Branch, branch_id("SH01"))
            return branch.call_grace, branch.after_drop

    assert saved(call_grace="90", after_drop="restart") == (90, "restart")
    assert saved(call_grace="3", after_drop="resume") == (90, "restart")  # refused: less than five seconds
    assert saved(call_grace="90", after_drop="perhaps") == (90, "restart")
    assert saved(call_grace="", after_drop="") == (None, None)
