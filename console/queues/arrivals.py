"""Who counts as having arrived, and the databases' own arithmetic of times that counting needs."""

from typing import Any

from sqlalchemy import ColumnElement, Float, Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from .models import Priority, Ticket

BROUGHT_BACK = (Priority.RETURNED, Priority.CHECKED)
FIRST_TIME: ColumnElement[bool] = Ticket.priority.not_in(BROUGHT_BACK)  # the others have an earlier ticket


class epoch(FunctionElement[float]):
    """Seconds since 1970 of a time."""

    type = Float()
    inherit_cache = True


@compiles(epoch, "sqlite")
def _sqlite(element: epoch, compiler: Any, **how: Any) -> str:
    return f"((julianday({compiler.process(element.clauses, **how)}) - 2440587.5) * 86400.0)"


@compiles(epoch, "postgresql")
def _postgresql(element: epoch, compiler: Any, **how: Any) -> str:
    return f"EXTRACT(EPOCH FROM {compiler.process(element.clauses, **how)})"


class slot(FunctionElement[int]):
    """``slot(time, seconds)``: how many whole stretches of so many seconds have passed since 1970."""

    type = Integer()
    inherit_cache = True


@compiles(slot, "sqlite")
def _slot_sqlite(element: slot, compiler: Any, **how: Any) -> str:
    time, seconds = (compiler.process(each, **how) for each in element.clauses)
    return f"(CAST(strftime('%s', {time}) AS INTEGER) / {seconds})"


@compiles(slot, "postgresql")
def _slot_postgresql(element: slot, compiler: Any, **how: Any) -> str:
    time, seconds = (compiler.process(each, **how) for each in element.clauses)
    return f"CAST(FLOOR(EXTRACT(EPOCH FROM {time}) / {seconds}) AS BIGINT)"
