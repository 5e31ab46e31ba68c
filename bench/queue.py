"""`python -m bench.queue`: JSON lines on stdout, what a claim and a look at one's place cost with 100,000 people waiting at one branch
beside the same with 1,000, on SQLite and PostgreSQL.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, text

from console import db
from console.app import open_house
from console.cases.models import Case, Status
from console.config import Settings
from console.migrate import upgrade
from console.queues import service
from console.queues.models import Priority, Seat, Ticket, TicketState
from console.stamp import Stamp
from tests import world
from tests.fixtures import PASSWORD_HASH
from tests.queues.given import crowd_member, online
from tests.servers import postgres_server

REAL, FEW, MANY, ROUNDS = 60, 1_000, 100_000, 25
GROWTH_LIMIT = 2.0


@contextmanager
def house(url: str, folder: Path) -> Iterator[None]:
    """The broker of the tests at ``url``, open."""
    settings = Settings.from_env({**os.environ, "CONSOLE_HOME": str(folder), "DATABASE_URL": url, "CONSOLE_DEMO": "1"})
    upgrade(settings)
    open_house(settings)
    with db.transaction() as session:
        world.build(session, PASSWORD_HASH)
    yield
    db.close()


def people(now: datetime) -> int:
    """Those at the head of the queue, brought there by the services; their branch."""
    with db.transaction() as session:
        tickets = [crowd_member(session, n, now - timedelta(hours=3) + timedelta(seconds=n)) for n in range(REAL)]
        return tickets[0].branch_id


def crowd(branch_id: int, first: int, count: int, now: datetime) -> None:
    """``count`` more behind them: ticket and case, nothing else of them is looked at."""
    cases = [_case(branch_id, n, now) for n in range(first, first + count)]
    with db.transaction() as session:
        off, on = FOREIGN_KEYS[session.connection().dialect.name]
        session.execute(text(off))
        ids = session.scalars(insert(Case).returning(Case.id, sort_by_parameter_order=True), cases).all()
        session.execute(insert(Ticket), [_ticket(branch_id, case_id, now, n) for n, case_id in enumerate(ids, first)])
        session.execute(text(on))
    with db.engine(writes=True).connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()


# what is no person has no row of one
FOREIGN_KEYS = {
    "sqlite": ("PRAGMA defer_foreign_keys = ON", "PRAGMA defer_foreign_keys = OFF"),
    "postgresql": ("SET LOCAL session_replication_role = replica", "SET LOCAL session_replication_role = origin"),
}


def _case(branch_id: int, n: int, now: datetime) -> dict[str, Any]:
    return {
        "case_no": f"B{n:012d}",
        "business_code": "change_settlement_account",
        "investor_id": 1_000_000 + n,
        "branch_id": branch_id,
        "status": Status.IN_QUEUE,
        "known_facts": {},
        "opened_at": now,
        "version": 1,
    }


def _ticket(branch_id: int, case_id: int, now: datetime, n: int) -> dict[str, Any]:
    return {
        "ticket_no": f"{n % 1000:03d}",
        "case_id": case_id,
        "branch_id": branch_id,
        "state": TicketState.WAITING,
        "priority": Priority.NORMAL,
        "rank": Priority.NORMAL.rank,
        "joined_at": now - timedelta(hours=2) + timedelta(milliseconds=50 * n),
        "missed": 0,
    }


def ms(act: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The least disturbed of them: the machine may be busy with something else."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1000)
    return min(times)


def look(which: str) -> Callable[[], object]:
    """At the place of the first or the last one."""

    def act() -> object:
        with db.reading() as session:
            return service.place(session, session.get_one(Ticket, ids[which]))

    with db.reading() as session:
        all_of_them = session.scalars(
            select(Ticket.id).where(Ticket.state == TicketState.WAITING).order_by(Ticket.id)
        ).all()
        ids = {"first": all_of_them[0], "last": all_of_them[-1]}
    return act


def claim(seat_id: int) -> Callable[[], object]:
    def act() -> object:
        now = datetime.now(UTC)
        with db.transaction() as session:
            seat = session.get_one(Seat, seat_id)
            claimed = service.claim_next(session, seat, Stamp(by=f"staff:{seat.staff_id}", at=now))
            assert claimed is not None
            return claimed.id

    return act


def growth(database: str, now: datetime) -> Iterator[dict[str, Any]]:
    branch_id = people(now)
    with db.transaction() as session:
        seat_id = online(session, at=now).id
    costs: dict[int, dict[str, float]] = {}
    there = REAL
    for count in (FEW, MANY):
        crowd(branch_id, there, count - there, now)
        there = count
        acts = {"claim": claim(seat_id), "place of the first": look("first"), "place of the last": look("last")}
        costs[count] = {name: ms(act) for name, act in acts.items()}
    for name in costs[FEW]:
        few, many = costs[FEW][name], costs[MANY][name]
        yield {
            "figure": f"{name}, {MANY:,} waiting beside {FEW:,}",
            "database": database,
            "ours": round(many, 2),
            "peer": round(few, 2),
            "ratio": round(many / few, 2),
            "unit": "ms",
            "limit": GROWTH_LIMIT,
            "ok": many / few <= GROWTH_LIMIT,
        }


def main() -> int:
    now = datetime.now(UTC)
    found = []
    with tempfile.TemporaryDirectory() as folder, house("", Path(folder)):
        for each in growth("sqlite", now):
            print(json.dumps(each, ensure_ascii=False), flush=True)
            found.append(each)
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres_server() as server,
        house(server.url(server.create()), Path(folder)),
    ):
        for each in growth("postgresql", now):
            print(json.dumps(each, ensure_ascii=False), flush=True)
            found.append(each)
    return 0 if all(each["ok"] for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
