"""``console doctor``: what is missing on this machine, whether it is needed, and how to get it."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from console.config import ConfigError, Settings

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
VENDOR = Path(__file__).parent / "static" / "vendor" / ".stamp"
LITTLE_SPACE, TOO_LITTLE_SPACE = 5_000_000_000, 500_000_000  # bytes; an hour of video is about 0.5 GB


class State(Enum):
    GOOD = "✓"
    OPTIONAL = "·"  # something does without it
    MISSING = "✗"


@dataclass(frozen=True)
class Finding:
    state: State
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.state.value} {self.what}" + (f"\n    → {self.remedy}" if self.remedy else "")


def good(what: str) -> Finding:
    return Finding(State.GOOD, what)


def missing(what: str, remedy: str) -> Finding:
    return Finding(State.MISSING, what, remedy)


def optional(what: str, remedy: str) -> Finding:
    return Finding(State.OPTIONAL, what, remedy)


def examine() -> Iterator[Finding]:
    """Every finding in turn; nothing is changed but a file written to the instance folder and removed again."""
    yield python()
    yield assets()
    yield chromium()
    yield font()
    try:
        settings = Settings.from_env()
    except (ConfigError, OSError) as error:
        yield missing(f"settings: {error}", "mend the variable that is named")
        return
    for check in (folder, space, redis, database, port):
        yield _without_crashing(check, settings)


def _without_crashing(check: Callable[[Settings], Finding], settings: Settings) -> Finding:
    try:
        return check(settings)
    except ImportError as error:
        return missing(f"{check.__name__}: the package {error.name} is not installed", "pip install -e .")


def python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return good(f"Python {version}, {sys.executable}")  # an older one did not get here: pip refused to install


def assets() -> Finding:
    if VENDOR.exists():
        return good("browser libraries are in console/static/vendor")
    version = _output("node", "--version")
    if version is None or not shutil.which("npm"):
        return missing("Node.js is missing, and the browser libraries are not there yet", "install Node.js 20 or newer")
    if int((re.findall(r"\d+", version) or ["0"])[0]) < 20:
        return missing(f"Node.js {version} is too old", "install Node.js 20 or newer")
    return missing(f"browser libraries are not there yet (Node.js {version})", "make assets")


def chromium() -> Finding:
    for name in CHROMIUM_NAMES:
        if found := shutil.which(name):
            return good(f"Chromium {found}")
    return optional("no Chromium on PATH; only the browser tests need one", "make test gets one; or set CHROMIUM")


def font() -> Finding:
    if has_chinese_font():
        return good("a Chinese font")
    return optional(
        "no Chinese font; films of calls get captions instead of text in the picture", "apt-get install fonts-noto-cjk"
    )


def has_chinese_font() -> bool:
    return bool(_output("fc-list", ":lang=zh", "family"))


def folder(settings: Settings) -> Finding:
    probe = settings.home / f".doctor-{os.getpid()}"
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        return missing(f"the instance folder {settings.home}: {error.strerror}", "allow writing, or set CONSOLE_HOME")
    return good(f"the instance folder {settings.home} can be written")


def space(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.home).free
    said = f"{free / 1e9:.1f} GB free for evidence and recordings"
    if free < TOO_LITTLE_SPACE:
        return missing(said, "make room: an hour of video is about 0.5 GB")
    return optional(said, "an hour of video is about 0.5 GB") if free < LITTLE_SPACE else good(said)


def redis(settings: Settings) -> Finding:
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
    from redis.retry import Retry

    from console.adapters.redis_server import RedisUnavailable, find_binary

    if settings.uses_own_redis:
        try:
            return good(f"a Redis server to start: {find_binary()}")
        except RedisUnavailable as error:
            return missing("Redis", str(error))
    try:
        with Redis.from_url(settings.redis_url, socket_timeout=3, retry=Retry(NoBackoff(), 0)) as client:
            return good(f"Redis {client.info('server')['redis_version']} of REDIS_URL answers")
    except (RedisError, OSError) as error:
        return missing(f"the Redis of REDIS_URL: {error}", "start it, or unset REDIS_URL to use one of our own")


def database(settings: Settings) -> Finding:
    from sqlalchemy.exc import SQLAlchemyError

    from console.migrate import is_current

    kind = "PostgreSQL" if settings.database_url.startswith("postgresql") else "SQLite"
    if kind == "SQLite" and not Path(settings.database_url.removeprefix("sqlite:///")).exists():
        return optional("the SQLite database is not made yet", "`console run` makes it, or: console migrate")
    try:
        current = is_current(settings)
    except SQLAlchemyError as error:
        return missing(f"the {kind} database: {getattr(error, 'orig', error)}", "start it, or mend DATABASE_URL")
    if not current:
        return missing(f"the {kind} database is not of the newest shape", "console migrate")
    return good(f"the {kind} database is reached and of the newest shape")


def port(settings: Settings) -> Finding:
    with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return optional(
                f"port {settings.port} of {settings.host}: {error.strerror} (perhaps Witness Desk is running)",
                f"console run --port {settings.port + 1}",
            )
    return good(f"port {settings.port} of {settings.host} is free")


def _output(*command: str) -> str | None:
    """What the program says, or None when it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
