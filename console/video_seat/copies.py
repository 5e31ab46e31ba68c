"""The view copy of a call: both sides beside each other, made when the call is over and all that was announced of it is kept.

It is a variant of the first recording that was kept, never evidence by itself; when a recording comes later, it is made again.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, selectinload

from console.cases.trail import hold
from console.evidence import service as evidence
from console.evidence.models import Evidence, Kind, Variant
from console.local_time import LOCAL
from console.people.models import Staff
from console.stamp import Stamp

from . import timeline
from .models import Recording, VideoSession
from .service import clock_zero

LATE = timedelta(minutes=10)  # after the end; what was announced and has not come by then is not waited for
FORGOTTEN = timedelta(days=7)  # nobody looks for calls older than this that have no copy
MOST_TRIES = 3


def lead(call: VideoSession) -> Evidence | None:
    """The recording that the copy belongs to."""
    return min(call.recordings, key=lambda each: each.id).evidence if call.recordings else None


def view_of(call: VideoSession) -> Evidence | None:
    """The copy, if it shows every recording there is."""
    first = lead(call)
    found = first.variant_of(Variant.VIEW) if first else None
    return found if found is not None and found.facts.get("made_of") == _films(call) else None


def is_ready(call: VideoSession, now: datetime) -> bool:
    """Whether the call is over, recorded, and nothing of it is still on its way."""
    if call.ended_at is None or not call.recordings:
        return False
    return now - call.ended_at > LATE or not _missing(call)


def length_ms(call: VideoSession) -> int:
    """From the first recorded frame to the last, whichever side."""
    zero = clock_zero(call)
    ends = [
        recording.started_at - zero + timedelta(milliseconds=recording.duration_ms) for recording in call.recordings
    ]
    return round(max(ends, default=timedelta()).total_seconds() * 1000)


def without_view(session: Session, now: datetime) -> list[VideoSession]:
    """Calls of the last days that could have a copy and have none."""
    ended = select(VideoSession.id).where(VideoSession.ended_at > now - FORGOTTEN)
    query = _whole().where(VideoSession.id.in_(ended), VideoSession.recordings.any())
    return [
        call
        for call in session.scalars(query)
        if is_ready(call, now) and view_of(call) is None and tries(call) < MOST_TRIES
    ]


def fetch(session: Session, session_no: str) -> VideoSession:
    """With all that a copy needs. Raises NoResultFound."""
    return session.scalars(_whole().where(VideoSession.session_no == session_no)).one()


def tries(call: VideoSession) -> int:
    """How often a copy of these recordings was begun."""
    first = lead(call)
    told = first.facts.get("view_tries", {}) if first else {}
    return int(told["tries"]) if told.get("of") == len(call.recordings) else 0


def begin(call: VideoSession) -> None:
    """Count a try."""
    first = lead(call)
    assert first is not None
    first.facts = {**first.facts, "view_tries": {"of": len(call.recordings), "tries": tries(call) + 1}}


def keep(
    session: Session,
    call: VideoSession,
    made_of: list[str],
    film: evidence.Sealed,
    size: tuple[int, int],
    burned_in: bool,
    stamp: Stamp,
) -> Evidence | None:
    """Add the sealed copy in the place of an older one; None when there is one already, or when recordings came meanwhile."""
    hold(call.case)
    session.refresh(call, ["recordings"])
    first = lead(call)
    if first is None or made_of != _films(call) or view_of(call) is not None:
        return None
    session.refresh(first, ["variants"])
    for old in first.variants:
        if old.variant is Variant.VIEW:
            old.superseded_at = old.superseded_at or stamp.at
    facts = {"session": call.session_no, "made_of": made_of, "length_ms": length_ms(call), "burned_in": burned_in}
    return evidence.keep(
        session,
        call.case,
        Kind.RECORDING,
        film,
        stamp,
        media_type="video/webm",
        variant=Variant.VIEW,
        of=first,
        width=size[0],
        height=size[1],
        facts=facts,
    )


def _films(call: VideoSession) -> list[str]:
    return sorted(recording.evidence.public_id for recording in call.recordings)


def _missing(call: VideoSession) -> set[tuple[str, int]]:
    """Segments that the node told of and that have not been kept."""
    kept = {(recording.side, recording.segment) for recording in call.recordings}
    told = {
        (side, piece.number)
        for side in (timeline.INVESTOR, timeline.WITNESS)
        for piece in timeline.segments(call, side)
    }
    return told - kept


def _whole() -> Select[VideoSession]:
    return select(VideoSession).options(
        selectinload(VideoSession.recordings).selectinload(Recording.evidence).selectinload(Evidence.variants),
        selectinload(VideoSession.events),
        selectinload(VideoSession.witness),
        selectinload(VideoSession.case),
        selectinload(VideoSession.marks),
    )


# --- as text: what a player reads beside the film


def chapters(moments: Iterable[tuple[int, str]], length: int) -> str:
    """WebVTT chapters (https://www.w3.org/TR/webvtt1/): each moment (ms, title) up to the next one."""
    ordered = sorted(moments)
    ends = [at for at, _ in ordered[1:]] + [length]
    cues = [
        f"{_clock(at)} --> {_clock(max(end, at + 1))}\n{_plain(title)}\n"
        for (at, title), end in zip(ordered, ends, strict=False)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def captions(call: VideoSession) -> str:
    """WebVTT captions: date and time of the server (Asia/Shanghai) and the line about the witness, every second."""
    zero, length, lines = clock_zero(call), length_ms(call), lines_of(call)
    cues = []
    for at in range(0, length, 1000):
        line = [text for begins, text in lines if begins <= at][-1]
        said = f"{(zero + timedelta(milliseconds=at)).astimezone(LOCAL):%Y-%m-%d %H:%M:%S}　{line}"
        cues.append(f"{_clock(at)} --> {_clock(min(at + 1000, length))}\n{_plain(said)}\n")
    return "\n".join(["WEBVTT\n", *cues])


def lines_of(call: VideoSession) -> list[tuple[int, str]]:
    """Who witnesses and which case it is, as it stands in the film, each from its millisecond on; the first from 0."""
    zero = clock_zero(call)
    return [
        (max(0, round((at - zero) / timedelta(milliseconds=1))) if at > call.started_at else 0, _line_of(call, staff))
        for staff, at in timeline.witnesses_of(call)
    ]


def _line_of(call: VideoSession, staff: Staff) -> str:
    licence = f"　执业资格证号 {staff.licence_no}" if staff.licence_no else ""
    return f"见证人 {staff.name}{licence}　受理单 {call.case.case_no}"


def _plain(title: str) -> str:
    """In a cue `-->` would begin another one, and < and & are markup."""
    return title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")


def _clock(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"
