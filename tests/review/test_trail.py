"""留痕 of a case: every line says what it is about, by the title that people know."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from console.cases.models import Case
from console.cases.trail import HAPPENING_TITLES, Happening, note
from console.db import transaction
from console.evidence.models import Kind
from console.review.trail import TOLD, TrailLine, trail
from console.video_seat import service
from console.video_seat.models import CheckResult, VideoSession
from tests.review.given import case_in_review
from tests.video_seat.given import at, snapped, talking
from tests.world import stamp


def lines(session: Session, case: Case, action: str) -> list[TrailLine]:
    session.refresh(case, ["events"])
    return [line for line in trail(session, case) if line.action == action]


@pytest.fixture
def call(session: Session) -> VideoSession:
    return talking(session)


def test_a_mark_names_its_question_as_it_was_asked_and_how_it_came_out(session: Session, call: VideoSession) -> None:
    service.mark(session, call, "own_will", CheckResult.PROBLEM, at(2), reason="unclear")
    (line,) = lines(session, call.case, Happening.CHECK_MARKED)
    assert (line.about, line.mark, line.call) == (
        "确认本人自愿修改结算账户，有问题，回答含糊，听不清",
        "bad",
        call.session_no,
    )


def test_a_check_names_its_fields_and_the_reason(session: Session, call: VideoSession) -> None:
    service.check_fields(session, call, ["name", "id_no"], CheckResult.OK, at(2))
    service.check_fields(session, call, ["address"], CheckResult.PROBLEM, at(3), reason="unlike_id")
    flagged, agreed = lines(session, call.case, Happening.FIELD_CHECKED)
    assert (agreed.about, agreed.mark) == ("姓名、公民身份号码，一致", "")
    assert flagged.about.startswith("住址，不符，") and flagged.mark == "bad" and "unlike_id" not in flagged.about


def test_pictures_and_revealed_fields_are_named(session: Session, call: VideoSession, tmp_path: Path) -> None:
    snapped(session, call, Kind.SNAPSHOT_FACE, tmp_path)
    note(call.case, Happening.DATA_REVEALED, at(3), field="card:1", why="核对卡号")
    assert [line.about for line in lines(session, call.case, Happening.SNAPSHOT_TAKEN)] == ["人脸"]
    assert [line.about for line in lines(session, call.case, Happening.DATA_REVEALED)] == ["银行卡 2，事由：核对卡号"]


def test_what_is_not_known_any_more_shows_as_its_code(session: Session, call: VideoSession) -> None:
    told = {"session": call.session_no, "item": "asked_long_ago", "result": "ok"}
    note(call.case, Happening.CHECK_MARKED, at(3), **told)
    assert lines(session, call.case, Happening.CHECK_MARKED)[0].about == "asked_long_ago，正常"


def test_only_things_that_happen_are_told_of() -> None:
    assert set(TOLD) <= set(HAPPENING_TITLES)


def test_the_page_shows_it(app: Flask, as_staff) -> None:
    with transaction() as session:
        case = case_in_review(session, at=datetime.now(UTC))
        note(case, Happening.DATA_REVEALED, stamp(), field="phone", why="电话回访")
    assert "查看完整信息：手机号，事由：电话回访" in as_staff("qinlang").get(f"/review/{case.case_no}").text
