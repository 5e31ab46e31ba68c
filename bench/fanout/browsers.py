"""The browsers: thousands of websockets in one process, one epoll, as little work a message as can be.

Answers JSON lines on stdin (see bench.media.process.Answering). Each web process is a crowd with a name; a change is known by the number
of people waiting that it tells. Pings are answered, as a browser does.
"""

import json
import random
import resource
import select
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

AT_ONCE = 40  # browsers that are still connecting
CONNECT = b"40/portal,"
TOLD = b'42/portal,["queue",'
ASK, ANSWERED = b'42/portal,1["place"]', b'43/portal,1[{"status"'
MASK = b"\0\0\0\0"
BIGGEST = 65_536
OPENING = 180  # seconds at most until all browsers of a web process are there
MOST_BROWSERS = 20_000
OTHER_FILES = 100  # beside a browser each


def raise_file_limit() -> int:
    """How many browsers this process, or one it starts, may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_BROWSERS + OTHER_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_BROWSERS + OTHER_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most - OTHER_FILES


def masked(message: bytes) -> bytes:
    """A short frame of a client; a mask of zeros is a mask."""
    return bytes((0x81, 0x80 | len(message))) + MASK + message


class Crowd:
    """All browsers of one web process."""

    def __init__(self) -> None:
        self.there = self.lost = self.pings = self.answered = self.others = 0
        self.told: dict[bytes, list[float]] = {}  # how many wait → when each browser read it

    def hears(self, waiting: bytes, at: float) -> None:
        self.told.setdefault(waiting, []).append(at)


class Browser:
    __slots__ = ("_rest", "crowd", "joined", "open", "socket")

    def __init__(self, crowd: Crowd, address: tuple[str, int], cookie: str) -> None:
        self.crowd, self.joined, self.open, self._rest = crowd, False, False, b""
        self.socket = socket.socket(socket.AF_INET)
        self.socket.setblocking(False)
        self.socket.connect_ex(address)
        self._rest = (
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Cookie: desk={cookie}\r\n\r\n"
        ).encode()

    def writable(self) -> None:
        self.socket.send(self._rest)
        self._rest = b""

    def readable(self) -> bool:
        """False: it was sent away."""
        data = self.socket.recv(BIGGEST)
        if not data:
            return False
        at = time.monotonic()
        data = self._rest + data if self._rest else data
        if not self.open:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return True
            if b" 101 " not in head.partition(b"\r\n")[0]:
                raise RuntimeError(head.decode())
            self.open = True
        begin, size = 0, len(data)
        while size - begin >= 2:
            length, body = data[begin + 1], begin + 2
            if length == 126:
                length, body = int.from_bytes(data[begin + 2 : begin + 4]), begin + 4
            if body + length > size:
                break
            self._take(data[begin], data[body : body + length], at)
            begin = body + length
        self._rest = data[begin:]
        return True

    def _take(self, kind: int, message: bytes, at: float) -> None:
        if kind != 0x81:
            raise RuntimeError(f"a frame of kind {kind:x}")
        if message.startswith(TOLD):
            self.crowd.hears(message.partition(b'"waiting":')[2].partition(b",")[0], at)
        elif message == b"2":
            self.crowd.pings += 1
            self.socket.send(masked(b"3"))
        elif message.startswith(ANSWERED):
            self.crowd.answered += 1
        elif message.startswith(b"0"):
            self.socket.send(masked(CONNECT))
        elif message.startswith(b'40/portal,{"sid"'):
            self.joined = True
            self.crowd.there += 1
        elif message.startswith(b"44"):
            raise RuntimeError(message.decode())
        else:
            self.crowd.others += 1


class Browsers:
    """The loop."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._by_file: dict[int, Browser] = {}
        self._crowds: dict[str, Crowd] = {}

    def turn(self, seconds: float) -> None:
        for file, event in self._poll.poll(seconds):
            browser = self._by_file[file]
            if event & select.EPOLLOUT:
                browser.writable()
                self._poll.modify(file, select.EPOLLIN)
            else:
                try:
                    there = browser.readable()
                except ConnectionResetError:
                    there = False
                if not there:
                    browser.crowd.lost += 1
                    self._close(file)

    def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not holds():
            if (left := deadline - time.monotonic()) <= 0:
                return False
            self.turn(min(left, 0.25))
        return True

    def open(self, name: str, port: int, cookies: list[str]) -> dict[str, Any]:
        """All of them, some at a time, until each is in its rooms."""
        crowd = self._crowds[name] = Crowd()
        began, connecting, left = time.monotonic(), [], list(cookies)
        while left or connecting:
            connecting = [each for each in connecting if not each.joined]
            while left and len(connecting) < AT_ONCE:
                connecting.append(self._connect(Browser(crowd, ("127.0.0.1", port), left.pop())))
            self.turn(0.25)
            if crowd.lost or time.monotonic() - began > OPENING:
                raise RuntimeError(f"{crowd.there} came, {crowd.lost} were sent away, {len(left)} still to come")
        return {"there": crowd.there, "seconds": round(time.monotonic() - began, 1)}

    def heard(self, name: str, waiting: int, seconds: float) -> dict[str, Any]:
        """Wait until all of the crowd were told that so many wait: when, and how many were told."""
        crowd = self._crowds[name]
        key = str(waiting).encode()
        self.until(lambda: len(crowd.told.get(key, ())) >= crowd.there - crowd.lost, seconds)
        times = sorted(crowd.told.pop(key, []))
        return {"delivered": len(times), "last": times[-1] if times else 0.0, "lost": crowd.lost}

    def places(self, name: str, count: int) -> dict[str, Any]:
        """So many of the crowd ask where they stand."""
        for browser in random.sample(
            [each for each in self._by_file.values() if each.crowd is self._crowds[name]], count
        ):
            browser.socket.send(masked(ASK))
        return {"asked": count}

    def over(self, name: str) -> dict[str, Any]:
        """How many messages came since it was asked the last time: of changes, pings and answers."""
        crowd = self._crowds[name]
        found = {"delivered": sum(map(len, crowd.told.values())), "pings": crowd.pings, "answered": crowd.answered}
        crowd.told, crowd.pings, crowd.answered = {}, 0, 0
        return found

    def drop(self, name: str, count: int) -> dict[str, Any]:
        """So many of the crowd are gone at once, without a word."""
        files = [file for file, each in self._by_file.items() if each.crowd is self._crowds[name]][:count]
        for file in files:
            self._close(file)
        self._crowds[name].there -= len(files)
        return {"dropped": len(files)}

    def _connect(self, browser: Browser) -> Browser:
        self._by_file[browser.socket.fileno()] = browser
        self._poll.register(browser.socket.fileno(), select.EPOLLOUT)
        return browser

    def _close(self, file: int) -> None:
        self._poll.unregister(file)
        self._by_file.pop(file).socket.close()

    def serve(self) -> None:
        """Answer what is asked on stdin, until it is closed; meanwhile be browsers."""
        asked = select.poll()
        asked.register(sys.stdin, select.POLLIN)
        print(json.dumps({"ready": True}), flush=True)
        while True:
            self.turn(0.02)
            if not asked.poll(0):
                continue
            if not (line := sys.stdin.readline()):
                return
            what = json.loads(line)
            try:
                reply = getattr(self, what.pop("do"))(**what)
            except Exception as error:  # told to who asked, who ends the run
                reply = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    raise_file_limit()
    Browsers().serve()
