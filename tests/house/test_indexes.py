"""Twenty years of cases: what belongs to one of many is found by an index, never by reading all of its kind."""

import pytest
from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint

from console import models
from console.db import Base

MANY = {"cases", "video_sessions", "tickets", "rejections", "evidence", "investors", "deliveries", "check_marks"}
SELDOM = {  # rows that do not stay, or a way that nobody goes from there
    ("call_permits", "session_id"),
    ("mark_snapshots", "evidence_id"),
    ("recordings", "evidence_id"),
    ("sign_ins", "investor_id"),
    ("slot_holds", "case_id"),
}


def leading(table) -> set[str]:
    """The first columns of its indexes that hold every row."""
    whole = [index.columns for index in table.indexes if index.dialect_options["postgresql"]["where"] is None]
    whole += [c.columns for c in table.constraints if isinstance(c, UniqueConstraint | PrimaryKeyConstraint)]
    return {next(iter(columns)).name for columns in whole if columns}


@pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=lambda table: table.name)
def test_a_row_is_found_by_the_one_of_many_that_it_belongs_to(table) -> None:
    assert models
    of_many = {key.parent.name for key in table.foreign_keys if key.column.table.name in MANY}
    assert {column for column in of_many - leading(table) if (table.name, column) not in SELDOM} == set()
