"""RQ job, every half minute: ask again for what was promised and not done, throw away what nobody needs any more.

Redis may forget a job (it is not the truth); the database and the spool do not, and this is where they are looked at.
"""

import re
import struct
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import structlog
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from console import live
from console.cases.models import Case
from console.counter import service as counter
from console.db import reading, transaction
from console.evidence import service as evidence
from console.evidence import store
from console.evidence.models import Evidence, State, Variant
from console.jobs import Job, enqueue, pending
from console.people import messages
from console.people.models import Captcha, OutgoingSms, SmsCode
from console.queues import appointments, seats, slots
from console.review import service as review
from console.stamp import Stamp
from console.video_seat import copies
from console.video_seat.listening import NODE_PATIENCE, Listener
from console.video_seat.signalling import terms_of
from worker import house
from worker.media import webm
from worker.media.announce import Announcer
from worker.media.repair import duration_ms, is_sealed
from worker.media.spool import NOTE_SUFFIX, Spool, sha256
from worker.ocr import CARDS, is_card
from worker.runner import SWEEP_EVERY

PHOTO_PATIENCE = timedelta(seconds=20)
CARD_PATIENCE = timedelta(minutes=1)
CARDS_OF = timedelta(days=1)  # what could not be read in a day is left to people
RECORDING_PATIENCE = timedelta(seconds=60)
STRAY_AFTER = timedelta(days=1)
OUTDATED_AFTER = timedelta(hours=2)  # who was looking at the old film when the new one came is through with it
MOST_REPORTS = 200  # in one sweep; the rest with the next one
MOST_MESSAGES = 40  # in one sweep: a gateway that hangs does not keep the next one waiting for hours
KEPT_PROOF = timedelta(days=2)  # captchas and SMS codes, long expired, but still counted against the limits of a day
TAKE = re.compile(r"(?P<side>[a-z]+)-(?P<segment>\d+)\.webm")
DATE_UTC = b"\x44\x61\x88"  # the element's id and length, RFC 9559 section 5.1.2
log = structlog.get_logger()


def sweep() -> None:
    """Safe to run at any time and twice at once: everything it asks for is itself safe to run twice."""
    house.opened()
    now = datetime.now(UTC)
    parts: tuple[Callable[[datetime], int], ...] = (
        photos,
        cards,
        reports,
        orphans,
        recordings,
        broken_calls,
        silent_seats,
        appointed,
        no_shows,
        shut_out,
        misdated,
        reminders,
        proofs,
        views,
        old_views,
        strays,
    )
    done = {part.__name__: _swept(part, now) for part in parts}
    if any(done.values()):
        log.info("swept", **done)


def _swept(part: Callable[[datetime], int], now: datetime) -> int:
    """One part that cannot do its work does not keep the others from theirs."""
    try:
        return part(now)
    except (OSError, RedisError) as error:
        log.warning("not_swept", part=part.__name__, error=type(error).__name__)
        return 0


def photos(now: datetime) -> int:
    """Photos whose job got lost: how many were asked for again."""
    with reading() as session:
        stuck = session.scalars(
            select(Evidence.id).where(
                Evidence.state == State.PROCESSING,
                Evidence.variant == Variant.ORIGINAL,
                Evidence.superseded_at.is_(None),
                Evidence.kept_at < now - PHOTO_PATIENCE,
            )
        ).all()
    asked = {ids.get("evidence_id") for ids in pending(Job.PROCESS_PHOTO)} if stuck else set()
    return sum(enqueue(Job.PROCESS_PHOTO, evidence_id=each) for each in stuck if each not in asked)


def cards(now: datetime) -> int:
    """ID photos that nobody has read yet: how many were asked for again."""
    with reading() as session:
        unread = [
            photo.id
            for photo in session.scalars(
                select(Evidence).where(
                    Evidence.kind.in_(CARDS),
                    Evidence.variant == Variant.ORIGINAL,
                    Evidence.reading.is_(None),
                    Evidence.superseded_at.is_(None),
                    Evidence.kept_at.between(now - CARDS_OF, now - CARD_PATIENCE),
                )
            )
            if is_card(photo)
        ]
    asked = {ids.get("evidence_id") for ids in pending(Job.READ_CARD)} if unread else set()
    return sum(enqueue(Job.READ_CARD, evidence_id=each) for each in unread if each not in asked)


def reports(now: datetime) -> int:
    """Approved cases whose report to the counter system is due: for how many it was asked again."""
    with reading() as session:
        waiting = counter.due(session, now, MOST_REPORTS)
    asked = {ids.get("case_id") for ids in pending(Job.REPORT)} if waiting else set()
    return sum(enqueue(Job.REPORT, case_id=each) for each in waiting if each not in asked)


def recordings(now: datetime) -> int:
    """Finished recordings that lie in the spool with nobody about to fetch them: how many were asked for again."""
    left = list(left_behind(house.settings().media_spool, now - RECORDING_PATIENCE))
    asked = {ids.get("path") for ids in pending(Job.KEEP_RECORDING)} if left else set()
    return sum(enqueue(Job.KEEP_RECORDING, **take_of(path)) for path in left if str(path) not in asked)


def orphans(now: datetime) -> int:
    """Recordings of a node that was killed and did not come back: finished and announced, how many. Nobody holds their notes."""
    settings = house.settings()
    if not settings.media_spool.is_dir():
        return 0
    return Announcer(lambda: Redis.from_url(settings.redis_url)).sweep(Spool(settings.media_spool))


def broken_calls(now: datetime) -> int:
    """Calls whose grace is over, and calls on dead nodes, should no web process look after them: how many were ended."""
    settings = house.settings()
    with Redis.from_url(settings.redis_url) as redis:
        listener = Listener(redis, terms_of(settings))
        listener.catch_up()
        listener.anchor(now)
        ended = listener.look_after(now)
        if listener.suspects:
            time.sleep(NODE_PATIENCE)
            ended += listener.look_after(now)
        return len(ended)


