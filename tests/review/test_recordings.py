"""What a reviewer is shown of a recorded call: the film made of it or the recordings, its chapters, and which second is damaged."""

import html
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.cases.models import Case
from console.db import reading, transaction
from console.evidence import service as evidence
from console.evidence import store
from console.evidence.models import Evidence
from console.review import case_page
from console.stamp import Stamp
from console.video_seat import challenges, controls, copies, service, texts, timeline
from console.video_seat.controls import State
from console.video_seat.models import CheckMark, CheckResult, Suspicion, Verdict, VideoSession
from console.video_seat.timeline import Switch
from tests import films
from tests.review.given import case_in_review, video_of
from tests.world import stamp
from worker.recordings import linked

NOW = datetime.now(UTC)


@pytest.fixture
def call(app, tmp_path: Path) -> VideoSession:
    """Nine seconds of both sides, one mark after four."""
    with transaction() as session:
        case = case_in_review(session, at=NOW)
        call = session.query(VideoSession).one()
        call.acknowledged_at = NOW
        for side in ("investor", "witness"):
            path = films.film(tmp_path / f"{side}-1.webm")
            with path.open("rb") as source, evidence.sealed(source) as sealed:
                told = (session, call.session_no, side, 1, sealed, NOW, 8900, stamp("system:recordings"))
                service.keep_recording(*told, chain=linked(path))
        call.marks.append(
            CheckMark(item="field:name", result=CheckResult.OK, at=NOW + timedelta(seconds=4), by="staff:1")
        )
        assert call.case is case
        return call


def address(call: VideoSession, what: str = "") -> str:
    return f"/review/{call.case.case_no}" + (f"/calls/{call.session_no}/{what}" if what else "")


def given_view(call: VideoSession, *, burned_in: bool = True) -> str:
    """A film made of it; its id."""
    with transaction() as session:
        found = copies.fetch(session, call.session_no)
        made_of = sorted(recording.evidence.public_id for recording in found.recordings)
        with evidence.sealed(io.BytesIO(b"film")) as sealed:
            made = copies.keep(session, found, made_of, sealed, (1280, 528), burned_in, stamp())
            assert made is not None
            return made.public_id


def plan(page: str) -> dict:
    return json.loads(re.search(r"data-player='([^']*)'", page)[1])


def test_without_a_film_the_recordings_are_played_and_the_page_says_so(as_staff, call):
    page = as_staff("qinlang").get(address(call)).get_data(as_text=True)
    assert plan(page)["view"] is None
    assert "正在显示：原始录像" in page and "data-swap" not in page


def test_with_a_film_it_is_played_first_and_the_recordings_stay_within_reach(as_staff, call):
    view = given_view(call)
    client = as_staff("qinlang")
    page = client.get(address(call)).get_data(as_text=True)
    assert plan(page)["view"] == {"view": [{"id": view, "start": 0, "length": 8900}]}
    assert "由原始录像合成的并排画面" in page and "data-swap" in page
    assert page.count(" download=") == 2 == len(re.findall("/evidence/[0-9a-f]{32}", page.split("data-films")[1]))
    assert client.get(f"/evidence/{view}").get_data() == b"film"


def test_an_old_film_that_was_swept_away_is_not_there_and_no_alarm(as_staff, call):
    view = given_view(call)
    with transaction() as session:
        film = session.query(Evidence).filter_by(public_id=view).one()
        store.current().throw_away(film.path)
    client = as_staff("qinlang")
    assert client.get(f"/evidence/{view}").status_code == 500, "the film of now must be there"
    with transaction() as session:
        session.query(Evidence).filter_by(public_id=view).one().superseded_at = NOW
    assert client.get(f"/evidence/{view}").status_code == 404


def test_only_a_film_without_time_in_its_picture_gets_captions(as_staff, call):
    given_view(call, burned_in=False)
    client = as_staff("qinlang")
    assert "captions.vtt" in client.get(address(call)).get_data(as_text=True)
    said = client.get(address(call, "captions.vtt"))
    assert said.mimetype == "text/vtt"
    text = said.get_data(as_text=True)
    assert text.count("-->") == 9 and text.count("见证人 陆文珊　执业资格证号 F0300127") == 9


