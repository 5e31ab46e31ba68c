"""The other end of `process.Answering`: requests as JSON lines on stdin, one reply each on stdout."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any


async def serve(answer: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> None:
    """Until stdin closes. A failure is the reply `{"error": …}`."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    _say({"ready": True})
    while line := await reader.readline():
        try:
            reply = await answer(json.loads(line))
        except Exception as error:  # told to who asked, who ends the run
            reply = {"error": f"{type(error).__name__}: {error}"}
        _say(reply)


def _say(reply: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()