def left_behind(spool: Path, before: datetime) -> Iterable[Path]:
    """Whole recordings that were announced (their note is gone) and not touched since ``before``."""
    for path in sorted(spool.glob("*/*.webm")):
        if path.with_name(path.name + NOTE_SUFFIX).exists() or not TAKE.fullmatch(path.name):
            continue
        with path.open("rb") as file:
            if is_sealed(file.fileno()) and path.stat().st_mtime < before.timestamp():
                yield path


def take_of(path: Path) -> dict[str, Any]:
    """What the node said when it announced this recording, read from the file and its name."""
    named = TAKE.fullmatch(path.name)
    assert named is not None
    with path.open("rb") as file:
        head = file.read(webm.HEADER_LENGTH)
        length = duration_ms(file.fileno())
    at = head.index(DATE_UTC) + len(DATE_UTC)
    (nanoseconds,) = struct.unpack_from(">q", head, at)
    return {
        "session_no": path.parent.name,
        "side": named["side"],
        "segment": int(named["segment"]),
        "path": str(path),
        "started_at": (webm.DATE_ORIGIN + timedelta(microseconds=nanoseconds / 1000)).isoformat(),
        "duration_ms": length,
        "sha256": sha256(path),
    }


def silent_seats(now: datetime) -> int:
    """Witnesses whose page has gone without a word are offline: how many."""
    with transaction() as session:
        branches = [seat.branch_id for seat in seats.retire_silent(session, Stamp(by="system:sweep", at=now))]
    for branch_id in set(branches):
        live.seats_changed(branch_id)
    return len(branches)


def appointed(now: datetime) -> int:
    """People who wait already when the time of their appointment comes: how many go before the others now."""
    with reading() as session:
        due = appointments.due(session, now)
    return _of_cases(due, appointments.call_up, now)


def no_shows(now: datetime) -> int:
    """Appointments whose time ran out and nobody came: how many."""
    with reading() as session:
        missed = appointments.missed(session, now)
    return _of_cases(missed, appointments.miss, now)


def _of_cases(ids: Iterable[int], act: Callable[[Session, Case, Stamp], bool], now: datetime) -> int:
    """One transaction a case: nobody's lock waits for another's."""
    done = 0
    for case_id in ids:
        with transaction() as session:
            done += act(session, session.get_one(Case, case_id), Stamp(by="system:sweep", at=now))
    return done


def shut_out(now: datetime) -> int:
    """Appointments on what became a day off: how many were cancelled; each of these people gets a message."""
    terms, sms = slots.terms_of(house.settings()), messages.sender(house.settings(), wait=True)
    with reading() as session:
        ids = appointments.shut_out(session, terms, now)[:MOST_MESSAGES]
    told = 0
    for case_id in ids:
        with transaction() as session:
            case = session.get_one(Case, case_id)
            cancelled = appointments.cancel(session, case, Stamp(by="system:sweep", at=now))
            if cancelled is None:
                continue
            phone, words = case.investor.phone, appointments.shut_out_words(cancelled)
        sms.send(phone, words)
        told += 1
    return told


def misdated(now: datetime) -> int:
    """Open tasks of 复核 whose time to be due moved with the register of days off or the service hours: how many."""
    with reading() as session:
        ids = review.misdated(session)
    return _of_cases(ids, review.redate, now)


def reminders(now: datetime) -> int:
    """Messages before an appointment: how many. Claimed first and sent after the commit: never twice, whoever sweeps at the same time."""
    terms, sms = slots.terms_of(house.settings()), messages.sender(house.settings(), wait=True)
    for sent in range(MOST_MESSAGES):
        with transaction() as session:
            claimed = appointments.claim_reminder(session, terms, now)
            if claimed is None:
                return sent
            phone, words = claimed.case.investor.phone, appointments.reminder_words(claimed, now)
        sms.send(phone, words)
    return MOST_MESSAGES


def proofs(now: datetime) -> int:
    """Captchas, SMS codes and the development outbox of the day before: how many were deleted."""
    gone = 0
    with transaction() as session:
        for made_at in (Captcha.made_at, SmsCode.sent_at, OutgoingSms.at):
            statement = delete(made_at.class_).where(made_at < now - KEPT_PROOF)
            result = session.execute(statement.execution_options(synchronize_session=False))
            gone += cast("CursorResult[Any]", result).rowcount
    return gone


def views(now: datetime) -> int:
    """Calls that are over and have no film to look at: for how many it was asked for again."""
    with reading() as session:
        without = [call.session_no for call in copies.without_view(session, now)]
    asked = {ids.get("session_no") for ids in pending(Job.MAKE_VIEW)} if without else set()
    return sum(enqueue(Job.MAKE_VIEW, session_no=each) for each in without if each not in asked)


def old_views(now: datetime) -> int:
    """Films that were made again: of how many the old one was deleted. Another folder of the store at each sweep."""
    return _throw_away(evidence.outdated, now, OUTDATED_AFTER)


def strays(now: datetime) -> int:
    """Files that were sealed and never got their row: how many were deleted. Another folder of the store at each sweep."""
    return _throw_away(evidence.strays, now, STRAY_AFTER)


def _throw_away(found: Callable[[Session, int, datetime], list[str]], now: datetime, after: timedelta) -> int:
    with reading() as session:
        left = found(session, _folder_of(now), now - after)
    for path in left:
        store.current().throw_away(path)
    return len(left)


def _folder_of(now: datetime) -> int:
    return int(now.timestamp() // SWEEP_EVERY) % store.FOLDERS
