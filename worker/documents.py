"""RQ job: make from an uploaded photo what people look at."""

import io
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import jobs, live
from console.db import reading, transaction
from console.evidence import service
from console.evidence.heads import Unusable
from console.evidence.imaging import Picture, Prepared
from console.evidence.models import Evidence, State, Variant
from console.jobs import Job
from console.stamp import Stamp
from worker import house
from worker.darkroom import develop
from worker.ocr import is_card

MOST_TRIES = 4  # a photo that breaks its worker this often is refused
log = structlog.get_logger()


def process_photo(evidence_id: int) -> None:
    """Turn, crop, make a thumbnail, or refuse with a reason; then tell the investor's page, and have a card read.

    Safe to run twice, and at the same time: only a photo that is being processed is touched, under a lock at the end. What is
    refused leaves no file behind, also when its worker was killed right after it said so.
    """
    house.opened()
    photo = _take(evidence_id)
    if photo is None:
        _clear_up(evidence_id)
        return
    outcome: Prepared | Unusable
    if photo.facts["tries"] > MOST_TRIES:
        outcome = Unusable("unreadable")
    else:
        try:
            outcome = develop(service.clear_bytes(photo), photo.kind.value)
        except Unusable as unusable:
            outcome = unusable
    with transaction() as session:
        found = _in_work(session, evidence_id)
        if found is None:
            return
        _settle(session, found, outcome, Stamp.of_system("documents"))
        told = (found.case.case_no, found.public_id, found.kind.value, found.state.value)
    _clear_up(evidence_id)
    live.evidence_changed(*told)
    if is_card(found):
        jobs.enqueue(Job.READ_CARD, evidence_id=evidence_id)
    log.info("photo_processed", evidence=told[1], state=told[3], problem=found.problem, warnings=found.warnings)


def _take(evidence_id: int) -> Evidence | None:
    """The photo, this try counted; None when there is nothing to do (any more)."""
    with transaction() as session:
        found = _in_work(session, evidence_id)
        if found is not None:
            found.facts = {**found.facts, "tries": found.facts.get("tries", 0) + 1}
        return found


def _in_work(session: Session, evidence_id: int) -> Evidence | None:
    return session.scalar(
        select(Evidence)
        .where(Evidence.id == evidence_id, Evidence.state == State.PROCESSING, Evidence.superseded_at.is_(None))
        .with_for_update()
    )


def _settle(session: Session, photo: Evidence, outcome: Prepared | Unusable, stamp: Stamp) -> None:
    if isinstance(outcome, Unusable):
        photo.state, photo.problem = State.REFUSED, outcome.problem
        return
    for variant, picture in (
        (Variant.UPRIGHT, outcome.upright),
        (Variant.CROPPED, outcome.cropped),
        (Variant.THUMB, outcome.thumb),
    ):
        _keep(session, photo, variant, picture, stamp)
    photo.state, photo.problem, photo.warnings = State.READY, None, outcome.warnings
    photo.width, photo.height = outcome.upright.width, outcome.upright.height
    photo.facts = {**photo.facts, **_facts(outcome)}


def _clear_up(evidence_id: int) -> None:
    """After the row is committed, never before: a file is missed, a row is looked up."""
    with reading() as session:
        photo = session.get(Evidence, evidence_id)
    if photo is not None and photo.state is State.REFUSED:
        service.throw_away(photo)


def _keep(session: Session, photo: Evidence, variant: Variant, picture: Picture, stamp: Stamp) -> None:
    service.keep(
        session,
        photo.case,
        photo.kind,
        io.BytesIO(picture.jpeg),
        stamp,
        media_type="image/jpeg",
        variant=variant,
        of=photo,
        width=picture.width,
        height=picture.height,
    )


def _facts(prepared: Prepared) -> dict[str, Any]:
    return {
        "rotated": prepared.rotated,
        "tilt": prepared.tilt,
        "crop_box": prepared.crop_box,
        "sharpness": prepared.sharpness,
    }
