"""Written straight to the sockets of a real eventlet process: whole, in order, to who is in the room; slow browsers are sent away."""

import http.client
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import websocket
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis import Redis
from socketio import RedisManager
from sqlalchemy import select

from bench.fanout.__main__ import people
from bench.media.process import Answering
from console import db, live
from console.broadcast import MOST_BYTES, MOST_MESSAGES
from console.config import Settings
from console.people.models import SignIn, StaffEvent
from console.supervisor import with_free_port
from tests.servers import ends_with_us
from tests.test_wsgi import cookie_with, start_web, wait_until
from tests.world import staff_named

ROOT = Path(__file__).parents[1]
SOON = 20.0
BIG, MIDDLE, SMALL = 20_000, 1_000, 100  # bytes

HOUSE = """
import socket, sys
from console import wsgi  # patches first
import eventlet, eventlet.wsgi
from eventlet.websocket import RFC6455WebSocket
from flask import Flask, request
from flask_socketio import SocketIO, join_room, leave_room
from console import broadcast

app = Flask("bare")
standstill = eventlet.patcher.original("time").sleep  # nobody else runs meanwhile
_, port, transports, *certificate = sys.argv
socketio = SocketIO(app, async_mode="eventlet", transports=transports.split(","), ping_interval=1, ping_timeout=3)
assert broadcast.use(socketio.server, RFC6455WebSocket)

@socketio.on("connect")
def connect(auth=None):
    join_room("all")

@socketio.on("leave")
def leave():
    leave_room("all")

most = [0, 0]

def kept():
    for each in list(socketio.server.eio.sockets.values()):
        packets = [packet for packet in list(each.queue.queue) if packet is not None]
        yield len(packets), sum(len(packet.encode()) for packet in packets)

@socketio.on("say")
def say(count, size, pause=0.0, busy=False):
    for n in range(count):
        socketio.emit("said", [n, "x" * size], to="all")
        most[:] = map(max, zip(most, *kept()))
        (standstill if busy else socketio.sleep)(pause)

@socketio.on("most")
def most_kept():  # for one browser, so far: messages and bytes
    return tuple(most)

@socketio.on("how")
def how():
    engine_socket = socketio.server.eio.sockets[socketio.server.manager.eio_sid_from_sid(request.sid, "/")]
    return type(getattr(engine_socket.send, "__self__", None)).__name__, len(socketio.server.eio.sockets)

listener = eventlet.listen(("127.0.0.1", int(port)))
listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)  # the kernel keeps little for a browser
if certificate:
    listener = eventlet.wrap_ssl(listener, certfile=certificate[0], server_side=True)
eventlet.wsgi.server(listener, app, log_output=False)
"""

HELD = """
import _socket, json, socket
from console import wsgi
import eventlet, socketio
from engineio.packet import MESSAGE, Packet
from engineio.socket import Socket
from eventlet.websocket import RFC6455WebSocket
from console.broadcast import Line, Lines

server = socketio.Server(async_mode="eventlet", transports=["websocket"])
ours, theirs = (socket.socket(fileno=each.detach()) for each in _socket.socketpair())
ws, engine_socket = RFC6455WebSocket(ours, {}, 13), Socket(server.eio, "held")
Line(Lines(server.eio, RFC6455WebSocket), engine_socket, ws)
eventlet.spawn(engine_socket._websocket_handler, ws)
eventlet.sleep(0)
ws._sendlock.acquire()  # as whoever answers the browser's own ping
engine_socket.send(Packet(MESSAGE, "first"))
eventlet.sleep(0.01)
taken = not engine_socket.queue.queue
ws._sendlock.release()
engine_socket.send(Packet(MESSAGE, "second"))
got = b""
while b"second" not in got or b"first" not in got:
    got += theirs.recv(99)
print(json.dumps([taken, got.index(b"first") < got.index(b"second")]))
"""

TRIED = """
from console import wsgi
import eventlet.websocket, json, socketio
from console import broadcast

class Newer(eventlet.websocket.RFC6455WebSocket):
    def _pack_message(self, message, **more):
        return b"another protocol"

class Other(eventlet.websocket.RFC6455WebSocket):
    def __init__(self, *given):
        super().__init__(*given)
        del self._sendlock

class Wrapped(eventlet.websocket.RFC6455WebSocket):
    def __init__(self, sock, *given):
        super().__init__(None, *given)

for kind in (eventlet.websocket.RFC6455WebSocket, Newer, Other, Wrapped):
    server = socketio.Server(async_mode="eventlet")
    plain = server.eio._async["websocket"]
    print(json.dumps([kind.__name__, broadcast.use(server, kind), server.eio._async["websocket"] is plain]))
"""


