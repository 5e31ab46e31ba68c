"""营业部."""

from typing import Any, ClassVar

from wtforms import SelectField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import NumberRange, Optional, Regexp

from console.access import my_staff
from console.people.models import Branch

from .base import Register
from .scope import head_office, my_branches
from .session import session

HOUSE = "按系统设置"
AFTER_DROP = {"": HOUSE, "resume": "接着进行", "restart": "重新开始"}
GRACE = (5, 600)  # seconds, as CONSOLE_CALL_GRACE
CLOCK = Regexp(r"^([01]\d|2[0-3]):[0-5]\d$", message="请按 08:30 的格式填写。")


class Branches(Register):
    group, hint = "机构与人员", "服务时间决定复核到期时间。代码一经使用不再修改。"
    column_list = ("code", "name", "phone", "address", "opens_at", "closes_at", "call_grace", "after_drop")
    column_labels: ClassVar = {
        "code": "代码",
        "name": "名称",
        "phone": "电话",
        "address": "地址",
        "opens_at": "开始服务",
        "closes_at": "结束服务",
        "call_grace": "断线等待（秒）",
        "after_drop": "断线接回后",
    }
    column_searchable_list = ("code", "name")
    column_default_sort = "code"
    column_formatters: ClassVar = {
        "call_grace": lambda v, c, branch, n: HOUSE if branch.call_grace is None else branch.call_grace,
        "after_drop": lambda v, c, branch, n: AFTER_DROP[branch.after_drop or ""],
    }
    form_columns = ("code", "name", "phone", "address", "opens_at", "closes_at", "call_grace", "after_drop")
    form_overrides: ClassVar = {"after_drop": SelectField}
    form_args: ClassVar = {
        "opens_at": {"validators": [CLOCK]},
        "closes_at": {"validators": [CLOCK]},
        "call_grace": {
            "validators": [Optional(), NumberRange(*GRACE, message=f"请填 {GRACE[0]} 到 {GRACE[1]} 之间的秒数。")],
            "description": "一方掉线后通话保留多久，5 到 600 秒。不填则按系统设置。",
        },
        "after_drop": {
            "choices": [SelectChoice(*each) for each in AFTER_DROP.items()],
            "coerce": lambda chosen: chosen or None,
            "description": "重新开始：投资者须再次确认，断线前的清单作废。",
        },
    }
    can_edit = True

    def __init__(self) -> None:
        super().__init__(Branch, session, name="营业部", endpoint="admin_branches", url="/admin/branches")

    @property
    def can_create(self) -> bool:  # type: ignore[override]
        return head_office()

    def in_scope(self, query: Any) -> Any:
        query = query.filter(Branch.broker_id == my_staff().broker_id)
        return query if head_office() else query.filter(Branch.id.in_(my_branches()))

    def edit_form(self, obj: Any = None) -> Any:
        form = super().edit_form(obj)
        del form.code
        return form

    def on_model_change(self, form: Any, model: Branch, is_created: bool) -> None:
        if is_created:
            model.broker_id = my_staff().broker_id
        super().on_model_change(form, model, is_created)
