"""What the page of one review shows, read and put in order; nothing here changes anything."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, true
from sqlalchemy.orm import Session, selectinload
from werkzeug.exceptions import NotFound

from console.agreements import signing
from console.cases.models import Case
from console.certificates.models import Certificate
from console.db import AS_OF
from console.evidence import service as evidence
from console.evidence.models import KIND_TITLES, WARNING_TITLES, Evidence, Kind, State, Variant
from console.video_seat import copies, incidents, timeline
from console.video_seat.locks import marks_of
from console.video_seat.models import VERDICT_TITLES, CheckMark, CheckResult, Recording, VideoSession
from console.video_seat.script import title_of
from console.video_seat.service import clock_zero

SIDES = ("investor", "witness")
LEAST_GAP_MS = 1000  # shorter ones are not worth a line: between two segments there is always a moment
GAP_TITLES = {
    timeline.Why.CONNECTING: "投资者画面尚未接通",
    timeline.Why.TAKEN_OVER: "班长接管，等待投资者确认",
    timeline.Why.LINE: "投资者画面中断",
    timeline.Why.RECORDING: "投资者一侧未录上",
    timeline.Why.CAMERA: "投资者关闭了摄像头",
}


# --- pictures


@dataclass(frozen=True)
class Picture:
    """One thing to look at. ``cut``: it has a crop beside the original; ``fresh``: kept after the last rejection."""

    id: str
    title: str
    cut: bool
    thumb: bool
    fresh: bool
    size: str
    kept_at: datetime
    warnings: list[str]


def pictures(session: Session, case: Case) -> list[Picture]:
    found = [piece for piece in evidence.live(session, case) if piece.kind is not Kind.RECORDING]
    order = {kind: place for place, kind in enumerate(Kind)}
    found = sorted((p for p in found if p.state is State.READY), key=lambda piece: (order[piece.kind], piece.id))
    several = {kind for kind in Kind if sum(piece.kind is kind for piece in found) > 1}
    since = case.rejections[-1].at if case.rejections else None
    numbers: dict[Kind, int] = {}
    shown = []
    for piece in found:
        numbers[piece.kind] = numbers.get(piece.kind, 0) + 1
        title = KIND_TITLES[piece.kind] + (f" {numbers[piece.kind]}" if piece.kind in several else "")
        shown.append(_picture(piece, title, since))
    return shown


def _picture(piece: Evidence, title: str, since: datetime | None) -> Picture:
    return Picture(
        id=piece.public_id,
        title=title,
        cut=piece.variant_of(Variant.CROPPED) is not None,
        thumb=piece.variant_of(Variant.THUMB) is not None,
        fresh=since is not None and piece.kept_at > since,
        size=f"{piece.width} × {piece.height}" if piece.width and piece.height else "",
        kept_at=piece.kept_at,
        warnings=[WARNING_TITLES.get(code, code) for code in piece.warnings],
    )


# --- the recorded calls


@dataclass(frozen=True)
class Segment:
    """A piece of one side's recording; ``start`` and ``length`` in ms on the call's clock (0: the first recorded frame)."""

    id: str
    start: int
    length: int
    number: int = 1
    bytes: int = 0


@dataclass(frozen=True)
class Moment:
    """A question or a field where it was marked, or a challenge where it was answered; ``at`` in ms on the call's clock."""

    at: int
    title: str
    ok: bool


@dataclass(frozen=True)
class Note:
    """A text to the investor, or a time in which a side was muted or dark; ``at`` in ms on the call's clock."""

    at: int
    title: str
    group: str
    warns: bool


@dataclass(frozen=True)
class Gap:
    """A time without the investor's picture, in ms on the call's clock; ``title``: why."""

    start: int
    length: int
    title: str


@dataclass(frozen=True)
class Call:
    """One video session as it can be played: both sides on one clock. ``number``: from 1, among all of the case, recorded or not.
    ``view``: the film made of both sides, when there is one; ``burned_in``: time and licence stand in its picture.
    """

    session_no: str
    number: int
    verdict: str
    witness: str
    started_at: datetime
    length: int
    sides: dict[str, list[Segment]]
    moments: list[Moment]
    gaps: list[Gap]
    notes: list[Note]
    view: str = ""
    burned_in: bool = True

    @property
    def for_player(self) -> dict[str, Any]:
        return {
            "length": self.length,
            "sides": {
                side: [{"id": s.id, "start": s.start, "length": s.length} for s in segments]
                for side, segments in self.sides.items()
            },
            "view": {"view": [{"id": self.view, "start": 0, "length": self.length}]} if self.view else None,
        }


