"""阅读相关协议 (app manual, 2.5): every text must be read to its end; also the page on which any text is read, whatever its purpose."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, jsonify, render_template, url_for
from markupsafe import Markup
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from console.access import case_or_404, investor_only, public, stamp
from console.agreements import importing, proof, service
from console.agreements.models import AgreementVersion, Purpose, Reading
from console.cases.models import Case
from console.db import reading, transaction
from console.people.models import Broker
from console.portal.asked import asked
from console.portal.status import progress
from console.stamp import Stamp

from . import Handed, NotYet

SHOWN_AT = {Purpose.READ: "reading", Purpose.SIGN: "signing", Purpose.UNDERTAKING: "photos"}
MOST_PAGES = 2000  # of one progress report


def show(session: Session, case: Case) -> dict[str, Any]:
    """``texts``: [(version, its reading or None)] with the version that was read, where one was."""
    texts = texts_of(session, case, Purpose.READ)
    return {"texts": texts, "left": sum(not _done(read) for _, read in texts)}


def submit(session: Session, case: Case, form: Mapping[str, str], stamp: Stamp) -> Handed:
    left = service.unread(session, case, Purpose.READ)
    if left:
        raise NotYet({f"text-{v.id}": f"《{v.agreement.title}》：请完整阅读该协议内容。" for v in left})
    return Handed({"read": [read.id for _, read in texts_of(session, case, Purpose.READ) if read is not None]})


def facts(session: Session, case: Case) -> dict[str, Any]:
    """The readings this step was finished with."""
    kept = set((case.data_of("reading") or {}).get("read", ()))
    return {"readings": [each for each in service.readings_of(session, case) if each.id in kept]}


def texts_of(session: Session, case: Case, purpose: Purpose) -> list[tuple[AgreementVersion, Reading | None]]:
    """What the case has to read for a purpose, in order: the version that was read, else the one in force."""
    mine = service.readings_of(session, case)
    read = {each.version.agreement_id: each for each in mine if _done(each)}
    begun = {each.version_id: each for each in mine}
    shown = []
    for live in service.versions_of(session, case, purpose):
        done = read.get(live.agreement_id)
        shown.append((done.version, done) if done else (live, begun.get(live.id)))
    return shown


def _done(read: Reading | None) -> bool:
    return read is not None and read.finished_at is not None


def routes(bp: Blueprint) -> None:
    bp.add_url_rule("/b/<broker_no>/privacy", view_func=privacy)
    one = "/case/<case_no>/reading/<int:version_id>"
    bp.add_url_rule(one, view_func=read_document)
    for name, view in (("open", open_document), ("progress", document_progress), ("finish", finish_document)):
        bp.add_url_rule(f"{one}/{name}", view_func=view, methods=["POST"])


@public
def privacy(broker_no: str) -> str:
    """《隐私政策》, readable by anybody before they sign in."""
    with reading() as look:
        broker = look.scalar(select(Broker).where(Broker.broker_no == broker_no))
        texts = service.live_versions(look, broker.id, Purpose.PRIVACY) if broker else []
        if broker is None or not texts:
            raise NotFound
        back = url_for("portal.broker", broker_no=broker_no)
        return _page(texts[0], case=None, read=None, back_url=back, place="", more=False)


@investor_only
def read_document(case_no: str, version_id: int) -> str:
    with reading() as look:
        case = case_or_404(look, case_no)
        version = _readable_or_404(look, case, version_id)
        read = proof.reading_of(look, case, version_id)
        texts = [each for each, _ in texts_of(look, case, version.agreement.purpose)]
        place = f"{texts.index(version) + 1} / {len(texts)}" if version in texts else ""
        others = [each for each in _unread(look, case, version) if each.agreement_id != version.agreement_id]
        return _page(version, case=case, read=read, back_url=_step_url(case, version), place=place, more=bool(others))


@investor_only
def open_document(case_no: str, version_id: int) -> Response:
    """The text is before the reader's eyes: the server's clock starts."""
    with transaction() as session:
        case = case_or_404(session, case_no)
        opened = proof.open_reading(session, case, _readable_or_404(session, case, version_id), stamp())
        return jsonify(_told(opened))


@investor_only
def document_progress(case_no: str, version_id: int) -> Response:
    with transaction() as session:
        case = case_or_404(session, case_no)
        seen, shown_ms = _seen()
        return jsonify(_told(proof.progress(session, case, version_id, seen, shown_ms, stamp())))


@investor_only
def finish_document(case_no: str, version_id: int) -> Response:
    """「我已阅读并同意」; ``next``: the page to go on with."""
    with transaction() as session:
        case = case_or_404(session, case_no)
        version = _readable_or_404(session, case, version_id)
        seen, shown_ms = _seen()
        finished = proof.finish(session, case, version_id, asked("sha256", str), seen, shown_ms, stamp())
        session.flush()
        following = next(iter(_unread(session, case, version)), None)
        where = (
            url_for("portal.read_document", case_no=case_no, version_id=following.id)
            if following
            else _step_url(case, version)
        )
        return jsonify(_told(finished) | {"next": where})


def _seen() -> tuple[list[int], int]:
    seen = asked("seen", list)[:MOST_PAGES]
    return [page for page in seen if isinstance(page, int)], asked("shown_ms", int)


def _told(read: Reading) -> dict[str, Any]:
    return {
        "pages": read.pages,
        "seen": [int(page) for page in read.pages_seen],
        "shown_ms": read.dwell_ms,
        "finished": read.finished_at is not None,
    }


def _readable_or_404(session: Session, case: Case, version_id: int) -> AgreementVersion:
    version = proof.readable(session, case, version_id)
    if version is None:
        raise NotFound
    return version


def _unread(session: Session, case: Case, version: AgreementVersion) -> list[AgreementVersion]:
    """What is left of the same purpose. To be signed is the text in force, so there an older one that was read does not count."""
    purpose = version.agreement.purpose
    if purpose is not Purpose.SIGN:
        return service.unread(session, case, purpose)
    read = {each.version_id for each in service.readings_of(session, case) if _done(each)}
    return [each for each in service.versions_of(session, case, purpose) if each.id not in read]


def _step_url(case: Case, version: AgreementVersion) -> str:
    key = SHOWN_AT[version.agreement.purpose]
    return url_for("portal.step", case_no=case.case_no, key=key)


def _page(
    version: AgreementVersion, *, case: Case | None, read: Reading | None, back_url: str, place: str, more: bool
) -> str:
    step = None
    if case is not None:
        key = SHOWN_AT[version.agreement.purpose]
        step = next((each for each in case.path if each.key == key), None)
    return render_template(
        "portal/document.html",
        case=case,
        progress=progress(case, step) if case is not None and step is not None else None,
        heading=step.title if step else version.agreement.title,
        version=version,
        pages=[Markup(page) for page in importing.pages(version.html)],
        read=read,
        back_url=back_url,
        place=place,
        more=more,
    )
