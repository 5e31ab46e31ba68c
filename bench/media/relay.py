"""A call server the way aiortc's documentation builds one: MediaRelay between the two, MediaRecorder for each side.

`python -m bench.media.relay SOCKET FOLDER HOST`; offers come over a unix socket. Pictures are decoded once and encoded
twice, for the other side and for the recording (MP4).
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.contrib.media import MediaRecorder, MediaRelay
from av.error import FFmpegError

from bench.media import answering
from worker.media import hosts


class Side:
    """One caller's connection and recorder."""

    def __init__(self, path: Path, relay: MediaRelay) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._recorder = MediaRecorder(str(path))
        self._relay = relay
        self.connection.on("connectionstatechange", self._changed)
        for kind in ("audio", "video"):
            transceiver = self.connection.addTransceiver(kind, "sendrecv")
            if kind == "video":
                codecs = RTCRtpSender.getCapabilities(kind).codecs
                transceiver.setCodecPreferences([codec for codec in codecs if codec.name in ("VP8", "rtx")])

    async def answer(self, offer: str) -> str:
        await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        for receiver in self.connection.getReceivers():
            self._recorder.addTrack(self._relay.subscribe(receiver.track))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        await self._recorder.start()
        return self.connection.localDescription.sdp

    async def _changed(self) -> None:
        if self.connection.connectionState in ("failed", "closed"):
            try:
                await self._recorder.stop()
            except FFmpegError as error:  # aiortc's own trouble with the last packet; the windows are over by then
                print(f"aiortc's recorder ended with: {error}", file=sys.stderr)
            await self.connection.close()

    def show(self, other: "Side") -> None:
        """Send the other's picture and sound to this side."""
        tracks = {receiver.track.kind: receiver.track for receiver in other.connection.getReceivers()}
        for sender in self.connection.getSenders():
            sender.replaceTrack(self._relay.subscribe(tracks[sender.kind]))


class Server:
    """Brings two sides of the same call together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._relay = MediaRelay()
        self._waiting: dict[str, Side] = {}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request: dict[str, Any] = json.loads(await reader.readline())
        call = request["call"]
        side = Side(self._folder / f"{call}-{request['side']}.mp4", self._relay)
        answer = await side.answer(request["sdp"])
        other = self._waiting.pop(call, None)
        if other is None:
            self._waiting[call] = side
        else:
            side.show(other)
            other.show(side)
        writer.write(json.dumps({"sdp": answer}).encode() + b"\n")
        writer.close()


async def run(path: str, folder: str) -> None:
    server = await asyncio.start_unix_server(Server(Path(folder)).answer, path)

    async def nothing(request: dict[str, Any]) -> dict[str, Any]:
        return request

    async with server:
        await answering.serve(nothing)


def main() -> None:
    hosts.gather_only_on([sys.argv[3]])
    asyncio.run(run(sys.argv[1], sys.argv[2]))


if __name__ == "__main__":
    main()
