"""见证话术: versions and their questions, and the short reasons. All branches share them: head office keeps them, the others read."""

import re
from datetime import UTC, datetime
from typing import Any, ClassVar

from flask import abort, request
from flask_admin.contrib.sqla.fields import QuerySelectField
from markupsafe import Markup
from wtforms import (
    BooleanField,
    DateTimeLocalField,
    IntegerField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, NumberRange, Optional, Regexp

from console.access import stamp
from console.businesses import BUSINESSES
from console.evidence.models import KIND_TITLES
from console.local_time import LOCAL
from console.video_seat import facts, script
from console.video_seat.models import (
    REASON_USE_TITLES,
    Question,
    QuestionVersion,
    ReasonUse,
    ShortReason,
)

from .base import Register
from .rules import STEP_TITLES
from .scope import head_office
from .session import session

WORDS = "、".join(f"{{{name}}} {title}" for name, title in script.WORDS.items())
CODE = Regexp(r"^[a-z][a-z0-9_]*$", message="编号用小写英文字母、数字和下划线，以字母开头。")


class KeptByHeadOffice(Register):
    @property
    def can_create(self) -> bool:  # type: ignore[override]
        return head_office()

    @property
    def can_edit(self) -> bool:  # type: ignore[override]
        return head_office()

    def in_scope(self, query: Any) -> Any:
        return query


def state_pill(view: Any, context: Any, version: QuestionVersion, name: str) -> Markup:
    words, kind = script.state_of(version, datetime.now(UTC))
    return Markup('<span class="pill {}">{}</span>').format(kind, words)


def questions_link(view: Any, context: Any, version: QuestionVersion, name: str) -> Markup:
    pool = sum(question.drawn for question in version.questions)
    words = f"固定 {len(version.questions) - pool} 道，{pool} 抽 {version.draw}"
    return Markup('<a href="/admin/questions/?version={}">{}</a>').format(version.id, words)


def local(view: Any, context: Any, version: QuestionVersion, name: str) -> str:
    at: datetime | None = getattr(version, name)
    return at.astimezone(LOCAL).strftime("%Y-%m-%d %H:%M") if at else ""


class Versions(KeptByHeadOffice):
    """草稿 → 发布（到生效时间起用）→ 停用. A published version never changes: what comes next is a new draft."""

    group, hint = "规则", "接通时按生效中的版本抽题。已发布的不能修改，新建草稿会复制最近一版。"
    column_list = ("question_set", "number", "state", "questions", "effective_from", "published_at", "retired_at")
    column_labels: ClassVar = {
        "question_set": "话术",
        "number": "版本",
        "state": "状态",
        "questions": "问题",
        "draw": "抽题数",
        "effective_from": "生效时间",
        "published_at": "发布时间",
        "published_by": "发布人",
        "retired_at": "停用时间",
        "business": "业务",
    }
    column_formatters: ClassVar = {
        "number": lambda v, c, version, n: f"v{version.number}",
        "state": state_pill,
        "questions": questions_link,
        "effective_from": local,
        "published_at": local,
        "retired_at": local,
    }
    column_default_sort: ClassVar = [("set_id", False), ("number", True)]
    column_sortable_list = ("number", "effective_from")
    form_columns = ("business", "draw", "publish", "effective_from", "retire")
    form_extra_fields: ClassVar = {
        "business": SelectField("业务", choices=[SelectChoice(b.code, b.title) for b in BUSINESSES.values()]),
        "draw": IntegerField("抽题数", [NumberRange(0, 20, "0 到 20。")], description="每次通话从随机题里抽几道。"),
        "publish": BooleanField("发布（发布后问题不能再改）"),
        "effective_from": DateTimeLocalField(
            "生效时间", [Optional()], description="北京时间。不填则立即生效。已接通的通话不受影响。"
        ),
        "retire": BooleanField("停用（之后接通的通话改用上一个已发布的版本）"),
    }

    def __init__(self) -> None:
        super().__init__(QuestionVersion, session, name="见证话术", endpoint="admin_scripts", url="/admin/scripts")

    def create_form(self, obj: Any = None) -> Any:
        return self._only(super().create_form(obj), {"business"})

    def edit_form(self, obj: Any = None) -> Any:
        form = super().edit_form(obj)
        return self._only(form, {"retire"} if obj.published_at else {"draw", "publish", "effective_from"})

    @staticmethod
    def _only(form: Any, wanted: set[str]) -> Any:
        for name in [field.name for field in form if field.name not in wanted and field.name != "csrf_token"]:
            delattr(form, name)
        return form

    def get_one(self, id: Any) -> Any:
        found = super().get_one(id)
        return abort(404) if found.retired_at is not None else found

    def create_model(self, form: Any) -> Any:
        draft = script.new_draft(session(), form.business.data)
        self.on_model_change(form, draft, True)
        session.commit()
        return draft

    def update_model(self, form: Any, model: QuestionVersion) -> bool:
        try:
            if model.published_at is None:
                self._draft(form, model)
            elif form.retire.data:
                self._retire(model)
            self.on_model_change(form, model, False)
            session.commit()
        except ValidationError as error:
            session.rollback()
            self.handle_view_exception(error)
            return False
        return True

    def _draft(self, form: Any, model: QuestionVersion) -> None:
        model.draw = form.draw.data or 0
        if not form.publish.data:
            return
        if said := script.faults(model):
            raise ValidationError("；".join(said) + "。")
        local_time: datetime | None = form.effective_from.data
        now = stamp()
        wanted = local_time.replace(tzinfo=LOCAL).astimezone(UTC) if local_time else now.at
        script.publish(model, max(wanted, now.at), now)

    def _retire(self, model: QuestionVersion) -> None:
        now = stamp().at
        if not any(script.counts(v, now) for v in model.question_set.versions if v is not model):
            raise ValidationError("这是唯一生效的版本，停用后不能接通。请先发布新版本。")
        model.retired_at = now


def drafts() -> Any:
    return session.query(QuestionVersion).filter(QuestionVersion.published_at.is_(None))


class Questions(KeptByHeadOffice):
    group, hint = "规则", "只有草稿里的问题可以修改。须抓拍的题没有抓拍不能记为通过。"
    column_list = ("version", "position", "drawn", "title", "expects", "step", "kinds", "required")
    column_labels: ClassVar = {
        "version": "话术版本",
        "position": "次序",
        "drawn": "抽题",
        "key": "编号",
        "title": "清单上的文字",
        "say": "认证人员说",
        "cue": "投资者屏幕上显示",
        "expects": "判定要点",
        "step": "佐证的步骤",
        "field": "佐证的信息",
        "kinds": "须抓拍",
        "every_kind": "所选的每种都要",
        "required": "必问",
        "frame": "投资者屏幕显示证件框",
    }
    column_formatters: ClassVar = {
        "drawn": lambda v, c, question, n: "随机" if question.drawn else "固定",
        "step": lambda v, c, question, n: STEP_TITLES.get(question.step, "无"),
        "kinds": lambda v, c, question, n: ("和" if question.every_kind else "或").join(
            KIND_TITLES[kind] for kind in script.SNAPSHOTS if kind in question.kinds
        ),
        "required": lambda v, c, question, n: "必问" if question.required else "可不问",
    }
    column_searchable_list = ("title", "say")
    column_sortable_list = ("position", "title")
    column_default_sort: ClassVar = [("version_id", True), ("position", False), ("id", False)]
    form_columns = (
        *("version", "key", "title", "position", "say", "cue", "expects", "drawn", "required"),
        *("kinds", "every_kind", "frame", "step", "field", "remove"),
    )
    form_extra_fields: ClassVar = {
        "version": QuerySelectField("草稿", [InputRequired("请选择草稿。")], query_factory=drafts),
        "key": StringField("编号", [InputRequired("请填写编号。"), Length(max=40), CODE]),
        "say": TextAreaField("认证人员说", [InputRequired("请填写。"), Length(max=300)], description=f"可用 {WORDS}。"),
        "cue": TextAreaField("投资者屏幕上显示", [InputRequired("请填写。"), Length(max=120)]),
        "expects": TextAreaField("判定要点", [Length(max=200)]),
        "kinds": SelectMultipleField(
            "须抓拍",
            choices=[SelectChoice(kind.value, KIND_TITLES[kind]) for kind in script.SNAPSHOTS],
            description="选几种则有其中一种即可，除非下面勾选每种都要。都不选则以录像时刻为证。",
        ),
        "step": SelectField(
            "佐证的步骤", choices=[SelectChoice("", "无"), *(SelectChoice(k, t) for k, t in STEP_TITLES.items())]
        ),
        "field": SelectField(
            "佐证的信息", choices=[SelectChoice("", "无"), *(SelectChoice(k, t) for k, t in facts.TITLES.items())]
        ),
        "remove": BooleanField("从草稿中去掉这道题"),
    }

    def __init__(self) -> None:
        super().__init__(Question, session, name="见证问题", endpoint="admin_questions", url="/admin/questions")

    def in_scope(self, query: Any) -> Any:
        """All, or those of the version that the address names."""
        version = request.args.get("version", "")
        return query.filter(Question.version_id == int(version)) if re.fullmatch(r"\d{1,9}", version) else query

    def may_edit(self, row: Question) -> bool:
        return self.can_edit and row.version.published_at is None

    def get_one(self, id: Any) -> Any:
        found = super().get_one(id)
        return found if self.may_edit(found) else abort(404)

    def create_form(self, obj: Any = None) -> Any:
        form = super().create_form(obj)
        del form.remove
        return form

    def edit_form(self, obj: Any = None) -> Any:
        form = super().edit_form(obj)
        del form.version
        return form

    def on_model_change(self, form: Any, model: Question, is_created: bool) -> None:
        super().on_model_change(form, model, is_created)
        if not is_created and form.remove.data:
            session.delete(model)


class ShortReasons(KeptByHeadOffice):
    group, hint = "规则", "通话中可选的短语。已作出的记录保留当时的文字。"
    column_list = ("use", "title", "code", "position", "active")
    column_labels: ClassVar = {
        "use": "用处",
        "title": "文字",
        "code": "编号",
        "position": "次序",
        "active": "在用",
    }
    column_formatters: ClassVar = {
        "use": lambda v, c, reason, n: REASON_USE_TITLES[reason.use],
        "active": lambda v, c, reason, n: "在用" if reason.active else "已停用",
    }
    column_searchable_list = ("title", "code")
    column_sortable_list = ("title", "position")
    column_default_sort: ClassVar = [("use", False), ("position", False)]
    form_columns = ("use", "code", "title", "position", "active")
    form_args: ClassVar = {"active": {"label": "在用"}, "code": {"validators": [CODE]}}
    form_extra_fields: ClassVar = {
        "use": SelectField("用处", choices=[SelectChoice(use.value, REASON_USE_TITLES[use]) for use in ReasonUse])
    }

    def __init__(self) -> None:
        super().__init__(
            ShortReason, session, name="通话短语", endpoint="admin_short_reasons", url="/admin/short_reasons"
        )
