"""Ten minutes in two real browsers: each side drops, the node dies, and what was recorded verifies and plays. `make soak`."""

import time
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from console import db
from console.evidence import service as evidence
from console.video_seat import copies, timeline
from console.video_seat.models import VideoSession
from tests.worker.media.nodes import wait_until

from .breaking import HERS, HIS, MOVES_WITHIN, frozen, in_a_call, seconds_until_new_pictures, stream_of, the_call
from .cast import Cast
from .kept import assert_recordings_are_whole, decoded
from .people import SLOWLY

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1200)]
LASTS = 600  # seconds
AWAY = 6  # seconds
FILM_WITHIN = 400  # seconds
LOST = timedelta(seconds=60)  # of ten minutes with two drops and a death, at most, may be unrecorded


def test_ten_minutes_with_both_sides_dropped_and_the_node_killed_are_kept_verified_and_played(cast: Cast) -> None:
    lu, zhou = in_a_call(cast)
    pages = {HERS: lu.page, HIS: zhou.page}
    began = time.monotonic()

    def stay_until(second: float) -> None:
        zhou.page.wait_for_timeout(max(0.0, began + second - time.monotonic()) * 1000)

    stay_until(LASTS * 0.2)
    with frozen(cast.phones):
        time.sleep(AWAY)
    expect(lu.page.locator("[data-peer] .line-down")).to_be_hidden(timeout=SLOWLY)
    lu.sees_the_investor()
    stay_until(LASTS * 0.4)
    with frozen(cast.desktops):
        time.sleep(AWAY)
    expect(zhou.page.locator(".line-down")).to_be_hidden(timeout=SLOWLY)
    zhou.sees_the_witness()
    stay_until(LASTS * 0.6)
    former = {selector: stream_of(page, selector) for selector, page in pages.items()}
    killed_at = time.monotonic()
    cast.running.kill("worker.media")
    took = seconds_until_new_pictures(pages, former, killed_at)
    assert took < MOVES_WITHIN
    stay_until(LASTS)

    for what in ("人脸", "手持证件", "正面", "反面", "整幅"):
        lu.snapshot(what)
    lu.mark_everything()
    lu.pass_the_case()
    wait_until(lambda: film() is not None, FILM_WITHIN)
    assert_the_call_was_recorded()
    assert_recordings_are_whole(4, shortest=LASTS * 0.3)
    frames, sounds, end = decoded(film() or b"")
    assert frames > LASTS and sounds > LASTS and abs(end - LASTS) < LOST.total_seconds()
    verified = cast.running.console("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    print(f"new pictures {took:.1f} s after the death of the node")


def film() -> bytes | None:
    """Of both sides, made when everything of the call is kept."""
    with db.reading() as session:
        kept = copies.view_of(session.get_one(VideoSession, the_call().id))
        return evidence.clear_bytes(kept) if kept else None


def assert_the_call_was_recorded() -> None:
    """From the consent to the end but for the drops, each of which is told."""
    with db.reading() as session:
        call = session.get_one(VideoSession, the_call().id)
        assert call.acknowledged_at is not None and call.ended_at is not None
        told = [gap for gap in timeline.gaps(call, timeline.segments(call)) if gap.why == "line"]
        lost = sum((gap.ended - gap.began for gap in told), timedelta())
        print(f"{call.ended_at - call.acknowledged_at} with {len(told)} gaps, {lost} in all")
        assert len(told) >= 2 and lost < LOST
        assert call.ended_at - call.acknowledged_at > timedelta(seconds=LASTS - 5)