def test_the_chapters_are_the_marked_moments(as_staff, call):
    text = as_staff("qinlang").get(address(call, "chapters.vtt")).get_data(as_text=True)
    assert "00:00:04.000 --> 00:00:08.900" in text


def test_challenges_are_moments_too_and_texts_and_muted_times_stand_beside_them(as_staff, call):
    def mark(seconds: float) -> Stamp:
        return stamp("staff:1", NOW + timedelta(seconds=seconds))

    with transaction() as session:
        found = session.get_one(VideoSession, call.id)
        found.ended_at = None
        digits = challenges.ask_digits(session, found, "digits-001", mark(1)).digits
        challenges.judge_digits(session, found, "digits-001", False, mark(2))
        texts.send(session, found, "text-0001", "请靠近一点", mark(3))
        for seconds, state in ((4, State.OFF), (6, State.ON)):
            states = {Switch.MICROPHONE: state, Switch.CAMERA: State.ON}
            controls.report(session, found, timeline.INVESTOR, states, mark(seconds))
        found.ended_at = mark(9).at
    client = as_staff("qinlang")
    title = f"读数字 {' '.join(digits)}：读错"
    page = client.get(address(call)).get_data(as_text=True)
    assert f"口令 {title}" in client.get(address(call, "chapters.vtt")).get_data(as_text=True)
    player, steps = page.split("事实与差异")
    for shown in (player, steps):
        assert title in shown and "请靠近一点" in shown and "投资者静音 2 秒" in shown


def test_the_call_of_another_case_is_not_there(as_staff, call):
    with transaction() as session:
        other = case_in_review(session, "许砚青", at=NOW)
        strange = video_of(session, other, "luwenshan", NOW).session_no
    client = as_staff("qinlang")
    for what in ("chapters.vtt", "captions.vtt", "verified"):
        assert client.get(f"/review/{call.case.case_no}/calls/{strange}/{what}").status_code == 404


def test_a_damaged_second_is_named_and_the_other_recording_is_whole(as_staff, call):
    with reading() as session:
        damaged = copies.fetch(session, call.session_no).recordings[0].evidence
    body = bytearray(evidence.clear_bytes(damaged))
    body[damaged.facts["chain"]["header"] + sum(damaged.facts["chain"]["lengths"][:3]) + 50] ^= 1
    made = store.current().keep(io.BytesIO(body))
    (store.current().root / made.path).replace(store.current().root / damaged.path)
    judged = as_staff("qinlang").get(address(call, "verified")).get_json()["recordings"]
    assert [(film["side"], film["intact"], film["clusters"], film["words"]) for film in judged] == [
        ("investor", False, 9, "第 3 秒与封存时不一致"),
        ("witness", True, 9, "与封存时一致"),
    ]


# --- several calls


@pytest.fixture
def earlier(call, tmp_path: Path) -> VideoSession:
    """A call of the same case, a day before, by another witness: five seconds and a mark after two."""
    with transaction() as session:
        case = session.get_one(Case, call.case_id)
        made, began = video_of(session, case, "weiyinuo", NOW - timedelta(days=1)), NOW - timedelta(days=1)
        made.verdict, made.acknowledged_at = Verdict.REJECTED, began
        path = films.film(tmp_path / "earlier.webm", seconds=5, started_at=began)
        with path.open("rb") as source, evidence.sealed(source) as sealed:
            told = (session, made.session_no, "investor", 1, sealed, began, 5000, stamp("system:recordings"))
            service.keep_recording(*told)
        mark = CheckMark(item="field:name", result=CheckResult.PROBLEM, at=began + timedelta(seconds=2), by="staff:2")
        made.marks.append(mark)
        return made


def shown_call(page: str) -> str:
    return re.search(r'data-call="([^"]*)"', page)[1]