class Browser:
    """Speaks as Socket.IO's client does, at its own pace; answers pings while it reads."""

    def __init__(
        self, port: int, *, scheme: str = "ws", buffer: int | None = None, header: list[str] | None = None
    ) -> None:
        self.ws = websocket.WebSocket(
            sslopt={"cert_reqs": ssl.CERT_NONE},
            sockopt=((socket.SOL_SOCKET, socket.SO_RCVBUF, buffer),) if buffer else (),
        )
        self.ws.settimeout(SOON)
        self.ws.connect(f"{scheme}://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket", header=header or [])
        assert self.ws.recv().startswith("0{")
        self.ws.send("40")
        assert self.next().startswith("40{")

    def next(self) -> str:
        while (message := self.ws.recv()) == "2":
            self.ws.send("3")
        return str(message)

    def tell(self, *event: Any) -> None:
        self.ws.send("42" + json.dumps(event))

    def ask(self, event: str) -> Any:
        self.ws.send(f'427["{event}"]')
        while not (message := self.next()).startswith("437"):
            pass
        return json.loads(message[3:])

    def numbers(self, count: int) -> list[int]:
        return [json.loads(self.next()[2:])[1][0] for _ in range(count)]


class Poller:
    """Of Engine.IO's other transport: asks over HTTP again and again, until it knocks."""

    def __init__(self, port: int) -> None:
        self._port, self._sid = port, ""
        self._sid = json.loads(self.poll()[0][1:])["sid"]
        self._exchange("POST", "40")
        assert self.poll()[0].startswith("40{")

    def poll(self) -> list[str]:
        return self._exchange("GET").split("\x1e")

    def knock(self) -> websocket.WebSocket:
        """The websocket that the server was asked to change to, but not yet told to; what it still asked by polling is answered."""
        asking = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SOON)
        asking.request("GET", self._path("polling"))
        ws = websocket.create_connection(f"ws://127.0.0.1:{self._port}{self._path('websocket')}", timeout=SOON)
        ws.send("2probe")
        assert ws.recv() == "3probe"
        assert asking.getresponse().read() == b"6"
        asking.close()
        return ws

    def _path(self, transport: str) -> str:
        return f"/socket.io/?EIO=4&transport={transport}" + (f"&sid={self._sid}" if self._sid else "")

    def _exchange(self, method: str, body: str | None = None) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SOON)
        try:
            connection.request(method, self._path("polling"), body)
            answer = connection.getresponse()
            assert answer.status == 200
            return answer.read().decode()
        finally:
            connection.close()


def numbers_in(messages: list[str]) -> list[int]:
    return [json.loads(each[2:])[1][0] for each in messages if each.startswith('42["said"')]


class Served:
    """HOUSE in a process of its own, and the browsers that are there."""

    def __init__(self, folder: Path, *certificate: Path, transports: str = "websocket") -> None:
        self.port = with_free_port(Settings.from_env({"CONSOLE_HOME": str(folder), "CONSOLE_PORT": "0"})).port
        arguments = [sys.executable, "-c", HOUSE, str(self.port), transports, *map(str, certificate)]
        self._process = subprocess.Popen(arguments, cwd=ROOT, preexec_fn=ends_with_us())
        self._browsers: list[Browser] = []
        wait_until(self._listens)

    def _listens(self) -> bool:
        assert self._process.poll() is None, "it ended"
        return socket.create_connection(("127.0.0.1", self.port)).close() is None

    def browser(self, **how: Any) -> Browser:
        self._browsers.append(Browser(self.port, **how))
        return self._browsers[-1]

    def stop(self) -> None:
        for browser in self._browsers:
            browser.ws.shutdown()
        self._process.kill()
        self._process.wait()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.stop()


@pytest.fixture
def served_to_all(tmp_path: Path) -> Iterator[Served]:
    """Over websockets and by polling."""
    served = Served(tmp_path, transports="polling,websocket")
    yield served
    served.stop()


@pytest.fixture
def served_over_tls(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path, certificate(tmp_path / "both.pem"))
    yield served
    served.stop()


def test_everybody_in_the_room_hears_it_and_nobody_else(served: Served) -> None:
    speaker, listener, gone = (served.browser() for _ in range(3))
    gone.tell("leave")
    assert gone.ask("how") == ["Line", 3]
    speaker.tell("say", 3, SMALL)
    assert speaker.numbers(3) == listener.numbers(3) == [0, 1, 2]
    gone.ws.settimeout(0.3)
    with pytest.raises(websocket.WebSocketTimeoutException):
        gone.ws.recv()


