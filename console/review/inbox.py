"""The list of tasks: which ones a person may take, soonest due first, in pages that stay right while the list moves."""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, false, func, literal, select, tuple_
from sqlalchemy.orm import Session, aliased, joinedload

from console.businesses import BUSINESSES
from console.cases.models import Case
from console.db import UtcDateTime
from console.local_time import midnight
from console.people.models import Branch, Investor, Staff
from console.rows import spelled_out
from console.video_seat.models import VideoSession, was_witnessed_by

from .independence import tie_of
from .models import Decision, ReviewTask, TaskState

PAGE = 15
LOOKED_AT = 50  # of the tasks due first, for one to take
SOON = timedelta(hours=1)


class View(StrEnum):
    """The saved views: the tabs over the list."""

    OPEN = "open"
    ASSIGNED = "assigned"
    MINE = "mine"
    SOON = "soon"
    OVERDUE = "overdue"
    AGAIN = "again"
    SNOOZED = "snoozed"
    DONE_TODAY = "done"


VIEW_TITLES = {
    View.OPEN: "待复核",
    View.ASSIGNED: "指派给我",
    View.MINE: "我领取的",
    View.SOON: "1 小时内到期",
    View.OVERDUE: "已超时",
    View.AGAIN: "重新提交",
    View.SNOOZED: "暂缓",
    View.DONE_TODAY: "今日已完成",
}
STATES = {"free": "未领取", "assigned": "已指派", "held": "已领取"}


@dataclass(frozen=True)
class Filters:
    """What the address of the page says. Unknown values count as not given."""

    view: View = View.OPEN
    branch: int | None = None
    business: str = ""
    state: str = ""
    text: str = ""
    after: str = ""

    @classmethod
    def read(cls, args: Mapping[str, Any]) -> "Filters":
        branch, view = str(args.get("branch", "")), args.get("view", "")
        return cls(
            view=View(view) if view in set(View) else View.OPEN,
            branch=int(branch) if branch.isdecimal() and len(branch) < 10 else None,
            business=args.get("business", "") if args.get("business") in BUSINESSES else "",
            state=args.get("state", "") if args.get("state") in STATES else "",
            text=args.get("q", "").strip()[:20],
            after=args.get("after", ""),
        )

    def address(self, **changes: Any) -> dict[str, Any]:
        """The arguments of the page's address with ``changes``; a change of anything begins at the first page."""
        wanted = replace(self, **({"after": ""} | changes))
        given = {
            "view": "" if wanted.view is View.OPEN else wanted.view.value,
            "branch": wanted.branch,
            "business": wanted.business,
            "state": wanted.state,
            "q": wanted.text,
            "after": wanted.after,
        }
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class Page:
    """``next`` is the ``after`` of the page that follows, '' when there is none; ``total`` counts all pages.

    ``would``: by filter (branch, business, state) and value, how many it would leave beside the other filters.
    """

    tasks: list[ReviewTask]
    total: int
    next: str
    would: dict[str, Counter[Any]]


def inbox(session: Session, staff: Staff, filters: Filters, at: datetime, size: int = PAGE) -> Page:
    """One page of the tasks of a view. Cases that this person witnessed are not in it (R4), nor other branches'."""
    narrowed = _narrowed(select(ReviewTask).join(ReviewTask.case), staff, filters, at)
    total, would = _counted(session, staff, filters, at)
    rows = list(
        session.scalars(
            _after(narrowed, filters)
            .options(
                joinedload(ReviewTask.case).joinedload(Case.investor).load_only(Investor.name, Investor.risk_grade),
                joinedload(ReviewTask.branch),
                joinedload(ReviewTask.reviewer),
                joinedload(ReviewTask.assignee),
            )
            .limit(size + 1)
        )
    )
    more = len(rows) > size
    return Page(rows[:size], total, _key(rows[size - 1], filters.view) if more else "", would)


def _counted(session: Session, staff: Staff, filters: Filters, at: datetime) -> tuple[int, dict[str, Counter[Any]]]:
    """`Page.total` and `Page.would`, from one look: the tasks by everything that can be filtered, added up here."""
    loose = replace(filters, branch=None, business="", state="")
    columns: list[Any] = [
        ReviewTask.branch_id.label("branch"),
        Case.business_code.label("business"),
        _state(at).label("state"),
    ]
    each = _narrowed(select(*columns).join(ReviewTask.case), staff, loose, at).subquery()
    groups = session.execute(select(*each.c, func.count().label("many")).group_by(*each.c))
    total, would = 0, {name: Counter[Any]() for name in ("branch", "business", "state")}
    for group in groups:
        unlike = [name for name in would if getattr(filters, name) and getattr(filters, name) != getattr(group, name)]
        if not unlike:
            total += group.many
        for name, counted in would.items():
            if unlike in ([], [name]):
                counted[getattr(group, name)] += group.many
    return total, would


