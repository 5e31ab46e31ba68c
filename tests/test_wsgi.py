"""The web process as it really runs: on eventlet, in a process of its own."""

import http.client
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import websocket
from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from console import db
from console.config import Settings
from console.people.models import SignIn
from console.supervisor import web_answers, with_free_port
from tests.review.given import many
from tests.servers import ends_with_us
from tests.world import staff_named

ROOT = Path(__file__).parents[1]
SOON = 60.0

BARE = """
import sys
from console import wsgi  # patches first
import hashlib
import eventlet
from console import runtime

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/hash":
        runtime.offload(hashlib.pbkdf2_hmac, "sha256", b"password", b"salt", 3_000_000)
    if path == "/sleep":
        runtime.sleep(1.0)
    if path == "/mode":
        import psycopg.waiting
        path = f"{runtime.async_mode()} {psycopg.waiting.wait.__name__}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [path.encode()]

app.extensions = {}
wsgi.serve(app, "127.0.0.1", int(sys.argv[1]))
"""


def free_port(tmp_path: Path) -> int:
    return with_free_port(Settings.from_env({"CONSOLE_HOME": str(tmp_path), "CONSOLE_PORT": "0"})).port


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SOON)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while True:
        try:
            if holds():
                return
        except OSError:
            pass  # nobody listens yet
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def rest_of(socket: websocket.WebSocket) -> list[str]:
    """Every message until the other side closed."""
    messages = []
    try:
        while message := socket.recv():
            messages.append(message)
    except websocket.WebSocketConnectionClosedException:
        pass
    finally:
        socket.shutdown()
    return messages


def start_web(settings: Settings) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "console.cli", "web"], cwd=ROOT, env=settings.environment(), preexec_fn=ends_with_us()
    )
    try:
        wait_until(lambda: web_answers("127.0.0.1", settings.port))
    except AssertionError:
        process.kill()
        process.wait()
        raise
    return process


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """`wsgi.serve` with an application of a few lines."""
    port = free_port(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", BARE, str(port)], cwd=ROOT, preexec_fn=ends_with_us())
    wait_until(lambda: get(port, "/")[0] == 200)
    yield port, process
    process.kill()
    process.wait()


@pytest.fixture
def web(tmp_path: Path, sqlite_url: str, redis_url: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """`console web` as it is."""
    port = free_port(tmp_path)
    settings = Settings.from_env(
        {"CONSOLE_HOME": str(tmp_path), "DATABASE_URL": sqlite_url, "REDIS_URL": redis_url, "CONSOLE_PORT": str(port)}
    )
    process = start_web(settings)
    yield port, process
    process.kill()
    process.wait()


def test_it_runs_on_eventlet_and_psycopg_waits_the_patched_way(bare):
    port, _ = bare
    assert get(port, "/mode") == (200, b"eventlet wait_select")


def test_a_password_hash_does_not_keep_the_others_waiting(bare):
    port, _ = bare
    hashing = threading.Thread(target=get, args=(port, "/hash"))
    before = time.monotonic()
    hashing.start()
    time.sleep(0.2)
    answered = [get(port, "/")[0] for _ in range(5)]
    quick = time.monotonic() - before
    still_hashing = hashing.is_alive()
    hashing.join()
    assert answered == [200] * 5
    assert still_hashing, f"the hash was done within {quick:.2f} s: it proves nothing"


def test_a_request_under_way_is_finished_when_it_is_asked_to_stop(bare):
    port, process = bare
    answers: list[tuple[int, bytes]] = []
    asking = threading.Thread(target=lambda: answers.append(get(port, "/sleep")))
    asking.start()
    time.sleep(0.3)
    process.terminate()
    asking.join()
    assert answers == [(200, b"/sleep")]
    assert process.wait(SOON) == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.soak)])
def test_an_open_websocket_is_sent_away_and_the_process_ends(web, how):
    port, process = web
    socket = websocket.create_connection(
        f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket", timeout=SOON, origin=f"http://127.0.0.1:{port}"
    )
    assert json.loads(socket.recv()[1:])["upgrades"] == []
    before = time.monotonic()
    process.send_signal(how)
    assert rest_of(socket) == ["1"]  # Engine.IO's way to say goodbye
    assert process.wait(SOON) == 0
    assert time.monotonic() - before < 12  # at once, not when the page would have gone by itself


def test_a_websocket_from_another_origin_is_refused(web):
    port, _ = web
    with pytest.raises(websocket.WebSocketBadStatusException, match="400"):
        websocket.create_connection(
            f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket", timeout=SOON, origin="http://evil.example"
        )


@pytest.mark.databases("postgresql")
def test_a_sign_in_that_ends_anywhere_closes_its_sockets(world: Settings, tmp_path: Path, redis_url: str) -> None:
    """Ended in the database, as another process would: this one sees it within seconds."""
    with db.transaction() as session:
        staff = staff_named(session, "qinlang")
        ends = datetime.now(UTC) + timedelta(hours=1)
        session.add(SignIn(token="t", staff_id=staff.id, started_at=datetime.now(UTC), expires_at=ends))
    settings = with_free_port(replace(world, redis_url=redis_url, port=0))
    process = start_web(settings)
    try:
        socket = websocket.create_connection(
            f"ws://127.0.0.1:{settings.port}/socket.io/?EIO=4&transport=websocket",
            timeout=SOON,
            cookie=f"desk={cookie_with({'sign_in': 't'}, settings)}",
        )
        socket.recv()
        socket.send("40/review,")
        assert socket.recv().startswith('40/review,{"sid"')
        with db.transaction() as session:
            session.query(SignIn).one().ended_at = datetime.now(UTC)
        assert socket.recv() == "41/review,"
        socket.shutdown()
    finally:
        process.kill()
        process.wait()


@pytest.mark.databases("postgresql")
def test_a_long_export_is_sent_while_it_is_made_and_others_are_served_meanwhile(
    world: Settings, tmp_path: Path, redis_url: str
) -> None:
    with db.transaction() as session:
        staff = staff_named(session, "qinlang")
        ends = datetime.now(UTC) + timedelta(hours=1)
        session.add(SignIn(token="t", staff_id=staff.id, started_at=datetime.now(UTC), expires_at=ends))
    many(20_000)
    settings = with_free_port(replace(world, redis_url=redis_url, port=0))
    process = start_web(settings)
    try:
        cookie = f"desk={cookie_with({'sign_in': 't'}, settings)}"
        page = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=SOON)
        page.request("GET", "/review", headers={"Cookie": cookie})
        answer = page.getresponse()
        token = re.search(r'name="csrf-token" content="([^"]+)"', answer.read().decode())[1]
        cookie = answer.getheader("Set-Cookie", cookie).partition(";")[0]
        wanted = {"Cookie": cookie, "X-CSRFToken": token, "Content-Type": "application/x-www-form-urlencoded"}
        page.request("POST", "/review/export", "format=csv", wanted)
        export = page.getresponse()
        assert (export.status, export.getheader("X-Total")) == (200, "20000")
        rows: list[bytes] = []
        reading = threading.Thread(target=lambda: rows.extend(export))
        reading.start()
        meanwhile = 0
        while reading.is_alive():
            assert get(settings.port, "/healthz")[0] == 200
            meanwhile += 1
        page.close()
        assert len(rows) == 20_001
        assert meanwhile >= 5
    finally:
        process.kill()
        process.wait()


def cookie_with(content: dict[str, str], settings: Settings) -> str:
    app = Flask("console")
    app.secret_key = settings.secret_key
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    signed: str = serializer.dumps(content)
    return signed
