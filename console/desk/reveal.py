"""查看完整信息: masked data in full, for a reason, and the trail says who saw what and why (G3)."""

from collections.abc import Callable
from datetime import timedelta

from flask import Response, jsonify
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from console.access import case_or_404, evidence_or_404, me, staff_only, stamp
from console.cases.models import Case, CaseEvent
from console.cases.trail import Happening, hold, note
from console.db import transaction
from console.evidence.models import Evidence, Kind
from console.people.models import Role
from console.video_seat.service import is_talking_to
from console.why import reason_given

from .views import bp

FIELDS: dict[str, Callable[[Case], str | None]] = {
    "name": lambda case: case.investor.name,
    "id_no": lambda case: case.investor.id_no,
    "phone": lambda case: case.investor.phone,
    "address": lambda case: case.investor.address,
    "email": lambda case: case.investor.email,
}


@bp.post("/desk/reveal/<case_no>/<field>")
@staff_only(Role.WITNESS, Role.REVIEWER, Role.SUPERVISOR)
def reveal(case_no: str, field: str) -> Response:
    """{value}. ``field`` is a name of FIELDS, or ``card:<n>``: the n-th settlement card of this case, from 0."""
    with transaction() as session:
        case = case_or_404(session, case_no)
        why = reason_given("查看")
        value = card(case, field.removeprefix("card:")) if field.startswith("card:") else _plain(case, field)
        note(case, Happening.DATA_REVEALED, stamp(), field=field, why=why)
    return jsonify(value=value)


def _plain(case: Case, field: str) -> str:
    value = FIELDS[field](case) if field in FIELDS else None
    if value is None:
        raise NotFound
    return value


def card(case: Case, position: str) -> str:
    """The cards that the investor handed in at this case's step, else those that the broker holds."""
    entered = case.data_of("bank_card") or {}
    numbers = [each["number"] for each in entered.get("cards", [])] or [
        kept.number for kept in case.investor.bank_cards if kept.ended_at is None
    ]
    if not position.isdecimal() or int(position) >= len(numbers):
        raise NotFound
    return numbers[int(position)]


# --- photos: the card shows in full what is masked beside it

CARDS = frozenset({Kind.ID_FRONT, Kind.BANK_CARD})
LOOKING = "核对证件照片"
ONE_LOOK = timedelta(minutes=30)  # in which the same person looks at a photo once


def tells(session: Session, photo: Evidence) -> bool:
    """Whether showing it to who asks is written into the trail: to staff, outside of a running call of theirs with this case, and
    not told of a moment ago.
    """
    staff = me().staff
    if staff is None or photo.kind not in CARDS or is_talking_to(staff, photo.case):
        return False
    now = stamp()
    since = select(CaseEvent).where(
        CaseEvent.case_id == photo.case_id,
        CaseEvent.action == Happening.DATA_REVEALED,
        CaseEvent.by == now.by,
        CaseEvent.at > now.at - ONE_LOOK,
    )
    return not any(line.detail.get("evidence") == photo.public_id for line in session.scalars(since))


def note_look(public_id: str) -> None:
    """Two at the same time are told of once: the case is held."""
    with transaction() as session:
        photo = evidence_or_404(session, public_id)
        hold(photo.case)
        if tells(session, photo):
            told = {"field": f"photo:{photo.kind.value}", "evidence": public_id, "why": LOOKING}
            note(photo.case, Happening.DATA_REVEALED, stamp(), **told)
