"""导出: the list as it is filtered, or what is chosen of it, as CSV or XLSX; names masked, nothing held but one batch of rows."""

import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from flask import request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from console import runtime, spreadsheets
from console.access import my_staff, stamp
from console.businesses import BUSINESSES
from console.db import reading, transaction
from console.local_time import LOCAL
from console.masking import masked_name
from console.people.audit import note_staff
from console.people.models import Staff
from console.problem import BadPayload

from . import inbox
from .chosen import MANY
from .inbox import STATES, VIEW_TITLES, Filters
from .models import DECISION_TITLES
from .views import bp, reviewers

BATCH = 500
# title and width in characters
COLUMNS = {
    "受理单号": 18,
    "到期": 18,
    "投资者": 10,
    "业务": 16,
    "营业部": 20,
    "第几次提交": 12,
    "认证人员": 12,
    "领取": 10,
    "领取人": 12,
    "指派给": 12,
    "暂缓到": 18,
    "完成": 18,
    "结论": 12,
}
Pieces = Iterator[tuple[int, bytes]]


@bp.post("/review/export")
@reviewers
def export() -> Response:
    """The filters as in the list's address; format: csv or xlsx; case: those of them that are wanted (several, none: all).

    framed: each piece comes after two big-endian 32-bit numbers, rows so far and the length of the piece; the last one has length 0.
    So a page can tell how far it is, and a file that was cut off from a whole one.
    """
    now, staff, filters = datetime.now(UTC), my_staff(), Filters.read(request.form)
    kind, wanted = request.form.get("format", ""), request.form.getlist("case")
    if kind not in spreadsheets.TYPES or len(wanted) > MANY:
        raise BadPayload
    with reading() as session:
        ids = inbox.numbers(session, staff, filters, now, wanted)
    with transaction() as session:
        _note(session, staff, filters, kind, len(ids), len(wanted))
    rows = batches(ids, now)
    if kind == "csv":
        pieces = spreadsheets.csv_pieces(list(COLUMNS), rows)
    else:
        pieces = spreadsheets.xlsx_pieces("复核任务", list(COLUMNS), list(COLUMNS.values()), rows)
    framed = request.form.get("framed") == "1"
    answer = Response(_framed(pieces) if framed else _plain(pieces), mimetype=spreadsheets.TYPES[kind])
    name = f"review-{now.astimezone(LOCAL):%Y%m%d-%H%M%S}.{kind}"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["X-Total"] = str(len(ids))
    return answer


def _note(session: Session, staff: Staff, filters: Filters, kind: str, total: int, chosen: int) -> None:
    """What was typed into a field is not repeated: it may be a name."""
    titles = {"branch": "营业部", "business": "业务", "state": "领取", "q": "受理单号"}
    narrowed = [titles[name] for name in filters.address() if name in titles]
    detail = f"{kind.upper()}，{VIEW_TITLES[filters.view]}，{total} 件"
    if narrowed:
        detail += f"，按{'、'.join(narrowed)}筛选"
    note_staff(
        session,
        session.get_one(Staff, staff.id),
        "tasks_exported",
        stamp(),
        detail=detail + (f"，所选 {chosen} 件" if chosen else ""),
    )


def _plain(pieces: Pieces) -> Iterator[bytes]:
    for _, piece in pieces:
        yield piece
        runtime.sleep(0)  # everybody else has a turn


def _framed(pieces: Pieces) -> Iterator[bytes]:
    rows = 0
    for rows, piece in pieces:
        if piece:
            yield struct.pack(">II", rows, len(piece)) + piece
        runtime.sleep(0)
    yield struct.pack(">II", rows, 0)


def batches(ids: Sequence[int], at: datetime, size: int = BATCH) -> Iterator[list[list[str | int]]]:
    """The tasks by COLUMNS. Each batch is a look of its own: who reads slowly keeps no connection."""
    for first in range(0, len(ids), size):
        with reading() as session:
            found = inbox.told(session, ids[first : first + size], at)
            witnesses = inbox.witnesses_of(session, [row.case_id for row in found])
        yield [_cells(row, witnesses) for row in found]


def _cells(row: inbox.Row, witnesses: dict[int, str]) -> list[str | int]:
    return [
        row.case_no,
        _time(row.due_at),
        masked_name(row.investor),
        BUSINESSES[row.business].title,
        row.branch,
        row.submission,
        witnesses.get(row.case_id, ""),
        "" if row.done else STATES[row.state],
        row.reviewer if row.done or row.state == "held" else "",
        row.assignee,
        _time(row.snoozed_until),
        _time(row.decided_at),
        DECISION_TITLES[row.decision] if row.decision else "",
    ]


def _time(at: datetime | None) -> str:
    return f"{at.astimezone(LOCAL):%Y-%m-%d %H:%M}" if at else ""