@dataclass(frozen=True)
class Row:
    """A task as it is exported. ``state``: one of STATES; ``done``: nobody has it any more; what there is none of is ''."""

    id: int
    case_id: int
    case_no: str
    investor: str
    business: str
    branch: str
    submission: int
    due_at: datetime
    decided_at: datetime | None
    decision: Decision | None
    done: bool
    state: str
    reviewer: str
    assignee: str
    snoozed_until: datetime | None


def numbers(session: Session, staff: Staff, filters: Filters, at: datetime, wanted: list[str]) -> Sequence[int]:
    """The ids of the tasks of a view, in its order; eight bytes each, so that many are no burden. ``wanted``: of these case numbers,
    of all when it is empty.
    """
    query = _narrowed(select(ReviewTask.id).join(ReviewTask.case), staff, filters, at)
    if wanted:
        query = query.where(Case.case_no.in_(wanted))
    return array("q", session.scalars(_after(query, replace(filters, after="")).execution_options(yield_per=1000)))


def told(session: Session, ids: Sequence[int], at: datetime) -> list[Row]:
    """The tasks of these ids, in their order."""
    rows = {row.id: Row(**row._mapping) for row in session.execute(_telling(), {"ids": list(ids), "at": at})}
    return [rows[id_] for id_ in ids if id_ in rows]


@cache
def _telling() -> Select[Any]:
    """Built once: two hundred of them are garbage of megabytes before Python looks for it."""
    at: Any = bindparam("at", type_=UtcDateTime())
    reviewer, assignee = aliased(Staff), aliased(Staff)
    columns: list[Any] = [
        ReviewTask.id,
        ReviewTask.case_id,
        Case.case_no,
        Investor.name.label("investor"),
        Case.business_code.label("business"),
        Branch.name.label("branch"),
        ReviewTask.submission,
        ReviewTask.due_at,
        ReviewTask.decided_at,
        ReviewTask.decision,
        (ReviewTask.state == TaskState.DONE).label("done"),
        _state(at).label("state"),
        func.coalesce(reviewer.name, "").label("reviewer"),
        func.coalesce(assignee.name, "").label("assignee"),
        case((_is_snoozed(at), ReviewTask.snoozed_until)).label("snoozed_until"),
    ]
    return (
        select(*columns)
        .join(ReviewTask.case)
        .join(Case.investor)
        .join(ReviewTask.branch)
        .outerjoin(reviewer, ReviewTask.reviewer_id == reviewer.id)
        .outerjoin(assignee, ReviewTask.assignee_id == assignee.id)
        .where(ReviewTask.id.in_(bindparam("ids", expanding=True)))
    )


def counts(session: Session, staff: Staff, at: datetime) -> dict[View, int]:
    """How many tasks each view has for this person. Two looks, each into an index: what was decided in all the years is not read."""
    open_ones = [view for view in View if view is not View.DONE_TODAY]
    columns = [func.count().filter(_of_view(view, staff, at)) for view in open_ones]
    row = session.execute(select(*columns).select_from(ReviewTask).where(_may_take(staff), _live())).one()
    done = select(func.count()).select_from(ReviewTask).where(_may_take(staff), _of_view(View.DONE_TODAY, staff, at))
    return dict(zip(open_ones, row, strict=True)) | {View.DONE_TODAY: session.scalar(done) or 0}


def counts_of(session: Session, staff: Staff, kept: Sequence[Filters], at: datetime) -> list[int]:
    """How many tasks each of these filters leaves for this person."""
    found: dict[Filters, int] = {}
    for base, done in ((_live(), False), (_of_view(View.DONE_TODAY, staff, at), True)):  # two looks, as in `counts`
        those = [filters for filters in kept if (filters.view is View.DONE_TODAY) is done]
        if those:
            columns = [func.count().filter(*_conditions(filters, staff, at)) for filters in those]
            query = select(*columns).select_from(ReviewTask).join(ReviewTask.case).where(_may_take(staff), base)
            found.update(zip(those, session.execute(query).one(), strict=True))
    return [found[filters] for filters in kept]


def next_free(session: Session, staff: Staff, at: datetime) -> ReviewTask | None:
    """The task that is due soonest, that nobody holds and of which this person is independent: of those given to them, else to nobody."""
    query = select(ReviewTask).where(_may_take(staff), _live(), ~_is_held(at), ~_is_snoozed(at))
    query = query.order_by(ReviewTask.due_at, ReviewTask.id).limit(LOOKED_AT)
    for whose in (ReviewTask.assignee_id == staff.id, ~_is_assigned()):
        for task in session.scalars(query.where(whose)):
            if tie_of(session, task, staff, at) is None:
                return task
    return None


def neighbours(session: Session, staff: Staff, task: ReviewTask) -> tuple[str | None, str | None]:
    """The case numbers before and after ``task`` in the list of what is to be reviewed."""
    place = tuple_(ReviewTask.due_at, ReviewTask.id)
    here = _place(task.due_at, task.id)
    query = select(Case.case_no).join(ReviewTask, ReviewTask.case_id == Case.id).where(_may_take(staff), _live())
    before = session.scalar(query.where(place < here).order_by(ReviewTask.due_at.desc(), ReviewTask.id.desc()).limit(1))
    after = session.scalar(query.where(place > here).order_by(ReviewTask.due_at, ReviewTask.id).limit(1))
    return before, after


