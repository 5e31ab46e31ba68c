"""RTP headers and VP8 descriptors, checked against aiortc's own reading and writing."""

import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensionsMap, RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from worker.media import rtp

ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"


def extensions(abs_send_time_id: int, mid_id: int = 1) -> HeaderExtensionsMap:
    known = HeaderExtensionsMap()
    pairs = ((abs_send_time_id, ABS_SEND_TIME), (mid_id, MID))
    known.configure(
        RTCRtpParameters(
            headerExtensions=[RTCRtpHeaderExtensionParameters(id=identity, uri=uri) for identity, uri in pairs]
        )
    )
    return known


def packet(payload: bytes = b"payload") -> RtpPacket:
    return RtpPacket(
        payload_type=97, marker=1, sequence_number=65535, timestamp=0xFFFFFFF0, ssrc=0xDEADBEEF, payload=payload
    )


def test_a_bare_packet_is_taken_apart() -> None:
    parsed = rtp.parse(packet().serialize())
    assert (parsed.marker, parsed.payload_type, parsed.sequence) == (True, 97, 65535)
    assert (parsed.timestamp, parsed.ssrc) == (0xFFFFFFF0, 0xDEADBEEF)
    assert (parsed.abs_send_time, parsed.payload) == (None, b"payload")


def test_contributing_sources_and_padding_are_left_out() -> None:
    sent = packet()
    sent.csrc, sent.padding_size = [1, 2, 3], 9
    assert rtp.parse(sent.serialize()).payload == b"payload"


@pytest.mark.parametrize("identity", [3, 14, 15, 200])
def test_the_send_time_is_found_among_other_extensions_in_both_forms(identity: int) -> None:
    sent = packet()
    sent.extensions.mid, sent.extensions.abs_send_time = "video", 0xABCDEF
    parsed = rtp.parse(sent.serialize(extensions(identity)), identity)
    assert parsed.abs_send_time == b"\xab\xcd\xef"
    assert parsed.payload == b"payload"


def test_an_extension_that_was_not_agreed_is_ignored() -> None:
    sent = packet()
    sent.extensions.mid = "video"
    assert rtp.parse(sent.serialize(extensions(3)), 3).abs_send_time is None


@given(st.binary(max_size=80))
def test_no_bytes_break_the_parser_otherwise_than_by_malformed(data: bytes) -> None:
    try:
        parsed = rtp.parse(data, 3)
    except rtp.Malformed:
        return
    assert len(parsed.payload) <= len(data) - rtp.HEADER_LENGTH


@given(st.binary(min_size=1, max_size=12))
def test_no_bytes_break_the_vp8_readers_otherwise_than_by_malformed(data: bytes) -> None:
    try:
        length = rtp.vp8_descriptor_length(data)
    except rtp.Malformed:
        return
    assert 1 <= length <= len(data)
    assert len(rtp.vp8_shift_picture_ids(data, 5, 7)) == len(data)


DESCRIPTORS = st.builds(
    VpxPayloadDescriptor,
    partition_start=st.integers(0, 1),
    partition_id=st.integers(0, 7),
    picture_id=st.none() | st.integers(0, 0x7FFF),
    tl0picidx=st.none() | st.integers(0, 255),
    tid=st.none() | st.tuples(st.integers(0, 3), st.integers(0, 1)),
    keyidx=st.none() | st.integers(0, 31),
)


@given(DESCRIPTORS)
def test_every_vp8_descriptor_is_measured_and_read(descriptor: VpxPayloadDescriptor) -> None:
    payload = bytes(descriptor) + b"\x00frame"
    assert rtp.vp8_descriptor_length(payload) == len(bytes(descriptor))
    assert rtp.vp8_picture_ids(payload) == (descriptor.picture_id, descriptor.tl0picidx)
    starts = bool(descriptor.partition_start) and descriptor.partition_id == 0
    assert rtp.vp8_starts_frame(payload) == rtp.vp8_starts_key_frame(payload) == starts


@given(DESCRIPTORS, st.integers(0, 0x7FFF), st.integers(0, 255))
def test_picture_ids_move_on_and_wrap_and_nothing_else_changes(
    descriptor: VpxPayloadDescriptor, picture_by: int, tl0_by: int
) -> None:
    payload = bytes(descriptor) + b"frame"
    moved, rest = VpxPayloadDescriptor.parse(rtp.vp8_shift_picture_ids(payload, picture_by, tl0_by))
    if descriptor.picture_id is not None:
        descriptor.picture_id = (descriptor.picture_id + picture_by) & 0x7FFF
    if descriptor.tl0picidx is not None:
        descriptor.tl0picidx = (descriptor.tl0picidx + tl0_by) & 0xFF
    assert vars(moved) == vars(descriptor)
    assert rest == b"frame"


def test_a_short_picture_id_stays_short() -> None:
    payload = b"\x90\x80\x7f" + b"\x00frame"
    assert rtp.vp8_shift_picture_ids(payload, 2, 0) == b"\x90\x80\x01" + b"\x00frame"
