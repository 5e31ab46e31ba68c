"""Renumbering, repair and reception statistics of single streams."""

from itertools import pairwise

import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor

from worker.media import rtp
from worker.media.streams import NACK_INTERVAL, NACK_TRIES, InboundStream, OutboundStream, unwrap_rtx


def video(sequence: int, timestamp: int, *, key: bool = False, picture: int = 0, tl0: int | None = None) -> rtp.Packet:
    descriptor = bytes(VpxPayloadDescriptor(partition_start=1, partition_id=0, picture_id=picture, tl0picidx=tl0))
    frame = b"\x00key" if key else b"\x01delta"
    return rtp.Packet(True, 96, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, 1, b"abc", descriptor + frame)


def outbound(**how: int) -> OutboundStream:
    return OutboundStream("video", ssrc=7, payload_type=100, rtx_ssrc=8, rtx_payload_type=101, **how)


def sent(stream: OutboundStream, packet: rtp.Packet, now: float = 0.0, identity: int | None = None) -> rtp.Packet:
    data = stream.forward(packet, now)
    assert data is not None
    return rtp.parse(data, identity)


def test_a_packet_goes_out_with_the_other_sides_numbers_and_only_the_send_time() -> None:
    out = sent(outbound(abs_send_time_id=5), video(10, 3000, key=True), identity=5)
    assert (out.ssrc, out.payload_type, out.marker, out.timestamp) == (7, 100, True, 3000)
    assert out.abs_send_time == b"abc"


def test_without_the_extension_at_the_other_side_the_header_is_bare() -> None:
    data = outbound().forward(video(10, 3000, key=True), 0.0)
    assert data is not None
    assert data[0] == rtp.VERSION


def test_video_waits_for_a_key_frame() -> None:
    stream = outbound()
    assert stream.forward(video(9, 0), 0.0) is None
    assert stream.forward(video(10, 3000, key=True), 0.0) is not None
    assert stream.forward(video(11, 6000), 0.0) is not None


def test_what_came_before_the_key_frame_is_not_sent_after_it() -> None:
    stream = outbound()
    sent(stream, video(10, 3000, key=True))
    assert stream.forward(video(9, 0), 0.0) is None


def test_numbers_follow_the_source_across_its_wrap() -> None:
    stream = outbound()
    first = sent(stream, video(65534, 0, key=True)).sequence
    numbers = [first] + [sent(stream, video(65534 + n, 0)).sequence for n in range(1, 5)]
    assert [(b - a) & 0xFFFF for a, b in pairwise(numbers)] == [1, 1, 1, 1]


def test_after_a_switch_numbers_times_and_picture_ids_go_on_though_the_source_jumps_back() -> None:
    stream = outbound()
    sent(stream, video(40000, 900_000, key=True, picture=500, tl0=9), now=10.0)
    last = sent(stream, video(40001, 906_000, picture=501, tl0=10), now=10.1)
    stream.switch_source()
    assert stream.forward(video(4, 0), 11.0) is None
    first = sent(stream, video(5, 1000, key=True, picture=3, tl0=200), now=11.1)
    assert first.sequence == (last.sequence + 1) & 0xFFFF
    assert first.timestamp == last.timestamp + 90000
    assert rtp.vp8_picture_ids(first.payload) == (502, 11)
    following = sent(stream, video(6, 7000, picture=4, tl0=201), now=11.2)
    assert (following.sequence - first.sequence, following.timestamp - first.timestamp) == (1, 6000)
    assert rtp.vp8_picture_ids(following.payload) == (503, 12)


def test_sound_goes_on_at_once_after_a_switch() -> None:
    stream = OutboundStream("audio", ssrc=7, payload_type=111)
    last = sent(stream, rtp.Packet(False, 96, 100, 48000, 1, None, b"opus"), now=1.0)
    stream.switch_source()
    following = sent(stream, rtp.Packet(False, 96, 65000, 5, 2, None, b"opus"), now=1.5)
    assert following.sequence == (last.sequence + 1) & 0xFFFF
    assert following.timestamp == last.timestamp + 24000