def witnesses_of(session: Session, case_ids: list[int]) -> dict[int, str]:
    """Who witnessed each of the cases last."""
    return {row.case_id: row.name for row in session.execute(WITNESSES, {"cases": case_ids})}


WITNESSES = (
    select(VideoSession.case_id, Staff.name)
    .join(Staff, Staff.id == VideoSession.witness_id)
    .where(VideoSession.case_id.in_(bindparam("cases", expanding=True)))
    .order_by(VideoSession.id)
)


def _narrowed(query: Select[Any], staff: Staff, filters: Filters, at: datetime) -> Select[Any]:
    return query.where(_may_take(staff), *_conditions(filters, staff, at))


def _conditions(filters: Filters, staff: Staff, at: datetime) -> list[ColumnElement[bool]]:
    conditions = [_of_view(filters.view, staff, at)]
    if filters.branch is not None:
        conditions.append(ReviewTask.branch_id == filters.branch)
    if filters.business:
        conditions.append(Case.business_code == filters.business)
    if filters.state:
        conditions.append(_state(at) == filters.state)
    if filters.text:
        conditions.append(Case.case_no.contains(filters.text, autoescape=True))
    return conditions


def _after(query: Select[Any], filters: Filters) -> Select[Any]:
    done = filters.view is View.DONE_TODAY
    moment = ReviewTask.decided_at if done else ReviewTask.due_at
    order = (moment.desc(), ReviewTask.id.desc()) if done else (moment, ReviewTask.id)
    key = _read_key(filters.after)
    if key is not None:
        place, last = tuple_(moment, ReviewTask.id), _place(*key)
        query = query.where(place < last if done else place > last)
    return query.order_by(*order)


def _place(moment: datetime, number: int) -> ColumnElement[Any]:
    return tuple_(literal(moment, UtcDateTime()), literal(number))


def _key(task: ReviewTask, view: View) -> str:
    moment = task.decided_at if view is View.DONE_TODAY and task.decided_at else task.due_at
    return f"{moment.isoformat()}~{task.id}"


def _read_key(text: str) -> tuple[datetime, int] | None:
    moment, _, number = text.partition("~")
    try:
        key = datetime.fromisoformat(moment), int(number)
    except ValueError:
        return None
    return key if key[0].tzinfo is not None else None


def _may_take(staff: Staff) -> ColumnElement[bool]:
    """Of the person's broker and branches, and not witnessed by the person."""
    own = was_witnessed_by(ReviewTask.case_id, staff.person)
    branches = select(Branch.id).where(Branch.broker_id == staff.broker_id)
    if not staff.head_office:
        branches = branches.where(Branch.id.in_([branch.id for branch in staff.branches]))
    return and_(ReviewTask.branch_id.in_(branches), ~own)


def _of_view(view: View, staff: Staff, at: datetime) -> ColumnElement[bool]:
    if view is View.OPEN:
        return and_(_live(), ~_is_snoozed(at))
    if view is View.ASSIGNED:
        return and_(_live(), ReviewTask.assignee_id == staff.id)
    if view is View.MINE:
        return and_(_live(), _is_held(at), ReviewTask.reviewer_id == staff.id)
    if view is View.SOON:
        return and_(_live(), ReviewTask.due_at > at, ReviewTask.due_at <= at + SOON)
    if view is View.OVERDUE:
        return and_(_live(), ReviewTask.due_at <= at)
    if view is View.AGAIN:
        return and_(_live(), ReviewTask.submission > 1)
    if view is View.SNOOZED:
        return and_(_live(), _is_snoozed(at))
    return and_(ReviewTask.decided_at >= midnight(at), ReviewTask.decision.is_not(None))


def _live() -> ColumnElement[bool]:
    return ~spelled_out(ReviewTask.state, TaskState.DONE)


def _is_held(at: datetime) -> ColumnElement[bool]:
    """Never NULL: a task nobody took is not held, and its opposite is found by NOT."""
    lease = func.coalesce(ReviewTask.lease_until > at, false())
    return and_(ReviewTask.state == TaskState.CLAIMED, lease)


def _is_assigned() -> ColumnElement[bool]:
    """As `service.assignee` has it; never NULL."""
    return func.coalesce(ReviewTask.assignee_id.in_(select(Staff.id).where(Staff.active)), false())


def _is_snoozed(at: datetime) -> ColumnElement[bool]:
    """Never NULL."""
    return func.coalesce(ReviewTask.snoozed_until > at, false())


def _state(at: datetime) -> ColumnElement[str]:
    """One of STATES."""
    return case((_is_held(at), "held"), (_is_assigned(), "assigned"), else_="free")
