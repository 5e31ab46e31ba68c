"""The web process, and the one door through which eventlet comes in: its first lines patch the standard library."""

# ruff: noqa: E402
import warnings

warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")  # known: it has this one door
import eventlet

eventlet.monkey_patch()

import gc
import os
import resource
import signal
import socket
import sys
from typing import Any

assert "psycopg" not in sys.modules, "psycopg chooses how it waits when it is imported: that was too early"
os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"  # the one that eventlet patched; every other stops all greenlets
import psycopg.waiting

assert psycopg.waiting.wait is psycopg.waiting.wait_select

import eventlet.tpool
import eventlet.websocket
import eventlet.wsgi

from console import runtime
from console.config import Settings

MOST_CONNECTIONS = 20_000
GRACE = 5.0  # seconds that requests under way get when the process is asked to stop

runtime.use(runtime.Runtime("eventlet", eventlet.spawn_n, eventlet.sleep, eventlet.tpool.execute))


def main() -> int:
    settings = Settings.from_env()
    _raise_file_limit()
    from sqlalchemy.orm import configure_mappers

    from console import access, broadcast, live  # after the patching, and after the settings proved sound
    from console.app import create_app
    from console.video_seat import signalling
    from console.video_seat.leaving import Leaving
    from console.video_seat.listening import Listener

    app = create_app(settings)
    broadcast.use(live.socketio.server, eventlet.websocket.RFC6455WebSocket)
    configure_mappers()
    gc.freeze()  # what is there now stays: it is not looked through again and again
    runtime.spawn(access.keep_doors)
    runtime.spawn(Leaving(app.extensions["redis"], settings.seat_grace).run)
    runtime.spawn(Listener(app.extensions["redis"], signalling.terms_of(settings)).run)
    serve(app, settings.host, settings.port)
    return 0


def serve(app: Any, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; then close the door, send browsers away and let running requests finish."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = eventlet.listen((host, port), family, backlog=1024)
    pool = eventlet.GreenPool(MOST_CONNECTIONS)
    server = eventlet.spawn(
        eventlet.wsgi.server, listener, app, custom_pool=pool, log_output=False, debug=False, socket_timeout=None
    )
    _wait_for_signal()
    _send_browsers_away(app)
    server.kill()
    with eventlet.Timeout(GRACE, False):
        pool.waitall()


def _wait_for_signal() -> None:
    """A signal does not wake a sleeping hub, a byte in a socket does."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    eventlet.hubs.trampoline(ours.fileno(), read=True)
    signal.set_wakeup_fd(-1)


def _send_browsers_away(app: Any) -> None:
    """They come back by themselves, to the next process that listens here."""
    if "socketio" in app.extensions:
        with eventlet.Timeout(GRACE, False):
            app.extensions["socketio"].server.eio.disconnect()


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + 1000 if hard == resource.RLIM_INFINITY else min(hard, MOST_CONNECTIONS + 1000)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
