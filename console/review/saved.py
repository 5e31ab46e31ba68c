"""Views that a person saves: the filters of the list under a name, as further tabs."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console.people.models import Staff
from console.problem import NotThere, Problem

from .inbox import VIEW_TITLES
from .models import SavedView

MOST, LONGEST_NAME = 12, 20


class BadName(Problem):
    status, code = 422, "bad_name"


class TooMany(Problem):
    status, code = 409, "too_many_views"
    text = f"最多保存 {MOST} 个视图。请先删除不用的。"


def saved(session: Session, staff: Staff) -> list[SavedView]:
    """The person's own, in the order in which they were saved."""
    return list(session.scalars(select(SavedView).where(SavedView.staff_id == staff.id).order_by(SavedView.id)))


def save(session: Session, staff: Staff, name: str, query: dict[str, Any], at: datetime) -> SavedView:
    """Keep the filters under this name; under a name that there is, they replace those. Raises BadName, TooMany."""
    name = _name(name)
    session.refresh(staff, ["id"], with_for_update=True)  # two that save at once are counted one after the other
    found = _named(session, staff, name)
    if found is None:
        if (session.scalar(select(func.count()).where(SavedView.staff_id == staff.id)) or 0) >= MOST:
            raise TooMany
        found = SavedView(staff_id=staff.id, name=name, query=query, saved_at=at)
        session.add(found)
    found.query = query
    session.flush()
    return found


def rename(session: Session, staff: Staff, view_id: int, name: str) -> SavedView:
    """Raises NotThere, BadName."""
    found, name = _own(session, staff, view_id), _name(name)
    other = _named(session, staff, name)
    if other is not None and other.id != found.id:
        raise BadName(text=f"已有名为“{name}”的视图，请换一个名称。")
    found.name = name
    session.flush()
    return found


def delete(session: Session, staff: Staff, view_id: int) -> None:
    """Of one that is deleted already nothing changes."""
    found = session.scalar(select(SavedView).where(SavedView.id == view_id, SavedView.staff_id == staff.id))
    if found is not None:
        session.delete(found)


def _own(session: Session, staff: Staff, view_id: int) -> SavedView:
    session.refresh(staff, ["id"], with_for_update=True)
    found = session.scalar(select(SavedView).where(SavedView.id == view_id, SavedView.staff_id == staff.id))
    if found is None:
        raise NotThere(view_id)
    return found


def _named(session: Session, staff: Staff, name: str) -> SavedView | None:
    return session.scalar(select(SavedView).where(SavedView.staff_id == staff.id, SavedView.name == name))


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not 0 < len(name) <= LONGEST_NAME:
        raise BadName(text=f"请填写视图名称，1 到 {LONGEST_NAME} 个字。")
    if name in VIEW_TITLES.values():
        raise BadName(text=f"“{name}”是自带的视图，请换一个名称。")
    return name
