"""Calls through a real node: real peers, real Redis, three calls at once.

One is ordinary, in one a side has no camera, and in one every twentieth picture packet gets lost both ways.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from PIL import Image

from console.adapters.media import MediaRefused, Snapshot
from tests.worker.media.nodes import Desk, RunningNode, decoded
from worker.media import chain
from worker.robots.peer import PeerStats, SyntheticPeer

RED, BLUE, GREEN = (200, 60, 60), (60, 60, 200), (60, 180, 60)
ALONE = 0.6  # seconds
TALKED = (20, 40)  # frames of picture and of sound that each side has got before the call ends
PATIENCE = 20.0  # seconds; a busy machine encodes slowly
LOSE_EVERY = 20


@dataclass
class Heard:
    """What a side received."""

    stats: PeerStats
    colour: tuple[int, int, int] | None
    tone: float


@dataclass
class Finished:
    """A call that is over, and everything that was found out during it."""

    heard: dict[str, Heard]
    answer: str
    seconds: dict[str, float]
    snapshot: Snapshot | None
    recordings: dict[str, dict[str, Any]]
    events: list[tuple[str, str]]
    counted: dict[str, dict[str, Any]]


def strongest(colour: tuple[int, int, int] | None) -> int:
    """Which of red, green and blue prevails: 0, 1 or 2."""
    assert colour is not None
    return colour.index(max(colour))


def lose_pictures(peer: SyntheticPeer) -> None:
    """Drop every twentieth of the large packets that this peer sends or receives."""
    ice = peer.connection.getTransceivers()[0].sender.transport.transport
    send, [protocol] = ice._send, ice._connection._protocols
    receive = protocol.datagram_received
    falls: dict[str, Callable[[bytes], bool]] = {way: every_twentieth() for way in ("in", "out")}

    async def leaky_send(data: bytes) -> None:
        if not falls["out"](data):
            await send(data)

    def leaky_receive(data: bytes, addr: Any) -> None:
        if not falls["in"](data):
            receive(data, addr)

    ice._send, protocol.datagram_received = leaky_send, leaky_receive


def every_twentieth() -> Callable[[bytes], bool]:
    count = 0

    def falls(data: bytes) -> bool:
        nonlocal count
        if data[0] < 128 or len(data) < 500:
            return False
        count += 1
        return count % LOSE_EVERY == 0

    return falls


async def until_talked(investor: SyntheticPeer, witness: SyntheticPeer, *, pictures: bool) -> None:
    """Until both sides have got enough of each other, and at least for so long that something can go wrong."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while loop.time() < begun + PATIENCE:
        await asyncio.sleep(0.2)
        got = [await investor.stats(), await witness.stats()]
        seen = min(each.frames for each in (got if pictures else got[:1]))
        if loop.time() > begun + 2.5 and seen >= TALKED[0] and min(each.audio_frames for each in got) >= TALKED[1]:
            return


async def hold_call(
    desk: Desk, node: RunningNode, call: str, *, camera: bool = True, lossy: bool = False, picture: bool = False
) -> Finished:
    """The investor waits alone for a moment, the witness joins, they talk, and the desk hangs up."""
    loop = asyncio.get_running_loop()
    answers: list[str] = []

    async def reach(sdp: str) -> str:
        answers.append(await desk.signal(call, "investor", node.name)(sdp))
        return answers[-1]

    small = {} if picture else {"width": 320, "height": 240, "fps": 10}
    investor = SyntheticPeer(reach, label="investor", colour=RED, tone_hz=440, camera=camera, **small)
    witness = SyntheticPeer(desk.signal(call, "witness", node.name), label="witness", colour=BLUE, tone_hz=660, **small)
    began = {}
    snapshot = None
    async with investor:
        began["investor"] = loop.time()
        await asyncio.sleep(ALONE)
        async with witness:
            began["witness"] = loop.time()
            if lossy:
                lose_pictures(investor)
                lose_pictures(witness)
            await until_talked(investor, witness, pictures=camera)
            if picture:
                snapshot = await asyncio.to_thread(desk.nodes.snapshot, call, "investor", node=node.name)
            heard = {
                "investor": Heard(await investor.stats(), investor.seen_colour(), investor.hears(660)),
                "witness": Heard(await witness.stats(), witness.seen_colour(), witness.hears(440)),
            }
            seconds = {side: loop.time() - at for side, at in began.items()}
            assert await asyncio.to_thread(desk.nodes.hang_up, call, node=node.name)
    return Finished(
        heard, answers[0], seconds, snapshot, desk.recordings(call), desk.events(call), node.legs_closed(call)
    )


@pytest.fixture(scope="module")
def calls(desk: Desk, node: RunningNode) -> dict[str, Finished]:
    async def hold_three() -> list[Finished]:
        return await asyncio.gather(
            hold_call(desk, node, "S-plain", picture=True),
            hold_call(desk, node, "S-dark", camera=False),
            hold_call(desk, node, "S-lossy", lossy=True),
        )

    return dict(zip(("plain", "dark", "lossy"), asyncio.run(hold_three()), strict=True))


def test_both_sides_see_each_other(calls: dict[str, Finished]) -> None:
    heard = calls["plain"].heard
    assert strongest(heard["witness"].colour) == 0
    assert strongest(heard["investor"].colour) == 2
    for side in heard.values():
        assert side.stats.frames >= TALKED[0]
        assert side.stats.picture_size == (640, 480)


def test_both_sides_hear_each_other(calls: dict[str, Finished]) -> None:
    for side in calls["plain"].heard.values():
        assert side.tone > 0.8
        assert side.stats.audio_frames >= TALKED[1]


