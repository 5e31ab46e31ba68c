"""What a dossier holds: everything that the house knows of one case, by kind, in files that say what they are."""

import base64
import json
import mimetypes
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum
from importlib.resources import files
from typing import Any

from flask import render_template
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from console.adapters.ca import CertificateAuthority
from console.agreements.models import AgreementVersion, NoticeAnswer, Reading, Signature
from console.cases.models import Case
from console.certificates.models import Certificate
from console.counter.models import Delivery
from console.evidence import store
from console.evidence.models import KIND_TITLES, Evidence, Kind, Variant
from console.people.models import Staff
from console.review.models import ReviewTask
from console.video_seat.models import VideoSession

from .archive import Item

VARIANT_TITLES = {
    Variant.ORIGINAL: "",
    Variant.UPRIGHT: "转正",
    Variant.CROPPED: "切边",
    Variant.THUMB: "缩略图",
    Variant.VIEW: "双方并列影片",
}
LEFT_OUT = frozenset({Variant.THUMB})  # nothing that the others do not show


@dataclass
class Dossier:
    """``items`` in the order of the archive; ``about`` for the top of the manifest."""

    about: dict[str, Any]
    items: list[Item] = field(default_factory=list)


def dossier_of(session: Session, case: Case, authority: CertificateAuthority, by: str, at: datetime) -> Dossier:
    """All of it but the contents of evidence, which are read when their turn in the archive comes. Needs an application context."""
    trail = list(case.events)
    made = Dossier(
        {
            "format": "witness-desk dossier 1",
            "dossier_no": secrets.token_hex(8),
            "case_no": case.case_no,
            "business": case.business_code,
            "made_at": at.isoformat(),
            "made_by": by,
            "trail": {"lines": len(trail), "head": trail[-1].hash if trail else ""},
        }
    )
    versions, certificates = _versions(session, case), _certificates(session, case)
    pieces = list(session.scalars(select(Evidence).where(Evidence.case_id == case.id).order_by(Evidence.id)))
    paths = {piece.id: _path(piece) for piece in pieces if piece.variant not in LEFT_OUT}
    data = _data(session, case, paths)
    made.items += [
        Item("index.html", "卷宗目录", [_index(session, case, data, paths, pieces, made.about).encode()]),
        Item("case.json", "受理单全部资料", [_json(data)]),
        Item("trail.jsonl", "留痕", [_lines(trail)]),
        Item("signatures.json", "签名", [_json(_signatures(session, case, versions, certificates, authority))]),
    ]
    made.items += [Item(_text(v), v.agreement.title, [v.html.encode()]) for v in versions]
    made.items += [Item(_certificate(c), "数字证书", [c.der]) for c in certificates]
    made.items += [
        Item(f"certificates/issuer-{n}.cer", "证书颁发机构", [der]) for n, der in enumerate(authority.chain(), 1)
    ]
    for piece in pieces:
        if piece.id in paths:
            made.items.append(Item(paths[piece.id], _title(piece), _clear(piece), piece.public_id))
    along = files("console.dossier") / "offline"
    made.items += [
        Item("style.css", "目录的样式", [along.joinpath("style.css").read_bytes()]),
        Item("verify.py", "离线核验程序", [along.joinpath("verify.py").read_bytes()]),
    ]
    return made


def _clear(piece: Evidence) -> Iterator[bytes]:
    return store.current().read(piece.path, piece.size)


# --- names


def _path(piece: Evidence) -> str:
    """photos/0007-id_front.jpg; of several forms of one photo the original's number leads."""
    folder = "recordings" if piece.kind is Kind.RECORDING else "photos"
    number, form = (
        piece.of_id or piece.id,
        "" if piece.variant is Variant.ORIGINAL else f"-{piece.variant.value}-{piece.id}",
    )
    ending = {"image/jpeg": ".jpg", "video/webm": ".webm"}.get(piece.media_type) or mimetypes.guess_extension(
        piece.media_type
    )
    return f"{folder}/{number:06d}-{piece.kind.value}{form}{ending or '.bin'}"


def _title(piece: Evidence) -> str:
    form = VARIANT_TITLES[piece.variant]
    return KIND_TITLES[piece.kind] + (f"（{form}）" if form else "") + ("，已被替换" if piece.superseded_at else "")


def _text(version: AgreementVersion) -> str:
    return f"agreements/{version.agreement.code}-v{version.number}.html"


def _certificate(certificate: Certificate) -> str:
    return f"certificates/{certificate.serial}.cer"


# --- data