def test_every_call_of_the_case_can_be_played_with_its_own_recordings_and_moments(as_staff, call, earlier):
    client = as_staff("qinlang")
    page = client.get(address(call)).text
    latest = max(call, earlier, key=lambda each: each.id)
    assert shown_call(page) == latest.session_no
    for each, length in ((call, 8900), (earlier, 5000)):
        link = f"{address(call)}?call={each.session_no}"
        assert f'href="{link}"' in page
        chosen = client.get(link).text
        assert (shown_call(chosen), plan(chosen)["length"]) == (each.session_no, length)
        assert f"/calls/{each.session_no}/verified" in chosen
    assert "驳回" in page.split('class="which"')[1].split("</nav>")[0]


def test_moments_lead_into_the_call_they_belong_to(as_staff, call, earlier):
    page = html.unescape(as_staff("qinlang").get(address(call)).text)
    for each, at in ((call, 4000), (earlier, 2000)):
        assert f'href="{address(call)}?call={each.session_no}&at={at}"' in page
    begun = as_staff("qinlang").get(f"{address(call)}?call={earlier.session_no}&at=2000").text
    assert 'data-begin="2000"' in begun


def test_the_moments_of_a_suspicion_lead_into_the_call(as_staff, call):
    with transaction() as session:
        found = session.get_one(VideoSession, call.id)
        raised = Suspicion(session=found, branch_id=found.case.branch_id, raised_at=NOW)
        raised.raised_by, raised.raised_person = found.witness_id, found.witness_person
        session.add(raised)
    page = html.unescape(as_staff("fangyi").get(f"/seat/held?call={call.session_no}").text)
    assert f'href="{address(call)}?call={call.session_no}&at=4000"' in page


def test_a_call_without_recordings_has_no_links_and_the_call_of_another_case_is_not_there(as_staff, call):
    with transaction() as session:
        silent = video_of(session, session.get_one(Case, call.case_id), "weiyinuo", NOW).session_no
        strange = video_of(session, case_in_review(session, "许砚青", at=NOW), "luwenshan", NOW).session_no
    client = as_staff("qinlang")
    assert f"?call={silent}" not in client.get(address(call)).text
    for number in (silent, strange, "no-such-call"):
        assert client.get(f"{address(call)}?call={number}").status_code == 404


# --- what is missing


@pytest.fixture
def broken(app, tmp_path: Path) -> VideoSession:
    """The witness's side from the answering on; the investor's from the consent, two seconds later, with four seconds missing."""
    with transaction() as session:
        case_in_review(session, at=NOW)
        call = session.query(VideoSession).one()
        call.acknowledged_at, call.ended_at = NOW + timedelta(seconds=2), NOW + timedelta(seconds=12)
        pieces = (("witness", 1, 0, 12), ("investor", 1, 2, 3), ("investor", 2, 9, 3))
        for side, segment, after, seconds in pieces:
            path = films.film(
                tmp_path / f"{side}-{segment}.webm", seconds=seconds, started_at=NOW + timedelta(seconds=after)
            )
            with path.open("rb") as source, evidence.sealed(source) as sealed:
                told = (session, call.session_no, side, segment, sealed, NOW + timedelta(seconds=after), seconds * 1000)
                service.keep_recording(*told, stamp("system:recordings"))
        return call


def test_the_reviewer_sees_the_gaps_of_the_timeline_and_no_others(as_staff, broken):
    """Before the consent nothing had to be recorded; what is missing afterwards begins where the timeline says."""
    with reading() as session:
        found = copies.fetch(session, broken.session_no)
        (gap,) = timeline.gaps(found, timeline.segments(found))
        (shown,) = case_page.calls(session, found.case)[0].gaps
        assert (shown.start, shown.length) == (5000, 4000)
        assert (gap.began - NOW, gap.ended - gap.began) == (timedelta(seconds=5), timedelta(seconds=4))
    page = as_staff("qinlang").get(address(broken)).get_data(as_text=True)
    assert page.count("投资者画面中断 4 秒") == 1 and "尚未接通" not in page
