"""Every setting, read from the environment once. Nothing else in the house reads ``os.environ``.

=========================  =========================================================================
``CONSOLE_HOME``           the instance folder (default ``./var``): database, evidence, spool, keys, logs
``DATABASE_URL``           ``postgresql://…``; default SQLite in the instance folder
``REDIS_URL``              default the private unix socket of the instance folder
``CONSOLE_HOST/_PORT``     where the web process listens (default 127.0.0.1:8000)
``CONSOLE_PUBLIC_URL``     the address people type; https makes the cookies secure
``CONSOLE_ORIGINS``        further exact origins that may open a WebSocket, separated by commas
``CONSOLE_PROXIES``        how many trusted reverse proxies stand in front (default 0)
``CONSOLE_SECRET_KEY``     signs the session cookies; default made once in ``keys/``
``CONSOLE_SMS``            ``development`` (default: messages go to a page) or ``http`` (a gateway)
``CONSOLE_SMS_URL/_KEY``   the gateway's address and the key that signs for it (console/adapters/sms.py)
``CONSOLE_COUNTER``        ``development`` (a counter system of our own that grants everything) or ``http``
``CONSOLE_COUNTER_URL/_KEY``  the bridge's address and the key that both sign with (console/adapters/counter.py)
``CONSOLE_MEDIA_HOST``     the address on which the media node takes calls (default 127.0.0.1)
``CONSOLE_RING``           seconds after 接通 within which the witness's line must stand, else the seat goes to 小休 (default 20)
``CONSOLE_COME``           seconds after 接通 within which the investor must agree to the recording (default 90)
``CONSOLE_SEAT_GRACE``     seconds a witness who is in no call may be without an open page before the seat is 离线 (default 30)
``CONSOLE_CALL_GRACE``     seconds a side of a call may be away before it goes back to the queue (default 30)
``CONSOLE_AFTER_DROP``     ``resume`` (default) or ``restart``: whether an interrupted conversation goes on or begins again
``CONSOLE_TURN_URLS``      ``turn:turn.example.com:3478?transport=udp,turns:…``: relays for closed networks (default none)
``CONSOLE_TURN_SECRET``    what the relay's ``static-auth-secret`` is (deploy/turnserver.conf)
``CONSOLE_TURN_TTL``       seconds a credential for the relay is good for (default 600)
``CONSOLE_VIDEO_HOURS``    ``09:00-17:00``, Shanghai time (default the whole day)
``CONSOLE_APPOINTMENT_SLOT``  minutes of one slot of 预约视频: 10, 15, 20, 30 or 60 (default 15)
``CONSOLE_APPOINTMENT_DAYS``  so many days can be booked, today included (default 7)
``CONSOLE_APPOINTMENT_REMINDER``  minutes before the slot at which a message reminds of it (default 30)
``CONSOLE_CALLS_PER_SLOT``  calls that one seat takes in a slot (default 2)
``CONSOLE_WALK_IN_SHARE``  % of these that are kept for people without an appointment (default 50)
``CONSOLE_SLA_MINUTES/_SHARE``  minutes within which investors should be answered, and how many of 100 (default 5, 90)
``CONSOLE_RED_MINUTES``    the longest wait from which the board raises the alarm (default 10)
``CONSOLE_STAFF_SESSION``  minutes a staff sign-in lasts (default 720)
``CONSOLE_INVESTOR_SESSION``  minutes an investor's sign-in lasts (default 120)
``CONSOLE_DEMO``           1: demo data, demo sign-ins, the SMS outbox page
``CONSOLE_LOG_LEVEL``      default INFO
=========================  =========================================================================
"""

import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

LONGEST_SOCKET_PATH = 107  # bytes; sockaddr_un.sun_path less its final zero
SMS_ADAPTERS = ("development", "http")
COUNTER_ADAPTERS = ("development", "http")
TURN_URL = re.compile(r"turns?:(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?(\?transport=(udp|tcp))?")
AFTER_DROP = ("resume", "restart")
SLOTS = ("15", "10", "20", "30", "60")  # minutes; whole slots make up every hour


class ConfigError(Exception):
    """A setting makes no sense; the message names the variable."""


@dataclass(frozen=True)
class VideoHours:
    """When witnesses take calls, Shanghai time, ``opens`` included and ``closes`` not; 00:00–00:00 is the whole day."""

    opens: time = time(0, 0)
    closes: time = time(0, 0)

    @classmethod
    def parse(cls, text: str) -> "VideoHours":
        opens, dash, closes = text.partition("-")
        if not dash:
            raise ValueError(text)
        return cls(time.fromisoformat(opens.strip()), time.fromisoformat(closes.strip()))

    def covers(self, moment: time) -> bool:
        if self.opens == self.closes:
            return True
        if self.opens < self.closes:
            return self.opens <= moment < self.closes
        return moment >= self.opens or moment < self.closes

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M}"