def test_who_reads_late_gets_all_of_it_whole_and_in_order(served: Served) -> None:
    """Its socket is full in the middle of a frame: the rest waits, and what is said then comes after it."""
    late, speaker = served.browser(buffer=4096), served.browser()
    speaker.tell("say", 12, BIG, 0.005)
    assert speaker.numbers(12) == list(range(12))
    speaker.tell("say", 3, SMALL)
    assert speaker.numbers(3) == [0, 1, 2]
    assert late.numbers(15) == [*range(12), 0, 1, 2]
    speaker.tell("say", 1, SMALL)
    assert late.numbers(1) == [0]


def test_what_follows_half_a_frame_waits_even_where_the_socket_has_room_again(served: Served) -> None:
    reader = served.browser(buffer=4096)
    reader.tell("say", 2, 10 * BIG, 0.3, True)
    assert reader.numbers(2) == [0, 1]


@pytest.mark.parametrize(
    ("count", "size", "pause"), [(40, BIG, 0.03), (250, MIDDLE, 0.008)], ids=["bytes", "messages"]
)  # who reads has time to, on a busy machine too
def test_who_does_not_read_is_sent_away_and_the_others_hear_on(
    served: Served, count: int, size: int, pause: float
) -> None:
    deaf, speaker = served.browser(buffer=4096), served.browser()
    assert speaker.ask("how")[1] == 2
    speaker.tell("say", count, size, pause)
    assert speaker.numbers(count) == list(range(count))
    assert speaker.ask("how")[1] == 1
    messages, kept = speaker.ask("most")
    assert (
        messages <= MOST_MESSAGES
        and kept <= MOST_BYTES
        and (messages == MOST_MESSAGES or kept > MOST_BYTES - size - 100)
    )
    got = []
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionResetError)):
        while True:
            got += deaf.numbers(1)
    assert got == list(range(len(got))) and len(got) < count


def test_who_answers_pings_stays_and_who_does_not_goes(served: Served) -> None:
    here, silent = served.browser(), served.browser()
    heard = here.ws.recv(), here.ws.send("3"), here.ws.recv(), here.ws.send("3"), here.ws.recv(), here.ws.send("3")
    assert heard[::2] == ("2", "2", "2")
    wait_until(lambda: here.ask("how")[1] == 1)
    assert silent.ws.recv() == "2"


def test_what_is_sent_follows_what_the_writer_has_in_hand() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELD], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [True, True]


def test_who_polls_hears_it_and_loses_nothing_while_changing_to_a_websocket(served_to_all: Served) -> None:
    speaker, poller = served_to_all.browser(), Poller(served_to_all.port)
    speaker.tell("say", 2, SMALL)
    assert speaker.numbers(2) == numbers_in(poller.poll()) == [0, 1]
    ws = poller.knock()  # between the two transports now
    speaker.tell("say", 3, SMALL)
    assert speaker.numbers(3) == [0, 1, 2]
    ws.settimeout(0.3)
    with pytest.raises(websocket.WebSocketTimeoutException):
        ws.recv()
    ws.settimeout(SOON)
    ws.send("5")
    speaker.tell("say", 1, MIDDLE)
    heard: list[int] = []
    while len(heard) < 4:
        heard += numbers_in([ws.recv()])
    assert heard == [0, 1, 2, 0]
    assert speaker.ask("how") == ["Line", 2]
    ws.shutdown()


def test_who_polls_no_more_is_noticed(served_to_all: Served) -> None:
    speaker, _ = served_to_all.browser(), Poller(served_to_all.port)
    assert speaker.ask("how") == ["Line", 2]
    wait_until(lambda: speaker.ask("how")[1] == 1)


def test_over_tls_in_the_process_itself_the_plain_way_remains(served_over_tls: Served) -> None:
    browser = served_over_tls.browser(scheme="wss")
    assert browser.ask("how") == ["Socket", 1]
    browser.tell("say", 2, SMALL)
    assert browser.numbers(2) == [0, 1]


def test_browsers_are_not_promised_compression(served: Served) -> None:
    browser = served.browser(header=["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"])
    assert "sec-websocket-extensions" not in (browser.ws.getheaders() or {})


def test_with_a_library_of_another_make_the_plain_way_remains() -> None:
    done = subprocess.run([sys.executable, "-c", TRIED], cwd=ROOT, capture_output=True, text=True, check=True)
    found = [json.loads(each) for each in done.stdout.splitlines() if each.startswith("[")]
    assert found == [
        ["RFC6455WebSocket", True, False],
        *([each, False, True] for each in ("Newer", "Other", "Wrapped")),
    ]
    for said in ("WebSocket._pack_message", "WebSocket._sendlock", "WebSocket.socket.fd"):
        assert said in done.stdout


