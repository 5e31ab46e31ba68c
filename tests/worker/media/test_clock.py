"""One time line for sound and picture."""

import pytest

from worker.media.clock import MediaClock

NTP_SECOND = 1 << 32
SENDER_START = 3_900_000_000 * NTP_SECOND


def ntp(seconds: float) -> int:
    return SENDER_START + round(seconds * NTP_SECOND)


def test_time_begins_with_the_first_packet_and_follows_the_timestamps_not_the_arrivals() -> None:
    clock = MediaClock(100.0)
    assert clock.time_of("video", 90_000, 100.0) == 0
    assert clock.time_of("video", 93_000, 100.09) == 33
    assert clock.time_of("video", 96_000, 100.07) == 67


def test_timestamps_may_wrap() -> None:
    clock = MediaClock(0.0)
    clock.time_of("audio", 0xFFFFFFFF - 959, 0.0)
    assert clock.time_of("audio", 960, 0.04) == 40


def test_sender_reports_bring_sound_to_the_picture_though_it_came_late() -> None:
    clock = MediaClock(0.0)
    clock.time_of("video", 1000, 0.0)
    clock.time_of("audio", 5000, 0.200)  # spoken with the first picture, 200 ms longer under way
    clock.report("video", ntp(10), 1000)
    clock.report("audio", ntp(10), 5000)
    assert clock.time_of("video", 1000 + 90_000, 1.0) == 1000
    assert clock.time_of("audio", 5000 + 48_000, 1.2) == 1000


def test_later_corrections_are_taken_in_small_steps() -> None:
    clock = MediaClock(0.0)
    for kind in ("video", "audio"):
        clock.time_of(kind, 0, 0.0)
        clock.report(kind, ntp(10), 0)
    clock.report("audio", ntp(10.010), 0)
    times = [clock.time_of("audio", 960 * n, 0.02 * n) - 20 * n for n in range(1, 15)]
    assert times[:3] == [1, 2, 3]
    assert times[-1] == 10


def test_a_clock_that_was_set_does_not_move_the_recording() -> None:
    clock = MediaClock(0.0)
    for kind in ("video", "audio"):
        clock.time_of(kind, 0, 0.0)
        clock.report(kind, ntp(10), 0)
    clock.report("audio", ntp(3600), 48_000)
    assert clock.time_of("audio", 48_000, 1.0) == 1000


def test_timestamps_that_start_over_are_placed_by_arrival() -> None:
    clock = MediaClock(0.0)
    clock.time_of("video", 90_000_000, 0.0)
    assert clock.time_of("video", 17, 5.0) == 5000
    assert clock.time_of("video", 17 + 9_000, 5.1) == pytest.approx(5100)