WHOLE_DAY = VideoHours()


@dataclass(frozen=True)
class Settings:
    home: Path
    database_url: str
    redis_url: str
    secret_key: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = "http://127.0.0.1:8000"
    allowed_origins: tuple[str, ...] = ("http://127.0.0.1:8000",)
    proxies: int = 0
    sms: str = "development"
    sms_url: str = ""
    sms_key: str = field(default="", repr=False)
    counter: str = "development"
    counter_url: str = ""
    counter_key: str = field(default="", repr=False)
    media_host: str = "127.0.0.1"
    ring: timedelta = timedelta(seconds=20)
    come: timedelta = timedelta(seconds=90)
    call_grace: timedelta = timedelta(seconds=30)
    seat_grace: timedelta = timedelta(seconds=30)
    after_drop: str = "resume"
    turn_urls: tuple[str, ...] = ()
    turn_secret: str = field(default="", repr=False)
    turn_ttl: timedelta = timedelta(minutes=10)
    video_hours: VideoHours = WHOLE_DAY
    sla_minutes: int = 5
    sla_share: int = 90
    red_minutes: int = 10
    appointment_slot: timedelta = timedelta(minutes=15)
    appointment_days: int = 7
    appointment_reminder: timedelta = timedelta(minutes=30)
    calls_per_slot: int = 2
    walk_in_share: int = 50
    staff_session: timedelta = timedelta(hours=12)
    investor_session: timedelta = timedelta(hours=2)
    blind_share: int = 5
    demo: bool = False
    log_level: str = "INFO"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Raises `ConfigError`. Makes the instance folder and the secret key when they are not there."""
        home = Path(environ.get("CONSOLE_HOME") or "var").absolute()
        port = _number(environ, "CONSOLE_PORT", 8000, 0, 65535)
        host = environ.get("CONSOLE_HOST") or "127.0.0.1"
        public_url = _public_url(environ, host, port)
        return cls(
            home=home,
            database_url=_database_url(environ, home),
            redis_url=environ.get("REDIS_URL") or own_redis_url(home),
            secret_key=environ.get("CONSOLE_SECRET_KEY") or kept_secret(home / "keys" / "cookies").hex(),
            host=host,
            port=port,
            public_url=public_url,
            allowed_origins=_origins(environ, public_url, port),
            proxies=_number(environ, "CONSOLE_PROXIES", 0, 0, 8),
            sms=_sms(environ),
            sms_url=environ.get("CONSOLE_SMS_URL") or "",
            sms_key=environ.get("CONSOLE_SMS_KEY") or "",
            counter=_counter(environ),
            counter_url=environ.get("CONSOLE_COUNTER_URL") or "",
            counter_key=environ.get("CONSOLE_COUNTER_KEY") or "",
            media_host=environ.get("CONSOLE_MEDIA_HOST") or "127.0.0.1",
            ring=timedelta(seconds=_number(environ, "CONSOLE_RING", 20, 5, 300)),
            come=timedelta(seconds=_number(environ, "CONSOLE_COME", 90, 20, 600)),
            call_grace=timedelta(seconds=_number(environ, "CONSOLE_CALL_GRACE", 30, 5, 600)),
            seat_grace=timedelta(seconds=_number(environ, "CONSOLE_SEAT_GRACE", 30, 5, 150)),
            after_drop=_one_of(environ, "CONSOLE_AFTER_DROP", AFTER_DROP),
            turn_urls=_turn_urls(environ),
            turn_secret=environ.get("CONSOLE_TURN_SECRET") or "",
            turn_ttl=timedelta(seconds=_number(environ, "CONSOLE_TURN_TTL", 600, 60, 86400)),
            video_hours=_video_hours(environ),
            sla_minutes=_number(environ, "CONSOLE_SLA_MINUTES", 5, 1, 240),
            sla_share=_number(environ, "CONSOLE_SLA_SHARE", 90, 1, 100),
            red_minutes=_number(environ, "CONSOLE_RED_MINUTES", 10, 1, 480),
            appointment_slot=timedelta(minutes=int(_one_of(environ, "CONSOLE_APPOINTMENT_SLOT", SLOTS))),
            appointment_days=_number(environ, "CONSOLE_APPOINTMENT_DAYS", 7, 1, 60),
            appointment_reminder=timedelta(minutes=_number(environ, "CONSOLE_APPOINTMENT_REMINDER", 30, 5, 24 * 60)),
            calls_per_slot=_number(environ, "CONSOLE_CALLS_PER_SLOT", 2, 1, 10),
            walk_in_share=_number(environ, "CONSOLE_WALK_IN_SHARE", 50, 0, 100),
            staff_session=timedelta(minutes=_number(environ, "CONSOLE_STAFF_SESSION", 720, 1, 7 * 24 * 60)),
            investor_session=timedelta(minutes=_number(environ, "CONSOLE_INVESTOR_SESSION", 120, 1, 7 * 24 * 60)),
            blind_share=_number(environ, "CONSOLE_BLIND_SHARE", 5, 0, 100),
            demo=(environ.get("CONSOLE_DEMO") or "0").lower() in ("1", "true", "yes", "on"),
            log_level=_one_of(environ, "CONSOLE_LOG_LEVEL", ("INFO", "DEBUG", "WARNING", "ERROR")),
        )

    def environment(self) -> dict[str, str]:
        """The variables from which a child process reads these same settings."""
        return {
            "CONSOLE_HOME": str(self.home),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "CONSOLE_SECRET_KEY": self.secret_key,
            "CONSOLE_HOST": self.host,
            "CONSOLE_PORT": str(self.port),
            "CONSOLE_PUBLIC_URL": self.public_url,
            "CONSOLE_ORIGINS": ",".join(self.allowed_origins),
            "CONSOLE_PROXIES": str(self.proxies),
            "CONSOLE_SMS": self.sms,
            "CONSOLE_SMS_URL": self.sms_url,
            "CONSOLE_SMS_KEY": self.sms_key,
            "CONSOLE_COUNTER": self.counter,
            "CONSOLE_COUNTER_URL": self.counter_url,
            "CONSOLE_COUNTER_KEY": self.counter_key,
            "CONSOLE_MEDIA_HOST": self.media_host,
            "CONSOLE_RING": str(int(self.ring.total_seconds())),
            "CONSOLE_COME": str(int(self.come.total_seconds())),
            "CONSOLE_SEAT_GRACE": str(int(self.seat_grace.total_seconds())),
            "CONSOLE_CALL_GRACE": str(int(self.call_grace.total_seconds())),
            "CONSOLE_AFTER_DROP": self.after_drop,
            "CONSOLE_TURN_URLS": ",".join(self.turn_urls),
            "CONSOLE_TURN_SECRET": self.turn_secret,
            "CONSOLE_TURN_TTL": str(int(self.turn_ttl.total_seconds())),
            "CONSOLE_VIDEO_HOURS": str(self.video_hours),
            "CONSOLE_APPOINTMENT_SLOT": str(self.appointment_slot // timedelta(minutes=1)),
            "CONSOLE_APPOINTMENT_DAYS": str(self.appointment_days),
            "CONSOLE_APPOINTMENT_REMINDER": str(self.appointment_reminder // timedelta(minutes=1)),
            "CONSOLE_CALLS_PER_SLOT": str(self.calls_per_slot),
            "CONSOLE_WALK_IN_SHARE": str(self.walk_in_share),
            "CONSOLE_SLA_MINUTES": str(self.sla_minutes),
            "CONSOLE_SLA_SHARE": str(self.sla_share),
            "CONSOLE_RED_MINUTES": str(self.red_minutes),
            "CONSOLE_STAFF_SESSION": str(int(self.staff_session.total_seconds() // 60)),
            "CONSOLE_INVESTOR_SESSION": str(int(self.investor_session.total_seconds() // 60)),
            "CONSOLE_BLIND_SHARE": str(self.blind_share),
            "CONSOLE_DEMO": "1" if self.demo else "0",
            "CONSOLE_LOG_LEVEL": self.log_level,
        }

    @property
    def uses_own_redis(self) -> bool:
        return self.redis_url == own_redis_url(self.home)

    @property
    def cookie_secure(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def master_key_path(self) -> Path:
        return self.home / "keys" / "master"

    @property
    def evidence_dir(self) -> Path:
        return self.home / "evidence"

    @property
    def media_spool(self) -> Path:
        return self.home / "media"


def redis_socket(home: Path) -> Path:
    """Where the instance's own Redis listens: in its folder, or in a short private one when that path is too long."""
    wanted = home / "redis.sock"
    if len(os.fsencode(wanted)) <= LONGEST_SOCKET_PATH:
        return wanted
    short = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"console-{os.getuid()}-{short}" / "redis.sock"


