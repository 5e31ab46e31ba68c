"""Reading proof: skipping is refused, the server's clock counts, the hash is bound, a version retired in the middle still counts."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from console.agreements import proof, service
from console.agreements.models import Purpose
from console.agreements.proof import NotOpened, NotRead, OtherText
from console.cases.models import CaseEvent
from console.cases.service import abandon
from tests.agreements.given import of, published, read_to_the_end, text
from tests.world import AT, given_case

SOON = AT + timedelta(minutes=2)


def opened(session):
    case = given_case(session, business="add_trading_code")
    version = published(session, "rules", Purpose.READ)
    return case, version, proof.open_reading(session, case, version, of(case))


def finish(session, case, version, seen, shown_ms=60_000, at=SOON, sha256=None):
    return proof.finish(session, case, version.id, sha256 or version.sha256, seen, shown_ms, of(case, at))


def all_pages(reading):
    return range(1, reading.pages + 1)


def test_reading_every_page_is_proof_and_leaves_a_line(session) -> None:
    case, version, reading = opened(session)
    finish(session, case, version, all_pages(reading))
    assert (reading.finished_at, reading.dwell_ms) == (SOON, 60_000)
    line = session.scalars(select(CaseEvent).where(CaseEvent.action == "document_read")).one()
    assert line.detail["sha256"] == version.sha256
    assert not service.unread(session, case, Purpose.READ)


def test_skipping_a_page_is_refused_and_says_how_many_are_missing(session) -> None:
    case, version, reading = opened(session)
    with pytest.raises(NotRead) as refused:
        finish(session, case, version, [page for page in all_pages(reading) if page not in (2, 3)])
    assert "请完整阅读该协议内容" in refused.value.text
    assert "2 页" in refused.value.text
    assert reading.finished_at is None


def test_pages_that_do_not_exist_do_not_count(session) -> None:
    case, version, reading = opened(session)
    proof.progress(session, case, version.id, [0, -1, reading.pages + 1, 10**9], 1000, of(case, SOON))
    assert reading.pages_seen == []


def test_pages_add_up_over_several_visits(session) -> None:
    case, version, reading = opened(session)
    proof.progress(session, case, version.id, [1, 2], 30_000, of(case, SOON))
    later = SOON + timedelta(days=1)
    finish(session, case, version, range(3, reading.pages + 1), shown_ms=45_000, at=later)
    assert (reading.finished_at, reading.dwell_ms) == (later, 45_000)


def test_nobody_reads_faster_than_is_possible_whatever_the_browser_says(session) -> None:
    case, version, reading = opened(session)
    just_after = AT + proof.quickest(version) / 2
    with pytest.raises(NotRead) as refused:
        finish(session, case, version, all_pages(reading), shown_ms=3_600_000, at=just_after)
    assert "太快" in refused.value.text
    assert reading.finished_at is None
    assert reading.dwell_ms <= (just_after - AT).total_seconds() * 1000


def test_a_text_that_was_never_on_the_screen_was_not_read(session) -> None:
    case, version, reading = opened(session)
    with pytest.raises(NotRead):
        finish(session, case, version, all_pages(reading), shown_ms=0)


def test_the_proof_is_bound_to_the_text_the_page_showed(session) -> None:
    case, version, reading = opened(session)
    with pytest.raises(OtherText):
        finish(session, case, version, all_pages(reading), sha256="0" * 64)
    assert reading.finished_at is None


def test_finishing_again_changes_nothing(session) -> None:
    case, version, reading = opened(session)
    finish(session, case, version, all_pages(reading))
    finish(session, case, version, [], at=SOON + timedelta(hours=1))
    assert reading.finished_at == SOON
    assert len(session.scalars(select(CaseEvent).where(CaseEvent.action == "document_read")).all()) == 1


def test_a_reading_that_was_not_opened_cannot_be_finished(session) -> None:
    case = given_case(session, business="add_trading_code")
    version = published(session, "rules", Purpose.READ)
    with pytest.raises(NotOpened):
        finish(session, case, version, [1])


def test_opening_again_keeps_the_first_clock(session) -> None:
    case, version, reading = opened(session)
    assert proof.open_reading(session, case, version, of(case, SOON)) is reading
    assert reading.started_at == AT


def test_a_version_retired_in_the_middle_still_counts_if_it_was_in_force_when_opened(session) -> None:
    case, version, reading = opened(session)
    published(session, "rules", Purpose.READ, source=text("rules", 50), at=SOON)
    assert proof.readable(session, case, version.id) is version
    finish(session, case, version, all_pages(reading), at=SOON + timedelta(minutes=1))
    assert not service.unread(session, case, Purpose.READ)


def test_a_retired_version_is_not_opened_any_more(session) -> None:
    case = given_case(session, business="add_trading_code")
    version = published(session, "rules", Purpose.READ)
    published(session, "rules", Purpose.READ, source=text("rules", 50), at=SOON)
    assert proof.readable(session, case, version.id) is None
    with pytest.raises(OtherText):
        proof.open_reading(session, case, version, of(case, SOON))


def test_a_notice_or_a_text_of_another_business_is_not_for_this_case(session) -> None:
    case = given_case(session)
    assert proof.readable(session, case, published(session, "notice", Purpose.NOTICE).id) is None
    other = published(session, "codes", Purpose.READ, businesses=("add_trading_code",))
    assert proof.readable(session, case, other.id) is None


def test_an_ended_case_reads_nothing_new(session) -> None:
    case = given_case(session)
    version = published(session, "rules", Purpose.READ)
    abandon(case, of(case))
    with pytest.raises(OtherText):
        proof.open_reading(session, case, version, of(case))


def test_each_case_has_a_proof_of_its_own(session) -> None:
    case, version, _ = opened(session)
    read_to_the_end(session, case, version)
    other = given_case(session, "许砚青", "add_trading_code")
    assert service.unread(session, other, Purpose.READ) == [version]
