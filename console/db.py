"""The one engine, the one Base, the two ways to open a session: ``transaction()`` to change, ``reading()`` to look."""

import enum
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from sqlalchemy import (
    JSON,
    DateTime,
    Engine,
    Enum,
    MetaData,
    TypeDecorator,
    create_engine,
    event,
)
from sqlalchemy.orm import DeclarativeBase, sessionmaker
from sqlalchemy.orm import Session as OrmSession

LATER = "later"  # in Session.info
LOCK_PATIENCE = 10.0  # seconds a SQLite writer waits for its turn


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC datetimes in Python whatever the database keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone reached the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[str]: JSON,
        # the values, not the names, are kept: partial indexes and raw SQL read like the code
        enum.StrEnum: Enum(enum.StrEnum, native_enum=False, length=40, values_callable=lambda e: [m.value for m in e]),
    }


class Session(OrmSession):
    """Ours, so that listeners (announcing what was committed) hear our sessions and nobody else's."""


class Columns(Sequence[psycopg.Column]):
    """What the columns of a result are, looked up when somebody asks. SQLAlchemy asks once for each statement that it compiled, and
    psycopg makes an object of every column each time: a sixth of what a wide row costs.
    """

    def __init__(self, find: Callable[[], list[psycopg.Column] | None], number: int):
        self.find, self.number = find, number

    @cached_property
    def found(self) -> list[psycopg.Column]:
        return self.find() or []

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: Any) -> Any:
        return self.found[index]


class Cursor(psycopg.Cursor[Any]):
    @property
    def description(self) -> Any:
        find = partial(getattr, super(), "description")
        result = self.pgresult
        return Columns(find, result.nfields) if result and result.nfields else find()


AS_OF = "as_of"
"""In a session's info: a time; evidence, signatures and calls are then read as they counted at it (quality)."""

_sessions = sessionmaker(class_=Session, expire_on_commit=False)
_engines: dict[str, Engine] = {}
_known: dict[str, Engine] = {}  # closed ones too: opened again, they still know the statements they compiled


def connect(url: str) -> Engine:
    """Open the database at ``url`` and make it the one that ``transaction`` and ``reading`` use; open already, it stays so."""
    engine = _known.get(url) or _known.setdefault(url, _make(url))
    if _engines.get("write") is engine:
        return engine
    close()
    _engines["write"] = engine
    _engines["read"] = engine.execution_options(
        **(
            {"wd_reads": True}
            if engine.dialect.name == "sqlite"
            else {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"}
        )
    )
    return engine


def _make(url: str) -> Engine:
    sqlite = url.startswith("sqlite")
    if sqlite and (path := url.removeprefix("sqlite:///")) != url:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = (
        {"connect_args": {"check_same_thread": False, "timeout": 0}}
        if sqlite
        else {"connect_args": {"cursor_factory": Cursor}, "pool_pre_ping": True}
    )
    # an error may reach a log: what was entered is not told in it
    engine = create_engine(url, pool_size=20, max_overflow=40, hide_parameters=True, **options)
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def engine(*, writes: bool) -> Engine:
    """For a library that wants a session of its own (Flask-Admin); everything else opens ``transaction`` or ``reading``."""
    return _engines["write" if writes else "read"]


def close() -> None:
    for name in ("write", "read"):
        engine = _engines.pop(name, None)
        if engine is not None and name == "write":
            engine.dispose()


def _prepare_sqlite(connection: sqlite3.Connection, record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, below
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    """Writers take the lock at once: a reader that upgrades in the middle would fail where nobody can retry.

    The waiting is ours (driver timeout 0) because the driver's own would stop every other greenlet of the web process.
    """
    raw = connection.connection.driver_connection
    if connection.get_execution_options().get("wd_reads"):
        raw.execute("BEGIN")
        return
    deadline, pause = time.monotonic() + LOCK_PATIENCE, 0.001
    while True:
        try:
            raw.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(pause)
        pause = min(pause * 1.6, 0.03)


@contextmanager
def transaction() -> Iterator[Session]:
    """Commit on the way out, roll back on the way out through an error. What was put off (`afterwards`) comes last."""
    later: list[Callable[[], object]] = []
    with _sessions(bind=_engines["write"]) as session:
        session.info[LATER] = later
        with session.begin():
            yield session
    for act in later:
        act()


def afterwards(session: OrmSession, act: Callable[[], object]) -> None:
    """Do this after the commit with the connection given back: who holds one and waits for a second may wait for ever."""
    if (later := session.info.get(LATER)) is None:
        act()  # a session of a library
    else:
        later.append(act)


@contextmanager
def reading() -> Iterator[Session]:
    """One consistent look at the database; nothing of it is ever written. What was loaded stays readable afterwards."""
    with _sessions(bind=_engines["read"], autoflush=False) as session:
        yield session
