"""Janus, the WebRTC server in C: started from Debian's package with its VideoCall plugin, and a user of that plugin.

Its REST interface and the plugin's requests: https://janus.conf.meetecho.com/docs/rest.html and …/videocall.html.
"""

import asyncio
import glob
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import aiohttp

from tests.servers import ends_with_us

PORT = 8088  # in a network of its own, so it is free
PATIENCE = 15.0  # seconds

GENERAL = """
general: {{
    configs_folder = "{folder}"
    plugins_folder = "{libraries}/plugins"
    transports_folder = "{libraries}/transports"
    events_folder = "{folder}"
    loggers_folder = "{folder}"
    debug_level = 3
    session_timeout = 0
}}
nat: {{ nice_debug = false, ice_enforce_list = "{interface}" }}
plugins: {{ disable = "{other_plugins}" }}
transports: {{ disable = "{other_transports}" }}
"""
HTTP = """
general: {{ json = "compact", base_path = "/janus", http = true, port = {port}, ip = "{host}", https = false }}
admin: {{ admin_http = false, admin_https = false }}
"""


class JanusMissing(Exception):
    """It is not installed, or does not start; the message says which."""


class Janus:
    """The server, from its start to its `stop`."""

    def __init__(self, folder: Path, host: str, interface: str) -> None:
        program, libraries = shutil.which("janus"), glob.glob("/usr/lib/*/janus")
        if program is None or not libraries:
            raise JanusMissing("Janus is not installed (apt-get install janus)")
        others = {kind: _others(Path(libraries[0]) / kind, kept) for kind, kept in KEPT.items()}
        general = GENERAL.format(
            folder=folder,
            libraries=libraries[0],
            interface=interface,
            other_plugins=others["plugins"],
            other_transports=others["transports"],
        )
        (folder / "janus.jcfg").write_text(general)
        (folder / "janus.transport.http.jcfg").write_text(HTTP.format(port=PORT, host=host))
        (folder / "janus.plugin.videocall.jcfg").write_text("general: { }\n")
        self.url = f"http://{host}:{PORT}/janus"
        self._log = folder / "janus.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, "-F", str(folder), "-o", "-N"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                preexec_fn=ends_with_us(signal.SIGKILL),
            )
        self.pid = self._process.pid
        self._wait_until_up()

    def _wait_until_up(self) -> None:
        async def answers() -> bool:
            async with aiohttp.ClientSession() as http, http.get(f"{self.url}/info") as reply:
                return reply.status == 200

        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if asyncio.run(answers()):
                    return
            except aiohttp.ClientError:
                time.sleep(0.1)
        self.stop()
        raise JanusMissing("Janus does not start: " + self._log.read_text(errors="replace")[-300:])

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


KEPT = {"plugins": "libjanus_videocall.so", "transports": "libjanus_http.so"}


def _others(folder: Path, kept: str) -> str:
    return ",".join(sorted(path.name for path in folder.glob("*.so") if path.name != kept))


class JanusUser:
    """A registered user of the VideoCall plugin."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self._url = url
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._http: aiohttp.ClientSession | None = None
        self._handle = self._session = ""
        self._listening: asyncio.Task[None] | None = None

    async def register(self) -> None:
        """Open a session of the server and take the name. Raises RuntimeError, TimeoutError."""
        self._http = aiohttp.ClientSession()
        self._session = f"{self._url}/{(await self._post(self._url, janus='create'))['data']['id']}"
        attached = await self._post(self._session, janus="attach", plugin="janus.plugin.videocall")
        self._handle = f"{self._session}/{attached['data']['id']}"
        self._listening = asyncio.create_task(self._listen())
        await self._say({"request": "register", "username": self.name})
        await self._event("registered")

    async def call(self, other: str, offer: str) -> None:
        await self._say({"request": "call", "username": other}, {"type": "offer", "sdp": offer})

    async def offered(self) -> str:
        """The offer of who calls."""
        return str((await self._event("incomingcall"))["jsep"]["sdp"])

    async def accept(self, answer: str) -> None:
        await self._say({"request": "accept"}, {"type": "answer", "sdp": answer})

    async def accepted(self) -> str:
        """The answer of who was called."""
        return str((await self._event("accepted"))["jsep"]["sdp"])

    async def record(self, path: str) -> None:
        await self._say({"request": "set", "audio": True, "video": True, "record": True, "filename": path})
        await self._event("set")

    async def close(self) -> None:
        if self._http is None:
            return
        await self._say({"request": "hangup"})
        if self._listening is not None:
            self._listening.cancel()
        await self._post(self._session, janus="destroy")
        await self._http.close()

    async def _post(self, url: str, **body: Any) -> dict[str, Any]:
        assert self._http is not None
        async with self._http.post(url, json={**body, "transaction": uuid.uuid4().hex}) as response:
            reply: dict[str, Any] = await response.json()
        if reply["janus"] == "error":
            raise RuntimeError(reply["error"]["reason"])
        return reply

    async def _say(self, body: dict[str, Any], jsep: dict[str, Any] | None = None) -> None:
        await self._post(self._handle, janus="message", body=body, **({"jsep": jsep} if jsep else {}))

    async def _listen(self) -> None:
        assert self._http is not None
        while True:
            async with self._http.get(self._session, params={"maxev": 5}) as response:
                found = await response.json()
            for event in found if isinstance(found, list) else [found]:
                if event.get("janus") == "event":
                    self._events.put_nowait(event)

    async def _event(self, name: str) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            while True:
                event = await self._events.get()
                data = event["plugindata"]["data"]
                if "error" in data:
                    raise RuntimeError(data["error"])
                if data.get("result", {}).get("event") == name:
                    return event
