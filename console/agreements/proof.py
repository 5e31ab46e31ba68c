"""Reading proof (A3): that one version was read to its end for one case, kept by the server's own count and clock.

The server knows the pages of a version (``importing.pages``); the browser says which of them it has shown from top to bottom. What the
browser says about time counts only as far as the server's clock allows.
"""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from console.cases.models import ENDED, Case
from console.cases.trail import Happening, note
from console.problem import Problem
from console.stamp import Stamp

from . import importing, service
from .models import AgreementVersion, Purpose, Reading

QUICKEST = 1500  # characters a second; nobody reads faster
READABLE = (Purpose.READ, Purpose.SIGN, Purpose.UNDERTAKING)


class NotRead(Problem):
    """The version was not read to its end: pages are missing, or it went too fast to have been read."""

    status, code = 422, "not_read"
    text = "请完整阅读该协议内容。"


class OtherText(Problem):
    """What the page showed is not the text of this version."""

    status, code = 409, "other_text"
    text = "协议内容已更新，请刷新页面后重新阅读。"


class NotOpened(Problem):
    """No reading of this version was opened for this case."""

    status, code = 409, "not_opened"
    text = "阅读记录没有开始，请刷新页面后重试。"


def reading_of(session: Session, case: Case, version_id: int) -> Reading | None:
    return session.scalar(select(Reading).where(Reading.case_id == case.id, Reading.version_id == version_id))


def readable(session: Session, case: Case, version_id: int) -> AgreementVersion | None:
    """The version, if it is one that this case has to read: in force for its business, or opened before it was retired."""
    version = session.get(AgreementVersion, version_id, options=[joinedload(AgreementVersion.agreement)])
    if version is None or version.agreement.broker_id != case.branch.broker_id:
        return None
    if version.agreement.purpose not in READABLE or not service.is_for(version.agreement, case.business_code):
        return None
    return version if version.retired_at is None or reading_of(session, case, version_id) is not None else None


def quickest(version: AgreementVersion) -> timedelta:
    """The time below which nobody can have read it."""
    return timedelta(seconds=importing.characters(version.html) / QUICKEST)


def open_reading(session: Session, case: Case, version: AgreementVersion, stamp: Stamp) -> Reading:
    """The reading of ``version`` for ``case``; its clock starts at the first opening. Opening again changes nothing."""
    if (found := reading_of(session, case, version.id)) is not None:
        return found
    if case.status in ENDED or version.retired_at is not None:
        raise OtherText(version.id)
    opened = Reading(
        case_id=case.id,
        version_id=version.id,
        sha256=version.sha256,
        started_at=stamp.at,
        pages=len(importing.pages(version.html)),
        pages_seen=[],
    )
    try:
        with session.begin_nested():
            session.add(opened)
            session.flush()
    except IntegrityError:  # a second tab opened it in the same moment
        return open_reading(session, case, version, stamp)
    return opened


def progress(
    session: Session, case: Case, version_id: int, seen: Iterable[int], shown_ms: int, stamp: Stamp
) -> Reading:
    """``seen``: numbers (from 1) of pages shown so far; ``shown_ms``: how long the text was on the screen, all visits together."""
    reading = reading_of(session, case, version_id)
    if reading is None:
        raise NotOpened(version_id)
    if reading.finished_at is not None:
        return reading
    known = {int(page) for page in reading.pages_seen}
    now = known | {page for page in seen if 1 <= page <= reading.pages}
    reading.pages_seen = [str(page) for page in sorted(now)]
    passed = int((stamp.at - reading.started_at) / timedelta(milliseconds=1))
    reading.dwell_ms = max(reading.dwell_ms, min(shown_ms, passed))
    return reading


def finish(
    session: Session, case: Case, version_id: int, sha256: str, seen: Iterable[int], shown_ms: int, stamp: Stamp
) -> Reading:
    """「我已阅读并同意」. Raises NotRead, OtherText (``sha256`` of what the page showed is another), NotOpened. Again: the same result."""
    reading = progress(session, case, version_id, seen, shown_ms, stamp)
    if not reading.sha256 == sha256 == reading.version.sha256:
        raise OtherText(version_id)
    if reading.finished_at is not None:
        return reading
    missing = reading.pages - len(reading.pages_seen)
    if missing:
        raise NotRead(version_id, text=f"请完整阅读该协议内容：还有 {missing} 页没有读到。")
    if timedelta(milliseconds=reading.dwell_ms) < quickest(reading.version):
        raise NotRead(version_id, text="请完整阅读该协议内容：翻得太快，请从头看一遍后再点同意。")
    reading.finished_at = stamp.at
    note(
        case,
        Happening.DOCUMENT_READ,
        stamp,
        version=version_id,
        sha256=reading.sha256,
        pages=reading.pages,
        dwell_ms=reading.dwell_ms,
    )
    return reading
