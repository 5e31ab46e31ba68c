"""``console verify``: is the trail whole, is all evidence what was kept, does every signature still hold (G2).

Only reads. What a chain cannot see by itself (its end cut off) shows where the case or the evidence says otherwise.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from console import db
from console.agreements import signing
from console.agreements.models import AgreementVersion, Signature
from console.cases.models import Case, CaseEvent
from console.chain import find_break
from console.config import Settings
from console.evidence import service as evidence_service
from console.evidence.film import SECOND, Chain
from console.evidence.models import Evidence
from console.people.models import Staff, StaffEvent
from console.video_seat import anchors
from console.video_seat.models import Recording, RecordingAnchor, VideoSession

BATCH = 500  # rows held at once


@dataclass(frozen=True)
class Fault:
    """``what`` names the case, person or file; ``why`` says what does not hold."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


@dataclass
class Report:
    """What was looked at, how many of each, and what was found wrong."""

    counts: dict[str, int] = field(default_factory=dict)
    trail: list[Fault] = field(default_factory=list)
    evidence: list[Fault] = field(default_factory=list)
    signatures: list[Fault] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not (self.trail or self.evidence or self.signatures)

    @property
    def lines(self) -> list[str]:
        return [
            "检查 checked: " + ", ".join(f"{number} {name}" for name, number in self.counts.items()),
            *_verdict("审计链 audit chain", self.trail),
            *_verdict("证据 evidence", self.evidence),
            *_verdict("签名 signatures", self.signatures),
        ]


def verify_everything(settings: Settings) -> Report:
    """Open the house and verify all that is in it."""
    from console.app import open_house

    open_house(settings)
    with db.reading() as session:
        return verify_all(session)


def verify_all(session: Session) -> Report:
    """Every chain, every file, every recording, every version and signature."""
    report = Report()
    told: dict[
        str, tuple[str, str]
    ] = {}  # what the trail says a kept file was: public id to SHA-256 and end of its chain
    report.trail.extend(_case_trails(session, report, told))
    report.trail.extend(_staff_trails(session, report))
    report.evidence.extend(_evidence(session, report, told))
    report.evidence.extend(_recordings(session, report))
    report.signatures.extend(_versions(session, report))
    report.signatures.extend(_signatures(session, report))
    return report


def _verdict(what: str, faults: list[Fault]) -> Iterator[str]:
    if not faults:
        yield f"{what}: 完整 intact"
        return
    yield f"{what}: {len(faults)} 处异常 BROKEN"
    yield from (f"  {fault}" for fault in faults)


def _case_trails(session: Session, report: Report, told: dict[str, tuple[str, str]]) -> Iterator[Fault]:
    lines = session.scalars(
        select(CaseEvent).order_by(CaseEvent.case_id, CaseEvent.seq).execution_options(yield_per=BATCH)
    )
    cases = {row.id: row for row in session.execute(select(Case.id, Case.case_no, Case.status))}
    report.counts |= {"cases": len(cases), "case lines": 0}
    seen = set()
    for case_id, group in groupby(lines, key=lambda line: line.case_id):
        seen.add(case_id)
        name = f"case {cases[case_id].case_no}"
        trail = list(group)
        report.counts["case lines"] += len(trail)
        for line in trail:
            if "evidence" in line.detail and "sha256" in line.detail:
                told[line.detail["evidence"]] = (line.detail["sha256"], line.detail.get("chain", ""))
        if (found := find_break(trail)) is not None:
            yield Fault(f"{name} line {found.seq}", found.why)
        elif trail[-1].after != cases[case_id].status:
            yield Fault(name, f"it is {cases[case_id].status}, but its trail ends with {trail[-1].after}")
        session.expunge_all()
    for case_id, case in cases.items():
        if case_id not in seen:
            yield Fault(f"case {case.case_no}", "it has no trail at all")


def _staff_trails(session: Session, report: Report) -> Iterator[Fault]:
    lines = session.scalars(
        select(StaffEvent).order_by(StaffEvent.staff_id, StaffEvent.seq).execution_options(yield_per=BATCH)
    )
    names = {row.id: row.username for row in session.execute(select(Staff.id, Staff.username))}
    report.counts |= {"staff lines": 0}
    for staff_id, group in groupby(lines, key=lambda line: line.staff_id):
        trail = list(group)
        report.counts["staff lines"] += len(trail)
        if (found := find_break(trail)) is not None:
            yield Fault(f"staff {names[staff_id]} line {found.seq}", found.why)
        session.expunge_all()