def certificate(path: Path) -> Path:
    """Of 127.0.0.1, signed by itself, with its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(pem + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


# --- in the real house


def lost_at_once(world: Settings, redis_url: str, count: int, capfd: pytest.CaptureFixture[str]) -> None:
    """The presence of everybody ends with their sockets, however many end together."""
    settings = with_free_port(replace(world, redis_url=redis_url, port=0))
    _, cookies = people(settings, count)
    process, browsers = start_web(settings), Answering("bench.fanout.browsers")
    try:
        browsers.ask(do="open", name="all", port=settings.port, cookies=cookies)
        with Redis.from_url(redis_url) as redis:
            assert len(redis.keys("presence:case:*")) == count
            browsers.ask(do="drop", name="all", count=count)
            wait_until(lambda: not redis.keys("presence:case:*"))
    finally:
        browsers.stop()
        process.kill()
        process.wait()
    assert "presence_lost" not in "".join(capfd.readouterr())


def test_many_sockets_lost_at_once_do_not_exhaust_the_connections_to_redis(world, redis_url, capfd) -> None:
    lost_at_once(world, redis_url, 400, capfd)


@pytest.mark.soak
def test_two_thousand_sockets_lost_at_once(world, redis_url, capfd) -> None:
    lost_at_once(world, redis_url, 2_000, capfd)


def test_whose_sign_in_ended_hears_no_more_of_the_queue(world: Settings, redis_url: str) -> None:
    settings = with_free_port(replace(world, redis_url=redis_url, port=0))
    branch_id, cookies = people(settings, 2)
    process = start_web(settings)
    try:
        gone, there = (at_portal(settings, cookie) for cookie in cookies)
        with db.transaction() as session:
            session.scalars(select(SignIn).order_by(SignIn.id)).first().ended_at = datetime.now(UTC)
        while gone.recv() != "41/portal,":
            pass
        RedisManager(redis_url, write_only=True).emit(
            "queue", {"branch": branch_id, "waiting": 20_001}, room=live.branch_room(branch_id), namespace=live.PORTAL
        )
        while '"waiting":20001' not in there.recv():
            pass
        gone.settimeout(0.5)
        heard = []
        with pytest.raises(websocket.WebSocketTimeoutException):
            while True:
                heard.append(gone.recv())
        assert set(heard) <= {"2"}  # a ping is not of the queue
        there.shutdown()
        gone.shutdown()
    finally:
        process.kill()
        process.wait()


def at_portal(settings: Settings, cookie: str) -> websocket.WebSocket:
    ws = websocket.create_connection(
        f"ws://127.0.0.1:{settings.port}/socket.io/?EIO=4&transport=websocket", timeout=SOON, cookie=f"desk={cookie}"
    )
    ws.recv()
    ws.send("40/portal,")
    assert ws.recv().startswith('40/portal,{"sid"')
    return ws


def test_what_comes_by_socket_is_stamped_with_the_address_of_the_browser_not_of_the_proxy(
    world: Settings, redis_url: str
) -> None:
    with db.transaction() as session:
        staff = staff_named(session, "luwenshan")
        ends = datetime.now(UTC) + timedelta(hours=1)
        session.add(SignIn(token="t", staff_id=staff.id, started_at=datetime.now(UTC), expires_at=ends))
    settings = with_free_port(replace(world, redis_url=redis_url, port=0, proxies=1))
    process = start_web(settings)
    try:
        ws = websocket.create_connection(
            f"ws://127.0.0.1:{settings.port}/socket.io/?EIO=4&transport=websocket",
            timeout=SOON,
            cookie=f"desk={cookie_with({'sign_in': 't'}, settings)}",
            header=["X-Forwarded-For: 198.51.100.1, 203.0.113.9"],  # the first one the browser may have made up
        )
        ws.recv()
        ws.send("40/seat,")
        assert ws.recv().startswith('40/seat,{"sid"')
        ws.send('42/seat,1["sit"]')
        seat = answer(ws, "43/seat,1")
        ws.send("42/seat,2" + json.dumps(["state", {"fence": seat["fence"], "state": "break", "pressed": seat["now"]}]))
        told = answer(ws, "43/seat,2")
        assert told.get("state") == "break", told
        ws.shutdown()
    finally:
        process.kill()
        process.wait()
    with db.reading() as session:
        assert {each.address for each in session.query(StaffEvent)} == {"203.0.113.9"}


def answer(ws: websocket.WebSocket, to: str) -> dict[str, Any]:
    while not (message := ws.recv()).startswith(to):
        pass
    found: dict[str, Any] = json.loads(message.removeprefix(to))[0]
    return found