def test_a_sent_packet_can_be_sent_again_and_unwraps_to_itself() -> None:
    stream = outbound(abs_send_time_id=5)
    original = sent(stream, video(10, 3000, key=True), identity=5)
    again = [stream.repair(original.sequence) for _ in range(2)]
    assert again[0] is not None
    assert again[1] is not None
    wrapped = rtp.parse(again[0], 5)
    assert (wrapped.ssrc, wrapped.payload_type) == (8, 101)
    unwrapped = unwrap_rtx(wrapped, payload_type=100, ssrc=7)
    assert unwrapped is not None
    for field in ("marker", "payload_type", "sequence", "timestamp", "ssrc", "abs_send_time", "payload"):
        assert getattr(unwrapped, field) == getattr(original, field)
    assert rtp.parse(again[1]).sequence == (wrapped.sequence + 1) & 0xFFFF


def test_a_packet_sent_long_ago_is_forgotten() -> None:
    stream = outbound()
    first = sent(stream, video(0, 0, key=True)).sequence
    for number in range(1, 600):
        sent(stream, video(number, 0))
    assert stream.repair(first) is None


def test_a_probe_without_a_packet_in_it_unwraps_to_nothing() -> None:
    assert unwrap_rtx(rtp.Packet(False, 97, 1, 1, 1, None, b""), payload_type=96, ssrc=1) is None


def receive(stream: InboundStream, *sequences: int) -> list[bool]:
    return [stream.note(sequence & 0xFFFF, 3000 * n, n / 30) for n, sequence in enumerate(sequences)]


def test_gaps_are_missing_until_they_are_filled_also_across_the_wrap() -> None:
    stream = InboundStream("video")
    receive(stream, 65533, 65537)
    assert sorted(stream.missing) == [0, 65534, 65535]
    receive(stream, 65534, 0)
    assert sorted(stream.missing) == [65535]


def test_a_missing_packet_is_asked_for_a_few_times_and_given_up() -> None:
    stream = InboundStream("video")
    receive(stream, 1, 3)
    asked = [stream.due_nacks(n * NACK_INTERVAL * 1.1) for n in range(NACK_TRIES + 2)]
    assert asked == [[2]] * NACK_TRIES + [[], []]


def test_it_is_not_asked_for_twice_at_once() -> None:
    stream = InboundStream("video")
    receive(stream, 1, 3)
    assert stream.due_nacks(1.0) == [2]
    assert stream.due_nacks(1.0 + NACK_INTERVAL / 2) == []


def test_a_gap_too_long_to_repair_asks_for_a_key_frame_instead() -> None:
    stream = InboundStream("video")
    assert receive(stream, 1, 400) == [True, False]
    assert not stream.missing


def test_lost_sound_is_asked_for_only_where_the_sender_agreed_to_repeat_it() -> None:
    deaf, willing = InboundStream("audio", repairable=False), InboundStream("audio", repairable=True)
    for stream in (deaf, willing):
        receive(stream, 1, 5)
    assert not deaf.missing
    assert willing.due_nacks(1.0) == [2, 3, 4]


def test_sound_is_sent_again_as_it_was() -> None:
    stream = OutboundStream("audio", ssrc=7, payload_type=111)
    data = stream.forward(rtp.Packet(False, 96, 100, 48000, 1, None, b"opus"), 1.0)
    assert data is not None
    assert stream.repair(rtp.parse(data).sequence) == data


def test_the_report_counts_losses_lately_and_in_all() -> None:
    stream = InboundStream("video")
    assert stream.report() is None
    receive(stream, 65534, 65535, 65537, 65538)
    first, second = stream.report(), stream.report()
    assert first is not None
    assert second is not None
    assert (first.packets_lost, first.fraction_lost, first.highest_sequence) == (1, 256 // 5, 65538)
    assert (second.packets_lost, second.fraction_lost) == (1, 0)


def test_even_arrival_has_no_jitter_and_uneven_has() -> None:
    even, uneven = InboundStream("video"), InboundStream("video")
    for n in range(50):
        even.note(n, n * 3000, n / 30)
        uneven.note(n, n * 3000, n / 30 + (n % 2) * 0.02)
    smooth, rough = even.report(), uneven.report()
    assert smooth is not None
    assert rough is not None
    assert smooth.jitter == 0
    assert rough.jitter == pytest.approx(0.02 * 90000, rel=0.1)
