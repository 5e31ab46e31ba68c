"""A synthetic caller: a real WebRTC peer (plain aiortc) with a picture and a voice of its own."""

import asyncio
from array import array
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame
from PIL import Image

from worker.robots.face import Colour, PictureTrack, Portrait, VoiceTrack, tone_share

CONNECT_LIMIT = 10.0  # seconds
LOUD_FRAMES = 50  # frames of 20 ms among which the loudest is judged

Signal = Callable[[str], Awaitable[str]]


@dataclass(frozen=True)
class PeerStats:
    """What a peer has received so far."""

    frames: int
    audio_frames: int
    packets: int
    packets_lost: int
    picture_size: tuple[int, int] | None


class SyntheticPeer:
    """Calls, shows, speaks, looks and listens; as a context manager it connects and closes.

    `signal` takes the SDP offer and returns the answer. On a machine without a network, or when the other end is on
    127.0.0.1 only, call `worker.media.hosts.gather_only_on(["127.0.0.1"])` once in the process before connecting.
    """

    def __init__(
        self,
        signal: Signal,
        *,
        label: str = "",
        colour: Colour = (60, 110, 200),
        tone_hz: int = 440,
        width: int = 640,
        height: int = 480,
        fps: int = 12,
        camera: bool = True,
        cards: Sequence[Image.Image] = (),
    ) -> None:
        self._signal = signal
        self._tracks: list[MediaStreamTrack] = [VoiceTrack(tone_hz)]
        self._portrait = Portrait(width, height, colour, label, cards)
        if camera:
            self._tracks.append(PictureTrack(self._portrait, fps))
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._listeners: list[asyncio.Task[None]] = []
        self._frames = {"audio": 0, "video": 0}
        self._picture: VideoFrame | None = None
        self._sounds: list[array[int]] = []

    async def __aenter__(self) -> "SyntheticPeer":
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Offer, take the answer, and wait until connected.

        Raises TimeoutError, ConnectionError, or what `signal` raises.
        """
        for track in self._tracks:
            transceiver = self.connection.addTransceiver(track, "sendrecv")
            if track.kind == "video":
                codecs = RTCRtpSender.getCapabilities("video").codecs
                transceiver.setCodecPreferences([codec for codec in codecs if codec.name in ("VP8", "rtx")])
        if len(self._tracks) == 1:  # no camera, but eyes
            self.connection.addTransceiver("video", "recvonly")
        self.connection.on("track", self._listen)
        await self.connection.setLocalDescription(await self.connection.createOffer())
        answer = await self._signal(self.connection.localDescription.sdp)
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(CONNECT_LIMIT):
            while self.connection.connectionState != "connected":
                if self.connection.connectionState in ("failed", "closed"):
                    raise ConnectionError(self.connection.connectionState)
                await asyncio.sleep(0.02)

    def _listen(self, track: MediaStreamTrack) -> None:
        self._listeners.append(asyncio.create_task(self._receive(track)))

    async def _receive(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                self._frames[track.kind] += 1
                if isinstance(frame, VideoFrame):
                    self._picture = frame
                elif isinstance(frame, AudioFrame):
                    self._sounds = [*self._sounds[1 - LOUD_FRAMES :], _left_channel(frame)]
        except MediaStreamError:
            return

    def hold_cards(self, on: bool) -> None:
        """Hold the cards into the picture from now on, or no more."""
        self._portrait.holding = on

    async def stats(self) -> PeerStats:
        """What has been received until now."""
        packets = lost = 0
        report: dict[str, Any] = await self.connection.getStats()
        for entry in report.values():
            if entry.type == "inbound-rtp":
                packets += entry.packetsReceived
                lost += entry.packetsLost
        picture = self._picture
        size = (picture.width, picture.height) if picture is not None else None
        return PeerStats(self._frames["video"], self._frames["audio"], packets, lost, size)

    def seen_colour(self) -> Colour | None:
        """The average colour of the wall at the right edge of the picture seen last."""
        if self._picture is None:
            return None
        picture = self._picture.to_image()
        edge = picture.crop((picture.width * 7 // 8, 0, picture.width, picture.height)).resize((1, 1))
        red, green, blue = edge.getpixel((0, 0))
        return (red, green, blue)

    def hears(self, tone_hz: float) -> float:
        """How much of the loudest 20 ms of the last second lies at this tone, 0 to 1."""
        loudest = max(self._sounds, key=lambda sound: max(sound, default=0), default=None)
        return tone_share(loudest, tone_hz) if loudest else 0.0

    async def close(self) -> None:
        """Say good-bye and let go of everything."""
        for track in self._tracks:
            track.stop()
        await self.connection.close()
        for listener in self._listeners:
            listener.cancel()
        await asyncio.gather(*self._listeners, return_exceptions=True)


def _left_channel(frame: AudioFrame) -> "array[int]":
    channels = len(frame.layout.channels)
    samples = array("h", bytes(frame.planes[0])[: frame.samples * channels * 2])
    return samples[::channels]