def _data(session: Session, case: Case, paths: dict[int, str]) -> dict[str, Any]:
    """Whole rows, as they are kept; personal data in clear: the dossier is for who may see it."""
    calls = session.scalars(select(VideoSession).where(VideoSession.case_id == case.id).order_by(VideoSession.id)).all()
    tasks = session.scalars(select(ReviewTask).where(ReviewTask.case_id == case.id).order_by(ReviewTask.id)).all()
    readings = session.scalars(select(Reading).where(Reading.case_id == case.id).order_by(Reading.id)).all()
    notices = session.scalars(select(NoticeAnswer).where(NoticeAnswer.case_id == case.id).order_by(NoticeAnswer.id))
    report = session.scalar(select(Delivery).where(Delivery.case_id == case.id))
    return {
        "case": _row(case) | {"business": case.business.title},
        "broker": case.branch.broker.name,
        "branch": case.branch.name,
        "investor": _row(case.investor, without={"id_no_index", "phone_index"}),
        "trading_codes": [_row(each) for each in case.investor.trading_codes],
        "settlement_accounts": [_row(each, without={"number_index"}) for each in case.investor.bank_cards],
        "steps": [_row(each) for each in case.entries],
        "rejections": [_row(each) | {"reasons": [_row(r) for r in each.reasons]} for each in case.rejections],
        "calls": [_call(each, paths) for each in calls],
        "review_tasks": [_row(each) for each in tasks],
        "readings": [_row(each) for each in readings],
        "notice_answers": [_row(each) for each in notices],
        "report_to_counter": None if report is None else _row(report) | {"tries": [_row(t) for t in report.attempts]},
        "staff": _staff(session, calls, tasks),
    }


def _call(call: VideoSession, paths: dict[int, str]) -> dict[str, Any]:
    return _row(call) | {
        "questions": [
            {
                "position": each.position,
                "key": each.question.key,
                "title": each.question.title,
                "say": each.question.say,
            }
            for each in call.asked
        ],
        "marks": [
            _row(mark) | {"snapshots": [paths[shot.id] for shot in mark.snapshots if shot.id in paths]}
            for mark in call.marks
        ],
        "recordings": [_row(each) | {"file": paths.get(each.evidence_id, "")} for each in call.recordings],
        "events": [_row(each) for each in call.events],
        "take_overs": [_row(each) for each in call.take_overs],
    }


def _staff(session: Session, calls: Iterable[VideoSession], tasks: Iterable[ReviewTask]) -> list[dict[str, Any]]:
    """Who had a hand in it: name and licence, nothing else of them."""
    ids = {call.witness_id for call in calls} | {task.reviewer_id for task in tasks}
    ids |= {each for call in calls for over in call.take_overs for each in (over.from_id, over.to_id)}
    rows = session.scalars(select(Staff).where(Staff.id.in_([each for each in ids if each])).order_by(Staff.id))
    return [{"id": row.id, "name": row.name, "licence_no": row.licence_no} for row in rows]


def _row(row: Any, without: Iterable[str] = ()) -> dict[str, Any]:
    """The columns of a row, as JSON can say them."""
    names = [column.key for column in inspect(type(row)).column_attrs]
    return {name: _plain(getattr(row, name)) for name in names if name not in set(without)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def _lines(trail: Iterable[Any]) -> bytes:
    """Each line as its hash covers it, and the hash."""
    told = []
    for line in trail:
        names = (*line.sealed_fields, "seq", "prev_hash", "hash")
        told.append(json.dumps({n: _sealed(getattr(line, n)) for n in names}, ensure_ascii=False, sort_keys=True))
    return "".join(f"{each}\n" for each in told).encode()


def _sealed(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _json(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, indent=1, default=_plain).encode()


# --- agreements and signatures


def _versions(session: Session, case: Case) -> list[AgreementVersion]:
    """Every text that the case speaks of: signed, read, answered or confirmed by a line of the trail."""
    ids = set(session.scalars(select(Signature.version_id).where(Signature.case_id == case.id)))
    ids |= set(session.scalars(select(Reading.version_id).where(Reading.case_id == case.id)))
    ids |= set(session.scalars(select(NoticeAnswer.version_id).where(NoticeAnswer.case_id == case.id)))
    ids |= {line.detail["version"] for line in case.events if isinstance(line.detail.get("version"), int)}
    return list(
        session.scalars(select(AgreementVersion).where(AgreementVersion.id.in_(ids)).order_by(AgreementVersion.id))
    )


def _certificates(session: Session, case: Case) -> list[Certificate]:
    """Those of this case, and those that signed in it."""
    signed = select(Signature.certificate_id).where(Signature.case_id == case.id)
    query = select(Certificate).where((Certificate.case_id == case.id) | Certificate.id.in_(signed))
    return list(session.scalars(query.order_by(Certificate.id)))


def _signatures(
    session: Session,
    case: Case,
    versions: list[AgreementVersion],
    certificates: list[Certificate],
    authority: CertificateAuthority,
) -> list[dict[str, Any]]:
    rows = session.scalars(
        select(Signature).where(Signature.case_id == case.id, Signature.signed_at.is_not(None)).order_by(Signature.id)
    )
    chain = [f"certificates/issuer-{n}.cer" for n, _ in enumerate(authority.chain(), 1)]
    return [
        {
            "title": f"{row.version.agreement.title} v{row.version.number}",
            "agreement": _text(row.version),
            "certificate": _certificate(row.certificate),
            "chain": chain,
            "signed_at": _plain(row.signed_at),
            "superseded_at": _plain(row.superseded_at),
            "signed_bytes": _plain(row.signed_bytes),
            "signature": _plain(row.signature),
        }
        for row in rows
    ]


def _index(
    session: Session,
    case: Case,
    data: dict[str, Any],
    paths: dict[int, str],
    pieces: list[Evidence],
    about: dict[str, Any],
) -> str:
    return render_template(
        "dossier/index.html",
        case=case,
        data=data,
        about=about,
        pieces=[(piece, paths[piece.id], _title(piece)) for piece in pieces if piece.id in paths],
    )
