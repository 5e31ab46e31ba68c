"""``console run``: everything that development needs, started, watched, and stopped again.

One loop, one thread: it copies what the children print, notices which ended, starts those again, and on Ctrl-C stops
them all, the database of the others (Redis) last. Each child leads a process group of its own; only these are touched.
"""

import contextlib
import errno
import fcntl
import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO

import click
from redis import Redis
from redis.exceptions import RedisError

from console import leash
from console.adapters import redis_server
from console.adapters.redis_server import RedisUnavailable
from console.config import Settings, redis_socket

STEADY_AFTER = 30.0  # seconds alive after which earlier crashes are forgotten
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds before another start; doubled from one crash to the next
MOST_CRASHES = 6  # in a row
PATIENCE = 10.0  # seconds between asking a child to stop and stopping it
COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_black")


class CannotStart(Exception):
    """Why not, and what to do about it, in words for the person at the terminal."""


@dataclass(frozen=True)
class Part:
    """One program to keep up. ``essential``: without it the rest makes no sense. ``ground``: the others stand on it."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    essential: bool = True
    ground: bool = False
    stop_with: signal.Signals = signal.SIGTERM


class Child:
    """A part's process: started, perhaps crashed, started again, stopped."""

    def __init__(self, part: Part, colour: str, say: Callable[[str, str, str], None], first_pause: float = FIRST_PAUSE):
        self.part = part
        self.first_pause = first_pause
        self.colour = colour
        self.say = say
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.start_again_at: float | None = 0.0
        self.crashes = 0
        self._rest = b""

    @property
    def output(self) -> IO[bytes] | None:
        return self.process.stdout if self.process else None

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.part.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.part.environment, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            preexec_fn=partial(leash.end_with, os.getpid(), self.part.stop_with),
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self.started_at = time.monotonic()
        self.start_again_at = None

    def copy_output(self) -> None:
        """Print the whole lines that came; keep the beginning of the next one."""
        if self.output is None:
            return
        while chunk := _read(self.output):
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self._print(line)

    def ended(self) -> bool:
        """Has it ended? Then whatever it left behind in its group is gone too, and its last words are printed."""
        if self.process is None:
            return True
        if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        self.signal(signal.SIGKILL)  # before it is reaped: until then its number names nobody else's group
        self.copy_output()
        self.process.wait()
        if self._rest:
            self._print(self._rest)
            self._rest = b""
        return True

    def forget(self) -> int:
        """After `ended`: the exit status, negative for a signal."""
        assert self.process is not None and self.process.stdout is not None
        self.process.stdout.close()
        status = self.process.returncode
        self.process = None
        return status

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def note_crash(self, status: int) -> bool:
        """Plan the next start. False when it crashed too often in a row."""
        lived = time.monotonic() - self.started_at
        self.crashes = 1 if lived > STEADY_AFTER else self.crashes + 1
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        if self.crashes >= MOST_CRASHES:
            self.say(self.part.name, f"{how}, for the {self.crashes}th time in a row: giving up", "red")
            return False
        pause = min(self.first_pause * 2 ** (self.crashes - 1), LONGEST_PAUSE)
        self.say(self.part.name, f"{how}; starting it again in {pause:g} s", "red")
        self.start_again_at = time.monotonic() + pause
        return True

    def _print(self, line: bytes) -> None:
        self.say(self.part.name, line.decode(errors="replace").rstrip("\r"), self.colour)


def _read(stream: IO[bytes]) -> bytes:
    try:
        return os.read(stream.fileno(), 65536)
    except BlockingIOError:
        return b""


