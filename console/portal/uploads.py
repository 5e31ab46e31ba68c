"""Photos that investors upload, whatever the step: judged, kept, handed to the job; the page hears of the rest by itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from flask import Response, jsonify, request, url_for
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from console import jobs, runtime
from console.access import case_or_404, stamp
from console.cases.models import Case
from console.cases.trail import Happening, note
from console.cases.transitions import StaleStep
from console.db import reading, transaction
from console.evidence import service as evidence
from console.evidence.models import KIND_TITLES, Evidence, Kind, State, Variant
from console.evidence.photos import PROBLEMS, WARNINGS, BadPhoto, check_upload
from console.jobs import Job
from console.problem import Problem
from console.stamp import Stamp

from .changing import at_work, may_work_at

MOST_OF_A_CASE = 200  # uploads, replaced ones counted


class TooManyPhotos(Problem):
    status, code = 429, "too_many_photos"
    text = "这次业务上传的照片太多了，不能再传。请联系期货公司协助。"


@dataclass(frozen=True)
class Shown:
    """A photo as a tile shows it. ``state``: '' (not there), processing, ready or refused; ``src`` the picture, when there is one."""

    kind: str
    title: str
    state: str
    id: str = ""
    src: str = ""
    small: str = ""
    cut: bool = False
    said: tuple[str, str] = ("", "")  # what is wrong or doubtful, and how to mend it

    @property
    def counts(self) -> bool:
        return self.state == State.READY

    @property
    def doubtful(self) -> bool:
        return self.state == State.READY and bool(self.said[0])


def shown(photo: Evidence | None, kind: Kind) -> Shown:
    title = KIND_TITLES[kind]
    if photo is None:
        return Shown(kind.value, title, "")
    if photo.state is State.REFUSED:
        return Shown(
            kind.value,
            title,
            photo.state.value,
            photo.public_id,
            said=PROBLEMS.get(photo.problem or "", PROBLEMS["unreadable"]),
        )
    if photo.state is State.PROCESSING:
        return Shown(kind.value, title, photo.state.value, photo.public_id)
    return Shown(
        kind.value,
        title,
        photo.state.value,
        photo.public_id,
        src=url_for("desk.evidence", public_id=photo.public_id),
        small=url_for(
            "desk.evidence",
            public_id=photo.public_id,
            variant="thumb" if photo.variant_of(Variant.THUMB) else "cropped",
        ),
        cut=photo.variant_of(Variant.CROPPED) is not None and photo.facts.get("crop_box") is not None,
        said=next((WARNINGS[w] for w in photo.warnings if w in WARNINGS), ("", "")),
    )


def receive(case_no: str, key: str, kind: Kind, *, replaces: bool, most: int | None = None) -> tuple[Response, int]:
    """Keep ``photo`` of the request as ``kind`` for this step. ``most``: how many of a kind may count at once."""
    with reading() as session:  # whose case it is comes before anything that costs
        case = case_or_404(session, case_no)
        if not may_work_at(case, key):
            raise StaleStep(case, key)
    uploads = request.files.getlist("photo")
    if len(uploads) != 1:
        raise BadPhoto("several" if uploads else "missing")
    stream = cast(BinaryIO, uploads[0].stream)
    sniffed = runtime.offload(check_upload, stream)
    mark = stamp()
    with evidence.sealed(stream) as sealed, transaction() as session:
        case = at_work(session, case_no, key, mark)
        _keep_quota(session, case, kind, most)
        kept = evidence.keep(
            session,
            case,
            kind,
            sealed,
            mark,
            media_type=sniffed.media_type,
            state=State.PROCESSING,
            width=sniffed.width,
            height=sniffed.height,
            replaces=replaces,
        )
        evidence.note_kept(case, kept, mark)
        answer = {"id": kept.public_id, "state": kept.state.value}
        evidence_id = kept.id
    jobs.enqueue(Job.PROCESS_PHOTO, evidence_id=evidence_id)
    return jsonify(answer), 201


def own_photo(session: Session, case: Case, public_id: str, kinds: Iterable[Kind]) -> Evidence:
    """The live photo of this case and one of these kinds, or a 404."""
    found = next((p for p in evidence.live(session, case, *kinds) if p.public_id == public_id), None)
    if found is None:
        raise NotFound
    return found


def remove(session: Session, case: Case, photo: Evidence, mark: Stamp) -> None:
    evidence.supersede(photo, mark)
    note(case, Happening.PHOTO_REMOVED, mark, evidence=photo.public_id, kind=photo.kind.value)


def restore(case: Case, photo: Evidence, mark: Stamp) -> None:
    """恢复原图: people look at the whole photo again; the crop stays on record."""
    for made in photo.variants:
        if made.variant in (Variant.CROPPED, Variant.THUMB) and made.superseded_at is None:
            made.superseded_at = mark.at
    photo.warnings = []
    note(case, Happening.PHOTO_KEPT, mark, evidence=photo.public_id, kind=photo.kind.value, restored=True)


def states(photos: Iterable[Shown]) -> list[dict[str, Any]]:
    return [{"kind": p.kind, "id": p.id, "state": p.state, "doubtful": p.doubtful} for p in photos]


def _keep_quota(session: Session, case: Case, kind: Kind, most: int | None) -> None:
    taken = select(func.count()).select_from(Evidence).where(Evidence.case_id == case.id, Evidence.of_id.is_(None))
    if (session.scalar(taken) or 0) >= MOST_OF_A_CASE:
        raise TooManyPhotos
    if most is not None and len(evidence.live(session, case, kind)) >= most:
        raise TooManyPhotos(text=f"最多上传 {most} 张，请先删除不需要的照片。")
