"""Numbers that people read out: gap-free within a series, given by the database."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from console.local_time import local_day


def next_number(session: Session, series: str) -> int:
    """The next number of ``series``, from 1. Works the same on SQLite and PostgreSQL."""
    statement = text(
        "INSERT INTO counters (series, last) VALUES (:series, 1)"
        " ON CONFLICT (series) DO UPDATE SET last = counters.last + 1 RETURNING last"
    )
    return int(session.execute(statement, {"series": series}).scalar_one())


def case_no(session: Session, at: datetime) -> str:
    """受理单号: the local date and five digits, as in 2026112000173."""
    day = f"{local_day(at):%Y%m%d}"
    return f"{day}{next_number(session, f'case:{day}'):05d}"


def ticket_no(session: Session, branch_id: int, at: datetime) -> str:
    """排队号 of a branch and day: A001 to A999, then B001."""
    n = next_number(session, f"ticket:{branch_id}:{local_day(at):%Y%m%d}") - 1
    return f"{chr(ord('A') + n // 999 % 26)}{n % 999 + 1:03d}"
