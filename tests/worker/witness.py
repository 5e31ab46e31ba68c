"""A witness for tests of robots: sits down, answers, looks, decides, over the same HTTP and socket as a browser."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from console.db import reading
from console.evidence.models import Kind
from console.stamp import Stamp
from console.video_seat import facts
from console.video_seat.models import VideoSession
from console.video_seat.script import items_of
from worker.robots.peer import SyntheticPeer
from worker.robots.portal import Line, Portal, Refused

SEAT = "/seat"


class Witness:
    """Use as an async context manager: signed in, at the seat, online at a branch."""

    def __init__(self, url: str, username: str, password: str, branch_id: int):
        self._portal, self._who, self._branch = Portal(url), {"username": username, "password": password}, branch_id
        self._line: Line | None = None
        self._peer: SyntheticPeer | None = None
        self._fence = 0
        self.call = ""

    async def __aenter__(self) -> "Witness":
        await self._portal.page("/desk/sign-in")
        await self._portal.form("/desk/sign-in", **self._who)
        self._line = await self._portal.connect(SEAT)
        self._fence = (await self._line.ask("sit"))["fence"]
        self._fence = (await self._ask("state", state="online", branch=self._branch))["fence"]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hang_up()
        if self._line is not None:
            await self._line.close()
        await self._portal.__aexit__()

    async def answer(self) -> SyntheticPeer:
        """The next one who waits, once they show and say something."""
        while not (call := (await self._ask("answer_next"))["call"]):
            await asyncio.sleep(0.2)
        self.call = call

        async def signal(sdp: str) -> str:
            permit = (await self._ask("permit", call=self.call))["permit"]
            return str((await self._ask("offer", call=self.call, sdp=sdp, permit=permit))["sdp"])

        self._peer = SyntheticPeer(signal, label="witness", tone_hz=500)
        await self._peer.connect()
        async with asyncio.timeout(30):
            while (await self._peer.stats()).frames < 10:
                await asyncio.sleep(0.1)
        return self._peer

    async def reject(self, *reasons: str) -> None:
        await self._ask("reject", call=self.call, reasons=list(reasons), remark="请修改")
        await self._hang_up()

    async def pass_video(self) -> None:
        """Everything in order, with the pictures that prove it."""
        for kind in (Kind.SNAPSHOT_FACE, Kind.SNAPSHOT_ID_FRONT, Kind.SNAPSHOT_ID_BACK):
            await self._ask("snapshot", call=self.call, kind=kind.value)
        fields, questions = await asyncio.to_thread(asked_by, self.call)
        await self._ask("check", call=self.call, fields=list(fields), seen=list(fields.values()), result="ok")
        for key in questions:
            await self._ask("mark", call=self.call, item=key, result="ok")
        await self._ask("pass", call=self.call)
        await self._hang_up()

    async def _hang_up(self) -> None:
        peer, self._peer = self._peer, None
        if peer is not None:
            await peer.close()

    async def _ask(self, event: str, **payload: Any) -> dict[str, Any]:
        assert self._line is not None
        return await self._line.ask(event, fence=self._fence, pressed=datetime.now(UTC).isoformat(), **payload)


def asked_by(session_no: str) -> tuple[dict[str, str], list[str]]:
    """The fields, with the print of what is seen of each, and the questions that the page of this call lists."""
    with reading() as look:
        call = look.scalars(select(VideoSession).where(VideoSession.session_no == session_no)).one()
        fields = {fact.key: fact.print for fact in facts.of(look, call.case, Stamp.of_system("test"))}
        return fields, [item.key for item in items_of(call)]


__all__ = ["Refused", "Witness"]
