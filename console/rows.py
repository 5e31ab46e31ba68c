"""Rows written past the session's flush. A flush finds out what changed and builds its statements each time; these are built once, and
cost a tenth. The session is told (`as_written`), so that its objects stay true.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Insert,
    Integer,
    Select,
    Table,
    Update,
    bindparam,
    event,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm import object_session
from sqlalchemy.orm.attributes import QueryableAttribute, set_committed_value
from sqlalchemy.orm.exc import StaleDataError

from console.db import Base, Session

ONE = literal_column("1", Integer)  # for LIMIT
WRITTEN = "written"  # in Session.info


def spelled_out(column: QueryableAttribute[Any] | ColumnElement[Any], value: enum.StrEnum) -> ColumnElement[bool]:
    """``column = 'value'``, with the value in the words of the statement. Were it bound, it might be any: PostgreSQL would keep no plan
    that takes a partial index, and SQLite would prepare the statement anew each time it runs.
    """
    return column == _word(column, value)


def _word(column: QueryableAttribute[Any] | ColumnElement[Any], value: enum.StrEnum) -> ColumnElement[Any]:
    return literal_column(f"'{value}'", column.type)


Bound = tuple[
    Update | Insert, dict[str, Any], dict[str, Any]
]  # a statement that returns an id, its values, what the row becomes


@dataclass(frozen=True)
class Change:
    """These columns of a loaded row get these values, if the row still has the version that the session knows, and each of its states
    that changes is the one that the session knows.
    """

    row: Base
    values: dict[str, Any]

    def bound(self) -> Bound:
        words, free = [], {}
        for name, value in self.values.items():
            if isinstance(value, enum.StrEnum):
                words.append((name, getattr(self.row, name), value))
            else:
                free[name] = value
        statement, known = _change(type(self.row), tuple(free), tuple(words))
        has = {name: getattr(self.row, name) for name in known}
        bound = {_to(self.row, name): value for name, value in free.items()}
        bound |= {_of(self.row, name): value for name, value in has.items()}
        return statement, bound, self.values | {name: value + 1 for name, value in has.items() if name != "id"}


@dataclass(frozen=True)
class New:
    """A row of `inserting`; the session does not get to know it."""

    row: Base
    statement: Insert
    names: tuple[str, ...]

    def bound(self) -> Bound:
        return self.statement, {_to(self.row, name): getattr(self.row, name) for name in self.names}, {}


Write = Change | New


def change(row: Base, **values: Any) -> Change:
    return Change(row, values)


def _of(row: Base | type[Base], name: str) -> str:
    """What it has; one statement may write several rows (`_at_once`)."""
    return f"{row.__tablename__}_of_{name}"


def _to(row: Base | type[Base], name: str) -> str:
    return f"{row.__tablename__}_to_{name}"


@cache
def _change(
    kind: type[Base], names: tuple[str, ...], words: tuple[tuple[str, enum.StrEnum, enum.StrEnum], ...]
) -> tuple[Update, tuple[str, ...]]:
    """The statement, and the attributes that say which row is meant."""
    mapper, columns = kind.__mapper__, kind.__mapper__.columns
    version = () if mapper.version_id_col is None else (mapper.get_property_by_column(mapper.version_id_col).key,)
    same = [columns[name] == bindparam(_of(kind, name), type_=columns[name].type) for name in ("id", *version)]
    same += [spelled_out(columns[name], before) for name, before, _ in words]
    values: dict[str, Any] = {name: bindparam(_to(kind, name), type_=columns[name].type) for name in names}
    values |= {name: _word(columns[name], after) for name, _, after in words}
    values |= {name: columns[name] + ONE for name in version}
    return update(table(kind)).where(*same).values(values).returning(columns["id"]), ("id", *version)


def inserting(kind: type[Base], names: Iterable[str]) -> Insert:
    columns = kind.__mapper__.columns
    values = {name: bindparam(_to(kind, name), type_=columns[name].type) for name in names}
    return insert(table(kind)).values(values).returning(columns["id"])


def write(session: OrmSession, *writes: Write) -> list[int]:
    """Write them now, at most one row of each table; their ids. What waits for a flush goes first. PostgreSQL is asked once, however
    many there are.

    Raises StaleDataError as a flush does: then the transaction has to be rolled back, for some may be written.
    """
    session.flush()
    connection, bound = session.connection(), [each.bound() for each in writes]
    if len({each.row.__tablename__ for each in writes}) < len(writes):
        raise ValueError("two rows of one table")  # their values go by the same names
    if len(bound) > 1 and connection.dialect.name == "postgresql":
        values = {name: value for _, each, _ in bound for name, value in each.items()}
        ids = list(connection.execute(_at_once(tuple(statement for statement, _, _ in bound)), values).one())
    else:
        ids = [connection.scalar(statement, values) for statement, values, _ in bound]
    if None in ids:
        raise StaleDataError(f"{[each.row for each in writes]}: somebody else changed one")
    for each, (_, _, becomes) in zip(writes, bound, strict=True):
        if becomes:
            as_written(each.row, **becomes)
    return ids


@cache
def _at_once(statements: tuple[Update | Insert, ...]) -> Select[Any]:
    parts = [statement.cte(f"w{n}") for n, statement in enumerate(statements)]
    return select(*(select(part.c.id).scalar_subquery() for part in parts))


def put(row: Base, **values: Any) -> None:
    """Write these columns of a loaded row now. Raises StaleDataError as a flush does."""
    session = object_session(row)
    if session is None:
        raise ValueError("a row that is in no session cannot be written")
    write(session, change(row, **values))


def as_written(row: Base, **values: Any) -> None:
    """The row in the database has these values: nothing is left to be flushed."""
    for name, value in values.items():
        set_committed_value(row, name, value)
    if session := object_session(row):
        session.info.setdefault(WRITTEN, []).append(row)


def table(kind: type[Base]) -> Table:
    found = kind.__table__
    assert isinstance(found, Table)
    return found


@event.listens_for(Session, "after_soft_rollback")
def _read_again(session: OrmSession, ended: object) -> None:
    """What was written in a savepoint is undone with it, and the session knows only of what it flushed."""
    for row in session.info.pop(WRITTEN, ()):
        if row in session:
            session.expire(row)