def own_redis_url(home: Path) -> str:
    return f"unix://{quote(str(redis_socket(home)))}"


def kept_secret(path: Path) -> bytes:
    """32 random bytes kept at ``path``, made on the first use, readable by the owner only.

    Several processes may start at once: the file appears whole under its name, and the first one to link it wins.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process made it first: its key is the key
        finally:
            draft.unlink()
    secret = path.read_bytes()
    if len(secret) != 32:
        raise ConfigError(f"{path} is damaged: it has {len(secret)} bytes, not 32. Put back a copy of it.")
    return secret


def _database_url(environ: Mapping[str, str], home: Path) -> str:
    url = environ.get("DATABASE_URL")
    if not url:
        return f"sqlite:///{home / 'console.db'}"
    scheme = url.partition(":")[0]
    if scheme in ("postgres", "postgresql"):
        return "postgresql+psycopg" + url.removeprefix(scheme)
    if scheme in ("sqlite", "postgresql+psycopg"):
        return url
    raise ConfigError(f"DATABASE_URL: {scheme!r} is not known here; use postgresql:// or sqlite:///")


def _public_url(environ: Mapping[str, str], host: str, port: int) -> str:
    url = environ.get("CONSOLE_PUBLIC_URL")
    if not url:
        shown = "127.0.0.1" if host in ("", "0.0.0.0", "::") else host
        return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise ConfigError(f"CONSOLE_PUBLIC_URL: {url!r} must read like https://desk.example.com")
    return f"{parts.scheme}://{parts.netloc}"


def _origins(environ: Mapping[str, str], public_url: str, port: int) -> tuple[str, ...]:
    """Exact origins: the public one, its other loopback spelling, and those that are named."""
    origins = [public_url]
    if urlsplit(public_url).hostname in ("127.0.0.1", "localhost"):
        scheme = urlsplit(public_url).scheme
        origins += [f"{scheme}://127.0.0.1:{port}", f"{scheme}://localhost:{port}"]
    for origin in (environ.get("CONSOLE_ORIGINS") or "").split(","):
        if not (origin := origin.strip()):
            continue
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or origin != f"{parts.scheme}://{parts.netloc}":
            raise ConfigError(f"CONSOLE_ORIGINS: {origin!r} must read like https://desk.example.com, with no path")
        origins.append(origin)
    return tuple(dict.fromkeys(origins))


def _sms(environ: Mapping[str, str]) -> str:
    adapter = _one_of(environ, "CONSOLE_SMS", SMS_ADAPTERS)
    if adapter == "http":
        if urlsplit(environ.get("CONSOLE_SMS_URL") or "").scheme not in ("http", "https"):
            raise ConfigError(
                "CONSOLE_SMS_URL: CONSOLE_SMS=http needs the gateway's address, like https://sms.example.com/send"
            )
        if not environ.get("CONSOLE_SMS_KEY"):
            raise ConfigError("CONSOLE_SMS_KEY: CONSOLE_SMS=http needs the key that signs for the gateway")
    return adapter


def _counter(environ: Mapping[str, str]) -> str:
    adapter = _one_of(environ, "CONSOLE_COUNTER", COUNTER_ADAPTERS)
    if adapter == "http":
        if urlsplit(environ.get("CONSOLE_COUNTER_URL") or "").scheme not in ("http", "https"):
            raise ConfigError(
                "CONSOLE_COUNTER_URL: CONSOLE_COUNTER=http needs the bridge's address, like https://counter.example.com/orders"
            )
        if not environ.get("CONSOLE_COUNTER_KEY"):
            raise ConfigError("CONSOLE_COUNTER_KEY: CONSOLE_COUNTER=http needs the key that both sides sign with")
    return adapter


def _turn_urls(environ: Mapping[str, str]) -> tuple[str, ...]:
    """RFC 7065. A relay without a secret would be open to everybody, or useless."""
    urls = tuple(url.strip() for url in (environ.get("CONSOLE_TURN_URLS") or "").split(",") if url.strip())
    for url in urls:
        if not TURN_URL.fullmatch(url):
            raise ConfigError(f"CONSOLE_TURN_URLS: {url!r} must read like turn:turn.example.com:3478?transport=udp")
    if urls and not environ.get("CONSOLE_TURN_SECRET"):
        raise ConfigError("CONSOLE_TURN_SECRET: CONSOLE_TURN_URLS needs the secret that the relay knows too")
    return urls


def _video_hours(environ: Mapping[str, str]) -> VideoHours:
    text = environ.get("CONSOLE_VIDEO_HOURS")
    if not text:
        return WHOLE_DAY
    try:
        return VideoHours.parse(text)
    except ValueError as error:
        raise ConfigError(f"CONSOLE_VIDEO_HOURS: {text!r} must read like 09:00-17:00") from error


def _number(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environ.get(name)
    if not text:
        return default
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise ConfigError(f"{name}: {text!r} must be a number from {least} to {most}")
    return number


def _one_of(environ: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """The first choice is the default."""
    value = environ.get(name) or choices[0]
    if value not in choices:
        raise ConfigError(f"{name}: {value!r} must be one of {', '.join(choices)}")
    return value
