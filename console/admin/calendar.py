"""排班 and 休息日: what 预约视频 offers, and the days on which there is no video."""

from typing import Any, ClassVar

from flask import abort
from sqlalchemy import or_
from wtforms import DateField, IntegerField, SelectField, StringField, ValidationError
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, NumberRange, Optional, Regexp

from console.access import my_staff
from console.people.models import Branch
from console.queues.models import WEEKDAYS, Holiday, Roster

from .base import Register
from .branches import CLOCK
from .people import branches_on_offer
from .scope import head_office, my_branches
from .session import session

ENDS = Regexp(r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$", message="请按 17:00 的格式填写，最晚 24:00。")
NONE = ""  # no weekday, no single branch


def number_of(value: Any) -> int | None:
    return None if value in (None, NONE) else int(value)


class OfBranches(Register):
    """``branch_id`` is chosen among the branches that this administrator keeps."""

    everywhere = ""  # the word for no single branch, where that is possible

    def create_form(self, obj: Any = None) -> Any:
        return self._offering(super().create_form(obj))

    def edit_form(self, obj: Any = None) -> Any:
        return self._offering(super().edit_form(obj))

    def _offering(self, form: Any) -> Any:
        offered = [SelectChoice(branch.id, branch.name) for branch in branches_on_offer()]
        form.branch_id.choices = [SelectChoice(NONE, self.everywhere), *offered] if self.everywhere else offered
        return form


class Rosters(OfBranches):
    group, hint = (
        "视频服务",
        "预约时段的名额按排班坐席数计算。某一天单独排班时，当天只按单独的排班；填 0 个坐席即当天这段不接受预约。",
    )
    column_list = ("branch", "when", "starts_at", "ends_at", "seats")
    column_labels: ClassVar = {
        "branch": "营业部",
        "branch_id": "营业部",
        "when": "哪一天",
        "weekday": "每周",
        "day": "或某一天",
        "starts_at": "开始",
        "ends_at": "结束",
        "seats": "坐席数",
    }
    column_formatters: ClassVar = {
        "when": lambda v, c, row, n: row.day.isoformat() if row.day else f"每{WEEKDAYS[row.weekday]}"
    }
    column_default_sort: ClassVar = [("branch_id", False), ("day", False), ("weekday", False), ("starts_at", False)]
    column_sortable_list = ("starts_at", "seats")
    can_create = True
    can_edit = True
    form_columns = ("branch_id", "weekday", "day", "starts_at", "ends_at", "seats")
    form_extra_fields: ClassVar = {
        "branch_id": SelectField("营业部", coerce=number_of),
        "weekday": SelectField(
            "每周",
            choices=[
                SelectChoice(NONE, "不按周，按下面的日期"),
                *(SelectChoice(str(n), w) for n, w in enumerate(WEEKDAYS)),
            ],
            coerce=number_of,
        ),
        "day": DateField("或某一天", [Optional()], description="填了日期，就只在这一天生效，“每周”不选。"),
        "starts_at": StringField(
            "开始", [InputRequired("请填写开始时间。"), CLOCK], description="北京时间，如 09:00。"
        ),
        "ends_at": StringField("结束", [InputRequired("请填写结束时间。"), ENDS]),
        "seats": IntegerField("坐席数", [InputRequired("请填写坐席数。"), NumberRange(0, 99, "0 到 99。")]),
    }

    def __init__(self) -> None:
        super().__init__(Roster, session, name="排班", endpoint="admin_rosters", url="/admin/rosters")

    def in_scope(self, query: Any) -> Any:
        query = query.join(Branch, Branch.id == Roster.branch_id).filter(Branch.broker_id == my_staff().broker_id)
        return query if head_office() else query.filter(Branch.id.in_(my_branches()))

    def on_model_change(self, form: Any, model: Roster, is_created: bool) -> None:
        if (model.weekday is None) == (model.day is None):
            raise ValidationError("“每周”和“某一天”请选填其中一个。")
        if model.starts_at >= model.ends_at:
            raise ValidationError("结束要晚于开始。跨过半夜的请分成两条。")
        super().on_model_change(form, model, is_created)


class Holidays(OfBranches):
    """Head office keeps those of all branches, a branch's administrator those of the own ones."""

    group, hint = (
        "视频服务",
        "休息日不排队、不预约视频，也不计入复核时限，待复核任务的到期时间随之改动。已经约在当天的会自动取消，并发短信请投资者另选时间。",
    )
    column_list = ("day", "title", "where", "active")
    column_labels: ClassVar = {"day": "日期", "title": "名称", "where": "范围", "branch_id": "营业部", "active": "状态"}
    column_formatters: ClassVar = {
        "day": lambda v, c, row, n: f"{row.day.isoformat()} {WEEKDAYS[row.day.weekday()]}",
        "where": lambda v, c, row, n: row.branch.name if row.branch else "全部营业部",
        "active": lambda v, c, row, n: "休息" if row.active else "已撤销，照常服务",
    }
    everywhere = "全部营业部"
    column_searchable_list = ("title",)
    column_default_sort: ClassVar = ("day", True)
    column_sortable_list = ("day", "title")
    can_create = True
    can_edit = True
    form_columns = ("day", "title", "branch_id", "active")
    form_args: ClassVar = {"active": {"label": "休息（取消则照常服务）"}}
    form_extra_fields: ClassVar = {
        "day": DateField("日期", [InputRequired("请填写日期。")]),
        "title": StringField("名称", [InputRequired("请填写名称。"), Length(1, 40, "最多 40 个字。")]),
        "branch_id": SelectField("营业部", coerce=number_of),
    }

    def __init__(self) -> None:
        super().__init__(Holiday, session, name="休息日", endpoint="admin_holidays", url="/admin/holidays")

    def in_scope(self, query: Any) -> Any:
        query = query.filter(Holiday.broker_id == my_staff().broker_id)
        return (
            query
            if head_office()
            else query.filter(or_(Holiday.branch_id.is_(None), Holiday.branch_id.in_(my_branches())))
        )

    def may_edit(self, row: Holiday) -> bool:
        return head_office() or row.branch_id is not None

    def get_one(self, id: Any) -> Any:
        found = super().get_one(id)
        return found if self.may_edit(found) else abort(404)

    def on_model_change(self, form: Any, model: Holiday, is_created: bool) -> None:
        if model.branch_id is None and not head_office():
            raise ValidationError("请选择营业部。全部营业部的休息日由总部登记。")
        if is_created:
            model.broker_id = my_staff().broker_id
        super().on_model_change(form, model, is_created)
