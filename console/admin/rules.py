"""不通过原因 and the list of 协议."""

from typing import Any, ClassVar

from markupsafe import Markup
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice

from console.access import my_staff
from console.agreements.models import PURPOSE_TITLES, Agreement
from console.businesses import BUSINESSES
from console.businesses.steps import Desk
from console.cases.models import Reason

from .base import Register
from .scope import head_office
from .session import session

STEP_TITLES = {
    step.key: step.title
    for business in BUSINESSES.values()
    for step in business.steps
    if step.desk is not Desk.REVIEWER
}


class Reasons(Register):
    """All branches share them: head office keeps them, the others read."""

    group, hint = "规则", "选原因就是选退回的步骤。已作出的驳回保留当时的文字，不随这里改变。"
    column_list = ("title", "code", "business_code", "step", "investor_text", "final", "active")
    column_labels: ClassVar = {
        "title": "原因",
        "code": "编号",
        "business_code": "业务",
        "step": "指出的步骤",
        "investor_text": "投资者看到的文字",
        "tip": "怎样修改",
        "final": "终止办理",
        "must_change": "须有改动（原样再交不予接受）",
        "position": "次序",
        "active": "状态",
    }
    column_formatters: ClassVar = {
        "business_code": lambda v, c, reason, n: BUSINESSES[reason.business_code].title,
        "step": lambda v, c, reason, n: STEP_TITLES.get(reason.step, reason.step),
        "final": lambda v, c, reason, n: Markup('<span class="pill bad">终止</span>') if reason.final else "可修改重交",
        "active": lambda v, c, reason, n: "在用" if reason.active else "已停用",
    }
    column_searchable_list = ("title", "code", "investor_text")
    column_sortable_list = ("title", "code", "position")
    column_default_sort = "id"
    form_columns = (
        "business_code",
        "step",
        "code",
        "title",
        "investor_text",
        "tip",
        "must_change",
        "final",
        "position",
        "active",
    )
    form_extra_fields: ClassVar = {
        "business_code": SelectField("业务", choices=[SelectChoice(b.code, b.title) for b in BUSINESSES.values()]),
        "step": SelectField("指出的步骤", choices=[SelectChoice(key, title) for key, title in STEP_TITLES.items()]),
    }

    def __init__(self) -> None:
        super().__init__(Reason, session, name="不通过原因", endpoint="admin_reasons", url="/admin/reasons")

    @property
    def can_create(self) -> bool:  # type: ignore[override]
        return head_office()

    @property
    def can_edit(self) -> bool:  # type: ignore[override]
        return head_office()

    def in_scope(self, query: Any) -> Any:
        return query

    def validate_form(self, form: Any) -> bool:
        if not super().validate_form(form):
            return False
        if form.step.data not in {step.key for step in BUSINESSES[form.business_code.data].steps}:
            form.step.errors = ["这个业务没有这一步。"]
            return False
        return True


class Agreements(Register):
    """To look at; versions are imported, never edited (A2)."""

    group, hint = "规则", "版本导入后不可修改。导入新版本请到“协议”。"
    column_list = ("title", "code", "purpose", "businesses", "versions")
    column_labels: ClassVar = {
        "title": "名称",
        "code": "编号",
        "purpose": "用途",
        "businesses": "适用业务",
        "versions": "现行版本",
    }
    column_formatters: ClassVar = {
        "purpose": lambda v, c, agreement, n: PURPOSE_TITLES[agreement.purpose],
        "businesses": lambda v, c, agreement, n: (
            "、".join(BUSINESSES[code].title for code in agreement.businesses if code in BUSINESSES) or "全部"
        ),
        "versions": lambda v, c, agreement, n: (
            "、".join(f"v{version.number}" for version in agreement.versions if version.retired_at is None) or "无"
        ),
    }
    column_searchable_list = ("title", "code")
    column_sortable_list = ("title", "code")
    column_default_sort = "position"
    form_columns = ()

    def __init__(self) -> None:
        super().__init__(Agreement, session, name="协议", endpoint="admin_agreements", url="/admin/agreements")

    def in_scope(self, query: Any) -> Any:
        return query.filter(Agreement.broker_id == my_staff().broker_id)
