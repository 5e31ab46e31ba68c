"""Flask-Admin's own session, once on each database: listed, found, added, changed, signed in with."""

import pytest

from console.db import reading
from console.people import passwords
from console.people.models import Branch, Staff, StaffEvent

pytestmark = pytest.mark.databases("sqlite", "postgresql")

NEW = {
    "name": "贺楠",
    "username": "henan",
    "roles": ["witness"],
    "licence_no": "F0300620",
    "licence_until": "2027-04-30",
    "active": "y",
    "new_password": "long-enough-1",
}


def test_a_new_member_of_staff_can_sign_in_with_the_password_given(as_staff, app):
    admin = as_staff("admin")
    with reading() as session:
        branch = session.query(Branch).filter_by(code="SH01").one().id
    made = admin.post("/admin/staff/new/", data=NEW | {"branches": [branch]})
    assert (made.status_code, made.location) == (302, "/admin/staff/")
    with reading() as session:
        staff = session.query(Staff).filter_by(username="henan").one()
        assert (staff.roles, [b.code for b in staff.branches]) == (["witness"], ["SH01"])
        assert passwords.matches(staff.password_hash, NEW["new_password"])
    entered = app.test_client().post("/desk/sign-in", data={"username": "henan", "password": NEW["new_password"]})
    assert entered.location == "/desk"
    assert "贺楠" in admin.get("/admin/staff/?search=henan&sort=0").get_data(as_text=True)
    changed = admin.post(f"/admin/staff/edit/?id={staff.id}", data=NEW | {"branches": [branch], "name": "贺楠楠"})
    assert changed.status_code == 302
    with reading() as session:
        actions = [line.action for line in session.query(StaffEvent).order_by(StaffEvent.id)]
    assert actions == ["register_added", "signed_in", "register_changed"]