class Supervisor:
    """Runs parts until it is told to stop: by a signal, by `stop`, or because an essential part cannot be kept up."""

    def __init__(self, write: Callable[[str], None] = click.echo, first_pause: float = FIRST_PAUSE):
        self.write = write
        self.first_pause = first_pause
        self.children: list[Child] = []
        self.width = 8
        self._asked_to_stop = 0
        self._failed = False
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def say(self, name: str, text: str, colour: str = "bright_white") -> None:
        try:
            self.write(click.style(f"{name:<{self.width}} │ ", fg=colour) + text)
        except OSError:  # the terminal is gone: stop, and stop quietly
            self.write = lambda line: None
            self.stop()

    def add(self, part: Part) -> Child:
        child = Child(part, COLOURS[len(self.children) % len(COLOURS)], self.say, self.first_pause)
        self.width = max(self.width, len(part.name))
        self.children.append(child)
        return child

    def child(self, name: str) -> Child:
        return next(child for child in self.children if child.part.name == name)

    @property
    def stopping(self) -> bool:
        return self._asked_to_stop > 0

    def stop(self) -> None:
        """Safe to call from a signal handler."""
        self._asked_to_stop += 1

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Within: Ctrl-C and SIGTERM ask this supervisor to stop."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        waking = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        try:
            for number in before:
                signal.signal(number, lambda *_: self.stop())
            yield
        finally:
            signal.set_wakeup_fd(waking)
            for number, handler in before.items():
                signal.signal(number, handler)

    def run(self, until: Callable[[], bool] = lambda: False) -> bool:
        """Keep everything up until `stop` or ``until``; False when an essential part could not be kept up."""
        while not self.stopping and not until():
            self._start_what_is_due()
            self._listen(0.2)
            for child in self.children:
                if child.process is not None and child.ended():
                    self._after_crash(child)
        return not self._failed

    def run_once(self, part: Part) -> None:
        """Run a preparation to its end. Raises `CannotStart` when it fails; comes back early when asked to stop."""
        child = Child(part, "bright_black", self.say)
        child.start()
        while not child.ended():
            if self.stopping:
                child.signal(signal.SIGTERM)
            self._listen(0.1, extra=child)
        status = child.forget()
        if status and not self.stopping:
            raise CannotStart(f"`{part.name}` failed: see what it says above")

    def stop_everything(self) -> None:
        """First those that stand on others, then the ground."""
        for ground in (False, True):
            self._stop([child for child in self.children if child.part.ground is ground])

    def _stop(self, children: list[Child]) -> None:
        running = [child for child in children if child.process is not None]
        for child in running:
            child.signal(child.part.stop_with)
        asked, deadline = self._asked_to_stop, time.monotonic() + PATIENCE
        while running:
            if time.monotonic() > deadline or self._asked_to_stop > asked:
                for child in running:
                    self.say(child.part.name, "does not stop by itself: killed", "red")
                    child.signal(signal.SIGKILL)
                deadline, asked = time.monotonic() + PATIENCE, self._asked_to_stop
            self._listen(0.1)
            for child in [child for child in running if child.ended()]:
                child.forget()
                running.remove(child)

    def _start_what_is_due(self) -> None:
        for child in self.children:
            if child.process is None and child.start_again_at is not None and time.monotonic() >= child.start_again_at:
                child.start()

    def _after_crash(self, child: Child) -> None:
        status = child.forget()
        if child.note_crash(status):
            return
        child.start_again_at = None
        if child.part.essential:
            self._failed = True
            self.stop()

    def _listen(self, seconds: float, extra: Child | None = None) -> None:
        """Print what arrives within ``seconds``; a signal cuts it short."""
        children = [*self.children, *([extra] if extra else [])]
        speaking = {child.output.fileno(): child for child in children if child.output is not None}
        ready, _, _ = select.select([self._wake_read, *speaking], [], [], seconds)
        for number in ready:
            if number == self._wake_read:
                os.read(self._wake_read, 512)
            else:
                speaking[number].copy_output()


# What `console run` runs


def run_everything(settings: Settings, robots: int = 0, write: Callable[[str], None] = click.echo) -> int:
    """Start all, say where, watch, stop all. Returns the exit status."""
    supervisor = Supervisor(write)
    try:
        with only_one(settings.home), supervisor.signals():
            settings = with_free_port(settings)
            try:
                return _run_everything(supervisor, settings, robots)
            finally:
                supervisor.say("console", "stopping: what is under way may finish, some ten seconds")
                supervisor.stop_everything()
                supervisor.say("console", "everything is stopped")
    except (CannotStart, RedisUnavailable) as error:
        supervisor.say("console", str(error), "red")
        return 1