def test_the_answer_takes_only_vp8_rtx_and_opus_with_error_correction(calls: dict[str, Finished]) -> None:
    lines = calls["plain"].answer.splitlines()
    codecs = {line.split()[1] for line in lines if line.startswith("a=rtpmap:")}
    assert codecs == {"opus/48000/2", "VP8/90000", "rtx/90000"}
    assert [line for line in lines if line.startswith("a=fmtp:") and "useinbandfec=1" in line]


def test_each_side_is_recorded_from_its_first_packet_though_it_waits_alone(calls: dict[str, Finished]) -> None:
    finished = calls["plain"]
    assert set(finished.recordings) == {"investor/1", "witness/1"}
    for side, seconds in finished.seconds.items():
        recorded = finished.recordings[f"{side}/1"]["duration_ms"] / 1000
        assert abs(recorded - seconds) < 1.5  # ICE and DTLS come before the first packet


@pytest.mark.parametrize(("recorded", "beheld"), [("investor", "witness"), ("witness", "investor")])
def test_a_recording_decodes_fully_and_holds_whatever_the_other_side_saw_and_heard(
    calls: dict[str, Finished], recorded: str, beheld: str
) -> None:
    times = decoded(calls["plain"].recordings[f"{recorded}/1"]["path"])
    received = calls["plain"].heard[beheld].stats
    assert len(times["video"]) >= received.frames > 0
    assert len(times["audio"]) >= received.audio_frames > 0
    for moments in times.values():
        assert moments == sorted(moments)


def test_a_call_tells_when_sides_connect_and_are_recorded(calls: dict[str, Finished]) -> None:
    events = calls["plain"].events
    for side in ("investor", "witness"):
        assert [event for of, event in events if of == side][:2] == ["connected", "recording"]
    assert ("investor", "lost") not in events


def test_what_the_node_tells_of_a_chain_is_where_the_chain_of_the_file_ends(
    desk: Desk, calls: dict[str, Finished]
) -> None:
    _, told = desk.nodes.heads("0-0")
    for name, recording in calls["plain"].recordings.items():
        side, segment = name.split("/")
        last = [head for head in told if (head.call, head.side, head.segment) == ("S-plain", side, int(segment))][-1]
        links = chain.of_file(Path(recording["path"]))
        assert (last.links, last.at_ms, last.hash) == (len(links), links[-1].at_ms, links[-1].hash)
        assert (last.node, last.began.isoformat()) == ("node-1", recording["started_at"])


def test_a_snapshot_is_the_picture_in_the_size_it_is_sent(calls: dict[str, Finished]) -> None:
    snapshot = calls["plain"].snapshot
    assert snapshot is not None
    with Image.open(snapshot.path) as picture:
        assert picture.format == "PNG"
        assert picture.size == (snapshot.width, snapshot.height) == (640, 480)
        red, _green, blue = picture.convert("RGB").getpixel((630, 400))
    assert red > 2 * blue
    assert snapshot.at.tzinfo is not None


def test_without_a_camera_the_voice_is_heard_and_recorded(calls: dict[str, Finished]) -> None:
    finished = calls["dark"]
    assert finished.heard["witness"].tone > 0.8
    assert finished.heard["witness"].stats.frames == 0
    assert finished.heard["investor"].stats.frames > 0
    recording = finished.recordings["investor/1"]
    assert len(decoded(recording["path"])["audio"]) >= finished.heard["witness"].stats.audio_frames > 0


def test_lost_packets_are_asked_for_and_sent_again(calls: dict[str, Finished]) -> None:
    finished = calls["lossy"]
    for leg in finished.counted.values():
        assert leg["repaired"] > 0
        assert leg["retransmitted"] > 0
        assert leg["frames_lost"] <= max(1, leg["repaired"] / 3)
    for side in finished.heard.values():
        assert side.stats.frames >= TALKED[0]


def test_libsrtp_refuses_nothing(calls: dict[str, Finished]) -> None:
    for finished in calls.values():
        assert finished.counted
        assert all(leg["refused"] == 0 for leg in finished.counted.values())


def test_the_log_holds_neither_sdp_nor_addresses_of_peers(calls: dict[str, Finished], node: RunningNode) -> None:
    assert calls
    text = node.log_text()
    assert "a=candidate" not in text
    assert "127.0.0.1" not in text


def test_a_snapshot_of_nobody_is_refused(desk: Desk, node: RunningNode) -> None:
    with pytest.raises(MediaRefused) as refused:
        desk.nodes.snapshot("S-nobody", "investor", node=node.name)
    assert refused.value.code == "no_call"


def test_an_offer_that_is_none_is_refused(desk: Desk, node: RunningNode) -> None:
    with pytest.raises(MediaRefused) as refused:
        desk.nodes.offer("S-bad", "investor", "v=0\r\nhello", node=node.name, epoch=1)
    assert refused.value.code == "bad_offer"
    assert desk.nodes.hang_up("S-bad", node=node.name)


def test_an_offer_of_sound_alone_is_answered_with_sound_alone(desk: Desk, node: RunningNode) -> None:
    async def offer_sound() -> str:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        connection.addTransceiver("audio")
        await connection.setLocalDescription(await connection.createOffer())
        answer = await desk.signal("S-sound", "investor", node.name)(connection.localDescription.sdp)
        await connection.close()
        return answer

    answer = asyncio.run(offer_sound())
    assert [line.split()[0] for line in answer.splitlines() if line.startswith("m=")] == ["m=audio"]
    assert desk.nodes.hang_up("S-sound", node=node.name)


def test_recordings_can_be_entered_in_the_middle(calls: dict[str, Finished]) -> None:
    with av.open(calls["plain"].recordings["investor/1"]["path"]) as container:
        assert container.duration is not None
        container.seek(2_000_000)
        frame = next(container.decode(video=0))
    assert frame.key_frame
