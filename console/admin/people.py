"""人员与执业资格证: accounts, roles, branches, licences."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from flask_admin.contrib.sqla.fields import QuerySelectMultipleField
from markupsafe import Markup
from sqlalchemy import select, update
from wtforms import DateField, PasswordField, SelectMultipleField, StringField, ValidationError
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, Optional

from console import vault
from console.access import my_staff
from console.people import passwords
from console.people.identity import id_no_of
from console.people.models import ROLE_TITLES, Branch, Role, SignIn, Staff, StaffBranch
from console.queues import seats
from console.queues.models import SeatState

from .base import Register
from .scope import head_office, my_branches
from .session import session

WARN_DAYS = 90


def roles_on_offer() -> list[SelectChoice]:
    """Only head office makes administrators."""
    return [SelectChoice(role.value, ROLE_TITLES[role]) for role in Role if head_office() or role is not Role.ADMIN]


def branches_on_offer() -> Any:
    query = session.query(Branch).filter(Branch.broker_id == my_staff().broker_id).order_by(Branch.code)
    return query if head_office() else query.filter(Branch.id.in_(my_branches()))


class Roles(SelectMultipleField):
    """Checkboxes; the roles a form does not offer stay as they are."""

    def iter_choices(self) -> Any:
        self.choices = roles_on_offer()
        return super().iter_choices()

    def pre_validate(self, form: Any) -> None:
        self.choices = roles_on_offer()
        super().pre_validate(form)

    def populate_obj(self, obj: Staff, name: str) -> None:
        offered = {choice.value for choice in roles_on_offer()}
        kept = [role for role in obj.roles or [] if role not in offered]
        obj.roles = [role.value for role in Role if role.value in (*kept, *(self.data or []))]


def licence_state(staff: Staff, at: datetime) -> tuple[str, str]:
    """How the licence stands, and its colour: without a valid one nobody goes online (Q2), with one nobody of marketing."""
    if staff.marketing:
        return "营销人员，不能上线", "bad" if staff.has_role(Role.WITNESS) else ""
    days = staff.licence_days(at)
    if days is None:
        return ("未登记，不能上线", "bad") if staff.has_role(Role.WITNESS) else ("不需要", "")
    if days < 0:
        return "已过期，不能上线", "bad"
    return (f"{days} 天后到期", "wait") if days <= WARN_DAYS else ("有效", "ok")


def licence_pill(view: Any, context: Any, staff: Staff, name: str) -> Markup:
    words, kind = licence_state(staff, datetime.now(UTC))
    return Markup('<span class="pill {}">{}</span>').format(kind, words)


def valid_id_number(form: Any, field: Any) -> None:
    """GB 11643-1999 with its check digit."""
    if id_no_of(field.data) is None:
        raise ValidationError("身份证号不对：应为 18 位，末位可以是 X，请核对。")


class People(Register):
    """Staff. The password's hash is never shown; a new password or ID number is typed, never read back."""

    group, hint = "机构与人员", "证号无效或过期的人不能上线。改动都会留痕。"
    column_list = ("name", "username", "licence_no", "branches", "roles", "licence_until", "licence", "active")
    column_labels: ClassVar = {
        "name": "姓名",
        "username": "用户名",
        "licence_no": "执业资格证号",
        "branches": "营业部",
        "roles": "角色",
        "licence_until": "有效期至",
        "licence": "资格",
        "active": "状态",
        "head_office": "总部（可见所有营业部）",
        "password_hash": "密码",
        "id_no": "身份证号",
    }
    column_formatters: ClassVar = {
        "branches": lambda v, c, staff, n: "总部" if staff.head_office else "、".join(b.name for b in staff.branches),
        "roles": lambda v, c, staff, n: "、".join(ROLE_TITLES[Role(role)] for role in staff.roles),
        "licence": licence_pill,
        "active": lambda v, c, staff, n: "在职" if staff.active else "已停用",
        "licence_no": lambda v, c, staff, n: staff.licence_no or "无",
        "licence_until": lambda v, c, staff, n: staff.licence_until.isoformat() if staff.licence_until else "无",
    }
    column_searchable_list = ("name", "username", "licence_no")
    column_sortable_list = ("name", "username", "licence_until")
    column_default_sort = "id"
    can_create = True
    can_edit = True
    form_args: ClassVar = {
        "active": {"label": "在职（取消则停用，此人立即退出）"},
        "marketing": {"label": "营销人员（不能见证：不能上线、接听或接管）"},
    }
    form_overrides: ClassVar = {"licence_until": DateField}
    form_columns = (
        "name",
        "username",
        "licence_no",
        "licence_until",
        "marketing",
        "roles",
        "branches",
        "head_office",
        "active",
        "new_id_no",
        "new_password",
    )
    form_extra_fields: ClassVar = {
        "roles": Roles("角色"),
        "branches": QuerySelectMultipleField("营业部", query_factory=branches_on_offer),
        "new_id_no": StringField(
            "身份证号",
            [Optional(), valid_id_number],
            description="同一人的几个账号填同一个号码：见证和复核按人区分。不填则不变，保存后不再显示。",
        ),
        "new_password": PasswordField(
            "新密码",
            [Optional(), Length(passwords.SHORTEST, 200, message=f"密码至少 {passwords.SHORTEST} 个字。")],
            description=f"至少 {passwords.SHORTEST} 个字。不填则不变；修改后此人所有登录立即失效。",
            render_kw={"autocomplete": "new-password"},
        ),
    }

    def __init__(self) -> None:
        super().__init__(Staff, session, name="人员与执业资格证", endpoint="admin_staff", url="/admin/staff")

    def in_scope(self, query: Any) -> Any:
        """A branch's administrator keeps those who work in these branches only: nobody of head office, nobody shared."""
        query = query.filter(Staff.broker_id == my_staff().broker_id)
        if head_office():
            return query
        mine = my_branches()
        here = select(StaffBranch.staff_id).where(StaffBranch.branch_id.in_(mine))
        elsewhere = select(StaffBranch.staff_id).where(StaffBranch.branch_id.not_in(mine))
        return query.filter(~Staff.head_office, Staff.id.in_(here), Staff.id.not_in(elsewhere))

    def create_form(self, obj: Any = None) -> Any:
        form = self._offered(super().create_form(obj))
        form.new_password.validators = [InputRequired("请设置初始密码。"), *list(form.new_password.validators)[1:]]
        return form

    def edit_form(self, obj: Any = None) -> Any:
        return self._offered(super().edit_form(obj))

    def _offered(self, form: Any) -> Any:
        if not head_office():
            del form.head_office
        return form

    def on_model_change(self, form: Any, model: Staff, is_created: bool) -> None:
        if not head_office() and not model.branches:
            raise ValidationError("请至少选择一个营业部。")
        if is_created:
            model.broker_id = my_staff().broker_id
        if number := id_no_of(form.new_id_no.data):
            model.id_no, model.person_index = number, vault.current().index(number, "person")
        if form.new_password.data:
            model.password_hash = passwords.hash_password(form.new_password.data)
        if not is_created and (form.new_password.data or not model.active):
            self._end_sessions(model)
        if model.marketing and not is_created:
            self._send_offline(model)
        super().on_model_change(form, model, is_created)

    def _send_offline(self, model: Staff) -> None:
        """A call that goes on is finished by whoever is in it, or taken over."""
        seat = seats.hold(session(), model.id)
        if seat is not None and seat.state not in (SeatState.OFFLINE, SeatState.IN_CALL):
            seats.enter(session(), seat, SeatState.OFFLINE, datetime.now(UTC))

    def _end_sessions(self, model: Staff) -> None:
        session.execute(
            update(SignIn)
            .where(SignIn.staff_id == model.id, SignIn.ended_at.is_(None))
            .values(ended_at=datetime.now(UTC))
        )
