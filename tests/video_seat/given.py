"""A call as the witness finds it."""

import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image
from sqlalchemy.orm import Session

from console.cases.models import Case
from console.evidence import service as evidence
from console.evidence.models import Evidence, Kind, Variant
from console.queues import seats
from console.video_seat import service, timeline
from console.video_seat.models import CallEventKind, CheckResult, VideoSession
from console.video_seat.script import items_of
from tests.queues.given import online, waiting_since
from tests.world import AT, stamp

INVESTOR, WITNESS = stamp("investor:1"), stamp("staff:1")


def at(minutes: float, by: str = "staff:1"):  # type: ignore[no-untyped-def]
    return stamp(by, AT + timedelta(minutes=minutes))


def answered(session: Session, name: str = "周晚晴", username: str = "luwenshan") -> VideoSession:
    """``name`` was answered at AT; nothing was acknowledged yet."""
    seat = online(session, username)
    waiting_since(session, name, 5)
    mark = stamp(f"staff:{seat.staff_id}")
    ticket = seats.answer_next(session, seat, mark)
    assert ticket is not None
    return service.start(session, ticket, seat, "node-1", mark)


def talking(session: Session, name: str = "周晚晴", username: str = "luwenshan") -> VideoSession:
    """… agreed to the recording half a minute later, and is recorded from then on."""
    call = answered(session, name, username)
    service.acknowledge(session, call, at(0.5, f"investor:{call.case.investor_id}"))
    said(session, call, CallEventKind.CONNECTED, 0.1, "witness")
    said(session, call, CallEventKind.RECORDING, 0.5, segment=1)
    return call


def said(
    session: Session, call: VideoSession, kind: CallEventKind, minutes: float, side: str = "investor", **facts: Any
) -> None:
    """What the media node says of the call, ``minutes`` after AT."""
    timeline.happened(session, call, kind, AT + timedelta(minutes=minutes), side, **facts)


def png(folder: Path, name: str = "shot.png") -> Path:
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(picture, "PNG")
    path = folder / name
    path.write_bytes(picture.getvalue())
    return path


def snapped(session: Session, call: VideoSession, kind: Kind, folder: Path, when: datetime = AT) -> Evidence:
    with png(folder).open("rb") as picture, evidence.sealed(picture) as sealed:
        return service.take_snapshot(session, call, kind, sealed, 64, 48, when, at(1))


def photographed(session: Session, case: Case, folder: Path, **reading: str) -> Evidence:
    """The front of the investor's ID, cut to its edges, with what the machine read on it."""
    with png(folder).open("rb") as picture:
        photo = evidence.keep(session, case, Kind.ID_FRONT, picture, at(0), media_type="image/png")
    with png(folder).open("rb") as picture:
        evidence.keep(
            session, case, Kind.ID_FRONT, picture, at(0), media_type="image/png", variant=Variant.CROPPED, of=photo
        )
    photo.reading = reading
    session.flush()
    return photo


def all_in_order(session: Session, call: VideoSession, folder: Path, *but: str) -> None:
    """Everything proved, as a careful witness does it; ``but`` these items."""
    snapped(session, call, Kind.SNAPSHOT_FACE, folder)
    snapped(session, call, Kind.SNAPSHOT_ID_FRONT, folder)
    snapped(session, call, Kind.SNAPSHOT_ID_BACK, folder)
    for item in items_of(call):
        if item.key not in but:
            service.mark(session, call, item.key, CheckResult.OK, at(item.number))