def calls(session: Session, case: Case) -> list[Call]:
    """Recorded calls of the case, the latest first."""
    at = session.info.get(AS_OF)
    found = session.scalars(
        select(VideoSession)
        .where(VideoSession.case_id == case.id, VideoSession.started_at <= at if at else true())
        .options(
            selectinload(VideoSession.recordings).selectinload(Recording.evidence).selectinload(Evidence.variants),
            selectinload(VideoSession.marks),
            selectinload(VideoSession.witness),
        )
        .order_by(VideoSession.id.desc())
    )
    every = list(found)
    return [
        _call(each, number) for number, each in zip(range(len(every), 0, -1), every, strict=True) if each.recordings
    ]


def chosen(calls: list[Call], session_no: str | None) -> Call | None:
    """The call to play: the one that is asked for, else the latest. Raises NotFound for one that is not among them."""
    if session_no is None:
        return calls[0] if calls else None
    for call in calls:
        if call.session_no == session_no:
            return call
    raise NotFound


def _call(call: VideoSession, number: int) -> Call:
    zero = clock_zero(call)
    sides = {side: [_segment(r, zero) for r in call.recordings if r.side == side] for side in SIDES}
    length = max(s.start + s.length for segments in sides.values() for s in segments)
    view = copies.view_of(call)
    return Call(
        session_no=call.session_no,
        number=number,
        verdict=VERDICT_TITLES[call.verdict] if call.verdict else "未给出结论",
        witness=call.witness.name,
        started_at=zero,
        length=length,
        sides=sides,
        moments=moments(call),
        gaps=gaps(call, zero, length),
        notes=notes(call),
        view=view.public_id if view else "",
        burned_in=bool(view and view.facts["burned_in"]),
    )


def _segment(recording: Recording, zero: datetime) -> Segment:
    kept = recording.evidence
    return Segment(
        kept.public_id, _ms(recording.started_at - zero), recording.duration_ms, recording.segment, kept.size
    )


def moments(call: VideoSession) -> list[Moment]:
    """What counts of the marks, and every challenge, in the order of time."""
    zero, length = clock_zero(call), copies.length_ms(call)
    found = [_moment(call, mark, zero, length) for mark in marks_of(call).values()]
    for told in incidents.of_challenges(call, datetime.now(UTC)):
        title = f"口令 {told.title}" + ("" if told.recorded else "（没有录上）")
        found.append(Moment(_within(told.at - zero, length), title, told.kind == "ok" and told.recorded))
    return sorted(found, key=lambda moment: moment.at)


def notes(call: VideoSession) -> list[Note]:
    """What else was told or turned off, in the order of time."""
    zero, length = clock_zero(call), copies.length_ms(call)
    told = [each for each in incidents.of(call, datetime.now(UTC)) if each.group != incidents.CHALLENGE]
    return [Note(_within(each.at - zero, length), each.title, each.group, bool(each.kind)) for each in told]


def _within(span: timedelta, length: int) -> int:
    return min(max(0, _ms(span)), length)


def call_of(session: Session, case: Case, session_no: str) -> VideoSession | None:
    """The recorded call of this number, if it is the case's."""
    query = select(VideoSession).where(VideoSession.session_no == session_no, VideoSession.case_id == case.id)
    found = session.scalar(query)
    return found if found is not None and found.recordings else None


def _moment(call: VideoSession, mark: CheckMark, zero: datetime, length: int) -> Moment:
    at = _within(mark.at - zero, length)
    title = title_of(call, mark.item) + (f"：{mark.reason}" if mark.reason else "")
    return Moment(at, title, mark.result is CheckResult.OK)


def gaps(call: VideoSession, zero: datetime, length: int) -> list[Gap]:
    """What the investor's side is missing for a second or longer, as far as the player goes."""
    shown = []
    for gap in timeline.gaps(call, timeline.segments(call)):
        start, end = max(0, _ms(gap.began - zero)), min(length, _ms(gap.ended - zero))
        if end - start >= LEAST_GAP_MS:
            shown.append(Gap(start, end - start, GAP_TITLES[gap.why]))
    return shown


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)


# --- signatures and certificates


@dataclass(frozen=True)
class Signed:
    """One signature that counts, worked out afresh; ``why``: what does not hold, else ''."""

    title: str
    number: int
    signed_at: datetime | None
    sha256: str
    ok: bool
    why: str


def signatures(session: Session, case: Case) -> list[Signed]:
    shown = []
    for each in signing.signatures_that_count(session, case):
        why, version = signing.verify(each) or "", each.version
        shown.append(Signed(version.agreement.title, version.number, each.signed_at, version.sha256, not why, why))
    return shown


def certificates(session: Session, case: Case) -> list[Certificate]:
    """Those installed for this case, else the one in use; the newest first."""
    found = list(
        session.scalars(
            select(Certificate).where(Certificate.investor_id == case.investor_id).order_by(Certificate.id.desc())
        )
    )
    own = [each for each in found if each.case_id == case.id]
    return own or [each for each in found if each.revoked_at is None][:1]
