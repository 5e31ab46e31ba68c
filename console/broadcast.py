"""Messages to browsers, packed once however many hear them, and written straight to sockets for which nothing waits.

Flask-SocketIO's plain way puts each message into each socket's queue and wakes a greenlet for it, which packs it anew. Under eventlet `use`
puts a `Line` between python-engineio's socket and its websocket: rooms, access, events and the pub/sub between processes stay as they are.
What it leans on in the libraries is tried at the start; is a part not there, the plain way remains. A websocket of another kind than
expected (TLS in this process, an older protocol) keeps the plain way too, and so does a browser that polls or began by polling.
docs/decisions/0015 says what it brings.
"""

import _socket  # what is under every kind of socket: whoever has its own `send` (TLS) is no plain one
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import structlog
from engineio import packet as engineio_packet
from engineio.socket import Socket as EngineSocket

from console import runtime

MOST_MESSAGES, MOST_BYTES = 64, 256 * 1024  # that may wait for one browser; more, and it is sent away
PULSE = 1.0  # seconds: pings that are due leave together
TRIED = ("", "2", "是" * 40, "x" * 125, "x" * 126, "x" * 65_535, "x" * 65_536, b"", b"\x00\xff" * 40_000)
log = structlog.get_logger()
PING: Any = engineio_packet.Packet(engineio_packet.PING)


def packed(message: str | bytes) -> bytes:
    """One whole WebSocket frame from a server (RFC 6455, 5.2): never masked, so the same for everybody; never compressed."""
    kind, data = (0x81, message.encode()) if isinstance(message, str) else (0x82, message)
    if (size := len(data)) < 126:
        return struct.pack("!BB", kind, size) + data
    if size < 65_536:
        return struct.pack("!BBH", kind, 126, size) + data
    return struct.pack("!BBQ", kind, 127, size) + data


def frame(packet: Any) -> bytes:
    """Of an Engine.IO packet; kept on it, because a broadcast hands the same packet to everybody."""
    kept: bytes | None = packet.__dict__.get("frame")
    if kept is None:
        kept = packet.frame = packed(packet.encode())
    return kept


class Line:
    """The way to one browser. Takes the place of three methods of its Engine.IO socket."""

    __slots__ = ("_broken", "_lines", "_lock", "_queue", "_taken", "_waiting", "_write", "_ws", "socket")

    def __init__(self, lines: "Lines", engine_socket: Any, ws: Any) -> None:
        self.socket, self._ws, self._lines = engine_socket, ws, lines
        self._queue, self._waiting = engine_socket.queue, engine_socket.queue.queue
        self._lock, self._write, self._broken = ws._sendlock, ws.socket.fd.send, False
        self._taken = False  # the socket's own writer has a message in hand
        engine_socket.send, engine_socket.poll, engine_socket.schedule_ping = self.send, self.poll, self.schedule_ping

    def send(self, packet: Any) -> None:
        if self._waiting or self._taken or self._lock.locked():  # it comes after what is under way
            self._put(packet)
            return
        whole = frame(packet)
        try:
            written = self._write(whole)
        except BlockingIOError:
            self._put(packet)
            return
        except OSError:
            return  # it is gone; who reads from it is told so as well
        if written < len(whole):
            self._lock.acquire(blocking=False)  # never waits: it was not locked
            runtime.spawn(self._finish, whole[written:])

    def poll(self) -> list[Any]:
        """What is to be written next. Without a limit of time: that nothing waits says nothing about the browser."""
        self._taken = False
        packet = self._queue.get()
        self._taken = True
        self._queue.task_done()
        return [] if packet is None else [packet]

    def schedule_ping(self) -> None:
        if self.socket.last_ping:
            self.socket.last_ping = None
            self._lines.ping_later(self)

    def ping(self) -> None:
        if not self.socket.closing and not self.socket.closed:
            self.socket.last_ping = time.time()
            self.send(PING)

    def _put(self, packet: Any) -> None:
        if self._broken:
            return
        size = sum(len(frame(each)) for each in self._waiting if each is not None)
        if len(self._waiting) >= MOST_MESSAGES or size + len(frame(packet)) > MOST_BYTES:
            log.warning("slow_browser_sent_away", messages=len(self._waiting), size=size)
            self._break()
        else:
            self._queue.put(packet)

    def _finish(self, rest: bytes) -> None:
        try:
            self._ws.socket.sendall(rest)
        except OSError:
            self._break()
        finally:
            self._lock.release()

    def _break(self) -> None:
        """Whoever reads from or writes to it wakes up and ends it in the usual way."""
        self._broken = True
        with suppress(OSError):  # it was gone already
            self._ws.socket.fd.shutdown(socket.SHUT_RDWR)