def _evidence(session: Session, report: Report, told: dict[str, tuple[str, str]]) -> Iterator[Fault]:
    case_nos = {row.id: row.case_no for row in session.execute(select(Case.id, Case.case_no))}
    report.counts |= {"files": 0, "clusters": 0}
    for piece in session.scalars(select(Evidence).order_by(Evidence.id).execution_options(yield_per=BATCH)):
        report.counts["files"] += 1
        name = f"case {case_nos.get(piece.case_id, '?')} {piece.kind.value} {piece.public_id[:8]} ({piece.path})"
        for _, why in evidence_service.damaged([piece]):
            yield Fault(name, why)
        chain = Chain.of(piece.facts)
        report.counts["clusters"] += len(chain.clusters) if chain else 0
        sha256, head = told.pop(piece.public_id, (piece.sha256, ""))
        if sha256 != piece.sha256:
            yield Fault(name, "the trail recorded another file under this name")
        elif head and (chain is None or chain.head != head):
            yield Fault(name, "the trail recorded another chain of clusters for it")
        if chain and chain.spoiled:
            seconds = "、".join(str(at // SECOND) for at in chain.spoiled)
            yield Fault(name, f"第 {seconds} 秒在录制之后、封存之前已改变 changed between recording and sealing")
    for public_id in sorted(told):
        yield Fault(f"evidence {public_id[:8]}", "the trail speaks of it, but it is gone")


def _recordings(session: Session, report: Report) -> Iterable[Fault]:
    """The files are checked with the evidence; here only that each recording is of its own case."""
    rows = list(session.scalars(select(Recording).order_by(Recording.id)))
    report.counts["recordings"] = len(rows)
    for row in rows:
        if row.evidence.case_id != row.session.case_id:
            yield Fault(f"recording {row.session.session_no} {row.side}-{row.segment}", "its file is of another case")
    yield from _anchors(session, report, {(row.session_id, row.side, row.started_at): row for row in rows})


def _anchors(session: Session, report: Report, kept: dict[tuple[int, str, datetime], Recording]) -> Iterator[Fault]:
    """What was told of each recording while it ran is what was sealed; and what ran was kept."""
    of_which = (RecordingAnchor.session_id, RecordingAnchor.side, RecordingAnchor.began)
    rows = session.scalars(
        select(RecordingAnchor).order_by(*of_which, RecordingAnchor.links).execution_options(yield_per=BATCH)
    )
    report.counts["anchors"] = 0
    for key, group in groupby(rows, key=lambda row: (row.session_id, row.side, row.began)):
        told = list(group)
        report.counts["anchors"] += len(told)
        call = session.get_one(VideoSession, key[0])
        name = f"recording {call.session_no} {key[1]}-{told[0].segment}"
        recording = kept.get(key)
        chain = Chain.of(recording.evidence.facts) if recording else None
        if recording is None:
            if call.ended_at and call.ended_at < datetime.now(UTC) - anchors.KEPT_WITHIN:
                yield Fault(name, "录制过，但没有留存 it was recorded, but never kept")
        elif chain is None:
            yield Fault(name, "it was told link by link, but sealed without links")
        elif not chain.spoiled and (wrong := [a for a in told if not anchors.borne_out(a, chain.links)]):
            second = wrong[0].at_ms // SECOND
            yield Fault(name, f"第 {second} 秒起与录制时报告的不一致 unlike what its node told while it ran")


def _versions(session: Session, report: Report) -> Iterator[Fault]:
    rows = session.scalars(select(AgreementVersion).order_by(AgreementVersion.id).execution_options(yield_per=50))
    report.counts["agreement versions"] = 0
    for version in rows:
        report.counts["agreement versions"] += 1
        if hashlib.sha256(version.html.encode()).hexdigest() != version.sha256:
            yield Fault(
                f"agreement {version.agreement.code} v{version.number}", "the text was changed after publishing"
            )


def _signatures(session: Session, report: Report) -> Iterator[Fault]:
    """Every signature ever made, those replaced by a later one too."""
    rows = session.scalars(
        select(Signature)
        .where(Signature.signed_at.is_not(None))
        .options(
            joinedload(Signature.version).joinedload(AgreementVersion.agreement),
            joinedload(Signature.certificate),
            joinedload(Signature.case),
        )
        .order_by(Signature.id)
        .execution_options(yield_per=BATCH)
    )
    report.counts["signatures"] = 0
    for signature in rows:
        report.counts["signatures"] += 1
        if (why := signing.verify(signature)) is not None:
            code, number = signature.version.agreement.code, signature.version.number
            yield Fault(f"case {signature.case.case_no} signature {signature.id} of {code} v{number}", why)
