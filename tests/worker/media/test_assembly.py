"""Putting packets in order and frames together."""

import random

from aiortc.codecs.vpx import Vp8Encoder
from hypothesis import given
from hypothesis import strategies as st

from worker.media import rtp
from worker.media.assembly import HOLD, Assembler, Frame, Reorder

KEY = bytes.fromhex("1002009d012a") + (320).to_bytes(2, "little") + (240).to_bytes(2, "little")


def packets(frames: list[bytes], *, first: int = 0) -> list[rtp.Packet]:
    """The frames as aiortc would send them."""
    made: list[rtp.Packet] = []
    for number, frame in enumerate(frames):
        parts = Vp8Encoder._packetize(frame, number)
        for part in parts:
            sequence = (first + len(made)) & 0xFFFF
            made.append(rtp.Packet(part is parts[-1], 96, sequence, number * 3000, 1, None, part))
    return made


def frame(number: int, length: int) -> bytes:
    return (KEY if number == 0 else b"\x01") + bytes([number % 256]) * length


class Collector:
    """An assembler and what came out of it."""

    def __init__(self, kind: str = "video") -> None:
        self.frames: list[Frame] = []
        self.gaps = 0
        self.assembler = Assembler(kind, on_frame=self.frames.append, on_gap=self._gap)

    def _gap(self) -> None:
        self.gaps += 1

    def take(self, packets: list[rtp.Packet], now: float = 0.0) -> list[bytes]:
        for packet in packets:
            self.assembler.push(packet, now)
        return [frame.data for frame in self.frames]


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=12), st.integers(0, 0xFFFF), st.randoms())
def test_frames_come_out_whole_whatever_the_order_of_their_packets(
    lengths: list[int], first: int, chance: random.Random
) -> None:
    frames = [frame(number, length) for number, length in enumerate(lengths)]
    sent = packets(frames, first=first)
    head, rest = sent[0], sent[1:]
    chance.shuffle(rest)
    assert Collector().take([head, *rest]) == frames


def test_a_frame_is_given_out_with_its_last_packet() -> None:
    collector = Collector()
    sent = packets([frame(0, 3000)])
    assert collector.take(sent[:-1]) == []
    assert len(collector.take(sent[-1:])) == 1


def test_a_key_frame_tells_its_size() -> None:
    collector = Collector()
    collector.take(packets([frame(0, 10), frame(1, 10)]))
    assert [(out.key, out.size) for out in collector.frames] == [(True, (320, 240)), (False, None)]


def test_a_gap_is_waited_for_and_then_skipped_with_its_frame() -> None:
    collector = Collector()
    frames = [frame(number, 3000) for number in range(4)]
    sent = packets(frames)
    lost = sent[4]
    early = [packet for packet in sent if packet is not lost]
    assert collector.take(early[:-1]) == frames[:1]
    assert collector.take(early[-1:], HOLD * 2) == [frames[0], frames[2], frames[3]]
    assert (collector.gaps, collector.assembler.lost) == (1, 1)


def test_a_packet_that_comes_after_its_gap_was_skipped_is_dropped() -> None:
    collector = Collector()
    frames = [frame(number, 10) for number in range(3)]
    sent = packets(frames)
    collector.take([sent[0]])
    collector.take([sent[2]])
    collector.assembler.drain()
    assert collector.take([sent[1]]) == [frames[0], frames[2]]


def test_what_still_waits_at_the_end_is_given_out() -> None:
    collector = Collector("audio")
    for sequence in (5, 7, 8):
        collector.assembler.push(rtp.Packet(False, 96, sequence, 0, 1, None, bytes([sequence])), 0.0)
    collector.assembler.drain()
    assert [out.data for out in collector.frames] == [b"\x05", b"\x07", b"\x08"]


def test_order_holds_across_the_wrap() -> None:
    passed: list[int] = []
    order = Reorder(lambda packet: passed.append(packet.sequence), lambda count: None)
    for sequence in (65534, 0, 65535, 1):
        order.push(rtp.Packet(False, 96, sequence, 0, 1, None, b"x"), 0.0)
    assert passed == [65534, 65535, 0, 1]
