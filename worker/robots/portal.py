"""The investor's portal as a browser uses it: pages, forms with their CSRF token, uploads, the socket."""

import asyncio
import json
import re
from typing import Any

import aiohttp
import socketio

CSRF = re.compile(r'name="csrf-token" content="([^"]+)"')
PORTAL = "/portal"
PUSHES = ("case", "queue", "evidence", "call")
ANSWER_LIMIT = 20  # seconds
PATIENCE = aiohttp.ClientTimeout(total=60)


class Refused(Exception):
    """The server said no: HTTP status (0 from a socket), code, and its words."""

    def __init__(self, where: str, status: int, code: str, text: str):
        super().__init__(f"{where}: {status} {code} {text}")
        self.status, self.code = status, code


class Portal:
    """One browser: cookies of its own. Use as an async context manager."""

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=PATIENCE)
        self._token = ""

    async def __aenter__(self) -> "Portal":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def page(self, path: str) -> str:
        """Look at a page; where it ended up after redirects. The page's CSRF token is remembered."""
        async with self._http.get(self.url + path, headers={"Accept": "text/html"}) as answer:
            html = await answer.text()
            if answer.status >= 400:
                raise Refused(path, answer.status, str(answer.status), "")
            if found := CSRF.search(html):
                self._token = found[1]
            return answer.url.path

    async def form(self, path: str, **fields: str | list[str]) -> dict[str, Any]:
        """Hand a form in. ``{"at": path}`` when it leads to another page, else the JSON."""
        pairs = [(k, each) for k, v in fields.items() for each in (v if isinstance(v, list) else [v])]
        return await self._post(path, data=pairs)

    async def json(self, path: str, **fields: Any) -> dict[str, Any]:
        return await self._post(path, json=fields)

    async def upload(self, path: str, picture: bytes) -> dict[str, Any]:
        form = aiohttp.FormData()
        form.add_field("photo", picture, filename="photo.jpg", content_type="image/jpeg")
        return await self._post(path, data=form)

    async def get(self, path: str) -> dict[str, Any]:
        async with self._http.get(self.url + path, headers={"Accept": "application/json"}) as answer:
            return await _told(path, answer)

    async def _post(self, path: str, **body: Any) -> dict[str, Any]:
        headers = {"Accept": "application/json", "X-CSRFToken": self._token, "Referer": self.url + path}
        async with self._http.post(self.url + path, headers=headers, allow_redirects=False, **body) as answer:
            if answer.status in (302, 303):
                return {"at": answer.headers["Location"]}
            return await _told(path, answer)

    async def connect(self, namespace: str = PORTAL) -> "Line":
        """The socket of a page, with this browser's cookies."""
        client = socketio.AsyncClient(http_session=self._http, reconnection=True, handle_sigint=False)
        line = Line(client, namespace)
        await client.connect(self.url, transports=["websocket"], namespaces=[namespace])
        return line


class Line:
    """A socket. ``ask`` waits for the acknowledgement; any push sets ``news``, ``moved`` too when the call went to another node."""

    def __init__(self, client: socketio.AsyncClient, namespace: str):
        self._client, self._namespace = client, namespace
        self.news, self.moved = asyncio.Event(), asyncio.Event()
        for event in (*PUSHES, "connect"):  # after a broken line something may have been missed
            client.on(event, self._heard, namespace=namespace)

    async def ask(self, event: str, **payload: Any) -> dict[str, Any]:
        """Raises Refused, socketio.exceptions.TimeoutError."""
        answer = await self._client.call(event, payload, namespace=self._namespace, timeout=ANSWER_LIMIT)
        if "error" in answer:
            raise Refused(event, 0, answer.get("code", ""), answer["error"])
        return dict(answer)

    async def close(self) -> None:
        await self._client.disconnect()

    async def _heard(self, told: Any = None, *_: Any) -> None:
        if isinstance(told, dict) and told.get("event") == "moved":
            self.moved.set()
        self.news.set()


async def _told(path: str, answer: aiohttp.ClientResponse) -> dict[str, Any]:
    text = await answer.text()
    try:
        told = json.loads(text) if text else {}
    except ValueError:
        told = {}
    if answer.status >= 400:
        raise Refused(path, answer.status, told.get("code", str(answer.status)), told.get("error", ""))
    return dict(told)
