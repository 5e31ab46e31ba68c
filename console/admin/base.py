"""The one view that every register is built on: closed unless it says otherwise (TRUST 18).

Deny by default: administrators only; nothing is deleted; no export, no inline editing, no mass actions; only the columns
that a register lists can be seen, only the fields that it names can be set; every change is a line of the administrator's trail.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from flask import abort, current_app, flash, request
from flask_admin import AdminIndexView, expose
from flask_admin.contrib.sqla import ModelView
from flask_admin.form import BaseForm
from flask_wtf import FlaskForm
from sqlalchemy import false, inspect, select
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response
from wtforms import ValidationError

from console.access import maybe_me, my_staff, stamp
from console.people.audit import note_staff
from console.people.models import Role, Staff, StaffEvent

from .session import session

CHANGES = {"register_added": "新建", "register_changed": "修改"}


class SecureForm(BaseForm):
    """Carries the house's own CSRF token: Flask-Admin's would be a second one under the same name."""

    class Meta(FlaskForm.Meta):
        def get_translations(self, form: Any) -> Any:
            return BaseForm.Meta._translations


def is_admin() -> bool:
    who = maybe_me()
    return who is not None and who.staff is not None and who.staff.has_role(Role.ADMIN)


@dataclass(frozen=True)
class LastChange:
    who: str
    at: datetime
    words: str


def last_change() -> LastChange | None:
    """The latest change of any register at this broker."""
    row = session.execute(
        select(Staff.name, StaffEvent.at, StaffEvent.action, StaffEvent.detail)
        .join(Staff, Staff.id == StaffEvent.staff_id)
        .where(StaffEvent.action.in_(CHANGES), Staff.broker_id == my_staff().broker_id)
        .order_by(StaffEvent.id.desc())
        .limit(1)
    ).first()
    return LastChange(row.name, row.at, f"{CHANGES[row.action]} {row.detail}") if row else None


class Closed:
    """What both kinds of view share: what is not for this person is not there."""

    def is_accessible(self) -> bool:
        return is_admin()

    def inaccessible_callback(self, name: str, **kwargs: Any) -> Response:
        abort(404)

    def render(self, template: str, **kwargs: Any) -> str:
        """With what the frame of all registers shows."""
        more = {
            "registers": current_app.extensions["registers"],
            "is_new": (request.endpoint or "").endswith(".create_view"),
            "last_change": last_change(),
        }
        return str(super().render(template, **more, **kwargs))  # type: ignore[misc]


class Home(Closed, AdminIndexView):
    @expose("/")
    def index(self) -> str:
        return self.render("admin/index.html")


class Register(Closed, ModelView):
    """``group`` and ``name`` place it in the side list. ``hint`` says what the register is for."""

    group: ClassVar[str] = ""
    hint: ClassVar[str] = ""
    open_views: ClassVar[frozenset[str]] = frozenset({"index_view", "create_view", "edit_view"})

    form_base_class = SecureForm
    can_delete = False
    can_export = False
    can_view_details = False
    can_create = False
    can_edit = False
    column_display_actions = True
    page_size = 15
    list_template = "admin/list.html"
    create_template = "admin/form.html"
    edit_template = "admin/form.html"
    named_filter_urls = True

    def _handle_view(self, name: str, **kwargs: Any) -> Any:
        """Of the views that Flask-Admin adds, only those that this register offers exist."""
        allowed = {"create_view": self.can_create, "edit_view": self.can_edit}.get(name, True)
        if name not in self.open_views or not allowed:
            abort(404)
        return super()._handle_view(name, **kwargs)

    def may_edit(self, row: Any) -> bool:
        """Whether the list offers to change this row."""
        return bool(self.can_edit)

    # --- whose rows

    def in_scope(self, query: Any) -> Any:
        """Narrow ``query`` to what this administrator keeps: nothing, unless the register says what."""
        return query.filter(false())

    def get_query(self) -> Any:
        return self.in_scope(super().get_query())

    def get_count_query(self) -> Any:
        return self.in_scope(super().get_count_query())

    def get_one(self, id: Any) -> Any:
        if not str(id).isdecimal():
            abort(404)
        return self.get_query().filter(self.model.id == int(id)).one_or_none() or abort(404)

    # --- every change is told

    def on_model_change(self, form: Any, model: Any, is_created: bool) -> None:
        changed = self.changed(model)
        session.flush()
        administrator = session.get_one(Staff, my_staff().id)
        note_staff(
            session(),
            administrator,
            "register_added" if is_created else "register_changed",
            stamp(),
            subject=f"{self.model.__tablename__}:{model.id}",
            detail=f"{self.name} {model}：{'、'.join(changed)}"[:400],
        )

    def changed(self, model: Any) -> list[str]:
        """What differs, by name; never the values, which may be personal."""
        differing = [each.key for each in inspect(model).attrs if each.history.has_changes()]
        return [self.column_labels.get(key, key) for key in differing]

    def handle_view_exception(self, exc: Exception) -> bool:
        """What the person reads when it could not be saved; anything unforeseen is a real error."""
        if isinstance(exc, IntegrityError):
            flash("没有保存：编号、用户名或代码与已有的重复。", "bad")
            return True
        if isinstance(exc, ValidationError):
            flash(f"没有保存：{exc}", "bad")
            return True
        raise exc

    def get_save_return_url(self, model: Any, is_created: bool) -> str:
        return str(self.get_url(".index_view"))

    @property
    def search_words(self) -> str:
        """What the search looks at, in words."""
        return "、".join(self.column_labels[name] for name in self.column_searchable_list)
