"""上传照片 (manuals, 2.2): ID front, ID back, signature, and the certificate undertaking read and agreed to."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, render_template
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound

from console.access import case_or_404, investor_only, stamp
from console.agreements.models import Purpose
from console.agreements.service import undertaking_done, unread, versions_of
from console.cases.models import Case
from console.db import reading, transaction
from console.evidence import service as evidence
from console.evidence.models import KIND_TITLES, Evidence, Kind, State
from console.portal import uploads
from console.portal.changing import at_work
from console.stamp import Stamp

from . import Handed, NotYet, Said

KEY = "photos"
KINDS = (Kind.ID_FRONT, Kind.ID_BACK, Kind.SIGNATURE)
HINTS = {Kind.ID_FRONT: "有照片的一面", Kind.ID_BACK: "有国徽的一面", Kind.SIGNATURE: "白纸黑字，写全名"}
ICONS = {Kind.ID_FRONT: "id", Kind.ID_BACK: "id-badge-2", Kind.SIGNATURE: "signature"}
UNDERTAKING = "数字证书安全责任书"


def show(session: Session, case: Case) -> dict[str, Any]:
    photos = _photos(session, case)
    read = undertaking_done(session, case)
    owed = {version.id for version in unread(session, case, Purpose.UNDERTAKING)}
    return {
        "photos": [uploads.shown(photos[kind], kind) for kind in KINDS],
        "hints": {kind.value: HINTS[kind] for kind in KINDS},
        "icons": {kind.value: ICONS[kind] for kind in KINDS},
        "undertakings": [(v, v.id not in owed) for v in versions_of(session, case, Purpose.UNDERTAKING)],
        "missing": _missing(photos, read),
    }


def submit(session: Session, case: Case, form: Mapping[str, str], mark: Stamp) -> Handed:
    photos = _photos(session, case)
    errors: dict[str, str] = {}
    for kind, photo in photos.items():
        said = uploads.shown(photo, kind)
        if not said.counts:
            errors[kind.value] = f"{said.title}：{_owed(said)}"
    if not undertaking_done(session, case):
        errors["undertaking"] = f"请阅读并同意《{UNDERTAKING}》。"
    if errors:
        raise NotYet(errors)
    return Handed({kind.value: _as_seen(photo) for kind, photo in photos.items() if photo is not None})


def facts(session: Session, case: Case) -> dict[str, Any]:
    ready = [p for p in evidence.live(session, case, *KINDS) if p.state is State.READY]
    return {"photos": sorted(ready, key=lambda photo: KINDS.index(photo.kind))}


def said(case: Case, content: Any) -> list[Said]:
    """The picture that people look at: another crop of the same photo is another picture."""
    return [Said(KIND_TITLES[kind], (content.get(kind.value) or {}).get("shown", ""), photo=True) for kind in KINDS]


def routes(bp: Blueprint) -> None:
    @bp.post("/case/<case_no>/photos/<kind>")
    @investor_only
    def upload_photo(case_no: str, kind: str) -> tuple[Response, int]:
        if kind not in {k.value for k in KINDS}:
            raise NotFound
        return uploads.receive(case_no, KEY, Kind(kind), replaces=True)

    @bp.get("/case/<case_no>/photos/state")
    @investor_only
    def photos_state(case_no: str) -> Response:
        """What a page that missed a push asks for."""
        with reading() as session:
            case = case_or_404(session, case_no)
            told = show(session, case)
            return jsonify(photos=uploads.states(told["photos"]), missing=told["missing"])

    @bp.get("/case/<case_no>/photos/tiles")
    @investor_only
    def photos_tiles(case_no: str) -> str:
        """The tiles as they are now, to be put in place of the old ones."""
        with reading() as session:
            case = case_or_404(session, case_no)
            return render_template("steps/photos/_tiles.html", case=case, **show(session, case))

    @bp.post("/case/<case_no>/photos/<public_id>/restore")
    @investor_only
    def restore_photo(case_no: str, public_id: str) -> Response:
        mark = stamp()
        with transaction() as session:
            case = at_work(session, case_no, KEY, mark)
            uploads.restore(case, uploads.own_photo(session, case, public_id, KINDS), mark)
            return jsonify(restored=True)


def _photos(session: Session, case: Case) -> dict[Kind, Evidence | None]:
    return {kind: evidence.photo(session, case, kind) for kind in KINDS}


def _as_seen(photo: Evidence) -> dict[str, str]:
    """Which photo, and which picture of it people look at: 恢复原图 changes the second."""
    return {"photo": photo.public_id, "shown": photo.shown.public_id}


def _missing(photos: Mapping[Kind, Evidence | None], read: bool) -> list[str]:
    owed = [said.title for kind, photo in photos.items() if not (said := uploads.shown(photo, kind)).counts]
    return owed if read else [*owed, "安全责任书"]


def _owed(said: uploads.Shown) -> str:
    if said.state == State.REFUSED:
        return f"{said.said[0]}。{said.said[1]}"
    return "正在处理，请稍候片刻再点下一步。" if said.state == State.PROCESSING else "还没有上传。"