class Lines:
    """All lines of this process, and one pulse for their pings instead of a greenlet each."""

    def __init__(self, eio: Any, websocket_class: Any) -> None:
        self._eio, self._websocket_class = eio, websocket_class
        self._plain: Callable[..., Any] = eio._async["websocket"]
        self._due: deque[tuple[float, Line]] = deque()
        self._told: set[str] = set()  # kinds of websockets that were a surprise

    def websocket(self, handler: Any, server: Any) -> Callable[..., Any]:
        """What python-engineio makes for each websocket: a WSGI application that calls ``handler`` with the open websocket."""

        def on_line(ws: Any) -> Any:
            engine_socket = getattr(handler, "__self__", None)
            if not (isinstance(engine_socket, EngineSocket) and self.is_plain(ws)):
                self._tell_once(ws)
            elif not engine_socket.connected:  # else it polled until now, and is not to be written to before it agreed
                Line(self, engine_socket, ws)
            return handler(ws)

        app = self._plain(on_line, server)

        def serve(environ: dict[str, Any], start_response: Any) -> Any:
            environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)  # compressing keeps 300 kB for each browser
            return app(environ, start_response)

        return serve

    def ping_later(self, line: Line) -> None:
        self._due.append((time.monotonic() + self._eio.ping_interval, line))

    def keep_pinging(self) -> None:
        while True:
            runtime.sleep(PULSE)
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                self._due.popleft()[1].ping()

    def is_plain(self, ws: Any) -> bool:
        fd = getattr(getattr(ws, "socket", None), "fd", None)
        return (
            type(ws) is self._websocket_class
            and not ws.client
            and isinstance(fd, _socket.socket)
            and type(fd).send is _socket.socket.send
            and fd.gettimeout() == 0  # seconds that writing may wait
        )

    def _tell_once(self, ws: Any) -> None:
        kind = f"{type(ws).__name__} on {type(getattr(getattr(ws, 'socket', None), 'fd', None)).__name__}"
        if kind not in self._told:
            self._told.add(kind)
            log.warning("plain_browser", kind=kind)


def use(server: Any, websocket_class: Any) -> bool:
    """From now on the browsers of ``server`` (Socket.IO's, on eventlet) are written to straight; False: the plain way remains."""
    eio = server.eio
    lines = Lines(eio, websocket_class)
    if missing := _missing(eio, lines, websocket_class):
        log.error("plain_broadcast", missing=missing)
        return False
    eio._async = {**eio._async, "websocket": lines.websocket}
    if eio.transports == ["websocket"]:
        eio.start_service_task = (
            False  # it looks at every socket in turn for unanswered pings: reading times out itself
        )
    runtime.spawn(lines.keep_pinging)
    return True


def _missing(eio: Any, lines: Lines, websocket_class: Any) -> list[str]:
    """Everything the lines lean on that is not there, or not as it was."""
    ours, theirs = (socket.socket(fileno=each.detach()) for each in _socket.socketpair())  # as a listener makes them
    try:
        engine_socket, ws = EngineSocket(eio, "tried"), websocket_class(ours, {}, 13)
        return list(_unknown(eio, engine_socket, ws)) or list(_untrue(lines, engine_socket, ws, theirs))
    except Exception as error:  # a newer library may do anything
        return [f"{type(error).__name__}: {error}"]
    finally:
        ours.close()
        theirs.close()


def _unknown(eio: Any, engine_socket: Any, ws: Any) -> Iterator[str]:
    for name, thing, attributes in (
        ("engineio.Server", eio, ("_async", "start_service_task", "ping_interval", "transports")),
        ("engineio.Socket", engine_socket, ("send", "poll", "schedule_ping", "last_ping", "connected", "closing", "closed")),
        ("engineio.Socket._websocket_handler", getattr(engine_socket, "_websocket_handler", None), ("__self__",)),
        ("Queue", engine_socket.queue, ("queue", "get", "put", "task_done")),
        ("WebSocket", ws, ("_sendlock", "_pack_message", "socket", "client")),
        ("Semaphore", getattr(ws, "_sendlock", None), ("acquire", "release", "locked")),
        ("Packet", PING, ("encode", "__dict__")),
    ):  # fmt: skip
        yield from (f"{name}.{attribute}" for attribute in attributes if not hasattr(thing, attribute))
    if not isinstance(getattr(engine_socket.queue, "queue", None), deque):
        yield "Queue.queue: a deque"


def _untrue(lines: Lines, engine_socket: Any, ws: Any, theirs: socket.socket) -> Iterator[str]:
    """A line is tried on a websocket whose other end is ``theirs``."""
    if any(ws._pack_message(message, masked=False) != packed(message) for message in TRIED):
        yield "WebSocket._pack_message: the same bytes"
    if not lines.is_plain(ws):
        yield "WebSocket.socket.fd: a socket that never waits"
        return
    theirs.setblocking(False)
    Line(lines, engine_socket, ws)
    engine_socket.send(PING)
    if theirs.recv(64) != packed("2") or engine_socket.queue.queue:
        yield "engineio.Socket.send: straight to the socket"
    ws._sendlock.acquire(blocking=False)
    engine_socket.send(PING)
    if not ws._sendlock.locked() or list(engine_socket.queue.queue) != [PING] or engine_socket.poll() != [PING]:
        yield "Semaphore.locked, Queue.get: what is sent meanwhile waits"
