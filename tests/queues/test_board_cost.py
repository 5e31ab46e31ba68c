"""The board stays cheap: so many questions however many branches there are, and none of them reads every ticket there ever was."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from console.people.models import Branch
from console.queues import board, estimate, staffing
from console.queues.board import Rules
from tests.queues.given import online, waiting_since
from tests.queues.history import called
from tests.world import AT

RULES = Rules(sla=timedelta(minutes=5), share=90, red=timedelta(minutes=10))


@contextmanager
def asked(session: Session) -> Iterator[list[tuple[str, object]]]:
    """The statements that are put to the database meanwhile, each with its values."""
    statements: list[tuple[str, object]] = []
    connection = session.connection()

    def hear(_connection: object, _cursor: object, statement: str, values: object, *_more: object) -> None:
        statements.append((statement, values))

    event.listen(connection, "before_cursor_execute", hear)
    yield statements
    event.remove(connection, "before_cursor_execute", hear)


def plans(session: Session, statements: list[tuple[str, object]]) -> list[str]:
    connection = session.connection()
    found = []
    for statement, values in statements:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()  # type: ignore[arg-type]
        found += [row[3] for row in rows]
    return found


def more_branches(session: Session, count: int) -> list[Branch]:
    first = session.scalars(select(Branch)).first()
    assert first is not None
    session.add_all(Branch(broker_id=first.broker_id, code=f"N{n}", name=f"第{n}营业部") for n in range(count))
    session.flush()
    return list(session.scalars(select(Branch)))


def test_the_board_asks_as_often_for_forty_branches_as_for_two(session: Session) -> None:
    online(session)
    waiting_since(session, "周晚晴", 3)
    branches = more_branches(session, 0)
    with asked(session) as few:
        board.board(session, branches, AT, RULES)
    branches = more_branches(session, 38)
    with asked(session) as many:
        board.board(session, branches, AT, RULES)
    assert len(many) == len(few) <= 6


def test_nothing_reads_every_ticket(session: Session) -> None:
    seat = online(session)
    for n in range(12):
        called(session, seat.branch_id, AT - timedelta(weeks=1, minutes=n))
    branches = more_branches(session, 0)
    with asked(session) as statements:
        board.board(session, branches, AT, RULES)
        staffing.suggestions(session, [branch.id for branch in branches], AT, RULES.sla, 0.9)
        estimate.wait_minutes(session, seat.branch_id, 1, AT)
    steps = plans(session, statements)
    assert any("ix_tickets_joined" in step for step in steps) and any("ix_tickets_answered" in step for step in steps)
    assert any("ix_tickets_waiting" in step for step in steps)
    of_all_time = re.compile(r"SCAN (tickets|wait_promises)|ix_tickets_(joined|answered) \((?!\w+_at)")
    assert [step for step in steps if of_all_time.search(step)] == []
    assert session.scalar(text("SELECT count(*) FROM tickets")) == 12
