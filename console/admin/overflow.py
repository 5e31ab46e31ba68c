"""溢出规则: from which branch to which, and after how many minutes of waiting."""

from typing import Any, ClassVar

from wtforms import IntegerField, SelectField, ValidationError
from wtforms.validators import InputRequired, NumberRange

from console.access import my_staff
from console.people.models import Branch
from console.queues.models import OverflowRule

from .calendar import OfBranches, number_of
from .people import branches_on_offer
from .scope import head_office, my_branches
from .session import session


class Overflows(OfBranches):
    """Who keeps both branches of a rule keeps the rule."""

    group = "视频服务"
    hint = "等候超过规定分钟后，对方营业部空闲的坐席可以接听；本部的投资者总是先接。"
    column_list = ("branch", "to_branch", "after_minutes", "active")
    column_labels: ClassVar = {
        "branch": "排队营业部",
        "to_branch": "支援营业部",
        "branch_id": "排队营业部",
        "to_branch_id": "支援营业部",
        "after_minutes": "等候满（分钟）",
        "active": "状态",
    }
    column_formatters: ClassVar = {"active": lambda v, c, row, n: "生效" if row.active else "停用"}
    column_default_sort = "branch_id"
    column_sortable_list = ("after_minutes",)
    can_create = True
    can_edit = True
    form_columns = ("branch_id", "to_branch_id", "after_minutes", "active")
    form_args: ClassVar = {"active": {"label": "生效"}}
    form_extra_fields: ClassVar = {
        "branch_id": SelectField("排队营业部", coerce=number_of),
        "to_branch_id": SelectField("支援营业部", coerce=number_of),
        "after_minutes": IntegerField(
            "等候满（分钟）", [InputRequired("请填写分钟数。"), NumberRange(1, 240, "1 到 240 分钟。")]
        ),
    }

    def __init__(self) -> None:
        super().__init__(OverflowRule, session, name="溢出规则", endpoint="admin_overflow", url="/admin/overflow")

    def _offering(self, form: Any) -> Any:
        form = super()._offering(form)
        form.to_branch_id.choices = form.branch_id.choices
        return form

    def in_scope(self, query: Any) -> Any:
        query = query.join(Branch, Branch.id == OverflowRule.branch_id).filter(Branch.broker_id == my_staff().broker_id)
        if head_office():
            return query
        mine = my_branches()
        return query.filter(OverflowRule.branch_id.in_(mine), OverflowRule.to_branch_id.in_(mine))

    def on_model_change(self, form: Any, model: OverflowRule, is_created: bool) -> None:
        if model.branch_id == model.to_branch_id:
            raise ValidationError("支援营业部须是另一个营业部。")
        with session.no_autoflush:  # a second one would be refused by the database in its own words
            offered = {branch.id for branch in branches_on_offer()}
            if not {model.branch_id, model.to_branch_id} <= offered:
                raise ValidationError("请选择您管理的营业部。")
            same = session.query(OverflowRule.id).filter(
                OverflowRule.branch_id == model.branch_id,
                OverflowRule.to_branch_id == model.to_branch_id,
                OverflowRule.id != (model.id or 0),
            )
            if same.first():
                raise ValidationError("这两个营业部之间已有一条规则，请修改那一条。")
        super().on_model_change(form, model, is_created)