def _run_everything(supervisor: Supervisor, settings: Settings, robots: int) -> int:
    environment = settings.environment()
    if settings.uses_own_redis:
        start_redis(supervisor, settings)
    for name in ("migrate", "seed") if settings.demo else ("migrate",):
        if not supervisor.stopping:
            supervisor.run_once(console_part(name, environment))
    node = f"run-{os.getpid()}"
    supervisor.add(console_part("web", environment))
    supervisor.add(console_part("worker", environment, "--queue", "default", "--queue", "cards"))
    supervisor.add(replace(console_part("worker", environment, "--queue", "films"), name="films", essential=False))
    media = console_part("media", environment, "--node", node)
    supervisor.add(replace(media, stop_with=signal.SIGINT))  # SIGTERM would let it wait for the end of its calls
    waiting = Readiness(supervisor, settings, node)
    healthy = supervisor.run(until=waiting.is_over)
    if not supervisor.stopping:
        if robots:
            supervisor.add(replace(console_part("robots", environment, "-n", str(robots)), essential=False))
        announce(supervisor, settings)
        healthy = supervisor.run()
    return 0 if healthy else 1


def console_part(command: str, environment: dict[str, str], *arguments: str) -> Part:
    return Part(command, [sys.executable, "-m", "console.cli", command, *arguments], environment)


def start_redis(supervisor: Supervisor, settings: Settings) -> None:
    socket_path, directory = redis_socket(settings.home), settings.home / "redis"
    redis_server.make_room(directory, socket_path)
    if redis_server.answers(socket_path):
        raise CannotStart(f"a Redis that this command did not start answers on {socket_path}: stop it first")
    supervisor.add(Part("redis", redis_server.command(directory, socket_path), ground=True))
    if not supervisor.run(until=lambda: redis_server.answers(socket_path)):
        raise CannotStart("Redis does not start: see what it says above")


@contextlib.contextmanager
def only_one(home: Path) -> Iterator[None]:
    """One supervisor an instance folder. The lock ends with the process, however it ends."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise CannotStart(
                f"`console run` is at work in {home} already (process {lock.read().strip() or 'unknown'});"
                " stop it, or name another instance folder in CONSOLE_HOME"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def with_free_port(settings: Settings) -> Settings:
    """The same settings, with a free port for port 0. Raises `CannotStart` when the wanted one is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotStart(f"cannot listen on {settings.host} port {settings.port}: {error.strerror}") from error
            raise CannotStart(
                f"port {settings.port} is taken by another program: stop that one, or choose another port,"
                f" for example `console run --port {settings.port + 1}` (make run PORT={settings.port + 1})"
            ) from error
        port = probe.getsockname()[1]
    if port == settings.port:
        return settings
    changed = {"CONSOLE_PORT": str(port), "CONSOLE_PUBLIC_URL": "", "CONSOLE_ORIGINS": ""}
    return Settings.from_env({**settings.environment(), **changed})


class Readiness:
    """Asks web, worker and media node whether they are there, and names those that keep us waiting."""

    def __init__(self, supervisor: Supervisor, settings: Settings, node: str):
        self.supervisor = supervisor
        self.redis = Redis.from_url(settings.redis_url, socket_timeout=2)
        self.missing: dict[str, Callable[[], bool]] = {
            "web": lambda: web_answers(settings.host, settings.port),
            "worker": lambda: worker_is_registered(self.redis, supervisor.child("worker").pid),
            "media": lambda: bool(self.redis.exists(f"media:node:{node}")),
        }
        self.next_word_at = time.monotonic() + 15

    def is_over(self) -> bool:
        for name, answers in list(self.missing.items()):
            if self._asks(answers):
                del self.missing[name]
        if self.missing and time.monotonic() > self.next_word_at:
            self.supervisor.say("console", f"still waiting for {', '.join(self.missing)}", "yellow")
            self.next_word_at += 15
        return not self.missing

    def _asks(self, answers: Callable[[], bool]) -> bool:
        try:
            return answers()
        except (RedisError, OSError, http.client.HTTPException):
            return False


def web_answers(host: str, port: int) -> bool:
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(here, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def worker_is_registered(redis: Redis, pid: int | None) -> bool:
    from rq import Worker

    return any(worker.pid == pid for worker in Worker.all(connection=redis))


def announce(supervisor: Supervisor, settings: Settings) -> None:
    say = partial(supervisor.say, "console")
    say("")
    say(f"investor portal   {settings.public_url}/", "green")
    say(f"staff             {settings.public_url}/desk", "green")
    if settings.demo:
        from console.people.demo import DEMO_BROKER_NO, DEMO_INVESTORS, DEMO_SIGN_INS

        say(f"期货公司编号  {DEMO_BROKER_NO}    text messages  {settings.public_url}/dev/sms")
        for line in (*DEMO_SIGN_INS, *DEMO_INVESTORS):
            say(str(line))
    say("ready — Ctrl-C stops everything", "green")
    say("")
